# Copyright: (c) 2026, the virtfleet.core contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A running guest without what its networks have given to its nics.

libvirt says of a running nic what it has become: the bridge or the device of the host that a network stands for, its
VLANs, its bandwidth. The definition has none of it, and nothing of it waits for a restart of the guest.
"""

from __future__ import annotations

from collections.abc import Mapping

from .. import _xml
from .._xml import Element

# What a network, or a group of its ports, gives to a nic that says nothing of it (virNetworkPortDef).
_CHILDREN = ("bandwidth", "vlan", "virtualport", "port")
_ATTRIBUTE = "trustGuestRxFilters"
_PLACES = ("bridge", "dev", "mode")


def as_defined(live: Element, definition: str) -> Element:
    """Return the live tree, in which nics of networks say no more of these than the definition does."""
    ported = [nic for nic in _xml.find_all(live, "devices/interface") if _xml.read(nic, "source/@portid")]
    given = [nic for nic in ported if _is_given(nic)]
    if not given:
        return live
    root = _xml.parse(definition)
    own = {_mac(nic): nic for nic in _xml.find_all(root, "devices/interface")}
    for nic in given:
        _take_back(nic, own)
    return live


def _is_given(nic: Element) -> bool:
    return (
        nic.get("type") != "network" or _ATTRIBUTE in nic.attrib or any(nic.find(tag) is not None for tag in _CHILDREN)
    )


def _mac(nic: Element) -> str:
    return (_xml.read(nic, "mac/@address") or "").lower()


def _take_back(nic: Element, own: Mapping[str, Element]) -> None:
    defined = own.get(_mac(nic))
    nic.set("type", "network")
    source = nic.find("source")
    if source is not None:
        for place in _PLACES:
            source.attrib.pop(place, None)
        # A function of a card that was given away has its address here.
        for address in source.findall("address"):
            source.remove(address)
    for tag in _CHILDREN:
        child = nic.find(tag)
        if child is not None and (defined is None or defined.find(tag) is None):
            nic.remove(child)
    if defined is None or _ATTRIBUTE not in defined.attrib:
        nic.attrib.pop(_ATTRIBUTE, None)
