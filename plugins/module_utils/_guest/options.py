# Copyright: (c) 2026, the virtfleet.core contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The module options of a guest as an argument spec, and what a guest looks like in results."""

from __future__ import annotations

from typing import Any

from .. import _xml
from .._facts import GuestFacts
from .._table import Field, arguments, observe, show_spec
from . import unattend
from .fields.boot import TYPES
from .fields.chardevs import SOURCE_TYPE
from .fields.clock import OFFSETS
from .fields.events import ACTIONS, ON_CRASH
from .fields.identity import ENTRIES
from .fields.launch import KINDS as LAUNCHES
from .fields.memory import MODELS
from .fields.screens import SCREENS, SOUNDS, VIDEOS
from .fields.single import IOMMUS, PANICS, SMARTCARDS, TPMS, WATCHDOG_ACTIONS, WATCHDOGS
from .fields.tuning import LIMITS
from .seed import POLICIES
from .spec import STATES
from .table import GUEST, LISTS

# Each list of devices, and whether it is the whole of them.
_LISTS: dict[str, Any] = {}
for _keyed in LISTS:
    _LISTS[_keyed.name] = {"type": "list", "elements": "dict", "options": arguments(_keyed)}
    _LISTS[_keyed.exact] = {"type": "bool", "default": False}


def _words(*names: str) -> dict[str, Any]:
    return {name: {"type": "str"} for name in names}


def _flags(*names: str) -> dict[str, Any]:
    return {name: {"type": "bool"} for name in names}


def _one_of(*words: str) -> dict[str, Any]:
    return {"type": "str", "choices": list(words)}


