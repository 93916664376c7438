# Copyright: (c) 2026, the virtfleet.core contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

DOCUMENTATION = r"""
name: plan_text
short_description: Show a plan as text
version_added: 0.1.0
author:
  - virtfleet.core contributors (@virtfleet)
description:
  - Turns the result of M(virtfleet.core.estate) into lines for a terminal or a log, a sign and an object, then its options with
    what they cost.
  - Values that a plan hides stay hidden.
options:
  _input:
    description: The result of a module of this collection that has RV(virtfleet.core.estate#module:plan).
    type: dict
    required: true
seealso:
  - module: virtfleet.core.estate
"""

EXAMPLES = r"""
- name: What would change
  virtfleet.core.estate:
    document: "{{ estate }}"
    mode: plan
  register: planned

- name: Show it
  ansible.builtin.debug:
    msg: "{{ (planned | virtfleet.core.plan_text).splitlines() }}"
"""

RETURN = r"""
_value:
  description: The text.
  type: str
"""

from collections.abc import Callable, Mapping
from typing import Any

from ansible.errors import AnsibleFilterError

from ansible_collections.virtfleet.core.plugins.module_utils._estate import report


def plan_text(result: Any) -> str:
    """Return a module's result as text."""
    if not isinstance(result, Mapping) or "plan" not in result:
        raise AnsibleFilterError("plan_text: takes the result of a module, a mapping with plan and summary")
    return report.text(result["plan"], result.get("summary", {}), result.get("pending", ()), result.get("drift", ()))


class FilterModule:
    """Name the filter."""

    def filters(self) -> Mapping[str, Callable[..., str]]:
        return {"plan_text": plan_text}
