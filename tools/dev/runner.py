# Copyright: (c) 2026, the virtfleet.core contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Run stages in lanes side by side, keep going after a failure, and tell the whole story at the end."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import threading
import time
from collections import deque
from collections.abc import Sequence
from datetime import datetime
from pathlib import Path

from tools.dev import apt, parts
from tools.dev.errors import NeedsRoot, ToolError
from tools.dev.results import Row, counts, failures, save
from tools.dev.stages import Skip, Stage, Step, Workshop

# pytest's exit code for "no tests were collected".
NO_TESTS = 5
# And for "some tests failed".
FAILED_TESTS = 1
# More than these that fail are no matter of time.
FEW = 3
# How often a long silence is broken, so that a person (or a CI that ends silent jobs) sees that it lives.
SIGN_OF_LIFE_S = 60


class Runner:
    """Run stages and hold what has to be stopped when the run is interrupted.

    Where tests of real guests fail, their files are run once more: on two busy cores an emulated guest may be too late
    for one test in thousands. Both runs are in the log, and what passed the second time only is named in the table.
    """

    def __init__(self, shop: Workshop, *, stream: bool) -> None:
        """Take the workshop; `stream` shows the words of a stage as they come, which fits one lane only."""
        self._shop = shop
        self._stream = stream
        self._say = threading.Lock()
        self._children: set[subprocess.Popen[bytes]] = set()
        self._stopping = threading.Event()

    def run(self, stages: Sequence[Stage]) -> list[Row]:
        """Run the stages, each lane in a thread, and return a row for each, in their order."""
        self._install(stages)
        rows: dict[str, Row] = {}
        lanes: dict[str, deque[Stage]] = {}
        for stage in stages:
            lanes.setdefault(stage.lane, deque()).append(stage)

        def work(lane: deque[Stage]) -> None:
            for stage in lane:
                rows[stage.name] = self._stage(stage)
                save(self._shop.results, rows[stage.name])

        threads = [threading.Thread(target=work, args=(lane,), daemon=True) for lane in lanes.values()]
        previous = signal.signal(signal.SIGTERM, _interrupt)
        # A shell has what it runs in the background ignore Ctrl-C. A program passes on that it ignores a signal, not that it has
        # a handler for it: with one that does nothing, the stages can be asked to end, and this goes on.
        background = signal.getsignal(signal.SIGINT) is signal.SIG_IGN
        if background:
            signal.signal(signal.SIGINT, _ignore)
        try:
            for thread in threads:
                thread.start()
            self._wait(threads)
        except KeyboardInterrupt:
            self._stop()
            for thread in threads:
                thread.join(timeout=30)
            raise
        finally:
            signal.signal(signal.SIGTERM, previous)
            if background:
                signal.signal(signal.SIGINT, signal.SIG_IGN)
        return [rows[stage.name] for stage in stages]

    def _wait(self, threads: Sequence[threading.Thread]) -> None:
        """Wait for the lanes; a thread's join would hold back the signal that interrupts the run."""
        while any(thread.is_alive() for thread in threads):
            for thread in threads:
                thread.join(timeout=0.2)

    def _stop(self) -> None:
        """End the programs that this run started, and begin no other."""
        self._stopping.set()
        for child in list(self._children):
            _end(child)

    def _stage(self, stage: Stage) -> Row:
        """Run a stage and return its row; a fault in the tools is a failure of the stage, never of the run."""
        start, started = time.monotonic(), time.time()
        log = self._shop.results / f"{stage.name}.log"
        state, reason = "failed", ""
        steps: list[Step] = []
        if self._stopping.is_set():
            state, reason = "skipped", "the run was interrupted"
        elif not (self._shop.root / stage.folder).exists():
            state, reason = "absent", f"there is no {stage.folder} yet"
        elif stage.root and os.geteuid() != 0:
            state, reason = "skipped", "needs root"
        else:
            self._tell(f"{stage.name}: starts; its words go to {log}")
            try:
                steps = stage.steps(self._shop)
                state, reason = self._steps(stage, steps, log)
            except (Skip, NeedsRoot) as error:
                state, reason = "skipped", str(error)
            except (ToolError, OSError, subprocess.SubprocessError) as error:
                reason = str(error)
        seconds = time.monotonic() - start
        files = [step.junit for step in steps if step.junit is not None]
        spent = parts.shares(files, seconds) if state in {"passed", "failed"} else {}
        row = Row(stage.name, state, seconds, reason, *counts(steps, state), started, spent)
        self._tell(f"{row.name}: {row.state} in {row.seconds:.0f} s" + (f": {row.reason}" if row.reason else ""))
        return row

    def _install(self, stages: Sequence[Stage]) -> None:
        """Install at once what all stages need, before the lanes would wait for each other's apt.

        What cannot be installed here keeps no stage from running: one that goes without says what it misses.
        """
        wanted = {package for stage in stages for package in stage.system_packages(self._shop)}
        try:
            apt.ensure(wanted)
        except ToolError as error:
            self._tell(f"goes on without {' '.join(apt.missing(wanted))}: {error}")

    def _steps(self, stage: Stage, steps: Sequence[Step], log: Path) -> tuple[str, str]:
        """Run the steps of a stage, all of them, and return its state and the reason."""
        failed: list[str] = []
        late: list[str] = []
        log.write_bytes(b"")
        deadline = time.monotonic() + stage.limit_s
        for step in steps:
            if step.junit is not None:
                step.junit.unlink(missing_ok=True)
            start = log.stat().st_size
            code = self._step(stage, step, log, deadline)
            if code == NO_TESTS and step.junit is not None:
                return "absent", "no test of this kind was found"
            again = self._once_more(stage, step, deadline) if code == FAILED_TESTS and stage.lab else []
            if again:
                late += again
                self._show(step, log, start)
            elif code != 0:
                after = f"exit {code}" if code is not None else f"ended after the stage's limit of {stage.limit_s} s"
                failed.append(f"{step.label} ({after})")
                self._show(step, log, start)
        if failed:
            return "failed", ", ".join(failed)
        return "passed", "the second time only: " + ", ".join(late) if late else ""

    def _once_more(self, stage: Stage, step: Step, deadline: float) -> list[str]:
        """Run the files of the few tests that failed, and return these tests where all is well now, else nothing."""
        found = failures(step.junit) if step.junit is not None else {}
        files = sorted({failure.file for failure in found.values()})
        if step.again is None or not 0 < len(found) <= FEW or not all((step.cwd / file).is_file() for file in files):
            return []
        late = [f"{name} ({failure.said})" for name, failure in sorted(found.items())]
        self._tell(f"{stage.name}: runs once more, for {', '.join(late)}: {' '.join(files)}")
        log = self._shop.results / f"{stage.name}.log"
        return late if self._step(stage, step.again(files), log, deadline) == 0 else []

    def _step(self, stage: Stage, step: Step, log: Path, deadline: float) -> int | None:
        """Run a command to its end and return its exit code, or None where it was ended at the deadline."""
        out = None
        if not self._stream:
            out = log.open("ab")
            out.write(f"== {step.label}: {' '.join(step.command)}\n".encode())
            out.flush()
        try:
            child = subprocess.Popen(
                step.command,
                cwd=step.cwd, env={**step.env, **stage.variables()}, stdin=subprocess.DEVNULL,
                stdout=out, stderr=subprocess.STDOUT if out else None,
                # A group of its own, so that ending it ends what it started.
                start_new_session=True,
            )  # fmt: skip
        finally:
            if out is not None:
                out.close()
        self._children.add(child)
        try:
            start = time.monotonic()
            while True:
                try:
                    return child.wait(timeout=min(SIGN_OF_LIFE_S, max(0.1, deadline - time.monotonic())))
                except subprocess.TimeoutExpired:
                    if time.monotonic() >= deadline:
                        _end(child)
                        return None
                    if not self._stream:
                        self._tell(f"{stage.name}: {step.label}, {time.monotonic() - start:.0f} s: {_last_line(log)}")
        finally:
            self._children.discard(child)

    def _show(self, step: Step, log: Path, start: int) -> None:
        """Print what a step that failed has said: the log from `start` on."""
        if self._stream:
            return
        with self._say, log.open("rb") as file:
            file.seek(start)
            print(file.read().decode(errors="replace").rstrip())
            print(f"== end of {step.label}", flush=True)

    def _tell(self, text: str) -> None:
        """Print a line with the time of day."""
        with self._say:
            print(f"[{datetime.now():%H:%M:%S}] {text}", flush=True)


def _ignore(_signal: int, _frame: object) -> None:
    """Do nothing about Ctrl-C."""


def _interrupt(_signal: int, _frame: object) -> None:
    """Treat SIGTERM as Ctrl-C."""
    raise KeyboardInterrupt


def _end(child: subprocess.Popen[bytes]) -> None:
    """End a child and what it started: asked first, so that a lab can clear up, then forced."""
    for number, patience in ((signal.SIGINT, 30), (signal.SIGTERM, 10), (signal.SIGKILL, 10)):
        try:
            os.killpg(child.pid, number)
            child.wait(timeout=patience)
        except ProcessLookupError:
            return
        except subprocess.TimeoutExpired:
            continue
        else:
            return


def _last_line(log: Path) -> str:
    """Return the last line of a log, shortened."""
    lines = log.read_text(errors="replace").rstrip().splitlines()
    return lines[-1][:120] if lines else ""


def interrupted() -> int:
    """Say that the run was interrupted and return the exit code for it."""
    print("interrupted", file=sys.stderr)
    return 130
