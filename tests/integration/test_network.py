# Copyright: (c) 2026, the virtfleet.core contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The modules network and network_info on a real libvirtd: in place, live, pending, restarted, refused."""

from __future__ import annotations

from typing import Any
from xml.etree import ElementTree as ET

from tests.integration.networks import Net
from tests.integration.playing import Player, assert_idiom, idiom, task

ONE, TWO = "52:54:00:0a:00:01", "52:54:00:0a:00:02"


def test_from_nothing_to_nothing(play: Player, net: Net) -> None:
    """x (check), x, x (again), for making, for each live change, and for removing."""
    reservations = [{"mac": ONE, "address": f"{net.stem}.11", "name": "one"}]
    renamed = [{"mac": ONE, "address": f"{net.stem}.12", "name": "uno"}, {"mac": TWO, "address": f"{net.stem}.11"}]
    names = [{"address": f"{net.stem}.1", "names": ["gate", "way"]}]
    results = play([
        *idiom("network", "make", **net.options),
        task("after making", "network_info", name=[net.name]),
        *idiom("network", "reserve", **net.options, reservations=reservations),
        *idiom("network", "rename and swap", **net.options, reservations=renamed),
        *idiom("network", "drop", **net.options, reservations=renamed[:1], reservations_exact=True),
        *idiom("network", "shorten", name=net.name, dhcp={"start": f"{net.stem}.100", "end": f"{net.stem}.199"}),
        *idiom("network", "name", name=net.name, dns_hosts=names),
        *idiom("network", "name otherwise", name=net.name, dns_hosts=[{**names[0], "names": ["door"]}]),
        *idiom("network", "unname", name=net.name, dns_hosts=[], dns_hosts_exact=True),
        *idiom("network", "not with the host", name=net.name, autostart=False),
        task("info", "network_info", name=[net.name, "missing"], query="[].[name, dhcp.start, reservations[0].name]"),
        *idiom("network", "no addresses", name=net.name, dhcp=False, reservations=[], reservations_exact=True),
        *idiom("network", "addresses again", name=net.name, dhcp=True, reservations=reservations),
        *idiom("network", "stop", name=net.name, state="inactive"),
        *idiom("network", "start", name=net.name, state="active"),
        *idiom("network", "remove", name=net.name, state="absent"),
    ])
    made = assert_idiom(results, "make")
    assert made["plan"][0]["action"] == "create"
    seen = results.named("after making")["networks"][0]
    assert seen == {**made["network"], "leases": [], "pending": []}
    assert {key: seen[key] for key in ("state", "autostart", "forward", "gateway", "dhcp", "bridge")} == {
        "state": "active", "autostart": True, "forward": "nat", "gateway": f"{net.stem}.1", "bridge": net.bridge,
        "dhcp": {"start": f"{net.stem}.2", "end": f"{net.stem}.254"},
    }
    for title in (
        "reserve", "rename and swap", "drop", "shorten", "name", "name otherwise", "unname", "not with the host",
        "no addresses", "addresses again",
    ):
        real = assert_idiom(results, title)
        assert real["plan"][0]["effect"] == "live" and real["pending"] == [], title
    assert results.named("info")["result"] == [[net.name, f"{net.stem}.100", "uno"]]
    for title in ("stop", "start"):
        assert_idiom(results, title)
    assert assert_idiom(results, "remove")["network"] == {"name": net.name, "state": "absent"}
    assert net.host.exec(["virsh", "net-info", net.name], check=False).returncode != 0


def test_live_changes_leave_the_bridge_alone(play: Player, net: Net) -> None:
    play([task("make", "network", **net.options)])
    bridge = net.bridge_index()
    play([task("change", "network", **net.options, dhcp={"start": f"{net.stem}.50"},
               reservations=[{"mac": ONE, "address": f"{net.stem}.11", "name": "one"}])])
    live = net.xml()
    assert live.find("ip/dhcp/range").attrib == {"start": f"{net.stem}.50", "end": f"{net.stem}.254"}
    assert live.find("ip/dhcp/host").attrib == {"mac": ONE, "name": "one", "ip": f"{net.stem}.11"}
    assert ET.tostring(net.xml("--inactive").find("ip")).split() == ET.tostring(live.find("ip")).split()
    assert net.bridge_index() == bridge
    files = net.host.exec(["cat", f"/var/lib/libvirt/dnsmasq/{net.name}.hostsfile"]).stdout
    assert f"{ONE},{net.stem}.11,one" in files


