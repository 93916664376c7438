# Copyright: (c) 2026, the virtfleet.core contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Run commands and move files in a guest through its QEMU guest agent.

Commands go by ``guest-exec`` and ``/bin/sh``, files by the agent's own commands for them. The agent creates files that
everybody may write (mode 0666), so the shell creates them before. What can be packed travels packed into the guest, where it
has gzip: an agent takes its messages letter by letter, so that the bytes that travel are what writing costs. On the way
out packing costs an emulated guest more than it saves.

A command's output goes to files in the guest, because the agent keeps no more than 16 MiB of what it captures, and
libvirt passes no answer above 4 MiB: what is too big for one answer is read in blocks. Only where the guest has no
place for files is the output captured directly.

Everything that the guest answers is hostile: shapes are checked, sizes are capped, text for errors is cleaned.
"""
from __future__ import annotations

import base64
import binascii
import contextlib
import io
import re
import secrets
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, BinaryIO

from ansible_collections.virtfleet.core.plugins.module_utils._errors import (
    HostError,
    NotFound,
    SpecError,
    Timeout,
    VirtError,
)
from ansible_collections.virtfleet.core.plugins.plugin_utils import _agent_files, _packing
from ansible_collections.virtfleet.core.plugins.plugin_utils._agent_files import STEP_SECONDS, AgentFiles, Call, clean

# What a command wrote is kept in memory here.
OUTPUT_LIMIT_BYTES = 64 * 1024 * 1024
LONGEST_POLL_SECONDS = 1.0

# The shell that a guest must have; everything else that the scripts call is POSIX, and in busybox.
SHELL = "/bin/sh"
# A session of its own lets the time limit end all that the command has started. Started without a shell around it: a
# program costs tens of milliseconds in an emulated guest.
SESSION = "setsid"

# Where every script begins. The agent's own environment may lack what a login would have set, and Ansible looks for "~".
_BEGIN = """
[ -n "$PATH" ] || PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin
[ -n "$HOME" ] || HOME=~root
USER=${USER:-root} LOGNAME=${LOGNAME:-root}
export PATH HOME USER LOGNAME
cd "$HOME" 2>/dev/null || cd /
"""

# $1: how the files for the output begin, $2: the most that may be answered at once, $3: the command,
# $4: a file to read as its input, which is then removed, or nothing. `set -C` fails on a file or link that somebody
# else made before. The first line says where the output is: the files and both sizes, or "direct". Programs are called
# only where there is something to do.
_RUN = """
if [ -n "$4" ]; then exec <"$4" || exit; rm -f "$4"; fi
mask=$(umask)
umask 077
set -C
for base in /tmp /run /dev/shm; do
  place=$base/$1
  if true >"$place.out"; then
    true >"$place.err" && break
    rm -f "$place.out"
  fi 2>/dev/null
  place=
done
set +C
umask "$mask"
if [ -z "$place" ]; then
  echo direct
  exec /bin/sh -c "$3"
fi
/bin/sh -c "$3" >"$place.out" 2>"$place.err"
rc=$? out=0 err=0
[ ! -s "$place.out" ] || out=$(wc -c <"$place.out")
[ ! -s "$place.err" ] || err=$(wc -c <"$place.err")
echo "files $place $((out)) $((err))"
if [ $((out + err)) -le "$2" ]; then
  [ $((out)) -eq 0 ] || cat "$place.out"
  [ $((err)) -eq 0 ] || cat "$place.err" >&2
  rm -f "$place.out" "$place.err"
fi
exit $rc
"""

# $1: pid of the session's leader, $2: how the files for the output begin. What the command said last helps to see
# why it took too long.
_END = """
kill -s TERM -- "-$1" 2>/dev/null || kill -s TERM "$1" 2>/dev/null
i=0
while kill -s 0 -- "-$1" 2>/dev/null && [ $i -lt 20 ]; do sleep 0.1 2>/dev/null || sleep 1; i=$((i + 1)); done
kill -s KILL -- "-$1" 2>/dev/null || kill -s KILL "$1" 2>/dev/null
for base in /tmp /run /dev/shm; do
  place=$base/$2
  [ -f "$place.out" ] || continue
  tail -c 1000 "$place.out"; tail -c 1000 "$place.err"
  rm -f "$place.out" "$place.err"
