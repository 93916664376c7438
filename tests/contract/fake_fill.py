# Copyright: (c) 2026, the virtfleet.core contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What libvirt adds to a guest's definition, learned from the recorded pairs: for x86 guests of QEMU.

Other architectures get what does not depend on the board. What is not known here is left as it is and where it is.
"""

from __future__ import annotations

import re
import uuid
from random import Random
from xml.etree.ElementTree import Element, SubElement

from . import fake_pci
from .fake_pci import Refuse

MACHINES = {"q35": "pc-q35-7.2", "pc": "pc-i440fx-7.2"}
_BUS_BY_PREFIX = {"vd": "virtio", "sd": "scsi", "hd": "ide", "xv": "xen", "fd": "fdc"}
_PER_CONTROLLER = {"sata": 6, "scsi": 7, "ide": 4}
_UNIT = re.compile(r"^([kmgtpe]?)(i?b|ytes)?$")

_TOP = (
    "name uuid genid title description metadata maxMemory memory currentMemory blkiotune memtune memoryBacking vcpu "
    "vcpus iothreads iothreadids cputune numatune resource sysinfo bootloader bootloader_args os idmap features cpu "
    "clock on_poweroff on_reboot on_crash on_lockfailure pm perf devices seclabel"
).split()
_DEVICES = (
    "emulator disk controller lease filesystem interface smartcard serial parallel console channel input tpm graphics "
    "sound audio video hostdev redirdev redirfilter hub watchdog memballoon rng nvram panic shmem memory iommu vsock"
).split()
_DEVICE = (
    "driver auth mac model stats backend source protocol log backingStore mirror iotune target guest link mtu listen "
    "readonly shareable transient serial wwn vendor product encryption boot rom alias address"
).split()
_INTERFACE = (
    "mac source virtualport ip route script target guest model driver backend filterref tune link mtu bandwidth vlan "
    "port coalesce boot rom alias address"
).split()
_DISK = (
    "driver auth source backingStore mirror blockio target iotune readonly shareable transient serial wwn vendor "
    "product encryption boot alias address"
).split()


def fill_guest(root: Element, rng: Random, refuse: Refuse) -> None:
    """Add what libvirt adds, and raise what libvirt raises."""
    if not root.findtext("name"):
        raise refuse(27, "missing name information")
    if "/" in str(root.findtext("name")):
        raise refuse(27, f"XML error: name {root.findtext('name')} cannot contain '/'")
    board = _fill_head(root, rng, refuse)
    devices = _child(root, "devices")
    if root.get("type") in ("qemu", "kvm") and devices.find("emulator") is None:
        devices.insert(0, Element("emulator"))
        devices[0].text = f"/usr/bin/qemu-system-{_os_type(root).get('arch', 'x86_64')}"
    # Before the bus of a disk that names none is known: the next definition puts such a disk elsewhere.
    sort_disks(devices)
    for disk in devices.iterfind("disk"):
        _fill_disk(disk)
    for nic in devices.iterfind("interface"):
        _fill_nic(nic, rng, refuse)
    for module in devices.iterfind("memory[@model='dimm']"):
        _fill_module(module, devices)
    if board:
        _fill_x86(root, devices, board, refuse)
    _check(root, devices, refuse)
    tidy(root)


def board_of(root: Element) -> str:
    """Return `q35`, `pc`, or nothing for a machine whose board is not known here."""
    machine = _os_type(root).get("machine") or ""
    if root.get("type") not in ("qemu", "kvm"):
        return ""
    return "q35" if "q35" in machine else "pc" if machine.startswith("pc") else ""


def fill_device(node: Element, rng: Random, refuse: Refuse) -> None:
    """Add what libvirt adds to one device that is attached to a running guest."""
    if node.tag == "disk":
        _fill_disk(node)
        _disk_address(node, refuse)
    elif node.tag == "interface":
        _fill_nic(node, rng, refuse)


def tidy(root: Element) -> None:
    """Put elements into libvirt's order; those that it does not know stay behind the others of theirs."""
    _sort(root, _TOP)
    devices = root.find("devices")
    if devices is None:
        return
    _sort(devices, _DEVICES)
    for node in devices:
        tidy_device(node)


def tidy_device(node: Element) -> None:
    if len(node) > 1:
        _sort(node, {"interface": _INTERFACE, "disk": _DISK}.get(node.tag, _DEVICE))


