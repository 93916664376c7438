# Copyright: (c) 2026, the virtfleet.core contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Whole documents on a host in memory: order, reservations, ownership, what is refused."""

from __future__ import annotations

import copy
from typing import Any

import pytest

from ansible_collections.virtfleet.core.plugins.module_utils import _xml
from ansible_collections.virtfleet.core.plugins.module_utils._apply import apply
from ansible_collections.virtfleet.core.plugins.module_utils._change import UNKNOWN
from ansible_collections.virtfleet.core.plugins.module_utils._errors import SpecError
from tests.unit.plugins.module_utils.estate.hall import DOCUMENT, Hall, changes, document, failures, names, rows
from tests.unit.plugins.module_utils.guest.house import FAST, GIB, IMAGES

CONSENT = ["web1", "web2", "web3", "db1", "small"]
EMPTY = {"version": 1}


def refused(hall: Hall, given: Any, **options: Any) -> list[str]:
    before = hall.picture()
    with pytest.raises(SpecError) as error:
        hall.planned(given, **options)
    assert hall.picture() == before
    return list(error.value.problems)


def test_from_nothing_to_all_and_back() -> None:
    hall = Hall()
    before = hall.picture()
    plan, outcomes = hall.make(document())
    assert failures(outcomes) == []
    assert names(plan) == [
        "pool images",
        "image small",
        "network office",
        "volume images/web1-root.qcow2",
        "guest web1",
        "volume images/web2-root.qcow2",
        "guest web2",
        "volume images/web3-root.qcow2",
        "guest web3",
        "volume images/db1-root.qcow2",
        "volume images/db1-data.qcow2",
        "guest db1",
    ]
    assert hall.planned(document()).actions == ()
    assert [facts.state for facts in hall.fake.guests().values()] == ["running"] * 3 + ["stopped"]
    gone, outcomes = hall.make(EMPTY, prune=True, confirm_data_loss=CONSENT)
    assert failures(outcomes) == []
    assert names(gone, "delete") == names(gone)
    assert hall.planned(EMPTY, prune=True).actions == ()
    after = hall.picture()
    assert [*after[:3]] == [*before[:3]]
    assert after[3] == before[3]


def test_a_network_is_defined_once_with_the_reservations_of_all() -> None:
    hall = Hall()
    hall.make(document())
    assert [call for call, _arguments in hall.fake.calls if "network" in call] == [
        "define_network",
        "start_network",
        "set_network_autostart",
    ]
    root = _xml.parse(hall.fake.networks()["office"].xml)
    assert [(host.get("name"), host.get("ip")) for host in _xml.find_all(root, "ip/dhcp/host")] == [
        ("web1", "10.50.0.11"),
        ("web2", "10.50.0.12"),
        ("web3", "10.50.0.13"),
    ]


def test_many_new_reservations_restart_a_network_that_nobody_runs_in() -> None:
    hall = Hall()
    given = document(guests=[])
    hall.make(given)
    more = document()
    more["guests"][0].update(count=20, state="running")
    plan = hall.planned(more)
    assert changes(plan, "network", "office")["state"] == ("active", "active (restarted)", "live")
    hall.make(more)
    assert "update_network" not in [call for call, _arguments in hall.fake.calls]
    assert len(_xml.find_all(_xml.parse(hall.fake.networks()["office"].live_xml or ""), "ip/dhcp/host")) == 20


def test_a_running_network_with_guests_in_it_hears_of_those_that_start() -> None:
    hall = Hall()
    hall.make(document())
    more = document()
    more["guests"][0]["count"] = 13
    hall.fake.calls.clear()
    hall.make(more)
    assert [call for call, _arguments in hall.fake.calls].count("update_network") == 10
    stopped = document()
    stopped["guests"][0].update(count=20)
    stopped["guests"][0].pop("state")
    hall.fake.calls.clear()
    hall.make(stopped)
    # They do not ask for an address yet.
    assert [call for call, _arguments in hall.fake.calls].count("update_network") == 0
    assert [call for call, _arguments in hall.fake.calls].count("define_network") == 1
    stopped["guests"][0]["state"] = "running"
    hall.make(stopped)
    assert [call for call, _arguments in hall.fake.calls].count("update_network") == 7


