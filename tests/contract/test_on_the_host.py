# Copyright: (c) 2026, the virtfleet.core contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What depends on a host's own: bridges, devices, cards, disks, processors, on a real libvirtd, in this process.

Each document is planned, made true, and planned again, which finds nothing to do.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

import pytest

from ansible_collections.virtfleet.core.plugins.module_utils import _xml
from ansible_collections.virtfleet.core.plugins.module_utils._apply import Ports, apply
from ansible_collections.virtfleet.core.plugins.module_utils._change import Effect, Outcome, Plan
from ansible_collections.virtfleet.core.plugins.module_utils._errors import SpecError
from ansible_collections.virtfleet.core.plugins.module_utils._estate_module import ESTATE_OPTIONS, estate_subject
from ansible_collections.virtfleet.core.plugins.module_utils._files import LocalFiles
from ansible_collections.virtfleet.core.plugins.module_utils._guest.fields.nics import NICS
from ansible_collections.virtfleet.core.plugins.module_utils._guest.table import GUEST as GUEST_TABLE
from ansible_collections.virtfleet.core.plugins.module_utils._libvirt import HAS_LIBVIRT, Libvirt
from ansible_collections.virtfleet.core.plugins.module_utils._network.options import shown
from ansible_collections.virtfleet.core.plugins.module_utils._table import Field
from tests.contract.places import unix_uri
from tests.contract.test_estate_libvirtd import _run
from tests.lab import Host

Words = dict[str, Any]
UUID = "0b7c9a7e-64a5-4f51-8d34-3cf0b5f1a8f0"
GUEST: Words = {"name": "g", "accel": "tcg", "memory": "64MiB", "state": "running", "nics": [{"name": "lan", "network": "n"}]}


class There:
    """One lab host, made what documents say."""

    def __init__(self, host: Host, hypervisor: Libvirt) -> None:
        self.host, self.hypervisor = host, hypervisor

    def plan(self, document: Words, **options: Any) -> Plan:
        defaults = {name: option.get("default") for name, option in ESTATE_OPTIONS.items()}
        given = {"uri": "qemu:///system", **defaults, "document": {"version": 1, **document}, **options}
        subject = estate_subject(given)
        return subject.plan(subject.gather(self.ports))

    @property
    def ports(self) -> Ports:
        return Ports(self.hypervisor, LocalFiles(_run))

    def make(self, document: Words, **options: Any) -> Plan:
        """Make a document true; another run finds nothing to do, and the same waiting. Return what was planned."""
        made = self.plan(document, **options)
        wrong = [outcome for outcome in apply(made, self.ports) if outcome.outcome not in ("done", "pending")]
        assert wrong == [], wrong
        again = self.plan(document, **options)
        assert again.actions == (), again.actions
        assert set(again.pending) == set(made.pending)
        return made

    def fail(self, document: Words, **options: Any) -> Outcome:
        """Try to make a document true; return how the one thing that failed went."""
        (failed,) = [each for each in apply(self.plan(document, **options), self.ports) if each.outcome == "failed"]
        return failed

    def network(self, **words: Any) -> Plan:
        return self.make({"networks": [{"name": "n", **words}]})

    def shown(self) -> Mapping[str, Any]:
        return shown(self.hypervisor.networks()["n"])

    def run(self, *argv: str) -> str:
        return str(self.host.exec(list(argv)).stdout)

    def clear(self) -> None:
        if "g" in self.hypervisor.guests():
            self.hypervisor.shutdown_guest("g", 0, True)
            self.hypervisor.undefine_guest("g")
        if "n" in self.hypervisor.networks():
            if self.hypervisor.networks()["n"].active:
                self.hypervisor.stop_network("n")
            self.hypervisor.undefine_network("n")
        if "p" in self.hypervisor.pools():
            if self.hypervisor.pools()["p"].active:
                self.hypervisor.stop_pool("p")
            self.hypervisor.undefine_pool("p")


@pytest.fixture(scope="module")
def opened(lab_host_factory: Any) -> Iterator[There]:
    if not HAS_LIBVIRT:
        pytest.skip("this Python has no module libvirt")
    host = lab_host_factory("upon")
    hypervisor = Libvirt.connect(unix_uri(host.uri))
    for words in (
        ("bridge", "type", "bridge"),
        ("one", "type", "veth", "peer", "name", "two"),
    ):
        host.exec(["ip", "link", "add", f"vf{words[0]}", *(f"vf{word}" if word == "two" else word for word in words[1:])])
    for device in ("vfbridge", "vfone", "vftwo"):
        host.exec(["ip", "link", "set", device, "up"])
    yield There(host, hypervisor)
    hypervisor.close()


