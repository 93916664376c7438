# Copyright: (c) 2026, the virtfleet.core contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Open what an image is made from (a path, file:// or http(s)://), copy it sparsely, and read checksum files.

Nothing of a source is ever held in memory whole.
"""
from __future__ import annotations

import hashlib
import os
import re
import stat
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, BinaryIO
from urllib.parse import unquote, urlsplit

from ._errors import HostError, NotFound, SpecError
from ._image.spec import is_remote, show_source, split_checksum

CHUNK = 256 * 1024
_ZERO = bytes(CHUNK)
_MAX_CHECKSUM_FILE = 4 * 1024 * 1024

# `HEX  name`, `HEX *name` (coreutils) and `SHA256 (name) = HEX` (BSD, as Fedora has it).
_GNU_LINE = re.compile(r"^\\?([0-9a-fA-F]{64,128})[ \t]+\*?(.+?)\s*$")
_BSD_LINE = re.compile(r"^(?:SHA256|SHA512) \((.+)\) = ([0-9a-fA-F]{64,128})\s*$")


@dataclass(frozen=True)
class Fetch:
    """How to download. ``timeout`` is the longest silence of a server in seconds, not the time of the whole.

    ``mirror`` is a folder that is looked into first, by the last part of a URL, for hosts without the internet.
    ``cache_bytes`` is how much of what was downloaded is kept, None for nothing, ``cache_seconds`` for how long.
    """

    headers: Mapping[str, str] = field(default_factory=dict)
    url_username: str | None = None
    url_password: str | None = None
    validate_certs: bool = True
    timeout: float = 30.0
    mirror: str | None = None
    cache_bytes: int | None = None
    cache_seconds: float = 30 * 86400.0


@dataclass
class Opened:
    """A source being read: the stream, what to call it, its size in bytes where that is known, its declared type."""

    stream: Any
    shown: str
    size_bytes: int | None
    content_type: str = ""


def local_path(source: str) -> Path | None:
    """Return the path that a source names, or None for a URL of another scheme."""
    if source.startswith("/"):
        return Path(source)
    parts = urlsplit(source)
    if parts.scheme != "file":
        return None
    if parts.netloc not in ("", "localhost") or not parts.path.startswith("/"):
        raise SpecError(f"source {show_source(source)}: a file URL names no other host; write file:///path")
    return Path(unquote(parts.path))


@contextmanager
def opened(source: str, fetch: Fetch, verified: bool = False) -> Iterator[Opened]:
    """Open a source for reading.

    ``verified`` says that a checksum will be held against the content; only then may https lead to plain http.
    Raises NotFound, Timeout or HostError.
    """
    path = local_path(source) or mirrored(source, fetch.mirror)
    if path is not None:
        with _opened_file(path, source) as result:
            yield result
        return
    if not is_remote(source):
        raise SpecError(f"source {source!r} is no absolute path and no file, http or https URL")
    # Imported where it is needed: every module would pay for Ansible's web client otherwise.
    from . import _web

    with _web.answered(source, fetch, verified) as (response, size, content_type):
        yield Opened(response, show_source(source), size, content_type)


def copy_sparse(
    source: Opened, target: BinaryIO, advance: Callable[[int, int | None], None]
) -> tuple[int, dict[str, str]]:
    """Copy a stream to a new file, leaving holes for zeros; return its bytes and its sha256 and sha512.

    Both are computed, because the record must answer for either kind of checksum later.
    Raises HostError when the stream ends early.
    """
    hashes = {"sha256": hashlib.sha256(), "sha512": hashlib.sha512()}
    done = 0
    while True:
        chunk = source.stream.read(CHUNK)
        if not chunk:
            break
        for digest in hashes.values():
            digest.update(chunk)
        if chunk == _ZERO[: len(chunk)]:
            target.seek(len(chunk), os.SEEK_CUR)
        else:
            target.write(chunk)
        done += len(chunk)
        advance(done, source.size_bytes)
    target.truncate(done)
    if source.size_bytes is not None and done != source.size_bytes:
        # http.client reports no error for a body that is cut off when it is read in pieces.
        raise HostError(f"could not read all of {source.shown}: it ended after {done} of {source.size_bytes} bytes")
    return done, {name: digest.hexdigest() for name, digest in hashes.items()}


def check_content(shown: str, wanted: str, found: str) -> None:
    """Raise HostError where a source has another checksum than was asked for."""
    if found != wanted:
        raise HostError(
            f"could not import {shown}: its checksum is {found}, and {wanted} was asked for; nothing was "
            "replaced. Check the checksum, or whether the source was changed"
        )


def file_checksum(path: str, algorithm: str) -> str:
    """Return the checksum of a file as ``sha256:HEX``."""
    digest = hashlib.new(algorithm)
    try:
        with Path(path).open("rb") as file:
            while True:
                chunk = file.read(CHUNK)
                if not chunk:
                    return f"{algorithm}:{digest.hexdigest()}"
                digest.update(chunk)
    except OSError as error:
        raise HostError(f"could not read {path} for its checksum: {error.strerror}") from error


def resolve_checksum(
    checksum: str, source: str, fetch: Fetch, check: Callable[[bytes, str], bytes] | None = None
) -> str:
    """Return a checksum as ``sha256:HEX``, from the checksum file that it names where it names one.

    ``check`` takes the file's content and what to call it, and returns what of it is to be trusted.
    """
    algorithm, value, place = split_checksum(checksum)
    if place is None:
        return f"{algorithm}:{value}"
    text = small_file(place, "checksum file", fetch)
    if check is not None:
        text = check(text, f"checksum file {show_source(place)}")
    name = Path(unquote(urlsplit(source).path)).name if is_remote(source) else (local_path(source) or Path()).name
    return f"{algorithm}:{find_checksum(text.decode('utf-8', 'replace'), algorithm, name, show_source(place))}"


def small_file(place: str, what: str, fetch: Fetch) -> bytes:
    """Return what is at a place, which may have 4 MiB at most."""
    with opened(place, fetch) as file:
        content = b""
        while len(content) <= _MAX_CHECKSUM_FILE:
            piece: bytes = file.stream.read(_MAX_CHECKSUM_FILE + 1 - len(content))
            if not piece:
                break
            content += piece
    if len(content) > _MAX_CHECKSUM_FILE:
        raise HostError(f"{what} {show_source(place)} is larger than 4 MiB; is it the image itself?")
    return content


def find_checksum(text: str, algorithm: str, name: str, place: str) -> str:
    """Return the checksum of file ``name`` in the text of a checksum file, in lower case."""
    length = {"sha256": 64, "sha512": 128}[algorithm]
    found = set()
    for line in text.splitlines():
        bsd = _BSD_LINE.match(line)
        gnu = None if bsd else _GNU_LINE.match(line)
        if bsd:
            listed, value = bsd.group(1), bsd.group(2)
        elif gnu:
            listed, value = gnu.group(2), gnu.group(1)
        else:
            continue
        if len(value) == length and Path(listed).name == name:
            found.add(value.lower())
    if not found and re.fullmatch(rf"\s*[0-9a-fA-F]{{{length}}}\s*", text):
        # A file such as image.qcow2.sha256 may hold the bare checksum.
        found.add(text.strip().lower())
    if not found:
        raise NotFound(f"checksum file {place} has no {algorithm} checksum of {name}; look at its lines and its kind")
    if len(found) > 1:
        raise HostError(f"checksum file {place} has {len(found)} different {algorithm} checksums of {name}")
    return found.pop()


def mirrored(source: str, mirror: str | None) -> Path | None:
    """Return the file of the mirror's folder that stands for a URL."""
    if mirror is None or not is_remote(source):
        return None
    name = Path(unquote(urlsplit(source).path)).name
    candidate = Path(mirror) / name
    return candidate if name and candidate.is_file() else None


@contextmanager
def _opened_file(path: Path, source: str) -> Iterator[Opened]:
    try:
        status = path.stat()
        if stat.S_ISDIR(status.st_mode):
            raise SpecError(f"source {source} is a directory; name the image file in it")
        with path.open("rb", buffering=0) as stream:
            size = stream.seek(0, os.SEEK_END) if stat.S_ISBLK(status.st_mode) else status.st_size
            stream.seek(0)
            yield Opened(stream, source, size)
    except FileNotFoundError as error:
        raise NotFound(f"could not read source {source}: there is no such file on this host") from error
    except PermissionError as error:
        raise HostError(f"could not read source {source}: {error.strerror}") from error
