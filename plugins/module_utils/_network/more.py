# Copyright: (c) 2026, the virtfleet.core contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What a network has besides its bridge and IPv4: IPv6, routes, booting by it, DNS records, bandwidth.

Each of these is one value, given as a whole; an empty one takes it away (libvirt, formatnetwork).
"""
from __future__ import annotations

import ipaddress
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from .. import _xml
from .._errors import SpecError
from .._table import LIVE, RESTART, EffectOf, Field, Spec
from .._types import (
    KIBS,
    LINE,
    PATH,
    PORT,
    YES_NO,
    Type,
    counted,
    no_control,
    pattern,
    read_text,
    record,
    records,
    write_text,
)
from .._xml import Element, SubElement
from .tree import MAIN

SIX = "ip[@family='ipv6']"
_LABELS = r"[A-Za-z0-9_]([A-Za-z0-9_.-]{0,251}[A-Za-z0-9])?"


def _address(version: int | None = None) -> Type:
    def parse(value: Any) -> str:
        try:
            found = ipaddress.ip_address(str(value))
        except ValueError as error:
            raise SpecError(f"{value!r} is not an address: {error}") from None
        if version is not None and found.version != version:
            raise SpecError(f"{value!r} is not an IPv{version} address")
        return str(found)

    return Type(parse, read_text, write_text)


def _parse_target(value: Any) -> str:
    try:
        return str(ipaddress.ip_network(str(value)))
    except ValueError as error:
        raise SpecError(f"{value!r} is not a network such as 10.99.0.0/16: {error}") from None


def _parse_own(value: Any) -> str:
    try:
        found = ipaddress.IPv6Interface(str(value))
    except ValueError as error:
        raise SpecError(f"{value!r} is not an address with its prefix such as fd00:20::1/64: {error}") from None
    if found.network.prefixlen > 126 or found.ip == found.network.network_address:
        raise SpecError(f"{value!r} is not the address of a host in its network; write one such as fd00:20::1/64")
    return str(found)


ANY, V6 = _address(), _address(6)
TARGET = Type(_parse_target, read_text, write_text)
OWN = Type(_parse_own, read_text, write_text)
DNS_NAME = pattern(_LABELS, "a DNS name")
NUMBER = counted(0, 65535, "a number of 16 bits")


def _entries(words: Mapping[str, Type], needed: Sequence[str]) -> Type:
    """Return the type of a list of mappings."""
    one = record(words)

    def missing(entry: Mapping[str, Any]) -> list[str]:
        return [f"{word}: is missing" for word in needed if word not in entry]

    read, show = records(one, f"mappings of {', '.join(words)}", "[{}]", missing)

    def parse(value: Any) -> tuple[dict[str, Any], ...]:
        found = read(value)
        first = [found.index(entry) for entry in found]
        twins = [f"[{number}]: is the same as [{twin}]; leave one out" for number, twin in enumerate(first) if twin != number]
        if twins:
            raise SpecError(twins)
        return tuple(found)

    def alike(a: Mapping[str, Any], b: Mapping[str, Any]) -> bool:
        return set(a) == set(b) and all(words[word].same(a[word], b[word]) for word in a)

    def same(want: Sequence[Any], have: Sequence[Any]) -> bool:
        # Their order says nothing, and is another one where entries came to a running network one by one.
        left = list(have)
        for entry in want:
            twin = next((other for other in left if alike(entry, other)), None)
            if twin is None:
                return False
            left.remove(twin)
        return not left

    return Type(parse, read_text, write_text, show, same)


def _mapping(words: Mapping[str, Type]) -> Type:
    """Return the type of a mapping that may be empty."""
    one = record(words)

    def parse(value: Any) -> dict[str, Any]:
        given = {word: part for word, part in value.items() if part is not None} if isinstance(value, Mapping) else value
        found: dict[str, Any] = {} if given == {} else one.parse(given)
        return found

    def same(want: Mapping[str, Any], have: Mapping[str, Any]) -> bool:
        return set(want) == set(have) and all(words[word].same(want[word], have[word]) for word in want)

    return Type(parse, read_text, write_text, one.show, same)


def _plain(element: Element, words: Mapping[str, Type]) -> dict[str, Any]:
    """Return the words of an element's attributes, which are called alike."""
    return {word: words[word].read(element, word) for word in words if word in element.attrib}


