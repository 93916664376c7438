# Copyright: (c) 2026, the virtfleet.core contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The contract of network filters, over each place that has them; and what libvirt makes of rules."""

from __future__ import annotations

from typing import Any

import pytest

from ansible_collections.virtfleet.core.plugins.module_utils._errors import Conflict, SpecError, VirtError
from ansible_collections.virtfleet.core.plugins.module_utils._facts import Snapshot
from ansible_collections.virtfleet.core.plugins.module_utils._nwfilter.attributes import PROTOCOLS, leader_of
from ansible_collections.virtfleet.core.plugins.module_utils._nwfilter.plan import plan
from ansible_collections.virtfleet.core.plugins.module_utils._nwfilter.spec import parse
from ansible_collections.virtfleet.core.plugins.module_utils._ports import Hypervisor
from tests.contract.definitions import guest, tree
from tests.contract.places import Place


def test_a_driver_without_filters_has_none(place: Place, hypervisor: Hypervisor) -> None:
    if place.whole:
        assert all(facts.name == name for name, facts in hypervisor.nwfilters().items())
    else:
        assert hypervisor.nwfilters() == {}


@pytest.mark.usefixtures("networked")
def test_define_again_undefine(hypervisor: Hypervisor) -> None:
    hypervisor.define_nwfilter("<filter name='vfa'><rule action='drop' direction='in'/></filter>")
    found = hypervisor.nwfilters()["vfa"]
    assert tree(found.xml).findtext("uuid") == found.uuid
    assert tree(found.xml).get("chain") == "root" and tree(found.xml).get("priority") is None
    hypervisor.define_nwfilter(found.xml.replace("drop", "accept"))
    again = hypervisor.nwfilters()["vfa"]
    assert again.uuid == found.uuid and "accept" in again.xml
    with pytest.raises(VirtError, match="vfa.*already exists"):
        hypervisor.define_nwfilter("<filter name='vfa'/>")
    with pytest.raises(VirtError, match="vfb"):
        hypervisor.define_nwfilter(f"<filter name='vfb'><uuid>{found.uuid}</uuid></filter>")
    with pytest.raises(VirtError, match="vfb.*loop"):
        hypervisor.define_nwfilter("<filter name='vfb'><filterref filter='vfb'/></filter>")
    with pytest.raises(SpecError, match="could not define nwfilter"):
        hypervisor.define_nwfilter("<filter>")
    for _again in range(2):
        hypervisor.undefine_nwfilter("vfa")
        assert "vfa" not in hypervisor.nwfilters()


@pytest.mark.usefixtures("networked")
def test_a_filter_of_a_running_guest_stays(place: Place, hypervisor: Hypervisor) -> None:
    network, name = place.name("net"), place.name("filtered")
    hypervisor.define_network(f"<network><name>{network}</name><bridge name='vff{network[3:]}'/></network>")
    hypervisor.start_network(network)
    hypervisor.define_nwfilter("<filter name='vfa'><rule action='drop' direction='in'/></filter>")
    nic = f"<interface type='network'><source network='{network}'/><filterref filter='vfa'/></interface>"
    hypervisor.define_guest(guest(name, nic))
    hypervisor.start_guest(name)
    with pytest.raises(Conflict, match="vfa.*in use"):
        hypervisor.undefine_nwfilter("vfa")
    hypervisor.shutdown_guest(name, 0, True)
    hypervisor.undefine_nwfilter("vfa")


# What is written, and what libvirt 9.0 writes back: what it loses, this collection must not write.
FORMS = [
    ("<tcp dstportstart='22' srcmacaddr='52:54:00:0a:00:01'/>", "<tcp srcmacaddr='52:54:00:0a:00:01' dstportstart='22'/>"),
    ("<tcp match='no' dstportstart='22'/>", "<tcp dstportstart='22'/>"),
    ("<tcp match='no' srcportstart='1' dstportstart='22'/>", "<tcp match='no' srcportstart='1' dstportstart='22'/>"),
    ("<tcp srcipaddr='$IP[@0]' dstipaddr='$IP[@1]'/>", "<tcp srcipaddr='$IP' dstipaddr='$IP[@1]'/>"),
    ("<tcp ipset='s' ipsetflags='src'/>", "<tcp/>"),
    ("<tcp ipset='s'/>", "<tcp ipset='s' ipsetflags='src'/>"),
    ("<all ipset='s' ipsetflags='dst'/>", "<all ipset='s' ipsetflags='dst'/>"),
    ("<mac protocolid='2048' nonsense='1'/>", "<mac protocolid='ipv4'/>"),
    ("<arp opcode='2' gratuitous='yes'/>", "<arp opcode='Reply' gratuitous='true'/>"),
]


