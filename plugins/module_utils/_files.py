# Copyright: (c) 2026, the virtfleet.core contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The files of the host that the module runs on: the implementation of ``_ports.Files``.

Every image is made as ``PATH.part`` beside its place, synced, and renamed into place, under a lock of its own: a kill
at any moment leaves the old image whole, and the next run removes the left-over part. New images belong to the caller
with mode 0600 (libvirt gives them to QEMU's user when a guest starts); one that is replaced keeps owner and mode.

What few tasks do is imported where it is done: each task reads and compiles all that it imports.
"""

from __future__ import annotations

import errno
import os
from collections.abc import Collection, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

from . import _backing, _download, _path_access, _xl_files
from ._download import Fetch, Opened
from ._errors import Conflict, HostError, NotFound, SpecError, Unsupported, VirtError
from ._facts import Accelerator, DownloadFacts, ImageFacts, PathFacts, SystemFacts
from ._image.making import PLAIN, SPARSE, Making
from ._image.spec import GROWING, KEY_BLOCK, is_remote, show_source
from ._image_record import forget_record, read_record, write_record
from ._long_work import Progress, locked
from ._programs import Programs, RunCommand
from ._qemu_img import QemuImg, check_size
from ._units import show_size
from ._unpack import UNPACKED, unpack

if TYPE_CHECKING:
    from ._bootstrap.build import Builder
    from ._downloads import Downloads
    from ._image.bootstrap import Bootstrap

PART = ".part"
_CONVERTED = ".converted.part"
_LOCK_SECONDS = 3600.0


class LocalFiles:
    """Implements ``_ports.Files`` on this host.

    ``run_command`` is AnsibleModule's (or takes the same arguments); ``fetch`` says how sources are downloaded, so
    that credentials are in no plan; ``lock_timeout`` is how long to wait for another run that makes the same image;
    ``cache`` is where images made of packages are worked on and downloads are kept, None for the usual places.
    """

    def __init__(
        self,
        run_command: RunCommand,
        fetch: Fetch | None = None,
        lock_timeout: float = _LOCK_SECONDS,
        cache: Path | None = None,
    ) -> None:
        self._programs = Programs(run_command)
        self._images = QemuImg(self._programs)
        self._cache = cache
        self._fetch = fetch or Fetch()
        self._lock_timeout = lock_timeout

    # reading

    def accelerator(self, fresh: bool = False) -> Accelerator:
        """Find out whether guests run by KVM here, or take the verdict that is kept; with ``fresh`` look in any case."""
        from ._accelerator import probe

        return probe.accelerator(self._programs.find, fresh)

    def kept_accelerator(self) -> Accelerator | None:
        """Return the verdict that is kept, without a look; None where there is none."""
        from ._accelerator import probe

        return probe.known(self._programs.find)

    def systems(self, words: Collection[str]) -> Mapping[str, SystemFacts | str]:
        """Return the operating systems that words stand for, or for each that is not known a sentence why."""
        from ._osinfo import Database, look_up

        return look_up(Database(), words)

    def all_systems(self) -> Sequence[SystemFacts]:
        """Return every operating system that the host's osinfo-db knows; raise Unsupported where there is none."""
        from ._osinfo import Database

        return Database().systems()

    def xl_configs(self, patterns: Collection[str]) -> Mapping[str, tuple[str, bool]]:
        """Return xl's configurations by path, each with whether its guest starts with the host (/etc/xen/auto)."""
        return _xl_files.configs(patterns)

    def dom0_gives(self) -> bool:
        """Say whether dom0 gives of its memory to guests that start: it does where Xen was not told how much it has."""
        return _xl_files.dom0_gives(self._programs)

    def xl_running(self) -> str:
        """Return what ``xl list -l`` prints, nothing where there is no xl or it does not answer."""
        return _xl_files.listing(self._programs)

    def xenstore(self) -> str:
        """Return what ``xenstore-ls`` prints of Xen's guests, nothing where there is none or it does not answer."""
        return _xl_files.xenstore(self._programs)

    def path_facts(self, path: str, user: str | None = None) -> PathFacts:
        """Look at a path as QEMU's ``user`` would reach it; ``_path_access`` says what is judged and what is not."""
        return _path_access.path_facts(path, user)

    def image_facts(self, path: str) -> ImageFacts | None:
        """Return what qemu-img and the record say of an image, or None where there is no file.

        Raises HostError for what is no file or may not be read. ``overlays`` and ``guests`` stay empty here.
        """
        place = Path(path)
        if not place.exists():
            return None
        if place.is_dir():
            raise HostError(f"could not look at image {path}: it is a directory")
        return self._images.facts(path)

    def resolve_checksum(
        self, checksum: str, source: str, signature: str | None = None, keys: str | None = None
    ) -> str:
        """Return ``sha256:HEX`` or ``sha512:HEX``, read from the checksum file that ``checksum`` names, if it does.

        With ``keys`` (a path, or their text) the file must be signed by one of them: inside, or at ``signature``.
        """
        if keys is None:
            return _download.resolve_checksum(checksum, source, self._fetch)
        from ._signature import signed_text

        known = keys.encode() if KEY_BLOCK in keys else self.file_content(keys)
        if known is None:
            raise NotFound(f"could not read checksum_keys {keys}: there is no such file on this host")
        detached = None if signature is None else _download.small_file(signature, "signature", self._fetch)

        def check(text: bytes, shown: str) -> bytes:
            return signed_text(self._programs, text, detached, known, shown)

        return _download.resolve_checksum(checksum, source, self._fetch, check)

    def file_checksum(self, path: str, algorithm: str) -> str:
        """Return the checksum of a whole file as ``sha256:HEX``; this reads all of it."""
        return _download.file_checksum(path, algorithm)

    def chains(self, candidates: Collection[str]) -> Mapping[str, tuple[str, ...]]:
        """Return for each image its real path and those of the images below it (see ``_backing``)."""
        return _backing.chains(candidates)

    def image_record(self, path: str) -> Mapping[str, str]:
        """Return what the collection has recorded of an image's origin, empty where there is nothing."""
        return read_record(path)

    def downloads(self) -> Sequence[DownloadFacts]:
        """Return the downloads that are kept, what was used last first."""
        return self._downloads().facts()

    def _downloads(self) -> Downloads:
        from ._downloads import Downloads, default_folder

        return Downloads(default_folder() if self._cache is None else self._cache / "downloads", self._lock_timeout)

    # making and changing

    def create_image(
        self, path: str, format: str, size_bytes: int, replace: bool = False, making: Making = PLAIN
    ) -> None:
        """Make a blank image; where a file stands, replace it if told to, else raise Conflict."""
        with self._making(path, replace) as part:
            self._images.create(part, format, size_bytes, making)
            self._finish(part, path, making, {})

    def create_overlay(
        self,
        path: str,
        backing: str,
        backing_format: str,
        size_bytes: int | None,
        replace: bool = False,
        making: Making = PLAIN,
    ) -> None:
        """Make a qcow2 image that stands on the image at the absolute path ``backing``, at least as large as it."""
        if not backing.startswith("/"):
            raise SpecError(f"could not create image {path}: its backing image {backing!r} is no absolute path")
        if not Path(backing).is_file():
            raise NotFound(f"could not create image {path}: its backing image {backing} does not exist")
        if Path(backing).resolve() == Path(path).resolve():
            raise SpecError(f"could not create image {path}: it cannot stand on itself")
        base = self._images.info(backing)
        if size_bytes is not None:
            check_size(path, int(base["virtual-size"]), size_bytes)
        with self._making(path, replace) as part:
            self._images.create_overlay(part, backing, backing_format, size_bytes, making)
            self._finish(part, path, making, {})

    def grow_image(self, path: str, format: str, size_bytes: int, making: Making = PLAIN) -> None:
        """Grow an image that no running guest holds; succeed when it has that size; raise Conflict to shrink it."""
        with locked(path, self._lock_timeout):
            if not Path(path).is_file():
                raise NotFound(f"could not grow image {path}: there is no such file")
            now = int(self._images.info(path)["virtual-size"])
            check_size(path, now, size_bytes)
            if now < size_bytes:
                self._images.grow(path, format, size_bytes, making)
                _sync(Path(path))

    def amend_image(self, path: str, making: Making) -> None:
        """Change what the header of a qcow2 image says, as far as it can be changed; no running guest holds it."""
        with locked(path, self._lock_timeout):
            self._images.amend(path, making)
            _sync(Path(path))

    def sparsify_image(self, path: str) -> None:
        """Free the blocks of an image's file that hold nothing but zeros; what it holds stays the same, byte for byte.

        Nobody writes to it meanwhile. A kill at any moment leaves a whole image, and the next run begins again.
        """
        with locked(path, self._lock_timeout):
            if not Path(path).is_file():
                raise NotFound(f"could not sparsify image {path}: there is no such file")
            write_record(path, path, {**read_record(path), **self._without_zeros(path, path)})
            _sync(Path(path))

    def _without_zeros(self, file: str, path: str) -> dict[str, str]:
        """Free the blocks of zeros of a file, which is or becomes the image ``path``, and return what its record says of that."""
        code, _output, complaint = self._programs.attempt(f"sparsify image {path}", ["fallocate", "--dig-holes", file])
        if code != 0:
            raise HostError(
                f"could not sparsify image {path}: {complaint}; where the file system of {Path(path).parent} cannot free parts of "
                "a file, leave sparsify out"
            )
        return {SPARSE: str(Path(file).stat().st_mtime_ns)}

    def _finish(self, result: str, path: str, making: Making, record: Mapping[str, str]) -> None:
        """Give what was made its record, and put it in its place."""
        if making.sparsify:
            record = {**record, **self._without_zeros(result, path)}
        if record:
            write_record(result, path, record)
        _put_in_place(result, path)

    def import_image(
        self,
        path: str,
        source: str,
        format: str,
        checksum: str | None,
        size_bytes: int | None,
        record: Mapping[str, str],
        replace: bool = False,
        making: Making = PLAIN,
    ) -> None:
        """Fetch or copy ``source``, verify it, convert and grow it as ``path + '.part'``, then rename it into place.

        ``record`` adds to what the image's record says of itself: its source, sha256 and sha512. Where another run
        has just imported the same content, this one succeeds.
        """
        local = _download.local_path(source)
        if local is not None and local.exists() and local.resolve() == Path(path).resolve():
            raise SpecError(f"could not import image {path}: it is its own source")
        wanted = None if checksum is None else self.resolve_checksum(checksum, source)
        with self._making(path, replace, wanted) as part:
            if not part:
                return
            progress = Progress(path)
            try:
                self._import(path, part, source, format, wanted, size_bytes, record, making, progress)
            except VirtError as error:
                progress.say(f"failed: {error}")
                raise
            progress.say("done")

    def bootstrap_image(
        self,
        path: str,
        bootstrap: Bootstrap,
        format: str,
        size_bytes: int,
        record: Mapping[str, str],
        replace: bool = False,
        making: Making = PLAIN,
    ) -> None:
        """Make an image of a distribution's packages as ``path + '.part'``, then rename it into place.

        ``record`` is the image's record; under ``bootstrap`` it holds the key of the spec's normal form. Where another
        run has just made the same image, this one succeeds.
        """
        builder = self._builder()
        builder.check(bootstrap)
        with self._making(path, replace, f"bootstrap:{record['bootstrap']}") as part:
            if not part:
                return
            progress = Progress(path)
            try:
                builder.build(bootstrap, size_bytes, record["bootstrap"], Path(part), progress)
                result = part
                if format != "raw" or not making.plain:
                    progress.say(f"converting to {format}")
                    result = path + _CONVERTED
                    _new_file(result)
                    self._images.convert(part, "raw", result, format, making=making)
                self._finish(result, path, making, record)
            except VirtError as error:
                progress.say(f"failed: {error}")
                raise
            progress.say("done")

    def _builder(self) -> Builder:
        from ._bootstrap.build import CACHE, Builder

        return Builder(self._programs, self._cache or CACHE)

    def file_content(self, path: str) -> bytes | None:
        """Return what a small file holds, None where there is none."""
        try:
            return Path(path).read_bytes()
        except FileNotFoundError:
            return None
        except OSError as error:
            raise HostError(f"could not read {path}: {error.strerror or error}") from error

    def write_xl_config(self, path: str, text: str) -> None:
        """Put a configuration of xl in its place, in one step; one that is replaced keeps owner and mode."""
        self.write_file(path, text.encode())

    def write_file(self, path: str, data: bytes) -> None:
        """Put a small file in its place, in one step; one that is replaced keeps owner and mode."""
        part = f"{path}{PART}"
        try:
            Path(part).write_bytes(data)
            _put_in_place(part, path)
        except OSError as error:
            raise HostError(f"could not write {path}: {error.strerror or error}") from error

    def remove_xl_config(self, path: str) -> None:
        """Remove a configuration of xl; succeed where there is none."""
        Path(path).unlink(missing_ok=True)

    def set_xl_autostart(self, path: str, autostart: bool) -> None:
        """Have xendomains start a configuration's guest with the host or not: by a link in /etc/xen/auto."""
        _xl_files.set_autostart(path, autostart)

    def remove_image(self, path: str) -> None:
        """Remove an image, its record and what a killed run left of it; succeed when it is gone."""
        with locked(path, self._lock_timeout):
            place = Path(path)
            if place.exists() and not place.is_file():
                raise Unsupported(f"could not remove image {path}: it is not a file, and only files are")
            try:
                place.unlink(missing_ok=True)
                _clear_parts(path)
            except OSError as error:
                raise HostError(f"could not remove image {path}: {error.strerror}") from error
            forget_record(path)
            if place.parent.is_dir():
                _sync(place.parent)

    def build_seed(self, files: Mapping[str, bytes]) -> bytes:
        """Return a NoCloud seed (ISO 9660, label cidata) with these files, the same bytes for the same input."""
        from . import _seed

        return _seed.build_seed(self._programs, files)

    # how an import goes

    def _import(
        self,
        path: str,
        part: str,
        source: str,
        format: str,
        wanted: str | None,
        size_bytes: int | None,
        record: Mapping[str, str],
        making: Making,
        progress: Progress,
    ) -> None:
        shown = show_source(source)
        hashes, content_type = self._fetch_to(path, part, source, wanted, progress)
        unpack(self._programs, part, shown, progress.say)
        disk = self._images.whole_disk(part, shown, content_type)
        if size_bytes is not None:
            check_size(path, disk.virtual_bytes, size_bytes)
        if disk.format != "raw":
            self._images.check(part, disk.format, shown)
        larger = size_bytes if size_bytes is not None and size_bytes > disk.virtual_bytes else None
        result = part
        if disk.encrypted and not making.plain:
            raise HostError(
                f"could not import {shown}: it is encrypted, and only taken as it is; leave out the options that say how its "
                "file is made"
            )
        as_it_is = disk.format == format and disk.plain and making.plain
        if not as_it_is or (larger is not None and format not in GROWING):
            progress.say(f"converting from {disk.format} to {format}")
            result = path + _CONVERTED
            _new_file(result)
            self._images.convert(part, disk.format, result, format, larger, making)
        elif larger is not None:
            self._images.grow(result, format, larger, making)
        converted_bytes = int(self._images.info(result, format, making)["virtual-size"])
        if converted_bytes != (larger or disk.virtual_bytes):
            raise HostError(
                f"could not import {shown}: converted to {format} it holds {show_size(converted_bytes)} in place "
                f"of {show_size(larger or disk.virtual_bytes)}"
            )
        self._finish(result, path, making, {"source": shown, **hashes, **record})

    def _fetch_to(
        self, path: str, part: str, source: str, wanted: str | None, progress: Progress
    ) -> tuple[dict[str, str], str]:
        verb = "downloaded" if is_remote(source) else "copied"
        with _new_file(part).open("wb") as target, self._opened(source, wanted, progress) as (stream, kept):
            verb = "copied from the cache" if kept else verb
            self._check_room(path, source, stream)
            progress.begin()
            done, hashes = _download.copy_sparse(stream, target, lambda have, whole: progress.update(verb, have, whole))
        progress.say(f"{verb} {show_size(done)}")
        if wanted is not None:
            algorithm = wanted.partition(":")[0]
            found = f"{algorithm}:{hashes[algorithm]}"
            if kept and found != wanted and self._downloads().forget(wanted):
                raise HostError(
                    f"could not import {stream.shown}: what was kept of it is damaged, and was removed; run again"
                )
            _download.check_content(stream.shown, wanted, found)
        return hashes, stream.content_type

    @contextmanager
    def _opened(self, source: str, wanted: str | None, progress: Progress) -> Iterator[tuple[Opened, bool]]:
        """Open a source, or what is kept of it; the second says which."""
        file = None
        if wanted is not None and self._fetch.cache_bytes is not None:

            def told(have: int, whole: int | None) -> None:
                progress.update("downloaded to the cache", have, whole)

            file = self._downloads().open(source, wanted, self._fetch, told)
        if file is None:
            with _download.opened(source, self._fetch, wanted is not None) as stream:
                yield stream, False
            return
        with file:
            yield Opened(file, show_source(source), os.fstat(file.fileno()).st_size), True

    def _check_room(self, path: str, source: str, stream: Opened) -> None:
        if stream.size_bytes is None or not is_remote(source):
            # The size of a local file says nothing where it has holes.
            return
        room = os.statvfs(Path(path).parent)
        free = room.f_bavail * room.f_frsize
        if free < stream.size_bytes:
            raise HostError(
                f"could not download {stream.shown}: it has {show_size(stream.size_bytes)}, and "
                f"{Path(path).parent} has only {show_size(free)} free"
            )

    @contextmanager
    def _making(self, path: str, replace: bool, wanted: str | None = None) -> Iterator[str]:
        """Hold the image's lock and yield the path of its part; yield "" when ``wanted`` is in place already."""
        place = Path(path)
        if not place.parent.is_dir():
            raise NotFound(f"could not make image {path}: directory {place.parent} does not exist; make the pool first")
        with locked(path, self._lock_timeout):
            if place.exists() and not place.is_file():
                raise Unsupported(f"could not make image {path}: what stands there is not a file")
            if place.exists() and not replace:
                if wanted is not None and read_record(path).get(wanted.partition(":")[0]) == wanted.partition(":")[2]:
                    yield ""
                    return
                raise Conflict(f"could not make image {path}: the file appeared in the meantime; run again")
            try:
                _clear_parts(path)
                yield _new_file(path + PART).as_posix()
            except OSError as error:
                if error.errno in (errno.ENOSPC, errno.EDQUOT):
                    raise HostError(f"could not make image {path}: {place.parent} is full; make room there") from error
                raise HostError(f"could not make image {path}: {error.strerror or error}") from error
            finally:
                _clear_parts(path)


def _clear_parts(path: str) -> None:
    for left in (path + PART, path + _CONVERTED, path + UNPACKED):
        # Unlinked, not emptied: a qemu-img that outlived its killed parent may still be writing to it.
        Path(left).unlink(missing_ok=True)


def _new_file(path: str) -> Path:
    """Make an empty file that only its owner may read, so that no image is ever open to others on the way."""
    place = Path(path)
    place.unlink(missing_ok=True)
    os.close(os.open(place, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600))
    return place


def _put_in_place(part: str, path: str) -> None:
    place = Path(path)
    if place.exists():
        status = place.stat()
        Path(part).chmod(status.st_mode & 0o7777)
        if (status.st_uid, status.st_gid) != (os.geteuid(), os.getegid()):
            os.chown(part, status.st_uid, status.st_gid)
    _sync(Path(part))
    Path(part).replace(place)
    _sync(place.parent)


def _sync(place: Path) -> None:
    handle = os.open(place, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)


__all__ = ("PART", "Fetch", "LocalFiles")
