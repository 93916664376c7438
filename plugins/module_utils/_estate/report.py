# Copyright: (c) 2026, the virtfleet.core contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A plan for people: as text, one sign a line, and as Markdown for a pull request. Made from a module's result."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

Row = Mapping[str, Any]

_SIGNS = {"create": "+", "delete": "-", "replace": "-/+", "update": "~"}
# What an effect means for whoever uses the guest.
_COSTS = {
    "restart": "true after its next cold start",
    "recreate": "the object goes",
    "data_loss": "data is lost",
}
_LONGEST = 120
_MARKUP = frozenset("\\`*_[]<>|#@&")


def text(rows: Sequence[Row], summary: Mapping[str, int], pending: Sequence[Row] = (), drift: Sequence[Row] = ()) -> str:
    """Return a plan as lines: a sign and the object, then each option with its values and, where it is dear, its cost."""
    lines = [line for row in rows for line in _object(row)]
    if pending:
        lines += ["", "waits for a cold start:"]
        lines += [f"  {row['kind']} {row['name']}: {_paths(row)}" for row in pending]
    if drift:
        lines += ["", "changed by hand since the last run:"]
        lines += [f"  {_drift(row)}" for row in drift]
    lines += ["", headline(summary)] if lines else [headline(summary)]
    return "\n".join(lines) + "\n"


def headline(summary: Mapping[str, int]) -> str:
    """Return a summary as a sentence."""
    words = (("create", "to create"), ("update", "to update"), ("replace", "to make anew"), ("delete", "to delete"))
    found = [f"{summary[verb]} {word}" for verb, word in words if summary.get(verb)]
    return f"{', '.join(found) or 'nothing to do'}; {summary.get('unchanged', 0)} unchanged"


def _object(row: Row) -> Iterable[str]:
    cost = _COSTS.get(row["effect"], "")
    yield f"{_SIGNS.get(row['action'], '~'):>3} {row['kind']} {row['name']}{f'  # {cost}' if cost else ''}"
    width = max((len(change["path"]) for change in row["changes"]), default=0)
    for change in row["changes"]:
        before, after = change["before"], change["after"]
        if before is None:
            values = _value(after)
        else:
            values = f"{_value(before)} -> {_value(after)}"
        cost = _COSTS.get(change["effect"], "")
        notes = "; ".join(part for part in (cost, change.get("why", "")) if part)
        yield f"      {change['path']:<{width}} : {values}{f'  # {notes}' if notes else ''}"
    if row.get("error"):
        yield f"      {row['outcome']}: {row['error']}"


def _value(value: Any) -> str:
    if value is None:
        return "(none)"
    shown = value if isinstance(value, str) else json.dumps(value, sort_keys=True, default=str)
    return shown if len(shown) <= _LONGEST else f"{shown[:_LONGEST]}..."


def _paths(row: Row) -> str:
    return ", ".join(f"{change['path']} {_value(change['before'])} -> {_value(change['after'])}" for change in row["changes"])


def _drift(row: Row) -> str:
    where = "" if row["side"] == "definition" else " (in the running guest only)"
    wanted = "" if row["wanted"] == row["applied"] else f", wanted {_value(row['wanted'])}"
    return f"{row['kind']} {row['name']} {row['path']}: {_value(row['applied'])} -> {_value(row['found'])}{wanted}{where}"


def markdown(
    rows: Sequence[Row],
    summary: Mapping[str, int],
    pending: Sequence[Row] = (),
    drift: Sequence[Row] = (),
    title: str = "Plan",
) -> str:
    """Return a plan as Markdown: a headline, a table with a line for each option, and what waits or was moved by hand."""
    lines = [f"### {_cell(title)}: {headline(summary)}", ""]
    if rows:
        lines += ["| | object | option | before | after | effect |", "|---|---|---|---|---|---|"]
    for row in rows:
        name = f"{row['kind']} **{_cell(row['name'])}**"
        sign = f"`{_SIGNS.get(row['action'], '~')}`"
        if not row["changes"]:
            lines.append(f"| {sign} | {name} | | | | {row['effect']} |")
        for change in row["changes"]:
            before, after = _cell(_value(change["before"])), _cell(_value(change["after"]))
            effect = change["effect"] if change["effect"] in ("live", "none") else f"**{change['effect']}**"
            lines.append(f"| {sign} | {name} | {_cell(change['path'])} | {before} | {after} | {effect} |")
            sign = name = ""
    if pending:
        lines += ["", "Waits for a cold start:", ""]
        lines += [f"- {row['kind']} **{_cell(row['name'])}**: {_cell(_paths(row))}" for row in pending]
    if drift:
        lines += ["", "Changed by hand since the last run:", ""]
        lines += [f"- {_cell(_drift(row))}" for row in drift]
    return "\n".join(lines) + "\n"


def _cell(value: Any) -> str:
    """Return a text that cannot end a table's cell, begin markup, or call somebody: some of it is a guest's own words."""
    plain = " ".join("".join(letter if letter.isprintable() else " " for letter in str(value)).split())
    return "".join(f"&#{ord(letter)};" if letter in _MARKUP else letter for letter in plain)
