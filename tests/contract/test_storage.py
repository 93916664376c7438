# Copyright: (c) 2026, the virtfleet.core contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The contract of pools and volumes, over each place that has them."""

from __future__ import annotations

import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from ansible_collections.virtfleet.core.plugins.module_utils import _libvirt_read as read
from ansible_collections.virtfleet.core.plugins.module_utils._errors import (
    Conflict,
    HostError,
    NotFound,
    SpecError,
    Unsupported,
    VirtError,
)
from ansible_collections.virtfleet.core.plugins.module_utils._facts import Snapshot
from ansible_collections.virtfleet.core.plugins.module_utils._image.making import PLAIN, Making
from ansible_collections.virtfleet.core.plugins.module_utils._ports import Hypervisor
from ansible_collections.virtfleet.core.plugins.module_utils._storage.kinds import KINDS, TYPES
from ansible_collections.virtfleet.core.plugins.module_utils._storage.options import shown
from ansible_collections.virtfleet.core.plugins.module_utils._storage.plan import plan
from ansible_collections.virtfleet.core.plugins.module_utils._storage.spec import parse
from ansible_collections.virtfleet.core.plugins.module_utils._storage.volume import VolumeWant, creation_arguments
from tests.contract.definitions import disk, guest, pool, volume
from tests.contract.places import Place

pytestmark = pytest.mark.usefixtures("networked")

MIB = 1 << 20


@pytest.fixture
def active(place: Place, hypervisor: Hypervisor) -> Iterator[str]:
    """Return the name of an active, empty pool."""
    name = place.name("pool")
    hypervisor.define_pool(pool(name, f"{place.folder}/{name}"))
    hypervisor.build_pool(name)
    hypervisor.start_pool(name)
    yield name


def test_some_are_read_by_name(place: Place, hypervisor: Hypervisor, active: str) -> None:
    other = place.name("pool")
    hypervisor.define_pool(pool(other, f"{place.folder}/{other}"))
    whole = hypervisor.pools()
    assert set(hypervisor.pool_names()) == set(whole) >= {active, other}
    assert hypervisor.pools([other, "none"]) == {other: whole[other]}
    assert hypervisor.pools([]) == {}
    for name in ("a", "b", "c"):
        hypervisor.create_volume(active, volume(name, MIB))
    every = hypervisor.volumes(active)
    assert hypervisor.volumes(active, ["a", "c", "none"]) == {name: every[name] for name in ("a", "c")}
    assert hypervisor.volumes(active, []) == {}


def test_define_build_start_stop_delete_undefine(place: Place, hypervisor: Hypervisor) -> None:
    name = place.name("pool")
    path = f"{place.folder}/{name}"
    hypervisor.define_pool(pool(name, path + "/"))
    found = hypervisor.pools()[name]
    assert (found.type, found.path, found.active, found.autostart) == ("dir", path, False, False)
    assert found.capacity_bytes == 0
    with pytest.raises(HostError, match=rf"{name}.*{path}"):
        hypervisor.start_pool(name)
    for _again in range(2):
        hypervisor.build_pool(name)
    for _again in range(2):
        hypervisor.start_pool(name)
    hypervisor.build_pool(name)
    found = hypervisor.pools()[name]
    assert found.active
    assert found.capacity_bytes > found.available_bytes > 0
    for wanted in (True, True, False):
        hypervisor.set_pool_autostart(name, wanted)
        assert hypervisor.pools()[name].autostart is wanted
    for method in ("delete_pool", "undefine_pool"):
        with pytest.raises(Conflict, match=name):
            getattr(hypervisor, method)(name)
    for _again in range(2):
        hypervisor.stop_pool(name)
    for _again in range(2):
        hypervisor.delete_pool(name)
    for _again in range(2):
        hypervisor.undefine_pool(name)
    assert name not in hypervisor.pools()


def test_a_pool_with_files_keeps_its_folder(hypervisor: Hypervisor, active: str) -> None:
    hypervisor.create_volume(active, volume("a", MIB))
    hypervisor.stop_pool(active)
    with pytest.raises(Conflict, match=rf"{active}.*remove or move"):
        hypervisor.delete_pool(active)
    hypervisor.start_pool(active)
    assert list(hypervisor.volumes(active)) == ["a"]


def test_defined_again(place: Place, hypervisor: Hypervisor, active: str) -> None:
    before = hypervisor.pools()[active]
    hypervisor.define_pool(before.xml)
    after = hypervisor.pools()[active]
    assert (after.uuid, after.path, after.active) == (before.uuid, before.path, True)
    with pytest.raises(Conflict, match=active):
        hypervisor.define_pool(pool(active, f"{place.folder}/elsewhere"))
    with pytest.raises(Conflict, match=active):
        hypervisor.define_pool(pool(place.name("pool"), str(before.path)))
    with pytest.raises(SpecError, match="could not define pool"):
        hypervisor.define_pool("<pool>")


