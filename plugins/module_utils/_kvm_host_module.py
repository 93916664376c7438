# Copyright: (c) 2026, the virtfleet.core contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What the module kvm_host_info reads, between Ansible's parameters and the judgement."""
from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict
from typing import Any

from . import _kvm_host_look
from ._kvm_host import judge, removal, wants
from ._kvm_host.settings import MARK
from ._machine.finding import warnings
from ._machine_look import installed
from ._programs import RunCommand


def read_kvm_host(params: Mapping[str, Any], run_command: RunCommand) -> Mapping[str, Any]:
    """Return what the machine is and lacks as a KVM host."""
    wanted = wants.parse(params)
    seen = _kvm_host_look.look(run_command, wanted)
    found = judge.judge(seen, wanted)
    result: dict[str, Any] = {
        "kvm_host": {
            "system": found.system,
            "systemd": seen.systemd,
            "stack": found.stack,
            "missing": list(found.missing),
            "absent": list(found.packages.absent),
            "daemons": {
                "kind": found.daemons.kind,
                "services": list(found.daemons.services),
                "units": list(found.daemons.units),
                "start": list(found.daemons.start),
                "front": found.daemons.front,
            },
            "todo": asdict(found.todo),
            "busy": _busy(found),
            "pools": [dict(pool) for pool in found.pools],
            "network_autostarts": "default" in seen.autostart,
            "guests": list(seen.guests),
            "record": dict(seen.record),
            "record_wanted": dict(found.record),
            "mark": f"# {{mark}} {MARK}",
        },
        "findings": [asdict(finding) for finding in found.findings],
        "refusals": list(found.refusals),
    }
    result["kvm_host"]["warnings"] = warnings(found.findings, _MENDED)
    if wanted.removal:
        going = removal.judge(seen, installed(run_command))
        result["kvm_host"]["removal"] = removal.shown(going, seen)
    return result


def _busy(found: judge.Judgement) -> dict[str, bool]:
    """Tell for each part of the role whether it has something to do."""
    todo = found.todo
    return {
        "packages": bool(found.missing),
        "settings": bool(
            todo.users or todo.nested or todo.reload or todo.hugepages or todo.pages or todo.apparmor
        ),
        "daemons": bool(found.daemons.units or found.daemons.start or todo.device),
        "remote": bool(todo.certificates or todo.conf or todo.open or todo.shut or todo.listen),
    }


# The role is about to see to these, so that they are no news.
_MENDED = ("packages", "daemons")
