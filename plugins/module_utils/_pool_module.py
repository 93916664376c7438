# Copyright: (c) 2026, the virtfleet.core contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What the modules pool and pool_info do, between Ansible's parameters and the pure parts."""
from __future__ import annotations

import grp
import pwd
from collections.abc import Callable, Mapping
from typing import Any

from ._apply import Ports
from ._change import Plan
from ._errors import SpecError, Unsupported
from ._facts import Snapshot
from ._libvirt_read import is_remote
from ._module import Subject
from ._storage.options import POOL_OPTIONS, shown, shown_volume
from ._storage.plan import plan
from ._storage.spec import PoolSpec, parse
from ._storage.table import POOL

TABLES = {"pool": POOL}


def pool_subject(params: Mapping[str, Any]) -> Subject:
    """Return what the module pool converges; raise SpecError for what can be seen to be wrong without a host."""
    spec = _spec(params)
    consent = frozenset(params["confirm_data_loss"])

    def gather(ports: Ports) -> Snapshot:
        hypervisor = ports.hypervisor
        pools = hypervisor.pools()
        facts = pools.get(spec.name)
        if facts is None or spec.state != "absent":
            # Guests matter where a device is written to that may be a disk of theirs.
            return Snapshot(hypervisor.host(), hypervisor.guests() if spec.build else {}, pools=pools)
        volumes = hypervisor.volumes(spec.name) if facts.active else {}
        return Snapshot(
            hypervisor.host(), hypervisor.guests(), pools=pools,
            volumes={(spec.name, name): volume for name, volume in volumes.items()},
        )

    def make(snap: Snapshot) -> Plan:
        return plan(spec, snap, consent)

    def result(ports: Ports, snap: Snapshot) -> Mapping[str, Any]:
        facts = snap.pools.get(spec.name)
        return {"pool": shown(facts) if facts is not None else {"name": spec.name, "state": "absent"}}

    return Subject(gather, make, result, TABLES)


def _spec(params: Mapping[str, Any]) -> PoolSpec:
    return parse(numbered({name: params[name] for name in POOL_OPTIONS}, params["uri"]))


def numbered(options: Mapping[str, Any], uri: str) -> dict[str, Any]:
    """Return a pool's options with the names of owner and group turned into the numbers that libvirt wants."""
    found = dict(options)
    number: Callable[[str], int]
    for option, number in (
        ("owner", lambda name: pwd.getpwnam(name).pw_uid), ("group", lambda name: grp.getgrnam(name).gr_gid)
    ):
        name = found.get(option)
        if name is None or str(name).isdigit():
            continue
        if is_remote(uri):
            raise Unsupported(f"{option}: {name} is a name on another host; over a remote uri give the number")
        try:
            found[option] = number(str(name))
        except KeyError:
            raise SpecError(f"{option}: the host has no {'user' if option == 'owner' else 'group'} {name!r}") from None
    return found


def read_pools(params: Mapping[str, Any], ports: Ports) -> Mapping[str, Any]:
    """Return the pools of a host for pool_info, with their volumes if asked for."""
    pools = ports.hypervisor.pools()
    found = []
    for name in sorted(pools):
        if params["name"] and name not in params["name"]:
            continue
        entry = shown(pools[name])
        if params["volumes"]:
            volumes = ports.hypervisor.volumes(name) if pools[name].active else {}
            entry["volumes"] = [shown_volume(volumes[volume]) for volume in sorted(volumes)]
        found.append(entry)
    return {"pools": found}
