# Copyright: (c) 2026, the virtfleet.core contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""New guests under QEMU, by KVM or emulated."""

from __future__ import annotations

from .. import _xml
from .._facts import HostFacts, Snapshot, SystemFacts
from .._table import Spec
from . import systems
from .fields.disks import free_target
from .platform import Made
from .skeleton import X86, accel_for, boot_order_of_kinds, machine_for, offers_kvm, skeleton
from .spec import GuestSpec


class Qemu:
    """See ``platform.Platform``."""

    blank_format = "qcow2"
    agent = True
    xl = False
    reader: str | None = None

    def make(self, spec: GuestSpec, snap: Snapshot) -> Made:
        host = snap.host
        arch = spec.values.get("arch", host.arch)
        accel, complaints, warnings = _accel(spec, snap, arch)
        if arch not in host.domain_types:
            known = ", ".join(sorted(host.domain_types)) or "none"
            complaints.append(
                f"arch: the host cannot run {arch} guests (it can: {known}); install the QEMU package for it"
            )
        elif (accel if accel == "kvm" else "qemu") not in host.domain_types[arch]:
            complaints.append(
                f"accel: the host cannot run {arch} guests by {accel}; it has {', '.join(host.domain_types[arch])}"
            )
        system = snap.system(spec.values.get("os"))
        machine = spec.values.get("machine") or machine_for(host, arch, accel, system)
        plugged = len(spec.disks or ()) + len(spec.nics or ()) + (spec.seed_device is not None)
        plugged += sum(len(entries) for entries in spec.lists.values())
        root = skeleton(host, spec.name, arch, accel, machine, plugged, systems.usb(system, machine))
        if spec.uuid is not None:
            _xml.write(root, "uuid", spec.uuid)
        return Made(root, tuple(complaints), warnings)

    def preset(self, spec: GuestSpec, snap: Snapshot, system: SystemFacts) -> Spec:
        arch = str(spec.values.get("arch", snap.host.arch))
        return systems.values(system, arch, _accel(spec, snap, arch)[0], arch in X86)

    def defaults(self, host: HostFacts, want: Spec) -> Spec:
        chosen: Spec = {"vcpus": 1, "console": True, "agent": True, **boot_order_of_kinds(want)}
        arch = want.get("arch", host.arch)
        if arch in ("aarch64", "armv7l") and not want.get("kernel"):
            # Their boards have no other firmware that looks for a disk to boot; a kernel that is given starts without any.
            chosen["firmware"] = "efi"
        return {name: value for name, value in chosen.items() if name not in want}

    def bus(self, device: str, have: Spec, system: SystemFacts | None = None) -> str:
        machine = have.get("machine")
        if device == "lun":
            return "scsi"
        if machine and machine.startswith(("pc-i440fx", "pc")) and "q35" not in machine:
            old = "ide"
        else:
            old = "scsi" if machine and machine.startswith(("virt", "pseries", "s390")) else "sata"
        if device == "disk" and (system is None or systems.knows_virtio_disks(system)):
            return "virtio"
        return old

    def nic(self, system: SystemFacts | None = None) -> str:
        return systems.nic(system) if system is not None else "virtio"

    def target(self, bus: str, taken: set[str]) -> str:
        return free_target(bus, taken)


def _accel(spec: GuestSpec, snap: Snapshot, arch: str) -> tuple[str, list[str], tuple[str, ...]]:
    """Return what a new guest runs by, complaints and warnings; libvirt's offer of KVM counts for less than a look."""
    host, seen = snap.host, snap.accelerator
    accel = str(spec.values.get("accel") or accel_for(host, arch, seen))
    if seen is None or seen.verdict == "kvm" or not offers_kvm(host, arch):
        return accel, [], ()
    why = f"{seen.reason} {seen.advice}".strip()
    if accel == "kvm":
        complaint = (
            f"accel: guests would not run by kvm on this host, whatever libvirt says. {why} If that is not so any "
            "more, look anew with virtfleet.core.accelerator_info and fresh: true; to overrule it set "
            "VIRTFLEET_ACCELERATOR: kvm in the task's environment"
        )
        return accel, [complaint], ()
    if "accel" in spec.values:
        return accel, [], ()
    # Without the guest's name: it is said once, however many guests are made.
    return accel, [], (f"New guests are emulated, although libvirt offers KVM. {why}",)
