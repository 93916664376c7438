# Copyright: (c) 2026, the virtfleet.core contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What was seen on a machine that is, or is to be, a host for guests, whatever runs them.

What could not be looked at (without root much can't) is None, which is never taken for "not there".
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any


@dataclass(frozen=True)
class System:
    """The distribution, as /etc/os-release has it: ``debian`` and ``12``, and the name for people."""

    id: str
    version: str
    name: str


@dataclass(frozen=True)
class Unit:
    """One unit that systemd knows, in systemd's words."""

    enabled: str
    active: str

    @property
    def in_use(self) -> bool:
        return self.enabled == "enabled" or self.active == "active"


@dataclass(frozen=True)
class Machine:
    """One machine, as far as every host is looked at alike.

    ``units`` has the units that systemd knows of those that the role asks about, empty without systemd. ``programs`` are
    the daemons of libvirt that are installed, ``answering`` those whose socket answers; that is looked at without
    systemd only, since with it a look would start them. ``members`` are those of the group libvirt. ``files`` has the
    texts of the files that the role writes to, None for one that is not there and an empty one for what may not be read.
    ``pools`` maps defined pools to their paths, ``networks`` has those that run, ``autostart`` those that start with the
    host. ``record`` is what the role has noted of its additions.
    """

    system: System
    machine: str
    uid: int
    systemd: bool
    packages: frozenset[str] | None = None
    units: Mapping[str, Unit] = field(default_factory=dict)
    programs: frozenset[str] = frozenset()
    answering: frozenset[str] = frozenset()
    users: frozenset[str] = frozenset()
    members: frozenset[str] = frozenset()
    files: Mapping[str, str | None] = field(default_factory=dict)
    sudo: str = ""
    pools: Mapping[str, str] | None = None
    guests: tuple[str, ...] = ()
    networks: tuple[str, ...] = ()
    autostart: tuple[str, ...] = ()
    record: Mapping[str, Any] = field(default_factory=dict)
