# Copyright: (c) 2026, the virtfleet.core contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The role kvm_host and the demo where nothing is installed: they really install, and the second time do nothing."""

from __future__ import annotations

import json
import os
import re
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.integration.bare_host import ROOT, BareHost, fresh_root

pytestmark = [pytest.mark.slow, pytest.mark.root]


@pytest.fixture(scope="module")
def bare(lab_ready: None, tmp_path_factory: pytest.TempPathFactory) -> Iterator[BareHost]:
    """Return a machine that has Python and hardly more."""
    host = BareHost(tmp_path_factory.mktemp("bare"))
    try:
        host.up(fresh_root())
        yield host
    finally:
        host.down()


def play(bare: BareHost, *args: str, **options: object) -> tuple[int, str]:
    """Run the role there; return how many tasks changed something, and all that was said."""
    book = bare.root / "root/book.yml"
    tasks = [{"ansible.builtin.debug": {"msg": "{{ kvm_host_facts | to_json }}"}}]
    role = {"role": "virtfleet.core.kvm_host", **options}
    play = {"hosts": "localhost", "connection": "local", "gather_facts": False, "roles": [role], "post_tasks": tasks}
    book.write_text(json.dumps([{**play, "vars": {"ansible_python_interpreter": "/usr/bin/python3"}}]))
    env = {
        "ANSIBLE_COLLECTIONS_PATH": os.environ["ANSIBLE_COLLECTIONS_PATH"],
        "ANSIBLE_HOME": "/root/.ansible",
        "ANSIBLE_LOCALHOST_WARNING": "false",
        "PYTHONDONTWRITEBYTECODE": "1",
    }
    program = str(Path(sys.executable).parent / "ansible-playbook")
    done = bare.run(program, "-i", "localhost,", "/root/book.yml", *args, env=env)
    assert done.returncode == 0, done.stdout
    found = re.search(r"changed=(\d+)", done.stdout)
    assert found is not None
    return int(found[1]), done.stdout


def test_from_nothing_to_a_host_and_nothing_the_second_time(bare: BareHost) -> None:
    changed, said = play(bare, "--check")
    assert changed == 1
    assert "libvirt-daemon-system" in said
    assert "(after apply)" in said
    assert not (bare.root / "usr/sbin/libvirtd").exists()

    changed, said = play(bare)
    assert changed > 3
    assert '\\"ready\\": true' in said
    # No network was started, and none will be.
    assert bare.run("virsh", "-c", "qemu:///system", "net-list", "--name").stdout.strip() == ""
    assert not bare.run("ls", "/etc/libvirt/qemu/networks/autostart").stdout.strip()
    assert not (bare.root / "usr/sbin/policy-rc.d").exists()
    before = bare.run("sh", "-c", "cat /run/virtfleet/*.pid").stdout

    assert play(bare)[0] == 0
    assert play(bare, "--check")[0] == 0
    assert bare.run("sh", "-c", "cat /run/virtfleet/*.pid").stdout == before


def test_a_new_driver_is_loaded_by_a_restart_of_our_own_libvirtd(bare: BareHost) -> None:
    before = bare.run("cat", "/run/virtfleet/libvirtd.pid").stdout
    driver = "libvirt-daemon-driver-storage-iscsi-direct"
    assert play(bare, kvm_host_extra_packages=[driver])[0] > 0
    assert bare.run("cat", "/run/virtfleet/libvirtd.pid").stdout != before
    assert play(bare, kvm_host_extra_packages=[driver])[0] == 0


def test_the_demo_works_there_and_has_nothing_to_do_again(bare: BareHost) -> None:
    demo = str(ROOT / "tools/demo")
    first = bare.run(demo, "up")
    assert first.returncode == 0, first.stdout
    assert 'PRETTY_NAME=\\"virtfleet demo' in first.stdout
    assert "|--virtfleet-demo" in first.stdout
    again = bare.run(demo, "up")
    assert re.findall(r"changed=(\d+)", again.stdout) == ["0", "0"], again.stdout
    # Nothing but the loopback and what came with the machine.
    assert bare.run("ip", "-brief", "link").stdout.count("\n") == 2
    down = bare.run(demo, "down")
    assert down.returncode == 0, down.stdout
    assert bare.run("virsh", "-c", "qemu:///system", "list", "--all", "--name").stdout.strip() == ""
    assert not (bare.root / "var/lib/virtfleet-demo").exists()
