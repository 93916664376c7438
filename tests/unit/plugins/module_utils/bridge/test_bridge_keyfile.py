# Copyright: (c) 2026, the virtfleet.core contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""NetworkManager: a profile for the bridge and one for the port, of a higher priority than the card's own."""
from __future__ import annotations

from typing import Any

import pytest

from ansible_collections.virtfleet.core.plugins.module_utils._bridge.keyfile import (
    bridge_uuid,
    commands,
    port_uuid,
    render,
)
from ansible_collections.virtfleet.core.plugins.module_utils._bridge.sections import parse
from ansible_collections.virtfleet.core.plugins.module_utils._bridge.values import Present, Static, Wanted
from ansible_collections.virtfleet.core.plugins.module_utils._errors import Unsupported

MAC = "52:54:00:12:34:56"
AUTO = (
    "[connection]\nid=Wired connection 1\nuuid=1-2\ntype=ethernet\nzone=work\n[ethernet]\nmtu=9000\n"
    "[ipv4]\nmethod=auto\n[ipv6]\nmethod=auto\n"
)
MANUAL = (
    "[connection]\nid=x\nuuid=1-2\ntype=ethernet\n[802-1x]\nidentity=me\n[ipv4]\nmethod=manual\naddress1=192.0.2.10/24,192.0.2.1\n"
    "dns=192.0.2.53;\nroute1=198.51.100.0/24,192.0.2.2\n[ipv6]\naddr-gen-mode=default\nmethod=auto\n"
)


def rendered(text: str, **more: Any) -> dict[str, dict[str, dict[str, str]]]:
    """Return both files as {bridge|port: {section: {key: value}}}."""
    wanted = Wanted("br0", "enp1s0", MAC, **more)
    found = render({"text": text, "uuid": "1-2"}, wanted, Present())
    assert [one.mode for one in found.values() if one] == [0o600, 0o600]
    trees = [{section.name: dict(section.entries) for section in parse(one.text)} for one in found.values() if one]
    return {"bridge": trees[0], "port": trees[1]}


def test_dhcp_comes_over() -> None:
    found = rendered(AUTO)
    bridge, port = found["bridge"], found["port"]
    assert bridge["connection"]["interface-name"] == "br0"
    assert bridge["connection"]["zone"] == "work"
    assert bridge["bridge"] == {"mac-address": MAC.upper(), "stp": "false"}
    assert bridge["ipv4"] == {"method": "auto"}
    assert port["connection"]["master"] == bridge["connection"]["uuid"]
    assert port["connection"]["slave-type"] == "bridge"
    assert port["ethernet"] == {"mtu": "9000"}
    assert "ipv4" not in port
    assert "zone" not in port["connection"]


def test_addresses_routes_and_servers_come_over() -> None:
    found = rendered(MANUAL)
    assert found["bridge"]["ipv4"]["address1"] == "192.0.2.10/24,192.0.2.1"
    assert found["bridge"]["ipv4"]["route1"] == "198.51.100.0/24,192.0.2.2"
    assert found["port"]["802-1x"] == {"identity": "me"}


def test_addresses_replace_their_own_family_only() -> None:
    found = rendered(
        MANUAL, v4=Static(("192.0.2.20/24", "192.0.2.21/24"), "192.0.2.254"), nameservers=("192.0.2.54", "2001:db8::53")
    )
    assert found["bridge"]["ipv4"] == {
        "route1": "198.51.100.0/24,192.0.2.2", "method": "manual", "address1": "192.0.2.20/24", "address2": "192.0.2.21/24",
        "gateway": "192.0.2.254", "dns": "192.0.2.54;", "ignore-auto-dns": "true",
    }  # fmt: skip
    assert found["bridge"]["ipv6"] == {
        "addr-gen-mode": "default", "method": "auto", "dns": "2001:db8::53;", "ignore-auto-dns": "true"
    }


def test_the_ipv6_address_of_its_own_making_is_kept() -> None:
    found = rendered(MANUAL, token="::1:2:3:4")
    assert found["bridge"]["ipv6"] == {"method": "auto", "addr-gen-mode": "eui64", "token": "::1:2:3:4"}
    told = MANUAL + "token=::9\n"
    assert rendered(told, token="::1:2:3:4")["bridge"]["ipv6"]["token"] == "::9"


@pytest.mark.parametrize(
    ("text", "sentence"),
    [
        ("[connection]\nid=w\ntype=wifi\n", "its profile w is of the type wifi"),
        ("[connection]\nid=w\ntype=ethernet\nautoconnect-priority=999\n", "autoconnect-priority 999; set it below 900"),
    ],
)
def test_what_it_leaves_to_people(text: str, sentence: str) -> None:
    with pytest.raises(Unsupported, match=sentence):
        rendered(text)


def test_what_is_run() -> None:
    wanted = Wanted("br0", "enp1s0", MAC)
    made = commands(wanted, {"uuid": "1-2"}, False, False)
    assert [one.argv[-1] for one in made.after] == ["reload", bridge_uuid(wanted), port_uuid(wanted)]
    assert "1-2" in made.undo_after[-1].argv[-1]
    removed = commands(wanted, {"uuid": "1-2"}, True, True)
    assert (made.after, made.undo_after) == (removed.undo_after, removed.after)
