# Copyright: (c) 2026, the virtfleet.core contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Find what is in the lab, whatever its kind."""

from __future__ import annotations

from . import _mirrors
from ._place import Place, kinds
from ._run import Say, quiet
from .host import Host
from .machine import Machine
from .vm import IMAGES, VM

KINDS: dict[str, type[Host] | type[Machine] | type[VM]] = {kind.KIND: kind for kind in (Host, Machine, VM)}


def places() -> list[Place]:
    """List the hosts, machines and vms that have a folder, up or not."""
    return [KINDS[kind](name) for name, kind in kinds().items() if kind in KINDS]


def named(name: str, say: Say = quiet) -> Host | Machine | VM:
    """Return what has this name. Where nothing has, a release is a machine of it, an image a vm, any other a host."""
    kind = kinds().get(name)
    if kind in KINDS:
        return KINDS[kind](name, say)
    if name in IMAGES:
        return VM(name, say, image=name)
    return Machine(name, say, suite=name) if name in _mirrors.suites() else Host(name, say)
