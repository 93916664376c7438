# Copyright: (c) 2026, the virtfleet.core contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The inventory as ansible-inventory shows it, over libvirt's test driver and sockets that lead nowhere."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from tests.unit.plugins.inventory.listing import Place, guest_xml, over


def test_the_shortest_inventory_lists_what_runs(place: Place, uri: str) -> None:
    done = place.list(hypervisors=[uri])
    assert done.hosts == {
        "web1": {
            "virt_name": "web1",
            "virt_uuid": "6695eb01-f6a4-8304-79aa-000000000001",
            "virt_host": "localhost",
            "virt_uri": uri,
            "virt_state": "running",
            "virt_vcpus": 2,
            "virt_memory": 256 * 1024**2,
            "virt_arch": "x86_64",
            "virt_title": "A title",
            "virt_description": "A description",
            "virt_estate": "",
            "virt_tags": ["prod", "front end"],
            "virt_addresses": [],
            "virt_agent": False,
            "virt_kind": "test",
            "virt_os": "debian-12",
            "virt_disks": [
                {"target": "vda", "device": "disk", "bus": "virtio", "source": "/srv/web1.qcow2"},
                {"target": "sda", "device": "cdrom", "bus": "sata", "source": ""},
            ],
            "virt_nics": [{"mac": "52:54:00:00:00:01", "type": "bridge", "source": "br0"}],
            "virt_stale": False,
            "ansible_virtfleet_uri": uri,
            "ansible_virtfleet_guest": "web1",
        }
    }
    assert done.groups == {name: ["web1"] for name in ("host_localhost", "state_running", "tag_prod", "tag_front_end")}
    assert done.err == ""
    assert place.connections() == [uri]


@pytest.mark.parametrize(
    ("states", "hosts"),
    [(["all"], ["web1", "web2", "web3", "web4"]), (["paused", "crashed"], ["web2", "web4"])],
)
def test_states_choose_the_guests(place: Place, uri: str, states: list[str], hosts: list[str]) -> None:
    done = place.list(hypervisors=[uri], states=states)
    assert sorted(done.hosts) == hosts
    assert all(done.hosts[name]["virt_state"] in (*states, *done.groups) or "all" in states for name in hosts)


def test_options_of_connection_names_and_groups(place: Place, uri: str) -> None:
    done = place.list(
        hypervisors=[{"uri": uri, "name": "hv-1.example"}],
        connection="agent",
        qualified_names=True,
        group_by=["host", "tag"],
        group_prefix="vm ",
    )
    assert sorted(done.hosts) == ["web1_on_hv-1.example"]
    assert done.hosts["web1_on_hv-1.example"]["ansible_connection"] == "virtfleet.core.agent"
    assert done.hosts["web1_on_hv-1.example"]["virt_host"] == "hv-1.example"
    assert sorted(done.groups) == ["vm_host_hv_1_example", "vm_tag_front_end", "vm_tag_prod"]


def test_numbers_and_nothing_as_keys_lose_no_host(place: Place, uri: str) -> None:
    keys: list[dict[str, Any]] = [
        {"key": "virt_vcpus", "prefix": "cpus"},
        {"key": "virt_vcpus - 2", "prefix": "zero"},
        {"key": "virt_agent", "prefix": "agent"},
        {"key": "virt_vcpus / 4", "prefix": "half"},
        {"key": "none", "prefix": "none"},
        {"key": "none", "prefix": "none", "default_value": "nothing"},
        {"key": "[1, none, 'x']", "prefix": "list"},
        {"key": "{'a': 1, 'b': none}", "prefix": "map"},
        {"key": "no_such_variable", "prefix": "missing"},
    ]
    done = place.list(hypervisors=[uri], keyed_groups=keys, group_by=[], compose={"gib": "virt_memory / 1024 ** 3"})
    # Core 2.18 makes text of what it computes.
    assert float(done.hosts["web1"]["gib"]) == 0.25
    assert set(done.groups) == {
        "cpus_2", "zero_0", "agent_False", "half_0_5", "none_nothing", "list_1", "list_", "list_x", "map_a_1",
        "map_b_",
    }  # fmt: skip
    assert all(hosts == ["web1"] for hosts in done.groups.values())


