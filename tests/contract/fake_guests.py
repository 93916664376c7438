# Copyright: (c) 2026, the virtfleet.core contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The fake's guests."""

from __future__ import annotations

import ipaddress
from collections.abc import Collection, Mapping, Sequence
from copy import deepcopy
from typing import Any
from xml.etree.ElementTree import Element, SubElement

from ansible_collections.virtfleet.core.plugins.module_utils import _libvirt_read as read
from ansible_collections.virtfleet.core.plugins.module_utils._errors import SpecError, Timeout, Unsupported
from ansible_collections.virtfleet.core.plugins.module_utils._facts import (
    METADATA_URI,
    GuestFacts,
    GuestSummary,
    Lease,
)

from . import fake_live, fake_pci
from .fake_base import Definition, FakeBase, Guest, mutating, not_found, parse, refuser
from .fake_fill import board_of, fill_device, fill_guest, tidy, tidy_device

_NEVER_PLUGGED = ("ide", "sata", "fdc")
_UNLIMITED_KIB = 9007199254740991
_KEPT_OF_A_NIC = ("mac", "model", "alias", "address", "target")


class FakeGuests(FakeBase):
    """The half of the Hypervisor that is about guests."""

    def guests(self, names: Collection[str] | None = None) -> Mapping[str, GuestFacts]:
        result = {}
        for name, guest in self.guest_records.items():
            if names is not None and name not in names:
                continue
            live = guest.live.text if guest.live is not None else None
            saved = guest.saved.text if guest.saved is not None and live is None else None
            result[name] = GuestFacts(
                name=name,
                uuid=guest.uuid,
                state="saved" if saved is not None else guest.state,
                xml=guest.inactive.text if guest.inactive is not None else live or "",
                live_xml=live,
                autostart=guest.autostart,
                managed_save=guest.saved is not None,
                snapshots=guest.snapshots,
                checkpoints=guest.checkpoints,
                persistent=guest.inactive is not None,
                saved_xml=saved,
            )
        return result

    def summaries(self, states: Collection[str] | None = None, with_xml: bool = False) -> Sequence[GuestSummary]:
        return [
            read.guest_summary(facts.live_xml or facts.xml, facts.state, with_xml)
            for facts in self.guests().values()
            if states is None or facts.state in states
        ]

    def stats(self) -> Mapping[str, Mapping[str, Any]]:
        return {
            guest.uuid: {"balloon": {"current": guest.memory_bytes // 1024}, "vcpu": {"current": guest.vcpus}}
            for guest in self.summaries()
        }

    def addresses(self, name: str, source: str) -> Sequence[Mapping[str, Any]]:
        if source not in ("lease", "agent", "definition"):
            raise SpecError(
                f"could not read the addresses of guest {name}: no source {source!r}; say lease, agent or definition"
            )
        guest = self._known(name)
        if guest.live is None:
            return []
        if source == "definition":
            return read.defined_addresses(guest.live.text)
        if source == "agent":
            return list(self.agent_addresses.get(name, ())) if self._agent(guest) else []
        found = []
        for nic in guest.live.read().iterfind("devices/interface"):
            mac, target = nic.find("mac"), nic.find("target")
            address = (mac.get("address") or "") if mac is not None else ""
            leases = [lease for lease in self.lease_records if lease.mac == address]
            if leases and target is not None:
                found.append(
                    {
                        "name": target.get("dev") or "",
                        "mac": address,
                        "addresses": [{"address": each.address, "prefix": 24, "family": "ipv4"} for each in leases],
                    }
                )
        return found

    def agent_answers(
        self, names: Sequence[str], commands: Sequence[str], timeout: float
    ) -> Mapping[str, Mapping[str, Any]]:
        told = {"guest-get-host-name": {"host-name": "inside"}, "guest-get-osinfo": {"id": "debian", "version-id": "12"}}
        return {
            name: {command: told[command] for command in commands if command in told}
            if self._agent(self._known(name))
            else {}
            for name in names
        }

    def agent_ping(self, name: str, timeout: float) -> bool:
        return self._agent(self._known(name))

    # changes of the definition

    def guest_from_native(self, config: str) -> str:
        if config not in self.native_configs:
            raise Unsupported("could not read a configuration: this driver knows no format of its own; use libvirt's XML")
        return self.native_configs[config]

    def guest_to_native(self, xml: str) -> str:
        root = parse(xml, "write a configuration for", "guest")
        if root.get("type") != "xen":
            raise Unsupported("could not write a configuration: this driver knows no format of its own; use libvirt's XML")
        for metadata in root.findall("metadata"):
            root.remove(metadata)
        said = [f"{node.tag} {node.attrib} {(node.text or '').strip()}" for node in root.iter()]
        config = "".join([f'name = "{root.findtext("name")}"\n', *(f"# {line}\n" for line in said)])
        self.native_configs[config] = xml
        return config

    @mutating
    def define_guest(self, xml: str, validate: bool = False) -> None:
        root = parse(xml, "define", "guest")
        name = (root.findtext("name") or "").strip()
        refuse = refuser("define", "guest", name or "?")
        fill_guest(root, self.rng, refuse)
        root.attrib.pop("id", None)
        uuid = (root.findtext("uuid") or "").strip()
        same_name, same_uuid = self.guest_records.get(name), self._by_uuid(uuid)
        if same_uuid is not None and same_uuid.name != name:
            raise refuse(9, f"operation failed: domain '{same_uuid.name}' is already defined with uuid {uuid}")
        if same_name is not None and same_name.uuid != uuid:
            raise refuse(9, f"operation failed: domain '{name}' already exists with uuid {same_name.uuid}")
        guest = self.guest_records.setdefault(name, Guest(name, uuid))
        guest.inactive = Definition(root)

    def create_transient(self, xml: str) -> None:
        """Start a guest that is not defined, as another program would."""
        root = parse(xml, "create", "guest")
        fill_guest(root, self.rng, refuser("create", "guest", read.name_in(xml)))
        guest = Guest(root.findtext("name") or "", root.findtext("uuid") or "")
        self.guest_records[guest.name] = guest
        self._run(guest, root, paused=False)

    @mutating
    def undefine_guest(self, name: str) -> None:
        guest = self.guest_records.get(name)
        if guest is None:
            return
        guest.inactive = guest.saved = None
        guest.autostart = guest.snapshots = guest.checkpoints = False
        self._vanish(guest)

    @mutating
    def set_autostart(self, name: str, autostart: bool) -> None:
        guest = self._known(name)
        if guest.inactive is None:
            message = "Requested operation is not valid: cannot set autostart for transient domain"
            raise refuser("set the autostart of", "guest", name)(55, message)
        guest.autostart = autostart

    # states

    @mutating
    def start_guest(self, name: str, paused: bool = False) -> None:
        guest = self._known(name)
        if guest.live is not None:
            return
        if guest.saved is not None:
            root = deepcopy(guest.saved.read())
            root.set("id", str(self.numbers.next("domain")))
            guest.live, guest.saved, guest.state = Definition(root), None, "paused" if paused else "running"
            return
        assert guest.inactive is not None
        self._run(guest, guest.inactive.read(), paused)

    @mutating
    def shutdown_guest(self, name: str, timeout: float, force: bool) -> None:
        guest = self._known(name)
        if guest.live is None:
            return
        if name in self.stubborn and guest.state != "crashed" and not force:
            raise Timeout(f"could not stop guest {name}: it still runs after {timeout:g} s (last seen: {guest.state})")
        self._off(guest)

    @mutating
    def suspend_guest(self, name: str) -> None:
        self._running(name, "suspend").state = "paused"

    @mutating
    def resume_guest(self, name: str) -> None:
        self._running(name, "resume").state = "running"

    @mutating
    def save_guest(self, name: str) -> None:
        guest = self._known(name)
        if guest.live is None and guest.saved is not None:
            return
        guest = self._running(name, "save")
        if guest.inactive is None:
            message = "Requested operation is not valid: cannot do managed save for transient domain"
            raise refuser("save", "guest", name)(55, message)
        guest.saved = guest.live
        self._off(guest)

    @mutating
    def drop_managed_save(self, name: str) -> None:
        self._known(name).saved = None

    # the running guest

    @mutating
    def set_memory(self, name: str, size_bytes: int) -> None:
        guest = self._running(name, "set the memory of")
        root = self._live(guest)
        size_kib = -(-size_bytes // 1024)
        if size_kib > int(root.findtext("memory") or 0):
            message = "invalid argument: cannot set memory higher than max memory"
            raise refuser("set the memory of", "guest", name)(8, message)
        current = root.find("currentMemory")
        assert current is not None
        current.text = str(size_kib)

    @mutating
    def set_vcpus(self, name: str, count: int) -> None:
        guest = self._running(name, "set the vcpus of")
        vcpu = self._live(guest).find("vcpu")
        assert vcpu is not None
        most = int(vcpu.text or 1)
        if count > most:
            message = "requested vcpus is greater than max allowable vcpus for the live domain"
            raise refuser("set the vcpus of", "guest", name)(8, f"invalid argument: {message}: {count} > {most}")
        vcpu.attrib.pop("current", None)
        if count < most:
            vcpu.set("current", str(count))

    @mutating
    def pin_vcpus(self, name: str, pins: Mapping[int, str]) -> None:
        root = self._live(self._running(name, "pin the vcpus of"))
        for number, cpus in pins.items():
            if number >= int(root.findtext("vcpu") or 1):
                message = f"invalid argument: vcpu {number} is out of range of live cpu count"
                raise refuser(f"pin vcpu {number} of", "guest", name)(8, message)
            _pin(root, "vcpupin", {"vcpu": str(number)}, cpus)

    @mutating
    def pin_emulator(self, name: str, cpus: str) -> None:
        _pin(self._live(self._running(name, "pin the emulator of")), "emulatorpin", {}, cpus)

    @mutating
    def pin_iothreads(self, name: str, pins: Mapping[int, str]) -> None:
        root = self._live(self._running(name, "pin the I/O threads of"))
        for number, cpus in pins.items():
            if number > int(root.findtext("iothreads") or 0):
                message = f"invalid argument: iothread {number} not found"
                raise refuser(f"pin I/O thread {number} of", "guest", name)(8, message)
            _pin(root, "iothreadpin", {"iothread": str(number)}, cpus)

    @mutating
    def add_iothreads(self, name: str, numbers: Sequence[int]) -> None:
        root = self._live(self._running(name, "start I/O threads of"))
        _child(root, "iothreads").text = str(max(numbers))
        tidy(root)

    @mutating
    def set_parameters(self, name: str, what: str, values: Mapping[str, int]) -> None:
        root = self._live(self._running(name, f"tune the {what} of"))
        holder = _child(root, {"scheduler": "cputune", "memory": "memtune", "blkio": "blkiotune"}[what])
        words = {"cpu_shares": "shares", "vcpu_period": "period", "vcpu_quota": "quota"}
        for word, value in values.items():
            node = _child(holder, words.get(word, word))
            node.text = str(value)
            if what == "memory":
                node.set("unit", "KiB")
                if value >= _UNLIMITED_KIB:
                    holder.remove(node)
        if not len(holder):
            root.remove(holder)
        tidy(root)

    @mutating
    def set_stats_period(self, name: str, seconds: int) -> None:
        doing = "set the balloon's period of"
        balloon = self._live(self._running(name, doing)).find("devices/memballoon")
        if balloon is None or balloon.get("model") == "none":
            message = "Requested operation is not valid: Memory balloon model must be virtio to set the collection period"
            raise refuser(doing, "guest", name)(55, message)
        if seconds:
            _child(balloon, "stats").set("period", str(seconds))
        else:
            for stats in balloon.findall("stats"):
                balloon.remove(stats)
        tidy_device(balloon)

    @mutating
    def attach_device(self, name: str, xml: str) -> None:
        doing = "attach a device to"
        refuse = refuser(doing, "guest", name)
        guest = self._running(name, doing)
        node = parse(xml, doing, "guest")
        root = self._live(guest)
        devices = root.find("devices")
        assert devices is not None
        fill_device(node, self.rng, refuse)
        if node.tag == "disk":
            target = node.find("target")
            dev = (target.get("dev") or "") if target is not None else ""
            bus = (target.get("bus") or "") if target is not None else ""
            if bus in _NEVER_PLUGGED:
                raise refuse(84, f"Operation not supported: disk bus '{bus}' cannot be hotplugged.")
            if devices.find(f"disk/target[@dev='{dev}']") is not None:
                raise refuse(27, f"XML error: target '{dev}' duplicated for disk sources")
            self._check_source(node, refuse)
        self._check_network(node, refuse)
        try:
            board = board_of(root)
            if board:
                fake_pci.plug(devices, node, board)
        except fake_pci.NoSlot:
            raise refuse(1, "internal error: No more available PCI slots") from None
        fake_live.add_live(devices, node, self.numbers, self._bridge_of)
        if node.tag == "memory":
            fake_live.count_module(root, node, 1)
        tidy(root)
        if node.tag == "interface":
            self._give_leases(guest)

    @mutating
    def detach_device(self, name: str, xml: str, timeout: float = 30) -> None:
        doing = "detach a device from"
        guest = self._running(name, doing)
        assert guest.live is not None
        alias = read.device_alias(guest.live.text, xml)
        if alias is None:
            return
        devices = self._live(guest).find("devices")
        assert devices is not None
        node = next(node for node in devices if _alias(node) == alias)
        target = node.find("target")
        if node.tag == "disk" and target is not None and target.get("bus") in _NEVER_PLUGGED:
            message = "Operation not supported: This type of disk cannot be hot unplugged"
            raise refuser(doing, "guest", name)(84, message)
        if name in self.stubborn:
            raise Timeout(f"could not detach a device from guest {name}: it still holds {alias} after {timeout:g} s")
        devices.remove(node)
        if node.tag == "memory":
            fake_live.count_module(self._live(guest), node, -1)

    @mutating
    def update_device(self, name: str, xml: str) -> None:
        doing = "change a device of"
        refuse = refuser(doing, "guest", name)
        guest = self._running(name, doing)
        wanted = parse(xml, doing, "guest")
        assert guest.live is not None
        alias = read.device_alias(guest.live.text, xml)
        root = self._live(guest)
        present = next((node for node in root.iterfind(f"devices/{wanted.tag}") if _alias(node) == alias), None)
        if wanted.tag == "graphics":
            present = root.find("devices/graphics")
        if present is None:
            if wanted.tag == "disk":
                raise refuse(1, "internal error: disk not found")
            raise refuse(99, f"device not found: no device found for {wanted.tag}")
        if wanted.tag == "disk":
            self._change_disk(present, wanted, refuse)
        elif wanted.tag == "interface":
            model, old = wanted.find("model"), present.find("model")
            if model is not None and old is not None and model.get("type") != old.get("type"):
                raise refuse(84, f"Operation not supported: cannot modify network device model to {model.get('type')}")
            present[:] = [node for node in present if node.tag in _KEPT_OF_A_NIC] + [
                node for node in wanted if node.tag not in _KEPT_OF_A_NIC
            ]
            fake_live.live_nic(present, self.numbers, self._bridge_of)
        else:
            present.attrib.update(wanted.attrib)
        tidy(root)

    @mutating
    def set_block_iotune(self, name: str, target: str, limits: Mapping[str, int]) -> None:
        doing = f"limit disk {target} of"
        root = self._live(self._running(name, doing))
        disk = root.find(f"devices/disk/target[@dev='{target}']/..")
        if disk is None:
            message = f"invalid argument: disk '{target}' was not found in the domain config"
            raise refuser(doing, "guest", name)(8, message)
        for former in disk.findall("iotune"):
            disk.remove(former)
        if any(limits.values()):
            tuned = SubElement(disk, "iotune")
            for limit, value in limits.items():
                if value:
                    SubElement(tuned, limit).text = str(value)
        tidy(root)

    @mutating
    def resize_disk(self, name: str, target: str, size_bytes: int) -> None:
        doing = f"resize disk {target} of"
        guest = self._running(name, doing)
        disk = self._live(guest).find(f"devices/disk/target[@dev='{target}']/..")
        if disk is None:
            message = f"invalid argument: disk '{target}' was not found in the domain config"
            raise refuser(doing, "guest", name)(8, message)
        source = disk.find("source")
        image = self.file_at(source.get("file") or "") if source is not None else None
        if image is not None:
            image.capacity = size_bytes

    @mutating
    def set_title(self, name: str, title: str) -> None:
        self._set_text(name, "title", title)

    @mutating
    def set_description(self, name: str, description: str) -> None:
        self._set_text(name, "description", description)

    @mutating
    def set_metadata(self, name: str, xml: str) -> None:
        root = self._live(self._running(name, "set the metadata of"))
        metadata = root.find("metadata")
        if metadata is None:
            metadata = SubElement(root, "metadata")
        element = parse(xml, "set the metadata of", "guest") if xml else None
        namespace = element.tag.rpartition("}")[0] if element is not None else f"{{{METADATA_URI}"
        for node in list(metadata):
            if node.tag.startswith(f"{namespace}}}"):
                metadata.remove(node)
        if element is not None:
            metadata.append(element)
        tidy(root)

    # helpers

    def _known(self, name: str) -> Guest:
        guest = self.guest_records.get(name)
        if guest is None:
            raise not_found("guest", name)
        return guest

    def _by_uuid(self, uuid: str) -> Guest | None:
        return next((guest for guest in self.guest_records.values() if guest.uuid == uuid), None)

    def _running(self, name: str, doing: str) -> Guest:
        guest = self._known(name)
        if guest.live is None:
            raise refuser(doing, "guest", name)(55, "Requested operation is not valid: domain is not running")
        return guest

    @staticmethod
    def _live(guest: Guest) -> Element:
        assert guest.live is not None
        return guest.live.change()

    def _run(self, guest: Guest, definition: Element, paused: bool) -> None:
        refuse = refuser("start", "guest", guest.name)
        for nic in definition.iterfind("devices/interface"):
            self._check_network(nic, refuse)
        for disk in definition.iterfind("devices/disk"):
            self._check_source(disk, refuse)
        booted = self.guests_boot and not paused
        guest.live = Definition(fake_live.start(definition, self.numbers, self._bridge_of, booted))
        guest.state = "paused" if paused else "running"
        if booted:
            self._give_leases(guest)

    def _off(self, guest: Guest) -> None:
        guest.live, guest.state = None, "stopped"
        self._vanish(guest)

    def _vanish(self, guest: Guest) -> None:
        if guest.live is None and guest.inactive is None:
            self.guest_records.pop(guest.name, None)

    def _agent(self, guest: Guest) -> bool:
        running = guest.live is not None and guest.state == "running" and guest.name not in self.silent
        return running and guest.live is not None and read.agent_connected(guest.live.text)

    def _bridge_of(self, network: str) -> str | None:
        record = self.network_records.get(network)
        bridge = record.live.read().find("bridge") if record is not None and record.live is not None else None
        return bridge.get("name") if bridge is not None else None

    def _check_network(self, node: Element, refuse: Any) -> None:
        source = node.find("source")
        if node.tag != "interface" or node.get("type") != "network" or source is None:
            return
        name = source.get("network") or ""
        record = self.network_records.get(name)
        if record is None:
            raise refuse(43, f"Network not found: no network with matching name '{name}'")
        if record.live is None:
            raise refuse(55, f"Requested operation is not valid: network '{name}' is not active")

    def _check_source(self, disk: Element, refuse: Any) -> None:
        """Refuse a file that is not in a folder of which the fake knows everything."""
        source = disk.find("source")
        path = (source.get("file") or "") if source is not None else ""
        folder, _slash, name = path.rpartition("/")
        if folder in self.folders and name not in self.folders[folder]:
            message = f"Cannot access storage file '{path}' (as uid:64055, gid:64055): No such file or directory"
            raise refuse(38, message)

    def _change_disk(self, present: Element, wanted: Element, refuse: Any) -> None:
        if present.get("device") not in ("cdrom", "floppy"):
            raise refuse(84, "Operation not supported: cannot modify field 'source' (or its parts) of the disk")
        self._check_source(wanted, refuse)
        source = wanted.find("source")
        for node in [*present.findall("source"), *present.findall("backingStore")]:
            present.remove(node)
        driver = present.find("driver")
        if source is None or not source.attrib:
            if driver is not None:
                driver.attrib.pop("type", None)
            return
        kind = wanted.find("driver")
        if driver is not None:
            driver.set("type", (kind.get("type") if kind is not None else None) or "raw")
        present.append(source)
        SubElement(present, "backingStore")

    def _set_text(self, name: str, tag: str, text: str) -> None:
        root = self._live(self._running(name, f"set the {tag} of"))
        node = root.find(tag)
        if not text:
            if node is not None:
                root.remove(node)
            return
        if node is None:
            node = SubElement(root, tag)
        node.text = text
        tidy(root)

    def _give_leases(self, guest: Guest) -> None:
        """Let each nic of a booted guest ask for an address: its reservation, or the next that is free."""
        assert guest.live is not None
        for nic in guest.live.read().iterfind("devices/interface[@type='network']"):
            mac, source = nic.find("mac"), nic.find("source")
            if mac is None or source is None or any(lease.mac == mac.get("address") for lease in self.lease_records):
                continue
            network = source.get("network") or ""
            record = self.network_records.get(network)
            address = self._offer(record.live.read(), mac.get("address") or "") if record and record.live else None
            if address is not None:
                self.lease_records.append(Lease(network, mac.get("address") or "", address, guest.name, 2_000_000_000))

    def _offer(self, network: Element, mac: str) -> str | None:
        for host in network.iterfind("ip/dhcp/host"):
            if (host.get("mac") or "").lower() == mac:
                return host.get("ip")
        taken = {lease.address for lease in self.lease_records}
        taken |= {host.get("ip") or "" for host in network.iterfind("ip/dhcp/host")}
        for span in network.iterfind("ip/dhcp/range"):
            first, last = (ipaddress.ip_address(span.get(key) or "") for key in ("start", "end"))
            address = first
            while address <= last:  # type: ignore[operator]
                if str(address) not in taken:
                    return str(address)
                address += 1
        return None


def _child(parent: Element, tag: str) -> Element:
    node = parent.find(tag)
    return SubElement(parent, tag) if node is None else node


def _pin(root: Element, tag: str, key: Mapping[str, str], cpus: str) -> None:
    tune = _child(root, "cputune")
    node = next((pin for pin in tune.findall(tag) if all(pin.get(name) == value for name, value in key.items())), None)
    if node is None:
        node = SubElement(tune, tag, dict(key))
    node.set("cpuset", cpus)
    tidy(root)


def _alias(node: Element) -> str | None:
    alias = node.find("alias")
    return alias.get("name") if alias is not None else None
