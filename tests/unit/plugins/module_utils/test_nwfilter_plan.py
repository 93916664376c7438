# Copyright: (c) 2026, the virtfleet.core contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Network filters: rules in one form, lists that converge as a whole, and removal that leaves nobody without."""

from __future__ import annotations

import uuid
from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ansible_collections.virtfleet.core.plugins.module_utils import _xml
from ansible_collections.virtfleet.core.plugins.module_utils._change import Effect, Plan
from ansible_collections.virtfleet.core.plugins.module_utils._errors import Conflict, NotFound, SpecError
from ansible_collections.virtfleet.core.plugins.module_utils._facts import Snapshot
from ansible_collections.virtfleet.core.plugins.module_utils._network.expand import uuid_for
from ansible_collections.virtfleet.core.plugins.module_utils._nwfilter.attributes import PROTOCOLS, leader_of
from ansible_collections.virtfleet.core.plugins.module_utils._nwfilter.options import NWFILTER_OPTIONS
from ansible_collections.virtfleet.core.plugins.module_utils._nwfilter.plan import plan
from ansible_collections.virtfleet.core.plugins.module_utils._nwfilter.spec import parse
from ansible_collections.virtfleet.core.plugins.module_utils._nwfilter_module import nwfilter_subject, read_nwfilters
from tests.unit.plugins.module_utils.converging import Kind, changes, ops
from tests.unit.plugins.module_utils.examples import examples
from tests.unit.plugins.module_utils.guest.house import House

NWFILTER = Kind(NWFILTER_OPTIONS, nwfilter_subject)
SSH: dict[str, Any] = {"action": "accept", "direction": "in", "protocol": "tcp", "attributes": {"dstportstart": 22}}
DROP: dict[str, Any] = {"action": "drop", "direction": "inout"}


def shown(made: Plan) -> dict[str, tuple[Any, Any, str]]:
    return changes(NWFILTER.made({"name": "web"}), made)


def text(house: House, name: str = "web") -> str:
    return house.fake.nwfilters()[name].xml


def running(house: House, nwfilter: str) -> None:
    house.fake.define_guest(
        "<domain type='qemu'><name>web1</name><memory unit='MiB'>64</memory>"
        "<os><type arch='x86_64' machine='q35'>hvm</type></os><devices><interface type='network'>"
        f"<source network='lab'/><filterref filter='{nwfilter}'/></interface></devices></domain>"
    )
    house.fake.start_guest("web1")


def test_a_new_filter() -> None:
    house = House()
    made = NWFILTER.twice(house, name="web", rules=[SSH, DROP])
    assert ops(made) == ["define_nwfilter"] and made.effect is Effect.LIVE
    assert shown(made) == {
        "rules": (
            None,
            [{**SSH, "priority": 500}, {**DROP, "priority": 500}],
            "live",
        ),
        "state": ("absent", "present", "live"),
    }
    found = house.fake.nwfilters()["web"]
    assert found.uuid == uuid_for(house.fake.host(), "nwfilter", "web")
    assert _xml.read(_xml.parse(found.xml), "rule/tcp/@dstportstart") == "22"


def test_an_estate_is_in_the_uuid() -> None:
    host = House().fake.host()
    spec = replace(parse({"name": "web"}), estate="prod")
    (action,) = plan(spec, Snapshot(host)).actions
    want = str(uuid.uuid5(uuid.UUID(host.uuid), "prod/nwfilter/web"))
    assert _xml.read(_xml.parse(action.steps[0].args["xml"]), "uuid") == want == uuid_for(host, "nwfilter", "web", "prod")


def test_a_list_is_the_whole_list_in_its_order_and_one_left_out_stays() -> None:
    house = House()
    house.fake.define_nwfilter("<filter name='base'/>")
    NWFILTER.run(house, name="web", filters=[{"name": "base"}], rules=[SSH, DROP])
    assert NWFILTER.plan(house, name="web").actions == ()
    assert NWFILTER.plan(house, name="web", chain="root").actions == ()
    turned = NWFILTER.twice(house, name="web", rules=[DROP, SSH])
    assert set(shown(turned)) == {"rules"}
    assert [node.tag for node in _xml.parse(text(house))] == ["uuid", "filterref", "rule", "rule"]
    NWFILTER.twice(house, name="web", rules=[])
    assert [node.tag for node in _xml.parse(text(house))] == ["uuid", "filterref"]
    NWFILTER.twice(house, name="web", filters=[])
    assert [node.tag for node in _xml.parse(text(house))] == ["uuid"]


