# Copyright: (c) 2026, the virtfleet.core contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Memory, virtual CPUs, and where they run."""

from __future__ import annotations

import re
from typing import Any

from ... import _xml
from ..._change import UNSET, Change, Effect, Step
from ..._errors import SpecError
from ..._table import Context, Field, Spec
from ..._types import COUNT, MEMORY, Type, counts, read_text, write_text
from ..._units import KIB, round_up
from ..._xml import Element

# memory: <memory> is the ceiling, <currentMemory> what the guest has (libvirt, formatdomain: memory allocation). libvirt
# counts what is plugged into slots into both; here both are said without it.


def _plugged(root: Element) -> int:
    """Return how much memory the modules of a guest have, in bytes."""
    return sum(MEMORY.read(size, None) for size in _xml.find_all(root, "devices/memory/target/size"))


def _get_memory(root: Element) -> Any:
    for path in ("currentMemory", "memory"):
        element = _xml.find(root, path)
        if element is not None:
            size_bytes: int = MEMORY.read(element, None)
            own = size_bytes - _plugged(root)
            # Less than its modules have: then what somebody wrote was meant without them.
            return own if own > 0 else size_bytes
    return UNSET


def _get_memory_max(root: Element) -> Any:
    element = _xml.find(root, "memory")
    return UNSET if element is None else max(MEMORY.read(element, None) - _plugged(root), 0)


def _write(root: Element, path: str, size_bytes: int) -> None:
    MEMORY.write(_xml.ensure(root, path), None, size_bytes + _plugged(root))


def _set_memory(root: Element, size_bytes: int) -> None:
    """Set what the guest has; the ceiling rises with it, and never falls by itself."""
    ceiling = _get_memory_max(root)
    _write(root, "currentMemory", size_bytes)
    if ceiling is UNSET or ceiling < size_bytes:
        _write(root, "memory", size_bytes)


def _set_memory_max(root: Element, size_bytes: int) -> None:
    """Set the ceiling; what the guest has stays, unless it would be above."""
    current = _get_memory(root)
    _write(root, "memory", size_bytes)
    _write(root, "currentMemory", size_bytes if current is UNSET else min(current, size_bytes))


def _memory_effect(context: Context, before: Any, after: int) -> Effect:
    """A balloon moves below the running guest's ceiling; above it a cold start is needed."""
    if context.active and after <= context.maxima.get("memory_max", 0):
        return Effect.LIVE
    return Effect.RESTART


def _balloon(context: Context, change: Change, live: Element | None, new: Element | None) -> Step:
    # As it is written: libvirt counts in KiB, and modules too.
    more = 0 if live is None else _plugged(live)
    arguments = {"name": context.name, "size_bytes": round_up(change.after, KIB) + more}
    return Step("set_memory", arguments, "change the memory of the running guest", True)


# vcpus: the text of <vcpu> is the ceiling, its ``current`` what is plugged in.


def _get_vcpus(root: Element) -> Any:
    element = _xml.find(root, "vcpu")
    if element is None:
        return UNSET
    return int(element.get("current") or (element.text or "1"))


def _get_vcpus_max(root: Element) -> Any:
    element = _xml.find(root, "vcpu")
    return UNSET if element is None else int(element.text or "1")


def _write_vcpus(root: Element, current: int, ceiling: int) -> None:
    element = _xml.ensure(root, "vcpu")
    element.text = str(ceiling)
    if current < ceiling:
        element.set("current", str(current))
    else:
        element.attrib.pop("current", None)


def _set_vcpus(root: Element, count: int) -> None:
    ceiling = _get_vcpus_max(root)
    _write_vcpus(root, count, count if ceiling is UNSET else max(count, ceiling))


def _set_vcpus_max(root: Element, count: int) -> None:
    current = _get_vcpus(root)
    _write_vcpus(root, count if current is UNSET else min(current, count), count)


def _vcpus_effect(context: Context, before: Any, after: int) -> Effect:
    """Plugging in works up to the ceiling; CPUs present at boot cannot be pulled (libvirt: hotpluggable='no')."""
    if context.active and before is not None and before <= after <= context.maxima.get("vcpus_max", 0):
        return Effect.LIVE
    return Effect.RESTART


def _plug_vcpus(context: Context, change: Change, live: Element | None, new: Element | None) -> Step:
    return Step("set_vcpus", {"name": context.name, "count": change.after}, "plug virtual CPUs", True)


# cpuset: the host's CPUs that the virtual ones may run on (libvirt, formatdomain: CPU allocation).

