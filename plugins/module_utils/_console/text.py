# Copyright: (c) 2026, the virtfleet.core contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Readable text out of the bytes that a guest writes to its terminal, in whatever pieces they come.

Everything that a guest writes is hostile: what a terminal would obey is dropped, and what is kept is bounded.
"""
from __future__ import annotations

import codecs
import re
import unicodedata

# Escape sequences as ECMA-48 has them: CSI with parameters and a final letter; strings (OSC, DCS, PM, APC, SOS) up to
# BEL or ST; and the short ones.
_WHOLE = re.compile("\x1b(?:\\[[0-?]*[ -/]*[@-~]|[\\]PX^_][^\x07\x1b]*(?:\x07|\x1b\\\\)|[ -/]+[0-~]|[0-OQ-WYZ\\\\`-~])")
_BEGUN = re.compile("\x1b(?:\\[[0-?]*[ -/]*|[\\]PX^_][^\x07\x1b]*\x1b?|[ -/]*)\\Z")
# No sequence that means something is longer: a string that does not end is not waited for.
_LONGEST = 4096
_JOINERS = "\u200c\u200d"


class Cleaner:
    """Turns bytes into text, piece by piece: UTF-8, lines that end in a newline, no control characters."""

    def __init__(self) -> None:
        self._decoder = codecs.getincrementaldecoder("utf-8")("replace")
        self._held = ""

    def feed(self, data: bytes) -> str:
        """Return the text that is certain by now; the pieces together are the same however the bytes were cut."""
        text = self._held + self._decoder.decode(data)
        self._held = ""
        kept: list[str] = []
        place = 0
        while True:
            found = text.find("\x1b", place)
            if found < 0:
                kept.append(text[place:])
                break
            kept.append(text[place:found])
            whole = _WHOLE.match(text, found)
            if whole and whole.end() - found <= _LONGEST:
                place = whole.end()
            elif len(text) - found < _LONGEST and _BEGUN.match(text, found):
                self._held = text[found:]
                break
            else:
                place = found + 1
        plain = "".join(kept)
        return plain if plain.isascii() and plain.isprintable() else "".join(map(_shown, plain))

    @property
    def held(self) -> bool:
        """Tell whether a sequence is under way."""
        return bool(self._held)


def _shown(char: str) -> str:
    if char in "\n\t":
        return char
    category = unicodedata.category(char)
    # What Unicode has given no meaning (surrogates, unassigned, private) may be anything where it is shown.
    if category in ("Cs", "Cn", "Co"):
        return "\ufffd"
    # Cf are the invisible ones: overrides of the writing direction, tags, zero widths.
    return "" if category in ("Cc", "Zl", "Zp") or (category == "Cf" and char not in _JOINERS) else char


def plain(data: bytes) -> str:
    """Return the text of bytes that are complete."""
    return Cleaner().feed(data)


class Transcript:
    """The last of what was said, up to a number of characters."""

    def __init__(self, limit: int) -> None:
        self._cleaner = Cleaner()
        self._limit = limit
        self.text = ""
        self.dropped = 0

    def feed(self, data: bytes) -> str:
        """Add what came; return what it adds as text."""
        more = self._cleaner.feed(data)
        text = self.text + more
        over = max(0, len(text) - self._limit)
        self.dropped += over
        self.text = text[over:]
        return more

    def last(self, limit: int = 400) -> str:
        """Return the end as one line for an error."""
        return one_line(self.text, limit)


def one_line(text: str, limit: int = 400) -> str:
    """Return the end of a text as one line, for an error."""
    line = " | ".join(filter(None, (" ".join(part.split()) for part in text[-4 * limit :].splitlines())))
    return line if len(line) <= limit else "..." + line[-limit:]
