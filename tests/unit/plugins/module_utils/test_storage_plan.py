# Copyright: (c) 2026, the virtfleet.core contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Pools: the table, and plans that never delete a file."""
from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ansible_collections.virtfleet.core.plugins.module_utils import _xml
from ansible_collections.virtfleet.core.plugins.module_utils._change import Effect, Plan
from ansible_collections.virtfleet.core.plugins.module_utils._errors import Conflict, SpecError
from ansible_collections.virtfleet.core.plugins.module_utils._facts import (
    GuestFacts,
    HostFacts,
    PoolFacts,
    Snapshot,
    VolumeFacts,
)
from ansible_collections.virtfleet.core.plugins.module_utils._network.expand import uuid_for
from ansible_collections.virtfleet.core.plugins.module_utils._storage.options import shown
from ansible_collections.virtfleet.core.plugins.module_utils._storage.plan import plan
from ansible_collections.virtfleet.core.plugins.module_utils._storage.spec import parse
from ansible_collections.virtfleet.core.plugins.module_utils._storage.table import POOL
from ansible_collections.virtfleet.core.plugins.module_utils._table import Context, compare, observe, patch
from tests.unit.plugins.module_utils.examples import examples

HOST = HostFacts(
    "qemu:///system", "qemu", "hv1", "6f1a8b50-8d5c-4d0e-9d0a-0d7f5b7f5a01", "x86_64", 9000000, 7002000, 2**34, 4
)
FOREIGN = """
<pool type='dir'>
  <name>images</name>
  <uuid>0b7c9a7e-64a5-4f51-8d34-3cf0b5f1a8f0</uuid>
  <capacity unit='bytes'>0</capacity>
  <source/>
  <target>
    <path>/srv/images</path>
    <permissions><mode>0711</mode><owner>0</owner><group>0</group><label>system_u:object_r:virt_image_t:s0</label>
    </permissions>
  </target>
</pool>
"""


def pool(xml: str = FOREIGN, active: bool = True, autostart: bool = True, name: str = "images") -> PoolFacts:
    root = _xml.parse(xml)
    uuid, path = _xml.read(root, "uuid") or "", _xml.read(root, "target/path")
    return PoolFacts(name, uuid, root.get("type", ""), path, xml, active, autostart, 3, 2, 1)


def planned(
    *pools: PoolFacts, guests: tuple[GuestFacts, ...] = (), volumes: tuple[str, ...] = (), **options: Any
) -> Plan:
    found = {("images", name): VolumeFacts("images", name, f"/srv/images/{name}", "qcow2", 1, 1) for name in volumes}
    snap = Snapshot(HOST, {g.name: g for g in guests}, pools={item.name: item for item in pools}, volumes=found)
    return plan(parse({"name": "images", **options}), snap)


def ops(made: Plan) -> list[str]:
    return [step.op for action in made.actions for step in action.steps]


def guest(source: str) -> GuestFacts:
    xml = f"<domain><name>web1</name><devices><disk><source {source}/></disk></devices></domain>"
    return GuestFacts("web1", "web1", "stopped", xml)


def test_a_new_pool() -> None:
    new = planned(path="/srv//new/", mode="0750", owner="64055")
    assert ops(new) == ["define_pool", "build_pool", "start_pool", "set_pool_autostart"]
    root = _xml.parse(new.actions[0].steps[0].args["xml"])
    assert _xml.read(root, "target/path") == "/srv/new" and _xml.read(root, "@type") == "dir"
    assert _xml.read(root, "target/permissions/mode") == "0750"
    assert _xml.read(root, "uuid") == uuid_for(HOST, "pool", "images")
    assert new.effect is Effect.LIVE
    assert ops(planned(path="/srv/new", state="inactive")) == ["define_pool", "build_pool"]
    assert "set_pool_autostart" not in ops(planned(path="/srv/new", autostart=False))


def test_nothing_the_second_time() -> None:
    assert planned(pool()).actions == ()
    said = {"path": "/srv/images/", "mode": "711", "owner": "0", "group": "0", "type": "dir", "state": "active"}
    assert planned(pool(), **said).actions == ()
    assert planned(pool(active=False)).actions == ()


