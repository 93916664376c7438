# Copyright: (c) 2026, the virtfleet.core contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The peer: community.libvirt's module virt in a loop, as its users write it.

It comes with the package ansible, in an environment of its own whose name holds its pins (tools/requirements/peers.txt).
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import cache
from pathlib import Path

from benchmarks.estate import play_task
from benchmarks.measure import ROOT, Cost
from tools.dev import pythons, venvs
from tools.dev.errors import ToolError

NAME = "community.libvirt.virt in a loop"


@cache
def python() -> Path | str:
    """Return the interpreter of the peers' environment, made if it is not there; or why there is none."""
    try:
        return venvs.ensure(ROOT, pythons.pairs(ROOT)["main"], "peers") / "bin" / "python"
    except (ToolError, KeyError) as error:
        return (str(error).splitlines() or ["there is no Python for it"])[0]


def define(uri: str, definitions: Sequence[str]) -> Cost | str:
    """Define guests by one task; return why where the peer cannot be had."""
    found = python()
    if isinstance(found, str):
        return found
    module = {"uri": uri, "command": "define", "xml": "{{ item }}"}
    task = {
        "community.libvirt.virt": module,
        "loop": list(definitions),
        "loop_control": {"label": "{{ ansible_loop_var }}"},
    }
    return play_task(task, {"PATH": f"{found.parent}:/usr/sbin:/usr/bin:/sbin:/bin", "HOME": str(Path.home())}, found)
