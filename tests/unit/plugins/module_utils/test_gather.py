# Copyright: (c) 2026, the virtfleet.core contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What is read of a host before a plan: what the spec needs, in bulk, and nothing twice."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from ansible_collections.virtfleet.core.plugins.module_utils._errors import SpecError
from ansible_collections.virtfleet.core.plugins.module_utils._facts import Snapshot
from ansible_collections.virtfleet.core.plugins.module_utils._gather import gather_guests
from ansible_collections.virtfleet.core.plugins.module_utils._guest.needs import Needs
from ansible_collections.virtfleet.core.plugins.module_utils._guest.spec import parse
from tests.unit.plugins.module_utils.guest.house import FAST, IMAGES, House

PLAIN: dict[str, Any] = {"memory": "1GiB"}
DISK: dict[str, Any] = {"size": "1GiB"}


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
        ({"disks": [{"size": "1GiB", "pool": "fast"}]}, {"fast"}),
        ({"disks": [{"volume": "fast/scratch.raw"}]}, {"fast"}),
        ({"disks": [{"volume": "scratch.raw"}], "pool": "fast"}, {"fast"}),
        # A file may be a volume of the pool in which others would be made.
        ({"disks": [{"file": "/data/old.qcow2"}, {"size": "1GiB", "pool": "fast", "name": "b"}]}, {"default", "fast"}),
        ({"disks": [{"image": f"{IMAGES}/debian-12.qcow2", "pool": "fast"}]}, {"default", "fast"}),
        ({"cloud_init": {"user_data": {}}}, {"default"}),
        ({"disks": []}, set()),
        ({"kernel": "/boot/vmlinuz"}, set()),
        ({}, set()),
        # A pool that does not exist is for the plan to complain of.
        ({"disks": [{"size": "1GiB", "pool": "none"}]}, set()),
    ],
)
def test_only_the_pools_that_matter_are_read(options: dict[str, Any], read: set[str]) -> None:
    assert set(seen(House(), **options).pools) == read


@pytest.mark.parametrize(
    ("options", "read"),
    [
        ({"disks": [{"size": "1GiB"}]}, set()),
        ({"disks": [{"image": "debian-12"}]}, {"debian-12.qcow2"}),
        ({"disks": [{"image": "debian-12.qcow2"}]}, {"debian-12.qcow2"}),
        ({"disks": [{"image": f"{IMAGES}/debian-13.qcow2"}]}, {"debian-13.qcow2"}),
        ({"disks": [{"file": f"{IMAGES}/debian-13.qcow2"}]}, {"debian-13.qcow2"}),
        ({"disks": [{"volume": "fast/scratch.raw"}]}, {"scratch.raw"}),
        ({"disks": [{"volume": "fast/none"}]}, set()),
        # What an earlier run has left, or somebody else has put there.
        ({"disks": [{"size": "1GiB", "name": "left"}]}, {"web1-left.qcow2"}),
        ({"disks": [{"size": "1GiB", "name": "left", "format": "raw"}]}, set()),
        ({"cloud_init": {"user_data": {}}}, {"web1-seed.iso"}),
    ],
)
def test_only_the_volumes_that_matter_are_read(options: dict[str, Any], read: set[str]) -> None:
    house = House()
    for name in ("web1-left.qcow2", "web1-seed.iso", "web2-root.qcow2"):
        house.fake.put_file(f"{IMAGES}/{name}", "qcow2", 1 << 20)
    house.fake.refresh_pool("default")
    assert {name for _pool, name in seen(house, **options).volumes} == read


def test_what_is_on_record_matters_where_disks_do() -> None:
    house = House()
    house.run(**PLAIN, disks=[{"size": "1GiB", "pool": "fast"}], cloud_init={"user_data": {}})
    both = {("fast", "web1-root.qcow2"), ("default", "web1-seed.iso")}
    assert set(seen(house, disks=[]).volumes) == both
    assert set(seen(house, cloud_init={"user_data": {}}).volumes) == both
    assert set(seen(house, state="absent").volumes) == both
    snap = seen(house, memory="2GiB")
    assert (snap.pools, snap.volumes) == ({}, {})


def test_a_disk_of_the_guest_is_known_by_its_path() -> None:
    """Somebody attached it by hand: it is no volume of the record, nor of the spec."""
    house = House()
    house.run(**PLAIN, disks=[{"file": f"{IMAGES}/debian-13.qcow2", "name": "odd"}])
    assert ("default", "debian-13.qcow2") in seen(house, disks=[{"size": "1GiB"}]).volumes


