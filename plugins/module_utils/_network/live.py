# Copyright: (c) 2026, the virtfleet.core contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Live updates of an active network: what libvirt changes without a restart (virNetworkUpdate).

A range or a name cannot be modified, only taken out and put in.
"""
from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from .. import _xml
from .._change import Change, Effect, Step
from .._table import Spec
from .._xml import Element, SubElement
from .addresses import get_dhcp
from .table import DNS_HOSTS, NAMES
from .tree import main_index


def update_step(network: str, root: Element, command: str, section: str, element: Element, says: str) -> Step:
    """Return one live update; ``root`` is the live tree that it acts on."""
    arguments: dict[str, Any] = {
        "name": network, "command": command, "section": section, "xml": _xml.to_text(element),
    }
    if section.startswith("ip-"):
        parent = main_index(root)
        if parent != -1:
            arguments["parent"] = parent
    return Step("update_network", arguments, f"{says} in the running network {network}")


def range_steps(network: str, live: Element, wanted: Any) -> list[Step]:
    """Return what gives the live network the ranges of ``wanted`` (False: no DHCP)."""
    present = get_dhcp(live) or ()
    target = wanted or ()
    out = [pair for pair in present if pair not in target]
    new = [pair for pair in target if pair not in present]
    return [
        *(_range(network, live, "delete", pair, "drop the DHCP range") for pair in out),
        *(_range(network, live, "add-last", pair, "give out the DHCP range") for pair in new),
    ]


def _range(network: str, live: Element, command: str, pair: tuple[str, str], says: str) -> Step:
    element = Element("range", {"start": pair[0], "end": pair[1]})
    return update_step(network, live, command, "ip-dhcp-range", element, f"{says} {pair[0]} to {pair[1]}")


def dns_steps(network: str, live: Element, wanted: Sequence[Spec], exact: bool) -> tuple[list[Change], list[Step]]:
    """Return what gives the live network the wanted names, and without others where ``exact``."""
    present = {entry["address"]: entry for entry in DNS_HOSTS.read(live)}
    changes: list[Change] = []
    steps: list[Step] = []
    for address, entry in present.items():
        if exact and address not in {item["address"] for item in wanted}:
            changes.append(Change((DNS_HOSTS.name, address), entry, None, Effect.LIVE))
            steps.append(_dns_out(network, live, address))
    for item in wanted:
        before = present.get(item["address"])
        if before is not None and NAMES.same(item["names"], before["names"]):
            continue
        changes.append(Change((DNS_HOSTS.name, item["address"]), before, item, Effect.LIVE))
        if before is not None:
            steps.append(_dns_out(network, live, item["address"]))
        element = Element("host", {"ip": item["address"]})
        for name in item["names"]:
            SubElement(element, "hostname").text = name
        says = f"name {item['address']} {' '.join(item['names'])}"
        steps.append(update_step(network, live, "add-last", "dns-host", element, says))
    return changes, steps


def _dns_out(network: str, live: Element, address: str) -> Step:
    element = Element("host", {"ip": address})
    return update_step(network, live, "delete", "dns-host", element, f"drop the names of {address}")
