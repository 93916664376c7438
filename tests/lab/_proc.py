# Copyright: (c) 2026, the virtfleet.core contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Processes known by pid and start time, so that a reused pid is never signalled."""

from __future__ import annotations

import os
import select
import signal
import time
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path

from ._run import LabError

PROC = Path("/proc")


@dataclass(frozen=True)
class Process:
    """One process of this boot; `start` is its start time in clock ticks since boot (field 22 of proc(5) stat)."""

    pid: int
    start: int

    @classmethod
    def of(cls, pid: int) -> Process | None:
        """Return the process that has this pid now, or None; a zombie counts as none."""
        try:
            text = (PROC / str(pid) / "stat").read_text(errors="replace")
        except OSError:
            return None
        # The command name may hold spaces and brackets: what follows its last bracket is fixed.
        fields = text.rpartition(")")[2].split()
        if len(fields) < 20 or fields[0] in "ZX":
            return None
        return cls(pid, int(fields[19]))

    @classmethod
    def from_pid_file(cls, path: Path) -> Process | None:
        """Return the process named by a daemon's pid file, if it lives."""
        try:
            return cls.of(int(path.read_text().strip()))
        except (OSError, ValueError):
            return None

    @classmethod
    def load(cls, path: Path) -> Process | None:
        """Read what save() wrote; None when the file is absent or that process is gone."""
        try:
            pid, start = (int(word) for word in path.read_text().split())
        except (OSError, ValueError):
            return None
        known = cls(pid, start)
        return known if known.alive() else None

    def save(self, path: Path) -> None:
        """Keep pid and start time in a file."""
        path.parent.mkdir(parents=True, exist_ok=True)
        part = path.with_name(path.name + ".part")
        part.write_text(f"{self.pid} {self.start}\n")
        part.replace(path)

    def alive(self) -> bool:
        """Tell whether this very process still runs."""
        return Process.of(self.pid) == self

    @property
    def name(self) -> str:
        """The kernel's short name of it, for messages."""
        try:
            return (PROC / str(self.pid) / "comm").read_text(errors="replace").strip()
        except OSError:
            return "gone"

    def send(self, number: signal.Signals) -> bool:
        """Send a signal; return False when the process is gone.

        The pidfd pins the process before its start time is checked, so that a pid reused in between is not hit.
        """
        try:
            handle = os.pidfd_open(self.pid)
        except (ProcessLookupError, OSError):
            return False
        try:
            if not self.alive():
                return False
            signal.pidfd_send_signal(handle, number)
        except ProcessLookupError:
            return False
        finally:
            os.close(handle)
        return True

    def wait(self, seconds: float) -> bool:
        """Wait for its end; return whether it came."""
        deadline = time.monotonic() + seconds
        try:
            handle = os.pidfd_open(self.pid)
        except (ProcessLookupError, OSError):
            return not self.alive()
        try:
            # A zombie child of ours makes the pidfd readable too, which is "ended" for our purpose.
            while self.alive():
                left = deadline - time.monotonic()
                if left <= 0:
                    return False
                select.select([handle], [], [], min(left, 0.5))
        finally:
            os.close(handle)
        return True


def everyone() -> Iterator[Process]:
    """Yield every process that this process may see."""
    for entry in os.listdir(PROC):
        if entry.isdigit():
            found = Process.of(int(entry))
            if found is not None:
                yield found


def end(processes: Iterable[Process], *, patience: float = 5.0) -> list[Process]:
    """End these processes: SIGTERM, then after `patience` seconds SIGKILL. Return those that had to be killed.

    Raises LabError when one survives even that.
    """
    left = [process for process in processes if process.send(signal.SIGTERM)]
    # A stopped process only sees SIGTERM once it goes on.
    for process in left:
        process.send(signal.SIGCONT)
    deadline = time.monotonic() + patience
    killed = [process for process in left if not process.wait(max(0.0, deadline - time.monotonic()))]
    for process in killed:
        process.send(signal.SIGKILL)
    for process in killed:
        if not process.wait(10):
            raise LabError(
                f"process {process.pid} ({process.name}) survived SIGKILL; look at /proc/{process.pid}/stack"
            )
    return killed
