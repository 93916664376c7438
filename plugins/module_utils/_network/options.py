# Copyright: (c) 2026, the virtfleet.core contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The module options of a network as an argument spec, and what a network looks like in results."""
from __future__ import annotations

from typing import Any

from .._facts import NetworkFacts
from .._table import observe, show_spec
from .spec import STATES
from .table import FORWARDS, NETWORK
from .tree import read_tree

NETWORK_OPTIONS: dict[str, Any] = {
    "name": {"type": "str", "required": True},
    "state": {"type": "str", "choices": list(STATES), "default": "present"},
    "forward": {"type": "str", "choices": list(FORWARDS)},
    "forward_dev": {"type": "str"},
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
