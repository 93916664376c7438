# Copyright: (c) 2026, the virtfleet.core contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""An object of a host in the words of the document, with what words do not reach.

Nothing is believed: an entry counts only when the planner that will read it has nothing to change.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from .._change import Plan
from .._errors import VirtError

HIDDEN_WHY = "secrets are never read out; put it back by hand, from a vault"
TRANSIENT_WHY = "it is transient and gone once it stops; make it persistent first (virsh define)"


@dataclass(frozen=True)
class Left:
    """What the document does not say in words: its place, the XML, and why. ``xml`` is empty for what is absent."""

    kind: str
    name: str
    at: str
    xml: str
    why: str

    def row(self) -> dict[str, str]:
        """Return it as the module does."""
        return {"kind": self.kind, "name": self.name, "at": self.at, "xml": self.xml, "why": self.why}


@dataclass(frozen=True)
class Said:
    """One object: its entry in the document, None where it has none, what is left, and the images that it names."""

    entry: dict[str, Any] | None
    left: tuple[Left, ...] = ()
    bases: frozenset[str] = frozenset()


def unsettled(made: Plan) -> str | None:
    """Return in words what a plan would change, None for nothing."""
    paths = [".".join(change.path) for action in made.actions for change in action.changes]
    return f"in these words the plan would still change {', '.join(paths)}" if made.actions else None


def sentence(error: VirtError, kind: str, name: str) -> str:
    """Return an error without the object's name, which stands beside it."""
    return str(error).replace(f"{kind} {name}: ", "")


def ordered(entry: Mapping[str, Any], options: Sequence[str]) -> dict[str, Any]:
    """Return an entry with its words in the order of the options."""
    return {option: entry[option] for option in options if option in entry}