@pytest.fixture
def there(opened: There) -> Iterator[There]:
    opened.clear()
    yield opened
    opened.clear()


WAYS: dict[str, Words] = {
    "a bridge of the host": {
        "forward": "bridge", "bridge": "vfbridge", "isolated": True, "portgroups": [{"name": "a", "default": True}],
    },
    **{
        f"macvtap {mode}": {"forward": mode, "forward_interfaces": ["vfone"], "trust_guest_rx_filters": True}
        for mode in ("bridge", "private", "vepa", "passthrough")
    },
}  # fmt: skip


@pytest.mark.parametrize("way", WAYS)
def test_a_guest_on_what_the_host_has(there: There, way: str) -> None:
    words = WAYS[way]
    document = {"networks": [{"name": "n", **words}], "guests": [GUEST]}
    made = there.make(document)
    assert made.pending == {}
    # What it has from its network waits for nothing.
    assert there.plan(document).pending == {}
    assert {option: there.shown()[option] for option in words} == words
    live = _xml.parse(there.hypervisor.guests()["g"].live_xml or "")
    assert _xml.read(live, "devices/interface/@type") == ("bridge" if "bridge" in words else "direct")
    assert "g" in there.host.guests()
    # Nobody is cut off, so that nobody has to consent; the guest goes on with its device.
    device = _xml.read(live, "devices/interface/target/@dev") or ""
    index = there.run("cat", f"/sys/class/net/{device}/ifindex")
    there.network(**words, state="inactive")
    there.network(state="absent")
    assert there.run("cat", f"/sys/class/net/{device}/ifindex") == index
    assert there.hypervisor.guests()["g"].state == "running"


def test_devices_change_while_the_network_runs_and_its_mode_does_not(there: There) -> None:
    there.network(forward="private", forward_interfaces=["vfone"])
    there.make({"guests": [GUEST]})
    changed = there.network(forward_interfaces=["vftwo"])
    assert changed.effect is Effect.LIVE and changed.pending == {}
    assert _xml.read(_xml.parse(there.hypervisor.networks()["n"].live_xml or ""), "forward/@dev") == "vftwo"
    assert [change.path for change in there.network(forward="vepa").pending["network", "n"]] == [("forward",)]
    there.make({"networks": [{"name": "n", "forward": "vepa", "restart": True}]})


SERVICE = {"service": "ldap", "protocol": "tcp", "domain": "lab.example", "target": "one.lab.example", "port": 389}


def test_lists_change_while_the_network_runs(there: There) -> None:
    def said() -> str:
        return there.run("cat", "/var/lib/libvirt/dnsmasq/n.conf")

    there.network(
        cidr="10.69.0.0/24",
        bridge="vflists",
        domain="lab.example",
        dns_srv=[SERVICE],
        dns_txt=[{"name": "a.example", "value": "one"}, {"name": "b.example", "value": "two words"}],
        portgroups=[{"name": "slow", "default": True}, {"name": "gone"}],
    )
    index = there.run("cat", "/sys/class/net/vflists/ifindex")
    wish: Words = {
        "dns_srv": [{**SERVICE, "target": "two.lab.example"}, {"service": "sip", "protocol": "udp", "target": "sip.example"}],
        "dns_txt": [{"name": "b.example", "value": "three"}],
        "portgroups": [{"name": "fast", "default": True}, {"name": "slow", "trust_guest_rx_filters": True}],
    }
    changed = there.network(**wish)
    assert {change.path[0]: change.effect for action in changed.actions for change in action.changes} == dict.fromkeys(
        wish, Effect.LIVE
    )
    assert changed.pending == {} and {option: there.shown()[option] for option in wish} == wish
    for line in ("txt-record=b.example,three", "srv-host=_ldap._tcp.lab.example,two.lab.example,389", "srv-host=_sip._udp"):
        assert line in said()
    assert "txt-record=a.example" not in said() and "one.lab.example" not in said()
    # libvirt cannot tell these apart: they wait, and the run after next as well.
    alike = {"dns_txt": [{"name": "b.example", "value": "three"}, {"name": "b.example", "value": "four"}]}
    assert [change.path for change in there.network(**alike).pending["network", "n"]] == [("dns_txt",)]
    assert there.network(dns_txt=wish["dns_txt"]).pending == {}
    assert there.network(dns_srv=[], dns_txt=[], portgroups=[]).pending == {}
    live = _xml.parse(there.hypervisor.networks()["n"].live_xml or "")
    assert live.find("dns") is None and live.find("portgroup") is None and "srv-host" not in said()
    assert there.run("cat", "/sys/class/net/vflists/ifindex") == index


