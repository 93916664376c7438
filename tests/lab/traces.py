# Copyright: (c) 2026, the virtfleet.core contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What everything in the lab must leave behind when it is gone: nothing."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from pathlib import Path

from tests.lab._namespaces import cgroup_mounts
from tests.lab._place import Place
from tests.lab._proc import PROC, everyone

TOP = Path(__file__).parents[2]
# A session that makes a place of a kind and a name for itself, and then does nothing.
_SESSION = """\
import os, sys, time
import tests.lab
from tests.lab._proc import Process
from tests.lab.watch import start_watcher
owner = Process.of(os.getpid())
start_watcher(owner)
getattr(tests.lab, sys.argv[1])(sys.argv[2]).up(owner)
print("up", flush=True)
time.sleep(300)
"""


def traces(place: Place) -> list[str]:
    """List what is left of a host or machine: processes, mounts, cgroups, files."""
    found = [f"process {process.pid} ({process.name})" for process in place.namespaces.processes()]
    for process in everyone():
        try:
            words = (PROC / str(process.pid) / "cmdline").read_bytes().decode(errors="replace").split("\0")
        except OSError:
            continue
        if any(str(place.home) in word for word in words) and process.pid != os.getpid():
            found.append(f"process {process.pid} ({' '.join(words)})")
    mounts = (PROC / "self/mountinfo").read_text().splitlines()
    found += [f"mount {line}" for line in mounts if str(place.home) in line]
    for mount in cgroup_mounts():
        found += [f"cgroup {path}" for path in mount.point.glob(f"virtfleet-lab-{place.name}*")]
    return found + ([f"folder {place.home}"] if place.home.exists() else [])


def kill_a_session_with(place: Place) -> None:
    """Have a process of its own bring the place up for itself, and end that process by SIGKILL."""
    argv = [sys.executable, "-c", _SESSION, type(place).__name__, place.name]
    with subprocess.Popen(argv, cwd=TOP, stdout=subprocess.PIPE, text=True) as session:
        assert session.stdout is not None
        assert session.stdout.readline().strip() == "up"
        assert traces(place)
        session.send_signal(signal.SIGKILL)
