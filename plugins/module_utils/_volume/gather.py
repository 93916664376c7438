# Copyright: (c) 2026, the virtfleet.core contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Read what the plan of a volume needs, through the Protocols only."""

from __future__ import annotations

from dataclasses import replace

from .._facts import ImageFacts, PathFacts, Snapshot, VolumeFacts
from .._image.gather import all_volumes, find_users
from .._image.place import DIRECTORY_POOLS
from .._ports import Files, Hypervisor
from .plan import differences, half_made, path_of, present
from .spec import VolumeSpec


def gather(hypervisor: Hypervisor, files: Files, spec: VolumeSpec) -> Snapshot:
    """Return the volume's pool with its volumes and the files that the spec names.

    All guests and volumes come along where an existing volume is to change. Files are looked at only where they are in
    reach.
    """
    snap = Snapshot(hypervisor.host(), pools=hypervisor.pools())
    pool = snap.pools.get(spec.pool)
    if pool is None or not pool.active or pool.type not in DIRECTORY_POOLS:
        return snap
    elsewhere = (snap.host.remote and (spec.backing or "").startswith("/")) or spec.clone is not None
    snap = replace(snap, volumes=all_volumes(hypervisor, snap.pools.values() if elsewhere else [pool]))
    if not snap.host.remote:
        snap = with_files(files, spec, snap)
    there = present(spec, snap, pool)
    if spec.making.encrypted or (there is not None and there.encrypted):
        snap = replace(snap, secrets=hypervisor.secrets())
    if present(spec, snap, pool) is None:
        origin = origin_of(spec, snap)
        # Who writes to what is to be copied.
        return snap if origin is None else with_users(hypervisor, files, snap, origin.path)
    if spec.state == "present" and not half_made(spec, snap) and not differences(spec, snap):
        return snap
    return with_users(hypervisor, files, snap, path_of(spec, pool))


def origin_of(spec: VolumeSpec, snap: Snapshot) -> VolumeFacts | None:
    """Return the volume that the spec's is to be a copy of."""
    return snap.volumes.get(spec.clone) if spec.clone is not None and spec.state == "present" else None


def wanted_paths(spec: VolumeSpec, snap: Snapshot) -> frozenset[str]:
    """Return the paths on the host that the plan wants to know; ``snap`` has the pool with its volumes."""
    wanted = set()
    if (spec.pool, spec.name) not in snap.volumes:
        # A file that libvirt has not seen yet must not be written over.
        wanted.add(path_of(spec, snap.pools[spec.pool]))
    if spec.state == "present":
        wanted |= {place for place in (spec.source, spec.backing) if place is not None and place.startswith("/")}
    return frozenset(wanted)


def with_files(files: Files, spec: VolumeSpec, snap: Snapshot) -> Snapshot:
    paths: dict[str, PathFacts] = dict(snap.paths)
    images: dict[str, ImageFacts] = dict(snap.images)
    for place in sorted(wanted_paths(spec, snap)):
        paths[place] = files.path_facts(place)
        facts = files.image_facts(place) if paths[place].kind in ("file", "block") else None
        if facts is not None:
            images[place] = facts
    return replace(snap, paths=paths, images=images)


def with_users(hypervisor: Hypervisor, files: Files, snap: Snapshot, path: str) -> Snapshot:
    volumes = all_volumes(hypervisor, snap.pools.values())
    if not snap.whole:
        snap = replace(snap, guests=hypervisor.guests())
    snap = replace(snap, volumes={**snap.volumes, **volumes})
    if snap.host.remote:
        return snap
    overlays, names = find_users(files, [path], snap.pools, snap.guests, volumes).of(path)
    facts = snap.images.get(path) or ImageFacts(path, "", 0, 0)
    return replace(snap, images={**snap.images, path: replace(facts, overlays=overlays, guests=names)})
