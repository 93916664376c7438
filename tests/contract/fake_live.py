# Copyright: (c) 2026, the virtfleet.core contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What a guest's definition becomes while it runs, learned from the recorded pairs."""

from __future__ import annotations

import uuid
from collections.abc import Callable
from copy import deepcopy
from random import Random
from xml.etree.ElementTree import Element, SubElement

from .fake_fill import kib, letters, sort_disks, tidy, tidy_device

AGENT = "org.qemu.guest_agent.0"


class Numbers:
    """What a host hands out to its running guests."""

    def __init__(self, rng: Random) -> None:
        self.rng = rng
        self.domain = 0
        self.vnet = -1
        self.pty = 0
        self.vnc = 5899

    def next(self, what: str) -> int:
        number: int = getattr(self, what) + 1
        setattr(self, what, number)
        return number


def start(inactive: Element, numbers: Numbers, bridge_of: Callable[[str], str | None], booted: bool) -> Element:
    """Return the live definition of a guest; ``booted`` is one whose balloon and agent are at work."""
    root = deepcopy(inactive)
    root.set("id", str(numbers.next("domain")))
    _head(root, booted)
    devices = root.find("devices")
    if devices is None:
        devices = SubElement(root, "devices")
    # QEMU's block nodes are numbered from the last disk to the first, drives without a medium counted.
    for index, disk in enumerate(reversed(devices.findall("disk")), start=1):
        _live_disk(disk, index)
    for nic in devices.iterfind("interface"):
        live_nic(nic, numbers, bridge_of)
    for node in devices:
        _live_device(node, root, numbers, booted)
    _consoles(devices, numbers)
    _aliases(devices)
    if root.find("seclabel") is None and root.get("type") in ("qemu", "kvm"):
        label = SubElement(root, "seclabel", type="dynamic", model="dac", relabel="yes")
        SubElement(label, "label").text = "+64055:+64055"
        SubElement(label, "imagelabel").text = "+64055:+64055"
    tidy(root)
    return root


def add_live(devices: Element, node: Element, numbers: Numbers, bridge_of: Callable[[str], str | None]) -> None:
    """Make a filled-in device part of a running guest."""
    if node.tag == "disk":
        present = [int(each.get("index", "0")) for each in devices.iterfind("disk/source")]
        _live_disk(node, max(present, default=0) + 1)
    elif node.tag == "interface":
        live_nic(node, numbers, bridge_of)
    devices.append(node)
    sort_disks(devices)
    _aliases(devices)
    tidy_device(node)


def count_module(root: Element, module: Element, times: int) -> None:
    """Count a module of memory into what a running guest has, or with -1 out of it."""
    size = sum(kib(each) for each in module.iterfind("target/size"))
    for each in (root.find("memory"), root.find("currentMemory")):
        if each is not None:
            each.text = str(int(each.text or 0) + times * size)


