# Copyright: (c) 2026, the virtfleet.core contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A bridge as systemd-networkd's files (systemd.network(5), systemd.netdev(5)).

Nothing that is there is touched. networkd takes for a link the first file that matches it, so three files that sort first
are enough: the bridge, its addresses, and the port, which leaves everything above the wire to the bridge.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from .._errors import Unsupported
from .sections import Section, emit, merged, parse
from .values import MARK, Command, Commands, FileState, Present, Static, Wanted, family_of_network

FOLDER = "/etc/systemd/network"
# The first of these that sorts before the port's present file. Names made by hand begin with two digits.
_PREFIXES = ("05", "00", "00-00", "000")

# What belongs to the wire and stays with the port; everything else of [Network] moves.
_PORT_NETWORK = {
    *("VLAN", "MACVLAN", "MACVTAP", "IPVLAN", "IPVTAP", "VXLAN", "Tunnel", "LLDP", "EmitLLDP", "BindCarrier"),
    *("IgnoreCarrierLoss", "ConfigureWithoutCarrier", "Xfrm", "BatmanAdvanced"),
}
_BRIDGE_LINK = ("RequiredForOnline", "RequiredFamilyForOnline", "ActivationPolicy")
_BRIDGE_SECTIONS = {
    *("Address", "Neighbor", "IPv6AddressLabel", "RoutingPolicyRule", "NextHop", "Route", "DHCP", "DHCPv4", "DHCPv6"),
    *("DHCPPrefixDelegation", "DHCPv6PrefixDelegation", "IPv6PrefixDelegation", "IPv6AcceptRA", "DHCPServer"),
    *("IPv6SendRA", "IPv6Prefix", "IPv6RoutePrefix"),
}
_NOT_A_PORT = {"Bond", "Bridge", "VRF"}


def render(config: Mapping[str, Any], wanted: Wanted, present: Present) -> dict[str, FileState | None]:
    """Return the three files of a bridge. ``config``: the port's ``file`` with its drop-ins as ``text``."""
    sections = parse(config["text"])
    network = merged(sections, "Network")
    for key, value in network.entries:
        if key in _NOT_A_PORT:
            raise Unsupported(
                f"could not make {wanted.name} of {wanted.port}: {config['file']} makes it a part of {value} ({key}=); "
                f"make the bridge of {value}"
            )
    stem = f"{FOLDER}/{_prefix(config['file'])}-virtfleet-{wanted.name}"
    comment = f"{MARK}; it stands in for {config['file']}."
    return {
        f"{stem}.netdev": FileState(emit(_netdev(wanted), f"{MARK}.")),
        f"{stem}.network": FileState(emit(_bridge(sections, wanted), comment)),
        f"{stem}-port.network": FileState(emit(_port(sections, wanted), comment)),
    }


def _prefix(file: str) -> str:
    name = file.rpartition("/")[2]
    for prefix in _PREFIXES:
        if f"{prefix}-virtfleet" < name:
            return prefix
    raise Unsupported(f"could not put a file before {file}: its name sorts first of all; rename it to 10-{name} or so")


def _netdev(wanted: Wanted) -> list[Section]:
    # Without [Bridge] the kernel's defaults hold: no spanning tree, so no delay before a port passes frames on.
    return [Section("NetDev", (("Name", wanted.name), ("Kind", "bridge"), ("MACAddress", wanted.mac)))]


def _port(sections: tuple[Section, ...], wanted: Wanted) -> Iterator[Section]:
    yield Section("Match", (("Name", wanted.port),))
    yield merged(sections, "Link").keeping(lambda key, _value: key not in _BRIDGE_LINK)
    kept = merged(sections, "Network").keeping(lambda key, _value: key in _PORT_NETWORK)
    yield Section("Network", (("Bridge", wanted.name), ("LinkLocalAddressing", "no"), *kept.entries))
    yield from (one for one in sections if one.name not in {"Match", "Link", "Network", *_BRIDGE_SECTIONS})


def _bridge(sections: tuple[Section, ...], wanted: Wanted) -> Iterator[Section]:
    yield Section("Match", (("Name", wanted.name),))
    yield merged(sections, "Link").keeping(lambda key, _value: key in _BRIDGE_LINK)
    network = merged(sections, "Network").keeping(lambda key, _value: key not in _PORT_NETWORK)
    rest = [one for one in sections if one.name in _BRIDGE_SECTIONS]
    for family, static in ((4, wanted.v4), (6, wanted.v6)):
        if static is not None:
            network, rest = _replaced(network, rest, family, static)
    if wanted.nameservers is not None:
        network = network.keeping(lambda key, _value: key != "DNS")
        network = Section("Network", (*network.entries, *(("DNS", server) for server in wanted.nameservers)))
    yield network
    if wanted.iaid is not None and not any(one.get("IAID") for one in rest if one.name in ("DHCP", "DHCPv4")):
        rest.append(Section("DHCPv4", (("IAID", str(wanted.iaid)),)))
    yield from rest


def _replaced(network: Section, rest: list[Section], family: int, static: Static) -> tuple[Section, list[Section]]:
    """Return the sections with the addresses and the gateway of one family replaced, and its DHCP off."""

    def stays(key: str, value: str) -> bool:
        return not (key in ("Address", "Gateway") and _family(value) == family) and key != "DHCP"

    entries = list(network.keeping(stays).entries)
    entries.append(("DHCP", _dhcp_without(network.get("DHCP", "no"), family)))
    entries += [("Address", address) for address in static.addresses]
    if static.gateway is not None:
        entries.append(("Gateway", static.gateway))
    kept = []
    for one in rest:
        address = one.name == "Address" and _family(one.get("Address")) == family
        # A route without a destination is a default route.
        default = one.name == "Route" and _is_default(one.get("Destination")) and _family(one.get("Gateway")) == family
        if not address and not default:
            kept.append(one)
    return Section("Network", tuple(entries)), kept


def _is_default(destination: str) -> bool:
    return destination in ("", "0.0.0.0/0", "::/0")


def _family(value: str) -> int | None:
    """Return the family of an address or of one of networkd's words for the gateway."""
    words = {"_dhcp4": 4, "_dhcp": 4, "_ipv6ra": 6, "dhcp4": 4, "dhcp": 4, "ipv6ra": 6}
    return words.get(value) or family_of_network(value)


def _dhcp_without(value: str, family: int) -> str:
    both = value.lower() in ("yes", "true", "on", "1", "both")
    other = "ipv6" if family == 4 else "ipv4"
    return other if both or value.lower() == other else "no"


def commands(wanted: Wanted) -> Commands:
    """Return what has networkd read its files, both ways."""
    # A reload configures every link anew whose file is another one now; the port is told once more on the way back,
    # since it may have been given its file while it still was in the bridge.
    again = Command(("networkctl", "reconfigure", wanted.port), 10)
    reload = Command(("networkctl", "reload"), 15)
    return Commands(after=(reload,), undo_after=(reload, again))
