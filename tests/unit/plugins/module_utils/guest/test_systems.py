# Copyright: (c) 2026, the virtfleet.core contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What an operating system wants lies below every word that was said, and is decided when a guest is made."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from ansible_collections.virtfleet.core.plugins.module_utils import _xml
from ansible_collections.virtfleet.core.plugins.module_utils._change import Effect
from ansible_collections.virtfleet.core.plugins.module_utils._errors import SpecError
from ansible_collections.virtfleet.core.plugins.module_utils._facts import Snapshot
from ansible_collections.virtfleet.core.plugins.module_utils._osinfo import Database, look_up
from ansible_collections.virtfleet.core.plugins.module_utils._xml import Element
from tests.unit.plugins.module_utils.guest.house import SYSTEMS, House
from tests.unit.plugins.module_utils.guest.world import XEN, changes_of, defined, facts, ops, planned, snapshot

BASE: dict[str, Any] = {"name": "web1", "memory": "8GiB", "vcpus": 2, "disks": [{"size": "80GiB"}], "nics": [{"network": "lab"}]}
OS = "metadata/libosinfo:libosinfo/libosinfo:os/@id"


def host(*words: str, **parts: Any) -> Snapshot:
    return replace(snapshot(**parts), systems=look_up(Database([SYSTEMS]), words))


def made(word: str, **words: Any) -> Element:
    return defined(planned({**BASE, "os": word, **words}, host(word)))


def read(root: Element, *paths: str) -> list[str | None]:
    return [_xml.read(root, path) for path in paths]


DEVICES = ("os/type/@machine", "devices/disk/target/@bus", "devices/interface/model/@type", "devices/video/model/@type")


@pytest.mark.parametrize(
    ("word", "seen", "usb", "rng"),
    [
        ("debian-11", ["q35", "virtio", "virtio", "virtio"], "qemu-xhci", True),
        ("debian-12", ["q35", "virtio", "virtio", "vga"], "qemu-xhci", True),
        ("win10", ["q35", "sata", "e1000e", "vga"], "qemu-xhci", False),
        ("old1", ["pc", "virtio", "virtio", "vga"], "piix3-uhci", False),
        ("debian3", ["pc", "ide", "e1000", "vga"], "piix3-uhci", False),
    ],
)
def test_a_new_guest_has_the_devices_that_its_system_knows(word: str, seen: list[str], usb: str, rng: bool) -> None:
    root = made(word)
    assert read(root, *DEVICES) == seen
    assert _xml.read(root, "devices/controller[@type='usb']/@model") == usb
    assert (_xml.find(root, "devices/rng") is not None) is rng


def test_the_system_is_kept_by_its_id() -> None:
    for word in ("debian-11", "debian11", "http://debian.org/debian/11"):
        assert _xml.read(made(word), OS) == "http://debian.org/debian/11"


def test_windows_gets_its_clock_and_what_it_knows_of_hypervisors() -> None:
    kvm, emulated = made("win10", accel="kvm"), made("win10", accel="tcg")
    for root in (kvm, emulated):
        assert read(root, "clock/@offset", "features/hyperv/relaxed/@state") == ["localtime", "on"]
        assert _xml.read(root, "clock/timer[@name='hpet']/@present") == "no"
    assert read(kvm, "clock/timer[@name='hypervclock']/@present", "features/hyperv/stimer/@state") == ["yes", "on"]
    assert read(emulated, "clock/timer[@name='hypervclock']/@present", "features/hyperv/stimer/@state") == [None, None]
    assert read(made("debian11"), "clock/@offset", "features/hyperv/relaxed/@state") == ["utc", None]


def test_windows_11_gets_secure_boot_and_a_tpm() -> None:
    root = made("win11")
    assert read(root, "os/@firmware", "devices/tpm/@model", "devices/tpm/backend/@version") == ["efi", "tpm-crb", "2.0"]
    assert _xml.read(root, "os/firmware/feature[@name='secure-boot']/@enabled") == "yes"
    assert read(made("win10"), "os/@firmware", "devices/tpm/@model") == [None, None]


