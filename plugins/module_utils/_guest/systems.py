# Copyright: (c) 2026, the virtfleet.core contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What an operating system wants of a new guest under QEMU: from osinfo-db, and the few rules that it does not hold.

A preset lies below everything that was said of a guest, and is decided when the guest is made, like its accelerator: a
newer osinfo-db changes no guest that is there. The rules which osinfo-db does not hold are these, with where they are from:

- what no database lists as supported is not given: disks are ide or sata then, nics e1000 (virtinst does so too);
- a PCI Express board shows virtio devices without the interface of before virtio 1.0 (QEMU, docs/pcie.txt), so a system
  that knows only that one gets the older board;
- Windows reads local time from the hardware clock (Microsoft, "Windows Time Service": RealTimeIsUniversal is off);
- enlightenments and the hypervclock are Microsoft's own (Hypervisor Top-Level Functional Specification);
- a Windows that starts from UEFI only is Windows 11 or a later one, which wants secure boot and TPM 2.0 (Microsoft,
  "Windows 11 specifications").
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from .._facts import Resources, SystemFacts
from .._table import Spec
from .._units import show_size
from .fields.features import RECOMMENDED, of_emulation
from .fields.groups import NONE
from .spec import GuestSpec

_PCI = "http://pcisig.com/pci/"
# Of before virtio 1.0, and of since then.
_VIRTIO_NET = (f"{_PCI}1af4/1000", f"{_PCI}1af4/1041")
_VIRTIO_BLOCK = (f"{_PCI}1af4/1001", f"{_PCI}1af4/1042")
_VIRTIO_RNG = (f"{_PCI}1af4/1005", f"{_PCI}1af4/1044")
_VIRTIO_GPU = (f"{_PCI}1af4/1050",)
_USB3 = (f"{_PCI}1b36/0004", f"{_PCI}1033/0194")
_Q35 = ("http://qemu.org/chipset/x86/q35",)
# In the order in which they are taken; the id of each of them, and the model that libvirt gives to QEMU.
_NICS = (
    (f"{_PCI}8086/10d3", "e1000e"),
    (f"{_PCI}8086/100e", "e1000"),
    (f"{_PCI}10ec/8139", "rtl8139"),
    (f"{_PCI}1022/2000", "pcnet"),
)
_MICROSOFT = ("winnt", "win9x", "win16", "msdos")
_OLD_BOARD = "pc"


def _has(system: SystemFacts, devices: Sequence[str]) -> bool:
    return any(device in system.devices for device in devices)


def board(system: SystemFacts, usual: str | None, known: Sequence[str]) -> str | None:
    """Return the board for a system where ``usual`` is a PC's newer one: that or, for a system without it, the older one."""
    if usual != "q35" or _OLD_BOARD not in known:
        return usual
    transitional = _has(system, _VIRTIO_NET[:1]) and not _has(system, _VIRTIO_NET[1:])
    return usual if _has(system, _Q35) and not transitional else _OLD_BOARD


def usb(system: SystemFacts | None, machine: str | None) -> str:
    """Return the model of the USB controller; on another board than a PC's there is only the one."""
    pc = (machine or "").startswith(("pc", "q35"))
    if system is None or not pc or _has(system, _USB3):
        return "qemu-xhci"
    return "ich9-ehci1" if "q35" in (machine or "") else "piix3-uhci"


def knows_virtio_disks(system: SystemFacts) -> bool:
    """Tell whether a system has a driver for the usual bus of a new disk."""
    return _has(system, _VIRTIO_BLOCK)


def nic(system: SystemFacts) -> str:
    """Return the model of a new nic."""
    if _has(system, _VIRTIO_NET):
        return "virtio"
    return next((model for device, model in _NICS if device in system.devices), "e1000")


def values(system: SystemFacts, arch: str, accel: str, pc: bool) -> Spec:
    """Return what a system wants of a new guest besides disks and nics; ``pc``: it has the board of a PC."""
    found: Spec = {}
    if not _has(system, _VIRTIO_RNG):
        found["rng"] = {"source": "none"}
    if "bios" in system.unsupported.get(arch, ()) and "efi" in system.firmware.get(arch, ()):
        found["firmware"] = "efi"
    if not pc:
        return found
    if _has(system, _VIRTIO_GPU):
        found["video"] = "virtio"
    if system.family in _MICROSOFT:
        found["clock"] = {"offset": "localtime"}
    if system.family == "winnt":
        found["hyperv"] = tuple(sorted(RECOMMENDED if accel == "kvm" else of_emulation(RECOMMENDED)))
        if accel == "kvm":
            found["clock"]["timers"] = {**_PC_TIMERS, "hypervclock": {"present": True}}
        if found.get("firmware") == "efi":
            found["secure_boot"] = True
            found["tpm"] = {"model": "tpm-crb", "type": "emulator", "version": "2.0"}
    return found


# Those that a guest with the board of a PC has in any case; the option is the whole list.
_PC_TIMERS: dict[str, dict[str, Any]] = {
    "rtc": {"tickpolicy": "catchup"},
    "pit": {"tickpolicy": "delay"},
    "hpet": {"present": False},
}
# Words within these lie below the user's one by one; of all others the user's word stands for the whole.
_LAYERED = ("clock",)


def below(given: Spec, preset: Spec) -> Spec:
    """Return a preset's values with what was given over them."""
    void = {"secure_boot"} if given.get("firmware") == "bios" else set()
    if (given.get("graphics") or {}).get("type") == NONE:
        void.add("video")
    found = {**{name: value for name, value in preset.items() if name not in void}, **given}
    for name in _LAYERED:
        if name in preset and name in given:
            found[name] = {**preset[name], **given[name]}
    return found


def too_small(system: SystemFacts, spec: GuestSpec, arch: str) -> list[str]:
    """Return sentences about what is less than the system's makers ask for. Images are often content with less."""
    least: Resources = system.needs(arch)
    found = []
    memory = spec.values.get("memory")
    if memory is not None and least.memory_bytes is not None and memory < least.memory_bytes:
        found.append(f"memory: {show_size(memory)} are less than {system.name} needs ({show_size(least.memory_bytes)})")
    vcpus = spec.values.get("vcpus", 1)
    if least.cpus is not None and vcpus < least.cpus:
        found.append(f"vcpus: {vcpus} are fewer than {system.name} needs ({least.cpus})")
    first = next((disk for disk in spec.disks or () if disk.get("size") is not None), None)
    if first is not None and least.disk_bytes is not None and first["size"] < least.disk_bytes:
        found.append(
            f"disks.{first['name']}.size: {show_size(first['size'])} are less than {system.name} needs "
            f"({show_size(least.disk_bytes)})"
        )
    return [f"{sentence}, says osinfo-db" for sentence in found]