def test_volumes(place: Place, hypervisor: Hypervisor, active: str) -> None:
    for _again in range(2):
        hypervisor.create_volume(active, volume("base.qcow2", 4 * MIB))
    base = hypervisor.volumes(active)["base.qcow2"]
    assert base.path == f"{place.folder}/{active}/base.qcow2"
    assert (base.format, base.capacity_bytes, base.backing) == ("qcow2", 4 * MIB, None)
    hypervisor.create_volume(active, volume("top.qcow2", 8 * MIB, backing=base.path))
    top = hypervisor.volumes(active)["top.qcow2"]
    assert (top.capacity_bytes, top.backing, top.backing_format) == (8 * MIB, base.path, "qcow2")

    for _again in range(2):
        hypervisor.resize_volume(active, "top.qcow2", 16 * MIB)
        assert hypervisor.volumes(active)["top.qcow2"].capacity_bytes == 16 * MIB
    with pytest.raises(VirtError, match=rf"{active}/top.qcow2.*shrink"):
        hypervisor.resize_volume(active, "top.qcow2", MIB)
    for _again in range(2):
        hypervisor.delete_volume(active, "top.qcow2")
        assert list(hypervisor.volumes(active)) == ["base.qcow2"]


def test_creating_what_exists_changes_nothing(hypervisor: Hypervisor, active: str) -> None:
    hypervisor.create_volume(active, volume("a", 4 * MIB))
    hypervisor.create_volume(active, volume("a", 8 * MIB, kind="raw"))
    found = hypervisor.volumes(active)["a"]
    assert (found.format, found.capacity_bytes) == ("qcow2", 4 * MIB)


def test_a_base_that_is_not_there(place: Place, hypervisor: Hypervisor, active: str) -> None:
    with pytest.raises(VirtError, match=rf"{active}/top.*nobase"):
        hypervisor.create_volume(active, volume("top", MIB, backing=f"{place.folder}/{active}/nobase"))
    assert hypervisor.volumes(active) == {}


def test_files_of_others_are_seen_after_a_refresh(place: Place, hypervisor: Hypervisor, active: str) -> None:
    path = f"{place.folder}/{active}/put"
    place.put(path)
    assert hypervisor.volumes(active) == {}
    hypervisor.create_volume(active, volume("put", 4 * MIB))
    found = hypervisor.volumes(active)["put"]
    assert (found.path, found.format, found.capacity_bytes) == (path, "raw", MIB)
    place.put(path + "2")
    for _again in range(2):
        hypervisor.refresh_pool(active)
        assert set(hypervisor.volumes(active)) == {"put", "put2"}


def test_upload(place: Place, hypervisor: Hypervisor, active: str) -> None:
    data = bytes(range(256)) * 8192
    hypervisor.create_volume(active, volume("seed", len(data), kind="raw"))
    hypervisor.upload_volume(active, "seed", data)
    path = hypervisor.volumes(active)["seed"].path
    assert place.content(active, "seed", path) == data
    hypervisor.upload_volume(active, "seed", b"new")
    assert place.content(active, "seed", path) == b"new" + data[3:]


def test_upload_of_a_file(place: Place, hypervisor: Hypervisor, active: str) -> None:
    source = place.image(place.name("source"), 8 * MIB)
    hypervisor.create_volume(active, volume("copy", len(place.content_of(source)), kind="raw"))
    hypervisor.upload_file(active, "copy", source)
    hypervisor.refresh_pool(active)
    found = hypervisor.volumes(active)["copy"]
    assert (found.format, found.capacity_bytes) == ("qcow2", 8 * MIB)
    assert place.content(active, "copy", found.path) == place.content_of(source)
    with pytest.raises(HostError, match=rf"{active}/copy.*No such file"):
        hypervisor.upload_file(active, "copy", source + "-none")


def test_holes_of_a_file_stay_holes(place: Place, hypervisor: Hypervisor, active: str) -> None:
    source = place.sparse(place.name("sparse"))
    hypervisor.create_volume(active, volume("copy", 64 * MIB, kind="raw"))
    hypervisor.upload_file(active, "copy", source)
    hypervisor.refresh_pool(active)
    found = hypervisor.volumes(active)["copy"]
    assert (found.format, found.capacity_bytes) == ("raw", 64 * MIB) and found.allocation_bytes < 4 * MIB
    assert place.content(active, "copy", found.path) == place.content_of(source)


