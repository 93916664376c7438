# Copyright: (c) 2026, the virtfleet.core contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The inventory of a real libvirtd with guests that boot: leases, agents, one that hangs, and the way into them."""

from __future__ import annotations

import contextlib
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import libvirt
import pytest

from tests.integration.playing import Player, task
from tests.lab import Host
from tests.lab.guests import address, agent, domain_xml, running, wait_for_agent
from tests.lab.tiny import Artefact
from tests.unit.plugins.inventory.listing import Place

USER_NIC = "<interface type='user'><model type='virtio'/></interface>"
MARKS = (
    "<metadata><virtfleet:guest xmlns:virtfleet='https://virtfleet.github.io/xml/1'>"
    "<virtfleet:tags><virtfleet:tag>{{ 6 * 7 }}</virtfleet:tag></virtfleet:tags></virtfleet:guest></metadata>"
)


@pytest.fixture
def place(tmp_path: Path) -> Place:
    """A folder with inventories."""
    return Place(tmp_path)


@pytest.fixture(scope="module")
def leased(furnished: Host, tiny: Artefact) -> Iterator[str]:
    """Three booted guests: one with a lease, one behind a user nic, and one whose agent hangs; the lease's address."""
    first = domain_xml("inv-lease", tiny, network="lab").replace("<vcpu>", f"{MARKS}<vcpu>", 1)
    others = [domain_xml(name, tiny, network=None, disks=USER_NIC) for name in ("inv-user", "inv-hung")]
    with contextlib.ExitStack() as stack:
        for xml in (first, *others):
            stack.enter_context(running(furnished, xml))
        connection = libvirt.open(furnished.uri)
        stack.callback(connection.close)
        domains = {name: connection.lookupByName(name) for name in ("inv-lease", "inv-user", "inv-hung")}
        for domain in domains.values():
            wait_for_agent(domain, 120)
        stop = {"path": "/bin/sh", "arg": ["-c", "sleep 0.5; kill -STOP $(pidof qemu-ga)"]}
        agent(domains["inv-hung"], "guest-exec", stop)
        lease = address(domains["inv-lease"])
        time.sleep(1)
        yield lease


def test_addresses_come_from_leases_and_a_hung_agent_stalls_nobody(place: Place, furnished: Host, leased: str) -> None:
    done = place.list(hypervisors=[{"uri": furnished.uri, "name": "hv1"}], agent_timeout="2s")
    hosts = {name: host for name, host in done.hosts.items() if name.startswith("inv-")}
    assert sorted(hosts) == ["inv-hung", "inv-lease", "inv-user"]
    assert hosts["inv-lease"]["ansible_host"] == leased
    assert hosts["inv-lease"]["virt_addresses"] == [leased]
    assert hosts["inv-lease"]["virt_tags"] == ["{{ 6 * 7 }}"]
    assert "ansible_connection" not in hosts["inv-lease"]
    # An address that leads nowhere is shown and not used.
    assert hosts["inv-user"]["virt_addresses"][0] == "10.0.2.15"
    assert "ansible_host" not in hosts["inv-user"]
    assert hosts["inv-user"]["ansible_connection"] == "virtfleet.core.agent"
    assert hosts["inv-hung"]["virt_addresses"] == []
    assert done.said("no answer within 2 s from the guest agent of inv-hung on hv1")
    assert done.seconds < 15
    assert sorted(set(done.groups["host_hv1"]) & set(hosts)) == sorted(hosts)


def test_the_agent_tells_the_same_address(place: Place, furnished: Host, leased: str) -> None:
    done = place.list(hypervisors=[furnished.uri], agent_timeout="2s", address_sources=["agent"])
    assert done.hosts["inv-lease"]["ansible_host"] == leased
    assert len(place.connections()) == 2  # one that reads only, and one for agents


