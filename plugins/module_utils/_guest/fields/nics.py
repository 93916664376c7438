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
from ..._table import QEMU, XEN, Arm, Context, Field, Keyed, Spec, Table, Union
from ..._types import COUNT, LINE, SIZE, Type, read_text, write_text
from ..._units import KIB, round_up, show_size
from ..._xml import Element
from .plugging import attach, detach, recorded

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
        "bridge": Arm({"@type": "bridge"}, Field("bridge", ("source/@bridge",), LINE)),
        "user": Arm({"@type": "user"}, Field("user", (), LINE, getter=_nothing, drivers=QEMU)),
        # Seen, so that they are told apart; they have no word of their own yet.
        "direct": Arm({"@type": "direct"}, Field("direct", ("source/@dev",), LINE)),
        "ethernet": Arm({"@type": "ethernet"}, Field("ethernet", (), LINE, getter=_nothing)),
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
        Field("mac", ("mac/@address",), MAC),
        Field("model", ("model/@type",), LINE, drops=("address",)),
        Field("boot_order", ("boot/@order",), COUNT),
        Field("address", (), LINE, _address_effect, live="skip"),
        # What Xen's hotplug script is told (xl-network-configuration: ip, script, backend).
        Field("ip", ("ip/@address",), LINE, drivers=XEN, setter=_set_ip),
        Field("script", ("script/@path",), SCRIPT, drivers=XEN),
        Field("backend_domain", ("backenddomain/@name",), LINE, drivers=XEN),
        Field("rate", ("bandwidth/outbound/@average",), RATE),
    )
)


# Cards for plain PCI slots, of which a PCIe board has none that can be plugged into while it runs.
PLAIN_PCI = ("e1000", "rtl8139", "ne2k_pci", "pcnet")


def _plug_effect(context: Context, before: Any, after: Any) -> Effect:
    return Effect.RESTART if (after or before).get("model") in PLAIN_PCI else Effect.LIVE


NICS = Keyed(
    "nics",
    "devices/interface",
    NIC,
    ident=("name", "mac", "source"),
    locate="mac/@address",
    recorded=recorded("nic"),
    on_add=_plug_effect,
    on_remove=_plug_effect,
    op_add=attach("nic", "mac/@address"),
    op_remove=detach("nic", "mac/@address"),
    exact="nics_exact",
    in_port=lambda entry: entry.get("model") not in PLAIN_PCI,
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
