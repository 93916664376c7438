# Copyright: (c) 2026, the virtfleet.core contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Who would notice: the guests with a nic in a network, and the networks whose addresses it would share."""
from __future__ import annotations

from collections.abc import Mapping

from .. import _xml
from .._facts import GuestFacts, NetworkFacts
from .._xml import Element
from .forward import ROUTED, mode_of
from .tree import interfaces, read_tree


def running_in(network: NetworkFacts, guests: Mapping[str, GuestFacts]) -> list[str]:
    """Return the running guests that go with the network: plugged into it by its name, or by its bridge.

    There are none where the bridge or the devices are the host's: they stay, and the guests on them.
    """
    bridge = None
    if network.live_xml is not None:
        root = _xml.parse(network.live_xml)
        if mode_of(root) not in ROUTED:
            return []
        bridge = _xml.read(root, "bridge/@name")
    return sorted(
        guest.name for guest in guests.values()
        if guest.live_xml is not None and _plugged(_xml.parse(guest.live_xml), network.name, bridge)
    )


def defined_with(network: NetworkFacts, guests: Mapping[str, GuestFacts]) -> list[str]:
    """Return the guests whose definition names the network: they cannot start without it."""
    return sorted(guest.name for guest in guests.values() if _plugged(_xml.parse(guest.xml), network.name, None))


def _plugged(root: Element, network: str, bridge: str | None) -> bool:
    for source in _xml.find_all(root, "devices/interface/source"):
        if source.get("network") == network or (bridge is not None and source.get("bridge") == bridge):
            return True
    return False


def overlaps(name: str, root: Element, networks: Mapping[str, NetworkFacts]) -> list[str]:
    """Return a sentence for each other network that has addresses of this tree's."""
    found: list[str] = []
    for other in networks.values():
        if other.name == name:
            continue
        trees = [read_tree(text) for text in (other.xml, other.live_xml) if text is not None]
        theirs = {interface.network for tree in trees for interface in interfaces(tree)}
        for own in interfaces(root):
            shared = sorted(str(net) for net in theirs if net.version == own.version and net.overlaps(own.network))
            found.extend(f"{own.network} overlaps {net} of network {other.name}" for net in shared)
    return found


def same_bridge(name: str, bridge: str, networks: Mapping[str, NetworkFacts]) -> str | None:
    """Return the other network that has a bridge of this name."""
    for other in networks.values():
        if other.name != name and _xml.read(_xml.parse(other.xml), "bridge/@name") == bridge:
            return other.name
    return None
