# Copyright: (c) 2026, the virtfleet.core contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""playbooks/site.yml on a bare machine of trixie; and back, which no release of Debian has to do with."""

from __future__ import annotations

import json
from dataclasses import replace

import pytest

from tests.integration.playing import Controller
from tests.integration.site_on_machine import HAVE, PLAN, SITE, SPARE, SiteOnABareMachine
from tests.lab import Machine

pytestmark = pytest.mark.root


class TestTrixie(SiteOnABareMachine):
    suite = "trixie"

    def test_back_to_nothing_as_it_was_planned(self, machine: Machine, play: Controller) -> None:
        """The estate is empty again: a plan of that is kept, refused once the host has moved on, and applied."""
        plans = play.folder / "plans"
        empty = {"estate": {"version": 1}, "site_prune": True, "site_force_stop": True}
        empty["site_confirm_data_loss"] = ["small", "web1", "db1", *SPARE]
        back = replace(play, variables={**play.variables, **empty})
        results = back(PLAN, "-e", f"site_plans={plans}")
        assert list(machine.guests()) == ["web1"]
        kept = json.loads((plans / f"plan-{machine.name}.json").read_text())
        actions = {row["action"] for row in kept["plan"]}
        assert actions == {"delete"}, kept["plan"]
        told = (plans / "plan.md").read_text()
        assert told.startswith(f"### {machine.name}: ") and "guest **spare8**" in told and "**data_loss**" in told
        apply = ["-e", f"site_saved_plans={plans}"]
        # Somebody is quicker. The disk goes with it: nobody could tell any more whose it was.
        machine.exec(["virsh", "undefine", "spare8"])
        for volume in ("spare8-root.qcow2", "exchange.raw"):
            machine.exec(["virsh", "vol-delete", volume, "images"])
        refused = back(SITE, *apply, fails=True).named(HAVE)
        said = "the host has moved on since it was made, nothing was touched: guest spare8 would not be changed any more"
        assert said in refused.msg, refused.msg
        assert list(machine.guests()) == ["web1"]
        back(PLAN, "-e", f"site_plans={plans}")
        results = back(SITE, *apply)
        assert results.changed() == [HAVE]
        for words in (["list", "--all"], ["net-list"], ["pool-list", "--all"]):
            listed = machine.exec(["virsh", words[0], "--name", *words[1:]]).stdout.split()
            assert listed == (["default"] if words[0] == "pool-list" else []), words
        assert not (machine.root / "var/lib/virtfleet/images").exists()
        missing = back(SITE, "-e", f"site_saved_plans={plans}/none", fails=True)
        assert "leave site_saved_plans out. Nothing was touched" in missing[-1].msg
