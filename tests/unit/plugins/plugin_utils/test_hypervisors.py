# Copyright: (c) 2026, the virtfleet.core contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The option hypervisors of the inventory: URIs, ranges and groups."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import pytest

from ansible_collections.virtfleet.core.plugins.module_utils._errors import SpecError
from ansible_collections.virtfleet.core.plugins.plugin_utils._hypervisors import Source, Wish, default_uri, sources

GROUPS: dict[str, list[tuple[str, Mapping[str, Any]]]] = {
    "kvm": [("hv1", {"ansible_host": "10.0.0.1", "ansible_user": "root"}), ("hv2", {})],
    "more": [("hv2", {}), ("hv3", {"ansible_connection": "local"})],
    "empty": [],
}


def rendered(value: Any, variables: Mapping[str, Any] | None) -> Any:
    """Put variables where their names stand in braces: what templates come to is Ansible's business."""
    for name, each in (variables or {}).items():
        value = value.replace("{" + name + "}", str(each)) if isinstance(value, str) else value
    return value


def found(*entries: Any, **defaults: Any) -> list[Source]:
    return sources(entries, Source("", "", **defaults), rendered, GROUPS.get)


@pytest.mark.parametrize(
    ("uri", "name"),
    [
        ("qemu:///system", "localhost"),
        ("test:///default", "localhost"),
        ("qemu:///system?socket=/run/other[1]/libvirt-sock", "localhost"),
        ("qemu+ssh://root@hv1.example:2222/system?no_verify=0", "hv1.example"),
        ("xen+tls://10.0.0.7/", "10.0.0.7"),
        ("qemu+tcp://[2001:db8::1]/system", "2001:db8::1"),
        ("qemu+tcp://[1:2:3:4:5:6:7:8]/system", "1:2:3:4:5:6:7:8"),
    ],
)
def test_a_hypervisor_is_named_by_its_uri(uri: str, name: str) -> None:
    assert found(uri) == [Source(uri, name)]


def test_hypervisors_of_one_name_are_told_apart_by_their_place_in_the_list() -> None:
    entries = ["qemu:///system", {"uri": "xen:///system"}, {"uri": "test:///default", "name": "localhost-2"}, "lxc:///"]
    assert [source.name for source in found(*entries)] == ["localhost", "localhost-3", "localhost-2", "localhost-4"]


def test_a_range_is_many_hypervisors() -> None:
    names = [source.name for source in found("qemu+ssh://root@hv[01:12].example/system")]
    assert names == [f"hv{number:02}.example" for number in range(1, 13)]
    two = found("qemu+ssh://[a:b][1:3:2]/system")
    assert [source.uri for source in two] == [f"qemu+ssh://{each}/system" for each in ("a1", "a3", "b1", "b3")]
    named = found({"uri": "qemu+tcp://[2001:db8::1]:[1:2]/system", "name": "hv[1:2]", "timeout": "3s"})
    assert named == [
        Source(f"qemu+tcp://[2001:db8::1]:{number}/system", f"hv{number}", Wish(timeout=3.0)) for number in (1, 2)
    ]


def test_a_group_is_its_hosts() -> None:
    own, other, third = found({"group": "kvm"}, {"group": "more"})
    assert own == Source("qemu+ssh://root@10.0.0.1/system", "hv1")
    # It is in both.
    assert other == Source("qemu+ssh://hv2/system", "hv2")
    assert third == Source("qemu:///system", "hv3")
    xen = found({"group": "kvm", "uri": "xen+ssh://{ansible_host}/", "name": "xen-{ansible_user}"}, "qemu:///system")[0]
    assert xen == Source("xen+ssh://10.0.0.1/", "xen-root")
    assert found({"group": "empty"}) == []


@pytest.mark.parametrize(
    ("variables", "uri"),
    [
        ({"ansible_host": "fd00::1", "ansible_port": 2222}, "qemu+ssh://[fd00::1]:2222/system"),
        ({"ansible_ssh_private_key_file": "~/a b&c"}, "qemu+ssh://hv1/system?keyfile=~%2Fa+b%26c"),
        ({"ansible_host": "x/system?command=evil", "ansible_user": "a@b"}, "qemu+ssh://a%40b@x%2Fsystem%3Fcommand%3Devil/system"),
    ],
)
def test_what_variables_hold_stays_in_its_place_in_a_uri(variables: dict[str, Any], uri: str) -> None:
    assert default_uri("hv1", variables) == uri


def test_an_entry_overrides_the_options() -> None:
    defaults = {"wish": Wish(("lease",), 9.0, 2.0), "connection": "ssh"}
    first, second = found(
        "qemu:///system",
        {
            "uri": "xen:///",
            "timeout": "1m",
            "agent_timeout": 3,
            "address_sources": ["agent", "agent"],
            "connection": "none",
            "username": "u",
            "password": "p",
        },
        **defaults,
    )
    assert first == Source("qemu:///system", "localhost", Wish(("lease",), 9.0, 2.0), "ssh")
    assert second == Source("xen:///", "localhost-2", Wish(("agent",), 60.0, 3.0), "none", "u", "p")
    assert "password" not in repr(second)


@pytest.mark.parametrize(
    ("entries", "said"),
    [
        ([], "the list is empty"),
        (["hv1"], "'hv1' is not a libvirt URI"),
        ([7], "7 is not a libvirt URI"),
        (["qemu+ssh://[x/system"], "is not a libvirt URI"),
        ([{"name": "hv1"}], "None is not a libvirt URI"),
        ([{"url": "qemu:///system"}], "there is no option 'url', did you mean 'uri'"),
        (["qemu:///system", "qemu:///system"], "qemu:///system stands in the list already"),
        ([{"uri": "a:///", "name": "x"}, {"uri": "b:///", "name": "x"}], "is called x too"),
        (["qemu+ssh://hv[5:1]/system"], "means nothing"),
        (["qemu+ssh://hv[01:100]/system"], "equal-length"),
        (["qemu+ssh://hv[1:100000]/system"], "more than 10000"),
        ([{"uri": "qemu+ssh://hv[1:2]/system", "name": "x"}], "would be the name of 2 hypervisors"),
        ([{"uri": "qemu+ssh://hv[1:2]/system", "name": "x[1:3]"}], "the name's range means 3 and the URI's 2"),
        ([{"group": "nobody"}], r"hypervisors\[0\]: no group 'nobody' is known yet; name the inventory that has it before"),
        ([{"group": "kvm", "uri": "{ansible_host}"}], r"hypervisors\[0\], host hv1: '10.0.0.1' is not a libvirt URI"),
        ([{"uri": "a:///", "username": "x"}], "belong together"),
        ([{"uri": "a:///", "username": "x", "password": 1}], "put it into quotes"),
        ([{"uri": "a:///", "timeout": "soon"}], r"hypervisors\[0\].timeout: 'soon' is not a duration"),
        ([{"uri": "a:///", "address_sources": "dns"}], "no list of lease, agent, definition"),
        ([{"uri": "a:///", "connection": "telepathy"}], "none of auto, ssh, agent, none"),
    ],
)
def test_a_wrong_list_of_hypervisors_says_what_to_write(entries: list[Any], said: str) -> None:
    with pytest.raises(SpecError, match=said):
        found(*entries)
