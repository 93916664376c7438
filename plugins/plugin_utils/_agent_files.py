# Copyright: (c) 2026, the virtfleet.core contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Files of a guest by its agent's own commands, which are the same on every system."""
from __future__ import annotations

import base64
import binascii
import contextlib
import re
from collections.abc import Callable, Mapping
from typing import Any, Protocol

from ansible_collections.virtfleet.core.plugins.module_utils._errors import HostError, Unsupported, VirtError

# Carries one command to the agent and returns what stands under "return" in its answer; the second argument is the
# seconds that the answer may take. Raises VirtError.
Call = Callable[[Mapping[str, Any], float], Any]

# What one message carries to the guest. libvirt's qemuAgentIOWrite begins a message anew when the buffer of the agent's
# socket fills up in its middle, so that the agent reads garbage and falls silent. That buffer has 208 KiB by default
# (net.core.wmem_default), and base64 makes 4 bytes of 3.
SEND_BYTES = 96 * 1024
# What one answer carries back. libvirt passes strings of up to 4 MiB (REMOTE_STRING_MAX in its remote_protocol.x).
ANSWER_BYTES = 1024 * 1024
# The short scripts and a block may take that long in a busy emulated guest, whatever time limit suits a ping.
STEP_SECONDS = 60.0

_FORBIDDEN = re.compile(r"guest-(?:exec|file)[a-z-]*\b.*(?:disabled|not allowed|not been found)", re.DOTALL)


class Source(Protocol):
    """What is read from, until it has nothing more."""

    def read(self, count: int, /) -> bytes:
        """Return up to ``count`` bytes, none at the end."""


class Target(Protocol):
    """What is written to."""

    def write(self, block: bytes, /) -> Any:
        """Take more bytes."""


def clean(data: bytes | str, limit: int = 400) -> str:
    """Return what a guest said as one line for an error: no control characters, its end if it is long."""
    text = data.decode("utf-8", "replace") if isinstance(data, bytes) else data
    line = " ".join("".join(char if char.isprintable() else " " for char in text[-4 * limit :]).split())
    return line if len(line) <= limit else "..." + line[-limit:]


class AgentFiles:
    """What the agent of one running guest does with files."""

    def __init__(self, call: Call, guest: str, answer_timeout: float) -> None:
        self._call = call
        self._guest = guest
        self._answer_timeout = answer_timeout

    def _write_file(self, source: Source, path: str, what: str) -> int:
        """Write a file and return its size."""
        handle = self._file("open", {"path": path, "mode": "wb"}, what)
        size = 0
        try:
            while block := source.read(SEND_BYTES):
                text = base64.b64encode(block).decode("ascii")
                answer = self._file("write", {"handle": handle, "buf-b64": text}, what)
                count = answer.get("count") if isinstance(answer, dict) else None
                if count != len(block):
                    raise HostError(f"could not {what} in guest {self._guest}: it took {count} of {len(block)} bytes")
                size += len(block)
        except BaseException:
            with contextlib.suppress(VirtError):
                self._file("close", {"handle": handle}, what)
            raise
        # What is still buffered is written now, and a full file system is told here.
        self._file("close", {"handle": handle}, what)
        return size

    def _blocks(self, path: str, target: Target, what: str, limit: int | None = None) -> int:
        """Read a file and return its size; one that goes on after ``limit`` bytes is refused."""
        handle = self._file("open", {"path": path, "mode": "rb"}, what)
        size = 0
        try:
            while True:
                answer = self._file("read", {"handle": handle, "count": ANSWER_BYTES}, what)
                try:
                    block = base64.b64decode(answer["buf-b64"], validate=True)
                    ended = answer["eof"] is True or not block
                except (TypeError, KeyError, ValueError, binascii.Error):
                    raise HostError(f"could not {what} in guest {self._guest}: its agent's answer makes no sense") from None
                size += len(block)
                if len(block) > ANSWER_BYTES or (limit is not None and size > limit):
                    raise HostError(
                        f"could not {what} in guest {self._guest}: it goes on after the {limit or ANSWER_BYTES} bytes that are "
                        "taken; fetch a copy of a file that something in the guest changes, and let a command that says "
                        "more write to a file"
                    )
                target.write(block)
                if ended:
                    return size
        finally:
            with contextlib.suppress(VirtError):
                self._file("close", {"handle": handle}, what)

    def _file(self, verb: str, arguments: Mapping[str, Any], what: str) -> Any:
        try:
            return self._call(
                {"execute": f"guest-file-{verb}", "arguments": arguments}, max(self._answer_timeout, STEP_SECONDS)
            )
        except HostError as error:
            raise self._explained(error, what) from error

    def _explained(self, error: HostError, what: str) -> VirtError:
        """Return the error with the way out where the guest forbids what this connection needs."""
        said = clean(str(error), 1000)
        if "frozen" in said:
            return HostError(
                f"could not {what} in guest {self._guest}: its file systems are frozen (a backup or snapshot is being "
                "made, or its end was never told); thaw them with guest-fsfreeze-thaw"
            )
        if not _FORBIDDEN.search(said):
            return HostError(f"could not {what} in guest {self._guest}: {said}")
        return Unsupported(
            f"could not {what} in guest {self._guest}: its agent may not do that ({said}). Allow guest-exec, "
            "guest-exec-status, guest-file-open, guest-file-read, guest-file-write and guest-file-close inside the guest and restart "
            "qemu-guest-agent: on Debian and Ubuntu by block-rpcs (blacklist before version 8.1) in "
            "/etc/qemu/qemu-ga.conf or DAEMON_ARGS in /etc/default/qemu-guest-agent, on the Red Hat family by "
            "BLACKLIST_RPC or FILTER_RPC_ARGS in /etc/sysconfig/qemu-ga"
        )
