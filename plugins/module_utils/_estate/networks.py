# Copyright: (c) 2026, the virtfleet.core contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What many guests want of networks, as one redefine of each and the fewest live updates."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import replace

from .._change import Action, Change, Effect, Plan, Step, worst
from .._errors import Conflict, SpecError
from .._facts import NetworkFacts, Snapshot
from .._guest.plan import Wishes
from .._network.plugged import running_in
from .._network.reservations import Reservation, reserve
from .predict import ops

# A live update of a reservation costs about half a second: from this many on a network that nobody runs in is restarted.
_RATHER_RESTART = 5


def joined(
    plans: Mapping[str, Plan],
    wishes: Iterable[Wishes],
    snap: Snapshot,
    leaving: Collection[str],
    problems: list[str],
    patient: bool,
) -> list[Action]:
    """Return the actions on networks that stay: their own ``plans``, with what guests wish for in the same redefine.

    ``snap`` has the networks as they will be; ``problems`` gets what stands against a wish. ``patient``: a running network
    hears only of guests that run or are about to; of the others it learns by their start, or its own.
    """
    wanted: dict[str, list[Reservation]] = {}
    gone: dict[str, set[str]] = {}
    soon: set[str] = set()
    for wish in wishes:
        for network, items in wish.wanted.items():
            wanted.setdefault(network, []).extend(items)
            soon |= {item.mac.lower() for item in items} if wish.soon else set()
        for network, macs in wish.gone.items():
            gone.setdefault(network, set()).update(macs)
    found = []
    for network in dict.fromkeys((*plans, *wanted, *gone)):
        if network in leaving:
            continue
        own = plans.get(network, Plan())
        facts = snap.networks.get(network)
        reserved = None
        if facts is not None and (network in wanted or network in gone):
            # One that is started by the plan runs as it will be defined.
            fresh = replace(facts, live_xml=None) if "start_network" in ops(own) else facts
            items, back = wanted.get(network, []), gone.get(network, set())
            reserved = _reserved(fresh, items, back, soon | back if patient else None, snap, problems)
        found += _merged(own, reserved)
    return found


def _reserved(
    facts: NetworkFacts,
    wanted: Sequence[Reservation],
    gone: Collection[str],
    soon: Collection[str] | None,
    snap: Snapshot,
    problems: list[str],
) -> Action | None:
    try:
        found = reserve(facts, wanted, gone, soon)
    except SpecError as error:
        problems += error.problems
        return None
    except Conflict as error:
        problems.append(str(error))
        return None
    updates = [step for step in found.steps if step.op == "update_network"] if found is not None else []
    if found is None or len(updates) < _RATHER_RESTART or not snap.whole or running_in(facts, snap.guests):
        return found
    name = facts.name
    why = f"quicker than {len(updates)} updates, and no guest runs in it"
    change = Change(("state",), "active", "active (restarted)", Effect.LIVE, why)
    steps = (
        *(step for step in found.steps if step.op != "update_network"),
        Step("stop_network", {"name": name}, f"stop network {name}"),
        Step("start_network", {"name": name}, f"start network {name}"),
    )
    return replace(found, changes=(*found.changes, change), steps=steps)


def _merged(own: Plan, reserved: Action | None) -> list[Action]:
    """Return a network's own action with the reservations of guests in it: in its redefine, and live after its steps."""
    if reserved is None:
        return list(own.actions)
    if not own.actions:
        return [reserved]
    (action,) = own.actions
    defines = [step for step in reserved.steps if step.op == "define_network"]
    rest = [step for step in reserved.steps if step.op != "define_network"]
    steps = [defines.pop() if step.op == "define_network" and defines else step for step in action.steps]
    changes = (*action.changes, *reserved.changes)
    effect = worst(change.effect for change in changes)
    return [replace(action, effect=effect, changes=changes, steps=(*defines, *steps, *rest))]
