# Copyright: (c) 2026, the virtfleet.core contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What guests say in xenstore: the forms of their agents, and what a hostile one may write."""

from __future__ import annotations

import pytest

from ansible_collections.virtfleet.core.plugins.module_utils._xl.store import told_addresses


def store(*keys: tuple[str, str], domain: int = 3, name: str = "web1") -> str:
    lines = [("name", name), ("device/vif/0/mac", "52:54:00:AA:00:01"), ("device/vif/1/mac", "52:54:00:AA:00:02"), *keys]
    return "".join(f'/local/domain/{domain}/{key} = "{value}"\n' for key, value in lines)


@pytest.mark.parametrize(
    ("key", "value", "mac", "address"),
    [
        ("attr/vif/0/ipv4/0", "192.0.2.7", "52:54:00:aa:00:01", "192.0.2.7"),
        ("attr/vif/1/ipv4/0", "192.0.2.7", "52:54:00:aa:00:02", "192.0.2.7"),
        ("attr/vif/0/ipv6/1", "2001:DB8::7", "52:54:00:aa:00:01", "2001:db8::7"),
        ("attr/eth0/ip", "192.0.2.7", "52:54:00:aa:00:01", "192.0.2.7"),
        ("attr/eth1/ipv6/0/addr", "2001:db8::7/64", "52:54:00:aa:00:02", "2001:db8::7"),
        ("attr/vif/7/ipv4/0", "192.0.2.7", "", "192.0.2.7"),
    ],
)
def test_the_forms_of_the_agents(key: str, value: str, mac: str, address: str) -> None:
    (nic,) = told_addresses(store((key, value)))["web1"]
    assert (nic["mac"], [each["address"] for each in nic["addresses"]]) == (mac, [address])


@pytest.mark.parametrize(
    ("key", "value"),
    [
        ("attr/vif/0/ipv4/0", "{{ evil }}"),
        ("attr/vif/0/ipv4/0", ""),
        ("attr/vif/0/ipv4/0", "192.0.2.7 or so"),
        ("attr/vif/x/ipv4/0", "192.0.2.7"),
        ("attr/vif/0/mtu", "1500"),
        ("data/ip", "192.0.2.7"),
    ],
)
def test_what_is_no_address_is_none(key: str, value: str) -> None:
    assert told_addresses(store((key, value))) == {}


def test_guests_are_told_apart_and_one_may_not_speak_for_another() -> None:
    text = store(("attr/vif/0/ipv4/0", "192.0.2.7")) + store(("attr/vif/0/ipv4/0", "192.0.2.8"), domain=4, name="web2")
    found = told_addresses(text + '/local/domain/4/attr/name = "web1"\n')
    assert {name: nics[0]["addresses"][0]["address"] for name, nics in found.items()} == {
        "web1": "192.0.2.7", "web2": "192.0.2.8",
    }  # fmt: skip


def test_permissions_behind_a_value_and_odd_lines_do_no_harm() -> None:
    text = '/local/domain/3/name = "web1"   (n0,r3)\nnonsense\n/local/domain/3/attr/eth0/ip = "192.0.2.7"   (n3,r0)\n'
    assert told_addresses(text)["web1"][0]["addresses"][0]["family"] == "ipv4"
    assert told_addresses("") == {}


def test_a_guest_that_has_thousands_has_some() -> None:
    many = [(f"attr/vif/0/ipv4/{number}", f"10.0.{number // 250}.{number % 250}") for number in range(999)]
    assert len(told_addresses(store(*many))["web1"][0]["addresses"]) == 64
