# Copyright: (c) 2026, the virtfleet.core contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What is done about a bridge: from what is wanted, what is there and what was recorded."""
from __future__ import annotations

import json
from dataclasses import replace
from typing import Any

import pytest

from ansible_collections.virtfleet.core.plugins.module_utils._bridge.change import NetworkChange, Record, read_record
from ansible_collections.virtfleet.core.plugins.module_utils._bridge.options import BRIDGE_OPTIONS
from ansible_collections.virtfleet.core.plugins.module_utils._bridge.plan import (
    Decision,
    base_of,
    by_hand,
    check_port,
    choose_port,
    decide,
    decide_absent,
    diff,
    render,
    shown,
    token_of,
    wanted_of,
)
from ansible_collections.virtfleet.core.plugins.module_utils._bridge.spec import BridgeSpec, parse
from ansible_collections.virtfleet.core.plugins.module_utils._bridge.values import (
    Address,
    FileState,
    Kernel,
    Link,
    Native,
    Present,
    Route,
    Static,
)
from ansible_collections.virtfleet.core.plugins.module_utils._errors import (
    Conflict,
    NotFound,
    SpecError,
    Unsupported,
    VirtError,
)

MAC = "52:54:00:12:34:56"
FILE = "/etc/systemd/network/10-up.network"
FIXED = Native("networkd", FILE, {"file": FILE, "text": "[Match]\nName=enp1s0\n[Network]\nAddress=192.0.2.10/24\nGateway=192.0.2.1\n"})
LEASED = Native("networkd", FILE, {"file": FILE, "text": "[Match]\nName=enp1s0\n[Network]\nDHCP=yes\n"})
CARD = Link("enp1s0", MAC)
LEFT_OUT = {name: option.get("default") for name, option in BRIDGE_OPTIONS.items()}


def spec(**options: Any) -> BridgeSpec:
    return parse({**LEFT_OUT, "name": "br0", **options})


def kernel(dynamic: bool = False, dev: str = "enp1s0", *links: Link, **more: Any) -> Kernel:
    """Return a host with 192.0.2.10 on a link and the default route over it."""
    return Kernel(
        {link.name: link for link in (Link("lo", ether=False), *(links or (CARD,)))},
        {dev: (Address("192.0.2.10/24", dynamic),)},
        (Route("default", dev, 4, "192.0.2.1", proto="dhcp" if dynamic else "static"), Route("192.0.2.0/24", dev, 4, proto="kernel")),
        **more,
    )  # fmt: skip


def bridged(dynamic: bool = False, **more: Any) -> Kernel:
    """Return the same host after the bridge was made."""
    return kernel(dynamic, "br0", Link("br0", MAC, "bridge"), replace(CARD, master="br0"), **more)


def fresh(dynamic: bool = False) -> Record:
    native = LEASED if dynamic else FIXED
    there = kernel(dynamic)
    return Record("br0", "enp1s0", MAC, native, base_of(there, "enp1s0", native), nameservers=("192.0.2.53",))


def decided(
    told: BridgeSpec, there: Kernel, record: Record, current: dict[str, FileState | None] | None = None, ours: bool = False
) -> Decision:
    files = render(wanted_of(told, record), record.native, Present(), None)
    have = dict.fromkeys(files) if current is None else current
    return decide(told, there, record, have, files, ours)


def made(told: BridgeSpec, dynamic: bool = False) -> Record:
    """Return the record of a bridge that was made."""
    change = decided(told, kernel(dynamic), fresh(dynamic)).change
    assert change is not None
    assert change.record is not None
    return read_record(json.loads(json.dumps(change.record.shown())))


def changes(decision: Decision) -> dict[str, tuple[Any, Any]]:
    return {change.path[0]: (change.before, change.after) for action in decision.plan.actions for change in action.changes}


def test_a_new_bridge() -> None:
    decision = decided(spec(), kernel(), fresh())
    (action,) = decision.plan.actions
    assert (action.kind, action.name, action.action, str(action.effect)) == ("host_bridge", "br0", "create", "live")
    found = changes(decision)
    assert found["interface"] == (None, "enp1s0")
    assert found["addresses"] == (None, ["192.0.2.10/24"])
    assert found["gateway"] == (None, "192.0.2.1")
    assert len(found["files"][1]) == 3
    change = decision.change
    assert change is not None
    assert (change.links, change.removes) == (("br0",), ())
    assert change.expected.static == ("192.0.2.10/24",)
    assert change.expected.gateways == {4: "192.0.2.1"}


