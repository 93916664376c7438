# Copyright: (c) 2026, the virtfleet.core contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Devices of the host, folders, network disks, and what disks and nics change while they run."""

from __future__ import annotations

from typing import Any

import pytest

from ansible_collections.virtfleet.core.plugins.module_utils import _xml
from ansible_collections.virtfleet.core.plugins.module_utils._change import Effect
from ansible_collections.virtfleet.core.plugins.module_utils._errors import SpecError
from ansible_collections.virtfleet.core.plugins.module_utils._guest.fields.chardevs import LISTS as LINES
from ansible_collections.virtfleet.core.plugins.module_utils._guest.fields.disks import DISKS
from ansible_collections.virtfleet.core.plugins.module_utils._guest.fields.filesystems import FILESYSTEMS
from ansible_collections.virtfleet.core.plugins.module_utils._guest.fields.hostdevs import HOSTDEVS
from ansible_collections.virtfleet.core.plugins.module_utils._guest.fields.nics import NICS
from ansible_collections.virtfleet.core.plugins.module_utils._guest.record import read as read_record
from ansible_collections.virtfleet.core.plugins.module_utils._guest.spec import parse
from ansible_collections.virtfleet.core.plugins.module_utils._guest.table import GUEST
from ansible_collections.virtfleet.core.plugins.module_utils._table import (
    Context,
    Keyed,
    build,
    compare,
    contradictions,
    observe,
    show_spec,
    unsupported,
)
from tests.unit.plugins.module_utils.guest.house import House, rows, waiting

LISTS = {keyed.name: keyed for keyed in (DISKS, NICS, HOSTDEVS, FILESYSTEMS, *LINES)}
SHARED = {"at": ".", "xml": "<memoryBacking><access mode='shared'/></memoryBacking>"}


def element(text: str) -> _xml.Element:
    return _xml.parse(text)


@pytest.mark.parametrize(
    ("kind", "text", "source"),
    [
        (
            HOSTDEVS,
            "<hostdev mode='subsystem' type='pci'><source><address bus='6' slot='0x12' function='5'/></source></hostdev>",
            {"pci": "0000:06:12.5"},
        ),
        (
            HOSTDEVS,
            "<hostdev mode='subsystem' type='usb'><source><vendor id='0x0951'/><product id='0x1666'/>"
            "<address bus='1' device='4'/></source></hostdev>",
            {"usb": "0951:1666"},
        ),
        (HOSTDEVS, "<hostdev mode='subsystem' type='usb'><source><address bus='1' device='4'/></source></hostdev>", {"usb": "1.4"}),
        (HOSTDEVS, "<hostdev mode='subsystem' type='mdev'><source><address uuid='u'/></source></hostdev>", {"mdev": "u"}),
        (HOSTDEVS, "<hostdev mode='subsystem' type='scsi'><source><adapter name='scsi_host0'/></source></hostdev>", {"scsi": None}),
        (HOSTDEVS, "<hostdev mode='capabilities' type='storage'/>", None),
        (
            DISKS,
            "<disk type='network'><source protocol='nbd' name='e' tls='yes'><host name='h' port='1'/></source></disk>",
            {"nbd": {"host": "h", "port": 1, "export": "e", "tls": True}},
        ),
        (
            DISKS,
            "<disk type='network'><source protocol='https' name='a/b' query='x=1'><host name='h' port='443'/></source></disk>",
            {"https": "https://h/a/b?x=1"},
        ),
        (DISKS, "<disk type='network'><source protocol='ssh' name='p'/></disk>", {"remote": "ssh:p"}),
    ],
)
def test_sources(kind: Keyed, text: str, source: Any) -> None:
    assert observe(kind.item, element(text)).get("source") == source


