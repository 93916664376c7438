# Copyright: (c) 2026, the virtfleet.core contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A plan and its outcomes in the user's words: rows, summary, diff. Values are JSON; secrets are hidden."""

from __future__ import annotations

import json
from collections.abc import Collection, Mapping, Sequence
from typing import Any

from ._change import HIDDEN, UNKNOWN, Action, Change, Outcome, Plan
from ._table import Table, show

Tables = Mapping[str, Table]


def _value(value: Any) -> Any:
    return UNKNOWN.value if value is UNKNOWN else value


def _shown(tables: Tables, kind: str, change: Change) -> tuple[Any, Any]:
    if kind in tables:
        before, after = show(tables[kind], change)
    elif change.secret:
        before, after = HIDDEN, HIDDEN
    else:
        before, after = change.before, change.after
    return _value(before), _value(after)


def change_row(tables: Tables, kind: str, change: Change) -> dict[str, Any]:
    """Return one change as ``{path, before, after, effect}``, with ``why`` where there is something to say."""
    before, after = _shown(tables, kind, change)
    row = {"path": ".".join(change.path), "before": before, "after": after, "effect": str(change.effect)}
    if change.why:
        row["why"] = change.why
    return row


def plan_rows(tables: Tables, plan: Plan, outcomes: Sequence[Outcome] | None) -> list[dict[str, Any]]:
    """Return one row an action: ``{kind, name, action, effect, changes, outcome, error}``."""
    by_key = {outcome.action.key: outcome for outcome in outcomes or ()}
    rows = []
    for action in plan.actions:
        outcome = by_key.get(action.key)
        rows.append(
            {
                "kind": action.kind,
                "name": action.name,
                "action": action.action,
                "effect": str(action.effect),
                "changes": [change_row(tables, action.kind, change) for change in action.changes],
                "outcome": outcome.outcome if outcome is not None else "planned",
                "error": outcome.error if outcome is not None else None,
            }
        )
    return rows


def pending_rows(tables: Tables, plan: Plan) -> list[dict[str, Any]]:
    """Return what waits for a cold start: one row an object."""
    return [
        {"kind": kind, "name": name, "changes": [change_row(tables, kind, change) for change in changes]}
        for (kind, name), changes in plan.pending.items()
    ]


def unmanaged_rows(plan: Plan) -> list[dict[str, Any]]:
    """Return what stands on an object without being ours."""
    return [{"kind": kind, "name": name, "entries": list(names)} for (kind, name), names in plan.unmanaged.items()]


def drift_rows(plan: Plan) -> list[dict[str, Any]]:
    """Return what somebody else changed: one row a field, with what was applied last, found, and wanted."""
    return [
        {
            "kind": kind,
            "name": name,
            "path": ".".join(item.path),
            "applied": item.applied,
            "found": item.found,
            "wanted": item.wanted,
            "side": item.side,
        }
        for (kind, name), items in plan.drift.items()
        for item in items
    ]


def summary(
    tables: Tables, plan: Plan, objects: int, named: Collection[tuple[str, str]] | None = None
) -> dict[str, int]:
    """Return how many actions of each verb there are, and how many of the ``objects`` asked for need none.

    Those are of the kinds that ``tables`` has; volumes and reservations come along with them. ``named`` are the keys of
    what was asked for, where they are known.
    """
    counts: dict[str, int] = {}
    for action in plan.actions:
        counts[action.action] = counts.get(action.action, 0) + 1
    touched = len({action.key for action in plan.actions if action.kind in tables or not tables})
    if named is not None:
        return {**counts, "unchanged": len(set(named) - {action.key for action in plan.actions})}
    return {**counts, "unchanged": max(0, objects - touched)}


def diff(tables: Tables, plan: Plan) -> list[dict[str, str]]:
    """Return one entry an action for ``--diff``: each changed option on a line of its own."""
    return [_diff_of(tables, action) for action in plan.actions]


def _diff_of(tables: Tables, action: Action) -> dict[str, str]:
    before, after = [], []
    for change in action.changes:
        old, new = _shown(tables, action.kind, change)
        name = ".".join(change.path)
        if old is not None:
            before.append(f"{name}: {_line(old)}")
        if new is not None:
            after.append(f"{name}: {_line(new)}    # {change.effect}")
    header = f"{action.kind} {action.name}"
    return {
        "before_header": header,
        "after_header": f"{header} ({action.action}, {action.effect})",
        "before": "".join(f"{line}\n" for line in before),
        "after": "".join(f"{line}\n" for line in after),
    }


def _line(value: Any) -> str:
    return value if isinstance(value, str) else json.dumps(value, sort_keys=True, default=str)
