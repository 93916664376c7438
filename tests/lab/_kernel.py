# Copyright: (c) 2026, the virtfleet.core contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Take a Linux bzImage apart: QEMU starts the uncompressed kernel inside more quickly than the image around it."""

from __future__ import annotations

import lzma
import struct
import subprocess
import zlib
from pathlib import Path

from ._run import LabError, need

# XEN_ELFNOTE_PHYS32_ENTRY: where QEMU enters an ELF kernel (https://xenbits.xen.org/docs/unstable/misc/pvh.html)
PVH_ENTRY = 18
PT_NOTE = 4


def vmlinux_of(image: bytes) -> bytes:
    """Return the ELF kernel within a bzImage.

    The place of the compressed payload stands in the setup header (Linux: Documentation/arch/x86/boot.rst, protocol
    2.08 and later). Raises LabError for anything that isn't such an image.
    """
    if image[0x202:0x206] != b"HdrS" or struct.unpack_from("<H", image, 0x206)[0] < 0x0208:
        raise LabError("this kernel is not a bzImage of boot protocol 2.08 or later")
    offset, length = struct.unpack_from("<II", image, 0x248)
    begin = (image[0x1F1] + 1) * 512 + offset
    payload = image[begin : begin + length]
    kernel = _decompress(payload)
    if kernel[:4] != b"\x7fELF":
        raise LabError("the payload of this kernel is not an ELF file")
    return kernel


def _decompress(payload: bytes) -> bytes:
    # The last four bytes are the kernel's length, which no decompressor but gzip's knows what to do with.
    if payload[:2] == b"\x1f\x8b":
        return zlib.decompressobj(zlib.MAX_WBITS | 16).decompress(payload)
    if payload[:6] == b"\xfd7zXZ\0":
        return lzma.LZMADecompressor().decompress(payload)
    if payload[:4] == b"\x28\xb5\x2f\xfd":
        return _through("zstd", payload)
    if payload[:4] == b"\x02\x21\x4c\x18":
        return _through("lz4", payload)
    raise LabError(f"this kernel is compressed in an unknown way (it begins with {payload[:6].hex()})")


def _through(name: str, payload: bytes) -> bytes:
    done = subprocess.run([need(name), "-dcq"], input=payload[:-4], capture_output=True, check=False)
    if not done.stdout:
        raise LabError(f"could not decompress the kernel: {name} said {done.stderr.decode(errors='replace').strip()}")
    return done.stdout


def has_pvh_entry(kernel: bytes) -> bool:
    """Tell whether QEMU can start this 64-bit ELF kernel directly."""
    header_offset, header_size, count = (
        struct.unpack_from("<Q", kernel, 0x20)[0],
        *struct.unpack_from("<HH", kernel, 0x36),
    )
    for index in range(count):
        base = header_offset + index * header_size
        kind = struct.unpack_from("<I", kernel, base)[0]
        offset = struct.unpack_from("<Q", kernel, base + 0x08)[0]
        size = struct.unpack_from("<Q", kernel, base + 0x20)[0]
        if kind == PT_NOTE and _note_in(kernel[offset : offset + size]):
            return True
    return False


def _note_in(notes: bytes) -> bool:
    at = 0
    while at + 12 <= len(notes):
        name_size, data_size, kind = struct.unpack_from("<III", notes, at)
        name = notes[at + 12 : at + 12 + name_size].rstrip(b"\0")
        if name == b"Xen" and kind == PVH_ENTRY:
            return True
        at += 12 + _padded(name_size) + _padded(data_size)
    return False


def _padded(size: int) -> int:
    return (size + 3) & ~3


def write_vmlinux(bzimage: Path, target: Path) -> bool:
    """Write the kernel inside `bzimage` to `target`; return False, writing nothing, if QEMU couldn't start it."""
    kernel = vmlinux_of(bzimage.read_bytes())
    if not has_pvh_entry(kernel):
        return False
    target.write_bytes(kernel)
    return True
