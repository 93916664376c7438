# Copyright: (c) 2026, the virtfleet.core contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""From the entries of a document to whole guests: defaults, profiles, numbers.

One rule of merging: the later word counts, mappings are merged key by key, everything else (a list too) is replaced, and
null takes away what was there. The order is ``guest_defaults``, the profiles in their order, the guest's own words.
"""

from __future__ import annotations

import ipaddress
import re
from collections.abc import Mapping, Sequence
from typing import Any

# ``{n}``, ``{n:03}``: the number of a guest, with so many digits at least.
_NUMBER = re.compile(r"\{n(?::0?(\d))?\}")
# Documents for somebody else, in which braces are his.
_FREE = ("cloud_init", "unattend", "xml_overlay")


def merged(lower: Mapping[str, Any], upper: Mapping[str, Any]) -> dict[str, Any]:
    """Return ``lower`` with the words of ``upper`` over it; a null stays, so that it counts on the next level too."""
    found = dict(lower)
    for name, value in upper.items():
        below = found.get(name)
        if isinstance(value, Mapping) and isinstance(below, Mapping):
            found[name] = merged(below, value)
        else:
            found[name] = value
    return found


def layered(defaults: Mapping[str, Any], profiles: Sequence[Mapping[str, Any]], own: Mapping[str, Any]) -> dict[str, Any]:
    """Return a guest's own words over those of its profiles in their order, over the defaults."""
    whole: Mapping[str, Any] = defaults
    for upper in (*profiles, own):
        whole = merged(whole, upper)
    found: dict[str, Any] = _without_nulls(whole)
    return found


def _without_nulls(value: Any) -> Any:
    if isinstance(value, Mapping):
        return {key: _without_nulls(part) for key, part in value.items() if part is not None}
    return value


def numbered(entry: Mapping[str, Any], number: int) -> dict[str, Any]:
    """Return the guest of this number, from 1, of an entry with ``count``.

    ``{n}`` in any text but cloud_init and xml_overlay becomes the number; a name without it gets the number behind it. The
    address of a nic without it is the first guest's, the others count upward from there.
    """
    found = {name: value if name in _FREE else _with_number(value, number) for name, value in entry.items()}
    name = str(entry.get("name", ""))
    if not _NUMBER.search(name):
        found["name"] = f"{name}{number}"
    if isinstance(entry.get("nics"), (list, tuple)):
        found["nics"] = [_nth(before, after, number) for before, after in zip(entry["nics"], found["nics"])]
    return found


def has_number(value: Any) -> bool:
    """Tell whether a text is different for each number."""
    return bool(_NUMBER.search(str(value)))


def _with_number(value: Any, number: int) -> Any:
    if isinstance(value, str):
        return _NUMBER.sub(lambda match: f"{number:0{match.group(1) or 1}d}", value)
    if isinstance(value, Mapping):
        return {key: _with_number(part, number) for key, part in value.items()}
    if isinstance(value, (list, tuple)):
        return [_with_number(part, number) for part in value]
    return value


def _nth(before: Any, after: Any, number: int) -> Any:
    """Return a nic with the address of this number; one that cannot be read is left for the one who checks it."""
    if not isinstance(before, Mapping) or before.get("address") is None or has_number(before["address"]):
        return after
    try:
        address = ipaddress.ip_address(str(before["address"])) + (number - 1)
    except ValueError:
        return after
    return {**after, "address": str(address)}
