# Copyright: (c) 2026, the virtfleet.core contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

DOCUMENTATION = r"""
name: plan_markdown
short_description: Show a plan as Markdown
version_added: 0.1.0
author:
  - virtfleet.core contributors (@virtfleet)
description:
  - Turns the result of M(virtfleet.core.estate) into a table, for a comment on a pull request or a job's page.
  - What a guest or its owner can write (names, values) can't end the table, begin markup, or mention anybody.
  - Values that a plan hides stay hidden.
options:
  _input:
    description: The result of a module of this collection that has RV(virtfleet.core.estate#module:plan).
    type: dict
    required: true
  title:
    description: What the headline begins with.
    type: str
    default: Plan
seealso:
  - module: virtfleet.core.estate
"""

EXAMPLES = r"""
- name: What would change
  virtfleet.core.estate:
    document: "{{ estate }}"
    mode: plan
  register: planned

- name: Keep it for the pull request
  ansible.builtin.copy:
    content: "{{ planned | virtfleet.core.plan_markdown(title=inventory_hostname) }}"
    dest: plan.md
    mode: "0644"
  delegate_to: localhost
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


def plan_markdown(result: Any, title: str = "Plan") -> str:
    """Return a module's result as Markdown."""
    if not isinstance(result, Mapping) or "plan" not in result:
        raise AnsibleFilterError("plan_markdown: takes the result of a module, a mapping with plan and summary")
    return report.markdown(
        result["plan"], result.get("summary", {}), result.get("pending", ()), result.get("drift", ()), title
    )


class FilterModule:
    """Name the filter."""

    def filters(self) -> Mapping[str, Callable[..., str]]:
        return {"plan_markdown": plan_markdown}
