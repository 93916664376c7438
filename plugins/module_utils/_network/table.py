# Copyright: (c) 2026, the virtfleet.core contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The table of a network.

What dnsmasq reads again (reservations, ranges, names, records) is live, and so is what only concerns the next guest that
is plugged in (groups of ports, devices to choose from); what the bridge was made with needs a restart of the network,
since libvirt changes it in no other way (virNetworkUpdate: "not supported" for these sections).
"""
from __future__ import annotations

import ipaddress
import re
from collections.abc import Mapping, Sequence
from typing import Any

from .. import _xml
from .._change import UNSET, Step
from .._errors import SpecError
from .._guest.fields.nics import parse_mac
from .._table import LIVE, Context, Field, Keyed, Spec, Table
from .._types import LINE, PRESENCE, Type, read_text, write_text
from .._xml import Element, SubElement
from . import forward, more, ports
from .addresses import (
    ADDRESS,
    ANY_ADDRESS,
    CIDR,
    DHCP,
    get_cidr,
    get_dhcp,
    inside,
    set_cidr,
    set_dhcp,
    usable,
)
from .forward import ROUTED
from .tree import MAIN, to_text

_LABEL = r"[A-Za-z0-9]([A-Za-z0-9-]{0,61}[A-Za-z0-9])?"
_DNS = re.compile(rf"^{_LABEL}(\.{_LABEL})*$")


def _parse_forwarders(value: Any) -> tuple[str, ...]:
    if not isinstance(value, (list, tuple)):
        raise SpecError(f"{value!r} is not a list of addresses of DNS servers")
    try:
        return tuple(dict.fromkeys(str(ipaddress.ip_address(str(item))) for item in value))
    except ValueError as error:
        raise SpecError(f"{value!r} is not a list of addresses of DNS servers: {error}") from None


def _plain_forwarders(root: Element) -> list[Element]:
    """Return the servers that are asked for everything; those of a single domain are left alone."""
    return [item for item in _xml.find_all(root, "dns/forwarder") if item.get("addr") and item.get("domain") is None]


def _get_forwarders(root: Element) -> Any:
    return tuple(item.get("addr", "") for item in _plain_forwarders(root))


def _set_forwarders(root: Element, value: Sequence[str]) -> None:
    dns = _xml.ensure(root, "dns")
    for item in _plain_forwarders(root):
        dns.remove(item)
    for address in value:
        SubElement(dns, "forwarder", {"addr": address})
    if not len(dns) and not dns.attrib:
        root.remove(dns)


FORWARDERS = Type(_parse_forwarders, read_text, write_text, show=list)


def _parse_bridge(value: Any) -> str:
    text = str(LINE.parse(value))
    # The kernel's IFNAMSIZ is 16 with the closing zero; libvirt replaces %d by a number.
    if not re.match(r"^[^\s/:%]{1,15}$", text) or text in (".", ".."):
        raise SpecError(
            f"{value!r} cannot be a bridge's name: 1 to 15 characters without spaces, slashes, colons or percent signs"
        )
    return text


BRIDGE = Type(_parse_bridge, read_text, write_text)


def check_host_name(value: Any) -> str:
    """Return a DNS name; raise SpecError for anything else."""
    text = str(value)
    if not _DNS.match(text) or len(text) > 253:
        raise SpecError(f"{value!r} is not a DNS name: letters, digits and hyphens, joined by dots")
    return text


def _parse_domain(value: Any) -> str:
    return "" if value == "" else check_host_name(value)


DOMAIN = Type(_parse_domain, read_text, write_text)


def _set_domain(root: Element, value: str) -> None:
    # Without a name libvirt refuses the other attributes of the element.
    if value:
        _xml.write(root, "domain/@name", value)
    else:
        _xml.remove(root, "domain")


def _read_on(element: Element, attribute: str | None) -> bool:
    return read_text(element, attribute) != "off"


def _write_on(element: Element, attribute: str | None, value: bool) -> None:
    write_text(element, attribute, "on" if value else "off")


ON = Type(PRESENCE.parse, _read_on, _write_on)


def _read_isolated(element: Element, attribute: str | None) -> bool:
    return read_text(element, attribute) == "yes"


def _write_isolated(element: Element, attribute: str | None, value: bool) -> None:
    write_text(element, attribute, "yes" if value else "no")


ISOLATED = Type(PRESENCE.parse, _read_isolated, _write_isolated)


def _parse_mtu(value: Any) -> int:
    # 68 is the least that IPv4 allows (RFC 791), 65535 the most that a device takes.
    if isinstance(value, int) and not isinstance(value, bool) and 68 <= value <= 65535:
        return value
    raise SpecError(f"{value!r} is not an MTU: write a number of bytes from 68 to 65535")


def _read_number(element: Element, attribute: str | None) -> int:
    return int(read_text(element, attribute))


def _write_number(element: Element, attribute: str | None, value: int) -> None:
    write_text(element, attribute, str(value))


MTU = Type(_parse_mtu, _read_number, _write_number)


# lists


def _read_mac(element: Element, attribute: str | None) -> str:
    return read_text(element, attribute).lower()


MAC = Type(parse_mac, _read_mac, write_text)
HOST_NAME = Type(check_host_name, read_text, write_text)


def _parse_names(value: Any) -> tuple[str, ...]:
    if not isinstance(value, (list, tuple)) or not value:
        raise SpecError(f"{value!r} is not a list of DNS names")
    return tuple(dict.fromkeys(check_host_name(name) for name in value))


def _get_names(element: Element) -> Any:
    return tuple(read_text(child, None) for child in element.findall("hostname"))


def _set_names(element: Element, value: tuple[str, ...]) -> None:
    for child in element.findall("hostname"):
        element.remove(child)
    for name in value:
        SubElement(element, "hostname").text = name


def _same_names(want: tuple[str, ...], have: tuple[str, ...]) -> bool:
    """The first name is what an address is called in return; the order of the others says nothing."""
    return want[:1] == have[:1] and set(want) == set(have)


NAMES = Type(_parse_names, read_text, write_text, show=list, same=_same_names)


def _nothing(root: Element) -> Mapping[str, str]:
    """A network keeps no record of entries: older versions of libvirt drop its metadata."""
    return {}


def _has_mac(element: Element) -> bool:
    return element.get("mac") is not None


# The same option twice: the last one of ``ident`` is refused to entries with a name of their own, and here the name
# is an option like others.
RESERVATIONS = Keyed(
    "reservations", f"{MAIN}/dhcp/host",
    Table(
        (
            Field("mac", ("@mac",), MAC, LIVE),
            Field("name", ("@name",), HOST_NAME, LIVE),
            Field("address", ("@ip",), ADDRESS, LIVE),
        )
    ),
    ident=("mac", "mac"),
    mark="mac",
    recorded=_nothing,
    on_add=LIVE,
    on_remove=LIVE,
    exact="reservations_exact",
    select=_has_mac,
)

DNS_HOSTS = Keyed(
    "dns_hosts", "dns/host",
    Table(
        (
            Field("address", ("@ip",), ANY_ADDRESS, LIVE),
            Field("names", ("hostname",), NAMES, LIVE, getter=_get_names, setter=_set_names),
        )
    ),
    ident=("address", "address"),
    mark="address",
    recorded=_nothing,
    on_add=LIVE,
    on_remove=LIVE,
    exact="dns_hosts_exact",
)


# rules


def nat_has_addresses(spec: Spec) -> list[str]:
    mode = spec.get("forward", "none")
    if mode != "none" and mode in ROUTED and "cidr" not in spec:
        return [f"cidr: a {mode} network needs addresses; give one such as 10.20.0.0/24, or forward: none"]
    return []


def addresses_fit(spec: Spec) -> list[str]:
    cidr, gateway, dhcp = spec.get("cidr"), spec.get("gateway"), spec.get("dhcp") or ()
    if cidr is None:
        wrong = [option for option in ("gateway", "dhcp", "reservations") if spec.get(option)]
        return [f"{option}: needs a cidr" for option in wrong]
    found = []
    if gateway is not None and not inside(cidr, [gateway]):
        found.append(f"gateway: {gateway} is not a host's address in {cidr}; take one from {usable(cidr)}")
    for start, end in dhcp:
        if not inside(cidr, [start, end]):
            found.append(f"dhcp: {start} to {end} is not inside {cidr}; take addresses from {usable(cidr)}")
        elif ipaddress.IPv4Address(start) > ipaddress.IPv4Address(end):
            found.append(f"dhcp: the range starts at {start}, behind its end {end}")
        elif int(ipaddress.IPv4Address(end)) - int(ipaddress.IPv4Address(start)) >= 65535:
            found.append(f"dhcp: {start} to {end} are more than the 65535 addresses that libvirt takes")
        elif start == end == gateway:
            found.append(f"dhcp: the only address of the range is the gateway's, {gateway}")
    return found


def reservations_need_dhcp(spec: Spec) -> list[str]:
    if spec.get("reservations") and spec.get("dhcp") is False:
        return ["reservations: are given out by DHCP, which dhcp: false turns off; leave one out"]
    return []


def entries_are_single(spec: Spec) -> list[str]:
    found = []
    for option, keys in (("reservations", ("mac", "address", "name")), ("dns_hosts", ("address",))):
        for key in keys:
            seen: set[str] = set()
            for entry in spec.get(option, ()):
                value = entry.get(key)
                if value is not None and value in seen:
                    found.append(f"{option}: two entries have the {key} {value}")
                seen.add(value)
    return found


def _define(context: Context, root: Element) -> Step:
    return Step("define_network", {"xml": to_text(root)}, f"define network {context.name}")


NETWORK = Table(
    (
        *forward.ROWS,
        Field("bridge", ("bridge/@name",), BRIDGE),
        Field("stp", ("bridge/@stp",), ON),
        Field("mtu", ("mtu/@size",), MTU, absent=UNSET),
        Field("domain", ("domain/@name",), DOMAIN, setter=_set_domain, absent=""),
        Field("cidr", (f"{MAIN}/@netmask", f"{MAIN}/@prefix"), CIDR, getter=get_cidr, setter=set_cidr),
        Field("gateway", (f"{MAIN}/@address",), ADDRESS),
        RESERVATIONS,
        # After the reservations: turning it off removes the section that those are taken out of.
        Field("dhcp", (f"{MAIN}/dhcp/range",), DHCP, LIVE, getter=get_dhcp, setter=set_dhcp),
        DNS_HOSTS,
        Field(
            "dns_forwarders",
            ("dns/forwarder",),
            FORWARDERS,
            absent=(),
            getter=_get_forwarders,
            setter=_set_forwarders,
        ),
        Field("isolated", ("port/@isolated",), ISOLATED, absent=False),
        *more.ROWS,
        *ports.ROWS,
    ),
    (
        *forward.RULES,
        nat_has_addresses,
        addresses_fit,
        reservations_need_dhcp,
        entries_are_single,
        *more.RULES,
        *ports.RULES,
    ),
    _define,
)
