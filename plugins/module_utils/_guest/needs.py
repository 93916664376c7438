# Copyright: (c) 2026, the virtfleet.core contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What the plan of a guest has to know of its host: by name, so that nothing else is read."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from functools import cached_property
from pathlib import PurePath

from .._facts import GuestFacts, PoolFacts
from .expand import DEFAULT_POOL, SEED, image_names, source_paths
from .record import Record
from .seen import Seen, seen
from .spec import GuestSpec


@dataclass(frozen=True)
class Needs:
    """Names of networks and pools, volumes as (pool, name), and paths: of the spec's files, and of the guest's disks.

    What of it exists is for the host to say. ``disks`` may be volumes of the pools, and are not looked at as files.
    """

    networks: frozenset[str] = frozenset()
    pools: frozenset[str] = frozenset()
    volumes: frozenset[tuple[str, str]] = frozenset()
    paths: frozenset[str] = frozenset()
    disks: frozenset[str] = frozenset()

    def volumes_in(self, pool: PoolFacts) -> set[str] | None:
        """Return the names of the volumes of a pool that may matter, or None for all of them.

        In a folder, and in a volume group, a volume is called as its file is; elsewhere its path does not tell its name.
        """
        if pool.path is None or pool.type not in ("dir", "fs", "netfs", "logical"):
            return None
        named = {name for holder, name in self.volumes if holder == pool.name}
        return named | self._places.get(PurePath(pool.path), set())

    @cached_property
    def _places(self) -> Mapping[PurePath, set[str]]:
        """The names of the files by the folder that each is in."""
        found: dict[PurePath, set[str]] = {}
        for place in map(PurePath, self.paths | self.disks):
            found.setdefault(place.parent, set()).add(place.name)
        return found


def joined(parts: Iterable[Needs]) -> Needs:
    """Return what any of them needs: each thing once, however many guests need it."""
    every = list(parts)
    return Needs(
        frozenset().union(*(part.networks for part in every)),
        frozenset().union(*(part.pools for part in every)),
        frozenset().union(*(part.volumes for part in every)),
        frozenset().union(*(part.paths for part in every)),
        frozenset().union(*(part.disks for part in every)),
    )


def needs(spec: GuestSpec, guest: GuestFacts | None, blank_format: str = "qcow2") -> Needs:
    """Return what the plan of ``spec`` needs; ``guest`` is None where it is not there.

    ``blank_format`` is what the platform makes of a disk without an image.
    """
    look = seen(guest) if guest is not None else Seen({}, None)
    record = look.record or Record()
    recorded = {device.pool_and_name for device in record.devices if device.pool_and_name is not None}
    reserved = {device.network for device in record.devices if device.network is not None}
    if spec.state == "absent":
        return Needs(frozenset(reserved), frozenset(pool for pool, _name in recorded), frozenset(recorded))
    networks: set[str] = set()
    if spec.nics is not None:
        networks = set(reserved)
        networks |= {str((nic.get("source") or {}).get("network") or "") for nic in look.have.get("nics", ())}
        networks |= {str((nic.get("source") or {}).get("network") or "") for nic in spec.nics}
    paths, plugged = frozenset(source_paths(spec)), frozenset(networks - {""})
    # A guest whose disks are left alone is planned without a look at them.
    if spec.disks is None and spec.seed_device is None:
        return Needs(plugged, paths=paths)
    volumes = {*recorded, *_named(spec, record, blank_format)}
    pools = {pool for pool, _name in volumes}
    if any(entry.get("source") or str(entry.get("base", "")).startswith("/") for entry in spec.disks or ()):
        # Where a file that is named by its path is looked for first.
        pools.add(spec.pool or DEFAULT_POOL)
    sources = [disk.get("source") or {} for disk in look.have.get("disks", ())]
    disks = frozenset(str(source["file"]) for source in sources if source.get("file"))
    return Needs(plugged, frozenset(pools), frozenset(volumes), paths, disks)


def is_kept_from_its_host(spec: GuestSpec) -> bool:
    """Say whether the guest's memory shall be closed to its host, which only some hosts can do."""
    value = spec.values.get("launch_security") or {}
    return spec.state != "absent" and bool(value) and value.get("type") != "none"


def has_passt(spec: GuestSpec) -> bool:
    """Say whether a nic of the guest shall be behind passt, which only some hosts have."""
    return spec.state != "absent" and any(entry.get("backend") == "passt" for entry in spec.nics or ())


def _named(spec: GuestSpec, record: Record, blank_format: str) -> Iterable[tuple[str, str]]:
    """Yield the volumes that the spec names, those that it would make among them."""
    default = spec.pool or DEFAULT_POOL
    if spec.seed_device is not None and record.device("disk", SEED) is None:
        yield default, f"{spec.name}-{SEED}.iso"
    for entry in spec.disks or ():
        pool = entry.get("pool") or default
        if "volume" in entry:
            first, slash, name = entry["volume"].partition("/")
            yield (first, name) if slash else (pool, first)
        elif entry.get("blank") or "base" in entry:
            device = record.device("disk", entry["name"])
            known = device.pool_and_name if device is not None else None
            if known is not None and entry.get("pool") in (None, known[0]):
                pool = known[0]
            form = entry.get("format") or ("qcow2" if "base" in entry else blank_format)
            yield pool, f"{spec.name}-{entry['name']}.{form}"
            image = str(entry.get("base", ""))
            if image and not image.startswith("/"):
                yield from ((pool, name) for name in image_names(image))
