# Copyright: (c) 2026, the virtfleet.core contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Rules and included filters: the user's words, values that can be compared, and XML."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from functools import partial
from typing import Any

from .._errors import SpecError
from .._network.spec import check_name, choose, take
from .._words import close
from .._xml import Element, SubElement
from .attributes import PROTOCOLS, Value, keeps_set_flags, leader_of, parse_value, write_value

ACTIONS = ("accept", "drop", "reject", "return", "continue")
DIRECTIONS = ("in", "out", "inout")
DEFAULT_PRIORITY = 500
PRIORITIES = range(-1000, 1001)
# IPPROTO_TCP, _UDP, _DCCP and _SCTP: what has ports.
_WITH_PORTS = (6, 17, 33, 132)

Attributes = tuple[tuple[str, Value], ...]


@dataclass(frozen=True)
class Rule:
    """One rule. ``attributes`` must be so, and ``negated`` must not, for a packet to be meant; both sorted by name."""

    action: str
    direction: str
    priority: int = DEFAULT_PRIORITY
    statematch: bool = True
    protocol: str | None = None
    attributes: Attributes = ()
    negated: Attributes = ()


@dataclass(frozen=True)
class Include:
    """Another filter that is part of this one, with values for its variables, sorted by the variable's name."""

    name: str
    parameters: tuple[tuple[str, tuple[str, ...]], ...] = ()


# the user's words


def parse_priority(value: Any) -> int:
    """Return a priority; the least comes first."""
    if isinstance(value, int) and not isinstance(value, bool) and value in PRIORITIES:
        return value
    raise SpecError(f"{value!r} is not a priority: write a whole number from -1000 to 1000")


def parse_rules(problems: list[str], value: Any) -> tuple[Rule, ...]:
    """Return the rules; complaints go to ``problems``."""
    return tuple(_rule(problems, f"rules[{number}]", item) for number, item in _mappings(problems, "rules", value))


def _mappings(problems: list[str], option: str, value: Any) -> list[tuple[int, Mapping[str, Any]]]:
    if not isinstance(value, (list, tuple)):
        problems.append(f"{option}: {value!r} is not a list")
        return []
    problems.extend(
        f"{option}[{number}]: {item!r} is not a mapping"
        for number, item in enumerate(value)
        if not isinstance(item, Mapping)
    )
    return [(number, item) for number, item in enumerate(value) if isinstance(item, Mapping)]


def _rule(problems: list[str], path: str, item: Mapping[str, Any]) -> Rule:
    given = {option: value for option, value in item.items() if value is not None}
    problems.extend(f"{path}.{option}: is missing" for option in ("action", "direction") if option not in given)

    def taken(option: str, default: Any, parse: Any) -> Any:
        return take(problems, f"{path}.{option}", given[option], parse) if option in given else default

    protocol = taken("protocol", None, _protocol)
    signs: dict[str, dict[str, Value]] = {"attributes": {}, "negated": {}}
    for sign, found in signs.items():
        if sign not in given:
            continue
        if "protocol" not in given:
            problems.append(f"{path}.{sign}: are attributes of a protocol; say which one")
        elif not isinstance(given[sign], Mapping):
            problems.append(f"{path}.{sign}: {given[sign]!r} is not a mapping of attributes of {protocol}")
        elif protocol is not None:
            found.update(_attributes(problems, f"{path}.{sign}", protocol, given[sign]))
    if protocol is not None:
        problems.extend(f"{path}.{sentence}" for sentence in _contradictions(protocol, **signs))
        if "ipset" in signs["attributes"] and not keeps_set_flags(protocol):
            # So libvirt completes it.
            signs["attributes"]["ipsetflags"] = "src"
    return Rule(
        taken("action", "", lambda value: choose(value, ACTIONS)),
        taken("direction", "", lambda value: choose(value, DIRECTIONS)),
        taken("priority", DEFAULT_PRIORITY, parse_priority),
        bool(given.get("statematch", True)),
        protocol,
        tuple(sorted(signs["attributes"].items())),
        tuple(sorted(signs["negated"].items())),
    )


