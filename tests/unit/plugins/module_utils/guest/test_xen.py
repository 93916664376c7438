# Copyright: (c) 2026, the virtfleet.core contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What Xen gives a new guest where the user said nothing, and what it refuses."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from ansible_collections.virtfleet.core.plugins.module_utils import _xml
from ansible_collections.virtfleet.core.plugins.module_utils._change import Effect
from ansible_collections.virtfleet.core.plugins.module_utils._errors import SpecError
from ansible_collections.virtfleet.core.plugins.module_utils._guest.spec import parse
from ansible_collections.virtfleet.core.plugins.module_utils._guest.xen import Xen, type_for
from tests.unit.plugins.module_utils.estate.hall import Hall
from tests.unit.plugins.module_utils.guest.house import House
from tests.unit.plugins.module_utils.guest.world import HOST, XEN, snapshot

ALL = ("pv", "hvm", "pvh")


def house(types: tuple[str, ...] = ALL, **how: Any) -> House:
    return House(xen=types, **how)


@pytest.mark.parametrize(
    ("options", "can", "kind"),
    [
        ({}, ALL, "pvh"),
        ({}, ("pv",), "pv"),
        ({"kernel": "/k"}, ALL, "pvh"),
        # Who installs from a CD, or asks for firmware, wants a whole machine ...
        ({"disks": [{"size": "1GiB"}, {"cdrom": "/iso/x.iso"}]}, ALL, "hvm"),
        ({"firmware": "efi"}, ALL, "hvm"),
        ({"boot": ["network"]}, ALL, "hvm"),
        # ... and has it refused, not swapped, where there is none.
        ({"firmware": "efi"}, ("pv",), "pv"),
        ({"kernel": "/k", "disks": [{"cdrom": "/iso/x.iso"}]}, ALL, "pvh"),
        ({"bootloader": "pygrub", "disks": [{"cdrom": "/iso/x.iso"}]}, ALL, "pvh"),
    ],
)
def test_what_a_new_guest_is_booted_as(options: dict[str, Any], can: tuple[str, ...], kind: str) -> None:
    assert type_for(parse({"name": "web1", **options}), can) == kind


@pytest.mark.parametrize(
    ("want", "expected"),
    [
        ({"type": "pv"}, {"vcpus": 1, "console": True, "bootloader": "pygrub"}),
        ({"type": "pvh", "kernel": "/k"}, {"vcpus": 1, "console": True}),
        ({"type": "hvm"}, {"vcpus": 1, "console": True, "boot": ("disk",)}),
        ({"type": "hvm", "disks": [{"device": "cdrom"}, {}]}, {"vcpus": 1, "console": True, "boot": ("disk", "cdrom")}),
    ],
)
def test_defaults_of_a_new_guest(want: dict[str, Any], expected: dict[str, Any]) -> None:
    assert Xen().defaults(XEN, want) == expected


@pytest.mark.parametrize(("kind", "machine"), [("pv", "xenpv"), ("pvh", "xenpvh"), ("hvm", "xenfv")])
def test_a_skeleton_says_its_type_twice(kind: str, machine: str) -> None:
    root = Xen().make(parse({"name": "web1", "memory": "1GiB", "type": kind}), snapshot(host=XEN)).root
    assert (root.get("type"), _xml.read(root, "os/type/@machine")) == ("xen", machine)
    # A screen takes a QEMU for each guest; one without firmware has no use for it.
    assert (_xml.find(root, "devices/graphics") is not None) is (kind == "hvm")


def test_disks_and_nics_are_paravirtual() -> None:
    made = house()
    made.run(memory="1GiB", disks=[{"size": "1GiB"}, {"name": "data", "image": "debian-12"}], nics=[{"network": "lab"}])
    root = made.definition()
    disks = _xml.find_all(root, "devices/disk")
    assert [_xml.read(disk, "target/@dev") for disk in disks] == ["xvda", "xvdb"]
    # dom0's kernel serves the raw one, which no QEMU shall do.
    assert [_xml.read(disk, "driver/@name") for disk in disks] == [None, "qemu"]
    assert [_xml.read(disk, "driver/@type") for disk in disks] == ["raw", "qcow2"]
    assert _xml.read(root, "devices/interface/model/@type") == "netfront"
    assert str(_xml.read(root, "devices/interface/mac/@address")).startswith("00:16:3e:")
    assert _xml.read(root, "devices/console/target/@type") == "xen"
    assert _xml.find(root, "devices/channel") is None and _xml.read(root, "bootloader") == "pygrub"


def test_an_installer_finds_disk_and_drive_in_different_places() -> None:
    made = house()
    made.run(memory="1GiB", disks=[{"size": "1GiB"}, {"cdrom": "/iso/netinst.iso"}])
    targets = [_xml.read(disk, "target/@dev") for disk in _xml.find_all(made.definition(), "devices/disk")]
    # xvda is hda to the firmware.
    assert targets == ["xvda", "hdb"]


@pytest.mark.parametrize("state", ["present", "running"])
def test_the_second_run_finds_nothing(state: str) -> None:
    made = house()
    options = {"memory": "1GiB", "state": state, "disks": [{"size": "1GiB"}], "nics": [{"bridge": "br0", "ip": "192.0.2.7"}]}
    made.run(**options)
    assert made.plan(**options).actions == ()


