# Copyright: (c) 2026, the virtfleet.core contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The storage pools, directories, that a host is to have, and libvirt's networks."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from .seen import Machine

NETWORKS = ("none", "default")
# Where the package of libvirt makes a folder for disks, and where its AppArmor profile expects them.
IMAGES = "/var/lib/libvirt/images"
# The pool that is made there.
DEFAULT = "default"
POOLS: dict[str, Any] = {
    "type": "list",
    "elements": "dict",
    "default": [],
    "options": {
        "name": {"type": "str", "required": True},
        "path": {"type": "str"},
        "any_guest": {"type": "bool", "default": False},
    },
}

# What would mean something else than itself in a profile of AppArmor.
_PLAIN_PATH = re.compile(r"/[A-Za-z0-9_@%+=:,./ -]*")


@dataclass(frozen=True)
class Pool:
    """One storage pool. ``any_guest`` lets every guest into all of it, as far as AppArmor is concerned."""

    name: str
    path: str | None = None
    any_guest: bool = False


def parse_pools(given: list[Mapping[str, Any]], problems: list[str]) -> tuple[Pool, ...]:
    """Return the pools that the option says; complaints go to ``problems``."""
    found = []
    for entry in given:
        name, path = entry["name"], entry.get("path")
        if path is not None:
            plain = _PLAIN_PATH.fullmatch(path) is not None and "/../" not in f"{path}/"
            if not plain or path.rstrip("/") == "":
                problems.append(
                    f"pools.{name}.path: {path!r} must be an absolute path of plain letters, digits, blanks and _@%+=:,.-/"
                )
                continue
            path = path.rstrip("/")
        found.append(Pool(name, path, entry.get("any_guest", False)))
    names = [pool.name for pool in found]
    problems += [f"pools.{name}: it is there twice" for name in sorted({n for n in names if names.count(n) > 1})]
    return tuple(found)


def path_of(seen: Machine, pool: Pool) -> str | None:
    """Return where a pool is to be: an existing one stays where it is when nothing else was said."""
    if pool.path is not None or seen.pools is None or pool.name in seen.pools:
        return pool.path
    return IMAGES if pool.name == DEFAULT else None


def served(seen: Machine, pool: Pool) -> str | None:
    """Return the pool of another name that has the place where ``default`` would be made, and so does its service."""
    if pool.name != DEFAULT or pool.path is not None or seen.pools is None or pool.name in seen.pools:
        return None
    return next((name for name, path in seen.pools.items() if path.rstrip("/") == IMAGES), None)
