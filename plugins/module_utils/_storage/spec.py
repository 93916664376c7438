# Copyright: (c) 2026, the virtfleet.core contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The user's words about one pool, checked as far as they can be without a host."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from .._errors import SpecError
from .._network.spec import check_name, choose, take
from .._table import Field, Spec
from .kinds import TYPES, foreign
from .table import POOL

STATES = ("present", "active", "inactive", "absent")


@dataclass(frozen=True)
class PoolSpec:
    """One pool as wanted. ``values`` has the table's options; what was left out is not in it.

    ``build``: what is on the devices of a new pool is made.
    """

    name: str
    state: str = "present"
    values: Spec = field(default_factory=dict)
    autostart: bool | None = None
    remove_directory: bool = False
    build: bool = False
    estate: str | None = None


def parse(options: Mapping[str, Any]) -> PoolSpec:
    """Return the spec of a module's options; those that are None are left out. Raise SpecError with all complaints."""
    given = {option: value for option, value in options.items() if value is not None}
    problems: list[str] = []
    name = take(problems, "name", given.get("name"), check_name)
    state = take(problems, "state", given.get("state", "present"), lambda value: choose(value, STATES))
    values: Spec = {}
    for row in POOL.entries:
        if row.name in given and isinstance(row, Field):
            values[row.name] = take(problems, row.name, given[row.name], row.type.parse)
    if "type" in values:
        kind = take(problems, "type", values["type"], lambda value: choose(value, TYPES))
        problems += foreign(kind, {option: value for option, value in values.items() if value is not None}) if kind else []
    remove = bool(given.get("remove_directory"))
    if remove and state != "absent":
        problems.append("remove_directory: goes with state: absent only")
    build = bool(given.get("build"))
    if build and state == "absent":
        problems.append("build: goes with a pool that is to be there, not with state: absent")
    if problems:
        raise SpecError(problems)
    return PoolSpec(name, state, values, given.get("autostart"), remove, build)
