# Copyright: (c) 2026, the virtfleet.core contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""From the user's words to the table's: volumes, paths, targets, MACs and reservations, on a host made by hand."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from ansible_collections.virtfleet.core.plugins.module_utils import _xml
from ansible_collections.virtfleet.core.plugins.module_utils._facts import Lease, Snapshot
from ansible_collections.virtfleet.core.plugins.module_utils._guest.expand import (
    Expanded,
    expand,
    reservation_of,
    source_paths,
)
from ansible_collections.virtfleet.core.plugins.module_utils._guest.record import Device, Record
from ansible_collections.virtfleet.core.plugins.module_utils._guest.spec import parse
from ansible_collections.virtfleet.core.plugins.module_utils._guest.table import GUEST
from ansible_collections.virtfleet.core.plugins.module_utils._network.reservations import Reservation
from ansible_collections.virtfleet.core.plugins.module_utils._storage.volume import VolumeWant
from ansible_collections.virtfleet.core.plugins.module_utils._table import observe
from tests.unit.plugins.module_utils.guest.world import (
    FOLDER,
    GIB,
    HOST,
    XEN,
    network,
    recorded,
    snapshot,
    volume,
)


def expanded(options: dict[str, Any], snap: Snapshot | None = None, **present: Any) -> Expanded:
    spec = parse({"name": "web1", **options})
    have = {"disks": [], "nics": [], "machine": present.get("machine", "pc-q35-7.2"), **present.get("have", {})}
    return expand(spec, snapshot() if snap is None else snap, have, present.get("record", Record()))


def disks(options: list[dict[str, Any]], snap: Snapshot | None = None, **present: Any) -> list[dict[str, Any]]:
    made = expanded({"disks": options}, snap, **present)
    assert made.problems == []
    return list(made.want["disks"])


# new disks

NEW: list[tuple[dict[str, Any], dict[str, Any]]] = [
    (
        {"size": "5GiB"},
        {
            "name": "root",
            "source": {"file": f"{FOLDER}/web1-root.qcow2"},
            "size": 5 * GIB,
            "device": "disk",
            "bus": "virtio",
            "target": "vda",
            "format": "qcow2",
        },
    ),
    (
        {"size": "5GiB", "format": "raw", "pool": "fast", "name": "data", "bus": "scsi"},
        {
            "name": "data",
            "source": {"file": "/data/fast/web1-data.raw"},
            "size": 5 * GIB,
            "device": "disk",
            "bus": "scsi",
            "target": "sda",
            "format": "raw",
        },
    ),
    (
        {"image": "debian-12", "size": "20GiB"},
        {
            "name": "root",
            "source": {"file": f"{FOLDER}/web1-root.qcow2"},
            "size": 20 * GIB,
            "device": "disk",
            "bus": "virtio",
            "target": "vda",
            "format": "qcow2",
            "image": f"{FOLDER}/debian-12.qcow2",
        },
    ),
    (
        {"image": f"{FOLDER}/debian-12.qcow2"},
        {
            "name": "root",
            "source": {"file": f"{FOLDER}/web1-root.qcow2"},
            "device": "disk",
            "bus": "virtio",
            "target": "vda",
            "format": "qcow2",
            "image": f"{FOLDER}/debian-12.qcow2",
        },
    ),
    (
        {"image": "/data/old.qcow2"},
        {
            "name": "root",
            "source": {"file": f"{FOLDER}/web1-root.qcow2"},
            "device": "disk",
            "bus": "virtio",
            "target": "vda",
            "format": "qcow2",
            "image": "/data/old.qcow2",
        },
    ),
    (
        {"file": "/data/old.qcow2"},
        {
            "name": "old.qcow2",
            "source": {"file": "/data/old.qcow2"},
            "device": "disk",
            "bus": "virtio",
            "target": "vda",
            "format": "qcow2",
        },
    ),
    (
        {"file": f"{FOLDER}/debian-12.qcow2", "readonly": True},
        {
            "name": "debian-12.qcow2",
            "source": {"file": f"{FOLDER}/debian-12.qcow2"},
            "readonly": True,
            "device": "disk",
            "bus": "virtio",
            "target": "vda",
            "format": "qcow2",
        },
    ),
    (
        {"volume": "fast/scratch.raw", "target": "vdz"},
        {
            "name": "scratch.raw",
            "source": {"file": "/data/fast/scratch.raw"},
            "device": "disk",
            "bus": "virtio",
            "target": "vdz",
            "format": "raw",
        },
    ),
    (
        {"volume": "scratch.raw", "pool": "fast"},
        {
            "name": "scratch.raw",
            "pool": None,
            "source": {"file": "/data/fast/scratch.raw"},
            "device": "disk",
            "bus": "virtio",
            "target": "vda",
            "format": "raw",
        },
    ),
    (
        {"block": "/dev/vg/lv"},
        {
            "name": "lv",
            "source": {"block": "/dev/vg/lv"},
            "device": "disk",
            "bus": "virtio",
            "target": "vda",
            "format": "raw",
        },
    ),
    (
        {"cdrom": "/iso/netinst.iso"},
        {
            "name": "cdrom",
            "source": {"file": "/iso/netinst.iso"},
            "device": "cdrom",
            "bus": "sata",
            "target": "sda",
            "format": "raw",
        },
    ),
    (
        {"cdrom": ""},
        {"name": "cdrom", "source": {"file": None}, "device": "cdrom", "bus": "sata", "target": "sda", "format": "raw"},
    ),
]


