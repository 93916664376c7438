# Copyright: (c) 2026, the virtfleet.core contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The one way by which libvirt is called: time limits, the trace, patience with what passes by itself, error translation."""

from __future__ import annotations

import os
import threading
import time
from collections.abc import Callable, Sequence
from typing import Any

from ._libvirt_errors import AGENT_SILENT, NOT_FOUND, PASSING, UNSUPPORTED, translate

DEBUG = "VIRTFLEET_DEBUG"
# How long the same call is made again, in seconds, and how long after the last time.
PATIENCE, _PAUSE = 30.0, 0.5
# libvirt works on five requests of a connection at once (max_client_requests); one is left for others.
LANES = 4


class Late(Exception):
    """The function still ran when its limit was over."""


def within(seconds: float, function: Callable[[], Any], leftover: Callable[[Any], None] | None = None) -> Any:
    """Return ``function()``; raise Late when it takes more than ``seconds``.

    A call into libvirt can block for ever and cannot be interrupted, so it runs in a thread that is left behind.
    ``leftover`` gets the result when it comes after all.
    """
    lock = threading.Lock()
    done = threading.Event()
    box: dict[str, Any] = {}

    def run() -> None:
        try:
            result = function()
        except BaseException as error:  # pylint: disable=broad-except  # noqa: BLE001 - raised again by the caller
            box["error"] = error
        else:
            with lock:
                late = "abandoned" in box
                box["result"] = result
            if late and leftover is not None:
                leftover(result)
        done.set()

    threading.Thread(target=run, name="virtfleet-call", daemon=True).start()
    if not done.wait(seconds):
        with lock:
            if "result" not in box:
                box["abandoned"] = True
                raise Late
        done.wait()
    if "error" in box:
        raise box["error"]
    return box["result"]


def side_by_side(function: Callable[[Any], Any], items: Sequence[Any]) -> list[Any]:
    """Return ``function`` of each item, several at a time; raise the first error when all have stopped.

    libvirt-python lets other threads run while it waits, so what the daemon and this process do overlaps.
    """
    if len(items) <= LANES:
        return [function(item) for item in items]
    results: list[Any] = [None] * len(items)
    errors: list[BaseException] = []

    def lane(first: int) -> None:
        try:
            for position in range(first, len(items), LANES):
                if errors:
                    return
                results[position] = function(items[position])
        except BaseException as error:  # pylint: disable=broad-except  # noqa: BLE001 - raised again by the caller
            errors.append(error)

    threads = [threading.Thread(target=lane, args=(first,), name="virtfleet-lane", daemon=True) for first in range(LANES)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    if errors:
        raise errors[0]
    return results


class Trace:
    """One line per libvirt call in the file named by VIRTFLEET_DEBUG: time, seconds, function, object, outcome.

    Arguments are not written: XML may hold passwords.
    """

    def __init__(self, path: str | None) -> None:
        self._path = path

    def write(self, started: float, function: str, kind: str, name: str, outcome: str = "ok") -> None:
        if not self._path:
            return
        now = time.time()
        stamp = time.strftime("%Y-%m-%dT%H:%M:%S", time.localtime(now)) + f".{int(now % 1 * 1000):03d}"
        line = f"{stamp} {time.monotonic() - started:.6f} {function} {kind} {name!r} {outcome}\n"
        # One write to a file opened for appending: lines of several processes do not mix.
        handle = os.open(self._path, os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o600)
        try:
            os.write(handle, line.encode())
        finally:
            os.close(handle)


class Calls:
    """Calls libvirt's functions. ``error`` is the exception class of the library."""

    def __init__(self, error: type[Exception], trace: Trace) -> None:
        self.error = error
        self.trace = trace

    def raw(self, kind: str, name: str, function: Callable[..., Any], *args: Any) -> Any:
        """Call and trace; libvirt's own error passes through, for callers that look at its number."""
        title = getattr(function, "__name__", str(function))
        owner = getattr(function, "__self__", None)
        if owner is not None:
            title = f"{type(owner).__name__}.{title}"
        started = time.monotonic()
        try:
            result = function(*args)
        except self.error as error:
            self.trace.write(started, title, kind, name, f"error {code_of(error)}")
            raise
        self.trace.write(started, title, kind, name)
        return result

    def __call__(
        self,
        doing: str,
        kind: str,
        name: str,
        function: Callable[..., Any],
        *args: Any,
        already: Callable[[Any], bool] | None = None,
    ) -> Any:
        """Call ``function``; raise the collection's error for libvirt's.

        ``already`` looks at the error and says whether what was asked is true anyway: then None is returned.
        """
        limit = time.monotonic() + PATIENCE
        while True:
            try:
                return self.raw(kind, name, function, *args)
            except self.error as error:
                if any(words in str(error) for words in PASSING) and time.monotonic() < limit:
                    time.sleep(_PAUSE)
                    continue
                if already is not None and already(error):
                    return None
                raise self.translated(error, doing, kind, name) from error

    def translated(self, error: Any, doing: str, kind: str, name: str) -> Exception:
        """Return the collection's error for libvirt's."""
        return translate(code_of(error), str(error), doing, kind, name)


def code_of(error: Any) -> int:
    """Return the number of libvirt's error, 0 where it has none."""
    return error.get_error_code() or 0


def gone(error: Any) -> bool:
    return code_of(error) in NOT_FOUND


def unsupported(error: Any) -> bool:
    return code_of(error) in UNSUPPORTED or "unsupported flags" in str(error)


def unavailable(error: Any) -> bool:
    """Say whether the error means that there is nothing to be read: not supported, not running, gone."""
    return unsupported(error) or gone(error) or code_of(error) in AGENT_SILENT
