# Copyright: (c) 2026, the virtfleet.core contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What the modules volume and volume_info do, between Ansible's parameters and the pure parts."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from ._apply import Ports
from ._change import Plan
from ._facts import Snapshot
from ._image.gather import all_volumes
from ._image.place import DIRECTORY_POOLS, Users
from ._module import Subject
from ._table import Table
from ._volume.gather import gather
from ._volume.options import VOLUME_OPTIONS, shown
from ._volume.plan import KIND, plan, used_paths
from ._volume.spec import parse

# No row: sizes stand in the changes as they are shown.
TABLES = {KIND: Table(())}


def volume_subject(params: Mapping[str, Any]) -> Subject:
    """Return what the module volume converges; raise SpecError for what can be seen to be wrong without a host."""
    spec = parse({name: params[name] for name in VOLUME_OPTIONS})
    consent = frozenset(params["confirm_data_loss"])

    def look(ports: Ports) -> Snapshot:
        return gather(ports.hypervisor, ports.files, spec)

    def make(snap: Snapshot) -> Plan:
        return plan(spec, snap, consent)

    def result(ports: Ports, snap: Snapshot) -> Mapping[str, Any]:
        facts = snap.volumes.get((spec.pool, spec.name))
        found = {"name": spec.name, "pool": spec.pool, "state": "absent"} if facts is None else shown(facts)
        return {"volume": found}

    return Subject(look, make, result, TABLES)


def read_volumes(params: Mapping[str, Any], ports: Ports) -> Mapping[str, Any]:
    """Return the volumes of a host's active pools for volume_info, with who uses them."""
    hypervisor = ports.hypervisor
    pools = hypervisor.pools()
    volumes = all_volumes(hypervisor, pools.values())
    snap = Snapshot(hypervisor.host(), hypervisor.guests(), pools=pools, volumes=volumes)
    used = used_paths(snap)
    chains: Mapping[str, tuple[str, ...]] = {}
    if not snap.host.remote:
        folders = {pool.path for pool in pools.values() if pool.path and pool.type in DIRECTORY_POOLS}
        chains = ports.files.chains(folders | {facts.path for facts in volumes.values()} | set().union(*used.values()))
    users = Users(chains, used, volumes)
    found = []
    for (pool, name), facts in sorted(volumes.items()):
        if (params["pool"] and pool not in params["pool"]) or (params["name"] and name not in params["name"]):
            continue
        overlays, guests = users.of(facts.path)
        found.append({**shown(facts), "overlays": list(overlays), "guests": list(guests)})
    return {"volumes": found}