def test_a_size_that_nobody_knows_yet() -> None:
    hall = Hall()
    given = document(images=[{"name": "small", "source": "/data/old.qcow2"}])
    plan = hall.planned(given)
    assert changes(plan, "volume", "images/db1-root.qcow2")["size"] == (None, UNKNOWN, "live")
    hall.make(given)
    assert hall.fake.volumes("images")["db1-root.qcow2"].capacity_bytes == 7 * GIB
    assert hall.fake.volumes("images")["web1-root.qcow2"].capacity_bytes == 10 * GIB
    smaller = copy.deepcopy(given)
    smaller["guests"].append({"name": "tiny", "disks": [{"image": "small", "size": "1GiB"}]})
    assert refused(hall, smaller) == [
        "guests[2].disks[0].size (tiny): 1GiB is less than the image small has (7GiB)",
    ]
    fresh = Hall()
    subject = fresh.estate(smaller)
    outcomes = apply(subject.plan(subject.gather(fresh.ports)), fresh.ports)
    assert [text.partition(";")[0] for text in failures(outcomes)] == [
        "volume images/tiny-root.qcow2: its size 1GiB is less than the image /srv/images/small.qcow2 has (7GiB)",
        "guest tiny: skipped because volume images/tiny-root.qcow2 failed",
    ]


def test_an_image_is_found_wherever_it_lies() -> None:
    hall = Hall()
    given = {
        "version": 1,
        "images": [{"name": "base", "path": f"{FAST}/base.qcow2", "source": "/data/old.qcow2"}],
        "guests": [{"name": "a", "memory": "1GiB", "disks": [{"image": "base"}]}],
    }
    hall.make(given)
    assert hall.fake.volumes("default")["a-root.qcow2"].backing == f"{FAST}/base.qcow2"
    assert hall.planned(given).actions == ()


def test_an_iso_of_the_same_document_is_in_the_drive() -> None:
    hall = Hall()
    given = {
        "version": 1,
        "images": [{"name": "new.iso", "pool": "default", "format": "raw", "source": "/iso/netinst.iso"}],
        "guests": [{"name": "a", "memory": "1GiB", "disks": [{"cdrom": f"{IMAGES}/new.iso"}]}],
    }
    plan, outcomes = hall.make(given)
    assert failures(outcomes) == []
    assert ("image", "new.iso") in plan.actions[-1].needs


def test_a_network_that_was_made_inactive_starts_with_the_host_once_it_is_started() -> None:
    hall = Hall()
    network = {"name": "office", "cidr": "10.50.0.0/24"}
    hall.make({"version": 1, "networks": [{**network, "state": "inactive"}]})
    assert not hall.fake.networks()["office"].autostart
    plan, _outcomes = hall.make({"version": 1, "networks": [{**network, "state": "active"}]})
    assert changes(plan, "network", "office") == {
        "state": ("inactive", "active", "live"),
        "autostart": (False, True, "live"),
    }
    assert hall.planned({"version": 1, "networks": [network]}).actions == ()


# ownership


def test_only_what_the_estate_made_is_pruned() -> None:
    hall = Hall()
    hall.run(name="mine", memory="1GiB")
    given = {"version": 1, "networks": [{"name": "lab"}], "pools": [{"name": "fast"}], "guests": [{"name": "mine"}]}
    hall.make(given)
    hall.make({**given, "name": "other", "guests": [*given["guests"], {"name": "theirs", "memory": "1GiB"}]})
    hall.make({**given, "guests": [*given["guests"], {"name": "ours", "memory": "1GiB"}]})
    plan = hall.planned(EMPTY, prune=True)
    assert names(plan) == ["guest ours"]
    assert names(hall.planned({**EMPTY, "name": "other"}, prune=True)) == ["guest theirs"]


