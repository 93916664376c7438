# Copyright: (c) 2026, the virtfleet.core contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Requests and answers over a terminal on which others write too, the kernel above all.

A loop of ``/bin/sh`` in the guest reads one request a line and answers each with a line that bears its number. The numbers
begin with a word that nobody can guess, so neither boot messages nor what a command prints are taken for an answer. An
answer that does not come whole is asked for again: a request that was obeyed is not obeyed twice, its answer is repeated.
Data come as numbered lines of base64; those that a message of the kernel tore apart are asked for again, and a checksum
over all of it has the last word.

The loop asks for nothing but POSIX, base64 and sha256sum (coreutils and busybox have them). No I/O here.
"""
from __future__ import annotations

import base64
import binascii
import hashlib
import re
from collections.abc import Collection, Iterator

# A line of a terminal in canonical mode: Linux takes 4095 bytes, the BSDs less.
LINE_BYTES = 1000
# base64 makes 4 of 3; the words around it take the rest.
BLOCK_BYTES = (LINE_BYTES - 100) // 4 * 3
# What base64 prints on a line, of coreutils and busybox.
_WIDTH = 76
_LINES = re.compile(rb"\A[A-Za-z0-9+/]+={0,2}\Z")

# n: number, k: length of the request, p: the number that was obeyed last, r: its answer. The text of the line must not
# contain the mark itself, as the terminal shows it while it is typed: hence the two halves of the word. A shell that is
# told so keeps a line with a space in front out of its history.
_LOOP = (
    " sh -c 's=$(stty -g 2>/dev/null);stty -echo 2>/dev/null;exec 3>&1;printf \"\\n%s%s:ready=\\n\" {head} {tail};p=;r=;"
    'while read -r n k l;do if [ "${{#l}}" != "$k" ];then printf "\\n%s:?=\\n" "$n";continue;fi;'
    '[ "$l" = q ]&&break;[ "$n" = "$p" ]||{{ p=$n;r=$(eval "$l");}};'
    'printf "\\n%s:%s=\\n" "$n" "$r";done;stty "$s" 2>/dev/null;printf "\\n%s%s:over=\\n" {head} {tail}\'\r'
)


class Protocol:
    """The two halves of a conversation: lines to send, and what was answered."""

    def __init__(self, token: str) -> None:
        """``token`` is a word of letters and digits that the guest cannot guess, of 8 characters or more."""
        if not re.fullmatch("[A-Za-z0-9]{8,64}", token):
            raise ValueError(token)
        self._token = token
        self._number = 0
        self._request = b""
        half = len(token) // 2
        self._halves = token[:half].encode(), token[half:].encode()
        self.install = _LOOP.format(head=token[:half], tail=token[half:]).encode()
        self.ready = f"{token}:ready=".encode()
        self.over = f"{token}:over=".encode()

    def end(self) -> bytes:
        """Return the line that ends the loop; the guest says ``over`` then."""
        self._number += 1
        self._request = f"{self.tag} 1 q\r".encode()
        return self._request

    @property
    def tag(self) -> str:
        """What the lines of the present request's data begin with."""
        return f"{self._token}{self._number}"

    def request(self, command: str) -> bytes:
        """Return the line that has a command obeyed once. Its output is its answer: one short line of plain characters.

        What it writes to file descriptor 3 goes to the terminal.
        """
        if not command.isascii() or not command.isprintable() or command.strip() != command or not command:
            raise ValueError(command)
        self._number += 1
        self._request = f"{self.tag} {len(command)} {command}\r".encode()
        if len(self._request) > 4 * LINE_BYTES:
            raise ValueError(command)
        return self._request

    def again(self) -> bytes:
        """Return the present request once more; an Enter ends what may have come of the last try."""
        return b"\r" + self._request

    def answer(self, heard: bytes) -> str | None:
        """Return the answer to the present request, None while it has not come whole; ``?`` when it arrived damaged."""
        found: list[bytes] = re.findall(re.escape(self.tag.encode()) + rb":([ -<>-~]*)=\r?\n", heard)
        return found[-1].decode("ascii") if found else None

    def torn(self, heard: bytes) -> bool:
        """Say whether the loop lives: parts of its answers were heard, and not the request as a terminal shows it."""
        return any(half in heard for half in self._halves) and self.tag.encode() + b" " not in heard

    def data(self, path: str, lines: Collection[int] = ()) -> str:
        """Return the command that prints a file as numbered lines, all of them or those that are named."""
        chosen = "|sed -n '" + ";".join(f"{first},{last}p" for first, last in _ranges(lines)) + "'" if lines else ""
        # The tag is that of the request that carries this command, hence $n.
        return f"base64 <{path}|grep -n ''{chosen}|sed \"s/^/$n,/;s/$/,/\" >&3"


def _ranges(lines: Collection[int]) -> Iterator[tuple[int, int]]:
    first = last = 0
    for number in sorted(lines):
        if first and number == last + 1:
            last = number
            continue
        if first:
            yield first, last
        first = last = number
    if first:
        yield first, last


class Gathered:
    """A file of a guest, put together from numbered lines. ``size`` is what it has in bytes."""

    # What is asked for again in one request.
    ASKED = 200

    def __init__(self, size: int) -> None:
        self._size = size
        # The length of the last line follows from the size, so a line that was cut is told.
        encoded = 4 * -(-size // 3)
        self._count = -(-encoded // _WIDTH)
        self._last = encoded - _WIDTH * (self._count - 1)
        self._lines: dict[int, bytes] = {}

    def feed(self, tag: str, heard: bytes) -> int:
        """Take what was heard; return how many bytes of it are done with."""
        mark = re.escape(tag.encode())
        end = 0
        for match in re.finditer(mark + rb",([0-9]{1,9}):([A-Za-z0-9+/=]{1,76}),", heard):
            number, line = int(match[1]), match[2]
            wanted = self._last if number == self._count else _WIDTH
            if 1 <= number <= self._count and len(line) == wanted and _LINES.match(line):
                self._lines[number] = line
            end = match.end()
        return end

    @property
    def missing(self) -> list[int]:
        """The numbers of the lines that did not come whole, as many as one request asks for."""
        found: list[int] = []
        for number in range(1, self._count + 1):
            if number not in self._lines:
                found.append(number)
                if len(found) == self.ASKED:
                    break
        return found

    @property
    def count(self) -> int:
        """How many lines are there."""
        return len(self._lines)

    @property
    def whole(self) -> bool:
        """Tell whether each line is there."""
        return len(self._lines) == self._count

    def bytes(self) -> bytes | None:
        """Return the file, None when the lines do not make one of its size."""
        text = b"".join(self._lines[number] for number in range(1, self._count + 1))
        try:
            data = base64.b64decode(text, validate=True)
        except (ValueError, binascii.Error):
            return None
        return data if len(data) == self._size else None


def blocks(data: bytes) -> Iterator[str]:
    """Return data as pieces of base64 that fit into a request each."""
    for start in range(0, len(data), BLOCK_BYTES):
        yield base64.b64encode(data[start : start + BLOCK_BYTES]).decode("ascii")


def checksum(data: bytes) -> str:
    """Return what the guest's sha256sum says of these data."""
    return hashlib.sha256(data).hexdigest()
