# Copyright: (c) 2026, the virtfleet.core contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Whether the host has room for all that shall run, and whether each has its disks for itself."""

from __future__ import annotations

from collections.abc import Iterator

from .._facts import Snapshot
from .._guest.fields.modules import plugged_bytes
from .._guest.seen import seen
from .._guest.spec import GuestSpec
from .._guest.states import starts
from .._units import show_size
from .spec import EstateSpec


def overcommitted(estate: EstateSpec, snap: Snapshot) -> Iterator[str]:
    """Yield a complaint where the running guests together have more of the host than the document allows.

    ``snap`` has all guests but those that go.
    """
    limits, host = estate.overcommit, snap.host
    if limits.memory is None and limits.vcpus is None:
        return
    specs = {guest.name: guest for guest in estate.guests}
    shares = [_share(specs.get(name), name, snap) for name in {*specs, *snap.guests}]
    memory, vcpus = sum(share[0] for share in shares), sum(share[1] for share in shares)
    if limits.memory is not None and memory > host.memory_bytes * limits.memory:
        yield (
            f"overcommit.memory: the running guests would have {show_size(memory)}, more than {limits.memory:g} times the "
            f"host's {show_size(host.memory_bytes)}; run fewer guests, give them less, or raise the ratio"
        )
    if limits.vcpus is not None and vcpus > host.cpus * limits.vcpus:
        yield (
            f"overcommit.vcpus: the running guests would have {vcpus} CPUs, more than {limits.vcpus:g} times the host's "
            f"{host.cpus}; run fewer guests, give them fewer, or raise the ratio"
        )


def without_memory(estate: EstateSpec, snap: Snapshot) -> Iterator[str]:
    """Yield a complaint where guests are to be started that the hypervisor cannot give their memory to.

    Xen gives a guest all of its memory at its start, of what no other has; dom0 keeps its share.
    """
    free = snap.host.free_bytes
    if free is None:
        return
    starting = {
        spec.name: _share(spec, spec.name, snap)[0]
        for spec in estate.guests
        if starts(spec.state, snap.runs(spec.name))
    }
    if sum(starting.values()) > free:
        yield (
            f"memory: {', '.join(sorted(starting))} shall be started with {show_size(sum(starting.values()))} together, and "
            f"the hypervisor has {show_size(free)} left; give them less, stop others, or give dom0 less (its memory is "
            "not taken)"
        )


def fought_over(estate: EstateSpec, snap: Snapshot) -> Iterator[str]:
    """Yield a complaint for each disk of a guest to be started that another one writes to, or will.

    Who means it says so (shareable). Guests that run already are left to their hypervisor.
    """
    specs = {spec.name: spec for spec in estate.guests}
    starting = {spec.name for spec in estate.guests if starts(spec.state, snap.runs(spec.name))}
    if not starting:
        return
    users: dict[str, list[str]] = {}
    for name in sorted({*specs, *snap.guests}):
        if _runs(specs.get(name), name, snap):
            for path in _written(specs.get(name), name, snap):
                users.setdefault(path, []).append(name)
    for path, names in users.items():
        first = next((name for name in names if name in starting), None)
        if len(names) > 1 and first is not None:
            yield (
                f"disks: {path} is a disk of {' and '.join(names)}, and {first} shall be started: guests that write to one "
                "disk destroy what is on it; give each its own, or say readonly: true where it is only read"
            )


def _written(spec: GuestSpec | None, name: str, snap: Snapshot) -> set[str]:
    """Return the paths of the disks that a guest writes to and does not share on purpose."""
    facts = snap.guests.get(name)
    if spec is not None and any("shareable" in (overlay.fragment or "") for overlay in spec.overlays):
        return set()
    if facts is not None and "<shareable" in facts.xml:
        return set()
    disks = spec.disks if spec is not None and spec.disks is not None else seen(facts).have["disks"] if facts else ()
    found = set()
    for disk in disks:
        if disk.get("device") == "cdrom" or disk.get("readonly") or disk.get("shareable"):
            continue
        source = disk.get("source") or {}
        volume = snap.volumes.get(_volume(disk.get("volume"))) if "volume" in disk else None
        path = source.get("file") or source.get("block") or (volume.path if volume is not None else None)
        if path:
            found.add(str(path))
    return found


def _volume(word: str | None) -> tuple[str, str]:
    pool, _slash, name = (word or "").partition("/")
    return pool, name


def _runs(spec: GuestSpec | None, name: str, snap: Snapshot) -> bool:
    state = spec.state if spec is not None else "present"
    return state in ("running", "paused") or (state == "present" and snap.runs(name))


def _share(spec: GuestSpec | None, name: str, snap: Snapshot) -> tuple[int, int]:
    """Return memory and CPUs of a guest that will run, nothing of one that will not."""
    facts = snap.guests.get(name)
    if not _runs(spec, name, snap):
        return 0, 0
    have = seen(facts).have if facts is not None else {}
    said = {**spec.values, **spec.lists} if spec is not None else {}
    whole = {**have, **said}
    return whole.get("memory", 0) + plugged_bytes(whole), whole.get("vcpus", 1)
