# Copyright: (c) 2026, the virtfleet.core contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A whole host in one document, whose plan on that host is empty, and what the document does not say in words."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from fnmatch import fnmatchcase
from typing import Any

from .. import _xml
from .._facts import GuestFacts, ImageFacts, Snapshot
from .._guest.fields.about import SYSTEM
from .._guest.platforms import check_driver, platform_of
from .._image.gather import all_volumes
from .._network.tree import hosts, read_tree
from .._ports import Files, Hypervisor
from .._words import system_word
from .._xl.found import RUNS_WHY, Found, xl_guests
from .derived import emulators
from .guest_words import say_guest
from .network_words import say_network
from .other_words import is_shipped, say_nwfilter, say_secret
from .shorten import shorten
from .storage_words import say_images, say_pool
from .words import Left, Said

VERSION = 1


@dataclass(frozen=True)
class Choice:
    """What is captured: patterns of names for each kind, whether profiles are proposed, and from how many guests on.

    ``xl_configs`` are patterns of paths of configurations for xl, whose guests are captured too.
    """

    guests: tuple[str, ...] = ("*",)
    networks: tuple[str, ...] = ("*",)
    pools: tuple[str, ...] = ("*",)
    profiles: bool = True
    minimum: int = 2
    xl_configs: tuple[str, ...] = ()

    def chosen(self, kind: str, names: Iterable[str]) -> list[str]:
        """Return those names of a kind that a pattern fits, in order."""
        patterns: tuple[str, ...] = getattr(self, kind)
        return sorted(name for name in names if any(fnmatchcase(name, pattern) for pattern in patterns))


def survey(hypervisor: Hypervisor, files: Files, choice: Choice) -> tuple[Snapshot, list[Found]]:
    """Read in bulk what the plans of a captured document need; return the guests that only xl knows too.

    These stand in the snapshot as if libvirt had them defined.
    """
    host = hypervisor.host()
    check_driver(host.driver)
    guests = dict(hypervisor.guests())
    platform = platform_of(host.driver)
    of_xl: list[Found] = []
    if choice.xl_configs and platform.xl and not host.remote:
        of_xl = xl_guests(hypervisor, files, host, choice.xl_configs, guests)
        guests.update({found.name: found.facts for found in of_xl if found.facts is not None})
    pools = hypervisor.pools()
    snap = Snapshot(
        host,
        guests,
        hypervisor.networks(),
        pools,
        all_volumes(hypervisor, pools.values()),
        secrets=hypervisor.secrets(),
        nwfilters=hypervisor.nwfilters(),
    )
    if host.remote:
        return snap, of_xl
    chosen = [guests[name] for name in choice.chosen("guests", guests)]
    paths = sorted({path for guest in chosen for path in _paths(guest)})
    seen = {path: files.path_facts(path, platform.reader) for path in paths}
    volumes = {volume.path: volume for volume in snap.volumes.values()}
    images: dict[str, ImageFacts] = {}
    bases = {volume.backing for volume in volumes.values() if volume.backing is not None}
    for path in [*(path for path in paths if seen[path].exists and seen[path].kind == "file"), *sorted(bases)]:
        image = files.image_facts(path) if path not in volumes or path in bases else None
        if image is not None:
            images[path] = image
    systems = {system_word(_xml.read(_xml.parse(guest.xml), SYSTEM) or "") for guest in chosen} - {""}
    return replace(snap, paths=seen, images=images, systems=files.systems(sorted(systems)) if systems else {}), of_xl


def _paths(guest: GuestFacts) -> set[str]:
    """Return the paths that a guest's definition names: of disks, kernel and initrd."""
    root = _xml.parse(guest.xml)
    sources = _xml.find_all(root, "devices/disk/source")
    found = {source.get(attribute) for source in sources for attribute in ("file", "dev")}
    found |= {_xml.read(root, "os/kernel"), _xml.read(root, "os/initrd")}
    return {path for path in found if path and path.startswith("/")}


def capture(
    snap: Snapshot, choice: Choice, of_xl: Sequence[Found] = ()
) -> tuple[dict[str, Any], list[dict[str, str]]]:
    """Return the document, and what it does not say in words: ``[{kind, name, at, xml, why}]``.

    ``of_xl`` are the guests of the snapshot that only xl knows, and those of xl's that could not be read.
    """
    known = emulators(snap.host.capabilities_xml)
    pools = [say_pool(snap.pools[name], snap) for name in choice.chosen("pools", snap.pools)]
    guests = [say_guest(snap.guests[name], snap, known) for name in choice.chosen("guests", snap.guests)]
    spoken = _reserved(guests, snap)
    networks = [
        say_network(snap.networks[name], snap, spoken.get(name, ()))
        for name in choice.chosen("networks", snap.networks)
    ]
    bases = {path for said in guests for path in said.bases}
    images = say_images(bases, snap, [entry["name"] for entry in _entries(pools)])
    document: dict[str, Any] = {"version": VERSION}
    secrets = [say_secret(facts, snap) for _key, facts in sorted(snap.secrets.items())]
    nwfilters = [say_nwfilter(facts, snap) for name, facts in sorted(snap.nwfilters.items()) if not is_shipped(name)]
    kinds = (
        ("pools", pools),
        ("networks", networks),
        ("images", images),
        ("secrets", secrets),
        ("nwfilters", nwfilters),
    )
    for kind, said in kinds:
        if _entries(said):
            document[kind] = _entries(said)
    entries = _entries(guests)
    if entries:
        document.update(shorten(entries, choice.minimum) if choice.profiles else {"guests": entries})
    left: list[Left] = [piece for _kind, every in (*kinds, ("guests", guests)) for said in every for piece in said.left]
    left += [piece for found in of_xl if choice.chosen("guests", [found.name]) for piece in _of_xl(found)]
    return document, [piece.row() for piece in left]


def _of_xl(found: Found) -> Iterable[Left]:
    if found.facts is None:
        yield Left("guest", found.name, "", "", f"{found.where}: {found.why}")
    elif found.runs:
        yield Left("guest", found.name, "state", "", f"{found.where}: {RUNS_WHY}")


def _entries(said: Sequence[Said]) -> list[dict[str, Any]]:
    return [item.entry for item in said if item.entry is not None]


def _reserved(guests: Sequence[Said], snap: Snapshot) -> Mapping[str, Collection[str]]:
    """Return by network the macs whose reservations are said as a nic's address."""
    found: dict[str, set[str]] = {}
    for entry in _entries(guests):
        said = {(nic["network"], nic["address"]) for nic in entry.get("nics", ()) if "address" in nic}
        for network, address in said:
            for host in hosts(read_tree(snap.networks[network].xml)):
                if host.address == address and host.mac is not None:
                    found.setdefault(network, set()).add(host.mac)
    return found
