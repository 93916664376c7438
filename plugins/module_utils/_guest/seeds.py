# Copyright: (c) 2026, the virtfleet.core contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The medium that a guest reads at its first start, whichever of the two it is: for cloud-init or for Windows Setup."""

from __future__ import annotations

from dataclasses import dataclass

from .._table import Spec
from . import seed, unattend
from .spec import GuestSpec


@dataclass(frozen=True)
class Seed:
    """A medium as wanted: the option that asks for it, what a change of it means, and a digest of its content."""

    option: str
    policy: str
    digest: str


def wanted(spec: GuestSpec) -> Seed | None:
    """Return what a guest's medium shall be, None where nobody asked for one."""
    if spec.cloud_init is not None:
        return Seed("cloud_init", spec.cloud_init.policy, seed.digest(spec.cloud_init, spec.name))
    if spec.unattend is not None:
        return Seed("unattend", spec.unattend.policy, unattend.digest(spec.unattend, spec.name))
    return None


def files(spec: GuestSpec, guest: Spec) -> dict[str, bytes]:
    """Return the files of the medium for ``guest``, the spec as it will be."""
    if spec.unattend is not None:
        return unattend.files(spec.unattend, spec.name, str(guest.get("arch")), str(guest.get("firmware", "bios")))
    return seed.files(spec.cloud_init or seed.CloudInit(), spec.name)
