# Copyright: (c) 2026, the virtfleet.core contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What the guest is started as: accelerator, architecture, type, machine, firmware, boot order, kernel, boot loader."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

from ... import _xml
from ..._change import UNSET, Effect
from ..._errors import SpecError
from ..._facts import GUEST_TYPES
from ..._table import QEMU, RECREATE, XEN, Context, Field, Spec
from ..._types import LINE, PATH, Type, choice, read_text, words, write_text
from ..._xml import Element

# accelerator

_TYPES = {"tcg": "qemu"}


def _read_accel(element: Element, attribute: str | None) -> str:
    text = read_text(element, attribute)
    return "tcg" if text == "qemu" else text


def _write_accel(element: Element, attribute: str | None, value: str) -> None:
    write_text(element, attribute, _TYPES.get(value, value))


_ACCEL = choice("kvm", "tcg")
ACCEL = Type(_ACCEL.parse, _read_accel, _write_accel)

# type: what of a machine the guest sees. libvirt has it in the text of <type>, where PV goes by two names, and Xen's
# driver once more in the machine (libvirt, formatdomain: operating system booting; virDomainOSType).

TYPES = ("pv", "pvh", "hvm")
_XEN_TYPES = {"pv": ("linux", "xenpv"), "pvh": ("xenpvh", "xenpvh"), "hvm": ("hvm", "xenfv")}


def _get_type(root: Element) -> Any:
    return GUEST_TYPES.get(_xml.read(root, "os/type") or "", UNSET)


def set_type(root: Element, value: str) -> None:
    """Write a guest's type."""
    text, machine = _XEN_TYPES[value]
    _xml.write(root, "os/type", text)
    if root.get("type") == "xen":
        _xml.write(root, "os/type/@machine", machine)


def _type_effect(context: Context, before: Any, after: Any) -> Effect:
    """A kernel that is booted as PV may be booted as PVH; another machine is another guest."""
    return Effect.RESTART if {before, after} <= {"pv", "pvh"} else Effect.RECREATE


# machine: libvirt expands an alias when it defines (q35 becomes pc-q35-7.2), and a later QEMU gives it a newer version.

_FAMILIES = {"pc": "pc-i440fx", "q35": "pc-q35", "s390-ccw": "s390-ccw-virtio"}
# What follows is a version; distributions have words for theirs (pc-q35-noble, pc-q35-noble-v2).
_VERSIONED = tuple(f"{family}-" for family in (*_FAMILIES.values(), "virt", "pseries"))


def same_machine(want: Any, have: Any) -> bool:
    """Tell whether a wanted machine type, perhaps an alias, is the one that a definition has."""
    if want == have or want.startswith(_VERSIONED):
        return bool(want == have)
    family = _FAMILIES.get(want, want)
    return (have in _FAMILIES and _FAMILIES[have] == family) or bool(
        re.match(re.escape(family) + r"-([0-9]+\.[0-9]+|[a-z]+[0-9.]*(-[a-z0-9]+)*)$", have)
    )


MACHINE = Type(LINE.parse, LINE.read, LINE.write, same=same_machine)

# What a machine's change makes void: PCI addresses, the controllers libvirt chose for the old board, its watchdog.
_BOARD = (
    "devices/*/address[@type='pci']",
    "devices/controller[@type='pci']",
    "devices/controller[@type='ide']",
    "devices/watchdog[@model='itco']",
)

# firmware: asked for by name and never by a path, which differs on every distribution.


def _get_firmware(root: Element) -> Any:
    if _get_type(root) in ("pv", "pvh"):
        return UNSET
    if _xml.read(root, "os/@firmware") == "efi" or _xml.read(root, "os/loader/@type") == "pflash":
        return "efi"
    return "bios"


def _set_firmware(root: Element, value: str) -> None:
    for path in ("os/@firmware", "os/loader", "os/nvram", "os/firmware"):
        _xml.remove(root, path)
    if value == "efi":
        _xml.write(root, "os/@firmware", "efi")


def _parse_optional_path(value: Any) -> str:
    return "" if value == "" else str(PATH.parse(value))


OPTIONAL_PATH = Type(_parse_optional_path, read_text, write_text)

BOOT = words(("disk", "cdrom", "network", "floppy"), {"disk": "hd", "floppy": "fd"}, "boot", "dev")


def _get_boot(root: Element) -> Any:
    element = _xml.find(root, "os")
    return () if element is None else BOOT.read(element, None)


def _set_boot(root: Element, value: Any) -> None:
    BOOT.write(_xml.ensure(root, "os"), None, value)


