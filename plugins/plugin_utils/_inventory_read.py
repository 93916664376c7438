# Copyright: (c) 2026, the virtfleet.core contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Read the guests of many hypervisors at once, in a process of its own.

A call into libvirt that hangs cannot be interrupted: it ends with this process. And Ansible forks its workers from the
process that reads the inventory, which so never holds a connection, a thread or a lock of libvirt.
"""
from __future__ import annotations

import contextlib
import json
import multiprocessing
import os
import signal
import threading
import time
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor, wait
from dataclasses import dataclass
from multiprocessing.connection import Connection
from typing import Any

from ansible_collections.virtfleet.core.plugins.module_utils._errors import Timeout, VirtError
from ansible_collections.virtfleet.core.plugins.module_utils._facts import GuestSummary
from ansible_collections.virtfleet.core.plugins.module_utils._libvirt import Libvirt
from ansible_collections.virtfleet.core.plugins.module_utils._libvirt_calls import Late, within
from ansible_collections.virtfleet.core.plugins.plugin_utils._hypervisors import Source
from ansible_collections.virtfleet.core.plugins.plugin_utils._inventory import (
    Answer,
    agent_addresses,
    agent_os,
    defined_addresses,
    lease_addresses,
    record_of,
    sort_leases,
)
from ansible_collections.virtfleet.core.plugins.plugin_utils._untrusted import clean_text

# A libvirt daemon works on five requests of one client at a time, and an agent that hangs holds one.
QUESTIONS_PER_CONNECTION = 4
QUESTIONS_AT_ONCE = 16
# Beyond the time limit of a hypervisor, so that what knows best why it is late tells it: the connection after the
# limit itself, the rest of the reading after the first grace, the parent after the second.
GRACE_SECONDS = 1.0


def read_all(hypervisors: Sequence[Source]) -> list[Answer]:
    """Return an answer for each hypervisor, all asked at once; none takes longer than its wish's time limit."""
    context = multiprocessing.get_context("fork")
    receiver, sender = context.Pipe(duplex=False)
    process = context.Process(target=_serve, args=(sender, hypervisors), daemon=True)
    process.start()
    sender.close()
    try:
        return _received(receiver, hypervisors)
    finally:
        receiver.close()
        _end(process)


def _received(receiver: Connection, hypervisors: Sequence[Source]) -> list[Answer]:
    answers: dict[int, Answer] = {}
    deadline = _last(hypervisors)
    ended = False
    while len(answers) < len(hypervisors) and not ended:
        if not receiver.poll(max(0.0, deadline - time.monotonic())):
            break
        try:
            told = json.loads(receiver.recv_bytes())
        except EOFError:
            ended = True
        else:
            answers[told["number"]] = Answer(told["guests"], told["error"], tuple(told["notes"]))
    silent = Answer(None, "the reading process has died; run again with VIRTFLEET_DEBUG=FILE to see its last call")
    return [
        answers.get(number, silent if ended else Answer(None, _late(source)))
        for number, source in enumerate(hypervisors)
    ]


def _last(hypervisors: Sequence[Source]) -> float:
    """Return when the slowest that was asked now has to be done."""
    return time.monotonic() + max(source.wish.timeout for source in hypervisors) + 2 * GRACE_SECONDS


def _end(process: Any) -> None:
    """End the reading process together with what libvirt has started in it, such as ssh: a group of their own."""
    try:
        os.killpg(process.pid, signal.SIGKILL)
    except (ProcessLookupError, PermissionError):
        # It has not come to make its group, or has ended.
        process.kill()
    process.join()


def _late(source: Source) -> str:
    return (
        f"{source.uri} did not answer in full within {source.wish.timeout:g} s; see whether its libvirt daemon answers "
        "(`virsh -c` with this URI, from here), or give it more time by the option timeout"
    )


# in the process of its own


def _serve(sender: Connection, hypervisors: Sequence[Source]) -> None:
    # Away from the terminal: Ctrl-C is the parent's, and an ssh that asks for a password fails instead of waiting.
    os.setsid()
    lock = threading.Lock()

    def answer(number: int, source: Source) -> None:
        result = _answered(source)
        told = {"number": number, "guests": result.guests, "error": result.error, "notes": result.notes}
        data = json.dumps(told).encode()
        with lock, contextlib.suppress(OSError):  # the parent waits no more
            sender.send_bytes(data)

    threads = [
        threading.Thread(target=answer, args=(number, source), daemon=True) for number, source in enumerate(hypervisors)
    ]
    for thread in threads:
        thread.start()
    deadline = _last(hypervisors)
    for thread in threads:
        thread.join(max(0.0, deadline - time.monotonic()))
    sender.close()
    # Calls that hang, and the ssh below them, end here even when the parent is gone.
    os.killpg(0, signal.SIGKILL)


def _answered(source: Source) -> Answer:
    notes: list[str] = []
    limit = source.wish.timeout
    deadline = time.monotonic() + limit
    try:
        guests = within(limit + GRACE_SECONDS, lambda: _guests(source, deadline, notes))
    except Late:
        return Answer(None, _late(source))
    except VirtError as error:
        return Answer(None, str(error))
    except Exception as error:  # noqa: BLE001 - in a thread nobody else would see it, and the others must go on
        return Answer(None, f"could not read {source.uri}: {type(error).__name__}: {clean_text(str(error))}")
    return Answer(guests, notes=tuple(notes))


