# Copyright: (c) 2026, the virtfleet.core contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Find what is in the lab, whatever its kind."""

from __future__ import annotations

from . import _roots
from ._place import Place, kinds
from ._run import Say, quiet
from .host import Host
from .machine import Machine

KINDS: dict[str, type[Host] | type[Machine]] = {kind.KIND: kind for kind in (Host, Machine)}


def places() -> list[Place]:
    """List the hosts and machines that have a folder, up or not."""
    return [KINDS[kind](name) for name, kind in kinds().items() if kind in KINDS]


def named(name: str, say: Say = quiet) -> Host | Machine:
    """Return what has this name. Where nothing has, a release's name is a machine of it, and any other a host."""
    kind = kinds().get(name)
    if kind in KINDS:
        return KINDS[kind](name, say)
    return Machine(name, say, suite=name) if name in _roots.suites() else Host(name, say)
