# Copyright: (c) 2026, the virtfleet.core contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The module options of a network filter as an argument spec, and what a filter looks like in results."""

from __future__ import annotations

from typing import Any

from .._facts import NwfilterFacts
from .._table import observe, show_spec
from .attributes import PROTOCOLS
from .rules import ACTIONS, DIRECTIONS
from .spec import STATES
from .table import NWFILTER, read_tree

NWFILTER_OPTIONS: dict[str, Any] = {
    "name": {"type": "str", "required": True},
    "state": {"type": "str", "choices": list(STATES), "default": "present"},
    "chain": {"type": "str"},
    "priority": {"type": "int"},
    "filters": {
        "type": "list",
        "elements": "dict",
        "options": {"name": {"type": "str", "required": True}, "parameters": {"type": "dict"}},
    },
    "rules": {
        "type": "list",
        "elements": "dict",
        "options": {
            "action": {"type": "str", "choices": list(ACTIONS), "required": True},
            "direction": {"type": "str", "choices": list(DIRECTIONS), "required": True},
            "priority": {"type": "int"},
            "statematch": {"type": "bool"},
            "protocol": {"type": "str", "choices": list(PROTOCOLS)},
            "attributes": {"type": "dict"},
            "negated": {"type": "dict"},
        },
    },
}


def shown(facts: NwfilterFacts) -> dict[str, Any]:
    """Return one filter in the words of the module's options."""
    options = show_spec(NWFILTER, observe(NWFILTER, read_tree(facts.xml)))
    return {"name": facts.name, "uuid": facts.uuid, "state": "present", **options}