def test_disks_and_images_stay_unless_they_are_named() -> None:
    hall = Hall()
    hall.make(document())
    plan, outcomes = hall.make(EMPTY, prune=True)
    assert failures(outcomes) == []
    assert "image small (/srv/images/small.qcow2) is not in the document any more and stays" in "".join(plan.warnings)
    assert sorted(hall.fake.folders["/srv/images"]) == [
        "db1-data.qcow2",
        "db1-root.qcow2",
        "small.qcow2",
        "web1-root.qcow2",
        "web2-root.qcow2",
        "web3-root.qcow2",
    ]
    assert "images" not in hall.fake.pools()


def test_an_image_below_disks_that_stay_is_not_removed() -> None:
    hall = Hall()
    hall.make(document())
    found = refused(hall, EMPTY, prune=True, confirm_data_loss=["small", "web1", "web2", "db1"])
    assert len(found) == 1
    assert "web3-root.qcow2 stands on it" in found[0]


def test_a_volume_that_goes_goes_before_the_image_below_it() -> None:
    hall = Hall()
    hall.make(document())
    fewer = document(guests=document()["guests"][:1])
    hall.make(fewer, prune=True)
    left = [{"name": f"db1-{disk}.qcow2", "pool": "images", "state": "absent"} for disk in ("root", "data")]
    given = {**EMPTY, "volumes": left}
    consent = ["small", "web1", "web2", "web3", *(volume["name"] for volume in left)]
    plan, outcomes = hall.make(given, prune=True, confirm_data_loss=consent)
    assert failures(outcomes) == []
    assert names(plan, "delete")[-4:-2] == ["volume images/db1-data.qcow2", "image small"]
    assert "/srv/images" not in hall.fake.folders
    assert "images" not in hall.fake.pools()


def test_a_guest_that_stays_keeps_its_network_and_its_pool() -> None:
    hall = Hall()
    hall.make(document())
    found = refused(hall, document(networks=None, pools=None, images=None), prune=True)
    assert any(text.startswith("guests[0].nics[0].network (web1): the network office is not in the document") for text in found)
    found = refused(hall, document(networks=None), prune=True)
    assert len(found) == 3


def test_a_guest_of_somebody_else_keeps_the_network() -> None:
    hall = Hall()
    hall.make(document())
    hall.run(name="foreign", memory="1GiB", nics=[{"network": "office"}])
    (found,) = refused(hall, EMPTY, prune=True)
    assert found.startswith("networks: the network office is not in the document and would be pruned, and foreign could not")


@pytest.mark.parametrize("state", ["present", "running"])
def test_a_network_goes_in_the_run_that_plugs_its_last_guest_in_elsewhere(state: str) -> None:
    hall = Hall()
    web = {"name": "web", "memory": "256MiB", "state": state}
    first = {"version": 1, "networks": DOCUMENT["networks"], "guests": [{**web, "nics": [{"network": "office"}]}]}
    hall.make(first)
    plan, outcomes = hall.make({"version": 1, "guests": [{**web, "nics": []}]}, prune=True)
    assert failures(outcomes) == []
    assert "office" not in hall.fake.networks()
    (gone,) = [action for action in plan.actions if action.key == ("network", "office")]
    assert ("guest", "web") in gone.needs


# what is refused


DATA = {"file": "/data/old.qcow2"}


def sharing(first: dict[str, Any], second: dict[str, Any]) -> dict[str, Any]:
    guests = [{"name": name, "memory": "1GiB", **words} for name, words in (("a", first), ("b", second))]
    return {"version": 1, "guests": guests}


@pytest.mark.parametrize(
    ("first", "second"),
    [
        ({"state": "running", "disks": [DATA]}, {"state": "running", "disks": [DATA]}),
        ({"state": "running", "disks": [{"volume": "fast/scratch.raw"}]}, {"state": "paused", "disks": [{"file": f"{FAST}/scratch.raw"}]}),
    ],
)
def test_no_guest_is_started_on_a_disk_that_another_writes_to(first: dict[str, Any], second: dict[str, Any]) -> None:
    (found,) = refused(Hall(), sharing(first, second))
    assert "is a disk of a and b, and a shall be started: guests that write to one disk destroy what is on it" in found


