# Copyright: (c) 2026, the virtfleet.core contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What the user says of one image, checked and in normal form. Pure: no file, no libvirt."""
from __future__ import annotations

import hashlib
import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import PurePosixPath
from typing import TYPE_CHECKING, Any
from urllib.parse import SplitResult, urlsplit

from .._errors import SpecError
from .._units import parse_size, round_up, show_size
from .making import PLAIN, Making, read_making

if TYPE_CHECKING:
    from .bootstrap import Bootstrap

FORMATS = ("qcow2", "raw", "vmdk", "vdi", "vpc", "vhdx", "parallels")
# What grows, and what volumes are made of.
GROWING = ("qcow2", "raw")
DEFAULT_FORMAT = "qcow2"
DEFAULT_POOL = "default"
STATES = ("present", "absent")

# All formats hold whole sectors; qemu-img rounds up to them.
SECTOR = 512
# Of an image that is made of packages.
BOOTSTRAP_BYTES = 4 << 30

_DIGITS = {"sha256": 64, "sha512": 128}
# An image's ending → its format, or None where the ending does not tell.
_ENDINGS = {
    ".qcow2": "qcow2",
    ".raw": "raw",
    ".iso": "raw",
    ".img": None,
    ".vmdk": "vmdk",
    ".vdi": "vdi",
    ".vhd": "vpc",
    ".vpc": "vpc",
    ".vhdx": "vhdx",
    ".hds": "parallels",
    ".hdd": "parallels",
    ".parallels": "parallels",
}
KEY_BLOCK = "-----BEGIN PGP PUBLIC KEY BLOCK-----"
_PRINTABLE = re.compile(r"[^\x00-\x1f\x7f]+")


@dataclass(frozen=True)
class ImageSpec:
    """One image as it is wanted; None is what the user left out. Sizes are bytes.

    ``name`` is what the user calls it, in consents and messages too. ``path`` is absolute, or None: then the image is
    the file ``file_name`` of ``pool``. ``backing`` is an absolute path, or the name of another image in the pool.
    """

    name: str
    pool: str | None = None
    path: str | None = None
    format: str | None = None
    size_bytes: int | None = None
    source: str | None = None
    checksum: str | None = None
    checksum_signature: str | None = None
    checksum_keys: str | None = None
    backing: str | None = None
    bootstrap: Bootstrap | None = None
    making: Making = PLAIN
    state: str = "present"
    consent: tuple[str, ...] = ()
    estate: str | None = None

    @property
    def made_format(self) -> str:
        """Return the format that the image is made in where it is missing."""
        return self.format or _format_of(self.path or self.name) or DEFAULT_FORMAT

    @property
    def file_name(self) -> str:
        """Return the name of the image's file in its pool."""
        return image_file_name(self.name, self.format)


def image_file_name(name: str, format: str | None = None) -> str:
    """Return the file that an image of this name has in its pool: ``debian-12`` is ``debian-12.qcow2``.

    A name that already ends like an image's file (.qcow2, .raw, .img, .iso, .vmdk, ...) is that file's name.
    """
    if name.endswith(tuple(_ENDINGS)):
        return name
    return f"{name}.{format or DEFAULT_FORMAT}"


def read_spec(params: Mapping[str, Any]) -> ImageSpec:
    """Return the normal spec of a module's options; raise SpecError with every complaint at once."""
    problems: list[str] = []
    given = {key: value for key, value in params.items() if value is not None}
    name, path, pool = given.get("name"), given.get("path"), given.get("pool")
    if path is not None:
        problems += _path_problems("path", path)
        if pool is not None:
            problems.append("pool: an image has either a pool or a path, not both")
        if name is None:
            name = PurePosixPath(path).name
    if name is None:
        problems.append("name: an image needs a name, or a path")
        name = ""
    else:
        problems += _name_problems("name", name)
    size = _size(given.get("size"), problems)
    if given.get("format") not in (None, *FORMATS):
        problems.append(f"format: {given['format']!r} is not one of {', '.join(FORMATS)}")
    if given.get("state", "present") not in STATES:
        problems.append(f"state: {given['state']!r} is not one of {', '.join(STATES)}")
    source, checksum, backing = given.get("source"), given.get("checksum"), given.get("backing")
    if source is not None:
        problems += _source_problems(source)
    if checksum is not None:
        problems += _checksum_problems(checksum, source)
    problems += _signature_problems(checksum, given.get("checksum_signature"), given.get("checksum_keys"))
    if backing is not None:
        problems += _backing_problems(backing, source, given.get("format"))
    bootstrap = None
    if given.get("bootstrap") is not None:
        # Much to be read, and few images are made of packages.
        from .bootstrap import read_bootstrap
        from .layout import smallest

        bootstrap = read_bootstrap(given["bootstrap"], problems)
        problems += [
            f"bootstrap: an image is either made of packages or has a {other}, not both"
            for other in ("source", "backing")
            if given.get(other) is not None
        ]
        if bootstrap is not None and size is not None and size < smallest(bootstrap):
            problems.append(
                f"size: {show_size(size)} cannot hold the parts that bootstrap asks for; give {show_size(smallest(bootstrap))} "
                "and more"
            )
    format = "qcow2" if backing is not None else given.get("format") or _format_of(path or name) or DEFAULT_FORMAT
    content = source is not None or given.get("bootstrap") is not None
    making = read_making(given, format, content, backing is not None, problems)
    if problems:
        raise SpecError(problems)
    return ImageSpec(
        name=name,
        pool=None if path is not None else pool or DEFAULT_POOL,
        path=path,
        format=given.get("format"),
        size_bytes=size,
        source=source,
        checksum=checksum,
        checksum_signature=given.get("checksum_signature"),
        checksum_keys=given.get("checksum_keys"),
        backing=backing,
        bootstrap=bootstrap,
        making=making,
        state=given.get("state", "present"),
        consent=tuple(given.get("confirm_data_loss", ())),
    )


