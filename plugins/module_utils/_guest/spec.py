# Copyright: (c) 2026, the virtfleet.core contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The user's words about one guest, checked as far as they can be without a host, in internal units.

Every complaint is collected and raised at once as one SpecError; each begins with the path of its option.
"""

from __future__ import annotations

import difflib
import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from .._errors import SpecError
from .._table import Field, Keyed, Spec, Table, Union, arguments
from .._types import LINE, PRESENCE, check_uuid, choice
from .._xml import Overlay, check_path
from .._xml import parse as parse_xml
from . import seed, unattend
from .fields.boot import check_arch
from .fields.disks import DISKS, SOURCE
from .fields.nics import NICS, TYPE
from .fields.nics import SOURCE as NIC_SOURCE
from .names import check_name, check_part
from .table import GUEST, LISTS

STATES = ("present", "running", "stopped", "paused", "saved", "absent")
_LOCAL = ("image", "file", "volume", "block", "cdrom")
SOURCES = (*_LOCAL, *(name for name, arm in SOURCE.arms.items() if arm.row.said and name not in _LOCAL))

# The options that are a medium which the guest reads at its first start: their words, and what checks them.
SEEDS: Mapping[str, tuple[Sequence[str], Callable[[Any], Any]]] = {
    "cloud_init": (seed.OPTIONS, seed.parse),
    "unattend": (unattend.OPTIONS, unattend.parse),
}

Parser = Callable[[Any], Any]


@dataclass(frozen=True)
class GuestSpec:
    """One guest as wanted. ``values`` holds the table's options except its lists.

    ``disks`` and ``nics`` still need a host: entries of ``disks`` have the table's options and ``image``, ``pool``,
    ``volume`` or ``source`` as the user chose. ``lists`` are all further lists that were given, as the table has them.
    ``accel`` is None where the host decides. ``state`` is one of STATES. ``estate`` marks a guest that is made now.
    """

    name: str
    state: str = "present"
    uuid: str | None = None
    values: Spec = field(default_factory=dict)
    disks: tuple[Spec, ...] | None = None
    nics: tuple[Spec, ...] | None = None
    lists: Mapping[str, tuple[Spec, ...]] = field(default_factory=dict)
    exact: Mapping[str, bool] = field(default_factory=dict)
    pool: str | None = None
    autostart: bool | None = None
    overlays: tuple[Overlay, ...] = ()
    cloud_init: seed.CloudInit | None = None
    unattend: unattend.Unattend | None = None
    estate: str | None = None

    @property
    def seed_device(self) -> str | None:
        """The kind of disk that its seed is, None without one: Windows Setup looks at removable media only."""
        if self.unattend is not None:
            return "cdrom"
        return "disk" if self.cloud_init is not None else None


class _Reader:
    """Reads options one by one and keeps the complaints."""

    def __init__(self) -> None:
        self.problems: list[str] = []

    def take(self, path: str, value: Any, parse: Parser) -> Any:
        try:
            return parse(value)
        except SpecError as error:
            self.problems.extend(f"{path}: {problem}" for problem in error.problems)
            return None

    def complain(self, path: str, sentence: str) -> None:
        self.problems.append(f"{path}: {sentence}")

    def unknown(self, path: str, given: Mapping[str, Any], known: Sequence[str]) -> None:
        for name in given:
            if name not in known:
                close = difflib.get_close_matches(str(name), known, 1)
                hint = f"; did you mean {close[0]}?" if close else f"; there are {', '.join(sorted(known))}"
                self.complain(f"{path}{name}", f"no such option{hint}")


_FILE = SOURCE.arms["file"].row.type
_ROWS = {row.name: row for row in GUEST.entries if isinstance(row, Field) and row.said}
_OWN = (
    "name",
    "state",
    "uuid",
    *(word for keyed in LISTS for word in (keyed.name, keyed.exact)),
    "pool",
    "autostart",
    "xml_overlay",
    *SEEDS,
)


def parse(options: Mapping[str, Any], prefix: str = "") -> GuestSpec:
    """Return the spec of one guest; options that are None are left out. Raise one SpecError with all complaints."""
    reader = _Reader()
    reader.unknown(prefix, options, (*_ROWS, *_OWN))
    for option, (words, _parse) in SEEDS.items():
        if isinstance(options.get(option), Mapping):
            reader.unknown(f"{prefix}{option}.", options[option], words)
    given = {name: value for name, value in options.items() if value is not None}
    name = reader.take(f"{prefix}name", given.get("name"), check_name)
    values: Spec = {}
    for option, row in _ROWS.items():
        if option not in given or (option == "accel" and given[option] == "auto"):
            continue
        parser = check_arch if option == "arch" else row.type.parse
        value = reader.take(f"{prefix}{option}", given[option], parser)
        if value is not None:
            values[option] = value
    lists = {
        keyed.name: _list(reader, f"{prefix}{keyed.name}", given[keyed.name], keyed)
        for keyed in LISTS
        if keyed.name in given
    }
    spec = GuestSpec(
        name=name or "?",
        state=reader.take(f"{prefix}state", given.get("state", "present"), choice(*STATES).parse) or "present",
        uuid=reader.take(f"{prefix}uuid", given["uuid"], check_uuid) if "uuid" in given else None,
        values=values,
        disks=lists.pop(DISKS.name, None),
        nics=lists.pop(NICS.name, None),
        lists=lists,
        exact={keyed.name: bool(given.get(keyed.exact)) for keyed in LISTS},
        pool=reader.take(f"{prefix}pool", given["pool"], LINE.parse) if "pool" in given else None,
        autostart=reader.take(f"{prefix}autostart", given["autostart"], PRESENCE.parse)
        if "autostart" in given
        else None,
        overlays=_overlays(reader, f"{prefix}xml_overlay", given.get("xml_overlay") or ()),
        **{
            option: reader.take(f"{prefix}{option}", given[option], check)
            for option, (_words, check) in SEEDS.items()
            if option in given
        },
    )
    if len(SEEDS.keys() & given.keys()) > 1:
        reader.complain(f"{prefix}unattend", "is for Windows and cloud_init for other systems; give one of them")
    if reader.problems:
        raise SpecError(reader.problems)
    return spec


def _list(reader: _Reader, path: str, given: Any, keyed: Keyed) -> Any:
    if not isinstance(given, (list, tuple)):
        reader.complain(path, "must be a list")
        return None
    entries = []
    known = tuple(arguments(keyed))
    for position, item in enumerate(given):
        where = f"{path}[{position}]"
        if not isinstance(item, Mapping):
            reader.complain(where, f"{item!r} is not a mapping")
            continue
        words = {key: value for key, value in item.items() if value is not None}
        reader.unknown(f"{where}.", words, known)
        entry = _plain(reader, f"{where}.", words, keyed.item)
        _READERS.get(keyed.name, _device)(reader, f"{where}.", words, entry, keyed)
        entries.append(entry)
    _name_once(reader, path, entries)
    return tuple(entries)


def _name_once(reader: _Reader, path: str, entries: Sequence[Spec]) -> None:
    seen: dict[str, int] = {}
    for position, entry in enumerate(entries):
        name = entry.get("name")
        if name is None:
            continue
        if name in seen:
            reader.complain(
                f"{path}[{position}].name",
                f"{path}[{seen[name]}] is called {name!r} too; give each entry a name of its own, by which it is known "
                "from then on",
            )
        seen.setdefault(name, position)


def _plain(reader: _Reader, path: str, given: Mapping[str, Any], item: Table) -> Spec:
    """Return what each row takes of an entry's words."""
    entry: Spec = {}
    for row in item.entries:
        if isinstance(row, Field) and row.said and row.name in given:
            value = reader.take(path + row.name, given[row.name], row.type.parse)
            if value is not None:
                entry[row.name] = value
    return entry


