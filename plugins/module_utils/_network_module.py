# Copyright: (c) 2026, the virtfleet.core contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What the modules network and network_info do, between Ansible's parameters and the pure parts."""
from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from ._apply import Ports
from ._change import Plan
from ._facts import NetworkFacts, Snapshot
from ._module import Subject
from ._network.options import NETWORK_OPTIONS, shown
from ._network.plan import plan
from ._network.spec import parse
from ._network.table import NETWORK
from ._network.tree import read_tree
from ._render import change_row
from ._table import Context, pending

TABLES = {"network": NETWORK}


def network_subject(params: Mapping[str, Any]) -> Subject:
    """Return what the module network converges; raise SpecError for what can be seen to be wrong without a host."""
    spec = parse({name: params[name] for name in NETWORK_OPTIONS})

    def gather(ports: Ports) -> Snapshot:
        networks = ports.hypervisor.networks()
        # Guests matter only where they could be cut off.
        guests = ports.hypervisor.guests() if spec.name in networks else {}
        return Snapshot(ports.hypervisor.host(), guests, networks)

    def make(snap: Snapshot) -> Plan:
        return plan(spec, snap)

    def result(ports: Ports, snap: Snapshot) -> Mapping[str, Any]:
        facts = snap.networks.get(spec.name)
        return {"network": shown(facts) if facts is not None else {"name": spec.name, "state": "absent"}}

    return Subject(gather, make, result, TABLES)


def read_networks(params: Mapping[str, Any], ports: Ports) -> Mapping[str, Any]:
    """Return the networks of a host for network_info, with their leases."""
    networks = ports.hypervisor.networks()
    names = [name for name in sorted(networks) if not params["name"] or name in params["name"]]
    leases: dict[str, list[dict[str, Any]]] = {name: [] for name in names}
    for lease in ports.hypervisor.leases([name for name in names if networks[name].active]):
        leases[lease.network].append(
            {"mac": lease.mac, "address": lease.address, "hostname": lease.hostname, "expires": lease.expires}
        )
    return {"networks": [_info(networks[name], leases[name]) for name in names]}


def _info(facts: NetworkFacts, leases: list[dict[str, Any]]) -> dict[str, Any]:
    found = {**shown(facts), "leases": leases, "pending": []}
    if facts.live_xml is not None and facts.persistent:
        context = Context(name=facts.name, state="running")
        changes = pending(NETWORK, read_tree(facts.xml), read_tree(facts.live_xml), context)
        found["pending"] = [change_row(TABLES, "network", change) for change in changes]
    return found
