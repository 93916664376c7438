# Copyright: (c) 2026, the virtfleet.core contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The pages of all options say what the tables say, word by word."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from ansible_collections.virtfleet.core.plugins.module_utils._guest.options import GUEST_OPTIONS
from ansible_collections.virtfleet.core.plugins.module_utils._guest.table import GUEST
from ansible_collections.virtfleet.core.plugins.module_utils._network.table import NETWORK
from ansible_collections.virtfleet.core.plugins.module_utils._nwfilter.table import NWFILTER
from ansible_collections.virtfleet.core.plugins.module_utils._secret.table import SECRET
from ansible_collections.virtfleet.core.plugins.module_utils._storage.table import POOL
from tools.dev import object_options
from tools.dev.hypervisors import MARK as OTHER_MARK

ROOT = Path(__file__).resolve().parents[3]


@pytest.fixture(scope="module")
def rows() -> dict[str, tuple[str, ...]]:
    return {row[0]: row[1:] for row in object_options.rows(ROOT)}


def test_every_word_of_a_mapping_has_a_row(rows: dict[str, tuple[str, ...]]) -> None:
    words = {
        f"{name}.{word}"
        for name, option in GUEST_OPTIONS.items()
        if option["type"] == "dict" and name not in ("cloud_init", "unattend", "topology", "console_source")
        for word in option.get("options", ())
    }
    assert words == {name for name in rows if "." in name and "[]" not in name}


@pytest.mark.parametrize(
    ("option", "row"),
    [
        ("memory", ("`currentMemory`", "at once where it can, else the next cold start", "yes", "yes")),
        ("cpu.model", ("`cpu/@mode`", "the next cold start", "yes", "yes")),
        ("cputune.shares", ("`cputune/shares`", "at once", "yes", "no")),
        ("rng", ("`devices/rng`", "plugged in and pulled at once", "yes", "no")),
        ("rng.rate", ("`devices/rng/rate`", "the next cold start", "yes", "no")),
        ("arch", ("`os/type/@arch`", "the guest is made anew", "yes", "yes")),
        ("disks[].size", ("not in the guest's XML", "at once where it can, else the next cold start", "yes", "yes")),
        ("features.hap", ("`features/hap/@state`", "the next cold start", "no", "yes")),
    ],
)
def test_what_a_row_says(rows: dict[str, tuple[str, ...]], option: str, row: tuple[str, ...]) -> None:
    assert rows[option] == row


TABLES = {
    "guest": (GUEST, "| `memory` | `currentMemory` |"),
    "network": (NETWORK, "| `dns_txt` | `dns/txt` | at once | yes | yes |"),
    "pool": (POOL, "| `path` | `target/path` | refused: it would be another pool | yes | yes |"),
    "network filter": (NWFILTER, "| `rules` | `rule` | at once | yes | yes |"),
    "secret": (SECRET, "| `private` | `@private` | at once | yes | yes |"),
}


@pytest.mark.parametrize("page", object_options.PAGES, ids=lambda page: page.kind)
def test_every_row_is_in_the_guide_that_has_its_place(page: object_options.Page) -> None:
    table, row = TABLES[page.kind]
    (guide,) = [path for path in (ROOT / "docs").glob("*.md") if page.mark in path.read_text()]
    text = guide.read_text()
    assert row not in text and OTHER_MARK not in text
    made = object_options.filled(text, ROOT)
    assert row in made and page.mark not in made and "virtfleet-" not in made
    section = "\n".join(object_options.lines(ROOT, page))
    assert section in made
    named = {name.partition("[]")[0].partition(":")[0].partition(".")[0] for name, *_rest in object_options.rows(ROOT, page)}
    assert named == {entry.name for entry in table.entries}
    inner = {f"{entry.name}[].{part.name}" for entry in table.entries if hasattr(entry, "item") for part in entry.item.entries}
    assert inner <= {name.partition(":")[0] for name, *_rest in object_options.rows(ROOT, page)} | {
        name.rpartition(".")[0] for name, *_rest in object_options.rows(ROOT, page)
    }


@pytest.mark.parametrize(
    ("kind", "option", "row"),
    [
        ("network", "cidr", ("`ip/@netmask`", "its restart")),
        ("network", "reservations[].address", ("`ip/dhcp/host/@ip`", "at once")),
        ("network", "forward_interfaces", ("`forward/interface`", "at once")),
        ("pool", "mode", ("`target/permissions/mode`", "at once")),
    ],
)
def test_what_a_row_of_another_object_says(kind: str, option: str, row: tuple[str, str]) -> None:
    (page,) = [page for page in object_options.PAGES if page.kind == kind]
    assert (*row, "yes", "yes") in [found[1:] for found in object_options.rows(ROOT, page) if found[0] == option]


def test_what_is_counted_beside_virt_install_adds_up() -> None:
    text = (ROOT / "docs" / "guide_options.md").read_text()
    rows_of = [[cell.strip() for cell in line.strip("|").split("|")] for line in text.splitlines() if line.startswith("| `--")]
    (total,) = [[cell.strip() for cell in line.strip("|").split("|")] for line in text.splitlines() if line.startswith("| all |")]
    theirs, ours = (sum(int(row[column]) for row in rows_of) for column in (1, 2))
    assert total[1:4] == [str(theirs), str(ours), f"{round(100 * ours / theirs)} %"]
    # What is named as an option is one.
    named = {word for row in rows_of for word in re.findall(r"`([a-z_]+)`", row[3])}
    assert named <= {*GUEST_OPTIONS, "user_data"}, named - set(GUEST_OPTIONS)
    assert all(int(row[2]) <= int(row[1]) for row in rows_of)