@pytest.mark.parametrize(
    ("name", "words"),
    [
        ("disks", {"rbd": {"name": "rbd/a", "hosts": ["mon1:6789", "[2001:db8::7]:1", "192.0.2.1"], "user": "u", "secret": "s"}}),
        ("disks", {"iscsi": {"host": "2001:db8::9", "target": "iqn.2013-07.example:d/1", "initiator": "iqn.2013-07.example:h"}}),
        ("disks", {"nfs": {"host": "nas", "path": "/e/d", "user": "+0", "group": "disk"}, "luks_secret": "key"}),
        ("disks", {"https": "https://[2001:db8::7]:8443/a.iso", "readonly": True}),
        ("nics", {"network": "lab", "filter": {"name": "f", "parameters": {"IP": ["10.0.0.1", "10.0.0.2"], "MAC": "a"}}}),
        ("nics", {"direct": "eth0.7", "mode": "private", "vlan": [3, 9], "rom": {"enabled": False}}),
        ("hostdevs", {"pci": "0001:06:1f.7", "rom": {"bar": False, "file": "/r"}, "boot_order": 2}),
        ("hostdevs", {"usb": "1.12"}),
        ("filesystems", {"source": "/a", "target": "t", "driver": "9p", "fmode": "0600", "accessmode": "squash"}),
        (
            "serials",
            {"port": 1, "tcp": {"host": "::1", "port": 4555, "mode": "bind", "protocol": "telnet"}, "log": "/l"},
        ),
        ("serials", {"port": 3, "model": "pci-serial", "file": "/s", "append": True, "log": "/l", "log_append": False}),
        ("parallels", {"port": 0, "device": "/dev/parport0"}),
        ("consoles", {"port": 1, "nothing": True}),
        ("channels", {"target": "org.example.a", "unix": {"path": "/a.sock", "mode": "connect"}}),
        ("channels", {"target": "org.example.a", "spiceport": "org.example.a"}),
        ("channels", {"target": "org.example.a", "pty": True}),
    ],
)
def test_words_come_back_from_xml(name: str, words: dict[str, Any]) -> None:
    keyed = LISTS[name]
    spec = parse({"name": "web1", name: [words]})
    (entry,) = {**spec.lists, "disks": spec.disks, "nics": spec.nics}[name] or ()
    tree = element(_xml.to_text(build(keyed, entry)))
    assert compare(keyed.item, entry, observe(keyed.item, tree), Context()) == []
    shown = show_spec(keyed.item, observe(keyed.item, tree))
    shown.update(shown.pop("source") if isinstance(shown.get("source"), dict) else {})
    assert {option: shown[option] for option in words} == words