def _device(reader: _Reader, path: str, given: Mapping[str, Any], entry: Spec, keyed: Keyed) -> None:
    """Complete an entry of a list whose words are the table's: the one form that each of its unions has, and a name."""
    for union in keyed.item.entries:
        if not isinstance(union, Union):
            continue
        arms = [name for name, arm in union.arms.items() if arm.row.said]
        chosen = [name for name in arms if name in given]
        if len(chosen) != 1:
            said = f"{' and '.join(chosen)} are given" if chosen else "needs one"
            reader.complain(path.rstrip("."), f"{said} of {', '.join(arms)}; give exactly one")
        for name in chosen[:1]:
            value = reader.take(path + name, given[name], union.arms[name].row.type.parse)
            entry[union.name] = {name: value}
    given_name = given.get("name")
    entry["name"] = keyed.called(entry) if given_name is None else reader.take(path + "name", given_name, check_part)


def _disk(reader: _Reader, path: str, given: Mapping[str, Any], entry: Spec, keyed: Keyed) -> None:
    chosen = [source for source in SOURCES if source in given]
    if len(chosen) > 1:
        reader.complain(path.rstrip("."), f"{' and '.join(chosen)} are given; a disk has one source")
    if not chosen and "size" not in given:
        reader.complain(path.rstrip("."), f"needs a source ({', '.join(SOURCES)}), or a size for a new blank disk")
    source = chosen[0] if chosen else "blank"
    if "pool" in given:
        entry["pool"] = reader.take(path + "pool", given["pool"], LINE.parse)
    _disk_source(reader, path, given, source, entry)
    if source not in ("image", "blank"):
        for option in ("size", "pool"):
            if option in given and not (option == "pool" and source == "volume"):
                reader.complain(path + option, f"goes with image or a blank disk, not with {source}")
    if source == "cdrom" and entry.get("readonly") is False:
        reader.complain(path + "readonly", "a CD-ROM drive is always read-only; leave it out")
    entry["name"] = (
        reader.take(path + "name", given["name"], check_part) if "name" in given else _disk_name(source, entry)
    )


