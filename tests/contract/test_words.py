# Copyright: (c) 2026, the virtfleet.core contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What is made of libvirt's messages, and of texts that a guest or another host can choose."""

from __future__ import annotations

import json
import re
from xml.etree.ElementTree import fromstring

import pytest

from ansible_collections.virtfleet.core.plugins.module_utils import _libvirt_read as read
from ansible_collections.virtfleet.core.plugins.module_utils._errors import (
    Conflict,
    HostError,
    NotFound,
    SpecError,
    Timeout,
    Unsupported,
    VirtError,
)
from ansible_collections.virtfleet.core.plugins.module_utils._libvirt_errors import translate

# Messages in the wording of libvirt 8 to 11; those of AppArmor, locks and SELinux cannot be provoked in a lab without them.
SAYINGS: list[tuple[int, str, type[VirtError], str]] = [
    (
        38,
        "Cannot access storage file '/data/web1.qcow2' (as uid:64055, gid:64055): Permission denied",
        HostError,
        "read /data/web1.qcow2.*AppArmor",
    ),
    (
        1,
        "internal error: process exited while connecting to monitor: 2026-01-02T03:04:05.678901Z qemu-system-x86_64: "
        '-blockdev {"node-name":"libvirt-1-format"}: Could not open \'/data/web1.qcow2\': Permission denied',
        HostError,
        "read /data/web1.qcow2",
    ),
    (
        1,
        "internal error: cannot load AppArmor profile 'libvirt-c3924f87-e0e3-40fa-bc72-90d0a7cbbef4'",
        HostError,
        "journalctl -k",
    ),
    (
        38,
        "unable to set AppArmor profile 'libvirt-c3924f87-e0e3-40fa-bc72-90d0a7cbbef4' for "
        "'/usr/bin/qemu-system-x86_64'"
        ": No such file or directory",
        HostError,
        "AppArmor's profile",
    ),
    (
        38,
        "Cannot access storage file '/data/none.qcow2': No such file or directory",
        HostError,
        "/data/none.qcow2 is not",
    ),
    (55, "Requested operation is not valid: network 'lab' is not active", Conflict, "start the network lab first"),
    (55, "Requested operation is not valid: storage pool 'p' is not active", Conflict, "start the pool p first"),
    (42, "Domain not found: no domain with matching name 'web1'", NotFound, "define it first"),
    (43, "Network not found: no network with matching name 'lab'", NotFound, "define the network that it names first"),
    (84, "Operation not supported: cannot do this", Unsupported, "cannot do that"),
    (3, "this function is not supported by the connection driver: virDomainX", Unsupported, "cannot do that"),
    (
        67,
        "unsupported configuration: Emulator '/usr/bin/qemu-system-x86_64' does not support virt type 'kvm'",
        Unsupported,
        "accel: tcg",
    ),
    (
        1,
        "internal error: process exited while connecting to monitor: Could not access KVM kernel module: "
        "No such file or "
        "directory\nqemu-system-x86_64: failed to initialize kvm: No such file or directory",
        Unsupported,
        "kvm_intel",
    ),
    (
        1,
        'internal error: qemu unexpectedly closed the monitor: Failed to get "write" lock\n'
        "Is another process using the "
        "image [/data/a.qcow2]?",
        Conflict,
        "a disk of its own",
    ),
    (
        1,
        "internal error: unable to execute QEMU command 'blockdev-add': Failed to get shared \"write\" lock",
        Conflict,
        "a disk of its own",
    ),
    (87, "resource busy: Lockspace resource '4d2f' is locked", Conflict, "a disk of its own"),
    (27, "XML error: Attempted double use of PCI Address 0000:01:00.0", Conflict, "used twice"),
    (
        55,
        "Requested operation is not valid: there is an existing dhcp host entry in network 'lab' that matches "
        "\"<host mac='52:54:00:00:00:01'/>\"",
        Conflict,
        "used twice",
    ),
    (1, "internal error: Network is already in use by interface virbr0", Conflict, "another address range"),
    (38, "cannot check dnsmasq binary /usr/sbin/dnsmasq: No such file or directory", HostError, "dnsmasq-base"),
    (1, "internal error: Cannot find 'dnsmasq' in path", HostError, "dnsmasq-base"),
    (1, "internal error: pool 'p' has asynchronous jobs running.", Timeout, "still busy"),
    (
        1,
        "internal error: Child process (/usr/bin/qemu-img create -f qcow2 /pool/x 16384K) unexpected exit status 1: qemu-img: "
        "/pool/x: Unable to get accurate CPU usage",
        HostError,
        "update QEMU",
    ),
    (
        68,
        "Timed out during operation: cannot acquire state change lock (held by monitor=remoteDispatchDomainX)",
        Timeout,
        "domjobinfo",
    ),
    (9, "operation failed: domain 'a' already exists with uuid 4d2f", Conflict, "rename one of the two"),
    (
        92,
        "XML document failed to validate against schema: Unable to validate doc\n"
        "Element domain has extra content: vpcu",
        SpecError,
        "xml_overlay",
    ),
    (29, "operation virDomainCreateWithFlags forbidden for read only access", Unsupported, "may write"),
    (45, "authentication failed: access denied by policy", HostError, "group libvirt"),
    (
        93,
        "authentication unavailable: no polkit agent available to authenticate action 'org.libvirt.unix.manage'",
        HostError,
        "group libvirt",
    ),
    (38, "Failed to connect socket to '/var/run/libvirt/libvirt-sock': Permission denied", HostError, "group libvirt"),
    (38, "Cannot recv data: Host key verification failed.: Connection reset by peer", HostError, "known_hosts"),
    (1, "internal error: client socket is closed", HostError, "connection to the libvirt daemon broke"),
    (1, "operation failed: Unable to find any firmware to satisfy 'efi'", Unsupported, "ovmf"),
    (38, "Unable to find 'swtpm' binary in $PATH: No such file or directory", Unsupported, "swtpm-tools"),
    (38, "cannot create file '/data/a': No space left on device", HostError, "df -h"),
    (
        1,
        "internal error: process exited: cannot set up guest memory 'pc.ram': Cannot allocate memory",
        HostError,
        "give the guest less",
    ),
    (1, "internal error: something that nobody has seen", HostError, "journalctl"),
]


