# Copyright: (c) 2026, the virtfleet.core contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""One object of any kind converged on a host in memory, as its module does it."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from ansible_collections.virtfleet.core.plugins.module_utils._apply import apply, unfinished
from ansible_collections.virtfleet.core.plugins.module_utils._change import Outcome, Plan
from ansible_collections.virtfleet.core.plugins.module_utils._module import Subject
from ansible_collections.virtfleet.core.plugins.module_utils._render import plan_rows
from tests.unit.plugins.module_utils.guest.house import House


@dataclass(frozen=True)
class Kind:
    """A module's argument spec, and what makes its subject."""

    options: Mapping[str, Any]
    subject: Callable[[Mapping[str, Any]], Subject]

    def made(self, said: Mapping[str, Any]) -> Subject:
        """Return the subject of what was said, with the defaults that Ansible fills in."""
        return self.subject({name: option.get("default") for name, option in self.options.items()} | dict(said))

    def plan(self, house: House, **said: Any) -> Plan:
        """Return what would be done: check mode."""
        subject = self.made(said)
        return subject.plan(subject.gather(house.ports))

    def run(self, house: House, **said: Any) -> list[Outcome]:
        """Converge; what was written must read back."""
        subject = self.made(said)
        plan = subject.plan(subject.gather(house.ports))
        outcomes = apply(plan, house.ports)
        if all(outcome.outcome == "done" for outcome in outcomes):
            left = unfinished(subject.plan(subject.gather(house.ports)))
            assert left == [], left
        return outcomes

    def twice(self, house: House, **said: Any) -> Plan:
        """Converge, hold that check mode said the same and that nothing is left to do; return what was planned."""
        checked = self.plan(house, **said)
        outcomes = self.run(house, **said)
        assert [outcome.action for outcome in outcomes] == list(checked.actions)
        assert [outcome.error for outcome in outcomes if outcome.error] == []
        assert self.plan(house, **said).actions == ()
        return checked


def ops(plan: Plan) -> list[str]:
    """Return the operations of a plan."""
    return [step.op for action in plan.actions for step in action.steps]


def changes(subject: Subject, plan: Plan) -> dict[str, tuple[Any, Any, str]]:
    """Return what a plan changes, as it is shown: path to before, after, effect."""
    return {
        change["path"]: (change["before"], change["after"], change["effect"])
        for row in plan_rows(subject.tables, plan, None)
        for change in row["changes"]
    }
