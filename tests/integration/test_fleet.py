# Copyright: (c) 2026, the virtfleet.core contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The inventory of a fleet: 20 libvirt daemons with 250 guests each, then one of them dead and one hung."""

from __future__ import annotations

import json
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.integration.fleet import LIBVIRTD, Fleet
from tests.unit.plugins.inventory.listing import Done, Place, guest_xml

pytestmark = pytest.mark.skipif(LIBVIRTD is None, reason="the fleet needs the monolithic libvirtd, which is not here")

HYPERVISORS, GUESTS, RUNNING = 20, 250, 200
NAMES = [f"hv{number:02}" for number in range(1, HYPERVISORS + 1)]
DEAD, HUNG = NAMES[3], NAMES[7]
ALIVE = [name for name in NAMES if name not in (DEAD, HUNG)]
# Of the one that hangs, once it does; all others have time enough on a busy machine.
LIMIT = 5.0
# How long a run may take longer than another on a busy machine, whatever it waits for.
SLACK = 20.0
CACHE = {"cache": True, "cache_plugin": "ansible.builtin.jsonfile", "cache_connection": "cache", "cache_timeout": 1}


def definitions(hypervisor: int) -> Iterator[str]:
    """Yield the guests of a hypervisor: one has a name that all have, the others one of their own."""
    for number in range(GUESTS):
        name = "web" if number == 0 else f"g{hypervisor:02}-{number:03}"
        state = "running" if number < RUNNING else "stopped"
        tags = ["even" if number % 2 == 0 else "odd"]
        yield guest_xml(name, hypervisor * 1000 + number, state, tags=tags)


def host_names(*hypervisors: str) -> set[str]:
    """Return the hosts that are to be listed of some hypervisors."""
    return {
        f"web_on_{hypervisor}" if number == 0 else f"g{hypervisor[2:]}-{number:03}"
        for hypervisor in hypervisors
        for number in range(RUNNING)
    }


@pytest.fixture(scope="module")
def fleet() -> Iterator[Fleet]:
    """The daemons, all of them up."""
    with Fleet({name: list(definitions(number)) for number, name in enumerate(NAMES, start=1)}) as result:
        yield result


@pytest.fixture(scope="module")
def place(fleet: Fleet, tmp_path_factory: pytest.TempPathFactory) -> Place:
    """A folder with an inventory of the hypervisors."""
    folder: Path = tmp_path_factory.mktemp("fleet")
    write_hosts(folder, fleet)
    return Place(folder)


def write_hosts(folder: Path, fleet: Fleet, **limits: float) -> None:
    """Write the inventory of the hypervisors, with the time limit of each."""
    hosts = {name: {"libvirt": daemon.uri, "limit": limits.get(name, 60)} for name, daemon in fleet.daemons.items()}
    (folder / "hosts.json").write_text(json.dumps({"kvm_hosts": {"hosts": hosts}}), encoding="utf-8")


def listed(place: Place, **options: Any) -> Done:
    entry = {"group": "kvm_hosts", "uri": "{{ libvirt }}", "timeout": "{{ limit }}"}
    return place.run("ansible-inventory", "-i", "hosts.json", "-i", place.inventory(hypervisors=[entry], **options), "--list")


def guests_of(done: Done) -> dict[str, Any]:
    return {name: host for name, host in done.hosts.items() if name not in NAMES}


def test_a_fleet(place: Place, fleet: Fleet) -> None:
    """In one test, since each step begins where the one before has ended."""
    whole = listed(place, **CACHE)
    guests = guests_of(whole)
    assert set(guests) == host_names(*NAMES)
    assert whole.err == ""
    assert {name: set(whole.groups[f"host_{name}"]) for name in NAMES} == {name: host_names(name) for name in NAMES}
    assert len(whole.groups["tag_even"]) == len(whole.groups["tag_odd"]) == HYPERVISORS * RUNNING / 2
    assert {host["virt_uri"] for host in guests.values()} == {daemon.uri for daemon in fleet.daemons.values()}
    assert sorted(place.connections()) == sorted(daemon.uri for daemon in fleet.daemons.values())

    fleet.daemons[DEAD].end()
    fleet.daemons[HUNG].freeze()
    write_hosts(place.folder, fleet, **{HUNG: LIMIT})
    time.sleep(1)

    some = listed(place)
    assert set(guests_of(some)) == host_names(*ALIVE)
    assert some.said(f"hypervisor {DEAD} is left out of the inventory: could not connect") == 1
    # On a busy machine the limit of the whole reading may be over before that of connecting is noticed.
    assert some.said(f"hypervisor {HUNG} is left out of the inventory: ") == 1
    assert some.said(f"within {LIMIT:g} s") == 1
    assert LIMIT < some.seconds < whole.seconds + LIMIT + SLACK

    kept = listed(place, **CACHE, keep_stale="1h")
    guests = guests_of(kept)
    assert set(guests) == host_names(*NAMES)
    assert {name for name, host in guests.items() if host["virt_stale"]} == host_names(DEAD, HUNG)
    assert kept.said("is listed as it was seen last") == 2
    assert LIMIT < kept.seconds < whole.seconds + LIMIT + SLACK

    place.connections()
    cached = listed(place, **{**CACHE, "cache_timeout": 3600})
    # The two were seen less than an hour ago, too.
    assert set(guests_of(cached)) == host_names(*NAMES)
    assert place.connections() == []
    assert cached.err == ""
