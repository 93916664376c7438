# Copyright: (c) 2026, the virtfleet.core contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Reads from a host what the plan of guests needs, in bulk, through the Protocols only."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from . import _xml
from ._facts import ImageFacts, Snapshot
from ._guest.needs import joined, needs
from ._guest.record import read as read_record
from ._guest.skeleton import offers_kvm
from ._guest.spec import GuestSpec
from ._image.gather import find_users
from ._ports import Files, Hypervisor


def gather_guests(hypervisor: Hypervisor, files: Files, specs: Sequence[GuestSpec], losing: bool = False) -> Snapshot:
    """Return what the plans of ``specs`` need. Paths are looked at only where the host's files are at hand.

    Each network, pool and volume that any of them needs is read once, and no other. ``losing``: disks may be removed or
    made anew, so it matters who stands on them, in whatever pool or in none.
    """
    host = hypervisor.host()
    guests = hypervisor.guests([spec.name for spec in specs])
    wanted = joined(needs(spec, guests.get(spec.name)) for spec in specs)
    networks = hypervisor.networks(wanted.networks) if wanted.networks else {}
    pools = hypervisor.pools(None if losing else wanted.pools) if losing or wanted.pools else {}
    volumes = {
        (name, volume.name): volume
        for name in sorted(pools)
        if pools[name].active
        for volume in hypervisor.volumes(name, None if losing else wanted.volumes_in(pools[name])).values()
    }
    snap = Snapshot(
        host,
        guests,
        networks,
        pools,
        volumes,
        network_names=tuple(hypervisor.network_names()) if wanted.networks - set(networks) else (),
        pool_names=tuple(hypervisor.pool_names()) if wanted.pools - set(pools) else (),
    )
    if not host.remote:
        if any(_needs_accelerator(spec, snap) for spec in specs):
            snap = replace(snap, accelerator=files.accelerator())
        snap = _with_paths(snap, files, sorted(wanted.paths))
        if losing:
            snap = _with_users(hypervisor, files, snap)
    addressed = {
        nic["source"]["network"]
        for spec in specs
        for nic in spec.nics or ()
        if nic.get("address") and nic.get("source")
    }
    active = [name for name in addressed if name in networks and networks[name].active]
    if active:
        snap = replace(snap, leases=tuple(hypervisor.leases(active)))
    return snap


def _needs_accelerator(spec: GuestSpec, snap: Snapshot) -> bool:
    """Say whether a guest will be made that may get KVM: only then is it worth a look whether KVM works."""
    made = spec.state != "absent" and spec.name not in snap.guests
    return made and spec.values.get("accel") != "tcg" and offers_kvm(snap.host, spec.values.get("arch", snap.host.arch))


def _with_users(hypervisor: Hypervisor, files: Files, snap: Snapshot) -> Snapshot:
    """Add, for each volume that the guests' records name, the overlays and guests that stand on it."""
    paths = {}
    for guest in snap.guests.values():
        record = read_record(_xml.parse(guest.xml))
        for device in record.devices if record is not None else ():
            volume = snap.volumes.get(device.pool_and_name or ("", ""))
            if volume is not None:
                paths[volume.path] = volume
    users = find_users(files, paths, snap.pools, hypervisor.guests(), snap.volumes)
    images = dict(snap.images)
    for path, volume in paths.items():
        overlays, names = users.of(path)
        images[path] = ImageFacts(
            path, volume.format, volume.capacity_bytes, volume.allocation_bytes, overlays=overlays, guests=names
        )
    return replace(snap, images=images)


def _with_paths(snap: Snapshot, files: Files, paths: Sequence[str]) -> Snapshot:
    facts = {path: files.path_facts(path) for path in paths}
    images: dict[str, ImageFacts] = {}
    for path, seen in facts.items():
        if seen.exists and seen.kind == "file" and snap.volume_at(path) is None:
            image = files.image_facts(path)
            if image is not None:
                images[path] = image
    return replace(snap, paths=facts, images=images)
