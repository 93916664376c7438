# Copyright: (c) 2026, the virtfleet.core contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A guest's definition as the table and the record have it: read once, however many ask.

Parsing is most of what planning an unchanged guest costs. The tree is not kept: it takes ten times the room of its text.
"""

from __future__ import annotations

from dataclasses import dataclass

from .. import _xml
from .._facts import GuestFacts
from .._table import Spec, observe
from .record import Record
from .record import read as read_record
from .table import GUEST


@dataclass(frozen=True)
class Seen:
    """``have`` is the normal spec, which nobody may change; ``record`` is None where the collection never wrote."""

    have: Spec
    record: Record | None


def seen(facts: GuestFacts) -> Seen:
    """Return what the persistent definition of a guest says."""
    found = facts.notes.get("seen")
    if not isinstance(found, Seen):
        root = _xml.parse(facts.xml)
        found = facts.notes["seen"] = Seen(observe(GUEST, root), read_record(root))
    return found
