# Copyright: (c) 2026, the virtfleet.core contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What guests, their devices and their addresses may be called."""

from __future__ import annotations

import ipaddress
import re
from typing import Any

from .._errors import SpecError
from .._types import LINE, Type, read_text, write_text


def check_name(value: Any) -> str:
    """Return a guest's name that libvirt, a file system and a host name can bear."""
    text = value if isinstance(value, str) else ""
    if not text or text != text.strip() or "/" in text or text in (".", "..") or not text.isprintable():
        raise SpecError(
            f"{value!r} cannot be a guest's name: it must not be empty, hold a slash, a line break or another control "
            "character, nor begin or end with a space"
        )
    if len(text.encode()) > 200:
        raise SpecError(
            f"{text[:40]!r}... is too long for a guest's name: 200 bytes at most, since files are named by it"
        )
    return text


def check_part(value: Any) -> str:
    """Return the name of a disk, nic or pool: it becomes a part of file names."""
    text = str(LINE.parse(value))
    if not re.match(r"^[A-Za-z0-9_][A-Za-z0-9_.+:@-]*$", text):
        raise SpecError(f"{value!r} cannot be a name: use letters, digits and . _ - + : @")
    return text


def check_address(value: Any) -> str:
    """Return an IP address in its shortest form."""
    try:
        return str(ipaddress.ip_address(str(value)))
    except ValueError:
        raise SpecError(f"{value!r} is not an IP address such as 10.20.0.11") from None


GUEST_NAME = Type(check_name, read_text, write_text)
PART = Type(check_part, read_text, write_text)
IP = Type(check_address, read_text, write_text)
