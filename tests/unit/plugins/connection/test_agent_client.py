# Copyright: (c) 2026, the virtfleet.core contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The agent client: what it asks, what it makes of good answers, and how it takes hostile ones."""

from __future__ import annotations

import base64
import io
import json
import os
import time
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import pytest

from ansible_collections.virtfleet.core.plugins.module_utils._errors import (
    HostError,
    SpecError,
    Unsupported,
)
from ansible_collections.virtfleet.core.plugins.plugin_utils import _agent, _agent_files, _packing
from ansible_collections.virtfleet.core.plugins.plugin_utils._agent import Agent, CommandTimeout, NoSuchFile
from tests.unit.plugins.connection.local_agent import LocalAgent


def leftovers() -> set[Path]:
    return {path for base in ("/tmp", "/run", "/dev/shm") for path in Path(base).glob(".virtfleet-*")}


@pytest.fixture
def local(tmp_path: Path) -> Iterator[LocalAgent]:
    before = leftovers()
    yield LocalAgent(tmp_path)
    assert leftovers() <= before


@pytest.fixture
def agent(local: LocalAgent) -> Agent:
    return Agent(local, "web1", poll_interval=0.005)


# commands


def test_output_and_code_come_back(agent: Agent, local: LocalAgent) -> None:
    done = agent.run("echo out; echo err >&2; exit 3")
    assert (done.rc, done.stdout, done.stderr) == (3, b"out\n", b"err\n")
    # One guest-exec: the common case costs one start and as many looks as it takes.
    assert [call["execute"] for call in local.calls].count("guest-exec") == 1


def test_no_output_and_binary_output(agent: Agent) -> None:
    assert agent.run("true").stdout == b""
    assert agent.run(r"printf '\000\377\n\n'").stdout == b"\x00\xff\n\n"


def test_a_signal_reads_as_a_shell_tells_it(agent: Agent) -> None:
    assert agent.run("kill -9 $$").rc == 137


def test_quotes_dollars_and_newlines_stay(agent: Agent) -> None:
    assert agent.run("printf '%s|' \"a 'b' $HOME\" '$x\n\"'").stdout.count(b"|") == 2


def test_an_unknown_command_is_code_127(agent: Agent) -> None:
    done = agent.run("virtfleet-no-such-program")
    assert done.rc == 127
    assert b"virtfleet-no-such-program" in done.stderr


def test_home_and_path_are_set_when_the_agent_has_none(agent: Agent, tmp_path: Path) -> None:
    done = agent.run("pwd; echo ~; echo $PATH")
    home, tilde, path = done.stdout.decode().splitlines()
    assert home == tilde == str(tmp_path)
    assert "/bin" in path


def test_stdin_arrives_and_none_is_empty(agent: Agent) -> None:
    data = bytes(range(256)) * 10
    assert agent.run("cat", data).stdout == data
    assert agent.run("cat").stdout == b""


