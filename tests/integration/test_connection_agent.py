# Copyright: (c) 2026, the virtfleet.core contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The connection through the agent of a guest that boots, and has neither Python nor a network."""

from __future__ import annotations

import hashlib
import json
import os
import re
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import libvirt
import pytest
from ansible.errors import AnsibleConnectionFailure, AnsibleError, AnsibleFileNotFound

from ansible_collections.virtfleet.core.plugins.connection import agent
from tests.integration import connecting
from tests.integration.playing import Player
from tests.lab import Host
from tests.lab.guests import domain_xml, running, until, wait_for_agent
from tests.lab.tiny import Artefact

NAME = "agent-guest"
MIB = 1024 * 1024


@pytest.fixture(scope="module")
def guest(furnished: Host, tiny: Artefact) -> Iterator[str]:
    """Return the name of a guest whose agent answers."""
    with running(furnished, domain_xml(NAME, tiny, network=None)):
        connection = libvirt.open(furnished.uri)
        try:
            wait_for_agent(connection.lookupByName(NAME), 120)
            yield NAME
        finally:
            connection.close()


def opened(uri: str, guest: str, **variables: Any) -> Any:
    """Return the connection to a guest, with its options as Ansible finds them."""
    return connecting.opened(agent, uri, guest, **variables)


@pytest.fixture
def inside(furnished: Host, guest: str) -> Iterator[Any]:
    plugin = opened(furnished.uri, guest)
    yield plugin
    plugin.close()


def test_commands_give_code_output_and_errors(inside: Any) -> None:
    assert inside.exec_command("echo out; echo err >&2; exit 3") == (3, b"out\n", b"err\n")
    assert inside.exec_command("no-such-program")[0] == 127
    assert inside.exec_command("id -u; pwd; echo ~")[1].split() == [b"0", b"/root", b"/root"]
    assert inside.exec_command(r"printf '\377\000'")[1] == b"\xff\x00"


def test_a_command_is_quick(inside: Any) -> None:
    inside.exec_command("true")
    began = time.monotonic()
    for _number in range(5):
        inside.exec_command("true")
    # Others take five seconds for one. This is a busy machine that emulates.
    assert (time.monotonic() - began) / 5 < 2.5


def test_standard_input_of_any_size(inside: Any) -> None:
    assert inside.exec_command("cat")[1] == b""
    for size in (1000, 300_000):
        data = os.urandom(size)
        assert inside.exec_command("sha256sum", data)[1].split()[0] == hashlib.sha256(data).hexdigest().encode()
    assert inside.exec_command("ls -A /tmp | grep -c virtfleet.*in$")[1] == b"0\n"


def test_five_megabytes_go_in_and_come_out_again(inside: Any, tmp_path: Path) -> None:
    source, back = tmp_path / "source", tmp_path / "back"
    source.write_bytes(os.urandom(5 * MIB + 1))
    inside.put_file(str(source), "/tmp/five")
    digest = hashlib.sha256(source.read_bytes()).hexdigest()
    assert inside.exec_command("sha256sum /tmp/five; stat -c %a /tmp/five")[1].split()[::2] == [digest.encode(), b"600"]
    inside.fetch_file("/tmp/five", str(back))
    assert hashlib.sha256(back.read_bytes()).hexdigest() == digest
    inside.exec_command("rm /tmp/five")


def test_more_output_than_one_answer_holds(inside: Any) -> None:
    code, out, err = inside.exec_command("head -c 3000000 /dev/zero; head -c 2000000 /dev/zero >&2; exit 9")
    assert (code, len(out), len(err)) == (9, 3_000_000, 2_000_000)
    # The one that looks has two files of its own.
    assert inside.exec_command("ls -A /tmp | grep -c virtfleet")[1] == b"2\n"


def test_the_time_limit_ends_all_that_was_started(furnished: Host, guest: str, inside: Any) -> None:
    limited = opened(furnished.uri, guest, ansible_virtfleet_command_timeout="1s")
    with pytest.raises(AnsibleError, match=r"did not end within 1 s and was stopped; it last said: half way") as caught:
        limited.exec_command("echo half way; sleep 1234 & sleep 1234")
    assert not isinstance(caught.value, AnsibleConnectionFailure)
    limited.close()
    assert inside.exec_command("ps | grep -c '[s]leep 1234'")[1] == b"0\n"


