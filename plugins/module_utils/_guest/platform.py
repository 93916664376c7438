# Copyright: (c) 2026, the virtfleet.core contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What a hypervisor decides of a new guest: its skeleton, and what the user left out. The rest is the rows' business."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol

from .._facts import HostFacts, Snapshot, SystemFacts
from .._table import Spec
from .._xml import Element
from .spec import GuestSpec


@dataclass(frozen=True)
class Made:
    """A definition without memory, disks and nics; what the host cannot do, and what the user should know."""

    root: Element
    complaints: tuple[str, ...] = ()
    warnings: tuple[str, ...] = ()


class Platform(Protocol):
    """The choices of one driver. ``have`` is what was observed of the guest, or of its skeleton."""

    # What a disk without an image is; one with an image stands on it, which only qcow2 can.
    blank_format: str
    # Whether guests have a channel for the QEMU guest agent.
    agent: bool
    # Whether the hypervisor has a tool and configurations of its own besides libvirt's: Xen's xl.
    xl: bool
    # Whose eyes a path of the host is looked at with; None for those of QEMU's user.
    reader: str | None

    def make(self, spec: GuestSpec, snap: Snapshot) -> Made:
        """Return a new guest before anybody said a word, with what is chosen at creation and only then."""

    def preset(self, spec: GuestSpec, snap: Snapshot, system: SystemFacts) -> Spec:
        """Return what an operating system wants of a new guest, in the words of the table; disks and nics aside."""

    def defaults(self, host: HostFacts, want: Spec) -> Spec:
        """Return what a new guest gets where the user said nothing, in the words of the table."""

    def bus(self, device: str, have: Spec, system: SystemFacts | None = None) -> str:
        """Return the bus of a new disk, CD-ROM drive or floppy drive; ``system`` is the guest's, where that is known."""

    def nic(self, system: SystemFacts | None = None) -> str:
        """Return the model of a new nic."""

    def target(self, bus: str, taken: set[str]) -> str:
        """Return the first target on a bus that is free where ``taken`` are in use."""
