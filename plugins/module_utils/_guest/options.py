# Copyright: (c) 2026, the virtfleet.core contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The module options of a guest as an argument spec, and what a guest looks like in results."""

from __future__ import annotations

from typing import Any

from .. import _xml
from .._facts import GuestFacts
from .._table import Field, arguments, observe, show_spec
from .fields.boot import TYPES
from .fields.events import ACTIONS, ON_CRASH
from .seed import POLICIES
from .spec import STATES
from .table import GUEST, LISTS

# Each list of devices, and whether it is the whole of them.
_LISTS: dict[str, Any] = {}
for _keyed in LISTS:
    _LISTS[_keyed.name] = {"type": "list", "elements": "dict", "options": arguments(_keyed)}
    _LISTS[_keyed.exact] = {"type": "bool", "default": False}
GUEST_OPTIONS: dict[str, Any] = {
    "name": {"type": "str", "required": True},
    "state": {"type": "str", "choices": list(STATES), "default": "present"},
    "uuid": {"type": "str"},
    "title": {"type": "str"},
    "description": {"type": "str"},
    "tags": {"type": "list", "elements": "str"},
    "accel": {"type": "str", "choices": ["auto", "kvm", "tcg"]},
    "arch": {"type": "str"},
    "type": {"type": "str", "choices": list(TYPES)},
    "machine": {"type": "str"},
    "firmware": {"type": "str", "choices": ["bios", "efi"]},
    "boot": {"type": "list", "elements": "str", "choices": ["disk", "cdrom", "network", "floppy"]},
    "kernel": {"type": "str"},
    "initrd": {"type": "str"},
    "cmdline": {"type": "str"},
    "bootloader": {"type": "str"},
    "bootloader_args": {"type": "str"},
    "memory": {"type": "str"},
    "memory_max": {"type": "str"},
    "vcpus": {"type": "int"},
    "vcpus_max": {"type": "int"},
    "cpuset": {"type": "str"},
    "topology": {
        "type": "dict",
        "options": {name: {"type": "int"} for name in ("sockets", "dies", "cores", "threads")},
    },
    **_LISTS,
    "on_poweroff": {"type": "str", "choices": list(ACTIONS)},
    "on_reboot": {"type": "str", "choices": list(ACTIONS)},
    "on_crash": {"type": "str", "choices": list(ON_CRASH)},
    "console": {"type": "bool"},
    "console_log": {"type": "str"},
    "agent": {"type": "bool"},
    "autostart": {"type": "bool"},
    "pool": {"type": "str"},
    "cloud_init": {
        "type": "dict",
        "options": {
            "user_data": {"type": "raw", "no_log": True},
            "meta_data": {"type": "dict", "no_log": True},
            "network_config": {"type": "raw", "no_log": True},
            "policy": {"type": "str", "choices": list(POLICIES), "default": "next_boot"},
        },
    },
    "xml_overlay": {
        "type": "list",
        "elements": "dict",
        "options": {"at": {"type": "str"}, "xml": {"type": "str"}, "remove": {"type": "str"}},
    },
}
# What says how a module behaves rather than how the guest is.
RUN_OPTIONS: dict[str, Any] = {
    "wait_for": {"type": "str", "choices": ["agent", "address", "ssh"]},
    "wait_timeout": {"type": "str", "default": "5m"},
    "stop_timeout": {"type": "str", "default": "2m"},
    "force_stop": {"type": "bool", "default": False},
    "restart_policy": {"type": "str", "choices": ["never", "if_needed"], "default": "never"},
    "drift": {"type": "str", "choices": ["report", "revert"], "default": "revert"},
    "confirm_data_loss": {"type": "list", "elements": "str", "default": []},
}


def shown(facts: GuestFacts) -> dict[str, Any]:
    """Return a guest in the user's words: its identity, state and every option that it has a value for."""
    root = _xml.parse(facts.xml)
    unsaid = [row.name for row in GUEST.entries if isinstance(row, Field) and not row.said]
    seen = {name: value for name, value in observe(GUEST, root).items() if name not in unsaid}
    found = show_spec(GUEST, seen, brief=True)
    found.update(name=facts.name, uuid=facts.uuid, state=facts.state, autostart=facts.autostart)
    found.setdefault("tags", [])
    return found
