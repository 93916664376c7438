# Copyright: (c) 2026, the virtfleet.core contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The plans of what a document holds beside guests: each kind is imported when a document has it.

A task reads and compiles all that it imports, and most tasks are about guests alone.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping
from typing import TYPE_CHECKING

from .._change import Plan
from .._facts import GuestFacts, NetworkFacts, PoolFacts, Snapshot

if TYPE_CHECKING:
    from .._image.place import Place
    from .._image.spec import ImageSpec
    from .._network.spec import NetworkSpec
    from .._nwfilter.spec import NwfilterSpec
    from .._secret.spec import SecretSpec
    from .._storage.spec import PoolSpec
    from .._volume.spec import VolumeSpec


def plan_pool(spec: PoolSpec, snap: Snapshot, consent: Collection[str] = ()) -> Plan:
    """Return the plan of a pool."""
    from .._storage.plan import plan

    return plan(spec, snap, consent)


def plan_network(spec: NetworkSpec, snap: Snapshot) -> Plan:
    """Return the plan of a network."""
    from .._network.plan import plan

    return plan(spec, snap)


def plan_image(spec: ImageSpec, snap: Snapshot) -> Plan:
    """Return the plan of an image."""
    from .._image.plan import plan

    return plan(spec, snap)


def place_of(spec: ImageSpec, pools: Mapping[str, PoolFacts]) -> Place:
    """Return where an image belongs; raise NotFound or Unsupported for its pool."""
    from .._image.place import find_place

    return find_place(spec, pools)


def plan_volume(spec: VolumeSpec, snap: Snapshot, consent: Collection[str]) -> Plan:
    """Return the plan of a volume."""
    from .._volume.plan import plan

    return plan(spec, snap, consent)


def plan_secret(spec: SecretSpec, snap: Snapshot, written: bool = False) -> Plan:
    """Return the plan of a secret."""
    from .._secret.plan import plan

    return plan(spec, snap, written)


def plan_nwfilter(spec: NwfilterSpec, snap: Snapshot) -> Plan:
    """Return the plan of a network filter."""
    from .._nwfilter.plan import plan

    return plan(spec, snap)


def included(snap: Snapshot) -> Mapping[str, Collection[str]]:
    """Return by each network filter the names of those that it includes."""
    from .._nwfilter.plan import includes

    return includes(snap)


def plugged_into(network: NetworkFacts, guests: Mapping[str, GuestFacts]) -> Collection[str]:
    """Return the guests whose definitions have a nic in a network."""
    from .._network.plugged import defined_with

    return defined_with(network, guests)
