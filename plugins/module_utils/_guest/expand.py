# Copyright: (c) 2026, the virtfleet.core contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""From the user's words to the table's, with what a host says: volumes, paths, targets, MACs, reservations.

``expand`` is pure: everything it knows of the host is in the Snapshot. Names that do not exist are complaints.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass, field, replace
from typing import Any

from .._facts import NetworkFacts, PoolFacts, Snapshot, SystemFacts, VolumeFacts
from .._image.making import Making
from .._network.reservations import Reservation
from .._storage.volume import VolumeWant
from .._table import Spec
from .._units import show_size
from .fields.about import OS
from .fields.boot import numbered
from .fields.disks import DISKS, prefix_of
from .fields.nics import NICS
from .platforms import platform_of
from .record import Record
from .skeleton import mac_for
from .spec import GuestSpec
from .table import LISTS

DEFAULT_POOL = "default"
REMOTE = "the host's osinfo-db cannot be read over this uri; run the task on the host itself, or leave os out"
SEED = "seed"


@dataclass
class Expanded:
    """What a guest's words come to on a host.

    ``want`` and ``have`` are normal specs for the table, ``have`` with what XML does not know (sizes, bases,
    reservations). ``volumes`` are the volumes behind disks by the disk's name, whether they exist or not. ``beside`` is
    what else goes on record of a device, by its kind and name.
    """

    want: Spec
    have: Spec
    volumes: dict[str, VolumeWant] = field(default_factory=dict)
    beside: dict[tuple[str, str], dict[str, Any]] = field(default_factory=dict)
    reservations: dict[str, list[Reservation]] = field(default_factory=dict)
    problems: list[str] = field(default_factory=list)
    warnings: list[str] = field(default_factory=list)


def expand(
    spec: GuestSpec, snap: Snapshot, have: Spec, record: Record, busy: Collection[str] = frozenset()
) -> Expanded:
    """Return the table's words for ``spec`` on the host of ``snap``; ``have`` is what was observed of the guest.

    ``busy`` are the targets of the disks that it runs with, which its definition may have given up already.
    """
    made = Expanded(dict(spec.values), dict(have))
    _system(spec, snap, made)
    _Disks(spec, snap, record, made, busy).run()
    _Nics(spec, snap, made).run()
    for keyed in LISTS:
        if keyed.name in spec.lists:
            pairs, _rest = keyed.match(spec.lists[keyed.name], made.have.get(keyed.name, []))
            made.want[keyed.name] = [{**(keyed.fresh(entry) if other is None else {}), **entry} for entry, other in pairs]
            if spec.exact.get(keyed.name):
                made.want[keyed.exact] = True
    _order(made)
    return made


def _system(spec: GuestSpec, snap: Snapshot, made: Expanded) -> None:
    """Say the operating system by its id of libosinfo; what it is called in the guest already needs no look at it."""
    word, present = spec.values.get("os"), made.have.get("os")
    if word is None:
        return
    known = snap.systems.get(word)
    if isinstance(known, SystemFacts):
        made.want["os"] = known.id
    elif present is None or not OS.same(word, present):
        made.problems.append(f"os: {known or REMOTE}")


def _order(made: Expanded) -> None:
    """An order of devices replaces one of kinds; without either, libvirt writes that the disk is booted."""
    if numbered(made.want):
        made.want.setdefault("boot", ())
    elif made.want.get("boot") == () and not numbered(made.have):
        made.want["boot"] = ("disk",)


