# Copyright: (c) 2026, the virtfleet.core contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What the module os_info reads, between Ansible's parameters and the host's osinfo-db."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from ._errors import NotFound
from ._facts import Resources, SystemFacts
from ._ports import Files
from ._units import show_size
from ._words import system_word


def read_systems(params: Mapping[str, Any], files: Files) -> Mapping[str, Any]:
    """Return the operating systems for os_info, by their names."""
    if params["name"]:
        found = files.systems(params["name"])
        unknown = [why for why in found.values() if isinstance(why, str)]
        if unknown:
            raise NotFound(f"name: {'; '.join(unknown)}")
        systems = [system for system in found.values() if isinstance(system, SystemFacts)]
    else:
        systems = list(files.all_systems())
    if params["family"]:
        systems = [system for system in systems if system.family in params["family"]]
    return {"systems": [system_result(system) for system in sorted(systems, key=lambda each: each.id)]}


def system_result(system: SystemFacts) -> dict[str, Any]:
    """Return an operating system for a result."""
    return {
        "os": system_word(system.id),
        "id": system.id,
        "short_id": system.short_ids[0] if system.short_ids else system_word(system.id),
        "short_ids": list(system.short_ids),
        "name": system.name,
        "version": system.version,
        "vendor": system.vendor,
        "family": system.family,
        "distro": system.distro,
        "codename": system.codename,
        "status": system.status,
        "release_date": system.released or None,
        "eol_date": system.eol or None,
        "architectures": list(system.architectures),
        "minimum": {arch: _amounts(needs) for arch, needs in sorted(system.minimum.items())},
        "recommended": {arch: _amounts(needs) for arch, needs in sorted(system.recommended.items())},
        "firmware": {arch: list(kinds) for arch, kinds in sorted(system.firmware.items())},
        "devices": sorted(system.devices),
    }


def _amounts(needs: Resources) -> dict[str, Any]:
    sizes = {"memory": needs.memory_bytes, "disk": needs.disk_bytes}
    return {"vcpus": needs.cpus, **{name: None if size is None else show_size(size) for name, size in sizes.items()}}