def test_states_and_autostart() -> None:
    assert ops(planned(pool(), state="inactive")) == ["stop_pool"]
    assert ops(planned(pool(active=False), state="active")) == ["start_pool"]
    assert ops(planned(pool(), autostart=False)) == ["set_pool_autostart"]


def test_an_interrupted_creation_is_finished() -> None:
    new = planned(path="/srv/new")
    half = pool(new.actions[0].steps[0].args["xml"], active=False, autostart=False)
    assert ops(planned(half, path="/srv/new")) == ["build_pool", "start_pool", "set_pool_autostart"]
    assert ops(planned(half, state="inactive")) == []
    assert ops(planned(half, autostart=False)) == []
    assert ops(planned(pool(active=False, autostart=False))) == []


def test_permissions_are_set_by_a_build() -> None:
    update = planned(pool(), mode="0750")
    assert ops(update) == ["stop_pool", "define_pool", "build_pool", "start_pool"]
    assert update.effect is Effect.LIVE
    root = _xml.parse(update.actions[0].steps[1].args["xml"])
    assert _xml.read(root, "target/permissions/mode") == "0750"
    assert (_xml.read(root, "target/permissions/label") or "").startswith("system_u")
    assert ops(planned(pool(active=False), group="7")) == ["define_pool", "build_pool"]
    assert ops(planned(pool(), group="7", state="inactive")) == ["stop_pool", "define_pool", "build_pool"]


def test_another_place_is_refused() -> None:
    with pytest.raises(Conflict, match="leave its volumes behind"):
        planned(pool(), path="/srv/other")
    with pytest.raises(Conflict, match="directory of pool images already"):
        plan(parse({"name": "second", "path": "/srv/images"}), Snapshot(HOST, pools={"images": pool()}))
    other = pool(FOREIGN.replace("type='dir'", "type='vstorage'"))
    with pytest.raises(Conflict, match="of type vstorage"):
        planned(other, path="/srv/images")
    with pytest.raises(Conflict, match="of type vstorage"):
        planned(other, type="dir")
    assert ops(planned(other, autostart=False)) == ["set_pool_autostart"]


def test_absent() -> None:
    assert planned(state="absent").actions == ()
    gone = planned(pool(), state="absent", volumes=("a.qcow2", "b.qcow2"))
    assert ops(gone) == ["stop_pool", "undefine_pool"]
    assert "its files stay in /srv/images: a.qcow2, b.qcow2" in gone.warnings[0]
    assert ops(planned(pool(), state="absent", remove_directory=True)) == ["stop_pool", "delete_pool", "undefine_pool"]
    with pytest.raises(Conflict, match="still holds a.qcow2"):
        planned(pool(), state="absent", remove_directory=True, volumes=("a.qcow2",))


@pytest.mark.parametrize("source", ["file='/srv/images/web1.qcow2'", "pool='images' volume='web1.qcow2'"])
def test_a_pool_with_disks_of_guests_stays(source: str) -> None:
    with pytest.raises(Conflict, match="web1: web1.qcow2"):
        planned(pool(), state="absent", guests=(guest(source),))


@pytest.mark.parametrize("source", ["file='/srv/images/sub/web1.qcow2'", "pool='other' volume='x'", "file='/srv/x'"])
def test_disks_elsewhere_do_not_count(source: str) -> None:
    assert planned(pool(), state="absent", guests=(guest(source),)).actions


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({}, "path: is missing"),
        ({"path": "srv/x"}, "absolute"),
        ({"path": "/srv/../etc"}, r"\.\."),
        ({"path": "/"}, "/ cannot be a pool"),
        ({"path": "/srv/x", "mode": 457}, "in quotes"),
        ({"path": "/srv/x", "mode": "0999"}, "octal"),
        ({"path": "/srv/x", "owner": "-1"}, "owner:"),
        ({"path": "/srv/x", "type": "vstorage"}, "type:"),
        ({"path": "/srv/x", "remove_directory": True}, "remove_directory:"),
        ({"name": "a/b"}, "name:"),
    ],
)
def test_refused(options: dict[str, Any], words: str) -> None:
    with pytest.raises(SpecError, match=words):
        planned(**options)


