# Copyright: (c) 2026, the virtfleet.core contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The types of pools, and what is said of each (libvirt, formatstorage and storage). Pure.

The directory of a pool that is one, or on which one is mounted, is made. A file system, a volume group or a partition table
is made where the user says so, on devices that hold nothing or with consent; else it is taken as it is.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

PERMISSIONS = ("mode", "owner", "group")
AUTH = ("auth_username", "auth_secret")
# What libvirt takes one of.
_SINGLE = {"source_hosts": ("netfs", "iscsi", "iscsi-direct", "gluster"), "source_devices": ("fs", "disk", "iscsi", "iscsi-direct")}


@dataclass(frozen=True)
class Kind:
    """What a pool of one type must say, and what it may say besides. ``builds``: its directory is made.

    ``formats``: what must be said to have libvirt make what is on its devices; None where it cannot.
    """

    needs: tuple[str, ...]
    takes: tuple[str, ...] = ()
    builds: bool = False
    formats: tuple[str, ...] | None = None


KINDS: dict[str, Kind] = {
    "dir": Kind(("path",), PERMISSIONS, builds=True),
    "fs": Kind(("path", "source_devices"), ("source_format",), builds=True, formats=("source_format",)),
    "netfs": Kind(("path", "source_hosts", "source_path"), ("source_format", "source_version"), builds=True),
    "logical": Kind((), ("source_name", "source_devices", "source_format"), formats=("source_devices",)),
    "disk": Kind(("path", "source_devices"), ("source_format",), formats=("source_format",)),
    "iscsi": Kind(("path", "source_hosts", "source_devices"), ("source_initiator", *AUTH)),
    "iscsi-direct": Kind(("source_hosts", "source_devices", "source_initiator"), AUTH),
    "scsi": Kind(("path", "source_adapter")),
    "mpath": Kind(("path",)),
    "rbd": Kind(("source_name", "source_hosts"), AUTH),
    "gluster": Kind(("source_name", "source_hosts"), ("source_path",)),
    "zfs": Kind(("source_name",), ("source_devices",)),
}
TYPES = tuple(KINDS)
# Two pools of these cannot have one directory; below /dev every pool of devices may look into the same one.
OWN_DIRECTORY = ("dir", "fs", "netfs")


def foreign(kind: str, values: Mapping[str, Any]) -> list[str]:
    """Return complaints about what a pool of this type has not, or has not so many of."""
    known = KINDS[kind]
    problems = [
        f"{option}: a pool of type {kind} has none; it has {', '.join((*known.needs, *known.takes))}"
        for option in values
        if option != "type" and option not in (*known.needs, *known.takes)
    ]
    problems += [
        f"{option}: a pool of type {kind} has exactly one"
        for option, kinds in _SINGLE.items()
        if kind in kinds and option in values and len(values[option]) != 1
    ]
    return problems


def missing(kind: str, values: Mapping[str, Any]) -> list[str]:
    """Return what a new pool of this type still needs."""
    wanted = list(KINDS[kind].needs)
    if any(option in values for option in AUTH):
        wanted += AUTH
    return [option for option in wanted if option not in values]


def unformatted(kind: str, values: Mapping[str, Any]) -> list[str]:
    """Return complaints about a build of what is on the devices of a pool of this type."""
    wanted = KINDS[kind].formats
    if wanted is None:
        kinds = [name for name, known in KINDS.items() if known.formats is not None]
        return [f"build: goes with type {', '.join(kinds[:-1])} or {kinds[-1]}, not with {kind}"]
    return [f"{option}: is missing; build needs it to know what to make" for option in wanted if option not in values]
