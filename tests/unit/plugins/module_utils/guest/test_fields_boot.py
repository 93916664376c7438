# Copyright: (c) 2026, the virtfleet.core contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What a guest is started as."""

from __future__ import annotations

from typing import Any

import pytest

from ansible_collections.virtfleet.core.plugins.module_utils import _xml
from ansible_collections.virtfleet.core.plugins.module_utils._change import Change, Effect
from ansible_collections.virtfleet.core.plugins.module_utils._errors import SpecError
from ansible_collections.virtfleet.core.plugins.module_utils._guest.fields.boot import (
    RULES,
    check_arch,
    same_machine,
)
from ansible_collections.virtfleet.core.plugins.module_utils._guest.table import GUEST
from ansible_collections.virtfleet.core.plugins.module_utils._table import observe, patch
from ansible_collections.virtfleet.core.plugins.module_utils._xml import Element
from tests.unit.plugins.module_utils.guest.world import recorded


def domain(inner: str, kind: str = "kvm") -> Element:
    return _xml.parse(f"<domain type='{kind}'>{inner}</domain>")


def written(root: Element, **values: Any) -> Element:
    return patch(GUEST, root, [Change((name,), None, value, Effect.LIVE) for name, value in values.items()])


@pytest.mark.parametrize(
    ("want", "have", "same"),
    [
        ("q35", "pc-q35-7.2", True),
        ("q35", "pc-q35-10.0", True),
        ("q35", "q35", True),
        ("pc-q35", "q35", True),
        ("pc", "pc-i440fx-7.2", True),
        ("virt", "virt-8.2", True),
        ("s390-ccw", "s390-ccw-virtio-7.2", True),
        ("s390-ccw-virtio", "s390-ccw-virtio-7.2", True),
        ("pseries", "pseries-jammy", True),
        # Distributions give boards names of their own.
        ("q35", "pc-q35-jammy", True),
        ("q35", "pc-q35-noble-v2", True),
        ("pc", "pc-i440fx-jammy-hpb", True),
        ("q35", "pc-q35-rhel9.2.0", True),
        # A version that was written is meant.
        ("pc-q35-7.2", "pc-q35-7.2", True),
        ("pc-q35-7.1", "pc-q35-7.2", False),
        ("pc-q35-noble", "pc-q35-noble-v2", False),
        ("pc-q35-7.2", "q35", False),
        ("pc", "pc-q35-7.2", False),
        ("q35", "pc-i440fx-7.2", False),
        ("pc-i440fx", "pc", True),
        ("virt", "virtual-8.2", False),
        ("microvm", "microvm", True),
        ("xenpv", "xenfv", False),
    ],
)
def test_machines_are_the_same_across_aliases(want: str, have: str, same: bool) -> None:
    assert same_machine(want, have) is same


@pytest.mark.parametrize(
    ("kind", "accel"), [("kvm", "kvm"), ("qemu", "tcg"), ("xen", "xen"), ("test", "test")]
)  # fmt: skip
def test_the_accelerator(kind: str, accel: str) -> None:
    assert observe(GUEST, domain("", kind))["accel"] == accel


def test_the_accelerator_is_written_in_libvirts_word() -> None:
    assert written(domain(""), accel="tcg").get("type") == "qemu"
    assert written(domain("", "qemu"), accel="kvm").get("type") == "kvm"


def test_another_machine_makes_void_what_belongs_to_the_old_board() -> None:
    before = _xml.parse(recorded("typical"))
    after = written(before, machine="pc")
    assert _xml.read(after, "os/type/@machine") == "pc"
    assert _xml.find_all(after, "devices/*/address[@type='pci']") == []
    assert _xml.find_all(after, "devices/controller[@type='pci']") == []
    # Where a disk hangs on its own bus, and what is plugged into virtio-serial, is no matter of the board.
    assert _xml.find(after, "devices/disk/address[@type='drive']") is not None
    assert _xml.find(after, "devices/channel/address[@type='virtio-serial']") is not None
    kept = [child.tag for child in _xml.find_all(before, "devices/*") if child.get("type") != "pci"]
    assert [child.tag for child in _xml.find_all(after, "devices/*")] == kept


