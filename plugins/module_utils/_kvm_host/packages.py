# Copyright: (c) 2026, the virtfleet.core contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Which packages a host needs: the one place that knows how each distribution calls them.

Only names of real packages stand here. A virtual one, as qemu-kvm, is never seen to be installed, so that it would be
installed at every run. Recommended packages are not installed (a desktop's worth of libraries would come along), so
that those which a host needs are named.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass, replace

from .._machine.systems import BOOTSTRAP, D12, D13, NOTHING, SPLIT, SYSTEMS, U22, U26, Names, Wanted, gathered

# Ubuntu 26.04 has a second stack, *-hwe, and its packages and those of the base stack displace each other. Where a host
# has it, base names are not installed: the stack was switched as a whole by ubuntu_virt_helper, and brings its own.
HWE_MARKER = "ubuntu-virt-hwe"
_STACKED = ("qemu-", "libvirt-", "ovmf", "seabios", "ipxe-qemu")


def _driver(name: str, *tools: str, old: bool = False) -> Names:
    """Return a storage driver's packages; ``old`` says that it was a package before the split too."""
    package = f"libvirt-daemon-driver-storage-{name}"
    before = (package, *tools) if old else tools
    return Names((package, *tools), {system: before for system in SYSTEMS if system not in SPLIT})


# Needed by every host. dmidecode: the host's identity. dnsmasq-base and iptables: networks. iproute2: nics.
# mdevctl: mediated devices. parted: disk pools. python3-jmespath: `query` of the info modules. qemu-block-extra: disks
# over ceph, iscsi and ssh. xorriso: seeds.
BASE = (
    Names(("dmidecode", "dnsmasq-base", "iproute2", "iptables", "libvirt-clients", "libvirt-daemon-system", "mdevctl")),
    Names(("parted", "python3-jmespath", "python3-libvirt", "qemu-block-extra", "qemu-utils", "xorriso")),
    Names(
        ("libvirt-daemon-driver-interface", "libvirt-daemon-lock"),
        {system: () for system in SYSTEMS if system not in SPLIT},
    ),
)


@dataclass(frozen=True)
class Architecture:
    """What runs guests of an architecture: the emulator and its firmware, UEFI apart."""

    emulator: Names
    uefi: Names = NOTHING


_ARM = Names(("qemu-system-arm", "ipxe-qemu"))
_X86 = Architecture(Names(("qemu-system-x86",)), Names(("ovmf",)))
_PPC = Architecture(Names(("qemu-system-ppc",)))
ARCHITECTURES: Mapping[str, Architecture] = {
    "aarch64": Architecture(_ARM, Names(("qemu-efi-aarch64",))),
    "armv7l": Architecture(_ARM, Names(("qemu-efi-arm",), {U26: None})),
    "i686": _X86,
    "ppc64": _PPC,
    "ppc64le": _PPC,
    "riscv64": Architecture(
        # Where it is a package of its own, as on Debian 13, this one needs it.
        Names(("qemu-system-misc", "opensbi")),
        Names(("qemu-efi-riscv64",), {D12: None, U22: None}),
    ),
    "s390x": Architecture(Names(("qemu-system-s390x",), {D12: ("qemu-system-misc",)})),
    "x86_64": _X86,
}
# Whose machine can be a host.
MACHINES = ("aarch64", "x86_64")

_DEBIANS = (D12, D13)
FEATURES: Mapping[str, Names] = {
    # By architecture, above.
    "uefi": NOTHING,
    "tpm": Names(("swtpm", "swtpm-tools")),
    # Before it was a package, virtiofsd came with QEMU.
    "virtiofs": Names(("virtiofsd",), {D12: (), U22: ()}),
    "passt": Names(("passt",), {U22: None}),
    "guestfs": Names(("guestfs-tools",)),
    "v2v": Names(("virt-v2v",)),
    "bootstrap": BOOTSTRAP,
    "osinfo": Names(("osinfo-db", "libosinfo-bin")),
}

STORAGE: Mapping[str, Names] = {
    "disk": _driver("disk"),
    "iscsi": _driver("iscsi", "open-iscsi"),
    "iscsi-direct": _driver("iscsi-direct", old=True),
    "logical": _driver("logical", "lvm2"),
    "mpath": _driver("mpath", "multipath-tools"),
    "nfs": Names(("nfs-common",)),
    "rbd": _driver("rbd", old=True),
    "scsi": _driver("scsi"),
    # Debian has the tools outside of its main archive, where they build a kernel module; they are not drawn in.
    "zfs": Names(
        ("libvirt-daemon-driver-storage-zfs", "zfsutils-linux"),
        dict.fromkeys(_DEBIANS, ("libvirt-daemon-driver-storage-zfs",)),
    ),
}


def wanted(
    system: str,
    machine: str,
    features: Collection[str],
    architectures: Iterable[str] = (),
    storage: Iterable[str] = (),
    hwe: bool = False,
) -> Wanted:
    """Return what a host needs, sorted, without the names of the base stack where the host has the other one."""
    things: list[tuple[str, Names]] = [("base", names) for names in BASE]
    for arch in sorted({machine, *architectures}):
        things.append((f"architecture {arch}", ARCHITECTURES[arch].emulator))
        if "uefi" in features:
            things.append((f"uefi for {arch}", ARCHITECTURES[arch].uefi))
    things += [(feature, FEATURES[feature]) for feature in features]
    things += [(f"storage {kind}", STORAGE[kind]) for kind in storage]
    found = gathered(things, system)
    return replace(found, names=tuple(name for name in found.names if not stacked(name))) if hwe else found


def stacked(name: str) -> bool:
    """Tell whether a package belongs to the one or the other of Ubuntu's two stacks."""
    return name.startswith(_STACKED)


def halves(installed: Iterable[str]) -> list[str]:
    """Return the packages of the second stack where the whole of it is not there: one of them would displace all."""
    names = set(installed)
    if HWE_MARKER in names:
        return []
    return sorted(name for name in names if stacked(name) and name.endswith("-hwe"))


def every_name(system: str) -> frozenset[str]:
    """Return every package that the tables name for a system."""
    tables = [*BASE, *FEATURES.values(), *STORAGE.values()]
    for architecture in ARCHITECTURES.values():
        tables += [architecture.emulator, architecture.uefi]
    return frozenset(name for names in tables for name in names.of(system) or ())
