# Copyright: (c) 2026, the virtfleet.core contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What has to be done for one pool. Pure; check mode and real mode both read this plan.

No step deletes a file. What devices hold is written over only with consent, when a new pool is built on them.
"""

from __future__ import annotations

import posixpath
from collections.abc import Collection, Iterable, Mapping
from dataclasses import replace
from typing import Any

from .. import _xml
from .._change import Action, Change, Effect, Plan, Step, worst
from .._errors import Conflict, SpecError
from .._facts import GuestFacts, PoolFacts, Snapshot
from .._network.expand import made_here, owned, uuid_for
from .._table import Context, compare, observe, patch
from .._xml import Element, SubElement
from .kinds import KINDS, OWN_DIRECTORY, PERMISSIONS, foreign, missing, unformatted
from .spec import PoolSpec
from .table import POOL, SOURCE

KIND = "pool"


def plan(spec: PoolSpec, snap: Snapshot, consent: Collection[str] = ()) -> Plan:
    """Return what makes the pool true. ``consent`` names pools whose devices may lose what they hold.

    Raises SpecError where something is missing, Conflict where another pool has the directory, the pool is somewhere
    else already, or guests still use it.
    """
    facts = snap.pools.get(spec.name)
    if spec.state == "absent":
        return Plan() if facts is None else _removal(spec, snap, facts)
    _directory_is_free(spec, snap)
    if facts is None:
        return _creation(spec, snap, spec.name in consent)
    return _update(spec, snap, facts, spec.name in consent)


def _directory_is_free(spec: PoolSpec, snap: Snapshot) -> None:
    path, facts = spec.values.get("path"), snap.pools.get(spec.name)
    if (spec.values.get("type") or (facts.type if facts is not None else "dir")) not in OWN_DIRECTORY:
        return
    for other in snap.pools.values():
        if path is not None and other.name != spec.name and other.path == path:
            raise Conflict(
                f"pool {spec.name}: path: {path} is the directory of pool {other.name} already; use that pool, or give "
                "this one a directory of its own"
            )


# creation


def _skeleton(spec: PoolSpec, snap: Snapshot, kind: str) -> Element:
    root = Element("pool", {"type": kind})
    SubElement(root, "name").text = spec.name
    SubElement(root, "uuid").text = uuid_for(snap.host, KIND, spec.name, spec.estate)
    if kind == "logical":
        # libvirt's schema wants it, though it is never another.
        _xml.write(root, "target/path", f"/dev/{spec.values.get('source_name', spec.name)}")
    return root


def _creation(spec: PoolSpec, snap: Snapshot, overwrite: bool) -> Plan:
    kind = spec.values.get("type", "dir")
    problems = [*foreign(kind, spec.values), *(unformatted(kind, spec.values) if spec.build else [])]
    if problems:
        raise SpecError([f"pool {spec.name}: {problem}" for problem in problems])
    lost = missing(kind, spec.values)
    if lost == ["path"] and kind == "dir":
        raise SpecError(
            f"pool {spec.name}: path: is missing; a new pool needs a directory, such as /var/lib/virtfleet/images"
        )
    if lost:
        raise SpecError([f"pool {spec.name}: {option}: is missing; a new pool of type {kind} needs it" for option in lost])
    changes = compare(POOL, spec.values, {}, Context(snap.host.driver, spec.name))
    tree = patch(POOL, _skeleton(spec, snap, kind), changes)
    changes = [Change(change.path, None, change.after, Effect.LIVE) for change in changes]
    steps = [_define(spec.name, tree), *_build(spec, kind, overwrite)]
    changes += _built(spec, snap, spec.values, overwrite)
    state = "inactive" if spec.state == "inactive" else "active"
    changes.append(Change(("state",), "absent", state, Effect.LIVE))
    if state == "active":
        steps.append(_start(spec.name))
    if spec.autostart or (spec.autostart is None and state == "active"):
        changes.append(Change(("autostart",), False, True, Effect.LIVE))
        steps.append(_autostart(spec.name, True))
    effect = worst(change.effect for change in changes)
    return Plan((Action(KIND, spec.name, "create", effect, tuple(changes), tuple(steps)),))


def _built(spec: PoolSpec, snap: Snapshot, values: Mapping[str, Any], overwrite: bool) -> list[Change]:
    """Return the change that says what is made on a pool's devices; raise Conflict where one is a guest's disk."""
    if not spec.build:
        return []
    found = {
        f"{source.get('dev')} is a disk of guest {guest.name}"
        for guest in snap.guests.values() for text in (guest.xml, guest.live_xml) if text is not None
        for source in _xml.find_all(_xml.parse(text), "devices/disk/source")
        if source.get("dev") in values.get("source_devices", ())
    }
    if found:
        raise Conflict(f"pool {spec.name}: source_devices: {'; '.join(sorted(found))}; nothing is built on it")
    effect = Effect.DATA_LOSS if overwrite else Effect.LIVE
    devices = ", ".join(values.get("source_devices", ()))
    why = f"what {devices} holds is lost" if overwrite else f"{devices} must hold nothing, or this already"
    return [Change(("build",), False, True, effect, why)]


# removal


def _removal(spec: PoolSpec, snap: Snapshot, facts: PoolFacts) -> Plan:
    own = {volume.path: volume.name for volume in snap.volumes.values() if volume.pool == spec.name}
    users = used_by(facts, snap.guests, own)
    if users:
        raise Conflict(
            f"could not remove pool {spec.name}: it holds disks of guests ({_listed(users)}); remove the guests or "
            "their disks first"
        )
    if spec.remove_directory and facts.type != "dir":
        raise Conflict(
            f"could not remove the directory of pool {spec.name}: it is a pool of type {facts.type}, and only that of a "
            "directory pool is removed; leave remove_directory out: the pool then goes, and what it holds stays"
        )
    names = sorted(own.values())
    if spec.remove_directory and names:
        raise Conflict(
            f"could not remove the directory {facts.path} of pool {spec.name}: it still holds {_some(names)}; remove "
            "them first, or leave remove_directory out: the pool then goes and the files stay"
        )
    steps = []
    if facts.active:
        steps.append(_stop(spec.name))
    if spec.remove_directory:
        steps.append(Step("delete_pool", {"name": spec.name}, f"remove the empty directory {facts.path}"))
    steps.append(Step("undefine_pool", {"name": spec.name}, f"undefine pool {spec.name}"))
    change = Change(("state",), _state(facts), "absent", Effect.RECREATE)
    warnings: tuple[str, ...] = ()
    if names:
        what, where = ("files", facts.path) if facts.type in OWN_DIRECTORY else ("volumes", "its source")
        warnings = (f"pool {spec.name}: its {what} stay in {where}: {_some(names)}",)
    return Plan((Action(KIND, spec.name, "delete", Effect.RECREATE, (change,), tuple(steps)),), warnings=warnings)


def used_by(
    facts: PoolFacts, guests: Mapping[str, GuestFacts], volumes: Mapping[str, str]
) -> dict[str, tuple[str, ...]]:
    """Return the disks of each guest that lie in the pool, by the names of their volumes.

    ``volumes``: the names of the pool's volumes by their paths, as far as they are known.
    """
    found: dict[str, tuple[str, ...]] = {}
    for guest in guests.values():
        trees = [_xml.parse(text) for text in (guest.xml, guest.live_xml) if text is not None]
        names = sorted({name for tree in trees for name in _volumes_in(facts, tree, volumes)})
        if names:
            found[guest.name] = tuple(names)
    return found


def _volumes_in(facts: PoolFacts, root: Element, volumes: Mapping[str, str]) -> Iterable[str]:
    for source in _xml.find_all(root, "devices/disk/source"):
        if source.get("pool") == facts.name:
            yield source.get("volume") or ""
        path = source.get("file")
        if source.get("dev") in volumes:
            yield volumes[source.get("dev") or ""]
        if path is not None and facts.path is not None and posixpath.dirname(path) == facts.path:
            yield posixpath.basename(path)


def _listed(users: Mapping[str, tuple[str, ...]]) -> str:
    return "; ".join(f"{guest}: {', '.join(names)}" for guest, names in sorted(users.items()))


def _some(names: list[str]) -> str:
    return ", ".join(names[:5]) + (f" and {len(names) - 5} more" if len(names) > 5 else "")


# what stands there already


def _update(spec: PoolSpec, snap: Snapshot, facts: PoolFacts, overwrite: bool) -> Plan:
    base = _xml.parse(facts.xml)
    have = observe(POOL, base)
    _same_pool(spec, facts, have)
    changes = compare(POOL, spec.values, have, Context(snap.host.driver, spec.name))
    steps: list[Step] = []
    active = facts.active
    if any(change.path[0] in PERMISSIONS for change in changes):
        # libvirt sets owner and mode when it builds a pool, and builds only what is stopped. A directory pool can be
        # stopped below running guests: it holds nothing open.
        if active:
            steps.append(_stop(spec.name))
            active = False
        steps += [_define(spec.name, patch(POOL, base, changes)), *_build(replace(spec, build=False), facts.type)]
    unfinished = _unfinished(spec, snap, facts)
    wanted = _wanted_state(spec, facts, unfinished)
    if wanted != _state(facts):
        changes.append(Change(("state",), _state(facts), wanted, Effect.LIVE))
    if unfinished and not steps:
        problems = unformatted(facts.type, have) if spec.build and facts.type in KINDS else []
        if problems:
            raise SpecError([f"pool {spec.name}: {problem}" for problem in problems])
        steps += _build(spec, facts.type, overwrite)
        changes += _built(spec, snap, have, overwrite)
    if wanted == "active" and not active:
        steps.append(_start(spec.name))
    elif wanted == "inactive" and active:
        steps.append(_stop(spec.name))
    autostart = True if unfinished else spec.autostart
    if autostart is None and wanted == "active" and owned(snap.host, KIND, spec.name, facts.uuid, spec.estate):
        # An estate's own pool starts with the host unless told otherwise, also where its making was cut short.
        autostart = True
    if autostart is not None and autostart != facts.autostart:
        changes.append(Change(("autostart",), facts.autostart, autostart, Effect.LIVE))
        steps.append(_autostart(spec.name, autostart))
    if not changes:
        return Plan()
    effect = worst(change.effect for change in changes)
    return Plan((Action(KIND, spec.name, "update", effect, tuple(changes), tuple(steps)),))


def _same_pool(spec: PoolSpec, facts: PoolFacts, have: Mapping[str, Any]) -> None:
    kind = spec.values.get("type", facts.type)
    if kind != facts.type or (spec.values and facts.type not in KINDS):
        raise Conflict(
            f"pool {spec.name}: it is a pool of type {facts.type}, of which only state and autostart can be changed; "
            "leave the other options out, or take another name"
        )
    problems = foreign(kind, spec.values) if spec.values else []
    if problems:
        raise SpecError([f"pool {spec.name}: {problem}" for problem in problems])
    path = spec.values.get("path")
    if path is not None and path != facts.path:
        raise Conflict(
            f"pool {spec.name}: path: it is at {facts.path}, and at {path} it would leave its volumes behind; take "
            "another name for the new one, or remove the pool first (state: absent leaves its files where they are)"
        )
    for row in SOURCE:
        want, now = spec.values.get(row.name), have.get(row.name)
        if want is not None and (now is None or not row.type.same(want, now)):
            shown = "nothing" if now is None else row.type.show(now)
            raise Conflict(
                f"pool {spec.name}: {row.name}: it has {shown}, and with {row.type.show(want)} it would be another pool; take "
                "another name for that one, or remove this one first (state: absent leaves what it holds as it is)"
            )


def _wanted_state(spec: PoolSpec, facts: PoolFacts, unfinished: bool) -> str:
    if spec.state in ("active", "inactive"):
        return spec.state
    return "active" if unfinished else _state(facts)


def _unfinished(spec: PoolSpec, snap: Snapshot, facts: PoolFacts) -> bool:
    """Tell whether a creation was cut short between define and start, or failed to start: nobody else leaves it so."""
    ours = made_here(snap.host, KIND, spec.name, facts.uuid, spec.estate)
    left = spec.state == "present" and spec.autostart is not False
    return ours and left and not facts.active and not facts.autostart


def _state(facts: PoolFacts) -> str:
    return "active" if facts.active else "inactive"


# steps


def _define(name: str, tree: Element) -> Step:
    return Step("define_pool", {"xml": _xml.to_text(tree)}, f"define pool {name}")


def _build(spec: PoolSpec, kind: str, overwrite: bool = False) -> list[Step]:
    """Return what makes the directory of a pool that has one, and what is on its devices where that was asked for."""
    if spec.build:
        how = "whatever its devices hold" if overwrite else "on devices that hold nothing"
        return [Step("build_pool", {"name": spec.name, "overwrite": overwrite}, f"make pool {spec.name} {how}")]
    builds = kind in KINDS and KINDS[kind].builds
    return [Step("build_pool", {"name": spec.name}, f"make the directory of pool {spec.name}")] if builds else []


def _start(name: str) -> Step:
    return Step("start_pool", {"name": name}, f"start pool {name}")


def _stop(name: str) -> Step:
    return Step("stop_pool", {"name": name}, f"stop pool {name}")


def _autostart(name: str, autostart: bool) -> Step:
    return Step("set_pool_autostart", {"name": name, "autostart": autostart}, f"set the autostart of pool {name}")
