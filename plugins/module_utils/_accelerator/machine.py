# Copyright: (c) 2026, the virtfleet.core contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What a machine says of itself: what its processor can, whether it is itself a guest, and who holds /dev/kvm."""

from __future__ import annotations

import os
import stat
from dataclasses import dataclass
from pathlib import Path

X86 = ("x86_64", "i686")
# Whose guest a machine is, by what its DMI says; the names that systemd-detect-virt goes by too. The first that fits.
_OUTER = (
    ("VMware", "vmware"),
    ("innotek GmbH", "virtualbox"),
    ("VirtualBox", "virtualbox"),
    ("Oracle Corporation", "virtualbox"),
    ("Virtual Machine", "hyperv"),
    ("Amazon EC2", "ec2"),
    ("Google", "gce"),
    ("OpenStack", "kvm"),
    ("KVM", "kvm"),
    ("QEMU", "kvm"),
    ("Bochs", "kvm"),
    ("Parallels", "parallels"),
    ("Xen", "xen"),
)
_DMI = ("product_name", "sys_vendor", "board_vendor", "bios_vendor")
_CONTAINERS = ("run/systemd/container", "run/.containerenv", ".dockerenv")


@dataclass(frozen=True)
class Device:
    """/dev/kvm: its mode, owner, group and device number."""

    mode: int
    uid: int
    gid: int
    number: int


@dataclass(frozen=True)
class Machine:
    """One machine. ``flags`` are the processor's, empty where it has none to show; ``modules`` the loaded ones of KVM.

    ``outer`` is whose guest it is, where that is known; ``xen`` is ``dom0``, ``domU`` or empty.
    """

    arch: str
    flags: frozenset[str] = frozenset()
    modules: frozenset[str] = frozenset()
    device: Device | None = None
    outer: str = ""
    xen: str = ""
    container: bool = False

    @property
    def guest(self) -> bool:
        """Whether the machine is itself a guest of some hypervisor.

        An x86 processor says so. Elsewhere the DMI has to do, which names the owner of a bare machine just as well.
        """
        said = "hypervisor" in self.flags if self.arch in X86 else bool(self.outer)
        return said or self.xen == "domU"


def look(root: Path = Path("/")) -> Machine:
    """Return what the machine below ``root`` says of itself."""
    words = _text(root / "proc/cpuinfo").splitlines()
    flags = next((line.partition(":")[2] for line in words if line.startswith(("flags", "Features"))), "")
    modules = [path.name for path in root.glob("sys/module/kvm*")]
    return Machine(
        arch=os.uname().machine,
        flags=frozenset(flags.split()),
        modules=frozenset(modules),
        device=device(root / "dev/kvm"),
        outer=_outer(root),
        xen=_xen(root),
        container=any((root / sign).exists() for sign in _CONTAINERS),
    )


def device(path: Path) -> Device | None:
    """Return what stands at /dev/kvm, or None where there is nothing, or something that is no character device."""
    try:
        status = path.stat()
    except OSError:
        return None
    if not stat.S_ISCHR(status.st_mode):
        return None
    return Device(stat.S_IMODE(status.st_mode), status.st_uid, status.st_gid, status.st_rdev)


def _outer(root: Path) -> str:
    said = [_text(root / "sys/class/dmi/id" / name) for name in _DMI]
    return next((name for sign, name in _OUTER if any(sign in text for text in said)), "")


def _xen(root: Path) -> str:
    if "xen" not in _text(root / "sys/hypervisor/type") and not (root / "proc/xen/capabilities").exists():
        return ""
    return "dom0" if "control_d" in _text(root / "proc/xen/capabilities") else "domU"


def _text(path: Path) -> str:
    try:
        return path.read_text(encoding="utf-8", errors="replace")
    except OSError:
        return ""
