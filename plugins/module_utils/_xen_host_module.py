# Copyright: (c) 2026, the virtfleet.core contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What the module xen_host_info reads, between Ansible's parameters and the judgement."""
from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict
from typing import Any

from . import _xen_host_look
from ._machine.finding import warnings
from ._machine_look import installed
from ._programs import RunCommand
from ._xen_host import judge, removal, wants
from ._xen_host.seen import Seen
from ._xen_host.settings import MARK

# The role is about to see to these, or says them by itself, so that they are no news.
_MENDED = ("packages", "daemons", "boot")


def read_xen_host(params: Mapping[str, Any], run_command: RunCommand) -> Mapping[str, Any]:
    """Return what the machine is and lacks as a Xen host."""
    wanted = wants.parse(params)
    seen = _xen_host_look.look(run_command, wanted)
    found = judge.judge(seen, wanted)
    result: dict[str, Any] = {
        "xen_host": {
            "system": found.system,
            "missing": list(found.missing),
            "absent": list(found.packages.absent),
            "apt": found.apt,
            "toolstack": "libvirt" if wanted.libvirt else "xl",
            "daemons": {
                "kind": found.daemons.kind,
                "services": list(found.daemons.services),
                "units": list(found.daemons.units),
            },
            "todo": asdict(found.todo),
            "busy": _busy(found),
            "boot": {
                **asdict(found.boot),
                "pending": list(found.boot.pending),
                "unread": list(found.boot.unread),
                "why_not": judge.why_not(seen, found.boot),
            },
            "pools": [dict(pool) for pool in found.pools],
            "waiting": list(found.waiting),
            "xen": _xen(seen),
            "abilities": list(found.abilities) if found.abilities is not None else None,
            "libvirt_version": seen.libvirt_version,
            "guests": list(seen.guests),
            "strangers": list(seen.strangers),
            "carry_over": list(found.carry_over),
            "record": dict(seen.record),
            "record_wanted": dict(found.record),
            "mark": f"# {{mark}} {MARK}",
        },
        "findings": [asdict(finding) for finding in found.findings],
        "refusals": list(found.refusals),
    }
    result["xen_host"]["warnings"] = warnings(found.findings, _MENDED)
    if wanted.removal:
        going = removal.judge(seen, installed(run_command))
        result["xen_host"]["removal"] = removal.shown(going, seen)
    return result


def _busy(found: judge.Judgement) -> dict[str, bool]:
    """Tell for each part of the role whether it has something to do."""
    todo = found.todo
    return {
        "packages": bool(found.missing or found.apt),
        "boot": bool(todo.grub or todo.menu),
        "settings": bool(todo.users or todo.modules or todo.loop or todo.conf),
        "xendomains": todo.xendomains,
        "daemons": bool(found.daemons.units),
    }


def _xen(seen: Seen) -> dict[str, Any] | None:
    """Return what runs below; None without Xen, or where only root could ask."""
    info = seen.info
    if not info:
        return None
    return {
        "version": f"{info.get('xen_major', '')}.{info.get('xen_minor', '')}{info.get('xen_extra', '')}",
        "scheduler": info.get("xen_scheduler", ""),
        "options": info.get("xen_commandline", ""),
        "cpus": int(info.get("nr_cpus", 0)),
        "memory_bytes": int(info.get("total_memory", 0)) * wants.MIB,
        "memory_available_bytes": int(info.get("free_memory", 0)) * wants.MIB,
        "dom0_memory_bytes": seen.dom0_memory * wants.MIB if seen.dom0_memory is not None else None,
    }