@pytest.mark.parametrize(("given", "entry"), NEW)
def test_a_new_disk_is_completed(given: dict[str, Any], entry: dict[str, Any]) -> None:
    assert disks([given]) == [{name: value for name, value in entry.items() if value is not None}]


@pytest.mark.parametrize(
    ("machine", "host", "bus"),
    [
        ("pc-q35-7.2", HOST, "sata"),
        ("q35", HOST, "sata"),
        ("pc-i440fx-7.2", HOST, "ide"),
        ("pc", HOST, "ide"),
        ("virt-7.2", HOST, "scsi"),
        ("pseries-7.2", HOST, "scsi"),
        ("s390-ccw-virtio-7.2", HOST, "scsi"),
        (None, HOST, "sata"),
        ("xenpv", XEN, "xen"),
    ],
)
def test_a_drive_is_on_a_bus_that_the_board_has(machine: str | None, host: Any, bus: str) -> None:
    (entry,) = disks([{"cdrom": ""}], snapshot(host=host), machine=machine)
    assert entry["bus"] == bus


def test_targets_are_the_first_free_ones() -> None:
    have = {"disks": [{"target": "vda", "source": {"file": "/x"}}, {"target": "vdc", "source": {"file": "/y"}}]}
    wanted = [{"size": "1GiB", "name": name} for name in ("a", "b")] + [{"size": "1GiB", "name": "c", "target": "vdb"}]
    assert [entry["target"] for entry in disks(wanted, have=have)] == ["vdd", "vde", "vdb"]


def test_volumes_of_disks() -> None:
    made = expanded(
        {"pool": "fast", "disks": [{"size": "1GiB"}, {"image": "/data/old.qcow2", "name": "os", "pool": "default"}]}
    )
    assert made.volumes == {
        "root": VolumeWant("fast", "web1-root.qcow2", "/data/fast/web1-root.qcow2", "qcow2", GIB),
        "os": VolumeWant(
            "default", "web1-os.qcow2", f"{FOLDER}/web1-os.qcow2", "qcow2", None, "/data/old.qcow2", "qcow2"
        ),
    }
    assert made.volumes["root"].key == "fast/web1-root.qcow2"


# disks that are there


def test_what_only_a_volume_and_the_record_know_is_added() -> None:
    present = {
        "name": "root",
        "ours": True,
        "target": "vda",
        "bus": "virtio",
        "source": {"file": f"{FOLDER}/web1-root.qcow2"},
    }
    snap = snapshot(volumes=[volume("default", "web1-root.qcow2", 20 * GIB, backing="/now.qcow2")])
    made = expanded({}, snap, have={"disks": [present]})
    (entry,) = made.have["disks"]
    assert (entry["size"], entry["image"]) == (20 * GIB, "/now.qcow2")
    # The image of record is the one that was asked for, whatever was done to the volume since.
    record = Record(devices=(Device("disk", "root", "vda", "default/web1-root.qcow2", "/then.qcow2"),))
    (entry,) = expanded({}, snap, have={"disks": [present]}, record=record).have["disks"]
    assert entry["image"] == "/then.qcow2"
    assert "disks" not in made.want


