# Copyright: (c) 2026, the virtfleet.core contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A device that a running guest has no port for waits, and is said to."""

from __future__ import annotations

from typing import Any

import pytest

from ansible_collections.virtfleet.core.plugins.module_utils import _xml
from ansible_collections.virtfleet.core.plugins.module_utils._guest.slots import NO_PORT, free_ports

from .house import House, rows

NIC: dict[str, Any] = {"network": "lab"}


@pytest.mark.parametrize(
    ("devices", "free"),
    [
        ("", None),
        ("<controller type='pci' index='0' model='pci-root'/>", None),
        ("<controller type='pci' index='0' model='pcie-root'/>", 0),
        ("<controller type='pci' index='0' model='pcie-root'/><controller type='pci' index='1' model='pcie-root-port'/>", 1),
        (
            "<controller type='pci' index='0' model='pcie-root'/><controller type='pci' index='1' model='pcie-root-port'>"
            "<address type='pci' bus='0x00' slot='0x02' function='0x0'/></controller>"
            "<interface><address type='pci' domain='0x0000' bus='0x01' slot='0x00' function='0x0'/></interface>"
            "<disk><address type='drive' controller='0' bus='2' target='0' unit='0'/></disk>"
            "<controller type='pci' index='2' model='pcie-root-port'/>",
            1,
        ),
    ],
)
def test_ports_are_counted(devices: str, free: int | None) -> None:
    assert free_ports(_xml.parse(f"<domain><devices>{devices}</devices></domain>")) == free


@pytest.fixture
def full() -> House:
    """A guest that became a PCI Express machine and has one port to spare."""
    house = House()
    house.run(memory="512MiB", machine="pc", nics=[NIC])
    house.run(machine="q35", nics=[], state="running")
    return house


def test_what_finds_no_port_waits_and_says_why(full: House) -> None:
    more = {"nics": [{"bridge": "br0"}, {"name": "second", **NIC}]}
    plan, outcomes = full.run(**more)
    (action,) = plan.actions
    assert [(c.path[1], str(c.effect), c.why) for c in action.changes] == [
        ("br0", "live", ""),
        ("second", "restart", NO_PORT),
    ]
    assert [outcome.outcome for outcome in outcomes] == ["pending"]
    # It waits, and is not tried again and again.
    again = full.plan(**more)
    assert rows(again) == []
    assert [change.path for change in again.pending["guest", "web1"]] == [("nics", "second")]
    full.run(**more, restart_policy="if_needed")
    assert full.plan(**more).pending == {}


def test_a_disk_that_takes_no_port_is_plugged_in(full: House) -> None:
    full.run(nics=[{"bridge": "br0"}])
    plan, _outcomes = full.run(disks=[{"size": "1GiB", "bus": "scsi"}, {"name": "more", "size": "1GiB", "bus": "virtio"}])
    (guest,) = [action for action in plan.actions if action.kind == "guest"]
    assert {c.path[1]: str(c.effect) for c in guest.changes} == {"root": "live", "more": "restart"}


def test_a_disk_that_was_to_move_and_goes_instead_does_not_wait() -> None:
    house = House()
    data = {"name": "data", "size": "1GiB"}
    house.run(memory="512MiB", state="running", disks=[{"size": "1GiB"}, data])
    # Its new bus and target wait for a restart, and in the running guest it has the old ones.
    moved, _outcomes = house.run(disks=[{"size": "1GiB"}, {**data, "bus": "scsi"}])
    assert moved.pending
    gone = house.plan(disks=[{"size": "1GiB"}])
    assert gone.pending == {}
    house.run(disks=[{"size": "1GiB"}])
    assert house.plan(disks=[{"size": "1GiB"}]).pending == {}
    assert "-data" not in (house.fake.guests()["web1"].live_xml or "")
