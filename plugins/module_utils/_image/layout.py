# Copyright: (c) 2026, the virtfleet.core contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Where the parts of a disk that is made of packages lie, and what they are called. Pure.

The root partition is number 1 and the last on the disk, so that GRUB finds it by its number and it can grow. Every
identity is derived from the key of the image's normal form, so that the same form gives the same bytes.
"""
from __future__ import annotations

import hashlib
import uuid
from collections.abc import Mapping
from dataclasses import dataclass

from .bootstrap import NONE, Bootstrap
from .suites import ARCHITECTURES, BIOS_ARCHITECTURE

SECTOR = 512
MIB = 1 << 20
ESP_BYTES = 32 * MIB
# A bare minimum, below which no suite has ever fitted; mkfs says by how much more it is too small.
ROOT_BYTES = 192 * MIB

_NAMESPACE = uuid.UUID("0f7c0b7e-36d3-5f0a-9d55-6a8f5a4f4f2d")

# The Discoverable Partitions Specification (uapi-group.org) and the UEFI specification.
_ROOT_TYPES = {"amd64": "4f68bce3-e8cd-4db1-96e7-fbcaf984b709", "arm64": "b921b045-1df0-41c3-af44-4c6f280d3fae"}
_SWAP_TYPE = "0657fd6d-a4ab-43c4-84e5-0933c84b4f4f"
_BIOS_TYPE = "21686148-6449-6e6f-744e-656564454649"
_ESP_TYPE = "c12a7328-f81f-11d2-ba4b-00a0c93ec93b"


@dataclass(frozen=True)
class Part:
    """One partition, or the whole disk where there is no table (number 0). Offsets and sizes are bytes."""

    number: int
    offset: int
    size: int
    type: str
    uuid: str


@dataclass(frozen=True)
class Layout:
    """The parts of a disk by name (``bios``, ``esp``, ``swap``, ``root``), and its identities."""

    size: int
    table: str
    label_id: str
    parts: Mapping[str, Part]
    root_uuid: str
    swap_uuid: str
    hash_seed: str
    esp_id: str


def boots_by_bios(bootstrap: Bootstrap) -> bool:
    """Say whether the disk gets a boot loader for a BIOS."""
    return (
        bootstrap.kernel != NONE
        and bootstrap.partitioning != "none"
        and bootstrap.architecture in (None, BIOS_ARCHITECTURE)
    )


def boots_by_uefi(bootstrap: Bootstrap) -> bool:
    """Say whether the disk gets an EFI system partition."""
    return bootstrap.kernel != NONE and bootstrap.partitioning == "gpt"


def smallest(bootstrap: Bootstrap) -> int:
    """Return the bytes below which a disk cannot hold the parts that were asked for."""
    if bootstrap.partitioning == "none":
        return ROOT_BYTES
    esp = ESP_BYTES if boots_by_uefi(bootstrap) else 0
    return 3 * MIB + esp + bootstrap.swap_bytes + ROOT_BYTES


def lay_out(bootstrap: Bootstrap, size: int, key: str) -> Layout:
    """Return the layout of a disk of ``size`` bytes for a spec whose form has this key."""

    def identity(what: str) -> str:
        return str(uuid.uuid5(_NAMESPACE, f"{key}/{what}"))

    number = hashlib.sha256(f"{key}/number".encode()).hexdigest()
    gpt = bootstrap.partitioning == "gpt"
    parts: dict[str, Part] = {}
    if bootstrap.partitioning == "none":
        parts["root"] = Part(0, 0, size, "", "")
    else:
        start = MIB
        wanted = []
        if gpt and boots_by_bios(bootstrap):
            wanted.append(("bios", 14, MIB, _BIOS_TYPE))
        if boots_by_uefi(bootstrap):
            wanted.append(("esp", 15, ESP_BYTES, _ESP_TYPE))
        if bootstrap.swap_bytes:
            wanted.append(("swap", 2, bootstrap.swap_bytes, _SWAP_TYPE if gpt else "82"))
        # The last MiB is GPT's second table's.
        rest = (size // MIB - 1) * MIB - start - sum(item[2] for item in wanted)
        root_type = _ROOT_TYPES[bootstrap.architecture or "amd64"] if gpt else "83"
        for name, at, length, kind in (*wanted, ("root", 1, rest, root_type)):
            parts[name] = Part(at, start, length, kind, identity(f"part/{name}"))
            start += length
    return Layout(
        size=size,
        table=bootstrap.partitioning,
        # An MBR's identity is a number that is not 0.
        label_id=identity("disk") if gpt else f"0x{int(number[:8], 16) | 1:08x}",
        parts=parts,
        root_uuid=identity("root"),
        swap_uuid=identity("swap"),
        hash_seed=identity("hash"),
        esp_id=number[8:16],
    )


def table_script(layout: Layout) -> str:
    """Return the partition table as sfdisk reads it."""
    lines = [f"label: {'gpt' if layout.table == 'gpt' else 'dos'}", f"label-id: {layout.label_id}", "unit: sectors", ""]
    for name, part in sorted(layout.parts.items(), key=lambda item: item[1].offset):
        words = [f"start={part.offset // SECTOR}", f"size={part.size // SECTOR}", f"type={part.type}"]
        if layout.table == "gpt":
            words += [f"uuid={part.uuid}", f'name="{name}"']
        elif name == "root":
            words.append("bootable")
        lines.append(f"{part.number} : {', '.join(words)}")
    return "\n".join(lines) + "\n"


def libvirt_architecture(bootstrap: Bootstrap) -> str:
    """Return the kernel's and libvirt's name of the image's architecture."""
    return ARCHITECTURES[bootstrap.architecture or "amd64"]
