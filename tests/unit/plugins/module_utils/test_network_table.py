# Copyright: (c) 2026, the virtfleet.core contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The table of a network: XML in and out, foreign XML, and properties over many specs."""
from __future__ import annotations

import ipaddress
import re
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ansible_collections.virtfleet.core.plugins.module_utils import _xml
from ansible_collections.virtfleet.core.plugins.module_utils._errors import SpecError
from ansible_collections.virtfleet.core.plugins.module_utils._network.addresses import (
    full_range,
    parse_cidr,
    parse_dhcp,
)
from ansible_collections.virtfleet.core.plugins.module_utils._network.expand import complete
from ansible_collections.virtfleet.core.plugins.module_utils._network.spec import parse
from ansible_collections.virtfleet.core.plugins.module_utils._network.table import NETWORK
from ansible_collections.virtfleet.core.plugins.module_utils._network.tree import main_index, read_tree, to_text
from ansible_collections.virtfleet.core.plugins.module_utils._table import (
    Context,
    compare,
    contradictions,
    observe,
    patch,
    pending,
    problems,
    show_spec,
)
from tests.unit.plugins.module_utils.examples import examples

PAIRS = Path(__file__).parent / "pairs"
CONTEXT = Context(name="lab")
PORT = "0b7c9a7e-64a5-4f51-8d34-3cf0b5f1a8f0"

# What a user adds to the network of network_full.in.xml, and network_full.out.xml is what becomes of it.
WANTED: dict[str, Any] = {
    "forward": "none",
    "bridge": "lab0",
    "stp": False,
    "mtu": 1400,
    "domain": "new.example",
    "cidr": "10.30.0.0/23",
    "gateway": "10.30.0.1",
    "dhcp": (("10.30.0.10", "10.30.0.20"),),
    "reservations": [
        {"mac": "52:54:00:00:00:01", "address": "10.30.0.11", "name": "one"},
        {"mac": "52:54:00:00:00:03", "address": "10.30.0.13"},
    ],
    "dns_hosts": [{"address": "10.30.0.1", "names": ("gate", "way")}],
    "reservations_exact": True,
    "dns_hosts_exact": True,
}


def text_of(name: str) -> str:
    return (PAIRS / name).read_text(encoding="utf-8")


def apply(root: _xml.Element, want: dict[str, Any]) -> _xml.Element:
    return patch(NETWORK, root, compare(NETWORK, want, observe(NETWORK, root), CONTEXT))


def test_the_pair() -> None:
    tree = apply(read_tree(text_of("network_full.in.xml")), WANTED)
    assert _xml.same(_xml.parse(to_text(tree)), _xml.parse(text_of("network_full.out.xml")))


@pytest.mark.parametrize("option", [name for name in WANTED if not name.endswith("_exact")])
def test_each_option_alone_changes_something_and_is_then_satisfied(option: str) -> None:
    root = read_tree(text_of("network_full.in.xml"))
    said = {"start": "10.20.0.10", "end": "10.20.0.20"} if option == "dhcp" else WANTED[option]
    want = complete({option: said, f"{option}_exact": True}, observe(NETWORK, root), new=False)
    changed = apply(root, want)
    assert not _xml.same(root, changed)
    assert compare(NETWORK, want, observe(NETWORK, changed), CONTEXT) == []


@pytest.mark.parametrize("path", sorted(PAIRS.glob("network_*.xml")), ids=lambda path: path.name)
def test_nothing_patched_is_nothing_changed(path: Path) -> None:
    text = path.read_text(encoding="utf-8")
    tree = patch(NETWORK, read_tree(text), [])
    assert _xml.same(_xml.parse(to_text(tree)), _xml.parse(text))
    spec = observe(NETWORK, read_tree(text))
    assert compare(NETWORK, spec, spec, CONTEXT) == []


