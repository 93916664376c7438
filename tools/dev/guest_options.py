# Copyright: (c) 2026, the virtfleet.core contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Say of each option of a guest what it is in libvirt's XML, what a change costs, and who has it: from the table."""

from __future__ import annotations

import importlib
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from tools.dev import hypervisors, tree

# A line of its own in a guide, in whose place the table comes.
MARK = "<!-- the options of a guest, one by one -->"
_WITHOUT_XML = "not in the guest's XML"


def filled(text: str, root: Path) -> str:
    """Return a guide with the table in the place of its mark."""
    return text.replace(MARK, "\n".join(lines(root))) if MARK in text else text


def lines(root: Path) -> Iterator[str]:
    """Yield the table in Markdown."""
    yield "| option | in the XML | a change of a running guest | " + " | ".join(hypervisors.COLUMNS.values()) + " |"
    yield "|---" * (3 + len(hypervisors.COLUMNS)) + "|"
    for row in rows(root):
        name, places, effect, *words = row
        yield f"| `{name}` | {places} | {effect} | " + " | ".join(words) + " |"


def rows(root: Path) -> list[tuple[str, ...]]:
    """Return for each option its name, its places in XML, what a change costs, and ``yes`` or ``no`` by hypervisor."""
    place = str(tree.collections_path(root))
    if place not in sys.path:
        sys.path.insert(0, place)
    base = f"ansible_collections.{tree.NAMESPACE}.{tree.NAME}.plugins.module_utils"
    table = importlib.import_module(f"{base}._table")
    guest = importlib.import_module(f"{base}._guest.table").GUEST
    return [row for entry in guest.entries for row in _rows(table, entry, "", "")]


def _rows(table: Any, entry: Any, prefix: str, at: str) -> Iterator[tuple[str, ...]]:
    name = f"{prefix}{entry.name}"
    if isinstance(entry, table.Keyed):
        for inner in entry.item.entries:
            yield from _rows(table, inner, f"{name}[].", f"{entry.at}/")
    elif isinstance(entry, table.Union):
        for arm, chosen in entry.arms.items():
            paths = tuple(chosen.row.at) or tuple(chosen.marks)
            yield (f"{name}: {arm}", _places(paths, at), _effect(table, entry), *_who(chosen.row))
    elif entry.parts:
        if entry.op is not None and len(entry.at) == 1:
            # A device as a whole.
            yield (name, _places(entry.at, at), "plugged in and pulled at once", *_who(entry))
        for part in entry.parts:
            who = [word if driver in entry.drivers else "no" for driver, word in zip(hypervisors.COLUMNS, _who(part))]
            yield (f"{name}.{part.name}", _places(part.at, at), _effect(table, part), *who)
    else:
        yield (name, _places(entry.at, at), _effect(table, entry), *_who(entry))


def _who(row: Any) -> list[str]:
    return ["yes" if driver in row.drivers else "no" for driver in hypervisors.COLUMNS]


def _places(paths: tuple[str, ...], at: str) -> str:
    """Return the first place, which is the one that is read, as a reader of XML finds it."""
    if not paths:
        return _WITHOUT_XML
    path = paths[0].replace("|", "\\|")
    return f"`{at}{path}`"


def _effect(table: Any, row: Any) -> str:
    fixed = {table.LIVE: "at once", table.RESTART: "the next cold start", table.RECREATE: "the guest is made anew"}
    fixed[table.DATA_LOSS] = "data loss"
    known = fixed.get(row.effect)
    if known is not None:
        return known
    return "at once where it can, else the next cold start" if row.op is not None else "depends on the change"
