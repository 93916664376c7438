# Copyright: (c) 2026, the virtfleet.core contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""One volume as wanted, and its XML."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from .. import _xml
from .._image.making import PLAIN, Making
from .._xml import Element, SubElement


@dataclass(frozen=True)
class VolumeWant:
    """One volume that a disk stands for. ``size_bytes`` is None for as large as the base."""

    pool: str
    name: str
    path: str
    format: str
    size_bytes: int | None
    base: str | None = None
    base_format: str | None = None
    making: Making = PLAIN

    @property
    def key(self) -> str:
        return f"{self.pool}/{self.name}"


def volume_xml(volume: VolumeWant, size_bytes: int) -> str:
    """Return the XML of a new volume (libvirt, formatstorage)."""
    root, making = Element("volume"), volume.making
    SubElement(root, "name").text = volume.name
    SubElement(root, "capacity", {"unit": "bytes"}).text = str(size_bytes)
    if volume.format == "raw" or making.preallocated:
        # Sparse: what the guest writes is what the file takes. libvirt takes all of it to mean falloc.
        taken = size_bytes if making.preallocation == "falloc" else 0
        SubElement(root, "allocation", {"unit": "bytes"}).text = str(taken)
    _xml.write(root, "target/format/@type", volume.format)
    if making.compat is not None:
        _xml.write(root, "target/compat", making.compat)
    if making.cluster_bytes is not None:
        _xml.write(root, "target/clusterSize", str(making.cluster_bytes))
        _xml.write(root, "target/clusterSize/@unit", "B")
    if making.lazy_refcounts:
        _xml.write(root, "target/features/lazy_refcounts", "")
    if making.luks_secret is not None:
        _xml.write(root, "target/encryption/@format", "luks")
        _xml.write(root, "target/encryption/secret/@type", "passphrase")
        _xml.write(root, "target/encryption/secret/@usage", making.luks_secret)
    if volume.base is not None:
        _xml.write(root, "backingStore/path", volume.base)
        _xml.write(root, "backingStore/format/@type", volume.base_format or "raw")
    return _xml.to_text(root)


def creation_arguments(volume: VolumeWant, size_bytes: int) -> dict[str, Any]:
    """Return the arguments of the Hypervisor's ``create_volume``."""
    found: dict[str, Any] = {"pool": volume.pool, "xml": volume_xml(volume, size_bytes)}
    if volume.format == "qcow2" and volume.making.preallocated:
        found["preallocate"] = True
    return found