def test_what_cannot_be_live_waits_and_a_restart_is_asked_for(play: Player, net: Net) -> None:
    there = {**net.options, "cidr": f"{net.stem}.128/25"}
    options = {"mtu": 1400, "domain": "lab.example", "stp": False, "forward": "none"}
    results = play([
        task("make", "network", **net.options),
        *idiom("network", "move", **there, **options),
        task("move and restart (check)", "network", check=True, **there, **options, restart=True),
        task("move and restart", "network", **there, **options, restart=True),
        task("move and restart (again)", "network", **there, **options, restart=True),
    ])
    moved = assert_idiom(results, "move")
    row = moved["plan"][0]
    assert (row["effect"], row["outcome"]) == ("restart", "pending")
    waiting = {"forward", "stp", "mtu", "domain", "cidr", "gateway", "dhcp"}
    for result in (moved, results.named("move (again)")):
        assert {change["path"] for change in result["pending"][0]["changes"]} == waiting
    restarted = assert_idiom(results, "move and restart")
    assert restarted["pending"] == [] and restarted["plan"][0]["outcome"] == "done"
    live = net.xml()
    assert live.find("ip").attrib == {"address": f"{net.stem}.129", "netmask": "255.255.255.128"}
    assert live.find("mtu").get("size") == "1400" and live.find("forward") is None


def test_guests_are_not_cut_off_unasked(play: Player, net: Net, guest_name: str, booted: dict[str, str]) -> None:
    play([
        task("make", "network", **net.options),
        task("run", "guest", name=guest_name, **booted, nics=[{"network": net.name, "address": f"{net.stem}.77"}],
             state="running"),
    ])
    index = net.bridge_index()
    refused = ({"state": "inactive"}, {"state": "absent"}, {"mtu": 1400, "restart": True})
    tasks = [{**task("refused", "network", name=net.name, **options), "ignore_errors": True} for options in refused]
    results = play(tasks, fails=True)
    assert len(results) == len(refused)
    for result in results:
        assert result.outcome == "failed" and guest_name in result.msg and "disconnect_guests" in result.msg
    (written,) = play([task("write", "network", name=net.name, mtu=1400)])
    assert guest_name in written["pending"][0]["changes"][0]["why"]
    # Nothing of the refused tasks was done.
    assert net.bridge_index() == index
    reservations = [{"mac": ONE, "address": f"{net.stem}.11"}]
    (other,) = play([task("reserve", "network", name=net.name, reservations=reservations)])
    assert other["unmanaged"][0]["entries"][0].startswith("reservations.52:54:")
    (done,) = play([task("remove", "network", name=net.name, state="absent", disconnect_guests=True)])
    assert done["network"]["state"] == "absent"


