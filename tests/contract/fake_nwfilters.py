# Copyright: (c) 2026, the virtfleet.core contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The fake's network filters, in the forms that libvirt writes."""

from __future__ import annotations

import uuid
from collections.abc import Mapping
from xml.etree.ElementTree import Element, SubElement

from ansible_collections.virtfleet.core.plugins.module_utils import _libvirt_read as read
from ansible_collections.virtfleet.core.plugins.module_utils._facts import NwfilterFacts
from ansible_collections.virtfleet.core.plugins.module_utils._nwfilter.attributes import PROTOCOLS, leader_of

from .fake_base import Definition, FakeBase, Nwfilter, mutating, parse, refuser

_CHAINS = {"mac": -800, "vlan": -750, "ipv4": -700, "ipv6": -600, "arp": -500, "rarp": -400, "stp": 0, "root": 0}
_ETHER = {0x800: "ipv4", 0x806: "arp", 0x8035: "rarp", 0x8100: "vlan", 0x86DD: "ipv6"}
_NAMES = {
    "protocolid": _ETHER,
    "encap-protocol": _ETHER,
    "protocol": {
        1: "icmp", 2: "igmp", 6: "tcp", 17: "udp", 50: "esp", 51: "ah", 58: "icmpv6", 132: "sctp", 136: "udplite",
    },
    "opcode": {
        1: "Request", 2: "Reply", 3: "Request_Reverse", 4: "Reply_Reverse", 5: "DRARP_Request", 6: "DRARP_Reply",
        7: "DRARP_Error", 8: "InARP_Request", 9: "ARP_NAK",
    },
}  # fmt: skip


class FakeNwfilters(FakeBase):
    """The part of the Hypervisor that is about network filters."""

    def nwfilters(self) -> Mapping[str, NwfilterFacts]:
        return {
            name: NwfilterFacts(name, nwfilter.uuid, nwfilter.definition.text)
            for name, nwfilter in self.nwfilter_records.items()
        }

    @mutating
    def define_nwfilter(self, xml: str) -> None:
        name = read.filter_in(xml)
        refuse = refuser("define", "nwfilter", name)
        root = parse(xml, "define", "nwfilter")
        if name == "?":
            raise refuse(1, "internal error: filter has no name")
        chain = root.get("chain", "root")
        prefix = next((known for known in _CHAINS if chain.startswith(known)), None)
        if prefix is None:
            raise refuse(8, f"invalid argument: Invalid chain name '{chain}'. Please use a chain name called 'root'")
        priority = int(root.get("priority", _CHAINS[prefix]))
        root.attrib = {"name": name, "chain": chain, **({"priority": str(priority)} if priority else {})}
        if root.find("uuid") is None:
            root.insert(0, Element("uuid"))
            root[0].text = str(uuid.UUID(int=self.rng.getrandbits(128), version=4))
        own = root.findtext("uuid") or ""
        for other in self.nwfilter_records.values():
            if other.name == name and other.uuid != own:
                raise refuse(9, f"operation failed: filter '{name}' already exists with uuid {other.uuid}")
            if other.name != name and other.uuid == own:
                raise refuse(9, f"operation failed: filter with same UUID but different name ('{other.name}') already exists")
        for node in root.findall("rule"):
            _fill(node)
        for node in root.findall("filterref"):
            node[:] = sorted(node, key=lambda child: child.get("name", ""))
        if name in _reached(root, self.nwfilter_records):
            raise refuse(9, "operation failed: filter would introduce a loop")
        self.nwfilter_records[name] = Nwfilter(name, own, Definition(root))

    @mutating
    def undefine_nwfilter(self, name: str) -> None:
        used = [guest for guest in self.guest_records.values() if guest.live is not None]
        if any(node.get("filter") == name for guest in used for node in guest.live.read().iter("filterref")):  # type: ignore[union-attr]
            raise refuser("undefine", "nwfilter", name)(55, "Requested operation is not valid: nwfilter is in use")
        self.nwfilter_records.pop(name, None)


def _reached(root: Element, records: Mapping[str, Nwfilter]) -> set[str]:
    found: set[str] = set()
    waiting = [root]
    while waiting:
        for node in waiting.pop().findall("filterref"):
            name = node.get("filter", "")
            if name not in found:
                found.add(name)
                if name in records:
                    waiting.append(records[name].definition.read())
    return found


def _fill(node: Element) -> None:
    """Give a rule the form in which libvirt writes it, its losses included."""
    priority = int(node.get("priority", 500))
    off = node.get("statematch", "true").lower() in ("false", "0")
    node.attrib = {
        "action": node.get("action", ""),
        "direction": node.get("direction", ""),
        "priority": str(priority if -1000 <= priority <= 1000 else 500),
        **({"statematch": "false"} if off else {}),
    }
    if not len(node):
        return
    protocol = node[0].tag
    known = PROTOCOLS[protocol]
    signs = {
        name: child.get("match") != "no" for child in node for name in child.attrib if name != "match" and name in known
    }
    values = {name: child.attrib[name] for child in node for name in child.attrib if name in signs}
    for name in signs:
        leader = leader_of(protocol, name)
        if leader is not None:
            signs[name] = signs.get(leader, True)
    if protocol not in ("all", "all-ipv6"):
        if "ipset" in values and "ipsetflags" not in values:
            values["ipsetflags"], signs["ipsetflags"] = "src", True
        else:
            values.pop("ipset", None)
            values.pop("ipsetflags", None)
    node[:] = []
    for sign in (True, False):
        found = {name: _written(name, value) for name, value in values.items() if signs[name] is sign}
        if found:
            SubElement(node, protocol, {**({} if sign else {"match": "no"}), **found})
    if not len(node):
        SubElement(node, protocol)


def _written(name: str, value: str) -> str:
    if value.startswith("$"):
        return value.replace("[@0]", "")
    if name in _NAMES and value.isdigit():
        return _NAMES[name].get(int(value), value)
    if name == "gratuitous":
        return "true" if value in ("true", "yes", "1") else "false"
    return value
