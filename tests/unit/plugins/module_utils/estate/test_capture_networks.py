# Copyright: (c) 2026, the virtfleet.core contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Networks and pools of each kind that libvirt knows: said so that nothing changes, or left with a reason."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from ansible_collections.virtfleet.core.plugins.module_utils import _libvirt_read as read
from ansible_collections.virtfleet.core.plugins.module_utils import _xml
from ansible_collections.virtfleet.core.plugins.module_utils._estate.network_words import say_network
from ansible_collections.virtfleet.core.plugins.module_utils._estate.storage_words import say_images, say_pool
from ansible_collections.virtfleet.core.plugins.module_utils._facts import ImageFacts, NetworkFacts, Snapshot
from ansible_collections.virtfleet.core.plugins.module_utils._network.plan import plan as plan_network
from ansible_collections.virtfleet.core.plugins.module_utils._network.spec import parse as parse_network
from ansible_collections.virtfleet.core.plugins.module_utils._storage.plan import plan as plan_pool
from ansible_collections.virtfleet.core.plugins.module_utils._storage.spec import parse as parse_pool
from tests.unit.plugins.module_utils.guest.world import GIB, HOST, RECORDED, pool, volume

MAC = "52:54:00:00:00:01"
LAN = "<ip address='10.9.0.1' netmask='255.255.255.0'>{}</ip>"
RANGE = "<range start='10.9.0.2' end='10.9.0.254'/>"
SOME = "<range start='10.9.0.100' end='10.9.0.199'/>"
BRIDGE = "<bridge name='virbr7' stp='on' delay='0'/>"

