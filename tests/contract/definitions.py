# Copyright: (c) 2026, the virtfleet.core contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Small definitions for the contract."""

from __future__ import annotations

import re
from xml.etree import ElementTree
from xml.etree.ElementTree import Element

NAMESPACE = "https://virtfleet.github.io/xml/1"

# What libvirt draws by lot or counts up on each host.
_CHANCE = (
    (r"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}", "UUID"),
    (r"52:54:00:(?!aa)[0-9a-f:]{8}", "MAC"),
    (r"vnet\d+", "vnetN"),
    (r"/dev/pts/\d+", "/dev/pts/N"),
    (r"domain-\d+-", "domain-N-"),
    (r"virbr[0-6]", "virbrN"),
)


def guest(name: str, devices: str = "", head: str = "", vcpu: str = "<vcpu current='1'>2</vcpu>", **words: str) -> str:
    """Return a guest that starts at once and does nothing."""
    kind, machine = words.get("kind", "qemu"), words.get("machine", "q35")
    return f"""<domain type='{kind}'><name>{name}</name>{head}
      <memory unit='MiB'>64</memory>{vcpu}
      <os><type arch='x86_64' machine='{machine}'>hvm</type></os><features><acpi/></features>
      <devices>{devices}<controller type='usb' model='none'/></devices></domain>"""


def nic(mac: str = "52:54:00:00:00:01", network: str | None = None, model: str = "virtio", link: str = "") -> str:
    kind = f"type='network'><source network='{network}'/>" if network else "type='user'>"
    state = f"<link state='{link}'/>" if link else ""
    return f"<interface {kind}<mac address='{mac}'/><model type='{model}'/>{state}</interface>"


def disk(path: str, target: str = "vda", bus: str = "virtio") -> str:
    return f"""<disk type='file' device='disk'><driver name='qemu' type='qcow2'/><source file='{path}'/>
      <target dev='{target}' bus='{bus}'/></disk>"""


def cdrom(path: str = "", target: str = "sda") -> str:
    source = f"<source file='{path}'/>" if path else ""
    return f"""<disk type='file' device='cdrom'><driver name='qemu' type='raw'/>{source}
      <target dev='{target}' bus='sata'/><readonly/></disk>"""


def metadata(*tags: str, estate: str = "") -> str:
    inner = "".join(f"<virtfleet:tag>{tag}</virtfleet:tag>" for tag in tags)
    named = f"<virtfleet:estate>{estate}</virtfleet:estate>" if estate else ""
    inner = f"{named}<virtfleet:tags>{inner}</virtfleet:tags>"
    return f"<virtfleet:guest xmlns:virtfleet='{NAMESPACE}'>{inner}</virtfleet:guest>"


def network(name: str, number: int, more: str = "", dhcp: str = "", bridge: str = "") -> str:
    """Return an isolated network; no two with the same number can be active."""
    inner = dhcp or f"<range start='10.66.{number}.10' end='10.66.{number}.90'/>"
    device = f"<bridge name='{bridge}' stp='off' delay='0'/>" if bridge else "<bridge stp='off' delay='0'/>"
    return f"""<network><name>{name}</name>{more}{device}
      <ip address='10.66.{number}.1' netmask='255.255.255.0'><dhcp>{inner}</dhcp></ip></network>"""


def pool(name: str, path: str) -> str:
    return f"<pool type='dir'><name>{name}</name><target><path>{path}</path></target></pool>"


def volume(name: str, size: int, kind: str = "qcow2", backing: str = "") -> str:
    below = f"<backingStore><path>{backing}</path><format type='qcow2'/></backingStore>" if backing else ""
    return f"""<volume><name>{name}</name><capacity>{size}</capacity><allocation>0</allocation>
      <target><format type='{kind}'/></target>{below}</volume>"""


def tree(xml: str | None) -> Element:
    assert xml is not None
    return ElementTree.fromstring(xml)


def parts(xml: str) -> list[str]:
    """Return what is in a definition, and what is in its devices, each as a text of its own."""
    root = tree(xml)
    devices = root.find("devices")
    assert devices is not None
    root.remove(devices)
    return [ElementTree.tostring(node, encoding="unicode").strip() for node in (*root, *devices)]


def lines(xml: str, live: bool) -> list[str]:
    """Return the XML as lines to be compared, the same for the same meaning."""
    root = ElementTree.fromstring(xml)
    root.attrib.pop("id", None)
    if live:
        # A guest without an operating system never lets its balloon go down; host-model is the machine's own.
        for path in ("currentMemory", "cpu"):
            for node in root.findall(path):
                root.remove(node)
    for node in root.iter():
        node.text, node.tail = (node.text or "").strip(), None
        node.attrib = dict(sorted(node.attrib.items()))
        if node.tag in ("capacity", "allocation", "available"):
            node.text = ""
        if node.tag == "target" and "chassis" not in node.attrib:
            permissions = node.find("permissions")
            if permissions is not None and root.tag == "pool":
                node.remove(permissions)
    ElementTree.indent(root)
    text = ElementTree.tostring(root, encoding="unicode")
    for pattern, name in _CHANCE:
        text = re.sub(pattern, name, text)
    return text.splitlines()


def tags(xml: str | None) -> list[str | None]:
    """Return the tags in a definition's metadata."""
    return [node.text for node in tree(xml).iter(f"{{{NAMESPACE}}}tag")]


def with_devices(xml: str, old: str, new: str) -> str:
    assert old in xml
    return xml.replace(old, new)
