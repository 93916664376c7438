# Copyright: (c) 2026, the virtfleet.core contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Nics behind passt: what is let in from the host, as words and as XML."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ansible_collections.virtfleet.core.plugins.module_utils import _xml
from ansible_collections.virtfleet.core.plugins.module_utils._errors import SpecError
from ansible_collections.virtfleet.core.plugins.module_utils._guest.fields import passt
from tests.unit.plugins.module_utils.guest.house import House

PAIRS: list[tuple[list[dict[str, Any]], str]] = [
    ([], ""),
    ([{"host": 2022, "guest": 22}], "<portForward proto='tcp'><range start='2022' to='22'/></portForward>"),
    ([{"host": "80"}], "<portForward proto='tcp'><range start='80'/></portForward>"),
    ([{"host": "80", "guest": 80}], "<portForward proto='tcp'><range start='80'/></portForward>"),
    ([{"proto": "udp"}], "<portForward proto='udp'/>"),
    (
        [
            {"host": "8000-8010", "guest": 80, "address": "127.0.0.1"},
            {"host": "8005", "exclude": True, "address": "127.0.0.1"},
            {"host": "53", "proto": "udp", "address": "::1"},
        ],
        "<portForward proto='tcp' address='127.0.0.1'><range start='8000' end='8010' to='80'/>"
        "<range start='8005' exclude='yes'/></portForward>"
        "<portForward proto='udp' address='::1'><range start='53'/></portForward>",
    ),
]


def nic(inner: str = "") -> Any:
    return _xml.parse(f"<interface type='user'><backend type='passt'/>{inner}</interface>")


@pytest.mark.parametrize(("words", "xml"), PAIRS)
def test_forwards_in_and_out(words: list[dict[str, Any]], xml: str) -> None:
    element, parsed = nic(), passt.FORWARDS.parse(words)
    passt.set_forwards(element, parsed)
    assert _xml.same(element, nic(xml))
    assert passt.get_forwards(element) == parsed
    assert passt.FORWARDS.parse(passt.FORWARDS.show(parsed)) == parsed


FORWARDS = st.lists(
    st.fixed_dictionaries(
        {"host": st.sampled_from(["22", "80-90", 443])},
        optional={
            "proto": st.sampled_from(["tcp", "udp"]),
            "address": st.sampled_from(["127.0.0.1", "::1"]),
            "guest": st.sampled_from([22, 80, 443]),
        },
    )
)


@given(FORWARDS, FORWARDS)
def test_whatever_was_there_what_is_said_is_all_of_it(before: list[Any], after: list[Any]) -> None:
    element = nic("<portForward proto='tcp' dev='eth0'><range start='1'/></portForward>")
    for words in (before, after):
        passt.set_forwards(element, passt.FORWARDS.parse(words))
    found = passt.get_forwards(element)
    # Those of one protocol and address stand together.
    assert sorted(map(str, found)) == sorted(map(str, passt.FORWARDS.parse(after)))
    # What a user cannot say stays.
    assert _xml.read(element, "portForward[@dev='eth0']/range/@start") == "1"


def test_what_libvirt_leaves_out_means_what_it_means() -> None:
    found = passt.get_forwards(nic("<portForward proto='tcp'><range start='80' end='80' to='80' exclude='no'/></portForward>"))
    assert found == ({"proto": "tcp", "host": "80"},)


@pytest.mark.parametrize(
    ("words", "complaint"),
    [
        ({"host": 22}, "is not a list of forwards"),
        ([{"host": "ssh"}], "forward 0: host: 'ssh' is not a port such as 2022, or a range such as 8000-8010"),
        ([{"host": "90-80"}], "ends before it begins"),
        ([{"host": 70000}], "70000"),
        ([{"host": True}], "True is not a port"),
        ([{"guest": 22}], "forward 0: needs host"),
        ([{"host": 1, "guest": 2, "exclude": True}], "guest is of no use with exclude"),
        ([{"host": 1, "to": 2}], "forward 0: to: no such option"),
        ([{"host": 1, "address": "here"}], "'here' is not an IP address"),
    ],
)
def test_wrong_words_are_named(words: Any, complaint: str) -> None:
    with pytest.raises(SpecError) as raised:
        passt.FORWARDS.parse(words)
    assert complaint in str(raised.value)


def test_a_host_says_which_backends_it_has() -> None:
    backends = "<enum name='backendType'><value>default</value></enum>"
    xml = f"<domainCapabilities><devices><interface>{backends}</interface></devices></domainCapabilities>"
    assert passt.offered(xml) == {"default"} and passt.offered("") == passt.offered("<domainCapabilities/>") == frozenset()


def test_a_nic_behind_passt(monkeypatch: pytest.MonkeyPatch) -> None:
    web: dict[str, Any] = {"name": "web1", "memory": "1GiB"}
    one = {"type": "user", "backend": "passt", "forwards": [{"host": 2022, "guest": 22}]}
    house = House()
    house.run(**web, nics=[one])
    assert house.plan(**web, nics=[one]).actions == ()
    assert _xml.read(house.definition(), "devices/interface/portForward/range/@to") == "22"
    (action,) = house.run(**web, nics=[{"type": "user", "backend": "default", "forwards": []}])[0].actions
    assert [change.path for change in action.changes] == [("nics", "user", "backend"), ("nics", "user", "forwards")]
    assert _xml.find(house.definition(), "devices/interface/backend") is None
    for words, complaint in (
        ({"network": "lab", "forwards": [{"host": 1}]}, "nics.lab.forwards: goes with type user only"),
        ({"type": "user", "forwards": [{"host": 1}]}, "nics.user.forwards: goes with backend: passt only"),
        ({"network": "lab", "backend": "passt"}, "nics.lab.backend: passt goes with type user only"),
    ):
        with pytest.raises(SpecError) as raised:
            House().plan(**web, nics=[words])
        assert complaint in str(raised.value)
    lacking = House()
    monkeypatch.setattr(lacking.fake, "domain_capabilities", lambda *_words: "<domainCapabilities/>")
    with pytest.raises(SpecError, match=r"nics.user.backend: the libvirt of this host has no passt"):
        lacking.plan(**web, nics=[one])
