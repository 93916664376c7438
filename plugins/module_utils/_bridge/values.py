# Copyright: (c) 2026, the virtfleet.core contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What a host's network looks like, and what is wanted of it. Values only."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from ipaddress import ip_address, ip_interface
from typing import Any

TENTATIVE = "not yet known to be free"
MARK = "Made by virtfleet.core.host_bridge"
FAMILIES = (4, 6)


@dataclass(frozen=True)
class Address:
    """An address of a link, with its prefix: ``192.0.2.10/24``. Link-local ones are left out everywhere."""

    address: str
    # It has a lease or comes from a router's advertisement.
    dynamic: bool = False
    # Somebody else has it, or nobody knows yet.
    doubtful: str = ""
    temporary: bool = False

    @property
    def family(self) -> int:
        return family(self.address)


@dataclass(frozen=True)
class Route:
    """A route of the main table. ``to`` is ``default`` or a network; ``proto`` tells who made it."""

    to: str
    dev: str
    family: int
    via: str | None = None
    metric: int | None = None
    proto: str = ""
    onlink: bool = False


@dataclass(frozen=True)
class Link:
    """A network interface of the host. ``kind`` is the kernel's word for one that is no hardware: bridge, bond, vlan."""

    name: str
    mac: str = ""
    kind: str = ""
    master: str | None = None
    up: bool = True
    carrier: bool = True
    mtu: int = 1500
    ether: bool = True
    wireless: bool = False
    # One end of it is a guest's or another program's.
    tap: bool = False
    driver: str = ""


@dataclass(frozen=True)
class Kernel:
    """The host's network as the kernel has it now."""

    links: Mapping[str, Link] = field(default_factory=dict)
    addresses: Mapping[str, tuple[Address, ...]] = field(default_factory=dict)
    routes: tuple[Route, ...] = ()
    # Frames that a bridge passes on are shown to iptables, and what it forwards is dropped there.
    bridged_drop: bool = False

    def ports(self, bridge: str) -> tuple[str, ...]:
        return tuple(sorted(link.name for link in self.links.values() if link.master == bridge))

    def default(self, family_: int, dev: str) -> Route | None:
        """Return the default route over a link, the one that wins where there are several."""
        return min(self.defaults(family_, dev), key=lambda route: route.metric or 0, default=None)

    def defaults(self, family_: int, dev: str) -> tuple[Route, ...]:
        """Return all default routes over a link."""
        return tuple(route for route in self.routes if (route.to, route.dev, route.family) == ("default", dev, family_))

    def of(self, dev: str, family_: int) -> tuple[Address, ...]:
        return tuple(address for address in self.addresses.get(dev, ()) if address.family == family_)


@dataclass(frozen=True)
class FileState:
    """A file of the host, or what it is to be."""

    text: str
    mode: int = 0o644
    uid: int = 0
    gid: int = 0


Files = Mapping[str, "FileState | None"]


@dataclass(frozen=True)
class Native:
    """How a manager has a link configured: ``config`` is JSON in the manager's own shape, and is kept in the record.

    ``source`` is the file in which a person would look.
    """

    manager: str
    source: str
    config: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True)
class Static:
    """Addresses of one family that stand in the configuration, in place of whatever was there for that family."""

    addresses: tuple[str, ...]
    gateway: str | None = None


@dataclass(frozen=True)
class Wanted:
    """A bridge: None for what is carried over from the port as it stands there."""

    name: str
    port: str
    mac: str
    v4: Static | None = None
    v6: Static | None = None
    nameservers: tuple[str, ...] | None = None
    # What identifies the host to the DHCP server, where that would change with the link's name.
    iaid: int | None = None
    # The half of its IPv6 address that the host made itself, likewise.
    token: str | None = None

    def static(self, family_: int) -> Static | None:
        return self.v4 if family_ == 4 else self.v6


@dataclass(frozen=True)
class Present:
    """The files that a manager has now, by path; ``trees`` of those that are YAML, every scalar as text."""

    files: Mapping[str, FileState] = field(default_factory=dict)
    trees: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True)
class Command:
    """A program to run: within ``limit`` seconds, and the change is taken back when one that ``must`` fails."""

    argv: tuple[str, ...]
    limit: float = 30.0
    must: bool = True

    def shown(self) -> dict[str, Any]:
        return {"argv": list(self.argv), "limit": self.limit, "must": self.must}


@dataclass(frozen=True)
class Commands:
    """What makes a change of files true (``before`` they are written, and ``after``), and what undoes it."""

    before: tuple[Command, ...] = ()
    after: tuple[Command, ...] = ()
    undo_before: tuple[Command, ...] = ()
    undo_after: tuple[Command, ...] = ()
    # When the host starts, after the files were given back and before its network is up.
    boot: tuple[Command, ...] = ()


def family(address: str) -> int:
    """Return 4 or 6 for an address, with or without a prefix."""
    return ip_interface(address).version


def family_of_network(text: str) -> int | None:
    """Return 4 or 6 for an address or a network; None for a word such as ``default``."""
    try:
        return ip_interface(text).version
    except ValueError:
        return None


def within(gateway: str, addresses: tuple[str, ...]) -> bool:
    """Tell whether a gateway can be reached directly from one of the addresses; link-local ones always can."""
    return ip_address(gateway).is_link_local or any(
        ip_address(gateway) in ip_interface(address).network for address in addresses
    )