@pytest.mark.parametrize(
    ("words", "path", "why"),
    [
        ({"hostdevs": [{"pci": "06:12"}]}, "hostdevs[0].pci", "lspci"),
        ({"hostdevs": [{"pci": "0000:06:20.1"}]}, "hostdevs[0].pci", "lspci"),
        ({"hostdevs": [{"usb": "1-4"}]}, "hostdevs[0].usb", "lsusb"),
        ({"hostdevs": [{"mdev": "x"}]}, "hostdevs[0].mdev", "UUID"),
        ({"hostdevs": [{"name": "a"}]}, "hostdevs[0]", "needs one of pci, usb, mdev"),
        ({"hostdevs": [{"pci": "06:12.0", "usb": "1.4"}]}, "hostdevs[0]", "pci and usb are given"),
        ({"hostdevs": [{"pci": "06:12.0", "rom": {}}]}, "hostdevs[0].rom", "says nothing"),
        ({"hostdevs": [{"pci": "06:12.0", "rom": {"bar": 1}}]}, "hostdevs[0].rom", "bar: 1 is neither"),
        ({"filesystems": [{"source": "srv", "target": "a"}]}, "filesystems[0].source", "absolute"),
        ({"filesystems": [{"source": "/srv", "target": "a" * 36}]}, "filesystems[0].target", "35"),
        ({"filesystems": [{"source": "/srv", "target": "a", "fmode": "9"}]}, "filesystems[0].fmode", "0644"),
        ({"serials": [{"port": 0, "pty": True}]}, "serials[0].port", "console_source"),
        ({"serials": [{"port": 1}]}, "serials[0]", "needs one of pty, file, unix, tcp, device, nothing, spiceport"),
        ({"serials": [{"port": 1, "pty": True, "nothing": True}]}, "serials[0]", "pty and nothing are given"),
        ({"serials": [{"port": 1, "pty": False}]}, "serials[0].pty", "not true"),
        ({"serials": [{"port": 1, "tcp": {"host": "::1", "port": 1}}]}, "serials[0].tcp", "needs mode"),
        ({"parallels": [{"port": 3, "pty": True}]}, "parallels[0].port", "from 0 to 2"),
        ({"channels": [{"target": "a b", "pty": True}]}, "channels[0].target", "org.example.control.0"),
        ({"channels": [{"target": "org.qemu.guest_agent.0", "pty": True}]}, "channels[0].target", "option agent"),
        ({"channels": [{"target": "com.redhat.spice.0", "pty": True}]}, "channels[0].target", "option spice_agent"),
        ({"console_source": {"pty": True, "nothing": True}}, "console_source", "exactly one of"),
        ({"console_source": {"unix": {"path": "a", "mode": "bind"}}}, "console_source", "absolute"),
        ({"disks": [{"nbd": {"port": 1}}]}, "disks[0].nbd", "needs host"),
        ({"disks": [{"nbd": {"host": "a", "socket": "/s"}}]}, "disks[0].nbd", "'socket' is not one of"),
        ({"disks": [{"nbd": {"host": "a b"}}]}, "disks[0].nbd", "host's name or address"),
        ({"disks": [{"nbd": "192.0.2.7"}]}, "disks[0].nbd", "not a mapping"),
        ({"disks": [{"rbd": {"name": "a"}}]}, "disks[0].rbd", "with its pool"),
        ({"disks": [{"rbd": {"name": "a/b", "hosts": "mon1"}}]}, "disks[0].rbd", "list of hosts"),
        ({"disks": [{"rbd": {"name": "a/b", "hosts": ["a:b:c"]}}]}, "disks[0].rbd", "mon1:6789"),
        ({"disks": [{"iscsi": {"host": "a", "target": "disk"}}]}, "disks[0].iscsi", "iqn."),
        ({"disks": [{"https": "http://a/b"}]}, "disks[0].https", "https://"),
        ({"disks": [{"https": "https://me:pw@a/b"}]}, "disks[0].https", "without user"),
        ({"disks": [{"https": "https://a:999999/b"}]}, "disks[0].https", "https://"),
        ({"disks": [{"size": "1GiB", "serial": "a/b"}]}, "disks[0].serial", "serial number"),
        ({"disks": [{"size": "1GiB", "queues": -1}]}, "disks[0].queues", "from 0 to 256"),
        ({"disks": [{"size": "1GiB", "iotune": {"read_bytes": 5}}]}, "disks[0].iotune", "read_bytes"),
        ({"nics": [{"network": "lab", "filter": {"parameters": {}}}]}, "nics[0].filter", "needs name"),
        ({"nics": [{"network": "lab", "filter": "a"}]}, "nics[0].filter", "mapping"),
        ({"nics": [{"network": "lab", "filter": {"name": "a", "parameters": 1}}]}, "nics[0].filter", "parameters: 1"),
        ({"nics": [{"network": "lab", "filter": {"name": "a", "parameters": {"A": "<"}}}]}, "nics[0].filter", "A: '<'"),
        ({"nics": [{"network": "lab", "vlan": 3}]}, "nics[0].vlan", "list of VLANs"),
        ({"nics": [{"network": "lab", "vlan": [4095]}]}, "nics[0].vlan", "1 to 4094"),
        ({"nics": [{"direct": "a/b"}]}, "nics[0].direct", "network device"),
    ],
)
def test_wrong_words_are_named(words: dict[str, Any], path: str, why: str) -> None:
    with pytest.raises(SpecError) as caught:
        parse({"name": "web1", **words})
    (sentence,) = caught.value.problems
    assert sentence.startswith(f"{path}: ") and why in sentence, sentence


