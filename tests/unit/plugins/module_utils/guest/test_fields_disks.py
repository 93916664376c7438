# Copyright: (c) 2026, the virtfleet.core contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Disks and drives: where their bytes are, how they are seen, and what a change of either costs."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ansible_collections.virtfleet.core.plugins.module_utils import _xml
from ansible_collections.virtfleet.core.plugins.module_utils._change import Change, Effect
from ansible_collections.virtfleet.core.plugins.module_utils._errors import SpecError
from ansible_collections.virtfleet.core.plugins.module_utils._guest.fields.disks import (
    BUSES,
    DISK,
    DISKS,
    RULES,
    TARGET,
    free_target,
    partitions_are_xens,
    prefix_of,
)
from ansible_collections.virtfleet.core.plugins.module_utils._guest.table import GUEST
from ansible_collections.virtfleet.core.plugins.module_utils._table import (
    Context,
    build,
    compare,
    observe,
    patch,
    steps,
)
from ansible_collections.virtfleet.core.plugins.module_utils._xml import Element
from tests.unit.plugins.module_utils.guest.world import recorded

RUNNING = Context(name="web1", state="running")
GIB = 1 << 30


@pytest.mark.parametrize(
    ("xml", "source"),
    [
        ("<disk type='file'><source file='/a'/></disk>", {"file": "/a"}),
        ("<disk type='file'/>", {"file": None}),
        ("<disk type='block'><source dev='/dev/a'/></disk>", {"block": "/dev/a"}),
        ("<disk type='volume'><source pool='p' volume='v.qcow2'/></disk>", {"volume": "p/v.qcow2"}),
        ("<disk type='volume'/>", {"volume": None}),
        ("<disk type='volume'><source pool='p'/></disk>", {"volume": None}),
        ("<disk type='volume'><source volume='v'/></disk>", {"volume": None}),
        ("<disk type='network'><source protocol='rbd' name='pool/img'/></disk>", {"rbd": {"name": "pool/img"}}),
        ("<disk type='nvme'><source namespace='1'/></disk>", None),
    ],
)
def test_sources(xml: str, source: Any) -> None:
    assert observe(DISK, _xml.parse(xml)).get("source") == source


@pytest.mark.parametrize(
    ("source", "expected"),
    [
        ({"file": "/n"}, {"@type": "file", "source/@file": "/n", "source/@dev": None, "source/@pool": None}),
        ({"block": "/dev/n"}, {"@type": "block", "source/@dev": "/dev/n", "source/@file": None}),
        ({"volume": "p/v"}, {"@type": "volume", "source/@pool": "p", "source/@volume": "v", "source/@file": None}),
        ({"file": None}, {"@type": "file", "source/@file": None, "source/@dev": None, "source/@volume": None}),
    ],
)
@pytest.mark.parametrize(
    "xml",
    [
        "<disk type='file'><source file='/a' startupPolicy='optional'/><backingStore/><target dev='sda'/></disk>",
        "<disk type='block'><source dev='/dev/a'/><target dev='sda'/></disk>",
        "<disk type='volume'><source pool='q' volume='w'/><target dev='sda'/></disk>",
        "<disk type='file'><target dev='sda'/></disk>",
    ],
)
def test_a_source_replaces_any_other(xml: str, source: Any, expected: dict[str, str | None]) -> None:
    root = _xml.parse(f"<domain><devices>{xml}</devices></domain>")
    after = patch(GUEST, root, [Change(("disks", "sda", "source"), None, source, Effect.LIVE)])
    (disk,) = _xml.find_all(after, "devices/disk")
    assert {path: _xml.read(disk, path) for path in expected} == expected
    assert _xml.find(disk, "backingStore") is None
    assert observe(DISK, disk)["source"] == source


def test_another_bus_drops_the_address_and_keeps_the_rest() -> None:
    root = _xml.parse(recorded("typical"))
    changes = [
        Change(("disks", "vda", "target"), "vda", "sdb", Effect.RESTART),
        Change(("disks", "vda", "bus"), "virtio", "sata", Effect.RESTART),
    ]
    before, after = (_xml.find_all(tree, "devices/disk")[0] for tree in (root, patch(GUEST, root, changes)))
    _xml.remove(before, "address")
    _xml.write(before, "target/@dev", "sdb")
    _xml.write(before, "target/@bus", "sata")
    assert _xml.same(after, before)


def test_a_new_disk() -> None:
    entry = {
        "name": "root",
        "device": "disk",
        "source": {"file": "/r.qcow2"},
        "format": "qcow2",
        "target": "vda",
        "bus": "virtio",
        "boot_order": 1,
        "size": GIB,
        "image": "/base",
    }
    expected = (
        "<disk type='file'><source file='/r.qcow2'/><driver type='qcow2' name='qemu'/><target dev='vda' bus='virtio'/>"
        "<boot order='1'/></disk>"
    )
    assert _xml.same(build(DISKS, entry), _xml.parse(expected))