CPU = {
    "model": {"type": "str"},
    "features": {"type": "dict"},
    "check": _one_of("none", "partial", "full"),
    "migratable": {"type": "bool"},
    "cache": _one_of("passthrough", "emulate", "disable"),
}
MEMORY_BACKING = {
    **_flags("hugepages", "locked", "nosharepages", "discard"),
    "hugepage_size": {"type": "str"},
    "source": _one_of("anonymous", "file", "memfd"),
    "access": _one_of("private", "shared"),
    "allocation": _one_of("immediate", "ondemand"),
}
MEMBALLOON = {
    "model": _one_of(*MODELS),
    "stats_period": {"type": "int"},
    **_flags("autodeflate", "free_page_reporting"),
}
FEATURES = {
    **_flags("acpi", "apic", "pae", "hap", "smm", "vmport", "pmu", "vmcoreinfo", "kvm_hidden"),
    "ioapic": _one_of("kvm", "qemu"),
    "gic": _one_of("2", "3", "host"),
}
# Devices of which a guest has one, and what else is said of it.
SINGLE: dict[str, Any] = {
    "graphics": {
        "type": "dict",
        "options": {"type": _one_of(*SCREENS, "none"), **_words("listen", "port")},
    },
    "graphics_password": {"type": "str", "no_log": True},
    "video": _one_of(*VIDEOS),
    "sound": _one_of(*SOUNDS, "none"),
    "tablet": {"type": "bool"},
    "spice_agent": {"type": "bool"},
    "watchdog": {
        "type": "dict",
        "options": {"model": _one_of(*WATCHDOGS, "none"), "action": _one_of(*WATCHDOG_ACTIONS)},
    },
    "rng": {"type": "dict", "options": _words("source", "rate")},
    "tpm": {
        "type": "dict",
        "options": {
            "model": _one_of(*TPMS, "none"),
            "type": _one_of("emulator", "passthrough"),
            "version": _one_of("1.2", "2.0"),
            "device": {"type": "path"},
        },
    },
    "panic": _one_of(*PANICS, "none"),
    "vsock": {"type": "str"},
    "smartcard": _one_of(*SMARTCARDS, "none"),
    "iommu": _one_of(*IOMMUS, "none"),
    "memballoon": {"type": "dict", "options": MEMBALLOON},
    "launch_security": {
        "type": "dict",
        "options": {
            "type": _one_of(*LAUNCHES, "none"),
            "policy": {"type": "str"},
            "kernel_hashes": {"type": "bool"},
            "cbitpos": {"type": "int"},
            "reduced_phys_bits": {"type": "int"},
            "session": {"type": "str"},
            "dh_cert": {"type": "str"},
        },
    },
}
TUNING: dict[str, Any] = {
    "vcpu_pins": {"type": "dict"},
    "emulator_pin": {"type": "str"},
    "iothreads": {"type": "int"},
    "iothread_pins": {"type": "dict"},
    "cputune": {"type": "dict", "options": {"shares": {"type": "int"}, **_words(*LIMITS)}},
    "numatune": {
        "type": "dict",
        "options": {"mode": _one_of("strict", "preferred", "interleave", "restrictive"), "nodeset": {"type": "str"}},
    },
    "blkio_weight": {"type": "int"},
    "memtune": {"type": "dict", "options": _words("hard_limit", "soft_limit", "swap_hard_limit")},
    "memory_backing": {"type": "dict", "options": MEMORY_BACKING},
}
MACHINE: dict[str, Any] = {
    "features": {"type": "dict", "options": FEATURES},
    "hyperv": {"type": "raw"},
    "clock": {
        "type": "dict",
        "options": {"offset": _one_of(*OFFSETS), "timezone": {"type": "str"}, "timers": {"type": "dict"}},
    },
    "pm": {"type": "dict", "options": _flags("suspend_to_mem", "suspend_to_disk")},
    "boot_menu": {"type": "bool"},
    "secure_boot": {"type": "bool"},
    "sysinfo": {
        "type": "dict",
        "options": {**_words(*ENTRIES), "oem_strings": {"type": "list", "elements": "str"}},
    },
    "qemu_commandline": {
        "type": "dict",
        "options": {"args": {"type": "list", "elements": "str"}, "env": {"type": "dict"}},
    },
}
GUEST_OPTIONS: dict[str, Any] = {
    "name": {"type": "str", "required": True},
    "state": {"type": "str", "choices": list(STATES), "default": "present"},
    "uuid": {"type": "str"},
    "title": {"type": "str"},
    "description": {"type": "str"},
    "tags": {"type": "list", "elements": "str"},
    "os": {"type": "str"},
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
    "memory_slots": {"type": "int"},
    "memory_hotplug_max": {"type": "str"},
    "vcpus": {"type": "int"},
    "vcpus_max": {"type": "int"},
    "cpuset": {"type": "str"},
    "topology": {
        "type": "dict",
        "options": {name: {"type": "int"} for name in ("sockets", "dies", "cores", "threads")},
    },
    "cpu": {"type": "dict", "options": CPU},
    "numa": {"type": "list", "elements": "dict", "options": _words("cpus", "memory")},
    **TUNING,
    **MACHINE,
    **SINGLE,
    **_LISTS,
    "on_poweroff": {"type": "str", "choices": list(ACTIONS)},
    "on_reboot": {"type": "str", "choices": list(ACTIONS)},
    "on_crash": {"type": "str", "choices": list(ON_CRASH)},
    "console": {"type": "bool"},
    "console_log": {"type": "str"},
    "console_source": SOURCE_TYPE.argument,
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
    "unattend": {
        "type": "dict",
        "options": {
            **_words("computer_name", "edition", "locale", "keyboard", "timezone", "organization"),
            "product_key": {"type": "str", "no_log": True},
            "admin_password": {"type": "str", "no_log": True},
            "user": {
                "type": "dict",
                "options": {**_words("name", "group"), "password": {"type": "str", "no_log": True}},
            },
            "layout": _one_of("efi", "bios"),
            "drivers": {"type": "list", "elements": "str"},
            "autologon": {"type": "int"},
            "first_logon_commands": {"type": "list", "elements": "str", "no_log": True},
            "answer_file": {"type": "str", "no_log": True},
            "policy": {**_one_of(*unattend.POLICIES), "default": "next_boot"},
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
