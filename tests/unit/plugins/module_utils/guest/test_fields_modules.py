# Copyright: (c) 2026, the virtfleet.core contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Memory in slots: counted apart from the guest's own, plugged in and pulled while it runs."""

from __future__ import annotations

from typing import Any

import pytest

from ansible_collections.virtfleet.core.plugins.module_utils import _xml
from ansible_collections.virtfleet.core.plugins.module_utils._change import Effect
from ansible_collections.virtfleet.core.plugins.module_utils._errors import SpecError
from ansible_collections.virtfleet.core.plugins.module_utils._guest.table import GUEST
from ansible_collections.virtfleet.core.plugins.module_utils._table import observe, show_spec
from tests.unit.plugins.module_utils.guest.house import House

WEB: dict[str, Any] = {
    "name": "web1",
    "memory": "1GiB",
    "numa": [{"memory": "1GiB"}],
    "memory_slots": 4,
    "memory_hotplug_max": "8GiB",
    "state": "running",
}
ONE = {"slot": 0, "size": "512MiB"}


def sizes(house: House) -> list[tuple[int, int, int]]:
    """Return of the definition and of the running guest: what all has, what it was given of it, and its modules."""
    return [
        (
            *(int(_xml.read(root, path) or 0) // 1024 for path in ("memory", "currentMemory")),
            len(_xml.find_all(root, "devices/memory")),
        )
        for root in (house.definition(), house.live())
    ]


def effects(house: House, **words: Any) -> dict[str, Effect]:
    """Make words true; return the effects, after a second run had nothing to do."""
    plan, outcomes = house.run(**{**WEB, **words})
    assert {outcome.outcome for outcome in outcomes} <= {"done"}, outcomes
    assert house.plan(**{**WEB, **words}).actions == ()
    return {".".join(change.path): change.effect for action in plan.actions for change in action.changes}


def test_they_come_and_go_and_memory_stays_what_it_was_said_to_be() -> None:
    house = House()
    effects(house)
    assert effects(house, memory_modules=[ONE]) == {"memory_modules.0": Effect.LIVE}
    assert sizes(house) == [(1536, 1536, 1)] * 2
    assert show_spec(GUEST, observe(GUEST, house.definition()))["memory_modules"] == [
        {"name": "0", "model": "dimm", "slot": 0, "size": "512MiB", "node": 0}
    ]
    # A balloon of a guest with modules moves by what it is told without them.
    assert effects(house, memory_modules=[ONE], memory="768MiB", memory_max="1GiB") == {"memory": Effect.LIVE}
    assert sizes(house) == [(1536, 1280, 1)] * 2
    more = [ONE, {"name": "spare", "slot": 3, "size": "1GiB"}]
    assert effects(house, memory_modules=more, memory="768MiB", memory_max="1GiB") == {"memory_modules.spare": Effect.LIVE}
    assert sizes(house) == [(2560, 2304, 2)] * 2
    assert effects(house, memory_modules=[]) == {
        "memory": Effect.LIVE,
        "memory_modules.0": Effect.LIVE,
        "memory_modules.spare": Effect.LIVE,
    }
    assert sizes(house) == [(1024, 1024, 0)] * 2


def test_a_guest_without_slots_gets_its_first_ones_at_the_next_start() -> None:
    house = House()
    bare = {"name": "web1", "memory": "1GiB", "state": "running"}
    house.run(**bare)
    plan, _outcomes = house.run(**WEB, memory_modules=[ONE])
    (action,) = plan.actions
    assert {change.effect for change in action.changes} == {Effect.RESTART}
    assert sizes(house) == [(1536, 1536, 1), (1024, 1024, 0)]
    assert house.plan(**WEB, memory_modules=[ONE]).actions == ()


def test_a_guest_that_does_not_let_one_go_keeps_it_until_it_stops() -> None:
    house = House()
    effects(house, memory_modules=[ONE])
    house.fake.stubborn.add("web1")
    _plan, outcomes = house.run(**WEB, memory_modules=[])
    assert [outcome.outcome for outcome in outcomes] == ["pending"]
    assert sizes(house) == [(1024, 1024, 0), (1536, 1536, 1)]
    again = house.plan(**WEB, memory_modules=[])
    assert again.actions == () and [change.path for change in again.pending["guest", "web1"]] == [("memory_modules", "0")]


@pytest.mark.parametrize(
    ("words", "complaint"),
    [
        ({"memory_modules": [{"slot": 4, "size": "1GiB"}]}, "memory_modules.4.slot: 4 is beyond the guest's slots, which are 4"),
        ({"memory_modules": [ONE, {**ONE, "name": "b"}]}, "memory_modules.b.slot: another module is in slot 0"),
        ({"memory_modules": [{**ONE, "node": 1}]}, "memory_modules.0.node: the guest has no NUMA node 1; it has 1"),
        ({"memory_modules": [{**ONE, "size": "8GiB"}]}, "memory_hotplug_max: 8GiB are less than the guest has with its modules (9GiB)"),
        ({"memory_modules": [{"slot": 0, "size": 512}]}, "memory_modules[0].size: 512 is not a size"),
        ({"numa": []}, "memory_slots: memory is plugged into guests with NUMA nodes only; say numa, such as numa: [{memory: 1GiB}]"),
        ({"memory_slots": 0}, "memory_slots: goes with memory_hotplug_max"),
        ({"memory_slots": 257}, "memory_slots: 257"),
        ({"memory": "2GiB"}, "numa: its nodes have 1GiB together, but the guest has 2GiB"),
    ],
)
def test_what_does_not_fit_is_said_before_anything_is_touched(words: dict[str, Any], complaint: str) -> None:
    house = House()
    with pytest.raises(SpecError) as raised:
        house.run(**{**WEB, **words})
    assert complaint in str(raised.value)
    assert house.fake.guests() == {}


def test_more_than_the_host_has_is_refused_with_all_modules() -> None:
    house = House(memory_bytes=2 << 30)
    with pytest.raises(SpecError, match=r"memory: 3GiB are more than the host has"):
        house.run(**WEB, memory_modules=[{"slot": 0, "size": "2GiB"}])