def test_what_is_observed_in_the_users_words() -> None:
    assert show_spec(NETWORK, observe(NETWORK, read_tree(text_of("network_full.in.xml")))) == {
        "forward": "nat",
        "forward_dev": "eth0",
        "bridge": "virbr7",
        "stp": True,
        "domain": "old.example",
        "cidr": "10.20.0.0/24",
        "gateway": "10.20.0.1",
        "dhcp": {"start": "10.20.0.2", "end": "10.20.0.254"},
        "reservations": [
            {"mac": "52:54:00:00:00:01", "name": "uno", "address": "10.20.0.11"},
            {"mac": "52:54:00:00:00:02", "address": "10.20.0.12"},
        ],
        "dns_hosts": [{"address": "10.20.0.1", "names": ["gate"]}],
        "dns_forwarders": ["8.8.8.8"],
        "isolated": False,
        "domain_local": True,
        "zone": "",
        "ipv6": {"address": "fd00::1/64"},
        "routes": [{"to": "192.168.9.0/24", "via": "10.20.0.9"}],
        "tftp_root": "/srv/tftp",
        "bootp": {"file": "pxelinux.0"},
        "dns_srv": [],
        "dns_txt": [{"name": "example", "value": "example value"}],
        "bandwidth": {"in": "1000KiB", "in_peak": "5000KiB", "in_burst": "5MiB"},
        "portgroups": [],
        "dnsmasq_options": ["no-ping"],
        "forward_interfaces": [],
        "forward_pf": "",
        "forward_addresses": [],
        "forward_managed": False,
        "virtualport": {},
        "vlan": {},
        "trust_guest_rx_filters": False,
    }


def test_other_modes_are_seen() -> None:
    seen = observe(NETWORK, read_tree(text_of("network_hostbridge.xml")))
    assert seen["forward"] == "bridge" and seen["bridge"] == "br0" and "cidr" not in seen


def test_another_device_takes_what_libvirt_says_of_the_former_with_it() -> None:
    text = "<network><forward mode='route' dev='eth0'><interface dev='eth0'/></forward><dns>{}</dns></network>"
    own, theirs = "<forwarder addr='8.8.8.8'/>", "<forwarder domain='lan' addr='10.0.0.1'/>"
    root = read_tree(text.format(own + theirs))
    want = {"forward_dev": "eth1", "dns_forwarders": ("9.9.9.9",)}
    tree = patch(NETWORK, root, compare(NETWORK, want, observe(NETWORK, root), CONTEXT))
    assert [(node.tag, node.attrib) for node in tree.iter() if node.tag in ("forward", "interface", "forwarder")] == [
        ("forward", {"mode": "route", "dev": "eth1"}),
        ("forwarder", {"domain": "lan", "addr": "10.0.0.1"}),
        ("forwarder", {"addr": "9.9.9.9"}),
    ]
    back = patch(NETWORK, tree, compare(NETWORK, {"forward_dev": "", "dns_forwarders": ()}, observe(NETWORK, tree), CONTEXT))
    assert back.find("forward").attrib == {"mode": "route"} and len(back.findall("dns/forwarder")) == 1


@pytest.mark.parametrize(
    ("spec", "option"),
    [
        ({"forward": "route"}, "cidr"),
        ({"forward": "open"}, "cidr"),
        ({"forward": "open", "cidr": "10.0.0.0/24", "forward_dev": "eth0"}, "forward_dev"),
        ({"forward": "none", "forward_dev": "eth0"}, "forward_dev"),
        ({"forward": "route", "cidr": "10.0.0.0/24", "forward_dev": "eth0"}, None),
    ],
)
def test_what_a_mode_needs(spec: dict[str, Any], option: str | None) -> None:
    said = [sentence.partition(":")[0] for sentence in contradictions(NETWORK, spec)]
    assert said == ([] if option is None else [option])


def test_libvirt_fills_in_without_a_difference() -> None:
    """As recorded from libvirt 9.0: what was defined, and what it says of it when asked, inactive and live."""
    defined = observe(NETWORK, read_tree(text_of("network_made.xml")))
    want = {name: value for name, value in defined.items() if name not in ("bridge", "stp")}
    for name in ("network_made_inactive.xml", "network_made_live.xml"):
        assert compare(NETWORK, want, observe(NETWORK, read_tree(text_of(name))), CONTEXT) == []
    inactive, live = read_tree(text_of("network_made_inactive.xml")), read_tree(text_of("network_made_live.xml"))
    assert pending(NETWORK, inactive, live, Context(name="lab", state="running")) == []


