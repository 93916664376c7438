# Copyright: (c) 2026, the virtfleet.core contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Plans of guests: what is done in which order, what it costs, what stays pending; tried on a host in memory."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from ansible_collections.virtfleet.core.plugins.module_utils import _xml
from ansible_collections.virtfleet.core.plugins.module_utils._apply import step_names
from ansible_collections.virtfleet.core.plugins.module_utils._change import Effect, Plan
from ansible_collections.virtfleet.core.plugins.module_utils._errors import SpecError
from ansible_collections.virtfleet.core.plugins.module_utils._guest import record as records
from tests.unit.plugins.module_utils.guest.house import FAST, GIB, IMAGES, House, rows, waiting

WEB: dict[str, Any] = {
    "memory": "2GiB",
    "vcpus": 2,
    "vcpus_max": 4,
    "disks": [{"image": "debian-12", "size": "20GiB"}, {"cdrom": "/iso/netinst.iso"}],
    "nics": [{"network": "lab", "address": "10.20.0.11"}],
}


def house(state: str = "running", **more: Any) -> House:
    """Return a host with the guest web1 in a state."""
    made = House()
    made.run(**{**WEB, **more, "state": "running" if state in ("saved", "paused") else state})
    if state in ("saved", "paused"):
        made.run(state=state)
    made.fake.calls.clear()
    return made


def guest_steps(plan: Plan) -> list[str]:
    return [step.op for action in plan.actions if action.kind == "guest" for step in action.steps]


def effects(plan: Plan) -> dict[str, str]:
    return {change["path"]: change["effect"] for row in rows(plan) for change in row["changes"]}


def pending(plan: Plan) -> list[str]:
    return [change["path"] for row in waiting(plan) for change in row["changes"]]


# making one


def test_a_guest_is_made_after_what_it_stands_on() -> None:
    plan = House().plan(**WEB, state="running", autostart=True, cloud_init={"user_data": {"a": 1}})
    assert [(action.kind, action.name, action.action) for action in plan.actions] == [
        ("network", "lab", "update"),
        ("volume", "default/web1-root.qcow2", "create"),
        ("guest", "web1", "create"),
    ]
    assert effects(plan)["image"] == effects(plan)["size"] == "live"
    assert rows(plan)[1]["changes"] == [
        {"path": "size", "before": None, "after": "20GiB", "effect": "live"},
        {"path": "image", "before": None, "after": f"{IMAGES}/debian-12.qcow2", "effect": "live"},
    ]
    assert plan.actions[2].needs == (("volume", "default/web1-root.qcow2"), ("network", "lab"))
    assert guest_steps(plan) == ["write_seed", "define_guest", "set_autostart", "start_guest"]
    assert plan.effect is Effect.LIVE
    assert pending(plan) == []


def test_the_lectures_guest() -> None:
    """512 MB, 2 CPUs, a disk of 4 GB, an ISO in the drive, boot from CD."""
    made = House()
    lecture = {
        "memory": "512MB",
        "vcpus": 2,
        "disks": [{"size": "4GB"}, {"cdrom": "/iso/netinst.iso"}],
        "boot": ["cdrom", "disk"],
    }
    made.run(**lecture)
    root = made.definition()
    assert [_xml.read(root, path) for path in ("memory", "vcpu")] == ["500000", "2"]
    assert [e.get("dev") for e in _xml.find_all(root, "os/boot")] == ["cdrom", "hd"]
    image = made.fake.file_at(f"{IMAGES}/web1-root.qcow2")
    assert image is not None
    assert (image.format, image.capacity) == ("qcow2", 4 * 10**9)
    assert rows(made.plan(**lecture)) == []


def test_without_a_word_about_devices_there_are_none() -> None:
    made = House()
    made.run(memory="1GiB")
    assert (
        _xml.find_all(made.definition(), "devices/disk") == _xml.find_all(made.definition(), "devices/interface") == []
    )


def test_nothing_runs_that_was_not_asked_to() -> None:
    assert "start_guest" not in guest_steps(House().plan(**WEB))
    assert guest_steps(House().plan(**WEB, state="paused"))[-1] == "start_guest"
    assert "start_guest" not in guest_steps(House().plan(**WEB, state="stopped"))


# single changes on a running guest

