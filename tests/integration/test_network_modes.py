# Copyright: (c) 2026, the virtfleet.core contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What a network has besides guests and addresses, and networks that are routed and open, on a real libvirtd."""

from __future__ import annotations

from typing import Any

from tests.integration.networks import Net
from tests.integration.playing import Player, assert_idiom, idiom, task


def test_what_is_given_as_a_whole(play: Player, net: Net) -> None:
    """What this host can run runs; bandwidth, groups with it and zones are defined only: the kernel and firewalld lack."""
    runs: dict[str, Any] = {
        "domain": "lab.example",
        "domain_local": True,
        "ipv6": {"address": "fd00:78::1/64", "start": "fd00:78::100", "end": "fd00:78::1ff"},
        "routes": [{"to": "10.99.0.0/16", "via": f"{net.stem}.2"}],
        "tftp_root": "/srv",
        "bootp": {"file": "pxelinux.0"},
        "dns_srv": [{"service": "ldap", "protocol": "tcp", "domain": "lab.example", "target": "one.lab.example", "port": 389}],
        "dns_txt": [{"name": "lab.example", "value": "hello there"}],
        "portgroups": [{"name": "plain", "default": True, "trust_guest_rx_filters": True}],
        "trust_guest_rx_filters": True,
        "dnsmasq_options": [f"dhcp-option=42,{net.stem}.1"],
    }
    defined = {
        "zone": "libvirt",
        "bandwidth": {"in": "10MiB", "in_peak": "20MiB", "in_burst": "5MiB", "out": "1MiB"},
        "portgroups": [{"name": "slow", "default": True, "bandwidth": {"out": "512KiB", "out_peak": "1MiB"}}, {"name": "fast"}],
    }
    bare = {option: type(value)() for option, value in runs.items()}
    results = play(
        [
            *idiom("network", "make", **net.options, **runs),
            task("listed", "network_info", name=[net.name]),
            task("captured", "capture", networks=[net.name], guests=[], pools=[]),
        ]
    )
    assert_idiom(results, "make")
    shown = results.named("listed")["networks"][0]
    assert {option: shown[option] for option in runs} == runs
    (entry,) = results.named("captured")["document"]["networks"]
    assert {option: entry.get(option) for option in runs} == runs
    said = net.host.exec(["cat", f"/var/lib/libvirt/dnsmasq/{net.name}.conf"]).stdout
    for line in ("dhcp-option=42", "txt-record=lab.example", "srv-host=_ldap._tcp", "dhcp-boot=pxelinux.0", "fd00:78::100"):
        assert line in said, (line, said)
    assert "10.99.0.0/16" in net.host.exec(["ip", "route"]).stdout
    results = play(
        [
            *idiom("network", "wait", **net.options, **{**runs, "routes": []}),
            *idiom("network", "bare", **net.options, **bare, restart=True),
            *idiom("network", "define", **net.options, **{**bare, **defined}, state="inactive"),
        ]
    )
    assert {row["effect"] for row in assert_idiom(results, "wait").changes("network", net.name).values()} == {"restart"}
    for name in ("bare", "define"):
        assert_idiom(results, name)
    root = net.xml("--inactive")
    assert root.find("bandwidth/inbound").get("peak") == "20480" and root.find("bridge").get("zone") == "libvirt"
    assert [group.get("name") for group in root.findall("portgroup")] == ["slow", "fast"]
    assert root.find("route") is None and len(root.findall("ip")) == 1


def test_a_routed_network_and_an_open_one(play: Player, net: Net) -> None:
    routed = {**net.options, "forward": "route", "forward_dev": "eth9", "dns_forwarders": ["9.9.9.9"], "isolated": True}
    opened = {**net.options, "forward": "open", "forward_dev": "", "dns_forwarders": []}
    results = play([*idiom("network", "route", **routed), *idiom("network", "open", **opened, restart=True)])
    assert_idiom(results, "route")
    assert_idiom(results, "open")
    live = net.xml()
    assert live.find("forward").attrib == {"mode": "open"} and live.find("dns/forwarder") is None
    assert live.find("port").attrib == {"isolated": "yes"}