MORE: dict[str, Any] = {
    "domain": "a.example",
    "domain_local": True,
    "zone": "libvirt",
    "ipv6": {"address": "fd00:20::1/64", "start": "fd00:20::100", "end": "fd00:20::1ff"},
    "routes": [{"to": "10.99.0.0/16", "via": "10.20.0.2", "metric": 3}, {"to": "fd00:99::/64", "via": "fd00:20::2"}],
    "tftp_root": "/srv/tftp",
    "bootp": {"file": "pxelinux.0", "server": "10.20.0.9"},
    "dns_srv": [
        {"service": "ldap", "protocol": "tcp"},
        {
            "service": "sip",
            "protocol": "udp",
            "domain": "a.example",
            "target": "one.a.example",
            "port": 5060,
            "priority": 1,
            "weight": 2,
        },
    ],
    "dns_txt": [{"name": "a.example", "value": "v=spf1 -all"}],
    "bandwidth": {"in": "10MiB", "in_peak": "20MiB", "in_burst": "5MiB", "out": "1MiB"},
    "portgroups": [{"name": "slow", "default": True, "bandwidth": {"out": "512KiB"}}, {"name": "fast"}],
    "trust_guest_rx_filters": True,
    "dnsmasq_options": ["dhcp-option=42,10.20.0.1", "log-queries"],
}


def test_what_is_given_as_a_whole_is_written_read_and_taken_away() -> None:
    dhcp = "<dhcp><range start='10.20.0.9' end='10.20.0.99'/></dhcp>"
    root = read_tree(f"<network><name>lab</name><ip address='10.20.0.1' netmask='255.255.255.0'>{dhcp}</ip></network>")
    bare = _xml.to_text(root)
    want = parse({"name": "lab", **MORE}).values
    assert contradictions(NETWORK, {**observe(NETWORK, root), **want}) == []
    tree = patch(NETWORK, root, compare(NETWORK, want, observe(NETWORK, root), CONTEXT))
    again = read_tree(to_text(tree))
    have = observe(NETWORK, again)
    assert compare(NETWORK, want, have, CONTEXT) == []
    assert {option: show_spec(NETWORK, have)[option] for option in MORE} == MORE
    empty = parse({"name": "lab", **{option: type(value)() for option, value in MORE.items()}}).values
    gone = patch(NETWORK, again, compare(NETWORK, empty, have, CONTEXT))
    assert _xml.to_text(gone) == bare


# What networks say that are plugged into what the host has, in the words that they are shown in.
MODES: dict[str, dict[str, Any]] = {
    "a bridge of Open vSwitch": {
        "forward": "bridge",
        "bridge": "ovsbr0",
        "virtualport": {"type": "openvswitch", "profileid": "web"},
        "vlan": {"tags": [10, 20], "native": 10, "native_mode": "tagged"},
        "bandwidth": {"out": "1MiB"},
        "portgroups": [
            {
                "name": "office",
                "default": True,
                "vlan": {"tags": [30]},
                "virtualport": {"type": "openvswitch", "interfaceid": PORT},
                "trust_guest_rx_filters": True,
            },
            {"name": "routers", "vlan": {"tags": [10], "trunk": True}},
        ],
        "isolated": True,
        "trust_guest_rx_filters": True,
    },
    "macvtap": {"forward": "private", "forward_interfaces": ["eth0", "eth1"]},
    "macvtap by a card": {"forward": "passthrough", "forward_pf": "eth0", "vlan": {"tags": [7]}},
    "a card": {"forward": "hostdev", "forward_pf": "eth0", "forward_driver": "vfio", "forward_managed": True},
    "functions": {"forward": "hostdev", "forward_addresses": ["0000:03:10.1", "0001:3f:1f.7"], "vlan": {"tags": [7]}},
}


