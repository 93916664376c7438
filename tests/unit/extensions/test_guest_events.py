# Copyright: (c) 2026, the virtfleet.core contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The event source on libvirt's test driver: what it tells, what it drops, and how it ends."""

from __future__ import annotations

import asyncio
import contextlib
import importlib.util
import threading
from collections.abc import AsyncIterator
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
import yaml

libvirt = pytest.importorskip("libvirt")

EDA = Path(__file__).resolve().parents[3] / "extensions" / "eda"
SOURCE = EDA / "plugins" / "event_source" / "guest_events.py"
_spec = importlib.util.spec_from_file_location("guest_events", SOURCE)
assert _spec is not None and _spec.loader is not None
source = importlib.util.module_from_spec(_spec)
_spec.loader.exec_module(source)

URI = "test:///default"


@contextlib.asynccontextmanager
async def listening(room: int = 1, **args: Any) -> AsyncIterator[asyncio.Queue[dict[str, Any]]]:
    """Run the source as ansible-rulebook does, with a queue of one; yield the queue once it listens."""
    queue: asyncio.Queue[dict[str, Any]] = asyncio.Queue(room)
    running = asyncio.create_task(source.main(queue, args))
    try:
        yield queue
    finally:
        running.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await running


async def following(queue: asyncio.Queue[dict[str, Any]], seconds: float = 20) -> dict[str, Any]:
    return await asyncio.wait_for(queue.get(), seconds)


def test_lives_of_guests_networks_and_pools() -> None:
    async def play() -> None:
        async with listening(hypervisors=[URI]) as queue:
            first = await following(queue)
            assert (first["kind"], first["type"], first["hypervisor"]) == ("connection", "connected", URI)
            other = libvirt.open(URI)
            domain = other.lookupByName("test")
            domain.suspend()
            event = await following(queue)
            assert event.pop("time") > 1_700_000_000
            assert event == {
                "kind": "lifecycle", "type": "suspended", "detail": "paused", "crashed": False, "guest": "test",
                "uuid": domain.UUIDString(), "hypervisor": URI, "host": first["host"],
            }  # fmt: skip
            domain.resume()
            assert (await following(queue))["type"] == "resumed"
            domain.destroy()
            event = await following(queue)
            assert (event["type"], event["detail"], event["crashed"]) == ("stopped", "destroyed", False)
            domain.create()
            assert (await following(queue))["type"] == "started"
            network = other.networkLookupByName("default")
            network.destroy()
            event = await following(queue)
            assert (event["kind"], event["type"], event["network"]) == ("network", "stopped", "default")
            network.create()
            await following(queue)
            pool = other.storagePoolLookupByName("default-pool")
            pool.refresh()
            event = await following(queue)
            assert (event["kind"], event["type"], event["pool"]) == ("pool", "refreshed", "default-pool")
            other.close()

    asyncio.run(play())


def test_only_what_is_asked_for() -> None:
    async def play() -> None:
        async with listening(hypervisors=URI, events="network") as queue:
            other = libvirt.open(URI)
            domain, network = other.lookupByName("test"), other.networkLookupByName("default")
            # Nobody says when it listens: until it does, the network comes and goes.
            event = None
            for _time in range(100):
                domain.suspend()
                domain.resume()
                network.destroy()
                network.create()
                with contextlib.suppress(asyncio.TimeoutError):
                    event = await following(queue, 0.2)
                    break
            assert event is not None and event["kind"] == "network"
            for _time in range(queue.qsize()):
                assert queue.get_nowait()["kind"] == "network"
            other.close()

    asyncio.run(play())


