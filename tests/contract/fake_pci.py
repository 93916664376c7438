# Copyright: (c) 2026, the virtfleet.core contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""PCI addresses and controllers as libvirt hands them out, learned from the recorded pairs."""

from __future__ import annotations

from collections.abc import Callable
from xml.etree.ElementTree import Element, SubElement

# Devices that sit on conventional PCI even in a PCI Express machine; everything else takes a root port.
_CONVENTIONAL = frozenset(
    {"rtl8139", "e1000", "ne2k_pci", "pcnet", "lsilogic", "lsisas1068", "lsisas1078", "i6300esb", "ich6", "ac97"}
)
_ORDER = ("filesystem", "interface", "sound", "controller", "disk", "hostdev", "memballoon", "rng", "watchdog", "video")
# Part of the chipset, at addresses that never change.
_CHIPSET = {
    "q35": {("controller", "sata"): (0x1F, 2), ("sound", "ich9"): (0x1B, 0)},
    "pc": {("controller", "ide"): (1, 1), ("controller", "piix3-uhci"): (1, 2)},
}

Refuse = Callable[[int, str], Exception]


class NoSlot(Exception):
    """No free slot in a running guest."""


def assign(devices: Element, board: str, refuse: Refuse) -> None:
    """Give every device of a definition that lacks a PCI address one, adding controllers where needed."""
    used = _used(devices, refuse)
    waiting = [node for node in _in_order(devices) if node.find("address") is None]
    for node in list(waiting):
        fixed = _chipset(node, board)
        if fixed is not None:
            _put(node, 0, *fixed)
            used.add((0, *fixed))
            waiting.remove(node)
    if board == "pc":
        for node in waiting:
            _put(node, 0, _next_slot(used, 0, 2), 0)
    else:
        _assign_express(devices, waiting, used)
    _mark_shared_slots(devices)


def plug(devices: Element, node: Element, board: str) -> None:
    """Give a device that is attached to a running guest an address; raise NoSlot where all ports are taken."""
    if node.find("address") is not None or not _wants_pci(node):
        return
    used = _used(devices, None)
    if board == "pc":
        _put(node, 0, _next_slot(used, 0, 2), 0)
        return
    if _conventional(node):
        bridges = [index for index, model in _buses(devices).items() if model == "pcie-to-pci-bridge"]
        if not bridges:
            raise NoSlot
        _put(node, bridges[0], _next_slot(used, bridges[0], 1), 0)
        return
    free = _free_ports(devices, used)
    if not free:
        raise NoSlot
    _put(node, free[0], 0, 0)


def _assign_express(devices: Element, waiting: list[Element], used: set[tuple[int, int, int]]) -> None:
    buses = _buses(devices)
    alone = all(index == 0 for index in buses)
    free = len(_free_ports(devices, used))
    bridges = [index for index, model in buses.items() if model == "pcie-to-pci-bridge"]
    unplaced = sum(1 for index in bridges if _controller(devices, index).find("address") is None)
    wanted = 0  # how many ports the devices and bridges take, in the order in which libvirt finds out
    index = max(buses) + 1
    added: list[tuple[int, str]] = []

    def need_port() -> None:
        nonlocal wanted, index
        wanted += 1
        if wanted > free:
            added.append((index, "pcie-root-port"))
            index += 1

    for _bridge in range(unplaced):
        need_port()
    for node in waiting:
        if _conventional(node):
            if not bridges:
                need_port()
                added.append((index, "pcie-to-pci-bridge"))
                bridges.append(index)
                index += 1
        else:
            need_port()
    if alone and added:
        need_port()  # one to plug something into later
    for number, model in added:
        SubElement(devices, "controller", {"type": "pci", "index": str(number), "model": model})
    _place_ports(devices, used)
    ports = iter(_free_ports(devices, used))
    for bridge in bridges:
        controller = _controller(devices, bridge)
        if controller.find("model") is None:
            SubElement(controller, "model", name="pcie-pci-bridge")
        if controller.find("address") is None:
            _put(controller, next(ports), 0, 0)
    for node in waiting:
        if _conventional(node):
            slot = _next_slot(used, bridges[0], 1)
            _put(node, bridges[0], slot, 0)
        else:
            _put(node, next(ports), 0, 0)


