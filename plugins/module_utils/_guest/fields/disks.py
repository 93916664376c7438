# Copyright: (c) 2026, the virtfleet.core contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Disks and CD-ROM drives: where their bytes are, and how the guest sees them.

In the normal spec an image or a blank disk of a pool is a ``file``: libvirt's own ``type='volume'`` is denied by
AppArmor up to libvirt 10. ``size`` and ``image`` have no leaf; the planner reads them from the volume.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import replace
from typing import Any

from ... import _xml
from ..._change import UNSET, Change, Effect, Step
from ..._errors import SpecError
from ..._table import DATA_LOSS, LIVE, QEMU, XEN, Arm, Context, Field, Spec, Table, Union
from ..._types import (
    BYTES,
    COUNT,
    LINE,
    ON_OFF,
    PATH,
    PRESENCE,
    SIZE,
    Type,
    choice,
    counted,
    pattern,
    read_text,
    write_text,
)
from ..._xml import Element
from ..names import GUEST_NAME
from . import remote
from .parts import USAGE, group
from .plugging import plugged

BUSES = ("virtio", "scsi", "sata", "ide", "usb", "fdc", "xen")
FORMATS = ("qcow2", "raw", "vmdk", "vdi", "vpc", "vhdx", "parallels")
DEVICES = ("disk", "cdrom", "floppy", "lun")
HOTPLUG = ("virtio", "scsi", "usb", "xen")


def _get_volume(element: Element) -> Any:
    pool, volume = _xml.read(element, "source/@pool"), _xml.read(element, "source/@volume")
    return UNSET if pool is None or volume is None else f"{pool}/{volume}"


def _set_volume(element: Element, value: str) -> None:
    pool, _slash, volume = value.partition("/")
    _xml.write(element, "source/@pool", pool)
    _xml.write(element, "source/@volume", volume)


def _get_readonly(element: Element) -> bool:
    """A CD-ROM drive is read-only whether its definition says so or not (virDomainDiskDefPostParse)."""
    return element.get("device") == "cdrom" or _xml.find(element, "readonly") is not None


def _is_cdrom(context: Context) -> bool:
    return context.entry.get("device") in ("cdrom", "floppy")


def _source_effect(context: Context, before: Any, after: Any) -> Effect:
    """A medium is changed in the drive; a disk only while the guest is off."""
    return Effect.LIVE if _is_cdrom(context) else Effect.RESTART


def _update(context: Context, change: Change, live: Element | None, new: Element | None) -> Step | None:
    if live is None or new is None or not _is_cdrom_element(new):
        return None
    return Step(
        "update_device",
        {"name": context.name, "xml": _xml.to_text(new)},
        f"change the medium in {change.path[1]} of the running guest",
        True,
    )


def _is_cdrom_element(element: Element) -> bool:
    return element.get("device") in ("cdrom", "floppy")


_PLACE = replace(PATH, argument={"type": "path"})

SOURCE = Union(
    "source",
    {
        "file": Arm({"@type": "file"}, Field("file", ("source/@file",), _PLACE)),
        "block": Arm({"@type": "block"}, Field("block", ("source/@dev",), _PLACE)),
        "volume": Arm(
            {"@type": "volume"},
            Field("volume", ("source/@pool", "source/@volume"), LINE, getter=_get_volume, setter=_set_volume),
        ),
        **remote.FORMS,
        "remote": remote.OTHER,
    },
    _source_effect,
    op=_update,
    drops=("backingStore",),
)


def _size_effect(context: Context, before: Any, after: Any) -> Effect:
    return Effect.LIVE if before is None or after >= before else Effect.DATA_LOSS


def _grow(context: Context, change: Change, live: Element | None, new: Element | None) -> Step | None:
    if live is None:
        return None
    target = _xml.read(live, "target/@dev") or ""
    arguments = {"name": context.name, "target": target, "size_bytes": change.after}
    return Step("resize_disk", arguments, f"grow {target} of the running guest")


def _write_format(element: Element, attribute: str | None, value: str) -> None:
    write_text(element, attribute, value)
    if "name" not in element.attrib:
        element.set("name", "qemu")


_FORMAT = choice(*FORMATS)
FORMAT = replace(_FORMAT, write=_write_format)


