# Copyright: (c) 2026, the virtfleet.core contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Hosts and machines must not outlive the test session that made them, even one that was killed."""

from __future__ import annotations

import contextlib
import subprocess
import sys
from pathlib import Path

from ._proc import Process
from ._run import LabError
from .registry import places

TOP = Path(__file__).parents[2]


def sweep() -> list[str]:
    """Take down everything whose owner is gone; return the names."""
    orphans = [place for place in places() if place.orphaned]
    for place in orphans:
        place.down()
    return [place.name for place in orphans]


def watch(owner: Process) -> None:
    """Wait for a process to end, then take down what was made for it."""
    while not owner.wait(3600):
        pass
    for place in places():
        if place.owner == owner:
            with contextlib.suppress(LabError):
                place.down()


def start_watcher(owner: Process) -> subprocess.Popen[bytes]:
    """Run watch() in a process of its own, out of reach of what ends this one."""
    return subprocess.Popen(
        [sys.executable, "-m", "tests.lab", "watch", str(owner.pid), str(owner.start)],
        cwd=TOP,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        start_new_session=True,
    )