def _sort(parent: Element, order: list[str]) -> None:
    rank = {tag: number for number, tag in enumerate(order)}
    before = list(parent)
    # Foreign elements come behind all known ones, but for a device's alias and address, which are always last.
    foreign = len(order) - 2.5 if order[-1] == "address" else len(order)
    after = sorted(before, key=lambda child: rank.get(child.tag, foreign))
    if before != after:
        parent[:] = after


def _fill_head(root: Element, rng: Random, refuse: Refuse) -> str:
    if root.get("type") not in ("qemu", "kvm", "xen", "test"):
        raise refuse(67, f"unsupported configuration: invalid domain type {root.get('type')}")
    if not root.findtext("uuid"):
        _child(root, "uuid").text = str(uuid.UUID(int=rng.getrandbits(128), version=4))
    memory = root.find("memory")
    total = kib(memory) if memory is not None else 0
    if memory is None or not total:
        raise refuse(27, "XML error: Memory size must be specified via <memory> or in the <numa> configuration")
    # The nodes of a guest and its modules say how much it has, whatever else is said.
    nodes = sum(_cell_kib(cell) for cell in root.iterfind("cpu/numa/cell"))
    total = nodes + sum(kib(size) for size in root.iterfind("devices/memory/target/size")) if nodes else total
    _set_kib(memory, total)
    current = root.find("currentMemory")
    _set_kib(_child(root, "currentMemory"), min(total, kib(current)) if current is not None else total)
    vcpu = _child(root, "vcpu")
    vcpu.text = (vcpu.text or "1").strip()
    if vcpu.get("placement") is None:
        vcpu.set("placement", "static")
    if vcpu.get("current") == vcpu.text:
        del vcpu.attrib["current"]
    if int(vcpu.get("current", "1")) > int(vcpu.text):
        raise refuse(67, "unsupported configuration: maximum vCPU count must not be less than current vCPU count")
    board = _fill_os(root, refuse)
    _fill_cpu(root, int(vcpu.text), board, refuse)
    if root.find("clock") is None:
        SubElement(root, "clock", offset="utc")
    for tag, text in (("on_poweroff", "destroy"), ("on_reboot", "restart"), ("on_crash", "destroy")):
        if root.find(tag) is None:
            SubElement(root, tag).text = text
    return board


def _fill_os(root: Element, refuse: Refuse) -> str:
    if root.find("os/type") is None and root.find("bootloader") is None:
        raise refuse(27, "XML error: an os <type> must be specified")
    kind, board = _os_type(root), ""
    if root.get("type") in ("qemu", "kvm"):
        kind.set("arch", kind.get("arch") or "x86_64")
        if kind.get("arch") in ("x86_64", "i686"):
            machine = kind.get("machine") or "pc"
            machine = MACHINES.get(machine, machine)
            if not re.match(r"pc-(q35|i440fx)-([3-6]\.\d|7\.[0-2])$", machine):
                message = f"Emulator '/usr/bin/qemu-system-x86_64' does not support machine type '{machine}'"
                raise refuse(67, f"unsupported configuration: {message}")
            kind.set("machine", machine)
            board = board_of(root)
    system = root.find("os")
    ordered = root.find("devices/*/boot") is not None
    if board and system is not None and system.find("boot") is None and not ordered:
        SubElement(system, "boot", dev="hd")
    return board


def _fill_cpu(root: Element, vcpus: int, board: str, refuse: Refuse) -> None:
    cpu = root.find("cpu")
    if cpu is None:
        if board:
            cpu = SubElement(root, "cpu", mode="custom", match="exact", check="none")
            SubElement(cpu, "model", fallback="forbid").text = "qemu64"
        return
    mode = cpu.get("mode") or ("custom" if cpu.find("model") is not None else "")
    if mode:
        cpu.set("mode", mode)
    if mode == "custom" and cpu.get("match") is None:
        cpu.set("match", "exact")
    if mode and cpu.get("check") is None:
        cpu.set("check", "partial" if mode in ("custom", "host-model") else "none")
    model = cpu.find("model")
    if mode == "custom" and model is not None and model.get("fallback") is None:
        model.set("fallback", "allow")
    topology = cpu.find("topology")
    if topology is not None:
        if topology.get("dies") is None:
            topology.set("dies", "1")
        product = 1
        for key in ("sockets", "dies", "cores", "threads"):
            product *= int(topology.get(key, "1"))
        if product != vcpus:
            raise refuse(67, "unsupported configuration: CPU topology doesn't match maximum vcpu count")


def _fill_module(module: Element, devices: Element) -> None:
    """A module of memory without a slot gets the first that is free."""
    if module.find("address") is None:
        taken = {each.get("slot") for each in devices.iterfind("memory/address[@type='dimm']")}
        free = next(str(slot) for slot in range(256) if str(slot) not in taken)
        SubElement(module, "address", type="dimm", slot=free)


