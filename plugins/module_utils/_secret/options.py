# Copyright: (c) 2026, the virtfleet.core contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The module options of a secret as an argument spec, and what a secret looks like in results: never with its value."""

from __future__ import annotations

from typing import Any

from .. import _xml
from .._facts import SecretFacts
from .._table import observe, show_spec
from .spec import DEFAULT_USAGE, POLICIES, STATES
from .table import SECRET, USAGES

SECRET_OPTIONS: dict[str, Any] = {
    "name": {"type": "str", "required": True},
    "state": {"type": "str", "choices": list(STATES), "default": "present"},
    "usage": {"type": "str", "choices": list(USAGES), "default": DEFAULT_USAGE},
    "usage_id": {"type": "str"},
    "description": {"type": "str"},
    "ephemeral": {"type": "bool"},
    "private": {"type": "bool"},
    "value": {"type": "str", "no_log": True},
    "value_base64": {"type": "str", "no_log": True},
    "value_policy": {"type": "str", "choices": list(POLICIES)},
}


def shown(facts: SecretFacts) -> dict[str, Any]:
    """Return one secret in the words of the module's options, as far as libvirt knows them."""
    options = show_spec(SECRET, observe(SECRET, _xml.parse(facts.xml)))
    return {"uuid": facts.uuid, "state": "present", "usage": facts.usage, "usage_id": facts.usage_id, **options}