def split_checksum(checksum: str) -> tuple[str, str | None, str | None]:
    """Split ``sha256:HEX`` into (algorithm, hex, None), and ``sha256:PLACE`` into (algorithm, None, place)."""
    algorithm, _colon, value = checksum.partition(":")
    if algorithm not in _DIGITS:
        raise SpecError(
            f"checksum: {checksum!r} does not begin with sha256: or sha512:; write for example sha256:HEX, or "
            "sha256:https://host/SHA256SUMS"
        )
    if value.startswith("/") or _parts(value).scheme in ("http", "https", "file"):
        return algorithm, None, value
    if not re.fullmatch(f"[0-9a-fA-F]{{{_DIGITS[algorithm]}}}", value):
        raise SpecError(
            f"checksum: {checksum!r} has no {_DIGITS[algorithm]} hexadecimal digits after {algorithm}:, and no path "
            "or URL of a checksum file either"
        )
    return algorithm, value.lower(), None


def is_remote(source: str) -> bool:
    """Say whether a source is fetched over the network."""
    return _parts(source).scheme in ("http", "https")


def show_source(source: str) -> str:
    """Return a source fit for eyes and records: without a password, and with a fingerprint for its query.

    A query may hold a token (a presigned URL does), yet two queries may name two contents.
    """
    if not is_remote(source):
        return source
    parts = _parts(source)
    place = f"{parts.scheme}://{parts.netloc.rpartition('@')[2]}{parts.path}"
    if not parts.query:
        return place
    return f"{place}?hidden-{hashlib.sha256(parts.query.encode()).hexdigest()[:8]}"


def _parts(source: str) -> SplitResult:
    try:
        return urlsplit(source)
    except ValueError:
        # Brackets that do not close, and the like: no URL then.
        return SplitResult("", "", source, "", "")


def _format_of(name: str) -> str | None:
    return next((format for ending, format in _ENDINGS.items() if name.endswith(ending)), None)


def _size(value: Any, problems: list[str]) -> int | None:
    if value is None:
        return None
    try:
        size = parse_size(value)
    except SpecError as error:
        problems.extend(f"size: {problem}" for problem in error.problems)
        return None
    if size == 0:
        problems.append("size: an image of no bytes is of no use")
    return round_up(size, SECTOR)


def _name_problems(option: str, name: str) -> list[str]:
    if not name or name in (".", "..") or "/" in name or not _PRINTABLE.fullmatch(name) or name.startswith("-"):
        return [f"{option}: {name!r} cannot be a file's name in a pool: no slash, no control character, no leading -"]
    if name.endswith(".part"):
        return [f"{option}: {name!r} ends in .part, which is kept for images that are being made"]
    return []


def _path_problems(option: str, path: str) -> list[str]:
    if not path.startswith("/") or path.endswith("/") or not _PRINTABLE.fullmatch(path) or ".." in path.split("/"):
        return [f"{option}: {path!r} is not an absolute path of a file"]
    if path.startswith("/dev/"):
        return [f"{option}: {path!r} is a device; an image is a file"]
    return []


def _source_problems(source: str) -> list[str]:
    if not _PRINTABLE.fullmatch(source):
        return ["source: it holds a control character"]
    if "@" in _parts(source).netloc:
        return ["source: its URL holds a name or a password; give them as url_username and url_password"]
    if source.startswith("/") or _parts(source).scheme in ("http", "https", "file"):
        return []
    shown = show_source(source)
    return [f"source: {shown!r} is no absolute path and no file, http or https URL; a relative path means nothing"]


def _checksum_problems(checksum: str, source: str | None) -> list[str]:
    if source is None:
        return ["checksum: it is of the source, and there is no source"]
    try:
        split_checksum(checksum)
    except SpecError as error:
        return list(error.problems)
    return []


def _signature_problems(checksum: str | None, signature: str | None, keys: str | None) -> list[str]:
    problems = []
    if signature is not None:
        problems += [problem.replace("source", "checksum_signature") for problem in _source_problems(signature)]
        if keys is None:
            problems.append("checksum_signature: it says nothing without checksum_keys, the keys that are trusted")
    if keys is not None:
        if not keys.startswith("/") and KEY_BLOCK not in keys:
            problems.append("checksum_keys: it is neither the absolute path of a keyring nor the text of a public key block")
        if checksum is None or "/" not in checksum:
            problems.append("checksum_keys: they are for a checksum file, and checksum names none")
    return problems


def _backing_problems(backing: str, source: str | None, format: str | None) -> list[str]:
    problems = []
    if backing.startswith("/"):
        problems += _path_problems("backing", backing)
    else:
        problems += _name_problems("backing", backing)
    if source is not None:
        problems.append("backing: an image either has a source or stands on a backing image, not both")
    if format not in (None, "qcow2"):
        problems.append(f"backing: format {format} cannot stand on a backing image; leave format out or say qcow2")
    return problems
