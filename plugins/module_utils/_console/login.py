# Copyright: (c) 2026, the virtfleet.core contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""From whatever a console shows to a shell that obeys: login prompts, passwords, shells that are open already.

A state machine without I/O: ``begin``, ``feed`` and ``tick`` return what is to be sent. Times are those of a steady
clock, in seconds. Prompts are told by the line on which the cursor stands, so text of the kernel between them may hide one:
then nothing comes, and Enter makes the guest show it again.
"""
from __future__ import annotations

import re
from dataclasses import dataclass

from .._errors import HostError, SpecError, Timeout, VirtError
from .text import Transcript

# How long a prompt must stand still before it is believed: a banner may end a line with a colon too.
SETTLED = 0.3
# How long nothing comes before Enter is pressed, and how long a shell may take to obey.
QUIET = 3.0
OBEYS = 8.0
_KEPT = 16 * 1024


@dataclass(frozen=True)
class Prompt:
    """What the cursor's line looks like, and what it asks for."""

    asks: str
    pattern: re.Pattern[str]


def _prompt(asks: str, pattern: str) -> Prompt:
    return Prompt(asks, re.compile(pattern, re.IGNORECASE))


# The first that matches wins.
PROMPTS = (
    # sulogin: "Give root password for maintenance\n(or press Control-D to continue): ", util-linux and busybox.
    _prompt("root password", r"(?:press (?:control|ctrl)-?d (?:to continue|for normal startup)[^\n]*|for maintenance[^\n]*): ?\Z"),
    _prompt("enter", r"press enter (?:to|for) [^\n]*\Z|press enter[^\n]*console[^\n]*\Z"),
    _prompt("new password", r"(?:new|retype[^\n]*|current)(?: unix| root)? password: ?\Z|\(current\) unix password: ?\Z"),
    _prompt("password", r"(?:password|passphrase)(?: for [^\n:]{1,64})?: ?\Z"),
    _prompt("user", r"(?:^|[ \t])(?:login|username|user name|user): ?\Z"),
    _prompt("shell", r"[#$%>\u276f\u279c][ \t]?\Z"),
)
# What is left of a run that was killed: the loop of `shell`, which tells an Enter that it understood nothing.
_STALE = re.compile(r"(?:^|\n):\?=\n\Z")
_END_STALE = b"x 1 q\r"
# What refuses a login, anywhere in what came after the password.
_REFUSED = re.compile(
    r"^[^\n]{0,40}(?:login incorrect|authentication failure|access denied|permission denied|login failed"
    r"|too many (?:tries|login attempts)|account (?:is )?(?:locked|expired)|system is booting up)[^\n]*",
    re.IGNORECASE | re.MULTILINE,
)


@dataclass(frozen=True)
class Account:
    """Who logs in. Without a user only a shell that is open can be used, without a password an account that has none."""

    user: str | None = None
    password: str | None = None

    def __str__(self) -> str:
        return f" as {self.user}" if self.user else ""


