# Copyright: (c) 2026, the virtfleet.core contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Words that were meant: what an unknown one may have been a slip of."""

from __future__ import annotations

import difflib
from collections.abc import Iterable


def close(word: str, known: Iterable[str]) -> str:
    """Return ``, did you mean 'x'?`` with the known word that is nearest, or nothing."""
    found = difflib.get_close_matches(word, list(known), 1)
    return f", did you mean {found[0]!r}?" if found else ""


def system_word(system: str) -> str:
    """Return an operating system in one word by its id of libosinfo: ``debian-12`` for ``http://debian.org/debian/12``."""
    return "-".join(system.split("://", 1)[1].split("/")[1:]) if "://" in system else system


def system_key(word: str) -> str:
    """Return what all names of an operating system have in common: its id, its short id, and these with dashes."""
    return system_word(word).replace("-", "").lower()
