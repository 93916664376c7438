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
  - C(/bin/sh) in the guest, so Linux or another Unix; Windows guests are not supported
notes:
  - Each command costs two or three exchanges with the agent, some 50 ms. Pipelining is on by default, since it saves
    several of them for each module.
  - Some distributions forbid the agent to run commands. Allow C(guest-exec) and C(guest-exec-status) in the guest.
    On Debian and Ubuntu they are allowed unless C(block-rpcs) in C(/etc/qemu/qemu-ga.conf) or C(DAEMON_ARGS) in
    C(/etc/default/qemu-guest-agent) says otherwise. On the Red Hat family they are in C(BLACKLIST_RPC) or missing in
    C(FILTER_RPC_ARGS) of C(/etc/sysconfig/qemu-ga). Restart the agent after a change.
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

from pathlib import Path
from typing import Any

from ansible.errors import AnsibleConnectionFailure, AnsibleError, AnsibleFileNotFound
from ansible.module_utils.common.text.converters import to_text
from ansible.plugins.connection import ConnectionBase
from ansible.utils.display import Display

from ansible_collections.virtfleet.core.plugins.module_utils._errors import HostError, SpecError, VirtError
from ansible_collections.virtfleet.core.plugins.module_utils._libvirt import Libvirt
from ansible_collections.virtfleet.core.plugins.module_utils._units import parse_duration
from ansible_collections.virtfleet.core.plugins.plugin_utils._agent import Agent, CommandTimeout, NoSuchFile

display = Display()


class Connection(ConnectionBase):
    """One guest, reached through its agent."""

    transport = "virtfleet.core.agent"
    has_pipelining = True

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self._connected = False
        self._hypervisor: Libvirt | None = None
        self._agent: Agent | None = None

    def _connect(self) -> Connection:
        """Open the connection to libvirt, and find out whether the guest's agent answers."""
        if self._connected:
            return self
        guest, uri = self.get_option("guest"), self.get_option("uri")
        display.vvv(f"reach {guest} by its agent over {uri}", host=guest)
        try:
            hypervisor = self._hypervisor = Libvirt.connect(uri)
            agent = self._agent = Agent(
                lambda command, seconds: hypervisor.agent_command(guest, command, seconds),
                guest,
                answer_timeout=parse_duration(self.get_option("agent_timeout")),
                poll_interval=max(0.001, self.get_option("poll_interval")),
            )
            agent.ping()
        except SpecError as error:
            raise AnsibleError(str(error)) from None
        except VirtError as error:
            self.close()
            raise AnsibleConnectionFailure(str(error)) from None
        self._connected = True
        return self

    def exec_command(self, cmd: str, in_data: bytes | None = None, sudoable: bool = True) -> tuple[int, bytes, bytes]:
        """Run a command line in the guest; return its exit code, output and error output."""
        super().exec_command(cmd, in_data=in_data, sudoable=sudoable)
        display.vvv(f"run {cmd}", host=self.get_option("guest"))
        try:
            limit = parse_duration(self.get_option("command_timeout"))
            done = self._reached().run(to_text(cmd, errors="surrogate_or_strict"), in_data, limit)
        except VirtError as error:
            raise _told(error) from None
        return done.rc, done.stdout, done.stderr

    def put_file(self, in_path: str, out_path: str) -> None:
        """Copy a file of the controller into the guest."""
        super().put_file(in_path, out_path)
        display.vvv(f"put {in_path} to {out_path}", host=self.get_option("guest"))
        source = Path(to_text(in_path, errors="surrogate_or_strict"))
        if not source.is_file():
            raise AnsibleFileNotFound(f"could not copy {source} into the guest: there is no such file here")
        try:
            with source.open("rb") as stream:
                self._reached().put(stream, to_text(out_path, errors="surrogate_or_strict"))
        except VirtError as error:
            raise _told(error) from None

    def fetch_file(self, in_path: str, out_path: str) -> None:
        """Copy a file of the guest to the controller."""
        super().fetch_file(in_path, out_path)
        display.vvv(f"fetch {in_path} to {out_path}", host=self.get_option("guest"))
        try:
            with Path(to_text(out_path, errors="surrogate_or_strict")).open("wb") as stream:
                self._reached().fetch(to_text(in_path, errors="surrogate_or_strict"), stream)
        except VirtError as error:
            raise _told(error) from None

    def _reached(self) -> Agent:
        if self._agent is None:
            raise AnsibleConnectionFailure("the connection to the guest's agent is closed")
        return self._agent

    def reset(self) -> None:
        """Connect anew, as after a reboot of the guest."""
        self.close()
        self._connect()

    def close(self) -> None:
        """Let go of libvirt."""
        if self._hypervisor is not None:
            self._hypervisor.close()
        self._hypervisor = self._agent = None
        self._connected = False


# Ansible prints an error's cause behind it, and a VirtError says all there is: hence `from None` above.
def _told(error: VirtError) -> AnsibleError:
    """Return Ansible's kind of error: a guest that cannot be reached is not a task that failed."""
    if isinstance(error, (CommandTimeout, NoSuchFile, HostError, SpecError)):
        return AnsibleError(str(error))
    return AnsibleConnectionFailure(str(error))
