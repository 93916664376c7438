# Copyright: (c) 2026, the virtfleet.core contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The tables of packages: each system has its own names, and each of these names is known to exist there."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from ansible_collections.virtfleet.core.plugins.module_utils._kvm_host.packages import (
    ARCHITECTURES,
    FEATURES,
    MACHINES,
    STORAGE,
    every_name,
    halves,
    stacked,
    wanted,
)
from ansible_collections.virtfleet.core.plugins.module_utils._kvm_host.wants import DEFAULT_FEATURES
from ansible_collections.virtfleet.core.plugins.module_utils._machine.seen import System
from ansible_collections.virtfleet.core.plugins.module_utils._machine.systems import (
    D12,
    D13,
    SYSTEMS,
    U22,
    U24,
    U26,
    system_of,
)
from ansible_collections.virtfleet.core.plugins.module_utils._xen_host import packages as xen

# Its name has the version of Xen, and apt is asked for it.
_OF_XEN = re.compile(r"xen-(?:system|hypervisor|utils)-")
DATA = Path(__file__).resolve().parents[4] / "data"
UBUNTU = (U22, U24, U26)
COMMON = [
    "dmidecode", "dnsmasq-base", "iproute2", "iptables", "libvirt-clients", "libvirt-daemon-system", "mdevctl", "ovmf",
    "parted", "python3-jmespath", "python3-libvirt", "qemu-block-extra", "qemu-system-x86", "qemu-utils", "swtpm",
    "swtpm-tools", "xorriso",
]  # fmt: skip
SPLIT = ["libvirt-daemon-driver-interface", "libvirt-daemon-lock"]
# Names that a package only provides: they are never installed as such.
VIRTUAL = {"qemu-kvm", "qemu", "qemu-system-x86-64", "qemu-system-native", "libvirt-daemon-system-systemd", "libvirt-bin"}


def facts(system: str) -> dict[str, tuple[str, str, str]]:
    """Return what is known of the packages of an Ubuntu: component, seen or inferred, and where."""
    name = f"ubuntu-{system.split()[1]}-packages.txt"
    found = {}
    for line in (DATA / name).read_text(encoding="utf-8").splitlines():
        if line and not line.startswith("#"):
            package, component, kind, date, source = line.split("\t")
            assert component in ("main", "universe", "?"), line
            assert kind in ("seen", "inferred"), line
            assert len(date.split("-")) == 3 and source, line
            assert package not in found, f"{package} is twice in {name}"
            found[package] = (component, kind, source)
    return found


@pytest.mark.parametrize(
    ("system", "more"),
    [
        (D12, ["passt"]),
        (D13, [*SPLIT, "passt", "virtiofsd"]),
        (U22, []),
        (U24, ["passt", "virtiofsd"]),
        (U26, [*SPLIT, "passt", "virtiofsd"]),
    ],
)
def test_each_system_has_its_packages(system: str, more: list[str]) -> None:
    assert list(wanted(system, "x86_64", DEFAULT_FEATURES).names) == sorted([*COMMON, *more])


@pytest.mark.parametrize("system", UBUNTU)
def test_every_name_of_ubuntu_has_a_fact(system: str) -> None:
    known = facts(system)
    assert sorted(every_name(system) - set(known)) == [], f"{system}: nothing says that these exist"
    # Those that only a Xen host needs are of another test.
    unused = {name for name in set(known) - every_name(system) - xen.every_name(system) if not _OF_XEN.match(name)}
    assert sorted(unused) == [], f"{system}: facts that no table uses"


@pytest.mark.parametrize("system", SYSTEMS)
def test_no_name_is_virtual(system: str) -> None:
    assert not every_name(system) & VIRTUAL


def test_what_a_system_lacks_is_named() -> None:
    jammy = wanted(U22, "x86_64", ["uefi", "passt"], ["riscv64"])
    assert jammy.absent == ("uefi for riscv64", "passt")
    assert wanted(U26, "x86_64", ["uefi"], ["armv7l"]).absent == ("uefi for armv7l",)
    assert wanted(D13, "x86_64", DEFAULT_FEATURES).absent == ()


