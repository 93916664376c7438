# Copyright: (c) 2026, the virtfleet.core contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Network interfaces: what they are plugged into, and how the guest sees them."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from typing import Any

from ... import _xml
from ..._change import UNSET, Change, Effect, Step
from ..._errors import SpecError
from ..._table import ALL, LIVE, QEMU, XEN, Arm, Context, Field, Spec, Table, Union
from ..._types import COUNT, KIBS, LINE, PATH, YES_NO, Type, choice, counted, pattern, read_text, write_text
from ..._virtualport import VIRTUALPORT
from ..._xml import Element, SubElement
from ..names import GUEST_NAME, IP, PART
from . import passt
from .parts import ROM
from .plugging import plugged

_MAC = re.compile(r"^([0-9a-f]{2}:){5}[0-9a-f]{2}$")


def parse_mac(value: Any) -> str:
    """Return a unicast MAC address in lower case, as libvirt keeps it."""
    text = str(value).strip().lower().replace("-", ":")
    if not _MAC.match(text):
        # 52:54:00:12:34:56 is a number of base 60 to YAML 1.1, which Ansible reads.
        quoted = "; put it in quotes, or YAML takes it for a number" if text.isdigit() else ""
        raise SpecError(f"{value!r} is not a MAC address such as 52:54:00:12:34:56{quoted}")
    if int(text[:2], 16) & 1:
        raise SpecError(f"{value!r} is a multicast address; the first byte of a guest's MAC must be even")
    return text


MAC = Type(parse_mac, read_text, write_text, same=lambda want, have: want == have.lower())


def _nothing(root: Element) -> Any:
    return UNSET


def _put(path: str) -> Any:
    """Return what writes the value at one path, where others belong to the form too."""
    return lambda nic, value: _xml.write(nic, path, value)


DEVICE = pattern(r"[A-Za-z0-9_.:@-]{1,15}", "the name of a network device of the host such as eth0")

SOURCE = Union(
    "source",
    {
        "network": Arm(
            {"@type": "network"},
            Field("network", ("source/@network", "source/@portgroup"), LINE, setter=_put("source/@network")),
        ),
        "user": Arm({"@type": "user"}, Field("user", (), LINE, getter=_nothing, drivers=QEMU)),
        "bridge": Arm({"@type": "bridge"}, Field("bridge", ("source/@bridge",), LINE)),
        "direct": Arm(
            {"@type": "direct"},
            Field("direct", ("source/@dev", "source/@mode"), DEVICE, setter=_put("source/@dev"), drivers=QEMU),
        ),
        # Seen, so that it is told apart; it has no word.
        "ethernet": Arm({"@type": "ethernet"}, Field("ethernet", (), LINE, getter=_nothing, said=False)),
    },
)


def _address_effect(context: Context, before: Any, after: Any) -> Effect:
    """A reservation holds from the next lease on: a running guest that has another address must ask again."""
    return Effect.LIVE if context.cold or context.entry.get("leased") in (None, after) else Effect.RESTART


def _update(context: Context, change: Change, live: Element | None, new: Element | None) -> Step | None:
    """Change a nic that runs into what it is defined as, as far as it can change: each call says the whole nic."""
    if live is None or new is None:
        return None
    tree = _xml.clone(live)
    for row in NIC.entries:
        if isinstance(row, Field) and row.op is not None:
            value = row.read(new)
            if value is not UNSET:
                row.write(tree, value)
    says = f"change the nic {_xml.read(tree, 'mac/@address')} of the running guest"
    return Step("update_device", {"name": context.name, "xml": _xml.to_text(tree)}, says, True)


