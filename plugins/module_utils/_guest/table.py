# Copyright: (c) 2026, the virtfleet.core contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The table of a guest: all families of rows in the order in which they are written."""

from __future__ import annotations

from .. import _xml
from .._change import Step
from .._table import Context, Table, lists
from .._xml import Element
from .fields import (
    about,
    boot,
    chardevs,
    clock,
    console,
    cpu,
    disks,
    events,
    features,
    filesystems,
    hostdevs,
    identity,
    launch,
    memory,
    modules,
    nics,
    screens,
    single,
    size,
    tuning,
)


def _define(context: Context, root: Element) -> Step:
    return Step("define_guest", {"xml": _xml.to_text(root), "validate": context.strict}, "define the guest")


GUEST = Table(
    (
        *boot.ROWS,
        *about.ROWS,
        *size.ROWS,
        *cpu.ROWS,
        *tuning.ROWS,
        *memory.ROWS,
        *modules.ROWS,
        *launch.ROWS,
        *features.ROWS,
        *clock.ROWS,
        *events.ROWS,
        *console.ROWS,
        *screens.ROWS,
        *single.ROWS,
        *identity.ROWS,
        disks.DISKS,
        nics.NICS,
        hostdevs.HOSTDEVS,
        *filesystems.ROWS,
        filesystems.FILESYSTEMS,
        modules.MODULES,
        *chardevs.LISTS,
    ),
    (
        *size.RULES,
        *boot.RULES,
        *cpu.RULES,
        *tuning.RULES,
        *memory.RULES,
        *modules.RULES,
        *launch.RULES,
        *features.RULES,
        *clock.RULES,
        *console.RULES,
        *screens.RULES,
        *single.RULES,
        *disks.RULES,
        *nics.RULES,
        *hostdevs.RULES,
        *filesystems.RULES,
        *chardevs.RULES,
    ),
    _define,
)
LISTS = lists(GUEST)
