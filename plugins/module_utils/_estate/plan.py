# Copyright: (c) 2026, the virtfleet.core contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The plan of a whole host: all kinds in the order in which they stand on each other, purely.

First what guests stand on (pools, networks, images), then guests, then what nobody stands on any more. Each kind is
planned by its own planner, with what the earlier ones will have made (``predict``). What guests want of a network becomes
one redefine of it. All that is wrong is raised at once, before the first step.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import partial
from typing import TYPE_CHECKING, TypeVar

from .._change import Action, Change, Drift, Plan
from .._errors import Conflict, NotFound, SpecError, Unsupported, bounded
from .._facts import (
    GuestFacts,
    ImageFacts,
    NetworkFacts,
    NwfilterFacts,
    PathFacts,
    PoolFacts,
    SecretFacts,
    Snapshot,
    VolumeFacts,
)
from .._guest.expand import source_paths
from .._guest.fields.disks import secrets_of
from .._guest.plan import Options as GuestOptions
from .._guest.plan import Wishes, plan_apart
from .._guest.spec import GuestSpec
from .complaints import located
from .networks import joined
from .owner import forgotten
from .parts import (
    included,
    place_of,
    plan_image,
    plan_network,
    plan_nwfilter,
    plan_pool,
    plan_secret,
    plan_volume,
    plugged_into,
)
from .predict import (
    defined,
    guest_after,
    image_after,
    network_after,
    nwfilter_after,
    pool_after,
    volume_after,
    volume_of,
)
from .room import fought_over, overcommitted, without_memory
from .spec import EstateSpec, Key

if TYPE_CHECKING:
    from .._image.spec import ImageSpec
    from .._network.spec import NetworkSpec
    from .._nwfilter.spec import NwfilterSpec
    from .._secret.spec import SecretSpec
    from .._storage.spec import PoolSpec
    from .._volume.spec import VolumeSpec

Spec = TypeVar("Spec", "PoolSpec", "NetworkSpec", "ImageSpec", "VolumeSpec", "SecretSpec", "NwfilterSpec")


@dataclass(frozen=True)
class Options:
    """What the user allows; ``prune``: what the estate owns and the document does not name any more goes.

    ``written``: the plan was carried out just now, so values of secrets that nobody can read back hold.
    """

    guest: GuestOptions = field(default_factory=GuestOptions)
    prune: bool = False
    written: bool = False


def plan(estate: EstateSpec, snap: Snapshot, options: Options) -> Plan:
    """Return what makes the document true on the host of ``snap``; raise SpecError with everything that is wrong."""
    return _Planner(estate, snap, options).plan()


@dataclass(frozen=True)
class _There:
    """What is there, and what will be: the same mappings as the snapshot's, to be added to."""

    networks: dict[str, NetworkFacts]
    pools: dict[str, PoolFacts]
    volumes: dict[tuple[str, str], VolumeFacts]
    paths: dict[str, PathFacts]
    images: dict[str, ImageFacts]
    image_paths: dict[str, str]
    nwfilters: dict[str, NwfilterFacts]
    secrets: dict[str, SecretFacts]


