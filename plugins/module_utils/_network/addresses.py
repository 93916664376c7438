# Copyright: (c) 2026, the virtfleet.core contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The rows that are about IPv4 addresses: cidr, gateway, DHCP range; and what follows from a cidr.

Internally a cidr and an address are texts in their one canonical spelling. ``dhcp`` is False, or the ranges as pairs
of addresses; no range at all means that only reservations are given out.
"""
from __future__ import annotations

import ipaddress
from collections.abc import Sequence
from typing import Any, Union

from .. import _xml
from .._change import UNSET
from .._errors import SpecError
from .._types import Type, read_text, write_text
from .._xml import Element
from .tree import MAIN, interface_of

Ranges = tuple[tuple[str, str], ...]
Dhcp = Union[bool, Ranges]

# libvirt refuses a DHCP range of more addresses (virSocketAddrGetRange).
RANGE_LIMIT = 65535
# One address for the bridge, one for a guest, and the two that no host may have.
LONGEST_PREFIX = 30


def parse_address(value: Any) -> str:
    """Return an IPv4 address."""
    try:
        return str(ipaddress.IPv4Address(str(value).strip()))
    except ValueError:
        raise SpecError(f"{value!r} is not an IPv4 address such as 10.20.0.1") from None


def parse_cidr(value: Any) -> str:
    """Return an IPv4 network as address/prefix."""
    text = str(value).strip()
    try:
        if "/" not in text:
            raise ValueError
        network = ipaddress.IPv4Network(text, strict=False)
    except ValueError:
        raise SpecError(f"{value!r} is not an IPv4 network with its prefix, such as 10.20.0.0/24") from None
    if str(network.network_address) != text.partition("/")[0]:
        raise SpecError(f"{value!r} is an address inside a network; the network itself is {network}")
    if not 1 <= network.prefixlen <= LONGEST_PREFIX:
        raise SpecError(f"{value!r} has no room for a gateway and a guest; take a prefix from 1 to {LONGEST_PREFIX}")
    return str(network)


def parse_dhcp(value: Any) -> Dhcp:
    """Return the ranges of ``{start, end}``, of several of them in a list, or False."""
    if value is False:
        return False
    given = value if isinstance(value, (list, tuple)) else [value]
    ranges = []
    for item in given:
        if not isinstance(item, dict) or not {"start", "end"} == set(item):
            raise SpecError(f"{value!r} is neither false nor a range with start and end")
        ranges.append((parse_address(item["start"]), parse_address(item["end"])))
    return tuple(ranges)


def show_dhcp(value: Dhcp) -> Any:
    """Return the ranges in the user's words."""
    if isinstance(value, bool):
        return value
    shown = [{"start": start, "end": end} for start, end in value]
    return shown[0] if len(shown) == 1 else shown


def _same_dhcp(want: Dhcp, have: Dhcp) -> bool:
    if isinstance(want, bool) or isinstance(have, bool):
        return want is have
    return sorted(want) == sorted(have)


def _parse_any_address(value: Any) -> str:
    try:
        return str(ipaddress.ip_address(str(value).strip()))
    except ValueError:
        raise SpecError(f"{value!r} is not an IP address such as 10.20.0.11") from None


ADDRESS = Type(parse_address, read_text, write_text)
ANY_ADDRESS = Type(_parse_any_address, read_text, write_text)


def _elsewhere(element: Element, attribute: str | None, value: Any = None) -> Any:
    raise AssertionError("rows of this type have a getter and a setter")


CIDR = Type(parse_cidr, _elsewhere, _elsewhere)
DHCP = Type(parse_dhcp, _elsewhere, _elsewhere, show_dhcp, _same_dhcp)


def get_cidr(root: Element) -> Any:
    main = _xml.find(root, MAIN)
    own = None if main is None else interface_of(main)
    return UNSET if own is None else str(own.network)


def set_cidr(root: Element, value: str) -> None:
    """Write the mask in the form that stands there already; the gateway's row writes the address."""
    network = ipaddress.IPv4Network(value)
    main = _xml.ensure(root, MAIN)
    if "prefix" in main.attrib:
        main.set("prefix", str(network.prefixlen))
    else:
        main.set("netmask", str(network.netmask))


def get_dhcp(root: Element) -> Any:
    if _xml.find(root, MAIN) is None:
        return UNSET
    section = _xml.find(root, f"{MAIN}/dhcp")
    if section is None:
        return False
    return tuple((item.get("start", ""), item.get("end", "")) for item in section.findall("range"))


def set_dhcp(root: Element, value: Dhcp) -> None:
    """Write the ranges into the elements that are there, which may hold lease times."""
    if value is False or value is True:
        _xml.remove(root, f"{MAIN}/dhcp")
        return
    section = _xml.ensure(root, f"{MAIN}/dhcp")
    present = section.findall("range")
    for extra in present[len(value):]:
        section.remove(extra)
    for number, (start, end) in enumerate(value):
        if number < len(present):
            element = present[number]
        else:
            element = Element("range")
            section.insert(number, element)
        element.set("start", start)
        element.set("end", end)


# what follows from a cidr


def first_address(cidr: str) -> str:
    """Return the address that the gateway has unless it is said."""
    return str(ipaddress.IPv4Network(cidr).network_address + 1)


def full_range(cidr: str, gateway: str) -> tuple[str, str]:
    """Return all addresses but the gateway's where it is the first or the last, at most as many as libvirt takes.

    A gateway in the middle stays inside: dnsmasq never gives out its own address.
    """
    network, own = ipaddress.IPv4Network(cidr), ipaddress.IPv4Address(gateway)
    first, last = network.network_address + 1, network.broadcast_address - 1
    if own == first:
        first += 1
    elif own == last:
        last -= 1
    if int(last) - int(first) >= RANGE_LIMIT:
        last = first + (RANGE_LIMIT - 1)
    return str(first), str(last)


def inside(cidr: str, addresses: Sequence[str]) -> bool:
    """Tell whether every address is one that a host of the network can have."""
    network = ipaddress.IPv4Network(cidr)
    ends = (network.network_address, network.broadcast_address)
    found = [ipaddress.IPv4Address(address) for address in addresses]
    return all(address in network and address not in ends for address in found)


def usable(cidr: str) -> str:
    """Return the addresses of a network's hosts in words."""
    network = ipaddress.IPv4Network(cidr)
    return f"{network.network_address + 1} to {network.broadcast_address - 1}"
