# Copyright: (c) 2026, the virtfleet.core contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What a switch that is no bridge of Linux is told of a port (libvirt, formatdomain and formatnetwork: virtualport)."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from . import _xml
from ._errors import SpecError
from ._types import UUID, Type, choice, pattern
from ._xml import Element

PORT_TYPES = ("openvswitch", "midonet")
WORDS: dict[str, Type] = {
    "type": choice(*PORT_TYPES),
    "interfaceid": UUID,
    "profileid": pattern(r"[^\x00-\x1f\x7f]{1,39}", "the name of a port profile, of at most 39 characters"),
}
_PATHS = {"type": "@type", "interfaceid": "parameters/@interfaceid", "profileid": "parameters/@profileid"}
ARGUMENT: dict[str, Any] = {
    "type": "dict",
    "options": {
        "type": {"type": "str", "choices": list(PORT_TYPES)},
        "interfaceid": {"type": "str"},
        "profileid": {"type": "str"},
    },
}


def _parse(value: Any) -> dict[str, Any]:
    if not isinstance(value, Mapping) or any(word not in WORDS for word in value):
        raise SpecError(f"{value!r} is not a mapping of {', '.join(WORDS)}, or {{}} for none")
    given = {word: part for word, part in value.items() if part is not None}
    if not given:
        return {}
    problems: list[str] = []
    found: dict[str, Any] = {}
    for word, part in given.items():
        if word == "profileid" and part == "":
            found[word] = ""
            continue
        try:
            found[word] = WORDS[word].parse(part)
        except SpecError as error:
            problems += [f"{word}: {problem}" for problem in error.problems]
    if "type" not in given:
        problems.append(f"needs type, one of {', '.join(PORT_TYPES)}")
    elif found.get("type") == "midonet" and "interfaceid" not in given:
        problems.append("interfaceid: is missing; a port of midonet is known by it")
    elif found.get("type") == "midonet" and given.get("profileid"):
        problems.append("profileid: goes with type openvswitch only")
    if problems:
        raise SpecError(problems)
    return found


def read(element: Element, attribute: str | None) -> dict[str, Any]:
    found = {word: _xml.read(element, path) for word, path in _PATHS.items()}
    return {word: text for word, text in found.items() if text is not None}


def _write(element: Element, attribute: str | None, value: Mapping[str, Any]) -> None:
    """Write what is said. The id that libvirt has drawn stays, unless the port becomes one of another switch."""
    if element.get("type") != value["type"]:
        _xml.remove(element, "parameters")
    for word, text in value.items():
        if text:
            _xml.write(element, _PATHS[word], text)
        else:
            _xml.remove(element, _PATHS[word])
    parameters = element.find("parameters")
    if parameters is not None and not parameters.attrib:
        element.remove(parameters)


def _same(want: Mapping[str, Any], have: Mapping[str, Any]) -> bool:
    if not want:
        return not have
    return all((have.get(word) or "").lower() == text.lower() if word == "interfaceid" else have.get(word, "") == text
               for word, text in want.items())  # fmt: skip


VIRTUALPORT = Type(_parse, read, _write, dict, _same, ARGUMENT, inner=WORDS)
