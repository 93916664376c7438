# Copyright: (c) 2026, the virtfleet.core contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""qemu-img: what it says of an image, and the images it makes. No locks, no names in place: ``_files`` has those."""
from __future__ import annotations

import json
import os
import re
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ._errors import Conflict, HostError
from ._facts import ImageFacts
from ._image.making import PLAIN, UNMEASURED, UNMEASURED_ADVICE, Making, creation_words
from ._image.spec import GROWING
from ._image_record import read_record
from ._programs import Programs
from ._units import show_size

# qemu-img's object that holds a passphrase.
_KEY = "key"

# How often qemu-img is asked for an encrypted image that it could not measure the host for.
_TRIES = 10

# What may be imported: one file that holds a whole disk.
_WHOLE_DISKS = ("qcow2", "raw", "vmdk", "vdi", "vhdx", "vpc", "parallels", "qed")
# qemu-img check's exit code for an image with errors (3 is leaked clusters only, 63 a format without a check).
_CORRUPT = 2

# What qemu-img would take for a raw disk; what the collection unpacks is not met here any more (``_unpack``).
_PACKED = {
    b"PK\x03\x04": "zip",
    b"7z\xbc\xaf\x27\x1c": "7z",
}

# A VMDK's text, which names the files that hold the disk (VMware, Virtual Disk Format 1.1). QEMU opens these at once.
_DESCRIPTOR = re.compile(rb"\A(?:#[^\n]*\n|[ \r\n])*version\s*=")
_EXTENT = re.compile(rb'^(?:RW|RDONLY|NOACCESS) \d+ \w+ "([^"\n]+)"', re.MULTILINE)

# A VHD's footer (Virtual Hard Disk Image Format Specification, 1.0): a cookie, and at 60 its type. A fixed disk has it at
# its end only, where qemu-img does not look and takes the file for a raw one.
_VHD_FOOTER, _VHD, _VHD_TYPE_AT = 512, b"conectix", 60
_VHD_FIXED, _VHD_DIFFERENCING = 2, 4


@dataclass(frozen=True)
class Disk:
    """What a fetched file holds. ``plain``: the file can be an image of its format just as it is."""

    format: str
    virtual_bytes: int
    plain: bool = True
    encrypted: bool = False


