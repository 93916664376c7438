# Copyright: (c) 2026, the virtfleet.core contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Documents are read whole: what they come to, and every mistake with its place."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ansible_collections.virtfleet.core.plugins.module_utils._errors import SpecError
from ansible_collections.virtfleet.core.plugins.module_utils._estate.document import parse_document
from ansible_collections.virtfleet.core.plugins.module_utils._estate.merge import merged
from tests.unit.plugins.module_utils.estate.hall import document

GIB = 1 << 30


def problems(given: Any) -> list[str]:
    with pytest.raises(SpecError) as error:
        parse_document(given)
    return list(error.value.problems)


def guests(*entries: Any, **sections: Any) -> dict[str, Any]:
    return {"version": 1, "guests": list(entries), **sections}


def test_what_a_document_comes_to() -> None:
    estate = parse_document(document())
    assert estate.name == "default"
    assert [guest.name for guest in estate.guests] == ["web1", "web2", "web3", "db1"]
    assert [guest.values["memory"] for guest in estate.guests] == [GIB // 4] * 3 + [GIB]
    assert [guest.nics[0]["address"] for guest in estate.guests[:3] if guest.nics] == [
        "10.50.0.11",
        "10.50.0.12",
        "10.50.0.13",
    ]
    # The document's first pool is meant where none is named.
    assert {guest.pool for guest in estate.guests} == {"images"}
    assert [image.pool for image in estate.images] == ["images"]
    assert estate.place("guest", "web2") == "guests[0]"
    assert estate.objects == 7
    assert {spec.estate for spec in (*estate.pools, *estate.networks, *estate.images, *estate.guests)} == {"default"}


def test_the_order_of_words() -> None:
    estate = parse_document(
        guests(
            {"name": "a", "profiles": ["one", "two"], "vcpus": 4, "title": None},
            {"name": "b"},
            guest_defaults={"memory": "1GiB", "title": "default", "vcpus": 1, "topology": {"sockets": 1, "cores": 1}},
            profiles={
                "one": {"memory": "2GiB", "vcpus": 2, "tags": ["x"], "topology": {"cores": 4, "threads": 1}},
                "two": {"memory": "3GiB", "tags": ["y"]},
            },
        )
    )
    a, b = (guest.values for guest in estate.guests)
    assert (a["memory"], a["vcpus"], a["tags"]) == (3 * GIB, 4, ("y",))
    assert "title" not in a
    assert b["title"] == "default"
    assert a["topology"] == {"sockets": 1, "cores": 4, "threads": 1}


@pytest.mark.parametrize(
    ("entry", "names"),
    [
        ({"name": "n", "count": 2}, ["n1", "n2"]),
        ({"name": "n{n:02}-a", "count": 2}, ["n01-a", "n02-a"]),
        ({"name": "n", "count": 0}, []),
        ({"name": "n"}, ["n"]),
    ],
)
def test_numbers(entry: dict[str, Any], names: list[str]) -> None:
    assert [guest.name for guest in parse_document(guests({**entry, "memory": "1GiB"})).guests] == names


def test_a_number_in_any_text_but_other_peoples() -> None:
    estate = parse_document(
        guests(
            {
                "name": "n",
                "count": 2,
                "memory": "1GiB",
                "title": "the {n}th",
                "nics": [{"type": "user", "mac": "52:54:00:00:00:{n:02}"}],
                "cloud_init": {"user_data": {"runcmd": ["echo {n}"]}},
            }
        )
    )
    assert [guest.values["title"] for guest in estate.guests] == ["the 1th", "the 2th"]
    assert [guest.nics[0]["mac"] for guest in estate.guests if guest.nics] == ["52:54:00:00:00:01", "52:54:00:00:00:02"]
    assert {str(guest.cloud_init.user_data) for guest in estate.guests if guest.cloud_init} == {"{'runcmd': ['echo {n}']}"}


WRONG: list[tuple[Any, list[str]]] = [
    ("text", ["document: must be a mapping, and is the text 'text'"]),
    ([1], ["document: must be a mapping, and is a list"]),
    (None, ["document: must be a mapping, and is empty"]),
    ({"guests": []}, ["version: is missing"]),
    ({"version": 2}, ["version: 2 is not known here"]),
    ({"version": 1, "guest": []}, ["guest: no such section; did you mean guests?"]),
    ({"version": 1, "name": "a/b"}, ["name: 'a/b' cannot be a name"]),
    ({"version": 1, "guests": {}}, ["guests: must be a list, and is a mapping"]),
    (guests("web1"), ["guests[0]: must be a mapping, and is the text 'web1'"]),
    (guests({"memory": "1GiB"}), ["guests[0].name: is missing"]),
    (guests({"name": "a", "vpcus": 2}), ["guests[0].vpcus: no such option; did you mean vcpus?"]),
    (guests({"name": "a", "vcpus": "two"}), ["guests[0].vcpus: 'two' is not a whole number"]),
    (guests({"name": "a", "vcpus": [2]}), ["guests[0].vcpus: must be a whole number, not a list"]),
    (guests({"name": "a", "memory": 2}), ["guests[0].memory: '2' "]),
    (guests({"name": True}), ["guests[0].name: True is not a text"]),
    (guests({"name": "a"}, {"name": "a"}), ["guests[1].name: guests[0] is called a too"]),
    (
        guests({"name": "a"}, {"name": "b"}, {"name": "c"}, {"name": "d", "disks": [{"size": 20}]}),
        ["guests[3].disks[0].size: '20' "],
    ),
    (guests({"name": "a", "disks": [{"image": "x", "file": "/x"}]}), ["guests[0].disks[0]: image and file are given"]),
    (guests({"name": "a", "disks": [[]]}), ["guests[0].disks[0]: must be a mapping, and is a list"]),
    (guests({"name": "a", "tags": "web"}), ["guests[0].tags: must be a list, and is the text 'web'"]),
    (guests({"name": "a", "profiles": ["smal"]}, profiles={"small": {}}), ["guests[0].profiles[0]: there is no profile smal"]),
    (guests({"name": "a", "profiles": [{}]}, profiles={"small": {}}), ["guests[0].profiles[0]: must be a text"]),
    (guests({"name": "a", "profiles": [None]}, profiles={"small": {}}), ["guests[0].profiles[0]: must be a text"]),
    # Also where the guest has no name that could be told.
    (guests({"name": [], "profiles": [{}]}), ["guests[0].name: must be", "guests[0].profiles[0]: must be a text"]),
    (guests({"name": {}, "profiles": [None]}), ["guests[0].name: must be", "guests[0].profiles[0]: must be a text"]),
    (guests({"name": "a"}, profiles={"small": {"memry": "1GiB"}}), ["profiles.small.memry: no such option; did you mean"]),
    (guests({"name": "a"}, guest_defaults={"name": "x"}), ["guest_defaults.name: no such option"]),
    (guests({"name": "a", "count": -1}), ["guests[0].count: -1 is not a number of guests"]),
    (
        guests({"name": "a", "count": 2, "nics": [{"type": "user", "mac": "52:54:00:00:00:01"}]}),
        ["guests[0].nics[0].mac: 2 guests cannot have the same"],
    ),
    (
        guests(*({"name": name, "nics": [{"type": "user", "mac": "52:54:00:00:00:01"}]} for name in "ab")),
        ["guests[1].nics[0].mac: 52:54:00:00:00:01 is guests[0].nics[0] (a)'s too, and here b's"],
    ),
    (
        guests(*({"name": name, "nics": [{"network": "lab", "address": "10.0.0.9"}]} for name in "ab")),
        ["guests[1].nics[0].address: 10.0.0.9 is guests[0].nics[0] (a)'s too"],
    ),
    ({"version": 1, "networks": [{"name": "x", "cidr": "10.0.0.0/99"}]}, ["networks[0].cidr: '10.0.0.0/99'"]),
    (
        {"version": 1, "networks": [{"name": "x", "reservations": [{"mac": "1", "address": "10.0.0.2"}]}]},
        ["networks[0].reservations[0].mac: '1' is not a MAC address"],
    ),
    ({"version": 1, "pools": [{"name": "x", "path": "relative"}]}, ["pools[0].path: 'relative'"]),
    (
        {"version": 1, "images": [{"name": "x", "format": "qed"}]},
        ["images[0].format: 'qed' is not one of qcow2, raw, vmdk, vdi, vpc, vhdx, parallels"],
    ),
    ({"version": 1, "images": [{"name": "x", "bootstrap": {"suite": "nowhere"}}]}, ["images[0].bootstrap.suite: "]),
    ({"version": 1, "overcommit": {"memory": "much"}}, ["overcommit.memory: 'much' is not a ratio"]),
    ({"version": 1, "overcommit": {"disks": 1}}, ["overcommit.disks: no such option"]),
]


@pytest.mark.parametrize(("given", "told"), WRONG, ids=[words[0][:60] for _given, words in WRONG])
def test_bad_input_is_told_with_its_place(given: Any, told: list[str]) -> None:
    found = problems(given)
    assert len(found) == len(told)
    for sentence, beginning in zip(found, told, strict=True):
        assert sentence.startswith(beginning), sentence


def test_all_of_it_comes_at_once() -> None:
    given = guests(
        {"name": "a", "vcpus": "x", "disks": [{"size": 1}]},
        {"name": "b/c"},
        pools=[{"name": "p", "path": 1}],
        networks="none",
    )
    assert [problem.partition(":")[0] for problem in problems(given)] == ["pools[0].path", "networks", "guests[0].vcpus", "guests[1].name"]


def test_a_thousand_times_the_same_mistake_is_not_told_a_thousand_times() -> None:
    found = problems(guests(*({"name": f"g{number}", "memroy": "1GiB"} for number in range(1000))))
    assert len(found) == 26
    assert found[-1] == "and 975 more"


WORDS = st.recursive(
    st.none() | st.integers() | st.text(max_size=3),
    lambda inner: st.dictionaries(st.sampled_from("abc"), inner) | st.lists(inner, max_size=2),
    max_leaves=6,
)
MAPPINGS = st.dictionaries(st.sampled_from("abc"), WORDS)


@given(MAPPINGS, MAPPINGS)
def test_the_later_word_counts(a: Any, b: Any) -> None:
    found = merged(a, b)
    assert set(found) == {*a, *b}
    for name, value in b.items():
        if isinstance(value, dict) and isinstance(a.get(name), dict):
            assert found[name] == merged(a[name], value)
        else:
            assert found[name] == value


@given(MAPPINGS)
def test_merging_with_nothing_or_oneself_changes_nothing(a: Any) -> None:
    assert merged(a, {}) == merged({}, a) == merged(a, a) == a


@given(WORDS)
def test_no_document_whatsoever_is_a_traceback(given: Any) -> None:
    with pytest.raises(SpecError):
        parse_document(given)


SECTIONS = st.sampled_from(
    ["version", "name", "pools", "networks", "images", "guests", "profiles", "guest_defaults", "overcommit"]
)
ENTRIES = st.dictionaries(
    st.sampled_from(["name", "memory", "disks", "nics", "count", "profiles", "cidr", "path", "reservations", "cloud_init"]), WORDS
)


@given(st.dictionaries(SECTIONS, WORDS | st.lists(ENTRIES, max_size=2) | ENTRIES))
def test_nor_is_one_with_the_right_sections(given: Any) -> None:
    try:
        parse_document({**given, "version": 1})
    except SpecError as error:
        assert all(": " in problem or problem.startswith("and ") for problem in error.problems)
