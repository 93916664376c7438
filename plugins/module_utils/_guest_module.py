# Copyright: (c) 2026, the virtfleet.core contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What the modules guest and guest_info do, between Ansible's parameters and the pure parts."""

from __future__ import annotations

from collections.abc import Mapping
from functools import cache
from typing import Any

from . import _xml
from ._agent_view import COMMANDS, view
from ._apply import Ports
from ._change import Plan
from ._errors import SpecError
from ._estate.plan import Options, plan
from ._estate.spec import EstateSpec
from ._facts import GuestFacts, Snapshot
from ._gather import gather_estate
from ._guest.given import as_defined
from ._guest.options import GUEST_OPTIONS, shown
from ._guest.plan import Options as GuestOptions
from ._guest.platforms import check_driver, check_waits
from ._guest.spec import GuestSpec, parse
from ._guest.states import Stopping
from ._guest.table import GUEST
from ._libvirt_read import agent_connected
from ._module import Subject
from ._render import change_row
from ._table import Context, pending
from ._units import parse_duration
from ._wait import Awaited, Store, addresses, store_of, wait

# The kinds that a plan of guests may touch; their rows show values in the words of their own modules.
TABLES = {"guest": GUEST}
# How long one agent may take for one answer.
AGENT_SECONDS = 5.0


def guest_subject(params: Mapping[str, Any]) -> Subject:
    """Return what the module guest converges; raise SpecError for what can be seen to be wrong without a host."""
    spec = parse({name: params[name] for name in GUEST_OPTIONS})
    timeout = duration(params, "wait_timeout")
    stopping = Stopping(duration(params, "stop_timeout"), params["force_stop"])
    consent = frozenset(params["confirm_data_loss"])
    options = Options(GuestOptions(consent, stopping, params["restart_policy"] == "if_needed", params["drift"] == "revert"))
    estate = EstateSpec(guests=(spec,))
    if params["wait_for"] and spec.state in ("absent", "stopped", "saved", "paused"):
        raise SpecError(f"wait_for: a guest that is to be {spec.state} never gets there; use it with state running")

    def gather(ports: Ports) -> Snapshot:
        snap = gather_estate(ports.hypervisor, ports.files, estate, losing=bool(consent))
        check_driver(snap.host.driver)
        check_waits(snap.host.driver, [params["wait_for"]])
        return snap

    def make(snap: Snapshot) -> Plan:
        return plan(estate, snap, options)

    def result(ports: Ports, snap: Snapshot) -> Mapping[str, Any]:
        facts = snap.guests.get(spec.name)
        if facts is None:
            return {"guest": {"name": spec.name, "state": "absent"}}
        return {"guest": guest_result(ports, facts, store_of(ports.hypervisor, ports.files))}

    def after(ports: Ports) -> None:
        if params["wait_for"]:
            awaited = [Awaited(spec.name, params["wait_for"], console_log(spec))]
            wait(ports.hypervisor, awaited, timeout, store_of(ports.hypervisor, ports.files))

    return Subject(gather, make, result, TABLES, after=after)


def duration(params: Mapping[str, Any], name: str) -> float:
    try:
        return parse_duration(params[name])
    except SpecError as error:
        raise SpecError(f"{name}: {error}") from error


def console_log(spec: GuestSpec) -> str | None:
    value = spec.values.get("console_log")
    return str(value) if value else None


def guest_result(ports: Ports, facts: GuestFacts, store: Store) -> dict[str, Any]:
    """Return one guest for a result: its options, and while it is active its addresses."""
    found = shown(facts)
    found["addresses"] = addresses(ports.hypervisor, facts.name, store) if facts.state == "running" else []
    return found


def read_guests(params: Mapping[str, Any], ports: Ports) -> Mapping[str, Any]:
    """Return the guests of a host for guest_info, in bulk."""
    names = params["name"]
    guests = ports.hypervisor.guests(names or None)
    # Read once, and only where a guest has no lease.
    store = cache(store_of(ports.hypervisor, ports.files))
    found = {name: _info(ports, guests[name], store) for name in sorted(guests)}
    if "stats" in params["gather"]:
        stats = ports.hypervisor.stats()
        for name, each in found.items():
            each["stats"] = stats.get(guests[name].uuid, {})
    if "agent" in params["gather"]:
        listening = [name for name in found if _has_agent(guests[name])]
        answers = ports.hypervisor.agent_answers(listening, COMMANDS, AGENT_SECONDS) if listening else {}
        for name, each in found.items():
            each["agent_view"] = view(answers[name]) if answers.get(name) else None
    return {"guests": list(found.values())}


def _has_agent(facts: GuestFacts) -> bool:
    return facts.state == "running" and facts.live_xml is not None and agent_connected(facts.live_xml)


def _info(ports: Ports, facts: GuestFacts, store: Store) -> dict[str, Any]:
    found = guest_result(ports, facts, store)
    found["persistent"] = facts.persistent
    found["managed_save"] = facts.managed_save
    found["pending"] = []
    if facts.warm_xml is not None and facts.persistent:
        context = Context(name=facts.name, state=facts.state)
        live = as_defined(_xml.parse(facts.warm_xml), facts.xml)
        changes = pending(GUEST, _xml.parse(facts.xml), live, context)
        found["pending"] = [change_row(TABLES, "guest", change) for change in changes]
    return found
