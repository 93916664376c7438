# Copyright: (c) 2026, the virtfleet.core contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What tests do with guests, in a few words: describe one, wait for it, ask its agent.

Needs the libvirt bindings, which the rest of the lab does without.
"""

from __future__ import annotations

import base64
import json
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from typing import Any, TypeVar
from xml.etree import ElementTree as ET

import libvirt
import libvirt_qemu

from ._run import LabError
from .host import Host
from .tiny import Artefact

T = TypeVar("T")

# The bindings print each error on standard error besides raising it: once for every look at an agent not yet there.
libvirt.registerErrorHandler(lambda _context, _error: None, None)


def until(probe: Callable[[], T | None], seconds: float, what: str, every: float = 0.05) -> T:
    """Call `probe` until it gives something true and return that; raise LabError saying `what` failed to come."""
    deadline = time.monotonic() + seconds
    while True:
        found = probe()
        if found:
            return found
        if time.monotonic() > deadline:
            raise LabError(f"{what} did not come within {seconds:.0f} s")
        time.sleep(every)


def domain_xml(
    name: str,
    artefact: Artefact | None = None,
    *,
    words: str = "",
    machine: str = "q35",
    memory_mib: int = 192,
    network: str | None = "default",
    disks: str = "",
    boot: str = "hd",
) -> str:
    """Return the definition of a guest: the tiny one by direct kernel boot, or whatever its disks hold.

    `words` go on the kernel's command line; `disks` is XML for the devices section.
    """
    root = ET.fromstring(
        "<domain type='qemu'><vcpu>1</vcpu><features><acpi/></features><cpu mode='maximum'/>"
        "<on_poweroff>destroy</on_poweroff><on_reboot>restart</on_reboot><on_crash>destroy</on_crash>"
        "<devices><serial type='pty'/><controller type='usb' model='none'/><memballoon model='virtio'/>"
        "<channel type='unix'><target type='virtio' name='org.qemu.guest_agent.0'/></channel></devices></domain>"
    )
    ET.SubElement(root, "name").text = name
    ET.SubElement(root, "memory", unit="MiB").text = str(memory_mib)
    system = ET.SubElement(root, "os")
    ET.SubElement(system, "type", arch="x86_64", machine=machine).text = "hvm"
    if artefact is None:
        ET.SubElement(system, "boot", dev=boot)
    else:
        ET.SubElement(system, "kernel").text = str(artefact.kernel)
        ET.SubElement(system, "initrd").text = str(artefact.initrd)
        ET.SubElement(system, "cmdline").text = f"{artefact.cmdline} {words}".strip()
    devices = root.find("devices")
    assert devices is not None
    serial = devices.find("serial")
    assert serial is not None
    ET.SubElement(serial, "log", file=f"/var/log/libvirt/qemu/{name}-console.log", append="off")
    if network:
        nic = ET.SubElement(devices, "interface", type="network")
        ET.SubElement(nic, "source", network=network)
        ET.SubElement(nic, "model", type="virtio")
    devices.extend(ET.fromstring(f"<devices>{disks}</devices>"))
    return ET.tostring(root, encoding="unicode")


@contextmanager
def running(host: Host, xml: str, *, start: bool = True) -> Iterator[None]:
    """Define and start a guest; destroy and undefine it at the end, whatever happened to the daemon in between.

    Without `start` it is left to the caller when it starts.
    """
    name = ET.fromstring(xml).findtext("name") or ""
    opened = libvirt.open(host.uri)
    try:
        domain = opened.defineXML(xml)
        if start:
            domain.create()
        yield
    finally:
        with suppress(libvirt.libvirtError):
            opened.close()
        opened = libvirt.open(host.uri)
        domain = opened.lookupByName(name)
        if domain.isActive():
            domain.destroy()
        domain.undefineFlags(
            libvirt.VIR_DOMAIN_UNDEFINE_NVRAM
            | libvirt.VIR_DOMAIN_UNDEFINE_MANAGED_SAVE
            | libvirt.VIR_DOMAIN_UNDEFINE_SNAPSHOTS_METADATA
        )
        opened.close()


def agent(domain: libvirt.virDomain, command: str, arguments: dict[str, Any] | None = None) -> Any:
    """Send one command to the guest's agent and return its answer; None while the agent doesn't answer."""
    request: dict[str, Any] = {"execute": command}
    if arguments:
        request["arguments"] = arguments
    try:
        return json.loads(libvirt_qemu.qemuAgentCommand(domain, json.dumps(request), 2, 0))["return"]
    except libvirt.libvirtError as error:
        # Agent that isn't connected, or takes too long.
        if error.get_error_code() == libvirt.VIR_ERR_AGENT_UNRESPONSIVE:
            return None
        raise


def wait_for_agent(domain: libvirt.virDomain, seconds: float = 60) -> None:
    """Wait until the guest's agent answers."""
    until(lambda: agent(domain, "guest-ping") is not None, seconds, f"the agent of {domain.name()}")


def inside(domain: libvirt.virDomain, *argv: str, seconds: float = 30) -> str:
    """Run a command in the guest through its agent; return its output, both streams. Raises LabError if it fails."""
    arguments = {"path": argv[0], "arg": list(argv[1:]), "capture-output": True}
    # A guest that is busy booting may not answer at once.
    pid = until(lambda: agent(domain, "guest-exec", arguments), seconds, f"an answer of {domain.name()}'s agent")["pid"]

    def ended() -> dict[str, Any] | None:
        status = agent(domain, "guest-exec-status", {"pid": pid})
        return status if status and status["exited"] else None

    status = until(ended, seconds, f"the end of {argv[0]} in {domain.name()}")
    said = "".join(base64.b64decode(status.get(key, "")).decode(errors="replace") for key in ("out-data", "err-data"))
    if status.get("exitcode"):
        raise LabError(f"{' '.join(argv)} in {domain.name()} ended with {status['exitcode']}: {said.strip()}")
    return said


def address(domain: libvirt.virDomain, seconds: float = 60) -> str:
    """Wait for the guest's first DHCP lease and return the address."""

    def lease() -> str | None:
        found = domain.interfaceAddresses(libvirt.VIR_DOMAIN_INTERFACE_ADDRESSES_SRC_LEASE)
        return next((entry["addr"] for nic in found.values() for entry in nic["addrs"] or ()), None)

    return until(lease, seconds, f"a lease for {domain.name()}")


def wait_until_off(domain: libvirt.virDomain, seconds: float = 30) -> None:
    """Wait until the guest no longer runs."""
    until(lambda: not domain.isActive(), seconds, f"the end of {domain.name()}", every=0.02)
