# Copyright: (c) 2026, the virtfleet.core contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A plan that was made, kept, and is applied later: only if it would still be made so.

What is kept is the rows and a fingerprint: of the document, of the host, of the rows. A plan made anew from the same
document has the same rows unless the host has moved on.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping, Sequence
from typing import Any

from .._errors import Conflict, SpecError

VERSION = 1
Rows = Sequence[Mapping[str, Any]]


def fingerprint(document: Any, host_uuid: str, rows: Rows) -> dict[str, Any]:
    """Return what tells a plan apart from others: ``{version, host, document, rows}``, the last two as SHA-256."""
    return {"version": VERSION, "host": host_uuid, "document": _digest(document), "rows": _digest(_bare(rows))}


def check(saved: Any, present: Mapping[str, Any], rows: Rows) -> None:
    """Raise where a saved plan is not the present one: SpecError for what is none, Conflict with what is different."""
    kept = saved.get("fingerprint") if isinstance(saved, Mapping) else None
    if not isinstance(kept, Mapping) or not isinstance(saved.get("plan"), (list, tuple)):
        raise SpecError("saved_plan: is not the result of a run with mode: plan, which has plan and fingerprint")
    if kept.get("version") != VERSION:
        raise SpecError(f"saved_plan: is of version {kept.get('version')}, and this collection makes version {VERSION}")
    if kept.get("host") != present["host"]:
        raise Conflict(f"saved_plan: was made for the host {kept.get('host')}, and this one is {present['host']}")
    if kept.get("document") != present["document"]:
        raise Conflict("saved_plan: was made from another document than the one that is given; make the plan anew")
    if kept.get("rows") != present["rows"]:
        raise Conflict(
            f"saved_plan: the host has moved on since it was made, nothing was touched: {_differences(saved['plan'], rows)}; "
            "make the plan anew, and look at it"
        )


def _bare(rows: Rows) -> list[dict[str, Any]]:
    """Return rows without how they went."""
    return [{key: value for key, value in row.items() if key not in ("outcome", "error")} for row in rows]


def _digest(value: Any) -> str:
    return hashlib.sha256(json.dumps(value, sort_keys=True, default=str).encode()).hexdigest()


def _differences(saved: Rows, rows: Rows) -> str:
    """Return in words which objects are planned otherwise."""
    before, now = ({_name(row): _digest(row) for row in _bare(every)} for every in (saved, rows))
    found = [f"{name} would not be changed any more" for name in before if name not in now]
    found += [f"{name} would be changed too" for name in now if name not in before]
    found += [f"{name} would be changed otherwise" for name in now if name in before and before[name] != now[name]]
    shown = "; ".join(found[:10]) or "the order is another"
    return shown if len(found) <= 10 else f"{shown}; and {len(found) - 10} more"


def _name(row: Mapping[str, Any]) -> str:
    return f"{row.get('kind')} {row.get('name')}"
