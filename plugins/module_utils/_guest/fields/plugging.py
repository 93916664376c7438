# Copyright: (c) 2026, the virtfleet.core contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What lists of devices share: how one is plugged in and pulled while the guest runs, and which of them are ours."""

from __future__ import annotations

from collections.abc import Callable

from ... import _xml
from ..._change import Step
from ..._table import Context
from ..._xml import Element


def attach(kind: str, locate: str) -> Callable[[Context, Element], Step]:
    """Return what makes the step that plugs a device in; ``locate`` is the path of what tells it apart."""

    def step(context: Context, element: Element) -> Step:
        says = f"attach {kind} {_xml.read(element, locate)} to the running guest"
        return Step("attach_device", {"name": context.name, "xml": _xml.to_text(element)}, says, True)

    return step


def detach(kind: str, locate: str) -> Callable[[Context, Element], Step]:
    """Return what makes the step that pulls a device."""

    def step(context: Context, element: Element) -> Step:
        says = f"detach {kind} {_xml.read(element, locate)} from the running guest"
        return Step("detach_device", {"name": context.name, "xml": _xml.to_text(element)}, says, True)

    return step


def recorded(kind: str) -> Callable[[Element], dict[str, str]]:
    """Return what reads {key: name} of the devices of a kind that the collection attached."""
    path = f"metadata/virtfleet:guest/virtfleet:device[@kind='{kind}']"

    def read(root: Element) -> dict[str, str]:
        return {record.get("key", ""): record.get("name", "") for record in _xml.find_all(root, path)}

    return read