def test_nor_on_one_of_a_guest_that_runs_already() -> None:
    hall = Hall()
    hall.make(sharing({"state": "running", "disks": [DATA]}, {"disks": [DATA]}))
    (found,) = refused(hall, sharing({}, {"state": "running"}))
    assert "b shall be started" in found


@pytest.mark.parametrize(
    ("first", "second"),
    [
        ({"disks": [DATA]}, {"state": "running", "disks": [DATA]}),
        ({"state": "running", "disks": [{**DATA, "readonly": True}]}, {"state": "running", "disks": [{**DATA, "readonly": True}]}),
        ({"state": "running", "disks": [{"cdrom": "/iso/other.iso"}]}, {"state": "running", "disks": [{"cdrom": "/iso/other.iso"}]}),
        ({"state": "running", "disks": [{"size": "1GiB"}]}, {"state": "running", "disks": [{"size": "1GiB"}]}),
    ],
)
def test_what_two_guests_may_have(first: dict[str, Any], second: dict[str, Any]) -> None:
    Hall().make(sharing(first, second))


def test_who_shares_a_disk_on_purpose_says_so() -> None:
    overlay = {"at": "devices/disk[target/@dev='vda']", "xml": "<shareable/>"}
    words = {"state": "running", "disks": [{"volume": "fast/scratch.raw", "target": "vda"}], "xml_overlay": [overlay]}
    Hall().make(sharing(words, words))


def test_there_is_a_word_for_that() -> None:
    words = {"state": "running", "disks": [{"volume": "fast/scratch.raw", "shareable": True}]}
    Hall().make(sharing(words, words))


def test_all_that_the_host_tells_comes_at_once() -> None:
    hall = Hall()
    given = {
        "version": 1,
        "networks": [{"name": "new", "cidr": "10.20.0.0/16"}],
        "guests": [
            {"name": "a", "memory": "1GiB", "nics": [{"network": "lob"}]},
            {"name": "b", "memory": "1GiB", "disks": [{"image": "debian-21"}]},
            {"name": "c"},
            {"name": "d", "memory": "999GiB"},
            {"name": "e", "memory": "1GiB", "disks": [{"size": "1GiB", "pool": "slow"}]},
        ],
    }
    found = refused(hall, given)
    assert [text.partition(": ")[0] for text in found] == [
        "networks[0].cidr (new)",
        "guests[0].nics[0].network (a)",
        "guests[1].disks[0].image (b)",
        "guests[2].memory (c)",
        "guests[3].memory (d)",
        "guests[4].pool (e)",
    ]


@pytest.mark.parametrize(
    ("limits", "told"),
    [
        ({"memory": 1}, "overcommit.memory: the running guests would have 96GiB, more than 1 times the host's 64GiB"),
        ({"memory": 1.5, "vcpus": 2}, "overcommit.vcpus: the running guests would have 48 CPUs, more than 2 times the host's 16"),
        ({"memory": 1.5, "vcpus": 3}, ""),
    ],
)
def test_the_host_s_room(limits: dict[str, Any], told: str) -> None:
    hall = Hall()
    hall.run(name="foreign", memory="16GiB", vcpus=8, state="running")
    given = {
        "version": 1,
        "overcommit": limits,
        "guests": [
            {"name": "g", "count": 10, "memory": "8GiB", "vcpus": 4, "state": "running"},
            {"name": "off", "memory": "64GiB", "vcpus": 64},
        ],
    }
    if told:
        (found,) = refused(hall, given)
        assert found.startswith(told)
    else:
        hall.planned(given)


def test_modules_of_memory_are_of_the_host_s_too() -> None:
    guest = {
        "name": "g",
        "memory": "8GiB",
        "numa": [{"memory": "8GiB"}],
        "memory_slots": 2,
        "memory_hotplug_max": "64GiB",
        "memory_modules": [{"slot": 0, "size": "50GiB"}],
        "state": "running",
    }
    (found,) = refused(Hall(), {"version": 1, "overcommit": {"memory": 0.5}, "guests": [guest]})
    assert found.startswith("overcommit.memory: the running guests would have 58GiB, more than 0.5 times the host's 64GiB")


