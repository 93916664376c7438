# Copyright: (c) 2026, the virtfleet.core contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A whole host as it is wanted: the specs of all kinds, and where in the document each was said."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from .._guest.spec import GuestSpec
    from .._image.spec import ImageSpec
    from .._network.spec import NetworkSpec
    from .._nwfilter.spec import NwfilterSpec
    from .._secret.spec import SecretSpec
    from .._storage.spec import PoolSpec
    from .._volume.spec import VolumeSpec

Key = tuple[str, str]


@dataclass(frozen=True)
class Overcommit:
    """How many times the host's memory and CPUs its running guests may have together; None for no limit."""

    memory: float | None = None
    vcpus: float | None = None


@dataclass(frozen=True)
class EstateSpec:
    """The objects of a host, in the order of the document.

    ``name`` marks what this estate makes as its own; None for a single object, which belongs to no estate. ``places``
    maps (kind, name) to the entry of the document, such as ``guests[3]``; ``waits`` the guests that are waited for to
    what of them.
    """

    name: str | None = None
    pools: tuple[PoolSpec, ...] = ()
    networks: tuple[NetworkSpec, ...] = ()
    images: tuple[ImageSpec, ...] = ()
    volumes: tuple[VolumeSpec, ...] = ()
    secrets: tuple[SecretSpec, ...] = ()
    nwfilters: tuple[NwfilterSpec, ...] = ()
    guests: tuple[GuestSpec, ...] = ()
    overcommit: Overcommit = Overcommit()
    waits: Mapping[str, str] = field(default_factory=dict)
    places: Mapping[Key, str] = field(default_factory=dict)

    def place(self, kind: str, name: str) -> str:
        """Return the words that say where an object was asked for."""
        return self.places.get((kind, name), f"{kind} {name}")

    @property
    def objects(self) -> int:
        """Return how many objects the document names."""
        kinds = (self.pools, self.networks, self.images, self.volumes, self.secrets, self.nwfilters, self.guests)
        return sum(len(kind) for kind in kinds)