def _protocol(value: Any) -> str:
    if value not in PROTOCOLS:
        known = ", ".join(PROTOCOLS)
        raise SpecError(f"{value!r} is not a protocol{close(str(value), PROTOCOLS)} (there are {known})")
    return str(value)


def _attributes(problems: list[str], path: str, protocol: str, given: Mapping[str, Any]) -> dict[str, Value]:
    found: dict[str, Value] = {}
    for name, value in given.items():
        if value is None:
            continue
        if name not in PROTOCOLS[protocol]:
            problems.append(f"{path}.{name}: {protocol} has no such attribute{close(str(name), PROTOCOLS[protocol])}")
            continue
        parsed = take(problems, f"{path}.{name}", value, partial(parse_value, protocol, name))
        if parsed is not None:
            found[name] = parsed
    return found


def _contradictions(protocol: str, attributes: Mapping[str, Value], negated: Mapping[str, Value]) -> list[str]:
    """Return what libvirt would turn into another rule without a word, or refuse."""
    found = [f"negated.{name}: is among the attributes too" for name in negated if name in attributes]
    found += [
        f"negated.{name}: cannot be negated; put it among the attributes"
        for name in ("comment", "ipset", "ipsetflags")
        if name in negated
    ]
    for name in (*attributes, *negated):
        leader = leader_of(protocol, name)
        if leader is None or (name in negated) == (leader in negated):
            continue
        if name in negated:
            found.append(
                f"negated.{name}: libvirt negates it together with {leader} only; negate that as well, or write a rule "
                "with the opposite action"
            )
        else:
            found.append(f"attributes.{name}: libvirt negates it together with {leader}; put both into the same mapping")
    everything = {**attributes, **negated}
    if negated and "comment" in attributes and len(attributes) > 1:
        found.append("attributes.comment: libvirt loses it where some attributes are negated and others are not")
    if "ipsetflags" in everything and "ipset" not in everything:
        found.append("attributes.ipsetflags: goes with an ipset only")
    if everything.get("ipsetflags", "src") != "src" and not keeps_set_flags(protocol):
        found.append(
            f"attributes.ipsetflags: libvirt loses the set of {protocol} with other flags than src; protocol: all keeps them"
        )
    ports = [name for name in everything if "port" in name and protocol in ("ip", "ipv6")]
    if ports and everything.get("protocol") not in _WITH_PORTS:
        found.append(f"attributes.{ports[0]}: needs a protocol that has ports: tcp, udp or sctp")
    return found


def parse_filters(problems: list[str], value: Any, own: str | None) -> tuple[Include, ...]:
    """Return the included filters; complaints go to ``problems``. ``own`` is the name of the filter itself."""
    found = []
    for number, item in _mappings(problems, "filters", value):
        path = f"filters[{number}]"
        name = take(problems, f"{path}.name", item.get("name"), check_name)
        if name is not None and name == own:
            problems.append(f"{path}.name: a filter cannot include itself")
        found.append(Include(name, _parameters(problems, f"{path}.parameters", item.get("parameters"))))
    return tuple(found)


def _parameters(problems: list[str], path: str, given: Any) -> tuple[tuple[str, tuple[str, ...]], ...]:
    if given is None:
        return ()
    if not isinstance(given, Mapping):
        problems.append(f"{path}: {given!r} is not a mapping of variables and their values")
        return ()
    found = {}
    for name, value in given.items():
        values = tuple(str(each).strip() for each in (value if isinstance(value, (list, tuple)) else (value,)))
        # libvirt leaves out others without a word (nwfilter_params.h, VALID_VARNAME and VALID_VARVALUE).
        if not re.fullmatch("[A-Za-z0-9_]+", str(name)):
            problems.append(f"{path}.{name}: cannot be a variable: it has letters, digits and underscores")
        wrong = [each for each in values if not re.fullmatch("[A-Za-z0-9_.:]+", each)]
        if wrong or not values:
            problems.append(f"{path}.{name}: {(*wrong, '')[0]!r} cannot be a value: letters, digits and _ . : only")
        found[str(name)] = values
    return tuple(sorted(found.items()))


# XML


