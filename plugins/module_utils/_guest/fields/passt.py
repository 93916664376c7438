# Copyright: (c) 2026, the virtfleet.core contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What is behind a nic of a user: QEMU's own network, or passt, which lets ports of the host in (libvirt, formatdomain: passt)."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from typing import Any

from ... import _xml
from ..._errors import SpecError
from ..._table import Spec
from ..._types import PORT, YES_NO, Type, choice, read_text, record, records, unused, write_text
from ..._xml import Element, SubElement
from ..names import IP

BACKENDS = ("default", "passt")


def _parse_ports(value: Any) -> str:
    """Return a port, or a range of them, as libvirt has its ends."""
    first, dash, last = str(value).replace(" ", "").partition("-")
    if isinstance(value, bool) or not re.match(r"^[0-9]+$", first) or (dash and not re.match(r"^[0-9]+$", last)):
        raise SpecError(f"{value!r} is not a port such as 2022, or a range such as 8000-8010")
    ends = [PORT.parse(end) for end in ((first, last) if dash else (first,))]
    if ends[0] > ends[-1]:
        raise SpecError(f"{value!r} ends before it begins")
    return str(ends[0]) if ends[0] == ends[-1] else f"{ends[0]}-{ends[-1]}"


PORTS = Type(_parse_ports, read_text, write_text, schema={"type": ["string", "integer"]})
_FORWARD = record({"proto": choice("tcp", "udp"), "address": IP, "host": PORTS, "guest": PORT, "exclude": YES_NO})


def _wrong(forward: Mapping[str, Any]) -> list[str]:
    found = []
    if "host" not in forward and (forward.keys() & {"guest", "exclude"}):
        found.append("needs host, the port of the host")
    if forward.get("exclude") and "guest" in forward:
        found.append("guest is of no use with exclude")
    return found


_parse, _show = records(_FORWARD, "forwards such as {host: 2022, guest: 22}", "forward {}", _wrong)


def _plain(forward: Mapping[str, Any]) -> Spec:
    """Return a forward without what it means anyway."""
    found = {"proto": "tcp", **forward}
    if not found.get("exclude"):
        found.pop("exclude", None)
    if str(found.get("guest")) == found.get("host", "").partition("-")[0]:
        del found["guest"]
    return found


_OPTIONS = {**{name: {"type": "str"} for name in ("address", "host")}, "guest": {"type": "int"}, "exclude": {"type": "bool"}}
FORWARDS = Type(
    lambda value: tuple(map(_plain, _parse(value))),
    unused,
    unused,
    _show,
    argument={"type": "list", "elements": "dict", "options": {"proto": {"type": "str", "choices": ["tcp", "udp"]}, **_OPTIONS}},
    inner=_FORWARD,
)


def _own(nic: Element) -> list[Element]:
    """Return what a user can say: what goes through one device of the host alone has no word."""
    return [element for element in nic.findall("portForward") if element.get("dev") is None]


def get_forwards(nic: Element) -> tuple[Spec, ...]:
    found: list[Spec] = []
    for element in _own(nic):
        shared: Spec = {"proto": element.get("proto", "tcp")}
        if element.get("address"):
            shared["address"] = IP.parse(element.get("address"))
        for part in element.findall("range"):
            start, end, to = part.get("start", ""), part.get("end"), part.get("to")
            forward = {**shared, "host": start if end in (None, start) else f"{start}-{end}"}
            if to is not None:
                forward["guest"] = int(to)
            if part.get("exclude") == "yes":
                forward["exclude"] = True
            found.append(_plain(forward))
        if element.find("range") is None:
            found.append(shared)
    return tuple(found)


def set_forwards(nic: Element, forwards: Sequence[Spec]) -> None:
    for element in _own(nic):
        nic.remove(element)
    groups: dict[tuple[str, str], Element] = {}
    for forward in forwards:
        key = (forward["proto"], forward.get("address", ""))
        if key not in groups:
            attributes = {"proto": key[0], **({"address": key[1]} if key[1] else {})}
            groups[key] = SubElement(nic, "portForward", attributes)
        if "host" in forward:
            start, _dash, end = forward["host"].partition("-")
            part = SubElement(groups[key], "range", {"start": start, **({"end": end} if end else {})})
            if "guest" in forward:
                part.set("to", str(forward["guest"]))
            if forward.get("exclude"):
                part.set("exclude", "yes")


def offered(capabilities: str) -> frozenset[str]:
    """Return the backends that a host has; libvirt lists them since 9.2, before which Debian's refuses passt."""
    if not capabilities:
        return frozenset()
    values = _xml.find_all(_xml.parse(capabilities), "devices/interface/enum[@name='backendType']/value")
    return frozenset(value.text or "" for value in values)


def only_users_have_passt(spec: Spec) -> list[str]:
    return [
        f"nics.{entry.get('name') or entry.get('mac')}.backend: passt goes with type user only"
        for entry in spec.get("nics", ())
        if entry.get("backend") == "passt" and "user" not in (entry.get("source") or {"user": None})
    ]


def forwards_are_passts(spec: Spec) -> list[str]:
    return [
        f"nics.{entry.get('name') or entry.get('mac')}.{option}: goes with backend: passt only"
        for entry in spec.get("nics", ())
        for option in ("forwards", "backend_log")
        if entry.get(option) and entry.get("backend") != "passt"
    ]


RULES = (only_users_have_passt, forwards_are_passts)
