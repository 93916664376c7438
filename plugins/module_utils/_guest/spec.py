# Copyright: (c) 2026, the virtfleet.core contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The user's words about one guest, checked as far as they can be without a host, in internal units.

Every complaint is collected and raised at once as one SpecError; each begins with the path of its option.
"""

from __future__ import annotations

import difflib
import ipaddress
import re
import uuid as uuids
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from .._errors import SpecError
from .._table import Field, Spec
from .._types import COUNT, LINE, PATH, PRESENCE, SIZE, choice
from .._xml import Overlay, check_path
from .._xml import parse as parse_xml
from . import seed
from .fields import disks, nics
from .fields.boot import check_arch
from .table import GUEST

STATES = ("present", "running", "stopped", "paused", "saved", "absent")
SOURCES = ("image", "file", "volume", "block", "cdrom")
NIC_TYPES = ("network", "user", "bridge")

Parser = Callable[[Any], Any]


@dataclass(frozen=True)
class GuestSpec:
    """One guest as wanted. ``values`` holds the table's options except disks and nics, which still need a host.

    ``disks`` entries have the table's options and ``image``, ``pool``, ``volume`` or ``source`` as the user chose;
    ``accel`` is None where the host decides. ``state`` is one of STATES. ``estate`` marks a guest that is made now.
    """

    name: str
    state: str = "present"
    uuid: str | None = None
    values: Spec = field(default_factory=dict)
    disks: tuple[Spec, ...] | None = None
    nics: tuple[Spec, ...] | None = None
    exact: Mapping[str, bool] = field(default_factory=dict)
    pool: str | None = None
    autostart: bool | None = None
    overlays: tuple[Overlay, ...] = ()
    cloud_init: seed.CloudInit | None = None
    estate: str | None = None


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


def check_name(value: Any) -> str:
    """Return a guest's name that libvirt, a file system and a host name can bear."""
    text = value if isinstance(value, str) else ""
    if not text or text != text.strip() or "/" in text or text in (".", "..") or not text.isprintable():
        raise SpecError(
            f"{value!r} cannot be a guest's name: it must not be empty, hold a slash, a line break or another control "
            "character, nor begin or end with a space"
        )
    if len(text.encode()) > 200:
        raise SpecError(
            f"{text[:40]!r}... is too long for a guest's name: 200 bytes at most, since files are named by it"
        )
    return text


def check_part(value: Any) -> str:
    """Return the name of a disk, nic or pool: it becomes a part of file names."""
    text = str(LINE.parse(value))
    if not re.match(r"^[A-Za-z0-9_][A-Za-z0-9_.+:@-]*$", text):
        raise SpecError(f"{value!r} cannot be a name: use letters, digits and . _ - + : @")
    return text


def _check_uuid(value: Any) -> str:
    try:
        return str(uuids.UUID(str(value)))
    except ValueError:
        raise SpecError(f"{value!r} is not a UUID such as 6f0d4f57-9d4e-4b3a-8a68-2f7c0f1e9b11") from None


def _check_address(value: Any) -> str:
    try:
        return str(ipaddress.ip_address(str(value)))
    except ValueError:
        raise SpecError(f"{value!r} is not an IP address such as 10.20.0.11") from None


_ROWS = {row.name: row for row in GUEST.entries if isinstance(row, Field)}
_OWN = (
    "name",
    "state",
    "uuid",
    "disks",
    "nics",
    "disks_exact",
    "nics_exact",
    "pool",
    "autostart",
    "xml_overlay",
    "cloud_init",
)
_DISK = ("name", *SOURCES, "pool", "size", "bus", "target", "format", "readonly", "boot_order", "backend_domain")
_NIC = (
    "name",
    "type",
    "network",
    "bridge",
    "model",
    "mac",
    "address",
    "ip",
    "rate",
    "script",
    "boot_order",
    "backend_domain",
)


def parse(options: Mapping[str, Any], prefix: str = "") -> GuestSpec:
    """Return the spec of one guest; options that are None are left out. Raise one SpecError with all complaints."""
    reader = _Reader()
    reader.unknown(prefix, options, (*_ROWS, *_OWN))
    if isinstance(options.get("cloud_init"), Mapping):
        reader.unknown(f"{prefix}cloud_init.", options["cloud_init"], seed.OPTIONS)
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
    spec = GuestSpec(
        name=name or "?",
        state=reader.take(f"{prefix}state", given.get("state", "present"), choice(*STATES).parse) or "present",
        uuid=reader.take(f"{prefix}uuid", given["uuid"], _check_uuid) if "uuid" in given else None,
        values=values,
        disks=_list(reader, f"{prefix}disks", given.get("disks"), _disk),
        nics=_list(reader, f"{prefix}nics", given.get("nics"), _nic),
        exact={kind: bool(given.get(f"{kind}_exact")) for kind in ("disks", "nics")},
        pool=reader.take(f"{prefix}pool", given["pool"], LINE.parse) if "pool" in given else None,
        autostart=reader.take(f"{prefix}autostart", given["autostart"], PRESENCE.parse)
        if "autostart" in given
        else None,
        overlays=_overlays(reader, f"{prefix}xml_overlay", given.get("xml_overlay") or ()),
        cloud_init=reader.take(f"{prefix}cloud_init", given["cloud_init"], seed.parse)
        if "cloud_init" in given
        else None,
    )
    if reader.problems:
        raise SpecError(reader.problems)
    return spec


