# Copyright: (c) 2026, the virtfleet.core contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The agent of a Windows guest, against an agent of the test's own: no real Windows ran."""

from __future__ import annotations

import base64
import io
import os

import pytest
from ansible.playbook.play_context import PlayContext
from ansible.plugins.loader import shell_loader

from ansible_collections.virtfleet.core.plugins.connection import agent as connection
from ansible_collections.virtfleet.core.plugins.module_utils._errors import HostError, SpecError
from ansible_collections.virtfleet.core.plugins.plugin_utils import _agent, _agent_files
from ansible_collections.virtfleet.core.plugins.plugin_utils._agent import CommandTimeout
from ansible_collections.virtfleet.core.plugins.plugin_utils._agent_windows import LINE_CHARACTERS, WindowsAgent
from tests.unit.plugins.connection.windows_agent import FakeWindows


def echo(script: str, given: bytes) -> tuple[int, bytes, bytes] | None:
    """Do what a script of the tests says in its first line."""
    word, _space, rest = script.splitlines()[0].partition(" ")
    if word == "exit":
        return int(rest), b"", b"no\r\n"
    if word == "sleep":
        return None
    if word == "cat":
        return 0, given, b""
    if word == "long":
        return 0, str(len(script)).encode(), b""
    return 0, b"x" * int(rest or 0) if word == "many" else (rest + "\r\n").encode(), b""


@pytest.fixture
def windows() -> FakeWindows:
    return FakeWindows(echo)


@pytest.fixture
def agent(windows: FakeWindows) -> WindowsAgent:
    return WindowsAgent(windows, "win1", poll_interval=0.001)


def test_output_errors_and_codes(agent: WindowsAgent, windows: FakeWindows) -> None:
    done = agent.run("echo hi caf\u00e9")
    assert (done.rc, done.stdout, done.stderr) == (0, "hi caf\u00e9\r\n".encode(), b"")
    done = agent.run("exit 3")
    assert (done.rc, done.stderr) == (3, b"no\r\n")
    # As of a program that crashed: negative for qemu-ga, 0xC0000005 for whoever looks it up.
    assert agent.run("exit -1073741819").rc == 0xC0000005
    assert windows.open_files == 0


def test_the_code_of_the_last_program_is_that_of_the_script(agent: WindowsAgent, windows: FakeWindows) -> None:
    agent.run("echo hi")
    script = base64.b64decode(windows.lines[-1].split(" -EncodedCommand ")[1].split()[0]).decode("utf-16-le")
    assert script.startswith("echo hi\r\n")
    assert "exit $LASTEXITCODE" in script


def test_one_folder_for_all_commands_and_none_behind(agent: WindowsAgent, windows: FakeWindows) -> None:
    agent.run("echo 1")
    agent.run("cat", b"some input")
    assert sum(line.startswith("mkdir ") for line in windows.lines) == 1
    agent.leave()
    assert windows.folders == {r"C:\Windows\Temp"}
    assert windows.files == {}
    agent.leave()


def test_input_of_any_size(agent: WindowsAgent, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(_agent_files, "SEND_BYTES", 1000)
    data = os.urandom(5500)
    assert agent.run("cat", data).stdout == data
    assert agent.run("cat").stdout == b""


def test_output_comes_in_blocks_up_to_what_is_taken(agent: WindowsAgent, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(_agent_files, "ANSWER_BYTES", 1000)
    assert agent.run("many 5500").stdout == b"x" * 5500
    monkeypatch.setattr(_agent, "OUTPUT_LIMIT_BYTES", 5000)
    with pytest.raises(HostError, match="after the 5000 bytes that are taken.*write to a file"):
        agent.run("many 5500")


@pytest.mark.parametrize("characters", [10, 2000, 4000, 20_000])
def test_scripts_of_any_length_fit_into_cmds_line(agent: WindowsAgent, characters: int) -> None:
    assert int(agent.run("long " + "y" * characters).stdout) > characters


def test_what_ansible_has_encoded_is_not_encoded_again(agent: WindowsAgent, windows: FakeWindows) -> None:
    shell = shell_loader.get("powershell")
    # As of another core, which makes other words of it.
    for command in (shell.exists("C:\\x"), shell.expand_user("~"), f"PowerShell -NoProfile -EncodedCommand {_encoded('echo a')}"):
        assert command.split(" -EncodedCommand ")[1].strip("'") in agent._line(command)
        assert agent._line(command).count("-EncodedCommand") == 1
    long = f"PowerShell -NoProfile -EncodedCommand {_encoded('long ' + 'y' * LINE_CHARACTERS)}"
    assert int(agent.run(long).stdout) == len("long ") + LINE_CHARACTERS
    assert any(path.endswith("script.ps1") for path in windows.files)


def _encoded(script: str) -> str:
    return base64.b64encode(script.encode("utf-16-le")).decode()


def test_what_cmd_would_obey_is_never_in_a_line(agent: WindowsAgent) -> None:
    for command in ("a & del x", 'echo "a"', "powershell -x & calc -EncodedCommand AAAA", "a\nb", "%PATH%"):
        assert set(agent._line(command)) <= set("abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789+/=-. ")
    with pytest.raises(SpecError, match="NUL"):
        agent.run("a\0b")


def test_files_are_binary_safe(agent: WindowsAgent, windows: FakeWindows, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(_agent_files, "ANSWER_BYTES", 1000)
    data = os.urandom(5001)
    assert agent.put(io.BytesIO(data), r"C:\Windows\Temp\x") == 5001
    target = io.BytesIO()
    assert agent.fetch(r"C:\Windows\Temp\x", target) == 5001
    assert target.getvalue() == data
    for absent in (lambda: agent.fetch(r"C:\no", io.BytesIO()), lambda: agent.put(io.BytesIO(b"x"), r"C:\no\x")):
        with pytest.raises(HostError, match="could not (read|write) C:.no.*Das System kann"):
            absent()
    assert windows.open_files == 0


def test_the_time_limit_ends_a_command(agent: WindowsAgent, windows: FakeWindows) -> None:
    with pytest.raises(CommandTimeout, match="did not end within 0.05 s and was stopped; it last said: half way"):
        agent.run("sleep", timeout=0.05)
    assert len(windows.killed) == 1


@pytest.mark.parametrize("root", ["%SystemRoot%\n", "C:\\Windows & calc\r\n", "", "\\\\evil\\share\r\n"])
def test_a_guest_that_is_no_windows_or_lies_is_refused(agent: WindowsAgent, windows: FakeWindows, root: str) -> None:
    windows.root = root
    with pytest.raises(HostError, match="as the folder of Windows"):
        agent.run("echo hi")


def test_the_connection_knows_windows_by_its_shell() -> None:
    plain = connection.Connection(PlayContext(), os.devnull, shell=shell_loader.get("sh"))
    assert ".ps1" not in plain.module_implementation_preferences
    windows = connection.Connection(PlayContext(), os.devnull, shell=shell_loader.get("powershell"))
    assert windows.module_implementation_preferences == (".ps1", ".exe", "")
    assert windows.always_pipeline_modules and windows.has_native_async and not windows.allow_executable
