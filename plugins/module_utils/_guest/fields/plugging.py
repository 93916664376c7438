# Copyright: (c) 2026, the virtfleet.core contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What lists of devices share: how one is plugged in and pulled while the guest runs, and which of them are ours."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from ... import _xml
from ..._change import Step
from ..._table import Context, EffectOf, Keyed, Table
from ..._xml import Element


def plugged(
    name: str, kind: str, at: str, item: Table, ident: tuple[str, ...], mark: str, effect: EffectOf, **more: Any
) -> Keyed:
    """Return a list of devices; ``effect`` is that of one that comes or goes."""
    return Keyed(
        name,
        at,
        item,
        ident,
        mark,
        recorded(kind),
        kind,
        on_add=effect,
        on_remove=effect,
        op_add=_op("attach_device", kind, "attach {} to the running guest"),
        op_remove=_op("detach_device", kind, "detach {} from the running guest"),
        exact=f"{name}_exact",
        **more,
    )


def _op(op: str, kind: str, says: str) -> Callable[[Context, Element, str], Step]:
    def step(context: Context, element: Element, sign: str) -> Step:
        return Step(op, {"name": context.name, "xml": _xml.to_text(element)}, says.format(f"{kind} {sign}"), True)

    return step


def recorded(kind: str) -> Callable[[Element], dict[str, str]]:
    """Return what reads {key: name} of the devices of a kind that the collection attached."""
    path = f"metadata/virtfleet:guest/virtfleet:device[@kind='{kind}']"

    def read(root: Element) -> dict[str, str]:
        return {record.get("key", ""): record.get("name", "") for record in _xml.find_all(root, path)}

    return read
