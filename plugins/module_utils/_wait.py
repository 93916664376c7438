# Copyright: (c) 2026, the virtfleet.core contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Waits until guests can be worked with: one deadline for all of them, and a last word of what was seen."""

from __future__ import annotations

import socket
import time
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ._errors import Timeout, VirtError
from ._ports import Files, Hypervisor
from ._xl.store import told_addresses

WAITS = ("agent", "address", "ssh")
_PAUSE = 0.25
_LAST_LINES = 5
# A connection answers five requests at a time.
_AT_ONCE = 5


@dataclass(frozen=True)
class Awaited:
    """One guest that is waited for, until ``goal`` (agent, address or ssh); ``console_log`` is the host's file, or None."""

    name: str
    goal: str
    console_log: str | None = None


# Returns by guest the addresses that Xen's guests have written down, in the form of Hypervisor.addresses.
Store = Callable[[], Mapping[str, Sequence[Mapping[str, Any]]]]


def store_of(hypervisor: Hypervisor, files: Files) -> Store:
    """Return how to look at what guests write down: where they are Xen's, and this is their host."""
    host = hypervisor.host()
    if host.driver != "xen" or host.remote:
        return _no_store
    return lambda: told_addresses(files.xenstore())


def _no_store() -> Mapping[str, Sequence[Mapping[str, Any]]]:
    return {}


def wait(hypervisor: Hypervisor, guests: Sequence[Awaited], timeout: float, store: Store = _no_store) -> None:
    """Return once every guest has reached its goal; raise Timeout with what was seen last of each that has not.

    They are looked at side by side, and ``timeout`` is the one deadline for all: the slowest counts, not the sum.
    """
    deadline = time.monotonic() + timeout
    left = list(guests)
    seen: dict[str, str] = {}
    with ThreadPoolExecutor(max(1, min(_AT_ONCE, len(left))), thread_name_prefix="virtfleet-wait") as pool:
        while left:
            found = list(pool.map(lambda guest: _missing(hypervisor, store, guest, seen, deadline), left))
            seen.update({guest.name: missing for guest, missing in zip(left, found) if missing is not None})
            left = [guest for guest, missing in zip(left, found) if missing is not None]
            if left and time.monotonic() >= deadline:
                raise Timeout("; ".join(_story(guest, timeout, seen[guest.name]) for guest in left))
            if left:
                time.sleep(min(_PAUSE, max(0.0, deadline - time.monotonic())))


def _missing(
    hypervisor: Hypervisor, store: Store, guest: Awaited, seen: Mapping[str, str], deadline: float
) -> str | None:
    """Return what a guest lacks for its goal, None when it is there. After the deadline each was looked at once."""
    if guest.name in seen and time.monotonic() >= deadline:
        return seen[guest.name]
    try:
        return _LOOKS[guest.goal](hypervisor, guest.name, store)
    except VirtError as error:
        return str(error)


def _agent(hypervisor: Hypervisor, name: str, _store: Store) -> str | None:
    return (
        None if hypervisor.agent_ping(name, timeout=2) else "its guest agent is silent (is qemu-guest-agent installed?)"
    )


def addresses(hypervisor: Hypervisor, name: str, store: Store = _no_store) -> list[dict[str, Any]]:
    """Return a running guest's addresses ``[{mac, address, prefix, family}]``.

    They are from leases, else from its agent, else from xenstore, else what its definition says it has.
    """
    sources: tuple[Callable[[], Sequence[Mapping[str, Any]]], ...] = (
        lambda: hypervisor.addresses(name, "lease"),
        lambda: hypervisor.addresses(name, "agent"),
        lambda: store().get(name, ()),
        lambda: hypervisor.addresses(name, "definition"),
    )
    for source in sources:
        found = [
            {"mac": nic.get("mac"), **address}
            for nic in source()
            for address in nic["addresses"]
            if not _local(address["address"])
        ]
        if found:
            return found
    return []


def _local(address: str) -> bool:
    return address.startswith(("127.", "169.254.", "fe80:")) or address == "::1"


def _address(hypervisor: Hypervisor, name: str, store: Store) -> str | None:
    if addresses(hypervisor, name, store):
        return None
    return "no lease from a libvirt network, and no address from its guest agent"


def _ssh(hypervisor: Hypervisor, name: str, store: Store) -> str | None:
    found = addresses(hypervisor, name, store)
    if not found:
        return _address(hypervisor, name, store)
    last = ""
    for address in found:
        try:
            with socket.create_connection((address["address"], 22), timeout=2) as connection:
                connection.settimeout(2)
                if connection.recv(4) == b"SSH-":
                    return None
                last = "port 22 answers, but not as ssh"
        except OSError as error:
            last = f"{address['address']} port 22: {error.strerror or error}"
    return last


_LOOKS: Mapping[str, Callable[[Hypervisor, str, Store], str | None]] = {"agent": _agent, "address": _address, "ssh": _ssh}


def _story(guest: Awaited, timeout: float, seen: str) -> str:
    sentence = f"guest {guest.name}: {guest.goal} was not there after {timeout:g} s; seen last: {seen}"
    lines = _console(guest.console_log)
    return f"{sentence}; the console's last lines: {' | '.join(lines)}" if lines else sentence


def _console(path: str | None) -> list[str]:
    """Return the last printable lines of a console's log; what a guest writes is hostile."""
    if path is None:
        return []
    try:
        with Path(path).open("rb") as log:
            log.seek(0, 2)
            log.seek(max(0, log.tell() - 4096))
            text = log.read().decode("utf-8", "replace")
    except OSError:
        return []
    lines = ("".join(letter for letter in line if letter.isprintable()).strip() for line in text.splitlines())
    return [line[:200] for line in lines if line][-_LAST_LINES:]
