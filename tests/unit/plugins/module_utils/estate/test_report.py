# Copyright: (c) 2026, the virtfleet.core contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Plans for people: as text and as Markdown."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ansible_collections.virtfleet.core.plugins.module_utils._estate import report

ROWS: list[dict[str, Any]] = [
    {
        "kind": "guest",
        "name": "db1",
        "action": "update",
        "effect": "restart",
        "changes": [
            {"path": "memory", "before": "2GiB", "after": "4GiB", "effect": "restart"},
            {"path": "tags", "before": ["a"], "after": ["a", "b"], "effect": "live"},
        ],
    },
    {
        "kind": "volume",
        "name": "images/web1-root.qcow2",
        "action": "create",
        "effect": "live",
        "changes": [{"path": "size", "before": None, "after": "(after apply)", "effect": "live"}],
    },
    {
        "kind": "guest",
        "name": "old",
        "action": "delete",
        "effect": "data_loss",
        "changes": [{"path": "state", "before": "running", "after": "absent", "effect": "data_loss"}],
        "outcome": "failed",
        "error": "could not stop guest old",
    },
]
PENDING = [{"kind": "guest", "name": "db1", "changes": [{"path": "vcpus", "before": 1, "after": 2, "effect": "restart"}]}]
DRIFT = [
    {"kind": "guest", "name": "a", "path": "memory", "applied": "1GiB", "found": "2GiB", "wanted": "1GiB", "side": "definition"},
    {"kind": "guest", "name": "a", "path": "vcpus", "applied": 2, "found": 1, "wanted": 4, "side": "live"},
]
SUMMARY = {"create": 1, "update": 1, "delete": 1, "unchanged": 997}

TEXT = """\
  ~ guest db1  # true after its next cold start
      memory : 2GiB -> 4GiB  # true after its next cold start
      tags   : ["a"] -> ["a", "b"]
  + volume images/web1-root.qcow2
      size : (after apply)
  - guest old  # data is lost
      state : running -> absent  # data is lost
      failed: could not stop guest old

waits for a cold start:
  guest db1: vcpus 1 -> 2

changed by hand since the last run:
  guest a memory: 1GiB -> 2GiB
  guest a vcpus: 2 -> 1, wanted 4 (in the running guest only)

1 to create, 1 to update, 1 to delete; 997 unchanged
"""


def test_text() -> None:
    assert report.text(ROWS, SUMMARY, PENDING, DRIFT) == TEXT


def test_nothing_to_do() -> None:
    assert report.text([], {"unchanged": 3}) == "nothing to do; 3 unchanged\n"
    assert report.markdown([], {"unchanged": 3}) == "### Plan: nothing to do; 3 unchanged\n\n"


def test_markdown() -> None:
    lines = report.markdown(ROWS, SUMMARY, PENDING, DRIFT, title="hv1").splitlines()
    assert lines[:6] == [
        "### hv1: 1 to create, 1 to update, 1 to delete; 997 unchanged",
        "",
        "| | object | option | before | after | effect |",
        "|---|---|---|---|---|---|",
        "| `~` | guest **db1** | memory | 2GiB | 4GiB | **restart** |",
        '|  |  | tags | &#91;"a"&#93; | &#91;"a", "b"&#93; | live |',
    ]
    assert "- guest **db1**: vcpus 1 -&#62; 2" in lines


@given(st.text())
def test_nobodys_name_ends_a_cell_or_begins_markup(name: str) -> None:
    row = {**ROWS[1], "name": name, "changes": [{"path": name, "before": name, "after": name, "effect": "live"}]}
    table = report.markdown([row], {}).splitlines()[2:]
    assert len(table) == 3
    assert table[2].count("|") == table[0].count("|")
    for letter in "<>@*_[]#":
        assert letter not in table[2].replace("**", "").replace("&#", "")


@pytest.mark.parametrize("value", ["x" * 500, ["x" * 500]])
def test_a_long_value_is_cut(value: Any) -> None:
    row = {**ROWS[1], "changes": [{"path": "a", "before": None, "after": value, "effect": "live"}]}
    assert len(report.text([row], {})) < 300
