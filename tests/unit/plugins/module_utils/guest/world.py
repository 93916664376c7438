# Copyright: (c) 2026, the virtfleet.core contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""A host made by hand, and what guests look like on it: values only, since plans are made from values."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

from ansible_collections.virtfleet.core.plugins.module_utils import _xml
from ansible_collections.virtfleet.core.plugins.module_utils._change import Action, Change, Plan
from ansible_collections.virtfleet.core.plugins.module_utils._facts import (
    GuestFacts,
    HostFacts,
    ImageFacts,
    NetworkFacts,
    PathFacts,
    PoolFacts,
    Snapshot,
    VolumeFacts,
)
from ansible_collections.virtfleet.core.plugins.module_utils._guest.plan import Options, plan
from ansible_collections.virtfleet.core.plugins.module_utils._guest.spec import parse
from ansible_collections.virtfleet.core.plugins.module_utils._xml import Element

MIB, GIB = 1 << 20, 1 << 30
FOLDER = "/var/lib/virtfleet/images"
RECORDED = Path(__file__).resolve().parents[4] / "contract" / "pairs"

HOST = HostFacts(
    uri="qemu:///system",
    driver="qemu",
    name="hv1",
    uuid="0f0d4f57-9d4e-4b3a-8a68-2f7c0f1e9b11",
    arch="x86_64",
    libvirt_version=9000000,
    hypervisor_version=7002000,
    memory_bytes=64 * GIB,
    cpus=8,
    domain_types={"x86_64": ("qemu", "kvm"), "aarch64": ("qemu",)},
    machines={
        ("x86_64", "kvm"): ("pc", "q35", "pc-q35-7.2", "pc-i440fx-7.2"),
        ("x86_64", "qemu"): ("pc", "q35", "pc-q35-7.2", "pc-i440fx-7.2"),
        ("aarch64", "qemu"): ("virt", "virt-7.2"),
    },
)
XEN = replace(
    HOST,
    uri="xen:///system",
    driver="xen",
    domain_types={"x86_64": ("xen",)},
    machines={("x86_64", "xen"): ("xenpv", "xenpvh", "xenfv")},
    guest_types={"x86_64": ("pv", "hvm", "pvh")},
    free_bytes=16 * GIB,
)


def volume(pool: str, name: str, size_bytes: int, form: str = "qcow2", backing: str | None = None) -> VolumeFacts:
    return VolumeFacts(pool, name, f"{_path(pool)}/{name}", form, size_bytes, 0, backing, "qcow2" if backing else None)


def _path(pool: str) -> str:
    return FOLDER if pool == "default" else f"/data/{pool}"


def pool(name: str, active: bool = True) -> PoolFacts:
    return PoolFacts(name, "u", "dir", _path(name), "<pool/>", active, True)


def network(name: str, octet: int, active: bool = True) -> NetworkFacts:
    xml = (
        f"<network><name>{name}</name><uuid>5c6e1d0e-0000-4000-8000-0000000000{octet:02d}</uuid>"
        f"<bridge name='vf{name}'/><ip address='10.{octet}.0.1' netmask='255.255.255.0'>"
        f"<dhcp><range start='10.{octet}.0.100' end='10.{octet}.0.199'/></dhcp></ip></network>"
    )
    return NetworkFacts(name, f"5c6e1d0e-0000-4000-8000-0000000000{octet:02d}", xml, xml if active else None, True)


def snapshot(*guests: GuestFacts, host: HostFacts = HOST, **parts: Any) -> Snapshot:
    """Return a host with two pools, two networks, two bases, an ISO and a raw file."""
    volumes = [volume("default", "debian-12.qcow2", 2 * GIB), volume("default", "debian-13.qcow2", 3 * GIB)]
    volumes.append(volume("fast", "scratch.raw", 5 * GIB, "raw"))
    volumes += parts.pop("volumes", [])
    paths = {
        "/iso/netinst.iso": PathFacts("/iso/netinst.iso", True),
        "/iso/other.iso": PathFacts("/iso/other.iso", True),
        "/data/old.qcow2": PathFacts("/data/old.qcow2", True),
        "/data/odd": PathFacts("/data/odd", True),
        "/dev/vg/lv": PathFacts("/dev/vg/lv", True, kind="block"),
        "/boot/vmlinuz": PathFacts("/boot/vmlinuz", True),
        "/boot/initrd": PathFacts("/boot/initrd", True),
        "/secret/disk.raw": PathFacts("/secret/disk.raw", True, readable=False, why="/secret is closed to others"),
        "/data/folder": PathFacts("/data/folder", True, kind="dir"),
        "/gone.iso": PathFacts("/gone.iso", False),
    }
    paths.update(parts.pop("paths", {}))
    images = {"/data/old.qcow2": ImageFacts("/data/old.qcow2", "qcow2", 7 * GIB, GIB)}
    return Snapshot(
        host,
        {guest.name: guest for guest in guests},
        {"lab": network("lab", 20), "dmz": network("dmz", 30), "off": network("off", 40, active=False)},
        {"default": pool("default"), "fast": pool("fast"), "cold": pool("cold", active=False)},
        {(item.pool, item.name): item for item in volumes},
        paths,
        images,
        **parts,
    )


def recorded(name: str, which: str = "out") -> str:
    """Return a definition as a real libvirt gave it."""
    return (RECORDED / f"guest-{name}.{which}.xml").read_text().replace("@FOLDER@", FOLDER)


def facts(xml: str, state: str = "stopped", live: str | None = None, **flags: Any) -> GuestFacts:
    """Return a guest with this definition; a running one runs as ``live``, or as it is defined."""
    root = _xml.parse(xml)
    running = (live or xml) if state in ("running", "paused") else None
    return GuestFacts(_xml.read(root, "name") or "", _xml.read(root, "uuid") or "", state, xml, running, **flags)


def planned(options: Mapping[str, Any], snap: Snapshot | None = None, *allowed: str, **running: Any) -> Plan:
    """Return the plan of the module's options on a host; ``allowed`` are names whose data may be lost."""
    how = Options(frozenset(allowed), **running)
    return plan(parse(options), snapshot() if snap is None else snap, how)


def action_of(made: Plan, kind: str = "guest") -> Action:
    (found,) = [action for action in made.actions if action.kind == kind]
    return found


def changes_of(made: Plan, kind: str = "guest") -> dict[str, Change]:
    return {
        ".".join(change.path): change for action in made.actions if action.kind == kind for change in action.changes
    }


def defined(made: Plan) -> Element:
    """Return the definition that a plan writes."""
    (step,) = [step for step in action_of(made).steps if step.op == "define_guest"]
    return _xml.parse(step.args["xml"])


def ops(made: Plan, kind: str = "guest") -> list[str]:
    return [step.op for action in made.actions if action.kind == kind for step in action.steps]
