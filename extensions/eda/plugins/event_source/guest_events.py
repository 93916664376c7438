# Copyright: (c) 2026, the virtfleet.core contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Events of guests, networks and pools from many hypervisors, for rulebooks.

ansible-rulebook runs this file by itself, outside of the collection's package: so it imports libvirt and the standard library
only. All connections share one thread with libvirt's event loop; each hypervisor has one more, which opens the connection
and waits for its end. What comes goes into one bounded buffer, and from there to the rulebook, one after the other.
"""

from __future__ import annotations

DOCUMENTATION = r"""
module: guest_events
short_description: Events of guests, networks and storage pools from libvirt
description:
  - Tells what happens on any number of hypervisors, by libvirt's event API.
  - Only reads. A connection that breaks is opened again, with growing pauses of up to a minute. What stopped meanwhile is told then,
    with C(missed) true, and so is a guest that libvirtd gave up without an event, for which it is asked once a minute.
  - Where rules take longer than events come, a bounded number of events waits. What finds no room any more is counted, and an event of
    the kind C(dropped) says at this place how many there were.
  - Each event has C(kind), C(hypervisor) (the URI), C(host) (its name) and C(time) (seconds since 1970). Events of guests have C(guest),
    C(uuid), C(type) and C(detail).
  - Names come from whoever defines guests. Control characters are left out of them, and two braces are kept apart by a space, so that
    no name is ever a template.
  - Needs libvirt-python in the environment of ansible-rulebook, for which C(pip install libvirt-python) builds it.
