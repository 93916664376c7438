# Copyright: (c) 2026, the virtfleet.core contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Plays tasks on the lab's Xen host: Ansible on this side, by ssh, as on anybody's."""

from __future__ import annotations

import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tests.integration.playing import Controller, Results
from tests.lab.vm import VM

URI = "xen:///system"


@dataclass(frozen=True)
class XenPlayer:
    """Plays tasks on a dom0."""

    dom0: VM
    folder: Path

    def __call__(self, tasks: Sequence[Mapping[str, Any]], *args: str, fails: bool = False, timeout: float = 900) -> Results:
        """Play the tasks; unless ``fails``, every one of them must succeed. Return their results."""
        play = {
            "hosts": "hypervisors",
            "gather_facts": False,
            "tasks": list(tasks),
            "module_defaults": {"group/virtfleet.core.virtfleet": {"uri": URI}},
        }
        return self.controller([play], *args, fails=fails, timeout=timeout)

    def afar(self, tasks: Sequence[Mapping[str, Any]], *args: str, timeout: float = 900) -> Results:
        """Play the tasks on this side, over libvirt's connection by ssh: an emulated host takes twenty seconds for a task."""
        play = {
            "hosts": "localhost",
            "connection": "local",
            "gather_facts": False,
            "vars": {"ansible_python_interpreter": sys.executable},
            "tasks": list(tasks),
            "module_defaults": {"group/virtfleet.core.virtfleet": {"uri": self.dom0.uri}},
        }
        return self.controller([play], *args, timeout=timeout)

    @property
    def controller(self) -> Controller:
        """What plays whole playbooks on it."""
        return Controller([self.dom0], self.folder)  # type: ignore[list-item]

    def virsh(self, *words: str, check: bool = True) -> str:
        """Return what virsh prints in dom0."""
        return str(self.dom0.exec(["virsh", "-c", URI, *words], check=check, timeout=120).stdout)
