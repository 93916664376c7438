# Copyright: (c) 2026, the virtfleet.core contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Read what the plan of an image needs, through the Protocols only."""
from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import replace

from .._change import Effect, worst
from .._errors import Unsupported
from .._facts import GuestFacts, HostFacts, ImageFacts, PoolFacts, Snapshot, VolumeFacts
from .._ports import Files, Hypervisor
from .bootstrap import for_host
from .place import DIRECTORY_POOLS, Place, Users, disk_paths, find_place
from .plan import differences
from .spec import ImageSpec, split_checksum


def resolve(files: Files, spec: ImageSpec, machine: str) -> ImageSpec:
    """Return the spec with what only the host knows.

    That is the checksum itself where it named a checksum file; and of an image made of packages the architecture, which
    is ``machine`` where none was given, and the checksums of the host's files that go into it.
    """
    if spec.bootstrap is not None and spec.state != "absent":
        sources = {file.src for file in spec.bootstrap.files if file.src is not None}
        digests = {src: files.file_checksum(src, "sha256").partition(":")[2] for src in sorted(sources)}
        return replace(spec, bootstrap=for_host(spec.bootstrap, machine, digests))
    if spec.checksum is None or spec.source is None or spec.state == "absent":
        return spec
    return replace(
        spec,
        checksum=files.resolve_checksum(spec.checksum, spec.source, spec.checksum_signature, spec.checksum_keys),
    )


def local_files(hypervisor: Hypervisor, files: Files | None, what: str) -> Files:
    """Return the files of the hypervisor's host; raise Unsupported where they are out of reach."""
    if files is None or hypervisor.host().remote:
        raise Unsupported(
            f"{what}: images are files of the hypervisor, which a remote uri does not reach; run the task on the "
            "hypervisor itself (delegate_to) with the uri qemu:///system"
        )
    return files


def gather(
    hypervisor: Hypervisor,
    files: Files,
    spec: ImageSpec,
    host: HostFacts | None = None,
    pools: Mapping[str, PoolFacts] | None = None,
) -> Snapshot:
    """Return the image, its backing image and its pool; and who stands on it, where the plan will want to know.

    ``host`` and ``pools`` are what is known of them already; the pools may be some that are yet to be made.
    """
    pools = hypervisor.pools() if pools is None else pools
    snapshot = Snapshot(host=hypervisor.host() if host is None else host, pools=pools)
    if spec.state == "absent" and spec.path is None and spec.pool not in pools:
        return snapshot
    place = find_place(spec, pools)
    if spec.making.luks_secret is not None and spec.state != "absent":
        snapshot = replace(snapshot, secrets=hypervisor.secrets())
    images: dict[str, ImageFacts] = {}
    volumes: dict[tuple[str, str], VolumeFacts] = {}
    facts = files.image_facts(place.path)
    if facts is not None:
        images[place.path] = _measured(files, spec, facts)
    if place.backing is not None:
        base = files.image_facts(place.backing)
        if base is not None:
            images[place.backing] = base
    if facts is not None and place.pool is not None and place.pool.active:
        volumes = all_volumes(hypervisor, [place.pool])
    snapshot = replace(snapshot, images=images, volumes=volumes)
    if facts is not None and _touched(spec, snapshot):
        return with_users(hypervisor, files, snapshot, place)
    return snapshot


def with_users(hypervisor: Hypervisor, files: Files, snapshot: Snapshot, place: Place) -> Snapshot:
    """Return the snapshot with all guests and volumes, and with the overlays and guests that stand on the image.

    Libvirt's volume lists may be older than the folders, and a guest's disk may be in no pool: the headers of the
    files in all pools' folders and of all guests' disks are read as well.
    """
    guests = hypervisor.guests()
    volumes = all_volumes(hypervisor, snapshot.pools.values())
    overlays, names = find_users(files, [place.path], snapshot.pools, guests, volumes).of(place.path)
    facts = replace(snapshot.images[place.path], overlays=overlays, guests=names)
    images = {**snapshot.images, place.path: facts}
    return replace(snapshot, guests=guests, volumes=volumes, images=images)


def find_users(
    files: Files,
    paths: Iterable[str],
    pools: Mapping[str, PoolFacts],
    guests: Mapping[str, GuestFacts],
    volumes: Mapping[tuple[str, str], VolumeFacts],
) -> Users:
    """Return who stands on which image, for the images at ``paths`` and all that libvirt knows."""
    folders = {pool.path for pool in pools.values() if pool.path and pool.type in DIRECTORY_POOLS}
    known = {volume.path for volume in volumes.values()}
    disks = {name: disk_paths(guest, volumes) for name, guest in guests.items()}
    return Users(files.chains(folders | known | set().union(*disks.values()) | set(paths)), disks, volumes)


def all_volumes(hypervisor: Hypervisor, pools: Iterable[PoolFacts]) -> dict[tuple[str, str], VolumeFacts]:
    """Return the volumes of all active pools, keyed by (pool, name)."""
    found = {}
    for pool in pools:
        if pool.active:
            for name, volume in hypervisor.volumes(pool.name).items():
                found[(pool.name, name)] = volume
    return found


def _measured(files: Files, spec: ImageSpec, facts: ImageFacts) -> ImageFacts:
    """Return the facts with the file's own checksum in the record's place, where there is no record to ask.

    A file that somebody put there and that is the wanted content, bit for bit, is taken as it is.
    """
    if spec.checksum is None or spec.state == "absent":
        return facts
    algorithm = split_checksum(spec.checksum)[0]
    if algorithm in facts.record:
        return facts
    _name, _colon, found = files.file_checksum(facts.path, algorithm).partition(":")
    return replace(facts, record={**facts.record, algorithm: found})


def _touched(spec: ImageSpec, snapshot: Snapshot) -> bool:
    """Say whether the plan will change an image that exists; only then it matters who stands on it."""
    return spec.state == "absent" or worst(change.effect for change in differences(spec, snapshot)) > Effect.NONE
