# Copyright: (c) 2026, the virtfleet.core contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Definitions as virt-install prints them, of many kinds: seen, left alone, and changed in one place only."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from ansible_collections.virtfleet.core.plugins.module_utils import _xml
from ansible_collections.virtfleet.core.plugins.module_utils._change import Effect
from ansible_collections.virtfleet.core.plugins.module_utils._facts import HostFacts
from ansible_collections.virtfleet.core.plugins.module_utils._guest.options import shown
from ansible_collections.virtfleet.core.plugins.module_utils._guest.table import GUEST
from ansible_collections.virtfleet.core.plugins.module_utils._table import (
    Context,
    compare,
    observe,
    patch,
    pending,
    show_spec,
)
from ansible_collections.virtfleet.core.plugins.module_utils._xml import Element
from tests.unit.plugins.module_utils.guest.leaves import without
from tests.unit.plugins.module_utils.guest.virtinst.make import KINDS
from tests.unit.plugins.module_utils.guest.world import HOST, XEN, facts, planned, snapshot

HERE = Path(__file__).parent / "virtinst"
MIB = 1 << 20
ROOT = "vda virtio disk file"
LAN = "virtio network"
# name: accel arch machine firmware, MiB of at most, vcpus of at most, disks, nics
SEEN: dict[str, tuple[str, str, str, list[str], list[str]]] = {
    "aarch64": ("tcg aarch64 virt efi", "1024/1024", "2/2", [ROOT], [LAN]),
    "cdrom": (
        "tcg x86_64 pc-i440fx-7.2 bios",
        "1024/1024",
        "1/1",
        ["hda ide disk file", "hdb ide cdrom file"],
        ["e1000 network"],
    ),
    "commandline": ("tcg x86_64 q35 bios", "1024/1024", "2/2", [ROOT], []),
    "consoles": ("tcg x86_64 q35 bios", "1024/1024", "2/2", [ROOT], []),
    "debian": ("tcg x86_64 q35 bios", "1024/1024", "2/2", [ROOT], [LAN]),
    "devices": ("tcg x86_64 q35 bios", "1024/1024", "2/2", [ROOT], [LAN]),
    "generic-pc": ("tcg x86_64 pc bios", "1024/1024", "1/1", ["hda ide disk file"], ["rtl8139 network"]),
    "headless": ("tcg x86_64 q35 bios", "1024/1024", "2/2", [ROOT], [LAN]),
    "hostdev": ("tcg x86_64 q35 bios", "1024/1024", "2/2", [ROOT], []),
    "kernel": ("tcg x86_64 pc-i440fx-7.2 bios", "1024/1024", "1/1", ["hda ide disk file"], []),
    "lxc": ("lxc x86_64 - bios", "1024/1024", "1/1", [], ["- network"]),
    "many-disks": (
        "tcg x86_64 q35 bios",
        "1024/1024",
        "2/2",
        ["sda scsi disk file", "sdb scsi disk file", "sdc usb disk file", "fda fdc floppy file", "sdd sata cdrom file"],
        [],
    ),
    "many-nics": (
        "tcg x86_64 q35 bios",
        "1024/1024",
        "2/2",
        [ROOT],
        ["virtio network", "e1000e bridge", "virtio user", "virtio direct", "virtio ethernet", "virtio network"],
    ),
    "memory": ("tcg x86_64 q35 bios", "1024/4096", "2/2", [ROOT], []),
    "other-sources": (
        "tcg x86_64 pc-i440fx-7.2 bios",
        "1024/1024",
        "1/1",
        ["vda virtio disk block", "vdb virtio disk volume", "vdc virtio disk rbd"],
        [],
    ),
    "passwords": ("tcg x86_64 q35 bios", "1024/1024", "2/2", [ROOT], []),
    "one-network": (
        "tcg x86_64 q35 bios",
        "1024/1024",
        "2/2",
        [ROOT],
        [LAN, "e1000e network", LAN],
    ),
    "safeguards": ("tcg x86_64 q35 bios", "1024/1024", "2/2", [ROOT], []),
    "shared": ("tcg x86_64 q35 bios", "512/512", "1/1", [ROOT], []),
    "tuned": ("tcg x86_64 q35 bios", "1024/1024", "4/4", [ROOT], []),
    "pxe": ("tcg x86_64 pc-i440fx-7.2 bios", "1024/1024", "1/1", ["hda ide disk file"], ["virtio bridge"]),
    "s390x": ("tcg s390x s390-ccw-virtio bios", "1024/1024", "2/2", [ROOT], [LAN]),
    "test-driver": ("test i686 - bios", "1024/1024", "1/1", ["hda ide disk file"], ["e1000 network"]),
    "topology": ("tcg x86_64 q35 bios", "1024/1024", "4/8", [ROOT], []),
    "uefi": ("tcg x86_64 q35 efi", "1024/1024", "2/2", [ROOT], [LAN]),
    "virtiofs": ("tcg x86_64 q35 bios", "1024/1024", "2/2", [ROOT], []),
    "windows-secure": ("tcg x86_64 q35 efi", "1024/1024", "2/2", ["sda sata disk file"], ["e1000e network"]),
    "windows10": (
        "tcg x86_64 q35 bios",
        "4096/4096",
        "4/4",
        ["sda sata disk file", "sdb sata cdrom file"],
        ["e1000e network"],
    ),
    "xen-hvm": (
        "xen x86_64 xenfv bios",
        "1024/1024",
        "2/2",
        ["hda ide disk file", "hdb ide cdrom file"],
        ["e1000 bridge"],
    ),
    "xen-pv": ("xen x86_64 xenpv -", "1024/1024", "2/2", ["xvda xen disk file"], ["- bridge"]),
}


