# Copyright: (c) 2026, the virtfleet.core contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Which packages a Xen host needs: the one place that knows how each distribution calls them.

The hypervisor has its version in its package's name. Which one there is, is asked of apt, not known here.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping

from .._machine.systems import (
    BOOTSTRAP,
    SPLIT,
    SYSTEMS,
    U22,
    Names,
    Wanted,
    gathered,
    hypervisor_version,
    is_hypervisor,
)

META = "xen-system-amd64"
PREFIX = "xen-hypervisor-"
# Whose machine can be a host: Xen's package for ARM is another one, and was not tried.
MACHINE = "x86_64"

# Needed by every host. dmidecode: the host's identity. kmod: loop devices. qemu-utils: images.
BASE = (Names(("dmidecode", "iproute2", "kmod", "qemu-utils", "xen-hypervisor-common")),)
# Where libvirt manages the guests. dnsmasq-base and iptables: networks. python3-jmespath: `query` of the info modules.
LIBVIRT = (
    Names((
        "dnsmasq-base", "iptables", "libvirt-clients", "libvirt-daemon-driver-xen", "libvirt-daemon-system",
        "python3-jmespath", "python3-libvirt", "xorriso",
    )),
    Names(("libvirt-daemon-lock",), {system: () for system in SYSTEMS if system not in SPLIT}),
)  # fmt: skip
FEATURES: Mapping[str, Names] = {
    # What emulates a machine: HVM guests, and the graphics and qcow2 disks of all. Ubuntu's usual QEMU knows no Xen.
    "hvm": Names(("qemu-system-xen",), {U22: ("qemu-system-x86-xen",)}),
    "uefi": Names(("ovmf",)),
    # A GRUB that runs inside of a guest and reads its disk, in place of pygrub, which reads it in dom0.
    "pvgrub": Names(("grub-xen-host",)),
    "bootstrap": BOOTSTRAP,
}


def hypervisor(candidates: Mapping[str, str], installed: Collection[str]) -> tuple[str, ...]:
    """Return the packages of the hypervisor and its tools; none where apt knows of none.

    A hypervisor that is installed stays; else the package that follows the newest one is taken, else the newest.
    """
    there = [name for name in installed if is_hypervisor(name)]
    if there:
        return _with_tools(max(there, key=hypervisor_version))
    if META in candidates:
        return (META,)
    found = [name for name in candidates if is_hypervisor(name)]
    return _with_tools(max(found, key=hypervisor_version)) if found else ()


def _with_tools(name: str) -> tuple[str, ...]:
    version = ".".join(str(part) for part in hypervisor_version(name))
    return (name, f"xen-utils-{version}")


def wanted(system: str, features: Iterable[str], libvirt: bool) -> Wanted:
    """Return what a host needs beside the hypervisor, sorted."""
    things = [("base", names) for names in (*BASE, *(LIBVIRT if libvirt else ()))]
    things += [(feature, FEATURES[feature]) for feature in features]
    return gathered(things, system)


def every_name(system: str) -> frozenset[str]:
    """Return every package that the tables name for a system, the hypervisor's apart."""
    tables = [*BASE, *LIBVIRT, *FEATURES.values()]
    return frozenset(name for names in tables for name in names.of(system) or ())
