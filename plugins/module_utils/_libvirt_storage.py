# Copyright: (c) 2026, the virtfleet.core contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Pools and volumes over libvirt."""

from __future__ import annotations

import errno
import os
from collections.abc import Callable, Collection, Mapping, Sequence
from io import FileIO
from pathlib import Path
from typing import Any

from . import _libvirt_errors as errors
from . import _libvirt_read as read
from ._errors import HostError
from ._facts import PoolFacts, VolumeFacts
from ._libvirt_base import Base
from ._libvirt_calls import code_of, gone, side_by_side


class Storage(Base):
    """The part of the Hypervisor that is about storage."""

    def pools(self, names: Collection[str] | None = None) -> Mapping[str, PoolFacts]:
        if names is not None and not names:
            return {}
        active, autostart = (
            {pool.UUIDString() for pool in self._list("pool", flag)}
            for flag in (
                self._lib.VIR_CONNECT_LIST_STORAGE_POOLS_ACTIVE,
                self._lib.VIR_CONNECT_LIST_STORAGE_POOLS_AUTOSTART,
            )
        )
        result = {}
        for pool in self._list("pool", 0):
            name, uuid = pool.name(), pool.UUIDString()
            if names is not None and name not in names:
                continue
            xml = self._xml(pool, "pool", name, self._lib.VIR_STORAGE_XML_INACTIVE)
            live = self._xml(pool, "pool", name, 0) if uuid in active else None
            if xml is not None:
                result[name] = read.pool_facts(xml, live, uuid in autostart)
        return result

    def pool_names(self) -> Sequence[str]:
        return [pool.name() for pool in self._list("pool", 0)]

    def volumes(self, pool: str, names: Collection[str] | None = None) -> Mapping[str, VolumeFacts]:
        if names is not None and not names:
            return {}
        # One list and the XML of what matters is less than a look for each name, of which most may not exist.
        listed = self._call("list the volumes of", "pool", pool, self._pool(pool).listAllVolumes, 0)
        wanted = None if names is None else frozenset(names)
        chosen = [volume for volume in listed if wanted is None or volume.name() in wanted]
        texts = side_by_side(lambda volume: self._xml(volume, "volume", f"{pool}/{volume.name()}", 0), chosen)
        return {
            volume.name(): read.volume_facts(pool, xml) for volume, xml in zip(chosen, texts) if xml is not None
        }

    def define_pool(self, xml: str) -> None:
        self._call("define", "pool", read.name_in(xml), self._connection.storagePoolDefineXML, xml, 0)

    def build_pool(self, name: str, overwrite: bool | None = None) -> None:
        pool, flags = self._pool(name), 0
        if overwrite is not None:
            flags = self._lib.VIR_STORAGE_POOL_BUILD_OVERWRITE if overwrite else self._lib.VIR_STORAGE_POOL_BUILD_NO_OVERWRITE

        def already(error: Any) -> bool:
            # What was asked for stands there: an earlier run was cut short, or somebody else made it.
            return self._active(pool) or (overwrite is False and "already formatted using" in str(error))

        self._call("build", "pool", name, pool.build, flags, already=already)

    def start_pool(self, name: str) -> None:
        pool = self._pool(name)
        self._call("start", "pool", name, pool.create, 0, already=lambda error: self._active(pool))

    def stop_pool(self, name: str) -> None:
        pool = self._pool(name)
        self._call("stop", "pool", name, pool.destroy, already=lambda error: not self._active(pool))

    def undefine_pool(self, name: str) -> None:
        pool = self._pool(name, missing_is_fine=True)
        if pool is not None:
            self._call("undefine", "pool", name, pool.undefine, already=gone)

    def delete_pool(self, name: str) -> None:
        def already(error: Any) -> bool:
            return "No such file or directory" in str(error)

        self._call("delete the folder of", "pool", name, self._pool(name).delete, 0, already=already)

    def refresh_pool(self, name: str) -> None:
        self._call("refresh", "pool", name, self._pool(name).refresh, 0)

    def set_pool_autostart(self, name: str, autostart: bool) -> None:
        self._call("set the autostart of", "pool", name, self._pool(name).setAutostart, int(autostart))

    def create_volume(self, pool: str, xml: str, preallocate: bool = False) -> None:
        handle = self._pool(pool)
        how = self._lib.VIR_STORAGE_VOL_CREATE_PREALLOC_METADATA if preallocate else 0
        self._make(pool, xml, "create", lambda text, flags: handle.createXML(text, flags | how))

    def clone_volume(self, pool: str, xml: str, source_pool: str, source: str) -> None:
        handle, origin = self._pool(pool), self._volume(source_pool, source)
        self._make(pool, xml, "clone", lambda text, flags: handle.createXMLFrom(text, origin, flags))

    def _make(self, pool: str, xml: str, doing: str, make: Callable[[str, int], Any]) -> None:
        name = read.name_in(xml)

        def already(error: Any) -> bool:
            if code_of(error) == errors.VOLUME_EXISTS:
                return True
            # The second is how a clone says it (libvirt 9.0).
            if "already exists" not in str(error) and "already in use" not in str(error):
                return False
            # A file that another program put there, which the pool has not seen yet.
            self.refresh_pool(pool)
            return self._volume(pool, name, missing_is_fine=True) is not None

        self._call(doing, "volume", f"{pool}/{name}", make, xml, 0, already=already)

    def wipe_volume(self, pool: str, name: str) -> None:
        self._call("wipe", "volume", f"{pool}/{name}", self._volume(pool, name).wipe, 0)

    def resize_volume(self, pool: str, name: str, size_bytes: int) -> None:
        self._call("resize", "volume", f"{pool}/{name}", self._volume(pool, name).resize, size_bytes, 0)

    def delete_volume(self, pool: str, name: str) -> None:
        volume = self._volume(pool, name, missing_is_fine=True)
        if volume is not None:
            self._call("delete", "volume", f"{pool}/{name}", volume.delete, 0, already=gone)

    def upload_volume(self, pool: str, name: str, data: bytes) -> None:
        volume, what = self._volume(pool, name), f"{pool}/{name}"
        stream = self._call("upload to", "volume", what, self._connection.newStream, 0)
        self._call("upload to", "volume", what, volume.upload, stream, 0, len(data), 0)
        rest = memoryview(data)

        def chunk(_stream: Any, size: int, _opaque: Any) -> bytes:
            nonlocal rest
            piece, rest = bytes(rest[:size]), rest[size:]
            return piece

        self._call("upload to", "volume", what, stream.sendAll, chunk, None)
        self._call("upload to", "volume", what, stream.finish)

    def upload_file(self, pool: str, name: str, path: str) -> None:
        volume, what = self._volume(pool, name), f"{pool}/{name}"
        try:
            # Without a buffer, whose place would not be the descriptor's.
            with Path(path).open("rb", buffering=0) as file:
                self._send(volume, what, file)
        except OSError as error:
            raise HostError(f"could not upload {path} to volume {what}: {error.strerror}; check the file") from error

    def _send(self, volume: Any, what: str, file: FileIO) -> None:
        length = file.seek(0, os.SEEK_END)
        file.seek(0)

        def section(_stream: Any, _opaque: Any) -> list[Any]:
            return _section(file, length)

        def skip(_stream: Any, size: int, _opaque: Any) -> int:
            file.seek(size, os.SEEK_CUR)
            return 0

        def chunk(_stream: Any, size: int, _opaque: Any) -> bytes:
            return file.read(size) or b""

        stream = self._call("upload to", "volume", what, self._connection.newStream, 0)
        flags = self._lib.VIR_STORAGE_VOL_UPLOAD_SPARSE_STREAM
        self._call("upload to", "volume", what, volume.upload, stream, 0, length, flags)
        self._call("upload to", "volume", what, stream.sparseSendAll, chunk, section, skip, None)
        self._call("upload to", "volume", what, stream.finish)


def _section(file: FileIO, length: int) -> list[Any]:
    """Return whether there is data where the file stands, and how far this goes on (virStreamSparseSendAll)."""
    here = file.tell()
    try:
        data = os.lseek(file.fileno(), here, os.SEEK_DATA)
        end = os.lseek(file.fileno(), here, os.SEEK_HOLE) if data == here else data
    except OSError as error:
        # ENXIO: a hole up to the end, or the end. What cannot tell its holes, such as a device, is all data.
        return [error.errno != errno.ENXIO and here < length, length - here]
    finally:
        file.seek(here)
    return [data == here, end - here]
