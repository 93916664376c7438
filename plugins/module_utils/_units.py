# Copyright: (c) 2026, the virtfleet.core contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Sizes and durations, parsed once at the edge: inside are bytes and seconds.

A size needs a unit, because a bare number means KiB to libvirt, MiB to virt-install and bytes to qemu-img.
``GB`` is a power of ten and ``GiB`` a power of two (IEC 80000-13), as libvirt itself reads them.
"""

from __future__ import annotations

import re
from typing import Any

from ._errors import SpecError

KIB = 1024

_SIZES = {"B": 1}
for _power, _letter in enumerate("KMGTPE", start=1):
    _SIZES[_letter + "B"] = 1000**_power
    _SIZES[_letter + "iB"] = 1024**_power

_BINARY = ("EiB", "PiB", "TiB", "GiB", "MiB", "KiB", "B")
_DURATIONS = {"s": 1, "m": 60, "h": 3600, "d": 86400}

_SIZE = re.compile(r"^\s*([0-9]+(?:\.[0-9]+)?)\s*([A-Za-z]+)\s*$")
# What a size looks like, for an editor.
LOOKS_LIKE_SIZE = r"[0-9]+(\.[0-9]+)?\s*([KMGTPE]i?)?B"
_DURATION = re.compile(r"^\s*([0-9]+(?:\.[0-9]+)?)\s*([a-z])\s*$")


def parse_size(value: Any) -> int:
    """Return the bytes of a size such as ``2GiB``, ``20 GB`` or ``1.5TiB``; raise SpecError without a unit."""
    match = _SIZE.match(value) if isinstance(value, str) else None
    unit = match.group(2) if match else None
    if match is None or unit not in _SIZES:
        raise SpecError(
            f"{value!r} is not a size: write a number with its unit, for example 2GiB "
            "(B, KiB, MiB, GiB, TiB are powers of 1024; KB, MB, GB, TB powers of 1000)"
        )
    number = match.group(1)
    if "." not in number:
        return int(number) * _SIZES[unit]
    return round(float(number) * _SIZES[unit])


def show_size(size_bytes: int) -> str:
    """Return bytes in the largest binary unit that needs no fraction, as ``parse_size`` reads it back."""
    for unit in _BINARY:
        if size_bytes and size_bytes % _SIZES[unit] == 0:
            return f"{size_bytes // _SIZES[unit]}{unit}"
    return f"{size_bytes}B"


def parse_duration(value: Any) -> float:
    """Return the seconds of a duration such as ``90``, ``90s``, ``5m`` or ``1h``; raise SpecError otherwise."""
    if isinstance(value, (int, float)) and not isinstance(value, bool) and value >= 0:
        return float(value)
    if isinstance(value, str):
        if re.match(r"^\s*[0-9]+(\.[0-9]+)?\s*$", value):
            return float(value)
        match = _DURATION.match(value)
        if match and match.group(2) in _DURATIONS:
            return float(match.group(1)) * _DURATIONS[match.group(2)]
    raise SpecError(f"{value!r} is not a duration: write seconds, or a number with s, m, h or d, for example 5m")


def round_up(size_bytes: int, grain_bytes: int) -> int:
    """Return the smallest multiple of ``grain_bytes`` that is not less than ``size_bytes``."""
    return -(-size_bytes // grain_bytes) * grain_bytes
