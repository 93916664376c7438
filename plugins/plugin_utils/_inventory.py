# Copyright: (c) 2026, the virtfleet.core contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What an inventory makes of guests: names of hosts, groups, variables, addresses. Pure: values in, values out.

A guest is a record, a dictionary of JSON's types, since it is also what the cache holds. Everything in it is hostile.
"""
from __future__ import annotations

import re
import unicodedata
from collections import Counter
from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from hashlib import sha256
from ipaddress import IPv4Address, IPv4Network, IPv6Address, ip_address
from typing import TYPE_CHECKING, Any

from ansible_collections.virtfleet.core.plugins.plugin_utils._hypervisors import Source
from ansible_collections.virtfleet.core.plugins.plugin_utils._untrusted import LIMIT_ITEMS, clean_text, untrusted

if TYPE_CHECKING:
    from ansible_collections.virtfleet.core.plugins.module_utils._facts import GuestSummary, InterfaceSummary, Lease

Record = Mapping[str, Any]

# Part of the cache's key: raise it with every change of what a record holds.
RECORD_VERSION = 3

AGENT_CONNECTION = "virtfleet.core.agent"

STATES = ("running", "paused", "stopped", "saved", "crashed")
NAME_LIMIT = 128
ADDRESS_LIMIT = 64
XML_LIMIT = 256 * 1024

# Ansible takes hosts of these names for the controller itself.
_LOCAL = frozenset({"localhost", "127.0.0.1", "::1"})
_UUID = re.compile("[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}")
_SAFE_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,127}")
_THIS_NETWORK = IPv4Network("0.0.0.0/8")


@dataclass(frozen=True)
class Answer:
    """What came of one hypervisor: its guests, or None and an error; the notes are for warnings.

    ``stale``: it does not answer, and this is what it told before.
    """

    guests: Sequence[dict[str, Any]] | None
    error: str = ""
    notes: tuple[str, ...] = ()
    stale: bool = False


# records


def record_of(guest: GuestSummary) -> dict[str, Any]:
    """Return the record of a guest, without addresses."""
    return {
        "name": guest.name,
        "uuid": guest.uuid,
        "state": guest.state,
        "vcpus": guest.vcpus,
        "memory": guest.memory_bytes,
        "arch": guest.arch,
        "title": clean_text(guest.title),
        "description": clean_text(guest.description),
        "estate": clean_text(guest.estate),
        "tags": [clean_text(tag) for tag in guest.tags],
        "agent": guest.agent,
        "kind": guest.kind,
        "os": clean_text(guest.os),
        "disks": [
            {"target": disk.target, "device": disk.device, "bus": disk.bus, "source": clean_text(disk.source)}
            for disk in guest.disks
        ],
        "nics": [{"mac": nic.mac, "type": nic.type, "source": clean_text(nic.source)} for nic in guest.interfaces],
        "addresses": [],
        "address": None,
    }


_TEXTS = ("name", "arch", "title", "description", "estate", "kind", "os")


def _is_mappings(value: Any) -> bool:
    return isinstance(value, list) and all(isinstance(each, Mapping) for each in value)


def sound(record: Any) -> bool:
    """Tell whether a record has the shape it should have: it may come from a cache that anything wrote to."""
    return (
        isinstance(record, Mapping)
        and all(isinstance(record.get(key), str) for key in _TEXTS)
        and all(isinstance(record.get(key), int) for key in ("vcpus", "memory"))
        and all(isinstance(record.get(key), list) for key in ("tags", "addresses"))
        and all(_is_mappings(record.get(key)) for key in ("disks", "nics"))
        and isinstance(record.get("agent"), bool)
        and record.get("state") in STATES
        and _UUID.fullmatch(str(record.get("uuid"))) is not None
        and record["name"] != ""
    )


def sort_leases(leases: Iterable[Lease]) -> dict[str, list[str]]:
    """Return the addresses by mac, the lease that lives longest first; one without an end lives longest."""
    result: dict[str, list[str]] = {}
    for lease in sorted(leases, key=lambda each: (each.expires == 0, each.expires), reverse=True):
        result.setdefault(lease.mac, []).append(lease.address)
    return result


def lease_addresses(
    nics: Sequence[InterfaceSummary], leases: Mapping[str, Sequence[str]]
) -> tuple[list[str], str | None]:
    """Return a guest's addresses by leases, and the one to reach it by."""
    return _chosen([(nic.type, address) for nic in nics for address in leases.get(nic.mac.lower(), ())])


def defined_addresses(nics: Sequence[InterfaceSummary]) -> tuple[list[str], str | None]:
    """Return the addresses that a guest's definition says it has, and the one to reach it by."""
    return _chosen([(nic.type, address) for nic in nics for address in nic.addresses])


