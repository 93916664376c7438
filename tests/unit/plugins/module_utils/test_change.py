# Copyright: (c) 2026, the virtfleet.core contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The values that say what differs and what it costs."""

from __future__ import annotations

import itertools

import pytest

from ansible_collections.virtfleet.core.plugins.module_utils._change import (
    UNKNOWN,
    UNSET,
    Action,
    Change,
    Effect,
    Plan,
    under,
    worst,
)


def test_effects_are_ordered_by_their_price() -> None:
    prices = [Effect.NONE, Effect.LIVE, Effect.RESTART, Effect.RECREATE, Effect.DATA_LOSS]
    for cheap, dear in itertools.combinations(prices, 2):
        assert worst([dear, cheap]) is dear
    assert worst([]) is Effect.NONE
    assert [str(effect) for effect in prices] == ["none", "live", "restart", "recreate", "data_loss"]


def test_markers_are_no_value_that_a_user_can_write() -> None:
    assert (repr(UNSET), repr(UNKNOWN), UNKNOWN.value) == ("UNSET", "UNKNOWN", "(after apply)")
    assert UNSET != "unset"


def test_changes_below_a_prefix_keep_all_else() -> None:
    change = Change(("bus",), "virtio", "sata", Effect.RESTART, "why", True)
    (found,) = under(("disks", "root"), [change])
    assert found.path == ("disks", "root", "bus")
    assert (found.before, found.after, found.effect, found.why, found.secret) == (
        "virtio",
        "sata",
        Effect.RESTART,
        "why",
        True,
    )


def test_joined_plans_follow_each_other() -> None:
    def one(name: str, effect: Effect) -> Plan:
        change = Change(("memory",), 1, 2, effect)
        action = Action("guest", name, "update", effect, (change,))
        return Plan((action,), {action.key: (change,)}, {action.key: ("disks.vdb",)}, (name,))

    plan = one("a", Effect.LIVE).joined(one("b", Effect.RESTART))
    assert [action.name for action in plan.actions] == ["a", "b"]
    assert plan.effect is Effect.RESTART
    assert set(plan.pending) == set(plan.unmanaged) == {("guest", "a"), ("guest", "b")}
    assert plan.warnings == ("a", "b")
    assert Plan().effect is Effect.NONE


def test_values_are_frozen() -> None:
    with pytest.raises(AttributeError):
        Plan().actions = ()  # type: ignore[misc]
