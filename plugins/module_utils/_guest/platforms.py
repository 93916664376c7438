# Copyright: (c) 2026, the virtfleet.core contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The platforms by libvirt's names of their drivers."""

from __future__ import annotations

from collections.abc import Mapping

from .platform import Platform
from .qemu import Qemu
from .xen import Xen

# libvirt's test driver takes what QEMU's does.
_PLATFORMS: Mapping[str, Platform] = {"xen": Xen()}
_USUAL = Qemu()


def platform_of(driver: str) -> Platform:
    """Return what decides of new guests under a driver."""
    return _PLATFORMS.get(driver, _USUAL)
