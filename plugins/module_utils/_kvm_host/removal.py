# Copyright: (c) 2026, the virtfleet.core contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Take away what the role has added, as far as nobody else needs it by now."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

from .._machine.finding import Block, differs
from .._machine.removal import Package, Removal, judged
from .seen import Seen
from .settings import HUGEPAGES_FILE, MARK


def judge(seen: Seen, installed: Mapping[str, Package]) -> Removal:
    """Return what to remove of what the record lists."""
    problems = []
    if seen.guests:
        problems.append(
            f"guests are defined: {', '.join(seen.guests)}; remove them first (virtfleet.core.guest with state: absent), or "
            "move them to another host"
        )
    return judged(seen.record, installed, seen.networks, problems)


def shown(removal: Removal, seen: Seen) -> dict[str, Any]:
    """Return it for a result, with the parts of the record that are still there."""
    record = seen.record
    text = seen.files.get(HUGEPAGES_FILE) if HUGEPAGES_FILE in record.get("files", []) else None
    return {
        "recorded": bool(record),
        "packages": list(removal.packages),
        "kept": dict(removal.kept),
        "problems": list(removal.problems),
        "files": list(record.get("files", [])),
        "blocks": [path for path in record.get("blocks", []) if differs(seen.files, MARK, Block(path, ""))],
        "users": [name for name in record.get("users", []) if name in seen.members],
        "pages": re.findall(r"^w (\S+)", text or "", re.MULTILINE),
        # Where libvirt is gone already, what it knew is gone from its sight too.
        "pools": [name for name in record.get("pools", []) if name in (seen.pools or {})] if _libvirt(seen) else [],
        "networks": [name for name in record.get("networks", []) if _libvirt(seen)],
        "sockets": [
            unit for unit in (f"{front}-{way}.socket" for front in ("libvirtd", "virtproxyd") for way in ("tls", "tcp"))
            if unit in seen.units and seen.units[unit].in_use and record.get("remote")
        ],
    }


def _libvirt(seen: Seen) -> bool:
    return bool(seen.programs & {"libvirtd", "virtqemud"})
