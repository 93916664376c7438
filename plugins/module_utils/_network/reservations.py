# Copyright: (c) 2026, the virtfleet.core contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""DHCP reservations of a network: many at once, in one redefine and the fewest live updates.

A reservation is known by its mac. Entries that nobody asked about, and those of IPv6, which have no mac, are left
alone.
"""
from __future__ import annotations

import ipaddress
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass

from .. import _xml
from .._change import Action, Change, Effect, Step
from .._errors import Conflict, SpecError
from .._facts import NetworkFacts
from .._xml import Element
from .live import update_step
from .tree import Host, dhcp_section, hosts, main_interface, read_tree, to_text

SECTION = "ip-dhcp-host"


@dataclass(frozen=True)
class Reservation:
    """One address for one mac. ``name`` is the host name that DHCP and the network's DNS give; None leaves it."""

    mac: str
    address: str
    name: str | None = None

    @property
    def whose(self) -> str:
        return f"{self.name} ({self.mac})" if self.name else self.mac


@dataclass(frozen=True)
class Edit:
    """One change of one ``<host>``; ``present`` is None for a new one, ``wanted`` for one that goes."""

    mac: str
    present: Element | None
    wanted: Element | None
    change: Change


def _edit(mac: str, present: Element | None, wanted: Element | None) -> Edit:
    change = Change(("reservations", mac), _values(present), _values(wanted), Effect.LIVE)
    return Edit(mac, present, wanted, change)


def _values(element: Element | None) -> dict[str, str] | None:
    if element is None:
        return None
    named = {"mac": element.get("mac"), "address": element.get("ip"), "name": element.get("name")}
    return {option: value for option, value in named.items() if value is not None}


def reserve(
    network: NetworkFacts,
    wanted: Sequence[Reservation],
    gone_macs: Collection[str] = (),
    live_macs: Collection[str] | None = None,
) -> Action | None:
    """Return the action that makes ``wanted`` true in the network and drops ``gone_macs``; None if all is so already.

    ``live_macs``: where the network is active, update it live only for these (None: for all). A live update costs
    half a second, so guests that do not start now can wait for the network's next start.
    Raises SpecError for an address that this network cannot give, Conflict for one that another mac has.
    """
    wanted = [Reservation(item.mac.lower(), item.address, item.name) for item in wanted]
    gone = {mac.lower() for mac in gone_macs} - {item.mac for item in wanted}
    if all(standing.holds(wanted, gone) for standing in _standing(network)):
        return None
    tree = read_tree(network.xml)
    check(network.name, tree, wanted, gone)
    edits = plan_edits(tree, wanted, gone)
    steps = []
    if edits and network.persistent:
        carry_out(tree, edits)
        says = f"write the reservations of network {network.name}"
        steps.append(Step("define_network", {"xml": to_text(tree)}, says))
    live_edits: list[Edit] = []
    if network.live_xml is not None:
        live = read_tree(network.live_xml)
        now = None if live_macs is None else {mac.lower() for mac in live_macs}
        soon = [item for item in wanted if now is None or item.mac in now]
        if soon and main_interface(live) != main_interface(tree):
            raise Conflict(
                f"could not reserve addresses in network {network.name}: it still runs as {main_interface(live)}, and "
                f"is {main_interface(tree)} only after its restart; restart the network first"
            )
        check(network.name, live, soon, gone)
        live_edits = plan_edits(live, soon, gone if now is None else gone & now)
        steps.extend(live_steps(network.name, live, live_edits))
    if not steps:
        return None
    changes = {edit.mac: edit.change for edit in (*live_edits, *edits)}
    return Action("network", network.name, "update", Effect.LIVE, tuple(changes.values()), tuple(steps))


@dataclass(frozen=True)
class _Standing:
    """The reservations of one definition: hosts by their MAC, and who has a name first."""

    hosts: Mapping[str, Host]
    names: Mapping[str, str | None]

    def holds(self, wanted: Sequence[Reservation], gone: Collection[str]) -> bool:
        """Tell whether nothing has to change, without a look at those that nobody speaks of."""
        return not any(mac in self.hosts for mac in gone) and all(self._has(item) for item in wanted)

    def _has(self, item: Reservation) -> bool:
        host = self.hosts.get(item.mac)
        if host is None or host.address != item.address:
            return False
        # The name may be that of another nic of the same guest.
        return item.name in (None, host.name) or self.names.get(item.name or "") not in (None, item.mac)


def _standing(network: NetworkFacts) -> list[_Standing]:
    """Return the reservations of the definition and of the running network, read once however many guests ask."""
    found = network.notes.get("standing")
    if not isinstance(found, list):
        found = network.notes["standing"] = []
        for text in (network.xml, network.live_xml):
            if text is not None:
                listed = hosts(_xml.parse(text))
                names: dict[str, str | None] = {}
                for host in listed:
                    if host.name:
                        names.setdefault(host.name, host.mac)
                found.append(_Standing({host.mac: host for host in listed if host.mac is not None}, names))
    return found


def check(network: str, root: Element, wanted: Sequence[Reservation], gone: Collection[str]) -> None:
    """Raise SpecError or Conflict with everything that stands against the wanted reservations."""
    if not wanted:
        return
    own, served = main_interface(root), dhcp_section(root) is not None
    wrong = [f"could not reserve {item.address} for {item.whose} in network {network}: {reason}"
             for item in wanted for reason in _impossible(own, served, item.address)]
    if wrong:
        raise SpecError(wrong)
    taken = [f"could not reserve {item.address} for {item.whose} in network {network}: {reason}"
             for item, reason in _taken(root, wanted, gone)]
    if taken:
        raise Conflict("; ".join(taken))


