# Copyright: (c) 2026, the virtfleet.core contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""host_bridge on a machine that is reached over the very card: it comes over, it comes back, and it is never lost."""

from __future__ import annotations

import time
from collections.abc import Iterator
from typing import Any

import pytest

from tests.integration.bridge_machines import (
    MAC,
    NOBODY,
    ROUTER,
    STATIC,
    Machine,
    interruption,
)
from tests.integration.playing import assert_idiom, idiom, task

pytestmark = pytest.mark.root

HAS = f"{STATIC}/24"
# "The host is back within a minute", whatever goes wrong.
MINUTE = 60.0
UNIT = "/etc/systemd/system/virtfleet-bridge-rollback.service"

DHCP = "[Match]\nName=eth0\n\n[Network]\nDHCP=ipv4\n"


@pytest.fixture(scope="module")
def machine(lab_ready: None, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Machine]:
    """Return a machine whose card has an address by DHCP, from systemd-networkd."""
    one = Machine(tmp_path_factory.mktemp("machine"))
    try:
        one.make({"/etc/systemd/network/10-eth0.network": DHCP}, services=["systemd-networkd"])
        one.boot()
        yield one
    finally:
        one.down()


@pytest.fixture(autouse=True)
def as_it_was(machine: Machine) -> Iterator[None]:
    """See after each test that the machine is as it was: reached, without a bridge, with its files, with nothing pending."""
    before = machine.tree()
    yield
    machine.await_ssh(20)
    assert machine.links() == {"lo", "eth0"}
    assert machine.addresses("eth0") >= {HAS}
    assert machine.gateway("eth0") == ROUTER
    assert machine.tree() == before
    assert not list(machine.file("/var/lib/virtfleet/bridge").glob("*/pending.json"))


def bridge(title: str = "bridge", **options: Any) -> dict[str, Any]:
    """Return one task that makes br0."""
    return task(title, "host_bridge", name="br0", **options)


def test_all_that_the_card_has_comes_over_stays_and_goes_back(machine: Machine) -> None:
    with interruption(machine) as gap:
        results = machine.play([*idiom("host_bridge", "bridge", name="br0"), bridge("gone", state="absent")], "--diff")
    made = assert_idiom(results, "bridge")
    assert [row["outcome"] for row in made["plan"]] == ["done"]
    assert made.changes("host_bridge", "br0")["interface"]["after"] == "eth0"
    assert made["bridge"] == {
        "name": "br0", "state": "present", "manager": "networkd", "ports": ["eth0"], "mac": MAC, "mtu": 1500,
        "addresses": made["bridge"]["addresses"], "gateway": ROUTER, "gateway6": made["bridge"]["gateway6"],
    }  # fmt: skip
    assert HAS in made["bridge"]["addresses"]
    diff = {entry["after_header"]: entry["after"] for entry in made["diff"]}
    assert "Bridge=br0" in diff["/etc/systemd/network/05-virtfleet-br0-port.network"]
    assert results.named("gone")["plan"][0]["action"] == "delete"
    # The DHCP server sees the same host all the while.
    log = (machine.folder / "dnsmasq.log").read_text()
    assert len({line.split("client id:")[1] for line in log.splitlines() if "client id:" in line}) <= 1
    leases = (machine.folder / "leases").read_text().splitlines()
    assert len([line for line in leases if MAC in line]) == 1, leases
    # Both ways together; on a machine with nothing else to do each of them takes a tenth of a second.
    assert gap[0] < 5


def test_what_is_refused_is_refused_before_anything_is_touched(machine: Machine) -> None:
    machine.run("ip", "link", "add", "byhand", "type", "veth", "peer", "name", "other")
    machine.run("sh", "-c", "ip link set byhand up && ip link set other up")
    machine.run("ip", "link", "add", "br1", "type", "bridge")
    cases = {
        "nope": "the host has no such interface; it has",
        "lo": "it is a link without Ethernet, and this module makes bridges of plain network cards",
        "byhand": "could not learn who manages byhand: it is set up by hand",
    }
    tasks = [{**bridge(name, interface=name), "ignore_errors": True} for name in cases]
    tasks.append({**task("br1", "host_bridge", name="br1", interface="eth0"), "ignore_errors": True})
    tasks.append(bridge("gone", state="absent"))
    try:
        results = machine.play(tasks, fails=True)
    finally:
        machine.run("ip", "link", "delete", "byhand")
        machine.run("ip", "link", "delete", "br1")
    for name, sentence in {**cases, "br1": "br1 exists and was not made by this module, and has nothing in it"}.items():
        assert sentence in results.named(name).msg
    assert not results.named("gone").changed