@pytest.mark.parametrize(
    ("xml", "readonly"),
    [
        ("<disk type='file' device='cdrom'/>", True),
        ("<disk type='file' device='cdrom'><readonly/></disk>", True),
        ("<disk type='file'/>", False),
        ("<disk type='file'><readonly/></disk>", True),
    ],
)
def test_a_cdrom_drive_is_read_only_before_libvirt_says_so(xml: str, readonly: bool) -> None:
    assert observe(DISK, _xml.parse(xml))["readonly"] is readonly


@pytest.mark.parametrize("device", ["cdrom", "floppy"])
def test_a_new_drive_is_read_only_where_asked(device: str) -> None:
    entry = {"device": device, "source": {"file": None}, "target": "sda", "bus": "sata", "readonly": True}
    element = build(DISKS, entry)
    assert element.get("device") == device
    assert _xml.find(element, "readonly") is not None
    assert observe(DISK, element)["readonly"] is True
    assert _xml.find(build(DISKS, {**entry, "readonly": False}), "readonly") is None


DISK_ENTRY = {"device": "disk", "bus": "virtio"}
CDROM_ENTRY = {"device": "cdrom", "bus": "sata"}


@pytest.mark.parametrize(
    ("option", "entry", "before", "after", "effect"),
    [
        ("source", CDROM_ENTRY, {"file": "/a"}, {"file": "/b"}, Effect.LIVE),
        ("source", CDROM_ENTRY, {"file": "/a"}, {"file": None}, Effect.LIVE),
        ("source", DISK_ENTRY, {"file": "/a"}, {"file": "/b"}, Effect.RESTART),
        ("size", DISK_ENTRY, GIB, 2 * GIB, Effect.LIVE),
        ("size", DISK_ENTRY, 2 * GIB, GIB, Effect.DATA_LOSS),
        ("size", DISK_ENTRY, None, GIB, Effect.LIVE),
        ("image", DISK_ENTRY, "/a", "/b", Effect.DATA_LOSS),
        ("bus", DISK_ENTRY, "virtio", "sata", Effect.RESTART),
        ("target", DISK_ENTRY, "vda", "vdb", Effect.RESTART),
        ("format", DISK_ENTRY, "raw", "qcow2", Effect.RESTART),
        ("readonly", DISK_ENTRY, False, True, Effect.RESTART),
        ("boot_order", DISK_ENTRY, 1, 2, Effect.RESTART),
    ],
)
def test_what_a_change_costs(option: str, entry: dict[str, Any], before: Any, after: Any, effect: Effect) -> None:
    context = Context(state="running", entry=entry)
    assert DISK.entry(option).effect(context, before, after) is effect  # type: ignore[union-attr]


@pytest.mark.parametrize(
    ("entry", "effect"),
    [
        ({"bus": "virtio"}, Effect.LIVE),
        ({"bus": "scsi", "device": "disk"}, Effect.LIVE),
        ({"bus": "usb"}, Effect.LIVE),
        ({"bus": "sata"}, Effect.RESTART),
        ({"bus": "ide"}, Effect.RESTART),
        ({"bus": "scsi", "device": "cdrom"}, Effect.RESTART),
        ({"bus": "fdc", "device": "floppy"}, Effect.RESTART),
    ],
)
def test_what_can_be_plugged_while_the_guest_runs(entry: dict[str, Any], effect: Effect) -> None:
    assert DISKS.on_add(RUNNING, None, entry) is effect
    assert DISKS.on_remove(RUNNING, entry, None) is effect


# the live halves

LIVE = _xml.parse(recorded("typical", "live"))


def halves(want: list[dict[str, Any]], extra: dict[str, Any] | None = None) -> list[tuple[str, Any, bool]]:
    root = _xml.parse(recorded("typical"))
    have = observe(GUEST, root)
    for entry in have["disks"]:
        entry.update((extra or {}).get(entry["target"], {}))
    changes = compare(GUEST, {"disks": want, "disks_exact": True}, have, RUNNING)
    found = steps(GUEST, changes, RUNNING, patch(GUEST, root, changes), LIVE)
    return [(step.op, {k: v for k, v in step.args.items() if k != "name"}, step.optional) for step in found[1:]]


def test_a_medium_is_changed_in_the_drive() -> None:
    ((op, args, optional),) = halves([{"target": "vda"}, {"target": "sda", "source": {"file": "/new.iso"}}])
    assert (op, optional) == ("update_device", True)
    disk = _xml.parse(args["xml"])
    assert (disk.get("device"), _xml.read(disk, "source/@file"), _xml.read(disk, "target/@dev")) == (
        "cdrom",
        "/new.iso",
        "sda",
    )


def test_a_disk_is_grown_by_its_running_target() -> None:
    want = [{"target": "vda", "size": 2 * GIB}, {"target": "sda"}]
    assert halves(want, {"vda": {"size": GIB}}) == [("resize_disk", {"target": "vda", "size_bytes": 2 * GIB}, False)]


