# Copyright: (c) 2026, the virtfleet.core contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What a machine says of itself, and which sentence follows from it."""

from __future__ import annotations

import errno
import os
from pathlib import Path
from typing import Any

import pytest

from ansible_collections.virtfleet.core.plugins.module_utils._accelerator import machine, reasons
from ansible_collections.virtfleet.core.plugins.module_utils._accelerator.machine import Device, Machine
from ansible_collections.virtfleet.core.plugins.module_utils._accelerator.tried import Tried

DEVICE = Device(0o660, 0, 108, 2792)


def a(flags: str = "", **more: Any) -> Machine:
    return Machine(**{"arch": "x86_64", "flags": frozenset(flags.split()), **more})


@pytest.mark.parametrize(
    ("seen", "reason", "advice"),
    [
        (a("lm"), "the processor shows no virtualization", "BIOS"),
        (a("lm hypervisor"), "itself a guest", "Ask the provider"),
        (a("lm hypervisor", outer="kvm"), "itself a guest", "host-passthrough"),
        (a("lm hypervisor", outer="vmware"), "itself a guest", "vhv.enable"),
        (a("lm hypervisor", outer="virtualbox"), "itself a guest", "--nested-hw-virt on"),
        (a("lm hypervisor", outer="hyperv"), "itself a guest", "ExposeVirtualizationExtensions"),
        (a("lm hypervisor", outer="ec2"), "itself a guest", "bare-metal"),
        (a("lm hypervisor", xen="domU"), "a Xen guest (domU)", "nestedhvm"),
        (a("lm hypervisor", xen="dom0"), "dom0 of a Xen host", "xen:///system"),
        (a("lm vmx"), "kvm_intel is not loaded", "modprobe kvm_intel; if that is refused, dmesg says why (disabled by"),
        (a("lm svm"), "kvm_amd is not loaded", "modprobe kvm_amd"),
        (a("lm svm hypervisor"), "kvm_amd is not loaded", "dmesg says why."),
        (a("lm svm", modules=frozenset({"kvm", "kvm_amd"}), container=True), "in this container", "Give the container"),
        (a("lm svm", container=True), "kvm_amd is not loaded", "modprobe kvm_amd"),
        (Machine("aarch64"), "kvm is not loaded", "modprobe kvm"),
        (Machine("ppc64le"), "kvm_hv is not loaded", "modprobe kvm_hv"),
    ],
)
def test_without_a_device(seen: Machine, reason: str, advice: str) -> None:
    said = reasons.without_device(seen)
    assert reason in said[0] and advice in said[1]
    assert said[0].endswith(".") and said[1].endswith((".", ")."))


@pytest.mark.parametrize(
    ("seen", "tried", "reason", "advice"),
    [
        (
            a("svm"),
            Tried("open", errno.EACCES, said="x"),
            "The user web may not open /dev/kvm (mode 0660)",
            "usermod -aG kvm web",
        ),
        (a("svm"), Tried("open", errno.ENODEV), "Behind /dev/kvm is no driver", "kvm_amd"),
        (a("hypervisor"), Tried("open", errno.ENXIO), "no driver, and the processor shows no", "Ask the provider"),
        (a(), Tried("open", errno.ENXIO), "no driver, and the processor shows no", "BIOS"),
        (a("vmx"), Tried("vm", errno.EBUSY), "Another hypervisor", "kvm.enable_virt_at_load=0"),
        (a("vmx"), Tried("vcpu", errno.EBUSY), "such as VirtualBox", "Stop its machines"),
        (
            a("vmx"),
            Tried("version", errno.ENOTTY, said="Inappropriate ioctl for device"),
            "is not KVM: Inappropriate",
            "Remove it",
        ),
        (
            a("vmx"),
            Tried("version", None, said="it speaks version 11"),
            "is not KVM: it speaks version 11",
            "Remove it",
        ),
        (
            a("vmx"),
            Tried("vm", errno.ENOMEM, said="Cannot allocate memory"),
            "gave no virtual machine: Cannot",
            "dmesg",
        ),
        (
            a("vmx"),
            Tried("guest", None, "SSE", "QEMU ended with code 3"),
            "stopped after SSE: QEMU ended with code 3.",
            "BIOS",
        ),
        (a("hypervisor"), Tried("guest", None, "", "kvm.c"), "stopped at once: kvm.c.", "accel: tcg"),
        (a("hypervisor", outer="gce"), Tried("limit", None, "SSE"), "hung after SSE", "--enable-nested"),
        (a("hypervisor"), Tried("limit"), "did nothing", "Ask the provider"),
        (
            a("svm"),
            Tried("slow", None, "c", "9.0 s, and 1.0 s by emulation"),
            "(9.0 s, and 1.0 s by emulation).",
            "dmesg",
        ),
        (a("svm"), Tried("start", None, "", "no fcntl"), "could not be tried: no fcntl.", "dmesg"),
    ],
)
def test_a_device_that_gives_no_guest(seen: Machine, tried: Tried, reason: str, advice: str) -> None:
    said = reasons.refused(Machine(**{**vars(seen), "device": DEVICE}), tried, "web")
    assert reason in said[0] and advice in said[1]


