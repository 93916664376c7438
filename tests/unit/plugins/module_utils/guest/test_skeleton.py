# Copyright: (c) 2026, the virtfleet.core contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What a guest is made with where the user said nothing."""

from __future__ import annotations

import re
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ansible_collections.virtfleet.core.plugins.module_utils import _xml
from ansible_collections.virtfleet.core.plugins.module_utils._guest.skeleton import (
    OWN_PORTS,
    SPARE_PORTS,
    accel_for,
    mac_for,
    machine_for,
    skeleton,
    uuid_for,
)
from tests.unit.plugins.module_utils.guest.world import HOST, XEN

OTHER_HOST = replace(HOST, uuid="00000000-0000-4000-8000-000000000002")


def test_the_accelerator_is_the_hosts_own_where_it_has_one() -> None:
    assert accel_for(HOST, "x86_64") == "kvm"
    assert accel_for(HOST, "aarch64") == "tcg"
    assert accel_for(replace(HOST, domain_types={"x86_64": ("qemu",)}), "x86_64") == "tcg"
    # KVM listed for another architecture than the host's is not its own.
    assert accel_for(replace(HOST, domain_types={"i686": ("kvm",)}), "i686") == "tcg"


def test_the_machine_is_the_modern_one_where_the_host_has_it() -> None:
    assert machine_for(HOST, "x86_64", "kvm") == "q35"
    assert machine_for(HOST, "aarch64", "tcg") == "virt"
    assert machine_for(HOST, "aarch64", "kvm") is None
    assert machine_for(HOST, "sparc64", "tcg") is None


def test_identities_follow_from_host_and_name() -> None:
    assert uuid_for(HOST, "web1") == uuid_for(HOST, "web1")
    assert len({uuid_for(HOST, "web1"), uuid_for(HOST, "web2"), uuid_for(OTHER_HOST, "web1")}) == 3
    macs = {
        mac_for(HOST, "web1", "lab"),
        mac_for(HOST, "web1", "dmz"),
        mac_for(HOST, "web2", "lab"),
        mac_for(OTHER_HOST, "web1", "lab"),
        mac_for(HOST, "web1", "lab", 1),
    }
    assert len(macs) == 5
    assert mac_for(HOST, "web1", "lab") in macs


@given(st.text(max_size=20), st.text(max_size=20), st.integers(0, 9))
def test_macs_are_macs_of_their_hypervisor(guest: str, nic: str, salt: int) -> None:
    assert re.fullmatch(r"52:54(:[0-9a-f]{2}){4}", mac_for(HOST, guest, nic, salt))
    assert re.fullmatch(r"00:16:3e(:[0-9a-f]{2}){3}", mac_for(XEN, guest, nic, salt))


def test_ten_thousand_nics_have_ten_thousand_macs() -> None:
    assert len({mac_for(HOST, f"guest{number}", "lab") for number in range(10000)}) > 9990


@pytest.mark.parametrize("machine", ["q35", "pc-q35-7.2", "virt", "virt-7.2"])
def test_a_board_without_slots_gets_ports_to_plug_into(machine: str) -> None:
    arch = "aarch64" if machine.startswith("virt") else "x86_64"
    root = skeleton(HOST, "web1", arch, "tcg", machine, 3)
    assert len(_xml.find_all(root, "devices/controller[@model='pcie-root-port']")) == OWN_PORTS + 3 + SPARE_PORTS


@pytest.mark.parametrize("machine", ["pc", "pc-i440fx-7.2", None, "microvm"])
def test_other_boards_get_none(machine: str | None) -> None:
    root = skeleton(HOST, "web1", "x86_64", "kvm", machine)
    assert _xml.find_all(root, "devices/controller[@type='pci']") == []
    assert _xml.read(root, "os/type/@machine") == machine


@pytest.mark.parametrize(
    ("arch", "accel", "present", "missing"),
    [
        ("x86_64", "kvm", ["features/acpi", "cpu[@mode='host-model']", "devices/graphics[@type='vnc']"], []),
        ("x86_64", "tcg", ["cpu[@mode='maximum']"], ["cpu[@mode='host-model']"]),
        ("aarch64", "tcg", ["devices/rng"], ["features/acpi", "clock/timer", "devices/graphics"]),
        ("s390x", "tcg", ["devices/rng"], ["devices/controller[@type='usb']"]),
    ],
)
def test_what_an_architecture_gets(arch: str, accel: str, present: list[str], missing: list[str]) -> None:
    root = skeleton(HOST, "web1", arch, accel, None)
    assert root.get("type") == ("kvm" if accel == "kvm" else "qemu")
    assert (_xml.read(root, "os/type/@arch"), _xml.read(root, "os/type")) == (arch, "hvm")
    assert [path for path in present if _xml.find(root, path) is None] == []
    assert [path for path in missing if _xml.find(root, path) is not None] == []


def test_the_screen_is_for_the_host_only() -> None:
    root = skeleton(HOST, "web1", "x86_64", "kvm", "q35")
    assert _xml.read(root, "devices/graphics/listen/@address") == "127.0.0.1"
