# Copyright: (c) 2026, the virtfleet.core contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Where and how much a guest's threads run on the host: pins, shares, limits (libvirt, formatdomain: CPU tuning)."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from typing import Any

from ... import _xml
from ..._change import Change, Effect, Step
from ..._errors import SpecError
from ..._table import LIVE, QEMU, Context, EffectOf, Field, Op, Spec
from ..._types import Type, choice, counted, mapping, read_text, write_text
from ..._units import KIB, LOOKS_LIKE_SIZE, parse_size, round_up, show_size
from ..._xml import Element
from .groups import group
from .size import CPUSET, parse_cpuset

LIVE_HERE = frozenset({"qemu", "test", "xen"})

# pins: a mapping of the guest's threads to the host's CPUs. Given, it is the whole.


def _threads(value: Any) -> list[str]:
    """Return the threads that a key means: a number, or several such as 0-3."""
    found: list[str] = []
    for piece in str(parse_cpuset(value)).split(","):
        first, _dash, last = piece.partition("-")
        found += [str(number) for number in range(int(first or -1), int(last or first or -2) + 1)]
    if not found:
        raise SpecError("needs a number")
    return found


def _some_cpus(value: Any) -> str:
    if value == "":
        raise SpecError("names no CPU; leave the pin out to take it away")
    return str(parse_cpuset(value))


PINS = mapping(_threads, Type(_some_cpus, read_text, write_text))


def _get_pins(tag: str, key: str) -> Callable[[Element], Any]:
    def read(root: Element) -> Any:
        return {pin.get(key, ""): pin.get("cpuset", "") for pin in _xml.find_all(root, f"cputune/{tag}")}

    return read


def _set_pins(tag: str, key: str) -> Callable[[Element, Any], None]:
    def write(root: Element, value: Mapping[str, str]) -> None:
        _xml.remove(root, f"cputune/{tag}")
        for number, cpus in value.items():
            _xml.write(root, f"cputune/{tag}[@{key}='{number}']/@cpuset", cpus)

    return write


def _pins_effect(ceiling: str) -> EffectOf:
    def effect(context: Context, before: Any, after: Mapping[str, str]) -> Effect:
        """A thread that runs can be put elsewhere, and never be told that it has no place of its own any more."""
        most = context.maxima.get(ceiling)
        running = most is None or all(int(number) < most for number in after)
        return Effect.LIVE if set(before or ()) <= set(after) and running else Effect.RESTART

    return effect


def _pin(op: str, says: str) -> Op:
    def step(context: Context, change: Change, live: Element | None, new: Element | None) -> Step:
        had = change.before or {}
        pins = {int(number): cpus for number, cpus in change.after.items() if had.get(number) != cpus}
        return Step(op, {"name": context.name, "pins": pins}, says, True)

    return step


def _set_emulator_pin(root: Element, cpus: str) -> None:
    if cpus:
        _xml.write(root, "cputune/emulatorpin/@cpuset", cpus)
    else:
        _xml.remove(root, "cputune/emulatorpin")


def _emulator_effect(context: Context, before: Any, after: str) -> Effect:
    return Effect.LIVE if after else Effect.RESTART


def _pin_emulator(context: Context, change: Change, live: Element | None, new: Element | None) -> Step:
    return Step("pin_emulator", {"name": context.name, "cpus": change.after}, "pin the emulator of the running guest", True)


# iothreads: threads of their own for disks.

IOTHREADS = counted(0, 1024, "a number of threads")


def _get_iothreads(root: Element) -> Any:
    return int(_xml.read(root, "iothreads") or 0)


def _set_iothreads(root: Element, count: int) -> None:
    """Write their number; the list of their own numbers holds only while it is as long."""
    listed = _xml.find_all(root, "iothreadids/iothread")
    if listed and len(listed) != count:
        _xml.remove(root, "iothreadids")
    if count:
        _xml.write(root, "iothreads", str(count))
    else:
        _xml.remove(root, "iothreads")


def _iothreads_effect(context: Context, before: Any, after: int) -> Effect:
    """One more is started at once; one that a disk may hold is not taken from it."""
    return Effect.LIVE if after > (before or 0) else Effect.RESTART


def _add_iothreads(context: Context, change: Change, live: Element | None, new: Element | None) -> Step:
    numbers = list(range((change.before or 0) + 1, change.after + 1))
    return Step("add_iothreads", {"name": context.name, "numbers": numbers}, "start I/O threads", True)