def _impossible(
    own: ipaddress.IPv4Interface | ipaddress.IPv6Interface | None, served: bool, text: str
) -> list[str]:
    try:
        address = ipaddress.ip_address(text)
    except ValueError:
        return ["that is not an IP address; write one such as 10.20.0.11"]
    if address.version != 4:
        return ["reservations are made by MAC, which DHCP for IPv6 does not know; give an IPv4 address"]
    if own is None:
        return ["the network has no IPv4 address of its own, so it gives none; leave the address out, or reserve it in "
                "the DHCP server that serves this network"]
    if not served:
        return ["the network gives no addresses (it has no DHCP section); set dhcp on the network, or leave the "
                "address out and set it inside the guest"]
    net = own.network
    usable = f"{net.network_address + 1} to {net.broadcast_address - 1}"
    if address not in net:
        return [f"the network is {net}; take an address from {usable}"]
    if address == own.ip:
        return [f"that is the gateway's own address; take another from {usable}"]
    if address in (net.network_address, net.broadcast_address):
        word = "network's" if address == net.network_address else "broadcast"
        return [f"that is the {word} address of {net}; take one from {usable}"]
    return []


def _taken(
    root: Element, wanted: Sequence[Reservation], gone: Collection[str]
) -> Iterator[tuple[Reservation, str]]:
    """Yield each wanted reservation whose address is another's, with the reason."""
    moving = {item.mac for item in wanted}
    asking: dict[str, list[Reservation]] = {}
    for item in wanted:
        asking.setdefault(item.address, []).append(item)
    listed = reversed(hosts(root))  # of several with one address the first is named
    owners = {host.address: host for host in listed if host.mac not in moving and host.mac not in gone}
    for item in wanted:
        twin = next((other for other in asking[item.address] if other.mac != item.mac), None)
        host = owners.get(item.address)
        if twin is not None:
            yield item, f"{twin.whose} is to have the same address; give each its own"
        elif host is not None:
            owner = " ".join(part for part in (host.name, f"({host.mac})" if host.mac else None) if part)
            yield item, (
                f"it is reserved for {owner or 'another entry'} already; take another address or drop that reservation"
            )


def plan_edits(root: Element, wanted: Sequence[Reservation], gone: Collection[str]) -> list[Edit]:
    """Return what has to change in one tree: removals first."""
    present = {host.mac: host for host in hosts(root) if host.mac is not None}
    edits = [_edit(mac, present[mac].element, None) for mac in sorted(gone) if mac in present]
    names = _names(hosts(root), wanted, gone)
    for item in wanted:
        host = present.get(item.mac)
        name = item.name if item.name is not None and names.get(item.name) == item.mac else None
        if host is None:
            attributes = {"mac": item.mac, "name": name, "ip": item.address}
            edits.append(_edit(item.mac, None, Element("host", {k: v for k, v in attributes.items() if v is not None})))
        elif host.address != item.address or (name is not None and host.name != name):
            element = _xml.clone(host.element)
            element.set("ip", item.address)
            if name is not None:
                element.set("name", name)
            edits.append(_edit(item.mac, host.element, element))
    return edits


def _names(present: Sequence[Host], wanted: Sequence[Reservation], gone: Collection[str]) -> Mapping[str, str | None]:
    """Return which mac gets each name.

    libvirt refuses a second entry of one name live, so of a guest's nics in one network the first has it.
    """
    renamed = {item.mac: item.name for item in wanted if item.name is not None}
    owners: dict[str, str | None] = {}
    for host in present:
        if host.name and host.mac not in gone and renamed.get(host.mac or "", host.name) == host.name:
            owners.setdefault(host.name, host.mac)
    for item in wanted:
        if item.name is not None:
            owners.setdefault(item.name, item.mac)
    return owners


def carry_out(root: Element, edits: Sequence[Edit]) -> None:
    """Make the edits true in the tree that they were planned for."""
    main = dhcp_section(root)
    sections = {host: section for section in root.iter("dhcp") for host in section}
    for edit in edits:
        if edit.present is None and edit.wanted is not None:
            if main is not None:
                main.append(_xml.clone(edit.wanted))
        elif edit.present is not None:
            if edit.wanted is None:
                sections[edit.present].remove(edit.present)
            else:
                edit.present.attrib.update(edit.wanted.attrib)


def live_steps(network: str, live: Element, edits: Sequence[Edit]) -> list[Step]:
    """Return the live updates of the tree ``live`` in an order in which no two entries ever have the same name.

    libvirt finds an entry to modify by mac or by name, whichever matches first: one that changes its name is
    therefore taken out and put in again.
    """
    out, changed, new = [], [], []
    for edit in edits:
        present, wanted = edit.present, edit.wanted
        renamed = present is not None and wanted is not None and present.get("name") != wanted.get("name")
        if wanted is None or renamed:
            says = f"drop the reservation of {edit.mac}"
            out.append(update_step(network, live, "delete", SECTION, Element("host", {"mac": edit.mac}), says))
        if wanted is None:
            continue
        says = f"reserve {wanted.get('ip')} for {wanted.get('name') or edit.mac}"
        if present is None or renamed:
            new.append(update_step(network, live, "add-last", SECTION, wanted, says))
        else:
            changed.append(update_step(network, live, "modify", SECTION, wanted, says))
    return [*out, *changed, *new]
