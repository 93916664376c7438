# Copyright: (c) 2026, the virtfleet.core contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""One guest in the words of the module guest, and the rest of it as overlays.

What is said is found by comparing: a guest is made from the words in memory, as on a host that has none, and whatever
comes out otherwise than it stands here gets a word, or where there is no word an overlay.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

from .. import _xml
from .._change import UNSET
from .._errors import SpecError, VirtError
from .._facts import GuestFacts, Snapshot
from .._guest.expand import SEED, Expanded, expand, image_names, reservation_of
from .._guest.fields.boot import numbered
from .._guest.fields.disks import DISKS, SOURCE
from .._guest.fields.groups import NONE
from .._guest.fields.nics import SOURCE as NIC_SOURCE
from .._guest.options import GUEST_OPTIONS
from .._guest.plan import Options, plan
from .._guest.platforms import platform_of, preset
from .._guest.record import Record
from .._guest.record import read as read_record
from .._guest.skeleton import uuid_for
from .._guest.spec import parse
from .._guest.table import GUEST, LISTS
from .._network.reservations import Reservation, reserve
from .._residue import missing, surplus
from .._table import Context, Field, Keyed, Spec, Union, build, compare, cover, located, observe, patch
from .._units import show_size
from .._xml import Element, Overlay
from .derived import cleaned, without_secrets
from .words import HIDDEN_WHY, TRANSIENT_WHY, Left, Said, ordered, sentence, unsettled

_KIND = "guest"
_TYPES = ("kvm", "qemu", "xen")
_STATES = ("running", "paused")
_ROWS = {row.name: row for row in GUEST.entries if isinstance(row, Field) and row.said}
# What cannot be said without another option.
_NEEDED = {"initrd": "kernel", "cmdline": "kernel"}
# They follow the option below them, so they are looked at when that is settled.
_CEILINGS = ("memory_max", "vcpus_max")

OVERLAID_WHY = "no option says it; xml_overlay keeps it"
REMOVED_WHY = "a new guest would have it; xml_overlay keeps it out"
NOT_LAID_WHY = "no option says it, and an overlay cannot tell it from its like: a guest made anew would lack it"
SEED_WHY = "the content of the seed is not kept on the host; give it again where the guest is made anew"


def say_guest(facts: GuestFacts, snap: Snapshot, known_emulators: Collection[str] = ()) -> Said:
    """Return the guest's entry, whose plan on this host is empty, and what it leaves."""
    root, secrets = without_secrets(_xml.parse(facts.xml))
    hidden = tuple(Left(_KIND, facts.name, secret.at, "", HIDDEN_WHY) for secret in secrets)
    if not facts.persistent:
        return _unsaid(facts.name, root, hidden, TRANSIENT_WHY)
    if root.get("type") not in _TYPES:
        return _unsaid(facts.name, root, hidden, f"guests of the type {root.get('type')} are not managed")
    reasons = []
    # The second time its disks and nics are left alone.
    for lists in (True, False):
        try:
            guest = _Guest(facts, root, snap, known_emulators)
            entry, left = guest.say(lists)
            reason = unsettled(plan(parse(entry), snap, Options()))
        except VirtError as error:
            reason = sentence(error, _KIND, facts.name)
        if reason is None:
            return Said(entry, (*hidden, *left), frozenset(guest.bases))
        reasons.append(reason)
    return _unsaid(facts.name, root, hidden, reasons[0])


def _unsaid(name: str, root: Element, hidden: tuple[Left, ...], why: str) -> Said:
    return Said(None, (*hidden, Left(_KIND, name, "", _xml.to_text(root), why)))


@dataclass
class _Lists:
    """The devices that have words: those words, and the observed entries that they stand for."""

    words: dict[str, list[dict[str, Any]]] = field(default_factory=lambda: {keyed.name: [] for keyed in LISTS})
    have: dict[str, list[Spec]] = field(default_factory=lambda: {keyed.name: [] for keyed in LISTS})


