# Copyright: (c) 2026, the virtfleet.core contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Plans of networks: what is done, what waits, what is refused."""
from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from ansible_collections.virtfleet.core.plugins.module_utils import _xml
from ansible_collections.virtfleet.core.plugins.module_utils._change import Effect, Plan
from ansible_collections.virtfleet.core.plugins.module_utils._errors import Conflict, SpecError, VirtError
from ansible_collections.virtfleet.core.plugins.module_utils._facts import (
    GuestFacts,
    HostFacts,
    NetworkFacts,
    Snapshot,
)
from ansible_collections.virtfleet.core.plugins.module_utils._network.expand import uuid_for
from ansible_collections.virtfleet.core.plugins.module_utils._network.plan import plan
from ansible_collections.virtfleet.core.plugins.module_utils._network.spec import parse

HOST = HostFacts(
    "qemu:///system", "qemu", "hv1", "6f1a8b50-8d5c-4d0e-9d0a-0d7f5b7f5a01", "x86_64", 9000000, 7002000, 2**34, 4
)
ONE, TWO = "52:54:00:00:00:01", "52:54:00:00:00:02"


def snap(*networks: NetworkFacts, guests: tuple[GuestFacts, ...] = ()) -> Snapshot:
    return Snapshot(HOST, {guest.name: guest for guest in guests}, {network.name: network for network in networks})


def guest(name: str, running: bool = True, network: str = "lab") -> GuestFacts:
    nic = f"<interface type='network'><source network='{network}'/></interface>"
    xml = f"<domain><name>{name}</name><devices>{nic}</devices></domain>"
    return GuestFacts(name, name, "running" if running else "stopped", xml, xml if running else None)


def planned(*networks: NetworkFacts, guests: tuple[GuestFacts, ...] = (), **options: Any) -> Plan:
    return plan(parse({"name": "lab", **options}), snap(*networks, guests=guests))


def ops(made: Plan) -> list[str]:
    return [step.op for action in made.actions for step in action.steps]


def paths(made: Plan) -> dict[str, Effect]:
    return {".".join(change.path): change.effect for action in made.actions for change in action.changes}


def played(made: Plan, before: NetworkFacts | None) -> NetworkFacts:
    """Return the network as the plan's steps leave it; live updates are taken as done in the definition's words."""
    xml = before.xml if before else ""
    live = before.live_xml if before else None
    autostart = before.autostart if before else False
    for action in made.actions:
        updated = False
        for step in action.steps:
            if step.op == "define_network":
                xml = step.args["xml"]
            elif step.op == "start_network":
                live = xml
            elif step.op == "stop_network":
                live = None
            elif step.op == "set_network_autostart":
                autostart = step.args["autostart"]
            else:
                updated = True
        if updated:
            live = xml
    root = _xml.parse(xml)
    if _xml.find(root, "bridge") is None:
        _xml.write(root, "bridge/@name", "virbr9")
        _xml.write(root, "bridge/@stp", "on")
        live = live and _xml.to_text(root)
        xml = _xml.to_text(root)
    return NetworkFacts("lab", _xml.read(root, "uuid") or "", xml, live, autostart)


def made(**options: Any) -> NetworkFacts:
    options = {"cidr": "10.20.0.0/24", **options}
    return played(planned(**options), None)


# creation


def test_a_new_network() -> None:
    new = planned(cidr="10.20.0.0/24")
    assert ops(new) == ["define_network", "start_network", "set_network_autostart"]
    (action,) = new.actions
    assert (action.action, action.effect) == ("create", Effect.LIVE)
    after = {".".join(change.path): change.after for change in action.changes}
    assert after == {
        "forward": "nat", "cidr": "10.20.0.0/24", "gateway": "10.20.0.1",
        "dhcp": (("10.20.0.2", "10.20.0.254"),), "state": "active", "autostart": True,
    }
    root = _xml.parse(action.steps[0].args["xml"])
    assert _xml.read(root, "uuid") == uuid_for(HOST, "network", "lab")
    assert _xml.find(root, "metadata/virtfleet:network") is not None


