# Copyright: (c) 2026, the virtfleet.core contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Guests that have much in common, said once: by guest_defaults what all share, by profiles what some do.

A document means the same before and after: mappings merge and all else replaces, so only whole options move, and only
where every guest that would inherit one has it with this very value.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

# What makes a guest this one.
_OWN = frozenset(("name", "uuid", "profiles"))
# A profile of a single word is longer than the word.
_SMALLEST = 2

Entry = dict[str, Any]
# A word of a guest as something that can be compared: the option and its value as JSON.
Word = tuple[str, str]


def shorten(guests: Sequence[Mapping[str, Any]], minimum: int) -> Entry:
    """Return ``guests`` with ``guest_defaults`` and ``profiles`` where they make the document shorter.

    ``minimum`` is the number of guests that must share what is moved.
    """
    rest = [dict(guest) for guest in guests]
    found: Entry = {}
    if len(rest) >= max(2, minimum):
        shared = frozenset.intersection(*(_words(guest) for guest in rest))
        if shared:
            found["guest_defaults"] = _moved(rest, shared)
    profiles: Entry = {}
    while True:
        words = _best(rest, minimum)
        if not words:
            break
        name = f"shared-{len(profiles) + 1}"
        members = [guest for guest in rest if "profiles" not in guest and words <= _words(guest)]
        profiles[name] = _moved(members, words)
        for guest in members:
            guest["profiles"] = [name]
    if profiles:
        found["profiles"] = profiles
    found["guests"] = [_first(guest, ("name", "profiles")) for guest in rest]
    return found


def _words(guest: Mapping[str, Any]) -> frozenset[Word]:
    return frozenset((name, json.dumps(value, sort_keys=True)) for name, value in guest.items() if name not in _OWN)


def _moved(guests: Sequence[Entry], words: Iterable[Word]) -> Entry:
    """Take the words out of the guests and return them, in the order in which a guest has them."""
    names = {name for name, _value in words}
    taken = {name: guests[0][name] for name in guests[0] if name in names}
    for guest in guests:
        for name in names:
            del guest[name]
    return taken


def _best(guests: Sequence[Entry], minimum: int) -> frozenset[Word]:
    """Return the words that save the most when the guests without a profile share them, the same for the same guests."""
    free: dict[frozenset[Word], int] = {}
    for guest in guests:
        if "profiles" not in guest:
            words = _words(guest)
            free[words] = free.get(words, 0) + 1
    kinds = sorted(free, key=sorted)
    candidates = {one & other for number, one in enumerate(kinds) for other in kinds[number:]}
    best: tuple[int, int] = (0, 0)
    chosen: frozenset[Word] = frozenset()
    for words in sorted(candidates, key=sorted):
        members = sum(count for kind, count in free.items() if words <= kind)
        if len(words) < _SMALLEST or members < max(2, minimum):
            continue
        # A line for each word that goes, against the profile's own lines and one for each guest that names it.
        saved = _lines(words) * (members - 1) - members - 1
        if (saved, len(words)) > best:
            best, chosen = (saved, len(words)), words
    return chosen


def _lines(words: Iterable[Word]) -> int:
    """Return about how many lines words take as YAML."""
    return sum(1 + value.count("{") + value.count("[") for _name, value in words)


def _first(guest: Mapping[str, Any], names: Sequence[str]) -> Entry:
    ahead = {name: guest[name] for name in names if name in guest}
    return {**ahead, **{name: value for name, value in guest.items() if name not in names}}
