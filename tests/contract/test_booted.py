# Copyright: (c) 2026, the virtfleet.core contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What only a guest with an operating system shows: a real tiny one, booted on a lab host."""

from __future__ import annotations

import itertools
import time
from collections.abc import Callable, Iterator
from xml.etree.ElementTree import Element

import pytest

from ansible_collections.virtfleet.core.plugins.module_utils._errors import Timeout
from ansible_collections.virtfleet.core.plugins.module_utils._libvirt import HAS_LIBVIRT, Libvirt
from tests.contract.definitions import disk, nic, tree
from tests.contract.places import Place, unix_uri
from tests.lab import Host
from tests.lab import tiny as tiny_guest
from tests.lab.net import nat

MIB = 1 << 20
_numbers = itertools.count(1)
Boot = Callable[..., str]


@pytest.fixture(scope="module")
def lab(lab_host_factory: object) -> Host:
    if not HAS_LIBVIRT:
        pytest.skip("this Python has no module libvirt")
    host = lab_host_factory("booted")  # type: ignore[operator]
    assert isinstance(host, Host)
    return host


@pytest.fixture(scope="module")
def place(lab: Host) -> Iterator[Place]:
    hypervisor = Libvirt.connect(unix_uri(lab.uri))
    hypervisor.define_network(nat("lab", "10.67.0.0/24", "vfcb0"))
    hypervisor.start_network("lab")
    yield Place(hypervisor, lab.folder)
    hypervisor.close()


@pytest.fixture(scope="module")
def hypervisor(place: Place) -> Libvirt:
    found = place.hypervisor
    assert isinstance(found, Libvirt)
    return found


@pytest.fixture
def boot(lab: Host, hypervisor: Libvirt) -> Iterator[Boot]:
    """Return what starts a tiny guest and, if asked, waits for its agent."""
    artefact = tiny_guest.build().into(lab.folder)
    made: list[str] = []

    def run(devices: str = "", words: str = "", wait: bool = True) -> str:
        name = f"tiny{next(_numbers)}"
        hypervisor.define_guest(
            f"""<domain type='qemu'><name>{name}</name><memory unit='MiB'>256</memory><vcpu current='1'>2</vcpu>
            <os><type arch='x86_64' machine='q35'>hvm</type><kernel>{artefact.kernel}</kernel>
            <initrd>{artefact.initrd}</initrd><cmdline>{artefact.cmdline} {words}</cmdline></os>
            <features><acpi/></features><cpu mode='maximum'/><devices>
            <interface type='network'><source network='lab'/><model type='virtio'/></interface>{devices}
            <serial type='file'><source path='{lab.folder}/{name}.log'/></serial>
            <channel type='unix'><target type='virtio' name='org.qemu.guest_agent.0'/></channel>
            <controller type='usb' model='none'/></devices></domain>"""
        )
        made.append(name)
        hypervisor.start_guest(name)
        if wait:
            _until(lambda: hypervisor.agent_ping(name, 5), f"the agent of {name}")
        return name

    yield run
    for name in made:
        # pytest shows it where the test fails: a guest that hangs says why on its console, if anywhere
        log = lab.folder / f"{name}.log"
        print(f"== the console of {name}", log.read_text(errors="replace")[-4000:] if log.exists() else "", sep="\n")
        hypervisor.shutdown_guest(name, 0, True)
        hypervisor.undefine_guest(name)


def _until(true: Callable[[], object], what: str, seconds: float = 120) -> None:
    limit = time.monotonic() + seconds
    while not true():
        assert time.monotonic() < limit, f"{what} did not come within {seconds} s"
        time.sleep(0.2)


def _live(hypervisor: Libvirt, name: str) -> Element:
    return tree(hypervisor.guests([name])[name].live_xml)


def _online_vcpus(hypervisor: Libvirt, name: str) -> int:
    vcpus = hypervisor.agent_command(name, {"execute": "guest-get-vcpus"}, 10)
    return sum(vcpu["online"] for vcpu in vcpus)