def test_a_lease_may_change_and_a_fixed_address_may_not() -> None:
    change = decided(spec(), kernel(True), fresh(True)).change
    assert change is not None
    assert (change.expected.static, change.expected.dynamic, change.expected.gateways) == ((), (4,), {4: None})


def test_a_gateway_that_a_router_told_may_be_another_one() -> None:
    there = kernel()
    there = replace(
        there,
        addresses={"enp1s0": (*there.addresses["enp1s0"], Address("2001:db8::9/64", True))},
        routes=(*there.routes, Route("default", "enp1s0", 6, "fe80::1", proto="ra")),
    )
    record = replace(fresh(), before=base_of(there, "enp1s0", FIXED))
    decision = decided(spec(), there, record)
    assert decision.change is not None
    assert decision.change.expected.gateways == {4: "192.0.2.1", 6: None}
    # They differ from one look to the next, and so would a plan that told them.
    assert "gateway6" not in changes(decision)
    assert changes(decision)["addresses"] == (None, ["192.0.2.10/24"])


def test_a_lease_without_an_end_is_not_taken_for_fixed() -> None:
    assert base_of(kernel(False), "enp1s0", LEASED)[4].dynamic
    assert base_of(kernel(False), "enp1s0", FIXED)[4].addresses == ("192.0.2.10/24",)


def test_the_second_time_there_is_nothing_to_do() -> None:
    record = made(spec())
    decision = decided(spec(), bridged(), record, dict(record.written), ours=True)
    assert decision == Decision(decision.plan)
    assert decision.plan.actions == ()


def test_what_is_left_out_later_stays_as_it_was_told() -> None:
    told = spec(addresses=["192.0.2.20/24"], gateway="192.0.2.254", nameservers=["192.0.2.54"])
    record = made(told, dynamic=True)
    there = Kernel(bridged().links, {"br0": (Address("192.0.2.20/24"),)}, (Route("default", "br0", 4, "192.0.2.254"),))
    assert decided(spec(), there, record, dict(record.written), ours=True).change is None


def test_other_options_change_it() -> None:
    record = made(spec())
    decision = decided(spec(gateway="192.0.2.254"), bridged(), record, dict(record.written), ours=True)
    assert decision.plan.actions[0].action == "update"
    assert changes(decision)["gateway"] == ("192.0.2.1", "192.0.2.254")
    change = decision.change
    assert change is not None
    assert change.record is not None
    # For state=absent: what was there before us, and not what we wrote the first time.
    assert change.record.originals == record.originals
    assert change.links == ()


def test_a_bridge_that_was_taken_away_is_made_again() -> None:
    record = made(spec())
    decision = decided(spec(), kernel(), record, dict(record.written), ours=True)
    assert changes(decision)["running"] == (["br0 does not exist"], [])


def test_a_lease_that_is_late_is_no_reason_to_interrupt_the_network() -> None:
    record = made(spec(), dynamic=True)
    there = Kernel(bridged().links)
    assert decided(spec(), there, record, dict(record.written), ours=True).change is None


def test_name_servers_of_a_lease_that_is_given_up_are_kept() -> None:
    wanted = wanted_of(spec(addresses=["192.0.2.20/24"]), fresh(dynamic=True))
    assert wanted.nameservers == ("192.0.2.53",)
    assert wanted.v4 == Static(("192.0.2.20/24",), "192.0.2.1")
    assert wanted_of(spec(addresses=["192.0.2.20/24"]), fresh()).nameservers is None


@pytest.mark.parametrize(
    ("options", "dynamic", "sentence"),
    [
        ({"gateway": "192.0.2.254"}, True, "gateway: in IPv4 the host gets its address by itself; write addresses too"),
        ({"gateway6": "2001:db8::1"}, False, "gateway6: in IPv6 the host has no address; write addresses too"),
        ({"gateway": "198.51.100.1"}, False, "gateway: 198.51.100.1 is not in the network of 192.0.2.10/24"),
        (
            {"addresses": ["198.51.100.7/24"]},
            False,
            "addresses: the present gateway 192.0.2.1 is not in the network of 198.51.100.7/24; write gateway too",
        ),
    ],
)
def test_options_that_do_not_fit_what_is_there(options: dict[str, Any], dynamic: bool, sentence: str) -> None:
    with pytest.raises(SpecError) as said:
        wanted_of(spec(**options), fresh(dynamic))
    assert str(said.value).startswith(sentence)