def listed(
    name: str,
    at: str,
    words: Mapping[str, Type],
    needed: Sequence[str],
    read: Callable[[Element], dict[str, Any]] | None = None,
    write: Callable[[Element, dict[str, Any]], None] | None = None,
    effect: EffectOf = RESTART,
) -> Field:
    """Return the row of a list whose entries are elements at a path; without ``read`` and ``write``, their attributes."""
    parent, _slash, tag = at.rpartition("/")

    def read_plain(element: Element) -> dict[str, Any]:
        return _plain(element, words)

    def write_plain(element: Element, entry: dict[str, Any]) -> None:
        for word, value in entry.items():
            words[word].write(element, word, value)

    def getter(root: Element) -> Any:
        return tuple((read or read_plain)(element) for element in _xml.find_all(root, at))

    def setter(root: Element, value: Sequence[dict[str, Any]]) -> None:
        _xml.remove(root, at)
        for entry in value:
            (write or write_plain)(SubElement(_xml.ensure(root, parent) if parent else root, tag), entry)
        holder = _xml.find(root, parent) if parent else None
        if holder is not None and not len(holder) and not holder.attrib:
            _xml.remove(root, parent)

    return Field(name, (at,), _entries(words, needed), effect, absent=(), getter=getter, setter=setter)


# bandwidth, of a network and of a group of its ports

_RATES = ("average", "peak", "burst")
_WAYS = {"in": "inbound", "out": "outbound"}
RATES: dict[str, tuple[str, str]] = {
    way if kind == "average" else f"{way}_{kind}": (element, kind) for way, element in _WAYS.items() for kind in _RATES
}
BANDWIDTH = _mapping(dict.fromkeys(RATES, KIBS))


def get_bandwidth(root: Element) -> dict[str, Any]:
    """Return the rates of a network, or of a group of its ports."""
    found = {}
    for word, (element, kind) in RATES.items():
        node = _xml.find(root, f"bandwidth/{element}")
        if node is not None and kind in node.attrib:
            found[word] = KIBS.read(node, kind)
    return found


def set_bandwidth(root: Element, value: Mapping[str, int]) -> None:
    """Write the rates of a network, or of a group of its ports."""
    _xml.remove(root, "bandwidth")
    for word, size_bytes in value.items():
        element, kind = RATES[word]
        KIBS.write(_xml.ensure(root, f"bandwidth/{element}"), kind, size_bytes)


# routes

_ROUTE = {"to": TARGET, "via": ANY, "metric": counted(1, 2**31 - 1, "a metric")}


def _read_route(element: Element) -> dict[str, Any]:
    mask = element.get("prefix") or element.get("netmask")
    address = element.get("address", "")
    target = f"{address}/{mask}" if mask else address
    found: dict[str, Any] = {"to": str(ipaddress.ip_network(target, strict=False)), "via": element.get("gateway", "")}
    if "metric" in element.attrib:
        found["metric"] = int(element.attrib["metric"])
    return found


def _write_route(element: Element, entry: dict[str, Any]) -> None:
    target = ipaddress.ip_network(entry["to"])
    element.attrib.update(
        family=f"ipv{target.version}",
        address=str(target.network_address),
        prefix=str(target.prefixlen),
        gateway=entry["via"],
    )
    if "metric" in entry:
        element.set("metric", str(entry["metric"]))


# ipv6

_SIX = {"address": OWN, "start": V6, "end": V6}


def _get_six(root: Element) -> dict[str, Any]:
    element = _xml.find(root, SIX)
    if element is None:
        return {}
    found = {"address": str(ipaddress.IPv6Interface(f"{element.get('address')}/{element.get('prefix', '64')}"))}
    for end in ("start", "end"):
        text = _xml.read(element, f"dhcp/range/@{end}")
        if text is not None:
            found[end] = str(ipaddress.ip_address(text))
    return found


def _set_six(root: Element, value: Mapping[str, str]) -> None:
    """Write the first IPv6 address; reservations in its DHCP stay with it."""
    element = _xml.find(root, SIX)
    if not value:
        if element is not None:
            root.remove(element)
        return
    if element is None:
        element = SubElement(root, "ip", {"family": "ipv6"})
    address, _slash, prefix = value["address"].partition("/")
    element.attrib.update(address=address, prefix=prefix)
    _xml.remove(element, "dhcp/range")
    if "start" in value:
        SubElement(_xml.ensure(element, "dhcp"), "range", {"start": value["start"], "end": value["end"]})
    dhcp = element.find("dhcp")
    if dhcp is not None and not len(dhcp):
        element.remove(dhcp)


def six_is_whole(spec: Spec) -> list[str]:
    six = spec.get("ipv6") or {}
    if not six:
        return []
    if "address" not in six:
        return ["ipv6.address: is missing; write the network's own, such as fd00:20::1/64"]
    if ("start" in six) != ("end" in six):
        return ["ipv6: start and end of what DHCP gives out go together; give both, or neither"]
    network = ipaddress.IPv6Interface(six["address"]).network
    outside = [six[end] for end in ("start", "end") if end in six and ipaddress.ip_address(six[end]) not in network]
    if outside:
        return [f"ipv6: {outside[0]} is not inside {network}"]
    if "start" in six and ipaddress.IPv6Address(six["start"]) > ipaddress.IPv6Address(six["end"]):
        return [f"ipv6: the range starts at {six['start']}, behind its end {six['end']}"]
    return []