def test_what_is_shown() -> None:
    assert shown(pool()) == {
        "name": "images", "uuid": "0b7c9a7e-64a5-4f51-8d34-3cf0b5f1a8f0", "type": "dir", "path": "/srv/images",
        "state": "active", "autostart": True, "mode": "0711", "owner": 0, "group": 0,
        "capacity_bytes": 3, "allocation_bytes": 2, "available_bytes": 1,
    }
    assert shown(replace(pool(), active=False))["state"] == "inactive"


@settings(max_examples=examples(60), deadline=None)
@given(mode=st.integers(0, 0o777), owner=st.integers(0, 2**31), group=st.integers(0, 2**31))
def test_patched_is_satisfied(mode: int, owner: int, group: int) -> None:
    want = parse({"name": "x", "path": "/srv/images", "mode": f"{mode:04o}", "owner": str(owner), "group": str(group)})
    for text in (FOREIGN, "<pool type='dir'><name>x</name></pool>"):
        root = _xml.parse(text)
        done = patch(POOL, root, compare(POOL, want.values, observe(POOL, root), Context()))
        assert compare(POOL, want.values, observe(POOL, _xml.parse(_xml.to_text(done))), Context()) == []


NETFS = {"type": "netfs", "path": "/srv/nfs", "source_hosts": ["nas"], "source_path": "/export"}


def defined(made: Plan) -> str:
    return next(str(step.args["xml"]) for step in made.actions[0].steps if step.op == "define_pool")


def test_only_a_directory_is_ever_built() -> None:
    assert ops(planned(**NETFS)) == ["define_pool", "build_pool", "start_pool", "set_pool_autostart"]
    for options in (
        {"type": "logical", "source_name": "vg0"},
        {"type": "disk", "path": "/dev", "source_devices": ["/dev/vdb"]},
        {"type": "zfs", "source_name": "tank"},
    ):
        new = planned(**options)
        assert ops(new) == ["define_pool", "start_pool", "set_pool_autostart"]
        half = pool(defined(new), active=False, autostart=False)
        assert ops(planned(half, **options)) == ["start_pool", "set_pool_autostart"]


def test_the_usual_port_of_iscsi_is_no_difference() -> None:
    """As libvirt 9.0 reads it back."""
    wish = {"type": "iscsi", "path": "/dev/disk/by-path", "source_hosts": ["san"], "source_devices": ["iqn.2026-01.com.example:d"]}
    made = pool(defined(planned(**wish)).replace('<host name="san" />', '<host name="san" port="3260" />'))
    assert planned(made, **wish).actions == () and planned(made, **{**wish, "source_hosts": ["san:3260"]}).actions == ()
    with pytest.raises(Conflict, match="it would be another pool"):
        planned(made, **{**wish, "source_hosts": ["san:3261"]})


FS = {"type": "fs", "path": "/srv/fs", "source_devices": ["/dev/vdb"], "source_format": "ext4"}


def built(made: Plan) -> list[Any]:
    return [step.args.get("overwrite") for step in made.actions[0].steps if step.op == "build_pool"]


def test_what_is_on_devices_is_made_where_that_is_said_and_lost_by_consent_only() -> None:
    assert built(planned(**FS)) == [None]
    for options in (
        FS,
        {"type": "logical", "source_name": "vg0", "source_devices": ["/dev/vdb"]},
        {"type": "disk", "path": "/dev", "source_devices": ["/dev/vdb"], "source_format": "gpt"},
    ):
        spec = parse({"name": "images", "build": True, **options})
        for consent, overwrite, effect in (((), False, Effect.LIVE), (("images",), True, Effect.DATA_LOSS)):
            new = plan(spec, Snapshot(HOST), consent)
            assert ops(new) == ["define_pool", "build_pool", "start_pool", "set_pool_autostart"]
            assert built(new) == [overwrite] and new.effect is effect
            (said,) = [change for change in new.actions[0].changes if change.path == ("build",)]
            assert "/dev/vdb" in said.why
            # Cut short behind the definition: the next run builds it, and the one after that nothing.
            half = pool(defined(new), active=False, autostart=False)
            again = plan(spec, Snapshot(HOST, pools={"images": half}), consent)
            assert ops(again) == ["build_pool", "start_pool", "set_pool_autostart"] and built(again) == [overwrite]
            assert plan(spec, Snapshot(HOST, pools={"images": pool(defined(new))}), consent).actions == ()
            # A pool that somebody stopped is started, and not built.
            stopped = replace(half, autostart=True)
            active = replace(spec, state="active")
            assert ops(plan(active, Snapshot(HOST, pools={"images": stopped}), consent)) == ["start_pool"]


