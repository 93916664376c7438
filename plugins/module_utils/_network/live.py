# Copyright: (c) 2026, the virtfleet.core contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Live updates of an active network: what libvirt changes without a restart (virNetworkUpdate).

A range, a name or a record cannot be modified, only taken out and put in.
"""
from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from .. import _xml
from .._change import Change, Effect, Step
from .._table import Field, Spec
from .._xml import Element, SubElement
from .addresses import get_dhcp
from .table import DNS_HOSTS, NAMES, NETWORK
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


@dataclass(frozen=True)
class Section:
    """A list that libvirt changes entry by entry.

    ``keys``: the words by which libvirt knows an entry; one that lacks some of them fits any (virNetworkDefUpdateDNSSrv).
    ``modifies``: an entry is changed as it stands, as long as its keys are the same. ``what``: one entry, in words.
    """

    row: str
    name: str
    keys: tuple[str, ...]
    what: str
    modifies: bool = False

    def fitting(self, entry: Any, others: Sequence[Any]) -> list[Any]:
        """Return those of the entries that libvirt takes for this one."""
        if not isinstance(entry, dict):
            return [other for other in others if other == entry]
        return [other for other in others if all(other.get(key) == entry[key] for key in self.keys if key in entry)]


_SRV = ("service", "protocol", "domain", "target", "port", "priority", "weight")
SECTIONS = (
    Section("dns_srv", "dns-srv", _SRV, "service"),
    Section("dns_txt", "dns-txt", ("name",), "text"),
    Section("portgroups", "portgroup", ("name",), "group of ports", modifies=True),
    Section("forward_interfaces", "forward-interface", (), "device"),
)


def list_steps(network: str, live: Element, section: Section, wanted: Sequence[Any]) -> list[Step] | None:
    """Return what gives the live network the wanted entries and no others.

    None where that takes a restart, since an entry on the way would fit another one too, which libvirt refuses.
    """
    row = NETWORK.entry(section.row)
    if not isinstance(row, Field):
        raise TypeError(f"{section.row} is no list that is one value")
    present = list(row.read(live))
    gone = [entry for entry in present if not _alike(row, entry, wanted)]
    new = [entry for entry in wanted if not _alike(row, entry, present)]
    changed = [entry for entry in new if section.modifies and section.fitting(entry, gone)]
    out = [entry for entry in gone if not section.fitting(entry, changed)] if changed else gone
    steps: list[Step] = []
    for entry in out:
        if len(section.fitting(entry, present)) != 1:
            return None
        present.remove(entry)
        steps.append(_step(network, live, section, row, "delete", entry))
    # What is no longer the default first: there can be one only.
    changed.sort(key=lambda entry: bool(entry.get("default")))
    steps += [_step(network, live, section, row, "modify", entry) for entry in changed]
    for entry in new:
        if entry in changed:
            continue
        if section.fitting(entry, present):
            return None
        present.append(entry)
        steps.append(_step(network, live, section, row, "add-last", entry))
    return steps


def _alike(row: Field, entry: Any, others: Sequence[Any]) -> bool:
    return any(row.type.same((entry,), (other,)) for other in others)


_SAYS = {"delete": "drop", "modify": "change", "add-last": "add"}


def _step(network: str, live: Element, section: Section, row: Field, command: str, entry: Any) -> Step:
    root = Element("network")
    row.write(root, (entry,))
    element = _xml.find(root, row.at[0])
    if element is None:
        raise ValueError(f"{section.row} wrote nothing of {entry!r}")
    named = entry if isinstance(entry, str) else " ".join(str(entry[key]) for key in section.keys if key in entry)
    says = f"{_SAYS[command]} the {section.what} {named}"
    return update_step(network, live, command, section.name, element, says)
