# Copyright: (c) 2026, the virtfleet.core contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The plan for one guest: from its spec and what was seen of the host, purely.

Everything that can be found wrong is found here, before the first step: the plan either is whole or raises.
"""

from __future__ import annotations

import contextlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property
from typing import Any

from .. import _xml
from .._change import Action, Change, Drift, Effect, Plan, Step, worst
from .._errors import SpecError
from .._facts import GuestFacts, Snapshot
from .._network.reservations import Reservation, reserve
from .._storage.volume import VolumeWant
from .._table import (
    Context,
    Field,
    Keyed,
    Spec,
    comparable,
    compare,
    contradictions,
    merged,
    observe,
    patch,
    pending_between,
    show_spec,
    steps,
    unmanaged,
    unsupported,
)
from .._units import show_size
from .._xml import Element
from . import record as records
from . import seeds, volumes
from .drift import found_live, moved_by_hand
from .expand import SEED, Expanded, expand
from .fields.disks import DISKS
from .fields.modules import plugged_bytes
from .fields.nics import only_virtio_has_a_driver
from .fields.size import ceilings
from .given import as_defined
from .platforms import platform_of, preset
from .record import Device, Record
from .seen import Seen, seen
from .slots import fit
from .spec import SEEDS, GuestSpec
from .states import Stopping, stop_step, transition
from .table import GUEST, LISTS


@dataclass(frozen=True)
class Options:
    """What the user allows: names whose data may be lost (``web1``, ``web1/root``), and how a guest is stopped.

    ``restart``: a running guest is restarted where something waits for that. ``revert``: what somebody else changed is
    set back; else it is only told.
    """

    consent: frozenset[str] = frozenset()
    stopping: Stopping = field(default_factory=Stopping)
    restart: bool = False
    revert: bool = True

    def may_lose(self, guest: str, disk: str) -> bool:
        return guest in self.consent or f"{guest}/{disk}" in self.consent


@dataclass(frozen=True)
class Wishes:
    """What a guest wants of networks, by their names: reservations, and the MACs whose reservations it gives back.

    ``soon``: it is about to ask for an address, so the running networks have to know.
    """

    wanted: Mapping[str, Sequence[Reservation]] = field(default_factory=dict)
    gone: Mapping[str, frozenset[str]] = field(default_factory=dict)
    soon: bool = True


def plan(spec: GuestSpec, snap: Snapshot, options: Options) -> Plan:
    """Return what makes ``spec`` true on the host of ``snap``; raise SpecError with all that is wrong."""
    made, wishes = plan_apart(spec, snap, options)
    released = [
        reserve(snap.networks[network], wishes.wanted.get(network, ()), wishes.gone.get(network, ()))
        for network in sorted({*wishes.wanted, *wishes.gone})
        if network in snap.networks
    ]
    volumes_first = [action for action in made.actions if action.kind != "guest"]
    guest = [action for action in made.actions if action.kind == "guest"]
    return replace(made, actions=(*volumes_first, *(action for action in released if action is not None), *guest))


def plan_apart(spec: GuestSpec, snap: Snapshot, options: Options) -> tuple[Plan, Wishes]:
    """Return the plan of a guest without what it wants of networks, which is for the caller to put together.

    The guest's action needs these networks' actions, whether there will be any or not.
    """
    facts = snap.guests.get(spec.name)
    if spec.state == "absent":
        return _Removal(spec, snap, options, facts).plan() if facts is not None else (Plan(), Wishes())
    return _Convergence(spec, snap, options, facts).plan()


class _Convergence:
    """One guest on its way to its spec. The parts are computed in order; none acts."""

    def __init__(self, spec: GuestSpec, snap: Snapshot, options: Options, facts: GuestFacts | None) -> None:
        self.spec, self.snap, self.options, self.facts = spec, snap, options, facts
        self.state = facts.state if facts is not None else "absent"
        self.platform = platform_of(snap.host.driver)
        self.complaints: list[str] = []
        self.warnings: list[str] = []
        self.written: tuple[Change, ...] = ()
        self.live: Element | None = None
        if facts is not None and facts.live_xml is not None:
            self.live = as_defined(_xml.parse(facts.live_xml), facts.xml)
        if facts is None:
            self.spec, found = preset(spec, snap)
            self.warnings += found

    def plan(self) -> tuple[Plan, Wishes]:
        look = self._look()
        record, have = look.record or Record(), look.have
        made = expand(self._completed(), self.snap, have, record, self._busy())
        self.complaints += made.problems
        if self.facts is None:
            made.want.update(self.platform.defaults(self.snap.host, {"type": have.get("type"), **made.want}))
        context = self._context()
        changes = fit(compare(GUEST, made.want, made.have, context), self.live)
        drift = moved_by_hand(GUEST, changes, record.applied)
        if not self.options.revert:
            # A value that was asked for anew is not left as somebody made it.
            left = {item.path for item in drift if not item.moved}
            changes = [change for change in changes if change.path not in left]
        self.written = tuple(changes)
        self._check(made, changes, context)
        self._raise()
        if self.spec.overlays:
            changes += self._overlays(self.tree, made.want, context)
        seed = self._seed(record, made, context)
        changes += [seed] if seed is not None else []
        # The rest is what XML does not say.
        changes += self._autostart()
        lost = self._lost(made, changes)
        self._raise()
        return self._assemble(made, record, changes, lost, context, drift)

    # what is there

    def _look(self) -> Seen:
        """Return what the present definition says, or a new one with what is chosen at creation only."""
        if self.facts is None:
            return Seen(observe(GUEST, self.root), None)
        if self.spec.uuid is not None and self.spec.uuid != self.facts.uuid:
            self.complaints.append(
                f"uuid: the guest {self.spec.name} has the UUID {self.facts.uuid}, which cannot be changed to "
                f"{self.spec.uuid}"
            )
        return seen(self.facts)

    # Trees are made where they are needed: parsing is most of what an unchanged guest costs.

    @cached_property
    def root(self) -> Element:
        """The definition as it is, or a new one."""
        return _xml.parse(self.facts.xml) if self.facts is not None else self._new_root()

    @cached_property
    def tree(self) -> Element:
        """The definition as it will be."""
        return patch(GUEST, self.root, self.written)

    @cached_property
    def running(self) -> Spec:
        """What the definition says by which the guest runs, or will once it wakes up."""
        warm = self.facts.warm_xml if self.facts is not None else None
        tree = self.live if self.live is not None else _xml.parse(warm or "<domain/>")
        return observe(GUEST, tree, live=True)

    def _new_root(self) -> Element:
        made = self.platform.make(self.spec, self.snap)
        self.complaints += made.complaints
        self.warnings += made.warnings
        if "memory" not in self.spec.values:
            self.complaints.append(f"memory: needed to make the guest {self.spec.name}, for example 2GiB")
        return made.root

    def _busy(self) -> set[str]:
        """Return the targets of the disks that the guest runs with: a new disk would not be plugged in there."""
        if self.live is None or self.spec.disks is None:
            return set()
        return {disk["target"] for disk in self.running.get("disks", ()) if "target" in disk}

    def _completed(self) -> GuestSpec:
        """A new guest without a word about disks or nics has none: both lists are given, and empty."""
        if self.facts is not None:
            return self.spec
        return replace(self.spec, disks=self.spec.disks or (), nics=self.spec.nics or ())

    def _context(self) -> Context:
        # A guest that this run stops is judged as stopped: what is written now is true at its next start.
        state = "stopped" if self.spec.state == "stopped" and self.state in ("running", "paused") else self.state
        maxima: dict[str, int] = {}
        if self.live is not None:
            maxima = {name: self.running[name] for name in ("memory_max", "vcpus_max", "memory_slots") if name in self.running}
        strict = bool(self.spec.overlays)
        return Context(self.snap.host.driver, self.spec.name, state, maxima, strict=strict)

    # what is wrong

    def _check(self, made: Expanded, changes: Sequence[Change], context: Context) -> None:
        # The rules are asked about the guest as it will be; what was wrong before is not this run's to refuse.
        if changes:
            known = contradictions(GUEST, made.have)
            whole = _merged(_injected(self._overlaid(), made.want), made.want)
            self.complaints += [sentence for sentence in contradictions(GUEST, whole) if sentence not in known]
        self.complaints += unsupported(GUEST, made.want, self.snap.host.driver)
        self.complaints += only_virtio_has_a_driver(made.want)
        types = self.snap.host.guest_types.get(made.have.get("arch", ""), ())
        if types and made.want.get("type", types[0]) not in types:
            self.complaints.append(
                f"type: this host cannot run {made.want['type']} guests (it can: {', '.join(types)}); pv and pvh are "
                "Xen's, and pvh and hvm need hardware virtualization, turned on in the host's firmware"
            )
        memory = max(made.want.get("memory", 0), made.want.get("memory_max", 0)) + plugged_bytes(made.want)
        if memory > self.snap.host.memory_bytes:
            self.complaints.append(
                f"memory: {show_size(memory)} are more than the host has ({show_size(self.snap.host.memory_bytes)})"
            )
        if any(change.path[0] == "launch_security" for change in changes):
            kind, arch = (_xml.read(self.tree, path) for path in ("launchSecurity/@type", "os/type/@arch"))
            if kind is not None and kind not in self.snap.launch_security.get(arch or "", ()):
                self.complaints.append(
                    f"launch_security.type: this host starts no {arch} guests by {kind}, says libvirt; it is turned on in the "
                    "host's firmware and kernel, see docs/guide_guests.md"
                )
        for change in changes:
            nic = change.after if len(change.path) == 2 and isinstance(change.after, dict) else {change.path[-1]: change.after}
            if change.path[0] == "nics" and nic.get("backend") == "passt" and "passt" not in self.snap.nic_backends:
                self.complaints.append(
                    f"{'.'.join(change.path[:2])}.backend: the libvirt of this host has no passt, says its list of what it can "
                    "do (from 9.2 on); use a newer one, or backend: default"
                )
        for option in ("kernel", "initrd"):
            path = self.snap.paths.get(made.want.get(option, ""))
            if path is not None and not path.exists:
                self.complaints.append(f"{option}: {path.path} does not exist on the host")
            elif path is not None and not path.readable:
                self.complaints.append(f"{option}: QEMU cannot read {path.path}: {path.why}")
        for change in changes:
            if change.effect is Effect.RECREATE:
                self.complaints.append(
                    f"{'.'.join(change.path)}: {change.before} cannot become {change.after} on an existing guest; "
                    "remove the guest (its disks stay) and make it anew"
                )
            grown = change.path[0] == "disks" and change.path[2:] == ("size",)
            if grown and change.effect is Effect.RESTART and context.active:
                self.complaints.append(
                    f"{'.'.join(change.path)}: {self.snap.host.driver} cannot grow a disk of a running guest; stop it "
                    "first (state: stopped), grow the disk, and start it again"
                )
            if grown and self.state == "saved":
                self.complaints.append(
                    f"{'.'.join(change.path)}: the guest is saved, and its memory knows the old size; start it first"
                )

    def _overlaid(self) -> Element:
        """The definition as it will be, with its overlays as far as they can be laid."""
        if not self.spec.overlays:
            return self.tree
        tree = _xml.clone(self.tree)
        for overlay in self.spec.overlays:
            with contextlib.suppress(SpecError):
                _xml.lay(tree, overlay)
        return tree

    def _overlays(self, tree: Element, want: Spec, context: Context) -> list[Change]:
        """Lay the overlays into ``tree``; an option that was given stays as it was given."""
        found = []
        effect = Effect.LIVE if context.cold else Effect.RESTART
        before = compare(GUEST, want, _injected(tree, want), context)
        own = _own(tree)
        for position, overlay in enumerate(self.spec.overlays):
            if not _xml.satisfied(tree, overlay):
                try:
                    _xml.lay(tree, overlay)
                except SpecError as error:
                    self.complaints.append(f"xml_overlay[{position}].at: {error}")
                    continue
                found.append(Change(("xml_overlay", str(position)), None, overlay.show(), effect))
            if not _xml.satisfied(tree, overlay):
                self.complaints.append(
                    f"xml_overlay[{position}]: does not hold even after it was laid; a fragment without a key of its "
                    "own (name, id, type, ...) fits more than one element"
                )
        if _own(tree) != own:
            self.complaints.append(
                "xml_overlay: changes the guest's name, its UUID or the metadata of this collection, which are not an "
                "overlay's to change"
            )
        if found:
            for change in compare(GUEST, want, _injected(tree, want), context):
                if change not in before:
                    self.complaints.append(
                        f"xml_overlay: changes {'.'.join(change.path)}, an option that is given; say it in one place"
                    )
        return found

    def _lost(self, made: Expanded, changes: Sequence[Change]) -> set[str]:
        """Return the disks that are made anew; each needs consent by name."""
        lost = {change.path[1] for change in changes if change.effect is Effect.DATA_LOSS and change.path[0] == "disks"}
        if any(change.path == ("cloud_init",) and change.effect is Effect.DATA_LOSS for change in changes):
            renewed = {
                key
                for key, volume in _volumes_by_key(made).items()
                if volume.base is not None and (volume.pool, volume.name) in self.snap.volumes
            }
            if not renewed:
                self.complaints.append(
                    "cloud_init.policy: recreate makes the disks with an image anew, and disks lists none; "
                    "list them, or use another policy"
                )
            lost |= renewed
        if lost and self.state == "saved":
            self.complaints.append(
                f"disks.{min(lost)}: the guest is saved, and its memory knows the old disk; start it first"
            )
        for disk in sorted(lost):
            volume = _volumes_by_key(made).get(disk)
            above = _standing_on(self.snap, volume.path, self.spec.name) if volume is not None else []
            if above:
                self.complaints.append(
                    f"disks.{disk}: is used by {', '.join(above)} and is not made anew while they use it"
                )
            if not self.options.may_lose(self.spec.name, disk):
                why = next((c for c in changes if c.path[:2] == ("disks", disk)), None)
                what = f"disks.{disk}.{why.path[2]}" if why is not None and len(why.path) > 2 else "cloud_init"
                self.complaints.append(
                    f"{what}: the disk {disk} of {self.spec.name} would be made anew and lose its data; allow it with "
                    f"confirm_data_loss: [{self.spec.name}/{disk}]"
                )
        return lost

    def _raise(self) -> None:
        if self.complaints:
            raise SpecError(f"guest {self.spec.name}: {sentence}" for sentence in self.complaints)

    # what is to be done

    def _seed(self, record: Record, made: Expanded, context: Context) -> Change | None:
        seed = seeds.wanted(self.spec)
        if seed is None or SEED not in made.volumes:
            return None
        volume = made.volumes[SEED]
        present = (volume.pool, volume.name) in self.snap.volumes
        if record.seed == seed.digest and present:
            return None
        if record.seed is not None and present and seed.policy == "ignore":
            return None
        effect = Effect.LIVE if context.cold or record.seed is None else Effect.RESTART
        if record.seed is not None and seed.policy == "recreate":
            effect = Effect.DATA_LOSS
        return Change((seed.option,), record.seed and record.seed[:12], seed.digest[:12], effect)

    def _autostart(self) -> list[Change]:
        present = self.facts.autostart if self.facts is not None else False
        if self.spec.autostart is None or self.spec.autostart == present:
            return []
        return [Change(("autostart",), present, self.spec.autostart, Effect.LIVE)]

    def _assemble(
        self,
        made: Expanded,
        record: Record,
        changes: list[Change],
        lost: set[str],
        context: Context,
        drift: list[Drift],
    ) -> tuple[Plan, Wishes]:
        seeded = next((c for c in changes if c.path in _SEEDED), None)
        writes = self.facts is None or any(change.path != ("autostart",) for change in changes)
        new_record = self._record(record, made, changes, seeded is not None) if writes else record
        if writes:
            # Devices are known by their names from here on.
            records.write(self.tree, new_record)
        waiting = self._pending(context, changes)
        if writes and self.live is not None:
            # The whole mark goes to the running guest, with what an earlier run could not tell it while it slept.
            waiting = [change for change in waiting if change.path[0] not in _TOLD]
        stop_first = self.state in ("running", "paused") and (bool(lost) or self._restarts(changes, waiting))
        wanted = self.spec.state
        if stop_first and wanted == "present":
            wanted = "running" if self.state == "running" else "paused"
        state = "stopped" if stop_first else self.state
        early: tuple[Step, ...] = ()
        state_change, late = transition(self.spec.name, state, wanted, self.options.stopping)
        if stop_first:
            early = transition(self.spec.name, self.state, "stopped", self.options.stopping)[1]
        elif wanted == "stopped":
            early, late = late, ()
        if stop_first:
            why = "" if lost else "restarted, since restart_policy allows it"
            changes.append(Change(("state",), self.state, wanted, Effect.RESTART, why))
            waiting = []
        elif state_change is not None:
            changes.append(state_change)
        wants = _volumes_by_key(made)
        volume_actions = self._volume_actions(made, {wants[disk].key for disk in lost if disk in wants})
        wishes = replace(self._wishes(made, record, changes), soon=bool(late) or self.live is not None)
        networks = {*wishes.wanted, *wishes.gone, *_networks_of(made.want)}
        defining = [c for c in changes if c.path not in (("state",), ("autostart",))]
        main: list[Step] = [*early, *self._disk_steps(wants, changes, lost, stop_first or wanted == "stopped")]
        if seeded is not None:
            main.append(self._seed_step(made.volumes[SEED], _merged(made.have, made.want)))
        foreign = [] if stop_first else self._live_drift(record, waiting, changes)
        back = self._set_back(made, foreign, context)
        waiting = [change for change in waiting if change.path not in {other.path for other, _steps in back}]
        if writes:
            tree = self.tree
            if waiting:
                records.write(tree, replace(new_record, waiting=tuple(".".join(change.path) for change in waiting)))
            live = None if stop_first or wanted == "stopped" else self.live
            table_changes = [c for c in defining if c.path not in _SEEDED and c.path[0] != "xml_overlay"]
            done = steps(GUEST, table_changes, context, tree, live)
            if not table_changes:
                done = (
                    Step("define_guest", {"xml": _xml.to_text(tree), "validate": context.strict}, "define the guest"),
                )
            main += done
            if live is not None:
                element = records.element(tree)
                arguments = {"name": self.spec.name, "xml": _xml.to_text(element) if element is not None else ""}
                main.append(Step("set_metadata", arguments, "mark the running guest", True))
        changes += [change for change, _steps in back]
        main += [step for _change, found in back for step in found]
        main += [self._autostart_step(c) for c in changes if c.path == ("autostart",)]
        main += late
        drift = [*drift, *(found_live(GUEST, change) for change in foreign)]
        plan = Plan(
            actions=tuple(volume_actions),
            drift={("guest", self.spec.name): tuple(drift)} if drift else {},
            pending={("guest", self.spec.name): tuple(waiting)} if waiting else {},
            unmanaged=self._unmanaged(made),
            warnings=(*self.warnings, *(f"guest {self.spec.name}: {sentence}" for sentence in made.warnings)),
        )
        if not changes and self.facts is not None:
            return plan, wishes
        action = Action(
            "guest",
            self.spec.name,
            "create" if self.facts is None else "update",
            worst(change.effect for change in changes),
            tuple(changes),
            tuple(main),
            needs=(*(other.key for other in volume_actions), *(("network", name) for name in sorted(networks))),
            # One after another, so that never more than one guest is away.
            lane="restart" if stop_first else "",
        )
        return replace(plan, actions=(*plan.actions, action)), wishes

    def _restarts(self, changes: Sequence[Change], waiting: Sequence[Change]) -> bool:
        """Tell whether the guest is restarted for what is only true after that."""
        if not self.options.restart or self.spec.state not in ("present", "running", "paused"):
            return False
        return bool(waiting) or any(change.effect is Effect.RESTART for change in changes)

    def _set_back(
        self, made: Expanded, foreign: Sequence[Change], context: Context
    ) -> list[tuple[Change, tuple[Step, ...]]]:
        """Return what of the drift in the running guest can be set back at once, each with its steps."""
        if not self.options.revert or not foreign or self.live is None:
            return []
        why = "differs in the running guest only"
        paths = {change.path for change in foreign}
        want = {name: value for name, value in made.want.items() if name in {path[0] for path in paths}}
        running = observe(GUEST, self.live, live=True)
        paths &= {change.path for change in compare(GUEST, want, running, context)}
        # As it is defined: what a device costs is told by options that nobody gave, such as a disk's bus.
        defined = {name: value for name, value in observe(GUEST, self.tree, live=True).items() if name in want}
        found = []
        for change in fit(compare(GUEST, defined, running, context), self.live):
            if change.path in paths and change.effect is Effect.LIVE:
                done = self._live_steps(change, self.tree, self.live, context)
                if done:
                    found.append((replace(change, why=why), done))
        return found

    def _live_steps(self, change: Change, tree: Element, live: Element, context: Context) -> tuple[Step, ...]:
        """Return what makes a change true in the running guest, whose definition says it already."""
        row = GUEST.entry(change.path[0])
        if isinstance(row, Keyed) and len(change.path) == 2 and change.before is None:
            # The device as it is defined: with the MAC that it has there, and with what has no row.
            element = row.element_of(tree, change.path[1])
            step = row.plug(context, element) if element is not None else None
            return () if step is None else (step,)
        return steps(replace(GUEST, define=None), [change], context, tree, live)

    def _live_drift(self, record: Record, waiting: Sequence[Change], changes: Sequence[Change]) -> list[Change]:
        """Return what differs in the running guest only, and neither this run nor an earlier one made wait."""
        if record.waiting is None or self.facts is None or not self.facts.active:
            return []
        known = {*record.waiting, *(".".join(change.path) for change in changes)}
        return [change for change in waiting if ".".join(change.path) not in known]

    def _disk_steps(
        self, wants: Mapping[str, VolumeWant], changes: Sequence[Change], lost: set[str], cold: bool
    ) -> list[Step]:
        """Return the steps on volumes that exist: made anew where their data is given up, grown where nothing runs."""
        found: list[Step] = []
        for disk in sorted(lost):
            volume = wants[disk]
            found += volumes.replace_steps(volume, self._size_of(volume))
        for change in changes:
            if change.path[0] != "disks" or change.path[2:] != ("size",) or change.path[1] in lost:
                continue
            grown = wants.get(change.path[1])
            if grown is not None and change.before is not None and (cold or not self._is_live(change.path[1])):
                found.append(volumes.grow_step(grown, change.after))
        return found

    def _is_live(self, disk: str) -> bool:
        if self.live is None or self.facts is None:
            return False
        element = DISKS.element_of(_xml.parse(self.facts.xml), disk)
        return element is not None and DISKS.twin(self.live, element) is not None

    def _volume_actions(self, made: Expanded, lost: set[str]) -> list[Action]:
        """Return the actions on volumes that no disk of the guest has yet: made, or grown where they were left."""
        attached = {(disk.get("source") or {}).get("file") for disk in made.have["disks"]}
        found = []
        for disk, volume in made.volumes.items():
            if disk == SEED or volume.key in lost:
                continue
            present = self.snap.volumes.get((volume.pool, volume.name))
            if present is None:
                found.append(self._new_volume(volume))
            elif volume.path not in attached and present.capacity_bytes < (volume.size_bytes or 0):
                found.append(volumes.grow(volume, present.capacity_bytes, self._size_of(volume)))
        return found

    def _new_volume(self, volume: VolumeWant) -> Action:
        if volume.base is not None:
            base = self.snap.volume_at(volume.base)
            known = base.capacity_bytes if base is not None else self.snap.images[volume.base].virtual_bytes
            if not known:
                return volumes.create_later(volume, base.pool if base is not None else None)
        return volumes.create(volume, self._size_of(volume))

    def _size_of(self, volume: VolumeWant) -> int:
        if volume.size_bytes is not None:
            return volume.size_bytes
        if volume.base is not None:
            base = self.snap.volume_at(volume.base)
            if base is not None:
                return base.capacity_bytes
            return self.snap.images[volume.base].virtual_bytes
        present = self.snap.volumes.get((volume.pool, volume.name))
        return present.capacity_bytes if present is not None else 0

    def _wishes(self, made: Expanded, record: Record, changes: Sequence[Change]) -> Wishes:
        """Return what is wanted of networks; a nic that is gone gives its reservation back."""
        kept = {(d.network, d.key) for d in record.devices if d.kind == "nic" and d.address is not None}
        gone: dict[str, set[str]] = {}
        for change in changes:
            if change.path[0] == "nics" and len(change.path) == 2 and change.after is None:
                mac = change.before["mac"]
                for network, key in kept:
                    if key == mac and network is not None:
                        gone.setdefault(network, set()).add(mac)
        return Wishes(made.reservations, {network: frozenset(macs) for network, macs in gone.items()})

    def _seed_step(self, volume: VolumeWant, guest: Spec) -> Step:
        arguments: dict[str, Any] = {
            "pool": volume.pool,
            "name": volume.name,
            "files": seeds.files(self.spec, guest),
        }
        return Step("write_seed", arguments, f"write the seed {volume.key}")

    def _record(self, record: Record, made: Expanded, changes: Sequence[Change], seeded: bool) -> Record:
        """Return what the metadata shall say after this run."""
        devices = [
            *(device for keyed in LISTS for device in _recorded_devices(keyed, record, made)),
            # What another version of the collection has attached.
            *(device for device in record.devices if device.kind not in {keyed.kind for keyed in LISTS}),
        ]
        seed = seeds.wanted(self.spec) if seeded else None
        applied = show_spec(GUEST, made.want)
        if self.spec.autostart is not None:
            applied["autostart"] = self.spec.autostart
        return replace(
            record,
            # An estate owns what it made, and not what it found.
            estate=self.spec.estate if self.facts is None else record.estate,
            devices=tuple(devices),
            seed=record.seed if seed is None else seed.digest,
            applied=applied,
            waiting=(),
        )

    def _autostart_step(self, change: Change) -> Step:
        return Step("set_autostart", {"name": self.spec.name, "autostart": change.after}, "set autostart")

    def _pending(self, context: Context, changes: Sequence[Change]) -> list[Change]:
        """Return what stays untrue of the running or saved guest after this plan."""
        if self.facts is None or self.facts.warm_xml is None or context.cold:
            return []
        live_now = {path for change in changes if change.effect is Effect.LIVE for path in (change.path, *self._pulled(change))}
        if self.written or self.spec.overlays:
            want = observe(GUEST, self.tree, live=True)
        else:
            want = comparable(GUEST, seen(self.facts).have)
        found = pending_between(GUEST, want, self.running, context)
        return [change for change in found if not any(change.path[: len(path)] == path for path in live_now)]

    def _pulled(self, change: Change) -> list[tuple[str, ...]]:
        """Return what a device that goes is called in the running guest, where it may still have another target."""
        row = GUEST.entry(change.path[0]) if len(change.path) == 2 and change.after is None else None
        if not isinstance(row, Keyed):
            return []
        (twin,) = row.twins([change.before], self.running.get(row.name, ()))
        return [(row.name, row.key(twin))] if twin is not None else []

    def _unmanaged(self, made: Expanded) -> dict[tuple[str, str], tuple[str, ...]]:
        names = unmanaged(GUEST, made.want, made.have) if self.facts is not None else []
        return {("guest", self.spec.name): tuple(names)} if names else {}


class _Removal:
    """A guest on its way out: its disks stay unless they were named."""

    def __init__(self, spec: GuestSpec, snap: Snapshot, options: Options, facts: GuestFacts) -> None:
        self.spec, self.snap, self.options, self.facts = spec, snap, options, facts

    def plan(self) -> tuple[Plan, Wishes]:
        name = self.spec.name
        record = seen(self.facts).record or Record()
        doomed, kept = self._disks(record)
        main: list[Step] = []
        if self.facts.active:
            if self.facts.state == "paused":
                main.append(Step("resume_guest", {"name": name}, "resume the guest"))
            main.append(stop_step(name, self.options.stopping))
        # The definition goes last: what it records is all that a run cut short leaves to the next one.
        main += [volumes.delete_step(pool, volume) for pool, volume in doomed]
        main.append(Step("undefine_guest", {"name": name}, "remove the definition of the guest"))
        effect = Effect.DATA_LOSS if any(volume != self._seed(record) for volume in doomed) else Effect.RECREATE
        changes = [Change(("state",), self.facts.state, "absent", effect)]
        changes += [
            Change(("volumes", f"{pool}/{volume}"), f"{pool}/{volume}", None, Effect.DATA_LOSS)
            for pool, volume in doomed
            if (pool, volume) != self._seed(record)
        ]
        gone = {
            network: frozenset(d.key for d in record.devices if d.network == network)
            for network in {d.network for d in record.devices if d.network and d.address}
            if network is not None
        }
        needs = tuple(("network", network) for network in sorted(gone))
        action = Action("guest", name, "delete", effect, tuple(changes), tuple(main), needs)
        warnings = (f"guest {name}: its disks stay: {', '.join(kept)}",) if kept else ()
        return Plan((action,), warnings=warnings), Wishes(gone=gone)

    def _seed(self, record: Record) -> tuple[str, str] | None:
        device = record.device("disk", SEED)
        return device.pool_and_name if device is not None else None

    def _disks(self, record: Record) -> tuple[list[tuple[str, str]], list[str]]:
        """Return the volumes to remove (the seed, which can be made again, and what was named) and those that stay."""
        doomed, kept, complaints = [], [], []
        for device in record.devices:
            volume = device.pool_and_name
            if device.kind != "disk" or volume is None or volume not in self.snap.volumes:
                continue
            if device.name != SEED and not self.options.may_lose(self.spec.name, device.name):
                kept.append(device.volume or "")
                continue
            above = _standing_on(self.snap, self.snap.volumes[volume].path, self.spec.name)
            if above:
                complaints.append(
                    f"guest {self.spec.name}: its disk {device.volume} is used by {', '.join(above)} and is not "
                    "removed while they use it"
                )
            doomed.append(volume)
        if complaints:
            raise SpecError(complaints)
        return doomed, kept


_SEEDED = {(option,) for option in SEEDS}
# The options that are in the collection's own mark.
_TOLD = frozenset(
    row.name for row in GUEST.entries if isinstance(row, Field) and any(path.startswith("metadata/") for path in row.at)
)


def _standing_on(snap: Snapshot, path: str, guest: str) -> list[str]:
    """Return the images that stand on the one at ``path``, and the other guests that use it."""
    known = {volume.path for volume in snap.volumes.values() if volume.backing == path}
    image = snap.images.get(path)
    if image is not None:
        known |= {*image.overlays, *(f"guest {name}" for name in image.guests if name != guest)}
    return sorted(known)


def _networks_of(want: Spec) -> set[str]:
    """Return the libvirt networks that a guest is to be plugged into."""
    sources = (nic.get("source") or {} for nic in want.get("nics", ()))
    return {str(source["network"]) for source in sources if source.get("network")}


def _own(tree: Element) -> tuple[str | None, ...]:
    """Return what identifies a guest and what the collection keeps in it."""
    mark = records.element(tree)
    return _xml.read(tree, "name"), _xml.read(tree, "uuid"), None if mark is None else _xml.to_text(mark)


def _volumes_by_key(made: Expanded) -> dict[str, VolumeWant]:
    """Return the volumes behind disks by the key that each disk has in a change's path."""
    if "disks" not in made.want:
        return {}
    pairs, _rest = DISKS.match(made.want["disks"], made.have["disks"])
    return {
        DISKS.key(entry if other is None else other): made.volumes[entry["name"]]
        for entry, other in pairs
        if entry.get("name") in made.volumes
    }