@pytest.mark.parametrize(
    ("attributes", "protocol", "same"),
    [
        ({"dstportstart": 22}, "tcp", {"dstportstart": "0x16"}),
        ({"srcmacaddr": "52:54:0:A:0:1"}, "mac", {"srcmacaddr": "52:54:00:0a:00:01"}),
        ({"srcipaddr": "10.0.0.1", "srcipmask": 24}, "ip", {"srcipaddr": "10.0.0.1", "srcipmask": "255.255.255.0"}),
        ({"srcipaddr": "FE80::0001"}, "ipv6", {"srcipaddr": "fe80::1"}),
        ({"protocolid": "IPv4"}, "mac", {"protocolid": 2048}),
        ({"opcode": "reply"}, "arp", {"opcode": 2}),
        ({"protocol": "tcp"}, "ip", {"protocol": 6}),
        ({"state": "related, NEW"}, "tcp", {"state": "NEW,RELATED"}),
        ({"flags": "ack,syn/SYN"}, "tcp", {"flags": "SYN,ACK/SYN"}),
        ({"gratuitous": True}, "arp", {"gratuitous": "yes"}),
        ({"srcipaddr": "$IP"}, "tcp", {"srcipaddr": "$IP[@0]"}),
        ({"ipset": "s"}, "tcp", {"ipset": "s", "ipsetflags": "src"}),
    ],
)
def test_values_are_compared_by_what_they_mean(attributes: Any, protocol: str, same: Any) -> None:
    house = House()
    rule = {"action": "accept", "direction": "in", "protocol": protocol}
    NWFILTER.twice(house, name="web", rules=[{**rule, "attributes": attributes}])
    assert NWFILTER.plan(house, name="web", rules=[{**rule, "attributes": same}]).actions == ()


def test_a_chain_takes_its_priority_along_and_a_priority_that_was_said_stays() -> None:
    house = House()
    NWFILTER.twice(house, name="web", chain="ipv4")
    assert _xml.parse(text(house)).get("priority") == "-700"
    NWFILTER.twice(house, name="web", chain="arp-web")
    assert _xml.parse(text(house)).get("priority") == "-500"
    NWFILTER.twice(house, name="web", chain="mac", priority=-500)
    assert _xml.parse(text(house)).get("priority") == "-500"
    NWFILTER.twice(house, name="web", priority=0)
    assert _xml.parse(text(house)).get("priority") is None
    # What libvirt leaves out is 0, and stays so when something else changes.
    NWFILTER.twice(house, name="web", rules=[DROP])
    assert _xml.parse(text(house)).get("priority") is None


def test_what_libvirt_would_lose_is_not_lost_by_a_change_of_something_else() -> None:
    house = House()
    rule = {**SSH, "attributes": {"ipset": "friends"}}
    NWFILTER.twice(house, name="web", rules=[rule])
    NWFILTER.twice(house, name="web", priority=7)
    assert NWFILTER.plan(house, name="web", rules=[rule]).actions == ()


def test_running_guests_are_named_those_of_a_filter_above_too() -> None:
    house = House()
    NWFILTER.run(house, name="web")
    NWFILTER.run(house, name="above", filters=[{"name": "web"}])
    running(house, "above")
    (action,) = NWFILTER.plan(house, name="web", rules=[DROP]).actions
    assert action.changes[0].why == "true at once for the running guests that use it: web1"
    (action,) = NWFILTER.plan(house, name="new", rules=[DROP]).actions
    assert [change.why for change in action.changes] == ["", ""]


def test_removal() -> None:
    house = House()
    assert NWFILTER.plan(house, name="web", state="absent").actions == ()
    NWFILTER.run(house, name="web")
    NWFILTER.run(house, name="above", filters=[{"name": "web"}])
    running(house, "web")
    with pytest.raises(Conflict, match="filter above and guest web1 would be left without it"):
        NWFILTER.plan(house, name="web", state="absent")
    house.fake.shutdown_guest("web1", 0, True)
    with pytest.raises(Conflict, match="guest web1"):
        NWFILTER.plan(house, name="web", state="absent")
    gone = NWFILTER.twice(house, name="above", state="absent")
    assert ops(gone) == ["undefine_nwfilter"] and gone.effect is Effect.RECREATE
    house.fake.undefine_guest("web1")
    NWFILTER.twice(house, name="web", state="absent")


def test_filters_that_are_not_there() -> None:
    house = House()
    NWFILTER.run(house, name="clean")
    with pytest.raises(NotFound, match=r"no filter 'claen', did you mean 'clean'\?; make it first"):
        NWFILTER.plan(house, name="web", filters=[{"name": "claen"}])
    NWFILTER.run(house, name="web", filters=[{"name": "clean"}])
    with pytest.raises(SpecError, match="web includes clean already"):
        NWFILTER.plan(house, name="clean", filters=[{"name": "web"}])


