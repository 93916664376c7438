# Copyright: (c) 2026, the virtfleet.core contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What the inventory keeps of hypervisors from one run to the next: each answer with its own age.

Ansible's cache plugins know one age for all that a file keeps, and one hypervisor that is down would make it young again
with every run. Anything may have been written to a cache, so each shape is looked at.
"""
from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from ansible_collections.virtfleet.core.plugins.plugin_utils._hypervisors import Source
from ansible_collections.virtfleet.core.plugins.plugin_utils._inventory import RECORD_VERSION, Answer


@dataclass(frozen=True)
class Kept:
    """The answers by URI, as the cache has them, and the time now in seconds since the epoch."""

    answers: dict[str, Mapping[str, Any]]
    now: float

    @classmethod
    def of(cls, entry: Any, now: float) -> Kept:
        """Read what the cache has; nothing where that is out of shape or was written by another version."""
        found = entry.get("hypervisors") if isinstance(entry, Mapping) else None
        if not isinstance(found, Mapping) or entry.get("version") != RECORD_VERSION:
            return cls({}, now)
        return cls({uri: answer for uri, answer in found.items() if _in_shape(answer)}, now)

    def fresh(self, source: Source, limit: float) -> Answer | None:
        """Return an answer not older than ``limit`` seconds (0 is for ever), as it would come now."""
        kept = self._of(source)
        if kept is None or not (limit == 0 or 0 <= self.now - kept["at"] < limit):
            return None
        return Answer(kept["guests"])

    def last(self, source: Source, limit: float) -> Answer | None:
        """Return the answer of a hypervisor that now gives none, not older than ``limit`` seconds."""
        kept = self._of(source)
        if kept is None or not 0 <= self.now - kept["at"] < limit:
            return None
        return Answer(kept["guests"], stale=True)

    def note(self, source: Source, answer: Answer) -> None:
        """Keep an answer."""
        self.answers[source.uri] = {"at": self.now, "asked": _asked(source), "guests": answer.guests}

    def entry(self, hypervisors: Sequence[Source]) -> dict[str, Any]:
        """Return what the cache is to have; hypervisors that are no more asked go."""
        known = {source.uri for source in hypervisors}
        return {
            "version": RECORD_VERSION,
            "hypervisors": {uri: answer for uri, answer in self.answers.items() if uri in known},
        }

    def _of(self, source: Source) -> Mapping[str, Any] | None:
        kept = self.answers.get(source.uri)
        # What was read with other options is of no use.
        return kept if kept is not None and list(kept["asked"]) == _asked(source) else None


def _asked(source: Source) -> list[str]:
    return [*source.wish.sources, *source.wish.details]


def _in_shape(answer: Any) -> bool:
    return (
        isinstance(answer, Mapping)
        and isinstance(answer.get("at"), (int, float))
        and isinstance(answer.get("asked"), list)
        and isinstance(answer.get("guests"), list)
    )
