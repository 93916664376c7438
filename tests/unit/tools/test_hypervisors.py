# Copyright: (c) 2026, the virtfleet.core contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The page "What works on which hypervisor" says what the table of a guest says, and all of it."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from ansible_collections.virtfleet.core.plugins.module_utils._guest.options import GUEST_OPTIONS
from tools.dev import hypervisors

ROOT = Path(__file__).resolve().parents[3]
LISTS = ("disks", "nics", "hostdevs", "filesystems", "memory_modules", "serials", "parallels", "consoles", "channels")
# They are no rows: who the guest is, what it does, and how its lists are read.
OTHERS = {
    "name",
    "state",
    "uuid",
    "autostart",
    "pool",
    "cloud_init",
    "unattend",
    "xml_overlay",
    *(f"{kind}_exact" for kind in LISTS),
    *(f"{kind}[].{name}" for kind in LISTS for name in ("name", "pool", "type")),
    "disks[].cdrom",
}


@pytest.fixture(scope="module")
def rows() -> dict[str, list[str]]:
    return dict(hypervisors.rows(ROOT))


def options() -> Iterator[str]:
    for name, option in GUEST_OPTIONS.items():
        if name in LISTS:
            yield from (f"{name}[].{inner}" for inner in option["options"])
        else:
            yield name


def test_every_option_has_a_row(rows: dict[str, list[str]]) -> None:
    known = {name for name in options() if name not in OTHERS}
    assert known == {name for name in rows if name != "nics[].user" and ("." not in name or "[]" in name)}


@pytest.mark.parametrize(
    ("option", "words"),
    [
        ("memory", ["yes", "yes"]),
        ("agent", ["yes", "no"]),
        ("cpu", ["yes", "yes"]),
        ("cpu.check", ["yes", "no"]),
        ("features.hap", ["no", "yes"]),
        ("bootloader", ["no", "yes"]),
        ("nics[].user", ["yes", "no"]),
        ("disks[].size", ["yes", "yes, not while it runs"]),
        ("disks[].rbd", ["yes", "yes"]),
        ("nics[].rate", ["yes", "yes, not while it runs"]),
        ("hostdevs[].pci", ["yes", "yes"]),
        ("hostdevs[].mdev", ["yes", "no"]),
        ("filesystems[].source", ["yes", "no"]),
        ("channels[].target", ["yes", "no"]),
        ("channels[].tcp", ["yes", "no"]),
    ],
)
def test_what_a_row_says(rows: dict[str, list[str]], option: str, words: Any) -> None:
    assert rows[option] == words


def test_the_guide_has_the_place_and_not_the_table() -> None:
    (guide,) = [path for path in (ROOT / "docs").glob("*.md") if hypervisors.MARK in path.read_text()]
    text = guide.read_text()
    assert "| `memory` |" not in text
    made = hypervisors.filled(text, ROOT)
    assert "| `memory` | yes | yes |" in made and hypervisors.MARK not in made