DISK = {"name": "d", "bus": "virtio", "source": {"file": "/d"}}
NIC = {"name": "n", "source": {"network": "lab"}}
FAST = {"name": "a", "target": "t", "driver": "virtiofs"}


@pytest.mark.parametrize(
    ("spec", "path"),
    [
        ({"disks": [{**DISK, "iotune": {"total_iops": 1, "read_iops": 1}}]}, "disks.d.iotune.total_iops"),
        ({"disks": [{**DISK, "iotune": {"total_iops": 1, "write_bytes": 1}}]}, None),
        ({"disks": [{**DISK, "iotune": {"read_iops_max": 1}}]}, "disks.d.iotune.read_iops_max"),
        ({"disks": [{**DISK, "queues": 2, "bus": "sata"}]}, "disks.d.queues"),
        ({"disks": [{**DISK, "queues": 2}]}, None),
        ({"disks": [{**DISK, "wwn": "0" * 16}]}, "disks.d.wwn"),
        ({"disks": [{**DISK, "removable": True}]}, "disks.d.removable"),
        ({"disks": [{**DISK, "shareable": True, "format": "qcow2"}]}, "disks.d.shareable"),
        ({"disks": [{**DISK, "shareable": True, "format": "raw"}]}, None),
        ({"disks": [{**DISK, "io": "native"}]}, "disks.d.io"),
        ({"disks": [{**DISK, "io": "native", "cache": "directsync"}]}, None),
        ({"disks": [{**DISK, "lun": True}]}, "disks.d.lun"),
        ({"disks": [{**DISK, "lun": True, "source": {"block": "/dev/sdb"}, "bus": "scsi"}]}, None),
        ({"disks": [{**DISK, "source": {"https": "https://a/b"}}]}, "disks.d.https"),
        ({"nics": [{**NIC, "portgroup": "a", "source": {"bridge": "b"}}]}, "nics.n.portgroup"),
        ({"nics": [{**NIC, "mode": "bridge"}]}, "nics.n.mode"),
        ({"nics": [{**NIC, "rate_in_burst": 1, "rate": 1}]}, "nics.n.rate_in_burst"),
        ({"hostdevs": [{"name": "a", "source": {"usb": "1.4"}}, {"name": "b", "source": {"usb": "1.4"}}]}, "hostdevs"),
        ({"hostdevs": [{"name": "a", "source": {"usb": "0951:1666"}}, {"name": "b", "source": {"usb": "0951:1666"}}]}, None),
        ({"hostdevs": [{"name": "a", "source": {"usb": "1.4"}, "rom": {"bar": True}}]}, "hostdevs.a.rom"),
        ({"filesystems": [FAST]}, "filesystems.a.driver"),
        ({"filesystems": [FAST], "memory_shared": True}, None),
        ({"filesystems": [{**FAST, "fmode": "0600"}], "memory_shared": True}, "filesystems.a.fmode"),
        ({"filesystems": [{"target": "t", "driver": "9p"}, {"target": "t", "driver": "9p"}]}, "filesystems"),
        ({"channels": [{"name": "a", "source": {"pty": True}}]}, "channels.a"),
        ({"channels": [{"name": "a", "target": "t"}, {"name": "b", "target": "t"}]}, "channels.b.target"),
        ({"serials": [{"name": "a", "port": 1}], "consoles": [{"name": "a", "port": 1}]}, None),
        ({"serials": [{"name": "a", "port": 1, "source": {"pty": True}, "append": True}]}, "serials.a.append"),
        ({"serials": [{"name": "a", "port": 1, "log_append": True}]}, "serials.a.log_append"),
        ({"serials": [{"name": "a", "port": 1}], "console": False}, "serials"),
        ({"console_source": {"nothing": True}, "console": False}, "console_source"),
        ({"console_source": {"spiceport": "a"}, "graphics": {"type": "vnc"}}, "console_source.spiceport"),
        ({"consoles": [{"name": "a", "port": 1, "source": {"spiceport": "a"}}], "graphics": {"type": "spice"}}, None),
    ],
)
def test_what_does_not_go_together(spec: dict[str, Any], path: str | None) -> None:
    said = contradictions(GUEST, spec)
    assert [sentence.partition(": ")[0] for sentence in said] == ([] if path is None else [path])


