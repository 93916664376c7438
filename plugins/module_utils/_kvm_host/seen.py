# Copyright: (c) 2026, the virtfleet.core contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What was seen on a machine that is, or is to be, a KVM host: the only thing that judgements are made from.

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
class Nested:
    """The module that runs guests on this processor, and whether they may have guests of their own.

    ``on`` is None while the module is not loaded; ``users`` is how many guests (and modules) use it.
    """

    module: str
    on: bool | None
    users: int


@dataclass(frozen=True)
class AppArmor:
    """AppArmor where it is on. ``helper``: the profile of virt-aa-helper is there.

    ``drop_in``: libvirt reads a folder of additions to the profile of guests, in place of one file.
    """

    helper: bool
    drop_in: bool


@dataclass(frozen=True)
class Firewall:
    """What else filters packets here. Policies are those for packets that are passed on, empty where unknown."""

    ufw: bool = False
    ufw_forward: str = ""
    firewalld: bool = False
    docker: bool = False
    docker_forward: str = ""
    bridged: bool = False


@dataclass(frozen=True)
class Seen:
    """One machine.

    ``units`` has the units that systemd knows of those that the role asks about, empty without systemd. ``programs`` are
    the daemons of libvirt that are installed, ``answering`` those whose socket answers; that is looked at without
    systemd only, since with it a look would start them. ``members`` are those of the group libvirt. ``hugepages`` maps
    KiB a page to how many the kernel has. ``files`` has the texts of the files that the role writes to, None for one
    that is not there and an empty one for what may not be read. ``pools`` maps defined pools to their paths, ``networks``
    has those that run, ``autostart`` those that start with the host. ``listening`` are TCP ports. ``pki`` maps ca, cert
    and key to the SHA-256 of what is there, empty for what may not be read. ``kvm_closed``: there is a KVM device, and
    QEMU's user may not use it. ``fresh`` are those of
    them that stand ready to take their place, as asked for. ``pki_problem`` says why TLS can't work with what is there or
    ready, and ``tls`` why no client gets in; both are empty where all is well. ``record`` is what the role
    has noted of its additions.
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
    nested: Nested | None = None
    hugepages: Mapping[int, int] = field(default_factory=dict)
    files: Mapping[str, str | None] = field(default_factory=dict)
    apparmor: AppArmor | None = None
    firewall: Firewall = Firewall()
    sudo: str = ""
    pools: Mapping[str, str] | None = None
    guests: tuple[str, ...] = ()
    networks: tuple[str, ...] = ()
    autostart: tuple[str, ...] = ()
    listening: frozenset[int] = frozenset()
    pki: Mapping[str, str] = field(default_factory=dict)
    kvm_closed: bool = False
    fresh: frozenset[str] = frozenset()
    pki_problem: str = ""
    tls: str | None = None
    record: Mapping[str, Any] = field(default_factory=dict)
