# Copyright: (c) 2026, the virtfleet.core contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The serial console of a guest that boots: the connection over it, and the modules console and screenshot."""

from __future__ import annotations

import hashlib
import json
import os
import struct
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from ansible.errors import AnsibleConnectionFailure, AnsibleError, AnsibleFileNotFound

from ansible_collections.virtfleet.core.plugins.connection import console
from ansible_collections.virtfleet.core.plugins.module_utils._libvirt import Libvirt
from tests.integration import connecting
from tests.integration.playing import Player, task
from tests.lab import Host
from tests.lab.guests import domain_xml, running
from tests.lab.tiny import Artefact

NAME = "console-guest"
SCREEN = "<graphics type='vnc' autoport='yes'/><video><model type='vga'/></video>"


@pytest.fixture(scope="module")
def guest(furnished: Host, tiny: Artefact) -> Iterator[str]:
    """Return the name of a guest that boots while the first test logs in, with a shell on its console."""
    with running(furnished, domain_xml(NAME, tiny, network=None, disks=SCREEN, words="loglevel=7")):
        yield NAME


def opened(uri: str, guest: str, **variables: Any) -> Any:
    """Return the connection to a guest, with its options as Ansible finds them."""
    return connecting.opened(console, uri, guest, **variables)


@pytest.fixture
def inside(furnished: Host, guest: str) -> Iterator[Any]:
    plugin = opened(furnished.uri, guest)
    yield plugin
    plugin.close()


def test_commands_give_code_output_and_errors_from_the_boot_on(inside: Any) -> None:
    assert inside.exec_command("echo out; echo err >&2; exit 3") == (3, b"out\n", b"err\n")
    assert inside.exec_command("no-such-program")[0] == 127
    assert inside.exec_command("id -u; pwd")[1] == b"0\n/root\n"
    assert inside.exec_command(r"printf '\377\000'")[1] == b"\xff\x00"
    assert inside.exec_command("cat", b"some input")[1] == b"some input"


def test_files_go_in_and_come_out_while_the_kernel_talks(inside: Any, tmp_path: Path) -> None:
    source, back = tmp_path / "source", tmp_path / "back"
    source.write_bytes(os.urandom(60_001))
    digest = hashlib.sha256(source.read_bytes()).hexdigest().encode()
    talking = "i=0; while [ $i -lt 200 ]; do echo \"<1>still talking $i\" >/dev/kmsg; i=$((i+1)); usleep 50000; done"
    inside.exec_command(f"dmesg -n 8; ({talking}) </dev/null >/dev/null 2>&1 & echo $! >/tmp/talking")
    inside.put_file(str(source), "/tmp/there")
    assert inside.exec_command("sha256sum /tmp/there; stat -c %a /tmp/there")[1].split()[::2] == [digest, b"600"]
    inside.fetch_file("/tmp/there", str(back))
    assert back.read_bytes() == source.read_bytes()
    assert int(inside.exec_command("dmesg | grep -c 'still talking'")[1]) > 1
    inside.exec_command("kill $(cat /tmp/talking); rm /tmp/there /tmp/talking; dmesg -n 1")


def test_errors_are_those_of_the_other_connection(furnished: Host, guest: str, inside: Any, tmp_path: Path) -> None:
    with pytest.raises(AnsibleFileNotFound, match="no such file here"):
        inside.put_file(str(tmp_path / "absent"), "/tmp/x")
    with pytest.raises(AnsibleError, match="could not read /no/such in guest console-guest: there is no such file"):
        inside.fetch_file("/no/such", str(tmp_path / "x"))
    inside.close()
    limited = opened(furnished.uri, guest, ansible_virtfleet_command_timeout="1s")
    with pytest.raises(AnsibleError, match="did not end within 1 s and was stopped; it last said: half way") as caught:
        limited.exec_command("echo half way; sleep 1234 & sleep 1234")
    assert not isinstance(caught.value, AnsibleConnectionFailure)
    assert limited.exec_command("ps | grep -c '[s]leep 1234'")[1] == b"0\n"
    limited.close()


def test_a_console_has_one_user_unless_it_is_forced(furnished: Host, guest: str, inside: Any) -> None:
    inside.exec_command("true")
    second = opened(furnished.uri, guest)
    with pytest.raises(AnsibleConnectionFailure, match="take it with `force: true`"):
        second.exec_command("true")
    forced = opened(furnished.uri, guest, ansible_virtfleet_console_force=True)
    # What the first one left in the middle is ended, too.
    assert forced.exec_command("echo mine")[1] == b"mine\n"
    forced.close()
    with pytest.raises(AnsibleConnectionFailure, match="by force"):
        inside.exec_command("true")


