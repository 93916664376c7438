# Copyright: (c) 2026, the virtfleet.core contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What the board and the hypervisor show to the guest: features of libvirt's element of that name, Hyper-V's among them."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from ... import _xml
from ..._change import UNSET
from ..._errors import SpecError
from ..._table import QEMU, XEN, Field, Spec
from ..._types import ON_OFF, PRESENCE, YES_NO, Type, choice, read_text, write_text
from ..._xml import Element, SubElement
from .groups import group

# hyperv: what a Windows guest uses of a hypervisor of its maker (libvirt, formatdomain: hypervisor features).

ENLIGHTENMENTS = (
    "relaxed",
    "vapic",
    "spinlocks",
    "vpindex",
    "runtime",
    "synic",
    "stimer",
    "reset",
    "frequencies",
    "reenlightenment",
    "tlbflush",
    "ipi",
    "evmcs",
)
# What virt-install and Windows itself count on, and every host with KVM since Linux 4.19 has.
RECOMMENDED = ("relaxed", "vapic", "spinlocks", "vpindex", "runtime", "synic", "stimer", "frequencies", "tlbflush", "ipi")
_OF_KVM = ("vpindex", "synic", "stimer")
# What a guest is merely told, and QEMU need not do anything for.
_EMULATED = ("relaxed", "vapic", "spinlocks")


def of_emulation(words: Sequence[str]) -> tuple[str, ...]:
    """Return those that an emulated guest can have too."""
    return tuple(word for word in words if word in _EMULATED)


# How often a guest tries for a lock before it tells the hypervisor; Microsoft's number.
_RETRIES = "8191"


def _parse_hyperv(value: Any) -> tuple[str, ...]:
    if isinstance(value, bool):
        return tuple(sorted(RECOMMENDED)) if value else ()
    if not isinstance(value, (list, tuple)):
        raise SpecError(f"{value!r} is neither true nor false nor a list of {', '.join(ENLIGHTENMENTS)}")
    wrong = [word for word in value if word not in ENLIGHTENMENTS]
    if wrong:
        raise SpecError(f"{wrong[0]!r} is not one of {', '.join(ENLIGHTENMENTS)}")
    if "stimer" in value and "synic" not in value:
        raise SpecError("stimer needs synic")
    if "synic" in value and "vpindex" not in value:
        raise SpecError("synic needs vpindex")
    return tuple(sorted(set(value)))


_SOME = {"type": "array", "items": {"enum": list(ENLIGHTENMENTS)}}
HYPERV = Type(
    _parse_hyperv, read_text, write_text, show=list, argument={"type": "raw"}, schema={"anyOf": [{"type": "boolean"}, _SOME]}
)


def _get_hyperv(root: Element) -> Any:
    found = (child.tag for child in _xml.find_all(root, "features/hyperv/*") if child.get("state") == "on")
    return tuple(sorted(tag for tag in found if tag in ENLIGHTENMENTS))


def _set_hyperv(root: Element, value: Sequence[str]) -> None:
    """Turn on what is wanted and off what is not; what has no word here stays."""
    for child in _xml.find_all(root, "features/hyperv/*"):
        if child.tag in ENLIGHTENMENTS and child.tag not in value:
            _xml.remove(root, f"features/hyperv/{child.tag}")
    for tag in value:
        path = f"features/hyperv/{tag}"
        if _xml.find(root, path) is None:
            SubElement(_xml.ensure(root, "features/hyperv"), tag)
        _xml.write(root, f"{path}/@state", "on")
        if tag == "spinlocks" and _xml.read(root, f"{path}/@retries") is None:
            _xml.write(root, f"{path}/@retries", _RETRIES)


# secure_boot: asked for by what the firmware shall have, and never by a file.

_FIRMWARE = "os/firmware/feature[@name='{}']/@enabled"


def _get_secure_boot(root: Element) -> Any:
    """Say whether it was asked for; where nobody said, the host's first firmware decides, and nothing is known."""
    said = _xml.read(root, _FIRMWARE.format("secure-boot"))
    if said is not None:
        return said == "yes"
    if _xml.read(root, "os/loader/@secure") == "yes":
        return True
    return UNSET if _xml.read(root, "os/@firmware") == "efi" else False


def _set_secure_boot(root: Element, value: bool) -> None:
    """Ask for firmware that has secure boot with Microsoft's keys enrolled, or has neither; its files are chosen anew."""
    if _get_secure_boot(root) is value:
        return
    for path in ("os/firmware", "os/loader", "os/nvram"):
        _xml.remove(root, path)
    _xml.write(root, "os/@firmware", "efi")
    for feature in ("secure-boot", "enrolled-keys"):
        _xml.write(root, _FIRMWARE.format(feature), "yes" if value else "no")


ROWS = (
    group(
        "features",
        (
            Field("acpi", ("features/acpi",), PRESENCE, absent=False),
            Field("apic", ("features/apic",), PRESENCE, absent=False),
            Field("pae", ("features/pae",), PRESENCE, absent=False),
            Field("hap", ("features/hap/@state",), ON_OFF, drivers=XEN),
            Field("smm", ("features/smm/@state",), ON_OFF, drivers=QEMU),
            Field("vmport", ("features/vmport/@state",), ON_OFF, drivers=QEMU),
            Field("pmu", ("features/pmu/@state",), ON_OFF, drivers=QEMU),
            Field("vmcoreinfo", ("features/vmcoreinfo/@state",), ON_OFF, drivers=QEMU),
            Field("kvm_hidden", ("features/kvm/hidden/@state",), ON_OFF, drivers=QEMU),
            Field("ioapic", ("features/ioapic/@driver",), choice("kvm", "qemu"), drivers=QEMU),
            Field("gic", ("features/gic/@version",), choice("2", "3", "host"), drivers=QEMU),
        ),
    ),
    Field(
        "hyperv",
        ("features/hyperv",),
        HYPERV,
        getter=_get_hyperv,
        setter=_set_hyperv,
        absent=(),
        drivers=QEMU,
    ),
    group(
        "pm",
        (
            Field("suspend_to_mem", ("pm/suspend-to-mem/@enabled",), YES_NO),
            Field("suspend_to_disk", ("pm/suspend-to-disk/@enabled",), YES_NO),
        ),
        drivers=QEMU,
    ),
    Field("boot_menu", ("os/bootmenu/@enable",), YES_NO, drivers=QEMU),
    # A running guest tells the files that were chosen for it.
    Field(
        "secure_boot",
        ("os/firmware", "os/@firmware", "os/loader", "os/nvram"),
        PRESENCE,
        live="skip",
        getter=_get_secure_boot,
        setter=_set_secure_boot,
        drivers=QEMU,
    ),
)


def secure_boot_is_of_efi(spec: Spec) -> list[str]:
    if spec.get("secure_boot") and spec.get("firmware") == "bios":
        return ["secure_boot: needs firmware: efi"]
    return []


def emulation_has_no_hypervisor(spec: Spec) -> list[str]:
    """QEMU refuses to start with these where KVM does not do them (target/i386/kvm/hyperv.c)."""
    wrong = [word for word in spec.get("hyperv") or () if word in _OF_KVM]
    if spec.get("accel") == "tcg" and wrong:
        return [
            f"hyperv: {', '.join(wrong)} need KVM, and this guest is emulated; say the others as a list, for example "
            "[relaxed, vapic, spinlocks]"
        ]
    return []


RULES = (secure_boot_is_of_efi, emulation_has_no_hypervisor)