def test_agents_tell_the_system_and_a_silent_one_is_asked_once(place: Place, furnished: Host, leased: str) -> None:
    done = place.list(
        hypervisors=[furnished.uri], agent_timeout="2s", address_sources=["agent"], details=["os", "stats"], group_by=["os"]
    )
    told = agent(libvirt.open(furnished.uri).lookupByName("inv-user"), "guest-get-osinfo", {})
    system = "-".join(told[key] for key in ("id", "version-id") if key in told)
    assert done.hosts["inv-user"]["virt_os"] == done.hosts["inv-lease"]["virt_os"] == system
    assert done.hosts["inv-hung"]["virt_os"] == ""
    assert done.said("no answer within 2 s from the guest agent of inv-hung") == 1
    assert done.hosts["inv-lease"]["virt_stats"]["net"][0]["rx"]["bytes"] >= 0
    assert done.hosts["inv-user"]["virt_stats"]["balloon"]["current"] == done.hosts["inv-user"]["virt_memory"] / 1024


def test_guest_info_tells_what_agents_tell(furnished: Host, leased: str, tmp_path: Path) -> None:
    guests = ["inv-user", "inv-hung"]
    play = Player(furnished, tmp_path)
    (result,) = play([task("look", "guest_info", name=guests, gather=["agent", "stats"])])
    hung, user = result["guests"]
    assert (hung["name"], hung["agent_view"]) == ("inv-hung", None)
    assert user["agent_view"]["os"]["kernel"] and user["agent_view"]["interfaces"]
    assert hung["stats"]["state"]["state"] == 1 and user["stats"]["cpu"]["time"] > 0


def test_nobody_is_asked_for_addresses(place: Place, furnished: Host, leased: str) -> None:
    done = place.list(hypervisors=[furnished.uri], address_sources=[])
    assert not any("ansible_host" in host for host in done.hosts.values())
    trace = place.trace.read_text(encoding="utf-8")
    assert not any(word in trace for word in ("DHCPLeases", "qemuAgentCommand", "interfaceAddresses"))


def test_calls_do_not_grow_with_guests_but_for_one_xml_each(place: Place, furnished: Host, leased: str) -> None:
    done = place.list(hypervisors=[furnished.uri], address_sources=["lease"], states=["all"])
    calls = [line.split()[2] for line in place.trace.read_text(encoding="utf-8").splitlines()]
    assert calls.count("virDomain.XMLDesc") == len(done.hosts)
    assert not [call for call in calls if call.startswith("virDomain.") and call != "virDomain.XMLDesc"]
    assert calls.count("virNetwork.DHCPLeases") == 1


def test_the_way_in_by_the_agent(place: Place, furnished: Host, leased: str) -> None:
    path = place.inventory(hypervisors=[furnished.uri], agent_timeout="2s")
    done = place.run("ansible", "-i", path, "inv-user", "-m", "ansible.builtin.raw", "-a", "uname -s; id -u")
    assert done.rc == 0, done.out + done.err
    assert "inv-user | CHANGED | rc=0 >>\nLinux\n0" in done.out


def test_the_way_in_by_ssh(place: Place, furnished: Host, tiny: Artefact, leased: str) -> None:
    path = place.inventory(hypervisors=[furnished.uri], address_sources=["lease"])
    ansible = str(Path(sys.executable).parent / "ansible")
    trust = "-o StrictHostKeyChecking=no -o UserKnownHostsFile=/dev/null"
    words = ["-u", "root", "--private-key", str(tiny.ssh_key), f"--ssh-common-args={trust}", "-a", "uname -s"]
    done = furnished.exec([ansible, "-i", path, "inv-lease", "-m", "ansible.builtin.raw", *words], check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    assert "Linux" in done.stdout


def test_a_daemon_that_hangs_costs_its_time_limit(place: Place, furnished: Host, leased: str) -> None:
    furnished.freeze()
    try:
        done = place.list(hypervisors=[furnished.uri, "test:///default"], timeout="2s")
    finally:
        furnished.thaw()
    assert sorted(done.hosts) == ["test"]
    assert done.said("no answer within 2 s")
    assert done.seconds < 12
