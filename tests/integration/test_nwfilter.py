# Copyright: (c) 2026, the virtfleet.core contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The modules nwfilter and nwfilter_info on a real libvirtd: what they write is in the host's firewall."""

from __future__ import annotations

import itertools
from collections.abc import Iterator
from typing import Any

import pytest

from tests.integration.playing import Player, assert_idiom, idiom, task
from tests.lab import Host

_numbers = itertools.count(1)
SSH: dict[str, Any] = {"action": "accept", "direction": "in", "protocol": "tcp", "attributes": {"dstportstart": "0x16"}}
DROP: dict[str, Any] = {"action": "drop", "direction": "in", "protocol": "all", "priority": 1000}


@pytest.fixture
def filter_name(furnished: Host) -> Iterator[str]:
    name = f"f{next(_numbers)}"
    yield name
    furnished.exec(["virsh", "nwfilter-undefine", name], check=False)


def test_on_a_running_guest(play: Player, filter_name: str, guest_name: str, booted: dict[str, str]) -> None:
    rules = [SSH, DROP]
    more = [SSH, {"action": "accept", "direction": "in", "protocol": "tcp", "attributes": {"dstportstart": 8022}}, DROP]
    overlay = {"at": "devices/interface[source/@network='lab']", "xml": f"<filterref filter='{filter_name}'/>"}
    guest = {"name": guest_name, "nics": [{"name": "lan", "network": "lab"}], "xml_overlay": [overlay], **booted}
    results = play([
        *idiom("nwfilter", "make", name=filter_name, filters=[{"name": "no-mac-spoofing"}], rules=rules),
        task("start", "guest", state="running", **guest),
        task("start again", "guest", state="running", **guest),
        task("other form", "nwfilter", name=filter_name, rules=[{**SSH, "attributes": {"dstportstart": 22}}, DROP]),
        *idiom("nwfilter", "open", name=filter_name, rules=more),
    ])  # fmt: skip
    made = assert_idiom(results, "make")["nwfilter"]
    assert (made["chain"], made["filters"]) == ("root", [{"name": "no-mac-spoofing"}])
    assert [rule.get("attributes") for rule in made["rules"]] == [{"dstportstart": 22}, None]
    assert not results.named("start again").changed and not results.named("other form").changed
    opened = assert_idiom(results, "open")
    assert opened["plan"][0]["effect"] == "live"
    assert opened["plan"][0]["changes"][0]["why"] == f"true at once for the running guests that use it: {guest_name}"
    table = play.host.exec(["iptables-save"]).stdout or ""
    assert "--dport 8022" in table

    refused = {**task("remove", "nwfilter", name=filter_name, state="absent"), "ignore_errors": True}
    results = play([
        refused,
        task("look", "nwfilter_info", name=[filter_name, "no-mac-spoofing"]),
        task("gone", "guest", name=guest_name, state="absent", force_stop=True, stop_timeout="1s"),
        *idiom("nwfilter", "remove it", name=filter_name, state="absent"),
    ], fails=True)  # fmt: skip
    assert f"guest {guest_name} would be left without it" in results.named("remove").msg
    mine, other = results.named("look")["nwfilters"]
    assert (mine["guests"], mine["included_by"]) == ([guest_name], []) and filter_name in other["included_by"]
    assert assert_idiom(results, "remove it")["nwfilter"] == {"name": filter_name, "state": "absent"}
