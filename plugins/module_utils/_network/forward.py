# Copyright: (c) 2026, the virtfleet.core contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""How a network reaches the world: behind a bridge that libvirt makes, or by what the host has (libvirt, formatnetwork).

Networks of the second kind have no addresses, names or DHCP of their own, and nothing of theirs goes when they are
stopped: guests stay on the bridge, or on the device, that they were given.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from typing import Any

from .. import _xml
from .._change import UNSET
from .._errors import SpecError
from .._guest.fields.hostdevs import parse_pci
from .._table import LIVE, Field, Spec
from .._types import LINE, YES_NO, Type, choice, read_text, write_text
from .._xml import Element, SubElement

# In all of these the network has a bridge and addresses of its own, so that one becomes another.
ROUTED = ("nat", "none", "route", "open")
# Guests are on a bridge of the host, or on macvtap devices upon its own ones.
PLUGGED = ("bridge", "private", "vepa", "passthrough")
FORWARDS = (*ROUTED, *PLUGGED, "hostdev")


def family(mode: str) -> str:
    """Return the kind of a mode; a network does not become one of another kind."""
    return "routed" if mode in ROUTED else "plugged" if mode in PLUGGED else mode


def mode_of(root: Element) -> str:
    """Return the mode of a network's tree."""
    element = _xml.find(root, "forward")
    # A <forward> without a mode is NAT (libvirt, formatnetwork: connectivity).
    return "none" if element is None else element.get("mode", "nat")


def _parse_forward(value: Any) -> str:
    if value in FORWARDS:
        return str(value)
    raise SpecError(f"{value!r} is not one of {', '.join(FORWARDS)}")


def _set_forward(root: Element, value: str) -> None:
    if value == "none":
        _xml.remove(root, "forward")
    else:
        _xml.write(root, "forward/@mode", value)


def _parse_device(value: Any) -> str:
    text = str(LINE.parse(value))
    if text and not re.match(r"^[A-Za-z0-9_.@-]{1,15}$", text):
        raise SpecError(f"{value!r} is not the name of a network device of the host such as eth0")
    return text


DEVICE = Type(_parse_device, read_text, write_text)


def _listed(parse: Callable[[Any], str], what: str) -> Type:
    """Return the type of a list whose order says nothing."""

    def parse_all(value: Any) -> tuple[str, ...]:
        if not isinstance(value, (list, tuple)):
            raise SpecError(f"{value!r} is not a list of {what}")
        found = tuple(parse(item) for item in value)
        if "" in found:
            raise SpecError(f"{value!r} holds an empty name; it is a list of {what}")
        twice = [item for item in found if found.count(item) > 1]
        if twice:
            raise SpecError(f"{twice[0]} is given twice")
        return found

    return Type(parse_all, read_text, write_text, list, lambda want, have: set(want) == set(have))


def _get_dev(root: Element) -> str:
    # Of a pool of devices libvirt says the first one here once more.
    return _xml.read(root, "forward/@dev") or "" if mode_of(root) in ROUTED else ""


def _get_interfaces(root: Element) -> tuple[str, ...]:
    # What a running network says besides of a physical function are the functions that libvirt found.
    if mode_of(root) not in PLUGGED or _xml.find(root, "forward/pf") is not None:
        return ()
    found = tuple(item.get("dev", "") for item in _xml.find_all(root, "forward/interface"))
    alone = _xml.read(root, "forward/@dev")
    return found or ((alone,) if alone else ())


def _set_interfaces(root: Element, value: Sequence[str]) -> None:
    _xml.remove(root, "forward/interface")
    if mode_of(root) in PLUGGED:
        # It names the first one, and libvirt says it anew.
        _xml.remove(root, "forward/@dev")
    for device in value:
        SubElement(_xml.ensure(root, "forward"), "interface", {"dev": device})


_NUMBERS = (("domain", 4), ("bus", 2), ("slot", 2), ("function", 1))


def _get_addresses(root: Element) -> tuple[str, ...]:
    if _xml.find(root, "forward/pf") is not None:
        return ()
    found = []
    for item in _xml.find_all(root, "forward/address"):
        domain, bus, slot, function = (f"{int(item.get(part, '0'), 0):0{digits}x}" for part, digits in _NUMBERS)
        found.append(f"{domain}:{bus}:{slot}.{function}")
    return tuple(found)


def _set_addresses(root: Element, value: Sequence[str]) -> None:
    _xml.remove(root, "forward/address")
    for text in value:
        element = SubElement(_xml.ensure(root, "forward"), "address", {"type": "pci"})
        for (part, _digits), number in zip(_NUMBERS, re.split("[:.]", text)):
            element.set(part, f"0x{number}")