def _list(reader: _Reader, path: str, given: Any, read: Callable[[_Reader, str, Mapping[str, Any]], Spec]) -> Any:
    if given is None:
        return None
    if not isinstance(given, (list, tuple)):
        reader.complain(path, "must be a list")
        return None
    entries = []
    for position, item in enumerate(given):
        where = f"{path}[{position}]"
        if not isinstance(item, Mapping):
            reader.complain(where, f"{item!r} is not a mapping")
            continue
        entries.append(read(reader, f"{where}.", {key: value for key, value in item.items() if value is not None}))
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


def _disk(reader: _Reader, path: str, given: Mapping[str, Any]) -> Spec:
    reader.unknown(path, given, _DISK)
    chosen = [source for source in SOURCES if source in given]
    entry: Spec = {}
    if len(chosen) > 1:
        reader.complain(path.rstrip("."), f"{' and '.join(chosen)} are given; a disk has one source")
    if not chosen and "size" not in given:
        reader.complain(path.rstrip("."), f"needs a source ({', '.join(SOURCES)}), or a size for a new blank disk")
    source = chosen[0] if chosen else "blank"
    _disk_source(reader, path, given, source, entry)
    parsers: dict[str, Parser] = {
        "size": SIZE.parse,
        "bus": disks.BUS.parse,
        "target": LINE.parse,
        "format": disks.FORMAT.parse,
        "readonly": PRESENCE.parse,
        "boot_order": COUNT.parse,
        "pool": LINE.parse,
        "backend_domain": check_name,
    }
    for option, parser in parsers.items():
        if option in given:
            value = reader.take(path + option, given[option], parser)
            if value is not None:
                entry[option] = value
    if source in ("file", "block", "volume", "cdrom"):
        for option in ("size", "pool"):
            if option in given and not (option == "pool" and source == "volume"):
                reader.complain(path + option, f"goes with image or a blank disk, not with {source}")
    if source == "cdrom" and entry.get("readonly") is False:
        reader.complain(path + "readonly", "a CD-ROM drive is always read-only; leave it out")
    target = entry.get("target")
    if target is not None and not re.match(r"^(vd|sd|hd|xvd|fd|ubd)[a-z]{1,3}$", target):
        reader.complain(path + "target", f"{target!r} is not a target such as vda, sda or xvda")
    entry["name"] = (
        reader.take(path + "name", given["name"], check_part) if "name" in given else _disk_name(source, entry)
    )
    return entry


def _disk_source(reader: _Reader, path: str, given: Mapping[str, Any], source: str, entry: Spec) -> None:
    if source in ("file", "block"):
        value = reader.take(path + source, given[source], PATH.parse)
        entry["source"] = {source: value}
    elif source == "cdrom":
        value = given["cdrom"]
        entry["device"] = "cdrom"
        entry["source"] = {"file": None if value == "" else reader.take(path + source, value, PATH.parse)}
    elif source in ("image", "volume"):
        value = reader.take(path + source, given[source], LINE.parse)
        entry["base" if source == "image" else "volume"] = value
        if value == "":
            reader.complain(path + source, "must not be empty")
    else:
        entry["blank"] = True


def _disk_name(source: str, entry: Spec) -> str:
    """Return the name of a disk that was given none: by what it is, never by where it stands in the list."""
    if source in ("image", "blank"):
        return "root"
    if source == "cdrom":
        return "cdrom"
    locator = entry.get("volume") or next(iter((entry.get("source") or {"": None}).values())) or source
    stem = re.sub(r"[^A-Za-z0-9_.-]", "-", str(locator).rpartition("/")[2]) or source
    return stem.lstrip(".-") or source


def _nic(reader: _Reader, path: str, given: Mapping[str, Any]) -> Spec:
    reader.unknown(path, given, _NIC)
    likely = "bridge" if "bridge" in given else "network"
    kind = given.get("type") or likely
    entry: Spec = {}
    if kind not in NIC_TYPES:
        reader.complain(path + "type", f"{kind!r} is not one of {', '.join(NIC_TYPES)}")
        kind = likely
    for option in ("network", "bridge"):
        if option == kind:
            if option not in given:
                reader.complain(path.rstrip("."), f"a nic of type {kind} needs {option}")
            else:
                entry["source"] = {kind: reader.take(path + option, given[option], LINE.parse)}
        elif option in given:
            reader.complain(path + option, f"does not go with type {kind}")
    if kind == "user":
        entry["source"] = {"user": None}
    parsers: dict[str, Parser] = {
        "mac": nics.parse_mac,
        "model": check_part,
        "boot_order": COUNT.parse,
        "address": _check_address,
        "ip": _check_address,
        "rate": nics.RATE.parse,
        "script": nics.SCRIPT.parse,
        "backend_domain": check_name,
    }
    for option, parser in parsers.items():
        if option in given:
            value = reader.take(path + option, given[option], parser)
            if value is not None:
                entry[option] = value
    if "address" in given and kind != "network":
        reader.complain(
            path + "address",
            f"is a reservation in the DHCP of a libvirt network and does not go with type {kind}; "
            "set the address inside the guest (cloud_init.network_config)",
        )
    default = given.get("network") or given.get("bridge") or kind
    entry["name"] = reader.take(path + "name", given["name"], check_part) if "name" in given else str(default)
    return entry


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
