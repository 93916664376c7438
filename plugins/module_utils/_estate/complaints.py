# Copyright: (c) 2026, the virtfleet.core contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Complaints in the words of the document: where in it, about whom."""

from __future__ import annotations

import re

from .spec import EstateSpec

_PATH = re.compile(r"^[a-z_]+(\[\d+\]|\.[\w-]+)*: ")


def has_path(problem: str) -> bool:
    """Tell whether a complaint begins with the path of an option."""
    return bool(_PATH.match(problem))


def located(estate: EstateSpec, kind: str, name: str, problem: str) -> str:
    """Return a complaint about an object with its place in the document; what is in no document keeps its words."""
    place = estate.places.get((kind, name))
    if place is None:
        return problem
    prefix = f"{kind} {name}: "
    rest = problem[len(prefix) :] if problem.startswith(prefix) else problem
    if has_path(rest):
        path, _colon, sentence = rest.partition(": ")
        return f"{place}.{path} ({name}): {sentence}"
    return f"{place} ({name}): {rest}"