class _Planner:
    """One document on its way to a plan. ``snap`` grows with what will have been made."""

    def __init__(self, estate: EstateSpec, snap: Snapshot, options: Options) -> None:
        self.estate, self.options = estate, options
        self.macs = {mac for guest in estate.guests for mac in _given_macs(guest)} | set(snap.macs)
        self.running = dict(snap.guests)
        self.there = _There(
            dict(snap.networks),
            dict(snap.pools),
            dict(snap.volumes),
            dict(snap.paths),
            dict(snap.images),
            {},
            dict(snap.nwfilters),
            dict(snap.secrets),
        )
        self.snap = replace(
            snap,
            guests=self.running,
            networks=self.there.networks,
            pools=self.there.pools,
            volumes=self.there.volumes,
            paths=self.there.paths,
            images=self.there.images,
            image_paths=self.there.image_paths,
            nwfilters=self.there.nwfilters,
            secrets=self.there.secrets,
            macs=self.macs,
        )
        self.problems: list[str] = []
        self.warnings: dict[str, None] = {}
        self.pending: dict[Key, tuple[Change, ...]] = {}
        self.unmanaged: dict[Key, tuple[str, ...]] = {}
        self.drift: dict[Key, tuple[Drift, ...]] = {}
        self.networks: dict[str, Plan] = {}
        self.wishes: list[Wishes] = []
        self.made_by: dict[str, Key] = {}

    def plan(self) -> Plan:
        first = [*self._secrets(), *self._nwfilters(), *self._pools(), *self._images(), *self._volumes()]
        doomed = EstateSpec()
        if self.options.prune:
            doomed = forgotten(self.estate, self.snap, sorted(self.options.guest.consent))
        self._networks()
        goes = [*self._guests(doomed.guests), *self._guests(g for g in self.estate.guests if g.state == "absent")]
        stays = self._guests(guest for guest in self.estate.guests if guest.state != "absent")
        leaving = {network.name for network in (*_absent(self.estate.networks), *doomed.networks)}
        networks = joined(
            self.networks, self.wishes, self.snap, leaving, self.problems, patient=self.estate.name is not None
        )
        last = self._removals(doomed, goes, stays)
        self.problems += overcommitted(self.estate, self.snap)
        self.problems += without_memory(self.estate, self.snap)
        self.problems += fought_over(self.estate, self.snap)
        if self.problems:
            raise SpecError(bounded(self.problems))
        return Plan(
            (*first, *networks, *goes, *stays, *last),
            self.pending,
            self.unmanaged,
            tuple(self.warnings),
            self.drift,
        )

    # parts

    def _part(self, kind: str, name: str, make: Callable[[], Plan]) -> Plan | None:
        """Return a part of the plan, None where it cannot be made, with the complaints kept."""
        try:
            made = make()
        except SpecError as error:
            self.problems += [located(self.estate, kind, name, problem) for problem in error.problems]
            return None
        except (Conflict, NotFound, Unsupported) as error:
            self.problems.append(located(self.estate, kind, name, str(error)))
            return None
        self.warnings.update(dict.fromkeys(made.warnings))
        self.pending.update(made.pending)
        self.unmanaged.update(made.unmanaged)
        self.drift.update(made.drift)
        return made

    def _secrets(self) -> Iterable[Action]:
        for spec in self.estate.secrets:
            if spec.state != "absent":
                made = self._part("secret", spec.name, partial(plan_secret, spec, self.snap, self.options.written))
                if made is None:
                    continue
                xml = defined(made, "define_secret")
                if xml is not None:
                    self.there.secrets[spec.key] = SecretFacts("", spec.usage, spec.usage_id, xml)
                yield from made.actions

    def _nwfilters(self) -> Iterable[Action]:
        """Plan each filter after those that it includes, wherever in the document they are."""
        left = [spec for spec in self.estate.nwfilters if spec.state != "absent"]
        while left:
            names = {spec.name for spec in left}
            ready = [spec for spec in left if not names & set(spec.includes)] or left
            for spec in ready:
                made = self._part("nwfilter", spec.name, partial(plan_nwfilter, spec, self.snap))
                facts = nwfilter_after(made, self.snap.nwfilters.get(spec.name)) if made is not None else None
                if facts is not None:
                    self.there.nwfilters[spec.name] = facts
                needs = tuple(("nwfilter", name) for name in spec.includes)
                yield from (replace(action, needs=needs) for action in (made.actions if made is not None else ()))
            left = [spec for spec in left if spec not in ready]

    def _volumes(self) -> Iterable[Action]:
        for spec in self.estate.volumes:
            if spec.state == "absent":
                continue
            consent = self.options.guest.consent
            made = self._part("volume", spec.key, partial(plan_volume, spec, self.snap, consent))
            if made is None:
                continue
            key = (spec.pool, spec.name)
            facts = volume_after(spec, self.snap.pools[spec.pool], made, self.snap.volumes.get(key))
            needs: list[Key] = [("pool", spec.pool), *self._secret_of(spec.making.luks_secret)]
            for action in made.actions:
                bases = {change.after for change in action.changes if change.path == ("backing",)}
                origin = self.snap.volumes.get(spec.clone) if spec.clone is not None else None
                if origin is not None:
                    bases.add(origin.path)
                needs += [self.made_by[base] for base in bases if base in self.made_by]
                yield replace(action, needs=(*action.needs, *needs))
            if facts is not None:
                self.there.volumes[key] = facts
                self.there.paths[facts.path] = PathFacts(facts.path, True)
                self.made_by[facts.path] = ("volume", spec.key)

    def _pools(self) -> Iterable[Action]:
        for spec in self.estate.pools:
            if spec.state == "absent":
                continue
            made = self._part("pool", spec.name, partial(plan_pool, spec, self.snap, self.options.guest.consent))
            if made is None:
                continue
            facts = pool_after(made, self.snap.pools.get(spec.name))
            if facts is not None:
                self.there.pools[spec.name] = facts
            yield from made.actions

    def _images(self) -> Iterable[Action]:
        for spec in self.estate.images:
            if spec.state == "absent":
                continue
            made = self._part("image", spec.name, partial(plan_image, spec, self.snap))
            if made is not None:
                yield from self._predicted_image(spec, made)

    def _predicted_image(self, spec: ImageSpec, made: Plan) -> Iterable[Action]:
        place = place_of(spec, self.snap.pools)
        facts = image_after(spec, place, made, self.snap.images)
        self.there.images[place.path] = facts
        self.there.paths[place.path] = PathFacts(place.path, True)
        self.there.image_paths[spec.name] = place.path
        self.made_by[place.path] = ("image", spec.name)
        needs: list[Key] = []
        if place.pool is not None:
            volume = volume_of(facts, place.pool)
            self.there.volumes[volume.pool, volume.name] = volume
            needs.append(("pool", place.pool.name))
        if place.backing in self.made_by:
            needs.append(self.made_by[place.backing or ""])
        needs += self._secret_of(spec.making.luks_secret)
        for action in made.actions:
            yield replace(action, needs=(*action.needs, *needs))

    def _secret_of(self, usage_id: str | None) -> list[Key]:
        """Return the secret of the document by which something is encrypted."""
        return [("secret", secret.name) for secret in self.estate.secrets if secret.key == f"volume/{usage_id}"]

    def _networks(self) -> None:
        for spec in self.estate.networks:
            if spec.state == "absent":
                continue
            made = self._part("network", spec.name, partial(plan_network, spec, self.snap))
            if made is None:
                continue
            self.networks[spec.name] = made
            facts = network_after(made, self.snap.networks.get(spec.name))
            if facts is not None:
                self.there.networks[spec.name] = facts

    # guests

    def _guests(self, guests: Iterable[GuestSpec]) -> list[Action]:
        found: list[Action] = []
        for spec in guests:
            made = self._part("guest", spec.name, partial(self._guest, spec))
            if made is not None:
                found += [self._needing(spec, action) for action in made.actions]
        return found

    def _guest(self, spec: GuestSpec) -> Plan:
        made, wishes = plan_apart(spec, self.snap, self.options.guest)
        if wishes.wanted or wishes.gone:
            self.wishes.append(wishes)
        if spec.name not in self.snap.guests:
            self.macs.update(_made_macs(made))
        return made

    def _needing(self, spec: GuestSpec, action: Action) -> Action:
        """Add to an action the pools, images, filters and secrets of this plan that it stands on."""
        needs: list[Key] = []
        if action.kind == "volume":
            needs.append(("pool", action.name.partition("/")[0]))
            needs += [self.made_by[c.after] for c in action.changes if c.path == ("image",) and c.after in self.made_by]
            needs += [key for disk in spec.disks or () for key in self._secret_of(disk.get("luks_secret"))]
        elif action.kind == "guest":
            needs += [self.made_by[path] for path in source_paths(spec) if path in self.made_by]
            pools = {entry["pool"] for entry in spec.disks or () if entry.get("pool")} | {spec.pool or ""}
            needs += [("pool", pool) for pool in sorted(pools) if pool]
            needs += [("nwfilter", nic["filter"]["name"]) for nic in spec.nics or () if nic.get("filter")]
            known = {secret.key: secret.name for secret in self.estate.secrets}
            wanted = [key for disk in spec.disks or () for key in secrets_of(disk)]
            needs += [("secret", known[key]) for key in wanted if key in known]
        return replace(action, needs=(*action.needs, *needs)) if needs else action

    # what goes

    def _removals(self, doomed: EstateSpec, gone: Sequence[Action], stays: Sequence[Action]) -> list[Action]:
        """Return the actions on what guests stood on, after those on the guests."""
        before = tuple(action.key for action in gone)
        leaving = {action.name for action in gone if action.kind == "guest" and action.action == "delete"}
        for name in leaving:
            self.running.pop(name, None)
        changed = [action for action in stays if action.kind == "guest" and action.name in self.running]
        there = {action.name: self.running[action.name] for action in changed}
        later = replace(
            self.snap,
            guests={**self.running, **{action.name: guest_after(action, there[action.name]) for action in changed}},
        )
        deleted = {
            (step.args["pool"], step.args["name"]) for action in gone for step in action.steps if step.op == "delete_volume"
        }
        found: list[Action] = []
        # Volumes may stand on images.
        for volume in _absent(self.estate.volumes):
            made = self._part(
                "volume", volume.key, partial(plan_volume, volume, self.snap, self.options.guest.consent)
            )
            deleted |= {(volume.pool, volume.name)} if made is not None else set()
            found += _after(made, before)
        bare = (*before, *(action.key for action in found))
        for image in (*_absent(self.estate.images), *doomed.images):
            found += self._gone_image(image, doomed, bare, deleted)
        for network in (*_absent(self.estate.networks), *doomed.networks):
            found += self._gone_network(network, before, there, later)
        for nwfilter in self._outer_first([*_absent(self.estate.nwfilters), *doomed.nwfilters]):
            made = self._part("nwfilter", nwfilter.name, partial(plan_nwfilter, nwfilter, self.snap))
            self.there.nwfilters.pop(nwfilter.name, None)
            found += _after(made, before)
        before = (*before, *(action.key for action in found))
        for secret in (*_absent(self.estate.secrets), *doomed.secrets):
            found += _after(self._part("secret", secret.name, partial(plan_secret, secret, self.snap)), before)
        for key in deleted:
            self.there.volumes.pop(key, None)
        for pool in (*_absent(self.estate.pools), *doomed.pools):
            found += self._gone_pool(pool, pool in doomed.pools, before)
        return found

    def _outer_first(self, specs: list[NwfilterSpec]) -> list[NwfilterSpec]:
        """Return network filters in an order in which each goes before those that it includes."""
        inner = included(self.snap)
        found: list[NwfilterSpec] = []
        while specs:
            held = {name for spec in specs for name in inner.get(spec.name, ())}
            free = [spec for spec in specs if spec.name not in held] or specs
            found += free
            specs = [spec for spec in specs if spec not in free]
        return found

    def _gone_image(
        self, spec: ImageSpec, doomed: EstateSpec, before: Sequence[Key], deleted: set[tuple[str, str]]
    ) -> list[Action]:
        if spec in doomed.images and spec.name not in self.options.guest.consent:
            sentence = f"image {spec.name} ({spec.path}) is not in the document any more and stays"
            self.warnings[f"{sentence}; confirm_data_loss: [{spec.name}] removes it"] = None
            return []
        volumes = {volume.path: key for key, volume in self.snap.volumes.items()}
        path = spec.path
        if path is None and spec.pool in self.snap.pools:
            path = place_of(spec, self.snap.pools).path
        facts = self.snap.images.get(path or "")
        if facts is not None:
            # Overlays and guests that go before it do not hold it.
            paths = {self.snap.volumes[key].path for key in deleted if key in self.snap.volumes}
            overlays = tuple(path for path in facts.overlays if path not in paths)
            guests = tuple(name for name in facts.guests if name in self.snap.guests)
            self.there.images[facts.path] = replace(facts, overlays=overlays, guests=guests)
        made = self._part("image", spec.name, partial(plan_image, spec, self.snap))
        if made is None or not made.actions:
            return []
        if path in volumes:
            deleted.add(volumes[path])
        return _after(made, before)

    def _gone_network(
        self, spec: NetworkSpec, before: Sequence[Key], changed: Mapping[str, GuestFacts], later: Snapshot
    ) -> list[Action]:
        """Remove a network that no guest of ``later`` uses; the ``changed`` ones, as they are now, let go of it first."""
        facts = self.snap.networks.get(spec.name)
        if facts is not None and self._still_used(spec, facts, later):
            return []
        made = self._part("network", spec.name, partial(plan_network, spec, later))
        plugged = plugged_into(facts, changed) if facts is not None else ()
        return _after(made, (*before, *(("guest", name) for name in plugged)))

    def _still_used(self, spec: NetworkSpec, facts: NetworkFacts, later: Snapshot) -> bool:
        """Complain where guests that stay want a network that goes, and tell whether there are any."""
        why = "goes (state: absent)" if (spec in self.estate.networks) else "is not in the document and would be pruned"
        named = set()
        for guest in self.estate.guests:
            for position, nic in enumerate(guest.nics or ()):
                if guest.state != "absent" and (nic.get("source") or {}).get("network") == spec.name:
                    named.add(guest.name)
                    path = f"nics[{position}].network"
                    sentence = f"{path}: the network {spec.name} {why}; put it into networks, or plug the guest in elsewhere"
                    self.problems.append(located(self.estate, "guest", guest.name, f"guest {guest.name}: {sentence}"))
        left = [name for name in plugged_into(facts, later.guests) if name not in named]
        if left and spec not in self.estate.networks:
            self.problems.append(
                f"networks: the network {spec.name} {why}, and {', '.join(left)} could not start without it; put it into "
                "the document, or plug these guests in elsewhere first"
            )
            return True
        return bool(named)

    def _gone_pool(self, spec: PoolSpec, pruned: bool, before: Sequence[Key]) -> list[Action]:
        if pruned and not any(pool == spec.name for pool, _name in self.snap.volumes):
            spec = replace(spec, remove_directory=True)
        for guest in self.estate.guests:
            if guest.state != "absent" and spec.name in {guest.pool, *(disk.get("pool") for disk in guest.disks or ())}:
                sentence = f"pool: the pool {spec.name} goes; put it into pools, or give the guest another"
                self.problems.append(located(self.estate, "guest", guest.name, f"guest {guest.name}: {sentence}"))
                return []
        made = self._part("pool", spec.name, partial(plan_pool, spec, self.snap))
        return [_forgiving(action) for action in _after(made, before)]


def _after(made: Plan | None, before: Sequence[Key]) -> list[Action]:
    """Return the actions of a part, each after those of ``before``."""
    return [] if made is None else [replace(action, needs=(*action.needs, *before)) for action in made.actions]


def _forgiving(action: Action) -> Action:
    """A directory that cannot be removed (it is a mount point, it has hidden files) does not keep its pool."""
    steps = tuple(replace(step, optional=True) if step.op == "delete_pool" else step for step in action.steps)
    return replace(action, steps=steps)


def _absent(specs: Iterable[Spec]) -> list[Spec]:
    return [spec for spec in specs if spec.state == "absent"]


def _given_macs(guest: GuestSpec) -> list[str]:
    return [nic["mac"] for nic in guest.nics or () if nic.get("mac")]


def _made_macs(made: Plan) -> list[str]:
    """Return the MACs of a guest that is made by a plan."""
    return [
        change.after["mac"]
        for action in made.actions
        if action.kind == "guest"
        for change in action.changes
        if change.path[0] == "nics" and isinstance(change.after, dict) and "mac" in change.after
    ]