def test_nothing_is_built_on_a_disk_of_a_guest() -> None:
    with pytest.raises(Conflict, match="/dev/vdb is a disk of guest web1"):
        planned(guests=(guest("dev='/dev/vdb'"),), build=True, **FS)
    assert planned(guests=(guest("dev='/dev/vdc'"),), build=True, **FS).actions


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({"path": "/srv/x", "build": True}, "build: goes with type fs, logical or disk, not with dir"),
        ({**NETFS, "build": True}, "build: goes with type fs, logical or disk, not with netfs"),
        ({"type": "zfs", "source_name": "tank", "build": True}, "not with zfs"),
        ({**FS, "source_format": None, "build": True}, "source_format: is missing; build needs it"),
        ({"type": "logical", "source_name": "vg0", "build": True}, "source_devices: is missing; build needs it"),
        ({"build": True, "state": "absent"}, "build: goes with a pool that is to be there"),
        ({"type": "netfs", "path": "/srv/x"}, "source_hosts: is missing; a new pool of type netfs needs it"),
        ({"path": "/srv/x", "source_name": "vg0"}, "source_name: a pool of type dir has none; it has path, mode"),
        ({"type": "logical", "mode": "0711"}, "mode: a pool of type logical has none"),
        ({**NETFS, "source_hosts": ["a", "b"]}, "source_hosts: a pool of type netfs has exactly one"),
        ({**NETFS, "source_hosts": ["a b"]}, "is not a host"),
        ({**NETFS, "source_hosts": ["a:70000"]}, "is not a host"),
        ({**NETFS, "source_hosts": []}, "not a list with something in it"),
        ({**NETFS, "source_version": "four"}, "a version of NFS"),
        ({"type": "logical", "source_devices": ["/dev/vdb", "/dev/vdb"]}, "one twice"),
        ({"type": "rbd", "source_name": "vms", "source_hosts": ["a"], "auth_username": "me"}, "auth_secret: is missing"),
        ({"type": "iscsi-direct", "source_initiator": "me"}, "the name of an initiator"),
    ],
)
def test_sources_that_cannot_be(options: dict[str, Any], words: str) -> None:
    with pytest.raises(SpecError, match=words):
        planned(**options)


def test_another_source_is_another_pool() -> None:
    there = pool(defined(planned(**NETFS)))
    assert planned(there, **NETFS).actions == ()
    assert planned(there, source_hosts=["nas"]).actions == ()
    for option, other in (("source_hosts", ["b"]), ("source_path", "/b"), ("source_version", "4.2")):
        with pytest.raises(Conflict, match=f"{option}: it has .* it would be another pool"):
            planned(there, **{**NETFS, option: other})
    with pytest.raises(SpecError, match="mode: a pool of type netfs has none"):
        planned(there, mode="0711")
    # Many pools look into the same folder below /dev; no two have one directory.
    scsi = {"type": "scsi", "path": "/dev/disk/by-path", "source_adapter": "scsi_host1"}
    first = pool(defined(planned(**scsi)))
    assert planned(replace(first, name="first"), **{**scsi, "source_adapter": "scsi_host2"}).actions
    with pytest.raises(Conflict, match="directory of pool other already"):
        planned(replace(there, name="other"), **NETFS)


def test_a_pool_of_devices_goes_and_leaves_them() -> None:
    there = replace(pool(defined(planned(type="logical", source_name="vg0"))), path="/dev/vg0")
    with pytest.raises(Conflict, match="only that of a directory pool is removed"):
        planned(there, state="absent", remove_directory=True)
    gone = planned(there, state="absent", volumes=("root",))
    assert ops(gone) == ["stop_pool", "undefine_pool"]
    assert "its volumes stay in its source: root" in gone.warnings[0]
    with pytest.raises(Conflict, match="web1: root"):
        planned(there, state="absent", volumes=("root",), guests=(guest("dev='/srv/images/root'"),))
