# Copyright: (c) 2026, the virtfleet.core contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What people say about a guest: title, description, tags, its operating system. None of it ever needs a restart."""

from __future__ import annotations

import re
from typing import Any

from ... import _xml
from ..._change import Change, Step
from ..._errors import SpecError
from ..._table import LIVE, Context, Field
from ..._types import LINE, TEXT, Type, read_text, texts, write_text
from ..._words import system_key, system_word
from ..._xml import NAMESPACES, Element


def _set_title(context: Context, change: Change, live: Element | None, new: Element | None) -> Step:
    return Step("set_title", {"name": context.name, "title": change.after}, "set the title of the running guest", True)


def _set_description(context: Context, change: Change, live: Element | None, new: Element | None) -> Step:
    arguments = {"name": context.name, "description": change.after}
    return Step("set_description", arguments, "set the description of the running guest", True)


# os: the system's id of libosinfo, where virt-install, virt-manager and others have it too.

SYSTEM = "metadata/libosinfo:libosinfo/libosinfo:os/@id"
_SYSTEM = re.compile(r"^(https?://[A-Za-z0-9.-]+/)?[A-Za-z0-9][A-Za-z0-9._+/-]*$")


def _parse_os(value: Any) -> str:
    text = str(value).strip()
    if _SYSTEM.match(text) is None:
        raise SpecError(f"{value!r} is not the name of an operating system such as ubuntu-22.04, win11 or its id (a URL)")
    return text


OS = Type(
    _parse_os,
    read_text,
    write_text,
    show=system_word,
    same=lambda want, have: system_key(want) == system_key(have),
)


def _set_os(context: Context, change: Change, live: Element | None, new: Element | None) -> Step | None:
    element = _xml.find(new, "metadata/libosinfo:libosinfo") if new is not None else None
    if element is None:
        return None
    arguments = {"name": context.name, "xml": _xml.to_text(element)}
    return Step("set_metadata", arguments, "say of the running guest which system it has", True)


ROWS = (
    Field("title", ("title",), LINE, LIVE, op=_set_title, absent=""),
    Field("description", ("description",), TEXT, LIVE, op=_set_description, absent=""),
    Field("os", (SYSTEM,), OS, LIVE, op=_set_os),
    # The live half of the tags goes with the rest of the metadata, in one call.
    Field(
        "tags",
        ("metadata/virtfleet:guest/virtfleet:tags",),
        texts(f"{{{NAMESPACES['virtfleet']}}}tag"),
        LIVE,
        absent=(),
    ),
)