def test_root_in_a_container_is_told_of_its_rules() -> None:
    said = reasons.refused(a("svm", device=DEVICE), Tried("open", errno.EPERM), "root")
    assert "container" in said[0] and "c 10:232" in said[1]


# what the machine says of itself


def files(root: Path, found: dict[str, str]) -> Path:
    for path, text in found.items():
        place = root / path
        place.parent.mkdir(parents=True, exist_ok=True)
        place.write_text(text)
    return root


CPU = "processor : 0\nflags\t\t: fpu svm {}\nbugs\t\t:\n\nprocessor : 1\nflags\t\t: fpu\n"


@pytest.mark.parametrize(
    ("flags", "dmi", "outer"),
    [
        ("", {}, ""),
        ("hypervisor", {}, ""),
        ("hypervisor", {"sys_vendor": "QEMU"}, "kvm"),
        ("hypervisor", {"sys_vendor": "Amazon EC2", "product_name": "t3.nano"}, "ec2"),
        ("hypervisor", {"product_name": "VMware Virtual Platform"}, "vmware"),
        ("hypervisor", {"sys_vendor": "Microsoft Corporation", "product_name": "Virtual Machine"}, "hyperv"),
        ("hypervisor", {"bios_vendor": "innotek GmbH"}, "virtualbox"),
        # Machines of their own by makers of clouds.
        ("", {"sys_vendor": "Microsoft Corporation", "product_name": "Surface"}, ""),
        ("", {"sys_vendor": "Amazon EC2", "product_name": "m5.metal"}, "ec2"),
        ("", {"sys_vendor": "Google", "product_name": "Kip"}, "gce"),
    ],
)
def test_whose_guest_a_machine_is(flags: str, dmi: dict[str, str], outer: str, tmp_path: Path) -> None:
    found = {f"sys/class/dmi/id/{name}": f"{value}\n" for name, value in dmi.items()}
    seen = machine.look(files(tmp_path, {"proc/cpuinfo": CPU.format(flags), **found}))
    assert seen.outer == outer
    assert Machine("x86_64", seen.flags, outer=seen.outer).guest == (flags == "hypervisor")
    assert Machine("aarch64", outer=seen.outer).guest == bool(outer)


@pytest.mark.parametrize(
    ("found", "xen"),
    [
        ({"sys/hypervisor/type": "xen\n", "proc/xen/capabilities": "control_d\n"}, "dom0"),
        ({"proc/xen/capabilities": ""}, "domU"),
        ({"sys/hypervisor/type": "xen\n"}, "domU"),
        ({}, ""),
    ],
)
def test_who_a_xen_machine_is(found: dict[str, str], xen: str, tmp_path: Path) -> None:
    seen = machine.look(files(tmp_path, found))
    assert seen.xen == xen and Machine("x86_64", xen=seen.xen).guest == (xen == "domU")


def test_what_else_is_seen(tmp_path: Path) -> None:
    found = {"proc/cpuinfo": CPU.format("lm"), "sys/module/kvm/x": "", "sys/module/kvm_amd/x": "", ".dockerenv": ""}
    seen = machine.look(files(tmp_path, found))
    assert seen.flags == {"fpu", "svm", "lm"} and seen.modules == {"kvm", "kvm_amd"} and seen.container
    assert seen.device is None and seen.arch == os.uname().machine
    # A file is no device.
    assert machine.look(files(tmp_path, {"dev/kvm": ""})).device is None
    assert machine.device(Path("/dev/null")) == Device(0o666, 0, 0, os.makedev(1, 3))
