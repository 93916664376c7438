# Copyright: (c) 2026, the virtfleet.core contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""From one run state to another."""

from __future__ import annotations

import pytest

from ansible_collections.virtfleet.core.plugins.module_utils._change import Effect
from ansible_collections.virtfleet.core.plugins.module_utils._errors import SpecError
from ansible_collections.virtfleet.core.plugins.module_utils._guest.states import Stopping, settled, transition

STATES = ("absent", "stopped", "running", "paused", "saved", "crashed")
NOTHING = None
START, START_PAUSED, STOP = "start_guest", "start_guest paused", "shutdown_guest"
# wanted, then for each present state: the effect and the steps; None where nothing has to be done.
MOVES = {
    "running": {
        "absent": (Effect.LIVE, [START]),
        "stopped": (Effect.LIVE, [START]),
        "running": NOTHING,
        "paused": (Effect.LIVE, ["resume_guest"]),
        "saved": (Effect.LIVE, [START]),
        "crashed": (Effect.LIVE, [START]),
    },
    "paused": {
        "absent": (Effect.LIVE, [START_PAUSED]),
        "stopped": (Effect.LIVE, [START_PAUSED]),
        "running": (Effect.LIVE, ["suspend_guest"]),
        "paused": NOTHING,
        "saved": (Effect.LIVE, [START_PAUSED]),
        "crashed": (Effect.LIVE, [START_PAUSED]),
    },
    "stopped": {
        "absent": NOTHING,
        "stopped": NOTHING,
        "running": (Effect.RESTART, [STOP]),
        "paused": (Effect.RESTART, ["resume_guest", STOP]),
        # Off already, with its memory on disk.
        "saved": NOTHING,
        "crashed": NOTHING,
    },
    "present": dict.fromkeys(STATES),
}


@pytest.mark.parametrize("wanted", list(MOVES))
@pytest.mark.parametrize("state", STATES)
def test_transitions(wanted: str, state: str) -> None:
    change, steps = transition("web1", state, wanted, Stopping())
    names = [step.op + (" paused" if step.args.get("paused") else "") for step in steps]
    expected = MOVES[wanted][state]
    if expected is None:
        assert (change, names) == (None, [])
        return
    assert change is not None
    assert (change.path, change.before, change.after) == (("state",), state, wanted)
    assert (change.effect, names) == expected
    assert all(step.args["name"] == "web1" for step in steps)


@pytest.mark.parametrize("state", ["running", "paused"])
def test_a_guest_with_memory_can_be_saved(state: str) -> None:
    change, steps = transition("web1", state, "saved", Stopping())
    assert change is not None
    assert (change.effect, [step.op for step in steps]) == (Effect.RESTART, ["save_guest"])
    assert transition("web1", "saved", "saved", Stopping()) == (None, ())


@pytest.mark.parametrize("state", ["absent", "stopped", "crashed"])
def test_a_guest_without_memory_cannot_be_saved(state: str) -> None:
    with pytest.raises(SpecError, match=f"state: the guest web1 is {state}, so there is no memory to save"):
        transition("web1", state, "saved", Stopping())


def test_how_a_guest_is_stopped_is_the_users_word() -> None:
    _change, (step,) = transition("web1", "running", "stopped", Stopping(7.5, True))
    assert step.args == {"name": "web1", "timeout": 7.5, "force": True}


def test_what_is_settled() -> None:
    assert {
        wanted: [state for state in STATES if settled(wanted, state)]
        for wanted in ("present", "running", "paused", "stopped", "saved")
    } == {
        "present": list(STATES),
        "running": ["running"],
        "paused": ["paused"],
        "stopped": ["stopped", "saved", "crashed"],
        "saved": ["saved"],
    }