@pytest.mark.parametrize("name", MODES)
def test_a_network_upon_what_the_host_has(name: str) -> None:
    words = MODES[name]
    root = read_tree("<network><name>lab</name></network>")
    want = parse({"name": "lab", **words}).values
    assert contradictions(NETWORK, {**observe(NETWORK, root), **want}) == []
    tree = patch(NETWORK, root, compare(NETWORK, want, observe(NETWORK, root), CONTEXT))
    have = observe(NETWORK, read_tree(to_text(tree)))
    assert compare(NETWORK, want, have, CONTEXT) == []
    assert {option: show_spec(NETWORK, have)[option] for option in words} == words
    empty = {"forward": "none", **{option: type(value)() for option, value in want.items() if option != "forward"}}
    for option in ("bridge", "forward_driver"):
        # These have no word for nothing.
        empty.pop(option, None)
    gone = patch(NETWORK, tree, compare(NETWORK, empty, have, CONTEXT))
    bridge = "" if "bridge" not in words else "<bridge name='ovsbr0'/>"
    isolated = "<port isolated='no'/>" if gone.find("port") is not None else ""
    bare = _xml.parse(f"<network><name>lab</name>{bridge}{isolated}</network>")
    assert {child.tag for child in gone} == {child.tag for child in bare} and gone.attrib == {}


def test_libvirt_says_the_first_device_twice_and_the_functions_that_it_found() -> None:
    """As libvirt 9.0 says it of what was defined, and of what runs."""
    pool = "<network><forward mode='vepa' dev='b'><interface dev='b' connections='1'/><interface dev='a'/></forward></network>"
    want = parse({"name": "lab", "forward": "vepa", "forward_interfaces": ["a", "b"]}).values
    assert compare(NETWORK, want, observe(NETWORK, read_tree(pool)), CONTEXT) == []
    other = patch(NETWORK, read_tree(pool), compare(NETWORK, {"forward_interfaces": ("c",)}, observe(NETWORK, read_tree(pool)), CONTEXT))
    assert other.find("forward").attrib == {"mode": "vepa"}
    assert [item.get("dev") for item in other.findall("forward/interface")] == ["c"]
    text = "<network><forward mode='passthrough'>{}<pf dev='eth0'/></forward></network>"
    defined, live = (read_tree(text.format(more)) for more in ("", "<interface dev='eth0v0' connections='1'/>"))
    assert pending(NETWORK, defined, live, Context(name="lab", state="running")) == []


@pytest.mark.parametrize(
    ("spec", "sentence"),
    [
        ({"forward": "bridge"}, "bridge: a network with forward: bridge needs bridge or forward_interfaces"),
        ({"forward": "bridge", "bridge": "br0", "forward_interfaces": ["eth0"]}, "forward_interfaces: bridge says already"),
        ({"forward": "vepa", "bridge": "br0"}, "bridge: goes with forward: nat, none, route, open or bridge, not with vepa"),
        ({"forward": "private"}, "forward_interfaces: a network with forward: private needs forward_interfaces"),
        ({"forward": "passthrough", "forward_pf": "a", "forward_interfaces": ["b"]}, "forward_pf: forward_interfaces says"),
        ({"forward": "hostdev", "forward_interfaces": ["eth0"]}, "forward_interfaces: goes with forward: bridge, private"),
        ({"forward": "hostdev"}, "forward_pf: a network with forward: hostdev needs forward_pf or forward_addresses"),
        ({"forward": "hostdev", "forward_pf": "a", "bandwidth": {"in": "1MiB"}}, "bandwidth: goes with forward"),
        ({"forward": "nat", "cidr": "10.0.0.0/24", "forward_pf": "eth0"}, "forward_pf: goes with .* not with nat"),
        ({"forward": "nat", "cidr": "10.0.0.0/24", "forward_managed": True}, "forward_managed: goes with forward: hostdev"),
        ({"forward": "nat", "cidr": "10.0.0.0/24", "vlan": {"tags": [7]}}, "vlan: goes with .* not with nat"),
        (
            {"forward": "route", "cidr": "10.0.0.0/24", "portgroups": [{"name": "a", "vlan": {"tags": [7]}}]},
            "portgroups.a.vlan: goes with .* not with route",
        ),
        ({"forward": "vepa", "forward_interfaces": ["a"], "vlan": {"tags": [7]}}, "vlan: goes with .* not with vepa"),
        ({"forward": "bridge", "forward_interfaces": ["a"], "vlan": {"tags": [7]}}, "vlan: needs a bridge of the host"),
        ({"forward": "bridge", "bridge": "br0", "cidr": "10.0.0.0/24"}, "cidr: goes with .* not with bridge"),
        ({"forward": "bridge", "bridge": "br0", "dhcp": False}, "dhcp: goes with .* not with bridge"),
        ({"forward": "bridge", "bridge": "br0", "stp": False}, "stp: goes with .* not with bridge"),
        ({"forward": "bridge", "bridge": "br0", "mtu": 1400}, "mtu: goes with .* not with bridge"),
        ({"forward": "bridge", "bridge": "br0", "dns_txt": [{"name": "a", "value": "b"}]}, "dns_txt: goes with"),
        ({"forward": "hostdev", "forward_pf": "a", "virtualport": {"type": "openvswitch"}}, "virtualport: goes with"),
    ],
)
def test_what_does_not_go_with_a_mode(spec: dict[str, Any], sentence: str) -> None:
    values = parse({"name": "lab", **spec}).values
    assert any(re.match(sentence, said) for said in contradictions(NETWORK, values)), contradictions(NETWORK, values)


