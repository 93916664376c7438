# Copyright: (c) 2026, the virtfleet.core contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The fake's networks."""

from __future__ import annotations

import ipaddress
import uuid
from collections.abc import Collection, Mapping, Sequence
from copy import deepcopy
from xml.etree.ElementTree import Element, SubElement

from ansible_collections.virtfleet.core.plugins.module_utils import _libvirt_read as read
from ansible_collections.virtfleet.core.plugins.module_utils._errors import SpecError
from ansible_collections.virtfleet.core.plugins.module_utils._facts import Lease, NetworkFacts

from .fake_base import Definition, FakeBase, Network, mutating, not_found, parse, refuser
from .fake_fill import random_mac
from .fake_pci import Refuse

_ORDER = (
    "name uuid title description metadata forward bridge mtu mac domain dns vlan bandwidth ip route portgroup port"
).split()
_COMMANDS = ("add-first", "add-last", "modify", "delete")
# Section: the elements above it, its own element, and the attributes any of which make two entries the same.
_SECTIONS = {
    "ip-dhcp-host": (("ip", "dhcp"), "host", ("mac", "name", "ip")),
    "ip-dhcp-range": (("ip", "dhcp"), "range", ("start",)),
    "dns-host": (("dns",), "host", ("ip",)),
    "dns-txt": (("dns",), "txt", ("name",)),
    "dns-srv": (("dns",), "srv", ("service",)),
    "portgroup": ((), "portgroup", ("name",)),
    "forward-interface": (("forward",), "interface", ("dev",)),
}
_NO_UPDATE = ("bridge", "domain", "ip", "forward", "forward-pf")
_MANAGED = (None, "nat", "route", "open")


class FakeNetworks(FakeBase):
    """The part of the Hypervisor that is about networks."""

    def network_names(self) -> Sequence[str]:
        return list(self.network_records)

    def networks(self, names: Collection[str] | None = None) -> Mapping[str, NetworkFacts]:
        result = {}
        for name, network in self.network_records.items():
            if names is not None and name not in names:
                continue
            live = network.live.text if network.live is not None else None
            xml = network.inactive.text if network.inactive is not None else live or ""
            persistent = network.inactive is not None
            result[name] = NetworkFacts(name, network.uuid, xml, live, network.autostart, persistent)
        return result

    def leases(self, networks: Collection[str] | None = None) -> Sequence[Lease]:
        active = {name for name, network in self.network_records.items() if network.live is not None}
        wanted = active if networks is None else active & set(networks)
        return [lease for lease in self.lease_records if lease.network in wanted]

    @mutating
    def define_network(self, xml: str) -> None:
        name = read.name_in(xml)
        refuse = refuser("define", "network", name)
        root = parse(xml, "define", "network")
        if name == "?":
            raise refuse(27, "missing name information")
        self._fill_network(root, name, refuse)
        own = root.findtext("uuid") or ""
        for other in self.network_records.values():
            if other.uuid == own and other.name != name:
                raise refuse(9, f"operation failed: network '{other.name}' is already defined with uuid {own}")
            if other.name == name and other.uuid != own:
                raise refuse(9, f"operation failed: network '{name}' already exists with uuid {other.uuid}")
        network = self.network_records.setdefault(name, Network(name, own))
        network.inactive = Definition(root)

    @mutating
    def start_network(self, name: str) -> None:
        network = self._network(name)
        if network.live is not None:
            return
        assert network.inactive is not None
        root = deepcopy(network.inactive.read())
        for other in self.network_records.values():
            if other.live is not None and _overlap(root, other.live.read()):
                bridge = other.live.read().find("bridge")
                used = bridge.get("name") if bridge is not None else "?"
                message = f"internal error: Network is already in use by interface {used}"
                raise refuser("start", "network", name)(1, message)
        forward = root.find("forward")
        if forward is not None and forward.get("mode") == "nat" and forward.find("nat") is None:
            SubElement(SubElement(forward, "nat"), "port", start="1024", end="65535")
        network.live = Definition(root)

    @mutating
    def stop_network(self, name: str) -> None:
        network = self._network(name)
        network.live = None
        if network.inactive is None:
            del self.network_records[name]

    @mutating
    def undefine_network(self, name: str) -> None:
        network = self.network_records.get(name)
        if network is None:
            return
        network.inactive, network.autostart = None, False
        if network.live is None:
            del self.network_records[name]

    @mutating
    def set_network_autostart(self, name: str, autostart: bool) -> None:
        self._network(name).autostart = autostart

    @mutating
    def update_network(self, name: str, command: str, section: str, xml: str, parent: int = -1) -> None:
        refuse = refuser(f"update {section} in", "network", name)
        network = self._network(name)
        if command not in _COMMANDS or section not in (*_SECTIONS, *_NO_UPDATE):
            bad = command if command not in _COMMANDS else section
            raise SpecError(f"could not update network {name}: {bad!r} is no command or section of a network")
        if network.live is None:
            raise refuse(55, "Requested operation is not valid: network is not running")
        if section in _NO_UPDATE:
            raise refuse(84, f"Operation not supported: can't update '{section}' section of network '{name}'")
        if command == "modify" and section == "ip-dhcp-range":
            raise refuse(84, "Operation not supported: dhcp ranges cannot be modified, only added or deleted")
        above, tag, keys = _SECTIONS[section]
        entry = parse(xml, f"update {section} in", "network")
        root = network.live.change()
        place = root
        for step in above:
            found = _ip(root, parent) if step == "ip" else place.find(step)
            place = found if found is not None else SubElement(place, step)
        same = [node for node in place.findall(tag) if any(_equal(node, entry, key) for key in keys)]
        what = "dhcp host" if section == "ip-dhcp-host" else "dhcp range" if section == "ip-dhcp-range" else section
        if command == "delete":
            # All that is given must fit; else there is nothing to delete, which is what was asked for.
            for node in same:
                if all(node.get(key) == value for key, value in entry.attrib.items()):
                    place.remove(node)
        elif command == "modify":
            first = keys[:1]
            fitting = [node for node in same if all(_equal(node, entry, key) for key in first)]
            if not fitting:
                message = f"couldn't locate an existing {what} entry in network '{name}'"
                raise refuse(55, f"Requested operation is not valid: {message}")
            place[list(place).index(fitting[0])] = entry
        else:
            if same:
                message = f"there is an existing {what} entry in network '{name}' that matches"
                raise refuse(55, f"Requested operation is not valid: {message}")
            others = place.findall(tag)
            if command == "add-first" and others:
                place.insert(list(place).index(others[0]), entry)
            else:
                place.append(entry)
        _prune(root)
        _sort(root)

    def _network(self, name: str) -> Network:
        network = self.network_records.get(name)
        if network is None:
            raise not_found("network", name)
        return network

    def _fill_network(self, root: Element, name: str, refuse: Refuse) -> None:
        if not root.findtext("uuid"):
            SubElement(root, "uuid").text = str(uuid.UUID(int=self.rng.getrandbits(128), version=4))
        forward = root.find("forward")
        if forward is not None and forward.get("mode") is None:
            forward.set("mode", "nat")
        bridge = root.find("bridge")
        if (forward.get("mode") if forward is not None else None) in _MANAGED:
            if bridge is None:
                bridge = SubElement(root, "bridge")
            wanted = bridge.get("name") or self._free_bridge()
            bridge.attrib = {"name": wanted, **{key: value for key, value in bridge.attrib.items() if key != "name"}}
            for key, value in (("stp", "on"), ("delay", "0")):
                if bridge.get(key) is None:
                    bridge.set(key, value)
            if root.find("mac") is None:
                SubElement(root, "mac", address=random_mac(self.rng))
        if bridge is not None and bridge.get("name"):
            others = [other for other in self.network_records.values() if other.name != name]
            if any(_bridge(other) == bridge.get("name") for other in others):
                raise refuse(1, f"internal error: bridge name '{bridge.get('name')}' already in use.")
        for ip in root.iterfind("ip"):
            try:
                ipaddress.ip_address(ip.get("address") or "")
            except ValueError:
                message = f"XML error: Invalid address '{ip.get('address')}' in network '{name}'"
                raise refuse(27, message) from None
        _sort(root)

    def _free_bridge(self) -> str:
        taken = {_bridge(other) for other in self.network_records.values()}
        return next(f"virbr{number}" for number in range(1000) if f"virbr{number}" not in taken)