def _set_bus(disk: Element, value: str) -> None:
    """Write the bus. The kernel of dom0 serves raw disks by itself, so that libxl shall choose and not take QEMU."""
    _xml.write(disk, "target/@bus", value)
    if value == "xen" and _xml.read(disk, "driver/@type") == "raw":
        _xml.remove(disk, "driver/@name")


BUS = choice(*BUSES)


# A paravirtual disk of Xen may be one of a disk's partitions, as xen-create-image makes them (xen-vbd-interface).
_PARTITION = re.compile(r"^(xvd|sd|hd)[a-z]{1,3}[0-9]{1,2}$")


def _parse_target(value: Any) -> str:
    target = str(LINE.parse(value))
    if not re.match(r"^(vd|sd|hd|xvd|fd|ubd)[a-z]{1,3}$", target) and not _PARTITION.match(target):
        raise SpecError(f"{target!r} is not a target such as vda, sda or xvda, or on Xen xvda1")
    return target


TARGET = Type(_parse_target, read_text, write_text)

CACHE = choice("none", "writethrough", "writeback", "directsync", "unsafe")
SERIAL = pattern(r"[A-Za-z0-9_.+ -]{1,36}", "a serial number of at most 36 letters, digits, spaces and _ . + -")


def _get_lun(disk: Element) -> bool:
    return disk.get("device") == "lun"


def _set_lun(disk: Element, value: bool) -> None:
    """A LUN is told SCSI commands by the guest itself; it is a device of another kind, not a disk with a flag."""
    if value:
        disk.set("device", "lun")
    elif _get_lun(disk):
        disk.set("device", "disk")


def _get_luks(disk: Element) -> Any:
    # libvirt leaves it where it was written, beside the source or in it.
    for path in ("source/encryption", "encryption"):
        usage = _xml.read(disk, f"{path}[@format='luks']/secret/@usage")
        if usage is not None:
            return usage
    return ""


def _set_luks(disk: Element, value: str) -> None:
    for path in ("source/encryption", "encryption"):
        _xml.remove(disk, path)
    if value:
        # The schema knows it inside of some kinds of source only.
        _xml.write(disk, "encryption[@format='luks']/secret[@type='passphrase']/@usage", value)


_LIMITS = tuple(f"{what}_{unit}" for unit in ("bytes", "iops") for what in ("total", "read", "write"))
_IOPS = counted(0, 10**9, "a limit of requests a second")
_TUNED = tuple(
    Field(f"{name}{peak}", (f"{name}_sec{peak}",), BYTES if name.endswith("bytes") else _IOPS, absent=0)
    for peak in ("", "_max")
    for name in _LIMITS
)
IOTUNE = group(_TUNED)


def _tune(context: Context, change: Change, live: Element | None, new: Element | None) -> Step | None:
    """All limits at once: one that was taken away is 0."""
    if live is None or new is None:
        return None
    target, found = _xml.read(live, "target/@dev") or "", _xml.find(new, "iotune")
    limits = {row.at[0]: 0 if found is None else row.read(found) for row in _TUNED}
    arguments = {"name": context.name, "target": target, "limits": limits}
    return Step("set_block_iotune", arguments, f"limit {target} of the running guest", True)


