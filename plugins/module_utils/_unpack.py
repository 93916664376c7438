# Copyright: (c) 2026, the virtfleet.core contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Take the disk out of what was fetched: a packed file (gzip, xz, bzip2, zstd), or a tar with one disk, as an OVA is.

What it is tells its content, never its name. Nothing is held in memory whole.
"""
from __future__ import annotations

import bz2
import gzip
import lzma
import os
import tarfile
import zlib
from collections.abc import Callable
from pathlib import Path
from typing import Any, BinaryIO

from ._errors import HostError
from ._programs import Programs

# The end of the name of what is being unpacked, so that a killed run's can be removed.
UNPACKED = ".unpacked.part"

_CHUNK = 256 * 1024
_ZERO = bytes(_CHUNK)
# An appliance is a tar of packed disks at most: compressed outside, a tar, compressed inside.
_LAYERS = 3

_ZSTD = b"\x28\xb5\x2f\xfd"
_OPENERS: dict[bytes, Callable[[str], Any]] = {
    b"\x1f\x8b": gzip.GzipFile,
    b"\xfd7zXZ\x00": lzma.LZMAFile,
    b"BZh": bz2.BZ2File,
}
_PROGRAMS = {b"\x1f\x8b": "gzip", b"\xfd7zXZ\x00": "xz", b"BZh": "bzip2", _ZSTD: "zstd"}

# POSIX and GNU tar both say so in the first header.
_TAR_AT, _TAR = 257, b"ustar"
_DISKS = (".vmdk", ".vdi", ".vhd", ".vpc", ".vhdx", ".hds", ".hdd", ".qcow2", ".img", ".raw")
_PACKED_ENDINGS = ("", ".gz", ".xz", ".bz2", ".zst")


def unpack(programs: Programs, part: str, shown: str, say: Callable[[str], None]) -> None:
    """Replace the file ``part`` by the disk in it, as often as it is packed; leave it where it is a disk already.

    ``shown`` is what to call it in errors. Raises HostError for what is damaged, cut off, or holds no single disk.
    """
    for _layer in range(_LAYERS):
        with Path(part).open("rb") as file:
            begin = file.read(512)
        magic = next((magic for magic in _PROGRAMS if begin.startswith(magic)), None)
        if magic is None and begin[_TAR_AT : _TAR_AT + len(_TAR)] != _TAR:
            return
        result = _result(part)
        if magic is None:
            say("taking the disk out of the archive")
            _take_disk(part, result, shown)
        else:
            say(f"unpacking what {_PROGRAMS[magic]} packed")
            if magic == _ZSTD:
                _unpack_zstd(programs, part, result, shown)
            else:
                _unpack_stream(_OPENERS[magic], part, result, shown, _PROGRAMS[magic])
        Path(result).replace(part)
    raise HostError(f"could not import {shown}: it is packed more than {_LAYERS} times over; unpack it first")


def _result(part: str) -> str:
    """Make the empty file that the content of ``part`` is unpacked to."""
    result = Path(part.removesuffix(".part") + UNPACKED)
    result.unlink(missing_ok=True)
    os.close(os.open(result, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600))
    return str(result)


def _unpack_stream(opener: Callable[[str], Any], part: str, result: str, shown: str, program: str) -> None:
    try:
        with opener(part) as stream, Path(result).open("wb") as target:
            _copy(stream, target)
    except EOFError as error:
        raise _damaged(shown, program, "it ends too early") from error
    except (zlib.error, lzma.LZMAError, ValueError) as error:
        raise _damaged(shown, program, str(error)) from error
    except OSError as error:
        if error.errno is not None:
            # The disk's complaint, not the archive's.
            raise
        raise _damaged(shown, program, str(error)) from error


def _unpack_zstd(programs: Programs, part: str, result: str, shown: str) -> None:
    # Python knows zstd from 3.14 on; hosts have the program.
    argv = ["zstd", "-d", "-q", "-f", "--sparse", "-o", result, "--", part]
    code, _output, complaint = programs.attempt(f"unpack {shown}", argv)
    if code != 0:
        raise _damaged(shown, "zstd", complaint.replace(part, shown))


def _damaged(shown: str, program: str, why: str) -> HostError:
    return HostError(
        f"could not import {shown}: it is packed by {program}, and is damaged ({why}); nothing was replaced. Fetch it anew"
    )


def _take_disk(part: str, result: str, shown: str) -> None:
    """Copy the one disk of a tar (an OVA, a Vagrant box); names in it are never paths on the host."""
    try:
        with tarfile.open(part, "r:") as archive:
            disks = [entry for entry in archive if entry.isreg() and _is_disk(entry.name)]
            if len(disks) != 1:
                names = ", ".join(repr(entry.name) for entry in disks[:5]) or "none"
                raise HostError(
                    f"could not import {shown}: it is a tar archive, of which exactly one file has to be a disk, and these "
                    f"are: {names}; take the disk out by `tar -xf` and give its path"
                )
            stream = archive.extractfile(disks[0])
            if stream is None:
                raise HostError(f"could not import {shown}: the archive has no content of {disks[0].name!r}")
            with stream, Path(result).open("wb") as target:
                done = _copy(stream, target)
            if done != disks[0].size:
                raise HostError(f"could not import {shown}: the archive ends in the middle of {disks[0].name!r}; fetch it anew")
    except tarfile.TarError as error:
        raise HostError(f"could not import {shown}: the archive is damaged ({error}); fetch it anew") from error


def _is_disk(name: str) -> bool:
    return name.lower().endswith(tuple(disk + ending for disk in _DISKS for ending in _PACKED_ENDINGS))


def _copy(stream: Any, target: BinaryIO) -> int:
    """Copy a stream to a new file, with holes for zeros; return its bytes."""
    done = 0
    while True:
        chunk = stream.read(_CHUNK)
        if not chunk:
            target.truncate(done)
            return done
        if chunk == _ZERO[: len(chunk)]:
            target.seek(len(chunk), os.SEEK_CUR)
        else:
            target.write(chunk)
        done += len(chunk)