def _fill_disk(disk: Element) -> None:
    disk.attrib = {"type": disk.get("type") or "file", "device": disk.get("device") or "disk", **disk.attrib}
    target = disk.find("target")
    if target is not None and target.get("bus") is None:
        target.set("bus", _BUS_BY_PREFIX.get((target.get("dev") or "")[:2], "virtio"))
    driver = _child(disk, "driver")
    # libxl leaves the name to Xen.
    xen = target is not None and target.get("bus") == "xen"
    for key, value in (("type", "raw"),) if xen else (("name", "qemu"), ("type", "raw")):
        if driver.get(key) is None:
            driver.set(key, value)
    if disk.get("device") == "cdrom" and disk.find("readonly") is None:
        SubElement(disk, "readonly")


def sort_disks(devices: Element) -> None:
    """Put the disks of each bus into the order of their names, as libvirt does with each that comes."""
    result: list[Element] = []
    for disk in devices.findall("disk"):
        devices.remove(disk)
        bus, number = _place(disk)
        at = None
        for place in range(len(result) - 1, -1, -1):
            other_bus, other = _place(result[place])
            if other_bus == bus and other > number:
                at = place
            elif other_bus == bus and at is None:
                at = place + 1
        result.insert(len(result) if at is None else at, disk)
    devices.extend(result)


def _place(disk: Element) -> tuple[str, int]:
    target = disk.find("target")
    return (target.get("bus") or "", letters(target.get("dev") or "")) if target is not None else ("", 0)


def _fill_nic(nic: Element, rng: Random, refuse: Refuse) -> None:
    mac = _child(nic, "mac")
    address = mac.get("address") or random_mac(rng)
    if not re.match(r"^([0-9a-fA-F]{2}:){5}[0-9a-fA-F]{2}$", address):
        raise refuse(27, f"XML error: unable to parse mac address '{address}'")
    if int(address[:2], 16) & 1:
        raise refuse(27, f"XML error: expected unicast mac address, found multicast '{address}'")
    mac.set("address", address.lower())
    if nic.find("model") is None and nic.get("type") != "hostdev":
        SubElement(nic, "model", type="rtl8139")


def random_mac(rng: Random) -> str:
    return ":".join(("52:54:00", *(f"{rng.randrange(256):02x}" for _byte in range(3))))


def _fill_x86(root: Element, devices: Element, board: str, refuse: Refuse) -> None:
    _fill_consoles(devices)
    _fill_inputs(devices)
    _fill_graphics(devices)
    if devices.find("audio") is None:
        SubElement(devices, "audio", id="1", type="none")
    if devices.find("memballoon") is None:
        SubElement(devices, "memballoon", model="virtio")
    for watchdog in devices.iterfind("watchdog"):
        if watchdog.get("action") is None:
            watchdog.set("action", "reset")
    for disk in devices.iterfind("disk"):
        _disk_address(disk, refuse)
    _fill_controllers(devices, board, refuse)
    ports = {node.get("port") for node in devices.iterfind("channel/address[@type='virtio-serial']")}
    for channel in devices.iterfind("channel"):
        if channel.find("target[@type='virtio']") is not None and channel.find("address") is None:
            port = next(str(number) for number in range(1, 512) if str(number) not in ports)
            ports.add(port)
            SubElement(channel, "address", type="virtio-serial", controller="0", bus="0", port=port)
    _usb_addresses(devices, refuse)
    try:
        fake_pci.assign(devices, board, refuse)
    except fake_pci.NoSlot:
        raise refuse(1, "internal error: No more available PCI slots") from None