DISKS: list[dict[str, Any]] = WEB["disks"]
SINGLE: list[tuple[str, dict[str, Any], dict[str, str], list[str], str, list[str]]] = [
    # what, options, effects by path, operations, outcome, pending
    (
        "memory within",
        {"memory": "1GiB"},
        {"memory": "live"},
        ["define_guest", "set_memory", "set_metadata"],
        "done",
        [],
    ),
    (
        "memory above",
        {"memory": "4GiB"},
        {"memory": "restart"},
        ["define_guest", "set_metadata"],
        "pending",
        ["memory_max", "memory"],
    ),
    ("vcpus", {"vcpus": 4}, {"vcpus": "live"}, ["define_guest", "set_vcpus", "set_metadata"], "done", []),
    (
        "vcpus above",
        {"vcpus": 6},
        {"vcpus": "restart"},
        ["define_guest", "set_metadata"],
        "pending",
        ["vcpus_max", "vcpus"],
    ),
    ("vcpus fewer", {"vcpus": 1}, {"vcpus": "restart"}, ["define_guest", "set_metadata"], "pending", ["vcpus"]),
    (
        "disk grown",
        {"disks": [{"image": "debian-12", "size": "30GiB"}, DISKS[1]]},
        {"disks.root.size": "live"},
        ["define_guest", "resize_disk", "set_metadata"],
        "done",
        [],
    ),
    (
        "cd changed",
        {"disks": [DISKS[0], {"cdrom": "/iso/other.iso"}]},
        {"disks.cdrom.source": "live"},
        ["define_guest", "update_device", "set_metadata"],
        "done",
        [],
    ),
    (
        "cd emptied",
        {"disks": [DISKS[0], {"cdrom": ""}]},
        {"disks.cdrom.source": "live"},
        ["define_guest", "update_device", "set_metadata"],
        "done",
        [],
    ),
    (
        "disk added",
        {"disks": [{"size": "1GiB", "name": "data"}, *DISKS]},
        {"size": "live", "disks.data": "live"},
        ["define_guest", "attach_device", "set_metadata"],
        "done",
        [],
    ),
    (
        "disk on a bus that cannot be plugged",
        {"disks": [*DISKS, {"size": "1GiB", "name": "data", "bus": "sata"}]},
        {"size": "live", "disks.data": "restart"},
        ["define_guest", "set_metadata"],
        "pending",
        ["disks.data"],
    ),
    (
        "disk removed",
        {"disks": DISKS[1:]},
        {"disks.root": "live"},
        ["define_guest", "detach_device", "set_metadata"],
        "done",
        [],
    ),
    (
        "nic added",
        {"nics": [{"network": "dmz"}, *WEB["nics"]]},
        {"nics.dmz": "live"},
        ["define_guest", "attach_device", "set_metadata"],
        "done",
        [],
    ),
    ("tag", {"tags": ["web"]}, {"tags": "live"}, ["define_guest", "set_metadata"], "done", []),
    ("title", {"title": "Web"}, {"title": "live"}, ["define_guest", "set_title", "set_metadata"], "done", []),
    ("autostart", {"autostart": True}, {"autostart": "live"}, ["set_autostart"], "done", []),
    (
        "bus",
        {"disks": [{"image": "debian-12", "size": "20GiB", "bus": "sata"}, DISKS[1]]},
        {"disks.root.target": "restart", "disks.root.bus": "restart"},
        ["define_guest", "set_metadata"],
        "pending",
        ["disks.root.target", "disks.root.bus"],
    ),
    ("machine", {"machine": "pc"}, {"machine": "restart"}, ["define_guest", "set_metadata"], "pending", ["machine"]),
    (
        "model",
        {"nics": [{"network": "lab", "model": "e1000e"}]},
        {"nics.lab.model": "restart"},
        ["define_guest", "set_metadata"],
        "pending",
        ["nics.lab.model"],
    ),
    (
        "overlay",
        {"xml_overlay": [{"at": "devices", "xml": "<watchdog model='i6300esb' action='reset'/>"}]},
        {"xml_overlay.0": "restart"},
        ["define_guest", "set_metadata"],
        "pending",
        ["watchdog"],
    ),
]


@pytest.mark.parametrize(
    ("options", "costs", "operations", "outcome", "waits"),
    [case[1:] for case in SINGLE],
    ids=[case[0] for case in SINGLE],
)
def test_a_single_change_on_a_running_guest(
    options: dict[str, Any], costs: dict[str, str], operations: list[str], outcome: str, waits: list[str]
) -> None:
    made = house()
    # A password set by hand, and something that no option knows.
    made.run(xml_overlay=[{"at": "devices", "xml": "<graphics type='vnc' passwd='geheim'/>"}])
    before = made.live()
    check = made.plan(**options)
    assert effects(check) == costs
    plan, outcomes = made.run(**options)
    assert rows(plan) == rows(check)
    assert sorted(guest_steps(plan)) == sorted(operations)
    assert guest_steps(plan)[0] == operations[0]
    assert outcomes[-1].outcome == outcome
    again = made.plan(**options)
    assert rows(again) == []
    # What was predicted is what is waited for now, with the password, which the running guest does not have either.
    assert pending(again) == pending(check)
    assert sorted(pending(again)) == sorted([*waits, "graphics_password"])
    assert _xml.read(made.definition(), "devices/graphics/@passwd") == "geheim"
    # The same run of the same guest: nothing restarted it.
    assert made.live().get("id") == before.get("id")


