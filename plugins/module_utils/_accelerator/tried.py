# Copyright: (c) 2026, the virtfleet.core contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""How a try of KVM went, whoever tried it."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Tried:
    """One try. ``failed`` is empty where it went well, else where it ended:

    ``open``, ``version``, ``vm``, ``vcpu``: what KVM refused, with ``errno`` where it gave one; ``guest``: the test guest
    stopped; ``limit``: it did not come to an end; ``slow``: it did, later than by emulation; ``start``: nothing could be
    tried. ``reached`` is the last thing that the test guest did, in words; ``said`` is what KVM or QEMU said of it.
    """

    failed: str = ""
    errno: int | None = None
    reached: str = ""
    said: str = ""
    seconds: float = 0.0

    @property
    def ok(self) -> bool:
        return not self.failed