def test_strict_expressions_are_errors(place: Place, uri: str) -> None:
    done = place.list(hypervisors=[uri], compose={"x": "no_such_variable"}, strict=True)
    assert done.said("Could not set x for host web1")


def test_composed_groups(place: Place, uri: str) -> None:
    conditions = {"on": "virt_state == 'running'", "two": "virt_vcpus == 2"}
    done = place.list(hypervisors=[uri], states=["all"], groups=conditions)
    assert done.groups["on"] == ["web1"]
    assert done.groups["two"] == ["web1", "web2", "web3", "web4"]


def test_one_name_on_two_hypervisors(place: Place) -> None:
    first = {"uri": place.node("hv1", guest_xml("web1", 1), guest_xml("db", 2)), "name": "hv1"}
    # The one that is off and not listed counts too.
    second = {"uri": place.node("hv2", guest_xml("web1", 3), guest_xml("db", 4, "stopped")), "name": "hv2"}
    done = place.list(hypervisors=[first, second])
    assert sorted(done.hosts) == ["db_on_hv1", "web1_on_hv1", "web1_on_hv2"]
    assert done.hosts["web1_on_hv2"]["ansible_virtfleet_guest"] == "web1"
    assert done.groups["host_hv2"] == ["web1_on_hv2"]


def test_a_guest_that_moved_appears_once(place: Place) -> None:
    old = {"uri": place.node("hv1", guest_xml("web1", 1, "stopped")), "name": "hv1"}
    new = {"uri": place.node("hv2", guest_xml("web1", 1)), "name": "hv2"}
    done = place.list(hypervisors=[old, new], states=["all"])
    assert {name: host["virt_host"] for name, host in done.hosts.items()} == {"web1": "hv2"}


def test_details_are_read_when_asked_for(place: Place, uri: str) -> None:
    done = place.list(hypervisors=[uri], details=["stats", "xml"], address_sources=[])
    assert done.hosts["web1"]["virt_stats"]["state"] == {"state": 1, "reason": 0}
    assert done.hosts["web1"]["virt_xml"].startswith("<domain type='test' id=")
    calls = [line.split()[2] for line in place.trace.read_text(encoding="utf-8").splitlines()]
    assert calls.count("virConnect.getAllDomainStats") == 1


def test_groups_of_every_kind(place: Place) -> None:
    nic = "<interface type='bridge'><source bridge='br0'/></interface>"
    uri = place.node("hv1", guest_xml("web1", 1, estate="house", system="http://debian.org/debian/12", devices=nic))
    done = place.list(hypervisors=[uri], group_by=["kind", "network", "os", "estate"])
    assert done.groups == {name: ["web1"] for name in ("kind_test", "network_br0", "os_debian_12", "estate_house")}


@pytest.mark.parametrize(
    ("options", "hosts"),
    [
        ({"filters": [{"include": "virt_state == 'paused'"}, {"exclude": True}]}, ["web2"]),
        ({"filters": [{"exclude": "virt_name is match('web[12]')"}]}, ["web3", "web4"]),
        ({"filters": [{"exclude": "virt_name in unwanted"}]}, ["web2", "web3", "web4"]),
        ({"filters": [{"include": "virt_tags"}, {"exclude": "true"}]}, ["web1"]),
        ({"query": "[?virt_os == 'debian-12']"}, ["web1"]),
        ({"query": "sort_by(@, &virt_state)[:2]"}, ["web2", "web4"]),
        ({"query": "[?contains(virt_tags, 'prod')]", "filters": [{"exclude": "true"}]}, []),
    ],
)
def test_filters_and_a_query_choose_the_guests(place: Place, uri: str, options: dict[str, Any], hosts: list[str]) -> None:
    path = place.inventory(hypervisors=[uri], states=["all"], use_extra_vars=True, **options)
    extra = [] if "unwanted" not in str(options) else ["-e", '{"unwanted": ["web1"]}']
    # An empty list as a condition is an error since core 2.19, unless this is said.
    done = place.run("ansible-inventory", "-i", path, "--list", *extra, ANSIBLE_ALLOW_BROKEN_CONDITIONALS="true")
    assert (sorted(done.hosts), done.rc) == (hosts, 0)


