# Copyright: (c) 2026, the virtfleet.core contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What the user wants of a bridge, read and checked without a look at the host."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from ipaddress import ip_address, ip_interface
from typing import Any

from .._errors import SpecError
from .._units import parse_duration

# IFNAMSIZ of the kernel is 16, with the end of the text.
_LONGEST = 15
_NAME = re.compile(r"^[A-Za-z0-9_][A-Za-z0-9_.-]*$")
_SHORTEST_S, _LONGEST_S = 10.0, 600.0


@dataclass(frozen=True)
class BridgeSpec:
    """One bridge. None is what the user left out: that stays, or is carried over from the port."""

    name: str
    state: str = "present"
    interface: str | None = None
    addresses: tuple[str, ...] | None = None
    gateway: str | None = None
    gateway6: str | None = None
    nameservers: tuple[str, ...] | None = None
    rollback_s: float = 45.0

    def addresses_of(self, family: int) -> tuple[str, ...]:
        return tuple(text for text in self.addresses or () if ip_interface(text).version == family)

    def gateway_of(self, family: int) -> str | None:
        return self.gateway if family == 4 else self.gateway6


def parse(params: Mapping[str, Any]) -> BridgeSpec:
    """Return the spec of the module's options; raise SpecError with everything that cannot be right."""
    problems: list[str] = []
    for option in ("name", "interface"):
        text = params[option]
        if text is not None:
            problems += [f"{option}: {problem}" for problem in _name_problems(text)]
    if params["name"] == params["interface"]:
        problems.append(f"interface: {params['name']} is the bridge itself; name the interface that is to be in it")
    addresses = _read(params["addresses"], "addresses", _interface, problems)
    nameservers = _read(params["nameservers"], "nameservers", _plain, problems)
    gateways: dict[int, str | None] = {}
    for option, family in (("gateway", 4), ("gateway6", 6)):
        found = _read([params[option]] if params[option] is not None else None, option, _plain, problems)
        gateways[family] = found[0] if found else None
        if found and ip_address(found[0]).version != family:
            other = "gateway6" if family == 4 else "gateway"
            problems.append(f"{option}: {found[0]} is an IPv{ip_address(found[0]).version} address; write it as {other}")
    try:
        rollback_s = parse_duration(params["rollback_timeout"])
    except SpecError as error:
        problems.append(f"rollback_timeout: {error}")
        rollback_s = _SHORTEST_S
    if not _SHORTEST_S <= rollback_s <= _LONGEST_S:
        problems.append(
            f"rollback_timeout: {params['rollback_timeout']} is not between {_SHORTEST_S:.0f}s and {_LONGEST_S:.0f}s: "
            "a host needs some seconds to answer, and nobody should wait longer for one that does not"
        )
    given = [name for name in ("addresses", "gateway", "gateway6", "nameservers") if params[name] is not None]
    if params["state"] == "absent" and given:
        problems.append(
            f"{given[0]}: the interface gets back what it had before the bridge; leave it out with state: absent"
        )
    spec = BridgeSpec(
        params["name"], params["state"], params["interface"], addresses, gateways[4], gateways[6], nameservers, rollback_s
    )
    if not problems:
        problems = _gateway_problems(spec)
    if problems:
        raise SpecError(problems)
    return spec


def _gateway_problems(spec: BridgeSpec) -> list[str]:
    """Return which given gateways no given address reaches."""
    found = []
    for option, family in (("gateway", 4), ("gateway6", 6)):
        gateway, addresses = spec.gateway_of(family), spec.addresses_of(family)
        if gateway is None or not addresses or ip_address(gateway).is_link_local:
            continue
        if not any(ip_address(gateway) in ip_interface(text).network for text in addresses):
            found.append(f"{option}: {gateway} is not in the network of {' or '.join(addresses)}")
        elif any(ip_address(gateway) == ip_interface(text).ip for text in addresses):
            found.append(f"{option}: {gateway} is the host's own address")
    return found


def _name_problems(text: str) -> list[str]:
    if len(text) > _LONGEST:
        return [f"{text!r} has {len(text)} characters, and Linux knows names of at most {_LONGEST}"]
    if not _NAME.match(text):
        return [f"{text!r} cannot be the name of an interface; use letters, digits, -, _ and ."]
    return []


def _read(values: Any, option: str, read: Any, problems: list[str]) -> tuple[str, ...] | None:
    if values is None:
        return None
    found = []
    for value in values:
        try:
            found.append(read(value))
        except ValueError:
            shape = "an address with its prefix, such as 192.0.2.10/24" if read is _interface else "an IP address"
            problems.append(f"{option}: {value!r} is not {shape}")
    if len(set(found)) < len(found):
        problems.append(f"{option}: one of the entries is there twice")
    return tuple(found)


def _interface(text: str) -> str:
    address = ip_interface(text)
    if "/" not in text or address.ip.is_loopback or address.ip.is_multicast or address.ip.is_unspecified:
        raise ValueError(text)
    return str(address)


def _plain(text: str) -> str:
    return str(ip_address(text))
