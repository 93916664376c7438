# Copyright: (c) 2026, the virtfleet.core contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""A host in memory that whole documents are converged on, through the same gather, plan and apply as on a real one."""

from __future__ import annotations

import copy
from collections.abc import Mapping
from typing import Any

from ansible_collections.virtfleet.core.plugins.module_utils._apply import apply, unfinished
from ansible_collections.virtfleet.core.plugins.module_utils._change import Outcome, Plan
from ansible_collections.virtfleet.core.plugins.module_utils._estate_module import (
    ESTATE_OPTIONS,
    TABLES,
    estate_subject,
)
from ansible_collections.virtfleet.core.plugins.module_utils._module import Subject
from ansible_collections.virtfleet.core.plugins.module_utils._render import plan_rows
from tests.unit.plugins.module_utils.guest.house import House

DOCUMENT: dict[str, Any] = {
    "version": 1,
    "pools": [{"name": "images", "path": "/srv/images"}],
    "networks": [{"name": "office", "cidr": "10.50.0.0/24", "dhcp": {"start": "10.50.0.100"}}],
    "images": [{"name": "small", "bootstrap": {"suite": "bookworm"}}],
    "guest_defaults": {"memory": "256MiB"},
    "profiles": {"big": {"memory": "1GiB", "vcpus": 2}},
    "guests": [
        {
            "name": "web",
            "count": 3,
            "disks": [{"image": "small", "size": "10GiB"}],
            "nics": [{"network": "office", "address": "10.50.0.11"}],
            "state": "running",
        },
        {"name": "db1", "profiles": ["big"], "disks": [{"image": "small"}, {"name": "data", "size": "2GiB"}]},
    ],
}


def document(**changed: Any) -> dict[str, Any]:
    """Return the document with other sections; None leaves one out."""
    whole = {**copy.deepcopy(DOCUMENT), **changed}
    return {name: value for name, value in whole.items() if value is not None}


def parameters(given: Any, **options: Any) -> dict[str, Any]:
    """Return the module's options as Ansible gives them."""
    return {
        "uri": "qemu:///system",
        **{name: option.get("default") for name, option in ESTATE_OPTIONS.items()},
        "document": given,
        **options,
    }


class Hall(House):
    """A house in which documents are made true."""

    def estate(self, given: Any, **options: Any) -> Subject:
        return estate_subject(parameters(given, **options))

    def planned(self, given: Any, **options: Any) -> Plan:
        """Return what would be done: check mode."""
        subject = self.estate(given, **options)
        return subject.plan(subject.gather(self.ports))

    def make(self, given: Any, **options: Any) -> tuple[Plan, list[Outcome]]:
        """Converge, and hold that what was written reads back."""
        subject = self.estate(given, **options)
        plan = subject.plan(subject.gather(self.ports))
        outcomes = apply(plan, self.ports, parallel=1, stop=subject.stop)
        if all(outcome.outcome in ("done", "pending") for outcome in outcomes):
            left = unfinished(subject.plan(subject.gather(self.ports)))
            assert left == [], left
        return plan, outcomes


def rows(plan: Plan) -> list[dict[str, Any]]:
    """Return a plan as the module shows it, without how it went."""
    return [{k: v for k, v in row.items() if k not in ("outcome", "error")} for row in plan_rows(TABLES, plan, None)]


def names(plan: Plan, action: str | None = None) -> list[str]:
    """Return the objects of a plan in order."""
    return [f"{one.kind} {one.name}" for one in plan.actions if action is None or one.action == action]


def failures(outcomes: list[Outcome]) -> list[str]:
    return [outcome.error or "" for outcome in outcomes if outcome.outcome in ("failed", "skipped")]


def changes(plan: Plan, kind: str, name: str) -> Mapping[str, Any]:
    return {
        ".".join(change.path): (change.before, change.after, str(change.effect))
        for action in plan.actions
        if (action.kind, action.name) == (kind, name)
        for change in action.changes
    }
