# Copyright: (c) 2026, the virtfleet.core contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What a short document means: its guests with all that they inherit, by the rules of the document."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any


def unfolded(document: Mapping[str, Any]) -> list[dict[str, Any]]:
    """Return the guests: defaults, then profiles in order, then the guest's own; mappings merge, all else replaces."""
    found = []
    for guest in document.get("guests", ()):
        made: dict[str, Any] = {}
        layers = [document["profiles"][name] for name in guest.get("profiles", ())]
        for layer in (document.get("guest_defaults", {}), *layers, guest):
            made = _merged(made, layer)
        made.pop("profiles", None)
        found.append({name: value for name, value in made.items() if value is not None})
    return found


def _merged(below: Mapping[str, Any], above: Mapping[str, Any]) -> dict[str, Any]:
    made = dict(below)
    for name, value in above.items():
        both = isinstance(value, Mapping) and isinstance(made.get(name), Mapping)
        made[name] = _merged(made[name], value) if both else value
    return made
