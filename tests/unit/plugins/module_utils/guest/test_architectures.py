# Copyright: (c) 2026, the virtfleet.core contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""New guests of other architectures ask for nothing that libvirt refuses there.

domcaps/ holds what libvirt 9.0 said of QEMU 7.2 of Debian 12 (virConnectGetDomainCapabilities, type qemu). A guest of each
was defined by that libvirt, with validation, once.
"""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from ansible_collections.virtfleet.core.plugins.module_utils import _xml
from ansible_collections.virtfleet.core.plugins.module_utils._guest.fields.boot import check_arch, same_machine
from ansible_collections.virtfleet.core.plugins.module_utils._guest.skeleton import MACHINES
from ansible_collections.virtfleet.core.plugins.module_utils._xml import Element
from tests.unit.plugins.module_utils.guest.world import HOST, defined, planned, snapshot

HERE = Path(__file__).parent / "domcaps"
ARCHITECTURES = sorted(path.stem for path in HERE.glob("*.xml"))
ANY = replace(
    HOST,
    domain_types={**HOST.domain_types, **dict.fromkeys(ARCHITECTURES, ("qemu",))},
    machines={**HOST.machines, **{(arch, "qemu"): (MACHINES[arch],) for arch in ARCHITECTURES}},
)


def capabilities(arch: str) -> Element:
    return _xml.parse((HERE / f"{arch}.xml").read_text())


def made(arch: str, **words: Any) -> Element:
    options = {"name": "web1", "arch": arch, "memory": "256MiB", "disks": [{"cdrom": ""}], "nics": [{"type": "user"}]}
    return defined(planned({**options, **words}, snapshot(host=ANY)))


def values(root: Element, path: str) -> set[str]:
    return {value.text or "" for value in _xml.find_all(root, path)}


def test_these_are_recorded() -> None:
    assert ARCHITECTURES == ["aarch64", "armv7l", "i686", "ppc64le", "riscv64", "s390x"]


@pytest.mark.parametrize("arch", ARCHITECTURES)
def test_a_new_guest_is_one_that_libvirt_can_make(arch: str) -> None:
    root, can = made(arch), capabilities(arch)
    assert root.get("type") == "qemu"
    assert same_machine(_xml.read(root, "os/type/@machine"), _xml.read(can, "machine"))
    mode = _xml.read(root, "cpu/@mode")
    assert mode is None or _xml.read(can, f"cpu/mode[@name='{mode}']/@supported") == "yes"
    assert _xml.read(can, "devices/rng/@supported") == "yes" and _xml.find(root, "devices/rng") is not None
    assert {disk.get("bus") for disk in _xml.find_all(root, "devices/disk/target")} <= values(
        can, "devices/disk/enum[@name='bus']/value"
    )
    cards = {model.get("type") for model in _xml.find_all(root, "devices/video/model")}
    assert cards <= values(can, "devices/video/enum[@name='modelType']/value")


@pytest.mark.parametrize(
    ("arch", "mode", "firmware", "ports", "usb", "screen"),
    [
        ("aarch64", "maximum", "efi", True, True, False),
        ("armv7l", "maximum", "efi", True, True, False),
        ("i686", "maximum", None, True, True, True),
        ("ppc64le", None, None, False, True, False),
        ("riscv64", None, None, True, True, False),
        ("s390x", "maximum", None, False, False, False),
    ],
)
def test_what_each_gets(arch: str, mode: str | None, firmware: str | None, ports: bool, usb: bool, screen: bool) -> None:
    root = made(arch)
    assert (_xml.read(root, "cpu/@mode"), _xml.read(root, "os/@firmware")) == (mode, firmware)
    assert (_xml.find(root, "devices/controller[@model='pcie-root-port']") is not None) is ports
    assert (_xml.find(root, "devices/controller[@type='usb']") is not None) is usb
    assert (_xml.find(root, "devices/graphics") is not None) is screen
    # libvirt makes of the plain serial port what the board has: PL011, 16550A, spapr-vty, SCLP.
    assert _xml.read(root, "devices/serial/@type") == "pty"
    assert _xml.read(root, "devices/serial/target/@type") is None


@pytest.mark.parametrize("arch", ["aarch64", "armv7l"])
def test_arm_boots_a_kernel_without_firmware(arch: str) -> None:
    assert _xml.read(made(arch, kernel="/boot/vmlinuz"), "os/@firmware") is None
    assert _xml.read(made(arch, kernel="/boot/vmlinuz", firmware="efi"), "os/@firmware") == "efi"


@pytest.mark.parametrize(
    ("word", "arch"),
    [("amd64", "x86_64"), ("arm64", "aarch64"), ("arm", "armv7l"), ("armhf", "armv7l"), ("ppc64el", "ppc64le"), ("s390x", "s390x")],
)
def test_other_names_of_an_architecture(word: str, arch: str) -> None:
    assert check_arch(word) == arch
