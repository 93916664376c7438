# Copyright: (c) 2026, the virtfleet.core contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What has to be done for one network filter. Pure; check mode and real mode both read this plan."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace

from .. import _xml
from .._change import Action, Change, Effect, Plan, Step, worst
from .._errors import Conflict, NotFound, SpecError
from .._facts import GuestFacts, NwfilterFacts, Snapshot
from .._network.expand import uuid_for
from .._table import Context, compare, observe, patch
from .._words import close
from .._xml import Element, SubElement
from .rules import read_filters
from .spec import NwfilterSpec
from .table import NWFILTER, read_tree, to_text

KIND = "nwfilter"


def plan(spec: NwfilterSpec, snap: Snapshot) -> Plan:
    """Return what makes the filter true. ``snap`` has all filters, and all guests where one that exists changes.

    Raises NotFound where a filter that it includes does not exist, SpecError where it would include itself, Conflict
    where a guest or another filter still uses the one that is to go.
    """
    facts = snap.nwfilters.get(spec.name)
    if spec.state == "absent":
        return Plan() if facts is None else _removal(spec, snap, facts)
    _check_includes(spec, snap)
    base = _skeleton(spec, snap) if facts is None else read_tree(facts.xml)
    context = Context(snap.host.driver, spec.name)
    changes = compare(NWFILTER, spec.values, {} if facts is None else observe(NWFILTER, base), context)
    if facts is not None and not changes:
        return Plan()
    tree = patch(NWFILTER, base, changes)
    # A chain takes its own priority with it, which another one may have been meant to be.
    tree = patch(NWFILTER, tree, compare(NWFILTER, spec.values, observe(NWFILTER, tree), context))
    changes = [change for change in changes if facts is not None or change.after != ()]
    if facts is None:
        changes.append(Change(("state",), "absent", "present", Effect.LIVE))
    else:
        changes = _explained(spec.name, snap, changes)
    step = Step("define_nwfilter", {"xml": to_text(tree)}, f"define nwfilter {spec.name}")
    verb = "create" if facts is None else "update"
    effect = worst(change.effect for change in changes)
    return Plan((Action(KIND, spec.name, verb, effect, tuple(changes), (step,)),))


def differs(spec: NwfilterSpec, facts: NwfilterFacts) -> bool:
    """Tell whether a filter that exists will be changed."""
    return bool(compare(NWFILTER, spec.values, observe(NWFILTER, read_tree(facts.xml)), Context()))


def _skeleton(spec: NwfilterSpec, snap: Snapshot) -> Element:
    root = Element("filter", {"name": spec.name, "chain": spec.values.get("chain", "root")})
    SubElement(root, "uuid").text = uuid_for(snap.host, KIND, spec.name, spec.estate)
    return root


def _check_includes(spec: NwfilterSpec, snap: Snapshot) -> None:
    known = includes(snap)
    missing = [name for name in spec.includes if name not in known]
    if missing:
        raise NotFound(
            f"nwfilter {spec.name}: filters: there is no filter {missing[0]!r}{close(missing[0], known)}; make it first"
        )
    for name in spec.includes:
        if spec.name in _reached(name, known):
            raise SpecError(f"nwfilter {spec.name}: filters: {name} includes {spec.name} already, so that neither could end")


def includes(snap: Snapshot) -> dict[str, set[str]]:
    """Return for each filter the names of those that it includes."""
    return {
        name: {include.name for include in read_filters(_xml.parse(facts.xml))} for name, facts in snap.nwfilters.items()
    }


def _reached(name: str, edges: Mapping[str, set[str]]) -> set[str]:
    """Return all that can be reached from a name, itself among them."""
    found, waiting = {name}, [name]
    while waiting:
        for other in edges.get(waiting.pop(), ()):
            if other not in found:
                found.add(other)
                waiting.append(other)
    return found


# who uses it


def _filters_with(name: str, snap: Snapshot) -> list[str]:
    return sorted(other for other, included in includes(snap).items() if name in included)


def _guests_with(names: set[str], guests: Mapping[str, GuestFacts]) -> list[str]:
    return sorted(guest.name for guest in guests.values() if names & filters_of(guest))


def filters_of(guest: GuestFacts) -> set[str]:
    """Return the names of the filters that a guest's nics have, as it is defined and as it runs."""
    trees = [_xml.parse(text) for text in (guest.xml, guest.live_xml) if text is not None]
    return {node.get("filter", "") for tree in trees for node in tree.findall("devices/interface/filterref")}


def _explained(name: str, snap: Snapshot, changes: list[Change]) -> list[Change]:
    """Say of each change whom it reaches at once."""
    above: dict[str, set[str]] = {}
    for other, included in includes(snap).items():
        for each in included:
            above.setdefault(each, set()).add(other)
    running = {guest.name: guest for guest in snap.guests.values() if guest.active}
    guests = _guests_with(_reached(name, above), running)
    if not guests:
        return changes
    why = f"true at once for the running guests that use it: {', '.join(guests)}"
    return [replace(change, why=why) for change in changes]


def _removal(spec: NwfilterSpec, snap: Snapshot, facts: NwfilterFacts) -> Plan:
    filters, guests = _filters_with(spec.name, snap), _guests_with({spec.name}, snap.guests)
    users = [f"{kind} {', '.join(names)}" for kind, names in (("filter", filters), ("guest", guests)) if names]
    if users:
        raise Conflict(
            f"could not remove nwfilter {spec.name}: {' and '.join(users)} would be left without it; take it out of these "
            "first"
        )
    change = Change(("state",), "present", "absent", Effect.RECREATE)
    step = Step("undefine_nwfilter", {"name": facts.name}, f"undefine nwfilter {spec.name}")
    return Plan((Action(KIND, spec.name, "delete", Effect.RECREATE, (change,), (step,)),))