def test_stdin_above_a_block_goes_by_a_file(agent: Agent, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(_agent_files, "SEND_BYTES", 1000)
    data = os.urandom(3500)
    assert agent.run("cat", data).stdout == data


def test_big_output_comes_in_blocks(agent: Agent, local: LocalAgent, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(_agent_files, "ANSWER_BYTES", 10_000)
    done = agent.run("head -c 55000 /dev/zero; head -c 20000 /dev/zero >&2; exit 4")
    assert (done.rc, len(done.stdout), len(done.stderr)) == (4, 55_000, 20_000)
    assert local.largest_answer < 14_000


def test_more_output_than_is_taken_is_refused(agent: Agent, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(_agent_files, "ANSWER_BYTES", 1000)
    monkeypatch.setattr(_agent, "OUTPUT_LIMIT_BYTES", 5000)
    with pytest.raises(HostError, match="ended with code 0 and wrote 6000 bytes.*write to a file"):
        agent.run("head -c 6000 /dev/zero")


def test_output_that_the_agent_cut_is_an_error(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    # A guest without any place for files.
    monkeypatch.setattr(_agent, "_RUN", _agent._RUN.replace("/tmp /run /dev/shm", "/nowhere"))
    agent = Agent(LocalAgent(tmp_path, captures=1000), "web1", poll_interval=0.005)
    assert agent.run("echo fine; exit 2", b"").stdout == b"fine\n"
    with pytest.raises(HostError, match="wrote more than its agent keeps"):
        agent.run("head -c 2000 /dev/zero")


def test_half_a_place_is_given_up_for_the_next(agent: Agent, monkeypatch: pytest.MonkeyPatch) -> None:
    mark = os.urandom(8).hex()
    monkeypatch.setattr(_agent.secrets, "token_hex", lambda _count: mark)
    taken = Path(f"/tmp/.virtfleet-{mark}.err")
    taken.write_text("somebody else's")
    try:
        assert agent.run(f"ls -A /tmp; echo; ls -A /run /dev/shm | grep {mark}").stdout.decode().endswith(
            f"\n\n.virtfleet-{mark}.err\n.virtfleet-{mark}.out\n"
        )
        assert taken.read_text() == "somebody else's"
        assert [path for path in leftovers() if mark in path.name] == [taken]
    finally:
        taken.unlink()


def test_the_time_limit_ends_the_command_and_its_children(agent: Agent, tmp_path: Path) -> None:
    began = time.monotonic()
    with pytest.raises(CommandTimeout, match=r"did not end within 0.3 s and was stopped; it last said: half way"):
        agent.run(f"echo half way; sleep 60 & echo $! > {tmp_path}/child; wait", timeout=0.3)
    assert time.monotonic() - began < 5
    child = int((tmp_path / "child").read_text())
    assert not Path(f"/proc/{child}").exists() or " Z " in Path(f"/proc/{child}/stat").read_text()


def test_a_command_that_ignores_sigterm_is_killed(agent: Agent, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(_agent, "_END", _agent._END.replace("-lt 20", "-lt 2"))
    with pytest.raises(CommandTimeout, match="having said nothing"):
        agent.run("trap '' TERM; sleep 60; sleep 60", timeout=0.2)


def test_a_guest_without_setsid_runs_commands_too(local: LocalAgent, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(_agent, "SESSION", "/nowhere/setsid")
    agent = Agent(local, "web1", poll_interval=0.005)
    assert agent.run("echo fine", b"").stdout == b"fine\n"
    with pytest.raises(CommandTimeout):
        agent.run("sleep 60", timeout=0.2)


def test_a_command_has_the_mask_of_the_agent(agent: Agent) -> None:
    mask = os.umask(0o022)
    os.umask(mask)
    assert int(agent.run("umask").stdout, 8) == mask


def test_what_the_protocol_cannot_carry_is_refused(agent: Agent) -> None:
    with pytest.raises(SpecError, match="NUL"):
        agent.run("a\0b")
    with pytest.raises(SpecError, match="not UTF-8"):
        agent.run(b"echo \xff".decode("utf-8", "surrogateescape"))


# files


@pytest.mark.parametrize("size", [0, 1, 999, 1000, 1001, 5500])
def test_put_and_fetch_keep_every_byte(
    agent: Agent, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, size: int
) -> None:
    monkeypatch.setattr(_agent_files, "SEND_BYTES", 1000)
    monkeypatch.setattr(_agent_files, "ANSWER_BYTES", 1000)
    data, path = os.urandom(size), tmp_path / "a file 'x'"
    path.write_bytes(b"something older and longer" * 400)
    assert agent.put(io.BytesIO(data), str(path)) == size
    assert path.read_bytes() == data
    target = io.BytesIO()
    assert agent.fetch(str(path), target) == size
    assert target.getvalue() == data


TEXT = b"".join(b"line %d of a file that packs well\n" % number for number in range(20_000))


@pytest.mark.parametrize("data", [TEXT, TEXT + os.urandom(100_000), os.urandom(70_000), TEXT[:32_768], TEXT[:32_767]])
def test_what_packs_well_travels_packed(agent: Agent, local: LocalAgent, tmp_path: Path, data: bytes) -> None:
    packs = data[:1] == b"l" and len(data) >= _packing.LEAST_BYTES
    path = tmp_path / "a file 'x'"
    path.write_bytes(b"older")
    assert agent.put(io.BytesIO(data), str(path)) == len(data)
    assert path.read_bytes() == data
    target = io.BytesIO()
    assert agent.fetch(str(path), target) == len(data)
    assert target.getvalue() == data
    assert (travelled(local) < len(data)) == packs
    assert [name for name in os.listdir(tmp_path) if "virtfleet" in name] == []


def travelled(local: LocalAgent) -> int:
    """Return the bytes that were written to files of the guest."""
    written = (call["arguments"] for call in local.calls if call["execute"] == "guest-file-write")
    return sum(len(base64.b64decode(arguments["buf-b64"])) for arguments in written)


def test_a_guest_without_gzip_gets_its_files_as_they_are(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    tools = tmp_path / "bin"
    tools.mkdir()
    for name in ("sh", "wc", "dd", "rm", "cat", "setsid"):
        (tools / name).symlink_to(f"/usr/bin/{name}")
    monkeypatch.setenv("PATH", str(tools))
    local = LocalAgent(tmp_path)
    agent = Agent(local, "web1", poll_interval=0.005)
    agent.put(io.BytesIO(TEXT), str(tmp_path / "file"))
    assert (tmp_path / "file").read_bytes() == TEXT
    assert travelled(local) >= len(TEXT)
    target = io.BytesIO()
    agent.fetch(str(tmp_path / "file"), target)
    assert target.getvalue() == TEXT


def test_a_copy_that_cannot_be_unpacked_is_an_error_and_goes(
    agent: Agent, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(_agent, "_UNPACK", "echo no space >&2; exit 1")
    with pytest.raises(HostError, match="could not write .*/file in guest web1: no space"):
        agent.put(io.BytesIO(TEXT), str(tmp_path / "file"))
    assert [name for name in os.listdir(tmp_path) if "virtfleet" in name] == []


def test_a_path_without_a_slash_is_below_home(agent: Agent, tmp_path: Path) -> None:
    agent.put(io.BytesIO(b"x"), "below home")
    assert (tmp_path / "below home").read_bytes() == b"x"
    target = io.BytesIO()
    agent.fetch("below home", target)
    assert target.getvalue() == b"x"


def test_no_message_is_larger_than_libvirt_can_pass(agent: Agent, local: LocalAgent, tmp_path: Path) -> None:
    agent.put(io.BytesIO(os.urandom(300_000)), str(tmp_path / "file"))
    agent.run("cat > /dev/null", os.urandom(98_000))
    agent.run("cat > /dev/null", os.urandom(99_000))
    assert max(len(json.dumps(call)) for call in local.calls) < 160 * 1024


def test_a_new_file_is_for_root_alone(agent: Agent, tmp_path: Path) -> None:
    agent.put(io.BytesIO(b"secret"), str(tmp_path / "new"))
    assert (tmp_path / "new").stat().st_mode & 0o777 == 0o600


def test_absent_files_and_folders_are_named(agent: Agent, tmp_path: Path) -> None:
    with pytest.raises(NoSuchFile, match=r"could not read /no/such in guest web1"):
        agent.fetch("/no/such", io.BytesIO())
    with pytest.raises(NoSuchFile, match=r"could not write /no/such/file in guest web1"):
        agent.put(io.BytesIO(b"x"), "/no/such/file")
    with pytest.raises(HostError, match="not a regular file"):
        agent.fetch(str(tmp_path), io.BytesIO())


def test_a_full_file_system_is_an_error(agent: Agent) -> None:
    with pytest.raises(HostError, match="could not write /dev/full in guest web1"):
        agent.put(io.BytesIO(b"x" * 10_000), "/dev/full")


# a hostile guest


def answering(*answers: Any) -> Agent:
    """Return an agent whose guest-exec succeeds, and whose status answers are these in turn, the last for ever."""
    left = list(answers)

    def call(command: Mapping[str, Any], _seconds: float) -> Any:
        if command["execute"] == "guest-exec":
            return {"pid": 7}
        answer = left.pop(0) if len(left) > 1 else left[0]
        if isinstance(answer, Exception):
            raise answer
        return answer

    return Agent(call, "evil", poll_interval=0.001)


def ended(out: bytes, **more: Any) -> dict[str, Any]:
    return {"exited": True, "exitcode": 0, "out-data": base64.b64encode(out).decode(), **more}


@pytest.mark.parametrize(
    "answer",
    [
        None,
        [],
        {},
        {"exited": "yes"},
        {"exited": True, "exitcode": "0"},
        {"exited": True, "out-data": "not base64!"},
        {"exited": True, "out-data": 7},
        {"exited": True, "out-data": ["x"]},
        ended(b""),
        ended(b"no header here"),
        ended(b"files /etc 1 1\nx"),
        ended(b"files /tmp/../etc/passwd 1 1\n"),
        ended(b"files /tmp/.virtfleet-0 5 0\nabc"),
        ended(b"files /tmp/.virtfleet-0 99999999 0\n"),
        ended(b"files /tmp/.virtfleet-0 " + b"9" * 30 + b" 0\n"),
        ended(b"direct\nx", **{"out-truncated": True}),
    ],
)
def test_an_answer_of_another_shape_is_an_error(answer: Any) -> None:
    with pytest.raises(HostError):
        answering(answer).run("true")


@pytest.mark.parametrize("pid", [None, "7", -1, 0, True, 1.5])
def test_a_pid_that_is_none_is_an_error(pid: Any) -> None:
    with pytest.raises(HostError, match="without a process id"):
        Agent(lambda _command, _seconds: {"pid": pid}, "evil").run("true")


def serving(said: bytes, *blocks: Any) -> Agent:
    """Return an agent that looks at a file and answers this, and then sends these blocks, the last for ever."""
    left = list(blocks)

    def call(command: Mapping[str, Any], _seconds: float) -> Any:
        if command["execute"] == "guest-file-read":
            block = left.pop(0) if len(left) > 1 else left[0]
            if not isinstance(block, bytes):
                return block
            return {"count": len(block), "buf-b64": base64.b64encode(block).decode(), "eof": False}
        return {"guest-exec": {"pid": 7}, "guest-exec-status": ended(said)}.get(command["execute"], 1)

    return Agent(call, "evil", poll_interval=0.001)


def test_a_guest_that_sends_more_than_its_file_holds_is_stopped(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(_agent_files, "ANSWER_BYTES", 10)
    for blocks in ([b"x" * 11], [b"x" * 10]):
        with pytest.raises(HostError, match="goes on after the 20 bytes that are taken"):
            serving(b"20\n", *blocks).fetch("/x", io.BytesIO())
    with pytest.raises(HostError, match="it had 20 bytes and 10 were read"):
        serving(b"20\n", b"x" * 10, b"").fetch("/x", io.BytesIO())


@pytest.mark.parametrize("answer", [None, {}, {"buf-b64": 7, "eof": True}, {"buf-b64": "?", "eof": True}, {"buf-b64": "eA=="}])
def test_a_block_of_another_shape_is_an_error(answer: Any) -> None:
    with pytest.raises(HostError, match="makes no sense"):
        serving(b"20\n", answer).fetch("/x", io.BytesIO())


@pytest.mark.parametrize(
    "said", [b"", b"many", b"20\n5", b"-1"]
)
def test_a_size_of_another_shape_is_an_error(said: bytes) -> None:
    with pytest.raises(HostError, match="its size was answered as"):
        serving(said, b"").fetch("/x", io.BytesIO())


def test_errors_carry_no_control_characters() -> None:
    with pytest.raises(HostError) as caught:
        answering(ended(b"\x1b]0;owned\x07\x1b[2J{{ 7*7 }}\r\n" * 1000)).run("true")
    assert str(caught.value).isprintable()
    assert len(str(caught.value)) < 700


@pytest.mark.parametrize(
    "said",
    [
        "unable to execute QEMU agent command 'guest-exec': Command guest-exec has been disabled",
        "Command guest-exec has been disabled: the command is not allowed",
        "The command guest-exec has not been found",
    ],
)
def test_a_forbidden_guest_exec_names_the_setting(said: str) -> None:
    def call(_command: Mapping[str, Any], _seconds: float) -> Any:
        raise HostError(said)

    with pytest.raises(Unsupported, match=r"guest-file-open.*block-rpcs.*/etc/qemu/qemu-ga.conf.*/etc/sysconfig/"):
        Agent(call, "web1").run("true")


def test_frozen_file_systems_are_named() -> None:
    def call(_command: Mapping[str, Any], _seconds: float) -> Any:
        raise HostError("Command guest-exec has been disabled: the agent is in frozen state")

    with pytest.raises(HostError, match="guest-fsfreeze-thaw"):
        Agent(call, "web1").run("true")
