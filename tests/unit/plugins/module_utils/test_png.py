# Copyright: (c) 2026, the virtfleet.core contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Pictures: PPM in, PNG out, read back here by a decoder of the test's own."""

from __future__ import annotations

import struct
import zlib

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ansible_collections.virtfleet.core.plugins.module_utils._errors import VirtError
from ansible_collections.virtfleet.core.plugins.module_utils._png import to_png


def decoded(png: bytes) -> tuple[int, int, bytes]:
    """Return width, height and points of a PNG with 8 bits a colour, no palette and no filters; check each chunk."""
    assert png[:8] == b"\x89PNG\r\n\x1a\n"
    place, chunks = 8, {}
    while place < len(png):
        (size,) = struct.unpack(">I", png[place : place + 4])
        kind, data = png[place + 4 : place + 8], png[place + 8 : place + 8 + size]
        (check,) = struct.unpack(">I", png[place + 8 + size : place + 12 + size])
        assert check == zlib.crc32(kind + data)
        chunks[kind] = data
        place += 12 + size
    assert list(chunks) == [b"IHDR", b"IDAT", b"IEND"]
    width, height, depth, colour, *_rest = struct.unpack(">IIBBBBB", chunks[b"IHDR"])
    assert (depth, colour) == (8, 2)
    rows = zlib.decompress(chunks[b"IDAT"])
    wide = 3 * width + 1
    assert all(rows[row * wide] == 0 for row in range(height))
    return width, height, b"".join(rows[row * wide + 1 : (row + 1) * wide] for row in range(height))


@given(st.integers(1, 9), st.integers(1, 9), st.data())
def test_the_points_stay(width: int, height: int, draw: st.DataObject) -> None:
    points = draw.draw(st.binary(min_size=3 * width * height, max_size=3 * width * height))
    ppm = f"P6\n{width} {height}\n255\n".encode() + points
    png, wide, high = to_png(ppm, "image/x-portable-pixmap")
    assert (wide, high) == (width, height)
    assert decoded(png) == (width, height, points)


def test_other_heads_of_ppm() -> None:
    for head in (b"P6 2 1 255 ", b"P6\n# a word\n2 1\n255\n", b"P6\n2\t1\r\n255\n"):
        assert decoded(to_png(head + b"abcdef", "x")[0]) == (2, 1, b"abcdef")


def test_a_png_stays_as_it_is() -> None:
    png, _width, _height = to_png(b"P6\n2 1\n255\nabcdef", "x")
    assert to_png(png, "image/png") == (png, 2, 1)


@pytest.mark.parametrize(
    "picture",
    [b"", b"P6", b"P5\n2 1\n255\nab", b"P6\n2 1\n65535\nabcdef", b"P6\n2 1\n255\nabc", b"P6\n99999 99999\n255\n", b"P6\n0 1\n255\n",
     b"\x89PNG\r\n\x1a\n", b"BM" + bytes(50)],
)  # fmt: skip
def test_what_is_no_picture(picture: bytes) -> None:
    with pytest.raises(VirtError, match="the hypervisor gave a picture"):
        to_png(picture, "image/x")
