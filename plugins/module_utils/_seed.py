# Copyright: (c) 2026, the virtfleet.core contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Build a seed: an ISO 9660 image, for cloud-init labelled ``cidata`` (its documentation, "NoCloud").

Windows Setup, which is given the other kind, reads the names in their longer form (Joliet) and no label.

The same files give the same bytes: every date is fixed, owners and modes are set, and the program's name is kept out.
Another version of the program may still lay the image out differently, so whoever asks whether a seed's *content*
changed compares ``seed_digest``, never the bytes of two images.
"""
from __future__ import annotations

import hashlib
import os
import re
import shutil
import tempfile
import time
from collections.abc import Mapping
from pathlib import Path

from ._errors import HostError, SpecError
from ._long_work import run_directory
from ._programs import Programs

LABEL = "cidata"
OTHER_LABEL = "unattend"

# 1980-01-01, the first moment that FAT and every archiver can hold too.
_EPOCH = 315532800
_FILE_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,63}")
_STALE_SECONDS = 3600
_SECTOR = 2048

# ISO 9660 (ECMA-119): where a volume descriptor holds its four dates of 17 bytes and its root directory record.
_DATES = slice(813, 813 + 4 * 17)
_FIXED_DATES = b"1980010100000000\x00" * 2 + b"0000000000000000\x00" * 2
_PRIMARY, _SUPPLEMENTARY, _LAST = 1, 2, 255
# Rock Ridge's TF entry (IEEE P1282) with times of modification, access and attributes, of 7 bytes each.
_TIMES = re.compile(rb"(TF\x1a\x01\x0e).{21}", re.DOTALL)
_FIXED_TIME = bytes([80, 1, 1, 0, 0, 0, 0])


def seed_digest(files: Mapping[str, bytes]) -> str:
    """Return the sha256 of a seed's content: of its files' names and bytes."""
    digest = hashlib.sha256()
    for name in sorted(files):
        digest.update(f"{len(name.encode())}:{name}:{len(files[name])}:".encode())
        digest.update(files[name])
    return digest.hexdigest()


def build_seed(programs: Programs, files: Mapping[str, bytes]) -> bytes:
    """Return the ISO image of these files, by xorriso or else genisoimage."""
    for name in files:
        if not _FILE_NAME.fullmatch(name):
            raise SpecError(f"cloud_init: {name!r} cannot be a file of a seed")
    base = run_directory("run")
    _sweep(base)
    # The files hold secrets: only we may enter the folder, and in a tmpfs (/run is one) they never reach a disk.
    work = Path(tempfile.mkdtemp(prefix="seed-", dir=base))
    try:
        source, image = work / "files", work / "seed.iso"
        source.mkdir(mode=0o700)
        for name in sorted(files):
            _write(source / name, files[name])
        os.utime(source, (_EPOCH, _EPOCH))
        return _build(programs, source, image, LABEL if "meta-data" in files else OTHER_LABEL)
    finally:
        shutil.rmtree(work, ignore_errors=True)


def _build(programs: Programs, source: Path, image: Path, name: str) -> bytes:
    label = ["-V", name, "-p", "virtfleet.core", "-J", "-r", "-input-charset", "utf-8", "-no-pad", "-quiet"]
    says = "build a cloud-init seed"
    if programs.find("xorriso") is None and programs.find("genisoimage") is not None:
        programs.run(says, ["genisoimage", *label, "-o", str(image), str(source)])
        return _with_fixed_dates(image.read_bytes())
    programs.run(
        says,
        ["xorriso", "-no_rc", "-as", "genisoimage", *label, "-o", str(image), str(source)],
        {"SOURCE_DATE_EPOCH": str(_EPOCH)},
    )
    return image.read_bytes()


def _write(path: Path, content: bytes) -> None:
    handle = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    with os.fdopen(handle, "wb") as file:
        file.write(content)
    os.utime(path, (_EPOCH, _EPOCH))


def _sweep(base: Path) -> None:
    """Remove what a killed run left behind, secrets and all."""
    for left in base.glob("seed-*"):
        try:
            stale = time.time() - left.stat().st_mtime > _STALE_SECONDS
        except OSError:
            continue
        if stale:
            shutil.rmtree(left, ignore_errors=True)


def _with_fixed_dates(image: bytes) -> bytes:
    """Return genisoimage's image with fixed dates: it puts in the time of day and the files' change times."""
    data = bytearray(image)
    for sector in range(16, 32):
        start = sector * _SECTOR
        kind = data[start]
        if kind == _LAST:
            return bytes(data)
        if kind not in (_PRIMARY, _SUPPLEMENTARY):
            continue
        data[start + _DATES.start : start + _DATES.stop] = _FIXED_DATES
        extent = int.from_bytes(data[start + 156 + 2 : start + 156 + 6], "little") * _SECTOR
        length = int.from_bytes(data[start + 156 + 10 : start + 156 + 14], "little")
        listing = bytes(data[extent : extent + length])
        data[extent : extent + length] = _TIMES.sub(lambda match: match.group(1) + _FIXED_TIME * 3, listing)
    raise HostError("could not build a cloud-init seed: genisoimage wrote no volume descriptors; install xorriso")
