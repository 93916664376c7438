# Copyright: (c) 2026, the virtfleet.core contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A stream that is packed on its way: gzip's format (RFC 1952), which every guest's gzip knows."""
from __future__ import annotations

import zlib
from typing import BinaryIO

# A file is packed from here on, and only where its beginning gets smaller by a fifth: what is packed already doesn't.
LEAST_BYTES = 32 * 1024
SAMPLE_BYTES = 64 * 1024

_GZIP = 16 + zlib.MAX_WBITS
_BLOCK_BYTES = 256 * 1024


def is_worth_it(sample: bytes) -> bool:
    """Tell by a file's first SAMPLE_BYTES whether to pack it."""
    return len(sample) >= LEAST_BYTES and len(zlib.compress(sample, 1)) <= len(sample) * 4 // 5


class Packed:
    """Reads a stream packed. ``size`` is what was read of the stream itself so far."""

    def __init__(self, source: BinaryIO) -> None:
        self.size = 0
        self._source = source
        self._packer = zlib.compressobj(6, zlib.DEFLATED, _GZIP)
        self._ready = bytearray()
        self._ended = False

    def read(self, count: int) -> bytes:
        """Return up to ``count`` bytes, fewer only at the end."""
        while len(self._ready) < count and not self._ended:
            block = self._source.read(_BLOCK_BYTES)
            self.size += len(block)
            self._ended = not block
            self._ready += self._packer.compress(block) if block else self._packer.flush()
        taken = bytes(self._ready[:count])
        del self._ready[:count]
        return taken