def test_each_option_of_an_address_is_in_the_files() -> None:
    options = {
        "addresses": ["192.0.2.20/24", "2001:db8::20/64"], "gateway": "192.0.2.254", "gateway6": "2001:db8::1",
        "nameservers": ["192.0.2.54"],
    }  # fmt: skip
    text = "".join(file.text for file in render(wanted_of(spec(**options), fresh()), FIXED, Present(), None).values() if file)
    for line in ("Address=192.0.2.20/24", "Address=2001:db8::20/64", "Gateway=192.0.2.254", "Gateway=2001:db8::1", "DNS=192.0.2.54"):
        assert line in text


def test_name_servers_go_to_a_file_that_nobody_keeps() -> None:
    resolv = FileState("search example\nnameserver 192.0.2.53\n", 0o640)
    told = spec(nameservers=["192.0.2.54", "192.0.2.55"])
    files = render(wanted_of(told, fresh()), FIXED, Present(), resolv)
    assert files["/etc/resolv.conf"] == FileState("search example\nnameserver 192.0.2.54\nnameserver 192.0.2.55\n", 0o640)
    assert "/etc/resolv.conf" not in render(wanted_of(spec(), fresh()), FIXED, Present(), resolv)


# Which interface


def test_the_interface_is_the_one_of_the_default_route_or_the_one_that_is_named() -> None:
    assert choose_port(spec(), kernel(), None) == "enp1s0"
    assert choose_port(spec(interface="enp2s0"), kernel(), None) == "enp2s0"
    assert choose_port(spec(), bridged(), None) == "enp1s0"
    tap = Link("vnet0", kind="tun", master="br0", tap=True)
    there = bridged()
    assert choose_port(spec(), replace(there, links={**there.links, "vnet0": tap}), None) == "enp1s0"
    assert choose_port(spec(), kernel(), fresh()) == "enp1s0"


@pytest.mark.parametrize(
    ("there", "options", "record", "error", "sentence"),
    [
        (Kernel(), {}, None, SpecError, "interface: the host has no default route to tell it by"),
        (bridged(), {"interface": "enp2s0"}, fresh(), Conflict, "could not put enp2s0 into br0: it is made of enp1s0"),
        (Kernel({"br0": Link("br0", kind="bridge")}), {}, None, SpecError, "interface: br0 exists with no interface in it"),
    ],
)
def test_an_interface_that_cannot_be_told(
    there: Kernel, options: dict[str, Any], record: Record | None, error: type[VirtError], sentence: str
) -> None:
    with pytest.raises(error) as said:
        choose_port(spec(**options), there, record)
    assert str(said.value).startswith(sentence)


@pytest.mark.parametrize(
    ("link", "error", "sentence"),
    [
        (None, NotFound, "the host has no such interface; it has enp2s0"),
        (Link("enp1s0", master="bond0"), Conflict, "it is in the bond bond0 already"),
        (Link("enp1s0", kind="bridge"), Conflict, "enp1s0 is a bridge itself"),
        (Link("enp1s0", wireless=True), Unsupported, "a wireless interface cannot be in a bridge"),
        (Link("enp1s0", kind="vlan"), Unsupported, "it is a vlan, and this module makes bridges of plain network cards"),
        (Link("enp1s0", ether=False), Unsupported, "it is a link without Ethernet"),
        (Link("enp1s0", carrier=False), Conflict, "it has no link"),
    ],
)
def test_an_interface_that_cannot_be_a_port(link: Link | None, error: type[VirtError], sentence: str) -> None:
    links = {"enp2s0": Link("enp2s0"), "bond0": Link("bond0", kind="bond", ether=False), **({"enp1s0": link} if link else {})}
    with pytest.raises(error) as said:
        check_port("br0", "enp1s0", Kernel(links))
    assert str(said.value).startswith(f"could not make br0 of enp1s0: {sentence}")


@pytest.mark.parametrize(
    ("address", "token"),
    [
        (Address("2001:db8::aabb:ccdd:eeff:1/64", True), "::aabb:ccdd:eeff:1"),
        (Address("2001:db8::5054:ff:fe12:3456/64", True), None),
        (Address("2001:db8::9/64"), None),
        (Address("2001:db8::aabb:ccdd:eeff:2/64", True, temporary=True), None),
    ],
)
def test_the_half_of_an_address_that_the_host_made(address: Address, token: str | None) -> None:
    there = Kernel(addresses={"enp1s0": (address,)})
    assert token_of(there, "enp1s0", ("2001:db8::9/64",)) == token


# Bridges of others


def test_a_bridge_made_by_hand_that_means_the_same_is_left_alone() -> None:
    told = spec(addresses=["192.0.2.10/24"], gateway="192.0.2.1")
    assert by_hand(told, bridged(), "enp1s0", FIXED).actions == ()


