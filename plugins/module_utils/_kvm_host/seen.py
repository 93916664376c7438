# Copyright: (c) 2026, the virtfleet.core contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What was seen on a machine that is, or is to be, a KVM host: the only thing that judgements are made from.

What could not be looked at (without root much can't) is None, which is never taken for "not there".
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from .._machine.seen import Machine


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
class Seen(Machine):
    """One machine.

    ``hugepages`` maps KiB a page to how many the kernel has. ``listening`` are TCP ports. ``pki`` maps ca, cert and key to
    the SHA-256 of what is there, empty for what may not be read. ``kvm_closed``: there is a KVM device, and QEMU's user may
    not use it. ``fresh`` are those of them that stand ready to take their place, as asked for. ``pki_problem`` says why TLS
    can't work with what is there or ready, and ``tls`` why no client gets in; both are empty where all is well. ``xen`` says
    what of Xen is there, empty for none.
    """

    nested: Nested | None = None
    hugepages: Mapping[int, int] = field(default_factory=dict)
    apparmor: AppArmor | None = None
    firewall: Firewall = Firewall()
    listening: frozenset[int] = frozenset()
    pki: Mapping[str, str] = field(default_factory=dict)
    kvm_closed: bool = False
    fresh: frozenset[str] = frozenset()
    pki_problem: str = ""
    tls: str | None = None
    xen: str = ""