class QemuImg:
    """The program qemu-img of this host."""

    def __init__(self, programs: Programs) -> None:
        self._programs = programs

    def info(self, path: str, format: str | None = None, making: Making = PLAIN) -> Mapping[str, Any]:
        """Return ``qemu-img info`` of an image, also of one that a running guest holds."""
        known = [] if format is None else ["-f", _driver(format, making)]
        output = self._run(f"look at image {path}", "info", "--output=json", "-U", *known, path)
        content = json.loads(output)
        if not isinstance(content, dict):
            raise HostError(f"could not look at image {path}: qemu-img printed no object")
        return content

    def facts(self, path: str) -> ImageFacts:
        """Return an image's facts with its record."""
        info = self.info(path)
        return ImageFacts(
            path=path,
            # libvirt calls it raw, and encrypted.
            format="raw" if info["format"] == "luks" else str(info["format"]),
            virtual_bytes=int(info["virtual-size"]),
            actual_bytes=int(info.get("actual-size", 0)),
            backing=info.get("full-backing-filename") or info.get("backing-filename"),
            backing_format=info.get("backing-filename-format"),
            record=read_record(path),
            others=tuple(_other_files(path, info)),
            written_ns=Path(path).stat().st_mtime_ns,
            **_header(info),
        )

    def create(self, path: str, format: str, size_bytes: int, making: Making = PLAIN) -> None:
        words = ("-f", _driver(format, making), *_options(format, making), path, str(size_bytes))
        self._run(f"create image {path}", "create", "-q", *words, making=making)

    def create_overlay(
        self, path: str, backing: str, backing_format: str, size_bytes: int | None, making: Making = PLAIN
    ) -> None:
        size = [] if size_bytes is None else [str(size_bytes)]
        how = _options("qcow2", making)
        self._run(
            f"create image {path} on {backing}",
            *("create", "-q", "-f", "qcow2", *how, "-b", backing, "-F", backing_format, path, *size),
            making=making,
        )

    def grow(self, path: str, format: str, size_bytes: int, making: Making = PLAIN) -> None:
        how = [f"--preallocation={making.preallocation}"] if making.preallocated else []
        words = (*how, *_opened(path, format, making), str(size_bytes))
        self._run(f"grow image {path}", "resize", "-q", *words, making=making)

    def amend(self, path: str, making: Making) -> None:
        """Change what the header of a qcow2 image says, as far as it can be changed."""
        how = _options("qcow2", Making(lazy_refcounts=making.lazy_refcounts))
        self._run(f"change image {path}", "amend", "-q", *how, *_opened(path, "qcow2", making), making=making)

    def convert(
        self,
        source: str,
        source_format: str,
        path: str,
        format: str,
        size_bytes: int | None = None,
        making: Making = PLAIN,
    ) -> None:
        """Convert an image; with ``size_bytes``, at least its own, to a larger disk, whose rest is zeros."""
        says = f"convert image {source} from {source_format} to {format}"
        if size_bytes is None:
            how = [*_options(format, making), *(["-c"] if making.compression and format == "qcow2" else [])]
            words = (*how, "-f", source_format, "-O", _driver(format, making), source, path)
            self._run(says, "convert", "-q", *words, making=making)
        elif format in GROWING:
            self.convert(source, source_format, path, format, making=making)
            self.grow(path, format, size_bytes, making)
        else:
            # qemu-img resizes no image of these formats, but fills one that is larger.
            self.create(path, format, size_bytes)
            self._run(says, "convert", "-q", "-n", "--target-is-zero", "-f", source_format, "-O", format, source, path)

    def check(self, path: str, format: str, shown: str) -> None:
        """Raise HostError when an image is damaged."""
        code, _output, complaint = self._programs.attempt(
            f"check image {shown}", ["qemu-img", "check", "-q", "-f", format, path]
        )
        if code == _CORRUPT:
            raise HostError(f"could not import {shown}: the image is damaged ({complaint}); fetch it anew")

    def whole_disk(self, path: str, shown: str, content_type: str) -> Disk:
        """Return what a fetched file holds; refuse what is not one whole disk.

        An image that names another file (a backing file, a data file, an extent) would have QEMU read that file of
        this host for the guest.
        """
        begin, end = _ends(path)
        if not begin:
            raise HostError(f"could not import {shown}: it is empty")
        if _DESCRIPTOR.match(begin):
            extent = _EXTENT.search(begin)
            raise _only_a_part(shown, extent.group(1).decode("utf-8", "replace") if extent else "with its data")
        if _VHD_DIFFERENCING in (_vhd_type(begin), _vhd_type(end)):
            raise HostError(
                f"could not import {shown}: it is a differencing disk, which holds only what differs from its parent; "
                "merge the two where they come from"
            )
        info = self.info(path)
        format = plainly = str(info["format"])
        if format == "raw" and end.startswith(_VHD) and _vhd_type(end) == _VHD_FIXED:
            format = "vpc"
            info = self.info(path, format)
        if format == "raw":
            _refuse_no_disk(begin, shown, content_type)
        if format not in _WHOLE_DISKS:
            raise HostError(
                f"could not import {shown}: images of format {format} are not imported "
                f"(known are {', '.join(_WHOLE_DISKS)})"
            )
        others = _other_files(path, info)
        if others:
            raise _only_a_part(shown, others[0])
        plain = format == plainly and not _packed_inside(info)
        return Disk(format, int(info["virtual-size"]), plain, bool(info.get("encrypted")))

    def _run(self, says: str, command: str, *argv: str, making: Making = PLAIN) -> str:
        with _key(making) as (words, handles):
            whole = ["qemu-img", command, *words, *argv]
            for _try in range(_TRIES):
                code, output, complaint = self._programs.attempt(says, whole, handles=handles)
                if code == 0 or UNMEASURED not in complaint:
                    break
        if code == 0:
            return output
        if "lock" in complaint and "Failed to get" in complaint:
            raise Conflict(f"could not {says}: a running guest or another program holds the image ({complaint})")
        if UNMEASURED in complaint:
            complaint = f"{complaint}; {UNMEASURED_ADVICE}"
        raise HostError(f"could not {says}: {complaint}")