DISK = Table(
    (
        Field("device", ("@device",), choice(*DEVICES), absent="disk", said=False),
        SOURCE,
        # The empty drive of a running guest has none.
        Field("format", ("driver/@type",), FORMAT, live="skip", follows=True),
        Field("target", ("target/@dev",), TARGET, follows=True),
        # The address belongs to the bus: a disk that moves to another one gets a new address from libvirt.
        Field("bus", ("target/@bus",), BUS, drops=("address",), setter=_set_bus, follows=True),
        Field("backend_domain", ("backenddomain/@name",), GUEST_NAME, drivers=XEN),
        Field("readonly", ("readonly",), PRESENCE, absent=False, getter=_get_readonly),
        Field("shareable", ("shareable",), PRESENCE, absent=False, drivers=QEMU),
        Field("lun", ("@device",), PRESENCE, absent=False, getter=_get_lun, setter=_set_lun, drivers=QEMU),
        Field("boot_order", ("boot/@order",), COUNT),
        Field("cache", ("driver/@cache",), CACHE, drivers=QEMU),
        Field("io", ("driver/@io",), choice("native", "threads", "io_uring"), drivers=QEMU),
        Field("discard", ("driver/@discard",), choice("unmap", "ignore"), drivers=QEMU | XEN),
        Field("detect_zeroes", ("driver/@detect_zeroes",), choice("off", "on", "unmap"), drivers=QEMU),
        Field("error_policy", ("driver/@error_policy",), choice("stop", "report", "ignore", "enospace"), drivers=QEMU),
        Field("copy_on_read", ("driver/@copy_on_read",), ON_OFF, absent=False, drivers=QEMU),
        Field("queues", ("driver/@queues",), counted(0, 256, "a count of queues"), absent=0, drivers=QEMU),
        Field("iothread", ("driver/@iothread",), counted(0, 1000, "the number of an I/O thread"), absent=0, drivers=QEMU),
        Field("serial", ("serial",), SERIAL, drivers=QEMU),
        Field("wwn", ("wwn",), pattern(r"[0-9a-f]{16}", "a WWN of 16 hexadecimal digits in lower case"), drivers=QEMU),
        Field("removable", ("target/@removable",), ON_OFF, absent=False, drivers=QEMU),
        Field("luks_secret", ("encryption", "source/encryption"), USAGE, absent="", getter=_get_luks, setter=_set_luks, drivers=QEMU),
        Field("iotune", ("iotune",), IOTUNE, LIVE, op=_tune, absent={}, drivers=QEMU),
        Field("size", (), SIZE, _size_effect, live="skip", op=_grow, live_drivers=QEMU),
        Field("image", (), LINE, DATA_LOSS, live="skip"),
    )
)


def _plug_effect(context: Context, before: Any, after: Any) -> Effect:
    entry: Mapping[str, Any] = after or before
    pluggable = entry.get("bus") in HOTPLUG and entry.get("device", "disk") in ("disk", "lun")
    return Effect.LIVE if pluggable else Effect.RESTART


DISKS = plugged(
    "disks",
    "disk",
    "devices/disk",
    DISK,
    ident=("name", "target", "source"),
    mark="target",
    effect=_plug_effect,
    moved_by="source",
    in_port=lambda entry: entry.get("bus") == "virtio",
    words={"cdrom": {"type": "str"}, "pool": {"type": "str"}},
)


def secrets_of(disk: Spec) -> Iterator[str]:
    """Yield the secrets that a disk needs, as ``usage/ID``."""
    for form, usage in remote.SECRETS.items():
        given = (disk.get("source") or {}).get(form) or {}
        if "secret" in given:
            yield f"{usage}/{given['secret']}"
    if disk.get("luks_secret"):
        yield f"volume/{disk['luks_secret']}"


# Prefixes of target names by bus (virDomainDiskDefAssignAddress reads the letters after them).
PREFIXES = {"virtio": "vd", "xen": "xvd", "ide": "hd", "fdc": "fd", "sd": "sd"}


def prefix_of(bus: str) -> str:
    """Return the prefix of target names on a bus."""
    return PREFIXES.get(bus, "sd")


def free_target(bus: str, taken: set[str]) -> str:
    """Return the first target name on a bus that is not taken: vda, vdb, ... vdz, vdaa."""
    number = 0
    while True:
        name, rest = "", number
        while True:
            name = chr(ord("a") + rest % 26) + name
            rest = rest // 26 - 1
            if rest < 0:
                break
        target = prefix_of(bus) + name
        if target not in taken:
            return target
        number += 1


def one_disk_a_target(spec: Spec) -> list[str]:
    seen: dict[str, str] = {}
    found = []
    for entry in spec.get("disks", ()):
        target = entry.get("target")
        if target is None:
            continue
        if target in seen:
            found.append(f"disks: {seen[target]} and {entry.get('name')} both have the target {target}")
        seen[target] = str(entry.get("name"))
    return found


def partitions_are_xens(spec: Spec) -> list[str]:
    """Other buses have whole disks only; and a disk is not there beside its own partitions."""
    targets = {str(entry.get("target")) for entry in spec.get("disks", ())}
    found = []
    for where, entry in _each(spec):
        target = str(entry.get("target"))
        if not _PARTITION.match(target):
            continue
        if entry.get("bus") not in (None, "xen"):
            found.append(f"{where}.target: {target} is a partition, which the bus {entry['bus']} has not; say {whole_disk(target)}")
        if whole_disk(target) in targets:
            found.append(f"{where}.target: {target} is a partition of {whole_disk(target)}, which is a disk too")
    return found


