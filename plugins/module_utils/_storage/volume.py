# Copyright: (c) 2026, the virtfleet.core contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""One volume as wanted, and its XML."""

from __future__ import annotations

from dataclasses import dataclass

from .. import _xml
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

    @property
    def key(self) -> str:
        return f"{self.pool}/{self.name}"


def volume_xml(volume: VolumeWant, size_bytes: int) -> str:
    """Return the XML of a new volume (libvirt, formatstorage)."""
    root = Element("volume")
    SubElement(root, "name").text = volume.name
    SubElement(root, "capacity", {"unit": "bytes"}).text = str(size_bytes)
    if volume.format == "raw":
        # Sparse: what the guest writes is what the file takes.
        SubElement(root, "allocation", {"unit": "bytes"}).text = "0"
    _xml.write(root, "target/format/@type", volume.format)
    if volume.base is not None:
        _xml.write(root, "backingStore/path", volume.base)
        _xml.write(root, "backingStore/format/@type", volume.base_format or "raw")
    return _xml.to_text(root)