def test_a_second_run_does_nothing() -> None:
    for options in (
        {"cidr": "10.20.0.0/24"},
        {"cidr": "10.20.0.0/24", "dhcp": False, "forward": "none"},
        {"cidr": "10.20.0.0/24", "gateway": "10.20.0.254", "dhcp": {"start": "10.20.0.100"}},
        {"forward": "none"},
        {"cidr": "10.20.0.0/24", "state": "inactive"},
        {"cidr": "10.20.0.0/24", "autostart": False, "state": "active"},
        {
            "cidr": "10.20.0.0/24", "reservations": [{"mac": ONE, "address": "10.20.0.11", "name": "one"}],
            "reservations_exact": True, "dns_hosts": [{"address": "10.20.0.1", "names": ["a", "b"]}],
            "mtu": 1400, "stp": False, "domain": "x.example", "bridge": "lab0", "dhcp": True,
        },
    ):
        facts = made(**{"cidr": None, **options})
        again = planned(facts, **options)
        assert again.actions == () and again.pending == {}, options


def test_gateway_at_the_end_and_half_a_range() -> None:
    new = planned(cidr="10.20.0.0/24", gateway="10.20.0.254")
    assert {".".join(c.path): c.after for c in new.actions[0].changes}["dhcp"] == (("10.20.0.1", "10.20.0.253"),)
    new = planned(cidr="10.20.0.0/24", dhcp={"end": "10.20.0.99"})
    assert {".".join(c.path): c.after for c in new.actions[0].changes}["dhcp"] == (("10.20.0.2", "10.20.0.99"),)


def test_made_inactive_it_does_not_start_with_the_host() -> None:
    assert ops(planned(cidr="10.20.0.0/24", state="inactive")) == ["define_network"]


def test_an_interrupted_creation_is_finished() -> None:
    facts = replace(made(), live_xml=None, autostart=False)
    assert ops(planned(facts)) == ["start_network", "set_network_autostart"]
    assert ops(planned(facts, autostart=False)) == []
    assert ops(planned(facts, state="inactive")) == []
    # One that somebody else made is left as it is.
    assert ops(planned(replace(facts, uuid="0b7c9a7e-64a5-4f51-8d34-3cf0b5f1a8f0"))) == []


# in place


def test_reservations_are_live() -> None:
    facts = made()
    update = planned(facts, reservations=[{"mac": ONE, "address": "10.20.0.11", "name": "one"}])
    assert ops(update) == ["define_network", "update_network"]
    assert update.effect is Effect.LIVE and update.pending == {}
    facts = played(update, facts)
    other = planned(facts, reservations=[{"mac": TWO, "address": "10.20.0.12"}])
    assert other.unmanaged == {("network", "lab"): (f"reservations.{ONE}",)}
    exact = planned(facts, reservations=[], reservations_exact=True)
    assert ops(exact) == ["define_network", "update_network"] and paths(exact) == {f"reservations.{ONE}": Effect.LIVE}


def test_written_but_not_live_is_made_live() -> None:
    facts = made()
    entry = {"mac": ONE, "address": "10.20.0.11"}
    names = {"address": "10.20.0.9", "names": ["x"]}
    written = made(reservations=[entry], dns_hosts=[names], dhcp={"start": "10.20.0.50"})
    half = replace(written, live_xml=facts.live_xml)
    update = planned(half, reservations=[entry], dns_hosts=[names], dhcp={"start": "10.20.0.50"})
    assert ops(update) == ["update_network"] * 4
    assert paths(update) == {
        "dhcp": Effect.LIVE, f"reservations.{ONE}": Effect.LIVE, "dns_hosts.10.20.0.9": Effect.LIVE
    }
    # Without being asked for it is only told.
    assert planned(half).actions == () and len(planned(half).pending["network", "lab"]) == 3


def test_a_range_is_live() -> None:
    update = planned(made(), dhcp={"start": "10.20.0.100", "end": "10.20.0.199"})
    assert ops(update) == ["define_network", "update_network", "update_network"]
    assert [step.args["command"] for step in update.actions[0].steps[1:]] == ["delete", "add-last"]
    assert update.pending == {}