def test_a_guest_waits_for_its_filters_and_secrets() -> None:
    rbd = {"name": "rbd/a", "user": "me", "secret": "ceph-key"}
    given = {
        "version": 1,
        "secrets": [
            {"name": "cluster", "usage": "ceph", "usage_id": "ceph-key", "value": "a"},
            {"name": "sealed", "usage": "volume", "usage_id": "disk-key", "value": "b"},
        ],
        "nwfilters": [{"name": "quiet", "rules": []}],
        "guests": [
            {
                "name": "a",
                "memory": "1GiB",
                "disks": [{"name": "one", "rbd": rbd}, {"file": "/data/old.qcow2", "luks_secret": "disk-key"}],
                "nics": [{"network": "lab", "filter": {"name": "quiet"}}],
            }
        ],
    }
    (guest,) = [action for action in Hall().planned(given).actions if action.kind == "guest"]
    assert {("secret", "cluster"), ("secret", "sealed"), ("nwfilter", "quiet")} <= set(guest.needs)


def test_what_needs_what_failed_is_skipped_and_the_rest_goes_on() -> None:
    hall = Hall()
    subject = hall.estate(document())
    plan = subject.plan(subject.gather(hall.ports))
    number = [call for action in plan.actions for step in action.steps for call in [(action.kind, action.name, step.op)]]
    at = number.index(("volume", "images/web2-root.qcow2", "create_volume"))
    # The image is made by Files, which the fake's count does not know.
    hall.fake.fail_at(at)
    outcomes = apply(plan, hall.ports, parallel=1)
    assert [(one.action.name, one.outcome) for one in outcomes if one.outcome != "done"] == [
        ("images/web2-root.qcow2", "failed"),
        ("web2", "skipped"),
    ]
    plan, _outcomes = hall.make(document())
    assert names(plan) == ["volume images/web2-root.qcow2", "guest web2"]


def test_nothing_begins_after_a_failure_if_told_so() -> None:
    hall = Hall()
    subject = hall.estate(document(), on_error="stop")
    plan = subject.plan(subject.gather(hall.ports))
    hall.fake.fail_at(2)
    outcomes = apply(plan, hall.ports, stop=subject.stop)
    assert [one.outcome for one in outcomes] == ["failed"] + ["skipped"] * (len(outcomes) - 1)
    assert "on_error: stop" in failures(outcomes)[-1] or "skipped because" in failures(outcomes)[-1]


def test_side_by_side_comes_to_the_same() -> None:
    one, other = Hall(), Hall()
    one.make(document())
    subject = other.estate(document())
    outcomes = apply(subject.plan(subject.gather(other.ports)), other.ports, parallel=8)
    assert failures(outcomes) == []
    assert rows(other.planned(document())) == []
    assert set(one.fake.guests()) == set(other.fake.guests())


# restarts and drift


def test_a_restart_only_by_consent_and_for_a_reason() -> None:
    hall = Hall()
    hall.make(document())
    changed = document()
    changed["guests"][0]["memory"] = "2GiB"
    plan, _outcomes = hall.make(changed)
    assert {str(action.effect) for action in plan.actions} == {"restart"}
    assert len(hall.planned(changed).pending) == 3
    tagged = copy.deepcopy(changed)
    tagged["guests"][0]["tags"] = ["x"]
    hall.fake.calls.clear()
    plan, _outcomes = hall.make(tagged, restart_policy="if_needed")
    assert [action.lane for action in plan.actions] == ["restart"] * 3
    calls = [call for call, _arguments in hall.fake.calls if call in ("shutdown_guest", "start_guest")]
    assert calls == ["shutdown_guest", "start_guest"] * 3
    assert hall.planned(tagged, restart_policy="if_needed").actions == ()
    assert hall.planned(tagged).pending == {}
    tagged["guests"][0].update(tags=["y"], description="z")
    plan, _outcomes = hall.make(tagged, restart_policy="if_needed")
    assert {str(action.effect) for action in plan.actions} == {"live"}


