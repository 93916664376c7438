# Copyright: (c) 2026, the virtfleet.core contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What tests do with guests of a dom0, in a few words: describe one, and read what it says."""

from __future__ import annotations

import time
from xml.etree import ElementTree as ET

from . import tiny_xen
from ._run import LabError
from ._vm_root import CONSOLES
from .vm import TINY, VM

# The types of guests as libvirt's driver for Xen names their machines.
MACHINES = {"pv": ("linux", "xenpv"), "pvh": ("xenpvh", "xenpvh")}
# On a busy machine; a PV guest of an idle one is there after ten seconds.
PATIENCE = 240


def domain_xml(
    name: str,
    *,
    type: str = "pv",
    words: str = "",
    memory_mib: int = 192,
    network: str | None = "default",
    disks: str = "",
) -> str:
    """Return the definition of a tiny guest, "pv" or "pvh", made of the files that a dom0 of the lab has.

    `words` go on the kernel's command line; `disks` is XML for the devices section.
    """
    kind, machine = MACHINES[type]
    root = ET.Element("domain", type="xen")
    ET.SubElement(root, "name").text = name
    ET.SubElement(root, "memory", unit="MiB").text = str(memory_mib)
    ET.SubElement(root, "vcpu").text = "1"
    system = ET.SubElement(root, "os")
    ET.SubElement(system, "type", arch="x86_64", machine=machine).text = kind
    ET.SubElement(system, "kernel").text = f"{TINY}/vmlinux"
    ET.SubElement(system, "initrd").text = f"{TINY}/initrd"
    ET.SubElement(system, "cmdline").text = f"{tiny_xen.CMDLINE} {words}".strip()
    for event, action in (("poweroff", "destroy"), ("reboot", "restart"), ("crash", "destroy")):
        ET.SubElement(root, f"on_{event}").text = action
    devices = ET.SubElement(root, "devices")
    ET.SubElement(ET.SubElement(devices, "console", type="pty"), "target", type="xen", port="0")
    if network is not None:
        ET.SubElement(ET.SubElement(devices, "interface", type="network"), "source", network=network)
    devices.extend(ET.fromstring(f"<devices>{disks}</devices>"))
    return ET.tostring(root, encoding="unicode")


def console(vm: VM, name: str) -> str:
    """Return what guests of this name have said on their consoles so far."""
    return vm.exec(["sh", "-c", f"cat {CONSOLES}/guest-{name}.log 2>/dev/null || :"]).stdout


def wait_for(vm: VM, name: str, text: str, seconds: float = PATIENCE) -> str:
    """Wait until a guest has said something on its console, and return that line from there on."""
    deadline = time.monotonic() + seconds
    while True:
        said = console(vm, name)
        found = next((line for line in said.splitlines() if text in line), None)
        if found is not None:
            # Before it may stand the prompt of a shell, and what that asks the terminal.
            return found[found.index(text) :].strip()
        if time.monotonic() > deadline:
            raise LabError(f"guest {name} of {vm.title} did not say {text!r} within {seconds:.0f} s, but: {said[-2000:]}")
        time.sleep(0.5)