def _disk_source(reader: _Reader, path: str, given: Mapping[str, Any], source: str, entry: Spec) -> None:
    if source == "cdrom":
        value = given["cdrom"]
        entry["device"] = "cdrom"
        entry["source"] = {"file": None if value == "" else reader.take(path + source, value, _FILE.parse)}
    elif source in ("image", "volume"):
        value = entry.pop("image", None) if source == "image" else reader.take(path + source, given[source], LINE.parse)
        entry["base" if source == "image" else "volume"] = value
        if value == "":
            reader.complain(path + source, "must not be empty")
    elif source == "blank":
        entry["blank"] = True
    else:
        entry["source"] = {source: reader.take(path + source, given[source], SOURCE.arms[source].row.type.parse)}


def _disk_name(source: str, entry: Spec) -> str:
    """Return the name of a disk that was given none: by what it is, never by where it stands in the list."""
    if source in ("image", "blank"):
        return "root"
    if source == "cdrom":
        return "cdrom"
    locator = entry.get("volume") or next(iter((entry.get("source") or {"": None}).values())) or source
    if isinstance(locator, Mapping):
        # A network disk by what it is called there.
        locator = next((locator[part] for part in ("name", "target", "export", "path", "host") if part in locator), source)
    stem = re.sub(r"[^A-Za-z0-9_.-]", "-", str(locator).rpartition("/")[2]) or source
    return stem.lstrip(".-") or source


def _nic(reader: _Reader, path: str, given: Mapping[str, Any], entry: Spec, keyed: Keyed) -> None:
    arms = {name: arm.row for name, arm in NIC_SOURCE.arms.items() if arm.row.said}
    likely = next((name for name in reversed(list(arms)) if name in given), "network")
    kind = reader.take(path + "type", given.get("type") or likely, TYPE.parse) or likely
    for option, row in arms.items():
        if option != kind and option in given:
            reader.complain(path + option, f"does not go with type {kind}")
        elif option == kind and row.bare:
            entry["source"] = {kind: None}
        elif option == kind and option in given:
            entry["source"] = {kind: reader.take(path + option, given[option], row.type.parse)}
        elif option == kind:
            reader.complain(path.rstrip("."), f"a nic of type {kind} needs {option}")
    if "address" in given and kind != "network":
        reader.complain(
            path + "address",
            f"is a reservation in the DHCP of a libvirt network and does not go with type {kind}; "
            "set the address inside the guest (cloud_init.network_config)",
        )
    default = next((given[name] for name in arms if isinstance(given.get(name), str)), kind)
    entry["name"] = reader.take(path + "name", given["name"], check_part) if "name" in given else str(default)


# What needs more than a row can say.
_READERS: Mapping[str, Callable[[_Reader, str, Mapping[str, Any], Spec, Keyed], None]] = {"disks": _disk, "nics": _nic}


def _overlays(reader: _Reader, path: str, given: Any) -> tuple[Overlay, ...]:
    found = []
    if not isinstance(given, (list, tuple)):
        reader.complain(path, "must be a list of {at, xml} or {remove}")
        return ()
    for position, item in enumerate(given):
        where = f"{path}[{position}]"
        keys = {key for key, value in item.items() if value is not None} if isinstance(item, Mapping) else set()
        if keys == {"remove"}:
            overlay = Overlay(str(item["remove"]), None)
        elif keys == {"at", "xml"}:
            overlay = Overlay(str(item["at"]), str(item["xml"]))
            reader.take(f"{where}.xml", overlay.fragment, lambda text: parse_xml(text, "the fragment"))
        else:
            reader.complain(where, "must be {at: path, xml: fragment} or {remove: path}")
            continue
        reader.take(f"{where}.remove" if keys == {"remove"} else f"{where}.at", overlay.at, check_path)
        found.append(overlay)
    return tuple(found)
