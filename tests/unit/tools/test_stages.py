# Copyright: (c) 2026, the virtfleet.core contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Stages are chosen by name, run in lanes to the end, and counted."""

from __future__ import annotations

import json
import os
import signal
import sys
from collections.abc import Callable
from pathlib import Path
from types import FrameType
from typing import Any

import pytest

from tools.dev import results, stages
from tools.dev.errors import ToolError
from tools.dev.results import Row
from tools.dev.runner import Runner
from tools.dev.stages import Skip, Stage, Step, Workshop


@pytest.fixture
def shop(tmp_path: Path) -> Workshop:
    """Return a workshop in a folder of the test's own."""
    return Workshop(tmp_path, tmp_path)


def _stage(name: str, code: str, *, lane: str = "one", junit: Path | None = None, limit_s: int = 60) -> Stage:
    """Return a stage that runs some Python."""
    step = Step("python", (sys.executable, "-c", code), Path.cwd(), dict(os.environ), junit)
    return Stage(name, lane, lambda _shop: [step], kind="lint", limit_s=limit_s)


def _run(shop: Workshop, *picked: Stage) -> dict[str, Row]:
    return {row.name: row for row in Runner(shop, stream=False).run(picked)}


def test_a_word_names_a_stage_or_a_family() -> None:
    assert [stage.name for stage in stages.chosen("unit lint")] == ["unit-main", "unit-second", "lint"]
    assert [stage.name for stage in stages.chosen("sanity-main sanity")] == ["sanity-main", "sanity-second"]
    assert stages.chosen("") == list(stages.STAGES)
    with pytest.raises(ToolError, match="no stage is named 'units'; the stages are lint, build"):
        stages.chosen("units")


def test_every_slow_test_belongs_to_a_slow_stage(shop: Workshop, monkeypatch: pytest.MonkeyPatch) -> None:
    """And every folder with a conftest that brings plugins is named to pytest, which would come too late to it below."""
    monkeypatch.setattr(stages.venvs, "ensure", lambda *_words: Path("/venv"))
    monkeypatch.setattr(Workshop, "environment", lambda *_words: {})
    monkeypatch.setattr(Workshop, "pair", lambda *_words: None)
    root = Path(stages.__file__).resolve().parents[2]
    named = [
        word
        for stage in stages.EXTRA
        if stage.name.startswith("slow-") and stage.name != "slow-sanity"
        for step in stage.steps(shop)
        for word in step.command
        if word.startswith("tests/")
    ]
    for file in root.glob("tests/**/test_*.py"):
        if "mark.slow" in file.read_text():
            path = str(file.relative_to(root))
            assert any(path == name or path.startswith(f"{name}/") for name in named), path
    for file in root.glob("tests/*/conftest.py"):
        if "pytest_plugins" in file.read_text():
            assert str(file.parent.relative_to(root)) in named


def test_the_run_goes_on_after_a_failure(shop: Workshop, capsys: pytest.CaptureFixture[str]) -> None:
    rows = _run(shop, _stage("bad", "print('the reason'); raise SystemExit(3)"), _stage("good", "pass"))
    assert (rows["bad"].state, rows["bad"].reason) == ("failed", "python (exit 3)")
    assert rows["good"].state == "passed"
    assert results.exit_code(list(rows.values())) == 1
    assert results.closing_line(list(rows.values())) == "1 passed, 1 failed"
    assert "the reason" in capsys.readouterr().out


@pytest.mark.parametrize("heeded", [signal.default_int_handler, signal.SIG_IGN], ids=["in front", "in the background"])
def test_a_stage_that_hangs_is_asked_to_end(shop: Workshop, tmp_path: Path, heeded: Callable[[int, FrameType | None], Any] | int) -> None:
    asked = tmp_path / "asked"
    code = f"""
import pathlib, time
try:
    time.sleep(600)
except KeyboardInterrupt:
    pathlib.Path({str(asked)!r}).touch()
"""
    before = signal.signal(signal.SIGINT, heeded)
    try:
        rows = _run(shop, _stage("hangs", code, limit_s=4))
    finally:
        signal.signal(signal.SIGINT, before)
    assert rows["hangs"].reason == "python (ended after the stage's limit of 4 s)"
    assert asked.exists()


def test_lanes_run_side_by_side(shop: Workshop, tmp_path: Path) -> None:
    # Each waits for the file that the other makes: one after the other, neither would end well.
    code = """
import pathlib, sys, time
mine, other = map(pathlib.Path, {names!r})
mine.touch()
end = time.monotonic() + 20
while not other.exists():
    if time.monotonic() > end:
        sys.exit(1)
    time.sleep(0.02)
"""
    a, b = str(tmp_path / "a"), str(tmp_path / "b")
    rows = _run(
        shop, _stage("one", code.format(names=(a, b)), lane="one"), _stage("two", code.format(names=(b, a)), lane="two")
    )
    assert [row.state for row in rows.values()] == ["passed", "passed"]


def test_pytest_is_counted_by_its_junit_file(shop: Workshop, tmp_path: Path) -> None:
    junit = tmp_path / "some.xml"
    text = '<testsuites><testsuite tests="7" failures="1" errors="1" skipped="2"/></testsuites>'
    rows = _run(shop, _stage("tests", f"open({str(junit)!r}, 'w').write({text!r}); raise SystemExit(1)", junit=junit))
    row = rows["tests"]
    assert (row.passed, row.failed, row.skipped) == (3, 2, 2)
    assert results.closing_line([row]) == "3 passed, 2 failed, 2 skipped"


