# Copyright: (c) 2026, the virtfleet.core contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Run a program with a time limit, and end it by its process id when the limit is over."""

from __future__ import annotations

import resource
import subprocess
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass

# A process that is deep in the kernel may not end even when it is killed; it is not waited for longer than this.
_LAST_SECONDS = 2.0


@dataclass(frozen=True)
class Ran:
    """How a program ended: its code (negative for a signal), or None at the time limit."""

    code: int | None
    output: str
    errors: str
    seconds: float


def run(argv: Sequence[str], limit: float) -> Ran:
    """Run a program without input for at most ``limit`` seconds; raise OSError when it cannot be started."""
    begun = time.monotonic()
    pipe = subprocess.PIPE
    with _without_core():
        child = subprocess.Popen(list(argv), stdin=subprocess.DEVNULL, stdout=pipe, stderr=pipe, start_new_session=True)
    code = None
    output = errors = b""
    try:
        output, errors = child.communicate(timeout=limit)
        code = child.returncode
    except subprocess.TimeoutExpired as late:
        output, errors = late.output or b"", late.stderr or b""
    finally:
        if child.returncode is None:
            child.kill()
            with suppress(subprocess.TimeoutExpired):
                output, errors = child.communicate(timeout=_LAST_SECONDS)
    seconds = time.monotonic() - begun
    return Ran(code, output.decode(errors="replace"), errors.decode(errors="replace"), seconds)


@contextmanager
def _without_core() -> Iterator[None]:
    """Let what is started now leave no core dump: that QEMU aborts is an answer here, and no crash to be reported."""
    soft, hard = resource.getrlimit(resource.RLIMIT_CORE)
    resource.setrlimit(resource.RLIMIT_CORE, (0, hard))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_CORE, (soft, hard))
