# Copyright: (c) 2026, the virtfleet.core contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Slots for memory, and the modules in them, which are plugged into a running guest."""

from __future__ import annotations

from typing import Any

from ... import _xml
from ..._change import Effect
from ..._table import QEMU, Context, Field, Spec, Table
from ..._types import MEMORY, choice, counted
from ..._xml import Element
from .plugging import plugged

# ACPI has 256 slots at most (QEMU, hw/mem/memory-device.c).
SLOTS = counted(0, 256, "a number of slots")


def _set_slots(root: Element, count: int) -> None:
    if count:
        _xml.write(root, "maxMemory/@slots", str(count))
    else:
        _xml.remove(root, "maxMemory")


ROWS = (
    Field("memory_hotplug_max", ("maxMemory",), MEMORY, drivers=QEMU),
    Field("memory_slots", ("maxMemory/@slots",), SLOTS, absent=0, setter=_set_slots, drivers=QEMU),
)
MODULE = Table(
    (
        Field("model", ("@model",), choice("dimm"), said=False),
        Field("slot", ("address[@type='dimm']/@slot",), counted(0, 255, "a slot")),
        Field("size", ("target/size",), MEMORY),
        Field("node", ("target/node",), counted(0, 4095, "a node"), follows=True),
    )
)


def _plug_effect(context: Context, before: Any, after: Any) -> Effect:
    """A guest that was started without slots gets none while it runs."""
    return Effect.LIVE if context.maxima.get("memory_slots") else Effect.RESTART


MODULES = plugged(
    "memory_modules",
    "memory",
    "devices/memory",
    MODULE,
    ident=("name", "slot", "slot"),
    mark="slot",
    effect=_plug_effect,
    # libvirt gives a slot to each of them.
    select=lambda element: _xml.read(element, "address[@type='dimm']/@slot") is not None,
    fresh=lambda entry: {"model": "dimm", "node": 0},
    called=lambda entry: str(entry.get("slot", "?")),
    # libvirt counts modules into <memory> and <currentMemory>, which are said without them.
    holds=("memory_max", "memory"),
    drivers=QEMU,
)


def plugged_bytes(spec: Spec) -> int:
    """Return how much memory the modules of a guest have together."""
    return sum(entry.get("size", 0) for entry in spec.get("memory_modules", ()))


def slots_and_their_limit(spec: Spec) -> list[str]:
    """libvirt wants both (formatdomain: memory allocation), and NUMA nodes to plug the modules into but on POWER."""
    slots, most = spec.get("memory_slots", 0), spec.get("memory_hotplug_max")
    if bool(slots) != bool(most):
        return [
            "memory_slots: goes with memory_hotplug_max, what the guest can have with all modules; say both, or "
            "memory_slots: 0 for neither"
        ]
    if slots and not spec.get("numa") and not str(spec.get("arch", "")).startswith("ppc64"):
        memory = MEMORY.show(spec.get("memory_max", spec.get("memory", 0)))
        return [f"memory_slots: memory is plugged into guests with NUMA nodes only; say numa, such as numa: [{{memory: {memory}}}]"]
    return []


def modules_fit(spec: Spec) -> list[str]:
    found: list[str] = []
    slots, nodes, taken = spec.get("memory_slots", 0), len(spec.get("numa") or ()), set()
    total: int = (spec.get("memory_max") or spec.get("memory", 0)) + plugged_bytes(spec)
    for entry in spec.get("memory_modules", ()):
        where = f"memory_modules.{entry.get('name') or entry.get('slot', '?')}"
        slot, node = entry.get("slot"), entry.get("node", 0)
        if slot is not None and slot >= slots:
            found.append(f"{where}.slot: {slot} is beyond the guest's slots, which are {slots}, from 0; raise memory_slots")
        elif slot in taken:
            found.append(f"{where}.slot: another module is in slot {slot}")
        elif slots and nodes and node >= nodes:
            found.append(f"{where}.node: the guest has no NUMA node {node}; it has {nodes}, from 0")
        taken.add(slot)
    most = spec.get("memory_hotplug_max")
    if not found and most and total > most and not MEMORY.same(total, most):
        found.append(
            f"memory_hotplug_max: {MEMORY.show(most)} are less than the guest has with its modules ({MEMORY.show(total)})"
        )
    return found


RULES = (slots_and_their_limit, modules_fit)