def by_hand(hall: Hall, name: str, path: str, value: str) -> None:
    root = hall.definition(name)
    _xml.write(root, path, value)
    hall.fake.define_guest(_xml.to_text(root))


def test_who_moved() -> None:
    hall = Hall()
    hall.make(document())
    by_hand(hall, "db1", "title", "by hand")
    assert hall.planned(document()).drift == {}
    titled = document()
    titled["guests"][1].update(title="ours", vcpus=2)
    hall.make(titled)
    by_hand(hall, "db1", "title", "by hand")
    plan = hall.planned(titled)
    (found,) = plan.drift["guest", "db1"]
    assert (found.path, found.applied, found.found, found.wanted, found.side) == (("title",), "ours", "by hand", "ours", "definition")
    assert changes(plan, "guest", "db1") == {"title": ("by hand", "ours", "live")}
    left = hall.planned(titled, drift="report")
    assert left.actions == ()
    assert len(left.drift["guest", "db1"]) == 1
    # Another wish than was applied counts, whoever was there in between.
    titled["guests"][1]["title"] = "new"
    plan = hall.planned(titled, drift="report")
    assert changes(plan, "guest", "db1") == {"title": ("by hand", "new", "live")}
    assert [item.moved for item in plan.drift["guest", "db1"]] == [True]


def test_a_disk_that_was_taken_out_by_hand_comes_back() -> None:
    hall = Hall()
    hall.make(document())
    root = hall.definition("db1")
    devices = root.find("devices")
    assert devices is not None
    devices.remove(next(disk for disk in devices.iter("disk") if _xml.read(disk, "target/@dev") == "vdb"))
    hall.fake.define_guest(_xml.to_text(root))
    plan = hall.planned(document())
    assert [(item.path, item.found) for item in plan.drift["guest", "db1"]] == [(("disks", "data"), None)]
    assert hall.planned(document(), drift="report").actions == ()
    hall.make(document())
    assert hall.planned(document()).drift == {}


def test_a_disk_that_only_the_running_guest_has_lost_is_plugged_in_again() -> None:
    hall = Hall()
    given = document()
    given["guests"][0]["disks"].append({"name": "data", "size": "1GiB"})
    hall.make(given)
    live = _xml.parse(hall.fake.guests()["web1"].live_xml or "")
    data = next(disk for disk in _xml.find_all(live, "devices/disk") if "web1-data" in _xml.to_text(disk))
    hall.fake.detach_device("web1", _xml.to_text(data))
    assert hall.planned(given, drift="report").actions == ()
    plan = hall.planned(given)
    assert [(item.path, item.side) for item in plan.drift["guest", "web1"]] == [(("disks", "data"), "live")]
    assert [step.op for action in plan.actions for step in action.steps] == ["attach_device"]
    hall.make(given)
    assert hall.planned(given).actions == () and hall.planned(given).drift == {}


def test_what_differs_in_the_running_guest_only() -> None:
    hall = Hall()
    given = document()
    given["guests"][0].update(vcpus=2, vcpus_max=4)
    hall.make(given)
    hall.fake.set_vcpus("web1", 4)
    plan = hall.planned(given, drift="report")
    assert plan.actions == ()
    assert [(item.path, item.found, item.side) for item in plan.drift["guest", "web1"]] == [(("vcpus",), 4, "live")]
    # CPUs that were there at boot cannot be pulled: it waits.
    assert hall.planned(given).actions == ()
    given["guests"][0].update(vcpus=4)
    hall.make(given)
    assert hall.planned(given).drift == {}


# volumes, secrets, network filters