done
exit 0
"""

# What is not there is told by code, since a guest may word its errors in any language.
_ABSENT, _NO_FILE = 210, 211
# $1: the file, $2: where its packed bytes go, or nothing. Says "gzip" where they may.
_CREATE = f"""
case $1 in */*) folder=${{1%/*}} ;; *) folder=. ;; esac
[ -d "$folder/" ] || exit {_ABSENT}
umask 077
true >"$1" || exit
[ -n "$2" ] && command -v gzip >/dev/null 2>&1 && true >"$2" && echo gzip
exit 0
"""
_UNPACK = 'gzip -dc <"$2" >"$1"; rc=$?; rm -f -- "$2"; exit $rc'
_SIZE = f'[ -e "$1" ] || exit {_ABSENT}; [ -f "$1" ] || exit {_NO_FILE}; wc -c <"$1"'
_REMOVE = 'rm -f -- "$@"'
_HEADER = re.compile(rb"(?:direct|files (/(?:tmp|run|dev/shm)/([A-Za-z0-9.-]+)) ([0-9]{1,18}) ([0-9]{1,18}))\Z")


class CommandTimeout(Timeout):
    """The command took longer than it may; the guest itself answers."""


class NoSuchFile(NotFound):
    """A file or its folder is absent in the guest."""


class NoSuchProgram(HostError):
    """The guest has no such program."""


@dataclass(frozen=True)
class Done:
    """A command that has ended: its exit code (128 + n after signal n) and what it wrote."""

    rc: int
    stdout: bytes
    stderr: bytes


class Agent(AgentFiles):
    """The agent of one running guest."""

    def __init__(self, call: Call, guest: str, answer_timeout: float = 10.0, poll_interval: float = 0.02) -> None:
        super().__init__(call, guest, answer_timeout)
        self._poll_interval = poll_interval

    def ping(self) -> None:
        """Return when the agent answers; raise Timeout when it does not."""
        self._call({"execute": "guest-ping"}, self._answer_timeout)

    def run(self, command: str, stdin: bytes | None = None, timeout: float = 0) -> Done:
        """Run a command line by the guest's shell as root, in root's home folder.

        ``timeout`` in seconds ends the command and all that it started, and raises CommandTimeout; 0 is no limit.
        Raises HostError when it wrote more than OUTPUT_LIMIT_BYTES.
        """
        try:
            size = len(command.encode())
        except UnicodeEncodeError:
            raise SpecError(
                f"could not run a command in guest {self._guest}: it is not UTF-8, which the agent's protocol asks for"
            ) from None
        if "\0" in command:
            raise SpecError(f"could not run a command in guest {self._guest}: it contains a NUL character")
        place = f".virtfleet-{secrets.token_hex(8)}"
        if stdin is None or len(stdin) + size <= _agent_files.SEND_BYTES:
            return self._run(command, place, stdin, "", timeout)
        given = f"/tmp/{place}.in"  # noqa: S108 (in the guest; the name cannot be guessed)
        try:
            self._write(io.BytesIO(stdin), given)
            return self._run(command, place, None, given, timeout)
        except VirtError:
            # The script removes it as soon as it is open, but the script may not have been reached.
            with contextlib.suppress(VirtError):
                self._remove(given)
            raise

    def put(self, source: BinaryIO, path: str) -> int:
        """Write a file of the guest and return its size; ``source`` can be read twice. A new file is readable by root alone."""
        size = self._write(source, path)
        there = self._size(path, "write")
        if there != size:
            raise HostError(
                f"could not write {path} in guest {self._guest}: {size} bytes were sent and {there} arrived; "
                "look whether its file system is full, or whether something else writes to this file"
            )
        return size

    def fetch(self, path: str, target: BinaryIO) -> int:
        """Copy a file of the guest to ``target`` and return its size."""
        what = f"read {path}"
        size = self._size(path, "read")
        read = self._blocks(self._absolute(path, what), target, what, size)
        if read != size:
            raise HostError(
                f"could not {what} in guest {self._guest}: it had {size} bytes and {read} were read; "
                "something in the guest changes it, fetch a copy of it instead"
            )
        return size

    def leave(self) -> None:
        """Leave nothing behind: each command has removed what it needed."""

    # in steps

    def _run(self, command: str, place: str, stdin: bytes | None, given: str, timeout: float) -> Done:
        words = [_BEGIN + _RUN, "virtfleet", place, str(_agent_files.ANSWER_BYTES), command, given]
        try:
            pid = self._exec(SESSION, [SHELL, "-c", *words], stdin)
        except NoSuchProgram:
            # Then the time limit ends the command's shell alone.
            pid = self._exec(SHELL, ["-c", *words], stdin)
        deadline = time.monotonic() + timeout if timeout else None
        status = self._wait(pid, deadline)
        if status is None:
            last = self._end(pid, place)
            raise CommandTimeout(
                f"a command in guest {self._guest} did not end within {timeout:g} s and was stopped"
                + (f"; it last said: {last}" if last else ", having said nothing")
                + "; give it a longer command_timeout if it needs one"
            )
        done = self._done(status)
        header, found, rest = done.stdout.partition(b"\n")
        match = _HEADER.match(header) if found else None
        if match is None:
            # The shell itself failed, or what answers is not the script: nothing of this is the command's output.
            raise HostError(
                f"could not run a command in guest {self._guest}: its {SHELL} ended with code {done.rc}, "
                f"saying: {clean(done.stderr or done.stdout) or 'nothing'}"
            )
        if match.group(1) is None:
            self._refuse_cut(status)
            return Done(done.rc, rest, done.stderr)
        return self._collect(match, place, Done(done.rc, rest, done.stderr))

    def _collect(self, header: re.Match[bytes], place: str, done: Done) -> Done:
        """Return the output of a command, read from the files where it was too big for one answer."""
        sizes = int(header.group(3)), int(header.group(4))
        if sum(sizes) <= _agent_files.ANSWER_BYTES:
            if (len(done.stdout), len(done.stderr)) != sizes:
                raise HostError(
                    f"a command in guest {self._guest} ended with code {done.rc}, but its output came back cut: "
                    f"{len(done.stdout)} and {len(done.stderr)} bytes of {sizes[0]} and {sizes[1]}"
                )
            return done
        if header.group(2).decode() != place:
            raise HostError(f"guest {self._guest} named a place for output that was not agreed on: {clean(header[0])}")
        beginning = header.group(1).decode()
        files = [f"{beginning}.{name}" for name in ("out", "err")]
        try:
            if sum(sizes) > OUTPUT_LIMIT_BYTES:
                raise HostError(
                    f"a command in guest {self._guest} ended with code {done.rc} and wrote {sum(sizes)} bytes, more "
                    f"than the {OUTPUT_LIMIT_BYTES} that are taken; let it write to a file, and fetch that"
                )
            parts = [self._whole(path, size) for path, size in zip(files, sizes)]
            return Done(done.rc, parts[0], parts[1])
        finally:
            self._remove(*files)

    def _whole(self, path: str, size: int) -> bytes:
        target = io.BytesIO()
        read = self._blocks(path, target, "read the output of a command", size)
        if read != size:
            raise HostError(f"could not read the output of a command in guest {self._guest}: {read} of {size} bytes")
        return target.getvalue()

    def _write(self, source: BinaryIO, path: str) -> int:
        what = f"write {path}"
        place = self._absolute(path, what)
        pack = _packing.is_worth_it(source.read(_packing.SAMPLE_BYTES))
        source.seek(0)
        copy = f"{place}.virtfleet-{secrets.token_hex(8)}" if pack else ""
        said = self._checked([_CREATE, "virtfleet", place, copy], what)
        if not copy or said.strip() != b"gzip":
            return self._write_file(source, place, what)
        try:
            packed = _packing.Packed(source)
            self._write_file(packed, copy, what)
            self._checked([_UNPACK, "virtfleet", place, copy], what)
        except BaseException:
            with contextlib.suppress(VirtError):
                self._remove(copy)
            raise
        return packed.size

    def _absolute(self, path: str, what: str) -> str:
        """Return a path as the agent understands it, whose folder is not the one where commands run."""
        if path.startswith("/"):
            return path
        home = self._checked(["pwd", "virtfleet"], what).decode("utf-8", "replace").rstrip("\n")
        return f"{home}/{path}"

    def _size(self, path: str, verb: str) -> int:
        said = self._checked([_SIZE, "virtfleet", path], f"{verb} {path}").strip()
        if not re.fullmatch(rb"[0-9]{1,18}", said):
            raise HostError(f"could not {verb} {path} in guest {self._guest}: its size was answered as {clean(said)!r}")
        return int(said)

    def _remove(self, *paths: str) -> None:
        self._checked([_REMOVE, "virtfleet", *paths], f"remove {paths[0]}")

    def _checked(self, words: Sequence[str], what: str) -> bytes:
        """Run one of the short scripts and return its output; raise HostError when it fails."""
        status = self._wait(self._start(words), time.monotonic() + STEP_SECONDS)
        if status is None:
            raise Timeout(f"could not {what} in guest {self._guest}: no end within {STEP_SECONDS:g} s")
        done = self._done(status)
        if done.rc != 0:
            said = clean(done.stderr or done.stdout) or f"code {done.rc}"
            if done.rc == _ABSENT:
                raise NoSuchFile(f"could not {what} in guest {self._guest}: there is no such file or folder")
            said = "it is not a regular file" if done.rc == _NO_FILE else said
            raise HostError(f"could not {what} in guest {self._guest}: {said}")
        self._refuse_cut(status)
        return done.stdout

    def _end(self, pid: int, place: str) -> str:
        """End a command that took too long and return what it last said."""
        try:
            status = self._wait(self._start([_END, "virtfleet", str(pid), place]), time.monotonic() + STEP_SECONDS)
            if status is None:
                return ""
            # Asking once more lets the agent forget the ended command.
            self._call(_status(pid), self._answer_timeout)
            return clean(self._done(status).stdout)
        except VirtError as error:
            return f"(and it could not be stopped: {error})"

    # the two commands of the agent

    def _start(self, words: Sequence[str]) -> int:
        return self._exec(SHELL, ["-c", _BEGIN + words[0], *words[1:]])

    def _exec(self, path: str, words: Sequence[str], stdin: bytes | None = None) -> int:
        """Start a program and return its process id."""
        arguments: dict[str, Any] = {"path": path, "arg": list(words), "capture-output": True}
        if stdin is not None:
            arguments["input-data"] = base64.b64encode(stdin).decode("ascii")
        try:
            answer = self._call({"execute": "guest-exec", "arguments": arguments}, self._answer_timeout)
        except HostError as error:
            if "Failed to execute child process" in str(error):
                raise NoSuchProgram(f"could not run a command in guest {self._guest}: {clean(str(error))}") from error
            raise self._explained(error, "run a command") from error
        pid = answer.get("pid") if isinstance(answer, dict) else None
        if not isinstance(pid, int) or isinstance(pid, bool) or pid < 1:
            raise HostError(f"the agent of guest {self._guest} answered guest-exec without a process id")
        return pid

    def _wait(self, pid: int, deadline: float | None) -> Mapping[str, Any] | None:
        """Ask until the process has ended and return its status, None when the deadline comes first.

        The pauses grow with the time passed, so that a short command costs little and a long one no CPU.
        """
        began = time.monotonic()
        while True:
            try:
                status = self._call(_status(pid), self._answer_timeout)
            except HostError as error:
                raise self._explained(error, "run a command") from error
            if not isinstance(status, dict) or not isinstance(status.get("exited"), bool):
                raise HostError(f"the agent of guest {self._guest} answered guest-exec-status in an unknown shape")
            if status["exited"]:
                return status
            now = time.monotonic()
            if deadline is not None and now >= deadline:
                return None
            pause = max(self._poll_interval, min((now - began) / 10, LONGEST_POLL_SECONDS))
            time.sleep(pause if deadline is None else min(pause, deadline - now))

    def _done(self, status: Mapping[str, Any]) -> Done:
        rc = status.get("exitcode", 0)
        number = status.get("signal", 0)
        if not isinstance(rc, int) or not isinstance(number, int):
            raise HostError(f"the agent of guest {self._guest} answered an exit code that is no number")
        code = 128 + number if number else rc
        return Done(code, self._decoded(status, "out-data"), self._decoded(status, "err-data"))

    def _decoded(self, status: Mapping[str, Any], key: str) -> bytes:
        data = status.get(key, "")
        try:
            return base64.b64decode(data, validate=True)
        except (TypeError, ValueError, binascii.Error):
            raise HostError(f"the agent of guest {self._guest} answered {key} that is not base64") from None

    def _refuse_cut(self, status: Mapping[str, Any]) -> None:
        if status.get("out-truncated") or status.get("err-truncated"):
            raise HostError(
                f"a command in guest {self._guest} has ended, but wrote more than its agent keeps, and none of /tmp, "
                "/run and /dev/shm in the guest could take the rest; make one of them writable"
            )


def _status(pid: int) -> Mapping[str, Any]:
    return {"execute": "guest-exec-status", "arguments": {"pid": pid}}