def test_more_than_one_of_them_in_another_spelling_is_no_difference() -> None:
    text = (
        "<network><name>lab</name><route address='10.99.0.0' netmask='255.255.0.0' gateway='10.20.0.2'/>"
        "<ip family='ipv6' address='FD00:20:0::1' prefix='64'/><ip address='10.20.0.1' prefix='24'/></network>"
    )
    want = {"routes": [{"to": "10.99.0.0/16", "via": "10.20.0.2"}], "ipv6": {"address": "fd00:20::1/64"}}
    assert compare(NETWORK, parse({"name": "lab", **want}).values, observe(NETWORK, read_tree(text)), CONTEXT) == []


@pytest.mark.parametrize(
    ("spec", "sentence"),
    [
        ({"ipv6": {"start": "fd00::2", "end": "fd00::9"}}, "ipv6.address: is missing"),
        ({"ipv6": {"address": "fd00::1/64", "start": "fd00::2"}}, "start and end .* go together"),
        ({"ipv6": {"address": "fd00::1/64", "start": "fd01::2", "end": "fd01::9"}}, "fd01::2 is not inside fd00::/64"),
        ({"ipv6": {"address": "fd00::1/64", "start": "fd00::9", "end": "fd00::2"}}, "starts at fd00::9, behind"),
        ({"portgroups": [{"name": "a"}, {"name": "a", "default": True}]}, "two groups are called a"),
        ({"portgroups": [{"name": "a", "default": True}, {"name": "b", "default": True}]}, "a and b are each"),
        ({"bootp": {"file": "x"}, "dhcp": False, "cidr": "10.0.0.0/24"}, "bootp: is told by DHCP"),
        ({"bootp": {"server": "10.0.0.9"}, "cidr": "10.0.0.0/24"}, "bootp.file: is missing"),
        ({"tftp_root": "/srv", "forward": "none"}, "tftp_root: needs a cidr"),
        ({"domain_local": True}, "domain_local: needs domain"),
    ],
)
def test_what_contradicts_itself(spec: dict[str, Any], sentence: str) -> None:
    values = parse({"name": "lab", **spec}).values
    assert any(re.search(sentence, said) for said in contradictions(NETWORK, {"forward": "none", **values}))


