# Copyright: (c) 2026, the virtfleet.core contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Reservations: what is refused, and that the edits make them true, once."""
from __future__ import annotations

import pytest

from ansible_collections.virtfleet.core.plugins.module_utils import _xml
from ansible_collections.virtfleet.core.plugins.module_utils._change import Action, Effect
from ansible_collections.virtfleet.core.plugins.module_utils._errors import Conflict, SpecError
from ansible_collections.virtfleet.core.plugins.module_utils._facts import NetworkFacts
from ansible_collections.virtfleet.core.plugins.module_utils._network.reservations import Reservation, reserve

ONE, TWO, THREE = "52:54:00:00:00:01", "52:54:00:00:00:02", "52:54:00:00:00:03"

XML = f"""
<network xmlns:dnsmasq='http://libvirt.org/schemas/network/dnsmasq/1.0'>
  <name>lab</name>
  <uuid>6f1a8b50-8d5c-4d0e-9d0a-0d7f5b7f5a01</uuid>
  <forward mode='nat'/>
  <bridge name='virbr7' stp='on' delay='0'/>
  <ip family='ipv6' address='fd00::1' prefix='64'>
    <dhcp><host id='0:1:0:1:18:aa:62:fe:0:16:3e:44:55:66' name='six' ip='fd00::9'/></dhcp>
  </ip>
  <ip address='10.20.0.1' netmask='255.255.255.0'>
    <dhcp>
      <range start='10.20.0.2' end='10.20.0.254'/>
      <host mac='{ONE}' name='one' ip='10.20.0.11'><lease expiry='1' unit='hours'/></host>
      <host name='nomac' ip='10.20.0.99'/>
    </dhcp>
  </ip>
  <dnsmasq:options><dnsmasq:option value='no-ping'/></dnsmasq:options>
</network>
"""


def network(xml: str = XML, live: str | None = None, persistent: bool = True) -> NetworkFacts:
    return NetworkFacts("lab", "6f1a8b50-8d5c-4d0e-9d0a-0d7f5b7f5a01", xml, live, True, persistent)


def defined(action: Action | None) -> _xml.Element:
    assert action is not None
    return _xml.parse(next(step.args["xml"] for step in action.steps if step.op == "define_network"))


def updates(action: Action | None) -> list[tuple[str, str]]:
    assert action is not None
    return [(step.args["command"], step.args["xml"]) for step in action.steps if step.op == "update_network"]


def test_a_new_one_goes_beside_the_others_and_everything_else_stays() -> None:
    action = reserve(network(), [Reservation(TWO, "10.20.0.12", "two")])
    root = defined(action)
    assert action is not None and action.effect is Effect.LIVE and len(action.steps) == 1
    assert _xml.read(root, f"ip/dhcp/host[@mac='{TWO}']/@ip") == "10.20.0.12"
    _xml.remove(root, f"ip/dhcp/host[@mac='{TWO}']")
    assert _xml.same(root, _xml.parse(XML))


def test_nothing_to_do_twice() -> None:
    wanted = [Reservation(TWO, "10.20.0.12", "two"), Reservation(ONE.upper(), "10.20.0.13")]
    action = reserve(network(), wanted)
    again = _xml.to_text(defined(action))
    assert reserve(network(again), wanted) is None
    assert reserve(network(), []) is None
    assert reserve(network(), [Reservation(ONE, "10.20.0.11", "one")], [THREE]) is None


def test_a_change_says_what_was_before() -> None:
    action = reserve(network(), [Reservation(ONE, "10.20.0.13")])
    assert action is not None
    (change,) = action.changes
    assert change.path == ("reservations", ONE)
    assert change.before == {"mac": ONE, "address": "10.20.0.11", "name": "one"}
    assert change.after == {"mac": ONE, "address": "10.20.0.13", "name": "one"}
    # What the entry holds beside it survives.
    assert _xml.read(defined(action), f"ip/dhcp/host[@mac='{ONE}']/lease/@expiry") == "1"


def test_live_steps_only_where_the_network_runs() -> None:
    action = reserve(network(live=XML), [Reservation(TWO, "10.20.0.12", "two")])
    assert [command for command, _xml_text in updates(action)] == ["add-last"]
    assert updates(reserve(network(live=XML), [Reservation(TWO, "10.20.0.12", "two")], live_macs=[])) == []


def test_written_before_but_not_yet_live() -> None:
    persistent = _xml.to_text(defined(reserve(network(), [Reservation(TWO, "10.20.0.12", "two")])))
    action = reserve(network(persistent, XML), [Reservation(TWO, "10.20.0.12", "two")])
    assert action is not None and [step.op for step in action.steps] == ["update_network"]