@pytest.mark.parametrize("options", [case[1] for case in SINGLE], ids=[case[0] for case in SINGLE])
@pytest.mark.parametrize("state", ["stopped", "crashed"])
def test_the_same_change_on_a_guest_that_is_off_waits_for_nothing(options: dict[str, Any], state: str) -> None:
    made = house("stopped")
    made.fake.guest_records["web1"].state = state
    plan, outcomes = made.run(**options)
    assert set(effects(plan).values()) == {"live"}
    assert outcomes[-1].outcome == "done"
    assert pending(made.plan(**options)) == []


def test_a_nic_that_goes_gives_its_reservation_back() -> None:
    made = house()
    plan, _outcomes = made.run(nics=[{"network": "dmz"}])
    assert [action.key for action in plan.actions] == [("network", "lab"), ("guest", "web1")]
    assert "host" not in made.fake.networks()["lab"].xml
    assert sorted(effects(plan)) == ["nics.dmz", "nics.lab", f"reservations.{_mac(plan)}"]


def _mac(plan: Plan) -> str:
    return next(change.path[1] for change in plan.actions[0].changes)


def test_a_reservation_moves_with_its_address() -> None:
    made = house("stopped")
    plan, _outcomes = made.run(nics=[{"network": "lab", "address": "10.20.0.12"}])
    assert {action.kind for action in plan.actions} == {"network", "guest"}
    text = made.fake.networks()["lab"].xml
    assert "10.20.0.12" in text
    assert "10.20.0.11" not in text


def test_a_running_guest_keeps_its_old_address_until_it_asks_again() -> None:
    made = house()
    plan, _outcomes = made.run(nics=[{"network": "lab", "address": "10.20.0.12"}])
    assert effects(plan)["nics.lab.address"] == "restart"


# states


def test_a_stop_comes_before_what_it_makes_cheap() -> None:
    made = house()
    plan, outcomes = made.run(memory="8GiB", machine="pc", state="stopped", stop_timeout="7s", force_stop=True)
    assert guest_steps(plan) == ["shutdown_guest", "define_guest"]
    assert plan.actions[0].steps[0].args == {"name": "web1", "timeout": 7.0, "force": True}
    assert effects(plan) == {"memory": "live", "machine": "live", "state": "restart"}
    assert outcomes[0].outcome == "done"
    assert pending(plan) == []


def test_a_start_comes_last_and_brings_all() -> None:
    made = house("stopped")
    plan, _outcomes = made.run(
        memory="8GiB", disks=[{"image": "debian-12", "size": "30GiB"}, DISKS[1]], state="running"
    )
    assert guest_steps(plan) == ["resize_volume", "define_guest", "start_guest"]
    assert _xml.read(made.live(), "memory") == str(8 << 20)


def test_disks_are_plugged_into_a_paused_guest_too() -> None:
    made = house("paused")
    plan, outcomes = made.run(disks=[*DISKS, {"size": "1GiB", "name": "data"}])
    assert "attach_device" in guest_steps(plan)
    assert [outcome.outcome for outcome in outcomes] == ["done", "done"]


def test_a_disk_is_grown_where_it_is_held() -> None:
    grown = [{"image": "debian-12", "size": "30GiB"}, DISKS[1]]
    for state, operation in (("running", "resize_disk"), ("paused", "resize_disk"), ("stopped", "resize_volume")):
        made = house(state)
        plan, _outcomes = made.run(disks=grown)
        assert operation in guest_steps(plan)
        image = made.fake.file_at(f"{IMAGES}/web1-root.qcow2")
        assert image is not None
        assert image.capacity == 30 * GIB


def test_a_disk_moved_to_another_bus_is_grown_where_it_runs() -> None:
    """Its definition says sdb by now, but it runs as vda: growing the file below a running guest would break it."""
    made = house()
    moved = [{"image": "debian-12", "size": "20GiB", "bus": "sata"}, DISKS[1]]
    made.run(disks=moved)
    plan, _outcomes = made.run(disks=[{**moved[0], "size": "30GiB"}, DISKS[1]])
    (step,) = [step for step in plan.actions[0].steps if step.op in ("resize_disk", "resize_volume")]
    assert (step.op, step.args["target"]) == ("resize_disk", "vda")


def test_a_disk_moved_and_grown_at_once_is_grown_where_it_runs() -> None:
    made = house()
    plan, _outcomes = made.run(disks=[{"image": "debian-12", "size": "30GiB", "bus": "sata"}, DISKS[1]])
    (step,) = [step for step in plan.actions[0].steps if step.op in ("resize_disk", "resize_volume")]
    assert (step.op, step.args["target"]) == ("resize_disk", "vda")


# lists


