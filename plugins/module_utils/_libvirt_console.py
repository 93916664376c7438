# Copyright: (c) 2026, the virtfleet.core contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A guest's console and its screen, over libvirt's streams.

The console's stream does not block: libvirt's event loop takes what comes and keeps it until somebody reads. A stream that is
neither finished nor aborted keeps the console taken, so ``Console`` is a context manager that ends it in every case; where the
whole process dies, the daemon sees its connection end and does the same.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from . import _libvirt_errors as errors
from ._errors import Conflict, HostError, Timeout, Unsupported
from ._libvirt_base import Base
from ._libvirt_calls import Calls, Late, code_of, within

# VIR_ERR_NO_SUPPORT, VIR_ERR_INVALID_ARG: drivers say either of a flag that they do not know.
_UNKNOWN_FLAG = frozenset({3, 8, 67, 74, 84})
# What is kept of a guest that writes while nobody reads; after that the guest waits.
_HELD_BYTES = 1024 * 1024
_PIECE = 64 * 1024
_WRITE_SECONDS = 10.0
# A picture of 8K, with three bytes a point, has 100 MB.
_PICTURE_BYTES = 256 * 1024 * 1024


class Console:
    """A console that is open. Reads and writes bytes; see ``_console`` for what they mean."""

    def __init__(self, library: Any, stream: Any, calls: Calls, guest: str) -> None:
        self._lib = library
        self._stream = stream
        self._call = calls
        self._guest = guest
        self._held = bytearray()
        self._changed = threading.Condition()
        self._ended: str | None = None
        self._paused = False
        self._events = library.VIR_STREAM_EVENT_READABLE
        self._ends = library.VIR_STREAM_EVENT_HANGUP | library.VIR_STREAM_EVENT_ERROR
        stream.eventAddCallback(self._events | self._ends, self._event, None)

    def read(self, timeout: float) -> bytes:
        """Return what the guest has written, nothing when it writes nothing within ``timeout`` seconds.

        Raises Conflict when the console was taken away or the guest has stopped, once all it wrote was read.
        """
        with self._changed:
            self._changed.wait_for(lambda: self._held or self._ended is not None, max(0.0, timeout))
            data = bytes(self._held)
            self._held.clear()
            ended, paused, self._paused = self._ended, self._paused, False
        if not data and ended is not None:
            raise Conflict(
                f"the console of guest {self._guest} was closed ({ended}): the guest has stopped, or somebody else took "
                "the console by force"
            )
        if paused and ended is None:
            self._stream.eventUpdateCallback(self._events | self._ends)
        return data

    def write(self, data: bytes) -> None:
        """Type on the console. Raises Timeout when the guest takes nothing for long."""
        deadline = time.monotonic() + _WRITE_SECONDS
        while data:
            try:
                sent = self._call.raw("guest", self._guest, self._stream.send, data[:1024])
            except self._call.error as error:
                raise Conflict(
                    f"could not type on the console of guest {self._guest}: {errors.clean(str(error))}; the guest has "
                    "stopped, or somebody else took the console by force"
                ) from error
            if sent > 0:
                data = data[sent:]
                deadline = time.monotonic() + _WRITE_SECONDS
            elif time.monotonic() > deadline:
                raise Timeout(
                    f"could not type on the console of guest {self._guest}: nothing in it reads its console for "
                    f"{_WRITE_SECONDS:g} s"
                )
            else:
                time.sleep(0.01)

    def close(self) -> None:
        """Give the console back."""
        stream, self._stream = self._stream, None
        if stream is None:
            return
        try:
            within(5, lambda: self._end(stream))
        except Late:
            # A daemon that hangs gives it back when the connection breaks.
            return

    def _end(self, stream: Any) -> None:
        for function in (stream.eventRemoveCallback, stream.finish if self._ended is None else stream.abort):
            try:
                function()
            except self._call.error:
                # Finished by the other side. One that cannot be finished is aborted.
                self._abort(stream)

    def _abort(self, stream: Any) -> None:
        try:
            stream.abort()
        except self._call.error:
            return

    def _event(self, stream: Any, events: int, _opaque: Any) -> None:
        """Take what came; runs in the thread of libvirt's event loop."""
        ended: str | None = None
        data = b""
        try:
            if events & self._lib.VIR_STREAM_EVENT_READABLE or events & self._ends:
                found = stream.recv(_PIECE)
                if found == b"":
                    ended = "end of the stream"
                elif isinstance(found, bytes):
                    data = found
                elif events & self._ends:
                    ended = "hung up"
        except self._call.error as error:
            ended = errors.clean(str(error))
        with self._changed:
            self._held += data
            full = len(self._held) >= _HELD_BYTES
            if ended is not None:
                self._ended = ended
            self._paused = self._paused or full
            self._changed.notify_all()
        if ended is not None or full:
            try:
                # An end that nobody takes notice of would be told for ever.
                stream.eventUpdateCallback(0 if ended is not None else self._ends)
            except self._call.error:
                return