def test_a_gateway_that_does_not_answer_is_taken_back_and_told(machine: Machine) -> None:
    begun = time.monotonic()
    with interruption(machine) as gap:
        results = machine.play([bridge(addresses=[HAS], gateway=NOBODY)], fails=True)
    assert time.monotonic() - begun < MINUTE
    result = results.named("bridge")
    assert result.outcome == "failed"
    assert result.msg == (
        f"could not make br0: the gateway {NOBODY} does not answer over br0; the old configuration is back, with every address "
        "and route that was there"
    )
    assert not result.changed
    assert (result["plan"][0]["outcome"], result["rollback"]["outcome"]) == ("failed", "rolled_back")
    assert gap[0] < 10


def test_a_host_that_nobody_reaches_any_more_comes_back_by_itself(machine: Machine) -> None:
    begun = time.monotonic()
    elsewhere = bridge(addresses=["198.51.100.7/24"], gateway="198.51.100.1", rollback_timeout="12s")
    results = machine.play([elsewhere], fails=True)
    assert time.monotonic() - begun < MINUTE
    result = results.named("bridge")
    assert result.outcome == "failed"
    assert "nobody confirmed it within 12 s; the old configuration is back" in result.msg
    # The same play goes on with the host.
    assert machine.play([{"name": "on", "ansible.builtin.command": "true"}]).named("on").outcome == "ok"


def test_without_ansible_and_with_its_guard_killed_it_is_taken_back(machine: Machine) -> None:
    machine.begin_and_leave({"name": "br0", "rollback_timeout": "20s"})
    assert "br0" in machine.links()
    assert machine.file(UNIT).exists()
    guards = _guards(machine)
    assert len(guards) == 1
    machine.run("sh", "-c", f"kill -KILL {guards[0]}")
    # Meanwhile nobody else may begin.
    refused = machine.play([bridge("other")], fails=True).named("other")
    assert refused.outcome == "failed"
    assert "a change of br0 is under way on this host" in refused.msg
    machine.await_file("outcome.json", "nobody confirmed it within 20 s", limit_s=MINUTE)
    assert machine.outcome()["restored"]


def _guards(machine: Machine) -> list[str]:
    """Return the guards that run on the machine, by their numbers there."""
    said = machine.run("sh", "-c", "grep -l 'guard[.]py' /proc/[0-9]*/cmdline", check=False)
    found = [word.split("/")[2] for word in said.split()]
    return [pid for pid in found if "python" in machine.run("cat", f"/proc/{pid}/comm", check=False)]


def test_a_power_cut_in_the_middle_brings_the_old_configuration_back(machine: Machine) -> None:
    machine.begin_and_leave({"name": "br0"})
    machine.power_off()
    machine.boot()
    assert machine.outcome()["why"] == "the host was restarted before the change was confirmed"
    assert machine.links() == {"lo", "eth0"}


def test_a_bridge_that_is_kept_is_there_after_a_restart(machine: Machine) -> None:
    # Its playbook is gone; whoever knows the token confirms it.
    token = machine.begin_and_leave({"name": "br0"})
    kept = machine.play([bridge("kept", confirm=token)]).named("kept")
    assert (kept.changed, kept["rollback"]["outcome"], kept["bridge"]["ports"]) == (True, "kept", ["eth0"])
    assert not machine.file(UNIT).exists()
    machine.power_off()
    machine.boot()
    assert machine.addresses("br0") >= {HAS}
    results = machine.play([bridge("again"), bridge("gone", state="absent"), bridge("gone again", state="absent")])
    assert not results.named("again").changed
    assert results.named("gone").changed
    assert not results.named("gone again").changed