def _options(format: str, making: Making) -> list[str]:
    """Return the words by which a file is made so; a VHD holds just the bytes it was asked for, not whole cylinders."""
    words = creation_words(making, format, _KEY) + (["force_size=on"] if format == "vpc" else [])
    return ["-o", ",".join(words)] if words else []


def _driver(format: str, making: Making) -> str:
    """Return what qemu-img calls a format: an encrypted raw image is one of its own."""
    return "luks" if making.encrypted and format == "raw" else format


def _opened(path: str, format: str, making: Making) -> list[str]:
    """Return the words by which qemu-img opens an image to write to it."""
    if not making.encrypted:
        return ["-f", format, path]
    key = "encrypt.key-secret" if format == "qcow2" else "key-secret"
    name = path.replace(",", ",,")
    return ["--image-opts", f"driver={_driver(format, making)},{key}={_KEY},file.driver=file,file.filename={name}"]


@contextmanager
def _key(making: Making) -> Iterator[tuple[list[str], list[int]]]:
    """Yield the words that give qemu-img the passphrase, and the open file that it is in.

    The file is in memory and has no name, so that nothing is left of it whatever ends the run.
    """
    if making.passphrase is None:
        yield [], []
        return
    handle = os.memfd_create("virtfleet", os.MFD_CLOEXEC)
    try:
        os.write(handle, making.passphrase)
        yield ["--object", f"secret,id={_KEY},file=/dev/fd/{handle}"], [handle]
    finally:
        os.close(handle)


def _header(info: Mapping[str, Any]) -> dict[str, Any]:
    """Return what the header of an image says of how it was made."""
    if info["format"] != "qcow2":
        return {"encrypted": info["format"] == "luks"}
    data = info.get("format-specific", {}).get("data", {})
    return {
        "compat": data.get("compat"),
        "cluster_bytes": info.get("cluster-size"),
        # An image of version 2 cannot have them, and says nothing.
        "lazy_refcounts": bool(data.get("lazy-refcounts")),
        "encrypted": bool(info.get("encrypted")),
    }


def _ends(path: str) -> tuple[bytes, bytes]:
    """Return the first 4 KiB of a file, and the last bytes of which a VHD's footer is made."""
    with Path(path).open("rb") as file:
        begin = file.read(4096)
        file.seek(max(0, file.seek(0, os.SEEK_END) - _VHD_FOOTER))
        return begin, file.read(_VHD_FOOTER)


def _vhd_type(footer: bytes) -> int:
    return int.from_bytes(footer[_VHD_TYPE_AT : _VHD_TYPE_AT + 4], "big") if footer.startswith(_VHD) else 0


def _refuse_no_disk(begin: bytes, shown: str, content_type: str) -> None:
    for magic, program in _PACKED.items():
        if begin.startswith(magic):
            raise HostError(f"could not import {shown}: it is packed by {program}; unpack it first")
    if content_type == "text/html" or begin.lstrip()[:14].lower() in (b"<!doctype html", b"<html>"):
        raise HostError(f"could not import {shown}: it is a web page, not an image; check the URL")


def _only_a_part(shown: str, other: str) -> HostError:
    return HostError(
        f"could not import {shown}: it is only a part of a disk and needs the file {other}; join it with its other files "
        "by `qemu-img convert` on a host that you trust it on"
    )


def _packed_inside(info: Mapping[str, Any]) -> bool:
    """Say whether it is a VMDK of an OVA, whose packed clusters cannot be written to a second time."""
    data = info.get("format-specific", {}).get("data", {})
    return any(extent.get("compressed") for extent in data.get("extents", ()))


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