class _Disks:
    def __init__(self, spec: GuestSpec, snap: Snapshot, record: Record, made: Expanded, busy: Collection[str]) -> None:
        self.spec, self.snap, self.record, self.made, self.busy = spec, snap, record, made, busy
        self.platform = platform_of(snap.host.driver)

    def run(self) -> None:
        present = [self._known(entry) for entry in self.made.have.get("disks", [])]
        self.made.have["disks"] = present
        wanted = self._wanted(present)
        if wanted is None:
            return
        pairs, _rest = DISKS.match(wanted, present)
        taken = {entry["target"] for entry in present if "target" in entry}
        taken |= {*self.busy, *(entry["target"] for entry in wanted if "target" in entry)}
        for entry, other in pairs:
            if other is None:
                self._new(entry, taken)
            else:
                self._matched(entry, other, taken)
        self.made.want["disks"] = [entry for entry, _other in pairs]
        if self.spec.disks is not None and self.spec.exact.get("disks"):
            self.made.want["disks_exact"] = True

    def _known(self, entry: Spec) -> Spec:
        """Add to a present disk what only its volume and the record know."""
        entry = dict(entry)
        path = (entry.get("source") or {}).get("file")
        volume = self.snap.volume_at(path) if path else None
        if volume is not None:
            entry["size"] = volume.capacity_bytes
        device = self.record.device("disk", entry.get("name", ""))
        base = (device.image if device else None) or (volume.backing if volume else None)
        if base:
            entry["image"] = base
        return entry

    def _wanted(self, present: list[Spec]) -> list[Spec] | None:
        """Return the wanted disks in the table's words, the seed among them; None to leave all disks alone."""
        seed = self._seed(present)
        if self.spec.disks is None:
            if seed is None or any(entry.get("name") == SEED for entry in present):
                return None
            return [{"name": entry["name"]} for entry in present if entry.get("ours")] + [seed]
        wanted = [self._one(position, entry) for position, entry in enumerate(self.spec.disks)]
        return [*wanted, *([seed] if seed is not None else [])]

    def _seed(self, present: list[Spec]) -> Spec | None:
        if self.spec.seed_device is None:
            known = any(entry.get("name") == SEED and entry.get("ours") for entry in present)
            return {"name": SEED} if known else None
        volume = self._volume(SEED, "raw", None, suffix="iso", pool=None)
        if volume is None:
            return {"name": SEED}
        self._behind(SEED, volume)
        entry = {"name": SEED, "source": {"file": volume.path}, "readonly": True}
        there = next((other.get("device", "disk") for other in present if other.get("name") == SEED), None)
        if there is None:
            entry.update(format="raw", device=self.spec.seed_device)
        elif there != self.spec.seed_device:
            other, option = ("unattend", "cloud_init") if there == "cdrom" else ("cloud_init", "unattend")
            self.made.problems.append(
                f"{option}: the guest has a seed for {other}, and cannot have another; make it anew"
            )
        return entry

    def _one(self, position: int, given: Spec) -> Spec:
        where = f"disks[{position}]"
        entry = {key: value for key, value in given.items() if key not in ("base", "blank", "volume", "pool")}
        if given.get("blank") or "base" in given:
            self._managed(where, given, entry)
        elif "volume" in given:
            self._existing_volume(where, given, entry)
        else:
            self._check_source(where, entry)
        return entry

    def _managed(self, where: str, given: Spec, entry: Spec) -> None:
        if given["name"] == SEED:
            self.made.problems.append(
                f"{where}.name: {SEED!r} is the name of the seed (cloud_init, unattend); choose another"
            )
            return
        form = given.get("format") or ("qcow2" if "base" in given else self.platform.blank_format)
        volume = self._volume(given["name"], form, given.get("size"), pool=given.get("pool"))
        if volume is None:
            return
        if "base" in given:
            base = self._base(where, given["base"], volume.pool)
            if base is None:
                return
            path, form, size = base
            below = self.snap.volume_at(path) or self.snap.images.get(path)
            if below is not None and below.encrypted:
                self.made.problems.append(
                    f"{where}.image: {given['base']} is encrypted, and cannot be opened below an overlay; let the disk itself be "
                    "encrypted (luks_secret), on an image that is not"
                )
            volume = replace(volume, base=path, base_format=form)
            if volume.format != "qcow2":
                self.made.problems.append(
                    f"{where}.format: {volume.format} cannot stand on an image; leave format out (qcow2)"
                )
            if volume.size_bytes is not None and size and volume.size_bytes < size:
                self.made.problems.append(
                    f"{where}.size: {show_size(volume.size_bytes)} is less than the image {given['base']} has "
                    f"({show_size(size)})"
                )
            entry["image"] = path
        if given.get("luks_secret"):
            volume = replace(volume, making=Making(luks_secret=given["luks_secret"]))
        self._behind(given["name"], volume)
        entry["source"] = {"file": volume.path}
        if given.get("size") is not None:
            entry["size"] = given["size"]

    def _behind(self, disk: str, volume: VolumeWant) -> None:
        self.made.volumes[disk] = volume
        self.made.beside[(DISKS.kind, disk)] = {"volume": volume.key, "image": volume.base}

    def _volume(
        self, disk: str, form: str, size_bytes: int | None, pool: str | None, suffix: str | None = None
    ) -> VolumeWant | None:
        """Return the volume of a disk: the one on record, else one named by guest and disk in the wanted pool."""
        device = self.record.device("disk", disk)
        known = device.pool_and_name if device else None
        if known is not None and (pool is None or known[0] == pool):
            pool_name, name = known
        else:
            pool_name, name = pool or self.spec.pool or DEFAULT_POOL, f"{self.spec.name}-{disk}.{suffix or form}"
        facts = self._pool(pool_name)
        if facts is None:
            return None
        present = self.snap.volumes.get((pool_name, name))
        path = present.path if present else f"{(facts.path or '').rstrip('/')}/{name}"
        return VolumeWant(pool_name, name, path, present.format if present else form, size_bytes)

    def _pool(self, name: str) -> PoolFacts | None:
        facts = self.snap.pools.get(name)
        if facts is None:
            known = ", ".join(sorted({*self.snap.pools, *self.snap.pool_names})) or "none"
            sentence = f"pool: there is no storage pool {name} (there are: {known}); make it with virtfleet.core.pool"
        elif not facts.active:
            sentence = f"pool: the storage pool {name} is not active; start it with virtfleet.core.pool"
        else:
            return facts
        if sentence not in self.made.problems:
            self.made.problems.append(sentence)
        return None

    def _base(self, where: str, image: str, pool: str) -> tuple[str, str, int] | None:
        """Return path, format and size of a base: an absolute path, or a name in the pool with or without ending."""
        if image.startswith("/"):
            volume = self.snap.volume_at(image)
            if volume is not None:
                return volume.path, volume.format, volume.capacity_bytes
            facts = self.snap.images.get(image)
            if facts is not None:
                return facts.path, facts.format, facts.virtual_bytes
            self.made.problems.append(f"{where}.image: there is no image at {image}")
            return None
        if image in self.snap.image_paths:
            return self._base(where, self.snap.image_paths[image], pool)
        found: VolumeFacts | None = None
        for name in image_names(image):
            found = found or self.snap.volumes.get((pool, name))
        if found is None:
            self.made.problems.append(
                f"{where}.image: there is no image {image} in the pool {pool}; make it with virtfleet.core.image"
            )
            return None
        return found.path, found.format, found.capacity_bytes

    def _existing_volume(self, where: str, given: Spec, entry: Spec) -> None:
        pool, slash, name = given["volume"].partition("/")
        if not slash:
            pool, name = given.get("pool") or self.spec.pool or DEFAULT_POOL, given["volume"]
        if self._pool(pool) is None:
            return
        facts = self.snap.volumes.get((pool, name))
        if facts is None:
            self.made.problems.append(f"{where}.volume: there is no volume {name} in the pool {pool}")
            return
        entry["source"] = {"file": facts.path}
        entry.setdefault("format", facts.format)

    def _check_source(self, where: str, entry: Spec) -> None:
        """Complain of a file or device that is not there or that QEMU's user cannot reach."""
        ((kind, path),) = entry["source"].items()
        if not isinstance(path, str):
            return
        option = "cdrom" if entry.get("device") == "cdrom" else kind
        facts = self.snap.paths.get(path)
        if facts is None:
            return
        if not facts.exists:
            self.made.problems.append(f"{where}.{option}: {path} does not exist on the host")
        elif facts.kind == "dir":
            self.made.problems.append(f"{where}.{option}: {path} is a directory")
        elif not facts.readable:
            self.made.problems.append(f"{where}.{option}: QEMU cannot read {path}: {facts.why}")

    def _new(self, entry: Spec, taken: set[str]) -> None:
        """Complete a disk that the guest does not have yet."""
        device = entry.setdefault("device", "lun" if entry.get("lun") else "disk")
        if "bus" not in entry:
            entry["bus"] = self.platform.bus(device, self.made.have, self.snap.system(self.spec.values.get("os")))
        if "target" not in entry:
            entry["target"] = self.platform.target(entry["bus"], taken)
        taken.add(entry["target"])
        if "format" not in entry:
            entry["format"] = self._format(entry)
        volume = self.made.volumes.get(entry["name"])
        if volume is not None:
            self._reused(entry, volume)

    def _format(self, entry: Spec) -> str:
        volume = self.made.volumes.get(entry["name"])
        if volume is not None:
            return volume.format
        ((kind, path),) = entry["source"].items() if entry.get("source") else (("file", None),)
        if entry["device"] != "disk" or kind != "file" or path is None:
            return "raw"
        known = self.snap.volume_at(path)
        facts = self.snap.images.get(path)
        seen = self.snap.paths.get(path)
        if (
            known is None
            and facts is None
            and seen is not None
            and seen.exists
            and seen.readable
            and seen.kind != "dir"
        ):
            # libvirt does not probe: a qcow2 file taken as raw would be written over by the guest.
            self.made.problems.append(f"disks.{entry['name']}.format: cannot tell the format of {path}; say it")
        return known.format if known is not None else facts.format if facts is not None else "raw"

    def _reused(self, entry: Spec, volume: VolumeWant) -> None:
        """A volume of this name that is already there is taken as it is, if it is what was asked for."""
        present = self.snap.volumes.get((volume.pool, volume.name))
        if present is None or entry["name"] == SEED:
            return
        if bool(entry.get("luks_secret")) != present.encrypted:
            there = "encrypted" if present.encrypted else "not encrypted"
            self.made.problems.append(
                f"disks.{entry['name']}.luks_secret: the volume {volume.key} exists already and is {there}; remove it, or name "
                "another disk"
            )
        if volume.base != present.backing:
            self.made.problems.append(
                f"disks.{entry['name']}: the volume {volume.key} exists already and stands on "
                f"{present.backing or 'no image'}, not on {volume.base or 'none'}; remove it, or name another disk"
            )
        if volume.size_bytes is not None and volume.size_bytes < present.capacity_bytes:
            self.made.problems.append(
                f"disks.{entry['name']}.size: the volume {volume.key} exists already and is larger "
                f"({present.capacity_bytes} bytes); remove it, or ask for at least that size"
            )
        self.made.warnings.append(f"the volume {volume.key} exists already and is used as it is for {entry['name']}")

    def _matched(self, entry: Spec, other: Spec, taken: set[str]) -> None:
        """Complete what follows from a disk that the guest already has."""
        if "bus" in entry and "target" not in entry and entry["bus"] != other.get("bus"):
            if prefix_of(entry["bus"]) != prefix_of(other.get("bus", "")):
                entry["target"] = self.platform.target(entry["bus"], taken)
                taken.add(entry["target"])
        volume = self.made.volumes.get(entry["name"])
        if volume is not None and other.get("source") != {"file": volume.path}:
            shown = next(iter((other.get("source") or {"": None}).values()))
            self.made.problems.append(
                f"disks.{entry['name']}: the guest's disk {other.get('target')} is {shown}, not the volume "
                f"{volume.key}; say it as file, or give the new disk a name and a target of its own"
            )
        if "format" in entry and entry["format"] != other.get("format") and volume is not None:
            self.made.problems.append(
                f"disks.{entry['name']}.format: the volume {volume.key} is {other.get('format')}; a disk keeps its "
                "format, make a new one and copy"
            )
        if volume is not None and (volume.pool, volume.name) in self.snap.volumes and "size" not in other:
            other["size"] = self.snap.volumes[(volume.pool, volume.name)].capacity_bytes