def test_turning_dhcp_off_and_on() -> None:
    facts = made()
    off = planned(facts, dhcp=False)
    assert ops(off) == ["define_network", "update_network"]
    on = planned(played(off, facts), dhcp=True, reservations=[{"mac": ONE, "address": "10.20.0.11"}])
    assert ops(on) == ["define_network", "update_network", "update_network"]


def test_names_are_live() -> None:
    facts = made(dns_hosts=[{"address": "10.20.0.1", "names": ["a"]}])
    update = planned(facts, dns_hosts=[{"address": "10.20.0.1", "names": ["b"]}])
    assert [step.args.get("command") for step in update.actions[0].steps] == [None, "delete", "add-last"]


@pytest.mark.parametrize(
    ("options", "changed"),
    [
        ({"cidr": "10.30.0.0/24"}, {"cidr", "gateway", "dhcp"}),
        ({"cidr": "10.20.0.0/23"}, {"cidr"}),
        ({"gateway": "10.20.0.9"}, {"gateway"}),
        ({"forward": "none"}, {"forward"}),
        ({"bridge": "lab0"}, {"bridge"}),
        ({"domain": "x.example"}, {"domain"}),
        ({"mtu": 1400}, {"mtu"}),
        ({"stp": False}, {"stp"}),
    ],
)
def test_what_waits_for_a_restart(options: dict[str, Any], changed: set[str]) -> None:
    facts = made()
    guests = (guest("web1"), guest("web2", running=False), guest("other", network="default"))
    update = planned(facts, guests=guests, **options)
    assert ops(update) == ["define_network"]
    assert paths(update) == dict.fromkeys(changed, Effect.RESTART)
    assert {change.path[0] for change in update.pending["network", "lab"]} == changed
    assert "cuts off the running guests in it: web1" in update.actions[0].changes[0].why
    later = replace(facts, xml=update.actions[0].steps[0].args["xml"])
    again = planned(later, guests=guests, **options)
    assert again.actions == () and again.pending
    # An inactive network has nothing to wait for.
    cold = planned(replace(facts, live_xml=None), **options)
    assert cold.effect is Effect.LIVE and cold.pending == {}


def test_restart() -> None:
    facts = made()
    update = planned(facts, domain="x.example", restart=True)
    assert ops(update) == ["define_network", "stop_network", "start_network"]
    assert paths(update) == {"domain": Effect.LIVE, "state": Effect.RESTART} and update.pending == {}
    waiting = replace(facts, xml=made(domain="x.example").xml)
    assert ops(planned(waiting, restart=True)) == ["stop_network", "start_network"]
    assert ops(planned(facts, restart=True)) == []
    # What can be made true live is no reason.
    entry = {"mac": ONE, "address": "10.20.0.11"}
    assert "stop_network" not in ops(planned(facts, restart=True, reservations=[entry]))


@pytest.mark.parametrize("options", [{"restart": True, "domain": "x"}, {"state": "inactive"}, {"state": "absent"}])
def test_running_guests_are_not_cut_off_unasked(options: dict[str, Any]) -> None:
    with pytest.raises(Conflict, match=r"\(web1\).*disconnect_guests"):
        planned(made(), guests=(guest("web1"),), **options)
    assert planned(made(), guests=(guest("web1"),), disconnect_guests=True, **options).actions
    assert planned(made(), guests=(guest("web1", running=False),), **options).actions


def test_a_guest_on_the_bridge_itself_counts() -> None:
    nic = "<interface type='bridge'><source bridge='virbr9'/></interface>"
    xml = f"<domain><name>b</name><devices>{nic}</devices></domain>"
    with pytest.raises(Conflict, match="b"):
        planned(made(), guests=(GuestFacts("b", "b", "running", xml, xml),), state="absent")


def test_absent() -> None:
    facts = made()
    gone = planned(facts, state="absent", guests=(guest("web1", running=False),))
    assert ops(gone) == ["stop_network", "undefine_network"] and "web1 cannot start" in gone.warnings[0]
    assert planned(state="absent").actions == ()
    assert ops(planned(replace(facts, persistent=False), state="absent")) == ["stop_network"]


