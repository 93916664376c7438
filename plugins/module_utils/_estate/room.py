# Copyright: (c) 2026, the virtfleet.core contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Whether the host has room for all that shall run."""

from __future__ import annotations

from collections.abc import Iterator

from .._facts import Snapshot
from .._guest.seen import seen
from .._guest.spec import GuestSpec
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
        if spec.state in ("running", "paused") and not (spec.name in snap.guests and snap.guests[spec.name].active)
    }
    if sum(starting.values()) > free:
        yield (
            f"memory: {', '.join(sorted(starting))} shall be started with {show_size(sum(starting.values()))} together, and "
            f"the hypervisor has {show_size(free)} left; give them less, stop others, or give dom0 less (its memory is "
            "not taken)"
        )


def _share(spec: GuestSpec | None, name: str, snap: Snapshot) -> tuple[int, int]:
    """Return memory and CPUs of a guest that will run, nothing of one that will not."""
    facts = snap.guests.get(name)
    state = spec.state if spec is not None else "present"
    runs = state in ("running", "paused") or (state == "present" and facts is not None and facts.active)
    if not runs:
        return 0, 0
    have = seen(facts).have if facts is not None else {}
    whole = {**have, **(spec.values if spec is not None else {})}
    return whole.get("memory", 0), whole.get("vcpus", 1)
