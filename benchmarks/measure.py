# Copyright: (c) 2026, the virtfleet.core contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Run a piece of work in a process of its own and say what it cost."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tools.dev.tree import collections_path

ROOT = Path(__file__).resolve().parent.parent
TRACE = "VIRTFLEET_DEBUG"


@dataclass(frozen=True)
class Cost:
    """``seconds`` by the clock; ``cpu_seconds`` and ``peak_bytes`` of the process and those that it started.

    ``changed`` and ``returned_bytes`` are what the work itself says. For a play all of Ansible is in it; for a piece of
    Python, the seconds are without the start of the interpreter, and the rest is with it.
    """

    seconds: float
    cpu_seconds: float
    peak_bytes: int
    changed: int = 0
    returned_bytes: int = 0


def environment(**more: str) -> dict[str, str]:
    """Return the variables of a process that imports the collection."""
    paths = os.pathsep.join([str(ROOT), str(collections_path(ROOT))])
    return {**os.environ, "PYTHONPATH": paths, **more}


def piece(name: str, **given: Any) -> Cost:
    """Run a piece of ``benchmarks.piece``."""
    found, cost = _run([sys.executable, "-m", "benchmarks.piece", name], environment(), json.dumps(given))
    said = json.loads(found)
    return Cost(**{**said, "cpu_seconds": cost.cpu_seconds})


def calls(name: str, **given: Any) -> int:
    """Run a piece and return how often the collection called libvirt. Not timed: the trace takes time too."""
    with tempfile.NamedTemporaryFile() as trace:
        _run([sys.executable, "-m", "benchmarks.piece", name], environment(**{TRACE: trace.name}), json.dumps(given))
        return Path(trace.name).read_bytes().count(b"\n")


def program(argv: Sequence[str], env: Mapping[str, str]) -> Cost:
    """Run a program to its end."""
    return _run(argv, env, "")[1]


def _run(argv: Sequence[str], env: Mapping[str, str], given: str) -> tuple[str, Cost]:
    with tempfile.TemporaryFile("w+") as words, tempfile.TemporaryFile("w+") as said:
        words.write(given)
        words.seek(0)
        began = time.perf_counter()
        process = subprocess.Popen(argv, stdin=words, stdout=said, stderr=subprocess.STDOUT, env=dict(env), cwd=ROOT)
        _pid, status, usage = os.wait4(process.pid, 0)
        seconds = time.perf_counter() - began
        process.returncode = os.waitstatus_to_exitcode(status)
        said.seek(0)
        text = said.read()
        if process.returncode != 0:
            raise RuntimeError(f"{' '.join(argv[:4])} ended with {process.returncode}:\n{text[-3000:]}")
    # Linux counts the peak in KiB.
    return text, Cost(seconds, usage.ru_utime + usage.ru_stime, usage.ru_maxrss * 1024)
