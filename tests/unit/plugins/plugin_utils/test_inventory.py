# Copyright: (c) 2026, the virtfleet.core contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Names, addresses, groups and variables of an inventory's hosts."""

from __future__ import annotations

import random
from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ansible_collections.virtfleet.core.plugins.module_utils._facts import GuestSummary, InterfaceSummary, Lease
from ansible_collections.virtfleet.core.plugins.plugin_utils._hypervisors import Source
from ansible_collections.virtfleet.core.plugins.plugin_utils._inventory import (
    Answer,
    Found,
    agent_addresses,
    agent_os,
    defined_addresses,
    group_names,
    host_name,
    host_names,
    lease_addresses,
    merge,
    record_of,
    sort_leases,
    sound,
    variables,
)

HV1, HV2 = Source("qemu+ssh://root@hv1/system", "hv1"), Source("qemu+ssh://root@hv2/system", "hv2")
MAC, OTHER_MAC = "52:54:00:00:00:01", "52:54:00:00:00:02"
NIC, OTHER_NIC = InterfaceSummary(MAC, "network", "lab"), InterfaceSummary(OTHER_MAC, "bridge")


def guest(name: str, number: int = 1, state: str = "running", **more: Any) -> dict[str, Any]:
    uuid = f"6695eb01-f6a4-8304-79aa-{number:012x}"
    record = record_of(GuestSummary(name=name, uuid=uuid, state=state, vcpus=1, memory_bytes=2**28, arch="x86_64"))
    record.update(more)
    return record


def found(*records: dict[str, Any], source: Source = HV1) -> list[Found]:
    return [Found(source, record) for record in records]


# names


@pytest.mark.parametrize(
    ("name", "safe"),
    [
        ("web1.example", "web1.example"),
        ("Windows 10", "Windows_10"),
        ("büro", "büro"),
        ("-oProxyCommand=touch x", "oProxyCommand_touch_x"),
        ("../../etc/passwd", "etc_passwd"),
        ("!web*,&x:[1]", "web___x__1_"),
        ("{{ 7 * 6 }}", "7___6___"),
        ("a\nb", "a_b"),
        ("a@b", "a_b"),
        ("\x1b[31m", ""),
        ("x" * 5000, "x" * 128),
    ],
)
def test_host_names_are_safe(name: str, safe: str) -> None:
    assert host_name(name) == safe


def test_a_name_that_is_free_is_the_host() -> None:
    assert host_names(found(guest("web1"), guest("web2", 2))) == ["web1", "web2"]


def test_on_a_clash_every_guest_gets_its_hypervisor() -> None:
    guests = [*found(guest("web1"), guest("db", 2)), *found(guest("web1", 3), source=HV2)]
    assert host_names(guests) == ["web1_on_hv1", "db", "web1_on_hv2"]


def test_names_that_become_the_same_on_one_hypervisor_get_their_uuids() -> None:
    guests = found(guest("web 1", 0xA), guest("web:1", 0xB))
    guests[1].record["uuid"] = "aaaaaaaa" + guests[1].record["uuid"][8:]
    assert host_names(guests) == ["web_1_on_hv1_6695eb01", "web_1_on_hv1_aaaaaaaa"]
    guests[1].record["uuid"] = guests[0].record["uuid"][:-1] + "c"
    assert host_names(guests) == [f"web_1_on_hv1_{each.record['uuid']}" for each in guests]


@pytest.mark.parametrize("name", ["localhost", "127.0.0.1", "all", "prod"])
def test_no_guest_is_the_controller_or_a_group(name: str) -> None:
    assert host_names(found(guest(name)), reserved={"all", "prod"}) == [f"{name}_on_hv1"]


def test_a_name_of_nothing_safe_still_makes_a_host() -> None:
    assert host_names(found(guest("\u202e"), guest("---", 2))) == [
        "guest_on_hv1_6695eb01-f6a4-8304-79aa-000000000001",
        "guest_on_hv1_6695eb01-f6a4-8304-79aa-000000000002",
    ]
    assert host_names(found(guest("\u202e"))) == ["guest_on_hv1"]