def test_files_that_are_not_there(inside: Any, tmp_path: Path) -> None:
    with pytest.raises(AnsibleFileNotFound, match="no such file here"):
        inside.put_file(str(tmp_path / "absent"), "/tmp/x")
    with pytest.raises(AnsibleError, match="could not read /no/such in guest agent-guest: there is no such file"):
        inside.fetch_file("/no/such", str(tmp_path / "x"))


def test_guests_that_cannot_be_reached(furnished: Host, tiny: Artefact, guest: str) -> None:
    furnished.exec(["virsh", "define", "/dev/stdin"], input=domain_xml("agent-off", tiny, network=None))
    silent = domain_xml("agent-silent", tiny, network=None, words="tiny.noagent")
    try:
        with running(furnished, silent):
            for name, said in (
                ("agent-off", "start the guest first"),
                ("agent-none", "check the name"),
                ("agent-silent", "qemu-guest-agent is installed and runs in it"),
            ):
                began = time.monotonic()
                with pytest.raises(AnsibleConnectionFailure, match=said):
                    opened(furnished.uri, name, ansible_virtfleet_agent_timeout="2s").exec_command("true")
                assert time.monotonic() - began < 20
    finally:
        furnished.exec(["virsh", "undefine", "agent-off"])
    with pytest.raises(AnsibleConnectionFailure, match="libvirt daemon does not run there"):
        opened("qemu:///system?socket=/no/such-socket", guest).exec_command("true")


@pytest.mark.e2e
def test_a_playbook_works_inside_without_python(furnished: Host, guest: str, tmp_path: Path) -> None:
    script = tmp_path / "script.sh"
    script.write_text("#!/bin/sh\necho from a script on $(hostname)\n")
    book = tmp_path / "book.yml"
    tasks = [
        {"name": "look", "ansible.builtin.raw": "uname -s; cat /etc/os-release", "changed_when": False},
        {"name": "fail", "ansible.builtin.raw": "exit 4", "ignore_errors": True},
        {"name": "script", "ansible.builtin.script": str(script)},
        {"name": "as another", "ansible.builtin.raw": "id -u", "become": True, "become_method": "su"},
    ]
    book.write_text(json.dumps([{"hosts": "all", "gather_facts": False, "tasks": tasks}]))
    inventory = tmp_path / "hosts.yml"
    host = {
        "ansible_connection": "virtfleet.core.agent",
        "ansible_virtfleet_uri": furnished.uri,
        "ansible_virtfleet_guest": guest,
    }
    inventory.write_text(json.dumps({"all": {"hosts": {"another-name": host}}}))
    record = tmp_path / "record.jsonl"
    player = Player(furnished, tmp_path)
    done = player.command(
        ["ansible-playbook", "-i", str(inventory), str(book)], {"VIRTFLEET_RECORD": str(record)}
    )
    assert done.returncode == 0, done.stdout + done.stderr
    results = {row["task"]: row["result"] for row in map(json.loads, record.read_text().splitlines())}
    assert results["look"]["stdout_lines"][0] == "Linux"
    assert "virtfleet" in results["look"]["stdout"]
    assert results["fail"]["rc"] == 4
    assert results["script"]["stdout"].startswith("from a script on ")
    assert results["as another"]["stdout"].strip() == "0"


def test_a_guest_that_forbids_commands_names_the_setting(furnished: Host, guest: str, inside: Any) -> None:
    """Stays the last test: the guest's agent runs on with guest-exec forbidden."""
    again = (
        "port=$(grep -l org.qemu.guest_agent.0 /sys/class/virtio-ports/*/name); port=${port%/name}; sleep 0.5; "
        "kill $(pidof qemu-ga); sleep 0.5; "
        "qemu-ga -d -m virtio-serial -p /dev/${port##*/} -t /run -f /run/again.pid -b guest-exec,guest-exec-status"
    )
    inside.exec_command(f"setsid sh -c '{again}' </dev/null >/dev/null 2>&1 &")
    inside.close()

    def refusal() -> str:
        try:
            inside.exec_command("true")
        except AnsibleConnectionFailure as error:
            # For a moment nobody answers.
            return "" if "does not answer" in str(error) else str(error)
        return ""

    said = until(refusal, 60, "the agent that forbids commands", every=1)
    assert re.search("may not do that.*block-rpcs.*/etc/sysconfig/qemu-ga", said)