def test_a_transient_network_is_only_changed_live() -> None:
    action = reserve(network(live=XML, persistent=False), [Reservation(TWO, "10.20.0.12")])
    assert action is not None and [step.op for step in action.steps] == ["update_network"]


def test_gone_macs_go_and_free_their_address_and_name() -> None:
    action = reserve(network(live=XML), [Reservation(TWO, "10.20.0.11", "one")], [ONE])
    root = defined(action)
    assert _xml.find(root, f"ip/dhcp/host[@mac='{ONE}']") is None
    assert _xml.read(root, f"ip/dhcp/host[@mac='{TWO}']/@name") == "one"
    assert [command for command, _text in updates(action)] == ["delete", "add-last"]


def test_two_nics_of_one_guest_share_no_name() -> None:
    wanted = [Reservation(TWO, "10.20.0.12", "web"), Reservation(THREE, "10.20.0.13", "web")]
    root = defined(reserve(network(), wanted))
    assert _xml.read(root, f"ip/dhcp/host[@mac='{TWO}']/@name") == "web"
    assert _xml.read(root, f"ip/dhcp/host[@mac='{THREE}']/@name") is None
    assert reserve(network(_xml.to_text(root)), wanted) is None


def test_an_address_moves_from_one_wanted_to_another() -> None:
    text = _xml.to_text(defined(reserve(network(), [Reservation(TWO, "10.20.0.12", "two")])))
    swapped = [Reservation(ONE, "10.20.0.12", "one"), Reservation(TWO, "10.20.0.11", "two")]
    action = reserve(network(text, text), swapped)
    assert {command for command, _text in updates(action)} == {"modify"}
    assert reserve(network(_xml.to_text(defined(action))), swapped) is None


def test_a_renamed_entry_is_taken_out_and_put_in_again() -> None:
    action = reserve(network(live=XML), [Reservation(ONE, "10.20.0.11", "uno")])
    assert [command for command, _text in updates(action)] == ["delete", "add-last"]


@pytest.mark.parametrize(
    ("address", "words"),
    [
        ("10.21.0.5", ["the network is 10.20.0.0/24", "10.20.0.1 to 10.20.0.254"]),
        ("10.20.0.1", ["the gateway's own address"]),
        ("10.20.0.255", ["broadcast address"]),
        ("10.20.0.0", ["network's address"]),
        ("10.20.0.300", ["not an IP address"]),
        ("fd00::5", ["give an IPv4 address"]),
    ],
)
def test_impossible_addresses(address: str, words: list[str]) -> None:
    with pytest.raises(SpecError) as caught:
        reserve(network(), [Reservation(TWO, address, "web1")])
    for word in [*words, "web1", TWO, "network lab"]:
        assert word in str(caught.value)


@pytest.mark.parametrize(("address", "owner"), [("10.20.0.11", f"one ({ONE})"), ("10.20.0.99", "nomac")])
def test_taken_addresses(address: str, owner: str) -> None:
    with pytest.raises(Conflict) as caught:
        reserve(network(), [Reservation(TWO, address, "web1")])
    assert f"reserved for {owner}" in str(caught.value)


def test_two_wanted_with_one_address() -> None:
    with pytest.raises(Conflict, match="give each its own"):
        reserve(network(), [Reservation(TWO, "10.20.0.12"), Reservation(THREE, "10.20.0.12")])


@pytest.mark.parametrize(
    ("ip", "words"),
    [
        ("", "no IPv4 address of its own"),
        ("<ip address='10.20.0.1' prefix='24'/>", "no DHCP section"),
    ],
)
def test_networks_that_give_nothing(ip: str, words: str) -> None:
    with pytest.raises(SpecError, match=words):
        reserve(network(f"<network><name>lab</name>{ip}</network>"), [Reservation(TWO, "10.20.0.12")])


def test_what_holds_already_is_nothing_to_do_whoever_has_the_name() -> None:
    live = XML.replace("</dhcp>\n  </ip>\n  <dnsmasq", f"<host mac='{TWO}' ip='10.20.0.12'/></dhcp>\n  </ip>\n  <dnsmasq")
    both = network(live, live)
    # The second nic of a guest has no name of its own: the first has it.
    wanted = [Reservation(ONE, "10.20.0.11", "one"), Reservation(TWO.upper(), "10.20.0.12", "one")]
    assert reserve(both, wanted) is None
    assert reserve(both, wanted, gone_macs=[THREE]) is None
    assert reserve(both, wanted, gone_macs=[TWO]) is None, "what is wanted is not gone"
    assert updates(reserve(both, wanted[:1], gone_macs=[TWO]))[0][0] == "delete"
    assert updates(reserve(both, [Reservation(TWO, "10.20.0.12", "two")]))[-1][0] == "add-last"
    assert updates(reserve(network(live, XML), wanted)) != [], "it is written, and not given out yet"
