# Copyright: (c) 2026, the virtfleet.core contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What of a guest's XML libvirt and this collection make by themselves: it belongs in no document.

This is the whole list; the guide "Bring an existing host under control" has it in words. The sources are libvirt's
formatdomain page and what a real libvirt made of the definitions in tests/contract/pairs. Whatever is not named here is
kept, also where it looks like a default.
"""

from __future__ import annotations

import re
from collections.abc import Collection
from dataclasses import dataclass
from xml.etree import ElementTree

from .. import _xml
from .._xml import Element

# Values that libvirt writes where nobody has said anything: a path of the element, an attribute, the value.
_DEFAULTS = (
    ("memory", "unit", "KiB"),
    ("currentMemory", "unit", "KiB"),
    ("vcpu", "placement", "static"),
    ("cpu", "migratable", "on"),
    ("cpu/numa/cell", "unit", "KiB"),
    ("memtune/hard_limit", "unit", "KiB"),
    ("memtune/soft_limit", "unit", "KiB"),
    ("memtune/swap_hard_limit", "unit", "KiB"),
    ("cpu/topology", "dies", "1"),
    ("cpu/topology", "clusters", "1"),
    ("devices/disk", "device", "disk"),
    ("devices/disk/driver", "name", "qemu"),
    ("devices/serial/target", "type", "isa-serial"),
    ("devices/serial/target", "type", "system-serial"),
    ("devices/serial/log", "append", "off"),
    ("devices/console/log", "append", "off"),
    ("devices/channel/source", "mode", "bind"),
    ("devices/hostdev", "display", "off"),
    ("devices/video/model", "primary", "yes"),
    ("devices/video/model", "heads", "1"),
)
# How strictly libvirt checks a CPU, by the mode it has.
_CHECKS = {"host-passthrough": "none", "maximum": "none", "host-model": "partial"}
# Memory of a video device by model, in KiB (virDomainVideoDefaultRAM).
_VIDEO_MEMORY = {
    "qxl": {"ram": "65536", "vram": "65536", "vgamem": "16384"},
    "vga": {"vram": "16384"},
    "cirrus": {"vram": "16384"},
}
_EVENTS = {"on_poweroff": "destroy", "on_reboot": "restart", "on_crash": "destroy"}
# Controllers come with the board or with the devices on them. Of these kinds a model says something.
_CONTROLLERS = frozenset(("pci", "ide", "sata", "fdc", "ccid", "virtio-serial", "xenbus"))
_MODELLED = frozenset(("ide", "sata", "virtio-serial"))
# Empty once what is derived is gone: they say nothing then.
_SAY_NOTHING = frozenset(("firmware", "loader", "model", "os", "source", "driver", "backingStore", "log"))

# What only a reader with every right may see. It is taken out before anything is looked at.
SECRETS = (
    ("devices/graphics", "passwd"),
    ("devices/graphics", "passwdValidTo"),
    ("devices/graphics", "connected"),
)
_SECRET_ELEMENTS = ("devices/disk/source/cookies",)
# Free words for QEMU and for the guest's firmware, where people put what has no element: taken out whole if any of them
# looks like a secret.
_FREE_WORDS = ("qemu:commandline", "sysinfo")
_TELLTALE = re.compile(r"passw(or)?d|secret|token|private.?key|credential", re.IGNORECASE)


@dataclass(frozen=True)
class Secret:
    """Something secret that was taken out: the path where it stood."""

    at: str


def without_secrets(root: Element) -> tuple[Element, list[Secret]]:
    """Return the tree without secrets, and where they stood."""
    tree, found = _xml.clone(root), []
    for path, attribute in SECRETS:
        for element in _xml.find_all(tree, path):
            if attribute in element.attrib:
                del element.attrib[attribute]
                if attribute == "passwd":
                    found.append(Secret(f"{path}[@type='{element.get('type')}']/@{attribute}"))
    for path in _SECRET_ELEMENTS:
        if _xml.find_all(tree, path):
            found.append(Secret(path))
            _xml.remove(tree, path)
    for path in _FREE_WORDS:
        for element in _xml.find_all(tree, path):
            if any(
                _TELLTALE.search(word) for node in element.iter() for word in (node.text or "", *node.attrib.values())
            ):
                found.append(Secret(path))
                tree.remove(element)
    return tree, found


def emulators(capabilities_xml: str) -> frozenset[str]:
    """Return the emulators that libvirt takes by itself on this host."""
    try:
        root = ElementTree.fromstring(capabilities_xml) if capabilities_xml else Element("capabilities")
    except ElementTree.ParseError:
        return frozenset()
    return frozenset(node.text or "" for node in root.iter("emulator"))


def cleaned(root: Element, known_emulators: Collection[str] = (), numbered: bool = False) -> Element:
    """Return a domain's tree without what is derived.

    ``numbered``: controllers without a number get the one that libvirt would give them.
    """
    tree = _xml.clone(root)
    _top(tree)
    _firmware(tree)
    _cpu(tree)
    devices = tree.find("devices")
    addresses = [] if devices is None else _devices(devices, known_emulators)
    for path, attribute, value in _DEFAULTS:
        for element in _xml.find_all(tree, path):
            if element.get(attribute) == value:
                del element.attrib[attribute]
    if devices is not None and numbered:
        _number(devices)
    _prune(tree)
    _tell_apart(addresses)
    return tree


def _top(tree: Element) -> None:
    _xml.remove(tree, "metadata/virtfleet:guest")
    for seclabel in [node for node in tree.findall("seclabel") if node.get("type") == "dynamic"]:
        tree.remove(seclabel)
    if _xml.read(tree, "resource/partition") in ("/machine", "/machine.slice"):
        _xml.remove(tree, "resource/partition")
    if tree.get("type") == "xen" and _xml.read(tree, "clock/@adjustment") == "reset":
        # What libvirt makes of a configuration for xl that says nothing of the clock.
        _xml.remove(tree, "clock/@adjustment")
    for event, value in _EVENTS.items():
        if _xml.read(tree, event) == value:
            _xml.remove(tree, event)


def _firmware(tree: Element) -> None:
    """Where firmware is asked for by name and features, its files are libvirt's choice."""
    system = tree.find("os")
    if system is None or system.get("firmware") is None:
        return
    for loader in system.findall("loader"):
        said = {name: loader.attrib[name] for name in ("secure", "stateless") if loader.get(name) == "yes"}
        loader.text = None
        loader.attrib.clear()
        loader.attrib.update(said)
    name = _xml.read(tree, "name") or ""
    for nvram in system.findall("nvram"):
        place = (nvram.text or "").strip()
        if not place or f"/nvram/{name}_VARS." in place:
            system.remove(nvram)