def test_a_transient_network_is_made_persistent() -> None:
    assert ops(planned(replace(made(), persistent=False))) == ["define_network"]


def test_states() -> None:
    facts = made()
    assert ops(planned(facts, state="inactive")) == ["stop_network"]
    assert ops(planned(replace(facts, live_xml=None), state="active")) == ["start_network"]
    assert ops(planned(replace(facts, live_xml=None))) == []
    assert ops(planned(facts, autostart=False)) == ["set_network_autostart"]
    assert ops(planned(facts, autostart=False, mtu=1400)) == ["define_network", "set_network_autostart"]


# what is refused


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({}, "cidr: a nat network needs addresses"),
        ({"cidr": "10.20.0.0/24", "gateway": "10.21.0.1"}, "gateway: 10.21.0.1 is not a host's address"),
        ({"cidr": "10.20.0.0/24", "gateway": "10.20.0.255"}, "gateway: 10.20.0.255 is not a host's address"),
        ({"cidr": "10.20.0.0/24", "dhcp": {"start": "10.21.0.1"}}, "is not inside 10.20.0.0/24"),
        ({"cidr": "10.20.0.0/24", "dhcp": {"start": "10.20.0.9", "end": "10.20.0.5"}}, "behind its end"),
        ({"cidr": "10.0.0.0/8", "dhcp": {"start": "10.0.0.2", "end": "10.9.0.5"}}, "65535"),
        ({"cidr": "10.20.0.0/24", "dhcp": False, "reservations": [{"mac": ONE, "address": "10.20.0.5"}]}, "leave one"),
        ({"cidr": "10.20.0.0/24", "reservations": [{"mac": ONE, "address": "10.21.0.5"}]}, "the network is 10.20"),
        ({"forward": "none", "reservations": [{"mac": ONE, "address": "10.21.0.5"}]}, "reservations: needs a cidr"),
        ({"cidr": "10.20.0.0/24", "reservations": [{"mac": ONE, "address": "10.20.0.5"}] * 2}, "two entries"),
        ({"cidr": "10.20.0.0/24", "reservations": [{"mac": "1", "address": "x"}]}, "reservations.0..mac.*0..address"),
        ({"cidr": "10.20.0.0/24", "bridge": "much-too-long-for-a-bridge"}, "bridge:.*15 characters"),
        ({"cidr": "10.20.0.0/24", "mtu": 20}, "mtu:"),
        ({"cidr": "10.20.0.0/24", "domain": "not a domain"}, "domain:"),
        ({"cidr": "10.20.0.0/24", "dhcp": {"begin": 1}}, "dhcp.begin: no such option"),
        ({"cidr": "10.20.0.0/24", "dhcp": 7}, "dhcp: 7"),
        ({"cidr": "10.20.0.0/24", "dns_hosts": [{"address": "10.20.0.1", "names": []}]}, "dns_hosts.0..names"),
        ({"reservations_exact": True}, "reservations_exact"),
        ({"name": "a/b"}, "name:"),
        ({"name": "a\nb"}, "name:"),
    ],
)
def test_refused(options: dict[str, Any], words: str) -> None:
    with pytest.raises(VirtError, match=words):
        planned(**options)


def test_all_complaints_come_at_once() -> None:
    with pytest.raises(SpecError) as caught:
        parse({"name": "a/b", "mtu": 1, "cidr": "x", "dhcp": {"start": "y"}})
    assert len(caught.value.problems) == 4


def test_addresses_of_another_network() -> None:
    other = replace(made(), name="other")
    with pytest.raises(Conflict, match=r"10.20.0.0/16 overlaps 10.20.0.0/24 of network other"):
        planned(other, cidr="10.20.0.0/16")
    # It stood there before: that is not this task's doing.
    assert planned(other, made(), cidr="10.20.0.0/24").actions == ()
    with pytest.raises(Conflict, match="bridge: virbr9 is the bridge of network other"):
        planned(other, cidr="10.21.0.0/24", bridge="virbr9")


