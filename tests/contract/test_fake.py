# Copyright: (c) 2026, the virtfleet.core contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What only the fake can: fail when told to, count, and boot guests in no time."""

from __future__ import annotations

import time

import pytest

from ansible_collections.virtfleet.core.plugins.module_utils._errors import HostError
from ansible_collections.virtfleet.core.plugins.module_utils._ports import Hypervisor
from tests.contract.definitions import disk, guest, network, nic, tree
from tests.contract.fake import FakeHypervisor

AGENT = "<channel type='unix'><target type='virtio' name='org.qemu.guest_agent.0'/></channel>"


def test_it_is_a_hypervisor() -> None:
    names = [name for name in vars(Hypervisor) if not name.startswith("_")]
    assert [name for name in names if not callable(getattr(FakeHypervisor, name, None))] == []


@pytest.mark.parametrize("done", [False, True])
def test_it_fails_at_the_change_that_was_named_and_once(done: bool) -> None:
    fake = FakeHypervisor()
    fake.define_guest(guest("a"))
    fake.fail_at(2, done=done)
    fake.set_autostart("a", True)
    with pytest.raises(HostError, match="asked for"):
        fake.start_guest("a")
    assert fake.guests()["a"].active is done
    fake.start_guest("a")
    assert [call for call, _arguments in fake.calls] == ["define_guest", "set_autostart", "start_guest", "start_guest"]


def test_reading_is_no_change() -> None:
    fake = FakeHypervisor()
    fake.define_guest(guest("a"))
    fake.fail_at(1)
    fake.guests()
    fake.networks()
    fake.host()
    fake.summaries()
    assert len(fake.calls) == 1


def test_booted_guests_have_leases_and_agents() -> None:
    fake = FakeHypervisor()
    reserved = "<range start='10.66.1.10' end='10.66.1.11'/><host mac='52:54:00:00:00:01' ip='10.66.1.10'/>"
    fake.define_network(network("lab", 1, dhcp=reserved))
    fake.start_network("lab")
    for name, mac in (("a", "52:54:00:00:00:01"), ("b", "52:54:00:00:00:02"), ("c", "52:54:00:00:00:03")):
        fake.define_guest(guest(name, nic(mac, "lab") + AGENT))
        fake.start_guest(name)
    found = {lease.mac: lease.address for lease in fake.leases()}
    assert found == {"52:54:00:00:00:01": "10.66.1.10", "52:54:00:00:00:02": "10.66.1.11"}
    assert fake.addresses("a", "lease")[0]["addresses"][0]["address"] == "10.66.1.10"
    assert fake.addresses("c", "lease") == []
    assert fake.agent_ping("a", 1)
    fake.silent.add("a")
    assert not fake.agent_ping("a", 1)
    fake.stop_network("lab")
    assert fake.leases() == []


def test_a_transient_guest_is_gone_when_it_stops() -> None:
    fake = FakeHypervisor()
    fake.create_transient(guest("t"))
    found = fake.guests()["t"]
    assert (found.persistent, found.xml) == (False, found.live_xml)
    fake.shutdown_guest("t", 0, True)
    assert fake.guests() == {}


def test_the_same_seed_gives_the_same_host() -> None:
    def made(seed: int) -> str:
        fake = FakeHypervisor(seed=seed)
        fake.define_guest(guest("a", "<interface type='user'/>"))
        return str(fake.guests()["a"].xml)

    assert made(1) == made(1)
    assert made(1) != made(2)


def test_a_plugged_disk_grows_on_the_shared_disk() -> None:
    fake = FakeHypervisor()
    image = fake.put_file("/pool/a.qcow2", "qcow2", 1 << 20)
    fake.define_guest(guest("a"))
    fake.start_guest("a")
    fake.attach_device("a", disk("/pool/a.qcow2"))
    fake.resize_disk("a", "vda", 2 << 20)
    assert image.capacity == 2 << 20
    fake.detach_device("a", disk("/pool/a.qcow2"))
    assert tree(fake.guests()["a"].live_xml).find("devices/disk") is None


def test_it_is_quick() -> None:
    fake = FakeHypervisor()
    xml = guest("a", nic() + disk("/x") + AGENT)
    best = 1.0
    for number in range(40):
        started = time.perf_counter()
        fake.define_guest(xml.replace("<name>a<", f"<name>a{number}<"))
        best = min(best, time.perf_counter() - started)
    assert best < 0.005, "1 ms on a machine that has nothing else to do"