def agent_addresses(nics: Sequence[InterfaceSummary], answer: Any) -> tuple[list[str], str | None]:
    """Return the addresses in an agent's answer to guest-network-get-interfaces, and the one to reach the guest by.

    That must be on a nic that the guest's definition has: those of bridges, tunnels and containers in the guest lead
    nowhere from outside. What has not the shape of such an answer is passed over.
    """
    by_mac: dict[str, list[str]] = {}
    for interface in answer if isinstance(answer, list) else ():
        mac, addresses = _get(interface, "hardware-address"), _get(interface, "ip-addresses")
        listed = by_mac.setdefault(mac.lower() if isinstance(mac, str) else "", [])
        for each in addresses if isinstance(addresses, list) else ():
            text = _get(each, "ip-address")
            if isinstance(text, str):
                listed.append(text)
    known = [(nic.type, text) for nic in nics for text in by_mac.pop(nic.mac.lower(), ())]
    inner = [("", text) for texts in by_mac.values() for text in texts]
    return _chosen([*known, *inner])


def agent_os(answer: Any) -> str:
    """Return the system in an agent's answer to guest-get-osinfo, as debian-12; empty where it tells none."""
    parts = (_get(answer, "id"), _get(answer, "version-id"))
    return clean_text("-".join(part for part in parts if isinstance(part, str) and part))


def _get(value: Any, key: str) -> Any:
    return value.get(key) if isinstance(value, Mapping) else None


def _chosen(found: Sequence[tuple[str, str]]) -> tuple[list[str], str | None]:
    """Sort (type of nic, address) by IPv4 first; choose the first that can be reached from outside the guest."""
    valid: dict[IPv4Address | IPv6Address, str] = {}
    for kind, text in found[: 4 * ADDRESS_LIMIT]:
        address = _address(text)
        if address is not None:
            valid.setdefault(address, kind)
    listed = sorted(valid, key=lambda each: each.version)[:ADDRESS_LIMIT]
    # A nic of type user is behind an address translation of QEMU's own.
    reached = next((str(address) for address in listed if valid[address] not in ("", "user")), None)
    return [str(address) for address in listed], reached


def _address(text: str) -> IPv4Address | IPv6Address | None:
    """Return an address that can name another machine, None for anything else.

    A guest that calls itself 127.0.0.1 must not make Ansible work on the controller.
    """
    if "%" in text:  # the zone after it is free text
        return None
    try:
        address = ip_address(text)
    except ValueError:
        return None
    if isinstance(address, IPv6Address) and address.ipv4_mapped is not None:
        address = address.ipv4_mapped
    if address.is_loopback or address.is_link_local or address.is_multicast or address.is_unspecified:
        return None
    # Linux takes 0.0.0.0/8 for itself; the reserved ones, with 255.255.255.255, are nobody's.
    return None if address.is_reserved or address in _THIS_NETWORK else address


# hosts


@dataclass(frozen=True)
class Found:
    """A guest on its hypervisor. ``stale``: as it was seen last, since that does not answer."""

    source: Source
    record: Record
    stale: bool = False


def merge(answers: Mapping[Source, Answer]) -> list[Found]:
    """Return all guests, in the order of hypervisors and names; one that has moved appears once.

    A guest with the same name and UUID on several hosts, active on one of them, is where it is active: a migration
    may leave its definition behind. While it moves it waits, paused, where it goes to. A host that does not answer may
    have lost it since.
    """
    places: dict[tuple[str, str], list[Found]] = {}
    for source, answer in answers.items():
        for record in sorted(filter(sound, answer.guests or ()), key=lambda each: (each["name"], each["uuid"])):
            places.setdefault((record["name"], record["uuid"]), []).append(Found(source, record, answer.stale))
    result = []
    for same in places.values():
        active = same if len(same) == 1 else _active(same)
        # Several that run are different machines, made from one definition.
        result.extend(active if len(active) == 1 else same)
    order = {source: number for number, source in enumerate(answers)}
    return sorted(result, key=lambda each: (order[each.source], each.record["name"], each.record["uuid"]))


def _active(same: Sequence[Found]) -> list[Found]:
    for stale in (False, True):
        for state in ("running", "paused"):
            found = [each for each in same if each.stale == stale and each.record["state"] == state]
            if found:
                return found
    return []


def host_name(name: str) -> str:
    """Return a name that is safe as a host's: in a pattern, a path of host_vars, and an argument of ssh."""
    if _SAFE_NAME.fullmatch(name):
        return name
    text = unicodedata.normalize("NFC", clean_text(name))
    safe = "".join(char if char.isalnum() or char in "._-" else "_" for char in text)
    return safe.lstrip("._-")[:NAME_LIMIT]


