# Copyright: (c) 2026, the virtfleet.core contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The option ``hypervisors`` of the inventory: URIs, ranges and groups become one list of what is to be asked.

Who calls says how templates are rendered and who is in a group. Names depend on the option and the inventory alone, never
on what a hypervisor answers.
"""
from __future__ import annotations

import re
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass, field, replace
from ipaddress import IPv6Address, ip_address
from typing import Any
from urllib.parse import quote, urlencode, urlsplit

from ansible.errors import AnsibleError
from ansible.plugins.inventory import expand_hostname_range

from ansible_collections.virtfleet.core.plugins.module_utils._errors import SpecError
from ansible_collections.virtfleet.core.plugins.module_utils._units import parse_duration
from ansible_collections.virtfleet.core.plugins.module_utils._words import close

ADDRESS_SOURCES = ("lease", "agent", "definition")
CONNECTIONS = ("auto", "ssh", "agent", "none")
FIELDS = ("uri", "name", "group", "username", "password", "timeout", "agent_timeout", "address_sources", "connection")
HYPERVISOR_LIMIT = 10_000

_BRACKETS = re.compile(r"\[([^\]]*)\]")
_RANGE = re.compile(r"\w*:\w+(?::\w+)?")
# Stands for the brackets of an IPv6 address while ranges are expanded; no URI holds it.
_OPEN, _SHUT = "\x02", "\x03"

Variables = Mapping[str, Any]
# Render the templates in a value with a host's variables, or with none; raises SpecError.
Render = Callable[[Any, "Variables | None"], Any]
# Return the hosts of a group with their variables, None where there is no such group.
Members = Callable[[str], "Sequence[tuple[str, Variables]] | None"]


@dataclass(frozen=True)
class Wish:
    """What is to be read. ``sources`` of addresses are in the order in which they are asked; times are seconds.

    ``details`` are what is read only when asked for: os (of agents), stats, xml.
    """

    sources: tuple[str, ...] = ADDRESS_SOURCES
    timeout: float = 20.0
    agent_timeout: float = 5.0
    details: tuple[str, ...] = ()


@dataclass(frozen=True)
class Source:
    """One hypervisor to ask. ``connection`` is the option's word: auto, agent, ssh or none."""

    uri: str
    name: str
    wish: Wish = Wish()
    connection: str = "auto"
    username: str | None = None
    password: str | None = field(default=None, repr=False)


@dataclass(frozen=True)
class _Entry:
    """A hypervisor whose name may still be open. ``listed`` says that it stands in the list itself, not in a group."""

    source: Source
    fallback: str
    listed: bool


def sources(entries: Sequence[Any], defaults: Source, render: Render, members: Members) -> list[Source]:
    """Return the hypervisors of the option, each with a name; raise SpecError with all that is wrong.

    What an entry does not say is as in ``defaults``.
    """
    problems: list[str] = []
    found: list[_Entry] = []
    for number, entry in enumerate(entries):
        try:
            found.extend(_entries(f"hypervisors[{number}]", entry, defaults, render, members))
        except SpecError as error:
            problems.extend(error.problems)
    if not entries:
        problems.append("hypervisors: the list is empty; write at least one URI, for example qemu:///system")
    if len(found) > HYPERVISOR_LIMIT:
        problems.append(f"hypervisors: these are {len(found)}, more than {HYPERVISOR_LIMIT}; see the ranges")
    return _named(found, problems)


def _named(found: Sequence[_Entry], problems: list[str]) -> list[Source]:
    chosen: dict[str, _Entry] = {}
    names: set[str] = set()
    for each in found:
        uri, name = each.source.uri, each.source.name
        if uri in chosen:
            # Groups may overlap: whoever comes first counts.
            if each.listed and chosen[uri].listed:
                problems.append(f"hypervisors: {uri} stands in the list already; remove one of the two")
            continue
        if name and name in names:
            problems.append(f"hypervisors: another hypervisor is called {name} too; give each a name of its own")
        names.add(name)
        chosen[uri] = each
    if problems:
        raise SpecError(problems)
    result = []
    for each in chosen.values():
        name = each.source.name or _free(each.fallback, names)
        names.add(name)
        result.append(replace(each.source, name=name))
    return result


def _free(name: str, taken: Collection[str]) -> str:
    number, result = 1, name
    while result in taken:
        number += 1
        result = f"{name}-{number}"
    return result


# one entry


def _entries(where: str, entry: Any, defaults: Source, render: Render, members: Members) -> list[_Entry]:
    fields: Variables = entry if isinstance(entry, Mapping) else {"uri": entry}
    unknown = [str(key) for key in fields if key not in FIELDS]
    if unknown:
        raise SpecError([f"{where}: there is no option {key!r}{close(key, FIELDS)}" for key in unknown])
    if "group" not in fields:
        return _spread(where, _rendered(where, fields, render, None), defaults)
    group = render(fields["group"], None)
    hosts = members(group) if isinstance(group, str) else None
    if hosts is None:
        raise SpecError(
            f"{where}: no group {group!r} is known yet; name the inventory that has it before this one (`-i`), or in a "
            "folder of inventories give this file a name that sorts behind"
        )
    result = []
    for host, variables in hosts:
        place = f"{where}, host {host}"
        own = _rendered(place, {key: value for key, value in fields.items() if key != "group"}, render, variables)
        if own.get("uri") is None:
            own["uri"] = default_uri(
                host, {key: render(variables[key], variables) for key in _REACHED_BY if variables.get(key) is not None}
            )
        own.setdefault("name", host)
        result.append(_entry(place, own, defaults, listed=False))
    return result


