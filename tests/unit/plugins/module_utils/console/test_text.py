# Copyright: (c) 2026, the virtfleet.core contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Text out of what a guest writes to its terminal."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ansible_collections.virtfleet.core.plugins.module_utils._console.text import Cleaner, Transcript, one_line, plain

TABLE = [
    (b"web1 login: ", "web1 login: "),
    (b"one\r\ntwo\n", "one\ntwo\n"),
    (b"\x1b[0;32mOK\x1b[0m", "OK"),
    (b"\x1bc\x1b[?7l\x1b[2JSeaBIOS", "SeaBIOS"),
    (b"\x1b]0;root@web1: ~\x07# ", "# "),
    (b"\x1b]8;;http://x\x1b\\link\x1b]8;;\x1b\\", "link"),
    (b"\x1b(B\x1b[m$ ", "$ "),
    (b"\x1bPq#0;2\x1b\\x", "x"),
    (b"bell\x07 back\x08 nul\x00", "bell back nul"),
    ("caf\u00e9 \u2713".encode(), "caf\u00e9 \u2713"),
    (b"\xff\xfe", "\ufffd\ufffd"),
    ("\u0378\ue000\uffff".encode(), "\ufffd\ufffd\ufffd"),
    ("a\u202eb\u2066c".encode(), "abc"),
    (b"\x1b[31", ""),
    (b"\x1b", ""),
]
# Terminal sequences, whole and torn, between anything else.
BYTES = st.lists(
    st.one_of(
        st.binary(max_size=8),
        st.sampled_from([b"\x1b[0m", b"\x1b[", b"\x1b]0;t", b"\x07", b"\x1b\\", b"\x1b", b"\r\n", b"text", "\u2713".encode()]),
    ),
    max_size=30,
).map(b"".join)


@pytest.mark.parametrize(("data", "text"), TABLE)
def test_what_a_terminal_obeys_is_left_out(data: bytes, text: str) -> None:
    assert plain(data) == text


@given(BYTES, st.lists(st.integers(0, 200), max_size=6))
def test_the_pieces_in_which_it_comes_make_no_difference(data: bytes, cuts: list[int]) -> None:
    cleaner = Cleaner()
    places = [0, *sorted(min(cut, len(data)) for cut in cuts), len(data)]
    assert "".join(cleaner.feed(data[a:b]) for a, b in zip(places, places[1:])) == plain(data)


@given(BYTES)
def test_nothing_that_is_kept_moves_a_cursor(data: bytes) -> None:
    text = plain(data)
    assert all(char in "\n\t" or char.isprintable() or char in "\u200c\u200d" or char.isspace() for char in text)
    assert "\x1b" not in text


def test_a_sequence_without_an_end_is_not_waited_for() -> None:
    cleaner = Cleaner()
    assert cleaner.feed(b"\x1b]" + b"x" * 100) == ""
    assert cleaner.feed(b"y" * 5000).endswith("y")
    whole = b"\x1b]" + b"x" * 100 + b"y" * 5000
    assert plain(whole) == "]" + "x" * 100 + "y" * 5000


@given(st.lists(st.binary(max_size=50), max_size=20), st.integers(1, 60))
def test_a_transcript_keeps_the_end_and_counts_the_rest(parts: list[bytes], limit: int) -> None:
    transcript = Transcript(limit)
    told = "".join(transcript.feed(part) for part in parts)
    assert transcript.text == told[-limit:]
    assert transcript.dropped == max(0, len(told) - limit)


def test_the_end_as_a_line() -> None:
    assert one_line("a\n\n  b  c\n") == "a | b c"
    assert one_line("x" * 1000, 10) == "..." + "x" * 10