def test_reservations_that_would_lie_outside() -> None:
    facts = made(reservations=[{"mac": ONE, "address": "10.20.0.11", "name": "one"}])
    with pytest.raises(Conflict, match=r"one \(52:54:00:00:00:01\).*the network is 10.30.0.0/24"):
        planned(facts, cidr="10.30.0.0/24")
    moved = planned(facts, cidr="10.30.0.0/24", reservations=[{"mac": ONE, "address": "10.30.0.11"}])
    assert ops(moved) == ["define_network"]
    assert paths(moved)[f"reservations.{ONE}.address"] is Effect.RESTART


def test_dhcp_is_not_turned_off_below_reservations() -> None:
    facts = made(reservations=[{"mac": ONE, "address": "10.20.0.11", "name": "one"}])
    with pytest.raises(Conflict, match=r"one \(10.20.0.11\)"):
        planned(facts, dhcp=False)
    assert planned(facts, dhcp=False, reservations=[], reservations_exact=True).actions


def test_taken_addresses_and_names() -> None:
    facts = made(reservations=[{"mac": ONE, "address": "10.20.0.11", "name": "one"}])
    with pytest.raises(Conflict, match="reserved for one"):
        planned(facts, reservations=[{"mac": TWO, "address": "10.20.0.11"}])
    with pytest.raises(Conflict, match="the name one is to be"):
        planned(facts, reservations=[{"mac": TWO, "address": "10.20.0.12", "name": "one"}])


def test_a_network_of_another_kind_is_not_turned_into_this_one() -> None:
    xml = "<network><name>lab</name><uuid>x</uuid><forward mode='bridge'/><bridge name='br0'/></network>"
    facts = NetworkFacts("lab", "x", xml, xml)
    with pytest.raises(Conflict, match="of the mode bridge"):
        planned(facts, forward="nat", cidr="10.20.0.0/24")
    assert ops(planned(facts, autostart=True)) == ["set_network_autostart"]
    with pytest.raises(Conflict, match="of the mode nat, which does not become one of the mode bridge"):
        planned(made(), forward="bridge", bridge="br0")


# upon what the host has


def there(body: str, live: str | None = None) -> NetworkFacts:
    xml = "<network><name>lab</name><uuid>0b7c9a7e-64a5-4f51-8d34-3cf0b5f1a8f0</uuid>{}</network>"
    return NetworkFacts("lab", "0b7c9a7e-64a5-4f51-8d34-3cf0b5f1a8f0", xml.format(body), xml.format(live or body), True)


def updates(made: Plan) -> list[tuple[str, str, str]]:
    steps = [step.args for action in made.actions for step in action.steps if step.op == "update_network"]
    return [(step["command"], step["section"], step["xml"]) for step in steps]


def test_a_bridge_of_the_host_serves_several_networks_and_stays_when_one_stops() -> None:
    first = there("<forward mode='bridge'/><bridge name='br0'/>")
    second = plan(parse({"name": "more", "forward": "bridge", "bridge": "br0"}), snap(first))
    assert ops(second) == ["define_network", "start_network", "set_network_autostart"]
    with pytest.raises(Conflict, match="br0 is the bridge of network lab"):
        plan(parse({"name": "more", "cidr": "10.21.0.0/24", "bridge": "br0"}), snap(first))
    # Nobody is cut off: the guests' taps stay where they are.
    for options in ({"state": "inactive"}, {"state": "absent"}, {"isolated": True, "restart": True}):
        assert "stop_network" in ops(planned(first, guests=(guest("web1"),), **options))


def test_a_new_pool_of_functions_is_managed_unless_it_is_said() -> None:
    for options, managed in (({}, "yes"), ({"forward_managed": False}, None)):
        made = planned(forward="hostdev", forward_pf="eth0", **options)
        assert _xml.read(_xml.parse(made.actions[0].steps[0].args["xml"]), "forward/@managed") == managed