def test_other_file_names_are_not_ours(place: Place, uri: str) -> None:
    done = place.list(name="guests.yml", hypervisors=[uri])
    assert done.hosts == {}
    assert place.connections() == []


def test_a_wrong_option_says_so(place: Place, uri: str) -> None:
    wrong: list[tuple[dict[str, Any], str]] = [
        ({"hypervisors": ["hv1"]}, "hypervisors[0]: 'hv1' is not a libvirt URI"),
        ({"hypervisors": []}, "the list is empty"),
        ({"timeout": "soon"}, "'soon' is not a duration"),
        ({"states": ["asleep"]}, "asleep"),
        ({"connection": "telepathy"}, "telepathy"),
        ({"address_sources": ["dns"]}, "dns"),
        ({"keep_stale": "1d"}, "set cache: true too"),
        ({"details": ["all"]}, "all"),
    ]
    files = [
        place.inventory(f"{number}.virtfleet.yml", **{"hypervisors": [uri], **options})
        for number, (options, _said) in enumerate(wrong)
    ]
    done = place.run("ansible-inventory", "--list", *(word for file in files for word in ("-i", file)))
    assert [text for _options, text in wrong if not done.said(text)] == []
    assert done.hosts == {}
    assert place.connections() == []


def test_a_wrong_choice_of_guests_says_so(place: Place, uri: str) -> None:
    wrong: list[tuple[dict[str, Any], str]] = [
        ({"filters": [{"only": "true"}]}, "is neither `include: CONDITION` nor `exclude: CONDITION`"),
        ({"filters": [{"include": "no_such_variable"}]}, "cannot be evaluated for host web1"),
        ({"query": "[?"}, "is not a JMESPath expression"),
        ({"query": "[].virt_name"}, "it must choose among the guests"),
        ({"query": "length(@)"}, "it must choose among the guests"),
    ]
    files = [
        place.inventory(f"{number}.virtfleet.yml", hypervisors=[uri], **options)
        for number, (options, _said) in enumerate(wrong)
    ]
    done = place.run("ansible-inventory", "--list", *(word for file in files for word in ("-i", file)))
    assert [text for _options, text in wrong if not done.said(text)] == []
    assert done.hosts == {}


# hypervisors that do not answer


def test_a_dead_hypervisor_costs_a_warning(place: Place, uri: str, tmp_path: Path) -> None:
    dead = over(tmp_path / "dead.sock")
    done = place.list(hypervisors=[{"uri": dead, "name": "hv0"}, uri])
    assert sorted(done.hosts) == ["web1"]
    assert done.said(f"hypervisor hv0 is left out of the inventory: could not connect to hypervisor {dead}: ")
    assert done.said("start libvirtd")


def test_a_hung_hypervisor_costs_its_time_limit(place: Place, uri: str, hung: str) -> None:
    twice = [hung, hung + "&mode=direct"]
    done = place.list(hypervisors=[*twice, uri], timeout=1.5)
    assert sorted(done.hosts) == ["web1"]
    assert done.said("is left out of the inventory") == 2
    assert done.said("no answer within 1.5 s")
    # Both at once, Ansible's own time on a busy machine included.
    assert 1.5 < done.seconds < 60


def test_one_that_does_not_answer_can_be_an_error(place: Place, uri: str, tmp_path: Path) -> None:
    options = {"hypervisors": [uri, over(tmp_path / "dead.sock")], "strict_hypervisors": True}
    done = place.list(environment={"ANSIBLE_INVENTORY_ANY_UNPARSED_IS_FAILED": "true"}, **options)
    assert done.rc != 0
    assert done.said("is left out of the inventory")