def test_a_booted_guest(boot: Boot, place: Place, hypervisor: Libvirt) -> None:
    """One guest for all that can be done to it in turn: a boot is what costs here."""
    image = place.image("root.qcow2", 4 * MIB)
    name = boot(disk(image))
    mac = _live(hypervisor, name).find("devices/interface/mac")
    assert mac is not None

    # addresses, by both ways
    _until(lambda: hypervisor.leases(["lab"]), "a lease")
    [lease] = hypervisor.leases(["lab"])
    assert (lease.network, lease.mac) == ("lab", mac.get("address"))
    assert lease.expires > time.time()
    [by_lease] = hypervisor.addresses(name, "lease")
    assert by_lease["addresses"] == [{"address": lease.address, "prefix": 24, "family": "ipv4"}]
    _until(
        lambda: (
            {"address": lease.address, "prefix": 24, "family": "ipv4"}
            in [address for each in hypervisor.addresses(name, "agent") for address in each["addresses"]]
        ),
        "the address by the agent",
    )
    [summary] = hypervisor.summaries(["running"])
    assert summary.agent

    # memory and vcpus
    hypervisor.set_memory(name, 160 * MIB)
    _until(lambda: _live(hypervisor, name).findtext("currentMemory") == str(160 * 1024), "the balloon")
    hypervisor.set_vcpus(name, 2)
    vcpu = _live(hypervisor, name).find("vcpu")
    assert vcpu is not None
    assert vcpu.get("current") is None
    # The kernel brings it up in its own time; a guest that is saved in the middle of that may never power off again.
    _until(lambda: _online_vcpus(hypervisor, name) == 2, "the second vcpu inside the guest")

    # a nic comes and goes; the one spare port is free again each time
    for number in (1, 2):
        address = f"52:54:00:00:09:0{number}"
        hypervisor.attach_device(name, nic(address, network="lab"))
        assert len(_live(hypervisor, name).findall("devices/interface")) == 2
        hypervisor.detach_device(name, nic(address, network="lab"), timeout=60)
        assert len(_live(hypervisor, name).findall("devices/interface")) == 1

    # a disk comes, grows and goes
    data = place.image("data.qcow2", 4 * MIB)
    hypervisor.attach_device(name, disk(data, "vdb"))
    hypervisor.resize_disk(name, "vdb", 8 * MIB)
    assert place.size(data) == 8 * MIB
    for _again in range(2):
        hypervisor.detach_device(name, disk(data, "vdb"), timeout=60)
        assert len(_live(hypervisor, name).findall("devices/disk")) == 1

    # saved and woken up, it still answers
    hypervisor.save_guest(name)
    hypervisor.start_guest(name)
    _until(lambda: hypervisor.agent_ping(name, 5), "the agent after waking up")

    # a paused guest does not answer, and is asked to power off all the same
    hypervisor.suspend_guest(name)
    started = time.monotonic()
    assert hypervisor.agent_ping(name, 2) is False
    assert hypervisor.addresses(name, "agent") == []
    assert time.monotonic() - started < 15
    hypervisor.shutdown_guest(name, 90, False)
    assert hypervisor.guests()[name].state == "stopped"


def test_power_off_without_an_agent(boot: Boot, hypervisor: Libvirt) -> None:
    name = boot(words="tiny.noagent", wait=False)
    # Asked while it boots: the first request is lost, and comes again.
    hypervisor.shutdown_guest(name, 120, False)
    assert hypervisor.guests()[name].state == "stopped"


def test_a_hung_agent(boot: Boot, hypervisor: Libvirt) -> None:
    name = boot()
    stop = ["-c", "sleep 1; kill -STOP $(pidof qemu-ga)"]
    command = {"execute": "guest-exec", "arguments": {"path": "/bin/sh", "arg": stop}}
    hypervisor.agent_command(name, command, 10)
    time.sleep(3)
    started = time.monotonic()
    assert hypervisor.agent_ping(name, 2) is False
    assert time.monotonic() - started < 4, "the limit holds although libvirt waits longer"
    hypervisor.shutdown_guest(name, 120, False)
    assert hypervisor.guests()[name].state == "stopped"


def test_a_guest_that_does_not_power_off(boot: Boot, hypervisor: Libvirt) -> None:
    name = boot(words="tiny.nopower tiny.noagent", wait=False)
    with pytest.raises(Timeout, match=rf"{name}.*2 time\(s\).*12 s.*running.*force_stop"):
        hypervisor.shutdown_guest(name, 12, False)
    hypervisor.shutdown_guest(name, 0.5, True)
    assert hypervisor.guests()[name].state == "stopped"
