# Copyright: (c) 2026, the virtfleet.core contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The guest's clock: what it begins with, and its timers (libvirt, formatdomain: time keeping)."""

from __future__ import annotations

from typing import Any

from ... import _xml
from ..._change import UNSET
from ..._errors import SpecError
from ..._table import ALL, QEMU, Field, Spec
from ..._types import YES_NO, Type, choice, counted, mapping, pattern, record
from ..._xml import Element, SubElement
from .groups import group

OFFSETS = ("utc", "localtime", "timezone")
TIMERS = ("platform", "pit", "rtc", "hpet", "tsc", "kvmclock", "hypervclock", "armvtimer")
_WORDS: dict[str, Type] = {
    "present": YES_NO,
    "tickpolicy": choice("delay", "catchup", "merge", "discard"),
    "track": choice("boot", "guest", "wall", "realtime"),
    "mode": choice("auto", "native", "emulate", "paravirt", "smpsafe"),
    "frequency": counted(1, 2**63 - 1, "a frequency in Hz"),
}


def _timer(name: Any) -> list[str]:
    if name not in TIMERS:
        raise SpecError(f"there is no such timer; there are {', '.join(TIMERS)}")
    return [str(name)]


TIMERS_OF = mapping(_timer, record(_WORDS))


def _get_timers(root: Element) -> Any:
    return {
        timer.get("name", ""): {word: kind.read(timer, word) for word, kind in _WORDS.items() if word in timer.attrib}
        for timer in _xml.find_all(root, "clock/timer")
    }


def _set_timers(root: Element, value: dict[str, Any]) -> None:
    """Write the timers; one that stays keeps what has no word, such as the limits of its catching up."""
    present = {timer.get("name", ""): timer for timer in _xml.find_all(root, "clock/timer")}
    clock = _xml.ensure(root, "clock")
    for name, timer in present.items():
        if name not in value:
            clock.remove(timer)
    for name, words in value.items():
        timer = present[name] if name in present else SubElement(clock, "timer", {"name": name})
        for word, kind in _WORDS.items():
            timer.attrib.pop(word, None)
            if word in words:
                kind.write(timer, word, words[word])


def _set_offset(root: Element, value: str) -> None:
    """Write what the clock begins with; how far another beginning was moved is void."""
    for path in ("clock/@adjustment", "clock/@basis", "clock/@start", "clock/@timezone"):
        _xml.remove(root, path)
    _xml.write(root, "clock/@offset", value)


def _get_offset(root: Element) -> Any:
    value = _xml.read(root, "clock/@offset")
    return value if value in OFFSETS else UNSET


ROWS = (
    group(
        "clock",
        (
            Field(
                "offset",
                ("clock/@offset", "clock/@adjustment", "clock/@basis", "clock/@start", "clock/@timezone"),
                choice(*OFFSETS),
                getter=_get_offset,
                setter=_set_offset,
            ),
            Field(
                "timezone",
                ("clock/@timezone",),
                pattern(r"[A-Za-z0-9_+/-]+", "a time zone such as Europe/Berlin"),
                drivers=QEMU,
            ),
            Field("timers", ("clock/timer",), TIMERS_OF, getter=_get_timers, setter=_set_timers, drivers=ALL),
        ),
    ),
)


def a_zone_is_an_offset(spec: Spec) -> list[str]:
    clock = spec.get("clock") or {}
    if ("timezone" in clock) != (clock.get("offset") == "timezone"):
        return ["clock: offset: timezone and a timezone go together; give both, or neither"]
    return []


RULES = (a_zone_is_an_offset,)
