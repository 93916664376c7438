# Copyright: (c) 2026, the virtfleet.core contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Logging in on a console, on a clock of the test's own: each row is what a guest says and what is answered."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ansible_collections.virtfleet.core.plugins.module_utils._console.login import Account, Login
from ansible_collections.virtfleet.core.plugins.module_utils._errors import HostError, SpecError, Timeout, VirtError

INSTALL, READY = b"LOOP\r", b"READY="
ROOT = Account("root", "s3cret")
USER, PASSWORD = b"root\r", b"s3cret\r"


class Terminal:
    """A guest that says what the test has it say, and a clock that runs as fast as needed."""

    def __init__(self, account: Account = ROOT, timeout: float = 60) -> None:
        self.now = 1000.0
        self.login = Login(account, INSTALL, READY, "web1", timeout)
        self.first = self.login.begin(self.now)

    def says(self, data: bytes, patience: float = 2.0) -> bytes:
        """Let the guest say something; return what is typed next, nothing when nothing is within ``patience``."""
        typed = self.login.feed(data, self.now)
        until = self.now + patience
        while not typed and self.now < until and not self.login.done:
            self.now += self.login.wakes
            typed = self.login.tick(self.now)
        return typed


@pytest.mark.parametrize(
    ("says", "answers"),
    [
        (b"\r\nDebian GNU/Linux 12 web1 ttyS0\r\n\r\nweb1 login: ", USER),
        (b"\r\nlogin: ", USER),
        (b"User: ", USER),
        (b"router1 Username: ", USER),
        (b"\x1b[1mweb1 login:\x1b[0m ", USER),
        (b"Password: ", PASSWORD),
        (b"[sudo] password for root: ", PASSWORD),
        (b"Give root password for maintenance\r\n(or press Control-D to continue): ", PASSWORD),
        (b"Press Enter for maintenance\r\n(or press Control-D to continue): ", PASSWORD),
        (b"Please press Enter to activate this console.", b"\r"),
        (b"root@web1:~# ", INSTALL),
        (b"\x1b]0;root@web1: ~\x07\x1b[?2004hroot@web1:~# ", INSTALL),
        (b"/ # ", INSTALL),
        (b"~ $ ", INSTALL),
        (b"web1% ", INSTALL),
        (b":?=\r\n", b"x 1 q\r"),
        (b"[  OK  ] Started ssh.service\r\n", b""),
        (b"Loading Linux 6.1.0-18-amd64 ...", b""),
        (b"", b""),
    ],
)
def test_what_is_answered_to_what_stands_there(says: bytes, answers: bytes) -> None:
    assert Terminal().says(says) == answers


def test_a_whole_login() -> None:
    terminal = Terminal()
    assert terminal.first == b"\r"
    assert terminal.says(b"web1 login: ") == USER
    assert terminal.says(b"root\r\nPassword: ") == PASSWORD
    assert terminal.says(b"\r\nLast login: Thu Nov 26 on ttyS0\r\nroot@web1:~# ") == INSTALL
    assert terminal.says(b"LOOP\r\nREADY=\r\n") == b""
    assert terminal.login.done
    assert terminal.login.logged_in


def test_a_shell_that_is_open_is_left_open() -> None:
    terminal = Terminal(Account())
    assert terminal.says(b"# ") == INSTALL
    terminal.says(b"READY=")
    assert terminal.login.done
    assert not terminal.login.logged_in


def test_what_a_killed_run_left_is_ended_and_logged_out_of() -> None:
    terminal = Terminal()
    assert terminal.says(b"\r\n:?=\r\n") == b"x 1 q\r"
    assert terminal.says(b"root@web1:~# ") == INSTALL
    terminal.says(b"READY=")
    assert terminal.login.logged_in


