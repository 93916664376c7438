# Copyright: (c) 2026, the virtfleet.core contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Network interfaces: what they are plugged into, and how the guest sees them."""

from __future__ import annotations

import re
from typing import Any

from ... import _xml
from ..._change import UNSET, Effect
from ..._errors import SpecError
from ..._table import QEMU, XEN, Arm, Context, Field, Spec, Table, Union
from ..._types import COUNT, LINE, SIZE, Type, choice, read_text, write_text
from ..._units import KIB, round_up, show_size
from ..._xml import Element
from ..names import GUEST_NAME, IP, PART
from .plugging import plugged

_MAC = re.compile(r"^([0-9a-f]{2}:){5}[0-9a-f]{2}$")


def parse_mac(value: Any) -> str:
    """Return a unicast MAC address in lower case, as libvirt keeps it."""
    text = str(value).strip().lower().replace("-", ":")
    if not _MAC.match(text):
        raise SpecError(f"{value!r} is not a MAC address such as 52:54:00:12:34:56")
    if int(text[:2], 16) & 1:
        raise SpecError(f"{value!r} is a multicast address; the first byte of a guest's MAC must be even")
    return text


MAC = Type(parse_mac, read_text, write_text, same=lambda want, have: want == have.lower())


def _nothing(root: Element) -> Any:
    return UNSET


SOURCE = Union(
    "source",
    {
        "network": Arm({"@type": "network"}, Field("network", ("source/@network",), LINE)),
        "user": Arm({"@type": "user"}, Field("user", (), LINE, getter=_nothing, drivers=QEMU)),
        "bridge": Arm({"@type": "bridge"}, Field("bridge", ("source/@bridge",), LINE)),
        # Seen, so that they are told apart; they have no word of their own yet.
        "direct": Arm({"@type": "direct"}, Field("direct", ("source/@dev",), LINE, said=False)),
        "ethernet": Arm({"@type": "ethernet"}, Field("ethernet", (), LINE, getter=_nothing, said=False)),
    },
)


def _address_effect(context: Context, before: Any, after: Any) -> Effect:
    """A reservation holds from the next lease on: a running guest that has another address must ask again."""
    return Effect.LIVE if context.cold or context.entry.get("leased") in (None, after) else Effect.RESTART


def _read_rate(element: Element, attribute: str | None) -> int:
    return int(element.get(attribute or "") or 0) * KIB


def _write_rate(element: Element, attribute: str | None, size_bytes: int) -> None:
    write_text(element, attribute, str(round_up(size_bytes, KIB) // KIB))


# Bytes a second; libvirt counts in KiB (formatnetwork: quality of service), so that is the grain of what is equal.
RATE = Type(
    SIZE.parse,
    _read_rate,
    _write_rate,
    show_size,
    lambda want, have: bool(round_up(want, KIB) == have),
)


def _set_ip(nic: Element, value: str) -> None:
    _xml.write(nic, "ip/@address", value)
    _xml.write(nic, "ip/@family", "ipv6" if ":" in value else "ipv4")


def _parse_script(value: Any) -> str:
    """Return a hotplug script: its name in Xen's folder of scripts, or a path."""
    text = str(LINE.parse(value))
    if not re.match(r"^[A-Za-z0-9_./+-]+$", text) or text.endswith("/"):
        raise SpecError(f"{value!r} is not a script such as vif-route, or its path")
    return text


SCRIPT = Type(_parse_script, read_text, write_text)

NIC = Table(
    (
        SOURCE,
        Field("mac", ("mac/@address",), MAC, follows=True),
        Field("model", ("model/@type",), PART, drops=("address",), follows=True),
        Field("boot_order", ("boot/@order",), COUNT),
        Field("address", (), IP, _address_effect, live="skip"),
        # What Xen's hotplug script is told (xl-network-configuration: ip, script, backend).
        Field("ip", ("ip/@address",), IP, drivers=XEN, setter=_set_ip),
        Field("script", ("script/@path",), SCRIPT, drivers=XEN),
        Field("backend_domain", ("backenddomain/@name",), GUEST_NAME, drivers=XEN),
        Field("rate", ("bandwidth/outbound/@average",), RATE),
    )
)


# Cards for plain PCI slots, of which a PCIe board has none that can be plugged into while it runs.
PLAIN_PCI = ("e1000", "rtl8139", "ne2k_pci", "pcnet")


def _plug_effect(context: Context, before: Any, after: Any) -> Effect:
    return Effect.RESTART if (after or before).get("model") in PLAIN_PCI else Effect.LIVE


# The forms that a user may ask for; where the option is left out, the form follows from the value that is given.
NIC_TYPES = tuple(name for name, arm in SOURCE.arms.items() if arm.row.said)
TYPE = choice(*NIC_TYPES)

NICS = plugged(
    "nics",
    "nic",
    "devices/interface",
    NIC,
    ident=("name", "mac", "source"),
    mark="mac",
    effect=_plug_effect,
    in_port=lambda entry: entry.get("model") not in PLAIN_PCI,
    words={"type": TYPE.argument},
)


def one_nic_a_mac(spec: Spec) -> list[str]:
    seen: dict[str, str] = {}
    found = []
    for entry in spec.get("nics", ()):
        for option in ("mac", "address"):
            value = entry.get(option)
            if value is not None and value in seen:
                found.append(f"nics: {seen[value]} and {entry.get('name')} both have the {option} {value}")
            elif value is not None:
                seen[value] = str(entry.get("name"))
    return found


RULES = (one_nic_a_mac,)