def test_a_disk_put_in_front_renames_nothing() -> None:
    made = house()
    made.run(disks=[{"size": "1GiB", "name": "first"}, *DISKS])
    found = {
        _xml.read(e, "target/@dev"): _xml.read(e, "source/@file")
        for e in _xml.find_all(made.definition(), "devices/disk")
    }
    assert found == {
        "vda": f"{IMAGES}/web1-root.qcow2",
        "vdb": f"{IMAGES}/web1-first.qcow2",
        "sda": "/iso/netinst.iso",
    }
    assert rows(made.plan(disks=[DISKS[1], DISKS[0], {"size": "1GiB", "name": "first"}])) == []


def test_what_is_not_ours_is_left_and_named() -> None:
    made = house("stopped")
    foreign = "<disk type='file' device='disk'><source file='/f'/><target dev='vdz' bus='virtio'/></disk>"
    nic = "<interface type='user'><mac address='52:54:00:00:00:77'/></interface>"
    made.fake.define_guest(_xml.to_text(made.definition()).replace("</devices>", f"{foreign}{nic}</devices>"))
    plan = made.plan(**WEB)
    assert rows(plan) == []
    assert plan.unmanaged == {("guest", "web1"): ("disks.vdz", "nics.52:54:00:00:00:77")}
    assert made.plan(memory="2GiB").unmanaged == {}
    plan, _outcomes = made.run(**WEB, disks_exact=True, nics_exact=True)
    assert sorted(effects(plan)) == ["disks.vdz", "nics.52:54:00:00:00:77"]
    assert made.plan(**WEB, disks_exact=True, nics_exact=True).unmanaged == {}


def test_a_volume_stays_when_its_disk_goes_and_is_found_again() -> None:
    made = house("stopped")
    made.run(disks=[])
    assert made.fake.file_at(f"{IMAGES}/web1-root.qcow2") is not None
    plan, _outcomes = made.run(disks=[{"image": "debian-12", "size": "40GiB"}])
    assert [action.key for action in plan.actions] == [("volume", "default/web1-root.qcow2"), ("guest", "web1")]
    assert step_names(plan)[0] == "resize_volume"
    assert "exists already" in plan.warnings[0]


# data


def test_another_image_makes_the_disk_anew_with_consent_only() -> None:
    made = house()
    other = {"disks": [{"image": "debian-13", "size": "20GiB"}, DISKS[1]]}
    with pytest.raises(Exception, match=r"disks.root.image: .*confirm_data_loss: \[web1/root\]"):
        made.plan(**other)
    for consent in ("web1", "web1/root"):
        plan = made.plan(**other, confirm_data_loss=[consent])
        assert effects(plan) == {"disks.root.image": "data_loss", "state": "restart"}
        assert guest_steps(plan) == ["shutdown_guest", "delete_volume", "create_volume", "define_guest", "start_guest"]
        assert pending(plan) == []
    plan, outcomes = made.run(**other, confirm_data_loss=["web1/root"])
    assert outcomes[-1].outcome == "done"
    image = made.fake.file_at(f"{IMAGES}/web1-root.qcow2")
    assert image is not None
    assert image.backing == f"{IMAGES}/debian-13.qcow2"
    assert made.fake.guests()["web1"].state == "running"


def test_a_smaller_disk_is_made_anew_with_consent_only() -> None:
    made = house("stopped")
    smaller = {"disks": [{"image": "debian-12", "size": "10GiB"}, DISKS[1]]}
    with pytest.raises(Exception, match=r"disks.root.size: .*confirm_data_loss: \[web1/root\]"):
        made.plan(**smaller)
    plan, _outcomes = made.run(**smaller, confirm_data_loss=["web1"])
    assert guest_steps(plan) == ["delete_volume", "create_volume", "define_guest"]
    assert made.fake.guests()["web1"].state == "stopped"


@pytest.mark.parametrize("state", ["running", "paused"])
def test_a_guest_is_again_what_it_was_once_its_disk_is_new(state: str) -> None:
    made = house(state)
    made.run(disks=[{"image": "debian-13", "size": "20GiB"}, DISKS[1]], confirm_data_loss=["web1"])
    assert made.fake.guests()["web1"].state == state


def test_a_disk_that_others_stand_on_is_not_made_anew() -> None:
    made = house("stopped")
    made.fake.put_file(f"{FAST}/clone.qcow2", "qcow2", 20 * GIB, backing=f"{IMAGES}/web1-root.qcow2")
    with pytest.raises(Exception, match=r"disks.root: is used by .*clone.qcow2"):
        made.plan(disks=[{"image": "debian-13", "size": "20GiB"}, DISKS[1]], confirm_data_loss=["web1"])


def test_a_saved_guest_keeps_the_disks_that_its_memory_knows() -> None:
    made = house("saved")
    with pytest.raises(Exception, match="the guest is saved, and its memory knows the old disk"):
        made.plan(disks=[{"image": "debian-13", "size": "20GiB"}, DISKS[1]], confirm_data_loss=["web1"])
    with pytest.raises(Exception, match="the guest is saved, and its memory knows the old size"):
        made.plan(disks=[{"image": "debian-12", "size": "30GiB"}, DISKS[1]])


