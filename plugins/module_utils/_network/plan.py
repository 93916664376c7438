# Copyright: (c) 2026, the virtfleet.core contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What has to be done for one network. Pure; check mode and real mode both read this plan.

An active network is changed in place: live where libvirt can, else in the definition only, pending until the network
is restarted. It is restarted or stopped only when told to, and below running guests only when told that too: their
taps stay behind without a bridge.
"""
from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from .._change import Action, Change, Effect, Plan, Step, worst
from .._errors import Conflict, SpecError
from .._facts import NetworkFacts, Snapshot
from .._table import Context, Spec, compare, observe, patch, pending, problems, unmanaged
from .._xml import Element
from .expand import complete, made_here, owned, skeleton
from .forward import ROUTED, family, mode_of
from .live import SECTIONS, Section, dns_steps, list_steps, range_steps
from .plugged import defined_with, overlaps, running_in, same_bridge
from .reservations import Edit, Reservation, check, live_steps, plan_edits
from .spec import NetworkSpec
from .table import NETWORK
from .tree import dhcp_section, hosts, main_interface, read_tree, to_text

KIND = "network"
# The options that dnsmasq reads again while the network runs, and those that it gives out to hosts of the cidr.
_ADDRESSED = ("dhcp", "reservations")


def plan(spec: NetworkSpec, snap: Snapshot) -> Plan:
    """Return what makes the network true.

    Raises SpecError for what cannot be right with this host's networks, Conflict for what would cut off running
    guests, or leave reservations without a place, without being told to.
    """
    facts = snap.networks.get(spec.name)
    if spec.state == "absent":
        return Plan() if facts is None else _removal(facts, spec, snap)
    return _creation(spec, snap) if facts is None else _Update(spec, snap, facts).plan()


# creation


def _creation(spec: NetworkSpec, snap: Snapshot) -> Plan:
    want = complete(spec.values, {}, new=True)
    base = skeleton(snap.host, spec.name, spec.estate)
    context = Context(snap.host.driver, spec.name)
    found = problems(NETWORK, want, snap.host.driver)
    if found:
        raise SpecError(f"network {spec.name}: {sentence}" for sentence in found)
    changes = compare(NETWORK, want, {}, context)
    changes = [change for change in changes if change.after not in ([], None)]
    tree = patch(NETWORK, base, changes)
    _check_tree(spec, want, tree, snap, moved=True)
    steps = [_define(spec.name, tree)]
    state = "inactive" if spec.state == "inactive" else "active"
    changes.append(Change(("state",), "absent", state, Effect.LIVE))
    if state == "active":
        steps.append(_start(spec.name))
    if spec.autostart or (spec.autostart is None and state == "active"):
        changes.append(Change(("autostart",), False, True, Effect.LIVE))
        steps.append(_autostart(spec.name, True))
    return Plan((Action(KIND, spec.name, "create", Effect.LIVE, tuple(changes), tuple(steps)),))


def _check_tree(spec: NetworkSpec, want: Spec, tree: Element, snap: Snapshot, moved: bool) -> None:
    """Raise for what is wrong with the tree that would be defined; about addresses only where they are new."""
    if moved:
        shared = overlaps(spec.name, tree, snap.networks)
        if shared:
            raise Conflict(
                f"network {spec.name}: cidr: {'; '.join(shared)}; the host could not tell their guests apart: "
                "take another cidr"
            )
    bridge = want.get("bridge")
    # A bridge of the host may serve several networks.
    made_by_libvirt = bridge is not None and mode_of(tree) in ROUTED
    twin = same_bridge(spec.name, str(bridge), snap.networks) if made_by_libvirt else None
    if twin is not None:
        raise Conflict(f"network {spec.name}: bridge: {bridge} is the bridge of network {twin}; take another name")
    check(spec.name, tree, _reservations(want), ())
    if moved:
        listed = {entry["mac"] for entry in want.get("reservations", ())}
        left = [
            Reservation(host.mac, host.address, host.name)
            for host in hosts(tree) if host.mac and host.address and ":" not in host.address and host.mac not in listed
        ]
        try:
            check(spec.name, tree, left, ())
        except (SpecError, Conflict) as error:
            raise Conflict(
                f"network {spec.name}: reservations that stand there already do not fit what the network is to become: "
                f"{error}; give them new addresses in reservations, or drop them with reservations_exact: true"
            ) from error
    _check_names(spec.name, want, tree)


def _check_names(name: str, want: Spec, tree: Element) -> None:
    named: dict[str | None, list[str | None]] = {}
    for host in hosts(tree):
        named.setdefault(host.name, []).append(host.mac)
    for entry in want.get("reservations", ()):
        others = [mac for mac in named.get(entry.get("name"), ()) if mac != entry["mac"]]
        if entry.get("name") is not None and others:
            raise Conflict(
                f"network {name}: reservations: the name {entry['name']} is to be {entry['mac']}'s, and "
                f"{others[0] or 'an entry without MAC'} has it; name one of the two otherwise"
            )


def _reservations(want: Spec) -> list[Reservation]:
    return [Reservation(e["mac"], e["address"], e.get("name")) for e in want.get("reservations", ())]


# removal


def _removal(facts: NetworkFacts, spec: NetworkSpec, snap: Snapshot) -> Plan:
    _consent(facts, spec, snap, "remove", "remove or stop them first")
    steps = []
    if facts.active:
        steps.append(_stop(facts.name))
    if facts.persistent:
        steps.append(Step("undefine_network", {"name": facts.name}, f"undefine network {facts.name}"))
    change = Change(("state",), _state(facts), "absent", Effect.RECREATE)
    users = sorted(set(defined_with(facts, snap.guests)) - set(running_in(facts, snap.guests)))
    warnings: tuple[str, ...] = ()
    if users:
        warnings = (f"network {facts.name}: {', '.join(users)} cannot start until it exists again",)
    return Plan((Action(KIND, facts.name, "delete", Effect.RECREATE, (change,), tuple(steps)),), warnings=warnings)


def _consent(facts: NetworkFacts, spec: NetworkSpec, snap: Snapshot, verb: str, instead: str) -> None:
    guests = running_in(facts, snap.guests) if facts.active else []
    if guests and not spec.disconnect_guests:
        raise Conflict(
            f"could not {verb} network {facts.name}: running guests are plugged into it and would be cut off "
            f"({', '.join(guests)}); {instead}, or say disconnect_guests: true"
        )


# what stands there already


class _Update:
    """A network that exists, on its way to what is wanted."""

    def __init__(self, spec: NetworkSpec, snap: Snapshot, facts: NetworkFacts) -> None:
        self.spec, self.snap, self.facts = spec, snap, facts
        self.base = read_tree(facts.xml)
        self.live = None if facts.live_xml is None else read_tree(facts.live_xml)
        self.have = observe(NETWORK, self.base)
        self.want = complete(spec.values, self.have, new=False)
        # After a stop or a start whatever is defined is true.
        self.stops = self.live is not None and spec.state == "inactive"
        self.context = Context(snap.host.driver, spec.name, "stopped" if self.live is None or self.stops else "running")

    def plan(self) -> Plan:
        changes = self._differences()
        tree = patch(NETWORK, self.base, changes)
        moved = main_interface(tree) != main_interface(self.base)
        _check_tree(self.spec, self.want, tree, self.snap, moved)
        steps = [_define(self.spec.name, tree)] if changes or not self.facts.persistent else []
        if not self.facts.persistent:
            changes.append(Change(("persistent",), False, True, Effect.LIVE))
        waiting: list[Change] = []
        restarts = False
        if self.live is not None and not self.stops:
            changes, live = self._live(self.live, changes, tree)
            waiting = _still(pending(NETWORK, tree, self.live, self.context), changes)
            restarts = bool(waiting) and self.spec.restart
            if restarts:
                changes, waiting = [replace(change, effect=Effect.LIVE) for change in changes], []
            else:
                steps += live
        more, moves = self._state(restarts)
        changes, steps = [*changes, *more], [*steps, *moves]
        more, moves = self._autostart()
        changes, steps = [*changes, *more], [*steps, *moves]
        return Plan(
            self._actions(self._explained(changes), steps),
            pending={(KIND, self.spec.name): self._explained(waiting)} if waiting else {},
            unmanaged=self._unmanaged(),
        )

    def _actions(self, changes: Sequence[Change], steps: Sequence[Step]) -> tuple[Action, ...]:
        if not changes:
            return ()
        effect = worst(change.effect for change in changes)
        return (Action(KIND, self.spec.name, "update", effect, tuple(changes), tuple(steps)),)

    def _differences(self) -> list[Change]:
        forward = self.have["forward"]
        wanted = str(self.want.get("forward", forward))
        if family(wanted) != family(forward):
            raise Conflict(
                f"network {self.spec.name}: forward: it is a network of the mode {forward}, which does not become one of "
                f"the mode {wanted}, since they have next to nothing in common; remove it first (state: absent), or take "
                "another name"
            )
        self._keep_reservations()
        whole = {**self.have, **self.want}
        # What a foreign definition holds already is not the user's mistake.
        known = problems(NETWORK, self.have, self.context.driver)
        found = [sentence for sentence in problems(NETWORK, whole, self.context.driver) if sentence not in known]
        if found:
            raise SpecError(f"network {self.spec.name}: {sentence}" for sentence in found)
        return compare(NETWORK, self.want, self.have, self.context)

    def _keep_reservations(self) -> None:
        """DHCP is not turned off below reservations that the task does not claim: guests count on them."""
        if self.want.get("dhcp") is not False or self.want.get("reservations_exact"):
            return
        left = [f"{host.name or host.mac} ({host.address})" for host in hosts(self.base) if host.mac]
        if left:
            raise Conflict(
                f"network {self.spec.name}: dhcp: false would drop its reservations for {', '.join(left)}; "
                "say reservations: [] with reservations_exact: true to drop them, or leave dhcp on"
            )

    def _live(self, live: Element, changes: Sequence[Change], tree: Element) -> tuple[list[Change], list[Step]]:
        """Return the changes with those added that are only missing live, and the steps for all of these.

        With another cidr or gateway in the definition, addresses of the new one mean nothing to the running network.
        """
        name, found = self.spec.name, list(changes)
        steps: list[Step] = []
        if main_interface(tree) == main_interface(live):
            if "dhcp" in self.want:
                steps += range_steps(name, live, self.want["dhcp"])
                if steps and not any(change.path == ("dhcp",) for change in changes):
                    before = observe(NETWORK, live).get("dhcp")
                    found.append(Change(("dhcp",), before, self.want["dhcp"], Effect.LIVE))
            edits = self._edits(live, changes)
            steps += live_steps(name, live, edits)
            found += [edit.change for edit in edits if not _covers(changes, edit.change)]
        else:
            found = [replace(c, effect=Effect.RESTART) if c.path[0] in _ADDRESSED else c for c in found]
        if "dns_hosts" in self.want:
            extra, more = dns_steps(name, live, self.want["dns_hosts"], bool(self.want.get("dns_hosts_exact")))
            found += [change for change in extra if not _covers(changes, change)]
            steps += more
        for section in SECTIONS:
            if section.row in self.want:
                found, steps = self._listed(section, live, found, steps)
        return found, steps

    def _listed(
        self, section: Section, live: Element, found: list[Change], steps: list[Step]
    ) -> tuple[list[Change], list[Step]]:
        """Return changes and steps with those of a list; without steps where libvirt could not tell its entries apart."""
        wanted, path = self.want[section.row], (section.row,)
        more = list_steps(self.spec.name, live, section, wanted)
        if more is None:
            return [replace(c, effect=Effect.RESTART) if c.path == path else c for c in found], steps
        if more and not any(change.path == path for change in found):
            found = [*found, Change(path, observe(NETWORK, live).get(section.row), wanted, Effect.LIVE)]
        return found, [*steps, *more]

    def _edits(self, live: Element, changes: Sequence[Change]) -> list[Edit]:
        if "reservations" not in self.want:
            return []
        wanted = _reservations(self.want)
        gone = {c.path[1] for c in changes if c.path[0] == "reservations" and len(c.path) == 2 and c.after is None}
        if self.want.get("reservations_exact"):
            gone |= {host.mac for host in hosts(live) if host.mac} - {item.mac for item in wanted}
        # Where the running network gives no addresses yet, the step before turns that on.
        check(self.spec.name, live, wanted if dhcp_section(live) is not None else (), gone)
        return plan_edits(live, wanted, gone)

    def _state(self, restarts: bool) -> tuple[list[Change], list[Step]]:
        name, facts = self.spec.name, self.facts
        if self.stops:
            _consent(facts, self.spec, self.snap, "stop", "stop them first")
            return [Change(("state",), "active", "inactive", Effect.LIVE)], [_stop(name)]
        if restarts:
            _consent(facts, self.spec, self.snap, "restart", "stop them first")
            change = Change(("state",), "active", "active (restarted)", Effect.RESTART)
            return [change], [_stop(name), _start(name)]
        if not facts.active and (self.spec.state == "active" or self._unfinished()):
            return [Change(("state",), "inactive", "active", Effect.LIVE)], [_start(name)]
        return [], []

    def _unfinished(self) -> bool:
        """Tell whether a creation was cut short between define and start: nobody else leaves a network so."""
        ours = made_here(self.snap.host, KIND, self.spec.name, self.facts.uuid, self.spec.estate)
        left = self.spec.state == "present" and self.spec.autostart is not False
        return ours and left and not self.facts.active and not self.facts.autostart

    def _owned(self) -> bool:
        """Tell whether an estate made it: then it starts with the host unless told otherwise, also after a cut."""
        return owned(self.snap.host, KIND, self.spec.name, self.facts.uuid, self.spec.estate)

    def _autostart(self) -> tuple[list[Change], list[Step]]:
        wanted = True if self._unfinished() else self.spec.autostart
        runs = self.spec.state == "active" or (self.facts.active and self.spec.state != "inactive")
        if wanted is None and self._owned() and runs:
            wanted = True
        if wanted is None or wanted == self.facts.autostart:
            return [], []
        change = Change(("autostart",), self.facts.autostart, wanted, Effect.LIVE)
        return [change], [_autostart(self.spec.name, wanted)]

    def _explained(self, changes: Sequence[Change]) -> tuple[Change, ...]:
        """Say of each change that costs a restart whom that would cut off."""
        if not any(change.effect is Effect.RESTART for change in changes):
            return tuple(changes)
        guests = running_in(self.facts, self.snap.guests)
        why = "true once the network is restarted (restart: true)"
        if guests:
            why += f", which cuts off the running guests in it: {', '.join(guests)}"
        return tuple(
            replace(change, why=why) if change.effect is Effect.RESTART and change.path != ("state",) else change
            for change in changes
        )

    def _unmanaged(self) -> dict[tuple[str, str], tuple[str, ...]]:
        names = unmanaged(NETWORK, self.want, self.have)
        return {(KIND, self.spec.name): tuple(names)} if names else {}


def _covers(changes: Sequence[Change], other: Change) -> bool:
    """Tell whether some change already speaks of the entry that ``other`` is about."""
    return any(change.path[:2] == other.path[:2] for change in changes)


def _still(waiting: Sequence[Change], changes: Sequence[Change]) -> list[Change]:
    """Return what of ``waiting`` the changes do not make true at once."""
    now = {change.path[:2] for change in changes if change.effect is Effect.LIVE}
    return [change for change in waiting if change.path[:2] not in now]


def _state(facts: NetworkFacts) -> str:
    return "active" if facts.active else "inactive"


# steps


def _define(name: str, tree: Element) -> Step:
    return Step("define_network", {"xml": to_text(tree)}, f"define network {name}")


def _start(name: str) -> Step:
    return Step("start_network", {"name": name}, f"start network {name}")


def _stop(name: str) -> Step:
    return Step("stop_network", {"name": name}, f"stop network {name}")


def _autostart(name: str, autostart: bool) -> Step:
    return Step("set_network_autostart", {"name": name, "autostart": autostart}, f"set the autostart of network {name}")
