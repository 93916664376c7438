# Copyright: (c) 2026, the virtfleet.core contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What the collection writes into a guest's metadata: which devices it attached, the seed, the last applied spec.

It travels with the definition, in the same define, so that it is never true without it. Everything read from it is
still checked where it is used: whoever may edit a guest's XML may edit this.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from .. import _xml
from .._xml import NAMESPACES, Element, SubElement

_GUEST = "metadata/virtfleet:guest"
_NS = f"{{{NAMESPACES['virtfleet']}}}"


@dataclass(frozen=True)
class Device:
    """One device that the collection attached: its name in the spec and the key by which XML knows it.

    ``volume`` is ``pool/name`` of a volume made for it, ``image`` the path of that volume's base at the time,
    ``network`` and ``address`` the DHCP reservation made for it.
    """

    kind: str
    name: str
    key: str
    volume: str | None = None
    image: str | None = None
    network: str | None = None
    address: str | None = None

    @property
    def pool_and_name(self) -> tuple[str, str] | None:
        if self.volume is None:
            return None
        pool, _slash, name = self.volume.partition("/")
        return pool, name


@dataclass(frozen=True)
class Record:
    """All that is on record.

    ``seed`` is the SHA-256 of the seed's content, ``applied`` the last applied normal spec, ``waiting`` the paths of what
    was true only after the next cold start when it was written, None where nobody has written that down.
    """

    estate: str | None = None
    devices: tuple[Device, ...] = ()
    seed: str | None = None
    applied: Mapping[str, Any] | None = None
    waiting: tuple[str, ...] | None = None

    def device(self, kind: str, name: str) -> Device | None:
        return next((d for d in self.devices if d.kind == kind and d.name == name), None)


_OPTIONAL = ("volume", "image", "network", "address")


def read(root: Element) -> Record | None:
    """Return the record of a domain's XML, or None for a guest that the collection has never written."""
    guest = _xml.find(root, _GUEST)
    if guest is None:
        return None
    devices = tuple(
        Device(
            device.get("kind", ""),
            device.get("name", ""),
            device.get("key", ""),
            **{option: device.get(option) for option in _OPTIONAL},
        )
        for device in _xml.find_all(guest, "virtfleet:device")
    )
    waiting = _xml.read(guest, "virtfleet:waiting")
    return Record(
        _xml.read(guest, "virtfleet:estate"),
        devices,
        _xml.read(guest, "virtfleet:seed/@sha256"),
        _applied(guest),
        None if waiting is None else tuple(waiting.split()),
    )


def _applied(guest: Element) -> Mapping[str, Any] | None:
    text = _xml.read(guest, "virtfleet:applied")
    try:
        value = json.loads(text) if text else None
    except ValueError:
        return None
    return value if isinstance(value, dict) else None


def write(root: Element, record: Record) -> None:
    """Put the record into a domain's XML in place of an older one; tags and anything foreign stay."""
    guest = _xml.ensure(root, _GUEST)
    for tag in ("estate", "device", "seed", "applied", "waiting"):
        _xml.remove(guest, f"virtfleet:{tag}")
    if record.estate is not None:
        SubElement(guest, f"{_NS}estate").text = record.estate
    for device in record.devices:
        attributes = {"kind": device.kind, "name": device.name, "key": device.key}
        for option in _OPTIONAL:
            value = getattr(device, option)
            if value is not None:
                attributes[option] = value
        SubElement(guest, f"{_NS}device", attributes)
    if record.seed is not None:
        SubElement(guest, f"{_NS}seed", {"sha256": record.seed})
    if record.applied is not None:
        SubElement(guest, f"{_NS}applied").text = json.dumps(record.applied, sort_keys=True)
    if record.waiting is not None:
        SubElement(guest, f"{_NS}waiting").text = " ".join(record.waiting)


def element(root: Element) -> Element | None:
    """Return the collection's metadata element."""
    return _xml.find(root, _GUEST)
