# Copyright: (c) 2026, the virtfleet.core contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The cache of the inventory: no connection while an answer is fresh, and the guests last seen of who does not answer."""

from __future__ import annotations

import json
import time
from pathlib import Path
from typing import Any

import pytest

from ansible_collections.virtfleet.core.plugins.plugin_utils._hypervisors import Source, Wish
from ansible_collections.virtfleet.core.plugins.plugin_utils._inventory import RECORD_VERSION, Answer
from ansible_collections.virtfleet.core.plugins.plugin_utils._inventory_cache import Kept
from tests.unit.plugins.inventory.listing import Place, guest_xml, over

CACHE = {"cache": True, "cache_plugin": "ansible.builtin.jsonfile", "cache_connection": "cache"}


def test_a_run_from_the_cache_makes_no_connection(place: Place, uri: str) -> None:
    first = place.list(hypervisors=[uri], states=["all"], **CACHE)
    assert place.connections() == [uri]
    second = place.list(hypervisors=[uri], states=["all"], **CACHE)
    assert place.connections() == []
    assert (second.hosts, second.groups) == (first.hosts, first.groups)
    # What is made of the guests may change without asking again.
    third = place.list(hypervisors=[{"uri": uri, "name": "hv1"}], group_by=["host"], **CACHE)
    assert place.connections() == []
    assert third.groups == {"host_hv1": ["web1"]}
    # Where addresses come from may not.
    place.list(hypervisors=[uri], address_sources=[], **CACHE)
    assert place.connections() == [uri]


def test_the_cache_can_be_flushed(place: Place, uri: str) -> None:
    place.list(hypervisors=[uri], **CACHE)
    place.node("hv1", guest_xml("new", 9))
    place.connections()
    # ansible-inventory of core 2.18 has no such option.
    (place.folder / "play.yml").write_text("- hosts: all\n  gather_facts: false\n", encoding="utf-8")
    place.run("ansible-playbook", "-i", place.inventory(hypervisors=[uri], **CACHE), "--flush-cache", "play.yml")
    assert sorted(place.list(hypervisors=[uri], **CACHE).hosts) == ["new"]
    assert place.connections() == [uri]


def test_who_did_not_answer_is_asked_again(place: Place, uri: str, tmp_path: Path) -> None:
    hypervisors = [uri, over(tmp_path / "dead.sock")]
    place.list(hypervisors=hypervisors, **CACHE)
    assert sorted(place.connections()) == sorted(hypervisors)
    done = place.list(hypervisors=hypervisors, **CACHE)
    assert place.connections() == hypervisors[1:]
    assert sorted(done.hosts) == ["web1"]
    assert done.said("is left out of the inventory")


def test_a_cache_out_of_shape_is_read_anew(place: Place, uri: str) -> None:
    place.list(hypervisors=[uri], **CACHE)
    (path,) = (place.folder / "cache").iterdir()
    entry = json.loads(path.read_text(encoding="utf-8"))
    content = json.dumps({"version": RECORD_VERSION, "hypervisors": [1]})
    # Since core 2.19 the text of the value stands in a payload.
    path.write_text(json.dumps({**entry, "__payload__": content}) if "__payload__" in entry else content, encoding="utf-8")
    place.connections()
    assert sorted(place.list(hypervisors=[uri], **CACHE).hosts) == ["web1"]
    assert place.connections() == [uri]


HV1, HV2 = Source("test:///1", "hv1"), Source("test:///2", "hv2")


KEPT = {"at": 1000.0, "asked": ["lease", "agent", "definition"], "guests": []}


@pytest.mark.parametrize(
    "entry",
    [
        *(
            {"version": RECORD_VERSION, "hypervisors": {HV1.uri: {**KEPT, **wrong}}}
            for wrong in ({"at": "x"}, {"guests": 1}, {"asked": None}, {"asked": []})
        ),
        {"version": RECORD_VERSION, "hypervisors": [1]},
        {"version": RECORD_VERSION},
        {"version": RECORD_VERSION - 1, "hypervisors": {HV1.uri: KEPT}},
        {},
        [],
        "text",
        None,
    ],
)
def test_nothing_is_taken_from_what_is_out_of_shape(entry: Any) -> None:
    good = {"version": RECORD_VERSION, "hypervisors": {HV1.uri: KEPT}}
    assert Kept.of(good, 1001.0).fresh(HV1, 60) == Answer([])
    assert Kept.of(entry, 1001.0).fresh(HV1, 60) is None


