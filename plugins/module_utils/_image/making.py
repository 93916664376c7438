# Copyright: (c) 2026, the virtfleet.core contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""How the file of an image is made: packed, preallocated, in which clusters. Pure.

What the header of a qcow2 image tells is compared. That an image was packed is in its record, since guests unpack what they
write. What was preallocated is compared by nobody: a guest gives room back that it discards.
"""
from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from .._change import Change, Effect
from .._errors import SpecError
from .._facts import ImageFacts
from .._units import parse_size, show_size

COMPRESSIONS = ("zlib", "zstd")
DEFAULT_COMPRESSION = "zlib"
PREALLOCATIONS = ("off", "metadata", "falloc", "full")
# What qemu-img takes (QEMU, qcow2.h: MIN_CLUSTER_BITS and MAX_CLUSTER_BITS).
SMALLEST_CLUSTER, LARGEST_CLUSTER = 512, 2 << 20

# Option → the formats whose files can be made so.
_FORMATS = {
    "compress": ("qcow2",),
    "compression_type": ("qcow2",),
    "preallocation": ("qcow2", "raw"),
    "cluster_size": ("qcow2",),
    "lazy_refcounts": ("qcow2",),
}

MAKING_WORDS: dict[str, Any] = {
    "compress": {"type": "bool"},
    "compression_type": {"type": "str", "choices": list(COMPRESSIONS)},
    "preallocation": {"type": "str", "choices": list(PREALLOCATIONS)},
    "cluster_size": {"type": "str"},
    "lazy_refcounts": {"type": "bool"},
}


@dataclass(frozen=True)
class Making:
    """How a file is made; None is what was left out. ``compression`` is how it is packed, empty for not at all."""

    compression: str | None = None
    preallocation: str | None = None
    cluster_bytes: int | None = None
    lazy_refcounts: bool | None = None

    @property
    def preallocated(self) -> bool:
        return self.preallocation not in (None, "off")

    @property
    def plain(self) -> bool:
        """Say whether a file of the right format will do as it is."""
        return self.compression is None and not self.preallocated and self.cluster_bytes is None and self.lazy_refcounts is None


# A file as it comes.
PLAIN = Making()


def read_making(
    given: Mapping[str, Any], format: str, content: bool, overlay: bool, problems: list[str]
) -> Making:
    """Return the words of ``given``, with the complaints added to ``problems``.

    ``content``: the image is made of a source or of packages. ``overlay``: it stands on another one.
    """
    for option, known in _FORMATS.items():
        value = given.get(option)
        if value not in (None, False, "off") and format not in known:
            problems.append(f"{option}: an image of format {format} is not made so; it goes with {' and '.join(known)}")
    for option, words in (("compression_type", COMPRESSIONS), ("preallocation", PREALLOCATIONS)):
        if given.get(option) not in (None, *words):
            problems.append(f"{option}: {given[option]!r} is not one of {', '.join(words)}")
    compress, preallocation = given.get("compress"), given.get("preallocation")
    preallocated = preallocation not in (None, "off")
    if compress and not content:
        what = "an overlay" if overlay else "a blank image"
        problems.append(f"compress: {what} holds nothing yet that could be packed; it goes with source and bootstrap")
    if given.get("compression_type") is not None and not compress:
        problems.append("compression_type: it says by what compress: true packs; say that too, or leave it out")
    if compress and preallocated:
        problems.append(f"preallocation: {preallocation} does not go with compress: true; leave one of them out")
    if preallocation == "metadata" and format == "raw":
        problems.append("preallocation: a raw image has no metadata; say falloc or full")
    if preallocated and overlay:
        problems.append(f"preallocation: {preallocation} does not go with backing: an overlay begins with nothing of its own")
    compression = None if compress is None else ""
    if compress:
        compression = str(given.get("compression_type") or DEFAULT_COMPRESSION)
    return Making(compression, preallocation, _cluster(given.get("cluster_size"), problems), given.get("lazy_refcounts"))


def _cluster(value: Any, problems: list[str]) -> int | None:
    if value is None:
        return None
    try:
        size = parse_size(value)
    except SpecError as error:
        problems.extend(f"cluster_size: {problem}" for problem in error.problems)
        return None
    if size & (size - 1) or not SMALLEST_CLUSTER <= size <= LARGEST_CLUSTER:
        problems.append(
            f"cluster_size: {show_size(size)} is not a power of two from {show_size(SMALLEST_CLUSTER)} to "
            f"{show_size(LARGEST_CLUSTER)}, such as 64KiB"
        )
    return size


def making_rows(making: Making) -> list[tuple[str, Any]]:
    """Return what was said, as (option, value)."""
    rows: list[tuple[str, Any]] = [
        ("compress", None if making.compression is None else making.compression != ""),
        ("compression_type", making.compression or None),
        ("preallocation", making.preallocation),
        ("cluster_size", making.cluster_bytes),
        ("lazy_refcounts", making.lazy_refcounts),
    ]
    return [(option, value) for option, value in rows if value is not None]


def making_record(making: Making) -> dict[str, str]:
    """Return what the record of an image says of how it was made."""
    return {"compression": making.compression} if making.compression else {}


def making_changes(making: Making, facts: ImageFacts) -> list[Change]:
    """Return in what the file of an image was made otherwise, as far as that can be told."""
    found = []
    if making.compression is not None:
        packed = facts.record.get("compression", "")
        if bool(packed) != bool(making.compression):
            why = "only a file that is made anew is packed, or unpacked" if making.compression else "the file is made anew, unpacked"
            found.append(Change(("compress",), bool(packed), bool(making.compression), Effect.DATA_LOSS, why))
        elif packed != making.compression:
            why = "the file is packed anew"
            found.append(Change(("compression_type",), packed, making.compression, Effect.DATA_LOSS, why))
    if facts.format != "qcow2":
        # Its format differs then, and that says it all.
        return found
    if making.cluster_bytes is not None and making.cluster_bytes != facts.cluster_bytes:
        why = "clusters keep their size; the image is made anew"
        found.append(Change(("cluster_size",), facts.cluster_bytes, making.cluster_bytes, Effect.DATA_LOSS, why))
    if making.lazy_refcounts is not None and making.lazy_refcounts != facts.lazy_refcounts:
        found.append(Change(("lazy_refcounts",), facts.lazy_refcounts, making.lazy_refcounts, Effect.LIVE))
    return found


def creation_words(making: Making, format: str) -> list[str]:
    """Return the words after ``-o`` by which qemu-img makes a file so."""
    words: Sequence[tuple[str, Any]] = (
        ("preallocation", making.preallocation if making.preallocated else None),
        ("cluster_size", making.cluster_bytes),
        ("compression_type", making.compression or None),
        ("lazy_refcounts", None if making.lazy_refcounts is None else _on_off(making.lazy_refcounts)),
    )
    return [f"{name}={value}" for name, value in words if value is not None and format in _FORMATS[name]]


def _on_off(value: bool) -> str:
    return "on" if value else "off"