# shares and limits: of time in a period, both with their unit; inside microseconds, as in XML.

_TIME = re.compile(r"^\s*([0-9]+(?:\.[0-9]+)?)\s*(us|ms|s)\s*$")
_MICROSECONDS = {"s": 1_000_000, "ms": 1000, "us": 1}
UNLIMITED = "unlimited"


def _parse_time(least: int, most: int) -> Callable[[Any], int]:
    def parse(value: Any) -> int:
        match = _TIME.match(value) if isinstance(value, str) else None
        if match is None:
            raise SpecError(f"{value!r} is not a time: write a number with us, ms or s, for example 100ms")
        found = round(float(match[1]) * _MICROSECONDS[match[2]])
        if not least <= found <= most:
            raise SpecError(f"{value!r} is not between {_show_time(least)} and {_show_time(most)}")
        return found

    return parse


def _show_time(microseconds: int) -> str:
    for unit, factor in _MICROSECONDS.items():
        if microseconds % factor == 0:
            return f"{microseconds // factor}{unit}"
    raise AssertionError("every number is one of microseconds")


def _read_number(element: Element, attribute: str | None) -> int:
    return int(read_text(element, attribute))


def _write_number(element: Element, attribute: str | None, value: int) -> None:
    write_text(element, attribute, str(value))


# What a time looks like, for an editor.
_TIME_WORD = r"[0-9]+(\.[0-9]+)?\s*(us|ms|s)"

PERIOD = Type(
    _parse_time(1000, 1_000_000), _read_number, _write_number, _show_time, schema={"type": "string", "pattern": _TIME_WORD}
)


def _parse_quota(value: Any) -> int:
    return -1 if value == UNLIMITED else _parse_time(1000, 10**12)(value)


def _show_quota(microseconds: int) -> str:
    return UNLIMITED if microseconds < 0 else _show_time(microseconds)


def _same_quota(want: int, have: int) -> bool:
    return want == have or (want < 0 and have < 0)


QUOTA = Type(
    _parse_quota,
    _read_number,
    _write_number,
    _show_quota,
    _same_quota,
    schema={"type": "string", "pattern": f"{UNLIMITED}|{_TIME_WORD}"},
)
# As libvirt's scheduler calls them (virDomainSetSchedulerParametersFlags).
_SCHEDULER = {"shares": "cpu_shares", "period": "vcpu_period", "quota": "vcpu_quota"}
LIMITS = tuple(
    f"{threads}{word}" for threads in ("", "global_", "emulator_", "iothread_") for word in ("period", "quota")
)


def _schedule(context: Context, change: Change, live: Element | None, new: Element | None) -> Step:
    values = {_SCHEDULER.get(name, name): value for name, value in change.after.items()}
    arguments = {"name": context.name, "what": "scheduler", "values": values}
    return Step("set_parameters", arguments, "tune the CPU time of the running guest", True)


# limits of memory and the weight on disks

NO_LIMIT = -1
# What libvirt takes for no limit, in KiB (VIR_DOMAIN_MEMORY_PARAM_UNLIMITED).
_UNLIMITED_KIB = 9007199254740991


def _parse_limit(value: Any) -> int:
    return NO_LIMIT if value == UNLIMITED else parse_size(value)


def _read_limit(element: Element, attribute: str | None) -> int:
    units = {"": KIB, "k": KIB, "kib": KIB, "b": 1, "bytes": 1, "m": KIB**2, "mib": KIB**2, "g": KIB**3, "gib": KIB**3}
    return int(read_text(element, attribute)) * units.get(element.get("unit", "").lower(), KIB)


