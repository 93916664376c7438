# Copyright: (c) 2026, the virtfleet.core contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The guard: keeps a change that is confirmed, and takes back every other one, file by file."""
from __future__ import annotations

import base64
import json
import subprocess
import sys
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from ansible_collections.virtfleet.core.plugins.module_utils import _bridge_guard as guard

Begin = Callable[..., Path]


def state(text: str, mode: int = 0o600) -> dict[str, Any]:
    return {"content": base64.b64encode(text.encode()).decode(), "mode": mode, "uid": -1, "gid": -1}


@pytest.fixture
def begin(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Begin:
    """Return what writes a change of two files, of which one is new, and returns the bridge's folder."""
    monkeypatch.setattr(guard, "_UNITS", tmp_path / "units")
    folder = tmp_path / "state" / "br0"
    folder.mkdir(parents=True)
    old, new = tmp_path / "etc" / "old", tmp_path / "etc" / "new"
    old.parent.mkdir()
    old.write_text("before")
    old.chmod(0o640)

    def write(**more: Any) -> Path:
        change = {
            "token": "t", "boot_id": guard.boot_id(), "name": "br0", "port": "vfnone0", "timeout": 20.0, "grace": 0.0,
            "files": [
                {"path": str(old), "before": state("before", 0o640), "after": state("after")},
                {"path": str(new), "before": None, "after": state("new")},
            ],
            "before": [], "after": [], "undo_before": [], "undo_after": [], "boot": [], "links": [], "removes": [],
            "kernel": {"addresses": [], "routes": []}, "ipv6": {"after": {}, "undo": {}}, "expected": {},
            "record": {"kept": True}, **more,
        }  # fmt: skip
        guard.write_json(folder / "pending.json", change)
        return folder

    return write


def etc(folder: Path) -> dict[str, tuple[str, int]]:
    files = (folder.parents[1] / "etc").iterdir()
    return {file.name: (file.read_text(), file.stat().st_mode & 0o777) for file in files}


BEFORE = {"old": ("before", 0o640)}
AFTER = {"old": ("after", 0o600), "new": ("new", 0o600)}


def outcome(folder: Path) -> dict[str, Any]:
    left = {file.name for file in folder.iterdir()}
    assert not left & {"pending.json", "state.json", "confirmed", "refused"}
    return dict(json.loads((folder / "outcome.json").read_text()))


def say(folder: Path, word: str, why: str = "", token: str = "t") -> threading.Timer:
    """Say a word to the guard a little later."""
    timer = threading.Timer(0.2, guard.write_json, (folder / word, {"token": token, "why": why}))
    timer.start()
    return timer


def command(text: str, **more: Any) -> dict[str, Any]:
    return {"argv": ["sh", "-c", text], "limit": 5, "must": True, **more}


def test_a_change_that_is_confirmed_is_kept(begin: Begin) -> None:
    folder = begin()
    say(folder, "confirmed")
    guard.run(folder)
    assert etc(folder) == AFTER
    assert outcome(folder)["outcome"] == "kept"
    assert json.loads((folder / "record.json").read_text()) == {"kept": True}


def test_a_bridge_that_is_gone_has_no_record(begin: Begin) -> None:
    folder = begin(record=None)
    (folder / "record.json").write_text("{}")
    say(folder, "confirmed")
    guard.run(folder)
    assert outcome(folder)["outcome"] == "kept"
    assert not (folder / "record.json").exists()


def test_a_change_that_is_refused_is_taken_back_at_once(begin: Begin) -> None:
    folder = begin()
    say(folder, "refused", "the gateway does not answer")
    begun = time.monotonic()
    guard.run(folder)
    assert time.monotonic() - begun < 10
    assert etc(folder) == BEFORE
    assert (outcome(folder)["outcome"], outcome(folder)["why"]) == ("rolled_back", "the gateway does not answer")
    assert not (folder / "record.json").exists()


def test_silence_is_a_refusal(begin: Begin) -> None:
    folder = begin(timeout=0.5)
    guard.run(folder)
    assert etc(folder) == BEFORE
    assert outcome(folder)["why"] == "nobody confirmed it within 0 s"


def test_a_word_about_another_change_is_not_heard(begin: Begin) -> None:
    folder = begin(timeout=1.0)
    say(folder, "confirmed", token="another")
    guard.run(folder)
    assert outcome(folder)["outcome"] == "rolled_back"


def test_a_command_that_fails_takes_it_back_and_is_told(begin: Begin) -> None:
    folder = begin(after=[command("echo no such link >&2; exit 3")])
    guard.run(folder)
    assert etc(folder) == BEFORE
    assert outcome(folder)["why"].startswith("it could not be applied: sh -c echo no such link")
    assert outcome(folder)["why"].endswith("ended with 3: no such link")


def test_a_command_that_need_not_succeed_and_one_that_hangs(begin: Begin) -> None:
    folder = begin(before=[command("exit 1", must=False)], after=[command("sleep 60", limit=0.2)])
    begun = time.monotonic()
    guard.run(folder)
    assert time.monotonic() - begun < 10
    assert "gave no end within 0 s" in outcome(folder)["why"]


def test_the_order_of_things(begin: Begin) -> None:
    def tell(word: str) -> list[dict[str, Any]]:
        return [command(f"echo {word} $(cat {path}/etc/old) >> {path}/told")]

    path = begin().parents[1]
    steps = {name: tell(name) for name in ("before", "after", "undo_before", "undo_after")}
    folder = begin(timeout=0.3, **steps)
    guard.run(folder)
    told = (path / "told").read_text().splitlines()
    assert told == ["before before", "after after", "undo_before after", "undo_after before"]


@pytest.mark.parametrize("phase", ["applying", "undoing"])
def test_a_guard_that_was_killed_takes_it_back_when_it_is_started_again(begin: Begin, phase: str) -> None:
    folder = begin()
    (folder.parents[1] / "etc/new").write_text("new")
    guard.write_json(folder / "state.json", {"token": "t", "phase": phase, "deadline": 0, "why": "", "log": ["once"]})
    guard.run(folder)
    assert etc(folder) == BEFORE
    assert outcome(folder)["why"] == "the process that made the change was killed before it was done"
    assert outcome(folder)["log"] == ["once"]


def test_a_guard_that_was_killed_while_it_waited_goes_on_waiting(begin: Begin) -> None:
    folder = begin()
    for file in json.loads((folder / "pending.json").read_text())["files"]:
        guard.put(file["path"], file["after"])
    deadline = guard.uptime() + 20
    guard.write_json(folder / "state.json", {"token": "t", "phase": "applied", "deadline": deadline, "why": "", "log": []})
    say(folder, "confirmed")
    guard.run(folder)
    assert (etc(folder), outcome(folder)["outcome"]) == (AFTER, "kept")


def test_another_start_of_the_host_takes_it_back(begin: Begin) -> None:
    folder = begin(boot_id="another")
    guard.run(folder)
    assert outcome(folder)["why"] == "the host was restarted before the change was confirmed"
    assert etc(folder) == BEFORE


def test_at_the_hosts_start_the_files_come_back_and_the_unit_goes(begin: Begin) -> None:
    told = begin().parents[1] / "told"
    folder = begin(boot_id="another", boot=[command(f"touch {told}")])
    for file in json.loads((folder / "pending.json").read_text())["files"]:
        guard.put(file["path"], file["after"])
    guard.arm(folder.parent, sys.executable)
    units = guard._UNITS
    link = units / "sysinit.target.wants" / guard.UNIT
    assert link.is_symlink()
    assert f"guard.py boot {folder.parent}" in link.read_text()
    guard.boot(folder.parent)
    assert etc(folder) == BEFORE
    assert told.exists()
    assert outcome(folder)["why"] == "the host was restarted before the change was confirmed"
    assert not link.is_symlink()
    assert not (units / guard.UNIT).exists()


def test_what_was_left_behind_is_taken_back_by_the_next_run(begin: Begin) -> None:
    folder = begin()
    # It had not begun.
    guard.take_back(folder, "left")
    assert (etc(folder), outcome(folder)["why"]) == (BEFORE, "left")
    folder = begin()
    for file in json.loads((folder / "pending.json").read_text())["files"]:
        guard.put(file["path"], file["after"])
    guard.write_json(folder / "state.json", {"token": "t", "phase": "applied", "deadline": 0, "why": "", "log": []})
    guard.take_back(folder, "left")
    assert (etc(folder), outcome(folder)["why"]) == (BEFORE, "left")


def test_two_guards_do_not_work_on_one_change(begin: Begin) -> None:
    folder = begin()
    with guard.alone(folder) as mine, guard.alone(folder) as other:
        assert (mine, other) == (True, False)
        guard.run(folder)
    assert etc(folder) == BEFORE
    assert (folder / "pending.json").exists()


def test_it_runs_alone_with_nothing_but_the_standard_library(begin: Begin) -> None:
    folder = begin(timeout=0.3)
    copy = folder.parent / "guard.py"
    copy.write_bytes(Path(guard.__file__).read_bytes())
    # The unit's folder is the host's own here, and nothing of it is touched: there is none to remove.
    subprocess.run([sys.executable, "-I", "-S", str(copy), "run", str(folder)], check=True, timeout=60)
    assert outcome(folder)["outcome"] == "rolled_back"
    assert etc(folder) == BEFORE