version_added: 0.1.0
options:
  hypervisors:
    description:
      - The libvirt connections to listen to, a list of URIs such as C(qemu+ssh://root@hv1.example/system).
    type: list
    elements: str
    default: [qemu:///system]
  events:
    description:
      - Which kinds to tell.
      - V(lifecycle) has C(type) defined, undefined, started, suspended, resumed, stopped, shutdown, pmsuspended or crashed, with a
        C(detail). C(crashed) is true where a guest ended by its own fault or that of its QEMU, or libvirtd could not take it up when it
        started.
      - V(reboot) is a guest that restarts itself. V(watchdog) and V(io_error) have an C(action), V(io_error) also C(disk), C(path)
        and C(reason).
      - V(agent) has C(type) connected or disconnected. V(threshold) has C(disk), C(path), C(threshold) and C(excess).
      - V(network) and V(pool) have C(network) or C(pool) instead of C(guest), and C(type) defined, undefined, started, stopped, for
        pools also created, deleted and refreshed.
      - V(connection) has C(type) connected, lost or failed, with the reason in C(detail).
    type: list
    elements: str
    choices: [lifecycle, reboot, io_error, watchdog, agent, threshold, network, pool, connection]
    default: all of them
  waiting:
    description:
      - How many events may wait for the rulebook.
    type: int
    default: 1000
"""

EXAMPLES = r"""
- name: Tell when guests crash
  hosts: localhost
  sources:
    - virtfleet.core.guest_events:
        hypervisors: [qemu+ssh://root@hv1.example/system, qemu+ssh://root@hv2.example/system]
        events: [lifecycle]
  rules:
    - name: A guest crashed
      condition: event.crashed
      action:
        debug:
          msg: "{{ event.guest }} on {{ event.host }}: {{ event.detail }}"
"""

import asyncio
import contextlib
import logging
import threading
import time
from collections import Counter, deque
from collections.abc import Callable, Mapping
from typing import Any

try:
    import libvirt
except ImportError:
    libvirt = None

logger = logging.getLogger(__name__)

KINDS = ("lifecycle", "reboot", "io_error", "watchdog", "agent", "threshold", "network", "pool", "connection")
# The numbers of libvirt-domain.h, libvirt-network.h and libvirt-storage.h, which never change.
LIFECYCLE: tuple[tuple[str, tuple[str, ...]], ...] = (
    ("defined", ("added", "updated", "renamed", "from_snapshot")),
    ("undefined", ("removed", "renamed")),
    ("started", ("booted", "migrated", "restored", "from_snapshot", "wakeup")),
    (
        "suspended",
        ("paused", "migrated", "io_error", "watchdog", "restored", "from_snapshot", "api_error", "postcopy", "postcopy_failed"),
    ),
    ("resumed", ("unpaused", "migrated", "from_snapshot", "postcopy", "postcopy_failed")),
    ("stopped", ("shutdown", "destroyed", "crashed", "migrated", "saved", "failed", "from_snapshot")),
    ("shutdown", ("finished", "guest", "host")),
    ("pmsuspended", ("memory", "disk")),
    ("crashed", ("panicked", "crashloaded")),
)
_STOPPED, _CRASHED = 5, 8
# Why a guest is off (virDomainShutoffReason), as details of `stopped`.
SHUTOFF = ("unknown", "shutdown", "destroyed", "crashed", "migrated", "saved", "failed", "from_snapshot", "daemon")
# The reasons that nobody asked for; the daemon's is that it could not take the guest up again when it started.
CRASHES = ("crashed", "failed", "daemon")
IO_ACTIONS = ("none", "pause", "report")
WATCHDOG_ACTIONS = ("none", "pause", "reset", "poweroff", "shutdown", "debug", "inject_nmi")
AGENT_STATES = ("unknown", "connected", "disconnected")
AGENT_REASONS = ("unknown", "guest_started", "channel")
NETWORK = ("defined", "undefined", "started", "stopped")
POOL = ("defined", "undefined", "started", "stopped", "created", "deleted")

KEEPALIVE = (5, 3)
# Calls to a daemon that hangs never return: then the connection is given up.
OPEN_SECONDS = 30.0
SHORTEST_PAUSE, LONGEST_PAUSE = 1.0, 60.0
# How long a connection is not asked for guests that ended without an event, at first and later on.
SOON, SELDOM = 1.0, 60.0
_LONGEST_NAME = 4096

Event = dict[str, Any]


def word(words: tuple[str, ...], number: int) -> str:
    """Return libvirt's word for a number, ``unknown`` for one of a later libvirt."""
    return words[number] if 0 <= number < len(words) else "unknown"


def clean(text: str | None) -> str:
    """Return a name without control characters, and never a template: who names guests writes no rules."""
    kept = "".join(char for char in (text or "")[:_LONGEST_NAME] if char.isprintable())
    for brace in ("{{", "}}", "{%", "%}", "{#", "#}"):
        while brace in kept:
            kept = kept.replace(brace, f"{brace[0]} {brace[1]}")
    return kept


def lifecycle(number: int, detail: int) -> Event:
    """Return what an event of a guest's life says."""
    kind, details = LIFECYCLE[number] if 0 <= number < len(LIFECYCLE) else ("unknown", ())
    said = word(details, detail)
    crashed = number == _CRASHED or (number == _STOPPED and said in CRASHES)
    return {"kind": "lifecycle", "type": kind, "detail": said, "crashed": crashed}


class Buffer:
    """Events that wait for the rulebook, from many threads to one event loop; what finds no room is counted."""

    def __init__(self, room: int) -> None:
        self._room = room
        self._lock = threading.Lock()
        self._waiting: deque[Event] = deque()
        self._lost: Counter[str] = Counter()
        self._loop = asyncio.get_running_loop()
        self._some = asyncio.Event()

    def put(self, event: Event) -> None:
        """Add an event; called from any thread, never waits."""
        with self._lock:
            if len(self._waiting) >= self._room:
                self._lost[event["kind"]] += 1
                return
            if self._lost:
                # At its place: behind what came before the gap, and before what comes after it.
                self._waiting.append(self._gap())
            self._waiting.append(event)
        # What comes when the rulebook has ended is nobody's.
        with contextlib.suppress(RuntimeError):
            self._loop.call_soon_threadsafe(self._some.set)

    async def get(self) -> Event:
        """Return the next event; wait for one."""
        while True:
            with self._lock:
                if self._waiting:
                    return self._waiting.popleft()
                if self._lost:
                    return self._gap()
                self._some.clear()
            await self._some.wait()

    def _gap(self) -> Event:
        lost, self._lost = dict(self._lost), Counter()
        return {"kind": "dropped", "count": sum(lost.values()), "kinds": lost, "time": time.time()}


class EventLoop:
    """libvirt's event loop in a thread, as long as this source runs."""

    def __init__(self) -> None:
        libvirt.virEventRegisterDefaultImpl()
        # Its errors come as exceptions; it would write them on standard error too.
        libvirt.registerErrorHandler(lambda _context, _error: None, None)
        self._ends = False
        self._timer = libvirt.virEventAddTimeout(-1, lambda _timer, _opaque: None, None)
        self._thread = threading.Thread(target=self._run, name="guest-events-loop", daemon=True)
        self._thread.start()

    def _run(self) -> None:
        while not self._ends:
            libvirt.virEventRunDefaultImpl()

    def end(self) -> None:
        """Stop the thread."""
        self._ends = True
        libvirt.virEventUpdateTimeout(self._timer, 0)
        self._thread.join(5)
        libvirt.virEventRemoveTimeout(self._timer)


class Hypervisor:
    """One hypervisor that is listened to, over one connection after the other."""

    def __init__(self, uri: str, kinds: frozenset[str], put: Callable[[Event], None]) -> None:
        self.uri = uri
        self.host = ""
        self._kinds = kinds
        self._put = put
        self._ends = threading.Event()
        self._broken = threading.Event()
        self._why = ""
        self._failed = False
        # The guests that ran when they were last heard of, by UUID with their names; those of which the last look saw nothing;
        # and those that have ended since it began. Looks and events come from two threads.
        self._running: dict[str, str] = {}
        self._unseen: set[str] = set()
        self._ended: set[str] = set()
        self._lives = threading.Lock()
        self._thread = threading.Thread(target=self._run, name=f"guest-events {uri}", daemon=True)

    def start(self) -> None:
        """Begin to listen."""
        self._thread.start()

    def end(self) -> None:
        """Have the connection closed."""
        self._ends.set()
        self._broken.set()

    def wait(self, seconds: float) -> None:
        """Wait until the connection is closed; one that hangs is left behind."""
        self._thread.join(seconds)

    def tell(self, event: Event) -> None:
        """Hand an event on, with where it comes from, if its kind is asked for."""
        if event["kind"] in self._kinds:
            self._put({**event, "hypervisor": self.uri, "host": self.host, "time": time.time()})

    def _run(self) -> None:
        pause = SHORTEST_PAUSE
        while not self._ends.is_set():
            try:
                connection = self._open()
            except (libvirt.libvirtError, TimeoutError) as error:
                # Once for each time that it is away, not for each try.
                if not self._failed:
                    self.tell({"kind": "connection", "type": "failed", "detail": clean(str(error))})
                    logger.warning("could not listen to %s: %s; it is tried again", self.uri, clean(str(error)))
                self._failed = True
                self._ends.wait(pause)
                pause = min(2 * pause, LONGEST_PAUSE)
                continue
            pause, self._failed = SHORTEST_PAUSE, False
            self._watch(connection)
            self._close(connection)
            if not self._ends.is_set():
                self.tell({"kind": "connection", "type": "lost", "detail": self._why})
                logger.warning("lost %s: %s; it is opened again", self.uri, self._why)

    def _watch(self, connection: Any) -> None:
        """Wait until the connection breaks, and look for what ended without an event, with growing pauses."""
        pause, next_look = SOON, time.monotonic() + SOON
        while not self._broken.wait(1.0) and not self._ends.is_set():
            if time.monotonic() < next_look or "lifecycle" not in self._kinds:
                continue
            # A connection that breaks says so by itself.
            with contextlib.suppress(libvirt.libvirtError):
                self._look(connection)
            pause = SOON if self._unseen else min(2 * pause, SELDOM)
            next_look = time.monotonic() + pause

    def _open(self) -> Any:
        """Open the connection and listen. What is registered before the guests are listed misses none of them."""
        opened: dict[str, Any] = {}
        done = threading.Event()

        def work() -> None:
            try:
                connection = libvirt.openReadOnly(self.uri)
                opened["connection"] = connection
                try:
                    connection.setKeepAlive(*KEEPALIVE)
                except libvirt.libvirtError:
                    # A driver in this process has no daemon to be kept alive.
                    pass
                self.host = clean(connection.getHostname())
                connection.registerCloseCallback(self._closed, None)
                self._unseen = set()
                register(connection, self._kinds, self)
                self._look(connection)
            except libvirt.libvirtError as error:
                opened["error"] = error
            finally:
                done.set()
                if "late" in opened and "connection" in opened:
                    self._close(opened["connection"])

        if not self._ends.is_set():
            self._broken.clear()
        threading.Thread(target=work, name=f"guest-events open {self.uri}", daemon=True).start()
        if not done.wait(OPEN_SECONDS):
            opened["late"] = True
            raise TimeoutError(f"no answer from {self.uri} within {OPEN_SECONDS:g} s")
        if "error" in opened:
            if "connection" in opened:
                self._close(opened["connection"])
            raise opened["error"]
        self.tell({"kind": "connection", "type": "connected", "detail": ""})
        return opened["connection"]

    def _look(self, connection: Any) -> None:
        """Tell of the guests that ended without an event, which two looks one after the other did not see.

        They ended while nobody listened, or libvirtd gave them up when it started: it lists a guest as running until it knows
        that its QEMU does not answer, and has no event for that. An event that is on its way comes before the second look.
        """
        with self._lives:
            self._ended.clear()
        found = connection.listAllDomains(libvirt.VIR_CONNECT_LIST_DOMAINS_ACTIVE)
        active = {domain.UUIDString(): clean(domain.name()) for domain in found}
        with self._lives:
            self._running.update((uuid, name) for uuid, name in active.items() if uuid not in self._ended)
            unseen = self._running.keys() - active.keys()
            gone = {uuid: self._running.pop(uuid) for uuid in unseen & self._unseen}
            self._unseen = unseen - gone.keys()
        for uuid, name in gone.items():
            reason = why_off(connection, uuid)
            said = {"kind": "lifecycle", "type": "stopped", "detail": reason, "crashed": reason in CRASHES, "missed": True}
            self.tell({**said, "guest": name, "uuid": uuid})

    def lived(self, domain: Any, number: int, detail: int) -> None:
        """Take an event of a guest's life."""
        guest = of_guest(domain)
        event = {**lifecycle(number, detail), **guest}
        with self._lives:
            if event["type"] in ("started", "resumed"):
                self._running[guest["uuid"]] = guest["guest"]
            elif event["type"] == "stopped":
                self._running.pop(guest["uuid"], None)
                self._ended.add(guest["uuid"])
                self._unseen.discard(guest["uuid"])
        self.tell(event)

    def _closed(self, _connection: Any, reason: int, _opaque: Any) -> None:
        self._why = word(("error", "end of the connection", "keepalive timeout", "closed by the client"), reason)
        self._broken.set()

    def _close(self, connection: Any) -> None:
        try:
            connection.unregisterCloseCallback()
            connection.close()
        except libvirt.libvirtError:
            # It is broken: nothing is left to be closed.
            return


def why_off(connection: Any, uuid: str) -> str:
    """Return why a guest is off, ``unknown`` where it is gone, runs again, or nobody can say."""
    try:
        state, reason = connection.lookupByUUIDString(uuid).state()
    except libvirt.libvirtError:
        return "unknown"
    return word(SHUTOFF, reason) if state == libvirt.VIR_DOMAIN_SHUTOFF else "unknown"


def of_guest(domain: Any) -> Event:
    """Return whose event it is."""
    return {"guest": clean(domain.name()), "uuid": domain.UUIDString()}


def register(connection: Any, kinds: frozenset[str], hypervisor: Hypervisor) -> None:
    """Have libvirt call for each kind. What a driver does not know is left out: Xen's knows of lives only."""
    tell = hypervisor.tell

    def reboot(_connection: Any, domain: Any, _opaque: Any) -> None:
        tell({"kind": "reboot", **of_guest(domain)})

    def io_error(_connection: Any, domain: Any, path: str, alias: str, action: int, reason: str, _opaque: Any) -> None:
        said = {"disk": clean(alias), "path": clean(path), "action": word(IO_ACTIONS, action), "reason": clean(reason)}
        tell({"kind": "io_error", **of_guest(domain), **said})

    def watchdog(_connection: Any, domain: Any, action: int, _opaque: Any) -> None:
        tell({"kind": "watchdog", **of_guest(domain), "action": word(WATCHDOG_ACTIONS, action)})

    def agent(_connection: Any, domain: Any, state: int, reason: int, _opaque: Any) -> None:
        said = {"type": word(AGENT_STATES, state), "detail": word(AGENT_REASONS, reason)}
        tell({"kind": "agent", **of_guest(domain), **said})

    def threshold(
        _connection: Any, domain: Any, disk: str, path: str | None, bound: int, excess: int, _opaque: Any
    ) -> None:
        said = {"disk": clean(disk), "path": clean(path), "threshold": bound, "excess": excess}
        tell({"kind": "threshold", **of_guest(domain), **said})

    def network(_connection: Any, net: Any, number: int, _detail: int, _opaque: Any) -> None:
        tell({"kind": "network", "type": word(NETWORK, number), "network": clean(net.name()), "uuid": net.UUIDString()})

    def pool(_connection: Any, found: Any, number: int, _detail: int, _opaque: Any) -> None:
        tell({"kind": "pool", "type": word(POOL, number), "pool": clean(found.name()), "uuid": found.UUIDString()})

    def refreshed(_connection: Any, found: Any, _opaque: Any) -> None:
        tell({"kind": "pool", "type": "refreshed", "pool": clean(found.name()), "uuid": found.UUIDString()})

    def lived(_connection: Any, domain: Any, number: int, detail: int, _opaque: Any) -> None:
        hypervisor.lived(domain, number, detail)

    # Lives are followed in any case, to tell after a break what stopped meanwhile.
    connection.domainEventRegisterAny(None, libvirt.VIR_DOMAIN_EVENT_ID_LIFECYCLE, lived, None)
    of_guests: Mapping[str, tuple[int, Any]] = {
        "reboot": (libvirt.VIR_DOMAIN_EVENT_ID_REBOOT, reboot),
        "io_error": (libvirt.VIR_DOMAIN_EVENT_ID_IO_ERROR_REASON, io_error),
        "watchdog": (libvirt.VIR_DOMAIN_EVENT_ID_WATCHDOG, watchdog),
        "agent": (libvirt.VIR_DOMAIN_EVENT_ID_AGENT_LIFECYCLE, agent),
        "threshold": (libvirt.VIR_DOMAIN_EVENT_ID_BLOCK_THRESHOLD, threshold),
    }
    wanted = [(kind, connection.domainEventRegisterAny, *of_guests[kind]) for kind in of_guests if kind in kinds]
    if "network" in kinds:
        wanted.append(("network", connection.networkEventRegisterAny, libvirt.VIR_NETWORK_EVENT_ID_LIFECYCLE, network))
    if "pool" in kinds:
        wanted.append(("pool", connection.storagePoolEventRegisterAny, libvirt.VIR_STORAGE_POOL_EVENT_ID_LIFECYCLE, pool))
        wanted.append(("pool", connection.storagePoolEventRegisterAny, libvirt.VIR_STORAGE_POOL_EVENT_ID_REFRESH, refreshed))
    for kind, function, number, callback in wanted:
        try:
            function(None, number, callback, None)
        except libvirt.libvirtError as error:
            if error.get_error_code() not in (libvirt.VIR_ERR_NO_SUPPORT, libvirt.VIR_ERR_INVALID_ARG):
                raise
            logger.info("%s tells no events of the kind %s", hypervisor.uri, kind)


def checked(args: Mapping[str, Any]) -> tuple[list[str], frozenset[str], int]:
    """Return hypervisors, kinds and room; raise ValueError with what is wrong in the rulebook."""
    unknown = sorted(set(args) - {"hypervisors", "events", "waiting"})
    if unknown:
        raise ValueError(f"guest_events: no option {', '.join(unknown)}; it has hypervisors, events and waiting")
    uris = args.get("hypervisors", ["qemu:///system"])
    uris = [uris] if isinstance(uris, str) else uris
    if not isinstance(uris, list) or not uris or not all(isinstance(uri, str) and uri for uri in uris):
        raise ValueError(f"guest_events: hypervisors: {uris!r} is no list of libvirt URIs, such as qemu:///system")
    kinds = args.get("events", list(KINDS))
    kinds = [kinds] if isinstance(kinds, str) else kinds
    wrong = [kind for kind in kinds if kind not in KINDS] if isinstance(kinds, list) else [kinds]
    if wrong or not kinds:
        raise ValueError(f"guest_events: events: {wrong!r} is none of {', '.join(KINDS)}")
    room = args.get("waiting", 1000)
    if not isinstance(room, int) or isinstance(room, bool) or room < 1:
        raise ValueError(f"guest_events: waiting: {room!r} is no number of 1 or more")
    return list(dict.fromkeys(uris)), frozenset(kinds), room


async def main(queue: asyncio.Queue[Any], args: dict[str, Any]) -> None:
    """Tell events until cancelled; ``queue`` is the rulebook's."""
    uris, kinds, room = checked(args)
    if libvirt is None:
        raise RuntimeError("guest_events needs libvirt-python where ansible-rulebook runs: pip install libvirt-python")
    buffer = Buffer(room)
    loop = EventLoop()
    hypervisors = [Hypervisor(uri, kinds, buffer.put) for uri in uris]
    try:
        for hypervisor in hypervisors:
            hypervisor.start()
        while True:
            await queue.put(await buffer.get())
    finally:
        for hypervisor in hypervisors:
            hypervisor.end()
        deadline = time.monotonic() + 5
        for hypervisor in hypervisors:
            hypervisor.wait(max(0.1, deadline - time.monotonic()))
        loop.end()
