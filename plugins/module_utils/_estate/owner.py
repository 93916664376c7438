# Copyright: (c) 2026, the virtfleet.core contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What an estate owns: what it made itself, known by the marks that it left, and never what it only found.

A guest carries the estate's name in its metadata, an image in its record. Pools, networks, secrets and network filters have
the UUID that follows from the estate's name, kind and name.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace

from .. import _xml
from .._facts import GuestFacts, Snapshot
from .._guest import record as records
from .._guest.spec import GuestSpec
from .spec import EstateSpec


def forgotten_guests(estate: EstateSpec, guests: Mapping[str, GuestFacts]) -> list[GuestSpec]:
    """Return the guests of an estate that its document does not name any more, as absent."""
    named = {guest.name for guest in estate.guests}
    return [
        GuestSpec(name, state="absent", estate=estate.name)
        for name, facts in sorted(guests.items())
        if name not in named and _estate_of(facts) == estate.name
    ]


def _estate_of(facts: GuestFacts) -> str | None:
    record = records.read(_xml.parse(facts.xml))
    return record.estate if record is not None else None


def forgotten(estate: EstateSpec, snap: Snapshot, consent: Sequence[str]) -> EstateSpec:
    """Return everything that an estate owns and its document does not name any more, as absent."""
    if estate.name is None:
        return EstateSpec()
    # A document that nothing is pruned of pays for none of these.
    from .._image.spec import ImageSpec
    from .._network.expand import uuid_for
    from .._network.spec import NetworkSpec
    from .._nwfilter.spec import NwfilterSpec
    from .._secret.spec import SecretSpec
    from .._storage.spec import PoolSpec

    host = snap.host
    pools = {pool.name for pool in estate.pools}
    networks = {network.name for network in estate.networks}
    secrets = {secret.key for secret in estate.secrets}
    nwfilters = {nwfilter.name for nwfilter in estate.nwfilters}
    paths = set(snap.image_paths.values())
    return replace(
        estate,
        pools=tuple(
            PoolSpec(name, "absent", estate=estate.name)
            for name, pool in sorted(snap.pools.items())
            if name not in pools and pool.uuid == uuid_for(host, "pool", name, estate.name)
        ),
        networks=tuple(
            NetworkSpec(name, "absent", estate=estate.name)
            for name, network in sorted(snap.networks.items())
            if name not in networks and network.uuid == uuid_for(host, "network", name, estate.name)
        ),
        images=tuple(
            ImageSpec(
                facts.record.get("name", path), path=path, state="absent", consent=tuple(consent), estate=estate.name
            )
            for path, facts in sorted(snap.images.items())
            if path not in paths and facts.record.get("estate") == estate.name
        ),
        # Nothing tells whose a volume is.
        volumes=(),
        secrets=tuple(
            SecretSpec(facts.usage_id, "absent", facts.usage, facts.usage_id, estate=estate.name)
            for key, facts in sorted(snap.secrets.items())
            if key not in secrets and facts.uuid == uuid_for(host, "secret", key, estate.name)
        ),
        nwfilters=tuple(
            NwfilterSpec(name, "absent", estate=estate.name)
            for name, facts in sorted(snap.nwfilters.items())
            if name not in nwfilters and facts.uuid == uuid_for(host, "nwfilter", name, estate.name)
        ),
        guests=tuple(forgotten_guests(estate, snap.guests)),
    )