ROWS = (
    Field(
        "forward",
        ("forward/@mode",),
        Type(_parse_forward, read_text, write_text),
        getter=mode_of,
        setter=_set_forward,
    ),
    Field("forward_dev", ("forward/@dev",), DEVICE, absent="", getter=_get_dev, drops=("forward/interface",)),
    Field(
        "forward_interfaces",
        ("forward/interface",),
        _listed(_parse_device, "network devices of the host"),
        LIVE,
        absent=(),
        getter=_get_interfaces,
        setter=_set_interfaces,
    ),
    Field("forward_pf", ("forward/pf/@dev",), DEVICE, absent=""),
    Field(
        "forward_addresses",
        ("forward/address",),
        _listed(parse_pci, "addresses of PCI devices"),
        absent=(),
        getter=_get_addresses,
        setter=_set_addresses,
    ),
    Field("forward_driver", ("forward/driver/@name",), choice("vfio", "kvm"), absent=UNSET),
    Field("forward_managed", ("forward/@managed",), YES_NO, absent=False),
)

# What libvirt gives out or tells itself, so that only networks with a bridge of its own have it (networkValidate).
_OWN = (
    "cidr",
    "gateway",
    "dhcp",
    "reservations",
    "dns_hosts",
    "dns_forwarders",
    "domain",
    "domain_local",
    "stp",
    "mtu",
    "zone",
    "ipv6",
    "routes",
    "tftp_root",
    "bootp",
    "dns_srv",
    "dns_txt",
    "dnsmasq_options",
)
GOES_WITH: dict[str, tuple[str, ...]] = {
    "forward_dev": ("nat", "route"),
    "forward_interfaces": PLUGGED,
    "forward_pf": ("passthrough", "hostdev"),
    "forward_addresses": ("hostdev",),
    "forward_driver": ("hostdev",),
    "forward_managed": ("hostdev",),
    "bridge": (*ROUTED, "bridge"),
    "bandwidth": (*ROUTED, "bridge"),
    "virtualport": ("bridge",),
    "vlan": ("bridge", "passthrough", "hostdev"),
    **dict.fromkeys(_OWN, ROUTED),
}
# False is something to say of these; of others it is nothing.
_SAID_BY_FALSE = ("dhcp", "stp")
# The ways to say what guests are plugged into, of which a mode takes exactly one.
_PLACES: dict[str, tuple[str, ...]] = {
    "bridge": ("bridge", "forward_interfaces"),
    "private": ("forward_interfaces",),
    "vepa": ("forward_interfaces",),
    "passthrough": ("forward_interfaces", "forward_pf"),
    "hostdev": ("forward_pf", "forward_addresses"),
}


def _said(spec: Spec, option: str) -> bool:
    return bool(spec.get(option)) or (option in _SAID_BY_FALSE and spec.get(option) is False)


def words_of_a_mode(spec: Spec) -> list[str]:
    """Return what is said that the network's mode does not have."""
    mode = spec.get("forward", "none")
    found = [
        f"{option}: goes with forward: {_or(modes)}, not with {mode}; leave it out"
        for option, modes in GOES_WITH.items()
        if mode not in modes and _said(spec, option)
    ]
    for group in spec.get("portgroups") or ():
        found += [
            f"portgroups.{group['name']}.{option}: goes with forward: {_or(GOES_WITH[option])}, not with {mode}"
            for option in ("virtualport", "vlan")
            if group.get(option) and mode not in GOES_WITH[option]
        ]
    return found


def one_place_to_plug_in(spec: Spec) -> list[str]:
    """A network without a bridge of libvirt's says where its guests are, in one way."""
    mode = spec.get("forward", "none")
    places = _PLACES.get(mode, ())
    given = [option for option in places if spec.get(option)]
    if places and not given:
        return [f"{places[0]}: a network with forward: {mode} needs {_or(places)}"]
    if len(given) > 1:
        return [f"{given[1]}: {given[0]} says already what guests are plugged into; give one of the two"]
    if mode == "bridge" and "forward_interfaces" in given:
        named = [option for option in ("vlan", "virtualport") if spec.get(option)]
        named += [
            f"portgroups.{group['name']}.{option}"
            for group in spec.get("portgroups") or ()
            for option in ("vlan", "virtualport")
            if group.get(option)
        ]
        return [
            f"{option}: needs a bridge of the host; macvtap devices of the mode bridge have none" for option in named
        ]
    return []


def _or(words: Sequence[str]) -> str:
    return " or ".join([", ".join(words[:-1]), words[-1]] if len(words) > 1 else words)


RULES = (words_of_a_mode, one_place_to_plug_in)