@pytest.mark.parametrize(
    ("words", "path", "value"),
    [
        ({"disks": [{"size": "80GiB", "bus": "scsi"}]}, "devices/disk/target/@bus", "scsi"),
        ({"nics": [{"network": "lab", "model": "virtio"}]}, "devices/interface/model/@type", "virtio"),
        ({"machine": "pc"}, "os/type/@machine", "pc"),
        ({"firmware": "bios"}, "os/@firmware", None),
        ({"firmware": "bios"}, "os/firmware/feature/@enabled", None),
        ({"tpm": {"model": "none"}}, "devices/tpm/@model", None),
        ({"hyperv": False}, "features/hyperv/relaxed/@state", None),
        ({"clock": {"offset": "utc"}}, "clock/@offset", "utc"),
        ({"clock": {"offset": "utc"}, "accel": "kvm"}, "clock/timer[@name='hypervclock']/@present", "yes"),
        ({"rng": {"source": "builtin"}}, "devices/rng/backend/@model", "builtin"),
    ],
)
def test_what_was_said_lies_above(words: dict[str, Any], path: str, value: str | None) -> None:
    assert _xml.read(made("win11", **words), path) == value


def test_a_guest_without_a_screen_gets_no_video_card_for_it() -> None:
    assert _xml.read(made("debian11", graphics={"type": "none"}), "devices/video/model/@type") in (None, "vga")


def test_another_architecture_gets_nothing_of_a_pc() -> None:
    root = made("debian11", arch="aarch64")
    assert read(root, "os/type/@machine", "devices/video/model/@type", "devices/disk/target/@bus") == ["virt", None, "virtio"]


def test_xen_has_its_own_devices() -> None:
    spec = {**BASE, "os": "win10", "type": "hvm"}
    root = defined(planned(spec, host("win10", host=XEN)))
    assert read(root, "devices/disk/target/@bus", "devices/interface/model/@type", OS) == [
        "xen",
        "netfront",
        "http://microsoft.com/win/10",
    ]


def test_what_is_too_small_is_warned_of() -> None:
    small = {**BASE, "os": "win11", "memory": "1GiB", "vcpus": 1, "disks": [{"size": "10GiB"}]}
    warnings = planned(small, host("win11")).warnings
    assert [warning.split(" ")[2] for warning in warnings] == ["memory:", "vcpus:", "disks.root.size:"]
    assert "guest web1: memory: 1GiB are less than Windows 11 needs (4GiB), says osinfo-db" in warnings
    assert planned({**small, "memory": "8GiB", "vcpus": 2, "disks": []}, host("win11")).warnings == ()


def test_an_unknown_system_is_refused_with_what_may_have_been_meant() -> None:
    with pytest.raises(SpecError, match="os: 'debian13' is no system .* did you mean debian3 or debian1"):
        made("debian13")
    with pytest.raises(SpecError, match="osinfo-db cannot be read over this uri"):
        planned({**BASE, "os": "win10"}, snapshot())
    with pytest.raises(SpecError, match="os: 'a b' is not the name of an operating system"):
        made("a b")


def test_a_guest_that_is_there_keeps_all_that_it_has() -> None:
    guest = facts(_xml.to_text(made("win11")))
    # Neither another database nor none changes anything.
    for snap in (host("win11"), snapshot()):
        again = planned({"name": "web1", "os": "win-11"}, replace(snap, guests={"web1": guest}))
        assert again.actions == ()
    moved = planned({"name": "web1", "os": "debian12"}, replace(host("debian12"), guests={"web1": guest}))
    assert list(changes_of(moved)) == ["os"]
    assert _xml.read(defined(moved), OS) == "http://debian.org/debian/12"
    assert _xml.read(defined(moved), "os/@firmware") == "efi"


def test_a_new_device_of_a_guest_is_as_its_system_knows_it() -> None:
    guest = facts(_xml.to_text(made("win10")))
    more = {"name": "web1", "os": "win10", "disks": [{"size": "80GiB"}, {"file": "/data/old.qcow2"}]}
    root = defined(planned(more, replace(host("win10"), guests={"web1": guest})))
    assert [disk.get("bus") for disk in _xml.find_all(root, "devices/disk/target")] == ["sata", "sata"]


def test_a_running_guest_is_told_at_once() -> None:
    text = _xml.to_text(made("debian11"))
    guest = facts(text, "running")
    moved = planned({"name": "web1", "os": "debian12"}, replace(host("debian12"), guests={"web1": guest}))
    assert ops(moved) == ["define_guest", "set_metadata", "set_metadata"]
    assert changes_of(moved)["os"].effect is Effect.LIVE


def test_check_mode_and_a_second_run_say_the_same() -> None:
    house = House()
    words = {**BASE, "os": "win10", "state": "running"}
    predicted = house.plan(**words)
    done, _outcomes = house.run(**words)
    assert changes_of(predicted) == changes_of(done)
    assert house.plan(**words).actions == ()
    house.run(**{**words, "os": "debian-12"})
    assert _xml.read(house.live(), OS) == _xml.read(house.definition(), OS) == "http://debian.org/debian/12"