def _write_limit(element: Element, attribute: str | None, size_bytes: int) -> None:
    element.set("unit", "KiB")
    write_text(element, attribute, str(round_up(size_bytes, KIB) // KIB))


def _show_limit(size_bytes: int) -> str:
    return UNLIMITED if size_bytes == NO_LIMIT else show_size(size_bytes)


def _same_limit(want: int, have: int) -> bool:
    return want == have or (want > 0 and round_up(want, KIB) == have)


LIMIT = Type(
    _parse_limit,
    _read_limit,
    _write_limit,
    _show_limit,
    _same_limit,
    schema={"type": "string", "pattern": f"{UNLIMITED}|{LOOKS_LIKE_SIZE}"},
)


def _limit_memory(context: Context, change: Change, live: Element | None, new: Element | None) -> Step:
    values = {
        word: _UNLIMITED_KIB if value == NO_LIMIT else round_up(value, KIB) // KIB for word, value in change.after.items()
    }
    arguments = {"name": context.name, "what": "memory", "values": values}
    return Step("set_parameters", arguments, "limit the memory of the running guest", True)


def _weigh_disks(context: Context, change: Change, live: Element | None, new: Element | None) -> Step:
    arguments = {"name": context.name, "what": "blkio", "values": {"weight": change.after}}
    return Step("set_parameters", arguments, "weigh the disks of the running guest", True)


# The host's nodes that a guest's memory comes from.


def _set_nodeset(root: Element, nodes: str) -> None:
    """Write the nodes; without them there is nothing to be strict about."""
    _xml.remove(root, "numatune/memory/@placement")
    if nodes:
        _xml.write(root, "numatune/memory/@nodeset", nodes)
    else:
        _xml.remove(root, "numatune/memory")


ROWS = (
    Field(
        "vcpu_pins",
        ("cputune/vcpupin",),
        PINS,
        _pins_effect("vcpus_max"),
        op=_pin("pin_vcpus", "pin the virtual CPUs of the running guest"),
        getter=_get_pins("vcpupin", "vcpu"),
        setter=_set_pins("vcpupin", "vcpu"),
        live_drivers=LIVE_HERE,
    ),
    Field(
        "emulator_pin",
        ("cputune/emulatorpin/@cpuset",),
        CPUSET,
        _emulator_effect,
        op=_pin_emulator,
        absent="",
        setter=_set_emulator_pin,
        drivers=QEMU,
    ),
    Field(
        "iothreads",
        ("iothreads", "iothreadids"),
        IOTHREADS,
        _iothreads_effect,
        op=_add_iothreads,
        getter=_get_iothreads,
        setter=_set_iothreads,
        drivers=QEMU,
    ),
    Field(
        "iothread_pins",
        ("cputune/iothreadpin",),
        PINS,
        _pins_effect("iothreads_max"),
        op=_pin("pin_iothreads", "pin the I/O threads of the running guest"),
        getter=_get_pins("iothreadpin", "iothread"),
        setter=_set_pins("iothreadpin", "iothread"),
        drivers=QEMU,
    ),
    group(
        "cputune",
        (
            Field("shares", ("cputune/shares",), counted(2, 262144, "a number of shares"), LIVE),
            *(
                Field(name, (f"cputune/{name}",), PERIOD if name.endswith("period") else QUOTA, LIVE)
                for name in LIMITS
            ),
        ),
        _schedule,
        drivers=QEMU,
    ),
    group(
        "numatune",
        (
            Field("mode", ("numatune/memory/@mode",), choice("strict", "preferred", "interleave", "restrictive")),
            Field(
                "nodeset",
                ("numatune/memory/@nodeset", "numatune/memory/@placement"),
                CPUSET,
                absent="",
                setter=_set_nodeset,
            ),
        ),
        drivers=QEMU,
    ),
    Field("blkio_weight", ("blkiotune/weight",), counted(10, 1000, "a weight"), LIVE, op=_weigh_disks, drivers=QEMU),
    group(
        "memtune",
        tuple(
            Field(name, (f"memtune/{name}",), LIMIT, LIVE, absent=NO_LIMIT)
            for name in ("hard_limit", "soft_limit", "swap_hard_limit")
        ),
        _limit_memory,
        drivers=QEMU,
    ),
)


def pins_have_their_threads(spec: Spec) -> list[str]:
    vcpus, count = spec.get("vcpus_max") or spec.get("vcpus"), spec.get("iothreads", 0)
    return [
        *(
            f"vcpu_pins: {number} is no virtual CPU of this guest, which has 0 to {vcpus - 1}"
            for number in spec.get("vcpu_pins") or ()
            if vcpus and int(number) >= vcpus
        ),
        *(
            f"iothread_pins: {number} is no I/O thread of this guest; iothreads is {count}, and they count from 1"
            for number in spec.get("iothread_pins") or ()
            if not 1 <= int(number) <= count
        ),
    ]


def a_node_is_named(spec: Spec) -> list[str]:
    tune = spec.get("numatune") or {}
    if tune.get("mode") and not tune.get("nodeset"):
        return ["numatune: needs nodeset, the host's nodes that the memory shall come from"]
    return []


RULES = (pins_have_their_threads, a_node_is_named)