def test_all_names_can_be_qualified() -> None:
    assert host_names(found(guest("web1")), qualified=True) == ["web1_on_hv1"]


names = st.sampled_from(["a", "b", "a b", "a_b", "a_on_hv1", "a_on_hv2", "all", "localhost", "!", "?", ""])


@given(st.lists(st.tuples(names, st.sampled_from([HV1, HV2])), max_size=12), st.randoms(use_true_random=False))
def test_host_names_differ_and_do_not_depend_on_order(guests: list[tuple[str, Source]], rng: random.Random) -> None:
    listed = [Found(source, guest(name, number)) for number, (name, source) in enumerate(guests)]
    result = dict(zip(map(id, listed), host_names(listed, {"all"})))
    assert len(set(result.values())) == len(listed)
    assert not {"all", "localhost", ""} & set(result.values())
    shuffled = list(listed)
    rng.shuffle(shuffled)
    assert dict(zip(map(id, shuffled), host_names(shuffled, {"all"}))) == result


# several hypervisors


@pytest.mark.parametrize("there", ["stopped", "paused", "saved", "crashed"])
def test_a_guest_that_moved_appears_where_it_runs(there: str) -> None:
    for answers in (
        {HV1: Answer([guest("web1")]), HV2: Answer([guest("web1", state=there)])},
        {HV2: Answer([guest("web1", state=there)]), HV1: Answer([guest("web1")])},
        {HV2: Answer([guest("web1")], stale=True), HV1: Answer([guest("web1")])},
    ):
        assert [each.source.name for each in merge(answers)] == ["hv1"]


@pytest.mark.parametrize("state", ["running", "stopped"])
def test_copies_that_are_all_running_or_all_off_are_all_there(state: str) -> None:
    guests = merge({source: Answer([guest("web1", state=state)]) for source in (HV1, HV2)})
    assert host_names(guests) == ["web1_on_hv1", "web1_on_hv2"]


def test_guests_come_in_the_order_of_hypervisors_and_names() -> None:
    answers = {HV2: Answer([guest("b", 1), guest("a", 2)]), HV1: Answer([guest("c", 3)])}
    assert [each.record["name"] for each in merge(answers)] == ["a", "b", "c"]


@pytest.mark.parametrize("wrong", [{"name": ""}, {"uuid": "x"}, {"state": "{{ x }}"}, {"tags": None}, {"vcpus": "1"}, {"nics": ["x"]}])
def test_a_record_out_of_shape_is_passed_over(wrong: dict[str, Any]) -> None:
    assert sound(guest("web1"))
    assert not sound({**guest("web1"), **wrong})
    assert merge({HV1: Answer([{**guest("web1"), **wrong}, None, "text"])}) == []  # type: ignore[list-item]


# addresses


def test_an_address_of_the_definition_is_checked_like_any_other() -> None:
    nics = [InterfaceSummary(MAC, "bridge", None, ("192.0.2.7", "127.0.0.1", "{{ evil }}")), NIC]
    assert defined_addresses(nics) == (["192.0.2.7"], "192.0.2.7")
    assert defined_addresses([NIC]) == ([], None)


def test_the_lease_that_lives_longest_comes_first() -> None:
    leases = [Lease("lab", MAC, address, None, end) for address, end in (("10.0.0.1", 5), ("10.0.0.2", 9))]
    assert sort_leases(leases) == {MAC: ["10.0.0.2", "10.0.0.1"]}
    assert sort_leases([*leases, Lease("lab", MAC, "10.0.0.3", None, 0)])[MAC][0] == "10.0.0.3"


