# Copyright: (c) 2026, the virtfleet.core contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Waiting: one deadline, and at the end the last that was seen."""

from __future__ import annotations

import socket
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from ansible_collections.virtfleet.core.plugins.module_utils import _wait
from ansible_collections.virtfleet.core.plugins.module_utils._errors import Timeout
from ansible_collections.virtfleet.core.plugins.module_utils._wait import Awaited, addresses, wait
from tests.unit.plugins.module_utils.guest.house import House

PLAIN: dict[str, Any] = {"memory": "1GiB", "disks": [{"size": "1GiB"}], "state": "running"}


def running(*names: str, **options: Any) -> House:
    house = House()
    for name in names:
        house.run(**{**PLAIN, "nics": [{"network": "lab"}], **options, "name": name})
    return house


@pytest.mark.parametrize("goal", ["agent", "address"])
def test_what_is_there_already_is_not_waited_for(goal: str) -> None:
    house = running("a", "b")
    started = time.monotonic()
    wait(house.fake, [Awaited("a", goal), Awaited("b", goal)], 5)
    assert time.monotonic() - started < 1


def test_it_goes_on_as_soon_as_all_are_there() -> None:
    house = running("a", "b")
    house.fake.silent.add("b")
    threading.Timer(0.3, house.fake.silent.clear).start()
    started = time.monotonic()
    wait(house.fake, [Awaited("a", "agent"), Awaited("b", "agent")], 5)
    assert 0.2 < time.monotonic() - started < 2


@pytest.mark.parametrize(
    ("goal", "options", "said"),
    [
        ("agent", {}, "its guest agent is silent"),
        ("address", {"nics": []}, "no lease from a libvirt network, and no address from its guest agent"),
        ("ssh", {"nics": []}, "no lease from a libvirt network, and no address from its guest agent"),
    ],
)
def test_at_the_limit_each_guest_that_is_missing_is_told_about(goal: str, options: dict[str, Any], said: str) -> None:
    house = running("a", "b", **options)
    house.fake.silent.update(("a", "b"))
    with pytest.raises(Timeout) as caught:
        wait(house.fake, [Awaited("a", goal), Awaited("b", goal)], 0.1)
    for name in ("a", "b"):
        assert f"guest {name}: {goal} was not there after 0.1 s; seen last: {said}" in str(caught.value)


def test_only_the_missing_are_told_about() -> None:
    house = running("a", "b")
    house.fake.silent.add("b")
    with pytest.raises(Timeout) as caught:
        wait(house.fake, [Awaited("a", "agent"), Awaited("b", "agent")], 0.1)
    assert "guest b:" in str(caught.value)
    assert "guest a:" not in str(caught.value)


def test_one_deadline_holds_for_all(monkeypatch: pytest.MonkeyPatch) -> None:
    """Guests that each take long to answer must not add up once all were looked at."""
    house = running("a")
    asked: list[str] = []

    def slow(name: str, timeout: float) -> bool:
        asked.append(name)
        time.sleep(0.1)
        return False

    monkeypatch.setattr(house.fake, "agent_ping", slow)
    names = [f"g{number}" for number in range(8)]
    started = time.monotonic()
    with pytest.raises(Timeout):
        wait(house.fake, [Awaited(name, "agent") for name in names], 1.0)
    assert asked[:8] == names
    assert time.monotonic() - started < 1.6


def test_who_was_looked_at_is_not_looked_at_again_after_the_deadline(monkeypatch: pytest.MonkeyPatch) -> None:
    house = running("a")
    names = [f"g{number}" for number in range(40)]
    asked: list[str] = []

    def slower(name: str, timeout: float) -> bool:
        asked.append(name)
        if len(asked) > len(names):
            time.sleep(0.2)
        return False

    monkeypatch.setattr(house.fake, "agent_ping", slower)
    with pytest.raises(Timeout, match="guest g39: agent was not there"):
        wait(house.fake, [Awaited(name, "agent") for name in names], 0.6)
    assert sorted(asked[: len(names)]) == sorted(names), "each once, five at a time"
    assert len(asked) < 2 * len(names), "the deadline came while they were looked at again"


def test_a_guest_that_is_gone_is_told_about_and_not_a_traceback() -> None:
    with pytest.raises(Timeout, match="seen last: .*nobody"):
        wait(House().fake, [Awaited("nobody", "agent")], 0.05)


def test_the_consoles_last_lines_are_told_without_their_tricks(tmp_path: Path) -> None:
    house = running("a")
    house.fake.silent.add("a")
    log = tmp_path / "a.log"
    lines = [f"line {number}" for number in range(2000)]
    log.write_bytes("\r\n".join([*lines, "\x1b[31mPanic!\x07\x00 {{ evil }}", "x" * 900, ""]).encode() + b"\xff\xfe")
    with pytest.raises(Timeout) as caught:
        wait(house.fake, [Awaited("a", "agent", str(log))], 0.05)
    story = str(caught.value)
    assert "line 1999" in story
    assert "line 1990" not in story
    assert "Panic!" in story
    assert not any(ord(letter) < 32 or ord(letter) == 127 for letter in story)
    assert "x" * 201 not in story