def test_enter_brings_back_a_prompt_that_the_kernel_wrote_over() -> None:
    terminal = Terminal()
    assert terminal.says(b"web1 login: [   12.3] eth0: link up\r\n", 10) == b"\r"
    assert terminal.says(b"\r\nweb1 login: ") == USER
    assert terminal.says(b"root\r\nPassword: [   12.9] eth0: link down\r\n", 10) == b"\r"


def test_a_banner_that_ends_in_a_colon_is_no_prompt_while_it_goes_on() -> None:
    terminal = Terminal()
    assert terminal.login.feed(b"how to login:", terminal.now) == b""
    assert terminal.login.tick(terminal.now + 0.1) == b""
    assert terminal.says(b" ask the owner\r\n") == b""


def test_a_program_that_does_not_obey_is_interrupted() -> None:
    terminal = Terminal()
    assert terminal.says(b"mysql> ") == INSTALL
    assert terminal.says(b"LOOP\r\n", 20) == b"\x03\r"


@pytest.mark.parametrize(
    ("account", "talk", "said"),
    [
        (ROOT, [b"login: ", b"Password: ", b"\r\n\r\nLogin incorrect\r\nweb1 login: "], "it said: Login incorrect"),
        (ROOT, [b"login: ", b"Password: ", b"\r\nPassword: ", b"\r\nPassword: "], "again; correct the user"),
        (Account("root"), [b"login: ", b"Password: "], "give one .ansible_password"),
        (Account(), [b"login: "], "nobody is logged in there"),
        (ROOT, [b"login: ", b"Password: ", b"You must change it.\r\nNew password: "], "wants the password changed"),
        (ROOT, [b"login: ", b"Password: ", b"\r\n(current) UNIX password: "], "wants the password changed"),
        (Account("joe", "x"), [b"Give root password for maintenance: "], "emergency mode"),
        (ROOT, [b"login: ", b"login: ", b"login: ", b"login: "], "again and again"),
    ],
)
def test_logins_that_fail(account: Account, talk: list[bytes], said: str) -> None:
    terminal = Terminal(account)
    with pytest.raises(HostError, match=said) as caught:
        for text in talk:
            terminal.says(text)
    assert "s3cret" not in str(caught.value)


def test_the_time_limit_says_what_was_seen_last() -> None:
    terminal = Terminal(timeout=20)
    with pytest.raises(Timeout, match="within 20 s; it last said: Kernel panic"):
        terminal.says(b"\x1b[31mKernel panic\r\n", 3)
        for _time in range(10):
            terminal.says(b"", 4)
    silent = Terminal(timeout=5)
    with pytest.raises(Timeout, match="said nothing: see that its kernel has a console"):
        for _time in range(10):
            silent.says(b"", 4)


def test_a_guest_that_never_stops_talking_meets_the_limit_too() -> None:
    terminal = Terminal(timeout=5)
    with pytest.raises(Timeout):
        for _time in range(100):
            terminal.login.feed(b"blah blah\r\n", terminal.now)
            terminal.now += 0.1
            terminal.login.tick(terminal.now)


def test_a_name_cannot_type_more_than_itself() -> None:
    with pytest.raises(SpecError, match="user has a control character"):
        Login(Account("root\rreboot"), INSTALL, READY, "web1", 1)
    with pytest.raises(SpecError, match="password has a control"):
        Login(Account("root", "a\x03"), INSTALL, READY, "web1", 1)


@given(st.lists(st.one_of(st.binary(max_size=40), st.sampled_from([b"login: ", b"Password: ", b"# ", b"\r\n"])), max_size=30))
def test_whatever_a_guest_says_it_gets_no_more_than_it_may(parts: list[bytes]) -> None:
    terminal = Terminal()
    try:
        for part in parts:
            typed = terminal.says(part)
            assert typed in (b"", b"\r", b"\x03\r", USER, PASSWORD, INSTALL, b"x 1 q\r")
            # The password only where it is asked for.
            if typed == PASSWORD:
                assert terminal.login._answered.get("password") or terminal.login._answered.get("root password")
    except VirtError:
        return
