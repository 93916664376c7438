# Copyright: (c) 2026, the virtfleet.core contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What the module host_bridge does, between Ansible's parameters, the pure parts and the host.

It runs twice. The first run looks, plans, and hands the change to a process that guards it. The second run, over a new
connection, looks from the inside whether all is well, and tells the guard to keep the change or to take it back. Who runs
it the second time, or nobody, is the business of the action plugin.
"""
from __future__ import annotations

import os
import time
from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from ._bridge.change import Record
from ._bridge.check import Expected, problems, read_expected, to_ask
from ._bridge.plan import (
    RESOLV_CONF,
    Decision,
    base_of,
    by_hand,
    check_port,
    choose_port,
    decide,
    decide_absent,
    diff,
    render,
    shown,
    token_of,
    wanted_of,
)
from ._bridge.spec import BridgeSpec, parse
from ._bridge.values import FAMILIES, FileState, Kernel, Native
from ._bridge_host import LocalNetwork
from ._change import Plan
from ._errors import Conflict, HostError, Timeout, Unsupported
from ._long_work import locked
from ._module import BareSubject
from ._programs import Programs

# How long what comes from others (leases, advertisements, answers) may take to come.
_PATIENCE_S = 15.0
_POLL_S = 0.3
# A change that is taken back waits that long for each of its commands, and has few.
_UNDO_S = 60.0


def bridge_subject(params: Mapping[str, Any], programs: Programs) -> BareSubject:
    """Return what the module host_bridge makes true; raise SpecError for what can be seen to be wrong without a look."""
    spec = parse(params)
    if os.geteuid() != 0:
        raise Unsupported(f"could not look after {spec.name}: this needs root; connect as root, or set `become: true`")
    host = LocalNetwork(programs)
    if params["confirm"] is not None:
        return _Second(host, spec, params["confirm"]).subject()
    return _First(host, spec).subject()


def library(programs: Programs) -> str | None:
    """Return the library that reads netplan's files, on a host that has netplan."""
    return "yaml" if programs.find("netplan") is not None else None


class _First:
    """Looks, plans, and starts the guard."""

    def __init__(self, host: LocalNetwork, spec: BridgeSpec) -> None:
        self.host = host
        self.spec = spec
        self.unfinished = host.unfinished()
        self.decision = Decision(Plan())
        self.kernel = Kernel()
        self.native: Native | None = None

    def subject(self) -> BareSubject:
        return BareSubject(self.prepare, self.plan, self.apply, self.result, self.diff)

    def prepare(self) -> None:
        with locked("host_bridge", 5):
            if self.unfinished is not None:
                self.host.finish(self.unfinished)

    def plan(self) -> Plan:
        self.decision = self.decide()
        plan = self.decision.plan
        if self.unfinished is not None:
            sentence = f"an earlier change of {self.unfinished} was left unfinished on this host; a run takes it back first"
            plan = replace(plan, warnings=(sentence, *plan.warnings))
        return plan

    def decide(self) -> Decision:
        self.kernel = self.host.kernel()
        record = self.host.record(self.spec.name)
        if self.spec.state == "absent":
            return self.absent(record)
        port = choose_port(self.spec, self.kernel, record)
        if record is None and self.spec.name in self.kernel.links:
            return Decision(self.made_by_hand(port))
        new = record is None
        if record is None:
            record = self.fresh(port)
        self.native = record.native
        present = self.host.present(record.native)
        resolv = self.host.file(RESOLV_CONF) if self.host.resolver_is_a_file() else None
        files = render(wanted_of(self.spec, record), record.native, present, resolv)
        current = {path: self.host.file(path) for path in files}
        return decide(self.spec, self.kernel, record, current, files, not new)

    def fresh(self, port: str) -> Record:
        """Return what there is to carry over from an interface."""
        check_port(self.spec.name, port, self.kernel)
        native = self.host.managed(port)
        before = base_of(self.kernel, port, native)
        # Of the managers, only NetworkManager mixes the link's name into it.
        token = token_of(self.kernel, port, before[6].addresses) if native.manager == "networkmanager" else None
        return Record(
            name=self.spec.name,
            port=port,
            mac=self.kernel.links[port].mac,
            native=native,
            before=before,
            nameservers=self.host.nameservers(native, port),
            iaid=self.host.identity(native, port),
            token=token,
            ipv6=self.host.ipv6(port),
        )

    def made_by_hand(self, port: str) -> Plan:
        try:
            self.native = self.host.managed(self.spec.name)
        except Unsupported:
            self.native = None
        return by_hand(self.spec, self.kernel, port, self.native)

    def absent(self, record: Record | None) -> Decision:
        if record is None:
            if self.spec.name in self.kernel.links:
                raise Conflict(
                    f"could not remove {self.spec.name}: this module did not make it, so it does not know what was there before; "
                    "remove it where it was made"
                )
            return Decision(Plan())
        self.native = record.native
        current = {path: self.host.file(path) for path in record.written}
        return decide_absent(self.spec, self.kernel, record, current)

    def apply(self) -> Mapping[str, Any]:
        with locked("host_bridge", 5):
            # Another run may have begun since the look.
            self.host.unfinished()
            change = self.decision.change
            if change is None:
                return {}
            files: dict[str, FileState | None] = {one.path: one.after for one in change.files}
            self.host.check(self.native or Native("", ""), files)
            silent = tuple(family for family in FAMILIES if self.is_silent(family, change.expected))
            change = replace(change, expected=replace(change.expected, silent=silent))
            token = self.host.start(change, self.kernel, self.spec.rollback_s)
        return {"rollback": {"token": token, "timeout": self.spec.rollback_s}}

    def is_silent(self, family: int, expected: Expected) -> bool:
        """Tell whether the gateway that stays does not answer now either."""
        dev = self.spec.name if self.spec.name in self.kernel.links else expected.port or expected.link
        route = self.kernel.default(family, dev)
        if route is None or route.via is None or expected.gateways.get(family, route.via) not in (None, route.via):
            return False
        return not self.host.answers(family, route.via, dev)

    def diff(self) -> list[dict[str, str]]:
        return diff(self.decision.change) if self.decision.change is not None else []

    def result(self) -> Mapping[str, Any]:
        return {"bridge": shown(self.spec.name, self.kernel, self.host.record(self.spec.name), self.native)}