def test_what_finds_no_room_is_counted_at_its_place() -> None:
    async def play() -> None:
        buffer = source.Buffer(3)
        for number in range(5):
            buffer.put({"kind": "lifecycle", "number": number})
        buffer.put({"kind": "pool", "number": 5})
        assert (await buffer.get())["number"] == 0
        buffer.put({"kind": "lifecycle", "number": 6})
        assert [(await buffer.get())["number"] for _time in range(2)] == [1, 2]
        gap = await buffer.get()
        assert (gap["kind"], gap["count"], gap["kinds"]) == ("dropped", 3, {"lifecycle": 2, "pool": 1})
        assert (await buffer.get())["number"] == 6
        # A gap at the end is told too.
        for number in range(4):
            buffer.put({"kind": "pool", "number": number})
        assert [(await buffer.get())["kind"] for _time in range(4)] == ["pool", "pool", "pool", "dropped"]

    asyncio.run(play())


def test_a_rulebook_that_is_slow_gets_the_end_of_a_storm_too() -> None:
    async def play() -> None:
        async with listening(hypervisors=[URI], events=["lifecycle", "connection"], waiting=5) as queue:
            assert (await following(queue))["type"] == "connected"
            other = libvirt.open(URI)
            domain = other.lookupByName("test")
            for _time in range(50):
                domain.suspend()
                domain.resume()
            # 100 happened; what is not told is counted, as often as there was no room.
            told = lost = 0
            while told + lost < 100:
                event = await following(queue)
                if event["kind"] == "dropped":
                    lost += event["count"]
                else:
                    told += 1
            assert (told + lost, lost > 0) == (100, True)
            other.close()

    asyncio.run(play())