def test_clone_and_wipe(place: Place, hypervisor: Hypervisor, active: str) -> None:
    data = bytes(range(1, 256)) * 4112 + bytes(16)
    hypervisor.create_volume(active, volume("seed", len(data), kind="raw"))
    hypervisor.upload_volume(active, "seed", data)
    for _again in range(2):
        hypervisor.clone_volume(active, volume("same", 0, kind="raw"), active, "seed")
    hypervisor.clone_volume(active, volume("other", 0), active, "seed")
    found = hypervisor.volumes(active)
    assert place.content(active, "same", found["same"].path) == data
    assert (found["other"].format, found["other"].capacity_bytes, found["other"].backing) == ("qcow2", len(data), None)
    with pytest.raises(NotFound, match=f"{active}/none"):
        hypervisor.clone_volume(active, volume("third", 0), active, "none")
    hypervisor.wipe_volume(active, "same")
    assert not place.content(active, "same", found["same"].path).strip(b"\0")
    hypervisor.wipe_volume(active, "other")
    hypervisor.refresh_pool(active)
    assert hypervisor.volumes(active)["other"].format == "raw", "it is no image any more"


def test_what_is_not_there(hypervisor: Hypervisor, active: str) -> None:
    for method, arguments in (
        ("volumes", ()),
        ("build_pool", ()),
        ("start_pool", ()),
        ("stop_pool", ()),
        ("delete_pool", ()),
        ("refresh_pool", ()),
        ("set_pool_autostart", (True,)),
        ("create_volume", (volume("a", MIB),)),
        ("resize_volume", ("a", MIB)),
        ("upload_volume", ("a", b"")),
        ("upload_file", ("a", "/dev/null")),
    ):
        with pytest.raises(NotFound, match="nosuchpool"):
            getattr(hypervisor, method)("nosuchpool", *arguments)
    hypervisor.delete_volume("nosuchpool", "a")
    for method, argument in (("resize_volume", MIB), ("upload_volume", b"")):
        with pytest.raises(NotFound, match=f"{active}/nosuch"):
            getattr(hypervisor, method)(active, "nosuch", argument)


def test_an_inactive_pool(hypervisor: Hypervisor, active: str) -> None:
    hypervisor.stop_pool(active)
    for method, arguments in (
        ("volumes", ()),
        ("refresh_pool", ()),
        ("create_volume", (volume("a", MIB),)),
        ("resize_volume", ("a", MIB)),
        ("delete_volume", ("a",)),
    ):
        with pytest.raises(Conflict, match=rf"{active}.*not active.*start"):
            getattr(hypervisor, method)(active, *arguments)


# What a pool of each type says at most.
SAID: dict[str, dict[str, Any]] = {
    "dir": {"path": "/srv/vf-dir"},
    "fs": {"path": "/srv/vf-fs", "source_devices": ["/dev/vf1"], "source_format": "ext4"},
    "netfs": {
        "path": "/srv/vf-netfs", "source_hosts": ["nas.example.com"], "source_path": "/export", "source_format": "nfs",
        "source_version": "4.2",
    },
    "logical": {"source_name": "vf0", "source_devices": ["/dev/vf2", "/dev/vf3"], "source_format": "lvm2"},
    "disk": {"path": "/dev", "source_devices": ["/dev/vf4"], "source_format": "gpt"},
    "iscsi": {
        "path": "/dev/disk/by-path", "source_hosts": ["san.example.com:3261"],
        "source_devices": ["iqn.2026-01.com.example:disks"], "source_initiator": "iqn.2026-01.com.example:hv1",
        "auth_username": "hv1", "auth_secret": "san",
    },
    "iscsi-direct": {
        "source_hosts": ["[2001:db8::1]:3260"], "source_devices": ["iqn.2026-01.com.example:direct"],
        "source_initiator": "iqn.2026-01.com.example:hv1", "auth_username": "hv1", "auth_secret": "san",
    },
    "scsi": {"path": "/dev/disk/by-id", "source_adapter": "scsi_host7"},
    "mpath": {"path": "/dev/mapper"},
    "rbd": {
        "source_name": "vms", "source_hosts": ["mon1.example.com:6789", "mon2.example.com"], "auth_username": "libvirt",
        "auth_secret": "2ec115d7-3a88-3ceb-bc12-0ac909a6fd87",
    },
    "gluster": {"source_name": "vms", "source_hosts": ["g1.example.com"], "source_path": "/inside"},
    "zfs": {"source_name": "tank/vms", "source_devices": ["/dev/vf5"]},
}  # fmt: skip


def test_each_type_is_said() -> None:
    """And with each of its words, but for those that only a directory has."""
    assert set(SAID) == set(TYPES)
    for kind, said in SAID.items():
        assert set(said) == {*KINDS[kind].needs, *KINDS[kind].takes} - {"mode", "owner", "group"}


