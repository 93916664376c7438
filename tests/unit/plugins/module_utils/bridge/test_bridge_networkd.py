# Copyright: (c) 2026, the virtfleet.core contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""systemd-networkd: three files that sort before the card's own, which stays as it is."""
from __future__ import annotations

import pytest

from ansible_collections.virtfleet.core.plugins.module_utils._bridge.networkd import commands, render
from ansible_collections.virtfleet.core.plugins.module_utils._bridge.values import Present, Static, Wanted
from ansible_collections.virtfleet.core.plugins.module_utils._errors import Unsupported

MAC = "52:54:00:12:34:56"
DHCP = "[Match]\nName=en*\n[Network]\nDHCP=yes\n"
FULL = """# by hand
[Match]
MACAddress=52:54:00:12:34:56

[Link]
MTUBytes=9000
RequiredForOnline=routable

[Network]
Description=the \\
  uplink
Address=192.0.2.10/24
Gateway=192.0.2.1
Address=2001:db8::10/64
DNS=192.0.2.53
VLAN=vlan7
LLDP=yes

[Address]
Address=192.0.2.11/24

[Route]
Destination=198.51.100.0/24
Gateway=192.0.2.2

[Route]
Gateway=192.0.2.1

[DHCPv4]
UseDNS=no

[BridgeVLAN]
VLAN=7
"""


def files(text: str, wanted: Wanted, file: str = "/etc/systemd/network/10-uplink.network") -> dict[str, str]:
    found = render({"file": file, "text": text}, wanted, Present())
    assert all(one is not None and one.mode == 0o644 for one in found.values())
    return {path.rpartition("virtfleet-br0")[2]: one.text.partition("\n\n")[2] for path, one in found.items() if one}


def wanted(**more: object) -> Wanted:
    return Wanted("br0", "enp1s0", MAC, **more)  # type: ignore[arg-type]


def test_dhcp_comes_over() -> None:
    assert files(DHCP, wanted()) == {
        ".netdev": f"[NetDev]\nName=br0\nKind=bridge\nMACAddress={MAC}\n",
        ".network": "[Match]\nName=br0\n\n[Network]\nDHCP=yes\n",
        "-port.network": "[Match]\nName=enp1s0\n\n[Network]\nBridge=br0\nLinkLocalAddressing=no\n",
    }


def test_what_is_of_the_wire_stays_and_the_rest_moves() -> None:
    found = files(FULL, wanted())
    assert found["-port.network"] == (
        "[Match]\nName=enp1s0\n\n[Link]\nMTUBytes=9000\n\n[Network]\nBridge=br0\nLinkLocalAddressing=no\nVLAN=vlan7\nLLDP=yes\n\n"
        "[BridgeVLAN]\nVLAN=7\n"
    )
    assert found[".network"] == (
        "[Match]\nName=br0\n\n[Link]\nRequiredForOnline=routable\n\n[Network]\nDescription=the  uplink\nAddress=192.0.2.10/24\n"
        "Gateway=192.0.2.1\nAddress=2001:db8::10/64\nDNS=192.0.2.53\n\n[Address]\nAddress=192.0.2.11/24\n\n[Route]\n"
        "Destination=198.51.100.0/24\nGateway=192.0.2.2\n\n[Route]\nGateway=192.0.2.1\n\n[DHCPv4]\nUseDNS=no\n"
    )


def test_addresses_replace_their_own_family_only() -> None:
    found = files(FULL, wanted(v4=Static(("192.0.2.20/24",), "192.0.2.254"), nameservers=("192.0.2.54",)))[".network"]
    assert found == (
        "[Match]\nName=br0\n\n[Link]\nRequiredForOnline=routable\n\n[Network]\nDescription=the  uplink\nAddress=2001:db8::10/64\n"
        "DHCP=no\nAddress=192.0.2.20/24\nGateway=192.0.2.254\nDNS=192.0.2.54\n\n[Route]\nDestination=198.51.100.0/24\n"
        "Gateway=192.0.2.2\n\n[DHCPv4]\nUseDNS=no\n"
    )


@pytest.mark.parametrize(
    ("before", "family", "after"),
    [("yes", 4, "ipv6"), ("yes", 6, "ipv4"), ("ipv4", 4, "no"), ("ipv4", 6, "ipv4"), ("no", 4, "no"), ("ipv6", 4, "ipv6")],
)
def test_dhcp_goes_for_the_family_that_has_addresses(before: str, family: int, after: str) -> None:
    static = Static(("192.0.2.20/24" if family == 4 else "2001:db8::20/64",))
    text = f"[Match]\nName=x\n[Network]\nDHCP={before}\n"
    found = files(text, wanted(v4=static) if family == 4 else wanted(v6=static))[".network"]
    assert f"DHCP={after}\n" in found


def test_the_server_knows_the_bridge_by_what_it_knew_the_card() -> None:
    assert files(DHCP, wanted(iaid=77))[".network"].endswith("\n[DHCPv4]\nIAID=77\n")
    told = DHCP + "[DHCPv4]\nIAID=5\n"
    assert files(told, wanted(iaid=77))[".network"].count("IAID") == 1


@pytest.mark.parametrize(
    ("file", "prefix"),
    [
        ("/etc/systemd/network/10-a.network", "05"),
        ("/etc/systemd/network/05-a.network", "00"),
        ("/run/systemd/network/00-a.network", "00-00"),
    ],
)
def test_it_sorts_before_the_present_file(file: str, prefix: str) -> None:
    found = render({"file": file, "text": DHCP}, wanted(), Present())
    assert f"/etc/systemd/network/{prefix}-virtfleet-br0.network" in found
    assert all(path.rpartition("/")[2] < file.rpartition("/")[2] for path in found)


def test_a_file_that_sorts_first_of_all() -> None:
    with pytest.raises(Unsupported, match="rename it to 10-!a.network"):
        render({"file": "/etc/systemd/network/!a.network", "text": DHCP}, wanted(), Present())


def test_a_card_that_is_in_a_bond() -> None:
    with pytest.raises(Unsupported, match=r"makes it a part of bond0 \(Bond=\); make the bridge of bond0"):
        files("[Match]\nName=x\n[Network]\nBond=bond0\n", wanted())


def test_what_is_run() -> None:
    both = commands(wanted())
    assert [one.argv for one in both.after] == [("networkctl", "reload")]
    assert both.undo_after[-1].argv == ("networkctl", "reconfigure", "enp1s0")
