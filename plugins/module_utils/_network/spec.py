# Copyright: (c) 2026, the virtfleet.core contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The user's words about one network, checked as far as they can be without a host.

Every complaint is collected and raised at once as one SpecError; each begins with the path of its option.
"""
from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

from .._errors import SpecError
from .._table import Field, Keyed, Spec
from .addresses import parse_address
from .table import NETWORK, entries_are_single, reservations_need_dhcp

STATES = ("present", "active", "inactive", "absent")


@dataclass(frozen=True)
class NetworkSpec:
    """One network as wanted. ``values`` has the table's options; what was left out is not in it.

    ``dhcp`` there may be True (the whole rest of the cidr) or lack an end; ``expand`` completes it.
    ``restart`` and ``disconnect_guests`` are the consents to stop an active network, also below running guests.
    """

    name: str
    state: str = "present"
    values: Spec = field(default_factory=dict)
    autostart: bool | None = None
    restart: bool = False
    disconnect_guests: bool = False
    estate: str | None = None


def take(problems: list[str], path: str, value: Any, parse: Callable[[Any], Any]) -> Any:
    """Return the parsed value, or None with its complaints added to ``problems``."""
    try:
        return parse(value)
    except SpecError as error:
        problems.extend(f"{path}: {problem}" for problem in error.problems)
        return None


def check_name(value: Any) -> str:
    """Return a name that libvirt can keep: it makes files of it."""
    text = value if isinstance(value, str) else ""
    if not text or text != text.strip() or "/" in text or text in (".", "..") or not text.isprintable():
        raise SpecError(
            f"{value!r} cannot be a name: it must not be empty, hold a slash, a line break or another control "
            "character, nor begin or end with a space"
        )
    if len(text.encode()) > 200:
        raise SpecError(f"{text[:40]!r}... is too long for a name: 200 bytes at most, since files are named by it")
    return text


def choose(value: Any, words: tuple[str, ...]) -> str:
    """Return ``value`` if it is one of ``words``."""
    if value not in words:
        raise SpecError(f"{value!r} is not one of {', '.join(words)}")
    return str(value)


def parse(options: Mapping[str, Any]) -> NetworkSpec:
    """Return the spec of a module's options; those that are None are left out. Raise SpecError with all complaints."""
    given = {option: value for option, value in options.items() if value is not None}
    problems: list[str] = []
    name = take(problems, "name", given.get("name"), check_name)
    state = take(problems, "state", given.get("state", "present"), lambda value: choose(value, STATES))
    values: Spec = {}
    for row in NETWORK.entries:
        if row.name not in given:
            continue
        if isinstance(row, Keyed):
            values[row.name] = [
                _entry(problems, f"{row.name}[{number}]", row, item) for number, item in enumerate(given[row.name])
            ]
            values[row.exact] = bool(given.get(row.exact, False))
        elif row.name == "dhcp":
            values["dhcp"] = _dhcp(problems, given["dhcp"])
        elif isinstance(row, Field):
            values[row.name] = take(problems, row.name, given[row.name], row.type.parse)
    problems += [
        f"{row.exact}: says that {row.name} is the whole list, but that is not given" for row in NETWORK.entries
        if isinstance(row, Keyed) and given.get(row.exact) and row.name not in given
    ]
    if not problems:
        problems += [*reservations_need_dhcp(values), *entries_are_single(values)]
    if problems:
        raise SpecError(problems)
    return NetworkSpec(
        name, state, values, given.get("autostart"), bool(given.get("restart")), bool(given.get("disconnect_guests"))
    )


def _entry(problems: list[str], path: str, row: Keyed, item: Mapping[str, Any]) -> Spec:
    entry: Spec = {}
    for field_ in row.item.entries:
        value = item.get(field_.name)
        if value is not None and isinstance(field_, Field):
            entry[field_.name] = take(problems, f"{path}.{field_.name}", value, field_.type.parse)
    missing = [option for option in (row.ident[0], "address", "names") if _wants(row, option) and option not in entry]
    problems.extend(f"{path}.{option}: is missing" for option in dict.fromkeys(missing))
    return entry


def _wants(row: Keyed, option: str) -> bool:
    return any(field_.name == option for field_ in row.item.entries)


def _dhcp(problems: list[str], value: Any) -> Any:
    """Return True, False, or a mapping with start and end where they were given."""
    # The option takes two types, so Ansible does not turn a templated text into a boolean.
    text = str(value).lower()
    if text in ("true", "yes", "on", "false", "no", "off"):
        return text in ("true", "yes", "on")
    if not isinstance(value, Mapping):
        problems.append(
            f"dhcp: {value!r} is neither true, false nor a range such as {{start: 10.20.0.100, end: 10.20.0.199}}"
        )
        return None
    wrong = [option for option in value if option not in ("start", "end")]
    problems.extend(f"dhcp.{option}: no such option; there are start and end" for option in wrong)
    found = {
        option: take(problems, f"dhcp.{option}", value[option], parse_address)
        for option in ("start", "end") if value.get(option) is not None
    }
    return found or True