def test_an_architecture_brings_its_emulator_and_with_uefi_its_firmware() -> None:
    more = set(wanted(D13, "x86_64", ["uefi"], ["aarch64", "riscv64"]).names) - set(wanted(D13, "x86_64", ["uefi"]).names)
    assert more == {
        "qemu-system-arm", "ipxe-qemu", "qemu-efi-aarch64", "qemu-system-misc", "opensbi", "qemu-efi-riscv64",
    }  # fmt: skip
    assert "ovmf" not in wanted(D13, "x86_64", []).names
    assert "qemu-system-x86" not in wanted(D12, "aarch64", ["uefi"]).names
    assert set(MACHINES) <= set(ARCHITECTURES)
    assert "qemu-system-misc" in wanted(D12, "x86_64", [], ["s390x"]).names
    assert "qemu-system-s390x" in wanted(D13, "x86_64", [], ["s390x"]).names


@pytest.mark.parametrize("kind", sorted(set(STORAGE) - {"nfs"}))
def test_storage_is_a_package_where_libvirt_is_split(kind: str) -> None:
    driver = f"libvirt-daemon-driver-storage-{kind}"
    assert driver in wanted(D13, "x86_64", [], [], [kind]).names
    before = driver in wanted(D12, "x86_64", [], [], [kind]).names
    assert before == (kind in ("iscsi-direct", "rbd", "zfs"))


def test_storage_brings_its_tools() -> None:
    tools = {"logical": "lvm2", "iscsi": "open-iscsi", "mpath": "multipath-tools", "nfs": "nfs-common"}
    for kind, tool in tools.items():
        for system in SYSTEMS:
            assert tool in wanted(system, "x86_64", [], [], [kind]).names
    # Debian has them in contrib, which is not among a new system's sources.
    assert "zfsutils-linux" in wanted(U24, "x86_64", [], [], ["zfs"]).names
    assert "zfsutils-linux" not in wanted(D13, "x86_64", [], [], ["zfs"]).names


@pytest.mark.parametrize("feature", sorted(set(FEATURES) - {"uefi"}))
def test_a_feature_brings_something_somewhere(feature: str) -> None:
    assert set(wanted(D13, "x86_64", [feature]).names) > set(wanted(D13, "x86_64", []).names)


def test_images_from_packages_need_the_keys_of_both() -> None:
    assert {"debian-archive-keyring", "ubuntu-keyring"} <= set(wanted(D13, "x86_64", ["bootstrap"]).names)
    assert {"debian-archive-keyring", "ubuntu-keyring"} <= set(wanted(U24, "x86_64", ["bootstrap"]).names)


@pytest.mark.parametrize(
    ("system", "known"),
    [
        (System("debian", "12", "x"), D12),
        (System("debian", "13.2", "x"), D13),
        (System("ubuntu", "24.04", "x"), U24),
        (System("ubuntu", "24.10", "x"), None),
        (System("debian", "11", "x"), None),
        (System("debian", "", "testing"), None),
        (System("fedora", "12", "x"), None),
        (System("linuxmint", "22", "x"), None),
    ],
)
def test_a_system_is_known_by_its_release(system: System, known: str | None) -> None:
    assert system_of(system) == known


def test_names_of_the_base_stack_are_not_put_over_the_other() -> None:
    names = wanted(U26, "x86_64", DEFAULT_FEATURES, ["aarch64"], ["rbd"], hwe=True).names
    assert not [name for name in names if stacked(name)]
    assert {"python3-libvirt", "swtpm", "xorriso"} <= set(names)


def test_half_a_stack_is_seen() -> None:
    assert halves(["qemu-system-x86-hwe", "libvirt-clients", "linux-generic-hwe-24.04"]) == ["qemu-system-x86-hwe"]
    assert halves(["qemu-system-x86-hwe", "ubuntu-virt-hwe"]) == []
    assert halves(["qemu-system-x86"]) == []