@pytest.mark.parametrize(("code", "message", "error", "advice"), SAYINGS, ids=[entry[1][:40] for entry in SAYINGS])
def test_sayings(code: int, message: str, error: type[VirtError], advice: str) -> None:
    made = translate(code, message, "start", "guest", "web1")
    assert made.__class__ is error
    text = str(made)
    assert text.startswith("could not start guest web1: ")
    assert "\n" not in text
    said, _mark, word = text.rpartition("; ")
    assert word, "there is advice"
    assert re.search(advice, text), text
    assert said


def test_a_message_is_one_printable_line_of_bounded_length() -> None:
    text = str(translate(1, "a\x1b[31mred\x00\n\tb" + "x" * 10_000, "start", "guest", "web1"))
    assert text.isprintable()
    assert len(text) < 2000


def test_braces_in_a_message_do_no_harm() -> None:
    made = translate(38, "Cannot access storage file '/data/{0}{x}': Permission denied", "start", "guest", "web1")
    assert "/data/{0}{x}" in str(made)


@pytest.mark.parametrize(
    ("uri", "remote"),
    [
        ("qemu:///system", False),
        ("qemu:///session", False),
        ("qemu:///embed?root=/x", False),
        ("qemu:///system?socket=/x", False),
        ("qemu+unix:///system?socket=/x", False),
        ("qemu+unix://host/system", False),
        ("test:///default", False),
        ("xen:///system", False),
        ("qemu+ssh://localhost/system", False),
        ("qemu+tcp://[::1]/system", False),
        ("qemu+ssh://hv1/system", True),
        ("qemu+ssh://root@hv1:2222/system?keyfile=/x", True),
        ("qemu+libssh2://hv1/system", True),
        ("qemu://hv1.example/system", True),
        ("xen+tls://hv1/", True),
    ],
)
def test_remote(uri: str, remote: bool) -> None:
    assert read.is_remote(uri) is remote