def _rendered(where: str, fields: Variables, render: Render, variables: Variables | None) -> dict[str, Any]:
    try:
        return {key: render(value, variables) for key, value in fields.items()}
    except SpecError as error:
        raise SpecError([f"{where}: {problem}" for problem in error.problems]) from error


def _spread(where: str, fields: Variables, defaults: Source) -> list[_Entry]:
    """Return an entry for each that the range in a URI means; a name with a range goes along with it."""
    uris, names = _expanded(where, fields.get("uri")), _expanded(where, fields.get("name"))
    if len(names) == 1 and len(uris) > 1 and names[0] is not None:
        raise SpecError(f"{where}: {names[0]} would be the name of {len(uris)} hypervisors; leave it out, or give it a range too")
    if len(names) not in (1, len(uris)):
        raise SpecError(f"{where}: the name's range means {len(names)} and the URI's {len(uris)} hypervisors")
    if len(names) == 1:
        names = names * len(uris)
    return [
        _entry(where, {**fields, "uri": uri, "name": name}, defaults, listed=True) for uri, name in zip(uris, names)
    ]


def _expanded(where: str, text: Any) -> list[Any]:
    if not isinstance(text, str):
        return [text]

    def masked(match: re.Match[str]) -> str:
        inner = match.group(1)
        is_range = _RANGE.fullmatch(inner) is not None and not _is_ipv6(inner)
        return match.group(0) if is_range else f"{_OPEN}{inner}{_SHUT}"

    pattern = _BRACKETS.sub(masked, text)
    if not _BRACKETS.search(pattern):
        return [text]
    try:
        found = expand_hostname_range(pattern)
    except (AnsibleError, ValueError) as error:
        raise SpecError(f"{where}: {text} is not a range: {error}; write for example hv[01:40].example") from error
    if not found:
        raise SpecError(f"{where}: the range in {text} means nothing; the second number must be the greater one")
    return [each.replace(_OPEN, "[").replace(_SHUT, "]") for each in found]


def _is_ipv6(text: str) -> bool:
    try:
        return isinstance(ip_address(text), IPv6Address)
    except ValueError:
        return False


def _entry(where: str, fields: Variables, defaults: Source, *, listed: bool) -> _Entry:
    uri = fields.get("uri")
    if not isinstance(uri, str) or not _scheme(uri):
        raise SpecError(
            f"{where}: {uri!r} is not a libvirt URI; write for example qemu:///system or "
            "qemu+ssh://root@hv1.example/system"
        )
    problems = [
        f"{where}.{key}: {fields[key]!r} is no text; put it into quotes"
        for key in ("username", "password")
        if not isinstance(fields.get(key), (str, type(None)))
    ]
    if (fields.get("username") is None) != (fields.get("password") is None):
        problems.append(f"{where}: username and password belong together; give both or none")
    wish = defaults.wish
    for key in ("timeout", "agent_timeout"):
        if fields.get(key) is not None:
            try:
                seconds = parse_duration(fields[key])
            except SpecError as error:
                problems.extend(f"{where}.{key}: {problem}" for problem in error.problems)
                continue
            wish = replace(wish, timeout=seconds) if key == "timeout" else replace(wish, agent_timeout=seconds)
    if fields.get("address_sources") is not None:
        wanted = fields["address_sources"]
        if isinstance(wanted, list) and all(each in ADDRESS_SOURCES for each in wanted):
            wish = replace(wish, sources=tuple(dict.fromkeys(wanted)))
        else:
            problems.append(f"{where}.address_sources: {wanted!r} is no list of {', '.join(ADDRESS_SOURCES)}")
    connection = fields.get("connection") or defaults.connection
    if connection not in CONNECTIONS:
        problems.append(f"{where}.connection: {connection!r} is none of {', '.join(CONNECTIONS)}")
    if problems:
        raise SpecError(problems)
    name = fields.get("name")
    source = Source(
        str(uri),
        "" if name is None else str(name),
        wish,
        str(connection),
        None if fields.get("username") is None else str(fields["username"]),
        None if fields.get("password") is None else str(fields["password"]),
    )
    return _Entry(source, urlsplit(uri).hostname or "localhost", listed)


def _scheme(uri: str) -> str:
    try:
        return urlsplit(uri).scheme
    except ValueError:  # brackets that hold no address
        return ""


# a host of the inventory as a hypervisor

_REACHED_BY = ("ansible_connection", "ansible_host", "ansible_port", "ansible_user", "ansible_ssh_private_key_file")


def default_uri(host: str, variables: Variables) -> str:
    """Return the URI of a hypervisor that Ansible reaches by these variables: QEMU's driver, over ssh."""
    if variables.get("ansible_connection") == "local":
        return "qemu:///system"
    address = str(variables.get("ansible_host") or host)
    place = f"[{address}]" if _is_ipv6(address) else quote(address, safe="")
    user, port = variables.get("ansible_user"), variables.get("ansible_port")
    key = variables.get("ansible_ssh_private_key_file")
    return "".join(
        [
            "qemu+ssh://",
            f"{quote(str(user), safe='')}@" if user else "",
            place,
            f":{quote(str(port), safe='')}" if port else "",
            "/system",
            f"?{urlencode({'keyfile': key})}" if key else "",
        ]
    )
