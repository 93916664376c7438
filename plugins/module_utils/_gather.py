# Copyright: (c) 2026, the virtfleet.core contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Reads from a host what the plan of guests, or of a whole document, needs, in bulk, through the Protocols only."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace

from ._estate.owner import forgotten_guests
from ._estate.spec import EstateSpec, Overcommit
from ._facts import ImageFacts, PoolFacts, Snapshot, VolumeFacts
from ._guest.fields import launch, passt
from ._guest.needs import Needs, has_passt, is_kept_from_its_host, joined, needs
from ._guest.platforms import platform_of
from ._guest.skeleton import offers_kvm
from ._guest.spec import GuestSpec
from ._guest.states import starts
from ._ports import Files, Hypervisor


def gather_guests(hypervisor: Hypervisor, files: Files, specs: Sequence[GuestSpec], losing: bool = False) -> Snapshot:
    """Return what the plans of ``specs`` need, of no estate."""
    return gather_estate(hypervisor, files, EstateSpec(guests=tuple(specs)), losing)


def gather_estate(
    hypervisor: Hypervisor, files: Files, estate: EstateSpec, losing: bool = False, prune: bool = False
) -> Snapshot:
    """Return what the plan of ``estate`` needs. Paths are looked at only where the host's files are at hand.

    Each network, pool and volume that is needed is read once, and no other. ``losing``: disks may be removed or made anew,
    so it matters who stands on them, in whatever pool or in none. ``prune``: all that the host has may be the estate's.
    """
    host = hypervisor.host()
    # Who runs in a network, or has disks in a pool that goes, matters where these are changed.
    whole = prune or bool(estate.networks or estate.nwfilters) or estate.overcommit != Overcommit() or _leaving(estate)
    guests = hypervisor.guests(None if whole else [spec.name for spec in estate.guests])
    leaving = forgotten_guests(estate, guests) if prune and estate.name is not None else []
    blank = platform_of(host.driver).blank_format
    wanted = joined(needs(spec, guests.get(spec.name), blank) for spec in (*estate.guests, *leaving))
    networks = hypervisor.networks(None if prune or estate.networks else wanted.networks)
    everything = losing or prune or bool(estate.pools or estate.images or estate.volumes) or _leaving(estate)
    pools = hypervisor.pools(None if everything else wanted.pools) if everything or wanted.pools else {}
    future = _future(estate, pools)
    snap = Snapshot(
        host,
        guests,
        networks,
        pools,
        _volumes(hypervisor, pools, None if losing or prune or _leaving(estate) else wanted, estate, future),
        network_names=tuple(hypervisor.network_names()) if wanted.networks - set(networks) else (),
        pool_names=tuple(hypervisor.pool_names()) if wanted.pools - set(pools) else (),
        whole=whole,
    )
    if host.free_bytes is not None and _starts(estate, snap) and (host.remote or files.dom0_gives()):
        # What is free is not all that a guest can have; from afar nobody knows.
        snap = replace(snap, host=replace(host, free_bytes=None))
    if not host.remote:
        if any(_needs_accelerator(spec, snap) for spec in estate.guests):
            snap = replace(snap, accelerator=files.accelerator())
        snap = _with_paths(snap, files, sorted(wanted.paths))
        words = {str(spec.values["os"]) for spec in estate.guests if "os" in spec.values and spec.state != "absent"}
        if words:
            snap = replace(snap, systems=files.systems(sorted(words)))
    kept = {str(spec.values.get("arch", host.arch)) for spec in estate.guests if is_kept_from_its_host(spec)}
    if kept:
        asked = {arch: launch.offered(hypervisor.domain_capabilities(arch, None, "kvm")) for arch in sorted(kept)}
        snap = replace(snap, launch_security=asked)
    if any(map(has_passt, estate.guests)):
        kind = next(iter(host.domain_types.get(host.arch, ())), "qemu")
        snap = replace(snap, nic_backends=passt.offered(hypervisor.domain_capabilities(host.arch, None, kind)))
    if losing or prune or estate.images or estate.volumes or estate.secrets:
        # Most tasks are about guests alone, and each reads and compiles what it imports.
        from . import _gather_storage as storage

        if (losing or prune) and not host.remote:
            snap = storage.with_users(hypervisor, files, snap, (*estate.guests, *leaving))
        snap = storage.with_images(hypervisor, files, estate, snap, future, prune)
        snap = storage.with_volumes(hypervisor, files, estate, snap, future)
        if estate.secrets or prune or _by_secrets(estate, snap):
            snap = replace(snap, secrets=storage.secrets(hypervisor, estate))
    if estate.nwfilters or prune:
        snap = replace(snap, nwfilters=hypervisor.nwfilters())
    addressed = {
        nic["source"]["network"]
        for spec in estate.guests
        for nic in spec.nics or ()
        if nic.get("address") and nic.get("source")
    }
    active = [name for name in addressed if name in networks and networks[name].active]
    if active:
        snap = replace(snap, leases=tuple(hypervisor.leases(active)))
    return snap