# name: the definition, its entry or None, and what is left of it
NETWORKS: dict[str, tuple[str, dict[str, Any] | None, list[str]]] = {
    "nat": (
        f"<forward mode='nat'/>{BRIDGE}" + LAN.format(f"<dhcp>{RANGE}</dhcp>"),
        {"cidr": "10.9.0.0/24"},
        [],
    ),
    "nat-ports": (
        f"<forward mode='nat' dev='eth0'><nat><port start='2000' end='3000'/></nat></forward>{BRIDGE}" + LAN.format(""),
        {"forward_dev": "eth0", "cidr": "10.9.0.0/24", "dhcp": False},
        ['<forward dev="eth0"><nat><port start="2000" end="3000" /></nat></forward>'],
    ),
    "isolated": (
        "<bridge name='br-lab' stp='off' delay='0'/><mtu size='9000'/><domain name='lab.test' localOnly='yes'/>"
        + LAN.format(f"<dhcp>{SOME}<host mac='{MAC}' name='web' ip='10.9.0.11'/></dhcp>"),
        {
            "forward": "none",
            "cidr": "10.9.0.0/24",
            "dhcp": {"start": "10.9.0.100", "end": "10.9.0.199"},
            "reservations": [{"mac": MAC, "address": "10.9.0.11", "name": "web"}],
            "bridge": "br-lab",
            "stp": False,
            "mtu": 9000,
            "domain": "lab.test",
            "domain_local": True,
        },
        [],
    ),
    "very-isolated": (BRIDGE, {"forward": "none"}, []),
    "names": (
        f"<forward mode='nat'/>{BRIDGE}<dns enable='yes'><forwarder addr='9.9.9.9'/><txt name='t' value='v'/>"
        "<host ip='10.9.0.5'><hostname>one</hostname><hostname>two</hostname></host></dns>"
        + LAN.format(f"<dhcp>{RANGE}</dhcp>"),
        {
            "cidr": "10.9.0.0/24",
            "dns_hosts": [{"address": "10.9.0.5", "names": ["one", "two"]}],
            "dns_forwarders": ["9.9.9.9"],
            "dns_txt": [{"name": "t", "value": "v"}],
        },
        ['<dns enable="yes" />'],
    ),
    "two-ranges": (
        f"<forward mode='nat'/>{BRIDGE}"
        + LAN.format(
            "<dhcp><range start='10.9.0.10' end='10.9.0.20'/><range start='10.9.0.30' end='10.9.0.40'/></dhcp>"
        ),
        {"cidr": "10.9.0.0/24"},
        ['<dhcp><range start="10.9.0.10" end="10.9.0.20" /><range start="10.9.0.30" end="10.9.0.40" /></dhcp>'],
    ),
    "other-gateway": (
        f"<forward mode='nat'/>{BRIDGE}<ip address='10.9.0.254' prefix='24'><dhcp>{SOME}</dhcp></ip>",
        {"cidr": "10.9.0.0/24", "gateway": "10.9.0.254", "dhcp": {"start": "10.9.0.100", "end": "10.9.0.199"}},
        [],
    ),
    "ipv6": (
        f"<forward mode='nat'/>{BRIDGE}"
        + LAN.format(f"<dhcp>{RANGE}</dhcp>")
        + "<ip family='ipv6' address='fd00:9::1' prefix='64'><dhcp><range start='fd00:9::10' end='fd00:9::ff'/></dhcp></ip>",
        {"cidr": "10.9.0.0/24", "ipv6": {"address": "fd00:9::1/64", "start": "fd00:9::10", "end": "fd00:9::ff"}},
        [],
    ),
    "tftp": (
        f"<forward mode='nat'/>{BRIDGE}"
        + LAN.format(f"<tftp root='/srv/tftp'/><dhcp>{RANGE}<bootp file='pxe.0'/></dhcp>"),
        {"cidr": "10.9.0.0/24", "tftp_root": "/srv/tftp", "bootp": {"file": "pxe.0"}},
        [],
    ),
    "tuned": (
        f"<forward mode='nat'/>{BRIDGE}<bandwidth><inbound average='1000'/></bandwidth><port isolated='yes'/>"
        "<portgroup name='dmz' default='yes'><bandwidth><outbound average='9'/></bandwidth></portgroup>"
        + LAN.format(f"<dhcp>{RANGE}</dhcp>"),
        {
            "cidr": "10.9.0.0/24",
            "isolated": True,
            "bandwidth": {"in": "1000KiB"},
            "portgroups": [{"name": "dmz", "default": True, "bandwidth": {"out": "9KiB"}}],
        },
        [],
    ),
    "routed": (
        "<forward mode='route' dev='eth1'><interface dev='eth1'/></forward>" + BRIDGE + LAN.format(f"<dhcp>{RANGE}</dhcp>"),
        {"forward": "route", "forward_dev": "eth1", "cidr": "10.9.0.0/24"},
        [],
    ),
    "open": (
        "<forward mode='open'/>" + BRIDGE + LAN.format(""),
        {"forward": "open", "cidr": "10.9.0.0/24", "dhcp": False},
        [],
    ),
    "bridged": ("<forward mode='bridge'/><bridge name='br0'/>", {"forward": "bridge", "bridge": "br0"}, []),
    "ovs": (
        "<forward mode='bridge'/><bridge name='ovs0'/><virtualport type='openvswitch'/><vlan><tag id='7'/></vlan>"
        "<portgroup name='a' trustGuestRxFilters='yes'><vlan trunk='yes'><tag id='8' nativeMode='tagged'/><tag id='9'/></vlan>"
        "</portgroup>",
        {
            "forward": "bridge",
            "bridge": "ovs0",
            "virtualport": {"type": "openvswitch"},
            "vlan": {"tags": [7]},
            "portgroups": [
                {
                    "name": "a",
                    "vlan": {"tags": [8, 9], "native": 8, "native_mode": "tagged"},
                    "trust_guest_rx_filters": True,
                }
            ],
        },
        [],
    ),
    "macvtap": (
        "<forward mode='private' dev='eth0'><interface dev='eth0'/><interface dev='eth1'/></forward>",
        {"forward": "private", "forward_interfaces": ["eth0", "eth1"]},
        [],
    ),
    "functions": (
        "<forward mode='hostdev' managed='yes'><pf dev='eth0'/></forward>",
        {"forward": "hostdev", "forward_pf": "eth0"},
        [],
    ),
    "addresses": (
        "<forward mode='hostdev'><driver name='vfio'/>"
        "<address type='pci' domain='0x0000' bus='0x03' slot='0x10' function='0x1'/></forward>",
        {
            "forward": "hostdev",
            "forward_addresses": ["0000:03:10.1"],
            "forward_driver": "vfio",
            "forward_managed": False,
        },
        [],
    ),
    "unknown": ("<forward mode='tunnel'/><bridge name='br0'/>", None, []),
}


