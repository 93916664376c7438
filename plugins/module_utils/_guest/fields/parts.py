# Copyright: (c) 2026, the virtfleet.core contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Types that devices share: hosts, names of secrets, options within an option."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

from ..._change import UNSET
from ..._errors import SpecError
from ..._table import Field
from ..._types import LINE, ON_OFF, PATH, YES_NO, Type, pattern
from ..._xml import Element

# What a secret is known by to libvirt; it is no secret itself.
USAGE = replace(LINE, argument={"type": "str", "no_log": False})

HOST = pattern(r"[A-Za-z0-9][A-Za-z0-9._-]*|[0-9A-Fa-f:]*:[0-9A-Fa-f:.]*", "a host's name or address")


def group(rows: Sequence[Field], needed: Sequence[str] = ()) -> Type:
    """Return the type of a mapping of options, each a row below the node. A part that is left out is left as it is."""
    known = {row.name: row for row in rows}

    def parse(value: Any) -> dict[str, Any]:
        if not isinstance(value, Mapping):
            raise SpecError(f"{value!r} is not a mapping of {', '.join(known)}")
        problems, found = [], {}
        given = {name: part for name, part in value.items() if part is not None}
        problems += [f"{name!r} is not one of {', '.join(known)}" for name in given if name not in known]
        problems += [f"needs {name}" for name in needed if name not in given]
        if not given:
            problems.append(f"says nothing: give at least one of {', '.join(known)}")
        for name, row in known.items():
            try:
                if name in given:
                    found[name] = row.type.parse(given[name])
            except SpecError as error:
                problems += [f"{name}: {problem}" for problem in error.problems]
        if problems:
            raise SpecError(problems)
        return found

    def read(element: Element, attribute: str | None) -> dict[str, Any]:
        values = {name: row.read(element) for name, row in known.items()}
        return {name: value for name, value in values.items() if value is not UNSET and value != known[name].absent}

    def write(element: Element, attribute: str | None, value: Mapping[str, Any]) -> None:
        for name, part in value.items():
            known[name].write(element, part)

    def show(value: Mapping[str, Any]) -> dict[str, Any]:
        return {name: known[name].type.show(part) for name, part in value.items()}

    def same(want: Mapping[str, Any], have: Mapping[str, Any]) -> bool:
        pairs = [(name, part, have.get(name, known[name].absent)) for name, part in want.items()]
        return all(other is not UNSET and known[name].type.same(part, other) for name, part, other in pairs)

    argument = {"type": "dict", "options": {name: row.type.argument for name, row in known.items()}}
    return Type(parse, read, write, show, same, argument, inner={name: row.type for name, row in known.items()})


# The read-only memory of a card, from which firmware may boot.
ROM = group(
    (
        Field("enabled", ("@enabled",), YES_NO),
        Field("bar", ("@bar",), ON_OFF),
        Field("file", ("@file",), PATH),
    )
)
