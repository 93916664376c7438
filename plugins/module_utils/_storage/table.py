# Copyright: (c) 2026, the virtfleet.core contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The table of a storage pool that is a directory.

Path and type are what a pool is: another one is another pool. Owner and mode are those of the directory, which libvirt
sets when it builds the pool.
"""

from __future__ import annotations

import posixpath
import re
from typing import Any

from .. import _xml
from .._change import Step
from .._errors import SpecError
from .._table import LIVE, RECREATE, Context, Field, Table
from .._types import LINE, PATH, Type, read_text, write_text
from .._xml import Element


def _parse_path(value: Any) -> str:
    """Return the path as libvirt keeps it (virFileSanitizePath), without dots, which it would keep too."""
    text = str(PATH.parse(value))
    if ".." in text.split("/"):
        raise SpecError(f"{value!r} holds ..; write the path without it")
    clean = posixpath.normpath("/" + text.lstrip("/"))
    if clean == "/":
        raise SpecError("/ cannot be a pool: give it a directory of its own")
    return clean


DIRECTORY = Type(_parse_path, read_text, write_text)


def _parse_mode(value: Any) -> int:
    """Return permission bits; a number is refused, since YAML has read 0711 as 457 by then."""
    if isinstance(value, str) and re.match(r"^0?[0-7]{3}$", value.strip()):
        return int(value.strip(), 8)
    raise SpecError(f"{value!r} is not a mode: write three octal digits in quotes, such as '0711'")


def _read_mode(element: Element, attribute: str | None) -> int:
    return int(read_text(element, attribute), 8)


def _write_mode(element: Element, attribute: str | None, value: int) -> None:
    write_text(element, attribute, f"{value:04o}")


def _show_mode(value: int) -> str:
    return f"{value:04o}"


MODE = Type(_parse_mode, _read_mode, _write_mode, _show_mode)


def _parse_id(value: Any) -> int:
    if str(value).strip().isdigit():
        return int(value)
    raise SpecError(f"{value!r} is not the number of a user or group")


def _read_id(element: Element, attribute: str | None) -> int:
    return int(read_text(element, attribute))


def _write_id(element: Element, attribute: str | None, value: int) -> None:
    write_text(element, attribute, str(value))


ID = Type(_parse_id, _read_id, _write_id)


def _define(context: Context, root: Element) -> Step:
    return Step("define_pool", {"xml": _xml.to_text(root)}, f"define pool {context.name}")


PERMISSIONS = ("mode", "owner", "group")

POOL = Table(
    (
        Field("type", ("@type",), LINE, RECREATE),
        Field("path", ("target/path",), DIRECTORY, RECREATE),
        Field("mode", ("target/permissions/mode",), MODE, LIVE),
        Field("owner", ("target/permissions/owner",), ID, LIVE),
        Field("group", ("target/permissions/group",), ID, LIVE),
    ),
    (),
    _define,
)
