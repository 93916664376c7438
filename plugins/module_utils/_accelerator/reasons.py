# Copyright: (c) 2026, the virtfleet.core contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Why guests have to be emulated, and what to do about it, in sentences."""

from __future__ import annotations

import errno
from collections.abc import Mapping

from .machine import Machine
from .tried import Tried

_EMULATED = "Guests work without it, more slowly: say accel: tcg, or leave accel out."
# How the layer outside gives its guests virtualization of their own.
_NESTED = {
    "kvm": "On the host outside load kvm_intel or kvm_amd with nested=1, and give this machine the host's own CPU "
    "(host-passthrough).",
    "vmware": "In VMware expose hardware assisted virtualization to this machine (vhv.enable = TRUE).",
    "virtualbox": "In VirtualBox enable nested VT-x/AMD-V for this machine (VBoxManage modifyvm NAME --nested-hw-virt on).",
    "hyperv": "In Hyper-V run Set-VMProcessor NAME -ExposeVirtualizationExtensions $true; in Azure take a size that has "
    "nested virtualization.",
    "ec2": "Take an instance type with nested virtualization, or a bare-metal one.",
    "gce": "Make the instance with nested virtualization enabled (--enable-nested-virtualization).",
    "parallels": "In Parallels enable nested virtualization for this machine.",
    "xen": "On the Xen host set nestedhvm=1 for this machine, where its version still has that.",
}
_OUTSIDE = "Ask the provider, or whoever runs the hypervisor outside, for nested virtualization."
_BIOS = "Turn on virtualization (Intel VT-x, AMD-V or SVM) in the machine's BIOS setup, and power it off and on."
# What a processor must have, and the module that uses it. Other architectures have one module or none.
_NEEDS = {"x86_64": {"vmx": "kvm_intel", "svm": "kvm_amd"}, "i686": {"vmx": "kvm_intel", "svm": "kvm_amd"}}
_MODULES = {"ppc64le": "kvm_hv", "ppc64": "kvm_hv"}


def without_device(machine: Machine) -> tuple[str, str]:
    """Return reason and advice for a machine without /dev/kvm."""
    if machine.xen == "dom0":
        return (
            "This is the dom0 of a Xen host, and Xen keeps virtualization for itself.",
            "Make the guests by uri: xen:///system, or boot the machine without Xen for KVM.",
        )
    module = _module(machine)
    if module is None:
        if machine.guest:
            whose = "a Xen guest (domU)" if machine.xen == "domU" else "itself a guest"
            return (
                f"There is no /dev/kvm: this machine is {whose}, and its hypervisor shows it no virtualization.",
                _nested(machine),
            )
        return "There is no /dev/kvm: the processor shows no virtualization.", _BIOS
    if machine.modules & {module, "kvm"} and machine.container:
        return (
            "There is no /dev/kvm in this container, though the kernel has KVM.",
            "Give the container the device /dev/kvm.",
        )
    return (
        f"There is no /dev/kvm, though the processor has virtualization: the module {module} is not loaded.",
        f"Run modprobe {module}; if that is refused, dmesg says why"
        + ("." if machine.guest else " (disabled by BIOS: turn it on there)."),
    )


def refused(machine: Machine, tried: Tried, user: str) -> tuple[str, str]:
    """Return reason and advice for a /dev/kvm that gave no virtual machine, or whose guest did not run."""
    if tried.failed == "open" and tried.errno in (errno.EACCES, errno.EPERM):
        return closed(machine, user)
    if tried.failed == "open" and tried.errno in (errno.ENXIO, errno.ENODEV, errno.ENOENT):
        module = _module(machine)
        if module is None:
            return (
                "Behind /dev/kvm is no driver, and the processor shows no virtualization.",
                _nested(machine) if machine.guest else _BIOS,
            )
        return (
            "Behind /dev/kvm is no driver.",
            f"Load the module {module} (modprobe); in a container or chroot, bind the host's own /dev/kvm.",
        )
    if tried.errno == errno.EBUSY:
        return (
            "Another hypervisor, such as VirtualBox or VMware, holds the processor's virtualization.",
            "Stop its machines. On kernels from 6.12 on, which give it to one hypervisor at boot, boot with "
            "kvm.enable_virt_at_load=0 if both are to be used in turn.",
        )
    if tried.failed == "version" or tried.errno == errno.ENOTTY:
        return (
            f"What stands at /dev/kvm is not KVM: {tried.said}.",
            "Remove it, and load KVM's module, which makes the device.",
        )
    if tried.failed in ("vm", "vcpu"):
        return f"KVM gave no virtual machine: {tried.said}.", "dmesg on the host may say why. " + _EMULATED
    return _not_running(machine, tried)


def closed(machine: Machine, user: str) -> tuple[str, str]:
    """Return reason and advice for a device that ``user`` may not use; root meets that in containers only."""
    if user == "root":
        return (
            "root may not open /dev/kvm: the container's rules forbid it.",
            "Allow the container the device c 10:232 rwm.",
        )
    mode = f"{machine.device.mode:04o}" if machine.device is not None else "unknown"
    return (
        f"The user {user} may not open /dev/kvm (mode {mode}).",
        f"The device should belong to root:kvm with mode 0660, and {user} be in the group kvm (usermod -aG kvm {user}, "
        "then log in again or restart libvirt).",
    )


def _not_running(machine: Machine, tried: Tried) -> tuple[str, str]:
    after = f" after {tried.reached}" if tried.reached else " at once"
    if tried.failed == "slow":
        how = f"the test guest ran more slowly than by emulation ({tried.said})"
    elif tried.failed == "limit":
        how = f"the test guest hung{after}" if tried.reached else "the test guest did nothing"
    elif tried.failed == "start":
        how = f"it could not be tried: {tried.said}"
    else:
        how = f"the test guest stopped{after}: {tried.said}"
    advice = f"{_nested(machine)} {_EMULATED}" if machine.guest else f"Look at dmesg, and at the BIOS. {_EMULATED}"
    return f"KVM is there, but guests do not run by it: {how}.", advice


def _nested(machine: Machine) -> str:
    return _NESTED.get(machine.outer or machine.xen.replace("domU", "xen"), _OUTSIDE)


def _module(machine: Machine) -> str | None:
    """Return the module that would make /dev/kvm, or None where the processor has not what it needs."""
    needs: Mapping[str, str] | None = _NEEDS.get(machine.arch)
    if needs is None:
        return _MODULES.get(machine.arch, "kvm")
    return next((module for flag, module in needs.items() if flag in machine.flags), None)