def test_an_address_of_the_hosts_own_device_is_kept() -> None:
    hostdev = "<hostdev type='pci'><source><address bus='0x01'/></source><address type='pci' bus='0x02'/></hostdev>"
    root = domain(f"<os><type machine='pc-q35-7.2'>hvm</type></os><devices>{hostdev}</devices>")
    after = written(root, machine="pc")
    assert [e.attrib for e in after.iter("address")] == [{"bus": "0x01"}]


@pytest.mark.parametrize(
    ("os", "firmware"),
    [
        ("<os><type>hvm</type></os>", "bios"),
        ("<os firmware='efi'><type>hvm</type></os>", "efi"),
        ("<os firmware='bios'><type>hvm</type></os>", "bios"),
        ("<os><loader readonly='yes' type='pflash'>/usr/share/OVMF/OVMF_CODE.fd</loader></os>", "efi"),
        ("<os><loader type='rom'>/usr/lib/xen-4.17/boot/hvmloader</loader></os>", "bios"),
    ],
)
def test_the_firmware_is_seen_however_it_was_asked_for(os: str, firmware: str) -> None:
    assert observe(GUEST, domain(os))["firmware"] == firmware


def test_the_firmware_is_asked_for_by_name() -> None:
    efi = domain(
        "<os firmware='efi'><type>hvm</type><firmware><feature enabled='yes' name='secure-boot'/></firmware>"
        "<loader type='pflash'>/code.fd</loader><nvram>/vars.fd</nvram><boot dev='hd'/></os>"
    )
    assert _xml.to_text(written(efi, firmware="bios")[0]) == '<os><type>hvm</type><boot dev="hd" /></os>'
    bios = domain("<os><type>hvm</type><boot dev='hd'/></os>")
    assert written(bios, firmware="efi")[0].attrib == {"firmware": "efi"}
    assert _xml.same(written(written(bios, firmware="efi"), firmware="bios"), bios)


def test_an_order_of_kinds_replaces_an_order_of_devices() -> None:
    root = _xml.parse(recorded("typical"))
    assert _xml.find(root, "devices/disk/boot") is not None
    after = written(root, boot=("network", "disk"))
    assert [e.get("dev") for e in _xml.find_all(after, "os/boot")] == ["network", "hd"]
    assert _xml.find_all(after, "devices/*/boot") == []
    assert _xml.find_all(written(after, boot=()), "os/boot") == []


@pytest.mark.parametrize("option", ["kernel", "initrd", "cmdline"])
def test_an_empty_word_removes_what_is_booted_directly(option: str) -> None:
    root = domain("<os><type>hvm</type></os>")
    there = written(root, **{option: "/x"})
    assert observe(GUEST, there)[option] == "/x"
    assert _xml.same(written(there, **{option: ""}), root)
    assert observe(GUEST, root)[option] == ""


@pytest.mark.parametrize(
    ("spec", "said"),
    [
        ({"boot": ("disk",)}, []),
        ({"boot": ("disk",), "disks": [{"name": "root"}]}, []),
        ({"boot": (), "disks": [{"name": "root", "boot_order": 1}]}, []),
        (
            {"boot": ("disk", "cdrom"), "disks": [{"name": "root", "boot_order": 1}]},
            ["boot_order: the boot order is given twice, by boot (disk, cdrom) and by boot_order of disks.root"],
        ),
        (
            {"disks": [{"target": "vda", "boot_order": 1}], "nics": [{"mac": "m", "boot_order": 1}]},
            ["boot_order: disks.vda and nics.m both have 1; give each device its own number"],
        ),
        ({"disks": [{"name": "a", "boot_order": 1}, {"name": "b", "boot_order": 2}]}, []),
        ({"initrd": "/i"}, ["initrd: needs kernel"]),
        ({"cmdline": "quiet"}, ["cmdline: needs kernel"]),
        ({"kernel": "", "initrd": "/i", "cmdline": "q"}, ["initrd: needs kernel", "cmdline: needs kernel"]),
        ({"kernel": "/k", "initrd": "/i", "cmdline": "q"}, []),
    ],
)
def test_what_contradicts_itself(spec: dict[str, Any], said: list[str]) -> None:
    found = [sentence for rule in RULES for sentence in rule(spec)]
    assert len(found) == len(said)
    for sentence, start in zip(found, said):
        assert sentence.startswith(start)


@pytest.mark.parametrize("value", ["x86-64", "X86_64", "", "a b", None, "../x"])
def test_what_is_no_architecture(value: object) -> None:
    with pytest.raises(SpecError):
        check_arch(value)