def test_a_hypervisor_that_is_away_is_told_once_and_others_go_on(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(source, "SHORTEST_PAUSE", 0.05)

    async def play() -> None:
        away = "qemu:///system?socket=/no/such-socket"
        async with listening(hypervisors=[away, URI]) as queue:
            told = {(event["hypervisor"], event["type"]) for event in [await following(queue) for _time in range(2)]}
            assert told == {(away, "failed"), (URI, "connected")}
            with pytest.raises(asyncio.TimeoutError):
                await following(queue, 0.6)

    asyncio.run(play())


class Guests:
    """A connection, as far as looks go, to guests that are switched on and off without a word."""

    def __init__(self, *names: str) -> None:
        self.on = set(names)
        self.told: list[tuple[str, bool]] = []
        self.hypervisor = source.Hypervisor("qemu:///system", frozenset(source.KINDS), self._put)
        self.connection = SimpleNamespace(listAllDomains=self.listed, lookupByUUIDString=self._domain)

    def _put(self, event: dict[str, Any]) -> None:
        self.told.append((event["guest"], event.get("missed", False)))

    def look(self) -> list[tuple[str, bool]]:
        """Return what has been told once it has looked."""
        self.hypervisor._look(self.connection)
        return self.told

    def event(self, name: str, number: int) -> None:
        self.hypervisor.lived(self._domain(name), number, 0)

    def _domain(self, name: str) -> Any:
        return SimpleNamespace(name=lambda: name, UUIDString=lambda: name, state=lambda: (libvirt.VIR_DOMAIN_SHUTOFF, 3))

    def listed(self, _flags: int) -> list[Any]:
        return [self._domain(name) for name in sorted(self.on)]


STARTED, STOPPED = 2, 5


def test_what_ended_without_an_event_is_told_once() -> None:
    guests = Guests("a", "b")
    guests.look()
    guests.on.remove("a")
    assert guests.look() == [], "its event may be on its way"
    assert guests.look() == [("a", True)]
    assert guests.look() == [("a", True)]
    guests.on.add("a")
    guests.event("a", STARTED)
    guests.on.clear()
    guests.look()
    assert sorted(guests.look()[2:]) == [("a", True), ("b", True)]


def test_an_event_that_comes_behind_a_look_is_not_told_again() -> None:
    guests = Guests("a")
    guests.look()
    guests.on.clear()
    guests.look()
    guests.event("a", STOPPED)
    # It runs and stops before the next look, and its event comes late again.
    guests.event("a", STARTED)
    guests.look()
    guests.event("a", STOPPED)
    assert guests.look() == guests.look() == [("a", False)] * 3


def test_an_event_during_a_look_holds() -> None:
    guests = Guests("a")

    def slow(flags: int) -> list[Any]:
        found = guests.listed(flags)
        if guests.on:
            guests.on.clear()
            guests.event("a", STOPPED)
        return found

    guests.connection.listAllDomains = slow
    for _time in range(3):
        assert guests.look() == [("a", False)]


def test_it_ends_and_leaves_nothing() -> None:
    async def play() -> None:
        async with listening(hypervisors=[URI]) as queue:
            await following(queue)

    asyncio.run(play())
    assert [thread.name for thread in threading.enumerate() if thread.name.startswith("guest-events")] == []


@pytest.mark.parametrize(
    ("args", "said"),
    [
        ({"hypervisors": []}, "hypervisors: .* is no list"),
        ({"hypervisors": [1]}, "hypervisors: .* is no list"),
        ({"events": ["lifecycles"]}, "events: .'lifecycles'. is none of lifecycle, reboot"),
        ({"events": []}, "is none of"),
        ({"waiting": 0}, "waiting: 0 is no number"),
        ({"waiting": True}, "waiting: True is no number"),
        ({"hosts": ["a"]}, "no option hosts; it has hypervisors, events and waiting"),
    ],
)
def test_what_a_rulebook_cannot_mean(args: dict[str, Any], said: str) -> None:
    with pytest.raises(ValueError, match=said):
        asyncio.run(source.main(asyncio.Queue(), args))


@pytest.mark.parametrize(
    ("number", "detail", "words"),
    [
        (5, 5, ("stopped", "failed", True)),
        (5, 2, ("stopped", "crashed", True)),
        (5, 0, ("stopped", "shutdown", False)),
        (5, 1, ("stopped", "destroyed", False)),
        (8, 0, ("crashed", "panicked", True)),
        (2, 0, ("started", "booted", False)),
        (2, 99, ("started", "unknown", False)),
        (99, 0, ("unknown", "unknown", False)),
        (-1, 0, ("unknown", "unknown", False)),
    ],
)
def test_the_words_for_numbers(number: int, detail: int, words: tuple[str, str, bool]) -> None:
    event = source.lifecycle(number, detail)
    assert (event["type"], event["detail"], event["crashed"]) == words


def test_the_words_are_those_of_this_libvirt() -> None:
    for number, (kind, details) in enumerate(source.LIFECYCLE):
        assert getattr(libvirt, f"VIR_DOMAIN_EVENT_{kind.upper()}") == number
        for position, detail in enumerate(details):
            name = f"VIR_DOMAIN_EVENT_{kind.upper()}_{detail.upper().replace('IO_ERROR', 'IOERROR')}"
            assert getattr(libvirt, name, position) == position, name
    for number, word in enumerate(source.SHUTOFF):
        assert getattr(libvirt, f"VIR_DOMAIN_SHUTOFF_{word.upper()}", number) == number


@pytest.mark.parametrize(
    ("name", "kept"),
    [
        ("web1", "web1"),
        ("{{ lookup('pipe', 'id') }}", "{ { lookup('pipe', 'id') } }"),
        ("{%x%}{#y#}", "{ %x% }{ #y# }"),
        ("{{{{", "{ { { {"),
        ("a\nb\x1b[31mc", "ab[31mc"),
        (None, ""),
    ],
)
def test_no_name_is_a_template(name: str | None, kept: str) -> None:
    assert source.clean(name) == kept


def test_its_documentation_names_its_options_and_kinds() -> None:
    options = yaml.safe_load(source.DOCUMENTATION)["options"]
    assert set(options) == {"hypervisors", "events", "waiting"}
    assert tuple(options["events"]["choices"]) == source.KINDS
    play = yaml.safe_load(source.EXAMPLES)[0]
    source.checked(play["sources"][0]["virtfleet.core.guest_events"])


def test_the_rulebook_asks_for_what_the_source_tells() -> None:
    (play,) = yaml.safe_load((EDA / "rulebooks" / "restart_crashed_guests.yml").read_text())
    args = play["sources"][0]["virtfleet.core.guest_events"]
    assert source.checked({**args, "hypervisors": [URI]})[1] == {"lifecycle", "connection"}