ROWS = (
    Field("accel", ("@type",), ACCEL, drivers=QEMU),
    Field("arch", ("os/type/@arch",), LINE, RECREATE),
    Field("type", ("os/type", "os/type/@machine"), choice(*TYPES), _type_effect, getter=_get_type, setter=set_type),
    Field("machine", ("os/type/@machine",), MACHINE, drops=_BOARD, drivers=QEMU),
    Field(
        "firmware",
        ("os/@firmware", "os/loader", "os/nvram", "os/firmware"),
        choice("bios", "efi"),
        getter=_get_firmware,
        setter=_set_firmware,
        voids=lambda before, after: ("secure_boot",),
    ),
    # libvirt takes either an order of kinds or an order of devices, never both.
    Field(
        "boot",
        ("os/boot/@dev",),
        BOOT,
        getter=_get_boot,
        setter=_set_boot,
        drops=("devices/*/boot",),
    ),
    Field("kernel", ("os/kernel",), OPTIONAL_PATH, absent=""),
    Field("initrd", ("os/initrd",), OPTIONAL_PATH, absent=""),
    Field("cmdline", ("os/cmdline",), LINE, absent=""),
    Field("bootloader", ("bootloader",), LINE, absent="", drivers=XEN),
    Field("bootloader_args", ("bootloader_args",), LINE, absent="", drivers=XEN),
)


def numbered(spec: Spec) -> list[tuple[str, int]]:
    """Return the devices of a spec that have a place of their own in the boot order, whatever list they are in."""
    return [
        (f"{kind}.{entry.get('name') or entry.get('target') or entry.get('mac')}", entry["boot_order"])
        for kind, entries in spec.items()
        if isinstance(entries, list)
        for entry in entries
        if isinstance(entry, Mapping) and entry.get("boot_order") is not None
    ]


def one_boot_order(spec: Spec) -> list[str]:
    """Give the order once: by kinds in ``boot``, or by devices in ``boot_order``, each number once."""
    devices = numbered(spec)
    if devices and spec.get("boot"):
        return [
            f"boot_order: the boot order is given twice, by boot ({', '.join(spec['boot'])}) and by boot_order of "
            f"{devices[0][0]}; leave one out (boot: [] clears an order that the guest has)"
        ]
    numbers: dict[int, str] = {}
    for where, number in devices:
        if number in numbers:
            return [f"boot_order: {numbers[number]} and {where} both have {number}; give each device its own number"]
        numbers[number] = where
    return []


def kernel_comes_first(spec: Spec) -> list[str]:
    """A boot loader of the host takes words for the kernel that it finds, and no initrd (xl.cfg: root, extra)."""
    if spec.get("kernel"):
        return []
    wrong = ["initrd: needs kernel, which is booted directly"] if spec.get("initrd") else []
    if spec.get("cmdline") and not spec.get("bootloader"):
        wrong.append("cmdline: needs kernel, which is booted directly, or on Xen a bootloader")
    return wrong


def firmware_takes_a_whole_machine(spec: Spec) -> list[str]:
    """A paravirtual guest begins with its kernel: there is nobody to look for a device to boot."""
    kind = spec.get("type", "hvm")
    return [
        f"{option}: needs a guest of type hvm; a {kind} guest has no firmware, and is booted by kernel or bootloader"
        for option in ("firmware", "boot")
        if kind != "hvm" and spec.get(option)
    ]


def one_way_to_a_kernel(spec: Spec) -> list[str]:
    """A boot loader of the host finds the kernel inside the guest's disk (xl.cfg: bootloader)."""
    if spec.get("kernel") and spec.get("bootloader"):
        return ["bootloader: is for a guest whose kernel is in its disk, and kernel is given; leave one out, or clear it"]
    return []


# What distributions and kernels call them, and libvirt does not.
_ARCHITECTURES = {"amd64": "x86_64", "i386": "i686", "arm64": "aarch64", "arm": "armv7l", "armhf": "armv7l", "ppc64el": "ppc64le"}


def check_arch(value: Any) -> str:
    """Return a plausible architecture by libvirt's name; whether the host has it is for the host to say."""
    text = str(LINE.parse(value))
    text = _ARCHITECTURES.get(text, text)
    if not re.match(r"^[a-z0-9_]+$", text):
        raise SpecError(f"{value!r} is not an architecture such as x86_64 or aarch64")
    return text


RULES = (one_boot_order, kernel_comes_first, firmware_takes_a_whole_machine, one_way_to_a_kernel)