# DNS records

_SRV: dict[str, Type] = {
    "service": pattern(r"[A-Za-z0-9-]{1,63}", "the name of a service such as ldap"),
    "protocol": pattern(r"[A-Za-z0-9-]{1,63}", "a protocol such as tcp"),
    "domain": DNS_NAME,
    "target": DNS_NAME,
    "port": PORT,
    "priority": NUMBER,
    "weight": NUMBER,
}
_TXT: dict[str, Type] = {"name": DNS_NAME, "value": LINE}

# words for dnsmasq, which has no shell between


def _parse_options(value: Any) -> tuple[str, ...]:
    if not isinstance(value, (list, tuple)):
        raise SpecError(f"{value!r} is not a list of lines of dnsmasq.conf such as dhcp-option=42,10.20.0.1")
    wrong = [item for item in value if not isinstance(item, str) or not item.strip() or not no_control(item)]
    if wrong:
        raise SpecError(f"{wrong[0]!r} is not a line of dnsmasq.conf such as dhcp-option=42,10.20.0.1")
    return tuple(item.strip() for item in value)


def _get_options(root: Element) -> tuple[str, ...]:
    return tuple(option.get("value", "") for option in _xml.find_all(root, "dnsmasq:options/dnsmasq:option"))


def _set_options(root: Element, value: Sequence[str]) -> None:
    _xml.remove(root, "dnsmasq:options")
    for text in value:
        holder = _xml.ensure(root, "dnsmasq:options")
        SubElement(holder, f"{{{_xml.NAMESPACES['dnsmasq']}}}option").set("value", text)


# booting by the network

_BOOTP: dict[str, Type] = {"file": LINE, "server": ANY}


def _get_bootp(root: Element) -> dict[str, Any]:
    element = _xml.find(root, f"{MAIN}/dhcp/bootp")
    return {} if element is None else _plain(element, _BOOTP)


def _set_bootp(root: Element, value: Mapping[str, str]) -> None:
    _xml.remove(root, f"{MAIN}/dhcp/bootp")
    if value:
        element = SubElement(_xml.ensure(root, f"{MAIN}/dhcp"), "bootp")
        for word, text in value.items():
            element.set(word, text)


def boot_needs_dhcp(spec: Spec) -> list[str]:
    bootp = spec.get("bootp") or {}
    if bootp and spec.get("dhcp") is False:
        return ["bootp: is told by DHCP, which dhcp: false turns off; leave one out"]
    if bootp and "file" not in bootp:
        return ["bootp.file: is missing; write the file that is booted, such as pxelinux.0"]
    if (bootp or spec.get("tftp_root")) and "cidr" not in spec:
        return [f"{'bootp' if bootp else 'tftp_root'}: needs a cidr"]
    return []


def a_local_domain_has_a_name(spec: Spec) -> list[str]:
    if spec.get("domain_local") and not spec.get("domain"):
        return ["domain_local: needs domain, whose names are not asked for elsewhere"]
    return []


def _parse_root(value: Any) -> str:
    return "" if value == "" else str(PATH.parse(value))


def _set_zone(root: Element, value: str) -> None:
    if value:
        _xml.write(root, "bridge/@zone", value)
        return
    _xml.remove(root, "bridge/@zone")
    element = root.find("bridge")
    if element is not None and not element.attrib:
        root.remove(element)


def _parse_zone(value: Any) -> str:
    return "" if value == "" else str(pattern(r"[A-Za-z0-9_-]{1,17}", "the name of a zone of firewalld").parse(value))


ROWS = (
    Field("zone", ("bridge/@zone",), Type(_parse_zone, read_text, write_text), absent="", setter=_set_zone),
    Field("domain_local", ("domain/@localOnly",), YES_NO, absent=False),
    Field("ipv6", (SIX,), _mapping(_SIX), absent={}, getter=_get_six, setter=_set_six),
    listed("routes", "route", _ROUTE, ("to", "via"), _read_route, _write_route),
    Field("tftp_root", (f"{MAIN}/tftp/@root",), Type(_parse_root, read_text, write_text), absent=""),
    Field("bootp", (f"{MAIN}/dhcp/bootp",), _mapping(_BOOTP), absent={}, getter=_get_bootp, setter=_set_bootp),
    listed("dns_srv", "dns/srv", _SRV, ("service", "protocol"), effect=LIVE),
    listed("dns_txt", "dns/txt", _TXT, ("name", "value"), effect=LIVE),
    Field("bandwidth", ("bandwidth",), BANDWIDTH, absent={}, getter=get_bandwidth, setter=set_bandwidth),
    Field(
        "dnsmasq_options",
        ("dnsmasq:options",),
        Type(_parse_options, read_text, write_text, show=list),
        absent=(),
        getter=_get_options,
        setter=_set_options,
    ),
)
RULES = (six_is_whole, boot_needs_dhcp, a_local_domain_has_a_name)
