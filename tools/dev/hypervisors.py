# Copyright: (c) 2026, the virtfleet.core contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Say which option of a guest works on which hypervisor: read from the table that the modules read."""

from __future__ import annotations

import importlib
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from tools.dev import tree

# A line of its own in a guide, in whose place the table comes.
MARK = "<!-- the options of a guest by hypervisor -->"
COLUMNS = {"qemu": "KVM, QEMU", "xen": "Xen"}


def filled(text: str, root: Path) -> str:
    """Return a guide with the table in the place of its mark."""
    return text.replace(MARK, "\n".join(lines(root))) if MARK in text else text


def lines(root: Path) -> Iterator[str]:
    """Yield the table in Markdown: a row for each option, a column for each hypervisor."""
    yield "| option | " + " | ".join(COLUMNS.values()) + " |"
    yield "|---" * (len(COLUMNS) + 1) + "|"
    for name, words in rows(root):
        yield f"| `{name}` | " + " | ".join(words) + " |"


def rows(root: Path) -> list[tuple[str, list[str]]]:
    """Return each option, with ``no``, ``yes``, or ``yes, not while it runs`` for each hypervisor."""
    place = str(tree.collections_path(root))
    if place not in sys.path:
        sys.path.insert(0, place)
    base = f"ansible_collections.{tree.NAMESPACE}.{tree.NAME}.plugins.module_utils"
    guest = importlib.import_module(f"{base}._guest.table").GUEST
    found: list[tuple[str, list[str]]] = []
    for entry in guest.entries:
        if hasattr(entry, "item"):
            found += [(f"{entry.name}[].{name}", words) for name, words in _of_list(entry)]
        elif entry.said:
            words = _words(entry)
            found.append((entry.name, words))
            # Of a mapping that both have, what only one has.
            found += [(f"{entry.name}.{part.name}", _words(part)) for part in entry.parts if _less(_words(part), words)]
    return found


def _less(part: list[str], whole: list[str]) -> bool:
    return any(word == "no" and other != "no" for word, other in zip(part, whole))


def _of_list(keyed: Any) -> Iterator[tuple[str, list[str]]]:
    for entry in keyed.item.entries:
        if hasattr(entry, "arms"):
            for name, arm in entry.arms.items():
                if arm.row.said:
                    yield name, _words(arm.row, keyed)
        elif entry.said:
            yield entry.name, _words(entry, keyed)


def _words(row: Any, keyed: Any = None) -> list[str]:
    return ["no" if keyed is not None and driver not in keyed.drivers else _word(row, driver) for driver in COLUMNS]


def _word(row: Any, driver: str) -> str:
    if driver not in row.drivers:
        return "no"
    return "yes" if driver in getattr(row, "live_drivers", row.drivers) else "yes, not while it runs"
