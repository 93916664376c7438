# Copyright: (c) 2026, the virtfleet.core contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The shell behind a console: real shells on a terminal of this machine, with a kernel that talks in between."""

from __future__ import annotations

import io
import os
import pty
import pwd
import select
import shutil
import signal
import stat
import time
from collections.abc import Iterator
from pathlib import Path
from random import Random

import pytest

from ansible_collections.virtfleet.core.plugins.module_utils._console.login import Account
from ansible_collections.virtfleet.core.plugins.module_utils._errors import HostError, SpecError, Timeout, Unsupported
from ansible_collections.virtfleet.core.plugins.plugin_utils import _console_shell
from ansible_collections.virtfleet.core.plugins.plugin_utils._agent import CommandTimeout, NoSuchFile
from ansible_collections.virtfleet.core.plugins.plugin_utils._console_shell import ConsoleShell

SHELLS = [argv for argv in (["bash", "--norc"], ["dash"], ["busybox", "sh"]) if shutil.which(argv[0])]
# A getty in a few lines: asks, hides the password, tells what was wrong, and starts anew when the shell ends.
GETTY = """
while :; do
  printf '\\r\\nDebian GNU/Linux 12 web1 ttyS0\\r\\n\\r\\nweb1 login: '
  read -r user || exit
  [ -n "$user" ] || continue
  stty -echo; printf 'Password: '; read -r word; stty echo; echo
  if [ "$user/$word" = joe/s3cret ]; then echo 'Last login: today'; PS1='\\033[32mjoe@web1\\033[0m:~$ ' sh; echo logout
  else sleep 0.1; printf '\\r\\nLogin incorrect\\r\\n'; fi
done
"""
NOISE = [b"\r\n[   12.345678] eth0: link up\r\n", b"\x1b[32m[  OK  ]\x1b[0m Started x.\r\n", b"[   13.0] audit: 1\r\n"]


class Terminal:
    """A terminal of this machine with a program on it, as a console. ``noise`` is how often the kernel writes too."""

    def __init__(self, argv: list[str], home: Path, noise: float = 0.0) -> None:
        self._random = Random(7)
        self._noise = noise
        self.heard = b""
        self.typed = b""
        self.pid, self._handle = pty.fork()
        if self.pid == 0:
            os.environ.update({"HOME": str(home), "PS1": "# ", "TERM": "vt220", "LC_ALL": "C.UTF-8"})
            os.chdir(home)
            os.execvp(argv[0], argv)

    def read(self, timeout: float) -> bytes:
        if not select.select([self._handle], [], [], timeout)[0]:
            return b""
        try:
            data = os.read(self._handle, 4096)
        except OSError:
            return b""
        if self._random.random() < self._noise:
            place = self._random.randrange(len(data) + 1)
            data = data[:place] + self._random.choice(NOISE) + data[place:]
        self.heard += data
        return data

    def write(self, data: bytes) -> None:
        self.typed += data
        while data:
            data = data[os.write(self._handle, data) :]

    def wait_for(self, word: bytes, seconds: float = 10) -> bool:
        deadline = time.monotonic() + seconds
        while word not in self.heard and time.monotonic() < deadline:
            self.read(0.1)
        return word in self.heard

    def end(self) -> None:
        os.kill(self.pid, signal.SIGKILL)
        os.waitpid(self.pid, 0)
        os.close(self._handle)


def leftovers() -> set[Path]:
    return {path for base in ("/tmp", "/run", "/dev/shm") for path in Path(base).glob(".virtfleet-*")}


@pytest.fixture(params=SHELLS, ids=lambda argv: argv[0])
def terminal(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Terminal]:
    found = Terminal(request.param, tmp_path)
    yield found
    found.end()


@pytest.fixture
def shell(terminal: Terminal) -> Iterator[ConsoleShell]:
    before = leftovers()
    found = ConsoleShell(terminal, "web1", poll_interval=0.01)
    found.enter(Account(), 60)
    yield found
    found.leave()
    assert leftovers() <= before


def test_commands_give_code_output_and_errors(shell: ConsoleShell, tmp_path: Path) -> None:
    done = shell.run("echo out; echo err >&2; exit 3")
    assert (done.rc, done.stdout, done.stderr) == (3, b"out\n", b"err\n")
    assert shell.run("true").stdout == b""
    assert shell.run(r"printf '\000\377\n\n\033[1m'").stdout == b"\x00\xff\n\n\x1b[1m"
    assert shell.run("printf '%s|' \"a 'b' caf\u00e9 \" '$x\n\"'").stdout == "a 'b' caf\u00e9 |$x\n\"|".encode()
    assert shell.run("virtfleet-no-such-program").rc == 127
    assert shell.run("pwd; echo ~").stdout.decode().split() == [str(tmp_path)] * 2
    assert shell.run(f": {'x' * 3000}; echo long").stdout == b"long\n"