@pytest.mark.parametrize(
    ("words", "refused"),
    [
        ({"queues": 2, "model": "e1000e"}, True),
        ({"driver": "qemu", "model": "rtl8139"}, True),
        ({"queues": 2, "model": "virtio-transitional"}, False),
        ({"queues": 2}, False),
        ({"queues": 0, "model": "e1000e"}, False),
    ],
)
def test_only_virtio_has_a_driver(words: dict[str, Any], refused: bool) -> None:
    """Also where the nic had one as long as it was virtio."""
    house = House()
    nic = {"name": "n", "network": "lab"}
    house.run(memory="512MiB", nics=[{**nic, "queues": 2}])
    if refused:
        with pytest.raises(SpecError, match=rf"nics\.n\.{next(iter(words))}: goes with model virtio only"):
            house.plan(memory="512MiB", nics=[{**nic, **words}])
    else:
        house.run(memory="512MiB", nics=[{**nic, **words}])
        assert house.plan(memory="512MiB", nics=[{**nic, **words}]).actions == ()


def test_lines_come_and_go_beside_the_console_and_the_agent() -> None:
    """The first serial port and the agents' channels are not of the lists, also where these are claimed whole."""
    house = House()
    exact = {f"{keyed.name}_exact": True for keyed in LINES}
    empty: dict[str, Any] = {keyed.name: [] for keyed in LINES}
    done(house, **empty, **exact)
    net = {"port": 1, "tcp": {"host": "::1", "port": 4555, "mode": "bind"}}
    control = {"name": "control", "target": "org.example.control.0", "pty": True}
    effects = done(house, **{**empty, "serials": [net], "channels": [control]})
    assert effects == {"serials.serial1": Effect.RESTART, "channels.control": Effect.LIVE}
    assert len(house.live().findall("devices/channel")) == 2 and len(house.live().findall("devices/serial")) == 1
    assert done(house, **{**empty, "serials": [{**net, "name": "serial1", "port": 2}], "channels": []}) == {
        "serials.serial1.port": Effect.RESTART,
        "channels.control": Effect.LIVE,
    }
    assert [port.get("port") for port in house.definition().findall("devices/serial/target")] == ["0", "2"]
    done(house, **empty, console_source={"nothing": True})
    serial = house.definition().find("devices/serial")
    assert serial is not None and serial.get("type") == "null" and observe(GUEST, house.definition())["console"] is True


def test_memory_is_shared_by_a_word_or_by_every_numa_cell() -> None:
    cells = "<cpu><numa><cell id='0' memAccess='shared'/><cell id='1' {}/></numa></cpu>"
    for text, shared in (
        ("", False),
        ("<memoryBacking><access mode='shared'/></memoryBacking>", True),
        (cells.format(""), False),
        (cells.format("memAccess='shared'"), True),
    ):
        assert observe(GUEST, element(f"<domain>{text}</domain>"))["memory_shared"] is shared


def test_what_xen_has() -> None:
    spec = {
        "disks": [{**DISK, "discard": "unmap", "source": {"rbd": {"name": "a/b"}}}, {**DISK, "cache": "none"}],
        "nics": [{**NIC, "rate": 1}, {**NIC, "link": "down"}],
        "hostdevs": [{"name": "a", "source": {"pci": "0000:06:12.0"}}, {"name": "b", "source": {"mdev": "u"}}],
        "filesystems": [],
    }
    options = [sentence.partition(": ")[0] for sentence in unsupported(GUEST, spec, "xen")]
    assert options == ["disks.d.cache", "nics.n.link", "hostdevs.b.mdev", "filesystems"]