def known(name: str, body: str, **flags: Any) -> NetworkFacts:
    uuid = "5c6e1d0e-0000-4000-8000-000000000099"
    xml = f"<network><name>{name}</name><uuid>{uuid}</uuid>{body}<mac address='52:54:00:11:22:33'/></network>"
    live = xml if flags.pop("active", True) else None
    return NetworkFacts(name, uuid, xml, live, **{"autostart": True, **flags})


@pytest.mark.parametrize("name", NETWORKS)
def test_a_network_of_each_kind(name: str) -> None:
    body, entry, left = NETWORKS[name]
    facts = known(name, body)
    snap = Snapshot(HOST, networks={name: facts})
    said = say_network(facts, snap)
    if entry is None:
        assert said.entry is None
        (whole,) = said.left
        assert whole.at == "" and "mode" in whole.why
        assert _xml.same(_xml.parse(whole.xml), _xml.parse(facts.xml))
        return
    assert said.entry == {"name": name, **entry}
    assert plan_network(parse_network(said.entry), snap).actions == ()
    assert [piece.xml for piece in said.left] == left
    assert all(piece.why for piece in said.left)


@pytest.mark.parametrize("path", sorted(RECORDED.glob("network-*.out.xml")), ids=lambda path: path.name)
def test_a_network_as_libvirt_has_it(path: Any) -> None:
    text = path.read_text()
    root = _xml.parse(text)
    name = _xml.read(root, "name") or ""
    facts = NetworkFacts(name, _xml.read(root, "uuid") or "", text, None)
    said = say_network(facts, Snapshot(HOST, networks={name: facts}))
    if said.entry is None:
        assert "mode" in said.left[0].why
    else:
        assert said.entry["state"] == "inactive"
        assert plan_network(parse_network(said.entry), Snapshot(HOST, networks={name: facts})).actions == ()
        assert not any("virtfleet" in piece.xml or "delay" in piece.xml for piece in said.left)


@pytest.mark.parametrize(
    ("active", "autostart", "words"),
    [
        (True, True, {}),
        (True, False, {"autostart": False}),
        (False, False, {"state": "inactive"}),
        (False, True, {"state": "inactive", "autostart": True}),
    ],
)
def test_what_runs_and_what_starts_with_the_host(active: bool, autostart: bool, words: dict[str, Any]) -> None:
    facts = known("lan", NETWORKS["nat"][0], active=active, autostart=autostart)
    assert say_network(facts, Snapshot(HOST, networks={"lan": facts})).entry == {
        "name": "lan",
        "cidr": "10.9.0.0/24",
        **words,
    }
    root = replace(pool("default", active), autostart=autostart, xml=_pool_xml())
    entry = say_pool(root, Snapshot(HOST, pools={"default": root})).entry
    assert entry == {"name": "default", "path": "/var/lib/virtfleet/images", **words}


def test_reservations_that_nics_speak_of_are_said_there() -> None:
    facts = known("isolated", NETWORKS["isolated"][0])
    said = say_network(facts, Snapshot(HOST, networks={"isolated": facts}), {MAC})
    assert said.entry is not None and "reservations" not in said.entry


def test_a_reservation_without_a_word_is_left() -> None:
    hosts = f"<host mac='{MAC}' name='_bad_' ip='10.9.0.11'/><host mac='52:54:00:00:00:02' ip='10.9.0.12'/>"
    facts = known("nat", f"<forward mode='nat'/>{BRIDGE}" + LAN.format(f"<dhcp>{RANGE}{hosts}</dhcp>"))
    said = say_network(facts, Snapshot(HOST, networks={"nat": facts}))
    assert said.entry is not None
    assert said.entry["reservations"] == [{"mac": "52:54:00:00:00:02", "address": "10.9.0.12"}]
    assert [(piece.at, "_bad_" in piece.xml) for piece in said.left] == [("reservations", True)]


def test_a_network_that_runs_otherwise_than_it_is_defined_is_left() -> None:
    facts = known("nat", NETWORKS["nat"][0])
    facts = replace(facts, live_xml=facts.xml.replace("10.9.0.254", "10.9.0.200"))
    body = facts.xml.replace("10.9.0.254", "10.9.0.250")
    said = say_network(replace(facts, xml=body), Snapshot(HOST, networks={"nat": replace(facts, xml=body)}))
    assert said.entry is None
    assert "dhcp" in said.left[0].why