def test_a_known_disk_keeps_its_volume_whatever_it_was_called_by() -> None:
    record = Record(devices=(Device("disk", "root", "vda", "fast/old-name.raw"),))
    snap = snapshot(volumes=[volume("fast", "old-name.raw", 5 * GIB, "raw")])
    present = {
        "name": "root",
        "ours": True,
        "target": "vda",
        "bus": "virtio",
        "source": {"file": "/data/fast/old-name.raw"},
    }
    made = expanded({"disks": [{"size": "6GiB"}]}, snap, have={"disks": [present]}, record=record)
    assert made.problems == []
    assert made.volumes["root"] == VolumeWant("fast", "old-name.raw", "/data/fast/old-name.raw", "raw", 6 * GIB)
    (entry,) = made.want["disks"]
    assert entry == {"name": "root", "source": {"file": "/data/fast/old-name.raw"}, "size": 6 * GIB}


@pytest.mark.parametrize(
    ("bus", "target"), [("sata", "sdb"), ("scsi", "sdb"), ("ide", "hda"), ("virtio", None), ("usb", "sdb")]
)
def test_another_bus_brings_another_target_where_its_names_differ(bus: str, target: str | None) -> None:
    have = {
        "disks": [
            {"name": "data", "ours": True, "target": "vda", "bus": "virtio", "source": {"file": "/data/old.qcow2"}},
            {"target": "sda", "bus": "sata", "source": {"file": None}, "device": "cdrom"},
        ]
    }
    (entry,) = disks([{"file": "/data/old.qcow2", "name": "data", "bus": bus}], have=have)
    assert entry.get("target") == target


def test_a_bus_of_the_same_names_keeps_the_target() -> None:
    have = {
        "disks": [{"name": "data", "ours": True, "target": "sda", "bus": "sata", "source": {"file": "/data/old.qcow2"}}]
    }
    (entry,) = disks([{"file": "/data/old.qcow2", "name": "data", "bus": "scsi"}], have=have)
    assert "target" not in entry


def test_a_volume_that_stayed_is_used_again_with_a_word() -> None:
    snap = snapshot(volumes=[volume("default", "web1-root.qcow2", 20 * GIB, backing=f"{FOLDER}/debian-12.qcow2")])
    made = expanded({"disks": [{"image": "debian-12", "size": "20GiB"}]}, snap)
    assert made.problems == []
    assert made.warnings == ["the volume default/web1-root.qcow2 exists already and is used as it is for root"]


@pytest.mark.parametrize(
    ("given", "said"),
    [
        ({"size": "20GiB"}, f"stands on {FOLDER}/debian-12.qcow2, not on none"),
        (
            {"image": "debian-13", "size": "20GiB"},
            f"stands on {FOLDER}/debian-12.qcow2, not on {FOLDER}/debian-13.qcow2",
        ),
        (
            {"image": "debian-12", "size": "10GiB"},
            "disks.root.size: the volume default/web1-root.qcow2 exists already and is larger",
        ),
    ],
)
def test_a_volume_that_stayed_is_not_taken_for_something_else(given: dict[str, Any], said: str) -> None:
    snap = snapshot(volumes=[volume("default", "web1-root.qcow2", 20 * GIB, backing=f"{FOLDER}/debian-12.qcow2")])
    (problem,) = expanded({"disks": [given]}, snap).problems
    assert said in problem


# the seed


def test_a_seed_is_a_small_disk_of_its_own() -> None:
    made = expanded({"cloud_init": {"user_data": {}}, "disks": [{"size": "1GiB"}]})
    assert made.want["disks"][1] == {
        "name": "seed",
        "source": {"file": f"{FOLDER}/web1-seed.iso"},
        "readonly": True,
        "format": "raw",
        "device": "disk",
        "bus": "virtio",
        "target": "vdb",
    }
    assert made.volumes["seed"].name == "web1-seed.iso"