def _cpu(tree: Element) -> None:
    cpu = tree.find("cpu")
    if cpu is None:
        return
    if cpu.get("check") == _CHECKS.get(cpu.get("mode", "")):
        cpu.attrib.pop("check", None)
    for model in cpu.findall("model"):
        if not (model.text or "").strip() and model.get("fallback") == "allow":
            cpu.remove(model)


def _devices(devices: Element, known_emulators: Collection[str]) -> list[tuple[Element, Element | None]]:
    """Clean the devices; return those that are left, each with the address that it had."""
    left: list[tuple[Element, Element | None]] = []
    _console(devices)
    for device in list(devices):
        if _implied(device, known_emulators):
            devices.remove(device)
            continue
        address = device.find("address")
        if address is not None:
            device.remove(address)
        for alias in device.findall("alias"):
            # Those that begin so are the user's own (libvirt, formatdomain: device aliases).
            if not alias.get("name", "").startswith("ua-"):
                device.remove(alias)
        _device(device)
        left.append((device, address))
    return left


def _console(devices: Element) -> None:
    """The first console is the first serial port by another name; where it stands alone, libvirt makes the port."""
    for console in devices.findall("console")[:1]:
        if _xml.read(console, "target/@type") not in (None, "serial"):
            continue
        if devices.find("serial") is None:
            console.tag = "serial"
            _xml.write(console, "target/@port", "0")
            _xml.find_all(console, "target")[0].attrib.pop("type", None)
        else:
            devices.remove(console)


