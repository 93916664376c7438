# Copyright: (c) 2026, the virtfleet.core contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Shapes that many options have: several words in one mapping, and the device of which a guest has one."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from ... import _xml
from ..._change import UNSET, Change, Effect, Step, worst
from ..._table import ALL, RESTART, Context, EffectOf, Field, Op
from ..._types import Type, choice, record
from ..._xml import Element

NONE = "none"


def group(
    name: str, parts: Sequence[Field], op: Op | None = None, live: str = "read", drivers: frozenset[str] = ALL
) -> Field:
    """Return the row of a mapping: each word a row of its own, and only the words that are given are compared.

    The effect is that of the dearest word that changes; ``op`` makes the live half where all of them have one.
    """
    rows = tuple(parts)
    # Most guests have nothing of most of these: then nothing is looked for in detail.
    holders = tuple(dict.fromkeys(row.at[0].partition("/")[0] for row in rows))
    nothing = _read_parts(Element("domain"), rows)

    def read(root: Element) -> Any:
        if all(_xml.find(root, holder) is None for holder in holders):
            return dict(nothing) or UNSET
        return _read_parts(root, rows) or UNSET

    def write(root: Element, value: Any) -> None:
        _write_parts(root, rows, value)

    return Field(
        name,
        tuple(dict.fromkeys(path for row in rows for path in (*row.at, *row.drops))),
        _record(rows),
        _effect_of(rows),
        live,
        op,
        drivers=drivers,
        getter=read,
        setter=write,
        parts=rows,
    )


def _record(rows: Sequence[Field]) -> Type:
    return record(
        {row.name: row.type for row in rows}, {row.name: row.absent for row in rows if row.absent is not UNSET}
    )


def _read_parts(root: Element, rows: Sequence[Field]) -> dict[str, Any]:
    found = {row.name: row.read(root) for row in rows}
    return {word: value for word, value in found.items() if value is not UNSET}


def _effect_of(rows: Sequence[Field]) -> EffectOf:
    def effect(context: Context, before: Any, after: Any) -> Effect:
        had = before or {}
        return worst(row.effect(context, had.get(row.name), after[row.name]) for row in rows if row.name in after)

    return effect


def _write_parts(root: Element, rows: Sequence[Field], value: Any) -> None:
    for row in rows:
        if row.name in value:
            row.write(root, value[row.name])
            for path in row.drops:
                _xml.remove(root, path)
    for row in rows:
        for path in row.at if row.name in value else ():
            prune(root, path)


def prune(root: Element, path: str) -> None:
    """Remove the element of an attribute's path where nothing is left of it, then its parents likewise."""
    if _xml.attribute_of(path) is None:
        return
    element = _xml.find(root, path)
    if element is not None and not len(element) and not element.attrib and not (element.text or "").strip():
        _xml.remove(root, path.rpartition("/")[0])


# devices of which a guest has one: the first of its kind, and none of them with the word none


def device(
    name: str,
    at: str,
    parts: Sequence[Field],
    default: Any,
    effect: EffectOf = RESTART,
    op: Op | None = None,
    drivers: frozenset[str] = ALL,
    in_port: Callable[[Any, Any], bool] = lambda before, after: False,
    voids: Callable[[Any, Any], Sequence[str]] = lambda before, after: (),
) -> Field:
    """Return the row of a device with several words. The first word says what it is; ``none`` of it is no device.

    ``default`` is the first word of a device that is made without one. ``effect`` is that of plugging in and pulling.
    """
    rows = tuple(parts)
    kind = rows[0]

    def read(root: Element) -> Any:
        if _xml.find(root, at) is None:
            return {kind.name: NONE}
        return _read_parts(root, rows)

    def write(root: Element, value: Any) -> None:
        if value.get(kind.name) == NONE:
            _xml.remove(root, at)
            return
        if _xml.find(root, at) is None:
            value = {kind.name: default, **value}
            _xml.ensure(root, at)
        elif kind.name in value:
            for path in ("address", "alias"):
                _xml.remove(root, f"{at}/{path}")
        _write_parts(root, rows, value)

    def cost(context: Context, before: Any, after: Any) -> Effect:
        had = (before or {}).get(kind.name)
        if kind.name in after and NONE in (had, after[kind.name]):
            return effect(context, before, after)
        return _effect_of(rows)(context, before, after)

    return Field(
        name,
        (at,),
        _record(rows),
        cost,
        op=op,
        drivers=drivers,
        live_drivers=frozenset({"qemu"}) & drivers,
        getter=read,
        setter=write,
        parts=rows,
        in_port=in_port,
        voids=voids,
    )


def word(
    name: str,
    at: str,
    path: str,
    kinds: Sequence[str],
    effect: EffectOf = RESTART,
    op: Op | None = None,
    drivers: frozenset[str] = ALL,
    drops: Sequence[str] = (),
) -> Field:
    """Return the row of a device that is said in one word, written at ``path`` below the element at ``at``.

    ``drops`` are what of it is void once it is of another kind.
    """
    def read(root: Element) -> Any:
        element = _xml.find(root, at)
        if element is None:
            return NONE
        found = _xml.read(element, path)
        return found if found in kinds else UNSET

    def write(root: Element, value: Any) -> None:
        if value == NONE:
            _xml.remove(root, at)
            return
        element = _xml.find(root, at)
        if element is None:
            element = _xml.ensure(root, at)
        for void in ("address", "alias", *drops):
            _xml.remove(element, void)
        _xml.write(element, path, value)

    return Field(
        name,
        (at,),
        choice(*kinds, NONE),
        effect,
        op=op,
        drivers=drivers,
        live_drivers=frozenset({"qemu"}) & drivers,
        absent=NONE,
        getter=read,
        setter=write,
    )


def plug(kind: str, at: str) -> Op:
    """Return what plugs the device of a row into the running guest, or pulls it."""

    def step(context: Context, change: Change, live: Element | None, new: Element | None) -> Step | None:
        wanted = _xml.find(new, at) if new is not None else None
        present = _xml.find(live, at) if live is not None else None
        if wanted is not None and present is None:
            arguments = {"name": context.name, "xml": _xml.to_text(wanted)}
            return Step("attach_device", arguments, f"attach the {kind} to the running guest", True)
        if wanted is None and present is not None:
            arguments = {"name": context.name, "xml": _xml.to_text(present)}
            return Step("detach_device", arguments, f"detach the {kind} from the running guest", True)
        return None

    return step


def plugged(context: Context, before: Any, after: Any) -> Effect:
    """Return the effect of a device that can be plugged in and pulled, but not changed in its place."""
    return Effect.LIVE if NONE in (_kind(before), _kind(after)) else Effect.RESTART


def _kind(value: Any) -> Any:
    return next(iter(value.values()), None) if isinstance(value, dict) else value