def test_leases_follow_the_order_of_nics_with_ipv4_first() -> None:
    leases = {OTHER_MAC: ["10.0.1.1"], MAC: ["fd00::1", "10.0.0.1"], "52:54:00:00:00:99": ["10.0.9.9"]}
    assert lease_addresses([NIC, OTHER_NIC], leases) == (["10.0.0.1", "10.0.1.1", "fd00::1"], "10.0.0.1")
    assert lease_addresses([OTHER_NIC, NIC], leases)[1] == "10.0.1.1"
    assert lease_addresses([NIC], {}) == ([], None)


def answer(*addresses: Any, mac: Any = MAC) -> list[Any]:
    return [{"name": "eth0", "hardware-address": mac, "ip-addresses": [{"ip-address": each} for each in addresses]}]


def test_an_agents_address_must_be_on_a_nic_of_the_definition() -> None:
    told = [*answer("172.17.0.1", mac="02:42:00:00:00:01"), *answer("10.0.0.1", mac=MAC.upper())]
    assert agent_addresses([NIC], told) == (["10.0.0.1", "172.17.0.1"], "10.0.0.1")
    assert agent_addresses([NIC], answer("172.17.0.1", mac="02:42:00:00:00:01")) == (["172.17.0.1"], None)


def test_an_address_behind_a_user_nic_leads_nowhere() -> None:
    assert agent_addresses([InterfaceSummary(MAC, "user")], answer("10.0.2.15")) == (["10.0.2.15"], None)


@pytest.mark.parametrize(
    "hostile",
    [
        "127.0.0.1",
        "127.8.8.8",
        "::1",
        "::ffff:127.0.0.1",
        "0.0.0.0",
        "0.1.2.3",
        "::",
        "169.254.1.1",
        "fe80::1",
        "fe80::1%eth0",
        "2001:db8::1%{{ 7 * 6 }}",
        "224.0.0.1",
        "ff02::1",
        "255.255.255.255",
        "240.0.0.1",
        "10.0.0.1; reboot",
        "{{ 7 * 6 }}",
        "localhost",
        "-oProxyCommand=x",
        "010.0.0.1",
        "167772161",
        "10.0.0.1\n",
        "",
        7,
        None,
        ["10.0.0.1"],
    ],
)
def test_only_an_address_of_another_machine_is_taken(hostile: Any) -> None:
    assert agent_addresses([NIC], answer(hostile)) == ([], None)
    if isinstance(hostile, str):
        assert lease_addresses([NIC], {MAC: [hostile]}) == ([], None)
        assert "ansible_host" not in variables(Found(HV1, guest("web1", address=hostile, addresses=[hostile])))


@pytest.mark.parametrize(
    "told",
    [
        None,
        "text",
        7,
        {},
        [None, 7, "x", [], {}],
        [{"hardware-address": 7, "ip-addresses": "x"}],
        [{"hardware-address": MAC, "ip-addresses": [None, 7, {}, {"ip-address": {}}]}],
        [{"hardware-address": MAC, "ip-addresses": {"ip-address": "10.0.0.1"}}],
    ],
)
def test_an_answer_of_another_shape_tells_nothing(told: Any) -> None:
    assert agent_addresses([NIC], told) == ([], None)


def test_a_flood_of_addresses_is_cut() -> None:
    addresses, chosen = agent_addresses([NIC], answer(*(f"10.{a}.{b}.1" for a in range(256) for b in range(256))))
    assert len(addresses) == 64
    assert chosen == "10.0.0.1"


# groups and variables


def test_groups_say_their_kind() -> None:
    tagged = found(guest("web1", tags=["prod", "", "a b"]))[0]
    assert group_names(tagged, ["host", "state", "tag"], "") == ["host_hv1", "state_running", "tag_prod", "tag_a b"]
    assert group_names(tagged, ["tag"], "vm_") == ["vm_tag_prod", "vm_tag_a b"]
    assert group_names(tagged, [], "vm_") == []