def test_each_answer_has_its_own_age() -> None:
    first = Kept.of(None, 1000.0)
    first.note(HV1, Answer([{"name": "a"}]))
    second = Kept.of(first.entry([HV1, HV2]), 1050.0)
    second.note(HV2, Answer([{"name": "b"}]))
    third = Kept.of(second.entry([HV1, HV2]), 1100.0)
    assert third.fresh(HV1, 60) is None
    assert third.fresh(HV2, 60) == Answer([{"name": "b"}])
    assert third.fresh(HV1, 0) == Answer([{"name": "a"}])
    assert third.last(HV1, 101) == Answer([{"name": "a"}], stale=True)
    assert third.last(HV1, 100) is None
    assert third.last(Source(HV1.uri, "hv1", Wish(("agent",))), 200) is None
    # A clock that was set back makes nothing fresh.
    assert Kept.of(second.entry([HV1]), 900.0).fresh(HV1, 60) is None
    assert Kept.of(third.entry([HV2]), 1100.0).fresh(HV1, 0) is None


def test_an_answer_is_asked_anew_when_it_is_old(place: Place, uri: str) -> None:
    place.list(hypervisors=[uri], **CACHE, cache_timeout=2)
    place.connections()
    time.sleep(2)
    place.list(hypervisors=[uri], **CACHE, cache_timeout=2)
    assert place.connections() == [uri]


def test_guests_last_seen_stay_when_their_hypervisor_does_not_answer(place: Place, uri: str, hung: str) -> None:
    other = {"uri": place.node("hv2", guest_xml("db1", 7), guest_xml("db2", 8)), "name": "hv2"}
    options: dict[str, Any] = {"hypervisors": [{"uri": uri, "name": "hv1"}, other], **CACHE, "cache_timeout": 1}
    place.list(**options)
    time.sleep(1)
    # The file is gone, so the driver refuses; and db2 was moved meanwhile, to one that answers.
    (place.folder / "hv2.xml").unlink()
    place.node("hv1", guest_xml("web1", 1), guest_xml("db2", 8))
    options["keep_stale"] = "1h"
    for _run in range(2):
        done = place.list(**options)
        assert {name: (host["virt_host"], host["virt_stale"]) for name, host in done.hosts.items()} == {
            "web1": ("hv1", False),
            "db1": ("hv2", True),
            "db2": ("hv1", False),
        }
        assert done.said("hypervisor hv2 is listed as it was seen last: could not connect to hypervisor test://")
        time.sleep(1)
    assert sorted(place.list(**{**options, "keep_stale": "2s"}).hosts) == ["db2", "web1"]
    strict = place.list(**options, strict_hypervisors=True)
    assert strict.hosts == {}


def test_a_hung_hypervisor_costs_its_own_time_limit_and_keeps_its_guests(place: Place, uri: str, hung: str) -> None:
    slow = {"uri": hung, "name": "hv2", "timeout": 1.5}
    options: dict[str, Any] = {"hypervisors": [{"uri": uri, "name": "hv1"}, slow], **CACHE, "cache_timeout": 30}
    options["keep_stale"] = "1h"
    place.list(**options)
    (path,) = (place.folder / "cache").iterdir()
    kept = json.loads(path.read_text(encoding="utf-8"))
    entry = json.loads(kept["__payload__"]) if "__payload__" in kept else kept
    (guest,) = [each for each in entry["hypervisors"][uri]["guests"] if each["state"] == "running"]
    entry["hypervisors"][hung] = {
        **entry["hypervisors"][uri],
        "at": time.time() - 60,
        "guests": [{**guest, "uuid": guest["uuid"].replace("0", "1")}],
    }
    path.write_text(json.dumps({**kept, "__payload__": json.dumps(entry)} if "__payload__" in kept else entry))
    done = place.list(**options, timeout="1m")
    assert {name: host["virt_stale"] for name, host in done.hosts.items()} == {
        "web1_on_hv1": False,
        "web1_on_hv2": True,
    }
    assert done.said("no answer within 1.5 s") == 1
    assert done.seconds < 60
