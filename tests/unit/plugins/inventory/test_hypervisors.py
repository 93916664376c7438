# Copyright: (c) 2026, the virtfleet.core contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Where the list of hypervisors comes from: ranges, groups of other inventories, templates, credentials."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from tests.unit.plugins.inventory.listing import Place, guest_xml


@pytest.fixture
def fleet(place: Place) -> Place:
    """Two hypervisors, and a folder of inventories that has them as hosts of a group, with variables beside it."""
    for number in (1, 2):
        place.node(f"hv{number}", guest_xml(f"web{number}", number))
    folder = place.folder / "inventory"
    for name in ("group_vars", "host_vars"):
        (folder / name).mkdir(parents=True)
    hosts = {"kvm_hosts": {"children": {"row1": {"hosts": {"hv1": {}, "hv2": {}}}}}}
    (folder / "hosts.yml").write_text(json.dumps(hosts), encoding="utf-8")
    (folder / "group_vars" / "all.yml").write_text(f"place: {place.folder}\nfile: nowhere\n", encoding="utf-8")
    (folder / "group_vars" / "row1.yml").write_text('file: "{{ inventory_hostname }}.xml"\n', encoding="utf-8")
    (folder / "host_vars" / "hv2.yml").write_text("kind: hv2\n", encoding="utf-8")
    return place


def listed(place: Place, name: str, *entries: Any, **options: Any) -> Any:
    place.inventory(f"inventory/{name}", hypervisors=list(entries), **options)
    return place.run("ansible-inventory", "-i", "inventory", "--list")


def test_the_hosts_of_a_group_are_hypervisors(fleet: Place) -> None:
    uri = "test://{{ place }}/{{ file }}?kind={{ kind | default(group_names | join('-')) }}"
    done = listed(fleet, "zz.virtfleet.yml", {"group": "kvm_hosts", "uri": uri})
    hosts = {name: host["virt_uri"] for name, host in done.hosts.items() if name.startswith("web")}
    assert hosts == {
        "web1": f"test://{fleet.folder}/hv1.xml?kind=kvm_hosts-row1",
        "web2": f"test://{fleet.folder}/hv2.xml?kind=hv2",
    }
    assert done.groups["host_hv2"] == ["web2"]
    assert done.hosts["web2"]["virt_host"] == "hv2"
    assert done.err == ""


def test_a_group_that_is_read_later_is_not_known_yet(fleet: Place) -> None:
    done = listed(fleet, "aa.virtfleet.yml", {"group": "kvm_hosts", "uri": "test:///default"})
    assert done.said("hypervisors[0]: no group 'kvm_hosts' is known yet; name the inventory that has it before this one")
    assert fleet.connections() == []


def test_all_and_ungrouped_hosts_are_groups_too(fleet: Place) -> None:
    hosts = {"ungrouped": {"hosts": {"hv3": {"file": "hv1.xml"}}}}
    (fleet.folder / "inventory" / "more.yml").write_text(json.dumps(hosts), encoding="utf-8")
    done = listed(fleet, "zz.virtfleet.yml", {"group": "all", "uri": "test://{{ place }}/{{ file }}?of={{ inventory_hostname }}"})
    assert sorted(done.groups["host_hv3"]) == ["web1_on_hv3"]
    assert sorted(name for name in done.hosts if name.startswith("web")) == ["web1_on_hv1", "web1_on_hv3", "web2"]


def test_a_template_that_cannot_be_rendered_names_the_host(fleet: Place) -> None:
    done = listed(fleet, "zz.virtfleet.yml", {"group": "kvm_hosts", "uri": "test://{{ nothing_of_this_name }}"})
    assert done.said("hypervisors[0], host hv1: ")
    assert done.said("'nothing_of_this_name' is undefined")


def test_an_empty_group_is_told(fleet: Place) -> None:
    (fleet.folder / "inventory" / "more.yml").write_text('{"xen_hosts": {}}', encoding="utf-8")
    done = listed(fleet, "zz.virtfleet.yml", {"group": "xen_hosts"})
    assert done.said("the groups of the option hypervisors have no hosts")


def test_a_range_and_a_lookup(fleet: Place) -> None:
    uri = "test://{{ lookup('ansible.builtin.env', 'PLACE') }}/hv[1:2].xml"
    path = fleet.inventory(hypervisors=[{"uri": uri, "name": "hv[1:2]"}])
    done = fleet.run("ansible-inventory", "-i", path, "--list", PLACE=str(fleet.folder))
    assert {name: host["virt_host"] for name, host in done.hosts.items()} == {"web1": "hv1", "web2": "hv2"}


def test_a_guest_cannot_take_the_place_of_a_hypervisor(fleet: Place) -> None:
    fleet.node("hv1", guest_xml("hv2", 1), guest_xml("hv1", 2))
    done = listed(fleet, "zz.virtfleet.yml", {"group": "kvm_hosts", "uri": "test://{{ place }}/{{ file }}"})
    assert sorted(done.hosts) == ["hv1", "hv1_on_hv1", "hv2", "hv2_on_hv1", "web2"]
    assert "virt_name" not in done.hosts["hv1"]
    assert "virt_name" not in done.hosts["hv2"]


def test_what_a_variable_holds_is_no_template_unless_it_is_trusted(fleet: Place) -> None:
    hosts = {"kvm_hosts": {"hosts": {"hv1": {"file": {"__ansible_unsafe": "{{ lookup('pipe', 'touch pwned') }}"}}}}}
    script = fleet.folder / "inventory" / "more"
    script.write_text(f"#!/bin/sh\ncat <<'EOF'\n{json.dumps({**hosts, '_meta': {'hostvars': {}}})}\nEOF\n", encoding="utf-8")
    script.chmod(0o755)
    listed(fleet, "zz.virtfleet.yml", {"group": "kvm_hosts", "uri": "test://{{ place }}/{{ file }}"})
    assert not (fleet.folder / "pwned").exists()


@pytest.fixture
def guarded(place: Place) -> str:
    """A hypervisor that wants a name and a password."""
    uri = place.node("hv1", guest_xml("web1", 1))
    path: Path = place.folder / "hv1.xml"
    text = path.read_text(encoding="utf-8")
    path.write_text(text.replace("<node>", "<node><auth><user password='s3cret'>ann</user></auth>"), encoding="utf-8")
    return uri


def test_a_hypervisor_that_asks_for_a_password_gets_it(place: Place, guarded: str) -> None:
    entry = {"uri": guarded, "username": "ann", "password": "{{ lookup('ansible.builtin.env', 'WORD') }}"}
    path = place.inventory(hypervisors=[entry])
    done = place.run("ansible-inventory", "-i", path, "--list", WORD="s3cret")
    assert list(done.hosts) == ["web1"]
    assert "s3cret" not in done.out + done.err + place.trace.read_text(encoding="utf-8")
    for wrong in ({"WORD": "wrong"}, {}):
        refused = place.run("ansible-inventory", "-i", path, "--list", **wrong)
        assert refused.hosts == {}
        assert refused.said("hypervisor localhost is left out of the inventory")
    assert place.list(hypervisors=[guarded]).hosts == {}
