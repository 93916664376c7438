# Copyright: (c) 2026, the virtfleet.core contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What the ports of a network are given, all of them or those of a group: VLANs, the switch's words, bandwidth."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from .. import _xml
from .._errors import SpecError
from .._table import LIVE, Field, Spec
from .._types import LINE, YES_NO, Type, choice, counted, read_text, write_text
from .._virtualport import VIRTUALPORT
from .._words import close
from .._xml import Element, SubElement
from .more import BANDWIDTH, get_bandwidth, listed, set_bandwidth

_TAG = counted(1, 4094, "a VLAN")
_MODE = choice("tagged", "untagged")
_VLAN = ("tags", "trunk", "native", "native_mode")


def _parse_vlan(value: Any) -> dict[str, Any]:
    """Return the tags in order, whether they are a trunk, and which of them is native and how; nothing for no VLAN."""
    if not isinstance(value, Mapping):
        raise SpecError(f"{value!r} is not a mapping of {', '.join(_VLAN)}")
    given = {str(word): part for word, part in value.items() if part is not None}
    problems = [f"{word}: no such option{close(word, _VLAN)}" for word in given if word not in _VLAN]
    if not given:
        return {}
    tags = given.get("tags")
    if not isinstance(tags, (list, tuple)) or not tags:
        raise SpecError([*problems, "tags: is missing; write the VLANs, such as [42], or an empty mapping for none"])
    found: dict[str, Any] = {}
    try:
        found["tags"] = tuple(sorted({int(_TAG.parse(tag)) for tag in tags}))
        if "native" in given:
            found["native"] = _TAG.parse(given["native"])
            found["native_mode"] = _MODE.parse(given.get("native_mode", "untagged"))
        found["trunk"] = bool(YES_NO.parse(given.get("trunk", len(found["tags"]) > 1 or "native" in given)))
    except SpecError as error:
        raise SpecError([*problems, *error.problems]) from None
    if "native" not in given and "native_mode" in given:
        problems.append("native_mode: says how the VLAN in native is carried; give that too")
    if found.get("native") not in (None, *found["tags"]):
        problems.append(f"native: {found['native']} is none of tags; add it there")
    if not found["trunk"] and (len(found["tags"]) > 1 or "native" in found):
        problems.append("trunk: false is for a single VLAN that is not native; several are a trunk")
    if problems:
        raise SpecError(problems)
    return found


def _get_vlan(root: Element) -> dict[str, Any]:
    element = root.find("vlan")
    if element is None:
        return {}
    tags = element.findall("tag")
    found: dict[str, Any] = {"tags": tuple(sorted(int(tag.get("id", "0")) for tag in tags))}
    for tag in tags:
        if "nativeMode" in tag.attrib:
            found.update(native=int(tag.get("id", "0")), native_mode=tag.attrib["nativeMode"])
    found["trunk"] = element.get("trunk") == "yes" or len(tags) > 1
    return found


def _set_vlan(root: Element, value: Mapping[str, Any]) -> None:
    _xml.remove(root, "vlan")
    if not value:
        return
    element = SubElement(root, "vlan", {"trunk": "yes"} if value["trunk"] else {})
    for number in value["tags"]:
        tag = SubElement(element, "tag", {"id": str(number)})
        if number == value.get("native"):
            tag.set("nativeMode", value["native_mode"])


def _show_vlan(value: Mapping[str, Any]) -> dict[str, Any]:
    """Return the words of a VLAN; that several are a trunk goes without saying."""
    shown = {**value, "tags": list(value["tags"])} if value else {}
    if shown and (len(shown["tags"]) > 1 or "native" in shown or not shown["trunk"]):
        del shown["trunk"]
    return shown


VLAN = Type(_parse_vlan, read_text, write_text, _show_vlan)


def _same_port(want: Mapping[str, Any], have: Mapping[str, Any]) -> bool:
    return {word: text for word, text in want.items() if text} == {
        word: text.lower() if word == "interfaceid" else text for word, text in have.items()
    }


# Nothing in the port of a network is drawn by libvirt, so that what is given is the whole.
PORT = replace(VIRTUALPORT, same=_same_port)


def _get_port(root: Element) -> dict[str, Any]:
    element = root.find("virtualport")
    return {} if element is None else dict(PORT.read(element, None))


def _set_port(root: Element, value: Mapping[str, Any]) -> None:
    _xml.remove(root, "virtualport")
    if value:
        PORT.write(SubElement(root, "virtualport"), None, value)


def _get_trust(root: Element) -> bool:
    return root.get("trustGuestRxFilters") == "yes"


_GROUP: dict[str, Type] = {
    "name": LINE,
    "default": YES_NO,
    "bandwidth": BANDWIDTH,
    "vlan": VLAN,
    "virtualport": PORT,
    "trust_guest_rx_filters": YES_NO,
}
_NESTED = {
    "bandwidth": (get_bandwidth, set_bandwidth),
    "vlan": (_get_vlan, _set_vlan),
    "virtualport": (_get_port, _set_port),
}


def _read_group(element: Element) -> dict[str, Any]:
    found: dict[str, Any] = {"name": element.get("name", "")}
    if element.get("default") == "yes":
        found["default"] = True
    for word, (getter, _setter) in _NESTED.items():
        value = getter(element)
        if value:
            found[word] = value
    if _get_trust(element):
        found["trust_guest_rx_filters"] = True
    return found


def _write_group(element: Element, entry: dict[str, Any]) -> None:
    element.set("name", entry["name"])
    if entry.get("default"):
        element.set("default", "yes")
    if entry.get("trust_guest_rx_filters"):
        element.set("trustGuestRxFilters", "yes")
    for word, (_getter, setter) in _NESTED.items():
        setter(element, entry.get(word) or {})


def _parse_groups(value: Any) -> tuple[dict[str, Any], ...]:
    """Return the groups without what says nothing: a word that is false or empty is one that is left out."""
    return tuple({word: part for word, part in group.items() if part} for group in _GROUPS.type.parse(value))


def groups_are_single(spec: Spec) -> list[str]:
    groups = spec.get("portgroups") or ()
    names = [group["name"] for group in groups]
    found = [f"portgroups: two groups are called {name}" for name in dict.fromkeys(names) if names.count(name) > 1]
    defaults = [group["name"] for group in groups if group.get("default")]
    if len(defaults) > 1:
        found.append(f"portgroups: {' and '.join(defaults)} are each to be the default; only one can be")
    return found


_GROUPS = listed("portgroups", "portgroup", _GROUP, ("name",), _read_group, _write_group, effect=LIVE)

ROWS = (
    Field("virtualport", ("virtualport",), PORT, absent={}, getter=_get_port, setter=_set_port),
    Field("vlan", ("vlan",), VLAN, absent={}, getter=_get_vlan, setter=_set_vlan),
    Field("trust_guest_rx_filters", ("@trustGuestRxFilters",), YES_NO, absent=False),
    replace(_GROUPS, type=replace(_GROUPS.type, parse=_parse_groups)),
)
RULES = (groups_are_single,)
