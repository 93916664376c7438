# Copyright: (c) 2026, the virtfleet.core contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A guest of QEMU before anybody said a word, and what tells new guests of all hypervisors apart."""

from __future__ import annotations

import hashlib
import uuid

from .. import _xml
from .._facts import Accelerator, HostFacts, SystemFacts
from .._table import Spec
from .._xml import Element, SubElement
from . import systems
from .fields.boot import numbered

X86 = ("x86_64", "i686")
MACHINES = {
    "x86_64": "q35",
    "i686": "q35",
    "aarch64": "virt",
    "riscv64": "virt",
    "ppc64le": "pseries",
    "ppc64": "pseries",
    "s390x": "s390-ccw-virtio",
    "armv7l": "virt",
}
# Where libvirt knows of a fullest model under emulation (its domain capabilities of QEMU 7.2); elsewhere it chooses.
_FULLEST = (*X86, "aarch64", "armv7l", "s390x")
# A PCIe machine has no free port of its own for devices plugged in later (libvirt, pci-hotplug.html), and those that
# are there at the start take ports first: the controllers, the balloon and the entropy device below need five.
OWN_PORTS = 5
SPARE_PORTS = 8


def offers_kvm(host: HostFacts, arch: str) -> bool:
    """Say whether libvirt offers KVM for ``arch``; it does not know whether guests get anywhere with it."""
    return arch == host.arch and "kvm" in host.domain_types.get(arch, ())


def accel_for(host: HostFacts, arch: str, accelerator: Accelerator | None = None) -> str:
    """Return ``kvm`` where the host offers it for ``arch`` and nobody has seen that it does not work, else ``tcg``."""
    works = accelerator is None or accelerator.verdict == "kvm"
    return "kvm" if offers_kvm(host, arch) and works else "tcg"


def machine_for(host: HostFacts, arch: str, accel: str, system: SystemFacts | None = None) -> str | None:
    """Return the modern board of an architecture if the host has it, else None (libvirt's own choice).

    An operating system that is known not to get along with a PC's gets the one before it.
    """
    known = host.machines.get((arch, "kvm" if accel == "kvm" else "qemu"), ())
    machine = MACHINES.get(arch)
    found = machine if machine in known else None
    return systems.board(system, found, known) if system is not None and arch in X86 else found


def uuid_for(host: HostFacts, name: str) -> str:
    """Return the UUID of a guest made on this host: the same after a lost define, other than on another host."""
    return str(uuid.uuid5(uuid.UUID(host.uuid), f"guest/{name}"))


def mac_for(host: HostFacts, guest: str, nic: str, salt: int = 0) -> str:
    """Return a MAC derived from host, guest and nic.

    QEMU's prefix 52:54 is locally administered; 32 derived bits keep two of ten thousand nics apart. Xen has
    its own OUI.
    """
    digest = hashlib.sha256(f"{host.uuid}/{guest}/{nic}/{salt}".encode()).digest()
    prefix = (0x00, 0x16, 0x3E) if host.driver == "xen" else (0x52, 0x54)
    return ":".join(f"{byte:02x}" for byte in (*prefix, *digest[: 6 - len(prefix)]))


def skeleton(
    host: HostFacts, name: str, arch: str, accel: str, machine: str | None, plugged: int = 0, usb: str = "qemu-xhci"
) -> Element:
    """Return a definition without memory, disks and nics, with the devices that every guest is better off with.

    ``plugged`` is the number of disks and nics that it will get, so that ports are left when they are in; ``usb`` the model
    of its USB controller.
    """
    root = Element("domain", {"type": "kvm" if accel == "kvm" else "qemu"})
    SubElement(root, "name").text = name
    SubElement(root, "uuid").text = uuid_for(host, name)
    _xml.write(root, "os/type", "hvm")
    _xml.write(root, "os/type/@arch", arch)
    if machine:
        _xml.write(root, "os/type/@machine", machine)
    if arch in X86:
        for feature in ("features/acpi", "features/apic"):
            _xml.ensure(root, feature)
    # The host's own model survives a migration; under emulation QEMU's fullest one is the quickest to be useful.
    if accel == "kvm" or arch in _FULLEST:
        _xml.write(root, "cpu/@mode", "host-model" if accel == "kvm" else "maximum")
    _clock(root, arch)
    write_events(root)
    _devices(SubElement(root, "devices"), arch, machine, plugged, usb)
    return root


def write_events(root: Element) -> None:
    """Write what follows when a guest powers off, reboots or crashes."""
    for event, what in (("on_poweroff", "destroy"), ("on_reboot", "restart"), ("on_crash", "destroy")):
        SubElement(root, event).text = what


def write_screen(devices: Element) -> None:
    """Add a screen for whoever installs from a CD, reachable from the host only."""
    graphics = SubElement(devices, "graphics", {"type": "vnc", "port": "-1", "autoport": "yes"})
    SubElement(graphics, "listen", {"type": "address", "address": "127.0.0.1"})
    video = SubElement(devices, "video")
    SubElement(video, "model", {"type": "vga"})
    SubElement(devices, "input", {"type": "tablet", "bus": "usb"})


def _clock(root: Element, arch: str) -> None:
    clock = SubElement(root, "clock", {"offset": "utc"})
    if arch in X86:
        SubElement(clock, "timer", {"name": "rtc", "tickpolicy": "catchup"})
        SubElement(clock, "timer", {"name": "pit", "tickpolicy": "delay"})
        SubElement(clock, "timer", {"name": "hpet", "present": "no"})


def _devices(devices: Element, arch: str, machine: str | None, plugged: int, usb: str) -> None:
    if arch != "s390x":
        controller = SubElement(devices, "controller", {"type": "usb", "model": usb})
        if usb.endswith("xhci"):
            controller.set("ports", "15")
    if machine and machine.startswith(("q35", "pc-q35", "virt")):
        SubElement(devices, "controller", {"type": "pci", "index": "0", "model": "pcie-root"})
        for _port in range(OWN_PORTS + plugged + SPARE_PORTS):
            SubElement(devices, "controller", {"type": "pci", "model": "pcie-root-port"})
    SubElement(devices, "controller", {"type": "virtio-serial"})
    SubElement(devices, "controller", {"type": "scsi", "model": "virtio-scsi"})
    rng = SubElement(devices, "rng", {"model": "virtio"})
    SubElement(rng, "backend", {"model": "random"}).text = "/dev/urandom"
    SubElement(devices, "memballoon", {"model": "virtio"})
    if arch in X86:
        write_screen(devices)


def boot_order_of_kinds(spec: Spec) -> Spec:
    """Return ``{boot: ...}`` for a new guest, or nothing where its devices have an order, or a kernel is given."""
    if numbered(spec) or spec.get("kernel"):
        return {}
    # A blank disk falls through to the CD, the CD to the network: the order in which a new machine comes alive.
    kinds = {entry.get("device", "disk") for entry in spec.get("disks", ())}
    order = [kind for kind in ("disk", "cdrom") if kind in kinds]
    return {"boot": tuple(order or (["network"] if spec.get("nics") else ["disk"]))}