def test_a_seed_stays_while_nothing_is_said_of_it_and_keeps_other_disks() -> None:
    seed = {
        "name": "seed",
        "ours": True,
        "target": "vdb",
        "bus": "virtio",
        "source": {"file": f"{FOLDER}/web1-seed.iso"},
    }
    root = {
        "name": "root",
        "ours": True,
        "target": "vda",
        "bus": "virtio",
        "source": {"file": f"{FOLDER}/web1-root.qcow2"},
    }
    # Disks are listed, the seed is not: it is no disk of the user's.
    made = expanded({"disks": [{"size": "1GiB"}]}, have={"disks": [root, seed]})
    assert [entry["name"] for entry in made.want["disks"]] == ["root", "seed"]
    # Neither is listed.
    assert "disks" not in expanded({}, have={"disks": [root, seed]}).want
    # A seed is added, and disks are left alone.
    made = expanded(
        {"cloud_init": {"user_data": {}}}, have={"disks": [root, {"target": "vdc", "source": {"file": "/f"}}]}
    )
    assert [entry["name"] for entry in made.want["disks"]] == ["root", "seed"]


# nics


def test_a_new_nic_is_completed() -> None:
    made = expanded({"nics": [{"network": "lab", "address": "10.20.0.11"}, {"type": "user"}]})
    lab, user = made.want["nics"]
    assert lab["mac"] != user["mac"]
    assert (lab["model"], user["model"]) == ("virtio", "virtio")
    assert made.reservations == {"lab": [Reservation(mac=lab["mac"], address="10.20.0.11", name="web1")]}
    assert expanded({"nics": [{"network": "lab"}]}).want["nics"][0]["mac"] == lab["mac"]


def test_a_nic_that_is_there_keeps_its_mac_and_model() -> None:
    have = {"nics": [{"mac": "52:54:00:00:00:01", "model": "e1000e", "source": {"network": "lab"}}]}
    made = expanded({"nics": [{"network": "lab", "address": "10.20.0.11"}]}, have=have)
    assert made.want["nics"] == [{"name": "lab", "source": {"network": "lab"}, "address": "10.20.0.11"}]
    assert made.reservations["lab"][0].mac == "52:54:00:00:00:01"


def test_a_mac_that_is_taken_gives_way_to_another() -> None:
    mac = expanded({"nics": [{"network": "lab"}]}).want["nics"][0]["mac"]
    have = {"nics": [{"mac": mac, "source": {"network": "dmz"}}]}
    made = expanded({"nics": [{"network": "lab"}]}, have=have)
    assert made.want["nics"][0]["mac"] not in (mac, None)


def test_a_nic_knows_its_reservation_and_its_lease() -> None:
    lab = network("lab", 20)
    xml = lab.xml.replace(
        "</dhcp>", "<host mac='52:54:00:AA:00:01' ip='10.20.0.11'/><host name='x' ip='10.20.0.12'/></dhcp>"
    )
    snap = replace(snapshot(), networks={"lab": replace(lab, xml=xml)})
    snap = replace(snap, leases=(Lease("lab", "52:54:00:aa:00:01", "10.20.0.150", "w", 0),))
    have = observe(GUEST, _xml.parse(recorded("typical")))
    (nic,) = expanded({}, snap, have=have).have["nics"]
    assert (nic["address"], nic["leased"]) == ("10.20.0.11", "10.20.0.150")
    assert reservation_of(snap.networks["lab"], "52:54:00:aa:00:02") is None


def test_an_address_that_somebody_else_has_leased_is_warned_of() -> None:
    wanted = {"nics": [{"network": "lab", "address": "10.20.0.150"}]}
    snap = replace(snapshot(), networks={"lab": network("lab", 20)})
    assert expanded(wanted, snap).warnings == []
    taken = replace(snap, leases=(Lease("lab", "52:54:00:aa:00:01", "10.20.0.150", "w", 0),))
    (warning,) = expanded(wanted, taken).warnings
    assert warning.startswith("nics.lab.address: 10.20.0.150 is leased to 52:54:00:aa:00:01 now")


# what is wrong on this host