def read_rules(root: Element) -> tuple[Rule, ...]:
    """Return the rules of a filter in their order."""
    return tuple(_read_rule(node) for node in root.findall("rule"))


def _read_rule(node: Element) -> Rule:
    signs: dict[bool, dict[str, Value]] = {True: {}, False: {}}
    protocol = node[0].tag if len(node) else None
    for child in node:
        for name, text in child.attrib.items():
            if name != "match":
                matched = child.get("match") != "no" or name == "comment"
                signs[matched][name] = _read_value(child.tag, name, text)
    return Rule(
        node.get("action", ""),
        node.get("direction", ""),
        int(node.get("priority", DEFAULT_PRIORITY)),
        node.get("statematch", "true").lower() not in ("false", "0"),
        protocol,
        tuple(sorted(signs[True].items())),
        tuple(sorted(signs[False].items())),
    )


def _read_value(protocol: str, name: str, text: str) -> Value:
    try:
        return parse_value(protocol, name, text)
    except (SpecError, KeyError):
        # Of a newer libvirt: it stays as it is, and is equal to nothing that can be said.
        return text


def write_rules(root: Element, rules: tuple[Rule, ...]) -> None:
    """Put the rules in the place of those that are there."""
    for node in root.findall("rule"):
        root.remove(node)
    for rule in rules:
        node = SubElement(root, "rule")
        node.set("action", rule.action)
        node.set("direction", rule.direction)
        node.set("priority", str(rule.priority))
        if not rule.statematch:
            node.set("statematch", "false")
        if rule.protocol is None:
            continue
        attributes, negated = dict(rule.attributes), dict(rule.negated)
        if negated and set(attributes) == {"comment"}:
            # It is not matched, and needs no element of its own.
            negated["comment"] = attributes.pop("comment")
        if attributes or not negated:
            SubElement(node, rule.protocol, _written(attributes))
        if negated:
            SubElement(node, rule.protocol, {"match": "no", **_written(negated)})


def _written(attributes: Mapping[str, Value]) -> dict[str, str]:
    return {name: write_value(value) for name, value in sorted(attributes.items())}


def read_filters(root: Element) -> tuple[Include, ...]:
    """Return the filters that a filter includes, in their order."""
    found = []
    for node in root.findall("filterref"):
        values: dict[str, tuple[str, ...]] = {}
        for child in node.findall("parameter"):
            name = child.get("name", "")
            values[name] = (*values.get(name, ()), child.get("value", ""))
        found.append(Include(node.get("filter", ""), tuple(sorted(values.items()))))
    return tuple(found)


def write_filters(root: Element, filters: tuple[Include, ...]) -> None:
    """Put the included filters in the place of those that are there, before the rules."""
    for node in root.findall("filterref"):
        root.remove(node)
    rules = [position for position, node in enumerate(root) if node.tag == "rule"]
    place = rules[0] if rules else len(root)
    for number, include in enumerate(filters):
        node = Element("filterref", {"filter": include.name})
        for name, values in include.parameters:
            for value in values:
                SubElement(node, "parameter", {"name": name, "value": value})
        root.insert(place + number, node)


# results


def show_rules(rules: tuple[Rule, ...]) -> list[dict[str, Any]]:
    """Return rules in the user's words, without what says nothing."""
    shown = []
    for rule in rules:
        row: dict[str, Any] = {"action": rule.action, "direction": rule.direction, "priority": rule.priority}
        if not rule.statematch:
            row["statematch"] = False
        if rule.protocol is not None:
            row["protocol"] = rule.protocol
        for option, attributes in (("attributes", rule.attributes), ("negated", rule.negated)):
            if attributes:
                row[option] = dict(attributes)
        shown.append(row)
    return shown


def show_filters(filters: tuple[Include, ...]) -> list[dict[str, Any]]:
    """Return included filters in the user's words."""
    shown = []
    for include in filters:
        row: dict[str, Any] = {"name": include.name}
        if include.parameters:
            row["parameters"] = {
                name: values[0] if len(values) == 1 else list(values) for name, values in include.parameters
            }
        shown.append(row)
    return shown
