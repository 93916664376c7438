# Copyright: (c) 2026, the virtfleet.core contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""How the file of an image is made: packed, preallocated, in which clusters, encrypted. Pure.

What the header of a qcow2 image tells is compared. That an image was packed is in its record, since guests unpack what they
write. What was preallocated is compared by nobody: a guest gives room back that it discards. Whether runs of zeros take room
can be told by reading all of a file only; so its record says when it was last written to while none did.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from .._change import HIDDEN, Change, Effect
from .._errors import SpecError
from .._facts import ImageFacts
from .._units import parse_size, show_size

OLD_COMPAT = "0.10"
COMPATS = (OLD_COMPAT, "1.1")
COMPRESSIONS = ("zlib", "zstd")
DEFAULT_COMPRESSION = "zlib"
PREALLOCATIONS = ("off", "metadata", "falloc", "full")
# What libvirt can do of it.
VOLUME_PREALLOCATIONS = PREALLOCATIONS[:-1]
# What qemu-img takes (QEMU, qcow2.h: MIN_CLUSTER_BITS and MAX_CLUSTER_BITS).
SMALLEST_CLUSTER, LARGEST_CLUSTER = 512, 2 << 20
# What qemu-img says when it could not measure how fast the host is, after which it would choose how much work a key takes: on a
# fast host the kernel may not have accounted the few milliseconds of the first measurement yet (QEMU 9.2, and older versions
# to which c72cab5ad9f8 was carried back). By chance, so asking again is all that is needed.
UNMEASURED = "Unable to get accurate CPU usage"
UNMEASURED_ADVICE = (
    "QEMU could not measure this host's speed, which it does for a key of LUKS, however often it was asked: run the task again, "
    "or update QEMU"
)

# Option → the formats whose files can be made so.
_FORMATS = {
    "compress": ("qcow2",),
    "compression_type": ("qcow2",),
    "preallocation": ("qcow2", "raw"),
    "cluster_size": ("qcow2",),
    "lazy_refcounts": ("qcow2",),
    "compat": ("qcow2",),
    "luks_secret": ("qcow2", "raw"),
    "luks_passphrase": ("qcow2", "raw"),
}
# What a record says of a file in which no zeros take room: when it was written to last, in nanoseconds since the epoch.
SPARSE = "sparse"

MAKING_WORDS: dict[str, Any] = {
    "compress": {"type": "bool"},
    "compression_type": {"type": "str", "choices": list(COMPRESSIONS)},
    "preallocation": {"type": "str", "choices": list(PREALLOCATIONS)},
    "cluster_size": {"type": "str"},
    "lazy_refcounts": {"type": "bool"},
    "sparsify": {"type": "bool"},
    # What the secret is known by.
    "luks_secret": {"type": "str", "no_log": False},
    "luks_passphrase": {"type": "str", "no_log": True},
}


# Those that libvirt's volumes have; the version of qcow2 is libvirt's to choose there, and an old one.
VOLUME_MAKING_WORDS: dict[str, Any] = {
    **{option: MAKING_WORDS[option] for option in ("cluster_size", "lazy_refcounts", "luks_secret")},
    "preallocation": {"type": "str", "choices": list(VOLUME_PREALLOCATIONS)},
    "compat": {"type": "str", "choices": list(COMPATS)},
}


@dataclass(frozen=True)
class Making:
    """How a file is made; None is what was left out. ``compression`` is how it is packed, empty for not at all.

    It is encrypted by a passphrase, or by what the secret of libvirt ``luks_secret`` (its usage_id) holds.
    """

    compression: str | None = None
    preallocation: str | None = None
    cluster_bytes: int | None = None
    lazy_refcounts: bool | None = None
    compat: str | None = None
    luks_secret: str | None = None
    passphrase: bytes | None = field(default=None, repr=False)
    sparsify: bool | None = None

    @property
    def encrypted(self) -> bool:
        return self.luks_secret is not None or self.passphrase is not None

    @property
    def preallocated(self) -> bool:
        return self.preallocation not in (None, "off")

    @property
    def plain(self) -> bool:
        """Say whether a file of the right format will do as it is."""
        said = (self.compression, self.cluster_bytes, self.lazy_refcounts, self.compat)
        return all(value is None for value in said) and not self.preallocated and not self.encrypted


# A file as it comes.
PLAIN = Making()


