# Copyright: (c) 2026, the virtfleet.core contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""New guests under Xen, by libvirt's driver libxl: PV, PVH or HVM."""

from __future__ import annotations

from collections.abc import Sequence

from .. import _xml
from .._facts import HostFacts, Snapshot, SystemFacts
from .._table import Spec
from .._xml import Element, SubElement
from .fields.boot import set_type
from .fields.disks import free_target, prefix_of, whole_disk
from .platform import Made
from .skeleton import boot_order_of_kinds, uuid_for, write_events, write_screen
from .spec import GuestSpec

# Runs in dom0 and finds kernel and initrd by the boot loader's configuration in the guest's first disk.
BOOTLOADER = "pygrub"


class Xen:
    """See ``platform.Platform``."""

    # The kernel of dom0 serves raw disks by itself; any other format takes a QEMU for each guest.
    blank_format = "raw"
    agent = False
    xl = True
    # Backends open disks as root; QEMU's user has no part in it.
    reader: str | None = "root"

    def make(self, spec: GuestSpec, snap: Snapshot) -> Made:
        host = snap.host
        arch = str(spec.values.get("arch", host.arch))
        complaints = []
        if arch not in host.domain_types:
            known = ", ".join(sorted(host.domain_types)) or "none"
            complaints.append(
                f"arch: Xen runs guests of the host's own architecture only, here {known}, not {arch}; "
                "emulate it on a QEMU host"
            )
        if spec.name == "Domain-0":
            complaints.append("name: Domain-0 is the Xen host itself; give the guest another name")
        kind = str(spec.values.get("type") or type_for(spec, host.guest_types.get(arch, ())))
        return Made(_skeleton(host, spec, arch, kind), tuple(complaints))

    def preset(self, spec: GuestSpec, snap: Snapshot, system: SystemFacts) -> Spec:
        # Xen's own devices are the same for all of them.
        return {}

    def defaults(self, host: HostFacts, want: Spec) -> Spec:
        chosen: Spec = {"vcpus": 1, "console": True}
        if want.get("type") == "hvm":
            chosen.update(boot_order_of_kinds(want))
        elif not want.get("kernel"):
            chosen["bootloader"] = BOOTLOADER
        return {name: value for name, value in chosen.items() if name not in want}

    def bus(self, device: str, have: Spec, system: SystemFacts | None = None) -> str:
        return "ide" if device != "disk" and have.get("type") == "hvm" else "xen"

    def nic(self, system: SystemFacts | None = None) -> str:
        return "netfront"

    def target(self, bus: str, taken: set[str]) -> str:
        # An HVM guest sees its first four Xen disks as IDE disks too: hda and xvda are one place. So are xvda and xvda1.
        letters = {whole_disk(target[len(prefix) :]) for target in taken for prefix in ("xvd", "hd") if target.startswith(prefix)}
        return free_target(bus, taken | {prefix_of(bus) + letter for letter in letters})


def type_for(spec: GuestSpec, can: Sequence[str]) -> str:
    """Return what a new guest is booted as, of what the host ``can``: ``pvh`` before ``pv``.

    Who asks for firmware, or installs from a CD-ROM, wants a whole machine: ``hvm``.
    """
    values = spec.values
    drives = any(disk.get("device") == "cdrom" for disk in spec.disks or ())
    whole = "firmware" in values or "boot" in values or (drives and not values.get("kernel"))
    order = ("hvm", "pvh", "pv") if whole and not values.get("bootloader") else ("pvh", "pv", "hvm")
    return next((kind for kind in order if kind in can), order[0] if whole else "pv")


def _skeleton(host: HostFacts, spec: GuestSpec, arch: str, kind: str) -> Element:
    root = Element("domain", {"type": "xen"})
    SubElement(root, "name").text = spec.name
    SubElement(root, "uuid").text = spec.uuid or uuid_for(host, spec.name)
    set_type(root, kind)
    _xml.write(root, "os/type/@arch", arch)
    if kind == "hvm":
        for feature in ("features/acpi", "features/apic", "features/pae"):
            _xml.ensure(root, feature)
    SubElement(root, "clock", {"offset": "utc"})
    write_events(root)
    devices = SubElement(root, "devices")
    SubElement(devices, "memballoon", {"model": "xen"})
    if kind == "hvm":
        write_screen(devices)
    return root
