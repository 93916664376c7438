# Copyright: (c) 2026, the virtfleet.core contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Turn a listing of machine code, bytes and all, into the bytes.

A listing has a line for each instruction, ``bytes | instruction | why``, and labels, ``name:``. Only the bytes count; the
instruction is for the reader, and for a test that compares it with what a disassembler makes of the bytes. A line
``.16``, ``.32`` or ``.64`` says how the processor reads what follows. Among the bytes may stand

    'p'          the character
    <name        one byte: how far the label is from the next instruction
    <<name       four bytes of the same
    @name        two bytes: the label's offset
    =name        four bytes: the label's address
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass

_SIZES = (("<<", 4), ("<", 1), ("@", 2), ("=", 4))


@dataclass(frozen=True)
class Line:
    """One instruction: where it stands, in which mode (16, 32, 64) it is read, its bytes' words, and what it is."""

    offset: int
    bits: int
    words: tuple[str, ...]
    instruction: str

    @property
    def end(self) -> int:
        return self.offset + sum(_size(word) for word in self.words)


def assemble(listing: str, address: int) -> bytes:
    """Return the code of a listing whose first byte will be at ``address``."""
    lines, labels = read(listing)
    return b"".join(_bytes(word, line, labels, address) for line in lines for word in line.words)


def read(listing: str) -> tuple[list[Line], Mapping[str, int]]:
    """Return the instructions of a listing and the offset of each label."""
    lines: list[Line] = []
    labels: dict[str, int] = {}
    bits = offset = 0
    for text in _significant(listing):
        if text.startswith("."):
            bits = int(text[1:])
        elif text.endswith(":"):
            labels[text[:-1]] = offset
        else:
            words, instruction = (part.strip() for part in text.split("|")[:2])
            lines.append(Line(offset, bits, tuple(words.split()), instruction))
            offset = lines[-1].end
    return lines, labels


def _significant(listing: str) -> Iterator[str]:
    return (line.strip() for line in listing.splitlines() if line.strip())


def _size(word: str) -> int:
    return next((size for mark, size in _SIZES if word.startswith(mark)), 1)


def _bytes(word: str, line: Line, labels: Mapping[str, int], address: int) -> bytes:
    size = _size(word)
    if word.startswith("'"):
        return word[1].encode()
    if word.startswith("<"):
        return (labels[word.lstrip("<")] - line.end).to_bytes(size, "little", signed=True)
    if word.startswith("@"):
        return labels[word[1:]].to_bytes(size, "little")
    if word.startswith("="):
        return (address + labels[word[1:]]).to_bytes(size, "little")
    return bytes.fromhex(word)
