# Copyright: (c) 2026, the virtfleet.core contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Requests and answers on a terminal: what is taken for an answer, and files out of torn lines."""

from __future__ import annotations

import base64
import subprocess

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from ansible_collections.virtfleet.core.plugins.module_utils._console.shell import (
    BLOCK_BYTES,
    LINE_BYTES,
    Gathered,
    Protocol,
    blocks,
    checksum,
)

TOKEN = "vf0123456789abcdef"
KERNEL = [b"[   12.345678] eth0: link up\r\n", b"\r\n[  OK  ] Started x.\r\n", b"\x1b[32mok\x1b[0m ", b"vf0123", b"abcd", b","]


def printed(data: bytes, tag: str) -> list[bytes]:
    """Return what the guest prints of a file, line by line."""
    text = base64.b64encode(data)
    lines = [text[start : start + 76] for start in range(0, len(text), 76)]
    return [f"{tag},{number}:".encode() + line + b",\r\n" for number, line in enumerate(lines, 1)]


def test_the_first_line_is_short_and_never_looks_like_an_answer() -> None:
    talk = Protocol(TOKEN)
    assert len(talk.install) < LINE_BYTES
    assert talk.ready not in talk.install and talk.over not in talk.install
    assert TOKEN.encode() not in talk.install
    # A single quote would end the word that the login shell hands on.
    assert talk.install.count(b"'") == 2


@pytest.mark.parametrize(
    ("heard", "torn"),
    [
        (b"vf0123[ 1.0] eth0: up\r\n456789[ 1.0] eth1: up\r\nabcdef1:0=\r\n", False),
        (b"vf0123456[ 1.0] eth0: up\r\n789abcdef1:0=\r\n", True),
        (b"vf0123456789abcdef1:[ 1.0] eth0: up\r\n0=\r\n", True),
        # A terminal that shows what is typed: nobody obeys.
        (b"# vf0123456789abcdef1 8 echo a b\r\nsh: vf0123456789abcdef1: not found\r\n", False),
        (b"[ 1.0] eth0: up\r\n", False),
        (b"", False),
    ],
)
def test_whether_an_answer_was_torn(heard: bytes, torn: bool) -> None:
    talk = Protocol(TOKEN)
    talk.request("echo a b")
    assert talk.torn(heard) is torn


@pytest.mark.parametrize("token", ["short", "with space and more", "semi;colon123", ""])
def test_a_token_is_plain(token: str) -> None:
    with pytest.raises(ValueError) as caught:
        Protocol(token)
    assert str(caught.value) == token


def test_a_request_bears_its_length_and_a_new_number() -> None:
    talk = Protocol(TOKEN)
    assert talk.request("echo a b") == f"{TOKEN}1 8 echo a b\r".encode()
    assert talk.again() == f"\r{TOKEN}1 8 echo a b\r".encode()
    assert talk.request("true") == f"{TOKEN}2 4 true\r".encode()
    assert talk.end() == f"{TOKEN}3 1 q\r".encode()


@pytest.mark.parametrize("command", ["", " a", "a ", "a\nb", "a\x03", "caf\u00e9", "x" * 5000])
def test_what_would_not_arrive_as_it_is(command: str) -> None:
    with pytest.raises(ValueError):
        Protocol(TOKEN).request(command)


@pytest.mark.parametrize(
    ("heard", "answer"),
    [
        (b"\r\nTAG:0 12 0=\r\n", "0 12 0"),
        (b"\r\nTAG:=\r\n", ""),
        (b"[ 1.0] kernel TAG:ok=\r\n", "ok"),
        (b"TAG:old=\r\nTAG:ok=\r\n", "ok"),
        (b"TAG:o[ 1.0] kernel\r\nk=\r\n", None),
        (b"TAG:ok=", None),
        (b"TAG 4 echo\r\n", None),
        (b"TAG2:ok=\r\n", None),
        (b"", None),
    ],
)
def test_what_is_an_answer(heard: bytes, answer: str | None) -> None:
    talk = Protocol(TOKEN)
    talk.request("true")
    assert talk.answer(heard.replace(b"TAG", talk.tag.encode())) == answer


@given(st.binary(max_size=3000), st.data())
def test_a_file_comes_whole_through_any_noise(data: bytes, draw: st.DataObject) -> None:
    assume(data)
    gathered, talk = Gathered(len(data)), Protocol(TOKEN)
    rounds = 0
    while not gathered.whole:
        talk.request(talk.data("/f", gathered.missing if rounds else ()))
        lines = printed(data, talk.tag)
        sent = b"".join(lines[number - 1] for number in gathered.missing) if rounds else b"".join(lines)
        # The kernel writes wherever it likes, and less and less.
        for _time in range(max(0, 4 - rounds)):
            place = draw.draw(st.integers(0, len(sent)))
            sent = sent[:place] + draw.draw(st.sampled_from(KERNEL)) + sent[place:]
        cut = draw.draw(st.integers(0, len(sent)))
        heard = b""
        for part in (sent[:cut], sent[cut:]):
            heard += part
            heard = heard[gathered.feed(talk.tag, heard) :]
        rounds += 1
        assert rounds < 10
    assert gathered.bytes() is None or len(gathered.bytes() or b"") == len(data)
    # Letters that fit in where letters were: what the checksum is for.
    if gathered.bytes() != data:
        assert checksum(gathered.bytes() or b"") != checksum(data)


def test_lines_of_another_length_are_not_taken() -> None:
    gathered = Gathered(100)
    assert gathered.missing == [1, 2]
    gathered.feed("t", b"t,1:AAAA,t,3:" + b"A" * 76 + b",t,0:" + b"A" * 76 + b",t,2:" + b"A" * 76 + b",")
    assert gathered.missing == [1, 2]
    gathered.feed("t", b"t,1:" + b"A" * 76 + b",t,2:" + b"A" * 60 + b",")
    assert gathered.whole
    assert gathered.bytes() == bytes(102)[:100] or gathered.bytes() is None


def test_no_more_is_asked_for_again_than_fits_into_a_line() -> None:
    gathered, talk = Gathered(3_000_000), Protocol(TOKEN)
    lines = printed(bytes(3_000_000), "t")
    gathered.feed("t", b"".join(lines[::2]))
    assert len(talk.request(talk.data("/tmp/.virtfleet-0123456789abcdef/out", gathered.missing))) < 4 * LINE_BYTES


@given(st.binary(max_size=5000))
def test_blocks_are_the_data_and_fit(data: bytes) -> None:
    found = list(blocks(data))
    assert b"".join(map(base64.b64decode, found)) == data
    assert all(len(block) <= 4 * BLOCK_BYTES // 3 < LINE_BYTES for block in found)


@pytest.mark.parametrize("data", [b"", b"hello", bytes(range(256)) * 300])
def test_the_checksum_is_that_of_the_guests_program(data: bytes) -> None:
    said = subprocess.run(["sha256sum"], input=data, capture_output=True, check=True).stdout.decode()
    assert checksum(data) == said.split()[0]
