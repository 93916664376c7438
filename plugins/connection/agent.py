# Copyright: (c) 2026, the virtfleet.core contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Reach guests without their network, through the QEMU guest agent."""
from __future__ import annotations

DOCUMENTATION = r"""
name: agent
short_description: Run tasks in guests through the QEMU guest agent
version_added: 0.1.0
description:
  - Runs commands in a guest and moves files by the guest's QEMU agent, which libvirt reaches over a virtio channel.
    The guest needs no network, no SSH server and no account, and for M(ansible.builtin.raw) no Python.
  - Commands run as the user that the agent runs as, which is root. C(become) to another user works with C(su) and
    C(sudo), which ask root for no password.
author:
  - The virtfleet.core contributors (@virtfleet)
requirements:
  - libvirt-python on the controller, which is python3-libvirt on Debian and Ubuntu, or from PyPI for an Ansible that
    has a Python of its own
  - a running guest with an agent channel (O(virtfleet.core.guest#module:agent)) and qemu-guest-agent installed in it
  - in the guest C(/bin/sh), so Linux or another Unix; or Windows with PowerShell, said by C(ansible_shell_type=powershell)
notes:
  - Each command costs two or three exchanges with the agent, some 50 ms. Pipelining is on by default, since it saves
    several of them for each module.
  - Files that get smaller by it go into the guest packed, where it has C(gzip). What is packed already goes as it is.
  - Some distributions forbid the agent to run commands and to touch files. Allow C(guest-exec), C(guest-exec-status) and
    C(guest-file-open), C(guest-file-read), C(guest-file-write), C(guest-file-close) in the guest.
    On Debian and Ubuntu they are allowed unless C(block-rpcs) in C(/etc/qemu/qemu-ga.conf) or C(DAEMON_ARGS) in
    C(/etc/default/qemu-guest-agent) says otherwise. On the Red Hat family they are in C(BLACKLIST_RPC) or missing in
    C(FILTER_RPC_ARGS) of C(/etc/sysconfig/qemu-ga). Restart the agent after a change.
  - Windows guests were not tried on a real Windows, only against an agent of the tests. Commands run as SYSTEM there; set
    C(ansible_shell_type=powershell) for them, and use the C(win_) modules.
  - Anyone who may use the libvirt connection read-write is root in every guest that allows this.
options:
  uri:
    description:
      - The libvirt connection of the hypervisor that the guest runs on, as seen from the controller.
    type: str
    default: qemu:///system
    vars:
      - name: virt_uri
      - name: ansible_virtfleet_uri
  guest:
    description:
      - The guest's name on its hypervisor.
    type: str
    default: inventory_hostname
    vars:
      - name: inventory_hostname
      - name: ansible_virtfleet_guest
  command_timeout:
    description:
      - How long one command may run, in seconds or with a unit, such as V(90s) or V(2h). V(0) is no limit.
      - A command that takes longer is ended together with all that it has started, and the task fails.
    type: str
    default: 1h
    vars:
      - name: ansible_virtfleet_command_timeout
  agent_timeout:
    description:
      - How long one answer of the agent may take, in seconds or with a unit. A guest whose agent is silent for longer
        is unreachable.
    type: str
    default: 10s
    vars:
      - name: ansible_virtfleet_agent_timeout
  poll_interval:
    description:
      - The first pause in seconds between two looks whether a command has ended. The pauses grow to a tenth of the
        time that it has run, and to one second at most.
    type: float
    default: 0.02
    vars:
      - name: ansible_virtfleet_poll_interval
  pipelining:
    description:
      - Send modules to the guest's Python directly instead of by a temporary file.
    type: bool
    default: true
    env:
      - name: ANSIBLE_PIPELINING
    vars:
      - name: ansible_pipelining
seealso:
  - plugin: virtfleet.core.guests
    plugin_type: inventory
    description: Lists the guests, which this connection then reaches.
  - module: virtfleet.core.guest
"""

EXAMPLES = r"""
# A look inside a guest that has no Python, and no network
- name: Look inside a guest
  hosts: web1
  gather_facts: false
  vars:
    ansible_connection: virtfleet.core.agent
    ansible_virtfleet_uri: qemu+ssh://root@hv1.example/system
  tasks:
    - name: Look inside
      ansible.builtin.raw: uname -a; uptime
      changed_when: false
"""

from typing import Any

from ansible_collections.virtfleet.core.plugins.module_utils._libvirt import Libvirt
from ansible_collections.virtfleet.core.plugins.module_utils._units import parse_duration
from ansible_collections.virtfleet.core.plugins.plugin_utils._agent import Agent
from ansible_collections.virtfleet.core.plugins.plugin_utils._agent_windows import WindowsAgent
from ansible_collections.virtfleet.core.plugins.plugin_utils._guest_connection import GuestConnection


class Connection(GuestConnection):
    """One guest, reached through its agent."""

    transport = "virtfleet.core.agent"
    way = "agent"

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self._windows = bool(getattr(self._shell, "_IS_WINDOWS", False))
        if self._windows:
            # As Ansible's own connections to Windows have it.
            self.always_pipeline_modules = True
            self.has_native_async = True
            self.module_implementation_preferences = (".ps1", ".exe", "")
            self.allow_executable = False

    def _reach(self, guest: str, uri: str) -> Agent:
        """Open the connection to libvirt, and find out whether the guest's agent answers."""
        timeout = parse_duration(self.get_option("agent_timeout"))
        pause = max(0.001, self.get_option("poll_interval"))
        hypervisor = Libvirt.connect(uri)
        self._open.callback(hypervisor.close)
        kind = WindowsAgent if self._windows else Agent
        agent = kind(lambda command, seconds: hypervisor.agent_command(guest, command, seconds), guest, timeout, pause)
        agent.ping()
        self._open.callback(agent.leave)
        return agent