def whole_disk(target: str) -> str:
    """Return the target of the disk that a partition is of: xvda of xvda2."""
    return target.rstrip("0123456789")


def a_bus_that_the_board_has(spec: Spec) -> list[str]:
    """PCIe boards have no IDE controller (libvirt refuses the definition)."""
    machine = str(spec.get("machine", ""))
    if not machine.startswith(("q35", "pc-q35", "virt")):
        return []
    return [
        f"disks.{entry.get('name') or entry.get('target')}.bus: the machine {machine} has no IDE; say bus: sata"
        for entry in spec.get("disks", ())
        if entry.get("bus") == "ide"
    ]


def _each(spec: Spec) -> Iterator[tuple[str, Spec]]:
    for entry in spec.get("disks", ()):
        yield f"disks.{entry.get('name') or entry.get('target')}", entry


def total_or_parts(spec: Spec) -> list[str]:
    """libvirt takes a limit of all requests, or limits of reads and writes (virDomainDiskDefIotuneParse)."""
    return [
        f"{where}.iotune.total_{unit}: does not go with read_{unit} and write_{unit}; set one of both to 0"
        for where, entry in _each(spec)
        for unit in ("bytes", "iops", "bytes_max", "iops_max")
        if (limits := entry.get("iotune") or {}).get(f"total_{unit}")
        and (limits.get(f"read_{unit}") or limits.get(f"write_{unit}"))
    ]


def peaks_need_a_limit(spec: Spec) -> list[str]:
    return [
        f"{where}.iotune.{name}_max: needs {name}, which it may go above for a while"
        for where, entry in _each(spec)
        for name in _LIMITS
        if (entry.get("iotune") or {}).get(f"{name}_max") and not entry["iotune"].get(name)
    ]


_BUSES = {
    "queues": ("virtio",),
    "iothread": ("virtio",),
    "removable": ("usb",),
    "wwn": ("scsi", "sata", "ide"),
    "lun": ("virtio", "scsi"),
}


def words_of_a_bus(spec: Spec) -> list[str]:
    """What only the driver of one kind of disk has (libvirt refuses it elsewhere)."""
    return [
        f"{where}.{option}: goes with bus {' or '.join(known)}, not with {entry['bus']}"
        for where, entry in _each(spec)
        for option, known in _BUSES.items()
        if entry.get(option) and entry.get("bus") not in (None, *known)
    ]


def only_read_over_https(spec: Spec) -> list[str]:
    return [
        f"{where}.https: can only be read; say readonly: true"
        for where, entry in _each(spec)
        if "https" in (entry.get("source") or {}) and not entry.get("readonly")
    ]


def lun_of_a_device(spec: Spec) -> list[str]:
    return [
        f"{where}.lun: needs block or iscsi, a device that understands SCSI commands"
        for where, entry in _each(spec)
        if entry.get("lun") and not {"block", "iscsi"} & set(entry.get("source") or {})
    ]


def native_io_needs_no_cache(spec: Spec) -> list[str]:
    """QEMU refuses io native with the host's page cache in between."""
    return [
        f"{where}.io: native needs cache: none or directsync"
        for where, entry in _each(spec)
        if entry.get("io") == "native" and entry.get("cache") not in ("none", "directsync")
    ]


def shared_disks_are_raw(spec: Spec) -> list[str]:
    """Other formats keep tables that only one QEMU may change (libvirt refuses the definition)."""
    return [
        f"{where}.shareable: needs format: raw; a {entry['format']} image bears one writer"
        for where, entry in _each(spec)
        if entry.get("shareable") and entry.get("format") not in (None, "raw")
    ]


RULES = (
    one_disk_a_target,
    a_bus_that_the_board_has,
    total_or_parts,
    peaks_need_a_limit,
    words_of_a_bus,
    only_read_over_https,
    lun_of_a_device,
    native_io_needs_no_cache,
    shared_disks_are_raw,
    partitions_are_xens,
)
