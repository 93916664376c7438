# Copyright: (c) 2026, the virtfleet.core contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Network XML as the table reads it, and the addresses in it.

A network may have several ``<ip>`` elements. Options speak of one: the IPv4 one with DHCP (libvirt allows a single
one), else the first IPv4 one. It carries a mark of ours while it is a tree, so that plain paths reach it; libvirt
never sees the mark.
"""
from __future__ import annotations

import ipaddress
from collections.abc import Iterator
from dataclasses import dataclass

from .. import _xml
from .._xml import Element

MARK = "virtfleet-main"
MAIN = f"ip[@{MARK}='yes']"


@dataclass(frozen=True)
class Host:
    """One ``<host>`` of a DHCP section, as it stands there; a host of IPv6 has an id in place of a mac."""

    mac: str | None
    name: str | None
    address: str | None
    element: Element


def read_tree(text: str) -> Element:
    """Return a network's XML as a tree with the mark set."""
    root = _xml.parse(text, "the network's XML")
    versions = [element for element in root.findall("ip") if element.get("family", "ipv4") == "ipv4"]
    main = next((element for element in versions if element.find("dhcp") is not None), None)
    if main is None and versions:
        main = versions[0]
    if main is not None:
        main.set(MARK, "yes")
    return root


def to_text(root: Element) -> str:
    """Return the tree as libvirt may see it."""
    plain = _xml.clone(root)
    for element in plain.iter("ip"):
        element.attrib.pop(MARK, None)
    return _xml.to_text(plain)


def interface_of(element: Element) -> ipaddress.IPv4Interface | ipaddress.IPv6Interface | None:
    """Return the address and the prefix of an ``<ip>``; None where it has no readable address.

    Without a mask the class of the address counts for IPv4, and 64 for IPv6 (virNetworkIPDefPrefix).
    """
    address = element.get("address")
    if address is None:
        return None
    mask = element.get("prefix") or element.get("netmask") or _default_prefix(address)
    try:
        return ipaddress.ip_interface(f"{address}/{mask}")
    except ValueError:
        return None


def _default_prefix(address: str) -> str:
    if ":" in address:
        return "64"
    first = int(address.partition(".")[0])
    return "8" if first < 128 else "16" if first < 192 else "24"


def interfaces(root: Element) -> Iterator[ipaddress.IPv4Interface | ipaddress.IPv6Interface]:
    """Return the addresses that the network gives to its bridge."""
    for element in root.findall("ip"):
        found = interface_of(element)
        if found is not None:
            yield found


def hosts(root: Element) -> list[Host]:
    """Return every DHCP host of the network."""
    return [
        Host((element.get("mac") or "").lower() or None, element.get("name"), element.get("ip"), element)
        for element in root.findall("ip/dhcp/host")
    ]


def dhcp_section(root: Element) -> Element | None:
    """Return the ``<dhcp>`` of IPv4, or None where the network gives no addresses."""
    return _xml.find(root, f"{MAIN}/dhcp")


def main_interface(root: Element) -> ipaddress.IPv4Interface | ipaddress.IPv6Interface | None:
    """Return the gateway with its prefix."""
    main = _xml.find(root, MAIN)
    return None if main is None else interface_of(main)


def main_index(root: Element) -> int:
    """Return the place of the main ``<ip>`` for a live update; -1 where libvirt finds it by itself.

    Left to itself, libvirt takes the first with a DHCP range or host, else the first of IPv4 (virNetworkIPDefByIndex).
    """
    main = _xml.find(root, MAIN)
    elements = root.findall("ip")
    served = [element for element in elements if element.find("dhcp/range") is not None
              or element.find("dhcp/host") is not None]
    if main is None or not served or served[0] is main:
        return -1
    return elements.index(main)