def _ip(root: Element, number: int) -> Element | None:
    """Return the address that an update means: the one that is named, else one with DHCP, else the first of IPv4."""
    found = root.findall("ip")
    if number >= 0:
        return found[number] if number < len(found) else None
    served = [ip for ip in found if ip.find("dhcp") is not None]
    return next(iter([*served, *(ip for ip in found if ip.get("family", "ipv4") == "ipv4")]), None)


def _bridge(network: Network) -> str | None:
    definition = network.inactive or network.live
    bridge = definition.read().find("bridge") if definition is not None else None
    return bridge.get("name") if bridge is not None else None


def _equal(one: Element, other: Element, key: str) -> bool:
    left, right = one.get(key), other.get(key)
    return left is not None and right is not None and left.lower() == right.lower()


def _overlap(one: Element, other: Element) -> bool:
    return any(left.overlaps(right) for left in _subnets(one) for right in _subnets(other))


def _subnets(root: Element) -> list[ipaddress.IPv4Network]:
    return [
        ipaddress.IPv4Network(f"{ip.get('address')}/{ip.get('netmask') or ip.get('prefix') or 32}", strict=False)
        for ip in root.iterfind("ip")
        if ip.get("family", "ipv4") == "ipv4"
    ]


def _prune(root: Element) -> None:
    for parent, tag in ((root, "dns"), *((ip, "dhcp") for ip in root.findall("ip"))):
        node = parent.find(tag)
        if node is not None and not len(node) and not node.attrib:
            parent.remove(node)


def _sort(root: Element) -> None:
    rank = {tag: number for number, tag in enumerate(_ORDER)}
    root[:] = sorted(root, key=lambda node: rank.get(node.tag, len(rank)))
    for dhcp in root.iterfind("ip/dhcp"):
        dhcp[:] = sorted(dhcp, key=lambda node: {"range": 0, "host": 1}.get(node.tag, 2))