def test_disks_are_plugged_and_unplugged() -> None:
    new = {
        "name": "data",
        "device": "disk",
        "source": {"file": "/d"},
        "format": "raw",
        "target": "vdb",
        "bus": "virtio",
    }
    detach, attach = halves([{"target": "sda"}, new])
    assert (detach[0], detach[2], attach[0], attach[2]) == ("detach_device", True, "attach_device", True)
    # What is unplugged is named as it runs, alias and all.
    assert _xml.read(_xml.parse(detach[1]["xml"]), "alias/@name") == "virtio-disk0"
    assert _xml.read(_xml.parse(attach[1]["xml"]), "source/@file") == "/d"


def test_a_disk_whose_target_waits_for_a_restart_is_found_by_its_source() -> None:
    root = _xml.parse(recorded("typical").replace("dev='vda'", "dev='vdx'"))
    (element,) = [e for e in DISKS.elements(root) if e.get("device") == "disk"]
    twin = DISKS.twin(LIVE, element)
    assert twin is not None
    assert _xml.read(twin, "target/@dev") == "vda"


# targets


@given(st.sets(st.integers(0, 800)), st.sampled_from(BUSES))
def test_the_first_free_target(numbers: set[int], bus: str) -> None:
    every = [free_target(bus, set())]
    for _number in range(60):
        every.append(free_target(bus, set(every)))
    taken = {every[number] for number in numbers if number < 60}
    assert free_target(bus, taken) == next(target for target in every if target not in taken)


def test_targets_go_on_after_z() -> None:
    taken: set[str] = set()
    for _number in range(28):
        taken.add(free_target("virtio", taken))
    assert {"vda", "vdz", "vdaa", "vdab"} <= taken
    assert free_target("virtio", taken) == "vdac"


def test_prefixes() -> None:
    assert {bus: prefix_of(bus) for bus in BUSES} == {
        "virtio": "vd",
        "scsi": "sd",
        "sata": "sd",
        "ide": "hd",
        "usb": "sd",
        "fdc": "fd",
        "xen": "xvd",
    }


def test_one_disk_a_target() -> None:
    rule = RULES[0]
    assert rule({"disks": [{"name": "a", "target": "vda"}, {"name": "b", "target": "vdb"}, {"name": "c"}]}) == []
    assert rule({"disks": [{"name": "a", "target": "vda"}, {"name": "b", "target": "vda"}]}) == [
        "disks: a and b both have the target vda"
    ]


@pytest.mark.parametrize(
    ("disks", "complaints"),
    [
        ([{"target": "xvda2", "bus": "xen"}, {"target": "xvda1"}, {"target": "xvdb", "bus": "xen"}], []),
        (
            [{"name": "root", "target": "sda1", "bus": "scsi"}],
            ["disks.root.target: sda1 is a partition, which the bus scsi has not; say sda"],
        ),
        (
            [{"name": "root", "target": "xvda1", "bus": "xen"}, {"target": "xvda", "bus": "xen"}],
            ["disks.root.target: xvda1 is a partition of xvda, which is a disk too"],
        ),
    ],
)
def test_partitions_are_disks_on_xen_alone(disks: list[dict[str, Any]], complaints: list[str]) -> None:
    assert partitions_are_xens({"disks": disks}) == complaints


@pytest.mark.parametrize("target", ["vda1", "xvda123", "xvd1", "fda1", "xvda2x"])
def test_what_is_no_target(target: str) -> None:
    with pytest.raises(SpecError, match="is not a target such as vda, sda or xvda, or on Xen xvda1"):
        TARGET.parse(target)


@pytest.mark.parametrize(
    ("machine", "bus", "said"),
    [
        ("q35", "ide", ["disks.cd.bus: the machine q35 has no IDE; say bus: sata"]),
        ("pc-q35-7.2", "ide", ["disks.cd.bus: the machine pc-q35-7.2 has no IDE; say bus: sata"]),
        ("virt-7.2", "ide", ["disks.cd.bus: the machine virt-7.2 has no IDE; say bus: sata"]),
        ("q35", "sata", []),
        ("pc-i440fx-7.2", "ide", []),
        (None, "ide", []),
    ],
)
def test_a_bus_that_the_board_has(machine: str | None, bus: str, said: list[str]) -> None:
    spec = {"disks": [{"name": "cd", "bus": bus}], **({"machine": machine} if machine else {})}
    assert RULES[1](spec) == said


def test_names_come_from_the_record() -> None:
    mark = (
        "<metadata><virtfleet:guest xmlns:virtfleet='https://virtfleet.github.io/xml/1'>"
        "<virtfleet:device kind='disk' name='root' key='vda'/><virtfleet:device kind='nic' name='x' key='sda'/>"
        "</virtfleet:guest></metadata>"
    )
    root: Element = _xml.parse(recorded("typical").replace("<metadata>", mark + "<metadata>"))
    first, second = observe(GUEST, root)["disks"]
    assert (first["name"], first["ours"]) == ("root", True)
    assert "name" not in second
    assert "ours" not in second
