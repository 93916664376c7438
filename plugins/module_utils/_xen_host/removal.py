# Copyright: (c) 2026, the virtfleet.core contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Take away what the role has added, as far as nobody else needs it by now; never a guest or a disk."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from .._machine.finding import Block, differs
from .._machine.removal import Package, Removal, judged
from .seen import Seen
from .settings import MARK


def judge(seen: Seen, installed: Mapping[str, Package]) -> Removal:
    """Return what to remove of what the record lists."""
    problems = []
    if seen.dom0:
        problems.append(
            "Xen is running, and its tools are needed until the end; return to Linux first with xen_host_boot: linux and "
            "xen_host_reboot: if_needed"
        )
    guests = sorted({*seen.guests, *seen.xendomains.auto, *(seen.running or ())})
    if guests:
        problems.append(
            f"guests are defined: {', '.join(guests)}; remove them first (virtfleet.core.guest with state: absent, or their "
            "files in /etc/xen/auto), or move them to another host"
        )
    return judged(seen.record, installed, seen.networks, problems)


def shown(removal: Removal, seen: Seen) -> dict[str, Any]:
    """Return it for a result, with the parts of the record that are still there."""
    record = seen.record
    return {
        "recorded": bool(record),
        "packages": list(removal.packages),
        "kept": dict(removal.kept),
        "problems": list(removal.problems),
        "files": list(record.get("files", [])),
        "blocks": [path for path in record.get("blocks", []) if differs(seen.files, MARK, Block(path, ""))],
        "users": [name for name in record.get("users", []) if name in seen.members],
        # Where libvirt is gone already, what it knew is gone from its sight too.
        "pools": [name for name in record.get("pools", []) if name in (seen.pools or {})] if seen.programs else [],
        "networks": list(record.get("networks", [])) if seen.programs else [],
        # Where Xen goes too, there is nothing left for it to start.
        "services": [name for name in record.get("services", []) if not removal.packages],
    }
