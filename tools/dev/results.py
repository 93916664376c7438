# Copyright: (c) 2026, the virtfleet.core contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Keep how each stage ended, count tests, and print the table of the stages."""

from __future__ import annotations

import json
import xml.etree.ElementTree as ET
from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path

from tools.dev import parts
from tools.dev.stages import Step

# A stage whose folder is not there counts as a failure, so that none is lost in silence.
BAD = frozenset({"failed", "absent"})
FOLDER = "rows"


@dataclass(frozen=True)
class Row:
    """How a stage ended: the time it took, its tests counted, and the seconds of each part of the collection."""

    name: str
    state: str
    seconds: float
    reason: str = ""
    passed: int = 0
    failed: int = 0
    skipped: int = 0
    started: float = 0.0
    parts: dict[str, float] = field(default_factory=dict)


def counts(steps: Sequence[Step], state: str) -> tuple[int, int, int]:
    """Return how many tests of a stage passed, failed and were skipped.

    pytest's are read from its JUnit files. Any other stage counts as one test, and so does a pytest that failed
    without a failing test to show for it (a broken conftest, a crash).
    """
    files = [step.junit for step in steps if step.junit is not None]
    if not files or state in {"skipped", "absent"}:
        return int(state == "passed"), int(state in BAD), int(state == "skipped")
    passed = failed = skipped = 0
    for suite in (suite for file in files for suite in _suites(file)):
        bad = int(suite.get("failures", 0)) + int(suite.get("errors", 0))
        out = int(suite.get("skipped", 0))
        passed += max(0, int(suite.get("tests", 0)) - bad - out)
        failed += bad
        skipped += out
    if state == "failed" and failed == 0:
        failed = 1
    if state == "passed":
        # What failed has passed since.
        passed, failed = passed + failed, 0
    return passed, failed, skipped


@dataclass(frozen=True)
class Failure:
    """A test that failed: the file that it stands in, below the checkout, and what pytest says of it in a line."""

    file: str
    said: str


# What is shown of it.
_LONGEST = 200


def failures(file: Path) -> dict[str, Failure]:
    """Return the tests of a JUnit file that failed, by name."""
    try:
        cases = list(ET.parse(file).getroot().iter("testcase"))
    except (OSError, ET.ParseError):
        return {}
    found: dict[str, Failure] = {}
    for case in cases:
        bad = case.find("failure")
        if bad is None:
            bad = case.find("error")
        if bad is not None:
            # A class stands behind the module, whose last word begins with test_.
            words = case.get("classname", "").split(".")
            module = next((number for number, word in enumerate(words) if word.startswith("test_")), len(words) - 1)
            place = "/".join(words[: module + 1]) + ".py"
            said = " ".join(bad.get("message", "").split())[:_LONGEST]
            # A test may fail and its end too: what came first is the cause.
            found.setdefault("::".join([*words[module:], case.get("name", "")]), Failure(place, said))
    return found


def _suites(file: Path) -> list[ET.Element]:
    """Return the suites of a JUnit file; none where pytest was ended before it had written it."""
    try:
        return list(ET.parse(file).getroot().iter("testsuite"))
    except (OSError, ET.ParseError):
        return []


def reset(results: Path) -> None:
    """Forget the rows of the run before."""
    for file in (results / FOLDER).glob("*.json"):
        file.unlink()


def save(results: Path, row: Row) -> None:
    """Keep a row, for the summary of a run that is made of several commands."""
    folder = results / FOLDER
    folder.mkdir(parents=True, exist_ok=True)
    (folder / f"{row.name}.json").write_text(json.dumps(asdict(row)))


def load(results: Path, order: Sequence[str]) -> list[Row]:
    """Return the rows that are kept, in the order of the stages."""
    rows = [Row(**json.loads(file.read_text())) for file in (results / FOLDER).glob("*.json")]
    return sorted(rows, key=lambda row: order.index(row.name) if row.name in order else len(order))


def table(rows: Iterable[Row]) -> str:
    """Return the table of the stages."""
    lines = [f"{'stage':<15} {'':<8} {'seconds':>8} {'passed':>7} {'failed':>7} {'skipped':>8}"]
    for row in rows:
        line = f"{row.name:<15} {row.state:<8} {row.seconds:>8.1f} {row.passed:>7} {row.failed:>7} {row.skipped:>8}"
        first = row.reason.splitlines()[0] if row.reason else ""
        lines.append(f"{line}  {first}".rstrip())
    return "\n".join(lines)


def table_of_parts(rows: Sequence[Row]) -> str:
    """Return what each part of the collection added to the time from the first stage's start to the last one's end."""
    ran = [row for row in rows if row.parts]
    if not ran:
        return ""
    wall = max(row.started + row.seconds for row in ran) - min(row.started for row in ran)
    took: defaultdict[str, float] = defaultdict(float)
    for row in ran:
        for name, seconds in row.parts.items():
            took[name] += seconds
    return parts.table(took, wall)


def closing_line(rows: Sequence[Row]) -> str:
    """Return the line that ends a run: how many tests passed and failed, and were skipped if any were.

    A run that came to no stage has failed.
    """
    if not rows:
        return "0 passed, 1 failed"
    passed, failed, skipped = (sum(getattr(row, name) for row in rows) for name in ("passed", "failed", "skipped"))
    return f"{passed} passed, {failed} failed" + (f", {skipped} skipped" if skipped else "")


def exit_code(rows: Sequence[Row]) -> int:
    """Return 1 where a stage failed, is absent, or nothing ran at all."""
    return int(not rows or any(row.state in BAD for row in rows))
