# Copyright: (c) 2026, the virtfleet.core contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The protocols that a rule can look at, their attributes, and each value in one form (libvirt, formatnwfilter).

libvirt leaves out attributes that it does not know without a word, and writes others in a form of its own: a mask as
a prefix, a number as it was given, a known number by its name. So each is held against a list here, and compared by
what it means.
"""

from __future__ import annotations

import ipaddress
import re
from collections.abc import Callable, Mapping
from typing import Any

from .._errors import SpecError
from .._types import no_control

_L2 = ("srcmacaddr", "srcmacmask", "dstmacaddr", "dstmacmask")
_PORTS = ("srcportstart", "srcportend", "dstportstart", "dstportend")
_IP = ("srcipaddr", "srcipmask", "dstipaddr", "dstipmask")
_L3 = (
    *("srcmacaddr", *_IP, "srcipfrom", "srcipto", "dstipfrom", "dstipto"),
    *("dscp", "connlimit-above", "state", "ipset", "ipsetflags"),
)
# libvirt reads dstipto as an address of IPv4 whatever the protocol is.
_L3_6 = tuple(name for name in _L3 if name != "dstipto")
_RANGES = ("root-priority", "root-cost", "sender-priority", "port", "age", "max-age", "hello-time", "forward-delay")
_STP = (
    *("srcmacaddr", "srcmacmask", "type", "flags"),
    *("root-address", "root-address-mask", "sender-address", "sender-address-mask"),
    *(name + ending for name in _RANGES for ending in ("", "-hi")),
)
_ARP = (
    *(*_L2, "hwtype", "protocoltype", "opcode", "arpsrcmacaddr", "arpdstmacaddr"),
    *("arpsrcipaddr", "arpsrcipmask", "arpdstipaddr", "arpdstipmask", "gratuitous"),
)
_ICMP = ("type", "code")

# What each protocol knows; a comment besides.
_KNOWN: dict[str, tuple[str, ...]] = {
    "mac": (*_L2, "protocolid"),
    "vlan": (*_L2, "vlanid", "encap-protocol"),
    "stp": _STP,
    "arp": _ARP,
    "rarp": _ARP,
    "ip": (*_L2, *_IP, "protocol", *_PORTS, "dscp"),
    "ipv6": (*_L2, *_IP, "protocol", *_PORTS, "type", "typeend", "code", "codeend"),
    "tcp": (*_L3, *_PORTS, "option", "flags"),
    "udp": (*_L3, *_PORTS),
    "sctp": (*_L3, *_PORTS),
    "icmp": (*_L3, *_ICMP),
    "tcp-ipv6": (*_L3_6, *_PORTS, "option"),
    "udp-ipv6": (*_L3_6, *_PORTS),
    "sctp-ipv6": (*_L3_6, *_PORTS),
    "icmpv6": (*_L3_6, *_ICMP),
    **dict.fromkeys(("igmp", "udplite", "esp", "ah", "all"), _L3),
    **dict.fromkeys(("udplite-ipv6", "esp-ipv6", "ah-ipv6", "all-ipv6"), _L3_6),
}
PROTOCOLS: dict[str, tuple[str, ...]] = {protocol: (*names, "comment") for protocol, names in _KNOWN.items()}

# An attribute and the one whose negation it follows, whatever its own is (virNWFilterRuleDefFixup).
_MACS = {"srcmacmask": "srcmacaddr", "dstmacmask": "dstmacaddr"}
_MASKS = {"srcipmask": "srcipaddr", "dstipmask": "dstipaddr"}
_SPANS = {**_MASKS, "srcipto": "srcipfrom", "dstipto": "dstipfrom"}
_FROM_PORT = {**_SPANS, **dict.fromkeys(("srcportend", "dstportstart", "dstportend"), "srcportstart")}
_FOLLOWED: dict[str, Mapping[str, str]] = {
    "mac": _MACS,
    "vlan": _MACS,
    "stp": {
        "srcmacmask": "srcmacaddr",
        "root-address-mask": "root-address",
        "sender-address-mask": "sender-address",
        **{f"{name}-hi": name for name in _RANGES},
    },
    "arp": {},
    "rarp": {},
    "ip": _MASKS,
    "ipv6": {**_MASKS, **dict.fromkeys(("typeend", "code", "codeend"), "type")},
    **dict.fromkeys(("tcp", "udp", "sctp", "tcp-ipv6", "udp-ipv6", "sctp-ipv6"), _FROM_PORT),
    "icmp": {**_SPANS, "code": "type"},
    "icmpv6": {**_SPANS, "code": "type"},
}


def leader_of(protocol: str, name: str) -> str | None:
    """Return the attribute with which this one is negated, or None where it stands for itself."""
    return _FOLLOWED.get(protocol, _SPANS).get(name)


def keeps_set_flags(protocol: str) -> bool:
    """Tell whether ``ipsetflags`` may stand beside ``ipset``: elsewhere libvirt drops both (FixupIPSet)."""
    return protocol in ("all", "all-ipv6")


# values

_ETHER = {"ipv4": 0x800, "arp": 0x806, "rarp": 0x8035, "vlan": 0x8100, "ipv6": 0x86DD}
_IP_PROTOCOLS = {
    "icmp": 1, "igmp": 2, "tcp": 6, "udp": 17, "esp": 50, "ah": 51, "icmpv6": 58, "sctp": 132, "udplite": 136,
}  # fmt: skip
_OPCODES = {
    name.lower(): number
    for number, name in enumerate(
        "Request Reply Request_Reverse Reply_Reverse DRARP_Request DRARP_Reply DRARP_Error InARP_Request ARP_NAK".split(),
        1,
    )
}
_STATES = ("NEW", "ESTABLISHED", "RELATED", "INVALID")
_FLAGS = ("FIN", "SYN", "RST", "PSH", "ACK", "URG")
_VARIABLE = re.compile(r"\$[A-Za-z0-9_]+(\[@?[0-9]+\])?")

Value = Any  # int, str or bool
_Parse = Callable[[str], Value]


def _number(limit: int, names: Mapping[str, int] | None = None, least: int = 0) -> _Parse:
    def parse(text: str) -> int:
        known = (names or {}).get(text.lower())
        if known is not None:
            return known
        if re.fullmatch(r"[0-9]+|0[xX][0-9a-fA-F]+", text):
            number = int(text, 16) if text[:2].lower() == "0x" else int(text)
            if least <= number <= limit:
                return number
        words = f", or one of {', '.join(names)}" if names else ""
        raise SpecError(f"{text!r} is not a number from {least} to {limit}{words}")

    return parse


def _mac(text: str) -> str:
    parts = text.lower().split(":")
    if len(parts) == 6 and all(re.fullmatch("[0-9a-f]{1,2}", part) for part in parts):
        return ":".join(part.zfill(2) for part in parts)
    raise SpecError(f"{text!r} is not a MAC address such as 52:54:00:12:34:56")


def _mac_mask(text: str) -> str:
    mask = _mac(text)
    if "01" in f"{int(mask.replace(':', ''), 16):048b}":
        raise SpecError(f"{text!r} is not a mask: it must be ones and then zeros, such as ff:ff:ff:00:00:00")
    return mask


def _address(version: int) -> _Parse:
    def parse(text: str) -> str:
        try:
            found = ipaddress.ip_address(text)
        except ValueError:
            found = None
        if found is None or found.version != version:
            raise SpecError(f"{text!r} is not an address of IPv{version}")
        return str(found)

    return parse


def _mask(version: int) -> _Parse:
    bits = 32 if version == 4 else 128

    def parse(text: str) -> int:
        if re.fullmatch("[0-9]+", text) and int(text) <= bits:
            return int(text)
        try:
            found = f"{int(ipaddress.ip_address(text)):0{bits}b}"
        except ValueError:
            found = "01"
        if "01" in found or len(found) != bits:
            raise SpecError(f"{text!r} is neither a prefix from 0 to {bits} nor a mask of IPv{version}")
        return found.count("1")

    return parse


def _state(text: str) -> str:
    words = [word for word in re.split(r"[\s,]+", text.upper()) if word]
    if not words or not all(word in (*_STATES, "NONE") for word in words):
        raise SpecError(f"{text!r} is not a list of {', '.join(_STATES)}, nor NONE")
    return "NONE" if "NONE" in words else ",".join(word for word in _STATES if word in words)


def _tcp_flags(text: str) -> str:
    mask, slash, flags = text.partition("/")
    if not slash:
        raise SpecError(f"{text!r} has not the form MASK/FLAGS, such as SYN,ACK/SYN")
    return f"{_some_flags(mask)}/{_some_flags(flags)}"


def _some_flags(text: str) -> str:
    words = {word for word in re.split(r"[\s,]+", text.upper()) if word}
    if not words or not words <= {*_FLAGS, "ALL", "NONE"}:
        raise SpecError(f"{text!r} is not a list of {', '.join(_FLAGS)}, nor ALL or NONE")
    if "ALL" in words or words >= set(_FLAGS):
        return "ALL"
    return ",".join(flag for flag in _FLAGS if flag in words) or "NONE"


def _flag(text: str) -> bool:
    if text.lower() in ("true", "yes", "1"):
        return True
    if text.lower() in ("false", "no", "0"):
        return False
    raise SpecError(f"{text!r} is neither true nor false")


def _set_name(text: str) -> str:
    # IPSET_MAXNAMELEN is 32 with the closing zero.
    if re.fullmatch(r"[A-Za-z0-9_.:+-]{1,31}", text):
        return text
    raise SpecError(f"{text!r} cannot be the name of an ipset")


def _set_flags(text: str) -> str:
    words = text.lower().split(",")
    if len(words) <= 6 and set(words) <= {"src", "dst"}:
        return ",".join(words)
    raise SpecError(f"{text!r} is not a list of at most six of src and dst")


def _comment(text: str) -> str:
    if not no_control(text) or not 0 < len(text.encode()) <= 255:
        raise SpecError(f"{text[:40]!r} is not one line of 1 to 255 bytes")
    return text


_U8, _U16, _U32 = _number(0xFF), _number(0xFFFF), _number(0xFFFFFFFF)
_PARSERS: dict[str, _Parse] = {
    **dict.fromkeys(("arpsrcmacaddr", "arpdstmacaddr", "root-address", "sender-address"), _mac),
    **dict.fromkeys(("srcmacaddr", "dstmacaddr"), _mac),
    **dict.fromkeys(("srcmacmask", "dstmacmask", "root-address-mask", "sender-address-mask"), _mac_mask),
    **dict.fromkeys(("arpsrcipaddr", "arpdstipaddr"), _address(4)),
    **dict.fromkeys(("arpsrcipmask", "arpdstipmask"), _mask(4)),
    **dict.fromkeys((*_PORTS, "hwtype", "protocoltype", "connlimit-above"), _U16),
    **dict.fromkeys((name + ending for name in _RANGES for ending in ("", "-hi")), _U16),
    **dict.fromkeys(("root-cost", "root-cost-hi"), _U32),
    **dict.fromkeys(("type", "typeend", "code", "codeend", "option"), _U8),
    "dscp": _number(63),
    "vlanid": _number(4095),
    "protocolid": _number(0xFFFF, _ETHER, 0x600),
    "encap-protocol": _number(0xFFFF, _ETHER, 0x3C),
    "opcode": _number(0xFFFF, _OPCODES),
    "protocol": _number(0xFF, _IP_PROTOCOLS),
    "state": _state,
    "gratuitous": _flag,
    "ipset": _set_name,
    "ipsetflags": _set_flags,
    "comment": _comment,
}
_ADDRESSES = ("srcipaddr", "dstipaddr", "srcipfrom", "srcipto", "dstipfrom", "dstipto")


def parse_value(protocol: str, name: str, value: Any) -> Value:
    """Return an attribute's value in its one form: a number, a text, a boolean; a variable stays as it is.

    Raises SpecError for what libvirt would refuse.
    """
    if not isinstance(value, (str, int)):
        raise SpecError(f"{value!r} is neither a word nor a number")
    text = str(value)
    if name != "comment":
        text = text.strip()
    if text.startswith("$"):
        if not _VARIABLE.fullmatch(text):
            raise SpecError(f"{text!r} is not a variable such as $IP, $IP[2] or $IP[@1]")
        # The first iterator is the one that counts without a word.
        return text[: -len("[@0]")] if text.endswith("[@0]") else text
    return _parser(protocol, name)(text)


def _parser(protocol: str, name: str) -> _Parse:
    version = 6 if protocol.endswith("v6") else 4
    if name in _ADDRESSES:
        return _address(version)
    if name in ("srcipmask", "dstipmask"):
        return _mask(version)
    if name == "flags":
        return _U8 if protocol == "stp" else _tcp_flags
    return _PARSERS[name]


def write_value(value: Value) -> str:
    """Return a value as libvirt reads it."""
    return str(value).lower() if isinstance(value, bool) else str(value)