class _Second:
    """Looks from the inside whether a change did well, and says so to the guard."""

    def __init__(self, host: LocalNetwork, spec: BridgeSpec, token: str) -> None:
        self.host = host
        self.spec = spec
        self.token = token

    def subject(self) -> BareSubject:
        return BareSubject(lambda: None, Plan, self.follow, self.result, list)

    def follow(self) -> Mapping[str, Any]:
        """Return the change's outcome, which this may bring about."""
        until = time.monotonic() + self.spec.rollback_s + _UNDO_S
        patience: float | None = None
        said = False
        while time.monotonic() < until:
            progress = self.host.progress(self.spec.name, self.token)
            if "outcome" in progress:
                return {"rollback": {"token": self.token, **progress["outcome"]}}
            if progress["phase"] == "applied" and not said:
                patience = patience or time.monotonic() + min(_PATIENCE_S, self.spec.rollback_s / 2)
                wrong = self.wrong(read_expected(progress["expected"]))
                if not wrong or time.monotonic() > patience:
                    said = True
                    word = "refused" if wrong else "confirmed"
                    self.host.told(self.spec.name, self.token, word, "; ".join(wrong))
            time.sleep(_POLL_S)
        raise Timeout(
            f"could not learn how the change of {self.spec.name} ended: the process that guards it did not say so within "
            f"{self.spec.rollback_s + _UNDO_S:.0f} s; look at /var/lib/virtfleet/bridge/{self.spec.name} on the host"
        )

    def wrong(self, expected: Expected) -> list[str]:
        try:
            kernel = self.host.kernel()
            found = [
                # Asked in any case: what is late with the one family must not hide that the other one's is wrong.
                *(
                    f"the gateway {gateway} does not answer over {expected.link}"
                    for family, gateway in to_ask(expected, kernel)
                    if not self.host.answers(family, gateway, expected.link)
                ),
                *problems(expected, kernel),
            ]
        except HostError as error:
            return [str(error)]
        return found

    def result(self) -> Mapping[str, Any]:
        record = self.host.record(self.spec.name)
        return {"bridge": shown(self.spec.name, self.host.kernel(), record, None)}