@pytest.mark.parametrize(
    "answer",
    ["", "no json", "[]", "null", "3", '{"return": null}', '{"return": {}}', '{"return": [1, null, [], {}]}',
     '{"return": [{"name": {}, "hardware-address": [], "ip-addresses": {"a": 1}}]}',
     '{"return": [{"ip-addresses": [1, {}, {"ip-address": 3}, {"ip-address": "x", "prefix": "y"}]}]}',
     '{"return": [{"ip-addresses": [{"ip-address": "10.0.0.1", "prefix": 24, "ip-address-type": "evil"}]}]}'],
)  # fmt: skip
def test_an_agent_that_answers_nonsense(answer: str) -> None:
    for entry in read.agent_addresses(answer):
        assert isinstance(entry["name"], str)
        assert isinstance(entry["mac"], str)
        assert entry["addresses"] == []


def test_an_agents_answer() -> None:
    answer = {
        "return": [
            {"name": "lo", "ip-addresses": [{"ip-address": "::1", "prefix": 128, "ip-address-type": "ipv6"}]},
            {
                "name": "eth0",
                "hardware-address": "52:54:00:AA:00:01",
                "ip-addresses": [{"ip-address": "10.0.0.2", "prefix": 24, "ip-address-type": "ipv4"}],
            },
        ]
    }
    assert read.agent_addresses(json.dumps(answer)) == [
        {"name": "lo", "mac": "", "addresses": [{"address": "::1", "prefix": 128, "family": "ipv6"}]},
        {"name": "eth0", "mac": "52:54:00:aa:00:01",
         "addresses": [{"address": "10.0.0.2", "prefix": 24, "family": "ipv4"}]},
    ]  # fmt: skip


LIVE = """<domain id='1'><devices>
  <disk><source file='/a' index='2'/><target dev='vda' bus='virtio'/><alias name='virtio-disk0'/></disk>
  <disk><source file='/b'/><target dev='vdb' bus='virtio'/><alias name='virtio-disk1'/></disk>
  <interface type='network'><mac address='52:54:00:00:00:01'/><target dev='vnet0'/><alias name='net0'/></interface>
  <interface type='user'><mac address='52:54:00:00:00:02'/><alias name='net1'/></interface>
  <rng><backend>/dev/urandom</backend><alias name='rng0'/></rng>
  <channel><target type='virtio' name='a'/><alias name='channel0'/></channel>
  <channel><target type='virtio' name='b'/><alias name='channel1'/></channel>
</devices></domain>"""


@pytest.mark.parametrize(
    ("device", "alias"),
    [
        ("<disk><source file='/other'/><target dev='vdb'/></disk>", "virtio-disk1"),
        ("<disk><target dev='vdb' bus='scsi'/></disk>", "virtio-disk1"),
        ("<disk><target dev='vdc'/></disk>", None),
        ("<interface type='network'><mac address='52:54:00:00:00:02'/><source network='x'/></interface>", "net1"),
        ("<interface/>", None),
        ("<interface><alias name='net0'/></interface>", "net0"),
        ("<rng/>", "rng0"),
        ("<channel><target type='virtio' name='b'/></channel>", "channel1"),
        ("<watchdog/>", None),
    ],
)
def test_the_alias_of_a_device(device: str, alias: str | None) -> None:
    assert read.device_alias(LIVE, device) == alias


def test_sizes() -> None:
    for text, size in (
        ("<a unit='KiB'>3</a>", 3072), ("<a>3</a>", 3072), ("<a unit='bytes'>3</a>", 3), ("<a unit='b'>3</a>", 3),
        ("<a unit='MiB'>1</a>", 1 << 20), ("<a unit='M'>1</a>", 1 << 20), ("<a unit='MB'>1</a>", 10**6),
        ("<a unit='G'>1</a>", 1 << 30), ("<a unit='TiB'>1</a>", 1 << 40), ("<a/>", 0), ("<a unit='B'>7</a>", 7),
    ):  # fmt: skip
        assert read.size_of(fromstring(text)) == size
    assert read.size_of(None) == 0
