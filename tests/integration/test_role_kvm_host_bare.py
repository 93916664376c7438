# Copyright: (c) 2026, the virtfleet.core contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The role kvm_host where nothing is installed and no init runs: it installs, and then does nothing.

Ansible runs on the machine itself. With systemd, and from outside: test_role_kvm_host_bookworm.py and its
neighbour.
"""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path

import pytest

from tests.lab import Machine, _mirrors
from tests.lab.fixtures import MachineFactory

ROOT = Path(__file__).resolve().parents[2]

pytestmark = [pytest.mark.slow, pytest.mark.root]


@pytest.fixture(scope="module")
def bare(lab_machine_factory: MachineFactory) -> Machine:
    """Return a machine of this machine's release that has Python and hardly more, and sees the repository."""
    shown = {str(ROOT), sys.prefix, sys.base_prefix, os.environ["ANSIBLE_COLLECTIONS_PATH"]} - {"/usr"}
    return lab_machine_factory("bare", suite=_mirrors.own_suite(), init="none", shown=[Path(path) for path in sorted(shown)])


def run(bare: Machine, *argv: str, env: Mapping[str, str] | None = None) -> subprocess.CompletedProcess[str]:
    """Run a command there and return what it said, errors with the rest."""
    words = {
        "SSL_CERT_FILE": "/etc/ssl/certs/ca-certificates.crt",
        # Where this machine gets Python packages from.
        **{key: value for key, value in os.environ.items() if key.startswith("PIP_")},
        **(env or {}),
    }
    streams = {"stdout": subprocess.PIPE, "stderr": subprocess.STDOUT}
    return bare.exec(argv, env=words, check=False, timeout=1200, **streams)


def play(bare: Machine, *args: str, **options: object) -> tuple[int, str]:
    """Run the role there; return how many tasks changed something, and all that was said."""
    tasks = [{"ansible.builtin.debug": {"msg": "{{ kvm_host_facts | to_json }}"}}]
    role = {"role": "virtfleet.core.kvm_host", **options}
    play = {"hosts": "localhost", "connection": "local", "gather_facts": False, "roles": [role], "post_tasks": tasks}
    book = json.dumps([{**play, "vars": {"ansible_python_interpreter": "/usr/bin/python3"}}])
    bare.exec(["tee", "/root/book.yml"], input=book)
    env = {
        "ANSIBLE_COLLECTIONS_PATH": os.environ["ANSIBLE_COLLECTIONS_PATH"],
        "ANSIBLE_HOME": "/root/.ansible",
        "ANSIBLE_LOCALHOST_WARNING": "false",
        "PYTHONDONTWRITEBYTECODE": "1",
    }
    program = str(Path(sys.executable).parent / "ansible-playbook")
    done = run(bare, program, "-i", "localhost,", "/root/book.yml", *args, env=env)
    assert done.returncode == 0, done.stdout
    found = re.search(r"changed=(\d+)", done.stdout)
    assert found is not None
    return int(found[1]), done.stdout


def test_from_nothing_to_a_host_and_nothing_the_second_time(bare: Machine) -> None:
    changed, said = play(bare, "--check")
    assert changed == 1
    assert "libvirt-daemon-system" in said
    assert "(after apply)" in said
    assert not (bare.root / "usr/sbin/libvirtd").exists()

    changed, said = play(bare)
    assert changed > 3
    assert '\\"ready\\": true' in said
    # No network was started, and none will be.
    assert run(bare, "virsh", "-c", "qemu:///system", "net-list", "--name").stdout.strip() == ""
    assert not run(bare, "ls", "/etc/libvirt/qemu/networks/autostart").stdout.strip()
    assert not (bare.root / "usr/sbin/policy-rc.d").exists()
    before = run(bare, "sh", "-c", "cat /run/virtfleet/*.pid").stdout

    assert play(bare)[0] == 0
    assert play(bare, "--check")[0] == 0
    assert run(bare, "sh", "-c", "cat /run/virtfleet/*.pid").stdout == before


def test_a_new_driver_is_loaded_by_a_restart_of_our_own_libvirtd(bare: Machine) -> None:
    before = run(bare, "cat", "/run/virtfleet/libvirtd.pid").stdout
    driver = "libvirt-daemon-driver-storage-iscsi-direct"
    assert play(bare, kvm_host_extra_packages=[driver])[0] > 0
    assert run(bare, "cat", "/run/virtfleet/libvirtd.pid").stdout != before
    assert play(bare, kvm_host_extra_packages=[driver])[0] == 0