def _implied(device: Element, known_emulators: Collection[str]) -> bool:
    if device.tag == "emulator":
        place = (device.text or "").strip()
        return place in known_emulators or place.startswith("/usr/bin/qemu-system-") or place == "/usr/bin/kvm"
    if device.tag == "controller":
        kind = device.get("type", "")
        bare = all(child.tag in ("address", "alias", "model", "target") for child in device)
        if kind == "pci":
            return True
        return kind in _CONTROLLERS and bare and not (kind in _MODELLED and "model" in device.attrib)
    if device.tag == "input":
        return device.get("type") in ("mouse", "keyboard") and device.get("bus") in ("ps2", "xen")
    if device.tag == "audio":
        return device.get("id") == "1" and device.get("type") in ("none", "spice") and not len(device)
    if device.tag == "watchdog":
        # q35 has it on the board; libvirt shows it from 9.1 on.
        return device.get("model") == "itco" and device.get("action") == "reset"
    return False


def _device(device: Element) -> None:
    if device.tag == "disk" and device.get("device") == "cdrom":
        for mark in device.findall("readonly"):
            device.remove(mark)
    elif device.tag == "interface":
        for card in device.findall("model"):
            # What a nic of a paravirtual guest is anyway.
            if card.get("type") == "netfront":
                device.remove(card)
        for own in device.findall("ip"):
            # Which of them an address is of, it says itself.
            if own.get("family") == ("ipv6" if ":" in own.get("address", "") else "ipv4"):
                del own.attrib["family"]
    elif device.tag == "graphics":
        listen = device.find("listen")
        if device.get("listen") is not None and listen is not None and listen.get("address") == device.get("listen"):
            del device.attrib["listen"]
        if listen is not None and listen.get("type") == "address" and listen.get("address") is None:
            device.remove(listen)
    elif device.tag == "video":
        model = device.find("model")
        for name, value in _VIDEO_MEMORY.get("" if model is None else model.get("type", ""), {}).items():
            if model is not None and model.get(name) == value:
                del model.attrib[name]
    elif device.tag == "serial":
        target = device.find("target")
        if target is not None and target.get("type") in (None, "isa-serial", "system-serial"):
            for model in target.findall("model"):
                if model.get("name") in ("isa-serial", "pl011"):
                    target.remove(model)
    elif device.tag == "console" and _xml.read(device, "target/@type") != "serial":
        # libvirt counts them.
        _xml.remove(device, "target/@port")
    elif device.tag == "vsock":
        cid = device.find("cid")
        if cid is not None and cid.get("auto") == "yes":
            cid.attrib.pop("address", None)


def _number(devices: Element) -> None:
    counts: dict[str, int] = {}
    for controller in devices.findall("controller"):
        kind = controller.get("type", "")
        if controller.get("index") is None:
            controller.set("index", str(counts.get(kind, 0)))
        counts[kind] = max(counts.get(kind, 0), int(controller.get("index", "0"))) + 1


def _tell_apart(devices: list[tuple[Element, Element | None]]) -> None:
    """Give a device that is like another one its address back: without, one overlay would stand for both."""
    seen: list[Element] = []
    for device, address in devices:
        alike = any(_xml.same(device, other) for other in seen)
        seen.append(_xml.clone(device))
        if alike and address is not None:
            device.append(address)


def _prune(element: Element) -> None:
    for child in list(element):
        _prune(child)
        empty = not len(child) and not child.attrib and not (child.text or "").strip()
        if empty and child.tag in _SAY_NOTHING:
            element.remove(child)