def _head(root: Element, booted: bool) -> None:
    memory, current = root.find("memory"), root.find("currentMemory")
    if memory is not None and current is not None:
        # QEMU gets whole MiB; the balloon goes down once the guest's driver runs.
        total = -(-int(memory.text or 0) // 1024) * 1024
        balloon = root.find("devices/memballoon")
        works = booted and balloon is not None and balloon.get("model") != "none"
        full = current.text == memory.text or not works
        memory.text = str(total)
        current.text = str(total) if full else current.text
    partition = SubElement(SubElement(root, "resource"), "partition")
    partition.text = "/machine"
    cpu = root.find("cpu")
    if cpu is not None and cpu.get("mode") == "host-model":
        cpu.attrib = {"mode": "custom", "match": "exact", "check": "full"}
        SubElement(cpu, "model", fallback="forbid").text = "EPYC"
        SubElement(cpu, "vendor").text = "AMD"
    elif cpu is not None and cpu.get("mode") == "custom":
        cpu.set("check", "full")
        SubElement(cpu, "feature", policy="require", name="hypervisor")
        SubElement(cpu, "feature", policy="require", name="lahf_lm")
    system = root.find("os")
    if system is not None and system.get("firmware") == "efi":
        del system.attrib["firmware"]
        loader = Element("loader", readonly="yes", type="pflash")
        loader.text = "/usr/share/OVMF/OVMF_CODE_4M.fd"
        nvram = Element("nvram", template="/usr/share/OVMF/OVMF_VARS_4M.fd")
        nvram.text = f"/var/lib/libvirt/qemu/nvram/{root.findtext('name')}_VARS.fd"
        at = next((number for number, node in enumerate(system) if node.tag not in ("type", "firmware")), len(system))
        system[at:at] = [loader, nvram]


def _live_disk(disk: Element, index: int) -> None:
    source, driver = disk.find("source"), disk.find("driver")
    if source is None or not set(source.attrib) - {"index", "startupPolicy"}:
        if driver is not None:
            driver.attrib.pop("type", None)
        return
    source.set("index", str(index))
    if disk.find("backingStore") is None:
        SubElement(disk, "backingStore")


def live_nic(nic: Element, numbers: Numbers, bridge_of: Callable[[str], str | None]) -> None:
    source = nic.find("source")
    if nic.get("type") == "network" and source is not None:
        source.set("portid", str(uuid.UUID(int=numbers.rng.getrandbits(128), version=4)))
        bridge = bridge_of(source.get("network") or "")
        if bridge:
            source.set("bridge", bridge)
    if nic.get("type") in ("network", "bridge") and nic.find("target") is None:
        SubElement(nic, "target", dev=f"vnet{numbers.next('vnet')}")


def _live_device(node: Element, root: Element, numbers: Numbers, booted: bool) -> None:
    if node.tag == "serial" and node.get("type") == "pty":
        _source(node, {"path": f"/dev/pts/{numbers.next('pty')}"})
    elif node.tag == "channel" and node.get("type") == "unix":
        target = node.find("target")
        name = (target.get("name") or "") if target is not None else ""
        folder = f"domain-{root.get('id')}-{root.findtext('name')}"
        _source(node, {"mode": "bind", "path": f"/var/lib/libvirt/qemu/channel/target/{folder}/{name}"})
        if target is not None:
            target.set("state", "connected" if booted and name == AGENT else "disconnected")
    elif node.tag == "graphics" and node.get("port") == "-1":
        rest = {key: value for key, value in node.attrib.items() if key not in ("type", "port", "autoport")}
        port = str(numbers.next("vnc"))
        node.attrib = {"type": node.get("type") or "", "port": port, "autoport": "yes", "listen": "127.0.0.1", **rest}
        listen = node.find("listen")
        if listen is not None and listen.get("address") is None:
            listen.set("address", "127.0.0.1")


def _source(node: Element, attributes: dict[str, str]) -> None:
    source = node.find("source")
    if source is None:
        node.append(Element("source", attributes))
    else:
        for key, value in attributes.items():
            if source.get(key) is None:
                source.set(key, value)


def _consoles(devices: Element, numbers: Numbers) -> None:
    serial = devices.find("serial")
    for console in devices.iterfind("console"):
        target = console.find("target")
        if console.get("type") != "pty":
            continue
        first = target is not None and target.get("type") == "serial" and serial is not None
        source = serial.find("source") if first and serial is not None else None
        path = source.get("path", "") if source is not None else f"/dev/pts/{numbers.next('pty')}"
        console.set("tty", path)
        _source(console, {"path": path})


def _aliases(devices: Element) -> None:
    counts: dict[str, int] = {}
    taken = {alias.get("name") for alias in devices.iterfind("*/alias")}

    def count(prefix: str) -> str:
        number = counts.get(prefix, 0)
        while f"{prefix}{number}" in taken:
            number += 1
        counts[prefix] = number + 1
        return f"{prefix}{number}"

    consoles = 0
    for node in devices:
        if node.tag == "console":
            consoles += 1
        if node.tag in ("emulator", "audio") or node.find("alias") is not None:
            continue
        if node.tag == "memballoon" and node.get("model") == "none":
            continue
        target = node.find("target")
        if node.tag == "console" and (target is None or target.get("type") == "serial"):
            name = "serial0"
        elif node.tag == "console":
            name = f"console{consoles - 1}"
        elif node.tag == "disk":
            name = _disk_alias(node)
        elif node.tag == "controller":
            name = _controller_alias(node)
        elif node.tag == "graphics":
            continue
        else:
            prefixes = {"interface": "net", "memballoon": "balloon", "filesystem": "fs"}
            name = count(prefixes.get(node.tag, node.tag))
        node.append(Element("alias", name=name))
        taken.add(name)


def _disk_alias(disk: Element) -> str:
    target, address = disk.find("target"), disk.find("address")
    bus = (target.get("bus") or "") if target is not None else ""
    if address is not None and address.get("type") == "drive":
        where = [address.get(key, "0") for key in ("controller", "bus", "unit")]
        return f"{bus}{'-'.join(where)}"
    return f"{bus}-disk{letters((target.get('dev') or '') if target is not None else '')}"


def _controller_alias(node: Element) -> str:
    kind, index, model = node.get("type") or "", node.get("index") or "0", node.get("model") or ""
    if kind == "pci":
        return f"pcie.{index}" if model == "pcie-root" else f"pci.{index}"
    if index == "0" and kind in ("usb", "sata", "ide"):
        return {"usb": "usb", "sata": "ide", "ide": "ide"}[kind]
    return f"{kind}{index}"
