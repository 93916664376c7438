# Copyright: (c) 2026, the virtfleet.core contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What is read of XML by its beginning only."""

from __future__ import annotations

import pytest

from ansible_collections.virtfleet.core.plugins.module_utils import _libvirt_read as read

LONG = "x" * 5000


@pytest.mark.parametrize(
    ("xml", "name"),
    [
        ("<domain><name>web1</name></domain>", "web1"),
        ("<?xml version='1.0'?><!-- made by hand --><domain type='kvm'>\n  <name> web1 </name></domain>", "web1"),
        # The name may stand far behind the beginning, and inside other elements stand names of other things.
        (f"<domain><title>{LONG}</title><name>web1</name></domain>", "web1"),
        ("<network><dns><name>other</name></dns><name>lab</name></network>", "lab"),
        ("<domain><name>a&amp;b &#xe4;</name></domain>", "a&b ä"),
        (f"<domain id='{LONG}'><name>web1</name></domain>", "web1"),
        ("<domain><name/></domain>", "?"),
        ("<domain><devices><name>other</name></devices></domain>", "?"),
        ("<domain><name>web1", "?"),
        ("no XML", "?"),
        ("", "?"),
    ],
)
def test_the_name_of_what_is_defined(xml: str, name: str) -> None:
    assert read.name_in(xml) == name


@pytest.mark.parametrize(
    ("xml", "live"),
    [
        ("<domain type='kvm' id='3'><name>web1</name></domain>", True),
        ("<domain type='kvm'><name>web1</name><metadata id='3'/></domain>", False),
        (f"<domain type='{LONG}' id='3'/>", True),
        ("<domain/>", False),
    ],
)
def test_a_running_guest_has_an_id(xml: str, live: bool) -> None:
    assert read.is_live(xml) is live


def test_addresses_of_a_definition() -> None:
    xml = (
        "<domain><devices><interface type='bridge'><mac address='00:16:3E:00:00:01'/><target dev='vif1.0'/>"
        "<ip address='192.0.2.7' family='ipv4'/><ip address='2001:db8::7' prefix='64'/></interface>"
        "<interface type='network'><mac address='00:16:3e:00:00:02'/></interface></devices></domain>"
    )
    assert read.defined_addresses(xml) == [
        {
            "name": "vif1.0",
            "mac": "00:16:3e:00:00:01",
            "addresses": [
                {"address": "192.0.2.7", "prefix": 32, "family": "ipv4"},
                {"address": "2001:db8::7", "prefix": 64, "family": "ipv6"},
            ],
        }
    ]


def test_leases_of_a_nic() -> None:
    leases = [
        {"iface": "virbr0", "type": 0, "mac": "00:16:3E:00:00:01", "ipaddr": "192.0.2.7", "prefix": 24, "hostname": "a"},
        {"iface": "virbr0", "type": 1, "mac": "00:16:3E:00:00:01", "ipaddr": "2001:db8::7", "prefix": 64, "hostname": None},
    ]
    assert read.leased("00:16:3E:00:00:01", leases) == {
        "name": "",
        "mac": "00:16:3e:00:00:01",
        "addresses": [
            {"address": "192.0.2.7", "prefix": 24, "family": "ipv4"},
            {"address": "2001:db8::7", "prefix": 64, "family": "ipv6"},
        ],
    }


@pytest.mark.parametrize(
    ("os_types", "guest_types"),
    [
        (["hvm"], ("hvm",)),
        # Xen with and without hardware virtualization; libvirt has called PV linux and xen.
        (["xen", "hvm", "xenpvh"], ("pv", "hvm", "pvh")),
        (["linux"], ("pv",)),
        (["exe"], None),
    ],
)
def test_what_guests_are_booted_as(os_types: list[str], guest_types: tuple[str, ...] | None) -> None:
    guests = "".join(f"<guest><os_type>{kind}</os_type><arch name='x86_64'/></guest>" for kind in os_types)
    found = read.capabilities(f"<capabilities>{guests}</capabilities>")["guest_types"]
    assert found == ({"x86_64": guest_types} if guest_types else {})