def test_a_disk_of_another_hand_is_known_by_its_file() -> None:
    """A guest whose record was lost: its disk is the volume that would be made for it."""
    made = house("stopped")
    root = made.definition()
    _xml.remove(root, "metadata")
    made.fake.define_guest(_xml.to_text(root))
    assert rows(made.plan(**WEB)) == []
    plan, _outcomes = made.run(disks=[{"image": "debian-12", "size": "30GiB"}])
    assert effects(plan) == {"disks.vda.size": "live"}
    assert guest_steps(plan)[0] == "resize_volume"
    plan = made.plan(disks=[{"image": "debian-12", "size": "20GiB"}], confirm_data_loss=["web1"])
    assert guest_steps(plan) == ["delete_volume", "create_volume", "define_guest"]


# cloud-init

ONE, TWO = {"user_data": {"packages": ["vim"]}}, {"user_data": {"packages": ["emacs"]}}


def test_a_seed_is_written_only_when_its_content_changes() -> None:
    made = house(cloud_init=ONE)
    assert rows(made.plan(cloud_init=ONE)) == []
    assert rows(made.plan(cloud_init={"user_data": {"packages": ["vim"]}, "policy": "ignore"})) == []
    plan, outcomes = made.run(cloud_init=TWO)
    assert effects(plan) == {"cloud_init": "restart"}
    assert guest_steps(plan) == ["write_seed", "define_guest", "set_metadata"]
    assert outcomes[0].outcome == "pending"
    assert b"emacs" in made.fake.volume_data("default", "web1-seed.iso")
    assert rows(made.plan(cloud_init=TWO)) == []


def test_a_seed_is_ignored_made_at_once_or_makes_all_anew() -> None:
    made = house(cloud_init=ONE)
    assert rows(made.plan(cloud_init={**TWO, "policy": "ignore"})) == []
    anew = {**WEB, "cloud_init": {**TWO, "policy": "recreate"}}
    with pytest.raises(Exception, match=r"cloud_init: the disk root of web1 would be made anew"):
        made.plan(**anew)
    with pytest.raises(Exception, match=r"cloud_init.policy: recreate makes the disks with an image anew"):
        made.plan(cloud_init={**TWO, "policy": "recreate"})
    plan, _outcomes = made.run(**anew, confirm_data_loss=["web1"])
    assert guest_steps(plan) == [
        "shutdown_guest",
        "delete_volume",
        "create_volume",
        "write_seed",
        "define_guest",
        "start_guest",
    ]
    assert made.fake.guests()["web1"].state == "running"
    assert rows(made.plan(**anew, confirm_data_loss=["web1"])) == []


def test_a_guest_gets_its_first_seed_while_it_runs() -> None:
    made = house()
    plan, outcomes = made.run(cloud_init=ONE)
    assert effects(plan) == {"disks.seed": "live", "cloud_init": "live"}
    assert guest_steps(plan) == ["write_seed", "define_guest", "attach_device", "set_metadata"]
    assert outcomes[0].outcome == "done"


def test_a_seed_that_was_lost_is_written_again() -> None:
    made = house("stopped", cloud_init=ONE)
    made.fake.delete_volume("default", "web1-seed.iso")
    plan, _outcomes = made.run(cloud_init=ONE)
    assert "write_seed" in guest_steps(plan)
    # Even where a changed one would be ignored: without any the guest cannot start.
    made.fake.delete_volume("default", "web1-seed.iso")
    assert "write_seed" in guest_steps(made.plan(cloud_init={**TWO, "policy": "ignore"}))


# overlays


def test_an_overlay_is_laid_once_and_checked_against_the_schema() -> None:
    made = house("stopped")
    overlay = [
        {"at": "features", "xml": "<hyperv><relaxed state='on'/></hyperv>"},
        {"remove": "devices/input[@type='tablet']"},
    ]
    plan, _outcomes = made.run(xml_overlay=overlay)
    (define,) = plan.actions[0].steps
    assert define.args["validate"] is True
    assert effects(plan) == {"xml_overlay.0": "live", "xml_overlay.1": "live"}
    assert rows(made.plan(xml_overlay=overlay)) == []
    assert made.plan(memory="1GiB").actions[0].steps[0].args["validate"] is False
    # Another change does not take it away.
    made.run(memory="1GiB")
    assert _xml.read(made.definition(), "features/hyperv/relaxed/@state") == "on"


