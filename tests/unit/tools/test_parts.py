# Copyright: (c) 2026, the virtfleet.core contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What a run of the tests cost is told by part, and adds up to the time that passed."""

from __future__ import annotations

from itertools import repeat
from pathlib import Path

import pytest

from tools.dev import parts, results
from tools.dev.results import Row

TESTS = Path(__file__).resolve().parents[2]


@pytest.mark.parametrize("part", parts.PARTS, ids=lambda part: part.name)
def test_every_part_has_its_tests(part: parts.Part) -> None:
    gone = [name for name in part.tests if not list(TESTS.glob(f"{name}*"))]
    assert not gone, "these were renamed or removed"


@pytest.mark.parametrize(
    ("classname", "part"),
    [
        ("tests.integration.test_site_trixie.TestSite", "hosts"),
        ("tests.integration.xen.test_xen_guests", "xen"),
        ("tests.integration.test_guest_matrix", "estate"),
        ("tests.integration.test_guest", "spine"),
        ("tests.unit.plugins.module_utils.xl.test_store", "xen"),
        ("tests.unit.plugins.module_utils.test_xml", "spine"),
        ("", "spine"),
    ],
)
def test_a_test_belongs_to_one_part(classname: str, part: str) -> None:
    assert parts.part_of(classname) == part


def test_a_stage_is_shared_by_the_times_of_its_tests(tmp_path: Path) -> None:
    junit = tmp_path / "junit.xml"
    junit.write_text(
        '<testsuites><testsuite><testcase classname="tests.integration.test_estate" time="30"/>'
        '<testcase classname="tests.integration.test_guest" time="10"/></testsuite></testsuites>'
    )
    assert parts.shares([junit], 20.0) == {"estate": 15.0, "spine": 5.0}


def test_a_stage_without_tests_is_shared_by_the_sources_that_it_reads(tmp_path: Path) -> None:
    for name, lines in (("plugins/module_utils/_xml.py", 30), ("roles/kvm_host/tasks/main.yml", 10), ("docs/a.py", 5)):
        path = tmp_path / name
        path.parent.mkdir(parents=True)
        path.write_text("line\n" * lines)
    for files in ([], [tmp_path / "never written.xml"]):
        assert parts.shares(files, 20.0, tmp_path) == {"spine": 15.0, "hosts": 5.0}


def test_every_part_has_its_sources() -> None:
    names = [path.relative_to(parts.ROOT).as_posix() for path in parts.source_files(parts.ROOT)]
    gone = [source for part in parts.PARTS for source in part.sources if not any(map(str.startswith, names, repeat(source)))]
    assert not gone, "these were renamed or removed"
    assert set(parts.source_shares(parts.ROOT)) == {part.name for part in parts.EVERY}


def test_side_by_side_the_parts_add_up_to_the_time_that_passed() -> None:
    rows = [
        Row("lint", "passed", 1000.0, started=5000.0, parts={"spine": 1000.0}),
        Row("integration", "passed", 1000.0, started=5000.0, parts={"hosts": 900.0, "spine": 100.0}),
        Row("xen", "skipped", 0.0, "needs root", started=5000.0),
    ]
    lines = [line.split() for line in results.table_of_parts(rows).splitlines()]
    assert lines[1:] == [["spine", "550.0", "600"], ["hosts", "450.0", "600"], ["together", "1000.0", "3000"]]
    over = results.table_of_parts([Row("width", "passed", 500.0, parts={"width": 500.0})])
    assert over.splitlines()[1].split() == ["width", "over", "500.0", "480"]
    assert results.table_of_parts([]) == ""
