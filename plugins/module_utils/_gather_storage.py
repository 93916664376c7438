# Copyright: (c) 2026, the virtfleet.core contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Read from the host what the plans of images, volumes and secrets need, and who stands on a guest's disks."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace

from . import _xml
from ._errors import VirtError
from ._estate.spec import EstateSpec
from ._facts import ImageFacts, PoolFacts, SecretFacts, Snapshot
from ._guest.record import read as read_record
from ._guest.spec import GuestSpec
from ._image.gather import find_users, local_files
from ._image.gather import gather as gather_image
from ._image.place import DIRECTORY_POOLS, find_place
from ._image.spec import ImageSpec
from ._ports import Files, Hypervisor
from ._secret.plan import reads_value
from ._volume.gather import origin_of, with_files
from ._volume.gather import with_users as with_users_of
from ._volume.plan import differences, half_made, path_of
from ._volume.plan import present as present_volume
from ._volume.spec import VolumeSpec


def with_images(
    hypervisor: Hypervisor,
    files: Files,
    estate: EstateSpec,
    snap: Snapshot,
    future: Mapping[str, PoolFacts],
    prune: bool,
) -> Snapshot:
    """Add what the plans of the document's images need, and the images that the estate made and forgot."""
    specs = list(estate.images)
    if prune and estate.name is not None and not snap.host.remote:
        specs += _forgotten_images(files, estate, snap, future)
    images, volumes = dict(snap.images), dict(snap.volumes)
    for spec in specs:
        local = local_files(hypervisor, files, f"image {spec.name}")
        pool = future.get(spec.pool or "")
        if spec.path is None and (pool is None or pool.type not in DIRECTORY_POOLS):
            # The plan complains of it.
            continue
        part = gather_image(hypervisor, local, spec, snap.host, future)
        images.update(part.images)
        volumes.update(part.volumes)
    return replace(snap, images=images, volumes=volumes)


def with_volumes(
    hypervisor: Hypervisor, files: Files, estate: EstateSpec, snap: Snapshot, future: Mapping[str, PoolFacts]
) -> Snapshot:
    """Add what the plans of the document's own volumes need."""
    for spec in estate.volumes:
        pool = future.get(spec.pool)
        if pool is None or pool.type not in DIRECTORY_POOLS:
            continue
        there = replace(snap, pools=future)
        if not snap.host.remote:
            there = with_files(files, spec, there)
        if pool.active and present_volume(spec, there, pool) is not None and _touches(spec, there):
            there = with_users_of(hypervisor, files, there, path_of(spec, pool))
        elif (origin := origin_of(spec, there)) is not None:
            there = with_users_of(hypervisor, files, there, origin.path)
        snap = replace(there, pools=snap.pools)
    return snap


def _touches(spec: VolumeSpec, snap: Snapshot) -> bool:
    """Say whether a volume that exists will be changed; what cannot be told is for the plan to complain of."""
    try:
        return spec.state == "absent" or half_made(spec, snap) or bool(differences(spec, snap))
    except VirtError:
        return False


def secrets(hypervisor: Hypervisor, estate: EstateSpec) -> Mapping[str, SecretFacts]:
    """Return all secrets, with the values of those that the plan compares."""
    found = dict(hypervisor.secrets())
    for spec in estate.secrets:
        facts = found.get(spec.key)
        if facts is not None and reads_value(spec, facts):
            found[spec.key] = replace(facts, value=hypervisor.secret_value(facts.uuid))
    return found


def _forgotten_images(
    files: Files, estate: EstateSpec, snap: Snapshot, future: Mapping[str, PoolFacts]
) -> Iterator[ImageSpec]:
    known = set()
    for spec in estate.images:
        if spec.path is not None or spec.pool in future:
            known.add(find_place(spec, future).path)
    for volume in snap.volumes.values():
        if volume.path not in known and files.image_record(volume.path).get("estate") == estate.name:
            yield ImageSpec(volume.name, path=volume.path, state="absent")


def with_users(hypervisor: Hypervisor, files: Files, snap: Snapshot, specs: Sequence[GuestSpec]) -> Snapshot:
    """Add, for each volume that the guests' records name, the overlays and guests that stand on it."""
    paths = {}
    for spec in specs:
        guest = snap.guests.get(spec.name)
        record = read_record(_xml.parse(guest.xml)) if guest is not None else None
        for device in record.devices if record is not None else ():
            volume = snap.volumes.get(device.pool_and_name or ("", ""))
            if volume is not None:
                paths[volume.path] = volume
    every = snap.guests if snap.whole else hypervisor.guests()
    users = find_users(files, paths, snap.pools, every, snap.volumes)
    images = dict(snap.images)
    for path, volume in paths.items():
        overlays, names = users.of(path)
        images[path] = ImageFacts(
            path, volume.format, volume.capacity_bytes, volume.allocation_bytes, overlays=overlays, guests=names
        )
    return replace(snap, images=images)
