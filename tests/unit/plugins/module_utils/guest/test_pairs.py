# Copyright: (c) 2026, the virtfleet.core contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""XML in, XML out: definitions as a real libvirt gave them, and what changes make of them, to the last attribute.

After a wanted change of what is written, `python -m tests.unit.plugins.module_utils.guest.test_pairs` writes the files
in pairs/ anew; read their difference before it is kept. Each of them was once defined by a real libvirt.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from ansible_collections.virtfleet.core.plugins.module_utils import _xml
from ansible_collections.virtfleet.core.plugins.module_utils._guest.table import GUEST
from ansible_collections.virtfleet.core.plugins.module_utils._table import Context, compare, observe, patch
from ansible_collections.virtfleet.core.plugins.module_utils._xml import Element
from tests.unit.plugins.module_utils.guest.world import FOLDER, GIB, MIB, recorded

PAIRS = Path(__file__).parent / "pairs"
DATA = {
    "name": "data",
    "device": "disk",
    "source": {"file": f"{FOLDER}/data.raw"},
    "format": "raw",
    "target": "vdb",
    "bus": "virtio",
}
NIC = {"name": "user", "source": {"user": None}, "mac": "52:54:00:aa:00:99", "model": "e1000e"}
# what: (the recorded definition, what is wanted of it in the words of the table)
CASES: dict[str, tuple[str, dict[str, Any]]] = {
    "memory": ("typical", {"memory": 192 * MIB}),
    "memory-above": ("typical", {"memory": 512 * MIB}),
    "memory-odd": ("units", {"memory": 200 * 10**6, "memory_max": 200 * 10**6}),
    "vcpus": ("typical", {"vcpus": 4}),
    "vcpus-above": ("typical", {"vcpus": 6}),
    "topology": ("topology", {"topology": {"cores": 4}, "vcpus_max": 4, "vcpus": 2}),
    "machine-pc": ("typical", {"machine": "pc"}),
    "machine-q35": (
        "typical-pc",
        {"machine": "q35", "disks": [{"target": "sda", "bus": "sata", "source": {"file": None}}]},
    ),
    "firmware-efi": ("typical", {"firmware": "efi"}),
    "firmware-bios": ("efi", {"firmware": "bios"}),
    "boot": ("typical", {"boot": ("network", "disk")}),
    "kernel": ("minimal", {"kernel": f"{FOLDER}/vmlinuz", "cmdline": "console=ttyS0"}),
    "kernel-gone": ("kernel", {"kernel": "", "initrd": "", "cmdline": ""}),
    "words": ("foreign", {"title": "Foreign", "description": "two\nlines", "tags": ("a", "b")}),
    "words-gone": ("typical", {"title": "", "description": "", "tags": ()}),
    "console": ("minimal", {"console": True, "console_log": "/var/log/web.log", "agent": True}),
    "console-gone": ("typical", {"console": False, "agent": False}),
    "disk-bus": ("typical", {"disks": [{"target": "sdb", "bus": "sata", "source": {"file": f"{FOLDER}/root.qcow2"}}]}),
    "disk-added": ("typical", {"disks": [DATA]}),
    "disk-removed": ("typical", {"disks": [{"target": "sda"}], "disks_exact": True}),
    "cd-inserted": ("typical", {"disks": [{"target": "sda", "source": {"file": f"{FOLDER}/cd.iso"}}]}),
    "cd-ejected": ("boot", {"disks": [{"target": "sda", "source": {"file": None}}]}),
    "nic-model": ("typical", {"nics": [{"mac": "52:54:00:aa:00:01", "model": "e1000e"}]}),
    "nic-source": ("nics", {"nics": [{"mac": "52:54:00:aa:00:04", "source": {"bridge": "br0"}}]}),
    "nic-added": ("typical", {"nics": [NIC]}),
    "nic-removed": ("typical", {"nics": [], "nics_exact": True}),
    "disk-words": (
        "typical",
        {
            "disks": [
                {
                    "target": "vda",
                    "cache": "none",
                    "io": "native",
                    "discard": "unmap",
                    "serial": "A-1",
                    "iotune": {"read_iops": 100, "read_iops_max": 200},
                    "luks_secret": "disk-key",
                }
            ]
        },
    ),
    "disk-remote": (
        "typical",
        {"disks": [{"target": "vda", "source": {"rbd": {"name": "rbd/a", "hosts": ("mon1:6789",), "user": "me", "secret": "ceph"}}}]},
    ),
    "nic-words": (
        "typical",
        {
            "nics": [
                {
                    "mac": "52:54:00:aa:00:01",
                    "link": "down",
                    "filter": {"name": "clean-traffic", "parameters": {"IP": ("10.0.0.1", "10.0.0.2")}},
                    "rate": MIB,
                    "rate_in": 2 * MIB,
                    "rate_in_peak": 3 * MIB,
                    "isolated": True,
                    "mtu": 1400,
                    "vlan": (42, 43),
                    "queues": 2,
                    "rom": {"bar": False},
                }
            ]
        },
    ),
    "nic-direct": ("nics", {"nics": [{"mac": "52:54:00:aa:00:04", "source": {"direct": "eth0"}, "mode": "bridge"}]}),
    "hostdevs-added": (
        "typical",
        {
            "hostdevs": [
                {"name": "card", "source": {"pci": "0000:06:12.5"}, "managed": True, "rom": {"bar": True}},
                {"name": "stick", "source": {"usb": "0951:1666"}},
                {"name": "port", "source": {"usb": "1.4"}},
                {"name": "gpu", "source": {"mdev": "53764d0e-85a0-42b4-af5c-2046b460b1dc"}},
            ]
        },
    ),
    "filesystems-added": (
        "typical",
        {
            "filesystems": [
                {"name": "data", "source": "/srv", "target": "data", "driver": "virtiofs", "accessmode": "passthrough"},
                {"name": "old", "source": "/opt", "target": "old", "driver": "9p", "accessmode": "mapped", "readonly": True},
            ]
        },
    ),
    "lines-added": (
        "typical",
        {
            "console_source": {"tcp": {"host": "::1", "port": 4555, "mode": "bind", "protocol": "telnet"}},
            "serials": [
                {
                    "name": "s1",
                    "port": 1,
                    "source": {"unix": {"path": "/s1", "mode": "connect"}},
                    "log": "/l",
                    "log_append": True,
                },
                {"name": "s2", "port": 2, "model": "pci-serial", "source": {"file": "/s2"}, "append": True},
            ],
            "parallels": [{"name": "p", "port": 0, "source": {"device": "/dev/parport0"}}],
            "consoles": [{"name": "c", "port": 1, "source": {"nothing": True}}],
            "channels": [{"name": "a", "target": "org.example.a", "source": {"pty": True}}],
        },
    ),
    "all-at-once": (
        "typical",
        {
            "memory": GIB,
            "vcpus": 8,
            "machine": "pc",
            "boot": ("cdrom", "disk"),
            "title": "All",
            "console_log": "/all.log",
            "disks": [{"target": "sda", "source": {"file": f"{FOLDER}/cd.iso"}}, DATA],
            "nics": [NIC],
            "nics_exact": True,
        },
    ),
}


def made(name: str) -> Element:
    start, want = CASES[name]
    root = _xml.parse(recorded(start))
    return patch(GUEST, root, compare(GUEST, want, observe(GUEST, root), Context()))


def test_every_file_has_its_case() -> None:
    assert {path.stem for path in PAIRS.glob("*.xml")} == set(CASES)


@pytest.mark.parametrize("name", CASES)
def test_a_change_makes_this_of_it(name: str) -> None:
    tree = made(name)
    assert _xml.to_text(tree).split() == _xml.to_text(_xml.parse((PAIRS / f"{name}.xml").read_text())).split()


@pytest.mark.parametrize("name", CASES)
def test_a_change_that_is_made_is_no_change_any_more(name: str) -> None:
    tree, want = made(name), CASES[name][1]
    assert compare(GUEST, want, observe(GUEST, tree), Context()) == []


if __name__ == "__main__":
    for case in CASES:
        (PAIRS / f"{case}.xml").write_text(_xml.to_text(made(case)) + "\n")
