# Copyright: (c) 2026, the virtfleet.core contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What QEMU gives a new guest where the user said nothing."""

from __future__ import annotations

from typing import Any

import pytest

from ansible_collections.virtfleet.core.plugins.module_utils._guest.qemu import Qemu
from tests.unit.plugins.module_utils.guest.world import HOST


@pytest.mark.parametrize(
    ("spec", "expected"),
    [
        ({}, {"vcpus": 1, "console": True, "agent": True, "boot": ("disk",)}),
        ({"vcpus": 4, "agent": False, "console": False}, {"boot": ("disk",)}),
        ({"nics": [{}]}, {"boot": ("network",)}),
        ({"disks": [{"device": "disk"}], "nics": [{}]}, {"boot": ("disk",)}),
        # A blank disk falls through to the CD.
        ({"disks": [{"device": "cdrom"}, {}]}, {"boot": ("disk", "cdrom")}),
        ({"disks": [{"device": "cdrom"}]}, {"boot": ("cdrom",)}),
        ({"boot": ("network",)}, {}),
        ({"boot": ()}, {}),
        # Who says an order of devices, or a kernel, wants no order of kinds.
        ({"disks": [{"boot_order": 1}]}, {}),
        ({"nics": [{"boot_order": 1}]}, {}),
        ({"kernel": "/k"}, {}),
        ({"arch": "aarch64"}, {"firmware": "efi", "boot": ("disk",)}),
        ({"arch": "aarch64", "firmware": "bios"}, {"boot": ("disk",)}),
    ],
)
def test_defaults_of_a_new_guest(spec: dict[str, Any], expected: dict[str, Any]) -> None:
    found = Qemu().defaults(HOST, spec)
    common = {"vcpus": 1, "console": True, "agent": True} if "vcpus" not in spec else {}
    assert found == {**common, **expected}


@pytest.mark.parametrize(
    ("device", "machine", "bus"),
    [
        ("disk", "q35", "virtio"),
        ("cdrom", "pc-q35-7.2", "sata"),
        ("cdrom", "pc-i440fx-7.2", "ide"),
        ("cdrom", "pc", "ide"),
        ("cdrom", "virt", "scsi"),
        ("cdrom", None, "sata"),
    ],
)
def test_a_drive_is_plugged_in_where_the_board_has_a_place(device: str, machine: str | None, bus: str) -> None:
    assert Qemu().bus(device, {"machine": machine}) == bus
