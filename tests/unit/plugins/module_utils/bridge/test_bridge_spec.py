# Copyright: (c) 2026, the virtfleet.core contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What a user may write of a bridge, and what is said of the rest."""
from __future__ import annotations

from typing import Any

import pytest

from ansible_collections.virtfleet.core.plugins.module_utils._bridge.options import BRIDGE_OPTIONS
from ansible_collections.virtfleet.core.plugins.module_utils._bridge.spec import BridgeSpec, parse
from ansible_collections.virtfleet.core.plugins.module_utils._errors import SpecError

LEFT_OUT = {name: option.get("default") for name, option in BRIDGE_OPTIONS.items()}


def read(**options: Any) -> BridgeSpec:
    return parse({**LEFT_OUT, "name": "br0", **options})


def test_what_is_left_out_is_none() -> None:
    assert read() == BridgeSpec("br0")


def test_all_of_it() -> None:
    found = read(
        interface="enp1s0", addresses=["192.0.2.10/24", "2001:DB8::10/64"], gateway="192.0.2.1", gateway6="fe80::1",
        nameservers=["192.0.2.53", "2001:db8::53"], rollback_timeout="2m",
    )  # fmt: skip
    assert found == BridgeSpec(
        "br0", "present", "enp1s0", ("192.0.2.10/24", "2001:db8::10/64"), "192.0.2.1", "fe80::1",
        ("192.0.2.53", "2001:db8::53"), 120.0,
    )  # fmt: skip
    assert found.addresses_of(6) == ("2001:db8::10/64",)


@pytest.mark.parametrize(
    ("options", "sentence"),
    [
        ({"name": "a-bridge-too-long"}, "name: 'a-bridge-too-long' has 17 characters, and Linux knows names of at most 15"),
        ({"name": "br 0"}, "name: 'br 0' cannot be the name of an interface; use letters, digits, -, _ and ."),
        ({"name": "-br0"}, "name: '-br0' cannot be the name of an interface; use letters, digits, -, _ and ."),
        ({"interface": "../x"}, "interface: '../x' cannot be the name of an interface; use letters, digits, -, _ and ."),
        ({"interface": "br0"}, "interface: br0 is the bridge itself; name the interface that is to be in it"),
        ({"addresses": ["192.0.2.10"]}, "addresses: '192.0.2.10' is not an address with its prefix, such as 192.0.2.10/24"),
        ({"addresses": ["127.0.0.1/8"]}, "addresses: '127.0.0.1/8' is not an address with its prefix, such as 192.0.2.10/24"),
        ({"addresses": ["192.0.2.10/24"] * 2}, "addresses: one of the entries is there twice"),
        ({"gateway": "gw"}, "gateway: 'gw' is not an IP address"),
        ({"gateway": "2001:db8::1"}, "gateway: 2001:db8::1 is an IPv6 address; write it as gateway6"),
        ({"gateway6": "192.0.2.1"}, "gateway6: 192.0.2.1 is an IPv4 address; write it as gateway"),
        (
            {"addresses": ["192.0.2.10/24"], "gateway": "198.51.100.1"},
            "gateway: 198.51.100.1 is not in the network of 192.0.2.10/24",
        ),
        ({"addresses": ["192.0.2.10/24"], "gateway": "192.0.2.10"}, "gateway: 192.0.2.10 is the host's own address"),
        ({"nameservers": ["dns.example"]}, "nameservers: 'dns.example' is not an IP address"),
        ({"rollback_timeout": "soon"}, "rollback_timeout: 'soon' is not a duration"),
        ({"rollback_timeout": "1s"}, "rollback_timeout: 1s is not between 10s and 600s"),
        ({"rollback_timeout": "1h"}, "rollback_timeout: 1h is not between 10s and 600s"),
        (
            {"state": "absent", "gateway": "192.0.2.1"},
            "gateway: the interface gets back what it had before the bridge; leave it out with state: absent",
        ),
    ],
)
def test_what_cannot_be_right(options: dict[str, Any], sentence: str) -> None:
    with pytest.raises(SpecError) as said:
        read(**options)
    assert len(said.value.problems) == 1
    assert said.value.problems[0].startswith(sentence)


def test_everything_is_said_at_once() -> None:
    with pytest.raises(SpecError) as said:
        read(name="x" * 16, addresses=["a"], gateway="b", rollback_timeout="c")
    assert [problem.partition(":")[0] for problem in said.value.problems] == [
        "name", "addresses", "gateway", "rollback_timeout"
    ]  # fmt: skip
