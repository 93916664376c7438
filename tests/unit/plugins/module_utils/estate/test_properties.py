# Copyright: (c) 2026, the virtfleet.core contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What holds for every document, however it is changed, and wherever a run is cut short."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from hypothesis import HealthCheck, assume, given, settings
from hypothesis import strategies as st

from ansible_collections.virtfleet.core.plugins.module_utils import _xml
from ansible_collections.virtfleet.core.plugins.module_utils._apply import apply
from ansible_collections.virtfleet.core.plugins.module_utils._errors import SpecError
from tests.unit.plugins.module_utils.estate.hall import Hall, document, failures, rows
from tests.unit.plugins.module_utils.examples import WHOLE

CONSENT = ["small", "big", *(f"{name}{number}" for name in ("web", "db") for number in ("", 1, 2, 3))]

DISKS = st.lists(
    st.sampled_from([{"image": "small"}, {"image": "small", "size": "9GiB"}, {"name": "data", "size": "1GiB"}]),
    max_size=2,
    unique_by=lambda disk: disk.get("name", "root"),
)
NICS = st.lists(
    st.sampled_from([{"network": "office"}, {"network": "lab"}, {"name": "out", "type": "user"}]),
    max_size=2,
    unique_by=lambda nic: nic.get("network", "out"),
)


@st.composite
def guest(draw: st.DrawFn, name: str, number: int) -> dict[str, Any]:
    entry: dict[str, Any] = {"name": name, "disks": draw(DISKS), "nics": draw(NICS)}
    if draw(st.booleans()):
        entry["count"] = draw(st.integers(1, 3))
    for nic in entry["nics"]:
        if nic.get("network") == "office" and draw(st.booleans()):
            nic["address"] = f"10.50.0.{number}"
    for option, values in (
        ("state", ["running", "stopped", "paused", "present"]),
        ("memory", ["256MiB", "512MiB"]),
        ("tags", [["a"], ["a", "b"]]),
        ("autostart", [True, False]),
        ("profiles", [["two"]]),
        ("cloud_init", [{"user_data": {"a": 1}}, {"user_data": {"a": 2}}]),
    ):
        if draw(st.booleans()):
            entry[option] = draw(st.sampled_from(values))
    return entry


@st.composite
def documents(draw: st.DrawFn) -> dict[str, Any]:
    """Draw a document; what guests stand on is always in it."""
    guests = [
        entry for entry in (draw(st.none() | guest("web", 11)), draw(st.none() | guest("db", 31))) if entry is not None
    ]
    return {
        "version": 1,
        "guest_defaults": {"memory": "128MiB"},
        "profiles": {"two": {"vcpus": 2}},
        "pools": [{"name": "images", "path": "/srv/images"}],
        "networks": [{"name": "office", "cidr": "10.50.0.0/24", "dhcp": {"start": "10.50.0.100"}}],
        "images": [{"name": "small", "source": "/data/old.qcow2"}],
        "guests": guests,
    }


@settings(suppress_health_check=[HealthCheck.too_slow])
@given(documents(), documents(), st.booleans())
def test_the_second_run_has_nothing_to_do_and_check_mode_tells_the_truth(first: Any, second: Any, prune: bool) -> None:
    hall = Hall()
    options: dict[str, Any] = {"prune": prune, "confirm_data_loss": CONSENT}
    for wanted in (first, second):
        before = hall.picture()
        try:
            told = hall.planned(wanted, **options)
        except SpecError:
            assert hall.picture() == before
            assume(False)
            raise
        assert hall.picture() == before
        plan, outcomes = hall.make(wanted, **options)
        assert failures(outcomes) == []
        assert rows(plan) == rows(told)
        assert rows(hall.planned(wanted, **options)) == []
    if prune:
        named = {
            f"{entry['name']}{number}" if "count" in entry else entry["name"]
            for entry in second["guests"]
            for number in range(1, entry.get("count", 1) + 1)
        }
        assert set(hall.fake.guests()) == named


