# Copyright: (c) 2026, the virtfleet.core contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What the modules secret and secret_info do, between Ansible's parameters and the pure parts."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from ._apply import Ports
from ._change import Plan
from ._facts import Snapshot
from ._module import Subject
from ._secret.options import SECRET_OPTIONS, shown
from ._secret.plan import KIND, guests_with, plan, pools_with, reads_value
from ._secret.spec import parse
from ._secret.table import SECRET

TABLES = {KIND: SECRET}


def secret_subject(params: Mapping[str, Any]) -> Subject:
    """Return what the module secret converges; raise SpecError for what can be seen to be wrong without a host."""
    spec = parse({name: params[name] for name in SECRET_OPTIONS})
    # A plan is made once before an apply and once after it.
    planned: list[Plan] = []

    def gather(ports: Ports) -> Snapshot:
        hypervisor = ports.hypervisor
        secrets = dict(hypervisor.secrets())
        facts = secrets.get(spec.key)
        if facts is not None and reads_value(spec, facts):
            secrets[spec.key] = replace(facts, value=hypervisor.secret_value(facts.uuid))
        if facts is None or spec.state != "absent":
            return Snapshot(hypervisor.host(), secrets=secrets)
        return Snapshot(hypervisor.host(), hypervisor.guests(), pools=hypervisor.pools(), secrets=secrets)

    def make(snap: Snapshot) -> Plan:
        planned.append(plan(spec, snap, written=bool(planned)))
        return planned[-1]

    def result(ports: Ports, snap: Snapshot) -> Mapping[str, Any]:
        facts = snap.secrets.get(spec.key)
        found = {"state": "absent", "usage": spec.usage, "usage_id": spec.usage_id} if facts is None else shown(facts)
        return {"secret": {"name": spec.name, **found}}

    return Subject(gather, make, result, TABLES)


def read_secrets(params: Mapping[str, Any], ports: Ports) -> Mapping[str, Any]:
    """Return the secrets of a host for secret_info, with who uses them and without what they hold."""
    hypervisor = ports.hypervisor
    guests, pools = hypervisor.guests(), hypervisor.pools()
    found = []
    for _key, facts in sorted(hypervisor.secrets().items()):
        if params["usage"] and facts.usage not in params["usage"]:
            continue
        if params["usage_id"] and facts.usage_id not in params["usage_id"]:
            continue
        found.append({**shown(facts), "guests": guests_with(facts, guests), "pools": pools_with(facts, pools)})
    return {"secrets": found}
