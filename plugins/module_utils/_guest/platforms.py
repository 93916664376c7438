# Copyright: (c) 2026, the virtfleet.core contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The platforms by libvirt's names of their drivers."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import replace

from .._errors import SpecError, Unsupported
from .._facts import Snapshot
from . import systems
from .platform import Platform
from .qemu import Qemu
from .spec import GuestSpec
from .xen import Xen

# libvirt's test driver takes what QEMU's does.
_PLATFORMS: Mapping[str, Platform] = {"xen": Xen()}
_USUAL = Qemu()


def check_driver(driver: str) -> None:
    """Raise Unsupported for a driver whose guests this collection does not manage."""
    if driver == "lxc":
        raise Unsupported("guests of the LXC driver are not managed by this collection; use QEMU or Xen")


def check_waits(driver: str, goals: Collection[str | None]) -> None:
    """Raise SpecError where a guest is waited for in a way that no guest of the driver ever answers."""
    if "agent" in goals and not platform_of(driver).agent:
        raise SpecError(f"wait_for: guests of {driver} have no guest agent; wait for address or ssh")


def platform_of(driver: str) -> Platform:
    """Return what decides of new guests under a driver."""
    return _PLATFORMS.get(driver, _USUAL)


def preset(spec: GuestSpec, snap: Snapshot) -> tuple[GuestSpec, list[str]]:
    """Return a new guest's spec with what its operating system wants where nobody said anything, and warnings."""
    system = snap.system(spec.values.get("os"))
    if system is None:
        return spec, []
    wanted = platform_of(snap.host.driver).preset(spec, snap, system)
    arch = str(spec.values.get("arch", snap.host.arch))
    small = [f"guest {spec.name}: {sentence}" for sentence in systems.too_small(system, spec, arch)]
    return replace(spec, values=systems.below(spec.values, wanted)), small
