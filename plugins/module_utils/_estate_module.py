# Copyright: (c) 2026, the virtfleet.core contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What the module estate does, between Ansible's parameters and the pure parts."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

from ._apply import Ports
from ._change import Plan
from ._errors import SpecError, Unsupported
from ._estate import report, saved
from ._estate.document import DOCUMENT, parse_document
from ._estate.plan import Options, plan
from ._estate.spec import EstateSpec
from ._facts import Snapshot
from ._gather import gather_estate
from ._guest.options import RUN_OPTIONS
from ._guest.plan import Options as GuestOptions
from ._guest.platforms import check_driver, check_waits
from ._guest.states import Stopping
from ._guest_module import TABLES as GUEST_TABLES
from ._guest_module import console_log, duration
from ._image.gather import local_files, resolve
from ._image_module import FETCH_OPTIONS
from ._image_module import TABLES as IMAGE_TABLES
from ._module import Subject
from ._network_module import TABLES as NETWORK_TABLES
from ._nwfilter_module import TABLES as NWFILTER_TABLES
from ._pool_module import TABLES as POOL_TABLES
from ._pool_module import numbered
from ._render import Tables, drift_rows, pending_rows, plan_rows, summary
from ._secret_module import TABLES as SECRET_TABLES
from ._volume_module import TABLES as VOLUME_TABLES
from ._wait import Awaited, store_of, wait

TABLES = {
    **GUEST_TABLES,
    **NETWORK_TABLES,
    **POOL_TABLES,
    **IMAGE_TABLES,
    **VOLUME_TABLES,
    **SECRET_TABLES,
    **NWFILTER_TABLES,
}
MOST_PARALLEL = 64

ESTATE_OPTIONS: dict[str, Any] = {
    "document": {"type": "raw", "required": True, "no_log": True},
    "mode": {"type": "str", "choices": ["apply", "plan"], "default": "apply"},
    "prune": {"type": "bool", "default": False},
    "on_error": {"type": "str", "choices": ["continue", "stop"], "default": "continue"},
    "parallel": {"type": "int", "default": 5},
    "saved_plan": {"type": "dict"},
    **RUN_OPTIONS,
    **FETCH_OPTIONS,
}
DOCUMENTS = {"document": DOCUMENT}


def estate_subject(params: Mapping[str, Any]) -> Subject:
    """Return what the module estate converges; raise SpecError for all that can be seen to be wrong without a host."""
    consent = frozenset(params["confirm_data_loss"])
    stopping = Stopping(duration(params, "stop_timeout"), params["force_stop"])
    timeout = duration(params, "wait_timeout")
    if not 1 <= params["parallel"] <= MOST_PARALLEL:
        raise SpecError(f"parallel: {params['parallel']} is not from 1 to {MOST_PARALLEL}")
    document = numbered_pools(params["document"], params["uri"])
    read = [parse_document(document, sorted(consent))]
    estate = read[0]
    options = Options(
        GuestOptions(consent, stopping, params["restart_policy"] == "if_needed", params["drift"] == "revert"),
        params["prune"],
    )

    def gather(ports: Ports) -> Snapshot:
        if read[0] is estate and estate.images:
            # A checksum file is read once, so that plan and read-back hold the same checksum against the image.
            read[0] = _resolved(ports, estate)
        snap = gather_estate(ports.hypervisor, ports.files, read[0], losing=bool(consent), prune=options.prune)
        check_driver(snap.host.driver)
        return snap

    # A plan is made once before an apply and once after it.
    planned: list[Plan] = []

    def make(snap: Snapshot) -> Plan:
        check_waits(snap.host.driver, {params["wait_for"], *estate.waits.values()})
        planned.append(plan(read[0], snap, replace(options, written=bool(planned))))
        return planned[-1]

    def gate(snap: Snapshot, rows: Sequence[Mapping[str, Any]]) -> Mapping[str, Any]:
        mark = saved.fingerprint(params["document"], snap.host.uuid, rows)
        if params["saved_plan"] is not None:
            saved.check(params["saved_plan"], mark, rows)
        return {"fingerprint": mark} if params["mode"] == "plan" else {}

    def after(ports: Ports) -> None:
        goals = {
            guest.name: estate.waits.get(guest.name) or params["wait_for"]
            for guest in estate.guests
            if guest.state == "running"
        }
        logs = {guest.name: console_log(guest) for guest in estate.guests}
        awaited = [Awaited(name, goal, logs[name]) for name, goal in goals.items() if goal]
        if awaited:
            wait(ports.hypervisor, awaited, timeout, store_of(ports.hypervisor, ports.files))

    return Subject(
        gather,
        make,
        lambda ports, snap: {},
        TABLES,
        estate.objects,
        after,
        params["mode"] == "plan",
        gate,
        params["parallel"],
        params["on_error"] == "stop",
        lambda tables, made: _diff(tables, made, estate),
        estate.places.keys(),
    )


def _resolved(ports: Ports, estate: EstateSpec) -> EstateSpec:
    arch = ports.hypervisor.host().arch
    images = tuple(
        resolve(local_files(ports.hypervisor, ports.files, f"image {spec.name}"), spec, arch) for spec in estate.images
    )
    return replace(estate, images=images)


def _diff(tables: Tables, made: Plan, estate: EstateSpec) -> list[dict[str, str]]:
    """Return the plan as a person reads it, for ``--diff``."""
    if not made.actions:
        return []
    rows = plan_rows(tables, made, None)
    counts = summary(tables, made, estate.objects, estate.places.keys())
    shown = report.text(rows, counts, pending_rows(tables, made), drift_rows(made))
    return [{"prepared": shown}]


def numbered_pools(document: Any, uri: str) -> Any:
    """Return the document with the users and groups of its pools as numbers, which is what libvirt wants."""
    pools = document.get("pools") if isinstance(document, Mapping) else None
    if not isinstance(pools, (list, tuple)):
        return document
    problems: list[str] = []
    found = []
    for position, pool in enumerate(pools):
        try:
            found.append(numbered(pool, uri) if isinstance(pool, Mapping) else pool)
        except (SpecError, Unsupported) as error:
            problems.append(f"pools[{position}].{error}")
            found.append(pool)
    if problems:
        raise SpecError(problems)
    return {**document, "pools": found}