def test_a_foreign_definition_keeps_what_has_no_option(play: Player, net: Net) -> None:
    text = f"""
      <network xmlns:dnsmasq='http://libvirt.org/schemas/network/dnsmasq/1.0'>
        <name>{net.name}</name>
        <forward mode='nat'><nat><port start='2000' end='3000'/></nat></forward>
        <bridge name='{net.bridge}' stp='off' delay='0'/>
        <dns><txt name='about' value='by hand'/></dns>
        <ip family='ipv6' address='fd00:78::1' prefix='64'>
          <dhcp><host id='0:3:0:1:0:16:3e:11:22:33' name='six' ip='fd00:78::9'/></dhcp>
        </ip>
        <ip address='{net.stem}.1' prefix='24'>
          <dhcp><range start='{net.stem}.2' end='{net.stem}.99'><lease expiry='1' unit='hours'/></range></dhcp>
        </ip>
        <dnsmasq:options><dnsmasq:option value='no-ping'/></dnsmasq:options>
      </network>"""
    net.host.exec(["virsh", "net-define", "/dev/stdin"], input=text)
    net.host.exec(["virsh", "net-start", net.name])
    before = net.xml("--inactive")
    results = play([
        task("as it is", "network", name=net.name, forward="nat", cidr=f"{net.stem}.0/24", dhcp=True, stp=False),
        *idiom("network", "reserve", name=net.name, reservations=[{"mac": ONE, "address": f"{net.stem}.11"}]),
        *idiom("network", "range", name=net.name, dhcp={"start": f"{net.stem}.50", "end": f"{net.stem}.60"}),
    ])
    assert not results.named("as it is").changed
    assert_idiom(results, "reserve")
    assert assert_idiom(results, "range")["pending"] == []
    for tree in (net.xml(), net.xml("--inactive")):
        four = tree.findall("ip")[1]
        assert four.find("dhcp/host").get("mac") == ONE
        assert four.find("dhcp/range").get("start") == f"{net.stem}.50"
        four.find("dhcp").remove(four.find("dhcp/host"))
        four.find("dhcp/range").attrib.update(before.findall("ip")[1].find("dhcp/range").attrib)
    assert ET.canonicalize(ET.tostring(tree), strip_text=True) == ET.canonicalize(ET.tostring(before), strip_text=True)


def test_an_interrupted_creation_is_finished(play: Player, net: Net) -> None:
    """A start that fails leaves a definition; the next run, with the cause gone, starts it."""
    net.host.exec(["ip", "link", "add", "vfblock", "type", "bridge"])
    net.host.exec(["ip", "address", "add", f"{net.stem}.200/24", "dev", "vfblock"])
    net.host.exec(["ip", "link", "set", "vfblock", "up"])
    try:
        (result,) = play([task("make", "network", **net.options)], fails=True)
    finally:
        net.host.exec(["ip", "link", "delete", "vfblock"])
    assert result.outcome == "failed" and "already in use by interface vfblock" in result.msg
    results = play([*idiom("network", "finish", **net.options)])
    finished = assert_idiom(results, "finish")
    assert finished["network"]["state"] == "active" and finished["network"]["autostart"]


def test_idempotent_after_a_restart_of_the_daemon(play: Player, net: Net) -> None:
    options = {**net.options, "reservations": [{"mac": ONE, "address": f"{net.stem}.11", "name": "one"}], "mtu": 1450}
    play([task("make", "network", **options)])
    net.host.restart_libvirtd()
    (again,) = play([task("again", "network", **options)])
    assert not again.changed and again["pending"] == []


BAD: list[tuple[dict[str, Any], str]] = [
    ({"cidr": "10.77.0.0/16"}, "overlaps 10.77.0.0/24 of network lab"),
    ({"cidr": "10.99.0.0/24", "bridge": "vflab0"}, "vflab0 is the bridge of network lab"),
    ({"cidr": "10.99.0.7/24"}, "the network itself is 10.99.0.0/24"),
    ({}, "cidr: a nat network needs addresses"),
    ({"cidr": "10.99.0.0/24", "reservations": [{"mac": ONE, "address": "10.98.0.5"}]}, "10.99.0.1 to 10.99.0.254"),
    ({"cidr": "10.99.0.0/24", "vlan": {"tags": [7]}}, "vlan: goes with forward: bridge, passthrough or hostdev"),
    ({"forward": "bridge", "bridge": "br0", "vlan": {"tags": [4095]}}, "4095 is not a VLAN"),
    ({"forward": "vepa", "bridge": "br0"}, "bridge: goes with forward"),
]


def test_bad_input_touches_nothing(play: Player, net: Net) -> None:
    tasks = [
        {**task("make", "network", check=check, **{"name": net.name, **options}), "ignore_errors": True}
        for options, _words in BAD for check in (True, False)
    ]
    results = play(tasks, fails=True)
    assert len(results) == len(tasks)
    for result, words in zip(results, (words for _options, words in BAD for _check in range(2)), strict=True):
        assert result.outcome == "failed" and words in result.msg
    assert net.host.exec(["virsh", "net-info", net.name], check=False).returncode != 0
