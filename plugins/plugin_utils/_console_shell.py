# Copyright: (c) 2026, the virtfleet.core contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Run commands and move files in a guest over its serial console.

What a conversation looks like is in ``module_utils/_console``; here it is held, over anything that reads and writes bytes.
"""
from __future__ import annotations

import base64
import contextlib
import re
import secrets
import shlex
import time
from collections.abc import Callable
from typing import BinaryIO

from ansible_collections.virtfleet.core.plugins.module_utils._console.login import Account, Login
from ansible_collections.virtfleet.core.plugins.module_utils._console.shell import (
    BLOCK_BYTES,
    Gathered,
    blocks,
    checksum,
)
from ansible_collections.virtfleet.core.plugins.module_utils._console.shell import Protocol as Talk
from ansible_collections.virtfleet.core.plugins.module_utils._console.text import one_line, plain
from ansible_collections.virtfleet.core.plugins.module_utils._errors import (
    HostError,
    SpecError,
    Timeout,
    Unsupported,
    VirtError,
)
from ansible_collections.virtfleet.core.plugins.module_utils._ports import ConsolePort
from ansible_collections.virtfleet.core.plugins.plugin_utils._agent import CommandTimeout, Done, NoSuchFile

# Both ways. A console of 115200 baud carries 8 KiB of files in a second at best.
LIMIT_BYTES = 4 * 1024 * 1024
# How often a request is sent without an answer, and how long each time is waited. A guest that boots may be deaf for a while.
TRIES, PATIENCE = 4, 15.0
# How often when answers do come, and others' messages tear each of them apart.
TORN_TRIES = 16
_PARTING = 1.5
LONGEST_POLL_SECONDS = 1.0
# Noise that is kept while an answer is waited for.
_NOISE = 256 * 1024

# $1: the folder. Its exit code comes last and at once, so that it is never read half.
_GO = """
f=$1 i=$1/in
[ -e "$i" ] || i=/dev/null
sh "$f/command" <"$i" >"$f/out" 2>"$f/err"
echo $? >"$f/rc.part"
mv "$f/rc.part" "$f/rc"
"""
# The folder, the number of the user, and the name, which a guest without a list of users may not know.
_PLACE = re.compile(r"\A(/[A-Za-z0-9._/-]{1,200}) (\S{1,20})(?: (\S{1,64}))?\Z")


class ConsoleShell:
    """A shell behind a guest's console."""

    def __init__(self, port: ConsolePort, guest: str, poll_interval: float = 0.05, patience: float = PATIENCE) -> None:
        self._port = port
        self._guest = guest
        self._poll_interval = poll_interval
        self._patience = patience
        self._talk = Talk("vf" + secrets.token_hex(8))
        self._folder = ""
        self._login: Login | None = None
        self._setsid = ""
        self._heard = b""
        self.user = ""

    def enter(self, account: Account, timeout: float) -> None:
        """Get to a shell that obeys, logging in where nobody is. Raises Timeout, or HostError when refused."""
        login = self._login = Login(account, self._talk.install, self._talk.ready, self._guest, timeout)
        self._port.write(login.begin(time.monotonic()))
        while not login.done:
            data = self._port.read(login.wakes)
            now = time.monotonic()
            send = login.feed(data, now) if data else login.tick(now)
            # A guest that never stops talking must not keep its time limit from being looked at.
            if data and not login.done and not send:
                send = login.tick(now)
            if send:
                self._port.write(send)
        name = f".virtfleet-{secrets.token_hex(8)}"
        said = self._ask(
            f"for d in /tmp /run /dev/shm ~;do mkdir -m 700 $d/{name} 2>/dev/null&&"
            f"echo $d/{name} $(id -u 2>/dev/null||echo -) $(id -un 2>/dev/null)&&break;done"
        )
        match = _PLACE.match(said)
        if match is None or not match[1].endswith(name):
            raise HostError(
                f"could not work over the console of guest {self._guest}: none of /tmp, /run, /dev/shm and its home "
                "folder can be written to; remount one of them (module console sends lines without needing any)"
                + (f"; its shell said {said[:100]!r}" if said else "")
            )
        self._folder = match[1]
        self.user = "root" if match[2] == "0" else match[3] or "-"
        if account.user and self.user not in (account.user, "-"):
            raise HostError(
                f"could not log in on the console of guest {self._guest} as {account.user}: a shell of "
                f"{self.user} is open there; end it, or say ansible_user: {self.user}"
            )
        if self._ask("command -v base64 >/dev/null&&command -v sha256sum >/dev/null&&echo yes") != "yes":
            raise Unsupported(
                f"could not work over the console of guest {self._guest}: it lacks base64 or sha256sum (coreutils or "
                "busybox have both); use the module console, which needs neither"
            )
        self._setsid = self._ask("command -v setsid >/dev/null&&echo setsid")
        self._upload("go", _GO.encode())

    def leave(self) -> None:
        """Give the console back: remove what was put into the guest, and log out if this had logged in."""
        login, self._login = self._login, None
        if login is None:
            return
        # A guest that restarts does not answer any more: nobody waits long for it.
        self._patience = min(self._patience, _PARTING)
        with contextlib.suppress(VirtError):
            if login.done and self._folder:
                self._ask(f"rm -rf {self._folder}")
            over = True
            if login.done:
                self._port.write(self._talk.end())
                over = self._until(lambda: self._talk.over in self._heard, 3.0)
            elif login.in_shell:
                self._port.write(b"\x03")
            if over and login.in_shell:
                self._drain(0.3)
                self._port.write(b"exit\r")
                self._drain(0.5)
        self._folder = ""

    def run(self, command: str, stdin: bytes | None = None, timeout: float = 0) -> Done:
        """Run a command line by the guest's shell as the user who is logged in.

        ``timeout`` in seconds ends the command and what it started, and raises CommandTimeout; 0 is no limit.
        """
        if "\0" in command:
            raise SpecError(f"could not run a command in guest {self._guest}: it contains a NUL character")
        folder = self._folder
        try:
            script = command.encode() + b"\n"
        except UnicodeEncodeError:
            raise SpecError(f"could not run a command in guest {self._guest}: it is not UTF-8") from None
        clear = f"cd {folder}&&rm -f rc in out err"
        if stdin:
            self._ask(clear)
            self._upload("in", stdin)
            clear = ":"
        if len(script) > BLOCK_BYTES - 200:
            self._upload("command", script)
            write = ":"
        else:
            write = f"echo {base64.b64encode(script).decode('ascii')}|base64 -d >{folder}/command"
        pid = self._ask(
            f"{clear};cd;{write};{{ {self._setsid} sh {folder}/go {folder} & }} </dev/null >/dev/null 2>&1 3>&-;echo $!"
        )
        if not re.fullmatch("[0-9]{1,10}", pid):
            raise HostError(f"could not run a command in guest {self._guest}: its shell said {pid[:200]!r}")
        rc, sizes = self._wait(int(pid), timeout)
        if sum(sizes) > LIMIT_BYTES:
            raise HostError(
                f"a command in guest {self._guest} ended with code {rc} and wrote {sum(sizes)} bytes, more than the "
                f"{LIMIT_BYTES} that are taken over a console; let it write to a file, and look at parts of that"
            )
        return Done(rc, self._download(f"{folder}/out", sizes[0]), self._download(f"{folder}/err", sizes[1]))

    def put(self, source: BinaryIO, path: str) -> int:
        """Write a file of the guest and return its size. A new file is readable by its owner alone."""
        data = source.read(LIMIT_BYTES + 1)
        if len(data) > LIMIT_BYTES:
            raise SpecError(
                f"could not write {path} in guest {self._guest}: it has more than the {LIMIT_BYTES} bytes that a console "
                "is good for; give the guest a network or an agent, and use those"
            )
        self._upload("file", data)
        place = shlex.quote(path)
        done = self.run(
            f'[ -d "$(dirname -- {place})" ] || exit 210; umask 077; cat {self._folder}/file >{place} && '
            f"rm -f {self._folder}/file"
        )
        self._judge(done, f"write {path}")
        return len(data)

    def fetch(self, path: str, target: BinaryIO) -> int:
        """Copy a file of the guest to ``target`` and return its size."""
        place = shlex.quote(path)
        done = self.run(
            f"[ -e {place} ] || exit 210; [ -f {place} ] || exit 211; "
            f'[ "$(wc -c <{place})" -le {LIMIT_BYTES} ] || exit 212; cat {place}'
        )
        self._judge(done, f"read {path}")
        target.write(done.stdout)
        return len(done.stdout)

    def _judge(self, done: Done, what: str) -> None:
        if done.rc == 0:
            return
        if done.rc == 210:
            raise NoSuchFile(f"could not {what} in guest {self._guest}: there is no such file or folder")
        said = {
            211: "it is not a regular file",
            212: f"it has more than the {LIMIT_BYTES} bytes that a console is good for",
        }.get(done.rc, one_line(plain(done.stderr)) or f"code {done.rc}")
        raise HostError(f"could not {what} in guest {self._guest}: {said}")

    # in steps

    def _wait(self, pid: int, timeout: float) -> tuple[int, tuple[int, int]]:
        folder = self._folder
        began = time.monotonic()
        # Whether it lives is asked before its code is looked for, or its end in between would look like none.
        look = (
            f"cd {folder};if kill -s 0 {pid} 2>/dev/null;then a=-;else a=gone;fi;"
            "if [ -e rc ];then echo $(cat rc) $(($(wc -c <out))) $(($(wc -c <err)));else echo $a;fi"
        )
        while True:
            said = self._ask(look)
            match = re.fullmatch(r"([0-9]{1,3}) ([0-9]{1,15}) ([0-9]{1,15})", said)
            if match:
                return int(match[1]), (int(match[2]), int(match[3]))
            if said != "-":
                raise HostError(
                    f"a command in guest {self._guest} ended, and its output is gone: something in the guest removed "
                    f"{folder}, or killed the command ({said[:100]})"
                )
            passed = time.monotonic() - began
            if timeout and passed >= timeout:
                raise CommandTimeout(
                    f"a command in guest {self._guest} did not end within {timeout:g} s and was stopped"
                    f"{self._end(pid)}; give it a longer command_timeout if it needs one"
                )
            pause = max(self._poll_interval, min(passed / 10, LONGEST_POLL_SECONDS))
            time.sleep(min(pause, max(0.0, timeout - passed)) if timeout else pause)

    def _end(self, pid: int) -> str:
        """End a command that took too long and return what it last said, for the error."""
        target = f"-{pid}" if self._setsid else str(pid)
        with contextlib.suppress(VirtError):
            self._ask(f"kill -s TERM -- {target} 2>/dev/null;sleep 1;kill -s KILL -- {target} 2>/dev/null;echo ok")
            said = self._ask(f"cd {self._folder};{{ tail -c 300 out;tail -c 300 err; }}|tr -c ' -<>-~' ' '")
            return f"; it last said: {' '.join(said.split())}" if said.strip() else ", having said nothing"
        return ""

    def _upload(self, name: str, data: bytes) -> None:
        """Write a file of the folder; its checksum must come back."""
        place = f"{self._folder}/{name}"
        for _attempt in range(2):
            self._ask(f": >{place}.part")
            for block in blocks(data):
                self._ask(f"echo {block} >>{place}.part")
            said = self._ask(f"base64 -d <{place}.part >{place};rm -f {place}.part;sha256sum <{place}")
            if said.split()[:1] == [checksum(data)]:
                return
        raise HostError(
            f"could not write to {self._folder} in guest {self._guest} over its console: {len(data)} bytes were sent, "
            f"and its checksum came back as {said[:100]!r}; look whether its file system is full"
        )

    def _download(self, path: str, size: int) -> bytes:
        """Read a file of the folder, of which the size is known."""
        if not size:
            return b""
        gathered = Gathered(size)
        said = self._ask(f"{self._talk.data(path)};sha256sum <{path}", gathered)
        idle = 0
        while not gathered.whole and idle < TRIES:
            before = gathered.missing
            said = self._ask(f"{self._talk.data(path, before)};sha256sum <{path}", gathered)
            idle = idle + 1 if gathered.missing == before else 0
        data = gathered.bytes() if gathered.whole else None
        if data is None or said.split()[:1] != [checksum(data)]:
            raise HostError(
                f"could not read {size} bytes over the console of guest {self._guest}: they did not arrive whole; is "
                "something else writing to its console all the time? `dmesg -n 1` in the guest keeps its kernel quiet"
            )
        return data

    # one request

    def _ask(self, command: str, gathered: Gathered | None = None) -> str:
        """Have a command obeyed and return its answer; ask again when none comes."""
        line = self._talk.request(command)
        self._heard = b""
        silent = torn = 0
        while silent < TRIES and torn < TORN_TRIES:
            self._port.write(line)
            answer, lives = self._answer(gathered)
            if answer is not None:
                return answer
            silent, torn = (0, torn + 1) if lives else (silent + 1, torn)
            line = self._talk.again()
        raise Timeout(
            f"the shell on the console of guest {self._guest} does not answer any more; seen last: "
            f"{one_line(plain(self._heard[-2000:])) or 'nothing'}"
        )

    def _answer(self, gathered: Gathered | None) -> tuple[str | None, bool]:
        """Return what was answered, None when nothing came for long or the request arrived damaged, and whether the loop lives."""
        deadline = time.monotonic() + self._patience
        fresh, lives = b"", False
        while True:
            answer = self._talk.answer(self._heard)
            if answer == "?":
                self._heard = b""
                return None, True
            if answer is not None:
                return answer, True
            left = deadline - time.monotonic()
            if left <= 0:
                return None, lives or self._talk.torn(fresh)
            data = self._port.read(left)
            self._heard += data
            fresh = (fresh + data)[-_NOISE:]
            if gathered is not None:
                before = gathered.count
                self._heard = self._heard[gathered.feed(self._talk.tag, self._heard) :]
                if gathered.count > before:
                    deadline = time.monotonic() + self._patience
                    fresh, lives = b"", True
            self._heard = self._heard[-_NOISE:]

    def _until(self, true: Callable[[], bool], seconds: float) -> bool:
        deadline = time.monotonic() + seconds
        while not true():
            left = deadline - time.monotonic()
            if left <= 0:
                return False
            self._heard = (self._heard + self._port.read(left))[-_NOISE:]
        return True

    def _drain(self, seconds: float) -> None:
        self._until(lambda: False, seconds)