def test_groups_by_what_a_guest_is() -> None:
    nics = [{"type": "network", "source": "lab"}, {"type": "bridge", "source": "br0"}, {"type": "direct", "source": "eth0"}]
    nics += [{"type": "network", "source": "lab"}, {"type": "user"}]
    each = Found(HV1, guest("web1", kind="kvm", os="debian-12", estate="house", nics=nics))
    kinds = ["kind", "network", "os", "estate"]
    assert group_names(each, kinds, "") == ["kind_kvm", "network_lab", "network_br0", "os_debian-12", "estate_house"]
    assert group_names(Found(HV1, guest("web1")), kinds, "") == []


def test_the_system_that_an_agent_tells() -> None:
    assert agent_os({"id": "debian", "version-id": "12", "name": "Debian"}) == "debian-12"
    assert agent_os({"id": "arch"}) == "arch"
    for wrong in (None, [], {}, {"id": 7, "version-id": ["x"]}):
        assert agent_os(wrong) == ""


def test_what_is_large_is_cut() -> None:
    values = variables(Found(HV1, guest("web1", xml="<a/>" * 100_000, stats={"a": "{{ 1 }}\x1b[0m"})))
    assert len(values["virt_xml"]) == 256 * 1024
    assert values["virt_stats"] == {"a": "{{ 1 }}"}


def test_variables() -> None:
    record = guest("web1", title="T", description="D", tags=["prod"], estate="e", agent=True)
    record.update(addresses=["10.0.0.1", "fd00::1"], address="10.0.0.1", kind="kvm", os="debian-12")
    record["disks"] = [{"target": "vda", "device": "disk", "bus": "virtio", "source": "/a"}]
    record["nics"] = [{"mac": MAC, "type": "network", "source": "lab"}]
    assert variables(Found(HV1, record, stale=True)) == {
        "virt_name": "web1",
        "virt_uuid": "6695eb01-f6a4-8304-79aa-000000000001",
        "virt_host": "hv1",
        "virt_uri": "qemu+ssh://root@hv1/system",
        "virt_state": "running",
        "virt_vcpus": 1,
        "virt_memory": 268435456,
        "virt_arch": "x86_64",
        "virt_title": "T",
        "virt_description": "D",
        "virt_estate": "e",
        "virt_tags": ["prod"],
        "virt_addresses": ["10.0.0.1", "fd00::1"],
        "virt_agent": True,
        "virt_kind": "kvm",
        "virt_os": "debian-12",
        "virt_disks": [{"target": "vda", "device": "disk", "bus": "virtio", "source": "/a"}],
        "virt_nics": [{"mac": MAC, "type": "network", "source": "lab"}],
        "virt_stale": True,
        "ansible_host": "10.0.0.1",
        "ansible_control_path": "%(directory)s/f924b349a4c8-%%p-%%r",
        "ansible_virtfleet_uri": "qemu+ssh://root@hv1/system",
        "ansible_virtfleet_guest": "web1",
    }


AGENT = "virtfleet.core.agent"


@pytest.mark.parametrize(
    ("option", "address", "agent", "connection"),
    [
        ("auto", "10.0.0.1", True, None),
        ("auto", None, True, AGENT),
        ("auto", None, False, None),
        ("agent", "10.0.0.1", False, AGENT),
        ("ssh", None, True, "ssh"),
        ("none", None, True, None),
    ],
)
def test_the_connection_follows_the_option(
    option: str, address: str | None, agent: bool, connection: str | None
) -> None:
    result = variables(Found(replace(HV1, connection=option), guest("web1", address=address, agent=agent)))
    assert result.get("ansible_connection") == connection
    assert result.get("ansible_host") == address
    assert ("ansible_control_path" in result) == (address is not None and option in ("auto", "ssh"))


def test_kept_ssh_connections_are_told_apart_by_guest_not_by_address() -> None:
    guests = [
        Found(source, guest("web1", number, address="10.0.0.1")) for source in (HV1, HV2) for number in (1, 2)
    ]
    assert len({variables(each)["ansible_control_path"] for each in guests}) == 4
