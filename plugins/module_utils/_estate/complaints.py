# Copyright: (c) 2026, the virtfleet.core contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Complaints in the words of the document: where in it, about whom."""

from __future__ import annotations

import re
from collections.abc import Sequence

from .spec import EstateSpec

# More than this tells nothing new.
_MOST = 25
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


def bounded(problems: Sequence[str]) -> list[str]:
    """Return the first complaints, each once, and how many more there are."""
    every = list(dict.fromkeys(problems))
    return every if len(every) <= _MOST else [*every[:_MOST], f"and {len(every) - _MOST} more"]