@pytest.mark.parametrize(
    ("overlay", "options", "said"),
    [
        (
            {"at": ".", "xml": "<currentMemory unit='GiB'>1</currentMemory>"},
            {"memory": "2GiB"},
            "xml_overlay: changes memory",
        ),
        ({"at": ".", "xml": "<vcpu>8</vcpu>"}, {"vcpus_max": 4}, "xml_overlay: changes vcpus_max"),
        ({"remove": "devices/disk[target/@dev='vda']"}, {"disks": DISKS}, "xml_overlay: changes disks.root"),
        (
            {"at": "devices", "xml": "<disk><target dev='vda' bus='sata'/></disk>"},
            {"disks": [{**DISKS[0], "bus": "virtio"}, DISKS[1]]},
            "xml_overlay: changes disks.root.bus",
        ),
        ({"at": ".", "xml": "<name>other</name>"}, {}, "changes the guest's name, its UUID or the metadata"),
        (
            {"at": ".", "xml": "<uuid>6f0d4f57-9d4e-4b3a-8a68-2f7c0f1e9b11</uuid>"},
            {},
            "changes the guest's name, its UUID",
        ),
        ({"remove": "metadata"}, {}, "the metadata of this collection"),
        ({"at": "devices/none/*/x", "xml": "<y/>"}, {}, "xml_overlay[0].at: 'devices/none/*/x' is not there"),
    ],
)
def test_an_overlay_does_not_take_back_what_is_said_elsewhere(
    overlay: dict[str, str], options: dict[str, Any], said: str
) -> None:
    made = house("stopped")
    with pytest.raises(Exception, match="guest web1: ") as caught:
        made.plan(**options, xml_overlay=[overlay])
    assert said in str(caught.value)


def test_what_an_option_does_not_say_an_overlay_may() -> None:
    made = house("stopped")
    made.run(xml_overlay=[{"at": ".", "xml": "<memory unit='KiB'>4194304</memory>"}], vcpus=2)
    assert _xml.read(made.definition(), "memory") == "4194304"


# removing one


def test_a_guest_goes_and_its_disks_stay() -> None:
    made = house(cloud_init=ONE)
    plan, _outcomes = made.run(state="absent", stop_timeout="5s")
    assert [action.key for action in plan.actions] == [("network", "lab"), ("guest", "web1")]
    assert guest_steps(plan) == ["shutdown_guest", "delete_volume", "undefine_guest"]
    assert plan.warnings == ("guest web1: its disks stay: default/web1-root.qcow2",)
    assert plan.effect is Effect.RECREATE
    assert made.fake.guests() == {}
    # The seed can be made again; an ISO and a base are nobody's to remove.
    assert made.fake.file_at(f"{IMAGES}/web1-seed.iso") is None
    for path in (f"{IMAGES}/web1-root.qcow2", f"{IMAGES}/debian-12.qcow2", "/iso/netinst.iso"):
        assert made.fake.file_at(path) is not None
    assert "host" not in made.fake.networks()["lab"].xml
    assert rows(made.plan(state="absent")) == []


@pytest.mark.parametrize(
    ("consent", "gone", "stays"),
    [
        (["web1"], ["root", "data"], []),
        (["web1/data"], ["data"], ["root"]),
        (["web1/root", "web1/data"], ["root", "data"], []),
        (["other", "web1/none"], [], ["root", "data"]),
    ],
)
def test_disks_go_by_name(consent: list[str], gone: list[str], stays: list[str]) -> None:
    made = house("stopped", disks=[*DISKS, {"size": "1GiB", "name": "data"}, {"file": "/data/old.qcow2"}])
    plan, _outcomes = made.run(state="absent", confirm_data_loss=consent)
    assert (plan.effect is Effect.DATA_LOSS) == bool(gone)
    for disk in gone:
        assert made.fake.file_at(f"{IMAGES}/web1-{disk}.qcow2") is None
    for disk in stays:
        assert made.fake.file_at(f"{IMAGES}/web1-{disk}.qcow2") is not None
    for path in (f"{IMAGES}/debian-12.qcow2", "/data/old.qcow2", "/iso/netinst.iso"):
        assert made.fake.file_at(path) is not None


def test_a_disk_that_others_stand_on_is_not_removed() -> None:
    made = house("stopped")
    made.fake.put_file(f"{FAST}/clone.qcow2", "qcow2", 20 * GIB, backing=f"{IMAGES}/web1-root.qcow2")
    with pytest.raises(Exception, match=r"web1-root.qcow2 is used by .*clone.qcow2"):
        made.plan(state="absent", confirm_data_loss=["web1"])
    assert "undefine_guest" in guest_steps(made.plan(state="absent"))


def test_a_paused_guest_is_woken_to_hear_that_it_shall_go() -> None:
    made = house("paused")
    plan, _outcomes = made.run(state="absent")
    assert guest_steps(plan)[:2] == ["resume_guest", "shutdown_guest"]


@pytest.mark.parametrize("state", ["stopped", "saved"])
def test_a_guest_that_is_off_goes_as_it_is(state: str) -> None:
    made = house(state)
    plan, _outcomes = made.run(state="absent")
    assert guest_steps(plan) == ["undefine_guest"]