def definition(name: str) -> Element:
    return _xml.parse((HERE / f"{name}.xml").read_text())


def test_all_kinds_are_here() -> None:
    assert set(SEEN) == set(KINDS) == {path.stem for path in HERE.glob("*.xml")}
    assert len(SEEN) >= 30


def _arm(entry: dict[str, Any]) -> str:
    return next(iter(entry.get("source", {"-": None})))


@pytest.mark.parametrize("name", SEEN)
def test_what_is_seen(name: str) -> None:
    kind, memory, vcpus, disks, nics = SEEN[name]
    found = observe(GUEST, definition(name))
    assert " ".join(str(found.get(option, "-")) for option in ("accel", "arch", "machine", "firmware")) == kind
    assert f"{found['memory'] // MIB}/{found['memory_max'] // MIB}" == memory
    assert f"{found['vcpus']}/{found['vcpus_max']}" == vcpus
    assert [f"{e['target']} {e['bus']} {e['device']} {_arm(e)}" for e in found["disks"]] == disks
    assert [f"{e.get('model', '-')} {_arm(e)}" for e in found["nics"]] == nics
    assert all(":" in nic["mac"] for nic in found["nics"])
    # And can be shown to the user.
    assert show_spec(GUEST, found)["memory"].endswith("iB")
    assert shown(facts(_xml.to_text(definition(name))))["name"] == name


@pytest.mark.parametrize("name", SEEN)
def test_what_nobody_asks_to_change_stays_as_it_is(name: str) -> None:
    root = definition(name)
    found = observe(GUEST, root)
    changes = compare(GUEST, found, found, Context())
    assert changes == []
    assert _xml.same(patch(GUEST, root, changes), root)
    assert _xml.same(_xml.parse(_xml.to_text(patch(GUEST, root, changes))), root)
    assert pending(GUEST, root, root, Context(state="running")) == []


CHANGES: dict[str, Any] = {
    "title": "Web",
    "description": "one\ntwo",
    "tags": ("a", "b"),
    "memory": 3 << 30,
    "memory_max": 8 << 30,
    "vcpus": 3,
    "vcpus_max": 16,
    "topology": {"sockets": 1, "cores": 16},
    "accel": "kvm",
    "arch": "riscv64",
    "machine": "other",
    "boot": ("network", "cdrom"),
    "kernel": "/boot/other",
    "initrd": "",
    "cmdline": "quiet splash",
    "console": False,
    "console_log": "/var/log/other",
    "agent": True,
}
_DISK = {"source": {"file": "/new"}, "format": "vmdk", "target": "vdz", "bus": "sd", "boot_order": 9, "device": "lun"}
_NIC = {"source": {"network": "new"}, "mac": "52:54:00:99:99:99", "model": "new", "boot_order": 9}


@pytest.mark.parametrize("name", SEEN)
def test_one_change_touches_its_own_leaves_only(name: str) -> None:
    root = definition(name)
    have = observe(GUEST, root)
    wanted = [{option: value} for option, value in CHANGES.items()]
    # The firmware turns to the other kind, whatever it is; a paravirtual guest has none.
    wanted += [{"firmware": "bios" if have["firmware"] == "efi" else "efi"}] if "firmware" in have else []
    wanted += [
        {"disks": [{"target": disk["target"], option: value}]}
        for disk in have["disks"]
        for option, value in _DISK.items()
        if option != "target"
    ]
    wanted += [{"disks": [{"target": "vdz", "source": disk["source"]}]} for disk in have["disks"][:1]]
    wanted += [
        {"nics": [{"mac": nic["mac"], option: value}]}
        for nic in have["nics"]
        for option, value in _NIC.items()
        if option != "mac"
    ]
    wanted += [{"disks": [], "disks_exact": True}, {"nics": [], "nics_exact": True}]
    new = {"name": "n", "source": {"file": "/n"}, "target": "vdq", "bus": "virtio", "device": "disk"}
    wanted.append({"disks": [new]})
    for want in wanted:
        changes = compare(GUEST, want, have, Context())
        after = patch(GUEST, root, changes)
        assert _xml.same(without(after, changes, root), without(root, changes, root)), want
        left = compare(GUEST, want, observe(GUEST, after), Context())
        assert left == [], want


@pytest.mark.parametrize("name", [name for name in SEEN if name not in ("lxc", "test-driver")])
def test_a_plan_for_each_of_them(name: str) -> None:
    """The whole way: what a user asks of a guest that another tool made, whatever the hypervisor."""
    host: HostFacts = XEN if name.startswith("xen") else HOST
    snap = snapshot(facts(_xml.to_text(definition(name))), host=host)
    assert planned({"name": name}, snap).actions == ()
    (action,) = planned({"name": name, "memory": "384MiB", "tags": ["web"]}, snap).actions
    assert sorted(change.path[0] for change in action.changes) == ["memory", "tags"]
    assert action.effect is Effect.LIVE
    (step,) = action.steps
    after = _xml.parse(step.args["xml"])
    # The record is written along, and nothing else.
    _xml.remove(after, "metadata/virtfleet:guest")
    changes = [change for change in action.changes if change.path[0] != "tags"]
    before = definition(name)
    assert _xml.same(without(after, changes, before), without(before, changes, before))
