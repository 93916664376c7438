# Copyright: (c) 2026, the virtfleet.core contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The fake's pools and volumes: pools of folders on a disk that is a dictionary."""

from __future__ import annotations

import uuid
from collections.abc import Collection, Mapping, Sequence
from copy import deepcopy
from xml.etree import ElementTree
from xml.etree.ElementTree import Element, SubElement

from ansible_collections.virtfleet.core.plugins.module_utils import _libvirt_read as read
from ansible_collections.virtfleet.core.plugins.module_utils._errors import HostError
from ansible_collections.virtfleet.core.plugins.module_utils._facts import PoolFacts, VolumeFacts

from .fake_base import Definition, FakeBase, File, Pool, mutating, not_found, parse, refuser

CAPACITY = 1 << 40
_SIZES = ("capacity", "allocation", "available")
_FOLDERS, _NOWHERE = ("dir", "fs", "netfs"), ("rbd", "gluster", "iscsi-direct")
_FORMATS = {"fs": "auto", "netfs": "auto", "disk": "unknown", "logical": "lvm2"}
_ORDER = ("name", "uuid", *_SIZES, "features", "source", "target")


class FakeStorage(FakeBase):
    """The part of the Hypervisor that is about storage."""

    def pool_names(self) -> Sequence[str]:
        return list(self.pool_records)

    def pools(self, names: Collection[str] | None = None) -> Mapping[str, PoolFacts]:
        return {
            name: read.pool_facts(pool.definition.text, self._live_pool(pool), pool.autostart)
            for name, pool in self.pool_records.items()
            if names is None or name in names
        }

    def volumes(self, pool: str, names: Collection[str] | None = None) -> Mapping[str, VolumeFacts]:
        record = self._active(pool, "list the volumes of")
        folder = self.folders[record.path]
        return {
            name: VolumeFacts(
                pool=pool,
                name=name,
                path=f"{record.path}/{name}",
                format=image.format,
                capacity_bytes=image.capacity,
                allocation_bytes=image.allocation,
                backing=image.backing,
                backing_format=image.backing_format,
                encrypted=image.encrypted,
                compat=image.compat,
                cluster_bytes=image.cluster_bytes,
                lazy_refcounts=image.lazy_refcounts,
            )
            for name, image in sorted(folder.items())
            if names is None or name in names
            if name in record.known
        }

    def volume_data(self, pool: str, name: str) -> bytes:
        """Return what was uploaded to a volume."""
        return self.folders[self._pool(pool).path][name].data

    @mutating
    def define_pool(self, xml: str) -> None:
        name = read.name_in(xml)
        refuse = refuser("define", "pool", name)
        root = parse(xml, "define", "pool")
        path_node = _target(root, name)
        if name == "?" or (path_node is None and root.get("type") not in _NOWHERE):
            raise refuse(27, "XML error: missing pool source name or target path")
        path = ((path_node.text or "").strip().rstrip("/") or "/") if path_node is not None else ""
        if path_node is not None:
            path_node.text = path
        if not root.findtext("uuid"):
            SubElement(root, "uuid").text = str(uuid.UUID(int=self.rng.getrandbits(128), version=4))
        for tag in (*_SIZES, "source"):
            if root.find(tag) is None:
                SubElement(root, tag)
        usual, source = _FORMATS.get(root.get("type") or ""), root.find("source")
        if usual is not None and source is not None and source.find("format") is None:
            SubElement(source, "format", {"type": usual})
        for tag in _SIZES:
            _size(root, tag, 0)
        root[:] = sorted(root, key=lambda node: _ORDER.index(node.tag) if node.tag in _ORDER else len(_ORDER))
        own = root.findtext("uuid") or ""
        for other in self.pool_records.values():
            if other.uuid == own and other.name != name:
                raise refuse(9, f"operation failed: pool '{other.name}' is already defined with uuid {own}")
            if other.name == name and other.uuid != own:
                raise refuse(9, f"operation failed: pool '{name}' already exists with uuid {other.uuid}")
            if other.name != name and other.path == path and root.get("type") in _FOLDERS:
                raise refuse(9, f"operation failed: Storage source conflict with pool: '{other.name}'")
        known = self.pool_records.get(name)
        if known is None:
            self.pool_records[name] = Pool(name, own, path, Definition(root))
        else:
            known.definition, known.path = Definition(root), path

    @mutating
    def build_pool(self, name: str, overwrite: bool | None = None) -> None:
        self.folders.setdefault(self._pool(name).path, {})

    @mutating
    def start_pool(self, name: str) -> None:
        pool = self._pool(name)
        if pool.active:
            return
        if pool.path not in self.folders:
            message = f"cannot open directory '{pool.path}': No such file or directory"
            raise refuser("start", "pool", name)(38, message)
        pool.active = True
        pool.known = set(self.folders[pool.path])

    @mutating
    def stop_pool(self, name: str) -> None:
        pool = self._pool(name)
        pool.active = False
        pool.known = set()

    @mutating
    def undefine_pool(self, name: str) -> None:
        pool = self.pool_records.get(name)
        if pool is None:
            return
        self._refuse_active(pool, "undefine")
        del self.pool_records[name]

    @mutating
    def delete_pool(self, name: str) -> None:
        pool = self._pool(name)
        self._refuse_active(pool, "delete the folder of")
        if self.folders.get(pool.path):
            message = f"failed to remove pool '{pool.path}': Directory not empty"
            raise refuser("delete the folder of", "pool", name)(38, message)
        self.folders.pop(pool.path, None)

    @mutating
    def refresh_pool(self, name: str) -> None:
        pool = self._active(name, "refresh")
        pool.known = set(self.folders[pool.path])

    @mutating
    def set_pool_autostart(self, name: str, autostart: bool) -> None:
        self._pool(name).autostart = autostart

    @mutating
    def create_volume(self, pool: str, xml: str, preallocate: bool = False) -> None:
        name = read.name_in(xml)
        refuse = refuser("create", "volume", f"{pool}/{name}")
        record = self._active(pool, "create a volume in")
        root = parse(xml, "create", "volume")
        if "/" in name:
            raise refuse(55, f"Requested operation is not valid: volume name '{name}' cannot contain '/'")
        folder = self.folders[record.path]
        if name in folder:
            record.known = set(folder)
            return
        kind, backing_kind = root.find("target/format"), root.find("backingStore/format")
        backing = root.findtext("backingStore/path")
        base = self.file_at(backing) if backing else None
        if backing and base is None:
            raise refuse(38, f"inaccessible backing store volume {backing}: No such file or directory")
        capacity = read.size_of(root.find("capacity"), "bytes")
        lazy = root.find("target/features/lazy_refcounts") is not None
        kind_name = (kind.get("type") if kind is not None else None) or "raw"
        usage = root.find("target/encryption/secret")
        if usage is not None and f"volume/{usage.get('usage')}" not in self.secrets():
            raise refuse(66, f"Secret not found: no secret with matching usage '{usage.get('usage')}'")
        if preallocate and kind_name != "qcow2":
            raise refuse(67, f"unsupported configuration: metadata preallocation is not supported for {kind_name} volumes")
        if preallocate and backing:
            raise refuse(67, "unsupported configuration: metadata preallocation conflicts with backing store")
        cluster = root.find("target/clusterSize")
        folder[name] = File(
            name=name,
            format=kind_name,
            encrypted=usage is not None,
            compat=root.findtext("target/compat") or ("1.1" if lazy else None),
            cluster_bytes=(read.size_of(cluster, "bytes") if cluster is not None else 65536) if kind_name == "qcow2" else None,
            lazy_refcounts=lazy,
            capacity=capacity or (base.capacity if base is not None else 0),
            allocation=read.size_of(root.find("allocation"), "bytes"),
            backing=backing,
            backing_format=backing_kind.get("type") if backing_kind is not None else None,
        )
        record.known.add(name)

    @mutating
    def clone_volume(self, pool: str, xml: str, source_pool: str, source: str) -> None:
        name, origin = read.name_in(xml), self._image(source_pool, source)
        record = self._active(pool, "clone a volume to")
        folder, root = self.folders[record.path], parse(xml, "clone", "volume")
        kind = root.find("target/format")
        capacity = max(origin.capacity, read.size_of(root.find("capacity"), "bytes"))
        form = (kind.get("type") if kind is not None else None) or "raw"
        encrypted = root.find("target/encryption") is not None
        folder.setdefault(name, File(name, form, capacity, origin.allocation, data=origin.data, encrypted=encrypted))
        record.known.add(name)

    @mutating
    def wipe_volume(self, pool: str, name: str) -> None:
        image = self._image(pool, name)
        image.data, image.format, image.backing, image.backing_format = b"", "raw", None, None

    @mutating
    def resize_volume(self, pool: str, name: str, size_bytes: int) -> None:
        image = self._image(pool, name)
        if size_bytes < max(image.capacity, image.allocation):
            message = "invalid argument: can't shrink capacity below existing allocation"
            raise refuser("resize", "volume", f"{pool}/{name}")(8, message)
        image.capacity = size_bytes

    @mutating
    def delete_volume(self, pool: str, name: str) -> None:
        record = self.pool_records.get(pool)
        if record is None:
            return
        record = self._active(pool, "delete a volume of")
        if name in record.known:
            record.known.discard(name)
            self.folders[record.path].pop(name, None)

    @mutating
    def upload_volume(self, pool: str, name: str, data: bytes) -> None:
        image = self._image(pool, name)
        image.data = data + image.data[len(data) :]
        image.allocation = max(image.allocation, len(data))

    @mutating
    def upload_file(self, pool: str, name: str, path: str) -> None:
        image, source = self._image(pool, name), self.file_at(path)
        if source is None:
            message = f"could not upload {path} to volume {pool}/{name}: No such file or directory; check the file"
            raise HostError(message)
        image.data, image.allocation = source.data, source.allocation
        image.format, image.capacity = source.format, source.capacity

    def _pool(self, name: str) -> Pool:
        pool = self.pool_records.get(name)
        if pool is None:
            raise not_found("pool", name)
        return pool

    def _active(self, name: str, doing: str) -> Pool:
        pool = self._pool(name)
        if not pool.active:
            message = f"Requested operation is not valid: storage pool '{name}' is not active"
            raise refuser(doing, "pool", name)(55, message)
        return pool

    @staticmethod
    def _refuse_active(pool: Pool, doing: str) -> None:
        if pool.active:
            message = f"Requested operation is not valid: storage pool '{pool.name}' is still active"
            raise refuser(doing, "pool", pool.name)(55, message)

    def _image(self, pool: str, name: str) -> File:
        record = self._active(pool, "find a volume of")
        if name not in record.known:
            message = f"Storage volume not found: no storage vol with matching name '{name}'"
            raise refuser("find", "volume", f"{pool}/{name}")(50, message)
        return self.folders[record.path][name]

    def _live_pool(self, pool: Pool) -> str | None:
        if not pool.active:
            return None
        root = deepcopy(pool.definition.read())
        used = 1 << 30
        used += sum(image.allocation for image in self.folders[pool.path].values())
        for tag, size in zip(_SIZES, (CAPACITY, used, CAPACITY - used)):
            _size(root, tag, size)
        return ElementTree.tostring(root, encoding="unicode")


def _target(root: Element, name: str) -> Element | None:
    """Return where a pool has its path, with what libvirt fills in."""
    kind, source = root.get("type"), root.findtext("source/name") or name
    usual = {"logical": f"/dev/{source}", "zfs": f"/dev/zvol/{source}"}.get(kind or "")
    if usual is not None:
        target = root.find("target")
        if target is None:
            target = SubElement(root, "target")
        target[:] = []
        SubElement(target, "path").text = usual
    node = root.find("target/path")
    return node if node is not None and node.text else None


def _size(root: Element, tag: str, size: int) -> None:
    node = root.find(tag)
    assert node is not None
    node.set("unit", "bytes")
    node.text = str(size)