def test_a_new_disk_is_plugged_in_where_the_running_guest_has_none() -> None:
    made = House()
    scratch, old = {"volume": "fast/scratch.raw"}, {"file": "/data/old.qcow2"}
    made.run(memory="1GiB", state="running", disks=[scratch])
    # Its place is free in the definition from here on, and only there.
    made.run(memory="1GiB", disks=[{**scratch, "bus": "sata"}])
    said = made.plan(memory="1GiB", disks=[{**scratch, "bus": "sata"}, old])
    made.run(memory="1GiB", disks=[{**scratch, "bus": "sata"}, old])
    assert waiting(said) == waiting(made.plan())
    assert [_xml.read(disk, "target/@dev") for disk in _xml.find_all(made.live(), "devices/disk")] == ["vda", "vdb"]


def test_what_a_sleeping_guest_could_not_be_told_it_is_told_with_the_next_change() -> None:
    made = house("saved")
    made.run(tags=["late"], state="running")
    # It woke up with the mark that it had.
    assert {row["path"] for entry in waiting(made.plan()) for row in entry["changes"]} == {"tags"}
    said = made.plan(memory="3GiB")
    made.run(memory="3GiB")
    assert waiting(said) == waiting(made.plan())
    assert "tags" not in {row["path"] for entry in waiting(said) for row in entry["changes"]}


# what is recorded


def test_the_record_says_what_was_attached_and_wanted() -> None:
    made = house("stopped", cloud_init=ONE)
    record = records.read(made.definition())
    assert record is not None
    assert [(d.kind, d.name, d.key, d.volume, d.image) for d in record.devices] == [
        ("disk", "root", "vda", "default/web1-root.qcow2", f"{IMAGES}/debian-12.qcow2"),
        ("disk", "cdrom", "sda", None, None),
        ("disk", "seed", "vdb", "default/web1-seed.iso", None),
        ("nic", "lab", record.devices[3].key, None, None),
    ]
    assert (record.devices[3].network, record.devices[3].address) == ("lab", "10.20.0.11")
    assert record.applied is not None
    assert record.applied["memory"] == "2GiB"
    assert record.seed is not None
    assert len(record.seed) == 64
    made.run(disks=[DISKS[0]])
    record = records.read(made.definition())
    assert record is not None
    assert [d.name for d in record.devices if d.kind == "disk"] == ["root", "seed"]


def test_the_record_is_not_refreshed_without_a_change() -> None:
    made = house("stopped")
    before = made.definition()
    made.run(memory="2GiB")
    made.run(autostart=True)
    assert _xml.same(made.definition(), before)


def test_the_running_guest_is_marked_like_its_definition() -> None:
    made = house()
    made.run(tags=["web"])
    live, inactive = (records.element(tree) for tree in (made.live(), made.definition()))
    assert live is not None
    assert inactive is not None
    assert _xml.same(live, inactive)


# what is wrong

BAD: list[tuple[dict[str, Any], str]] = [
    ({"memory": "1TiB"}, "memory: 1TiB are more than the host has (64GiB)"),
    ({"memory": "1GiB", "memory_max": "65GiB"}, "memory: 65GiB are more than the host has (64GiB)"),
    (
        {"memory": "2GiB", "memory_max": "1GiB"},
        "memory: 2GiB is above memory_max (1GiB); raise memory_max or lower memory",
    ),
    ({"vcpus": 8, "vcpus_max": 6}, "vcpus: 8 is above vcpus_max (6)"),
    ({"vcpus": 6, "vcpus_max": 6, "topology": {"cores": 4}}, "topology: 4 cores make 4 CPUs, but the guest has 6"),
    ({"kernel": "/none"}, "kernel: /none does not exist on the host"),
    ({"kernel": "/boot/vmlinuz", "initrd": "/none"}, "initrd: /none does not exist on the host"),
    ({"initrd": "/boot/initrd"}, "initrd: needs kernel"),
    (
        {"disks": [{**DISKS[0], "target": "vda"}, {"size": "1GiB", "name": "b", "target": "vda"}]},
        "disks: root and b both have the target vda",
    ),
    (
        {"boot": ["disk"], "disks": [{**DISKS[0], "boot_order": 1}, DISKS[1]]},
        "boot_order: the boot order is given twice",
    ),
    (
        {"disks": [{**DISKS[0], "boot_order": 1}, {**DISKS[1], "boot_order": 1}], "boot": []},
        "boot_order: disks.root and disks.cdrom both have 1",
    ),
    ({"nics": [{"network": "none"}]}, "nics[0].network: there is no network none"),
    (
        {"nics": [{"network": "lab", "mac": "52:54:00:00:00:01"}, {"network": "dmz", "mac": "52:54:00:00:00:01"}]},
        "nics: lab and dmz both have the mac 52:54:00:00:00:01",
    ),
    ({"disks": [{"cdrom": "/none.iso"}]}, "disks[0].cdrom: /none.iso does not exist on the host"),
]


