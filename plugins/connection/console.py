# Copyright: (c) 2026, the virtfleet.core contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Reach guests that have neither a network nor an agent, through their serial console."""
from __future__ import annotations

DOCUMENTATION = r"""
name: console
short_description: Run tasks in guests over their serial console
version_added: 0.1.0
description:
  - Logs in on a guest's serial console, which libvirt hands through, and runs commands in the shell behind it. This is the last
    resort, for a guest whose network and agent are broken; P(virtfleet.core.agent#connection) is the better way.
  - It waits while the guest boots, answers the prompts for user and password, and uses a shell that is open already. Messages of
    the kernel and of services that come in between do no harm.
  - At the end it removes its files from the guest, logs out where it had logged in, restores the terminal's settings and gives
    the console back.
author:
  - The virtfleet.core contributors (@virtfleet)
requirements:
  - libvirt-python on the controller, which is python3-libvirt on Debian and Ubuntu, or from PyPI for an Ansible that
    has a Python of its own
  - a running guest with a serial console of type C(pty), as M(virtfleet.core.guest) gives each, or a console of Xen
  - in the guest a kernel that uses it (C(console=ttyS0), or C(console=hvc0) under Xen), a getty or a shell on it, and
    C(/bin/sh), C(base64) and C(sha256sum), which coreutils and busybox have
notes:
  - Ansible opens a connection for each task, so each logs in and out, which takes a second or two. Put what belongs together
    into one task.
  - Output and files go as base64 with checksums, up to 4 MiB each, at some KiB in a second, some tens at best. Modules work too
    where the guest has Python; M(ansible.builtin.raw) needs none.
  - A console has one user at a time. While a play works on it, C(virsh console) is told that it is taken.
  - With C(become), only methods that ask for no password work. Log in as root, or allow the user C(NOPASSWD).
  - Everything typed on a console, passwords too, passes the hypervisor as it is. Prefer keys over a network
    where there is one.
  - For network appliances and boot menus, which have no shell, there is M(virtfleet.core.console).
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
  device:
    description:
      - The alias of the serial or console device, such as V(serial1); without it the guest's first.
    type: str
    vars:
      - name: ansible_virtfleet_console
  remote_user:
    description:
      - Who logs in. Needed unless a shell is open on the console.
    type: str
    ini:
      - section: defaults
        key: remote_user
    env:
      - name: ANSIBLE_REMOTE_USER
    vars:
      - name: ansible_user
    cli:
      - name: user
    keyword:
      - name: remote_user
  password:
    description:
      - The user's password. Accounts without one need none.
    type: str
    vars:
      - name: ansible_password
      - name: ansible_virtfleet_password
  login_timeout:
    description:
      - How long it may take until the guest has booted and a shell obeys, in seconds or with a unit.
    type: str
    default: 2m
    vars:
      - name: ansible_virtfleet_login_timeout
  command_timeout:
    description:
      - How long one command may run, in seconds or with a unit, such as V(90s) or V(2h). V(0) is no limit.
      - A command that takes longer is ended, and the task fails.
    type: str
    default: 1h
    vars:
      - name: ansible_virtfleet_command_timeout
  force:
    description:
      - Take the console from whoever has it open.
    type: bool
    default: false
    vars:
      - name: ansible_virtfleet_console_force
  safe:
    description:
      - Work only where the hypervisor keeps others off the console meanwhile. Xen's driver does not know this.
    type: bool
    default: false
    vars:
      - name: ansible_virtfleet_console_safe
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
  - plugin: virtfleet.core.agent
    plugin_type: connection
    description: The better way, where the guest's agent runs.
  - module: virtfleet.core.console
  - module: virtfleet.core.guest
"""

EXAMPLES = r"""
# The guest lost its network: see why, and mend it
- name: Mend a guest that nobody reaches
  hosts: web1
  gather_facts: false
  vars:
    ansible_connection: virtfleet.core.console
    ansible_virtfleet_uri: qemu+ssh://root@hv1.example/system
    ansible_user: root
    ansible_password: "{{ vault_web1_root }}"
  tasks:
    - name: Look at its addresses
      ansible.builtin.raw: ip address; networkctl status
      changed_when: false
    - name: Start its network again
      ansible.builtin.raw: systemctl restart systemd-networkd
      changed_when: true
"""

from ansible.errors import AnsibleError

from ansible_collections.virtfleet.core.plugins.module_utils._console.login import Account
from ansible_collections.virtfleet.core.plugins.module_utils._libvirt import Libvirt
from ansible_collections.virtfleet.core.plugins.module_utils._units import parse_duration
from ansible_collections.virtfleet.core.plugins.plugin_utils._console_shell import ConsoleShell
from ansible_collections.virtfleet.core.plugins.plugin_utils._guest_connection import GuestConnection


class Connection(GuestConnection):
    """One guest, reached over its console."""

    transport = "virtfleet.core.console"
    way = "console"

    def _reach(self, guest: str, uri: str) -> ConsoleShell:
        """Open the console and get to a shell."""
        limit = parse_duration(self.get_option("login_timeout"))
        account = Account(self.get_option("remote_user"), self.get_option("password"))
        hypervisor = Libvirt.connect(uri)
        self._open.callback(hypervisor.close)
        device, force, safe = (self.get_option(name) for name in ("device", "force", "safe"))
        shell = ConsoleShell(self._open.enter_context(hypervisor.console(guest, device, force, safe)), guest)
        # Also when it does not get in: no half login stays on the screen.
        self._open.callback(shell.leave)
        shell.enter(account, limit)
        return shell

    def exec_command(self, cmd: str, in_data: bytes | None = None, sudoable: bool = True) -> tuple[int, bytes, bytes]:
        """Run a command line in the guest; return its exit code, output and error output."""
        self._connect()
        shell = self._reached()
        asks = sudoable and self.become is not None and self.become.expect_prompt()
        if asks and isinstance(shell, ConsoleShell) and shell.user != "root":
            raise AnsibleError(
                f"could not become another user in guest {self.get_option('guest')}: over its console no password is "
                "given to become; log in as root, or let the user do it without one (NOPASSWD)"
            )
        return super().exec_command(cmd, in_data, sudoable)