@pytest.mark.usefixtures("networked")
@pytest.mark.parametrize(("written", "read"), FORMS)
def test_forms_that_libvirt_gives(hypervisor: Hypervisor, written: str, read: str) -> None:
    hypervisor.define_nwfilter(f"<filter name='vfa'><rule action='drop' direction='in'>{written}</rule></filter>")
    (found,) = tree(hypervisor.nwfilters()["vfa"].xml).findall("rule/*")
    assert (found.tag, found.attrib) == (tree(read).tag, tree(read).attrib)


VALUES: dict[str, Any] = {
    "srcmacmask": "FF:ff:0:0:0:0", "dstmacmask": "ff:ff:ff:ff:ff:ff", "root-address-mask": "ff:0:0:0:0:0",
    "sender-address-mask": "ff:0:0:0:0:0", "protocolid": "0x86dd", "encap-protocol": "0x88a8", "vlanid": "0xa",
    "opcode": "request", "protocol": "TCP", "state": "related,new", "gratuitous": "1", "ipset": "some-set",
    "ipsetflags": "src", "comment": " a <comment> & 'more' ", "dscp": "0x1f", "root-cost": "0xfffff", "option": 3,
    "arpsrcipaddr": "10.0.0.1", "arpdstipaddr": "$IP[@0]", "arpsrcipmask": "255.255.0.0", "arpdstipmask": 24,
}  # fmt: skip


def value(protocol: str, name: str) -> Any:
    if name in VALUES:
        return VALUES[name]
    if name == "flags":
        return "0x3" if protocol == "stp" else "syn,ACK/SYN"
    six = protocol.endswith("v6")
    if name.endswith("ipmask"):
        return "ffff:ffff::" if six else "255.255.255.0"
    if "ip" in name:
        return "FE80::0:1" if six else "10.0.0.2"
    return "AA:B:0:0:0:1" if "addr" in name else "0x12"


def rules() -> list[dict[str, Any]]:
    """Return rules with every attribute of every protocol, negated too where that is possible."""
    found: list[dict[str, Any]] = [{"action": "drop", "direction": "inout", "priority": 1000}]
    for protocol, names in PROTOCOLS.items():
        every = {name: value(protocol, name) for name in names}
        if "state" in every:
            found.append({"action": "return", "direction": "out", "protocol": protocol, "statematch": False})
        found.append({"action": "accept", "direction": "in", "protocol": protocol, "attributes": every})
        comment = {"comment": every.pop("comment")}
        plain = {name: every.pop(name) for name in list(every) if name.startswith("ipset")}
        whole = {name: word for name, word in every.items() if leader_of(protocol, name) in (None, *every)}
        found += [
            {"action": "reject", "direction": "out", "protocol": protocol, "negated": whole, "attributes": beside}
            for beside in (comment, plain)
        ]
    return found


@pytest.mark.usefixtures("networked")
def test_every_attribute_reads_back_as_written(hypervisor: Hypervisor) -> None:
    hypervisor.define_nwfilter("<filter name='vfb'/>")
    filters = [{"name": "vfb", "parameters": {"IP": ["10.0.0.2", "10.0.0.1"], "A": "x"}}, {"name": "vfb"}]
    spec = parse({"name": "vfa", "chain": "ipv4-x", "priority": 0, "filters": filters, "rules": rules()})
    for _again in range(2):
        snap = Snapshot(hypervisor.host(), nwfilters=hypervisor.nwfilters())
        for action in plan(spec, snap).actions:
            for step in action.steps:
                getattr(hypervisor, step.op)(**step.args)
        snap = Snapshot(hypervisor.host(), nwfilters=hypervisor.nwfilters())
        assert plan(spec, snap).actions == ()
        # Another change leaves the rules, and sets by their names, as they are.
        other = parse({"name": "vfa", "priority": 7})
        for action in plan(other, snap).actions:
            for step in action.steps:
                getattr(hypervisor, step.op)(**step.args)
        (left,) = plan(spec, Snapshot(hypervisor.host(), nwfilters=hypervisor.nwfilters())).actions
        assert [change.path for change in left.changes] == [("priority",)]