def _connect(source: Source, limit: float, readonly: bool = False) -> Libvirt:
    return Libvirt.connect(source.uri, readonly, limit, source.username, source.password)


def _guests(source: Source, deadline: float, notes: list[str]) -> list[dict[str, Any]]:
    """Return the records of all guests. A read-only connection is enough, except to ask agents."""
    wish = source.wish
    hypervisor = _connect(source, wish.timeout, readonly=True)
    try:
        guests = hypervisor.summaries(with_xml="xml" in wish.details)
        stats = hypervisor.stats() if "stats" in wish.details else None
        leases = sort_leases(hypervisor.leases()) if "lease" in wish.sources else {}
    finally:
        hypervisor.close()
    records = [record_of(guest) for guest in guests]
    for guest, record in zip(guests, records):
        if stats is not None:
            record["stats"] = stats.get(guest.uuid, {})
        if "xml" in wish.details:
            record["xml"] = guest.xml
    running = [(guest, record) for guest, record in zip(guests, records) if guest.state == "running"]
    open_questions = running
    # What did not answer one question is not asked another.
    silent: frozenset[str] = frozenset()
    for name in wish.sources:
        open_questions = [(guest, record) for guest, record in open_questions if record["address"] is None]
        if name == "lease":
            for guest, record in open_questions:
                _note_addresses(record, *lease_addresses(guest.interfaces, leases))
        elif name == "definition":
            for guest, record in open_questions:
                _note_addresses(record, *defined_addresses(guest.interfaces))
        else:
            asked = [(guest, record) for guest, record in open_questions if guest.agent]
            silent = _ask_agents(source, asked, _ADDRESSES, deadline, notes)
    if "os" in wish.details:
        asked = [(guest, record) for guest, record in running if guest.agent and guest.uuid not in silent]
        _ask_agents(source, asked, _OS, deadline, notes)
    return records


def _note_addresses(record: dict[str, Any], addresses: Sequence[str], chosen: str | None) -> None:
    record["addresses"] = list(dict.fromkeys([*addresses, *record["addresses"]]))
    record["address"] = record["address"] or chosen


def _take_addresses(guest: GuestSummary, record: dict[str, Any], answer: Any) -> None:
    _note_addresses(record, *agent_addresses(guest.interfaces, answer))


def _take_os(_guest: GuestSummary, record: dict[str, Any], answer: Any) -> None:
    # What is installed is nearer to the truth than what somebody meant to install.
    record["os"] = agent_os(answer) or record["os"]


@dataclass(frozen=True)
class _Question:
    """What agents are asked, what it is about, and what takes the answer."""

    execute: str
    about: str
    take: Callable[[GuestSummary, dict[str, Any], Any], None]


_ADDRESSES = _Question("guest-network-get-interfaces", "addresses", _take_addresses)
_OS = _Question("guest-get-osinfo", "operating system", _take_os)


def _ask_agents(
    source: Source,
    asked: Sequence[tuple[GuestSummary, dict[str, Any]]],
    question: _Question,
    deadline: float,
    notes: list[str],
) -> frozenset[str]:
    """Ask many agents at once; what has not answered by its own limit or the hypervisor's is left out, with a note.

    Return the UUIDs of the guests whose agents are silent.
    """
    if not asked:
        return frozenset()
    workers, patience = min(len(asked), QUESTIONS_AT_ONCE), source.wish.agent_timeout
    try:
        connections = [
            _connect(source, max(0.1, deadline - time.monotonic()))
            for _each in range(-(-workers // QUESTIONS_PER_CONNECTION))
        ]
    except VirtError as error:
        notes.append(f"the guest agents on {source.name} are not asked for their {question.about}: {error}")
        return frozenset()
    refused: list[str] = []

    def ask(number: int, guest: GuestSummary) -> Any:
        limit = min(patience, deadline - time.monotonic())
        if limit <= 0:
            return None
        hypervisor = connections[number % len(connections)]
        try:
            return within(limit, lambda: hypervisor.agent_command(guest.name, {"execute": question.execute}, limit))
        except (Late, Timeout):
            return None
        except VirtError as error:
            refused.append(str(error))
            return ()

    pool = ThreadPoolExecutor(workers, thread_name_prefix="virtfleet-agent")
    futures = [pool.submit(ask, number, guest) for number, (guest, _record) in enumerate(asked)]
    wait(futures, timeout=max(0.0, deadline - time.monotonic()))
    pool.shutdown(wait=False, cancel_futures=True)
    silent = []
    for future, (guest, record) in zip(futures, asked):
        answer = future.result() if future.done() and not future.cancelled() else None
        if answer is not None:
            question.take(guest, record, answer)
        else:
            silent.append(guest)
    if not silent:
        for connection in connections:
            connection.close()
    else:
        names = sorted(clean_text(guest.name) for guest in silent)
        shown = ", ".join(names[:5]) + (f" and {len(silent) - 5} more" if len(silent) > 5 else "")
        notes.append(
            f"no answer within {patience:g} s from the guest agent of {shown} on {source.name}, though its "
            f"channel is connected: it hangs or starts; it is listed without the {question.about} that it would have told"
        )
    if refused:
        notes.append(f"{len(refused)} guest agents on {source.name} told no {question.about}; one of them: {min(refused)}")
    return frozenset(guest.uuid for guest in silent)