class Consoles(Base):
    """The part of the hypervisor that opens consoles and looks at screens."""

    @contextmanager
    def console(self, name: str, device: str | None = None, force: bool = False, safe: bool = False) -> Iterator[Console]:
        """Open the console of a running guest, and give it back in the end, whatever happens.

        ``device`` is the alias of a serial or console device, else it is the first. ``force`` takes the console from
        whoever has it; ``safe`` wants it opened only where the hypervisor keeps others off it.
        """
        doing = "open the console of"
        if self._readonly:
            raise Unsupported(f"could not {doing} guest {name}: this connection only reads; use one that may write")
        domain = self._guest(name)
        flags = self._lib.VIR_DOMAIN_CONSOLE_FORCE if force else 0
        flags |= self._lib.VIR_DOMAIN_CONSOLE_SAFE if safe else 0
        with self._listening():
            stream = self._connection.newStream(self._lib.VIR_STREAM_NONBLOCK)
            try:
                self._call.raw("guest", name, domain.openConsole, device, stream, flags)
            except self._call.error as error:
                raise self._console_error(error, doing, name, safe) from error
            console = Console(self._lib, stream, self._call, name)
            try:
                yield console
            finally:
                console.close()

    def screenshot(self, name: str, screen: int = 0) -> tuple[str, bytes]:
        """Return a picture of a running guest's screen, with its MIME type as libvirt names it."""
        doing = "take a picture of"
        if self._readonly:
            raise Unsupported(f"could not {doing} guest {name}: this connection only reads; use one that may write")
        domain = self._guest(name)
        stream = self._connection.newStream(0)
        try:
            kind = self._call.raw("guest", name, domain.screenshot, stream, screen)
        except self._call.error as error:
            raise self._screen_error(error, doing, name, screen) from error
        parts: list[bytes] = []
        size = 0
        try:
            while True:
                piece = stream.recv(_PIECE)
                if not piece:
                    break
                size += len(piece)
                if size > _PICTURE_BYTES:
                    raise HostError(f"could not {doing} guest {name}: it has more than {_PICTURE_BYTES} bytes")
                parts.append(piece)
            stream.finish()
        except self._call.error as error:
            raise self._call.translated(error, doing, "guest", name) from error
        except BaseException:
            stream.abort()
            raise
        return str(kind), b"".join(parts)

    def _console_error(self, error: Any, doing: str, name: str, safe: bool) -> Exception:
        code, said = code_of(error), errors.clean(str(error))
        if "console session exists" in said or "Console session exists" in said:
            return Conflict(
                f"could not {doing} guest {name}: {said}; somebody else has it open (`virsh console`, a task): wait for "
                "them, or take it with `force: true`"
            )
        if "not running" in said or code == errors.OPERATION_INVALID:
            return Conflict(f"could not {doing} guest {name}: {said}; start the guest first")
        if safe and code in _UNKNOWN_FLAG:
            return Unsupported(f"could not {doing} guest {name} safely: {said}; leave `safe` out")
        if "annot find" in said or "not using a PTY" in said or "console device" in said:
            return Unsupported(
                f"could not {doing} guest {name}: {said}; give the guest a serial console of type pty "
                "(the module guest does so), or name another one by `device`"
            )
        return self._call.translated(error, doing, "guest", name)

    def _screen_error(self, error: Any, doing: str, name: str, screen: int) -> Exception:
        said = errors.clean(str(error))
        if "not running" in said:
            return Conflict(f"could not {doing} guest {name}: {said}; start the guest first")
        if code_of(error) in _UNKNOWN_FLAG or "screen" in said.lower() or "console" in said.lower():
            return Unsupported(
                f"could not {doing} guest {name}: {said}; it has no screen number {screen}: give it a `graphics` and a "
                "video card, or read its serial console with the module console"
            )
        return self._call.translated(error, doing, "guest", name)