def _parse_filter(value: Any) -> dict[str, Any]:
    if not isinstance(value, Mapping) or any(name not in ("name", "parameters") for name in value):
        raise SpecError(f"{value!r} is not a mapping of name and parameters, or {{}} for no filter")
    # Ansible fills in what was left out.
    if all(part is None for part in value.values()):
        return {}
    if value.get("name") is None:
        raise SpecError("needs name, the name of a filter (virtfleet.core.nwfilter)")
    found: dict[str, Any] = {"name": LINE.parse(value["name"])}
    parameters = value.get("parameters")
    if parameters is not None:
        if not isinstance(parameters, Mapping):
            raise SpecError(f"parameters: {parameters!r} is not a mapping of names to values")
        found["parameters"] = {str(name): _values(name, given) for name, given in parameters.items()}
    return found


def _values(name: Any, given: Any) -> tuple[str, ...]:
    texts = tuple(str(item) for item in (given if isinstance(given, (list, tuple)) else [given]))
    if not re.match(r"^[A-Za-z0-9_]+$", str(name)) or not all(re.match(r"^[A-Za-z0-9_.:-]+$", text) for text in texts):
        raise SpecError(f"parameters: {name}: {given!r} holds what a filter's parameter cannot; use letters, digits and _ . : -")
    return texts


def _read_filter(element: Element, attribute: str | None) -> dict[str, Any]:
    found: dict[str, Any] = {"name": element.get("filter", "")}
    parameters: dict[str, tuple[str, ...]] = {}
    for item in element.findall("parameter"):
        name = item.get("name", "")
        parameters[name] = (*parameters.get(name, ()), item.get("value", ""))
    return {**found, **({"parameters": parameters} if parameters else {})}


def _write_filter(element: Element, attribute: str | None, value: Mapping[str, Any]) -> None:
    element.set("filter", value["name"])
    if "parameters" not in value:
        return
    for item in element.findall("parameter"):
        element.remove(item)
    for name, texts in value["parameters"].items():
        for text in texts:
            SubElement(element, "parameter", {"name": name, "value": text})


def _show_filter(value: Mapping[str, Any]) -> dict[str, Any]:
    shown = {name: texts[0] if len(texts) == 1 else list(texts) for name, texts in value.get("parameters", {}).items()}
    return {**value, **({"parameters": shown} if "parameters" in value else {})}


def _same_filter(want: Mapping[str, Any], have: Mapping[str, Any]) -> bool:
    if want.get("name") != have.get("name"):
        return False
    return "parameters" not in want or dict(want["parameters"]) == dict(have.get("parameters", {}))


FILTER = Type(
    _parse_filter,
    _read_filter,
    _write_filter,
    _show_filter,
    _same_filter,
    {"type": "dict", "options": {"name": {"type": "str"}, "parameters": {"type": "dict"}}},
)


_TAG = counted(1, 4094, "a VLAN")


def _parse_vlans(value: Any) -> tuple[int, ...]:
    if not isinstance(value, (list, tuple)):
        raise SpecError(f"{value!r} is not a list of VLANs")
    return tuple(sorted({int(_TAG.parse(tag)) for tag in value}))


def _read_vlans(element: Element, attribute: str | None) -> tuple[int, ...]:
    return tuple(sorted(int(tag.get("id", "0")) for tag in element.findall("tag")))


def _write_vlans(element: Element, attribute: str | None, value: Sequence[int]) -> None:
    """Write the tags. Several of them are a trunk, and libvirt wants to hear it."""
    for tag in element.findall("tag"):
        element.remove(tag)
    element.attrib.pop("trunk", None)
    if len(value) > 1:
        element.set("trunk", "yes")
    for number_of in value:
        SubElement(element, "tag", {"id": str(number_of)})


VLANS = Type(_parse_vlans, _read_vlans, _write_vlans, list, argument={"type": "list", "elements": "int"}, inner=_TAG)


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

RING = counted(0, 1024, "the size of a ring")