def _place_ports(devices: Element, used: set[tuple[int, int, int]]) -> None:
    """Place root ports on the root bus, eight to a slot."""
    models = _buses(devices)
    taken = {
        _where(node.find("address"))
        for node in devices.iterfind("controller[@type='pci']")
        if node.get("model") == "pcie-root-port" and node.find("address") is not None
    }
    ports = {int(node.get("index", "0")): node for node in devices.iterfind("controller[@type='pci']")}
    slot, function = 1, 0
    for index in sorted(models):
        if models[index] != "pcie-root-port":
            continue
        node = ports[index]
        if node.find("model") is None:
            node.insert(0, Element("model", name="pcie-root-port"))
        if node.find("address") is not None:
            continue
        while (0, slot, function) in used or any(where not in taken for where in used if where[:2] == (0, slot)):
            slot, function = (slot, function + 1) if _shares(used, taken, slot) and function < 7 else (slot + 1, 0)
        used.add((0, slot, function))
        taken.add((0, slot, function))
        if node.find("target") is None:
            SubElement(node, "target", chassis=str(index), port=hex(slot << 3 | function))
        _put(node, 0, slot, function)


def _mark_shared_slots(devices: Element) -> None:
    """Say of each first function that there are others in its slot."""
    addresses = devices.findall("*/address[@type='pci']")
    places = [_where(address) for address in addresses]
    shared = {place[:2] for place in places if place[2]}
    for address, place in zip(addresses, places):
        if place[2] == 0 and place[:2] in shared and address.get("multifunction") is None:
            address.set("multifunction", "on")


def _shares(used: set[tuple[int, int, int]], taken: set[tuple[int, int, int]], slot: int) -> bool:
    return all(where in taken for where in used if where[:2] == (0, slot))


def _used(devices: Element, refuse: Refuse | None) -> set[tuple[int, int, int]]:
    used: set[tuple[int, int, int]] = set()
    for address in devices.iterfind("*/address[@type='pci']"):
        where = _where(address)
        if where in used and refuse is not None:
            bus, slot, function = where
            raise refuse(27, f"XML error: Attempted double use of PCI Address 0000:{bus:02x}:{slot:02x}.{function:x}")
        used.add(where)
    return used


def _where(address: Element | None) -> tuple[int, int, int]:
    if address is None:
        return (0, 0, 0)
    return (
        int(address.get("bus", "0"), 0),
        int(address.get("slot", "0"), 0),
        int(address.get("function", "0"), 0),
    )


def _in_order(devices: Element) -> list[Element]:
    return [node for tag in _ORDER for node in devices.iterfind(tag) if _wants_pci(node)]


def _wants_pci(node: Element) -> bool:
    kind, model = node.get("type"), node.get("model")
    if node.tag == "controller":
        return kind not in ("pci", "fdc", "ccid", "xenbus") and model != "none"
    if node.tag == "disk":
        target = node.find("target")
        return target is not None and target.get("bus") == "virtio"
    if node.tag == "hostdev":
        return kind == "pci"
    if node.tag in ("memballoon", "rng"):
        return (model or "virtio") == "virtio"
    if node.tag == "sound":
        return model in ("ich6", "ich9", "ac97", "es1370")
    if node.tag == "watchdog":
        return model == "i6300esb"
    return node.tag in _ORDER


def _name(node: Element) -> str:
    if node.tag == "interface":
        model = node.find("model")
        return (model.get("type") or "") if model is not None else ""
    return node.get("model") or ""


def _conventional(node: Element) -> bool:
    return _name(node) in _CONVENTIONAL or (node.tag == "controller" and node.get("type") == "sata")


def _chipset(node: Element, board: str) -> tuple[int, int] | None:
    if node.tag == "video":
        model = node.find("model")
        if model is not None and model.get("primary") == "yes":
            return (1, 0) if board == "q35" else (2, 0)
    first = node.get("index", "0") == "0"
    known = _CHIPSET[board]
    if not first:
        return None
    return known.get((node.tag, node.get("type") or "")) or known.get((node.tag, node.get("model") or ""))


def _buses(devices: Element) -> dict[int, str]:
    return {int(node.get("index", "0")): node.get("model", "") for node in devices.iterfind("controller[@type='pci']")}


def _controller(devices: Element, index: int) -> Element:
    node = devices.find(f"controller[@type='pci'][@index='{index}']")
    assert node is not None
    return node


def _free_ports(devices: Element, used: set[tuple[int, int, int]]) -> list[int]:
    taken = {bus for bus, _slot, _function in used}
    return sorted(i for i, model in _buses(devices).items() if model == "pcie-root-port" and i not in taken)


def _next_slot(used: set[tuple[int, int, int]], bus: int, first: int) -> int:
    taken = {slot for where, slot, _function in used if where == bus}
    for slot in range(first, 32):
        if slot not in taken:
            used.add((bus, slot, 0))
            return slot
    raise NoSlot


def _put(node: Element, bus: int, slot: int, function: int) -> None:
    where = {"bus": f"0x{bus:02x}", "slot": f"0x{slot:02x}", "function": f"0x{function:x}"}
    SubElement(node, "address", {"type": "pci", "domain": "0x0000", **where})