def _defined(place: Place, hypervisor: Hypervisor, kind: str) -> tuple[dict[str, Any], str]:
    name = place.name("pool")
    wish = {"name": name, "type": kind, "state": "inactive", **SAID[kind]}
    (action,) = plan(parse(wish), Snapshot(hypervisor.host(), pools=hypervisor.pools())).actions
    return wish, next(step.args["xml"] for step in action.steps if step.op == "define_pool")


@pytest.mark.parametrize("kind", TYPES)
def test_a_pool_of_each_type_reads_back(place: Place, hypervisor: Hypervisor, kind: str) -> None:
    wish, xml = _defined(place, hypervisor, kind)
    try:
        hypervisor.define_pool(xml)
    except Unsupported as error:
        assert f"install the package libvirt-daemon-driver-storage-{kind} and restart" in str(error)
        assert kind in ("rbd", "gluster", "zfs", "iscsi-direct"), "the drivers of all others are there"
        return
    facts = hypervisor.pools()[wish["name"]]
    assert {**shown(facts), **wish} == shown(facts)
    again = plan(parse(wish), Snapshot(hypervisor.host(), pools=hypervisor.pools()))
    assert again.actions == ()
    hypervisor.undefine_pool(wish["name"])


@pytest.mark.parametrize("kind", TYPES)
def test_libvirts_schema_knows_each_type(place: Place, hypervisor: Hypervisor, kind: str, tmp_path: Path) -> None:
    """And its parser: the test driver has every type, whatever drivers are installed."""
    wish, xml = _defined(place, hypervisor, kind)
    (tmp_path / "pool.xml").write_text(xml)
    script = f"pool-define {tmp_path}/pool.xml --validate; pool-dumpxml {wish['name']}"
    output = subprocess.run(
        ["virsh", "-q", "-c", "test:///default", script], check=True, capture_output=True, text=True
    ).stdout
    facts = read.pool_facts(output[output.index("<pool") :], None, False)
    assert {**shown(facts), **wish} == shown(facts)


KEY = "6f0d4f57-9d4e-4b3a-8a68-2f7c0f1e9b12"
# What a volume is made like, and what is seen of it: compat, clusters, lazy reference counts, encryption, all its room.
MADE = {
    "plain": ("qcow2", PLAIN, (None, 65536, False, False, False)),
    "header": ("qcow2", Making(None, None, 128 << 10, True), ("1.1", 128 << 10, True, False, False)),
    "new": ("qcow2", Making(compat="1.1"), ("1.1", 65536, False, False, False)),
    "metadata": ("qcow2", Making(preallocation="metadata"), (None, 65536, False, False, False)),
    "falloc": ("qcow2", Making(preallocation="falloc"), (None, 65536, False, False, True)),
    "whole": ("raw", Making(preallocation="falloc"), (None, None, False, False, True)),
    "sealed": ("qcow2", Making(luks_secret="key"), (None, 65536, False, True, False)),
    "safe": ("raw", Making(luks_secret="key"), (None, None, False, True, False)),
}


def test_how_volumes_are_made(hypervisor: Hypervisor, active: str) -> None:
    hypervisor.define_secret(
        f"<secret ephemeral='no' private='yes'><uuid>{KEY}</uuid><usage type='volume'><volume>key</volume></usage></secret>"
    )
    hypervisor.set_secret_value(KEY, b"pass word")
    for name, (form, making, _seen) in MADE.items():
        want = VolumeWant(active, name, "", form, 16 * MIB, making=making)
        hypervisor.create_volume(**creation_arguments(want, 16 * MIB))
    hypervisor.refresh_pool(active)
    for name, facts in hypervisor.volumes(active).items():
        whole = facts.allocation_bytes >= 16 * MIB
        assert facts.format == MADE[name][0]
        seen = (facts.compat, facts.cluster_bytes, facts.lazy_refcounts, facts.encrypted, whole)
        assert seen == MADE[name][2], name
    want = VolumeWant(active, "none", "", "qcow2", MIB, making=Making(luks_secret="another"))
    with pytest.raises(VirtError, match="another"):
        hypervisor.create_volume(**creation_arguments(want, MIB))


def test_a_guest_starts_on_an_encrypted_image(place: Place, hypervisor: Hypervisor) -> None:
    """QEMU opens it by the secret, or does not start."""
    path, name = place.sealed("sealed.qcow2", b"pass word"), place.name("guest")
    sealed = disk(path).replace("<target", "<encryption format='luks'><secret type='passphrase' usage='key'/></encryption><target")
    hypervisor.define_secret(
        f"<secret ephemeral='no' private='no'><uuid>{KEY}</uuid><usage type='volume'><volume>key</volume></usage></secret>"
    )
    hypervisor.set_secret_value(KEY, b"pass word")
    hypervisor.define_guest(guest(name, sealed))
    hypervisor.start_guest(name)
    assert hypervisor.guests([name])[name].active
    hypervisor.shutdown_guest(name, 0, True)