@pytest.mark.parametrize(
    ("options", "sentence"),
    [
        ({"routes": [{"to": "10.99.0.1/16", "via": "10.0.0.1"}]}, r"routes: \[0\]: to: '10.99.0.1/16' is not a network"),
        ({"routes": [{"to": "10.99.0.0/16"}]}, r"routes: \[0\]: via: is missing"),
        ({"ipv6": {"address": "10.0.0.1/24"}}, "ipv6: address: '10.0.0.1/24' is not an address with its prefix"),
        ({"ipv6": {"address": "fd00::/64"}}, "is not the address of a host"),
        ({"dns_srv": [{"service": "a b", "protocol": "tcp"}]}, "is not the name of a service"),
        ({"dnsmasq_options": ["a\nb"]}, "is not a line of dnsmasq.conf"),
        ({"tftp_root": "srv"}, "tftp_root: "),
        ({"zone": "a b"}, "is not the name of a zone"),
        ({"bandwidth": {"in": 5}}, "bandwidth: in: "),
        ({"dns_txt": [{"name": "a", "value": "b"}] * 2}, r"dns_txt: \[1\]: is the same as \[0\]"),
        ({"forward_interfaces": ["eth0", "eth0"]}, "forward_interfaces: eth0 is given twice"),
        ({"forward_interfaces": [""]}, "forward_interfaces: .* holds an empty name"),
        ({"forward_interfaces": "eth0"}, "forward_interfaces: 'eth0' is not a list of network devices"),
        ({"forward_addresses": ["3:10.1"]}, "forward_addresses: '3:10.1' is not the address of a PCI device"),
        ({"forward_driver": "uio"}, "forward_driver: 'uio' is not one of vfio, kvm"),
        ({"vlan": {"tags": [4095]}}, "vlan: 4095 is not a VLAN: write a whole number from 1 to 4094"),
        ({"vlan": {"trunk": True}}, "vlan: tags: is missing"),
        ({"vlan": {"tags": [7], "native": [7, 8]}}, r"vlan: \[7, 8\] is not a VLAN"),
        ({"vlan": {"tags": [7], "native": 8}}, "vlan: native: 8 is none of tags"),
        ({"vlan": {"tags": [7], "native_mode": "tagged"}}, "vlan: native_mode: says how"),
        ({"vlan": {"tags": [7, 8], "trunk": False}}, "vlan: trunk: false is for a single VLAN"),
        ({"vlan": {"tag": [7], "tags": [7]}}, "vlan: tag: no such option"),
        ({"portgroups": [{"name": "a", "vlan": {"tags": [0]}}]}, r"portgroups: \[0\]: vlan: 0 is not a VLAN"),
        ({"virtualport": {"profileid": "a"}}, "virtualport: needs type"),
        ({"virtualport": {"type": "midonet"}}, "virtualport: interfaceid: is missing"),
        ({"virtualport": {"type": "midonet", "interfaceid": PORT, "profileid": "a"}}, "profileid: goes with type openvswitch"),
        ({"virtualport": {"type": "openvswitch", "interfaceid": "7"}}, "virtualport: interfaceid: '7' is not a UUID"),
        ({"virtualport": {"type": "openvswitch", "profileid": "a" * 40}}, "at most 39 characters"),
    ],
)
def test_what_is_refused_as_it_stands(options: dict[str, Any], sentence: str) -> None:
    with pytest.raises(SpecError, match=sentence):
        parse({"name": "lab", **options})


def test_the_place_of_the_addresses_in_a_live_update() -> None:
    six = "<ip family='ipv6' address='fd00::1' prefix='64'><dhcp><host id='0:1' ip='fd00::9'/></dhcp></ip>"
    four = "<ip address='10.0.0.1' netmask='255.0.0.0'><dhcp><range start='10.0.0.2' end='10.0.0.9'/></dhcp></ip>"
    bare = "<ip address='10.0.0.1' netmask='255.0.0.0'/>"
    for ips, expected in ((four, -1), (four + six, -1), (six + four, 1), (six + bare, 1), (bare, -1)):
        assert main_index(read_tree(f"<network><name>x</name>{ips}</network>")) == expected


# properties

ADDRESSES = st.integers(2, 14)
MACS = st.integers(0, 4).map(lambda number: f"52:54:00:00:00:{number:02x}")


def _address(number: int) -> str:
    return str(ipaddress.IPv4Address("10.9.8.0") + number)


