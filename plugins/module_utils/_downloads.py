# Copyright: (c) 2026, the virtfleet.core contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What was downloaded and is kept for the next image of the same source, within a limit of size and age.

A file is known by its content: its name is both of its checksums. So only sources with a checksum are kept, one that moved
to another server is found again, and nothing that is kept is older than what was asked for. A file comes into its place when
it is whole and verified, and is held against the checksum again when it is used. While it is written, its part is locked by
flock(2), so that whoever prunes can tell it from what a killed run has left. Whole files may be removed at any time: who reads
one has it open.
"""

from __future__ import annotations

import fcntl
import os
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from io import FileIO
from pathlib import Path
from typing import BinaryIO

from . import _download
from ._download import Fetch
from ._errors import HostError
from ._facts import DownloadFacts
from ._image.spec import is_remote, show_source, split_checksum
from ._image_record import forget_record, read_record, write_record
from ._long_work import locked

_PART = ".part"
_BLOCK = 512


def default_folder() -> Path:
    """Return where downloads are kept."""
    if os.geteuid() == 0:
        return Path("/var/cache/virtfleet/downloads")
    return Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "virtfleet" / "downloads"


class Downloads:
    """The downloads that are kept in a folder. ``lock_timeout`` is how long to wait for another run's download."""

    def __init__(self, folder: Path, lock_timeout: float) -> None:
        self._folder, self._lock_timeout = folder, lock_timeout

    def facts(self) -> list[DownloadFacts]:
        """Return what is kept, what was used last first."""
        return [
            DownloadFacts(
                str(place), read_record(str(place)).get("source", ""), status.st_blocks * _BLOCK, status.st_mtime
            )
            for place, status in reversed(self._whole())
        ]

    def open(self, source: str, wanted: str, fetch: Fetch, told: Callable[[int, int | None], None]) -> FileIO | None:
        """Return the open file with the content of a source, downloaded if need be; None where it is not kept.

        ``wanted`` is its checksum, as ``sha256:HEX`` or ``sha512:HEX``. Raises what ``_download`` does, and HostError where the
        content is another.
        """
        if fetch.cache_bytes is None or not is_remote(source) or _download.mirrored(source, fetch.mirror) is not None:
            return None
        try:
            self._folder.mkdir(mode=0o700, parents=True, exist_ok=True)
            with locked(f"download of {wanted}", self._lock_timeout):
                self._prune(fetch, 0)
                if not fetch.cache_bytes:
                    # Nothing fits, so that the source need not be asked how large it is.
                    return None
                return self._found(wanted) or self._fetched(source, wanted, fetch, told)
        except OSError as error:
            raise HostError(
                f"could not keep the download of {show_source(source)} in {self._folder}: {error.strerror or error}; make room "
                "there, or leave cache_size out"
            ) from error

    def forget(self, wanted: str) -> bool:
        """Remove what is kept of a content; say whether there was something."""
        found = [place for place, _status in self._whole() if _is(place, wanted)]
        for place in found:
            _remove(place)
        return bool(found)

    def _found(self, wanted: str) -> FileIO | None:
        for place, _status in self._whole():
            if _is(place, wanted):
                try:
                    handle = place.open("rb", buffering=0)
                except FileNotFoundError:
                    # Pruned by another run.
                    continue
                os.utime(place)
                return handle
        return None

    def _fetched(
        self, source: str, wanted: str, fetch: Fetch, told: Callable[[int, int | None], None]
    ) -> FileIO | None:
        limit = fetch.cache_bytes or 0
        with _download.opened(source, fetch, verified=True) as stream:
            if stream.size_bytes is None or stream.size_bytes > limit:
                return None
            self._prune(fetch, stream.size_bytes)
            room = os.statvfs(self._folder)
            if room.f_bavail * room.f_frsize < stream.size_bytes:
                return None
            with _writing(self._folder / f"{wanted.replace(':', '-')}{_PART}") as (part, file):
                _done, hashes = _download.copy_sparse(stream, file, told)
                algorithm = wanted.partition(":")[0]
                _download.check_content(show_source(source), wanted, f"{algorithm}:{hashes[algorithm]}")
                file.flush()
                os.fsync(file.fileno())
                place = self._folder / ".".join(f"{name}-{hashes[name]}" for name in sorted(hashes))
                write_record(str(part), str(place), {"source": show_source(source)})
                part.replace(place)
        handle = place.open("rb", buffering=0)
        self._prune(fetch, 0)
        return handle

    def _whole(self) -> list[tuple[Path, os.stat_result]]:
        """Return the files that are whole, what was used last at the end."""
        found = []
        for place in self._folder.iterdir() if self._folder.is_dir() else ():
            if not place.name.endswith(_PART) and place.is_file():
                try:
                    found.append((place, place.stat()))
                except FileNotFoundError:
                    continue
        return sorted(found, key=lambda pair: pair[1].st_mtime)

    def _prune(self, fetch: Fetch, room_bytes: int) -> None:
        """Remove what is too old, and then what was used longest ago until ``room_bytes`` more fit into the limit."""
        for part in self._folder.glob(f"*{_PART}"):
            _remove_left(part)
        now, kept = time.time(), self._whole()
        taken = sum(status.st_blocks * _BLOCK for _place, status in kept)
        for place, status in kept:
            if now - status.st_mtime > fetch.cache_seconds or taken + room_bytes > (fetch.cache_bytes or 0):
                _remove(place)
                taken -= status.st_blocks * _BLOCK


def _is(place: Path, wanted: str) -> bool:
    algorithm, digits, _place = split_checksum(wanted)
    return f"{algorithm}-{digits}" in place.name.split(".")


@contextmanager
def _writing(part: Path) -> Iterator[tuple[Path, BinaryIO]]:
    """Yield a new file that is locked, and remove it where it was not renamed."""
    part.unlink(missing_ok=True)
    handle = os.open(part, os.O_RDWR | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600)
    with os.fdopen(handle, "wb") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        try:
            yield part, file
        finally:
            part.unlink(missing_ok=True)


def _remove_left(part: Path) -> None:
    """Remove what a run left that was killed."""
    try:
        with part.open("rb") as file:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
            part.unlink(missing_ok=True)
    except (BlockingIOError, FileNotFoundError):
        # Somebody writes it, or has just renamed it.
        return


def _remove(place: Path) -> None:
    place.unlink(missing_ok=True)
    forget_record(str(place))


__all__ = ["Downloads", "default_folder"]
