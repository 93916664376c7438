# Copyright: (c) 2026, the virtfleet.core contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What a guest's agent tells of its guest, in one shape whatever the agent is. Pure: answers in, values out.

The answers were made inside the guest: what has not the expected shape is left out, and there is an end to everything.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from typing import Any

from ._libvirt_read import agent_addresses

COMMANDS = (
    "guest-get-host-name",
    "guest-get-osinfo",
    "guest-get-users",
    "guest-get-fsinfo",
    "guest-network-get-interfaces",
)
LIMIT_ITEMS = 256
LIMIT_TEXT = 1024


def view(answers: Mapping[str, Any]) -> dict[str, Any]:
    """Return what agents answered to COMMANDS, for a result; what one did not tell is None or empty."""
    system = answers.get("guest-get-osinfo")
    interfaces = agent_addresses(json.dumps({"return": answers.get("guest-network-get-interfaces")}))
    return {
        "hostname": _text(answers.get("guest-get-host-name"), "host-name"),
        "os": {
            "id": _text(system, "id"),
            "name": _text(system, "pretty-name") or _text(system, "name"),
            "version": _text(system, "version-id"),
            "kernel": _text(system, "kernel-release"),
            "machine": _text(system, "machine"),
        },
        "users": [
            {"name": _text(user, "user"), "domain": _text(user, "domain"), "since": _number(user, "login-time")}
            for user in _items(answers.get("guest-get-users"))
        ],
        "filesystems": [
            {
                "mountpoint": _text(each, "mountpoint"),
                "device": _text(each, "name"),
                "type": _text(each, "type"),
                "total_bytes": _number(each, "total-bytes"),
                "used_bytes": _number(each, "used-bytes"),
            }
            for each in _items(answers.get("guest-get-fsinfo"))
        ],
        "interfaces": [
            {**each, "name": each["name"][:LIMIT_TEXT], "addresses": each["addresses"][:LIMIT_ITEMS]}
            for each in interfaces[:LIMIT_ITEMS]
        ],
    }


def _items(value: Any) -> Sequence[Any]:
    return [each for each in value[:LIMIT_ITEMS] if isinstance(each, Mapping)] if isinstance(value, list) else []


def _text(value: Any, key: str) -> str | None:
    found = value.get(key) if isinstance(value, Mapping) else None
    return found[:LIMIT_TEXT] if isinstance(found, str) else None


def _number(value: Any, key: str) -> int | None:
    found = value.get(key) if isinstance(value, Mapping) else None
    return int(found) if isinstance(found, (int, float)) and not isinstance(found, bool) and abs(found) < 2**63 else None