_PIECE = re.compile(r"^(\^)?([0-9]+)(?:-([0-9]+))?$")
_CPUS = 16384


def parse_cpuset(value: Any) -> str:
    """Return a set of CPUs in the form that libvirt gives it: ranges in order, ``0-2,5``; empty for all."""
    chosen: set[int] = set()
    barred: set[int] = set()
    for piece in str(value).replace(" ", "").split(",") if value != "" else ():
        match = _PIECE.match(piece)
        first, last = (int(match[2]), int(match[3] or match[2])) if match else (1, 0)
        if match is None or first > last or last >= _CPUS:
            raise SpecError(f"{value!r} is not a set of CPUs such as 0-3,^2,8")
        (barred if match[1] else chosen).update(range(first, last + 1))
    left = sorted(chosen - barred)
    if value != "" and not left:
        raise SpecError(f"{value!r} leaves no CPU to run on")
    ranges: list[list[int]] = []
    for number in left:
        if ranges and ranges[-1][1] == number - 1:
            ranges[-1][1] = number
        else:
            ranges.append([number, number])
    return ",".join(str(first) if first == last else f"{first}-{last}" for first, last in ranges)


CPUSET = Type(parse_cpuset, read_text, write_text, schema={"pattern": "[0-9^, -]*"})

TOPOLOGY = counts(("sockets", "dies", "cores", "threads"), needed=("sockets", "cores", "threads"))

ROWS = (
    Field("memory_max", ("memory", "currentMemory"), MEMORY, getter=_get_memory_max, setter=_set_memory_max),
    Field(
        "memory",
        ("currentMemory", "memory"),
        MEMORY,
        _memory_effect,
        # Below its ceiling a guest has what its balloon driver makes of it, and at first all.
        live="memory_max",
        op=_balloon,
        getter=_get_memory,
        setter=_set_memory,
    ),
    # Individual states of vcpus (<vcpus>) are void once their number changes.
    Field("vcpus_max", ("vcpu",), COUNT, getter=_get_vcpus_max, setter=_set_vcpus_max, drops=("vcpus",)),
    Field(
        "vcpus",
        ("vcpu/@current", "vcpu"),
        COUNT,
        _vcpus_effect,
        op=_plug_vcpus,
        getter=_get_vcpus,
        setter=_set_vcpus,
        drops=("vcpus",),
    ),
    Field("cpuset", ("vcpu/@cpuset",), CPUSET, absent=""),
    Field("topology", ("cpu/topology",), TOPOLOGY),
)


def ceilings(have: Spec, want: Spec) -> Spec:
    """Return the ceilings that nobody asked for as they will be: raised with what is wanted below them."""
    found: Spec = {}
    for option, ceiling in (("memory", "memory_max"), ("vcpus", "vcpus_max")):
        values = [spec[name] for spec, name in ((have, ceiling), (want, option)) if name in spec]
        if ceiling not in want and values:
            found[ceiling] = max(values)
    return found


def memory_below_maximum(spec: Spec) -> list[str]:
    """Current memory cannot be above the ceiling (libvirt refuses it)."""
    # Either may have been read back rounded.
    memory: int = spec.get("memory", 0)
    if round_up(memory, KIB) > round_up(spec.get("memory_max", memory), KIB):
        return [
            f"memory: {MEMORY.show(spec['memory'])} is above memory_max ({MEMORY.show(spec['memory_max'])}); "
            "raise memory_max or lower memory"
        ]
    return []


def vcpus_below_maximum(spec: Spec) -> list[str]:
    if spec.get("vcpus", 0) > spec.get("vcpus_max", spec.get("vcpus", 0)):
        return [f"vcpus: {spec['vcpus']} is above vcpus_max ({spec['vcpus_max']}); raise vcpus_max or lower vcpus"]
    return []


def topology_multiplies(spec: Spec) -> list[str]:
    """The product of a topology is the number of vcpus at most (libvirt, formatdomain: CPU topology)."""
    topology = spec.get("topology")
    count = spec.get("vcpus_max") or spec.get("vcpus")
    if not topology or not count:
        return []
    product = 1
    for factor in topology.values():
        product *= factor
    if product == count:
        return []
    words = " x ".join(f"{value} {name}" for name, value in topology.items())
    return [f"topology: {words} make {product} CPUs, but the guest has {count}; change topology or vcpus"]


RULES = (memory_below_maximum, vcpus_below_maximum, topology_multiplies)