def test_a_transient_network_is_left() -> None:
    facts = known("nat", NETWORKS["nat"][0], persistent=False)
    (whole,) = say_network(facts, Snapshot(HOST, networks={"nat": facts})).left
    assert "transient" in whole.why


# pools


def _pool_xml(kind: str = "dir", source: str = "", target: str = "<path>/var/lib/virtfleet/images</path>") -> str:
    sizes = "".join(f"<{tag} unit='bytes'>0</{tag}>" for tag in ("capacity", "allocation", "available"))
    return (
        f"<pool type='{kind}'><name>p</name><uuid>b99ab5d6-2e16-486d-b168-a734ebe31c9f</uuid>{sizes}"
        f"<source>{source}</source><target>{target}</target></pool>"
    )


PERMISSIONS = "<permissions><mode>0711</mode><owner>0</owner><group>0</group>{}</permissions>"
POOLS: dict[str, tuple[str, dict[str, Any] | None, list[str]]] = {
    "dir": (_pool_xml(target="<path>/srv/p</path>"), {"path": "/srv/p"}, []),
    "dir-mode": (
        _pool_xml(target="<path>/srv/p</path>" + PERMISSIONS.format("")),
        {"path": "/srv/p", "mode": "0711", "owner": 0, "group": 0},
        [],
    ),
    "dir-label": (
        _pool_xml(target="<path>/srv/p</path>" + PERMISSIONS.format("<label>virt_t</label>")),
        {"path": "/srv/p", "mode": "0711", "owner": 0, "group": 0},
        ["<target><permissions><label>virt_t</label></permissions></target>"],
    ),
    "fs": (
        _pool_xml("fs", "<device path='/dev/sdb1'/><format type='ext4'/>"),
        {"path": "/var/lib/virtfleet/images", "source_devices": ["/dev/sdb1"], "source_format": "ext4"},
        [],
    ),
    "netfs": (
        _pool_xml("netfs", "<host name='nfs1'/><dir path='/x'/><format type='nfs'/><protocol ver='4.2'/>"),
        {
            "path": "/var/lib/virtfleet/images",
            "source_hosts": ["nfs1"],
            "source_path": "/x",
            "source_format": "nfs",
            "source_version": "4.2",
        },
        [],
    ),
    "logical": (
        _pool_xml("logical", "<name>vg0</name><format type='lvm2'/>", "<path>/dev/vg0</path>"),
        {"source_name": "vg0", "source_format": "lvm2"},
        [],
    ),
    "disk": (
        _pool_xml("disk", "<device path='/dev/sdc'><freeExtent start='0' end='9'/></device>", "<path>/dev</path>"),
        {"path": "/dev", "source_devices": ["/dev/sdc"]},
        ['<source><device><freeExtent start="0" end="9" /></device></source>'],
    ),
    "iscsi": (
        _pool_xml(
            "iscsi",
            "<host name='::1' port='3261'/><device path='iqn.x'/><auth type='chap' username='me'><secret usage='s'/></auth>",
            "<path>/dev/disk/by-path</path>",
        ),
        {
            "path": "/dev/disk/by-path",
            "source_hosts": ["[::1]:3261"],
            "source_devices": ["iqn.x"],
            "auth_username": "me",
            "auth_secret": "s",
        },
        [],
    ),
    "iscsi-direct": (
        _pool_xml("iscsi-direct", "<host name='i'/><device path='iqn.x'/><initiator><iqn name='iqn.me'/></initiator>", ""),
        {"source_hosts": ["i"], "source_devices": ["iqn.x"], "source_initiator": "iqn.me"},
        [],
    ),
    "scsi": (
        _pool_xml("scsi", "<adapter type='scsi_host' name='host0'/>", "<path>/dev/disk/by-path</path>"),
        {"path": "/dev/disk/by-path", "source_adapter": "host0"},
        [],
    ),
    # By the names of a Fibre Channel, for which there is no word.
    "scsi-adapter": (
        _pool_xml("scsi", "<adapter type='fc_host' wwnn='20000000c9831b4b' wwpn='10000000c9831b4b'/>", "<path>/dev</path>"),
        None,
        [],
    ),
    "mpath": (_pool_xml("mpath", "", "<path>/dev/mapper</path>"), {"path": "/dev/mapper"}, []),
    "gluster": (
        _pool_xml("gluster", "<host name='g'/><name>vol</name><dir path='/'/>", ""),
        {"source_name": "vol", "source_hosts": ["g"], "source_path": "/"},
        [],
    ),
    "rbd": (
        _pool_xml(
            "rbd",
            "<host name='a'/><host name='b' port='6789'/><name>rbd</name><auth type='ceph' username='me'>"
            "<secret uuid='2ec115d7-3a88-3ceb-bc12-0ac909a6fd87'/></auth>",
            "",
        ),
        {
            "source_name": "rbd",
            "source_hosts": ["a", "b:6789"],
            "auth_username": "me",
            "auth_secret": "2ec115d7-3a88-3ceb-bc12-0ac909a6fd87",
        },
        [],
    ),
    "zfs": (_pool_xml("zfs", "<name>tank</name>", "<path>/dev/zvol/tank</path>"), {"source_name": "tank"}, []),
    "vstorage": (_pool_xml("vstorage", "<name>c</name>", "<path>/mnt/c</path>"), None, []),
}


