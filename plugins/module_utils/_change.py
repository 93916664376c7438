# Copyright: (c) 2026, the virtfleet.core contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What differs, what that costs, what is to be done, and how it went. Values only; nothing here acts.

A ``Change`` is one field; an ``Action`` is all that happens to one object, with the ``Step``s that do it in order.
Prediction (``Action.effect``) and outcome (``Outcome``) are kept apart.
"""

from __future__ import annotations

import enum
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from typing import Any


class Marker(enum.Enum):
    """Values that no user can write."""

    UNSET = "unset"
    UNKNOWN = "(after apply)"

    def __repr__(self) -> str:
        return self.name


UNSET = Marker.UNSET
UNKNOWN = Marker.UNKNOWN

HIDDEN = "(hidden)"


class Effect(enum.IntEnum):
    """What a change costs. The order is the price: the effect of several changes is their maximum."""

    NONE = 0
    LIVE = 1
    RESTART = 2
    RECREATE = 3
    DATA_LOSS = 4

    def __str__(self) -> str:
        return self.name.lower()


@dataclass(frozen=True)
class Change:
    """One field of one object: ``path`` in the user's words, values in internal units (bytes, counts)."""

    path: tuple[str, ...]
    before: Any
    after: Any
    effect: Effect
    why: str = ""
    secret: bool = False


@dataclass(frozen=True)
class Step:
    """One call on a port: ``op`` names a method of the Hypervisor or of Files, ``args`` its keyword arguments.

    ``optional``: when the step fails, the change it stands for stays pending with the reason, and later steps go on.
    ``says`` is the step in words for progress and errors: "could not <says>: <reason>".
    """

    op: str
    args: Mapping[str, Any] = field(default_factory=dict)
    says: str = ""
    optional: bool = False


@dataclass(frozen=True)
class Action:
    """Everything that is to happen to one object. ``kind`` and ``name`` identify it, ``action`` is a verb.

    ``needs`` names actions (kind, name) that come first, and whose failure makes this one ``skipped``. Actions of one
    ``lane`` are done one after another, in their order.
    """

    kind: str
    name: str
    action: str
    effect: Effect
    changes: tuple[Change, ...] = ()
    steps: tuple[Step, ...] = ()
    needs: tuple[tuple[str, str], ...] = ()
    lane: str = ""

    @property
    def key(self) -> tuple[str, str]:
        return (self.kind, self.name)


@dataclass(frozen=True)
class Outcome:
    """How an action went: ``done``, ``failed``, ``pending`` or ``skipped``; ``planned`` in check mode."""

    action: Action
    outcome: str
    error: str | None = None
    pending: tuple[Change, ...] = ()
    results: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True)
class Drift:
    """One field that somebody else changed: what was applied last, what was found, what is wanted, in the user's words.

    ``side`` is ``definition``, or ``live`` where only the running object differs. ``moved``: the wanted value is another
    one than was applied last, too.
    """

    path: tuple[str, ...]
    applied: Any
    found: Any
    wanted: Any
    side: str = "definition"
    moved: bool = False


@dataclass(frozen=True)
class Plan:
    """The actions in the order in which they are to be done, what is pending, and what was left alone.

    ``pending`` maps (kind, name) to the changes that wait for a restart, ``unmanaged`` to names of entries that
    exist without being ours, ``drift`` to what others changed; ``warnings`` are sentences.
    """

    actions: tuple[Action, ...] = ()
    pending: Mapping[tuple[str, str], tuple[Change, ...]] = field(default_factory=dict)
    unmanaged: Mapping[tuple[str, str], tuple[str, ...]] = field(default_factory=dict)
    warnings: tuple[str, ...] = ()
    drift: Mapping[tuple[str, str], tuple[Drift, ...]] = field(default_factory=dict)

    @property
    def effect(self) -> Effect:
        return worst(action.effect for action in self.actions)

    def joined(self, other: Plan) -> Plan:
        """Return this plan followed by another one."""
        return replace(
            self,
            actions=self.actions + other.actions,
            pending={**self.pending, **other.pending},
            unmanaged={**self.unmanaged, **other.unmanaged},
            drift={**self.drift, **other.drift},
            # What is true of the whole host is said once.
            warnings=tuple(dict.fromkeys(self.warnings + other.warnings)),
        )


def worst(effects: Iterable[Effect]) -> Effect:
    """Return the dearest of several effects; NONE of none."""
    return max(effects, default=Effect.NONE)


def under(prefix: tuple[str, ...], changes: Iterable[Change]) -> tuple[Change, ...]:
    """Return the changes with ``prefix`` put before each path."""
    return tuple(replace(change, path=prefix + change.path) for change in changes)
