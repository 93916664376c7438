# Copyright: (c) 2026, the virtfleet.core contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What a user gets to see of a plan: rows, summary, diff."""

from __future__ import annotations

import json

from ansible_collections.virtfleet.core.plugins.module_utils._change import (
    HIDDEN,
    UNKNOWN,
    Action,
    Change,
    Effect,
    Outcome,
    Plan,
)
from ansible_collections.virtfleet.core.plugins.module_utils._guest.table import GUEST
from ansible_collections.virtfleet.core.plugins.module_utils._render import (
    change_row,
    diff,
    pending_rows,
    plan_rows,
    summary,
    unmanaged_rows,
)

TABLES = {"guest": GUEST}
MEMORY = Change(("memory",), 2 << 30, 4 << 30, Effect.RESTART, why="above the ceiling")
NEW = Change(("disks", "data"), None, {"name": "data", "size": 1 << 30, "source": {"file": "/d"}}, Effect.LIVE)
SECRET = Change(("password",), "alt", "neu", Effect.LIVE, secret=True)
LATER = Change(("size",), None, UNKNOWN, Effect.LIVE)
GUEST_ACTION = Action("guest", "web1", "update", Effect.RESTART, (MEMORY, NEW))
VOLUME_ACTION = Action("volume", "default/web1-data.qcow2", "create", Effect.LIVE, (LATER, SECRET))
PLAN = Plan(
    (VOLUME_ACTION, GUEST_ACTION),
    {("guest", "web1"): (MEMORY,)},
    {("guest", "web1"): ("disks.vdb",)},
)


def test_a_change_is_shown_in_the_users_words() -> None:
    assert change_row(TABLES, "guest", MEMORY) == {
        "path": "memory",
        "before": "2GiB",
        "after": "4GiB",
        "effect": "restart",
        "why": "above the ceiling",
    }
    assert change_row(TABLES, "guest", NEW) == {
        "path": "disks.data",
        "before": None,
        "after": {"name": "data", "size": "1GiB", "source": {"file": "/d"}},
        "effect": "live",
    }


def test_secrets_and_what_is_not_known_yet() -> None:
    hidden, later = change_row(TABLES, "volume", SECRET), change_row(TABLES, "volume", LATER)
    assert (hidden["before"], hidden["after"]) == (HIDDEN, HIDDEN)
    assert (later["before"], later["after"]) == (None, "(after apply)")


def test_a_row_an_action_with_its_outcome() -> None:
    planned = plan_rows(TABLES, PLAN, None)
    assert [
        (row["kind"], row["name"], row["action"], row["effect"], row["outcome"], row["error"]) for row in planned
    ] == [
        ("volume", "default/web1-data.qcow2", "create", "live", "planned", None),
        ("guest", "web1", "update", "restart", "planned", None),
    ]
    outcomes = [Outcome(VOLUME_ACTION, "failed", "no space"), Outcome(GUEST_ACTION, "skipped", "because")]
    assert [(row["outcome"], row["error"]) for row in plan_rows(TABLES, PLAN, outcomes)] == [
        ("failed", "no space"),
        ("skipped", "because"),
    ]


def test_what_waits_and_what_is_not_ours() -> None:
    (row,) = pending_rows(TABLES, PLAN)
    assert (row["kind"], row["name"], [change["path"] for change in row["changes"]]) == ("guest", "web1", ["memory"])
    assert unmanaged_rows(PLAN) == [{"kind": "guest", "name": "web1", "entries": ["disks.vdb"]}]


def test_the_summary_counts() -> None:
    assert summary({}, Plan(), 1) == {"unchanged": 1}
    assert summary({}, Plan((GUEST_ACTION,)), 1000) == {"update": 1, "unchanged": 999}
    assert summary({}, PLAN, 1) == {"create": 1, "update": 1, "unchanged": 0}


def test_the_diff_has_a_line_an_option() -> None:
    first, second = diff(TABLES, PLAN)
    assert first["before_header"] == "volume default/web1-data.qcow2"
    assert first["after"] == f"size: (after apply)    # live\npassword: {HIDDEN}    # live\n"
    assert second["after_header"] == "guest web1 (update, restart)"
    assert second["before"] == "memory: 2GiB\n"
    assert second["after"].splitlines() == [
        "memory: 4GiB    # restart",
        'disks.data: {"name": "data", "size": "1GiB", "source": {"file": "/d"}}    # live',
    ]


def test_all_that_is_shown_is_json_and_holds_no_secret() -> None:
    text = json.dumps([plan_rows(TABLES, PLAN, None), pending_rows(TABLES, PLAN), diff(TABLES, PLAN)])
    assert "alt" not in text
    assert "neu" not in text