def test_it_is_given_back_as_it_was(furnished: Host, guest: str, inside: Any) -> None:
    # Its own folder is one of them; one that was taken by force could not clear up.
    count = int(inside.exec_command("ls -A /tmp | grep -c virtfleet")[1])
    inside.close()
    hypervisor = Libvirt.connect(furnished.uri)
    try:
        with hypervisor.console(guest, safe=True) as port:
            port.write(b"echo back$((40 + 2)); ls -A /tmp | grep -c virtfleet\r")
            said = b""
            while f"back42\r\n{count - 1}\r\n".encode() not in said:
                more = port.read(30)
                assert more, said
                said += more
            # The terminal shows what is typed again.
            assert b"echo back" in said
    finally:
        hypervisor.close()


@pytest.mark.e2e
def test_a_playbook_over_the_console(furnished: Host, guest: str, tmp_path: Path) -> None:
    book, inventory, record = tmp_path / "book.yml", tmp_path / "hosts.yml", tmp_path / "record.jsonl"
    tasks = [
        {"name": "look", "ansible.builtin.raw": "uname -s; cat /etc/os-release", "changed_when": False},
        {"name": "fail", "ansible.builtin.raw": "exit 4", "ignore_errors": True},
        {"name": "as another", "ansible.builtin.raw": "id -u", "become": True, "become_method": "su"},
    ]
    book.write_text(json.dumps([{"hosts": "all", "gather_facts": False, "tasks": tasks}]))
    host = {
        "ansible_connection": "virtfleet.core.console",
        "ansible_virtfleet_uri": furnished.uri,
        "ansible_virtfleet_guest": guest,
    }
    inventory.write_text(json.dumps({"all": {"hosts": {"another-name": host}}}))
    done = Player(furnished, tmp_path).command(
        ["ansible-playbook", "-i", str(inventory), str(book)], {"VIRTFLEET_RECORD": str(record)}
    )
    assert done.returncode == 0, done.stdout + done.stderr
    results = {row["task"]: row["result"] for row in map(json.loads, record.read_text().splitlines())}
    assert results["look"]["stdout_lines"][0] == "Linux"
    assert results["fail"]["rc"] == 4
    assert results["as another"]["stdout"].strip() == "0"


def test_the_module_types_waits_and_tells_what_it_saw_last(play: Player, guest: str) -> None:
    typed = [{"key": "enter"}, {"line": "echo answer-$((40 + 2))"}, {"wait": "answer-(42)"}]
    done = play(
        [
            task("listen", "console", name=guest, steps=[{"capture": "0.5s"}]),
            task("type (check)", "console", check=True, name=guest, steps=typed),
            task("type", "console", name=guest, steps=typed, safe=True),
            task("secret", "console", name=guest, steps=[{"secret": "s3cr3t-word"}, {"wait": "not found"}]),
            task("wait in vain", "console", name=guest, steps=[*typed, {"wait": "never"}], timeout="2s")
            | {"ignore_errors": True},
            task("none", "console", name="nobody") | {"ignore_errors": True},
        ],
        fails=True,
    )
    assert not done.named("listen").changed
    assert done.named("type (check)").changed
    assert done.named("type (check)")["output"] == ""
    assert done.named("type").changed
    assert done.named("type")["matches"] == ["answer-42"]
    assert "\x1b" not in done.named("type")["output"]
    assert "s3cr3t-word" not in json.dumps(done.named("secret").values)
    msg = done.named("wait in vain").msg
    assert f"could not see 'never' on the console of guest {guest} within 2 s; seen last: " in msg
    assert "answer-42" in msg
    assert "check the name" in done.named("none").msg


def test_a_picture_of_the_screen(play: Player, furnished: Host, guest: str) -> None:
    path = str(furnished.folder / "screen.png")
    done = play(
        [
            task("picture (check)", "screenshot", check=True, name=guest, path=path),
            task("picture", "screenshot", name=guest, path=path),
            task("no screen", "screenshot", name=guest, path=path, screen=3) | {"ignore_errors": True},
            task("no folder", "screenshot", name=guest, path="/no/such/x.png") | {"ignore_errors": True},
        ],
        fails=True,
    )
    assert done.named("picture (check)").changed and done.named("picture").changed
    picture = (furnished.folder / "screen.png").read_bytes()
    assert picture.startswith(b"\x89PNG\r\n\x1a\n")
    size = struct.unpack(">II", picture[16:24])
    assert size == (done.named("picture")["width"], done.named("picture")["height"])
    # A cursor blinks there, so two pictures may differ.
    assert done.named("picture")["size"] == len(picture)
    assert done.named("picture (check)")["width"] == size[0]
    assert "it has no screen number 3" in done.named("no screen").msg
    assert "directory /no/such does not exist" in done.named("no folder").msg
