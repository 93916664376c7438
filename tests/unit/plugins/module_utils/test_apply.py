# Copyright: (c) 2026, the virtfleet.core contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""A plan carried out: in order, per object, told as it went, and repeatable wherever it was cut short."""

from __future__ import annotations

from typing import Any

import pytest

from ansible_collections.virtfleet.core.plugins.module_utils import _xml
from ansible_collections.virtfleet.core.plugins.module_utils._apply import apply, step_names, unfinished
from ansible_collections.virtfleet.core.plugins.module_utils._change import Action, Change, Effect, Plan
from ansible_collections.virtfleet.core.plugins.module_utils._errors import VirtError
from tests.unit.plugins.module_utils.guest.house import House, rows

WEB = {
    "memory": "1GiB",
    "disks": [{"image": "debian-12", "size": "20GiB"}, {"cdrom": "/iso/netinst.iso"}],
    "nics": [{"network": "lab", "address": "10.20.0.11"}],
    "cloud_init": {"user_data": {"packages": ["vim"]}},
    "tags": ["web"],
    "autostart": True,
    "state": "running",
}


def test_actions_go_in_order_and_each_step_is_announced() -> None:
    house, said = House(), []
    plan = house.plan(**WEB)
    outcomes = apply(plan, house.ports, said.append)
    assert [outcome.outcome for outcome in outcomes] == ["done"] * 3
    # Writing a seed is making its volume and filling it.
    expected = [("create_volume", "upload_volume") if op == "write_seed" else (op,) for op in step_names(plan)]
    assert [call for call, _arguments in house.fake.calls] == [op for group in expected for op in group]
    assert said[0] == "network lab: write the reservations of network lab"
    assert said[-1] == "guest web1: start the guest"
    assert len(said) == len(step_names(plan))


def test_what_needs_a_failed_action_is_skipped_and_others_go_on() -> None:
    house = House()
    other = House().plan(**WEB, name="db1").actions[-1]
    plan = house.plan(**WEB)
    plan = Plan((*plan.actions, Action("guest", "db1", "update", Effect.LIVE, (), other.steps[-1:])))
    # The network's definition and its live update come before the volume.
    house.fake.fail_at(3)
    outcomes = apply(plan, house.ports)
    assert [outcome.outcome for outcome in outcomes] == ["done", "failed", "skipped", "failed"]
    assert "this failure was asked for" in (outcomes[1].error or "")
    assert outcomes[2].error == "guest web1: skipped because volume default/web1-root.qcow2 failed"
    # The last one was tried, though what it is about does not exist.
    assert "db1" in (outcomes[3].error or "")


def test_an_optional_step_that_fails_leaves_the_rest_pending() -> None:
    house = House()
    house.run(**{**WEB, "vcpus": 1, "vcpus_max": 2})
    plan = house.plan(vcpus=2, tags=["db"])
    house.fake.fail_at([step.op for step in plan.actions[0].steps].index("set_vcpus") + 1)
    (outcome,) = apply(plan, house.ports)
    assert outcome.outcome == "pending"
    assert outcome.error is not None
    assert outcome.error.startswith("guest web1: could not set vcpus")
    # The later step was carried out all the same.
    assert house.fake.calls[-1][0] == "set_metadata"
    # And the next run tries again.
    again, outcomes = house.run(vcpus=2)
    assert [(change.path, change.effect, change.why) for change in again.actions[0].changes] == [
        (("vcpus",), Effect.LIVE, "differs in the running guest only")
    ]
    assert step_names(again) == ["set_vcpus"]
    assert [outcome.outcome for outcome in outcomes] == ["done"]


