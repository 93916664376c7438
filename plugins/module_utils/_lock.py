# Copyright: (c) 2026, the virtfleet.core contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""One run at a time on one hypervisor: a lock that dies with its holder.

Two runs that plan at once would each count on what the other is about to change. The lock is a file under
``/run/lock/virtfleet``, or in a session's own runtime directory, locked by flock(2), so a killed run leaves nothing to be
cleared away. A remote hypervisor has none: there is no place that all its users could share.
"""

from __future__ import annotations

import hashlib
import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

from ._errors import HostError, Timeout
from ._libvirt_read import is_remote
from ._long_work import run_directory, waiting

PLACE = Path("/run/lock/virtfleet")
PATIENCE_S = 600.0


@contextmanager
def one_at_a_time(
    uri: str, say: Callable[[str], None] = lambda sentence: None, patience_s: float = PATIENCE_S
) -> Iterator[None]:
    """Hold the lock of a hypervisor; raise Timeout when another run holds it for longer than ``patience_s`` seconds."""
    handle = None if is_remote(uri) else _opened(uri)
    if handle is None:
        yield
        return
    try:
        _take(handle, uri, say, patience_s)
        os.ftruncate(handle, 0)
        os.pwrite(handle, f"{os.getpid()}\n".encode(), 0)
        yield
    finally:
        os.close(handle)


def _opened(uri: str) -> int | None:
    """Return the open lock file; None where this user may have none, as on a read-only system."""
    try:
        folder = PLACE
        if "session" in uri and os.environ.get("XDG_RUNTIME_DIR"):
            folder = Path(os.environ["XDG_RUNTIME_DIR"]) / "virtfleet"
        elif os.geteuid() != 0 and not PLACE.is_dir():
            # Made by anybody but root, it would shut root's image imports out, which want it to be root's.
            folder = run_directory("lock")
        path = folder / f"{hashlib.sha256(uri.encode()).hexdigest()[:16]}.lock"
        if not folder.is_dir():
            folder.mkdir(parents=True, exist_ok=True)
            # Whoever may use libvirt may use it, and nobody may remove another one's file.
            folder.chmod(0o1777)
        # Not with O_CREAT: the kernel refuses that for another user's file in such a folder (fs.protected_regular).
        flags = os.O_RDWR | os.O_CLOEXEC | os.O_NOFOLLOW
        try:
            return os.open(path, flags)
        except FileNotFoundError:
            return _made(path, flags)
    except (OSError, HostError):
        return None


def _made(path: Path, flags: int) -> int:
    try:
        handle = os.open(path, flags | os.O_CREAT | os.O_EXCL, 0o666)
    except FileExistsError:
        return os.open(path, flags)
    os.fchmod(handle, 0o666)
    return handle


def _take(handle: int, uri: str, say: Callable[[str], None], patience_s: float) -> None:
    told = False
    for holder in waiting(handle, patience_s):
        if not told:
            say(f"waits for another run on {uri} (process {holder.process})")
            told = True
        if holder.late:
            raise Timeout(
                f"another run works on {uri} (process {holder.process}) and did not end within {patience_s:g} s; nothing "
                "was touched: run the task again when that one is through, or end that process"
            )
