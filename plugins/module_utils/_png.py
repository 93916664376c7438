# Copyright: (c) 2026, the virtfleet.core contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Pictures as PNG (RFC 2083), made of what hypervisors give: PPM of the kind P6, or PNG as it is."""
from __future__ import annotations

import re
import struct
import zlib

from ._errors import HostError, Unsupported

_SIGNATURE = b"\x89PNG\r\n\x1a\n"
# Three numbers after the magic one, apart by white space and comments, and one white space before the points.
_PPM = re.compile(rb"\AP6(?:\s+|\s*#[^\n]*\n)+([0-9]{1,5})(?:\s+|\s*#[^\n]*\n)+([0-9]{1,5})(?:\s+|\s*#[^\n]*\n)+255\s")
# No screen is wider or higher.
_LARGEST = 32768


def to_png(picture: bytes, kind: str) -> tuple[bytes, int, int]:
    """Return a picture as PNG with its width and height. Raises HostError for what is no picture."""
    if picture.startswith(_SIGNATURE):
        if len(picture) < 24:
            raise HostError("the hypervisor gave a picture that ends in its first lines")
        width, height = struct.unpack(">II", picture[16:24])
        return picture, width, height
    match = _PPM.match(picture)
    if match is None:
        raise Unsupported(f"the hypervisor gave a picture of the kind {kind!r}, which is neither PPM nor PNG")
    width, height = int(match[1]), int(match[2])
    points = memoryview(picture)[match.end() :]
    if not 0 < width <= _LARGEST or not 0 < height <= _LARGEST or len(points) < 3 * width * height:
        raise HostError(f"the hypervisor gave a picture of {width} x {height} points with {len(points)} bytes in it")
    return encode(points, width, height), width, height


def encode(points: bytes | memoryview, width: int, height: int) -> bytes:
    """Return a PNG of points with 8 bits each for red, green and blue, row by row."""
    packer = zlib.compressobj(6)
    # 0: a row is not told by its difference to another.
    rows = (b"\0" + bytes(points[3 * width * row : 3 * width * (row + 1)]) for row in range(height))
    packed = [*map(packer.compress, rows), packer.flush()]
    head = struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0)
    return b"".join((_SIGNATURE, _chunk(b"IHDR", head), _chunk(b"IDAT", b"".join(packed)), _chunk(b"IEND", b"")))


def _chunk(kind: bytes, data: bytes) -> bytes:
    return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))