@pytest.mark.parametrize(
    ("effects", "outcome"),
    [
        ([("memory", Effect.LIVE)], "done"),
        ([("memory", Effect.RESTART)], "pending"),
        ([("memory", Effect.LIVE), ("machine", Effect.RESTART)], "pending"),
        ([("state", Effect.RESTART)], "done"),
        # The run itself stops and starts it.
        ([("machine", Effect.RESTART), ("state", Effect.RESTART)], "done"),
        ([("machine", Effect.RESTART), ("state", Effect.LIVE)], "pending"),
        ([("disks.root.image", Effect.DATA_LOSS)], "done"),
    ],
)
def test_what_waits_for_a_restart_is_pending(effects: list[tuple[str, Effect]], outcome: str) -> None:
    changes = tuple(Change(tuple(path.split(".")), 1, 2, effect) for path, effect in effects)
    action = Action("guest", "web1", "update", Effect.RESTART, changes)
    (found,) = apply(Plan((action,)), House().ports)
    assert found.outcome == outcome


def test_what_does_not_read_back_is_named() -> None:
    change = Change(("disks", "root", "bus"), "virtio", "sata", Effect.RESTART)
    plan = Plan((Action("guest", "web1", "update", Effect.RESTART, (change,)),))
    assert unfinished(plan) == ["guest web1: disks.root.bus does not read back as written (it is 'virtio', not 'sata')"]
    assert unfinished(Plan()) == []


def test_a_secret_that_does_not_read_back_is_not_told() -> None:
    change = Change(("graphics_password",), "old", "new", Effect.LIVE, secret=True)
    plan = Plan((Action("guest", "web1", "update", Effect.LIVE, (change,)),))
    assert unfinished(plan) == ["guest web1: graphics_password does not read back as written"]


def _calls(options: dict[str, Any], *before: dict[str, Any]) -> int:
    house = House()
    for former in before:
        house.run(**former)
    house.fake.calls.clear()
    house.run(**options)
    return len(house.fake.calls)


CHANGED = {
    "memory": "2GiB",
    "machine": "pc",
    "disks": [{"image": "debian-12", "size": "30GiB"}, {"size": "1GiB", "name": "data"}, {"cdrom": ""}],
    "nics": [{"network": "dmz"}],
    "cloud_init": {"user_data": {"packages": ["emacs"]}},
    "title": "Web",
    "autostart": False,
    "state": "running",
}
GONE = {"state": "absent", "confirm_data_loss": ["web1"]}
ANEW = {
    "disks": [{"image": "debian-13", "size": "20GiB"}, {"cdrom": "/iso/netinst.iso"}],
    "confirm_data_loss": ["web1"],
    "state": "running",
}


@pytest.mark.parametrize(
    ("options", "before"),
    [(WEB, ()), (CHANGED, (WEB,)), (GONE, (WEB,)), (ANEW, (WEB,))],
    ids=["make", "change", "remove", "anew"],
)
@pytest.mark.parametrize("done", [False, True], ids=["before", "after"])
def test_a_run_cut_short_anywhere_is_finished_by_the_next(
    options: dict[str, Any], before: tuple[dict[str, Any], ...], done: bool
) -> None:
    """Fail once at each change in turn, before or after it took effect; the next run must bring all to the same end."""
    whole = House()
    for former in (*before, options):
        whole.run(**former)
    for number in range(1, _calls(options, *before) + 1):
        house = House()
        for former in before:
            house.run(**former)
        house.fake.fail_at(number, done=done)
        try:
            house.run(**options)
        except (VirtError, AssertionError):
            # A failure in an optional step shows as something that does not read back.
            pass
        house.run(**options)
        assert rows(house.plan(**options)) == [], number
        assert _essence(house) == _essence(whole), number


def _essence(house: House) -> Any:
    """Return what must be the same in the end: neither numbers drawn by lot, nor what the last run was told."""
    guests, networks, pools, files = house.picture()
    definitions = {name: house.definition(name) for name in guests}
    for root in definitions.values():
        for told in ("applied", "waiting"):
            _xml.remove(root, f"metadata/virtfleet:guest/virtfleet:{told}")
    return (
        {name: (facts.state, _xml.to_text(definitions[name]), facts.autostart) for name, facts in guests.items()},
        {name: facts.xml.replace(facts.uuid, "") for name, facts in networks.items()},
        set(pools),
        files,
    )
