# Copyright: (c) 2026, the virtfleet.core contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""An agent that runs the scripts for real, on this machine, and answers in the shapes of qemu-ga."""

from __future__ import annotations

import base64
import itertools
import os
import subprocess
from collections.abc import Mapping
from pathlib import Path
from typing import Any, BinaryIO

from ansible_collections.virtfleet.core.plugins.module_utils._errors import HostError


class LocalAgent:
    """Carries out guest-exec here; keeps a count of the exchanges and of each answer's size."""

    def __init__(self, home: Path, captures: int = 16 * 1024 * 1024) -> None:
        self.calls: list[Mapping[str, Any]] = []
        self.largest_answer = 0
        self._home = home
        self._captures = captures
        self._numbers = itertools.count(1)
        self._files: dict[int, BinaryIO] = {}
        self._running: dict[int, tuple[subprocess.Popen[bytes], Path]] = {}

    def __call__(self, command: Mapping[str, Any], _seconds: float) -> Any:
        self.calls.append(command)
        arguments = command.get("arguments", {})
        if command["execute"] == "guest-ping":
            return {}
        if command["execute"] == "guest-exec":
            return {"pid": self._start(arguments)}
        if command["execute"].startswith("guest-file-"):
            return self._file(command["execute"].removeprefix("guest-file-"), arguments)
        answer = self._status(arguments["pid"])
        self.largest_answer = max(self.largest_answer, sum(len(v) for v in answer.values() if isinstance(v, str)))
        return answer

    def _start(self, arguments: Mapping[str, Any]) -> int:
        place = self._home / f"run{next(self._numbers)}"
        place.mkdir()
        (place / "in").write_bytes(base64.b64decode(arguments.get("input-data", "")))
        with (place / "in").open("rb") as given, (place / "1").open("wb") as out, (place / "2").open("wb") as err:
            # Like qemu-ga under systemd: hardly any environment.
            try:
                process = subprocess.Popen(
                    [arguments["path"], *arguments["arg"]], stdin=given, stdout=out, stderr=err, cwd="/",
                    env={"PATH": os.environ["PATH"], "HOME": str(self._home)},
                )  # fmt: skip
            except FileNotFoundError as error:
                raise HostError(f"Failed to execute child process {arguments['path']} ({error.strerror})") from error
        self._running[process.pid] = process, place
        return process.pid

    def _file(self, verb: str, arguments: Mapping[str, Any]) -> Any:
        try:
            if verb == "open":
                handle = next(self._numbers)
                # Like qemu-ga: a new file is for everybody.
                new = not Path(arguments["path"]).exists()
                self._files[handle] = open(arguments["path"], arguments["mode"])  # noqa: SIM115
                if new:
                    os.chmod(arguments["path"], 0o666)
                return handle
            if verb == "write":
                count = self._files[arguments["handle"]].write(base64.b64decode(arguments["buf-b64"]))
                return {"count": count, "eof": False}
            if verb == "read":
                data = self._files[arguments["handle"]].read(arguments["count"])
                text = base64.b64encode(data).decode()
                self.largest_answer = max(self.largest_answer, len(text))
                return {"count": len(data), "buf-b64": text, "eof": len(data) < arguments["count"]}
            self._files.pop(arguments["handle"]).close()
        except OSError as error:
            raise HostError(f"failed to {verb} file: {error}") from error
        return {}

    def _status(self, pid: int) -> dict[str, Any]:
        if pid not in self._running:
            raise HostError(f"PID {pid} does not exist")
        process, place = self._running[pid]
        rc = process.poll()
        if rc is None:
            return {"exited": False}
        del self._running[pid]
        answer: dict[str, Any] = {"exited": True}
        answer.update({"signal": -rc} if rc < 0 else {"exitcode": rc})
        for key, file in (("out", place / "1"), ("err", place / "2")):
            data = file.read_bytes()
            if data:
                answer[f"{key}-data"] = base64.b64encode(data[: self._captures]).decode()
            if len(data) > self._captures:
                answer[f"{key}-truncated"] = True
        return answer
