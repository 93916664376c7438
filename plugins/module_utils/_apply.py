# Copyright: (c) 2026, the virtfleet.core contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Carries a plan out against the Protocols, step by step, and says how each action went.

An action that fails does not stop the others, only those that need it. The order of steps inside an action is such
that a run cut short anywhere leaves something that the next plan finishes.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping, Sequence
from concurrent.futures import FIRST_COMPLETED, Future, ThreadPoolExecutor, wait
from dataclasses import dataclass, replace
from heapq import heapify, heappop, heappush
from pathlib import PurePosixPath
from typing import Any

from ._change import Action, Effect, Outcome, Plan
from ._errors import NotFound, SpecError, VirtError
from ._image.making import Making
from ._ports import Files, Hypervisor
from ._storage.volume import VolumeWant, volume_xml
from ._units import show_size


@dataclass(frozen=True)
class Ports:
    """The two sides that a step can act on."""

    hypervisor: Hypervisor
    files: Files


def apply(
    plan: Plan,
    ports: Ports,
    progress: Callable[[str], None] = lambda sentence: None,
    parallel: int = 1,
    stop: bool = False,
) -> list[Outcome]:
    """Carry out the plan's actions; ``progress`` hears of each step before it is done.

    An action begins once those that it needs and the one before it in its lane are through; up to ``parallel`` run side by
    side, and begin in the plan's order. With ``stop`` nothing begins any more after a failure.
    """
    run = _Run(plan.actions, stop)
    if parallel == 1 or len(plan.actions) == 1:
        for number, action in enumerate(plan.actions):
            run.outcomes[number] = run.refused(action) or _carry_out(action, ports, progress)
            run.judge(number)
    else:
        run.side_by_side(parallel, lambda action: _carry_out(action, ports, progress))
    return [run.outcomes[number] for number in range(len(plan.actions))]


class _Run:
    """How far a plan is."""

    def __init__(self, actions: Sequence[Action], stop: bool) -> None:
        self.actions, self.stop = actions, stop
        self.outcomes: dict[int, Outcome] = {}
        self.lost: set[tuple[str, str]] = set()
        self.failed = False
        self.waits, self.unblocks = self._order()

    def _order(self) -> tuple[list[int], dict[int, list[int]]]:
        """Return for how many earlier actions each one waits, and who waits for it. What comes later is no need."""
        numbers: dict[tuple[str, str], int] = {}
        lanes: dict[str, int] = {}
        waits = [0] * len(self.actions)
        unblocks: dict[int, list[int]] = {}
        for number, action in enumerate(self.actions):
            before = {numbers[key] for key in action.needs if key in numbers}
            if action.lane in lanes:
                before.add(lanes[action.lane])
            for other in before:
                unblocks.setdefault(other, []).append(number)
            waits[number] = len(before)
            numbers[action.key] = number
            if action.lane:
                lanes[action.lane] = number
        return waits, unblocks

    def refused(self, action: Action) -> Outcome | None:
        """Return the outcome of an action that is not to begin."""
        blocker = next((key for key in action.needs if key in self.lost), None)
        what = f"{action.kind} {action.name}"
        if blocker is not None:
            return Outcome(action, "skipped", f"{what}: skipped because {' '.join(blocker)} failed")
        if self.stop and self.failed:
            return Outcome(action, "skipped", f"{what}: skipped because something failed before it (on_error: stop)")
        return None

    def judge(self, number: int) -> None:
        outcome = self.outcomes[number]
        if outcome.outcome in ("failed", "skipped"):
            self.lost.add(outcome.action.key)
            self.failed = True

    def side_by_side(self, parallel: int, carry_out: Callable[[Action], Outcome]) -> None:
        ready = [number for number, waits in enumerate(self.waits) if not waits]
        running: dict[Future[Outcome], int] = {}
        with ThreadPoolExecutor(parallel, thread_name_prefix="virtfleet-apply") as pool:
            while ready or running:
                heapify(ready)
                while ready and len(running) < parallel:
                    number = heappop(ready)
                    refused = self.refused(self.actions[number])
                    if refused is None:
                        running[pool.submit(carry_out, self.actions[number])] = number
                    else:
                        self._through(number, refused, ready)
                for future in wait(running, return_when=FIRST_COMPLETED).done:
                    self._through(running.pop(future), future.result(), ready)

    def _through(self, number: int, outcome: Outcome, ready: list[int]) -> None:
        self.outcomes[number] = outcome
        self.judge(number)
        for other in self.unblocks.get(number, ()):
            self.waits[other] -= 1
            if not self.waits[other]:
                heappush(ready, other)


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


def _create_volume_on(ports: Ports, volume: VolumeWant, base_pool: str | None) -> None:
    """Make a volume on a base whose size nobody knew before it was there."""
    path = volume.base or ""
    if base_pool is None:
        image = ports.files.image_facts(path)
        found = (image.format, image.virtual_bytes) if image is not None else None
    else:
        name = PurePosixPath(path).name
        base = ports.hypervisor.volumes(base_pool, [name]).get(name)
        found = (base.format, base.capacity_bytes) if base is not None else None
    if found is None:
        raise NotFound(f"there is no image at {path}; make it with virtfleet.core.image")
    form, size_bytes = found
    if volume.size_bytes is not None and volume.size_bytes < size_bytes:
        raise SpecError(
            f"its size {show_size(volume.size_bytes)} is less than the image {path} has ({show_size(size_bytes)}); ask for "
            "at least that"
        )
    made = replace(volume, base_format=form)
    ports.hypervisor.create_volume(volume.pool, volume_xml(made, volume.size_bytes or size_bytes))


def _with_passphrase(ports: Ports, op: str, making: Making, **arguments: Any) -> None:
    """Have ``op`` of Files make or change an image that is encrypted by what a secret of libvirt holds."""
    key = f"volume/{making.luks_secret}"
    facts = ports.hypervisor.secrets().get(key)
    value = None if facts is None else ports.hypervisor.secret_value(facts.uuid)
    if value is None:
        raise NotFound(
            f"the secret {making.luks_secret} (usage: volume) does not exist, holds nothing, or is private; give it a value by "
            "virtfleet.core.secret, or give luks_passphrase"
        )
    getattr(ports.files, op)(**arguments, making=replace(making, luks_secret=None, passphrase=value))


_BOTH: dict[str, Callable[..., None]] = {
    "write_seed": _write_seed,
    "create_volume_on": _create_volume_on,
    "with_passphrase": _with_passphrase,
}


def unfinished(plan: Plan, waiting: Collection[tuple[str, str]] = ()) -> list[str]:
    """Return, of a plan made again after an apply, what did not read back as written: one sentence a field.

    ``waiting`` are the objects of which an optional step failed: what that was about is tried again by the next run.
    """
    return [
        f"{action.kind} {action.name}: {'.'.join(change.path)} does not read back as written"
        + ("" if change.secret else f" (it is {change.before!r}, not {change.after!r})")
        for action in plan.actions
        if action.key not in waiting
        for change in action.changes
    ]


def step_names(plan: Plan) -> list[str]:
    """Return the operations of a plan in order, for progress and for tests."""
    return [step.op for action in plan.actions for step in action.steps]