class Login:
    """Gets to a shell. ``install`` is the line that a shell is given, ``ready`` the mark with which it answers."""

    def __init__(self, account: Account, install: bytes, ready: bytes, guest: str, timeout: float) -> None:
        for word, value in (("user", account.user or ""), ("password", account.password or "")):
            if any(ord(char) < 32 or ord(char) == 127 for char in value):
                raise SpecError(f"could not log in on the console of guest {guest}: its {word} has a control character")
        self._account = account
        self._install = install
        self._ready = ready
        self._guest = guest
        self._timeout = timeout
        self._seen = Transcript(_KEPT)
        self._raw = b""
        self._answered: dict[str, int] = {}
        self._deadline = 0.0
        self._touched = 0.0
        self._pause = QUIET
        self._asked_at = 0  # up to where the transcript is answered
        self.done = False
        # A shell that was found open is left open.
        self.logged_in = False

    def begin(self, now: float) -> bytes:
        """Return the first thing to send: an Enter, on which all prompts show themselves."""
        self._deadline = now + self._timeout
        self._touched = now
        return b"\r"

    def feed(self, data: bytes, now: float) -> bytes:
        """Take what the guest said. Raises HostError when it refuses the login."""
        # The mark may be cut in two.
        self._raw = (self._raw + data)[-_KEPT:]
        self._seen.feed(data)
        self._touched = now
        if self._ready in self._raw:
            self.done = True
            return b""
        if self._answered.get("password"):
            refused = _REFUSED.search(self._fresh())
            if refused:
                raise HostError(
                    f"could not log in on the console of guest {self._guest}{self._account}: it said: "
                    f"{refused[0].strip()[:200]}; correct the user or the password"
                )
        return b""

    def tick(self, now: float) -> bytes:
        """Return what to send when a moment has passed. Raises Timeout at the end of the time limit."""
        if self.done:
            return b""
        if now >= self._deadline:
            raise self._late()
        still = now - self._touched
        prompt = self._standing() if still >= SETTLED else None
        if prompt is not None:
            self._touched, self._pause = now, OBEYS if prompt == "shell" else QUIET
            return self._answer(prompt)
        if still >= self._pause:
            self._touched, self._pause = now, QUIET
            # Whatever stands there unanswered: a program that waits for its end, half a line.
            return b"\x03\r" if self._answered.get("shell") else b"\r"
        return b""

    @property
    def in_shell(self) -> bool:
        """Tell whether this logged in and has seen a prompt of a shell since, which it must then leave."""
        return self.logged_in and bool(self._answered.get("shell"))

    @property
    def wakes(self) -> float:
        """How soon a moment has passed."""
        return SETTLED / 2

    def _position(self) -> int:
        return self._seen.dropped + len(self._seen.text)

    def _fresh(self) -> str:
        """Return what was said since the last answer."""
        return self._seen.text[max(0, self._asked_at - self._seen.dropped) :]

    def _standing(self) -> str | None:
        fresh = self._fresh()
        if _STALE.search(fresh[-200:]):
            return "stale"
        line = fresh[fresh.rfind("\n") + 1 :][-200:]
        if not line.strip():
            return None
        return next((prompt.asks for prompt in PROMPTS if prompt.pattern.search(line)), None)

    def _answer(self, asks: str) -> bytes:
        times = self._answered[asks] = self._answered.get(asks, 0) + 1
        self._asked_at = self._position()
        self._raw = b""
        if asks == "enter":
            return b"\r"
        if asks == "shell":
            return self._install
        if asks == "stale":
            # It had logged in, and did not come to log out.
            self.logged_in = True
            return _END_STALE
        if asks == "user":
            if not self._account.user:
                raise self._refusal("nobody is logged in there; say who shall be (ansible_user, ansible_password)")
            if times > 3:
                raise self._refusal("it asks for a user again and again")
            self.logged_in = True
            return self._account.user.encode() + b"\r"
        if asks == "new password":
            raise self._refusal("it wants the password changed first; do that once by hand (`virsh console`)")
        if self._account.password is None:
            raise self._refusal("it asks for a password; give one (ansible_password)")
        if asks == "root password" and self._account.user not in (None, "root"):
            raise self._refusal("it is in its emergency mode and asks for root's password; log in as root")
        if times > 2:
            raise self._refusal("it asks for the password again; correct the user or the password")
        self.logged_in = True
        return self._account.password.encode() + b"\r"

    def _refusal(self, why: str) -> VirtError:
        return HostError(f"could not log in on the console of guest {self._guest}{self._account}: {why}")

    def _late(self) -> VirtError:
        last = self._seen.last()
        if not last:
            why = (
                "it said nothing: see that its kernel has a console there (console=ttyS0, or hvc0 for a Xen PV guest), "
                "and that a getty runs on it (serial-getty@ttyS0.service)"
            )
        else:
            why = f"it last said: {last}"
        return Timeout(f"could not get to a shell on the console of guest {self._guest} within {self._timeout:g} s; {why}")