CASE = '<testcase classname="tests.contract.test_late.TestBoot" name="test_on[{}.0]"><failure message="assert 6&#10;  == 8"/></testcase>'
SUITES = '<testsuites><testsuite tests="5" failures="{}" errors="0" skipped="1">{}</testsuite></testsuites>'


@pytest.mark.parametrize(
    ("lab", "many", "second", "state", "counts"),
    [
        (True, 1, 0, "passed", (4, 0, 1)),
        (True, 1, 1, "failed", (3, 1, 1)),
        # Of code alone, or in numbers: that is no matter of time.
        (False, 1, 0, "failed", (3, 1, 1)),
        (True, 4, 0, "failed", (0, 4, 1)),
    ],
)
def test_a_test_of_real_guests_that_fails_is_run_once_more_and_named(
    shop: Workshop,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
    lab: bool,
    many: int,
    second: int,
    state: str,
    counts: tuple[int, int, int],
) -> None:
    file = tmp_path / "tests/contract/test_late.py"
    file.parent.mkdir(parents=True)
    file.touch()
    junit, seen = tmp_path / "some.xml", tmp_path / "seen"
    text = SUITES.format(many, "".join(map(CASE.format, range(many))))

    def again(files: list[str]) -> Step:
        code = f"open({str(seen)!r}, 'w').write({' '.join(files)!r}); print('second'); raise SystemExit({second})"
        return Step("again", (sys.executable, "-c", code), tmp_path)

    first = f"open({str(junit)!r}, 'w').write({text!r}); print('first'); raise SystemExit(1)"
    step = Step("tests", (sys.executable, "-c", first), tmp_path, dict(os.environ), junit, again)
    row = _run(shop, Stage("tests", "one", lambda _shop: [step], kind="lint", lab=lab))["tests"]
    assert (row.state, (row.passed, row.failed, row.skipped)) == (state, counts)
    if lab and many == 1:
        assert seen.read_text() == "tests/contract/test_late.py"
    else:
        assert not seen.exists()
    assert "first" in capsys.readouterr().out
    if state == "passed":
        assert row.reason == "the second time only: test_late::TestBoot::test_on[0.0] (assert 6 == 8)"
        assert "the second time only: test_late" in results.table([row])


def test_a_pytest_that_breaks_down_counts_as_failed(shop: Workshop, tmp_path: Path) -> None:
    row = _run(shop, _stage("tests", "raise SystemExit(4)", junit=tmp_path / "none.xml"))["tests"]
    assert (row.state, row.failed) == ("failed", 1)


def test_what_cannot_run_is_named(shop: Workshop) -> None:
    def steps(_shop: Workshop) -> list[Step]:
        raise Skip("its Python is not on this machine")

    absent = Stage("absent", "one", lambda _shop: [], folder="no/such/folder", kind="lint")
    rows = _run(shop, Stage("skipped", "one", steps, kind="lint"), absent)
    assert (rows["skipped"].state, rows["skipped"].reason) == ("skipped", "its Python is not on this machine")
    assert rows["absent"].state == "absent"
    assert results.exit_code([rows["skipped"]]) == 0
    assert results.exit_code([rows["absent"]]) == 1


def test_rows_are_kept_for_the_summary(shop: Workshop, tmp_path: Path) -> None:
    _run(shop, _stage("b", "pass"), _stage("a", "pass"))
    assert [row.name for row in results.load(tmp_path, ["b", "a"])] == ["b", "a"]
    assert json.loads((tmp_path / "rows" / "a.json").read_text())["state"] == "passed"
    results.reset(tmp_path)
    assert results.load(tmp_path, []) == []
    assert results.closing_line([]) == "0 passed, 1 failed"


def test_what_needs_the_lab_installs_it_and_is_never_skipped_as_root(
    shop: Workshop, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A stage whose tests are all skipped looks green, which on a fresh machine they would be."""
    monkeypatch.setattr(stages, "_of_lab", lambda: ["libvirt-daemon-system"])
    monkeypatch.setattr(os, "geteuid", lambda: 0)
    slow = {"slow-code", "slow-xen", "slow-hosts", "slow-bridges"}
    using = {stage.name for stage in (*stages.STAGES, *stages.EXTRA) if stage.lab}
    assert using == {"contract", "xen", "lab", "integration", "e2e-second", *slow}
    for stage in (*stages.STAGES, *stages.EXTRA):
        assert stage.variables() == ({"VIRTFLEET_LAB": "required"} if stage.lab else {})
    lab = Stage("lab", "run", lambda _shop: [], kind="lint", lab=True)
    assert lab.system_packages(shop) == {"libvirt-daemon-system"}
    monkeypatch.setattr(os, "geteuid", lambda: 1000)
    assert lab.variables() == {}
    # A system that the lab doesn't know: its tests say so, and the others run.
    monkeypatch.setattr(os, "geteuid", lambda: 0)
    monkeypatch.setattr(stages, "_of_lab", list)
    assert lab.variables() == {}
