# Copyright: (c) 2026, the virtfleet.core contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The filters that show a plan."""

from __future__ import annotations

from typing import Any

import pytest
from ansible.errors import AnsibleFilterError

from ansible_collections.virtfleet.core.plugins.filter import plan_markdown, plan_text

RESULT = {
    "plan": [{"kind": "pool", "name": "a", "action": "create", "effect": "live", "changes": []}],
    "summary": {"create": 1, "unchanged": 0},
}


def test_they_take_a_modules_result() -> None:
    text = plan_text.FilterModule().filters()["plan_text"]
    markdown = plan_markdown.FilterModule().filters()["plan_markdown"]
    assert text(RESULT) == "  + pool a\n\n1 to create; 0 unchanged\n"
    assert markdown(RESULT, title="hv1").startswith("### hv1: 1 to create; 0 unchanged\n")


@pytest.mark.parametrize("other", [None, "text", [], {"summary": {}}])
def test_and_nothing_else(other: Any) -> None:
    with pytest.raises(AnsibleFilterError, match="plan_text: takes the result of a module"):
        plan_text.plan_text(other)
    with pytest.raises(AnsibleFilterError, match="plan_markdown: takes the result of a module"):
        plan_markdown.plan_markdown(other)
