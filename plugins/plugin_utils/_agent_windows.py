# Copyright: (c) 2026, the virtfleet.core contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The same for Windows guests: PowerShell by ``cmd.exe``, and files by the agent's own commands, which need no shell.

Output goes to files in a folder of this connection, as on Linux, and for the same reason: libvirt passes no answer above 4 MiB. The
words of ``guest-exec`` are put together to one line by GLib, which escapes quotes in a way that ``cmd.exe`` does not read: so
no word has one.
"""
from __future__ import annotations

import base64
import contextlib
import io
import re
import secrets
import time
from typing import BinaryIO

from ansible_collections.virtfleet.core.plugins.module_utils._errors import HostError, SpecError, Timeout, VirtError
from ansible_collections.virtfleet.core.plugins.plugin_utils import _agent
from ansible_collections.virtfleet.core.plugins.plugin_utils._agent import Agent, CommandTimeout, Done
from ansible_collections.virtfleet.core.plugins.plugin_utils._agent_files import STEP_SECONDS, clean

CMD, TASKKILL = "cmd.exe", "taskkill.exe"
POWERSHELL = "powershell.exe -NoProfile -NonInteractive -ExecutionPolicy Unrestricted"
# cmd.exe takes lines of 8191 characters; the redirections take some.
LINE_CHARACTERS = 7500

# What Ansible's PowerShell plugin makes of a script. Nothing in it means something to cmd.exe.
_ENCODED = re.compile(
    r"\A(?:& )?'?((?:powershell|pwsh)(?:\.exe)?)'?((?: -\w+| \w+)*?) -EncodedCommand '?([A-Za-z0-9+/=]+)'?\Z", re.IGNORECASE
)
_ROOT = re.compile(r"\A([A-Za-z]:\\[A-Za-z0-9._\\-]{1,100})\r?\n?\Z")
# The exit code of the last program, as whoever ran the script by hand would see it.
_CODE = "\r\nif (-not $?) { if (Test-Path variable:LASTEXITCODE) { exit $LASTEXITCODE } else { exit 1 } }\r\n"


class WindowsAgent(Agent):
    """The agent of one running Windows guest."""

    _folder = ""

    def run(self, command: str, stdin: bytes | None = None, timeout: float = 0) -> Done:
        """Run a line of PowerShell as the user that the agent runs as, which is SYSTEM."""
        if "\0" in command:
            raise SpecError(f"could not run a command in guest {self._guest}: it contains a NUL character")
        folder = self._place()
        line = self._line(command)
        given = "nul"
        if stdin:
            given = f"{folder}\\in"
            self._write_file(io.BytesIO(stdin), given, "write the input of a command")
        pid = self._exec(CMD, ["/d", "/s", "/c", f"{line} >{folder}\\out 2>{folder}\\err <{given}"])
        status = self._wait(pid, time.monotonic() + timeout if timeout else None)
        if status is None:
            last = self._stop(pid)
            raise CommandTimeout(
                f"a command in guest {self._guest} did not end within {timeout:g} s and was stopped"
                + (f"; it last said: {last}" if last else ", having said nothing")
                + "; give it a longer command_timeout if it needs one"
            )
        # Windows has codes of 32 bits, and some of them are negative.
        rc = self._done(status).rc & 0xFFFFFFFF
        limit = _agent.OUTPUT_LIMIT_BYTES
        out, err = (self._taken(f"{folder}\\{name}", limit) for name in ("out", "err"))
        return Done(rc, out, err)

    def put(self, source: BinaryIO, path: str) -> int:
        """Write a file of the guest and return its size."""
        return self._write_file(source, path, f"write {path}")

    def fetch(self, path: str, target: BinaryIO) -> int:
        """Copy a file of the guest to ``target`` and return its size."""
        return self._blocks(path, target, f"read {path}")

    def leave(self) -> None:
        """Remove this connection's folder from the guest."""
        folder, self._folder = self._folder, ""
        if folder:
            with contextlib.suppress(VirtError):
                self._shell(f"rmdir /s /q {folder}", "remove a folder")

    def _place(self) -> str:
        """Return this connection's folder, made when it is first needed. Who may not list its parent does not find it."""
        if not self._folder:
            said = self._shell("echo %SystemRoot%", "find Windows' folder").decode("ascii", "replace")
            match = _ROOT.match(said)
            if match is None:
                raise HostError(
                    f"could not run a command in guest {self._guest}: it named {clean(said)!r} as the folder of Windows; "
                    "where this is no Windows, leave ansible_shell_type out"
                )
            folder = f"{match[1]}\\Temp\\virtfleet-{secrets.token_hex(8)}"
            self._shell(f"mkdir {folder}", "make a folder")
            self._folder = folder
        return self._folder

    def _line(self, command: str) -> str:
        """Return the line for cmd.exe: what Ansible has encoded as it is, else the command as a script of PowerShell."""
        match = _ENCODED.match(command)
        if match and len(command) <= LINE_CHARACTERS:
            return f"{match[1]}{match[2]} -EncodedCommand {match[3]}"
        try:
            script = base64.b64decode(match[3]).decode("utf-16-le") if match else command + _CODE
        except ValueError:
            raise SpecError(f"could not run a command in guest {self._guest}: its encoded script is none") from None
        encoded = base64.b64encode(script.encode("utf-16-le")).decode("ascii")
        if len(encoded) <= LINE_CHARACTERS - len(POWERSHELL):
            return f"{POWERSHELL} -EncodedCommand {encoded}"
        # With the mark without which Windows PowerShell takes it for a code page of long ago.
        place = f"{self._place()}\\script.ps1"
        self._write_file(io.BytesIO(script.encode("utf-8-sig")), place, "write a script")
        return f"{POWERSHELL} -File {place}"

    def _shell(self, line: str, what: str) -> bytes:
        status = self._wait(self._exec(CMD, ["/d", "/s", "/c", line]), time.monotonic() + STEP_SECONDS)
        if status is None:
            raise Timeout(f"could not {what} in guest {self._guest}: no end within {STEP_SECONDS:g} s")
        done = self._done(status)
        if done.rc != 0:
            raise HostError(f"could not {what} in guest {self._guest}: {clean(done.stderr or done.stdout) or done.rc}")
        return done.stdout

    def _stop(self, pid: int) -> str:
        """End a command that took too long, with what it started; return what it last said."""
        try:
            self._wait(self._exec(TASKKILL, ["/F", "/T", "/PID", str(pid)]), time.monotonic() + STEP_SECONDS)
            self._wait(pid, time.monotonic() + STEP_SECONDS)
            return clean(b"".join(self._taken(f"{self._folder}\\{name}", 1 << 20) for name in ("out", "err")))
        except VirtError as error:
            return f"(and it could not be stopped: {error})"

    def _taken(self, path: str, limit: int) -> bytes:
        target = io.BytesIO()
        self._blocks(path, target, "read the output of a command", limit)
        return target.getvalue()
