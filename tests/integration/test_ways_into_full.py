# Copyright: (c) 2026, the virtfleet.core contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A whole Debian without any network, worked in by its agent with real modules, and by a real login on its console."""

from __future__ import annotations

import json
import os
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import libvirt
import pytest

from tests.integration.playing import Player
from tests.lab import Host, full
from tests.lab.guests import domain_xml, running, wait_for_agent

pytestmark = [pytest.mark.slow, pytest.mark.root]

NAME, PASSWORD = "ways-full", "s3cret-pw"
USER_DATA = {
    "hostname": NAME,
    "ssh_pwauth": False,
    "chpasswd": {"expire": False, "users": [{"name": "root", "password": PASSWORD, "type": "text"}]},
}


@pytest.fixture(scope="module")
def guest(furnished: Host) -> Iterator[str]:
    """Return the name of a Debian with systemd and Python, whose root has a password, and which has no nic."""
    top, seed, sources = (furnished.folder / name for name in ("ways.qcow2", "ways-seed.iso", "ways-seed"))
    base = full.build().into(furnished.folder).qcow2
    furnished.exec(["qemu-img", "create", "-q", "-f", "qcow2", "-F", "qcow2", "-b", base, top, "4G"])
    sources.mkdir()
    (sources / "meta-data").write_text(json.dumps({"instance-id": "ways"}))
    (sources / "user-data").write_text(f"#cloud-config\n{json.dumps(USER_DATA)}")
    (sources / "network-config").write_text(json.dumps({"version": 2, "ethernets": {}}))
    furnished.exec(["xorrisofs", "-quiet", "-J", "-r", "-V", "cidata", "-o", seed, sources])
    disks = (
        f"<disk type='file' device='disk'><driver name='qemu' type='qcow2'/><source file='{top}'/>"
        "<target dev='vda' bus='virtio'/></disk>"
        f"<disk type='file' device='cdrom'><source file='{seed}'/><target dev='sda' bus='sata'/></disk>"
    )
    with running(furnished, domain_xml(NAME, None, memory_mib=768, network=None, disks=disks)):
        yield NAME


def played(
    host: Host, folder: Path, tasks: list[Mapping[str, Any]], connection: str, **variables: Any
) -> dict[str, dict[str, Any]]:
    """Play tasks in the guest and return their results by name."""
    record = folder / f"{connection}.jsonl"
    record.unlink(missing_ok=True)
    (folder / "book.yml").write_text(json.dumps([{"hosts": "all", "gather_facts": False, "tasks": tasks}]))
    values = {
        "ansible_connection": f"virtfleet.core.{connection}",
        "ansible_virtfleet_uri": host.uri,
        "ansible_python_interpreter": "/usr/bin/python3",
        **variables,
    }
    (folder / "hosts.yml").write_text(json.dumps({"all": {"hosts": {NAME: values}}}))
    command = ["ansible-playbook", "-i", str(folder / "hosts.yml"), str(folder / "book.yml")]
    done = Player(host, folder).command(command, {"VIRTFLEET_RECORD": str(record)}, 1800)
    assert done.returncode == 0, done.stdout[-4000:] + done.stderr[-4000:]
    return {row["task"]: row["result"] for row in map(json.loads, record.read_text().splitlines())}


def settled(host: Host, folder: Path) -> None:
    """Wait until the guest is up and cloud-init has set its password: a login before that is refused."""
    connection = libvirt.open(host.uri)
    wait_for_agent(connection.lookupByName(NAME), 900)
    connection.close()
    played(host, folder, [{"name": "settled", "ansible.builtin.raw": "cloud-init status --wait"}], "agent")


def test_the_agent_runs_modules_and_carries_files(furnished: Host, guest: str, tmp_path: Path) -> None:
    settled(furnished, tmp_path)
    source, back = tmp_path / "five", tmp_path / "back"
    source.write_bytes(os.urandom(5 * 1024 * 1024 + 1))
    tasks: list[Mapping[str, Any]] = [
        {"name": "setup", "ansible.builtin.setup": {"gather_subset": ["min"]}},
        {"name": "copy", "ansible.builtin.copy": {"src": str(source), "dest": "/root/five", "mode": "0600"}},
        {"name": "copy again", "ansible.builtin.copy": {"src": str(source), "dest": "/root/five", "mode": "0600"}},
        {"name": "fetch", "ansible.builtin.fetch": {"src": "/root/five", "dest": str(back), "flat": True}},
        {"name": "user", "ansible.builtin.user": {"name": "joe"}},
        {"name": "become", "ansible.builtin.command": "id -un", "become": True, "become_user": "joe"},
        {"name": "su", "ansible.builtin.command": "id -un", "become": True, "become_user": "joe", "become_method": "su"},
        {"name": "fail", "ansible.builtin.command": "false", "ignore_errors": True},
        {"name": "much", "ansible.builtin.raw": "head -c 20000000 /dev/zero | tr '\\0' x"},
    ]
    results = played(furnished, tmp_path, tasks, "agent")
    assert results["setup"]["ansible_facts"]["ansible_hostname"] == NAME
    assert results["copy"]["changed"] and not results["copy again"]["changed"]
    assert back.read_bytes() == source.read_bytes()
    assert results["become"]["stdout"] == results["su"]["stdout"] == "joe"
    assert results["fail"]["rc"] == 1
    # More than the agent keeps of what it captures.
    assert len(results["much"]["stdout"]) == 20_000_000


def test_the_console_logs_in(furnished: Host, guest: str, tmp_path: Path) -> None:
    settled(furnished, tmp_path)
    login = {"ansible_user": "root", "ansible_password": PASSWORD, "ansible_virtfleet_login_timeout": "15m"}
    tasks: list[Mapping[str, Any]] = [
        {"name": "wait", "ansible.builtin.raw": "hostname; id -un"},
        {"name": "fail", "ansible.builtin.raw": "exit 7", "ignore_errors": True},
        {"name": "module", "ansible.builtin.command": "uname -s"},
    ]
    results = played(furnished, tmp_path, tasks, "console", **login)
    assert results["wait"]["stdout_lines"][-2:] == [NAME, "root"]
    assert results["fail"]["rc"] == 7
    assert results["module"]["stdout"] == "Linux"
    # It logged out: whoever comes next is asked again.
    wrong = {**login, "ansible_password": "wr0ng", "ansible_virtfleet_login_timeout": "2m"}
    with pytest.raises(AssertionError, match=r"[Ll]ogin incorrect|again; correct the user or the password"):
        played(furnished, tmp_path, tasks[:1], "console", **wrong)