@pytest.mark.parametrize("path", ["/elsewhere/debian-13.qcow2", f"{IMAGES}/deeper/debian-13.qcow2", "debian-13.qcow2"])
def test_a_file_of_the_same_name_elsewhere_is_no_volume(path: str) -> None:
    part = Needs(paths=frozenset({path}), volumes=frozenset({("default", "a"), ("fast", "b")}))
    assert part.volumes_in(House().fake.pools()["default"]) == {"a"}


def test_a_pool_whose_volumes_are_called_otherwise_than_their_files_is_read_whole() -> None:
    part = Needs(volumes=frozenset({("san", "unit:0:0:1")}))
    facts = replace(House().fake.pools()["default"], name="san", type="iscsi")
    assert part.volumes_in(facts) is None
    assert part.volumes_in(replace(facts, type="rbd", path=None)) is None
    assert part.volumes_in(replace(facts, type="logical")) == {"unit:0:0:1"}


def test_an_inactive_pool_is_not_listed() -> None:
    house = House()
    house.fake.stop_pool("fast")
    snap = seen(house, pool="fast", disks=[{"size": "1GiB"}])
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


def test_only_the_networks_that_matter_are_read() -> None:
    house = House()
    assert seen(house).networks == seen(house, nics=[]).networks == seen(house, nics=[{"type": "user"}]).networks == {}
    assert set(seen(house, nics=[{"network": "lab"}]).networks) == {"lab"}
    house.run(**PLAIN, nics=[{"network": "lab", "address": "10.20.0.11"}])
    # Where nobody speaks of nics they stay as they are; on the way out their reservations go.
    assert seen(house).networks == {}
    assert set(seen(house, state="absent").networks) == {"lab"}
    # A nic that moves gives its address back where it was.
    assert set(seen(house, nics=[{"network": "dmz"}]).networks) == {"lab", "dmz"}
    assert set(seen(house, nics=[]).networks) == {"lab"}


def test_the_names_of_the_others_are_asked_for_where_one_is_missing() -> None:
    house = House()
    snap = seen(house, nics=[{"network": "lab"}], disks=[{"size": "1GiB"}])
    assert (snap.network_names, snap.pool_names) == ((), ())
    snap = seen(house, nics=[{"network": "none"}], disks=[{"size": "1GiB", "pool": "none"}])
    assert (set(snap.network_names), set(snap.pool_names)) == ({"lab", "dmz"}, {"default", "fast"})
    assert (snap.networks, snap.pools) == ({}, {})
    with pytest.raises(SpecError) as caught:
        house.plan(**PLAIN, nics=[{"network": "none"}], disks=[{"size": "1GiB", "pool": "none"}])
    assert "there is no network none (there are: dmz, lab)" in str(caught.value)
    assert "there is no storage pool none (there are: default, fast)" in str(caught.value)


def test_nothing_is_changed_by_looking() -> None:
    house = House()
    seen(house, losing=True, disks=[{"cdrom": "/iso/netinst.iso"}])
    assert house.fake.calls == []


def test_many_guests_are_one_reading(monkeypatch: pytest.MonkeyPatch) -> None:
    house = House()
    for number in range(3):
        house.run(**PLAIN, name=f"g{number}", nics=[{"network": "lab"}], disks=[{"size": "1GiB"}])
    counted: dict[str, int] = {}
    for name in ("host", "guests", "networks", "network_names", "pools", "pool_names", "volumes", "leases"):
        method = getattr(house.fake, name)

        def count(*args: Any, _method: Any = method, _name: str = name, **kwargs: Any) -> Any:
            counted[_name] = counted.get(_name, 0) + 1
            return _method(*args, **kwargs)

        monkeypatch.setattr(house.fake, name, count)
    specs = [parse({"name": f"g{number}", "nics": [{"network": "lab"}], "disks": [DISK]}) for number in range(3)]
    snap = gather_guests(house.ports.hypervisor, house.ports.files, specs)
    assert len(snap.guests) == 3 == len(snap.volumes) and set(snap.networks) == {"lab"}
    assert counted == {"host": 1, "guests": 1, "networks": 1, "pools": 1, "volumes": 1}
