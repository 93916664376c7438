# Copyright: (c) 2026, the virtfleet.core contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The module host_info on a real libvirtd, and on libvirt's test driver."""

from __future__ import annotations

import os
from pathlib import Path

from tests.integration.playing import Player, task


def test_what_the_host_is(play: Player, guest_name: str) -> None:
    results = play([
        task("guest", "guest", name=guest_name, memory="64MiB"),
        task("look", "accelerator_info", fresh=True),
        task("host", "host_info"),
        task("query", "host_info", query="guests.stopped"),
        task("more", "host_info", gather=["pools", "networks"]),
        task("other driver", "host_info", uri="test:///default"),
    ])
    host = results.named("host")["host"]
    assert (host["driver"], host["uuid"], host["name"]) == ("qemu", play.host.host_uuid, play.host.name)
    assert host["cpus"] == os.cpu_count() and host["arch"] == os.uname().machine
    total = int(Path("/proc/meminfo").read_text(encoding="ascii").split()[1]) * 1024
    assert host["memory_bytes"] == total and 0 < host["memory_available_bytes"] < total
    assert host["libvirt_version"].count(".") == 2 and host["hypervisor_version"].count(".") == 2
    assert "tcg" in host["accelerators"][host["arch"]]
    if host["arch"] == "x86_64":
        assert host["types"]["x86_64"] == ["hvm"]
        assert "q35" in host["machines"]["x86_64"] and "bios" in host["firmware"]
    shown = play.host.exec(["virsh", "domcapabilities", "--machine", "q35"]).stdout
    assert ("efi" in host["firmware"]) == ("<value>efi</value>" in shown)
    assert host["accelerator"] == results.named("look")["accelerator"]
    assert set(host["guests"]) == {"running", "paused", "stopped", "saved", "crashed"}
    assert host["guests"]["stopped"] >= 1 and results.named("query")["result"] == host["guests"]["stopped"]
    other = results.named("other driver")["host"]
    assert (other["driver"], other["guests"]["running"], other["firmware"]) == ("test", 1, None)
    assert other["accelerator"] is None
    assert host["allocated"]["memory_bytes"] == 0 or host["guests"]["running"]
    assert host["cpu"]["sockets"] * host["cpu"]["cores"] * host["cpu"]["threads"] >= host["cpus"]
    assert sorted(number for cell in host["numa"] for number in cell["cpus"]) == list(range(host["cpus"]))
    assert "pools" not in host
    more = results.named("more")["host"]
    (pool,) = [each for each in more["pools"] if each["name"] == "default"]
    assert pool["active"] and 0 < pool["available_bytes"] < pool["capacity_bytes"]
    assert {"name": "lab", "active": True, "autostart": False, "forward": "nat", "bridge": "vflab0"} in more["networks"]
    assert [(cell["id"], len(cell["cpus"])) for cell in other["numa"]] == [(0, 8), (1, 8)]
    assert [cell["memory_bytes"] for cell in other["numa"]] == [2 * 1024**3, 4 * 1024**3]
    assert (other["cpu"]["model"], other["allocated"]["vcpus"], other["security"]) == (None, 2, ["testSecurity"])


def test_what_the_host_is_stays_known(play: Player) -> None:
    results = play([
        task("host", "host_info", gather=["pools"]),
        task("facts", "host_facts", gather=["pools"]),
        {"name": "later", "ansible.builtin.debug": {"var": "ansible_facts.virtfleet_host"}},
    ])
    host, kept = results.named("host")["host"], results.named("later")["ansible_facts.virtfleet_host"]
    moving = ("memory_available_bytes", "pools")
    assert {name: host[name] for name in host if name not in moving} == {name: kept[name] for name in kept if name not in moving}
    assert [pool["name"] for pool in kept["pools"]] == [pool["name"] for pool in host["pools"]]
    assert not results.named("facts").changed


def test_it_changes_nothing_in_check_mode(play: Player) -> None:
    for result in play([task("read", f"{noun}_info") for noun in ("host", "network", "pool")], "--check"):
        assert result.outcome == "ok" and not result.changed


def test_a_wrong_query_says_so(play: Player) -> None:
    (result,) = play([task("host", "host_info", query="[")], fails=True)
    assert result.outcome == "failed" and result.msg.startswith("query:")