@pytest.mark.parametrize("name", POOLS)
def test_a_pool_of_each_kind(name: str) -> None:
    xml, entry, left = POOLS[name]
    facts = replace(read.pool_facts(xml, xml, True), name=name)
    snap = Snapshot(HOST, pools={name: facts})
    said = say_pool(facts, snap)
    if entry is None:
        assert said.entry is None
        (whole,) = said.left
        assert whole.at == "" and name.partition("-")[0] in whole.why
        return
    kind = {} if facts.type == "dir" else {"type": facts.type}
    assert said.entry == {"name": name, **kind, **entry}
    assert plan_pool(parse_pool(said.entry), snap).actions == ()
    assert [piece.xml for piece in said.left] == left


def test_two_pools_in_one_place_are_left() -> None:
    one = replace(pool("a"), xml=_pool_xml(), path="/x")
    both = {
        "a": replace(one, path="/var/lib/virtfleet/images"),
        "b": replace(one, name="b", path="/var/lib/virtfleet/images"),
    }
    said = say_pool(both["a"], Snapshot(HOST, pools=both))
    assert said.entry is None and "directory of pool b" in said.left[0].why


# images


def image(name: str, record: dict[str, str], form: str = "qcow2") -> tuple[str, Snapshot]:
    base = volume("default", name, 2 * GIB, form)
    facts = ImageFacts(base.path, form, 2 * GIB, GIB, record=record)
    return base.path, Snapshot(
        HOST, pools={"default": pool("default")}, volumes={("default", name): base}, images={base.path: facts}
    )


SUM = "a" * 64


@pytest.mark.parametrize(
    ("name", "record", "entry"),
    [
        (
            "debian-12.qcow2",
            {"source": "https://x.test/d.qcow2", "sha256": SUM},
            {"name": "debian-12", "checksum": f"sha256:{SUM}"},
        ),
        ("debian-12.qcow2", {"source": "https://x.test/d.qcow2"}, {"name": "debian-12"}),
        (
            "odd.img",
            {"source": "https://x.test/d.qcow2", "sha512": 2 * SUM},
            {"name": "odd.img", "checksum": f"sha512:{2 * SUM}"},
        ),
        ("debian-12.qcow2", {}, None),
        ("debian-12.qcow2", {"bootstrap": "0123"}, None),
    ],
)
def test_an_image_whose_record_tells_where_it_is_from(
    name: str, record: dict[str, str], entry: dict[str, Any] | None
) -> None:
    path, snap = image(name, record)
    found = [said.entry for said in say_images([path], snap, ["default"])]
    assert found == ([] if entry is None else [{**entry, "pool": "default", "source": "https://x.test/d.qcow2"}])
    assert say_images([path], snap, ["other"]) == []


def test_a_source_that_held_a_secret_is_left() -> None:
    path, snap = image("d.qcow2", {"source": "https://x.test/d?hidden-0123"})
    (said,) = say_images([path], snap, ["default"])
    assert said.entry is None and "secret" in said.left[0].why
