# Copyright: (c) 2026, the virtfleet.core contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""An agent that answers as qemu-ga on Windows does, with files in memory and a test for a PowerShell."""

from __future__ import annotations

import base64
import re
from collections.abc import Callable, Mapping
from typing import Any

from ansible_collections.virtfleet.core.plugins.module_utils._errors import HostError

# What a script does: it gets the script and its input, and returns its code, output and error output; None never ends.
Power = Callable[[str, bytes], "tuple[int, bytes, bytes] | None"]
_REDIRECTED = re.compile(r"\A(.*?) >(\S+) 2>(\S+) <(\S+)\Z", re.DOTALL)


class FakeWindows:
    """Carries out what cmd.exe would, as far as this connection needs it."""

    def __init__(self, power: Power) -> None:
        self.files: dict[str, bytes] = {}
        self.folders: set[str] = {r"C:\Windows\Temp"}
        self.lines: list[str] = []
        self.root = "C:\\Windows\r\n"
        self.killed: list[int] = []
        self._power = power
        self._handles: dict[int, tuple[str, int]] = {}
        self._ended: dict[int, dict[str, Any]] = {}
        self._number = 100

    def __call__(self, command: Mapping[str, Any], _seconds: float) -> Any:
        name, arguments = command["execute"], command.get("arguments", {})
        if name == "guest-ping":
            return {}
        if name == "guest-exec-status":
            return self._ended.get(arguments["pid"], {"exited": False})
        self._number += 1
        if name == "guest-exec":
            self._exec(self._number, arguments)
            return {"pid": self._number}
        return getattr(self, "_" + name.removeprefix("guest-file-"))(arguments)

    def _exec(self, pid: int, arguments: Mapping[str, Any]) -> None:
        words = arguments["arg"]
        assert not any('"' in word for word in words), "GLib would escape this quote, and cmd.exe not understand it"
        if arguments["path"] == "taskkill.exe":
            self.killed.append(int(words[-1]))
            self._ended[int(words[-1])] = {"exited": True, "exitcode": 1}
            self._ended[pid] = {"exited": True, "exitcode": 0}
            return
        assert arguments["path"] == "cmd.exe" and words[:3] == ["/d", "/s", "/c"]
        line = words[3]
        assert len(line) < 8191
        self.lines.append(line)
        done = self._cmd(line)
        if done is not None:
            code, out = done
            self._ended[pid] = {"exited": True, "exitcode": code, "out-data": base64.b64encode(out).decode()}

    def _cmd(self, line: str) -> tuple[int, bytes] | None:
        if line == "echo %SystemRoot%":
            return 0, self.root.encode()
        verb, _space, rest = line.partition(" ")
        if verb == "mkdir":
            self.folders.add(rest)
            return 0, b""
        if verb == "rmdir":
            folder = rest.removeprefix("/s /q ")
            self.folders.discard(folder)
            self.files = {path: data for path, data in self.files.items() if not path.startswith(folder + "\\")}
            return 0, b""
        match = _REDIRECTED.match(line)
        assert match is not None, line
        given = b"" if match[4] == "nul" else self.files[match[4]]
        self.files[match[2]] = self.files[match[3]] = b""
        if " -File " in match[1]:
            script = self.files[match[1].rpartition(" ")[2]].decode("utf-8-sig")
        else:
            script = base64.b64decode(match[1].rpartition(" ")[2]).decode("utf-16-le")
        done = self._power(script, given)
        if done is None:
            self.files[match[2]] = b"half way\r\n"
            return None
        code, self.files[match[2]], self.files[match[3]] = done
        return code, b""

    def _open(self, arguments: Mapping[str, Any]) -> int:
        path, mode = arguments["path"], arguments["mode"]
        folder = path.rpartition("\\")[0]
        if (mode == "rb" and path not in self.files) or (mode == "wb" and folder not in self.folders):
            raise HostError(f"failed to open file '{path}': Das System kann die angegebene Datei nicht finden.")
        if mode == "wb":
            self.files[path] = b""
        self._handles[self._number] = (path, 0)
        return self._number

    def _read(self, arguments: Mapping[str, Any]) -> Any:
        path, place = self._handles[arguments["handle"]]
        block = self.files[path][place : place + arguments["count"]]
        self._handles[arguments["handle"]] = (path, place + len(block))
        return {"count": len(block), "buf-b64": base64.b64encode(block).decode(), "eof": not block}

    def _write(self, arguments: Mapping[str, Any]) -> Any:
        path, _place = self._handles[arguments["handle"]]
        data = base64.b64decode(arguments["buf-b64"])
        self.files[path] += data
        return {"count": len(data), "eof": False}

    def _close(self, arguments: Mapping[str, Any]) -> Any:
        del self._handles[arguments["handle"]]
        return {}

    @property
    def open_files(self) -> int:
        """How many files nobody has closed."""
        return len(self._handles)
