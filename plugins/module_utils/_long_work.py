# Copyright: (c) 2026, the virtfleet.core contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Locks and progress files of work that takes long.

A lock is an flock on a file under ``/run/lock/virtfleet``: the kernel drops it with its holder, so a killed run blocks
nobody. Progress is appended to ``/run/virtfleet/NAME.progress``, where a person can ``tail -f`` it, because a module
can print nothing while it runs. Without root both are under ``$XDG_RUNTIME_DIR/virtfleet``.
"""
from __future__ import annotations

import fcntl
import hashlib
import os
import re
import stat
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from ._errors import HostError, Timeout

_POLL_SECONDS = 0.2
_EVERY_SECONDS = 1.0
_MIB = 1024 * 1024


def run_directory(name: str) -> Path:
    """Return a directory of our own for what need not survive a reboot, made where it is missing.

    ``name`` is ``lock`` or ``run``. Raises HostError when somebody else owns the directory: a directory under a place
    that all may write to could have been put there to catch our files.
    """
    if os.geteuid() == 0:
        directory = Path("/run/lock/virtfleet" if name == "lock" else "/run/virtfleet")
    else:
        base = os.environ.get("XDG_RUNTIME_DIR") or f"{tempfile.gettempdir()}/virtfleet-{os.geteuid()}"
        directory = Path(base) / "virtfleet" / name
    try:
        directory.mkdir(mode=0o755, parents=True, exist_ok=True)
        status = directory.lstat()
    except OSError as error:
        raise HostError(f"could not make directory {directory}: {error.strerror}") from error
    if not stat.S_ISDIR(status.st_mode) or status.st_uid != os.geteuid():
        raise HostError(f"{directory} is not a directory of user id {os.geteuid()}; remove it and run again")
    return directory


@dataclass(frozen=True)
class Holder:
    """Who holds a lock that is waited for; ``late``: the time to wait is over."""

    process: str
    late: bool


def waiting(handle: int, timeout: float) -> Iterator[Holder]:
    """Take the lock of an open file: yield its holder each time that it is somebody else's, and end once it is ours."""
    deadline = time.monotonic() + timeout
    while True:
        try:
            fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
            return
        except BlockingIOError:
            pass
        holder = os.pread(handle, 32, 0).decode(errors="replace").strip() or "unknown"
        yield Holder(holder, time.monotonic() >= deadline)
        time.sleep(_POLL_SECONDS)


@contextmanager
def locked(what: str, timeout: float) -> Iterator[None]:
    """Hold the lock of ``what`` (a path, or any text); raise Timeout when another run keeps it for ``timeout`` s."""
    place = run_directory("lock") / f"{hashlib.sha256(what.encode()).hexdigest()[:32]}.lock"
    handle = os.open(place, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC | os.O_NOFOLLOW, 0o600)
    try:
        for holder in waiting(handle, timeout):
            if holder.late:
                raise Timeout(
                    f"could not begin work on {what}: another run (process {holder.process}) has been at it for "
                    f"{timeout:.0f} s; wait for it, or end that process"
                )
        os.truncate(handle, 0)
        os.pwrite(handle, str(os.getpid()).encode(), 0)
        # The file stays: removing it would let two runs hold "the" lock on two inodes.
        yield
    finally:
        os.close(handle)


class Progress:
    """Appends lines to a progress file, at most one a second for the same work."""

    def __init__(self, path: str) -> None:
        name = re.sub(r"[^A-Za-z0-9._-]", "_", Path(path).name)
        self.place = run_directory("run") / f"{name}.progress"
        self._target = path
        self._begun = self._last = time.monotonic()
        self.place.unlink(missing_ok=True)

    def say(self, text: str) -> None:
        """Append one line with the time in front."""
        moment = time.strftime("%Y-%m-%dT%H:%M:%S%z")
        with self.place.open("a", encoding="utf-8") as file:
            file.write(f"{moment} {self._target}: {text}\n")

    def begin(self) -> None:
        """Begin to count time anew, for the next work's speed."""
        self._begun = self._last = time.monotonic()

    def update(self, verb: str, done_bytes: int, total_bytes: int | None) -> None:
        """Say how far the work is, unless that was said within the last second."""
        now = time.monotonic()
        if now - self._last < _EVERY_SECONDS:
            return
        self._last = now
        speed = done_bytes / _MIB / max(now - self._begun, 0.001)
        share = f" of {total_bytes / _MIB:.1f} MiB ({100 * done_bytes // total_bytes} %)" if total_bytes else ""
        self.say(f"{verb} {done_bytes / _MIB:.1f} MiB{share}, {speed:.1f} MiB/s")
