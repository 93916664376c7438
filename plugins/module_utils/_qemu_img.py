# Copyright: (c) 2026, the virtfleet.core contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""qemu-img: what it says of an image, and the images it makes. No locks, no names in place: ``_files`` has those."""
from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from ._errors import Conflict, HostError
from ._facts import ImageFacts
from ._image_record import read_record
from ._programs import Programs
from ._units import show_size

# What may be imported: one file that holds a whole disk.
_WHOLE_DISKS = ("qcow2", "raw", "vmdk", "vdi", "vhdx", "vpc", "qed")
# qemu-img check's exit code for an image with errors (3 is leaked clusters only, 63 a format without a check).
_CORRUPT = 2

# A packed file or a web page, which qemu-img would take for a raw disk.
_PACKED = {
    b"\x1f\x8b": "gzip",
    b"\xfd7zXZ\x00": "xz",
    b"BZh": "bzip2",
    b"\x28\xb5\x2f\xfd": "zstd",
    b"PK\x03\x04": "zip",
    b"7z\xbc\xaf\x27\x1c": "7z",
}


class QemuImg:
    """The program qemu-img of this host."""

    def __init__(self, programs: Programs) -> None:
        self._programs = programs

    def info(self, path: str) -> Mapping[str, Any]:
        """Return ``qemu-img info`` of an image, also of one that a running guest holds."""
        output = self._run(f"look at image {path}", "info", "--output=json", "-U", path)
        content = json.loads(output)
        if not isinstance(content, dict):
            raise HostError(f"could not look at image {path}: qemu-img printed no object")
        return content

    def facts(self, path: str) -> ImageFacts:
        """Return an image's facts with its record."""
        info = self.info(path)
        return ImageFacts(
            path=path,
            format=str(info["format"]),
            virtual_bytes=int(info["virtual-size"]),
            actual_bytes=int(info.get("actual-size", 0)),
            backing=info.get("full-backing-filename") or info.get("backing-filename"),
            backing_format=info.get("backing-filename-format"),
            record=read_record(path),
            others=tuple(_other_files(path, info)),
        )

    def create(self, path: str, format: str, size_bytes: int) -> None:
        self._run(f"create image {path}", "create", "-q", "-f", format, path, str(size_bytes))

    def create_overlay(self, path: str, backing: str, backing_format: str, size_bytes: int | None) -> None:
        size = [] if size_bytes is None else [str(size_bytes)]
        self._run(
            f"create image {path} on {backing}",
            *("create", "-q", "-f", "qcow2", "-b", backing, "-F", backing_format, path, *size),
        )

    def grow(self, path: str, format: str, size_bytes: int) -> None:
        self._run(f"grow image {path}", "resize", "-q", "-f", format, path, str(size_bytes))

    def convert(self, source: str, source_format: str, path: str, format: str) -> None:
        self._run(
            f"convert image {source} from {source_format} to {format}",
            *("convert", "-q", "-f", source_format, "-O", format, source, path),
        )

    def check(self, path: str, format: str, shown: str) -> None:
        """Raise HostError when an image is damaged."""
        code, _output, complaint = self._programs.attempt(
            f"check image {shown}", ["qemu-img", "check", "-q", "-f", format, path]
        )
        if code == _CORRUPT:
            raise HostError(f"could not import {shown}: the image is damaged ({complaint}); fetch it anew")

    def whole_disk(self, path: str, shown: str, content_type: str) -> tuple[str, int]:
        """Return format and virtual size of a fetched file; refuse what is not one whole disk.

        An image that names another file (a backing file, a data file, an extent) would have QEMU read that file of
        this host for the guest.
        """
        with Path(path).open("rb") as file:
            begin = file.read(512)
        if not begin:
            raise HostError(f"could not import {shown}: it is empty")
        info = self.info(path)
        format = str(info["format"])
        if format == "raw":
            for magic, program in _PACKED.items():
                if begin.startswith(magic):
                    raise HostError(f"could not import {shown}: it is packed by {program}; unpack it first")
            if content_type == "text/html" or begin.lstrip()[:14].lower() in (b"<!doctype html", b"<html>"):
                raise HostError(f"could not import {shown}: it is a web page, not an image; check the URL")
        if format not in _WHOLE_DISKS:
            raise HostError(
                f"could not import {shown}: images of format {format} are not imported "
                f"(known are {', '.join(_WHOLE_DISKS)})"
            )
        others = _other_files(path, info)
        if others:
            raise HostError(
                f"could not import {shown}: it is only a part of a disk and needs the file {others[0]}; join it "
                "with its other files by `qemu-img convert` on a host that you trust it on"
            )
        return format, int(info["virtual-size"])

    def _run(self, says: str, *argv: str) -> str:
        code, output, complaint = self._programs.attempt(says, ["qemu-img", *argv])
        if code == 0:
            return output
        if "lock" in complaint and "Failed to get" in complaint:
            raise Conflict(f"could not {says}: a running guest or another program holds the image ({complaint})")
        raise HostError(f"could not {says}: {complaint}")


def check_size(path: str, now_bytes: int, wanted_bytes: int) -> None:
    """Raise Conflict when a size is smaller than the image."""
    if wanted_bytes < now_bytes:
        raise Conflict(
            f"could not make image {path} {show_size(wanted_bytes)} large: it holds a disk of {show_size(now_bytes)}, "
            "and an image is never shrunk; give that size or a larger one"
        )


def _other_files(path: str, info: Mapping[str, Any]) -> list[str]:
    found = [str(info[key]) for key in ("backing-filename", "full-backing-filename") if info.get(key)]
    data = info.get("format-specific", {}).get("data", {})
    if data.get("data-file"):
        found.append(str(data["data-file"]))
    own = {path, Path(path).name}
    found += [str(extent["filename"]) for extent in data.get("extents", ()) if extent.get("filename") not in own]
    return found
