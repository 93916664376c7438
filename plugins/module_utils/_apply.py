# Copyright: (c) 2026, the virtfleet.core contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Carries a plan out against the Protocols, step by step, and says how each action went.

An action that fails does not stop the others, only those that need it. The order of steps inside an action is such
that a run cut short anywhere leaves something that the next plan finishes.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from ._change import Action, Effect, Outcome, Plan
from ._errors import VirtError
from ._ports import Files, Hypervisor
from ._storage.volume import VolumeWant, volume_xml


@dataclass(frozen=True)
class Ports:
    """The two sides that a step can act on."""

    hypervisor: Hypervisor
    files: Files


def apply(plan: Plan, ports: Ports, progress: Callable[[str], None] = lambda sentence: None) -> list[Outcome]:
    """Carry out the plan's actions in order; ``progress`` hears of each step before it is done."""
    outcomes: list[Outcome] = []
    lost: set[tuple[str, str]] = set()
    for action in plan.actions:
        blocker = next((key for key in action.needs if key in lost), None)
        if blocker is not None:
            outcome = Outcome(
                action, "skipped", f"{action.kind} {action.name}: skipped because {' '.join(blocker)} failed"
            )
        else:
            outcome = _carry_out(action, ports, progress)
        if outcome.outcome in ("failed", "skipped"):
            lost.add(action.key)
        outcomes.append(outcome)
    return outcomes


def _carry_out(action: Action, ports: Ports, progress: Callable[[str], None]) -> Outcome:
    waiting: list[str] = []
    for step in action.steps:
        progress(f"{action.kind} {action.name}: {step.says or step.op}")
        try:
            _operation(ports, step.op)(**step.args)
        except VirtError as error:
            sentence = f"{action.kind} {action.name}: {error}"
            if not step.optional:
                return Outcome(action, "failed", sentence)
            waiting.append(sentence)
    if waiting:
        return Outcome(action, "pending", "; ".join(waiting))
    dear = [change for change in action.changes if change.effect is Effect.RESTART]
    # An action that stops its object itself leaves nothing to wait for; one that saves it does.
    stops = any(change.path == ("state",) and change.after != "saved" for change in dear)
    waits = any(change.path != ("state",) for change in dear)
    return Outcome(action, "pending" if waits and not stops else "done")


def _operation(ports: Ports, op: str) -> Callable[..., Any]:
    """Return what a step's name stands for: an operation of both sides, one of Files, or one of the Hypervisor."""
    if op in _BOTH:
        return lambda **arguments: _BOTH[op](ports, **arguments)
    side, dot, name = op.partition(".")
    operation: Callable[..., Any] = (
        getattr(ports.files, name) if dot and side == "files" else getattr(ports.hypervisor, op)
    )
    return operation


def _write_seed(ports: Ports, pool: str, name: str, files: Mapping[str, bytes]) -> None:
    """Build the seed and put it into its volume, which is made anew where its size differs."""
    data = ports.files.build_seed(files)
    present = ports.hypervisor.volumes(pool, [name]).get(name)
    if present is not None and present.capacity_bytes != len(data):
        ports.hypervisor.delete_volume(pool, name)
        present = None
    if present is None:
        ports.hypervisor.create_volume(pool, volume_xml(VolumeWant(pool, name, "", "raw", len(data)), len(data)))
    ports.hypervisor.upload_volume(pool, name, data)


_BOTH: dict[str, Callable[..., None]] = {"write_seed": _write_seed}


def unfinished(plan: Plan) -> list[str]:
    """Return, of a plan made again after an apply, what did not read back as written: one sentence a field."""
    return [
        f"{action.kind} {action.name}: {'.'.join(change.path)} does not read back as written "
        f"(it is {change.before!r}, not {change.after!r})"
        for action in plan.actions
        for change in action.changes
    ]


def step_names(plan: Plan) -> list[str]:
    """Return the operations of a plan in order, for progress and for tests."""
    return [step.op for action in plan.actions for step in action.steps]
