# Copyright: (c) 2026, the virtfleet.core contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Devices of the host that a guest has for itself: PCI and USB devices, and mediated ones."""

from __future__ import annotations

import re
from typing import Any

from ... import _xml
from ..._change import UNSET
from ..._errors import SpecError
from ..._table import LIVE, QEMU, XEN, Arm, Field, Spec, Table, Union
from ..._types import COUNT, UUID, YES_NO, Type, choice, read_text, write_text
from ..._xml import Element
from .parts import ROM
from .plugging import plugged

_PCI = re.compile(r"^(?:([0-9a-f]{4}):)?([0-9a-f]{2}):([0-9a-f]{2})\.([0-7])$")
_USB = re.compile(r"^([0-9a-f]{4}):([0-9a-f]{4})$")
_PLUG = re.compile(r"^([0-9]{1,3})\.([0-9]{1,3})$")
HOSTS = QEMU | XEN


def parse_pci(value: Any) -> str:
    """Return the address of a PCI device with its domain, as lspci -D writes it."""
    found = _PCI.match(str(value).strip().lower())
    if found is None or int(found.group(3), 16) > 31:
        raise SpecError(f"{value!r} is not the address of a PCI device such as 0000:01:00.0 (lspci -D lists them)")
    domain, bus, slot, function = found.groups()
    return f"{domain or '0000'}:{bus}:{slot}.{function}"


def parse_usb(value: Any) -> str:
    """Return vendor:product of a USB device, or bus.device, as lsusb has them, the numbers without zeros before them."""
    text = str(value).strip().lower()
    if _USB.match(text):
        return text
    found = _PLUG.match(text)
    if found is None:
        raise SpecError(
            f"{value!r} is not a USB device: write vendor:product such as 0951:1666, or bus.device such as '1.4' "
            "(lsusb lists both)"
        )
    return f"{int(found.group(1))}.{int(found.group(2))}"


def _numbers(element: Element, *names: str) -> list[int] | None:
    address = _xml.find(element, "source/address")
    try:
        return [int(address.get(name, "0"), 0) for name in names] if address is not None else None
    except ValueError:
        return None


def _get_pci(element: Element) -> Any:
    numbers = _numbers(element, "domain", "bus", "slot", "function")
    return UNSET if numbers is None else "{:04x}:{:02x}:{:02x}.{:x}".format(*numbers)


def _set_pci(element: Element, value: str) -> None:
    domain, bus, rest = value.split(":")
    slot, _dot, function = rest.partition(".")
    for name, digits in (("domain", domain), ("bus", bus), ("slot", slot), ("function", function)):
        _xml.write(element, f"source/address/@{name}", f"0x{digits}")


def _get_usb(element: Element) -> Any:
    vendor, product = _xml.read(element, "source/vendor/@id"), _xml.read(element, "source/product/@id")
    if vendor and product:
        return f"{vendor[2:]}:{product[2:]}".lower()
    numbers = _numbers(element, "bus", "device")
    return UNSET if numbers is None else "{}.{}".format(*numbers)


def _set_usb(element: Element, value: str) -> None:
    """Write the one of its two forms that was given; libvirt adds the other one to a running guest."""
    for path in ("source/vendor", "source/product", "source/address"):
        _xml.remove(element, path)
    first, colon, second = value.partition(":")
    if colon:
        _xml.write(element, "source/vendor/@id", f"0x{first}")
        _xml.write(element, "source/product/@id", f"0x{second}")
    else:
        for name, text in zip(("bus", "device"), value.split(".")):
            _xml.write(element, f"source/address/@{name}", text)


def _set_mdev(element: Element, value: str) -> None:
    _xml.write(element, "source/address/@uuid", value)
    if element.get("model") is None:
        element.set("model", "vfio-pci")


SOURCE = Union(
    "source",
    {
        "pci": Arm(
            {"@mode": "subsystem", "@type": "pci"},
            Field("pci", ("source/address",), Type(parse_pci, read_text, write_text), getter=_get_pci, setter=_set_pci, drivers=HOSTS),
        ),
        "usb": Arm(
            {"@mode": "subsystem", "@type": "usb"},
            Field(
                "usb",
                ("source/vendor", "source/product", "source/address"),
                Type(parse_usb, read_text, write_text),
                getter=_get_usb,
                setter=_set_usb,
                drivers=HOSTS,
            ),
        ),
        "mdev": Arm(
            {"@mode": "subsystem", "@type": "mdev"},
            Field("mdev", ("source/address/@uuid",), UUID, setter=_set_mdev, drivers=QEMU),
        ),
        "scsi": Arm(
            {"@mode": "subsystem", "@type": "scsi"},
            # Seen, so that it is told apart; it has no word.
            Field("scsi", ("source/adapter/@name", "source/address"), UUID, getter=lambda element: UNSET, said=False),
        ),
    },
    # Another device of the host has another place in the guest, and is of another kind on the inside.
    drops=("address",),
)

HOSTDEV = Table(
    (
        SOURCE,
        Field("managed", ("@managed",), YES_NO, follows=True),
        Field("driver", ("driver/@name",), choice("vfio", "xen")),
        Field("boot_order", ("boot/@order",), COUNT),
        Field("rom", ("rom",), ROM, drivers=QEMU),
    )
)


def _fresh(entry: Spec) -> Spec:
    """libvirt takes a PCI device away from the host's driver, and gives it back: else somebody has to do it before.

    Of other devices it writes that they are not managed, whether that was said or not.
    """
    return {"managed": "pci" in (entry.get("source") or {})}


def _called(entry: Spec) -> str:
    ((kind, value),) = (entry.get("source") or {"device": "?"}).items()
    return f"{kind}-{value}"


HOSTDEVS = plugged(
    "hostdevs",
    "hostdev",
    "devices/hostdev",
    HOSTDEV,
    ident=("name", "source"),
    mark="source",
    effect=LIVE,
    moved_by="source",
    in_port=lambda entry: "usb" not in (entry.get("source") or {}),
    fresh=_fresh,
    called=_called,
)


def one_guest_device_a_host_device(spec: Spec) -> list[str]:
    """Vendor and product may be those of several devices; a place is one device's."""
    seen: dict[str, str] = {}
    found = []
    for entry in spec.get("hostdevs", ()):
        sign = HOSTDEVS.sign(entry)
        if not sign or _USB.match(sign):
            continue
        if sign in seen:
            found.append(f"hostdevs: {seen[sign]} and {entry.get('name')} are both the host's {sign}")
        seen[sign] = str(entry.get("name"))
    return found


def rom_of_a_card(spec: Spec) -> list[str]:
    """Only PCI devices have a ROM (libvirt refuses it elsewhere)."""
    return [
        f"hostdevs.{entry.get('name') or HOSTDEVS.sign(entry)}.rom: goes with pci and mdev"
        for entry in spec.get("hostdevs", ())
        if entry.get("rom") and "usb" in (entry.get("source") or {})
    ]


RULES = (one_guest_device_a_host_device, rom_of_a_card)
