# Copyright: (c) 2026, the virtfleet.core contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Which images stand on which, read from the images themselves: a header of a few bytes each, no program.

libvirt's list of a pool may be older than the folder, and an image may be in no pool at all, so before an image is
removed or replaced the files are asked. Read are qcow2 headers (QEMU's docs/interop/qcow2.txt): overlays of other
formats are known from libvirt's volumes only.
"""
from __future__ import annotations

import json
import os
import struct
from collections.abc import Collection, Iterator
from pathlib import Path
from typing import Any

_MAGIC = b"QFI\xfb"
_HEADER = struct.Struct(">4sIQI")
# QEMU's own limit for the name of a backing file.
_MAX_NAME = 1023
_MAX_DEPTH = 200


def chains(candidates: Collection[str]) -> dict[str, tuple[str, ...]]:
    """Return for each image its own real path, then the real paths of the images below it, from the top down.

    A candidate is an image or a directory, which stands for the files in it. What cannot be read stands on nothing.
    """
    below: dict[Path, Path | None] = {}
    return {image: tuple(_chain(real_path(image), below)) for image in _files_of(candidates)}


def backing_of(path: Path) -> Path | None:
    """Return the real path of the file that a qcow2 image stands on, or None."""
    try:
        if not (path.is_file() or path.is_block_device()):
            # Opening a pipe would wait for its other end.
            return None
        with path.open("rb") as file:
            header = file.read(_HEADER.size)
            if len(header) < _HEADER.size or not header.startswith(_MAGIC):
                return None
            _magic, _version, offset, length = _HEADER.unpack(header)
            if offset == 0 or not 0 < length <= _MAX_NAME:
                return None
            file.seek(offset)
            name = os.fsdecode(file.read(length))
    except OSError:
        return None
    name = _file_name(name)
    return real_path(path.parent / name) if name else None


def _file_name(name: str) -> str:
    """Return the file that a backing name of QEMU's means; empty where it is no file (nbd, rbd, ...)."""
    if name.startswith("json:"):
        try:
            return _json_file(json.loads(name[5:]))
        except ValueError:
            return ""
    if name.startswith("file:"):
        return name[5:]
    protocol, colon, _rest = name.partition(":")
    return "" if colon and "/" not in protocol else name


def _json_file(node: Any) -> str:
    while isinstance(node, dict):
        for key in ("filename", "file.filename"):
            if isinstance(node.get(key), str):
                return str(node[key])
        node = node.get("file")
    return ""


def _files_of(candidates: Collection[str]) -> Iterator[str]:
    for candidate in sorted(set(candidates)):
        place = Path(candidate)
        try:
            if place.is_dir():
                yield from (str(file) for file in sorted(place.iterdir()) if file.is_file())
            elif place.exists():
                yield candidate
        except OSError:
            # A folder that is closed to us; the caller has asked libvirt too.
            continue


def _chain(image: Path, below: dict[Path, Path | None]) -> Iterator[str]:
    for _depth in range(_MAX_DEPTH):
        yield str(image)
        if image not in below:
            below[image] = backing_of(image)
        backing = below[image]
        if backing is None:
            return
        image = backing


def real_path(path: str | Path) -> Path:
    """Return the path with all links followed."""
    try:
        return Path(path).resolve()
    except (OSError, RuntimeError):
        # A loop of links leads nowhere.
        return Path(path)