def test_pv_becomes_pvh_with_a_cold_start_and_never_another_machine() -> None:
    made = house()
    made.run(memory="1GiB", type="pv", state="running", kernel="/boot/vmlinuz")
    (action,) = made.run(memory="1GiB", type="pvh", kernel="/boot/vmlinuz")[0].actions
    assert [(change.path, change.effect) for change in action.changes] == [(("type",), Effect.RESTART)]
    with pytest.raises(SpecError, match="type: pvh cannot become hvm on an existing guest"):
        made.plan(memory="1GiB", type="hvm", kernel="/boot/vmlinuz")


@pytest.mark.parametrize(
    ("options", "types", "said"),
    [
        ({"type": "pvh"}, ("pv",), "type: this host cannot run pvh guests (it can: pv); pv and pvh are Xen's"),
        ({"firmware": "efi"}, ("pv",), "firmware: needs a guest of type hvm"),
        ({"agent": True}, ALL, "agent: not supported by the hypervisor driver xen"),
        ({"accel": "kvm"}, ALL, "accel: not supported by the hypervisor driver xen"),
        ({"machine": "q35"}, ALL, "machine: not supported by the hypervisor driver xen"),
        ({"arch": "aarch64"}, ALL, "arch: Xen runs guests of the host's own architecture only"),
        ({"nics": [{"type": "user"}]}, ALL, "nics.user.user: not supported by the hypervisor driver xen"),
        ({"kernel": "/boot/vmlinuz", "bootloader": "pygrub"}, ALL, "bootloader: is for a guest whose kernel is in its disk"),
        ({"initrd": "/boot/initrd"}, ALL, "initrd: needs kernel, which is booted directly"),
        ({"type": "hvm", "cmdline": "quiet"}, ALL, "cmdline: needs kernel, which is booted directly, or on Xen a bootloader"),
        ({"kernel": "/boot/gone"}, ALL, "kernel: /boot/gone does not exist on the host"),
        ({"memory": "80GiB"}, ALL, "memory: 80GiB are more than the host has (64GiB)"),
    ],
)
def test_what_cannot_be(options: dict[str, Any], types: tuple[str, ...], said: str) -> None:
    made = house(types)
    with pytest.raises(SpecError) as caught:
        made.plan(**{"memory": "1GiB", **options})
    assert said in str(caught.value)
    assert made.fake.calls == []


def test_nobody_waits_for_an_agent_that_cannot_be_there() -> None:
    with pytest.raises(SpecError, match="wait_for: guests of xen have no guest agent"):
        house().plan(memory="1GiB", state="running", wait_for="agent")
    house().plan(memory="1GiB", state="running", wait_for="address")
    hall = Hall(xen=ALL)
    document = {"version": 1, "guests": [{"name": "a", "memory": "1GiB", "state": "running", "wait_for": "agent"}]}
    with pytest.raises(SpecError, match="wait_for: guests of xen have no guest agent"):
        hall.planned(document)


def test_kvm_has_one_type_only() -> None:
    made = House()
    made.run(memory="1GiB", type="hvm")
    assert made.plan(memory="1GiB", type="hvm").actions == ()
    with pytest.raises(SpecError, match=r"type: this host cannot run pv guests \(it can: hvm\)"):
        made.plan(memory="1GiB", type="pv")
    assert replace(HOST, guest_types={}).guest_types == {}


@pytest.mark.parametrize("what", ["bootloader", "bootloader_args"])
def test_kvm_has_no_boot_loader_on_the_host(what: str) -> None:
    with pytest.raises(SpecError, match=f"{what}: not supported by the hypervisor driver qemu"):
        House().plan(memory="1GiB", **{what: "pygrub"})


def test_a_disk_of_a_running_guest_does_not_grow() -> None:
    made = house()
    options = {"memory": "1GiB", "kernel": "/boot/vmlinuz"}
    made.run(**options, disks=[{"size": "1GiB"}], state="running")
    with pytest.raises(SpecError, match="disks.root.size: xen cannot grow a disk of a running guest; stop it first"):
        made.plan(**options, disks=[{"size": "2GiB"}])
    made.run(**options, disks=[{"size": "2GiB"}], state="stopped")
    made.run(**options, disks=[{"size": "2GiB"}], state="running")


def test_more_memory_than_xen_has_free_is_refused_before_anything_is_made() -> None:
    made = house(memory_bytes=4 << 30)
    made.run(name="web2", memory="2GiB", state="running")
    made.fake.calls.clear()
    with pytest.raises(SpecError, match="memory: web1 shall be started with 3GiB together, and the hypervisor has 2GiB left"):
        made.plan(memory="3GiB", state="running", disks=[{"size": "1GiB"}])
    assert made.fake.calls == []
    # A dom0 that was not told how much it has gives of its own.
    made.files.gives = True
    made.plan(memory="3GiB", state="running")
    made.files.gives = False
    # Made, but not started, it takes nothing.
    made.run(memory="3GiB")