def _rate(name: str, path: str, drivers: frozenset[str] = QEMU) -> Field:
    return Field(name, (f"bandwidth/{path}",), KIBS, LIVE, op=_update, absent=0, drivers=drivers, live_drivers=QEMU)


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
        # The bandwidth of what the guest sends, and of what it receives; libvirt counts in KiB.
        _rate("rate", "outbound/@average", ALL),
        _rate("rate_peak", "outbound/@peak"),
        _rate("rate_burst", "outbound/@burst"),
        _rate("rate_in", "inbound/@average"),
        _rate("rate_in_peak", "inbound/@peak"),
        _rate("rate_in_burst", "inbound/@burst"),
        Field("link", ("link/@state",), choice("up", "down"), LIVE, op=_update, absent="up", drivers=QEMU),
        Field("filter", ("filterref",), FILTER, LIVE, op=_update, absent={}, drivers=QEMU),
        Field("isolated", ("port/@isolated",), YES_NO, LIVE, op=_update, absent=False, drivers=QEMU),
        Field("mode", ("source/@mode",), choice("vepa", "bridge", "private", "passthrough"), drivers=QEMU, follows=True),
        Field("backend", ("backend/@type",), choice(*passt.BACKENDS), absent="default", drivers=QEMU),
        Field("backend_log", ("backend/@logFile",), PATH, drivers=QEMU),
        Field(
            "forwards",
            ("portForward",),
            passt.FORWARDS,
            absent=(),
            getter=passt.get_forwards,
            setter=passt.set_forwards,
            drivers=QEMU,
        ),
        Field("portgroup", ("source/@portgroup",), PART, drivers=QEMU),
        Field("mtu", ("mtu/@size",), counted(0, 65535, "an MTU"), absent=0, drivers=QEMU),
        Field("vlan", ("vlan",), VLANS, absent=(), drivers=QEMU),
        Field("virtualport", ("virtualport",), VIRTUALPORT, absent={}, drivers=QEMU),
        Field("trust_guest_rx_filters", ("@trustGuestRxFilters",), YES_NO, absent=False, drivers=QEMU),
        Field("driver", ("driver/@name",), choice("vhost", "qemu"), drivers=QEMU),
        Field("queues", ("driver/@queues",), counted(0, 256, "a count of queues"), absent=0, drivers=QEMU),
        Field("rx_queue_size", ("driver/@rx_queue_size",), RING, absent=0, drivers=QEMU),
        Field("tx_queue_size", ("driver/@tx_queue_size",), RING, absent=0, drivers=QEMU),
        Field("rom", ("rom",), ROM, drivers=QEMU),
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


# What goes with some forms of a nic only.
_OF = {
    "portgroup": ("network",),
    "mode": ("direct",),
    "virtualport": ("network", "bridge"),
    **dict.fromkeys(("backend_log", "forwards"), ("user",)),
}


def words_of_a_form(spec: Spec) -> list[str]:
    return [
        f"nics.{entry.get('name') or entry.get('mac')}.{option}: goes with type {' or '.join(kinds)} only"
        for entry in spec.get("nics", ())
        for option, kinds in _OF.items()
        if entry.get(option) and not any(kind in (entry.get("source") or {}) for kind in kinds)
    ]


def peaks_need_a_rate(spec: Spec) -> list[str]:
    """libvirt wants an average before it takes a peak or a burst (formatnetwork: quality of service)."""
    return [
        f"nics.{entry.get('name') or entry.get('mac')}.{base}_{part}: needs {base}"
        for entry in spec.get("nics", ())
        for base in ("rate", "rate_in")
        for part in ("peak", "burst")
        if entry.get(f"{base}_{part}") and not entry.get(base)
    ]


RULES = (one_nic_a_mac, words_of_a_form, peaks_need_a_rate, *passt.RULES)

_OF_VIRTIO = ("driver", "queues", "rx_queue_size", "tx_queue_size")


def only_virtio_has_a_driver(spec: Spec) -> list[str]:
    """Return what is said that libvirt forgets of any other card (conf/domain_conf.c), and would be wanted for ever.

    What a nic had before it became another card is no contradiction: libvirt drops it.
    """
    return [
        f"nics.{entry.get('name') or entry.get('mac')}.{option}: goes with model virtio only, not with {entry['model']}"
        for entry in spec.get("nics", ())
        for option in _OF_VIRTIO
        if entry.get(option) and not str(entry.get("model") or "virtio").startswith("virtio")
    ]