@settings(suppress_health_check=[HealthCheck.too_slow])
@given(documents(), documents(), st.sampled_from(["<watchdog model='i6300esb' action='reset'/>", "<rng model='virtio'/>"]))
def test_what_others_wrote_into_a_guest_stays(first: Any, second: Any, foreign: str) -> None:
    hall = Hall()
    try:
        hall.make(first)
        for name in hall.fake.guests():
            root = hall.definition(name)
            _xml.ensure(root, "devices").append(_xml.parse(foreign))
            hall.fake.define_guest(_xml.to_text(root))
        there = set(hall.fake.guests())
        hall.make(second, confirm_data_loss=CONSENT)
    except SpecError:
        assume(False)
    for name in there:
        tag = _xml.parse(foreign).tag
        assert _xml.find_all(hall.definition(name), f"devices/{tag}")


class Killed(BaseException):
    """Stands for SIGKILL: nothing catches it."""


def killed_at(number: int) -> Callable[[str], None]:
    """Return what ends a run before its step of this number."""
    left = [number]

    def progress(_sentence: str) -> None:
        if left[0] == 0:
            raise Killed
        left[0] -= 1

    return progress


CHANGED = document()
CHANGED["guests"][0].update(count=4, memory="512MiB", disks=[{"image": "small", "size": "12GiB"}, {"name": "data", "size": "1GiB"}])
CHANGED["guests"][1].update(state="running", nics=[{"network": "office", "address": "10.50.0.30"}])
CHANGED["networks"].append({"name": "more", "cidr": "10.60.0.0/24"})
GONE = {"version": 1}


@pytest.mark.parametrize(
    ("before", "after"), [((), document()), ((document(),), CHANGED), ((document(),), GONE)], ids=["made", "changed", "gone"]
)
@pytest.mark.parametrize("way", ["killed", "failed", "broken"])
def test_a_run_cut_short_anywhere_is_finished_by_the_next(before: tuple[Any, ...], after: Any, way: str) -> None:
    """Cut it short before each step, or let each call fail before or after it took effect; the next run comes to the end."""
    options: dict[str, Any] = {"prune": True, "confirm_data_loss": [*CONSENT, "db1", "web4"]}
    whole = Hall()
    for given_before in before:
        whole.make(given_before, **options)
    whole.fake.calls.clear()
    plan, _outcomes = whole.make(after, **options)
    steps = sum(len(action.steps) for action in plan.actions)
    for number in range(0, steps if way == "killed" else len(whole.fake.calls), 1 if WHOLE else 3):
        hall = Hall()
        for given_before in before:
            hall.make(given_before, **options)
        subject = hall.estate(after, **options)
        plan = subject.plan(subject.gather(hall.ports))
        if way == "killed":
            with pytest.raises(Killed):
                apply(plan, hall.ports, killed_at(number))
        else:
            hall.fake.fail_at(number + 1, done=way == "broken")
            apply(plan, hall.ports)
        _plan, outcomes = hall.make(after, **options)
        assert failures(outcomes) == [], number
        assert rows(hall.planned(after, **options)) == [], number
        assert _essence(hall) == _essence(whole), number


def _essence(hall: Hall) -> Any:
    """Return what must be the same in the end: neither numbers drawn by lot, nor what the last run was told."""
    guests, networks, pools, files = hall.picture()
    definitions = {name: hall.definition(name) for name in guests}
    for root in definitions.values():
        for told in ("applied", "waiting"):
            _xml.remove(root, f"metadata/virtfleet:guest/virtfleet:{told}")
    return (
        {name: (facts.state, _xml.to_text(definitions[name]), facts.autostart) for name, facts in guests.items()},
        {name: (_without_lot(facts.xml), facts.active, facts.autostart) for name, facts in networks.items()},
        {name: (facts.active, facts.autostart) for name, facts in pools.items()},
        files,
    )


def _without_lot(xml: str) -> str:
    root = _xml.parse(xml)
    for path in ("uuid", "mac"):
        _xml.remove(root, path)
    return _xml.to_text(root)