class _Guest:
    def __init__(self, facts: GuestFacts, root: Element, snap: Snapshot, known_emulators: Collection[str]) -> None:
        self.facts, self.root, self.snap, self.emulators = facts, root, snap, known_emulators
        self.have = observe(GUEST, root)
        self.record = read_record(root)
        self.left: list[Left] = []
        self.unsaid: set[str] = set()
        self.bases: set[str] = set()
        self.why: dict[str, str] = {}

    def say(self, lists: bool) -> tuple[dict[str, Any], list[Left]]:
        """Return the entry and what is left; ``lists``: disks and nics get words."""
        entry: dict[str, Any] = {"name": self.facts.name}
        if self.facts.state in _STATES:
            entry["state"] = self.facts.state
        if self.facts.uuid != uuid_for(self.snap.host, self.facts.name):
            entry["uuid"] = self.facts.uuid
        if self.facts.autostart:
            entry["autostart"] = True
        words = self._words()
        # Nothing can be made without these.
        needed = {"memory", *(("arch",) if self.have.get("arch") != self.snap.host.arch else ())}
        entry.update({name: words[name] for name in words if name in needed})
        said = _Lists()
        if lists:
            for keyed in LISTS:
                self._devices(keyed, said)
            self._pools(entry, said)
            self._addresses(said)
            for keyed in LISTS:
                self._name(said, keyed)
                if said.words[keyed.name]:
                    entry[keyed.name] = said.words[keyed.name]
        self._settle(entry, words, said)
        self._overlay(entry)
        return ordered(entry, list(GUEST_OPTIONS)), self.left

    # options with one value

    def _words(self) -> dict[str, Any]:
        """Return the word for each value that has one."""
        found = {}
        # What libvirt writes by itself, such as how strictly a processor is checked, is nobody's word.
        plain = observe(GUEST, cleaned(self.root, self.emulators))
        for name, row in _ROWS.items():
            value = self.have.get(name, UNSET)
            if value is UNSET:
                continue
            if row.parts:
                # What only another hypervisor has means nothing here.
                driver, said = self.snap.host.driver, plain.get(name, {})
                value = {part.name: value[part.name] for part in row.parts if part.name in said and driver in part.drivers}
                if not value:
                    continue
                self.have[name] = value
            word = None if _NEEDED.get(name) in self.unsaid else self._word(name, row, value)
            if word is None:
                self.unsaid.add(name)
            else:
                found[name] = word
        return found

    def _word(self, name: str, row: Field, value: Any) -> Any:
        if self.snap.host.driver not in row.drivers:
            return None
        if name == "firmware" and value == "efi" and _xml.read(self.root, "os/@firmware") is None:
            # Asked for by its path, which is not what the word does.
            return None
        if name in ("kernel", "initrd") and value and self._out_of_reach(value):
            return None
        if name == "os" and self.snap.system(row.type.show(value)) is None:
            # Made anew it would be another guest where the preset is known.
            return None
        word = row.type.show(value)
        try:
            parsed = parse({"name": self.facts.name, name: word}).values.get(name, UNSET)
        except SpecError:
            return None
        return word if parsed is not UNSET and row.type.same(parsed, value) else None

    def _out_of_reach(self, path: str) -> str | None:
        """Return why a path of the host cannot be named in a document, None where it can."""
        seen = self.snap.paths.get(path)
        if seen is None:
            return None
        if not seen.exists:
            return f"{path} does not exist"
        if seen.kind == "dir":
            return f"{path} is a directory"
        return None if seen.readable else f"QEMU cannot read {path}: {seen.why}"

    # devices

    def _devices(self, keyed: Keyed, said: _Lists) -> None:
        """Give words to the devices of a list that have them."""
        say = {"disks": self._disk, "nics": self._nic}.get(keyed.name)
        for have in self.have.get(keyed.name, ()):
            if keyed is DISKS and have.get("name") == SEED and have.get("ours"):
                continue
            words = say(have) if say is not None else self._form(keyed, have)
            if not isinstance(words, str):
                words = self._checked(keyed, {**words, **self._as_they_are(keyed, have)}, have)
            if isinstance(words, str):
                self._give_up(keyed, have, words)
            else:
                said.words[keyed.name].append(words)
                said.have[keyed.name].append(have)

    def _pools(self, entry: dict[str, Any], said: _Lists) -> None:
        """Say once for the guest the pool that most of its disks are in."""
        pools = [words["pool"] for words in said.words["disks"] if "pool" in words]
        if pools:
            entry["pool"] = max(sorted(set(pools)), key=pools.count)
            for words in said.words["disks"]:
                if words.get("pool") == entry["pool"]:
                    del words["pool"]

    def _give_up(self, keyed: Keyed, have: Spec, why: str) -> None:
        """Leave a device without words. One of ours would be detached by a list without it: then there is no list."""
        if have.get("ours"):
            raise SpecError(f"{keyed.name}.{have['name']}: {why}")
        self.why[keyed.sign(have)] = why

    def _form(self, keyed: Keyed, have: Spec) -> dict[str, Any] | str:
        """Return the words of the forms that a device has."""
        words: dict[str, Any] = {}
        for union in keyed.item.entries:
            if not isinstance(union, Union):
                continue
            arm, value = next(iter((have.get(union.name) or {"": None}).items()))
            if value is None or not union.arms[arm].row.said:
                return "there are no words for a device of this type"
            words[arm] = union.arms[arm].row.type.show(value)
        return words

    def _disk(self, have: Spec) -> dict[str, Any] | str:
        """Return a disk's words, or why it has none."""
        device = have.get("device", "disk")
        arm, place = next(iter((have.get("source") or {"": None}).items()))
        words: dict[str, Any] = {}
        if device == "cdrom" and arm == "file":
            words["cdrom"] = place or ""
        elif device not in ("disk", "lun") or arm in ("", "volume") or place is None or not SOURCE.arms[arm].row.said:
            return f"there are no words for a {device} of this type"
        elif arm == "file":
            words.update(self._managed(have, place) or self._volume(have, place) or {"file": place})
        else:
            words[arm] = SOURCE.arms[arm].row.type.show(place)
        if device == "lun":
            words["lun"] = True
        path = words.get("cdrom") or words.get("file") or words.get("block")
        why = self._out_of_reach(path) if path else None
        return words if why is None else why

    def _as_they_are(self, keyed: Keyed, have: Spec) -> dict[str, Any]:
        """Return the words of a device that nothing else decides, as far as this hypervisor has them."""
        formed = [row.name for row in keyed.item.entries if isinstance(row, Union) or (isinstance(row, Field) and not row.said)]
        usual = observe(keyed.item, build(keyed, {name: have[name] for name in formed if name in have}))
        rows = [row for row in keyed.item.entries if isinstance(row, Field) and row.said and not (row.follows or row.bare)]
        return {
            row.name: row.type.show(have[row.name])
            for row in rows
            if have.get(row.name, UNSET) != usual.get(row.name, UNSET) and self.snap.host.driver in row.drivers
        }

    def _checked(self, keyed: Keyed, words: dict[str, Any], have: Spec) -> dict[str, Any] | str:
        """Return the words if they can be read back, with the name on record where another would follow from them."""
        try:
            read = self._read(keyed, words)
        except SpecError as error:
            return sentence(error, _KIND, self.facts.name)
        if have.get("ours") and read["name"] != have["name"]:
            return {"name": have["name"], **words}
        return words

    def _read(self, keyed: Keyed, words: Mapping[str, Any]) -> Spec:
        """Return what the words of a device are to the module."""
        spec = parse({"name": self.facts.name, keyed.name: [words]})
        (read,) = {**spec.lists, "disks": spec.disks, "nics": spec.nics}[keyed.name] or ()
        return read

    def _managed(self, have: Spec, path: str) -> dict[str, Any] | None:
        """Return the words of a disk whose volume the collection has made."""
        device = self.record.device("disk", have.get("name", "")) if self.record else None
        where = device.pool_and_name if device is not None and have.get("ours") else None
        volume = self.snap.volumes.get(where) if where is not None else None
        if device is None or volume is None or volume.path != path:
            return None
        base = device.image or volume.backing
        size = show_size(volume.capacity_bytes)
        if not base:
            return {"size": size, "pool": volume.pool}
        below = self.snap.volume_at(base)
        image = self.snap.images.get(base)
        if below is None and image is None:
            return None
        self.bases.add(base)
        words: dict[str, Any] = {"image": self._image_word(volume.pool, base)}
        capacity = below.capacity_bytes if below is not None else image.virtual_bytes if image is not None else 0
        if volume.capacity_bytes != capacity:
            words["size"] = size
        return {**words, "pool": volume.pool}

    def _image_word(self, pool: str, path: str) -> str:
        """Return an image's name in the pool of the disk, as short as it may be, else its path."""
        volume = self.snap.volume_at(path)
        if volume is None or volume.pool != pool:
            return path
        short = volume.name.rpartition(".")[0]
        for word in (short, volume.name):
            found = next((name for name in image_names(word) if word and (pool, name) in self.snap.volumes), None)
            if found == volume.name:
                return word
        return path

    def _volume(self, have: Spec, path: str) -> dict[str, Any] | None:
        """Return the words of a disk that is a volume of a pool which the document may hold."""
        volume = self.snap.volume_at(path)
        pool = self.snap.pools.get(volume.pool) if volume is not None else None
        if volume is None or pool is None or pool.type != "dir" or not pool.active:
            return None
        words = {"volume": f"{volume.pool}/{volume.name}"}
        return words if volume.format == have.get("format") else {**words, "format": str(have.get("format", "raw"))}

    # nics

    def _nic(self, have: Spec) -> dict[str, Any] | str:
        arm, place = next(iter((have.get("source") or {"": None}).items()))
        words: dict[str, Any] = {}
        if arm == "user":
            words["type"] = "user"
        elif place is None or not NIC_SOURCE.arms[arm].row.said:
            return "there are no words for a nic of this type"
        else:
            words[arm] = place
        network = self.snap.networks.get(place or "") if arm == "network" else None
        if arm == "network" and network is None:
            return f"there is no network {place}"
        if network is not None and not network.active and self.facts.state in _STATES:
            return f"the network {place} is not active, though the guest is"
        return words

    def _addresses(self, said: _Lists) -> None:
        """Say the addresses that networks keep for the nics, where that is all there is to the reservation."""
        found: dict[str, list[tuple[dict[str, Any], Reservation]]] = {}
        for words, have in zip(said.words["nics"], said.have["nics"]):
            network = self.snap.networks.get(words.get("network", ""))
            mac = str(have.get("mac", "")).lower()
            address = reservation_of(network, mac) if network is not None else None
            if address is not None and ":" not in address:
                found.setdefault(words["network"], []).append((words, Reservation(mac, address, self.facts.name)))
        for name, nics in found.items():
            try:
                settled = reserve(self.snap.networks[name], [wish for _words, wish in nics]) is None
            except VirtError:
                settled = False
            if settled:
                for words, wish in nics:
                    words["address"] = wish.address

    def _name(self, said: _Lists, keyed: Keyed) -> None:
        """Give a name to each entry that would have another one's; those on record have theirs."""
        taken = {have["name"] for have in said.have[keyed.name] if have.get("ours")}
        for number, (words, have) in enumerate(zip(said.words[keyed.name], said.have[keyed.name]), start=1):
            if have.get("ours"):
                continue
            name = self._read(keyed, words)["name"]
            if name in taken or (keyed is DISKS and name == SEED):
                name = str(have.get("target")) if keyed is DISKS else f"{name}-{number}"
                while name in taken:
                    name += "x"
                words["name"] = name
            taken.add(name)

    # what a new guest would be

    def _settle(self, entry: dict[str, Any], words: Mapping[str, Any], said: _Lists) -> None:
        """Say what does not follow by itself, until all does."""
        for last in (False, True, True):
            root, made = self._made(entry)
            self._settle_values(entry, words, observe(GUEST, root), last)
            for keyed in LISTS:
                options = [row.name for row in keyed.item.entries if isinstance(row, Field) and row.follows]
                for given, have, want in zip(said.words[keyed.name], said.have[keyed.name], made.want.get(keyed.name, ())):
                    given.update({o: have[o] for o in options if have.get(o) is not None and have[o] != want.get(o)})

    def _settle_values(self, entry: dict[str, Any], words: Mapping[str, Any], fresh: Spec, last: bool) -> None:
        for name, word in words.items():
            if (name in entry and not _ROWS[name].parts) or (name in _CEILINGS and not last):
                continue
            have, new = self.have[name], fresh.get(name, UNSET)
            if _ROWS[name].parts and new is not UNSET and next(iter(have.values())) != NONE:
                # What a new guest would have said, and this one leaves to the host.
                have = {**have, **{part: none for part, none in _ROWS[name].nothing.items() if part in set(new) - set(have)}}
            if name == "boot":
                have, new = have or ("disk",), new or ("disk",)
                if self._ordered():
                    continue
            if name == "machine" and self._chosen(name) and new is not UNSET:
                # Which of its versions a board became was libvirt's choice.
                new = have if _ROWS[name].type.same(new, have) else new
            if new is UNSET or not (have == new or (name != "machine" and _ROWS[name].type.same(have, new))):
                entry[name] = self._less(name, word, have, new, entry.get(name, {}))

    @staticmethod
    def _less(name: str, word: Any, have: Any, new: Any, said: Any) -> Any:
        """Return of a mapping the words that a new guest would not have, with those that were said before."""
        row = _ROWS[name]
        if not row.parts or new is UNSET:
            return word
        more = row.differing(have, new)[0]
        return row.type.show({part: have[part] for part in have if part in said or part in more})

    def _ordered(self) -> bool:
        """Tell whether devices are booted by their numbers, which replaces an order of kinds."""
        return bool(numbered(self.have))

    def _chosen(self, option: str) -> bool:
        """Tell whether the collection made the guest without being told this option."""
        applied = self.record.applied if self.record is not None else None
        return applied is not None and option not in applied

    def _made(self, entry: Mapping[str, Any]) -> tuple[Element, Expanded]:
        """Return the guest that a host without it would get."""
        spec = parse({name: value for name, value in entry.items() if name != "xml_overlay"})
        spec = replace(spec, disks=spec.disks or (), nics=spec.nics or ())
        host, platform = self.snap.host, platform_of(self.snap.host.driver)
        spec = preset(spec, self.snap)[0]
        root = platform.make(spec, self.snap).root
        have = observe(GUEST, root)
        made = expand(spec, self.snap, have, Record())
        made.want.update(platform.defaults(host, {"type": have.get("type"), **made.want}))
        return patch(GUEST, root, compare(GUEST, made.want, made.have, Context(host.driver, spec.name))), made

    # the rest

    def _overlay(self, entry: dict[str, Any]) -> None:
        fresh, _made = self._made(entry)
        root = self._without_seed()
        covered = _xml.clone(fresh)
        cover(GUEST, root, covered, set(_ROWS) - self.unsaid)
        plain = cleaned(root, self.emulators)
        gone = surplus(plain, cleaned(covered, self.emulators), {keyed.at for keyed in LISTS})
        more = missing(plain, cleaned(covered, self.emulators, numbered=True), located(GUEST))
        overlays = [Overlay(path, None) for path in gone] + [piece.overlay for piece in more]
        held = _holding(self.root, fresh, overlays)
        for number, overlay in enumerate(overlays):
            if number in held or overlay.fragment is not None:
                self.left.append(self._left(overlay, number in held))
        if held:
            entry["xml_overlay"] = [overlays[number].show() for number in held]

    def _left(self, overlay: Overlay, held: bool) -> Left:
        name = self.facts.name
        if overlay.fragment is None:
            return Left(_KIND, name, overlay.at, "", REMOVED_WHY)
        element = _xml.parse(overlay.fragment)
        keyed = next((keyed for keyed in LISTS if keyed.at == f"devices/{element.tag}"), None)
        key = keyed.sign(observe(keyed.item, element)) if keyed is not None else None
        why = OVERLAID_WHY if held else NOT_LAID_WHY
        if key in self.why:
            why = f"{self.why[key or '']}; xml_overlay keeps it" if held else f"{self.why[key or '']}"
        return Left(_KIND, name, overlay.at, overlay.fragment, why)

    def _without_seed(self) -> Element:
        root = _xml.clone(self.root)
        seed = self.record.device("disk", SEED) if self.record is not None else None
        if seed is not None:
            kind = next((disk.get("device") for disk in self.have["disks"] if disk.get("target") == seed.key), "disk")
            self.left.append(
                Left(_KIND, self.facts.name, "unattend" if kind == "cdrom" else "cloud_init", "", SEED_WHY)
            )
            devices = root.find("devices")
            for disk in _xml.find_all(root, "devices/disk"):
                if devices is not None and _xml.read(disk, "target/@dev") == seed.key:
                    devices.remove(disk)
        return root


def _holding(root: Element, fresh: Element, overlays: Sequence[Overlay]) -> list[int]:
    """Return the places of the overlays that hold in the guest as it is, and in one made anew once all are laid."""
    tree = _xml.clone(fresh)
    held: list[int] = []
    for number, overlay in enumerate(overlays):
        # The second one of two that are alike would find the first.
        if overlay in overlays[:number] or not _xml.satisfied(root, overlay):
            continue
        try:
            _xml.lay(tree, overlay)
        except SpecError:
            continue
        if _xml.satisfied(tree, overlay):
            held.append(number)
    return [number for number in held if _xml.satisfied(tree, overlays[number])]