def test_a_part_that_is_left_out_is_left_alone() -> None:
    disk = element("<disk><iotune><read_iops_sec>5</read_iops_sec><size_iops_sec>9</size_iops_sec></iotune></disk>")
    row = DISKS.item.entry("iotune")
    want: dict[str, Any] = {"iotune": {"write_iops": 7}}
    (change,) = compare(DISKS.item, want, observe(DISKS.item, disk), Context())
    row.write(disk, change.after)  # type: ignore[union-attr]
    tuned = disk.find("iotune")
    assert tuned is not None
    assert {node.tag: node.text for node in tuned} == {"read_iops_sec": "5", "size_iops_sec": "9", "write_iops_sec": "7"}


def test_another_form_takes_all_of_the_former_away_and_the_same_form_keeps_its_rest() -> None:
    source = DISKS.item.entry("source")
    disk = element(
        "<disk type='network'><source protocol='rbd' name='a/b'><host name='m'/><auth username='u'><secret type='ceph' "
        "usage='c'/></auth><snapshot name='s'/></source></disk>"
    )
    source.write(disk, {"rbd": {"name": "a/c"}})  # type: ignore[union-attr]
    assert _xml.read(disk, "source/auth/secret/@usage") == "c"
    source.write(disk, {"nbd": {"host": "n"}})  # type: ignore[union-attr]
    assert _xml.find(disk, "source/auth") is None and _xml.read(disk, "source/@name") is None
    assert [host.get("name") for host in _xml.find_all(disk, "source/host")] == ["n"]
    assert _xml.find(disk, "source/snapshot") is not None


def test_a_word_that_is_taken_back_leaves_no_bare_element() -> None:
    nic = element("<interface><link state='down'/><mtu size='1400'/><driver queues='2' name='vhost'/></interface>")
    for name, value in (("link", "up"), ("mtu", 0), ("queues", 0)):
        NICS.item.entry(name).write(nic, value)  # type: ignore[union-attr]
    assert [child.tag for child in nic] == ["driver"] and nic[0].attrib == {"name": "vhost"}


WEB: dict[str, Any] = {"memory": "1GiB", "state": "running", "disks": [{"size": "5GiB"}], "nics": [{"network": "lab"}]}


def done(house: House, **options: Any) -> dict[str, Effect]:
    """Converge; return the effects of the guest's changes by their paths."""
    plan, outcomes = house.run(**{**WEB, **options})
    assert {outcome.outcome for outcome in outcomes} <= {"done", "pending"}
    again = house.plan(**{**WEB, **options})
    assert rows(again) == []
    return {".".join(c.path): c.effect for a in plan.actions if a.kind == "guest" for c in a.changes}


def test_limits_of_a_running_disk() -> None:
    house = House()
    done(house)
    for words, limits in (
        ({"total_iops": 100, "total_iops_max": 200}, {"total_iops_sec": "100", "total_iops_sec_max": "200"}),
        ({"write_bytes": "1MiB"}, {"total_iops_sec": "100", "total_iops_sec_max": "200", "write_bytes_sec": str(1 << 20)}),
        ({"total_iops": 0, "total_iops_max": 0, "write_bytes": "0B"}, {}),
    ):
        assert done(house, disks=[{"size": "5GiB", "iotune": words}]) == {"disks.root.iotune": Effect.LIVE}
        for tree in (house.live(), house.definition()):
            found = tree.find("devices/disk/iotune")
            assert ({node.tag: node.text for node in found} if found is not None else {}) == limits


