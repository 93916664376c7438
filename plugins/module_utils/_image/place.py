# Copyright: (c) 2026, the virtfleet.core contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Where an image is, and who stands on it. Pure."""
from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import PurePosixPath

from .. import _xml
from .._errors import NotFound, Unsupported
from .._facts import GuestFacts, PoolFacts, VolumeFacts
from .spec import ImageSpec, image_file_name

# Pools whose volumes are files of one directory.
DIRECTORY_POOLS = ("dir", "fs", "netfs")


@dataclass(frozen=True)
class Place:
    """Where an image is: its path, the pool that lists it or None, and the path of the image that it stands on."""

    path: str
    pool: PoolFacts | None = None
    backing: str | None = None


def find_place(spec: ImageSpec, pools: Mapping[str, PoolFacts]) -> Place:
    """Return where the image of a spec belongs; raise NotFound or Unsupported for its pool."""
    if spec.path is not None:
        folder = str(PurePosixPath(spec.path).parent)
        around = [pool for pool in pools.values() if pool.path == folder and pool.type in DIRECTORY_POOLS]
        return Place(spec.path, around[0] if around else None, _backing(spec, folder))
    name = spec.pool or ""
    if name not in pools:
        known = ", ".join(sorted(pools)) or "none"
        raise NotFound(
            f"image {spec.name}: there is no pool {name!r} (pools here: {known}); make it by virtfleet.core.pool, or "
            "give another pool or a path"
        )
    pool = pools[name]
    if pool.type not in DIRECTORY_POOLS or pool.path is None:
        raise Unsupported(
            f"image {spec.name}: pool {name} is of type {pool.type}, and images are files; give a pool of type dir"
        )
    folder = pool.path.rstrip("/") or "/"
    return Place(str(PurePosixPath(folder) / spec.file_name), pool, _backing(spec, folder))


def _backing(spec: ImageSpec, folder: str) -> str | None:
    if spec.backing is None or spec.backing.startswith("/"):
        return spec.backing
    return str(PurePosixPath(folder) / image_file_name(spec.backing))


def disk_paths(guest: GuestFacts, volumes: Mapping[tuple[str, str], VolumeFacts]) -> frozenset[str]:
    """Return the paths of all files and devices that a guest's disks are on, backing chains in its XML included."""
    found = set()
    for text in (guest.xml, guest.live_xml):
        if text is None:
            continue
        for disk in _xml.parse(text, f"the definition of guest {guest.name}").iterfind("devices/disk"):
            for source in disk.iter("source"):
                volume = volumes.get((source.get("pool", ""), source.get("volume", "")))
                found.add(source.get("file") or source.get("dev") or (volume.path if volume else None))
    return frozenset(path for path in found if path)


class Users:
    """Who stands on which image of a host, indexed once for any number of questions.

    ``chains`` is what the files say (see ``_ports.Files.chains``), ``disks`` the paths of each guest's disks. Overlays
    that only libvirt knows, those of other formats than qcow2, come from ``volumes``.
    """

    def __init__(
        self,
        chains: Mapping[str, tuple[str, ...]],
        disks: Mapping[str, frozenset[str]],
        volumes: Mapping[tuple[str, str], VolumeFacts],
    ) -> None:
        self._real = {image: chain[0] for image, chain in chains.items()}
        self._above: dict[str, set[str]] = {}
        for image, chain in chains.items():
            for lower in chain[1:]:
                self._above.setdefault(lower, set()).add(image)
        for volume in volumes.values():
            if volume.backing:
                self._above.setdefault(self._real_path(volume.backing), set()).add(volume.path)
        self._guests: dict[str, set[str]] = {}
        for guest, paths in disks.items():
            for path in paths:
                self._guests.setdefault(self._real_path(path), set()).add(guest)

    def of(self, path: str) -> tuple[tuple[str, ...], tuple[str, ...]]:
        """Return the overlays on an image, and the guests on it or on one of those, both sorted."""
        real = self._real_path(path)
        reached = {real}
        overlays: set[str] = set()
        waiting = [real]
        while waiting:
            for image in self._above.get(waiting.pop(), ()):
                overlays.add(image)
                if self._real_path(image) not in reached:
                    reached.add(self._real_path(image))
                    waiting.append(self._real_path(image))
        guests = {guest for image in reached for guest in self._guests.get(image, ())}
        return tuple(sorted(overlays)), tuple(sorted(guests))

    def _real_path(self, path: str) -> str:
        return self._real.get(path, path)
