# Copyright: (c) 2026, the virtfleet.core contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The table of a secret, without what it holds: that is no part of its XML."""

from __future__ import annotations

from typing import Any

from .. import _xml
from .._change import Step
from .._table import LIVE, Context, Field, Table
from .._types import PRESENCE, TEXT, Type, read_text, write_text
from .._xml import Element

# What a secret is for, and the element that says for which (libvirt, formatsecret).
USAGES = {"volume": "volume", "ceph": "name", "iscsi": "target", "tls": "name", "vtpm": "name"}


def _read_yes(element: Element, attribute: str | None) -> bool:
    return read_text(element, attribute) == "yes"


def _write_yes(element: Element, attribute: str | None, value: bool) -> None:
    write_text(element, attribute, "yes" if value else "no")


YES = Type(PRESENCE.parse, _read_yes, _write_yes)


def _set_flag(name: str) -> Any:
    def write(root: Element, value: bool) -> None:
        _write_yes(root, name, value)

    return write


def _define(context: Context, root: Element) -> Step:
    return Step("define_secret", {"xml": _xml.to_text(root)}, f"define secret {context.name}")


SECRET = Table(
    (
        Field("description", ("description",), TEXT, LIVE, absent=""),
        Field("ephemeral", ("@ephemeral",), YES, LIVE, absent=False, setter=_set_flag("ephemeral")),
        Field("private", ("@private",), YES, LIVE, absent=False, setter=_set_flag("private")),
    ),
    (),
    _define,
)
