# Copyright: (c) 2026, the virtfleet.core contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The systems that the roles know, and how packages are told apart by them."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field

from .seen import System

D12, D13 = "Debian 12", "Debian 13"
U22, U24, U26 = "Ubuntu 22.04", "Ubuntu 24.04", "Ubuntu 26.04"
SYSTEMS = (D12, D13, U22, U24, U26)
# From libvirt 10.6 on, Debian has a package for each of its drivers, and so has Ubuntu.
SPLIT = frozenset({D13, U26})


@dataclass(frozen=True)
class Names:
    """The packages of one thing. ``on`` has the systems that differ; None says that the system does not have it.

    An empty tuple says that nothing has to be installed for it there.
    """

    usual: tuple[str, ...]
    on: Mapping[str, tuple[str, ...] | None] = field(default_factory=dict)

    def of(self, system: str) -> tuple[str, ...] | None:
        return self.on.get(system, self.usual)


NOTHING = Names(())


@dataclass(frozen=True)
class Wanted:
    """The packages that a host should have, and what of it this system does not have."""

    names: tuple[str, ...]
    absent: tuple[str, ...]


def gathered(things: Iterable[tuple[str, Names]], system: str) -> Wanted:
    """Return the packages of things on a system, sorted; a thing is what it is for and its names."""
    found: set[str] = set()
    absent = []
    for what, names in things:
        packages = names.of(system)
        if packages is None:
            absent.append(what)
        else:
            found.update(packages)
    return Wanted(tuple(sorted(found)), tuple(absent))


def system_of(system: System) -> str | None:
    """Return the system's name in the tables, or None for one that they do not know."""
    # Debian's point releases don't count, Ubuntu's months do.
    version = system.version.split(".")[0] if system.id == "debian" else system.version
    key = f"{system.id.capitalize()} {version}"
    return key if key in SYSTEMS else None


_BOOTSTRAP = (
    "mmdebstrap", "arch-test", "gpg", "libdistro-info-perl", "libdpkg-perl", "e2fsprogs", "fdisk", "dosfstools", "mtools",
    "debian-archive-keyring",
)  # fmt: skip
# Images from packages: the tool, what makes file systems and partitions, and whose keys sign the packages.
BOOTSTRAP = Names((*_BOOTSTRAP, "ubuntu-keyring"), {D12: _BOOTSTRAP})

_HYPERVISOR = re.compile(r"xen-hypervisor-([0-9]+(?:\.[0-9]+)*)-amd64")


def is_hypervisor(name: str) -> bool:
    """Tell whether a package holds a hypervisor of Xen, of whichever version."""
    return _HYPERVISOR.fullmatch(name) is not None


def hypervisor_version(name: str) -> tuple[int, ...]:
    """Return the version of Xen in the name of a hypervisor's package; none for another package."""
    found = _HYPERVISOR.fullmatch(name)
    return tuple(int(part) for part in found.group(1).split(".")) if found else ()