@pytest.mark.parametrize(("options", "said"), BAD)
@pytest.mark.parametrize("present", [True, False], ids=["present", "new"])
def test_what_cannot_be_is_said_and_nothing_touched(options: dict[str, Any], said: str, present: bool) -> None:
    made = house("stopped") if present else House()
    picture = made.picture()
    with pytest.raises(Exception, match="guest web1: ") as caught:
        made.run(**({} if present else {"memory": "1GiB"}) | options)
    assert f"guest web1: {said}" in str(caught.value)
    assert made.picture() == picture
    assert made.fake.calls == []


@pytest.mark.parametrize(
    ("options", "said"),
    [
        ({}, "memory: needed to make the guest web1, for example 2GiB"),
        ({"memory": "1GiB", "arch": "sparc64"}, "arch: the host cannot run sparc64 guests (it can: i686, x86_64)"),
        ({"memory": "1GiB", "state": "saved"}, "state: the guest web1 is absent, so there is no memory to save"),
    ],
)
def test_what_a_new_guest_needs(options: dict[str, Any], said: str) -> None:
    with pytest.raises(Exception, match=".") as caught:
        House().plan(**options)
    assert said in str(caught.value)


def test_what_a_host_without_kvm_says() -> None:
    with pytest.raises(Exception, match="accel: the host cannot run x86_64 guests by kvm; it has qemu"):
        House(domain_types=("qemu",)).plan(memory="1GiB", accel="kvm")


@pytest.mark.parametrize(
    ("options", "said"),
    [
        ({"uuid": "6f0d4f57-9d4e-4b3a-8a68-2f7c0f1e9b11"}, "which cannot be changed to 6f0d4f57"),
        (
            {"arch": "aarch64"},
            "arch: x86_64 cannot become aarch64 on an existing guest; remove the guest (its disks stay)",
        ),
    ],
)
def test_what_an_existing_guest_cannot_become(options: dict[str, Any], said: str) -> None:
    with pytest.raises(Exception, match="guest web1: ") as caught:
        house("stopped").plan(**options)
    assert said in str(caught.value)


def test_all_that_is_wrong_is_said_at_once() -> None:
    with pytest.raises(Exception, match="guest web1: ") as caught:
        House().plan(
            memory="1TiB",
            vcpus=3,
            topology={"cores": 2},
            disks=[{"image": "none"}, {"cdrom": "/none.iso"}],
            nics=[{"network": "x"}],
        )
    sentences = caught.value.problems  # type: ignore[attr-defined]
    assert [sentence.split(": ")[1] for sentence in sentences] == [
        "disks[0].image",
        "disks[1].cdrom",
        "nics[0].network",
        "topology",
        "memory",
    ]


def test_what_was_wrong_before_is_not_this_runs_to_refuse() -> None:
    made = house("stopped")
    text = _xml.to_text(made.definition())
    odd = text.replace(
        "</devices>",
        "<disk device='disk' type='file'><source file='/x'/><target dev='vda' bus='scsi'/></disk></devices>",
    )
    record = made.fake.guests()["web1"]
    subject = made.subject({"memory": "1GiB"})
    snap = subject.gather(made.ports)
    plan = subject.plan(replace(snap, guests={"web1": replace(record, xml=odd)}))
    assert effects(plan) == {"memory": "live"}


@pytest.mark.parametrize(
    ("options", "path"),
    [
        ({"memory": "4GiB"}, "memory"),
        ({"vcpus": 8}, "vcpus"),
        ({"boot": ["network"]}, "boot"),
        ({"memory_max": "2000MB", "memory": "2000MB"}, "memory_max"),
    ],
)
def test_a_present_ceiling_or_order_gives_way_to_what_is_said_now(options: dict[str, Any], path: str) -> None:
    made = house("stopped", disks=[{**DISKS[0], "boot_order": 1}, DISKS[1]])
    plan, _outcomes = made.run(**options)
    assert path in effects(plan)


def test_memory_is_kept_from_hosts_that_can() -> None:
    wanted = {"name": "web1", "memory": "1GiB", "launch_security": {"policy": "0x3"}}
    able = House()
    able.run(**wanted)
    assert able.plan(**wanted).actions == ()
    unable = House(domain_types=("qemu",))
    with pytest.raises(SpecError, match=r"launch_security.type: this host starts no x86_64 guests by sev"):
        unable.plan(**wanted)
    assert unable.plan(**{**wanted, "launch_security": {"type": "none"}}).actions != ()
    with pytest.raises(SpecError, match="by s390-pv"):
        able.plan(name="web1", launch_security={"type": "s390-pv"})