PORT = {"type": "openvswitch", "profileid": "web"}
DEFINITIONS: dict[str, Words] = {
    "a bridge of Open vSwitch": {
        "forward": "bridge",
        "bridge": "ovsbr9",
        "virtualport": PORT,
        "vlan": {"tags": [10, 20], "native": 10, "native_mode": "tagged"},
        "bandwidth": {"out": "1MiB"},
        "portgroups": [
            {"name": "a", "default": True, "vlan": {"tags": [30]}, "virtualport": {**PORT, "interfaceid": UUID}},
            {"name": "b", "vlan": {"tags": [10], "trunk": True}, "bandwidth": {"in": "1MiB"}},
        ],
    },
    "a card": {
        "forward": "hostdev", "forward_pf": "eth9", "forward_driver": "vfio", "forward_managed": True, "vlan": {"tags": [7]},
    },
    "macvtap on a card": {"forward": "passthrough", "forward_pf": "eth9", "vlan": {"tags": [7]}},
}  # fmt: skip


@pytest.mark.parametrize("name", DEFINITIONS)
def test_what_is_not_here_is_a_definition_that_libvirt_takes(there: There, name: str) -> None:
    words = DEFINITIONS[name]
    there.network(**words, state="inactive")
    assert {option: there.shown()[option] for option in words} == words
    text = there.hypervisor.networks()["n"].xml
    assert "Validation" not in there.host.exec(["virsh", "net-define", "--validate", "/dev/stdin"], input=text).stdout


def test_functions_by_address_are_content_with_the_schema(there: There) -> None:
    """libvirt looks for the functions themselves before it defines such a network, and says so behind its schema."""
    words = {"name": "n", "forward": "hostdev", "forward_addresses": ["0000:7f:10.1"], "vlan": {"tags": [7]}}
    made = there.plan({"networks": [words]})
    (define, *_rest) = made.actions[0].steps
    said = there.host.exec(["virsh", "net-define", "--validate", "/dev/stdin"], input=define.args["xml"], check=False).stderr
    assert "is not an SR-IOV Virtual Function" in said and "schema" not in said
    assert "is not an SR-IOV Virtual Function" in str(there.fail({"networks": [words]}).error)
    assert "n" not in there.hypervisor.networks()


# pools


@pytest.fixture
def loop(there: There) -> Iterator[str]:
    """Return a block device of 64 MiB that holds nothing."""
    image = there.host.folder / "loop.img"
    there.run("truncate", "-s", "64M", str(image))
    device = str(there.host.exec(["losetup", "--find", "--show", str(image)], check=False).stdout).strip()
    if not device:
        pytest.skip("this machine gives its hosts no loop devices")
    yield device
    there.clear()
    there.run("losetup", "--detach", device)
    image.unlink()


def test_a_file_system_is_made_where_nothing_is_or_by_consent(there: There, loop: str) -> None:
    folder = there.host.folder / "mounted"
    pool = {"name": "p", "type": "fs", "path": str(folder), "source_devices": [loop], "source_format": "ext4", "build": True}
    document = {"pools": [pool]}
    made = there.make(document)
    assert made.effect is Effect.LIVE and there.hypervisor.pools()["p"].capacity_bytes > 40 << 20
    there.run("touch", f"{folder}/kept")
    for state in ("inactive", "active"):
        there.make({"pools": [{**pool, "state": state}]})
    there.clear()
    # What is there already is what is wanted.
    assert there.make(document).effect is Effect.LIVE
    assert "kept" in there.run("ls", str(folder))
    there.clear()
    there.run("mkswap", "-f", loop)
    refused = str(there.fail(document).error)
    assert "confirm_data_loss" in refused and "nothing was written" in refused
    assert there.run("blkid", "-p", "-o", "value", "-s", "TYPE", loop).strip() == "swap"
    there.clear()
    lost = there.make(document, confirm_data_loss=["p"])
    assert lost.effect is Effect.DATA_LOSS
    assert "lost+found" in there.run("ls", str(folder)) and "kept" not in there.run("ls", str(folder))


