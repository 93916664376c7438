# Copyright: (c) 2026, the virtfleet.core contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Say of each option of an object what it is in libvirt's XML, what a change costs, and who has it: from its table."""

from __future__ import annotations

import importlib
import re
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tools.dev import hypervisors, tree


@dataclass(frozen=True)
class Page:
    """The options of one kind of object. ``table``: the room and the name of its table.

    ``title``: the column of the effects; ``restart`` and ``recreate``: what these mean for such an object.
    """

    kind: str
    table: tuple[str, str]
    title: str
    restart: str
    recreate: str

    @property
    def mark(self) -> str:
        """A line of its own in a guide, in whose place the table comes."""
        return f"<!-- the options of a {self.kind}, one by one -->"

    @property
    def without(self) -> str:
        return f"not in the {self.kind}'s XML"


GUEST = Page(
    "guest", ("_guest.table", "GUEST"), "a change of a running guest", "the next cold start", "the guest is made anew"
)
PAGES = (
    GUEST,
    Page(
        "network",
        ("_network.table", "NETWORK"),
        "a change of an active network",
        "its restart",
        "the network is made anew",
    ),
    Page(
        "pool",
        ("_storage.table", "POOL"),
        "a change of an active pool",
        "its restart",
        "refused: it would be another pool",
    ),
    Page(
        "network filter", ("_nwfilter.table", "NWFILTER"), "a change", "the next cold start", "the filter is made anew"
    ),
    Page("secret", ("_secret.table", "SECRET"), "a change", "the next cold start", "the secret is made anew"),
)
# The address that a network's options speak of carries this while it is a tree; libvirt never sees it.
_OURS = re.compile(r"\[@virtfleet-[a-z]+='yes'\]")


def filled(text: str, root: Path) -> str:
    """Return a guide with the tables in the places of their marks."""
    for page in PAGES:
        if page.mark in text:
            text = text.replace(page.mark, "\n".join(lines(root, page)))
    return text


def lines(root: Path, page: Page = GUEST) -> Iterator[str]:
    """Yield a page's table in Markdown."""
    yield f"| option | in the XML | {page.title} | " + " | ".join(hypervisors.COLUMNS.values()) + " |"
    yield "|---" * (3 + len(hypervisors.COLUMNS)) + "|"
    for row in rows(root, page):
        name, places, effect, *words = row
        yield f"| `{name}` | {places} | {effect} | " + " | ".join(words) + " |"


def rows(root: Path, page: Page = GUEST) -> list[tuple[str, ...]]:
    """Return for each option its name, its places in XML, what a change costs, and ``yes`` or ``no`` by hypervisor."""
    place = str(tree.collections_path(root))
    if place not in sys.path:
        sys.path.insert(0, place)
    base = f"ansible_collections.{tree.NAMESPACE}.{tree.NAME}.plugins.module_utils"
    table = importlib.import_module(f"{base}._table")
    room, name = page.table
    found = getattr(importlib.import_module(f"{base}.{room}"), name)
    return [row for entry in found.entries for row in _rows(page, table, entry, "", "")]


def _rows(page: Page, table: Any, entry: Any, prefix: str, at: str) -> Iterator[tuple[str, ...]]:
    name = f"{prefix}{entry.name}"
    if isinstance(entry, table.Keyed):
        for inner in entry.item.entries:
            yield from _rows(page, table, inner, f"{name}[].", f"{entry.at}/")
    elif isinstance(entry, table.Union):
        for arm, chosen in entry.arms.items():
            paths = tuple(chosen.row.at) or tuple(chosen.marks)
            yield (f"{name}: {arm}", _places(page, paths, at), _effect(page, table, entry), *_who(chosen.row))
    elif entry.parts:
        if entry.op is not None and len(entry.at) == 1:
            # A device as a whole.
            yield (name, _places(page, entry.at, at), "plugged in and pulled at once", *_who(entry))
        for part in entry.parts:
            who = [word if driver in entry.drivers else "no" for driver, word in zip(hypervisors.COLUMNS, _who(part))]
            yield (f"{name}.{part.name}", _places(page, part.at, at), _effect(page, table, part), *who)
    else:
        yield (name, _places(page, entry.at, at), _effect(page, table, entry), *_who(entry))


def _who(row: Any) -> list[str]:
    return ["yes" if driver in row.drivers else "no" for driver in hypervisors.COLUMNS]


def _places(page: Page, paths: tuple[str, ...], at: str) -> str:
    """Return the first place, which is the one that is read, as a reader of XML finds it."""
    if not paths:
        return page.without
    path = _OURS.sub("", f"{at}{paths[0]}").replace("|", "\\|")
    return f"`{path}`"


def _effect(page: Page, table: Any, row: Any) -> str:
    fixed = {table.LIVE: "at once", table.RESTART: page.restart, table.RECREATE: page.recreate}
    fixed[table.DATA_LOSS] = "data loss"
    known = fixed.get(row.effect)
    if known is not None:
        return known
    return f"at once where it can, else {page.restart}" if row.op is not None else "depends on the change"
