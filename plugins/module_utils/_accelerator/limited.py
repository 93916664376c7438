# Copyright: (c) 2026, the virtfleet.core contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Run a program with a time limit, and end it by its process id when the limit is over."""

from __future__ import annotations

import resource
import subprocess
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass

from .._libvirt_calls import Late, within

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
    code = None
    output = errors = b""
    try:
        done = within(limit + _LAST_SECONDS, lambda: _run(argv, limit))
        code, output, errors = done.returncode, done.stdout, done.stderr
    except subprocess.TimeoutExpired as late:
        output, errors = late.stdout or b"", late.stderr or b""
    except Late:
        # Killed, and not gone: what it said is lost with it.
        pass
    seconds = time.monotonic() - begun
    return Ran(code, output.decode(errors="replace"), errors.decode(errors="replace"), seconds)


def _run(argv: Sequence[str], limit: float) -> subprocess.CompletedProcess[bytes]:
    with _without_core():
        # AnsibleModule's run_command knows no time limit.
        return subprocess.run(  # pylint: disable=ansible-bad-function
            list(argv),
            stdin=subprocess.DEVNULL,
            capture_output=True,
            timeout=limit,
            check=False,
            start_new_session=True,
        )


@contextmanager
def _without_core() -> Iterator[None]:
    """Let what is started now leave no core dump: that QEMU aborts is an answer here, and no crash to be reported."""
    soft, hard = resource.getrlimit(resource.RLIMIT_CORE)
    resource.setrlimit(resource.RLIMIT_CORE, (0, hard))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_CORE, (soft, hard))