def read_making(given: Mapping[str, Any], format: str, content: bool, overlay: bool, problems: list[str]) -> Making:
    """Return the words of ``given``, with the complaints added to ``problems``.

    ``content``: the image is made of a source or of packages. ``overlay``: it stands on another one.
    """
    for option, known in _FORMATS.items():
        value = given.get(option)
        if value not in (None, False, "off") and format not in known:
            problems.append(f"{option}: an image of format {format} is not made so; it goes with {' and '.join(known)}")
    for option, words in (
        ("compression_type", COMPRESSIONS),
        ("preallocation", PREALLOCATIONS),
        ("compat", COMPATS),
    ):
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
    if given.get("lazy_refcounts") and given.get("compat") == OLD_COMPAT:
        problems.append(f"lazy_refcounts: true does not go with compat {OLD_COMPAT}; say '1.1'")
    if preallocated and overlay:
        problems.append(
            f"preallocation: {preallocation} does not go with backing: an overlay begins with nothing of its own"
        )
    encrypted = [option for option in ("luks_secret", "luks_passphrase") if given.get(option) is not None]
    problems += [f"{option}: it is empty" for option in encrypted if not given[option]]
    if len(encrypted) == 2:
        problems.append("luks_passphrase: is given beside luks_secret; leave one of them out")
    if given.get("sparsify") and preallocated:
        problems.append(f"preallocation: {preallocation} does not go with sparsify: true, which gives the room back again")
    if given.get("sparsify") and encrypted:
        problems.append(f"sparsify: true does not go with {encrypted[0]}; of what is encrypted nothing reads as zeros")
    if encrypted and compress:
        problems.append(f"compress: true does not go with {encrypted[0]}; what is encrypted cannot be packed")
    compression = None if compress is None else ""
    if compress:
        compression = str(given.get("compression_type") or DEFAULT_COMPRESSION)
    passphrase = given.get("luks_passphrase")
    return Making(
        compression,
        preallocation,
        _cluster(given.get("cluster_size"), problems),
        given.get("lazy_refcounts"),
        given.get("compat"),
        given.get("luks_secret"),
        None if passphrase is None else str(passphrase).encode(),
        given.get("sparsify"),
    )


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
        ("compat", making.compat),
        ("luks_secret", making.luks_secret),
        ("luks_passphrase", None if making.passphrase is None else HIDDEN),
        ("sparsify", making.sparsify),
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
            why = (
                "only a file that is made anew is packed, or unpacked"
                if making.compression
                else "the file is made anew, unpacked"
            )
            found.append(Change(("compress",), bool(packed), bool(making.compression), Effect.DATA_LOSS, why))
        elif packed != making.compression:
            why = "the file is packed anew"
            found.append(Change(("compression_type",), packed, making.compression, Effect.DATA_LOSS, why))
    if making.encrypted and not facts.encrypted:
        option, after = next(row for row in making_rows(making) if row[0].startswith("luks_"))
        why = "only a file that is made anew is encrypted"
        found.append(Change((option,), None, after, Effect.DATA_LOSS, why, secret=option == "luks_passphrase"))
    if making.sparsify and facts.record.get(SPARSE) != str(facts.written_ns):
        why = "it was written to since its zeros were looked for" if SPARSE in facts.record else "nobody has looked for its zeros"
        found.append(Change(("sparsify",), False, True, Effect.LIVE, why))
    if facts.format != "qcow2":
        # Its format differs then, and that says it all.
        return found
    if making.cluster_bytes is not None and making.cluster_bytes != facts.cluster_bytes:
        why = "clusters keep their size; the image is made anew"
        found.append(Change(("cluster_size",), facts.cluster_bytes, making.cluster_bytes, Effect.DATA_LOSS, why))
    if making.lazy_refcounts is not None and making.lazy_refcounts != facts.lazy_refcounts:
        found.append(Change(("lazy_refcounts",), facts.lazy_refcounts, making.lazy_refcounts, Effect.LIVE))
    return found


def creation_words(making: Making, format: str, key: str) -> list[str]:
    """Return the words after ``-o`` by which qemu-img makes a file so; ``key`` is its object with the passphrase."""
    words: Sequence[tuple[str, Any]] = (
        ("preallocation", making.preallocation if making.preallocated else None),
        ("cluster_size", making.cluster_bytes),
        ("compression_type", making.compression or None),
        ("lazy_refcounts", None if making.lazy_refcounts is None else _on_off(making.lazy_refcounts)),
        ("compat", making.compat),
    )
    found = [f"{name}={value}" for name, value in words if value is not None and format in _FORMATS[name]]
    if making.encrypted:
        found += ["encrypt.format=luks", f"encrypt.key-secret={key}"] if format == "qcow2" else [f"key-secret={key}"]
    return found


def _on_off(value: bool) -> str:
    return "on" if value else "off"
