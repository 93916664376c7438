# Copyright: (c) 2026, the virtfleet.core contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""A document that was shortened means what it meant."""

from __future__ import annotations

import random
from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from ansible_collections.virtfleet.core.plugins.module_utils._estate.shorten import shorten
from tests.unit.plugins.module_utils.estate.unfold import unfolded

_VALUES: dict[str, list[Any]] = {
    "memory": ["1GiB", "2GiB"],
    "vcpus": [1, 2, "2"],
    "topology": [{"cores": 2}, {"cores": 2, "threads": 1}, {"cores": 4}],
    "tags": [["web"], ["web", "prod"], []],
    "nics": [[{"network": "lab"}], [{"network": "dmz"}]],
    "console": [True, False, 1],
    "state": ["running"],
    "xml_overlay": [[{"remove": "cpu"}], [{"at": ".", "xml": "<pm/>"}, {"remove": "cpu"}]],
}
GUESTS = st.lists(
    st.fixed_dictionaries({}, optional={name: st.sampled_from(values) for name, values in _VALUES.items()}), max_size=8
).map(lambda guests: [{"name": f"g{number}", **guest} for number, guest in enumerate(guests)])


def _exactly(guests: list[dict[str, Any]]) -> list[Any]:
    """Return guests so that 1 and True differ."""
    return sorted(repr(sorted(guest.items())) for guest in guests)


@given(GUESTS, st.integers(2, 4))
def test_it_means_the_same(guests: list[dict[str, Any]], minimum: int) -> None:
    short = shorten(guests, minimum)
    assert _exactly(unfolded(short)) == _exactly(guests)
    assert [guest["name"] for guest in short["guests"]] == [guest["name"] for guest in guests]
    for name, profile in short.get("profiles", {}).items():
        members = [guest for guest in short["guests"] if name in guest.get("profiles", ())]
        assert len(members) >= minimum
        assert len(profile) >= 2
    if "guest_defaults" in short:
        assert len(guests) >= minimum


@given(GUESTS, st.randoms(use_true_random=False))
def test_it_is_the_same_whatever_the_order(guests: list[dict[str, Any]], chance: random.Random) -> None:
    first = shorten(guests, 2)
    other = list(guests)
    chance.shuffle(other)
    second = shorten(other, 2)
    assert first.get("guest_defaults") == second.get("guest_defaults")
    assert _exactly(first["guests"]) == _exactly(second["guests"])
    assert repr(sorted(first.get("profiles", {}).items())) == repr(sorted(second.get("profiles", {}).items())) or {
        name: sorted(map(repr, profile.items())) for name, profile in first["profiles"].items()
    } == {name: sorted(map(repr, profile.items())) for name, profile in second["profiles"].items()}


def test_what_all_share_is_a_default_and_what_some_do_a_profile() -> None:
    web = {"memory": "2GiB", "vcpus": 2, "nics": [{"network": "dmz"}], "pool": "fast"}
    db = {"memory": "8GiB", "vcpus": 4, "tags": ["db"], "pool": "fast"}
    guests = [{"name": f"web{n}", "uuid": f"u{n}", **web} for n in range(3)]
    guests += [{"name": f"db{n}", **db} for n in range(3)] + [{"name": "odd", "memory": "1GiB", "pool": "fast"}]
    short = shorten(guests, 2)
    assert short == {
        "guest_defaults": {"pool": "fast"},
        "profiles": {
            "shared-1": {"memory": "2GiB", "vcpus": 2, "nics": [{"network": "dmz"}]},
            "shared-2": {"memory": "8GiB", "vcpus": 4, "tags": ["db"]},
        },
        "guests": [
            *({"name": f"web{n}", "profiles": ["shared-1"], "uuid": f"u{n}"} for n in range(3)),
            *({"name": f"db{n}", "profiles": ["shared-2"]} for n in range(3)),
            {"name": "odd", "memory": "1GiB"},
        ],
    }
    assert "profiles" not in shorten(guests, 4)


def test_one_guest_shares_nothing() -> None:
    assert shorten([{"name": "a", "memory": "1GiB"}], 2) == {"guests": [{"name": "a", "memory": "1GiB"}]}


def test_a_fleet_is_quick() -> None:
    kinds = [{"memory": f"{n}GiB", "vcpus": n, "tags": [f"t{n}"], "pool": "p"} for n in range(1, 40)]
    guests = [{"name": f"g{n}", "uuid": f"u{n}", **kinds[n % len(kinds)]} for n in range(2000)]
    short = shorten(guests, 2)
    assert len(short["profiles"]) == len(kinds)
    assert _exactly(unfolded(short)) == _exactly(guests)