@st.composite
def specs(draw: st.DrawFn) -> dict[str, Any]:
    spec: dict[str, Any] = {"cidr": "10.9.8.0/28", "gateway": "10.9.8.1"}
    for option, values in (
        ("forward", st.sampled_from(["nat", "none", "route", "open"])),
        ("dns_forwarders", st.lists(st.sampled_from(["9.9.9.9", "2001:db8::53"]), unique=True).map(tuple)),
        ("isolated", st.booleans()),
        ("bridge", st.sampled_from(["virbr9", "lab0"])),
        ("stp", st.booleans()),
        ("mtu", st.integers(68, 65535)),
        ("domain", st.sampled_from(["", "a.example", "b"])),
    ):
        if draw(st.booleans()):
            spec[option] = draw(values)
    if spec.get("forward") in ("nat", "route") and draw(st.booleans()):
        spec["forward_dev"] = draw(st.sampled_from(["", "eth0", "eth1"]))
    ends = sorted(draw(st.tuples(ADDRESSES, ADDRESSES)))
    spec["dhcp"] = draw(st.sampled_from([False, ((_address(ends[0]), _address(ends[1])),)]))
    if spec["dhcp"]:
        macs = draw(st.lists(MACS, unique=True))
        spec["reservations"] = [{"mac": mac, "address": _address(3 + number)} for number, mac in enumerate(macs)]
        for entry in spec["reservations"]:
            if draw(st.booleans()):
                entry["name"] = "h" + entry["mac"][-2:]
    spec["dns_hosts"] = [
        {"address": _address(number), "names": tuple(draw(st.lists(st.sampled_from("abc"), min_size=1, unique=True)))}
        for number in draw(st.lists(ADDRESSES, unique=True, max_size=3))
    ]
    spec["reservations_exact"] = spec["dns_hosts_exact"] = draw(st.booleans())
    return spec


@settings(max_examples=examples(150), deadline=None)
@given(first=specs(), second=specs(), context=st.sampled_from(["stopped", "running"]))
def test_patched_is_satisfied(first: dict[str, Any], second: dict[str, Any], context: str) -> None:
    root = read_tree("<network><name>lab</name><metadata><keep xmlns='http://x.example'/></metadata></network>")
    for want in (first, second):
        assert problems(NETWORK, want, "qemu") == []
        state = Context(name="lab", state=context)
        root = patch(NETWORK, root, compare(NETWORK, want, observe(NETWORK, root), state))
        text = to_text(root)
        again = read_tree(text)
        # Reservations go with DHCP when it is turned off, and may be wanted again by the next spec.
        assert compare(NETWORK, want, observe(NETWORK, again), state) == []
        assert _xml.find(again, "metadata/{http://x.example}keep") is not None
        assert "virtfleet-main" not in text
        root = again


@settings(max_examples=examples(150), deadline=None)
@given(prefix=st.integers(1, 30), base=st.integers(0, 2**32 - 1), place=st.integers(0, 2**32 - 1))
def test_what_follows_from_a_cidr_fits_it(prefix: int, base: int, place: int) -> None:
    network = ipaddress.IPv4Network((base, prefix), strict=False)
    gateway = str(network.network_address + 1 + place % (network.num_addresses - 2))
    start, end = (ipaddress.IPv4Address(item) for item in full_range(str(network), gateway))
    assert start in network and end in network and start <= end
    assert int(end) - int(start) < 65535
    want = complete({"cidr": str(network), "gateway": gateway}, {}, new=True)
    assert problems(NETWORK, want, "qemu") == []
    assert complete(want, {**want}, new=False).get("dhcp", want["dhcp"]) == want["dhcp"]


def test_words_that_are_refused() -> None:
    for text, words in (
        ("10.20.0.0", "with its prefix"),
        ("10.20.0.5/24", "the network itself is 10.20.0.0/24"),
        ("10.20.0.0/31", "no room"),
        ("fd00::/64", "not an IPv4 network"),
    ):
        with pytest.raises(SpecError, match=words):
            parse_cidr(text)
    assert parse_dhcp({"start": "10.0.0.1", "end": "10.0.0.2"}) == (("10.0.0.1", "10.0.0.2"),)
    with pytest.raises(SpecError):
        parse_dhcp({"start": "10.0.0.1"})