def test_what_changes_on_a_running_nic_changes_at_once_and_together() -> None:
    house = House()
    done(house)
    words = {"network": "lab", "link": "down", "filter": {"name": "f"}, "rate": "1MiB", "mtu": 1400}
    effects = done(house, nics=[words])
    assert {path: str(effect) for path, effect in effects.items()} == {
        "nics.lab.link": "live",
        "nics.lab.filter": "live",
        "nics.lab.rate": "live",
        "nics.lab.mtu": "restart",
    }
    calls = [given for call, given in house.fake.calls if call == "update_device"]
    assert len(calls) == 1
    nic = house.live().find("devices/interface")
    assert nic is not None
    # What waits is not told to the running guest.
    assert _xml.find(nic, "mtu") is None
    assert _xml.read(nic, "link/@state") == "down" and _xml.read(nic, "bandwidth/outbound/@average") == "1024"
    assert done(house, nics=[{"network": "lab", "link": "up", "filter": {}, "rate": "0B", "mtu": 1400}])
    nic = house.live().find("devices/interface")
    assert nic is not None
    assert [child.tag for child in nic if child.tag in ("link", "filterref", "bandwidth")] == []


def test_host_devices_come_and_go_and_those_of_others_stay() -> None:
    house = House()
    card, stick = {"name": "card", "pci": "06:12.5"}, {"usb": "0951:1666"}
    assert done(house, hostdevs=[]) != {}
    assert done(house, hostdevs=[card, stick]) == {
        "hostdevs.card": Effect.LIVE,
        "hostdevs.usb-0951:1666": Effect.LIVE,
    }
    record = read_record(house.definition())
    assert record is not None
    assert [(d.name, d.key) for d in record.devices if d.kind == "hostdev"] == [
        ("card", "0000:06:12.5"),
        ("usb-0951:1666", "0951:1666"),
    ]
    assert len(house.live().findall("devices/hostdev")) == 2
    root = house.definition()
    devices = root.find("devices")
    assert devices is not None
    devices.append(element("<hostdev mode='subsystem' type='usb'><source><address bus='1' device='9'/></source></hostdev>"))
    house.fake.define_guest(_xml.to_text(root))
    plan = house.plan(**WEB, hostdevs=[stick])
    assert plan.unmanaged == {("guest", "web1"): ("hostdevs.1.9",)}
    assert done(house, hostdevs=[stick]) == {"hostdevs.card": Effect.LIVE}
    assert set(done(house, hostdevs=[], hostdevs_exact=True)) == {"hostdevs.usb-0951:1666", "hostdevs.1.9"}
    assert house.definition().findall("devices/hostdev") == []
    # A list left out is left alone.
    assert done(house) == {}


def test_folders_come_and_go() -> None:
    house = House()
    fast, old = {"source": "/srv", "target": "fast"}, {"source": "/opt", "target": "o/l/d", "driver": "9p"}
    with pytest.raises(SpecError, match=r"filesystems\.fast\.driver: virtiofs needs"):
        house.run(**WEB, filesystems=[fast])
    done(house, xml_overlay=[SHARED])
    assert done(house, filesystems=[fast, old]) == {"filesystems.fast": Effect.LIVE, "filesystems.o-l-d": Effect.RESTART}
    again = house.plan(**WEB, filesystems=[fast, old])
    assert [change["path"] for row in waiting(again) for change in row["changes"]] == ["filesystems.o-l-d"]
    assert done(house, filesystems=[{**fast, "source": "/var"}]) == {
        "filesystems.o-l-d": Effect.RESTART,
        "filesystems.fast.source": Effect.RESTART,
    }


def test_a_hand_that_unplugs_is_told_and_set_back() -> None:
    house = House()
    card = {"name": "card", "pci": "06:12.5"}
    done(house, hostdevs=[card])
    root = house.definition()
    devices = root.find("devices")
    assert devices is not None
    devices.remove(devices.findall("hostdev")[0])
    house.fake.define_guest(_xml.to_text(root))
    plan = house.plan(**WEB, hostdevs=[card])
    assert [drift.path for drift in plan.drift[("guest", "web1")]] == [("hostdevs", "card")]
