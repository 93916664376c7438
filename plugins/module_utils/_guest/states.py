# Copyright: (c) 2026, the virtfleet.core contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""From one run state to another: which steps, and what that costs."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from .._change import Change, Effect, Step
from .._errors import SpecError

# What a wanted state accepts as already true. A guest with a managed save is off, and keeps its memory on disk.
_SATISFIED: Mapping[str, tuple[str, ...]] = {
    "running": ("running",),
    "paused": ("paused",),
    "stopped": ("stopped", "crashed", "saved"),
    "saved": ("saved",),
}


@dataclass(frozen=True)
class Stopping:
    """How a guest is asked to go: ``timeout`` seconds for it to power off, then off by force only if allowed."""

    timeout: float = 120
    force: bool = False


def stop_step(name: str, stopping: Stopping) -> Step:
    arguments = {"name": name, "timeout": stopping.timeout, "force": stopping.force}
    return Step("shutdown_guest", arguments, "shut the guest down")


def settled(wanted: str, state: str) -> bool:
    """Tell whether the wanted state holds already."""
    return wanted == "present" or state in _SATISFIED[wanted]


def starts(wanted: str, active: bool) -> bool:
    """Tell whether a guest, which runs or does not, has to be started for the wanted state."""
    return wanted in ("running", "paused") and not active


def transition(name: str, state: str, wanted: str, stopping: Stopping) -> tuple[Change | None, tuple[Step, ...]]:
    """Return the change of state and its steps; ``state`` may be ``absent``. Raise SpecError where there is no way."""
    if settled(wanted, state):
        return None, ()
    steps: tuple[Step, ...]
    effect = Effect.LIVE
    if wanted == "running":
        steps = (_resume(name),) if state == "paused" else (_start(name, paused=False),)
    elif wanted == "paused":
        steps = (_suspend(name),) if state == "running" else (_start(name, paused=True),)
    elif wanted == "stopped":
        if state == "absent":
            return None, ()
        effect = Effect.RESTART
        # A paused guest cannot answer a request to power off.
        steps = ((_resume(name),) if state == "paused" else ()) + (stop_step(name, stopping),)
    else:
        if state not in ("running", "paused"):
            raise SpecError(
                f"state: the guest {name} is {state}, so there is no memory to save; only a running or paused guest "
                "can become saved"
            )
        effect = Effect.RESTART
        steps = (Step("save_guest", {"name": name}, "save the guest"),)
    return Change(("state",), state, wanted, effect), steps


def _start(name: str, paused: bool) -> Step:
    return Step("start_guest", {"name": name, "paused": paused}, "start the guest")


def _resume(name: str) -> Step:
    return Step("resume_guest", {"name": name}, "resume the guest")


def _suspend(name: str) -> Step:
    return Step("suspend_guest", {"name": name}, "pause the guest")