def _fill_controllers(devices: Element, board: str, refuse: Refuse) -> None:
    def add(kind: str, index: int, model: str | None = None) -> None:
        if devices.find(f"controller[@type='{kind}'][@index='{index}']") is None:
            node = SubElement(devices, "controller", type=kind, index=str(index))
            if model:
                node.set("model", model)

    counts: dict[str, int] = {}
    for node in _grouped(devices):
        kind = node.get("type") or ""
        if node.get("index") is None:
            index = str(counts.get(kind, -1) + 1)
            node.attrib = {"type": kind, "index": index, **node.attrib}
            node.set("index", index)
        counts[kind] = max(counts.get(kind, -1), int(node.get("index", "0")))
        if kind == "scsi" and node.get("model") is None:
            node.set("model", "lsilogic")
        if kind == "usb" and node.get("model") is None:
            node.set("model", "qemu-xhci" if board == "q35" else "piix3-uhci")
    roots = {"q35": "pcie-root", "pc": "pci-root"}
    present = devices.find("controller[@type='pci'][@index='0']")
    if present is not None and present.get("model") != roots[board]:
        message = f"must be model='{roots[board]}' for this machine type, but model='{present.get('model')}' was found"
        raise refuse(27, f"XML error: The PCI controller with index='0' {message} instead")
    if devices.find("controller[@type='usb']") is None:
        add("usb", 0, "qemu-xhci" if board == "q35" else "piix3-uhci")
    if board == "q35":
        add("sata", 0)
    add("pci", 0, roots[board])
    for kind in ("scsi", "ide", "sata"):
        for disk in devices.iterfind("disk"):
            address = disk.find("address[@type='drive']")
            if address is not None and disk.find(f"target[@bus='{kind}']") is not None:
                for number in range(int(address.get("controller", "0")) + 1):
                    add(kind, number, "lsilogic" if kind == "scsi" else None)
    serial = devices.find("channel/target[@type='virtio']"), devices.find("console/target[@type='virtio']")
    if any(node is not None for node in serial):
        add("virtio-serial", 0)


def _grouped(devices: Element) -> list[Element]:
    """Put each type's controllers together by their index, as libvirt does with those that it reads.

    Those that it adds itself are appended: a definition that is read and defined again has another order.
    """
    result: list[Element] = []
    for node in devices.findall("controller"):
        devices.remove(node)
        at = None
        for place in range(len(result) - 1, -1, -1):
            other = result[place]
            if other.get("type") != node.get("type"):
                continue
            if node.get("index") is None:
                at = place + 1
                break
            if int(other.get("index", "0")) > int(node.get("index", "0")):
                at = place
            elif at is None:
                at = place + 1
        result.insert(len(result) if at is None else at, node)
    devices.extend(result)
    return result


def _disk_address(disk: Element, refuse: Refuse) -> None:
    target, address = disk.find("target"), disk.find("address")
    if target is None:
        return
    bus, name = target.get("bus") or "", target.get("dev") or ""
    wanted = "drive" if bus in _PER_CONTROLLER or bus == "fdc" else "pci" if bus == "virtio" else None
    if address is not None:
        if wanted is not None and address.get("type") != wanted:
            message = f"Invalid address type '{address.get('type')}' for the disk '{name}' with the bus type '{bus}'"
            raise refuse(67, f"unsupported configuration: {message}")
        return
    if bus in _PER_CONTROLLER:
        index = letters(name)
        controller, unit = divmod(index, _PER_CONTROLLER[bus])
        channel = 0
        if bus == "ide":
            channel, unit = divmod(unit, 2)
        SubElement(
            disk, "address", type="drive", controller=str(controller), bus=str(channel), target="0", unit=str(unit)
        )


def letters(name: str) -> int:
    """Return the number of a disk's name: 0 for vda, 25 for vdz, 26 for vdaa."""
    number = 0
    for letter in re.sub(r"^(xvd|[a-z]d)", "", name) or "a":
        number = number * 26 + ord(letter) - ord("a") + 1
    return number - 1


def _fill_consoles(devices: Element) -> None:
    serials = devices.findall("serial")
    consoles = devices.findall("console")
    first = consoles[0] if consoles else None
    if first is not None and not serials and first.find("target[@type='virtio']") is None:
        serial = SubElement(devices, "serial", dict(first.attrib))
        serial.attrib.pop("tty", None)
        serials = [serial]
    for number, serial in enumerate(serials):
        target = _child(serial, "target")
        target.attrib = {"type": target.get("type") or "isa-serial", "port": target.get("port") or str(number)}
        if target.find("model") is None:
            SubElement(target, "model", name="isa-serial")
    twins = [node for node in consoles if _is_twin(node)]
    if serials and not twins:
        twins.append(Element("console"))
        devices.insert(list(devices).index(consoles[0]) if consoles else len(devices), twins[0])
    twin: Element | None = twins[0] if twins else None
    if serials and twin is not None:
        twin.attrib = {"type": serials[0].get("type") or "pty", **{k: v for k, v in twin.attrib.items() if k == "tty"}}
        port = serials[0].find("target")
        twin[:] = [*(_copy(node) for node in serials[0] if node.tag in ("source", "protocol", "log"))]
        SubElement(twin, "target", type="serial", port=port.get("port", "0") if port is not None else "0")
    number = 0
    for console in devices.iterfind("console"):
        aimed = console.find("target")
        if console is not twin and aimed is not None and aimed.get("port") is None:
            aimed.set("port", str(number))
        if console is not twin:
            number += 1