def test_standard_input_arrives_and_none_is_empty(shell: ConsoleShell) -> None:
    data = bytes(range(256)) * 20
    assert shell.run("cat", data).stdout == data
    assert shell.run("cat").stdout == b""


def test_files_go_in_and_come_out(shell: ConsoleShell, tmp_path: Path) -> None:
    data = Random(1).randbytes(20_001)
    there = tmp_path / "a file's name"
    assert shell.put(io.BytesIO(data), str(there)) == len(data)
    assert there.read_bytes() == data
    assert stat.S_IMODE(there.stat().st_mode) == 0o600
    back = io.BytesIO()
    assert shell.fetch(str(there), back) == len(data)
    assert back.getvalue() == data
    with pytest.raises(NoSuchFile):
        shell.fetch(str(tmp_path / "absent"), io.BytesIO())
    with pytest.raises(NoSuchFile):
        shell.put(io.BytesIO(b"x"), str(tmp_path / "absent" / "x"))
    with pytest.raises(HostError, match="not a regular file"):
        shell.fetch(str(tmp_path), io.BytesIO())


def test_what_is_too_big_for_a_console_is_refused(shell: ConsoleShell, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr(_console_shell, "LIMIT_BYTES", 5000)
    with pytest.raises(HostError, match="ended with code 0 and wrote 6000 bytes.*let it write to a file"):
        shell.run("head -c 6000 /dev/zero")
    with pytest.raises(SpecError, match="more than the 5000 bytes that a console is good for"):
        shell.put(io.BytesIO(bytes(6000)), str(tmp_path / "x"))
    (tmp_path / "big").write_bytes(bytes(6000))
    with pytest.raises(HostError, match="more than the 5000 bytes that a console is good for"):
        shell.fetch(str(tmp_path / "big"), io.BytesIO())


def test_the_time_limit_ends_a_command_and_what_it_started(shell: ConsoleShell, tmp_path: Path) -> None:
    with pytest.raises(CommandTimeout, match="did not end within 0.3 s and was stopped; it last said: half way"):
        shell.run(f"echo half way; sleep 60 & echo $! > {tmp_path}/child; wait", timeout=0.3)
    child = int((tmp_path / "child").read_text())
    for _time in range(100):
        if not Path(f"/proc/{child}").exists() or "Z" in Path(f"/proc/{child}/stat").read_text().split()[2]:
            break
        time.sleep(0.05)
    else:
        pytest.fail("the child of the command lives on")
    assert shell.run("echo fine").stdout == b"fine\n"


def test_the_terminal_is_as_it_was(terminal: Terminal) -> None:
    shell = ConsoleShell(terminal, "web1")
    shell.enter(Account(), 60)
    shell.leave()
    terminal.heard = b""
    terminal.write(b"echo back$((40 + 2))\r")
    assert terminal.wait_for(b"back42")
    # It shows what is typed again, and the shell that was open is open.
    assert b"echo back" in terminal.heard


def test_all_that_holds_while_the_kernel_talks(tmp_path: Path) -> None:
    terminal = Terminal(["sh"], tmp_path, noise=0.3)
    try:
        shell = ConsoleShell(terminal, "web1", poll_interval=0.01, patience=0.4)
        shell.enter(Account(), 60)
        data = Random(2).randbytes(2_000)
        (tmp_path / "f").write_bytes(data)
        back = io.BytesIO()
        shell.fetch(str(tmp_path / "f"), back)
        assert back.getvalue() == data
        for number in range(3):
            done = shell.run(f"echo {number} >>{tmp_path}/count; exit {number}")
            assert done.rc == number
        shell.leave()
        # Asked again or not, each was obeyed once.
        assert (tmp_path / "count").read_text().split() == ["0", "1", "2"]
        assert any(noise in terminal.heard for noise in NOISE)
    finally:
        terminal.end()


class Torn(Terminal):
    """A terminal on which something tears each answer apart in its middle, as long as it is told to."""

    tears = 0

    def read(self, timeout: float) -> bytes:
        data = super().read(timeout)
        if b":" not in data or not self.tears:
            return data
        self.tears -= 1
        return data.replace(b":", b":" + NOISE[0])


@pytest.mark.parametrize(("tears", "answered"), [(10, True), (1000, False)])
def test_answers_that_are_torn_are_asked_for_longer_than_none(tears: int, answered: bool, tmp_path: Path) -> None:
    terminal = Torn(["sh"], tmp_path)
    try:
        shell = ConsoleShell(terminal, "web1", poll_interval=0.01, patience=5)
        shell.enter(Account(), 60)
        shell._patience, terminal.tears = 0.2, tears
        if answered:
            assert shell.run("echo fine").stdout == b"fine\n"
        else:
            with pytest.raises(Timeout, match="does not answer any more"):
                shell.run("echo fine")
        terminal.tears = 0
        shell._patience = 5
        shell.leave()
    finally:
        terminal.end()


def getty(tmp_path: Path) -> Terminal:
    return Terminal(["sh", "-c", GETTY.replace("joe/", f"{pwd.getpwuid(os.getuid()).pw_name}/")], tmp_path)


def test_it_logs_in_and_out(tmp_path: Path) -> None:
    terminal = getty(tmp_path)
    try:
        shell = ConsoleShell(terminal, "web1")
        shell.enter(Account(pwd.getpwuid(os.getuid()).pw_name, "s3cret"), 60)
        assert shell.run("echo in").stdout == b"in\n"
        terminal.heard = b""
        shell.leave()
        assert terminal.wait_for(b"web1 login:")
        assert b"s3cret" not in terminal.heard
    finally:
        terminal.end()


def test_the_open_shell_of_somebody_else_is_not_used(tmp_path: Path) -> None:
    before = leftovers()
    terminal = Terminal(["sh"], tmp_path)
    shell = ConsoleShell(terminal, "web1")
    try:
        with pytest.raises(HostError, match="as joe: a shell of .* is open there; end it, or say ansible_user"):
            shell.enter(Account("joe", "s3cret"), 60)
        shell.leave()
        assert leftovers() <= before
    finally:
        terminal.end()


def test_output_that_something_removed_is_an_error(shell: ConsoleShell) -> None:
    with pytest.raises(HostError, match="ended, and its output is gone"):
        shell.run(f"rm -rf {shell._folder}")
    # What the shell lives from is there again for the rest of the test.
    shell._ask(f"mkdir -m 700 {shell._folder}")


def test_a_wrong_password_is_told(tmp_path: Path) -> None:
    terminal = getty(tmp_path)
    shell = ConsoleShell(terminal, "web1")
    try:
        with pytest.raises(HostError, match="as joe: it said: Login incorrect; correct the user or the password") as caught:
            shell.enter(Account("joe", "wr0ng"), 60)
        assert "wr0ng" not in str(caught.value)
        # Nothing of a conversation that did not begin is typed at the prompt for the next user.
        typed = terminal.typed
        shell.leave()
        assert terminal.typed == typed
    finally:
        terminal.end()


def test_a_run_that_was_killed_does_not_lock_the_next_one_out(tmp_path: Path) -> None:
    terminal = Terminal(["sh"], tmp_path)
    try:
        ConsoleShell(terminal, "web1").enter(Account(), 60)
        second = ConsoleShell(terminal, "web1")
        second.enter(Account(), 60)
        assert second.run("echo again").stdout == b"again\n"
    finally:
        terminal.end()
        for left in leftovers():
            shutil.rmtree(left)


def test_a_guest_without_base64_is_told(tmp_path: Path) -> None:
    programs = tmp_path / "bin"
    programs.mkdir()
    for name in ("sh", "stty", "mkdir", "id", "rm"):
        (programs / name).symlink_to(shutil.which(name) or name)
    terminal = Terminal(["env", f"PATH={programs}", "sh"], tmp_path)
    try:
        with pytest.raises(Unsupported, match="it lacks base64 or sha256sum"):
            ConsoleShell(terminal, "web1").enter(Account(), 60)
    finally:
        terminal.end()
        for left in leftovers():
            shutil.rmtree(left)


def test_a_shell_that_falls_silent_is_unreachable() -> None:
    class Deaf:
        """Hears nothing, and says the same again and again."""

        typed = b""

        def read(self, timeout: float) -> bytes:
            time.sleep(min(timeout, 0.01))
            return b"[   99.0] hung task\r\n"

        def write(self, data: bytes) -> None:
            self.typed += data

    deaf = Deaf()
    shell = ConsoleShell(deaf, "web1", patience=0.1)
    with pytest.raises(Timeout, match="web1 does not answer any more; seen last: .*hung task"):
        shell.run("true")
    # It was asked again and again, always the same.
    assert len(set(deaf.typed.split(b"\r")) - {b""}) == 1