def _by_secrets(estate: EstateSpec, snap: Snapshot) -> bool:
    """Say whether an image or a volume of the document is encrypted, or to be."""
    making = [spec.making for spec in estate.images] + [spec.making for spec in estate.volumes]
    there = [snap.volumes.get((spec.pool, spec.name)) for spec in estate.volumes]
    return any(how.encrypted for how in making) or any(facts is not None and facts.encrypted for facts in there)


def _starts(estate: EstateSpec, snap: Snapshot) -> bool:
    """Say whether a guest may be started."""
    return any(starts(spec.state, snap.runs(spec.name)) for spec in estate.guests)


def _leaving(estate: EstateSpec) -> bool:
    kinds = (estate.pools, estate.networks, estate.images, estate.volumes, estate.secrets, estate.nwfilters)
    return any(spec.state == "absent" for kind in kinds for spec in kind)


def _future(estate: EstateSpec, pools: Mapping[str, PoolFacts]) -> Mapping[str, PoolFacts]:
    """Return the pools that there are, and those that the document makes, by the directory that they will have."""
    made = {
        spec.name: PoolFacts(spec.name, "", spec.values.get("type", "dir"), str(spec.values["path"]), "<pool/>", False, False)
        for spec in estate.pools
        if spec.name not in pools and spec.state != "absent" and "path" in spec.values
    }
    return {**made, **pools}


def _volumes(
    hypervisor: Hypervisor,
    pools: Mapping[str, PoolFacts],
    wanted: Needs | None,
    estate: EstateSpec,
    future: Mapping[str, PoolFacts],
) -> dict[tuple[str, str], VolumeFacts]:
    """Return the volumes of the active pools that matter: all where ``wanted`` is None."""
    images: dict[str, set[str]] = {}
    for spec in estate.images:
        if spec.pool is not None and spec.pool in future:
            images.setdefault(spec.pool, set()).add(spec.file_name)
    listed = {spec.pool for spec in estate.volumes} | {spec.clone[0] for spec in estate.volumes if spec.clone is not None}
    found = {}
    for name in sorted(pools):
        if not pools[name].active:
            continue
        every = wanted is None or name in listed
        named = None if every or wanted is None else wanted.volumes_in(pools[name])
        names = None if named is None else named | images.get(name, set())
        for volume in hypervisor.volumes(name, names).values():
            found[name, volume.name] = volume
    return found


def _needs_accelerator(spec: GuestSpec, snap: Snapshot) -> bool:
    """Say whether a guest will be made that may get KVM: only then is it worth a look whether KVM works."""
    made = spec.state != "absent" and spec.name not in snap.guests
    return made and spec.values.get("accel") != "tcg" and offers_kvm(snap.host, spec.values.get("arch", snap.host.arch))


def _with_paths(snap: Snapshot, files: Files, paths: Sequence[str]) -> Snapshot:
    reader = platform_of(snap.host.driver).reader
    facts = {path: files.path_facts(path, reader) for path in paths}
    images: dict[str, ImageFacts] = {}
    for path, seen in facts.items():
        if seen.exists and seen.kind == "file" and snap.volume_at(path) is None:
            image = files.image_facts(path)
            if image is not None:
                images[path] = image
    return replace(snap, paths=facts, images=images)