def _is_twin(console: Element) -> bool:
    target = console.find("target")
    return target is None or target.get("type") in (None, "serial")


def _fill_inputs(devices: Element) -> None:
    for kind in ("mouse", "keyboard"):
        if devices.find(f"input[@type='{kind}'][@bus='ps2']") is None:
            SubElement(devices, "input", type=kind, bus="ps2")


def _fill_graphics(devices: Element) -> None:
    for graphics in devices.iterfind("graphics"):
        if graphics.get("type") == "vnc" and graphics.get("port", "-1") == "-1":
            rest = {key: value for key, value in graphics.attrib.items() if key not in ("type", "port", "autoport")}
            graphics.attrib = {"type": "vnc", "port": "-1", "autoport": "yes", **rest}
        if graphics.get("type") in ("vnc", "spice") and graphics.find("listen") is None:
            where = graphics.get("listen")
            SubElement(graphics, "listen", type="address", **({} if where is None else {"address": where}))
    if devices.find("graphics") is not None and devices.find("video") is None:
        SubElement(SubElement(devices, "video"), "model", type="cirrus")
    for number, video in enumerate(devices.iterfind("video")):
        model = _child(video, "model")
        if model.get("type") in ("vga", "cirrus") and model.get("vram") is None:
            model.set("vram", "16384")
        if model.get("type") != "none" and model.get("heads") is None:
            model.set("heads", "1")
        if number == 0 and model.get("type") != "none":
            model.set("primary", "yes")


def _usb_addresses(devices: Element, refuse: Refuse) -> None:
    nodes = [disk for disk in devices.iterfind("disk") if disk.find("target[@bus='usb']") is not None]
    nodes += devices.findall("input[@bus='usb']")
    if nodes and devices.find("controller[@type='usb'][@model='none']") is not None:
        message = "USB is disabled for this domain, but USB devices are present in the domain XML"
        raise refuse(67, f"unsupported configuration: {message}")
    ports = {address.get("port") for address in devices.iterfind("*/address[@type='usb']")}
    for node in nodes:
        if node.find("address") is None:
            port = next(str(number) for number in range(1, 99) if str(number) not in ports)
            ports.add(port)
            SubElement(node, "address", type="usb", bus="0", port=port)


def _check(root: Element, devices: Element, refuse: Refuse) -> None:
    seen: dict[str, str] = {}
    for disk in devices.iterfind("disk"):
        target, source = disk.find("target"), disk.find("source")
        name = (target.get("dev") or "") if target is not None else ""
        file = (source.get("file") or "") if source is not None else ""
        if name in seen:
            message = f"target '{name}' duplicated for disk sources '{seen[name] or '<null>'}' and '{file or '<null>'}'"
            raise refuse(27, f"XML error: {message}")
        seen[name] = file
    orders = [boot.get("order") for boot in root.iterfind("devices/*/boot")]
    for order in orders:
        if orders.count(order) > 1:
            raise refuse(67, f"unsupported configuration: boot order '{order}' used for more than one device")


def _cell_kib(cell: Element) -> int:
    """Return the memory of a node, which is an attribute, in KiB."""
    said = Element("memory", {"unit": cell.get("unit", "KiB")})
    said.text = cell.get("memory", "0")
    return kib(said)


def kib(node: Element) -> int:
    """Return a size in KiB, rounded up as libvirt does."""
    number, unit = int((node.text or "0").strip() or 0), (node.get("unit") or "KiB").lower()
    match = _UNIT.match(unit)
    if unit in ("b", "bytes"):
        size = number
    elif match is None:
        raise ValueError(unit)
    else:
        base = 1000 if unit.endswith("b") and not unit.endswith("ib") else 1024
        size = number * base ** ("kmgtpe".index(unit[0]) + 1)
    return -(-size // 1024)


def _set_kib(node: Element, size: int) -> None:
    node.set("unit", "KiB")
    node.text = str(size)


def _os_type(root: Element) -> Element:
    found = root.find("os/type")
    return found if found is not None else Element("type")


def _child(parent: Element, tag: str) -> Element:
    found = parent.find(tag)
    return found if found is not None else SubElement(parent, tag)


def _copy(node: Element) -> Element:
    twin = Element(node.tag, node.attrib)
    twin.text, twin.tail = node.text, node.tail
    twin[:] = [_copy(child) for child in node]
    return twin
