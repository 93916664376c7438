# Copyright: (c) 2026, the virtfleet.core contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Planning many guests reads nothing twice, however the work is counted: by parses, not by seconds."""

from __future__ import annotations

from collections import Counter
from pathlib import Path
from typing import Any

import pytest

from ansible_collections.virtfleet.core.plugins.module_utils import _xml
from ansible_collections.virtfleet.core.plugins.module_utils._facts import Lease, NetworkFacts, Snapshot
from ansible_collections.virtfleet.core.plugins.module_utils._gather import gather_guests
from ansible_collections.virtfleet.core.plugins.module_utils._guest.plan import Options, plan
from ansible_collections.virtfleet.core.plugins.module_utils._guest.seen import seen
from ansible_collections.virtfleet.core.plugins.module_utils._guest.spec import GuestSpec, parse
from ansible_collections.virtfleet.core.plugins.module_utils._guest.table import GUEST
from ansible_collections.virtfleet.core.plugins.module_utils._table import comparable, observe
from tests.unit.plugins.module_utils.guest.house import House
from tests.unit.plugins.module_utils.guest.world import HOST, facts, recorded, volume

COUNT = 12
PAIRS = sorted((Path(__file__).resolve().parents[4] / "contract" / "pairs").glob("guest-*.*.xml"))


def words(number: int, **more: Any) -> dict[str, Any]:
    return {
        "name": f"web{number}",
        "memory": "1GiB",
        "tags": ["web"],
        "disks": [{"size": "1GiB"}],
        "nics": [{"network": "lab", "address": f"10.20.0.{20 + number}"}],
        **more,
    }


def specs(**more: Any) -> list[GuestSpec]:
    return [parse(words(number, **more)) for number in range(COUNT)]


@pytest.fixture
def house() -> House:
    made = House()
    for number in range(COUNT):
        made.run(**words(number))
    return made


@pytest.fixture
def parsed(monkeypatch: pytest.MonkeyPatch) -> Counter[str]:
    """Return how often each kind of XML was parsed since."""
    counted: Counter[str] = Counter()
    original = _xml.parse

    def parse_and_count(text: str, what: str = "XML") -> _xml.Element:
        root = original(text, what)
        counted[root.tag] += 1
        return root

    monkeypatch.setattr(_xml, "parse", parse_and_count)
    return counted


def converged(house: House, wanted: list[GuestSpec]) -> list[Any]:
    snap = gather_guests(house.ports.hypervisor, house.ports.files, wanted)
    return [plan(spec, snap, Options()) for spec in wanted]


def test_an_unchanged_guest_is_parsed_once_and_its_network_for_all(house: House, parsed: Counter[str]) -> None:
    assert not any(made.actions for made in converged(house, specs()))
    assert parsed["domain"] == COUNT
    # As it is defined and as it runs, and the addresses that it keeps.
    assert parsed["network"] <= 3


def test_a_running_guest_is_parsed_as_it_is_defined_and_as_it_runs(house: House, parsed: Counter[str]) -> None:
    for number in range(COUNT):
        house.fake.start_guest(f"web{number}")
    parsed.clear()
    assert not any(made.actions or made.pending for made in converged(house, specs()))
    assert parsed["domain"] == 2 * COUNT


def test_a_changed_guest_is_parsed_again_to_be_written(house: House, parsed: Counter[str]) -> None:
    assert all(made.actions for made in converged(house, specs(title="changed")))
    assert parsed["domain"] == 2 * COUNT


def test_what_was_read_is_kept_with_the_facts_it_was_read_from(parsed: Counter[str]) -> None:
    one, other = facts(recorded("typical")), facts(recorded("typical"))
    parsed.clear()
    assert seen(one) is seen(one)
    assert parsed["domain"] == 1
    assert seen(other) == seen(one)
    assert seen(other) is not seen(one)


@pytest.mark.parametrize("path", PAIRS, ids=lambda path: path.name)
def test_what_can_be_compared_live_is_a_part_of_what_is_observed(path: Path) -> None:
    root = _xml.parse(path.read_text())
    assert comparable(GUEST, observe(GUEST, root)) == observe(GUEST, root, live=True)


def test_indexes_of_a_snapshot_say_what_a_search_from_the_start_would() -> None:
    first, second = volume("default", "a.qcow2", 1), volume("default", "b.qcow2", 2)
    leases = (
        Lease("lab", "52:54:00:00:00:0A", "10.20.0.5", None, 0),
        Lease("lab", "52:54:00:00:00:0b", "10.20.0.5", None, 0),
        Lease("lab", "52:54:00:00:00:0c", "10.20.0.6", None, 0),
    )
    snap = Snapshot(HOST, volumes={(v.pool, v.name): v for v in (first, second)}, leases=leases)
    assert snap.volume_at(second.path) is second
    assert snap.volume_at("/nowhere") is None
    assert snap.leased["52:54:00:00:00:0a"] == "10.20.0.5"
    assert snap.lessees["10.20.0.5"] == ("52:54:00:00:00:0A", "52:54:00:00:00:0b")
    twice = "<host mac='52:54:00:00:00:0A' ip='10.20.0.5'/><host mac='52:54:00:00:00:0a' ip='10.20.0.6'/>"
    network = NetworkFacts("lab", "", f"<network><ip><dhcp>{twice}<host name='x' ip='10.20.0.7'/></dhcp></ip></network>")
    assert network.reserved["52:54:00:00:00:0a"] == "10.20.0.5"