TCP = {"action": "accept", "direction": "in", "protocol": "tcp"}


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({"name": "a/b"}, "^name: "),
        ({"state": "active"}, "^state: "),
        ({"chain": "foo"}, "^chain: 'foo' is not a chain"),
        ({"chain": "ipv4-much-too-long"}, "^chain: "),
        ({"priority": 1001}, "^priority: "),
        ({"filters": [{"name": "web"}]}, r"^filters\[0\].name: a filter cannot include itself"),
        ({"filters": [{"name": "a", "parameters": {"I-P": "1"}}]}, r"^filters\[0\].parameters.I-P: "),
        ({"filters": [{"name": "a", "parameters": {"IP": ["1", "a b"]}}]}, r"^filters\[0\].parameters.IP: 'a b'"),
        ({"filters": ["a"]}, r"^filters\[0\]: 'a' is not a mapping"),
        ({"rules": "x"}, "^rules: 'x' is not a list"),
        ({"rules": [{"action": "accept"}]}, r"^rules\[0\].direction: is missing"),
        ({"rules": [DROP, {**DROP, "action": "deny"}]}, r"^rules\[1\].action: 'deny'"),
        ({"rules": [{**DROP, "direction": "up"}]}, r"^rules\[0\].direction: "),
        ({"rules": [{**DROP, "priority": 1001}]}, r"^rules\[0\].priority: "),
        ({"rules": [{**DROP, "protocol": "tpc"}]}, r"^rules\[0\].protocol: .*did you mean 'tcp'"),
        ({"rules": [{**DROP, "attributes": {"x": 1}}]}, r"^rules\[0\].attributes: are attributes of a protocol"),
        ({"rules": [{**TCP, "attributes": "x"}]}, r"^rules\[0\].attributes: 'x' is not a mapping"),
        (
            {"rules": [{**TCP, "attributes": {"dstportstrat": 1}}]},
            r"^rules\[0\].attributes.dstportstrat: tcp has no such attribute, did you mean 'dstportstart'\?",
        ),
        ({"rules": [{**TCP, "attributes": {"dstportstart": 65536}}]}, r"attributes.dstportstart: .*0 to 65535"),
        ({"rules": [{**TCP, "attributes": {"srcipaddr": "fe80::1"}}]}, r"attributes.srcipaddr: .*IPv4"),
        ({"rules": [{**TCP, "attributes": {"srcipaddr": "010.0.0.1"}}]}, r"attributes.srcipaddr: "),
        ({"rules": [{**TCP, "attributes": {"srcipmask": "255.0.255.0"}}]}, r"attributes.srcipmask: "),
        ({"rules": [{**TCP, "attributes": {"srcmacaddr": "52:54"}}]}, r"attributes.srcmacaddr: "),
        ({"rules": [{**TCP, "attributes": {"state": "OLD"}}]}, r"attributes.state: "),
        ({"rules": [{**TCP, "attributes": {"flags": "SYN"}}]}, r"attributes.flags: .*MASK/FLAGS"),
        ({"rules": [{**TCP, "attributes": {"comment": "a\nb"}}]}, r"attributes.comment: "),
        ({"rules": [{**TCP, "attributes": {"srcipaddr": "$I-P"}}]}, r"attributes.srcipaddr: .*variable"),
        ({"rules": [{**TCP, "attributes": {"srcipaddr": ["a"]}}]}, r"attributes.srcipaddr: .*neither"),
        ({"rules": [{**TCP, "negated": {"dstportstart": 22}}]}, r"negated.dstportstart: .*together with srcportstart"),
        (
            {"rules": [{**TCP, "negated": {"srcipaddr": "10.0.0.1"}, "attributes": {"srcipmask": 24}}]},
            "attributes.srcipmask: libvirt negates it together with srcipaddr",
        ),
        ({"rules": [{**TCP, "attributes": {"dscp": 1}, "negated": {"dscp": 2}}]}, "negated.dscp: is among"),
        ({"rules": [{**TCP, "negated": {"comment": "x"}}]}, "negated.comment: "),
        ({"rules": [{**TCP, "attributes": {"dscp": 1, "comment": "x"}, "negated": {"state": "NEW"}}]}, "comment: libvirt"),
        ({"rules": [{**TCP, "attributes": {"ipsetflags": "src"}}]}, "ipsetflags: goes with an ipset"),
        ({"rules": [{**TCP, "attributes": {"ipset": "s", "ipsetflags": "dst"}}]}, "ipsetflags: libvirt loses"),
        ({"rules": [{**TCP, "protocol": "ip", "attributes": {"dstportstart": 22}}]}, "dstportstart: needs a protocol"),
        ({"rules": [{**TCP, "protocol": "tcp-ipv6", "attributes": {"dstipto": "fe80::1"}}]}, "has no such attribute"),
    ],
)
def test_refused(options: dict[str, Any], words: str) -> None:
    with pytest.raises(SpecError, match=words):
        parse({"name": "web", **options})