def test_a_console_log_that_cannot_be_read_is_left_out(tmp_path: Path) -> None:
    house = running("a")
    house.fake.silent.add("a")
    with pytest.raises(Timeout) as caught:
        wait(house.fake, [Awaited("a", "agent", str(tmp_path / "none.log"))], 0.05)
    assert "console" not in str(caught.value)


# addresses


def test_leases_come_before_what_the_agent_says() -> None:
    house = running("a")
    house.fake.agent_addresses["a"] = [
        {"name": "eth0", "mac": "m", "addresses": [{"address": "192.0.2.1", "prefix": 24, "family": "ipv4"}]}
    ]
    (found,) = addresses(house.fake, "a")
    assert found["address"].startswith("10.20.0.")
    assert found["mac"].startswith("52:54:")


@pytest.mark.parametrize("address", ["127.0.0.1", "127.8.8.8", "169.254.1.1", "fe80::1", "::1"])
def test_addresses_that_lead_nowhere_are_none(address: str) -> None:
    house = running("a", nics=[])
    nics = [{"name": "eth0", "mac": "m", "addresses": [{"address": address, "prefix": 8, "family": "ipv4"}]}]
    house.fake.agent_addresses["a"] = nics
    assert addresses(house.fake, "a") == []
    nics[0]["addresses"].append({"address": "192.0.2.1", "prefix": 24, "family": "ipv4"})  # type: ignore[attr-defined]
    assert addresses(house.fake, "a") == [{"mac": "m", "address": "192.0.2.1", "prefix": 24, "family": "ipv4"}]


STORE = """\
/local/domain/3/name = "a"   (n0,r3)
/local/domain/3/device/vif/0/mac = "52:54:00:AA:00:01"   (n0,r3)
/local/domain/3/attr/vif/0/ipv4/0 = "192.0.2.9"   (n3)
"""


@pytest.mark.parametrize(("xen", "remote", "seen"), [(("pv",), False, True), (("pv",), True, False), ((), False, False)])
def test_what_a_guest_wrote_to_xenstore_counts_on_its_own_host_only(
    xen: tuple[str, ...], remote: bool, seen: bool
) -> None:
    house = House(xen=xen, remote=remote)
    house.run(name="a", memory="1GiB", disks=[{"size": "1GiB"}], state="running")
    house.files.store = STORE
    told = addresses(house.fake, "a", _wait.store_of(house.fake, house.files))
    expected = {"mac": "52:54:00:aa:00:01", "address": "192.0.2.9", "prefix": 32, "family": "ipv4"}
    assert told == ([expected] if seen else [])


# ssh


@contextmanager
def server(greeting: bytes | None) -> Iterator[int]:
    """Listen on loopback; greet each caller, or with None hang up at once."""
    with socket.create_server(("127.0.0.1", 0)) as listening:
        listening.settimeout(5)

        def serve() -> None:
            while True:
                try:
                    caller, _address = listening.accept()
                except OSError:
                    return
                with caller:
                    caller.sendall(greeting or b"")

        threading.Thread(target=serve, daemon=True).start()
        yield listening.getsockname()[1]


def routed(monkeypatch: pytest.MonkeyPatch, port: int) -> None:
    """Let every address lead to a port of this machine."""
    connect = socket.create_connection
    monkeypatch.setattr(
        _wait.socket, "create_connection", lambda address, timeout: connect(("127.0.0.1", port), timeout=timeout)
    )


def test_ssh_is_there_once_it_greets(monkeypatch: pytest.MonkeyPatch) -> None:
    house = running("a")
    with server(b"SSH-2.0-dropbear\r\n") as port:
        routed(monkeypatch, port)
        wait(house.fake, [Awaited("a", "ssh")], 2)


def test_something_else_on_its_port_is_not_ssh(monkeypatch: pytest.MonkeyPatch) -> None:
    house = running("a")
    with server(b"220 mail\r\n") as port:
        routed(monkeypatch, port)
        with pytest.raises(Timeout, match="port 22 answers, but not as ssh"):
            wait(house.fake, [Awaited("a", "ssh")], 0.1)


def test_a_closed_port_is_told_with_its_address(monkeypatch: pytest.MonkeyPatch) -> None:
    house = running("a")
    with socket.create_server(("127.0.0.1", 0)) as listening:
        port = listening.getsockname()[1]
    routed(monkeypatch, port)
    with pytest.raises(Timeout, match=r"10\.20\.0\.\d+ port 22: Connection refused"):
        wait(house.fake, [Awaited("a", "ssh")], 0.1)
