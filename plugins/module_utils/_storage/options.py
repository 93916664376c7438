# Copyright: (c) 2026, the virtfleet.core contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The module options of a pool as an argument spec, and what pools and volumes look like in results."""

from __future__ import annotations

from typing import Any

from .. import _xml
from .._facts import PoolFacts, VolumeFacts
from .._table import observe, show_spec
from .kinds import PERMISSIONS, TYPES
from .spec import STATES
from .table import POOL, SOURCE

POOL_OPTIONS: dict[str, Any] = {
    "name": {"type": "str", "required": True},
    "state": {"type": "str", "choices": list(STATES), "default": "present"},
    "type": {"type": "str", "choices": list(TYPES)},
    "path": {"type": "str"},
    "source_hosts": {"type": "list", "elements": "str"},
    "source_path": {"type": "str"},
    "source_devices": {"type": "list", "elements": "str"},
    "source_name": {"type": "str"},
    "source_adapter": {"type": "str"},
    "source_format": {"type": "str"},
    "source_version": {"type": "str"},
    "source_initiator": {"type": "str"},
    "auth_username": {"type": "str"},
    # The name of a secret of libvirt, not what it holds.
    "auth_secret": {"type": "str", "no_log": False},
    "mode": {"type": "raw"},
    "owner": {"type": "str"},
    "group": {"type": "str"},
    "autostart": {"type": "bool"},
    "remove_directory": {"type": "bool", "default": False},
    "build": {"type": "bool", "default": False},
}
RUN_OPTIONS: dict[str, Any] = {"confirm_data_loss": {"type": "list", "elements": "str", "default": []}}


def shown(facts: PoolFacts) -> dict[str, Any]:
    """Return one pool in the words of the module's options; sizes in bytes, 0 while it is inactive."""
    options = show_spec(POOL, observe(POOL, _xml.parse(facts.xml)))
    return {
        "name": facts.name,
        "uuid": facts.uuid,
        "type": facts.type,
        "path": facts.path,
        "state": "active" if facts.active else "inactive",
        "autostart": facts.autostart,
        **{name: options[name] for name in (*(row.name for row in SOURCE), *PERMISSIONS) if name in options},
        "capacity_bytes": facts.capacity_bytes,
        "allocation_bytes": facts.allocation_bytes,
        "available_bytes": facts.available_bytes,
    }


def shown_volume(facts: VolumeFacts) -> dict[str, Any]:
    """Return one volume for a result; sizes in bytes."""
    return {
        "name": facts.name,
        "path": facts.path,
        "format": facts.format,
        "capacity_bytes": facts.capacity_bytes,
        "allocation_bytes": facts.allocation_bytes,
        "backing": facts.backing,
    }