def test_all_complaints_at_once() -> None:
    with pytest.raises(SpecError) as error:
        parse({"name": "a/b", "chain": "x", "rules": [{}, {**TCP, "attributes": {"dscp": 64}}]})
    assert [problem.partition(":")[0] for problem in error.value.problems] == [
        "name", "chain", "rules[0].action", "rules[0].direction", "rules[1].attributes.dscp",
    ]  # fmt: skip


def test_what_is_shown_can_be_said() -> None:
    house = House()
    house.fake.define_nwfilter("<filter name='base'/>")
    rules = [{**SSH, "priority": 1, "statematch": False, "negated": {"state": "NEW"}}, DROP]
    NWFILTER.run(house, name="web", filters=[{"name": "base", "parameters": {"IP": ["1", "2"], "A": "b"}}], rules=rules)
    running(house, "base")
    base, web = read_nwfilters({"name": []}, house.ports)["nwfilters"]
    assert (base["included_by"], base["guests"], web["included_by"], web["guests"]) == (["web"], ["web1"], [], [])
    said = {name: web[name] for name in ("name", "chain", "priority", "filters", "rules")}
    assert NWFILTER.plan(house, **said).actions == ()
    assert said["filters"] == [{"name": "base", "parameters": {"IP": ["1", "2"], "A": "b"}}]


def test_rules_of_a_newer_libvirt_are_shown_and_stay() -> None:
    house = House()
    NWFILTER.run(house, name="web", rules=[SSH])
    record = house.fake.nwfilter_records["web"]
    record.definition.change().append(_xml.parse("<rule action='drop' direction='in'><quic version='1'/></rule>"))
    (found,) = read_nwfilters({"name": ["web"]}, house.ports)["nwfilters"]
    assert found["rules"][1] == {
        "action": "drop", "direction": "in", "priority": 500, "protocol": "quic", "attributes": {"version": "1"},
    }  # fmt: skip
    assert NWFILTER.plan(house, name="web", priority=0).actions == ()


WORDS: dict[str, st.SearchStrategy[Any]] = {
    "dscp": st.integers(0, 63), "vlanid": st.integers(0, 4095), "protocolid": st.integers(0x600, 0xFFFF),
    "encap-protocol": st.integers(0x3C, 0xFFFF), "opcode": st.sampled_from(["request", 2, "0x3", "ARP_NAK"]),
    "protocol": st.sampled_from(["tcp", 17, "0x84"]), "state": st.sampled_from(["NEW", "none", "related,new"]),
    "gratuitous": st.booleans(), "ipset": st.just("some"), "ipsetflags": st.just("src"), "comment": st.just("x"),
}  # fmt: skip


def _word(protocol: str, name: str) -> st.SearchStrategy[Any]:
    if name in WORDS:
        return WORDS[name]
    if name == "flags" and protocol != "stp":
        return st.sampled_from(["ALL/SYN", "syn,fin/NONE"])
    version = 6 if protocol.endswith("v6") else 4
    if name.endswith("ipmask"):
        return st.integers(0, 32 if version == 4 else 128)
    if "ip" in name:
        return st.ip_addresses(v=version).map(str)
    if name.endswith("mask"):
        return st.sampled_from(["ff:ff:0:0:0:0", "ff:ff:ff:ff:ff:ff"])
    return st.just("52:54:00:12:34:56") if "addr" in name else st.integers(0, 255)


@st.composite
def rules(draw: st.DrawFn) -> dict[str, Any]:
    protocol = draw(st.sampled_from(sorted(PROTOCOLS)))
    names = draw(st.lists(st.sampled_from(PROTOCOLS[protocol]), unique=True, max_size=5))
    made: dict[str, Any] = {
        "action": draw(st.sampled_from(["accept", "drop", "reject", "return", "continue"])),
        "direction": draw(st.sampled_from(["in", "out", "inout"])),
        "protocol": protocol,
        "priority": draw(st.integers(-1000, 1000)),
        "statematch": draw(st.booleans()),
        "attributes": {},
        "negated": {},
    }
    for name in sorted(names, key=lambda name: leader_of(protocol, name) is not None):
        leader = leader_of(protocol, name)
        free = name not in ("comment", "ipset", "ipsetflags") and draw(st.booleans())
        sign = leader in made["negated"] if leader is not None else free
        made["negated" if sign else "attributes"][name] = draw(_word(protocol, name))
    return made


@settings(max_examples=examples(150))
@given(first=st.lists(rules(), max_size=4), second=st.lists(rules(), max_size=4))
def test_whatever_can_be_said_reads_back(first: list[dict[str, Any]], second: list[dict[str, Any]]) -> None:
    house = House()
    for said in (first, second):
        try:
            parse({"name": "web", "rules": said})
        except SpecError:
            return
        if NWFILTER.plan(house, name="web", rules=said).actions:
            NWFILTER.twice(house, name="web", rules=said)