# What this host lacks is in libvirt's own answer.
ABSENT: dict[str, tuple[Words, str]] = {
    "netfs": ({"source_hosts": ["127.0.0.1"], "source_path": "/x", "path": "/mnt/vfpool"}, "mount"),
    "scsi": ({"source_adapter": "scsi_host99", "path": "/dev/disk/by-path"}, "scsi_host"),
    "iscsi": ({"source_hosts": ["127.0.0.1"], "source_devices": ["iqn.2013-07.example:d"], "path": "/dev/disk/by-path"}, "iscsi"),
    "logical": ({"source_name": "vfnone"}, "start pool p"),
    "disk": ({"source_devices": ["/dev/vfnone"], "path": "/dev"}, "/dev/vfnone"),
}


@pytest.mark.parametrize("kind", ABSENT)
def test_a_pool_that_cannot_be_started_says_why(there: There, kind: str) -> None:
    words, said = ABSENT[kind]
    failed = str(there.fail({"pools": [{"name": "p", "type": kind, **words}]}).error)
    assert "pool p" in failed and said in failed
    # It is finished by a later run, when what it lacks has come.
    assert not there.hypervisor.pools()["p"].active
    assert [step.op for step in there.plan({"pools": [{"name": "p", "type": kind, **words}]}).actions[0].steps][-2:] == [
        "start_pool",
        "set_pool_autostart",
    ]


def test_multipath_devices_are_a_pool_that_starts(there: There) -> None:
    there.make({"pools": [{"name": "p", "type": "mpath", "path": "/dev/mapper"}]})
    assert there.hypervisor.pools()["p"].active


def test_a_host_without_passt_says_so(there: There) -> None:
    """libvirt 9.0 of Debian has it in its schema, and refuses it behind that."""
    nic = {"type": "user", "backend": "passt", "backend_log": "/var/log/passt.log"}
    forwards = [{"host": "2022-2030", "guest": 22, "address": "127.0.0.1"}, {"host": 2025, "exclude": True, "address": "127.0.0.1"}]
    with pytest.raises(SpecError, match=r"nics.user.backend \(g\): the libvirt of this host has no passt"):
        there.plan({"guests": [{"name": "g", "memory": "64MiB", "accel": "tcg", "nics": [{**nic, "forwards": forwards}]}]})
    root = _xml.parse("<domain type='qemu'><name>g</name><memory>65536</memory><os><type arch='x86_64'>hvm</type></os></domain>")
    element = _xml.ensure(root, "devices/interface")
    element.set("type", "user")
    for name, value in {**nic, "forwards": forwards}.items():
        row = NICS.item.entry(name) if name != "type" else None
        if isinstance(row, Field):
            row.write(element, row.type.parse(value))
    said = there.host.exec(["virsh", "define", "--validate", "/dev/stdin"], input=_xml.to_text(root), check=False).stderr
    assert "passt" in said and "schema" not in said


# processors


def test_a_host_that_keeps_no_memory_from_itself_says_so(there: There) -> None:
    """No processor here can: libvirt agrees with the definition, and refuses it for its host's sake behind its schema."""
    words = {"policy": "0x3", "kernel_hashes": True, "cbitpos": 47, "reduced_phys_bits": 1, "session": "AAEC", "dh_cert": "AwQF"}
    with pytest.raises(SpecError, match=r"launch_security.type \(g\): this host starts no x86_64 guests by sev"):
        there.plan({"guests": [{"name": "g", "memory": "64MiB", "accel": "tcg", "launch_security": words}]})
    root = _xml.parse("<domain type='qemu'><name>g</name><memory>65536</memory><os><type arch='x86_64'>hvm</type></os></domain>")
    GUEST_TABLE.entry("launch_security").write(root, GUEST_TABLE.entry("launch_security").type.parse({"type": "sev", **words}))
    text = _xml.to_text(root)
    said = there.host.exec(["virsh", "define", "--validate", "/dev/stdin"], input=text, check=False).stderr
    assert "SEV" in said and "schema" not in said
