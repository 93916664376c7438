# Copyright: (c) 2026, the virtfleet.core contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The module options of a network as an argument spec, and what a network looks like in results."""
from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from .._facts import NetworkFacts
from .._table import observe, show_spec
from .._virtualport import ARGUMENT as _VIRTUALPORT
from .forward import FORWARDS
from .more import RATES
from .spec import STATES
from .table import NETWORK
from .tree import read_tree

_BANDWIDTH: dict[str, Any] = {"type": "dict", "options": {word: {"type": "str"} for word in RATES}}
_VLAN: dict[str, Any] = {
    "type": "dict",
    "options": {
        "tags": {"type": "list", "elements": "int"},
        "trunk": {"type": "bool"},
        "native": {"type": "int"},
        "native_mode": {"type": "str", "choices": ["tagged", "untagged"]},
    },
}


def _entries(needed: Sequence[str] = (), **words: str) -> dict[str, Any]:
    """Return the argument of a list of mappings, the words with their types."""
    options = {word: {"type": kind, **({"required": True} if word in needed else {})} for word, kind in words.items()}
    return {"type": "list", "elements": "dict", "options": options}


NETWORK_OPTIONS: dict[str, Any] = {
    "name": {"type": "str", "required": True},
    "state": {"type": "str", "choices": list(STATES), "default": "present"},
    "forward": {"type": "str", "choices": list(FORWARDS)},
    "forward_dev": {"type": "str"},
    "forward_interfaces": {"type": "list", "elements": "str"},
    "forward_pf": {"type": "str"},
    "forward_addresses": {"type": "list", "elements": "str"},
    "forward_driver": {"type": "str", "choices": ["vfio", "kvm"]},
    "forward_managed": {"type": "bool"},
    "cidr": {"type": "str"},
    "gateway": {"type": "str"},
    "dhcp": {"type": "raw"},
    "reservations": {
        "type": "list",
        "elements": "dict",
        "options": {
            "mac": {"type": "str", "required": True},
            "address": {"type": "str", "required": True},
            "name": {"type": "str"},
        },
    },
    "reservations_exact": {"type": "bool", "default": False},
    "dns_hosts": {
        "type": "list",
        "elements": "dict",
        "options": {
            "address": {"type": "str", "required": True},
            "names": {"type": "list", "elements": "str", "required": True},
        },
    },
    "dns_hosts_exact": {"type": "bool", "default": False},
    "dns_forwarders": {"type": "list", "elements": "str"},
    "isolated": {"type": "bool"},
    "bridge": {"type": "str"},
    "stp": {"type": "bool"},
    "mtu": {"type": "int"},
    "domain": {"type": "str"},
    "domain_local": {"type": "bool"},
    "zone": {"type": "str"},
    "ipv6": {"type": "dict", "options": {word: {"type": "str"} for word in ("address", "start", "end")}},
    "routes": _entries(("to", "via"), to="str", via="str", metric="int"),
    "tftp_root": {"type": "str"},
    "bootp": {"type": "dict", "options": {"file": {"type": "str"}, "server": {"type": "str"}}},
    "dns_srv": _entries(
        ("service", "protocol"),
        service="str",
        protocol="str",
        domain="str",
        target="str",
        port="int",
        priority="int",
        weight="int",
    ),
    "dns_txt": _entries(("name", "value"), name="str", value="str"),
    "bandwidth": _BANDWIDTH,
    "portgroups": {
        "type": "list",
        "elements": "dict",
        "options": {
            "name": {"type": "str", "required": True},
            "default": {"type": "bool"},
            "bandwidth": _BANDWIDTH,
            "vlan": _VLAN,
            "virtualport": _VIRTUALPORT,
            "trust_guest_rx_filters": {"type": "bool"},
        },
    },
    "virtualport": _VIRTUALPORT,
    "vlan": _VLAN,
    "trust_guest_rx_filters": {"type": "bool"},
    "dnsmasq_options": {"type": "list", "elements": "str"},
    "autostart": {"type": "bool"},
    "restart": {"type": "bool", "default": False},
    "disconnect_guests": {"type": "bool", "default": False},
}


def shown(facts: NetworkFacts) -> dict[str, Any]:
    """Return one network in the words of the module's options."""
    options = show_spec(NETWORK, observe(NETWORK, read_tree(facts.xml)))
    return {
        "name": facts.name,
        "uuid": facts.uuid,
        "state": "active" if facts.active else "inactive",
        "autostart": facts.autostart,
        "persistent": facts.persistent,
        **options,
    }