@pytest.mark.parametrize(
    ("there", "options", "native", "sentence"),
    [
        (kernel(False, "enp1s0", CARD, Link("br0")), {}, FIXED, "could not make br0: it exists as a network card"),
        (kernel(False, "br0", CARD, Link("br0", kind="bridge")), {}, FIXED, "and has nothing in it, not enp1s0"),
        (bridged(), {}, None, "and no file makes it again at the host's next start"),
        (bridged(), {"addresses": ["192.0.2.20/24"], "gateway": "192.0.2.254"}, FIXED,
         f"it lacks the address 192.0.2.20/24, and its gateway is 192.0.2.1 and not 192.0.2.254; change that in {FILE}"),
    ],
)  # fmt: skip
def test_a_bridge_of_others_that_is_in_the_way(
    there: Kernel, options: dict[str, Any], native: Native | None, sentence: str
) -> None:
    with pytest.raises(Conflict) as said:
        by_hand(spec(**options), there, "enp1s0", native)
    assert sentence in str(said.value)


# Absent


def test_absent_gives_back_what_there_was() -> None:
    record = made(spec())
    decision = decide_absent(spec(state="absent"), bridged(), record, dict(record.written))
    change = decision.change
    assert change is not None
    assert decision.plan.actions[0].action == "delete"
    assert [one.after for one in change.files] == [None, None, None]
    assert (change.removes, change.record, change.expected.port) == (("br0",), None, None)
    assert (change.expected.link, change.expected.static) == ("enp1s0", ("192.0.2.10/24",))


def test_absent_below_guests() -> None:
    there = bridged()
    there = replace(there, links={**there.links, "vnet0": Link("vnet0", master="br0", tap=True)})
    with pytest.raises(Conflict, match="vnet0 is plugged into it; stop the guests"):
        decide_absent(spec(state="absent"), there, made(spec()), {})


def test_absent_where_somebody_else_wrote_since() -> None:
    record = made(spec())
    path = sorted(record.written)[0]
    with pytest.raises(Conflict, match=f"{path} was changed by somebody else since"):
        decide_absent(spec(state="absent"), bridged(), record, {**record.written, path: FileState("mine\n")})


# What people see


def test_a_firewall_that_drops_what_is_bridged_is_told() -> None:
    (warning,) = decided(spec(), kernel(bridged_drop=True), fresh()).plan.warnings
    assert warning.startswith("guests in br0 will reach nobody: the host's firewall sees bridged frames")
    assert "net.bridge.bridge-nf-call-iptables=0" in warning
    assert decided(spec(), kernel(), fresh()).plan.warnings == ()


def test_passwords_are_not_in_a_diff() -> None:
    change = decided(spec(), kernel(), fresh()).change
    assert isinstance(change, NetworkChange)
    text = "[802-1x]\nidentity=me\npassword=geheim\n  private-key-password: geheim\n"
    files = (replace(change.files[0], before=FileState(text)), *change.files[1:])
    (entry, *_rest) = diff(replace(change, files=files))
    assert "geheim" not in str(entry)
    assert "identity=me" in entry["before"]


def test_a_bridge_in_the_users_words() -> None:
    assert shown("br0", kernel(), None, None) == {"name": "br0", "state": "absent"}
    assert shown("br0", bridged(), fresh(), None) == {
        "name": "br0", "state": "present", "manager": "networkd", "ports": ["enp1s0"], "mac": MAC, "mtu": 1500,
        "addresses": ["192.0.2.10/24"], "gateway": "192.0.2.1", "gateway6": None,
    }  # fmt: skip


def test_what_the_guard_puts_back_by_hand() -> None:
    there = kernel()
    there = replace(there, routes=(*there.routes, Route("default", "enp1s0", 4, "192.0.2.2", 50, "static"),
                                   Route("::/0", "enp1s0", 6, "fe80::1", 100, "ra")))  # fmt: skip
    change = decided(spec(), there, fresh()).change
    assert change is not None
    pending = change.pending(there, {"accept_ra": "1"}, 45.0, "token", "boot")
    assert [one["argv"][3:] for one in pending["kernel"]["addresses"]] == [["replace", "192.0.2.10/24", "dev", "enp1s0"]]
    assert [one["argv"][3:] for one in pending["kernel"]["routes"]] == [
        ["replace", "default", "via", "192.0.2.1", "dev", "enp1s0"],
        ["append", "default", "via", "192.0.2.2", "dev", "enp1s0", "metric", "50"],
    ]
    assert pending["ipv6"] == {"after": {}, "undo": {"accept_ra": "1"}}
    assert json.loads(json.dumps(pending))["token"] == "token"