def test_the_other_kinds() -> None:
    hall = Hall()
    given = document(
        volumes=[
            {"name": "shared.qcow2", "size": "1GiB"},
            {"name": "top.qcow2", "backing": "small"},
        ],
        secrets=[{"name": "ceph", "usage": "ceph", "value": "hush-hush"}],
        nwfilters=[
            {"name": "outer", "filters": [{"name": "inner"}]},
            {"name": "inner", "rules": [{"action": "drop", "direction": "in", "protocol": "tcp"}]},
        ],
        images=[{"name": "small", "source": "/data/old.qcow2"}],
    )
    given["guests"].append({"name": "user", "disks": [{"volume": "images/shared.qcow2"}]})
    plan, outcomes = hall.make(given)
    assert failures(outcomes) == []
    made = names(plan)
    assert made[:3] == ["secret ceph", "nwfilter inner", "nwfilter outer"]
    assert changes(plan, "volume", "images/top.qcow2")["size"] == (None, UNKNOWN, "live")
    assert hall.fake.volumes("images")["top.qcow2"].capacity_bytes == 7 * GIB
    assert "hush-hush" not in str(rows(plan))
    assert hall.planned(given).actions == ()
    rest = document(images=given["images"])
    gone = hall.planned(rest, prune=True)
    assert names(gone) == ["guest user", "nwfilter outer", "nwfilter inner", "secret ceph"]
    # A volume is nobody's mark: it stays until it is named.
    _plan, outcomes = hall.make(rest, prune=True)
    assert failures(outcomes) == []
    assert "shared.qcow2" in hall.fake.volumes("images")
    absent = {**rest, "volumes": [{"name": name, "state": "absent"} for name in ("shared.qcow2", "top.qcow2")]}
    assert refused(hall, absent)[0].startswith("volumes[0] (images/shared.qcow2): volume images/shared.qcow2 (")
    _plan, outcomes = hall.make(absent, confirm_data_loss=["shared.qcow2", "top.qcow2"])
    assert failures(outcomes) == []
    assert "shared.qcow2" not in hall.fake.volumes("images")


def test_a_filter_that_somebody_includes_is_not_removed() -> None:
    hall = Hall()
    given = {
        "version": 1,
        "nwfilters": [{"name": "outer", "filters": [{"name": "inner"}]}, {"name": "inner"}],
    }
    hall.make(given)
    (found,) = refused(hall, {"version": 1, "nwfilters": [{"name": "outer"}, {"name": "inner", "state": "absent"}]})
    assert found.startswith("nwfilters[1]")


def test_what_a_secret_of_the_document_encrypts() -> None:
    hall, key = Hall(), {"name": "key", "value": "pass word"}
    given = {
        "version": 1,
        "pools": [{"name": "images", "path": "/srv/images"}],
        "secrets": [key],
        "images": [{"name": "sealed", "source": "/data/old.qcow2", "luks_secret": "key"}],
        "volumes": [{"name": "data.qcow2", "size": "1GiB", "luks_secret": "key"}],
        "guests": [{"name": "db1", "memory": "256MiB", "disks": [{"name": "own", "size": "1GiB", "luks_secret": "key"}]}],
    }
    plan, outcomes = hall.make(given)
    assert failures(outcomes) == [] and "pass word" not in repr(plan)
    for action in plan.actions:
        if action.kind in ("image", "volume", "guest"):
            assert ("secret", "key") in action.needs, action.key
    assert hall.planned(given).actions == ()
    volumes = hall.fake.volumes("images")
    assert {name: facts.encrypted for name, facts in volumes.items()} == {
        "data.qcow2": True, "db1-own.qcow2": True, "sealed.qcow2": True,
    }  # fmt: skip
    on_it = {**given, "guests": [{"name": "db2", "memory": "256MiB", "disks": [{"image": "sealed"}]}]}
    (problem,) = refused(hall, on_it)
    assert "disks[0].image (db2): sealed is encrypted, and cannot be opened below an overlay" in problem
    (problem,) = refused(Hall(), {**given, "secrets": [{**key, "private": True}], "volumes": [], "guests": []})
    assert "images[0]" in problem and "the secret key is private" in problem
    problems = refused(Hall(), {**given, "secrets": [], "guests": []})
    assert [problem.partition(": there is no secret 'key'")[2][:1] for problem in problems] == [" ", " "]
    plain = {**given, "volumes": [{"name": "db3-own.qcow2", "size": "1GiB"}], "guests": []}
    hall.make(plain)
    (problem,) = refused(hall, {**plain, "guests": [{**given["guests"][0], "name": "db3"}]})
    assert "disks.own.luks_secret" in problem and "exists already and is not encrypted" in problem