def _merged(have: Spec, want: Spec) -> Spec:
    """Return the whole spec as it will be: what is there, with what is wanted over it."""
    whole = {**merged(GUEST, have, want), **ceilings(have, want)}
    for keyed in LISTS:
        if keyed.name in want:
            pairs, rest = keyed.match(want[keyed.name], have.get(keyed.name, []))
            exact = want.get(keyed.exact)
            stays = [entry for entry in rest if not entry.get("ours") and not exact]
            whole[keyed.name] = [{**(other or {}), **entry} for entry, other in pairs] + stays
    return whole


def _injected(tree: Element, want: Spec) -> Spec:
    """Observe a tree as if all that XML does not know were as wanted."""
    have = observe(GUEST, tree)
    for keyed in LISTS:
        if keyed.name in want:
            unseen = [row.name for row in keyed.item.entries if isinstance(row, Field) and row.bare]
            for entry, other in keyed.match(want[keyed.name], have[keyed.name])[0]:
                if other is not None:
                    other.update({name: entry[name] for name in unseen if name in entry})
    return have


def _recorded_devices(keyed: Keyed, record: Record, made: Expanded) -> list[Device]:
    """Return the records of one list of devices: those attached now, and those on record that stay."""
    known = {device.name: device for device in record.devices if device.kind == keyed.kind}
    if keyed.name not in made.want:
        return list(known.values())
    found = []
    for entry, other in keyed.match(made.want[keyed.name], made.have.get(keyed.name, []))[0]:
        if other is not None and not other.get("ours"):
            continue
        name, key = entry["name"], keyed.sign({**(other or {}), **entry})
        former = known.get(name)
        device = replace(former, key=key) if former is not None else Device(keyed.kind, name, key)
        found.append(replace(device, **made.beside.get((keyed.kind, name), {})))
    return found
