# Copyright: (c) 2026, the virtfleet.core contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What is read of a host before a plan: what the spec needs, in bulk, and nothing twice."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from ansible_collections.virtfleet.core.plugins.module_utils._facts import Snapshot
from ansible_collections.virtfleet.core.plugins.module_utils._gather import gather_guests
from ansible_collections.virtfleet.core.plugins.module_utils._guest.spec import parse
from tests.unit.plugins.module_utils.guest.house import FAST, IMAGES, House

PLAIN: dict[str, Any] = {"memory": "1GiB"}


def seen(house: House, losing: bool = False, **options: Any) -> Snapshot:
    return gather_guests(
        house.ports.hypervisor, house.ports.files, [parse({"name": "web1", **PLAIN, **options})], losing=losing
    )


def pools(snap: Snapshot) -> set[str]:
    return {pool for pool, _name in snap.volumes}


@pytest.mark.parametrize(
    ("options", "read"),
    [
        ({"disks": [{"size": "1GiB"}]}, {"default"}),
        ({"disks": [{"size": "1GiB"}], "pool": "fast"}, {"fast"}),
        ({"disks": [{"size": "1GiB", "pool": "fast"}]}, {"default", "fast"}),
        ({"disks": [{"volume": "fast/scratch.raw"}]}, {"default", "fast"}),
        # A pool that does not exist is for the plan to complain of.
        ({"disks": [{"size": "1GiB", "pool": "none"}]}, {"default"}),
    ],
)
def test_only_the_pools_that_matter_are_listed(options: dict[str, Any], read: set[str]) -> None:
    assert pools(seen(House(), **options)) == read


def test_pools_on_record_matter_too() -> None:
    house = House()
    house.run(**PLAIN, disks=[{"size": "1GiB", "pool": "fast"}])
    assert pools(seen(house, memory="2GiB")) == {"default", "fast"}


def test_an_inactive_pool_is_not_listed() -> None:
    house = House()
    house.fake.stop_pool("fast")
    snap = seen(house, pool="fast")
    assert pools(snap) == set()
    assert not snap.pools["fast"].active


def test_whoever_may_lose_a_disk_sees_all_that_stands_on_it() -> None:
    house = House()
    house.run(**PLAIN, disks=[{"image": "debian-12", "size": "20GiB"}])
    house.fake.put_file(f"{FAST}/clone.qcow2", "qcow2", 20 << 30, backing=f"{IMAGES}/web1-root.qcow2")
    snap = seen(house, losing=True)
    assert pools(snap) == {"default", "fast"}
    assert snap.images[f"{IMAGES}/web1-root.qcow2"].overlays == (f"{FAST}/clone.qcow2",)


def test_paths_are_looked_at_and_images_opened() -> None:
    house = House()
    snap = seen(
        house,
        kernel="/boot/vmlinuz",
        initrd="/none",
        disks=[
            {"file": "/data/old.qcow2"},
            {"cdrom": "/iso/netinst.iso"},
            {"block": "/dev/vg/lv"},
            {"cdrom": "", "name": "b"},
        ],
    )
    assert {path: facts.exists for path, facts in snap.paths.items()} == {
        "/boot/vmlinuz": True,
        "/none": False,
        "/data/old.qcow2": True,
        "/iso/netinst.iso": True,
        "/dev/vg/lv": True,
    }
    assert snap.images["/data/old.qcow2"].format == "qcow2"
    assert "/dev/vg/lv" not in snap.images


def test_a_volume_is_not_opened_as_a_file() -> None:
    snap = seen(House(), disks=[{"file": f"{IMAGES}/debian-12.qcow2"}])
    assert snap.images == {}
    assert snap.volume_at(f"{IMAGES}/debian-12.qcow2") is not None


def test_the_files_of_a_remote_host_are_not_looked_for() -> None:
    house = House()
    house.fake.host_facts = replace(house.fake.host_facts, remote=True)
    snap = seen(house, disks=[{"cdrom": "/iso/netinst.iso"}], kernel="/boot/vmlinuz")
    assert (snap.paths, snap.images) == ({}, {})


def test_what_is_to_be_absent_needs_no_paths() -> None:
    assert seen(House(), state="absent", disks=[{"cdrom": "/iso/netinst.iso"}]).paths == {}


def test_leases_are_read_for_addresses_of_running_guests_only() -> None:
    house = House()
    nics = [{"network": "lab", "address": "10.20.0.11"}]
    assert seen(house, nics=nics).leases == ()
    house.run(**PLAIN, nics=[{"network": "lab"}], state="running")
    assert seen(house).leases == ()
    assert seen(house, nics=[{"network": "lab"}]).leases == ()
    (lease,) = seen(house, nics=nics).leases
    assert lease.network == "lab"


def test_networks_are_read_where_nics_are_or_were() -> None:
    house = House()
    assert seen(house).networks == {}
    assert set(seen(house, nics=[{"type": "user"}]).networks) == {"lab", "dmz"}
    house.run(**PLAIN)
    assert set(seen(house).networks) == {"lab", "dmz"}


def test_nothing_is_changed_by_looking() -> None:
    house = House()
    seen(house, losing=True, disks=[{"cdrom": "/iso/netinst.iso"}])
    assert house.fake.calls == []


def test_many_guests_are_one_reading(monkeypatch: pytest.MonkeyPatch) -> None:
    house = House()
    for number in range(3):
        house.run(**PLAIN, name=f"g{number}", nics=[{"network": "lab"}], disks=[{"size": "1GiB"}])
    counted: dict[str, int] = {}
    for name in ("host", "guests", "networks", "pools", "volumes", "leases"):
        method = getattr(house.fake, name)

        def count(*args: Any, _method: Any = method, _name: str = name, **kwargs: Any) -> Any:
            counted[_name] = counted.get(_name, 0) + 1
            return _method(*args, **kwargs)

        monkeypatch.setattr(house.fake, name, count)
    specs = [parse({"name": f"g{number}", "nics": [{"network": "lab"}]}) for number in range(3)]
    snap = gather_guests(house.ports.hypervisor, house.ports.files, specs)
    assert len(snap.guests) == 3
    assert counted == {"host": 1, "guests": 1, "networks": 1, "pools": 1, "volumes": 1}