def host_names(guests: Sequence[Found], reserved: Collection[str] = (), qualified: bool = False) -> list[str]:
    """Return a host's name for each guest, all different.

    It is the guest's name. Where that is not free (another guest has it, wherever; a group has it; Ansible means
    itself by it), each that wants it is ``NAME_on_HYPERVISOR``, and where that is not enough the UUID's start follows.
    The outcome depends on the set of guests only. There is no ``@`` in it: ssh would take what stands before for a
    user, and the hypervisor for the host.
    """
    taken = {*reserved, *_LOCAL, ""}
    names = [host_name(each.record["name"]) for each in guests]
    if qualified:
        names = [_qualified(each) for each in guests]
    else:
        names = _where_clashing(names, guests, _qualified, taken)
    for digits in (8, 36):
        names = _where_clashing(names, guests, partial(_with_uuid, digits=digits), taken)
    # Only two guests of one UUID on one hypervisor come here, which libvirt does not allow.
    count: Counter[str] = Counter()
    result = []
    for name in names:
        count[name] += 1
        result.append(name if count[name] == 1 else f"{name}_{count[name]}")
    return result


def _qualified(guest: Found) -> str:
    return f"{host_name(guest.record['name']) or 'guest'}_on_{host_name(guest.source.name) or 'hypervisor'}"


def _with_uuid(guest: Found, digits: int) -> str:
    return f"{_qualified(guest)}_{host_name(guest.record['uuid'])[:digits]}"


def _where_clashing(
    names: Sequence[str], guests: Sequence[Found], other: Callable[[Found], str], taken: Collection[str]
) -> list[str]:
    count = Counter(names)
    return [other(guest) if count[name] > 1 or name in taken else name for name, guest in zip(names, guests)]


def group_names(found: Found, kinds: Collection[str], prefix: str) -> list[str]:
    """Return the groups of a guest, not yet made safe: PREFIX, the kind, ``_`` and the value."""
    record = found.record
    names: dict[str, None] = {}
    for kind in kinds:
        for value in _GROUPED_BY[kind](found, record)[:LIMIT_ITEMS]:
            text = clean_text(str(value or ""))
            if text:
                names[f"{prefix}{kind}_{text}"] = None
    return list(names)


_GROUPED_BY: Mapping[str, Callable[[Found, Record], Sequence[Any]]] = {
    "host": lambda found, _record: [found.source.name],
    "kind": lambda _found, record: [record["kind"]],
    "state": lambda _found, record: [record["state"]],
    "tag": lambda _found, record: record["tags"],
    # Those of a nic of type user, ethernet or hostdev lead to no network that others are on.
    "network": lambda _found, record: [
        nic.get("source") for nic in record["nics"] if nic.get("type") in ("network", "bridge")
    ],
    "os": lambda _found, record: [record["os"]],
    "estate": lambda _found, record: [record["estate"]],
}


def variables(found: Found) -> dict[str, Any]:
    """Return a host's variables."""
    record, source = found.record, found.source
    connection = source.connection
    address = _address(str(record.get("address")))
    result: dict[str, Any] = {
        "virt_name": untrusted(record["name"]),
        "virt_uuid": record["uuid"],
        "virt_host": source.name,
        "virt_uri": source.uri,
        "virt_state": record["state"],
        "virt_vcpus": record["vcpus"],
        "virt_memory": record["memory"],
        "virt_arch": untrusted(record["arch"]),
        "virt_title": untrusted(record["title"]),
        "virt_description": untrusted(record["description"]),
        "virt_estate": untrusted(record["estate"]),
        "virt_tags": untrusted([str(tag) for tag in record["tags"]]),
        "virt_addresses": [str(each) for each in map(_address, map(str, record["addresses"])) if each is not None],
        "virt_agent": record["agent"],
        "virt_kind": untrusted(record["kind"]),
        "virt_os": untrusted(record["os"]),
        "virt_disks": untrusted(record["disks"]),
        "virt_nics": untrusted(record["nics"]),
        "virt_stale": found.stale,
        "ansible_virtfleet_uri": source.uri,
        "ansible_virtfleet_guest": untrusted(record["name"]),
    }
    if "stats" in record:
        result["virt_stats"] = untrusted(record["stats"])
    if "xml" in record:
        result["virt_xml"] = untrusted(record["xml"], XML_LIMIT)
    if address is not None:
        result["ansible_host"] = str(address)
        if connection in ("auto", "ssh"):
            # Ansible keeps connections by address, which guests behind two hypervisors may share.
            place = sha256(f"{source.uri} {record['uuid']}".encode()).hexdigest()[:12]
            result["ansible_control_path"] = f"%(directory)s/{place}-%%p-%%r"
    if connection == "ssh":
        result["ansible_connection"] = "ssh"
    elif connection == "agent" or (connection == "auto" and address is None and record["agent"]):
        result["ansible_connection"] = AGENT_CONNECTION
    return result
