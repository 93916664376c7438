# Copyright: (c) 2026, the virtfleet.core contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Who moved: the document, or somebody's hand. The last applied spec, which stands in a guest's metadata, tells.

What differs from the wanted value was changed by hand where it differs from the last applied value too; where that is
the present value, the document asks for something new.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from .._change import UNSET, Change, Drift
from .._table import Field, Keyed, Table, show


def moved_by_hand(table: Table, changes: Sequence[Change], applied: Mapping[str, Any] | None) -> list[Drift]:
    """Return which of the changes set something back that somebody changed after it was applied."""
    if applied is None:
        return []
    found = []
    for change in changes:
        before = _applied(table, change.path, applied)
        if before is UNSET:
            continue
        present, wanted = show(table, change)
        if _of_parts(table, change) and isinstance(before, Mapping):
            # A change has of a mapping only what differs.
            before = {name: part for name, part in before.items() if name in wanted}
            if not before:
                continue
            present = {name: part for name, part in (present or {}).items() if name in before}
            wanted = {name: part for name, part in wanted.items() if name in before}
        entry = len(change.path) == 2 and isinstance(table.entry(change.path[0]), Keyed)
        if not _agrees(before, present, entry):
            found.append(Drift(change.path, before, present, wanted, moved=not _agrees(before, wanted, entry)))
    return found


def _of_parts(table: Table, change: Change) -> bool:
    row = next((entry for entry in table.entries if entry.name == change.path[0]), None)
    return isinstance(row, Field) and bool(row.parts)


def found_live(table: Table, change: Change) -> Drift:
    """Return the drift of a pending change: the running guest has another value than its definition."""
    present, wanted = show(table, change)
    return Drift(change.path, wanted, present, wanted, side="live")


def _applied(table: Table, path: Sequence[str], applied: Mapping[str, Any]) -> Any:
    """Return what was applied at a change's path: None for an entry that was not, UNSET where nothing was said."""
    if path[0] not in applied:
        return UNSET
    value = applied[path[0]]
    try:
        row = table.entry(path[0])
    except KeyError:
        return value
    if not isinstance(row, Keyed):
        return value
    entries = [item for item in value if isinstance(item, Mapping)]
    entry = next((item for item in entries if path[1] in (row.key(item), row.sign(item))), None)
    if len(path) == 2:
        # An entry that the document has dropped is in what was applied, and is there: nobody's hand was in it.
        return entry
    return UNSET if entry is None else entry.get(path[2], UNSET)


def _agrees(applied: Any, shown: Any, entry: bool) -> bool:
    """Compare a value of what was applied with one of a change: of an ``entry`` only whether it is there."""
    if entry:
        return (applied is None) == (shown is None)
    if isinstance(applied, (list, tuple)) and isinstance(shown, (list, tuple)):
        return list(applied) == list(shown)
    return bool(applied == shown)