def test_devices_are_live() -> None:
    facts = there("<forward mode='bridge' dev='eth0'><interface dev='eth0'/><interface dev='eth1'/></forward>")
    update = planned(facts, forward_interfaces=["eth1", "eth2"])
    assert update.effect is Effect.LIVE and update.pending == {}
    assert updates(update) == [
        ("delete", "forward-interface", '<interface dev="eth0" />'),
        ("add-last", "forward-interface", '<interface dev="eth2" />'),
    ]
    # Their order says nothing.
    assert planned(facts, forward_interfaces=["eth1", "eth0"]).actions == ()
    other = planned(facts, forward="private")
    assert paths(other) == {"forward": Effect.RESTART} and other.pending


SIP, LDAP = {"service": "sip", "protocol": "udp"}, {"service": "ldap", "protocol": "tcp", "target": "one"}
OLD, NEW = {"name": "a", "value": "1"}, {"name": "a", "value": "2"}
OTHER = {"name": "b", "value": "1"}


@pytest.mark.parametrize(
    ("option", "before", "after", "commands"),
    [
        ("dns_txt", [OLD], [OLD, OTHER], ["add-last dns-txt"]),
        ("dns_txt", [OLD, OTHER], [OTHER], ["delete dns-txt"]),
        ("dns_txt", [OLD], [NEW], ["delete dns-txt", "add-last dns-txt"]),
        ("dns_txt", [OLD, OTHER], [OTHER, OLD], None),
        # libvirt knows a text by its name alone.
        ("dns_txt", [OLD], [OLD, NEW], []),
        ("dns_txt", [OLD, NEW], [NEW], []),
        ("dns_srv", [LDAP], [SIP], ["delete dns-srv", "add-last dns-srv"]),
        ("dns_srv", [LDAP], [LDAP, {**LDAP, "target": "two"}], ["add-last dns-srv"]),
        # A record that says less fits those that say more.
        ("dns_srv", [LDAP], [LDAP, {"service": "ldap", "protocol": "tcp"}], []),
        ("portgroups", [{"name": "a", "default": True}], [{"name": "a"}, {"name": "b", "default": True}],
         ["modify portgroup", "add-last portgroup"]),
        ("portgroups", [{"name": "a", "default": True}, {"name": "b"}], [{"name": "a"}, {"name": "b", "default": True}],
         ["modify portgroup", "modify portgroup"]),
        ("portgroups", [{"name": "a", "default": True}], [{"name": "b", "default": True}],
         ["delete portgroup", "add-last portgroup"]),
        ("portgroups", [{"name": "a"}], [{"name": "a", "default": False, "bandwidth": {}}], None),
        ("portgroups", [{"name": "a"}], [{"name": "a", "bandwidth": {"in": "1MiB"}}], ["modify portgroup"]),
    ],
)  # fmt: skip
def test_lists_are_live_where_libvirt_can_tell_their_entries_apart(
    option: str, before: list[Any], after: list[Any], commands: list[str] | None
) -> None:
    facts = made(**{option: before})
    guests = (guest("web1"),)
    update = planned(facts, guests=guests, **{option: after})
    assert [f"{command} {section}" for command, section, _xml_text in updates(update)] == (commands or [])
    if commands is None:
        assert update.actions == ()
        return
    assert paths(update) == {option: Effect.LIVE if commands else Effect.RESTART}
    assert bool(update.pending) is not bool(commands)
    if not commands:
        assert "cuts off the running guests in it: web1" in update.actions[0].changes[0].why
    # Written, and not told to the running network: the next run tells it, or waits on.
    half = replace(facts, xml=update.actions[0].steps[0].args["xml"])
    again = planned(half, guests=guests, **{option: after})
    assert ops(again) == ["update_network"] * len(commands) and bool(again.pending) is not bool(commands)


def test_the_default_moves_before_another_takes_it() -> None:
    facts = made(portgroups=[{"name": "b", "default": True}, {"name": "a"}])
    update = planned(facts, portgroups=[{"name": "a", "default": True}, {"name": "b"}])
    assert [text for _command, _section, text in updates(update)] == [
        '<portgroup name="b" />',
        '<portgroup name="a" default="yes" />',
    ]
