# Copyright: (c) 2026, the virtfleet.core contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The steps of the module console: read, and played on a console of the test's own."""

from __future__ import annotations

import os
import signal
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import yaml

from ansible_collections.virtfleet.core.plugins.module_utils._console.keys import KEYS
from ansible_collections.virtfleet.core.plugins.module_utils._console.steps import Capture, Send, script
from ansible_collections.virtfleet.core.plugins.module_utils._console_module import played
from ansible_collections.virtfleet.core.plugins.module_utils._errors import Conflict, SpecError, Timeout
from ansible_collections.virtfleet.core.plugins.modules import console
from tests.contract.fake_consoles import FakeConsole
from tests.unit.plugins.module_utils.guest.house import House
from tests.unit.test_options_turned import run

DEFAULTS = {"name": "web1", "timeout": "0.3s", "limit": "64KiB", "steps": []}


class Port:
    """Says one part for each time that somebody reads; a callable is called. At the end nothing comes any more."""

    def __init__(self, *parts: bytes | Callable[[], bytes]) -> None:
        self.parts = list(parts)
        self.typed = b""

    def read(self, timeout: float) -> bytes:
        if not self.parts:
            return b""
        part = self.parts.pop(0)
        return part if isinstance(part, bytes) else part()

    def write(self, data: bytes) -> None:
        self.typed += data


def play(port: Port, *steps: dict[str, Any], **more: Any) -> Any:
    return played(script({**DEFAULTS, "steps": list(steps), **more}), port, "web1")


def gone() -> bytes:
    raise Conflict("the console of guest web1 was closed")


def test_steps_type_and_wait_in_their_order() -> None:
    port = Port(b"\x1b[2Jweb1 lo", b"gin: ", b"root\r\nPassword: ", b"\r\n# ")
    found = play(
        port,
        {"key": "enter"},
        {"wait": "login: $"},
        {"line": "root"},
        {"wait": "[Pp]assword:"},
        {"secret": "s3cret"},
        {"wait": "[#$] $"},
        {"text": "x"},
        {"key": "ctrl-c"},
    )
    assert port.typed == b"\rroot\rs3cret\rx\x03"
    assert found["matches"] == ["login: ", "Password:", "# "]
    assert found["output_lines"] == ["web1 login: root", "Password: ", "# "]
    assert (found["dropped"], found["ended"]) == (0, False)


def test_a_wait_looks_behind_what_the_last_one_found() -> None:
    with pytest.raises(Timeout, match="could not see 'ready' on the console of guest web1 within 0.1 s; seen last: ready"):
        play(Port(b"ready\n"), {"wait": "ready"}, {"wait": "ready", "timeout": "0.1s"})
    assert play(Port(b"ready\nready\n"), {"wait": "ready"}, {"wait": "ready"})["matches"] == ["ready", "ready"]


def test_a_silent_guest_is_named_so() -> None:
    with pytest.raises(Timeout, match="within 0.3 s; seen last: nothing"):
        play(Port(), {"wait": "ready"})


def test_the_end_is_kept_of_what_is_too_much() -> None:
    found = play(Port(b"x" * 1000, b"y" * 10), {"capture": "0.1s"}, limit="20B")
    assert found["output"] == "x" * 10 + "y" * 10
    assert found["dropped"] == 990
    # A place that was waited for may have been dropped since.
    assert play(Port(b"a", b"b" * 100, b"c"), {"wait": "a"}, {"wait": "c"}, limit="10B")["matches"] == ["a", "c"]


def test_a_guest_that_powers_off_ends_a_capture_and_fails_a_wait() -> None:
    found = play(Port(b"Power down.\r\n", gone), {"capture": "5s"})
    assert (found["output"], found["ended"]) == ("Power down.\n", True)
    with pytest.raises(Conflict):
        play(Port(b"Power down.\r\n", gone), {"wait": "login"})


def test_no_steps_are_two_seconds_of_listening() -> None:
    assert script(DEFAULTS).steps == (Capture(2.0),)
    assert not script(DEFAULTS).sends
    assert script({**DEFAULTS, "steps": [{"key": "up"}]}).steps == (Send(b"\x1b[A"),)


def test_all_that_cannot_be_right_is_told_at_once() -> None:
    steps = [
        {"wait": "("},
        {"wait": "a", "timeout": "soon"},
        {"line": "a\nb"},
        {"text": "a\x03"},
        {"secret": "x" * 5000},
        {"capture": "1w"},
        {"key": "up", "timeout": "1s"},
    ]
    with pytest.raises(SpecError) as caught:
        script({"name": "web1", "timeout": "x", "limit": "64", "steps": steps})
    told = [problem.split(":")[0] for problem in caught.value.problems]
    assert told == [
        "timeout", "steps[0].wait", "steps[1].timeout", "steps[2].line", "steps[3].text", "steps[4].secret",
        "steps[5].capture", "steps[6].timeout", "limit",
    ]  # fmt: skip


def test_the_keys_are_documented() -> None:
    options = yaml.safe_load(console.DOCUMENTATION)["options"]
    assert options["steps"]["suboptions"]["key"]["choices"] == list(KEYS)
    assert Path(console.__file__).read_text().count("ctrl-a") == 1


def test_a_signal_gives_the_console_back(monkeypatch: pytest.MonkeyPatch) -> None:
    house = House()
    assert not run("guest", house, {"name": "web1", "memory": "1GiB", "state": "running"}).get("failed")

    def ended(_console: FakeConsole, _timeout: float) -> bytes:
        assert house.fake.consoles_taken == {"web1"}
        os.kill(os.getpid(), signal.SIGTERM)
        return b""

    monkeypatch.setattr(FakeConsole, "read", ended)
    before = signal.getsignal(signal.SIGTERM)
    with pytest.raises(IndexError):  # nothing is printed by whoever is ended
        run("console", house, {"name": "web1"})
    assert house.fake.consoles_taken == set()
    assert signal.getsignal(signal.SIGTERM) == before
