# Copyright: (c) 2026, the virtfleet.core contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What must hold once a change is made, and what of it does not."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass, field, replace
from typing import Any

from .values import FAMILIES, TENTATIVE, Kernel

OPTION = {4: "gateway", 6: "gateway6"}


@dataclass(frozen=True)
class Expected:
    """The link that is to have the addresses: a bridge over ``port``, or the port itself (``port`` is None then)."""

    link: str
    port: str | None
    mac: str
    mtu: int
    # Addresses that must be there as they are, and families of which any will do.
    static: tuple[str, ...] = ()
    dynamic: tuple[int, ...] = ()
    # By family: a gateway, or None for any. A family that needs no default route is not in it.
    gateways: Mapping[int, str | None] = field(default_factory=dict)
    # Of these families the gateway did not answer before either.
    silent: tuple[int, ...] = ()
    routes: tuple[str, ...] = ()

    def shown(self) -> dict[str, Any]:
        return {**asdict(self), "gateways": {str(family): via for family, via in self.gateways.items()}}


def read_expected(shown: Mapping[str, Any]) -> Expected:
    """Return the expectation from its JSON."""
    lists = {name: tuple(shown[name]) for name in ("static", "dynamic", "silent", "routes")}
    gateways = {int(family): via for family, via in shown["gateways"].items()}
    return Expected(shown["link"], shown["port"], shown["mac"], shown["mtu"], gateways=gateways, **lists)


def lasting_problems(expected: Expected, kernel: Kernel) -> list[str]:
    """Return what is wrong and will not mend itself.

    What comes from a router or a DHCP server may be late or gone with it, and an address of a host that has just started is
    being looked for: no reason to interrupt the network.
    """
    addresses = {
        dev: tuple(replace(one, doubtful="") if one.doubtful == TENTATIVE else one for one in found)
        for dev, found in kernel.addresses.items()
    }
    lasting = replace(expected, dynamic=(), gateways={}, routes=())
    return problems(lasting, replace(kernel, addresses=addresses))


def problems(expected: Expected, kernel: Kernel) -> list[str]:
    """Return what is wrong, a sentence each, without asking the gateways."""
    link = kernel.links.get(expected.link)
    if link is None:
        return [f"{expected.link} does not exist"]
    found = []
    if expected.port is not None:
        found += _bridge_problems(expected, kernel)
    if not link.up:
        found.append(f"{link.name} is down")
    have = {address.address: address for address in kernel.addresses.get(link.name, ())}
    for text in expected.static:
        if text not in have:
            found.append(f"{link.name} does not have the address {text}")
        elif have[text].doubtful:
            found.append(f"the address {text} is {have[text].doubtful}")
    for family in expected.dynamic:
        if not any(not address.doubtful for address in kernel.of(link.name, family)):
            found.append(f"{link.name} got no IPv{family} address" + (" by DHCP" if family == 4 else ""))
    for family, gateway in expected.gateways.items():
        ways = [route.via or "nobody" for route in kernel.defaults(family, link.name)]
        if not ways:
            found.append(f"there is no IPv{family} default route over {link.name}")
        elif gateway is not None and gateway not in ways:
            found.append(f"the IPv{family} default route over {link.name} goes by {' and '.join(ways)}, not by {gateway}")
    there = {route.to for route in kernel.routes if route.dev == link.name}
    found += [f"the route to {to} over {link.name} is gone" for to in expected.routes if to not in there]
    return found


def _bridge_problems(expected: Expected, kernel: Kernel) -> list[str]:
    link, port = kernel.links[expected.link], kernel.links.get(expected.port or "")
    if link.kind != "bridge":
        return [f"{link.name} is no bridge"]
    if port is None:
        return [f"{expected.port} is gone"]
    found = []
    if port.master != link.name:
        found.append(f"{port.name} is not in {link.name}")
    if not port.up:
        found.append(f"{port.name} is down")
    if link.mac != expected.mac:
        found.append(f"{link.name} has the MAC {link.mac}, not {expected.mac}")
    if link.mtu != expected.mtu:
        found.append(f"{link.name} has the MTU {link.mtu}, not {expected.mtu}")
    left = [address.address for address in kernel.addresses.get(port.name, ())]
    if left:
        found.append(f"{port.name} still has the address {', '.join(left)}")
    lost = sorted({route.to for route in kernel.routes if route.dev == port.name})
    if lost:
        found.append(f"the route to {', '.join(lost)} still goes over {port.name}")
    return found


def to_ask(expected: Expected, kernel: Kernel) -> list[tuple[int, str]]:
    """Return the gateways that must answer: those that the host now has."""
    found = []
    for family in FAMILIES:
        if family in expected.gateways and family not in expected.silent:
            told = expected.gateways[family]
            ways = [route.via for route in kernel.defaults(family, expected.link) if route.via]
            found += [(family, via) for via in ways if told in (None, via)][:1]
    return found
