# Copyright: (c) 2026, the virtfleet.core contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""One network in the words of the module network."""

from __future__ import annotations

import re
from collections.abc import Collection
from typing import Any

from .. import _xml
from .._change import UNSET
from .._errors import SpecError, VirtError
from .._facts import NetworkFacts, Snapshot
from .._network.addresses import first_address, full_range
from .._network.forward import FORWARDS, ROUTED, mode_of
from .._network.options import NETWORK_OPTIONS
from .._network.plan import plan
from .._network.spec import parse
from .._network.table import NETWORK
from .._network.tree import interface_of, read_tree, to_text
from .._residue import Residue
from .._table import Field, Spec, capture, observe, show_spec
from .._xml import Element
from .words import TRANSIENT_WHY, Left, Said, ordered, sentence, unsettled

_KIND = "network"
# What libvirt calls a bridge that nobody has named.
_NAMELESS = re.compile(r"^virbr[0-9]+$")
_ALONE_WHY = "no option says it; it stays as it is here, and a network made anew would lack it"


def say_network(facts: NetworkFacts, snap: Snapshot, elsewhere: Collection[str] = ()) -> Said:
    """Return the network's entry, whose plan on this host is empty; ``elsewhere``: macs whose reservations nics say."""
    root = read_tree(facts.xml)
    if not facts.persistent:
        return _unsaid(facts.name, root, TRANSIENT_WHY)
    have = observe(NETWORK, root)
    if have.get("forward") not in FORWARDS:
        return _unsaid(
            facts.name, root, f"the module network has no networks of the mode {have.get('forward')}; left alone"
        )
    try:
        entry, unsaid = _entry(facts, have, elsewhere)
        reason = unsettled(plan(parse(entry), snap))
    except VirtError as error:
        reason = sentence(error, _KIND, facts.name)
    if reason is not None:
        return _unsaid(facts.name, root, reason)
    left = [Left(_KIND, facts.name, piece.at, _plain(piece.xml), _ALONE_WHY) for piece in (*_beyond(root), *unsaid)]
    return Said(ordered(entry, list(NETWORK_OPTIONS)), tuple(left))


def _unsaid(name: str, root: Element, why: str) -> Said:
    return Said(None, (Left(_KIND, name, "", to_text(root), why),))


def _plain(text: str) -> str:
    return to_text(_xml.parse(text))


def _entry(facts: NetworkFacts, have: Spec, elsewhere: Collection[str]) -> tuple[dict[str, Any], list[Residue]]:
    shown = show_spec(NETWORK, have)
    entry: dict[str, Any] = {"name": facts.name}
    unsaid: list[Residue] = []
    defaults = {"forward": "nat", "forward_dev": "", "stp": True, "domain": "", "dns_forwarders": (), "isolated": False}
    # A new pool of functions is managed unless it is said.
    defaults["forward_managed"] = have.get("forward") == "hostdev"
    for row in NETWORK.entries:
        value = have.get(row.name, UNSET)
        if not isinstance(row, Field) or value is UNSET or defaults.get(row.name, row.absent) == value:
            continue
        if row.name == "bridge" and _NAMELESS.match(str(value)):
            continue
        if row.name == "gateway" and value == first_address(have["cidr"]):
            continue
        if row.name == "dhcp":
            _say_dhcp(entry, have, unsaid)
        elif _can_be_said(entry, {row.name: shown[row.name]}):
            entry[row.name] = shown[row.name]
    reservations = [item for item in shown.get("reservations", ()) if item.get("mac") not in elsewhere]
    for option, items in (("reservations", reservations), ("dns_hosts", shown.get("dns_hosts", []))):
        sayable = [item for item in items if _can_be_said({"name": facts.name}, {option: [item]})]
        if sayable:
            entry[option] = sayable
        unsaid += [
            Residue(option, _xml.to_text(Element("host", {key: str(value) for key, value in item.items()})))
            for item in items
            if item not in sayable
        ]
    if not facts.active:
        entry["state"] = "inactive"
    # One that is made active starts with its host unless it is said.
    if facts.autostart != facts.active:
        entry["autostart"] = facts.autostart
    return entry, unsaid


def _say_dhcp(entry: dict[str, Any], have: Spec, unsaid: list[Residue]) -> None:
    ranges = have["dhcp"]
    if ranges is False:
        entry["dhcp"] = False
    elif len(ranges) == 1:
        ((start, end),) = ranges
        if (start, end) != full_range(have["cidr"], have["gateway"]):
            entry["dhcp"] = {"start": start, "end": end}
    else:
        section = Element("dhcp")
        section.extend(Element("range", {"start": start, "end": end}) for start, end in ranges)
        unsaid.append(Residue("ip", _xml.to_text(section)))


def _can_be_said(entry: dict[str, Any], more: dict[str, Any]) -> bool:
    try:
        parse({**entry, **more})
    except SpecError:
        return False
    return True


def _beyond(root: Element) -> list[Residue]:
    """Return what no row reads, without what libvirt makes by itself."""
    plain = _xml.clone(root)
    _xml.remove(plain, "metadata/virtfleet:network")
    for path, value in (("bridge/@delay", "0"), ("forward/nat/port[@start='1024'][@end='65535']", None)):
        if value is None or _xml.read(plain, path) == value:
            _xml.remove(plain, path)
    if mode_of(plain) not in ROUTED:
        # libvirt says the first of its devices once more.
        _xml.remove(plain, "forward/@dev")
    elif _xml.read(plain, "forward/@dev") is not None:
        # libvirt says it once more below.
        _xml.remove(plain, f"forward/interface[@dev='{_xml.read(plain, 'forward/@dev')}']")
    # The MAC of the bridge is drawn by lot.
    _xml.remove(plain, "mac")
    if _xml.read(plain, "domain/@localOnly") == "no":
        _xml.remove(plain, "domain/@localOnly")
    for element in plain.iter("ip"):
        if element.get("family") == "ipv4":
            del element.attrib["family"]
        own = interface_of(element)
        if "prefix" in element.attrib and own is not None and own.version == 4:
            # The mask in its other spelling.
            del element.attrib["prefix"]
            element.set("netmask", str(own.network.netmask))
    return capture(NETWORK, plain, {})[1]
