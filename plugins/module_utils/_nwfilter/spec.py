# Copyright: (c) 2026, the virtfleet.core contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The user's words about one network filter, checked as far as they can be without a host."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from .._errors import SpecError
from .._network.spec import check_name, choose, take
from .._table import Spec
from .rules import Include, parse_filters, parse_priority, parse_rules
from .table import CHAIN

STATES = ("present", "absent")


@dataclass(frozen=True)
class NwfilterSpec:
    """One network filter as wanted. ``values`` has the table's options; what was left out is not in it.

    ``estate`` is the document that owns it, from which its UUID is derived.
    """

    name: str
    state: str = "present"
    values: Spec = field(default_factory=dict)
    estate: str | None = None

    @property
    def includes(self) -> tuple[str, ...]:
        """Return the names of the filters that must be there before this one."""
        filters: tuple[Include, ...] = self.values.get("filters", ())
        return tuple(dict.fromkeys(include.name for include in filters))


def parse(options: Mapping[str, Any]) -> NwfilterSpec:
    """Return the spec of a module's options; those that are None are left out. Raise SpecError with all complaints."""
    given = {option: value for option, value in options.items() if value is not None}
    problems: list[str] = []
    name = take(problems, "name", given.get("name"), check_name)
    state = take(problems, "state", given.get("state", "present"), lambda value: choose(value, STATES))
    values: Spec = {}
    if "chain" in given:
        values["chain"] = take(problems, "chain", given["chain"], CHAIN.parse)
    if "priority" in given:
        values["priority"] = take(problems, "priority", given["priority"], parse_priority)
    if "filters" in given:
        values["filters"] = parse_filters(problems, given["filters"], name)
    if "rules" in given:
        values["rules"] = parse_rules(problems, given["rules"])
    if problems:
        raise SpecError(problems)
    return NwfilterSpec(name, state, values)
