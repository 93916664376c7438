# Copyright: (c) 2026, the virtfleet.core contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Markdown tables of figures."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field


@dataclass
class Table:
    """Rows below a head; ``notes`` are sentences below the table."""

    title: str
    head: Sequence[str]
    rows: list[Sequence[str]] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)

    def add(self, *cells: str) -> None:
        self.rows.append(cells)
        print("  " + "  ".join(cell for cell in cells if cell), flush=True)

    def note(self, sentence: str) -> None:
        if sentence not in self.notes:
            self.notes.append(sentence)

    def text(self) -> str:
        """Return the table as Markdown; the first column is words, the others are figures."""
        lines = [
            f"## {self.title}",
            "",
            f"| {' | '.join(self.head)} |",
            f"|{'---|' * 2}{'---:|' * (len(self.head) - 2)}",
        ]
        lines += [f"| {' | '.join(row)} |" for row in self.rows]
        notes = [line for sentence in self.notes for line in ("", sentence)]
        return "\n".join([*lines, *notes])


def number(value: float) -> str:
    """Return three figures that matter, never in powers of ten."""
    if value >= 100:
        return f"{value:.0f}"
    return f"{value:.1f}" if value >= 10 else f"{value:.2f}"


def size(count: int) -> str:
    """Return bytes in a unit that fits."""
    return f"{count / 1024:.1f} KiB" if count < 1 << 20 else f"{count / (1 << 20):.0f} MiB"