class _Nics:
    def __init__(self, spec: GuestSpec, snap: Snapshot, made: Expanded) -> None:
        self.spec, self.snap, self.made = spec, snap, made

    def run(self) -> None:
        present = [self._known(entry) for entry in self.made.have.get("nics", [])]
        self.made.have["nics"] = present
        if self.spec.nics is None:
            return
        wanted = [dict(entry) for entry in self.spec.nics]
        pairs, _rest = NICS.match(wanted, present)
        taken = {entry.get("mac", "").lower() for entry in [*present, *wanted]}
        for position, (entry, other) in enumerate(pairs):
            self._check_network(f"nics[{position}]", entry)
            if other is None:
                system = self.snap.system(self.spec.values.get("os"))
                entry.setdefault("model", platform_of(self.snap.host.driver).nic(system))
                salt = 0
                while "mac" not in entry:
                    mac = mac_for(self.snap.host, self.spec.name, entry["name"], salt)
                    salt += 1
                    if mac not in taken and mac not in self.snap.macs:
                        entry["mac"] = mac
                taken.add(entry["mac"])
            if entry.get("address") is not None:
                mac = entry.get("mac") or (other or {})["mac"]
                network = entry["source"]["network"]
                wish = Reservation(mac=mac, address=entry["address"], name=self.spec.name)
                self._warn_of_lease(entry["name"], mac, entry["address"])
                self.made.reservations.setdefault(network, []).append(wish)
                self.made.beside[(NICS.kind, entry["name"])] = {"network": network, "address": entry["address"]}
        self.made.want["nics"] = [entry for entry, _other in pairs]
        if self.spec.exact.get("nics"):
            self.made.want["nics_exact"] = True

    def _warn_of_lease(self, nic: str, mac: str, address: str) -> None:
        """dnsmasq keeps its word to whoever has the address now, and gives the reserved nic another one meanwhile."""
        for lessee in self.snap.lessees.get(address, ()):
            if lessee.lower() != mac:
                self.made.warnings.append(
                    f"nics.{nic}.address: {address} is leased to {lessee} now; until that lease ends, DHCP gives "
                    "this nic another address (reserve addresses outside of the network's dynamic range)"
                )

    def _known(self, entry: Spec) -> Spec:
        """Add to a present nic its reservation and its lease."""
        entry = dict(entry)
        mac = str(entry.get("mac", "")).lower()
        network = self.snap.networks.get((entry.get("source") or {}).get("network") or "")
        if network is not None:
            address = reservation_of(network, mac)
            if address is not None:
                entry["address"] = address
        if mac in self.snap.leased:
            entry["leased"] = self.snap.leased[mac]
        return entry

    def _check_network(self, where: str, entry: Spec) -> None:
        name = (entry.get("source") or {}).get("network")
        if name is None:
            return
        facts = self.snap.networks.get(name)
        if facts is None:
            known = ", ".join(sorted({*self.snap.networks, *self.snap.network_names})) or "none"
            self.made.problems.append(
                f"{where}.network: there is no network {name} (there are: {known}); make it with virtfleet.core.network"
            )
        elif not facts.active and self.spec.state in ("running", "paused"):
            self.made.problems.append(
                f"{where}.network: the network {name} is not active, so the guest could not start; start it with "
                "virtfleet.core.network"
            )


def reservation_of(network: NetworkFacts, mac: str) -> str | None:
    """Return the address that a network keeps for a MAC, or None."""
    return network.reserved.get(mac)


def image_names(image: str) -> tuple[str, ...]:
    """Return the names that a volume may have for an image: with or without an ending."""
    return (image, *(f"{image}.{ending}" for ending in ("qcow2", "raw", "img")))


def source_paths(spec: GuestSpec) -> list[str]:
    """Return the absolute paths on the host that a spec names and that must be there."""
    found: list[str] = [str(spec.values[option]) for option in ("kernel", "initrd") if spec.values.get(option)]
    for entry in spec.disks or ():
        source: Mapping[str, Any] = entry.get("source") or {}
        found.extend(path for path in source.values() if isinstance(path, str) and path.startswith("/"))
        if str(entry.get("base", "")).startswith("/"):
            found.append(str(entry["base"]))
    return found