BAD: list[tuple[dict[str, Any], str]] = [
    (
        {"disks": [{"size": "1GiB", "pool": "none"}]},
        "pool: there is no storage pool none (there are: cold, default, fast)",
    ),
    ({"pool": "none", "disks": [{"size": "1GiB"}]}, "pool: there is no storage pool none"),
    (
        {"disks": [{"size": "1GiB", "pool": "cold"}]},
        "pool: the storage pool cold is not active; start it with virtfleet.core.pool",
    ),
    ({"disks": [{"volume": "none/x"}]}, "pool: there is no storage pool none"),
    ({"disks": [{"volume": "fast/x"}]}, "disks[0].volume: there is no volume x in the pool fast"),
    ({"disks": [{"volume": "x"}]}, "disks[0].volume: there is no volume x in the pool default"),
    (
        {"disks": [{"image": "x"}]},
        "disks[0].image: there is no image x in the pool default; make it with virtfleet.core.image",
    ),
    ({"disks": [{"cdrom": ""}, {"image": "/x"}]}, "disks[1].image: there is no image at /x"),
    (
        {"disks": [{"image": "debian-12", "size": "1GiB"}]},
        "disks[0].size: 1GiB is less than the image debian-12 has (2GiB)",
    ),
    (
        {"disks": [{"image": "debian-12", "format": "raw"}]},
        "disks[0].format: raw cannot stand on an image; leave format out (qcow2)",
    ),
    (
        {"disks": [{"size": "1GiB", "name": "seed"}]},
        "disks[0].name: 'seed' is the name of the seed (cloud_init, unattend); choose another",
    ),
    ({"disks": [{"cdrom": "/gone.iso"}]}, "disks[0].cdrom: /gone.iso does not exist on the host"),
    (
        {"disks": [{"file": "/secret/disk.raw"}]},
        "disks[0].file: QEMU cannot read /secret/disk.raw: /secret is closed to others",
    ),
    ({"disks": [{"file": "/data/folder"}]}, "disks[0].file: /data/folder is a directory"),
    ({"disks": [{"file": "/data/odd"}]}, "disks.odd.format: cannot tell the format of /data/odd; say it"),
    (
        {"nics": [{"network": "none"}]},
        "nics[0].network: there is no network none (there are: dmz, lab, off); make it",
    ),
    (
        {"nics": [{"network": "off"}], "state": "running"},
        "nics[0].network: the network off is not active, so the guest could not start",
    ),
    ({"cloud_init": {}, "pool": "none"}, "pool: there is no storage pool none"),
]


@pytest.mark.parametrize(("options", "said"), BAD)
def test_what_this_host_cannot_do_is_said(options: dict[str, Any], said: str) -> None:
    (problem,) = expanded(options).problems
    assert problem.startswith(said)


def test_one_missing_pool_is_one_complaint() -> None:
    options = {"pool": "none", "disks": [{"size": "1GiB"}, {"size": "1GiB", "name": "b"}], "cloud_init": {}}
    assert len(expanded(options).problems) == 1


def test_a_network_that_is_off_is_no_matter_to_a_guest_that_is_off() -> None:
    assert expanded({"nics": [{"network": "off"}]}).problems == []


def test_a_disk_is_not_quietly_swapped_for_another() -> None:
    have = {"disks": [{"name": "root", "ours": True, "target": "vda", "source": {"file": "/elsewhere.qcow2"}}]}
    (problem,) = expanded({"disks": [{"size": "1GiB"}]}, have=have).problems
    assert problem.startswith(
        "disks.root: the guest's disk vda is /elsewhere.qcow2, not the volume default/web1-root.qcow2"
    )


def test_what_has_to_be_looked_at() -> None:
    spec = parse(
        {
            "name": "web1",
            "kernel": "/k",
            "initrd": "",
            "pool": "fast",
            "disks": [
                {"image": "/b"},
                {"image": "name", "name": "n"},
                {"file": "/f"},
                {"block": "/d"},
                {"cdrom": "", "name": "e"},
                {"cdrom": "/i"},
                {"volume": "p/v"},
                {"size": "1GiB", "pool": "q", "name": "z"},
            ],
        }
    )
    assert source_paths(spec) == ["/k", "/b", "/f", "/d", "/i"]
