# Copyright: (c) 2026, the virtfleet.core contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What the modules nwfilter and nwfilter_info do, between Ansible's parameters and the pure parts."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from ._apply import Ports
from ._change import Plan
from ._facts import Snapshot
from ._module import Subject
from ._nwfilter.options import NWFILTER_OPTIONS, shown
from ._nwfilter.plan import KIND, differs, filters_of, plan
from ._nwfilter.spec import parse
from ._nwfilter.table import NWFILTER

TABLES = {KIND: NWFILTER}


def nwfilter_subject(params: Mapping[str, Any]) -> Subject:
    """Return what the module nwfilter converges; raise SpecError for what can be seen to be wrong without a host."""
    spec = parse({name: params[name] for name in NWFILTER_OPTIONS})

    def gather(ports: Ports) -> Snapshot:
        nwfilters = ports.hypervisor.nwfilters()
        facts = nwfilters.get(spec.name)
        # Guests matter only where they could notice.
        used = facts is not None and (spec.state == "absent" or differs(spec, facts))
        guests = ports.hypervisor.guests() if used else {}
        return Snapshot(ports.hypervisor.host(), guests, nwfilters=nwfilters)

    def make(snap: Snapshot) -> Plan:
        return plan(spec, snap)

    def result(ports: Ports, snap: Snapshot) -> Mapping[str, Any]:
        facts = snap.nwfilters.get(spec.name)
        return {"nwfilter": shown(facts) if facts is not None else {"name": spec.name, "state": "absent"}}

    return Subject(gather, make, result, TABLES)


def read_nwfilters(params: Mapping[str, Any], ports: Ports) -> Mapping[str, Any]:
    """Return the network filters of a host for nwfilter_info, with who uses them."""
    nwfilters = ports.hypervisor.nwfilters()
    used = {name: filters_of(guest) for name, guest in ports.hypervisor.guests().items()}
    every = {name: shown(facts) for name, facts in sorted(nwfilters.items())}
    included = {name: {row["name"] for row in entry["filters"]} for name, entry in every.items()}
    found = []
    for name, entry in every.items():
        if params["name"] and name not in params["name"]:
            continue
        entry["included_by"] = sorted(other for other, names in included.items() if name in names)
        entry["guests"] = sorted(guest for guest, names in used.items() if name in names)
        found.append(entry)
    return {"nwfilters": found}
