# Copyright: (c) 2026, the virtfleet.core contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The lab keeps its promises: real guests, a libvirtd that may come and go, and nothing left behind."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import tempfile
import threading
import time
import uuid
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    import libvirt
else:
    libvirt = pytest.importorskip("libvirt")

from tests.lab import Host, LabError, net
from tests.lab import tiny as tiny_guest
from tests.lab._proc import Process
from tests.lab.guests import address, agent, domain_xml, inside, running, until, wait_for_agent, wait_until_off
from tests.lab.tiny import Artefact
from tests.lab.traces import traces

TOP = Path(__file__).parents[2]
NETWORK = "lab-test"


@pytest.fixture
def connection(lab_host: Host) -> Iterator[libvirt.virConnect]:
    """A connection from outside the namespaces."""
    opened = libvirt.open(lab_host.uri)
    yield opened
    opened.close()


@pytest.fixture(scope="module", autouse=True)
def network(lab_host: Host) -> Iterator[None]:
    """A quick network. No connection is kept: some of these tests restart the daemon."""
    lab_host.exec(["virsh", "net-define", "/dev/stdin"], input=net.nat(NETWORK, "192.168.77.0/24", "labtest0"))
    lab_host.exec(["virsh", "net-start", NETWORK])
    yield
    lab_host.exec(["virsh", "net-destroy", NETWORK])
    lab_host.exec(["virsh", "net-undefine", NETWORK])


def test_the_host_is_itself_and_private(lab_host: Host, connection: libvirt.virConnect) -> None:
    """Its names are its own, it holds nothing of the machine's, and the machine sees nothing of its network."""
    assert lab_host.exec(["hostname"]).stdout.strip() == lab_host.name
    assert f"<uuid>{lab_host.host_uuid}</uuid>" in connection.getCapabilities()
    assert connection.listAllDomains() == []
    assert "labtest0" in lab_host.exec(["ip", "-br", "link"]).stdout
    assert lab_host.exec(["ls", "/sys/class/net/labtest0/bridge"]).stdout
    assert not Path("/sys/class/net/labtest0").exists()


def test_the_folder_is_the_same_inside_and_open_to_qemu(lab_host: Host) -> None:
    """What is written outside is read inside, and others may pass through every parent."""
    (lab_host.folder / "seen").write_text("here")
    assert lab_host.exec(["cat", lab_host.folder / "seen"]).stdout == "here"
    for folder in (lab_host.folder, *lab_host.folder.parents):
        assert folder.stat().st_mode & 0o001, folder


def test_exec_tells_why_a_command_failed(lab_host: Host) -> None:
    """The command's own words come back in the error."""
    with pytest.raises(LabError, match="No such file"):
        lab_host.exec(["ls", "/nowhere"])


def test_a_tiny_guest_lives_and_survives_its_daemon(
    lab_host: Host, connection: libvirt.virConnect, tiny: Artefact
) -> None:
    """Lease, agent and ssh come; the guest outlives a restart of libvirtd; the power button ends it."""
    xml = domain_xml("tiny-life", tiny, words="tiny.hostname=first", network=NETWORK)
    with running(lab_host, xml):
        domain = connection.lookupByName("tiny-life")
        wait_for_agent(domain)
        leased = address(domain)
        assert inside(domain, "/bin/hostname").strip() == "first"
        leases = connection.networkLookupByName(NETWORK).DHCPLeases()
        assert [lease["hostname"] for lease in leases if lease["ipaddr"] == leased] == ["first"]
        ssh = tiny.ssh(leased, "hostname")
        until(lambda: lab_host.exec(ssh, check=False).stdout.strip() == "first", 20, "an answer by ssh")

        before, old = lab_host.guests()["tiny-life"], lab_host.libvirtd
        lab_host.restart_libvirtd()
        assert lab_host.libvirtd not in (None, old)
        assert lab_host.guests()["tiny-life"] == before
        fresh = libvirt.open(lab_host.uri)
        domain = fresh.lookupByName("tiny-life")
        wait_for_agent(domain)

        began = time.monotonic()
        domain.shutdownFlags(libvirt.VIR_DOMAIN_SHUTDOWN_ACPI_POWER_BTN)
        wait_until_off(domain)
        assert time.monotonic() - began < 5
        fresh.close()


def test_a_tiny_guest_reads_its_seed_and_takes_what_is_plugged_in(
    lab_host: Host, connection: libvirt.virConnect, tiny: Artefact
) -> None:
    """A seed in a SATA drive is copied, and names the guest; a nic, a vCPU and a balloon work while it runs."""
    seed = lab_host.folder / "seed.iso"
    sources = lab_host.folder / "seed"
    sources.mkdir()
    (sources / "meta-data").write_text('instance-id: one\nlocal-hostname: "seeded"\n')
    (sources / "user-data").write_text("#cloud-config\n{}\n")
    lab_host.exec(["xorrisofs", "-quiet", "-J", "-r", "-V", "cidata", "-o", seed, sources])
    cdrom = f"<disk type='file' device='cdrom'><source file='{seed}'/><target dev='sda' bus='sata'/></disk>"
    xml = domain_xml("tiny-seed", tiny, network=NETWORK, disks=cdrom)
    xml = xml.replace("<vcpu>1</vcpu>", "<vcpu current='1'>2</vcpu>")
    with running(lab_host, xml):
        domain = connection.lookupByName("tiny-seed")
        wait_for_agent(domain)
        assert inside(domain, "/bin/cat", "/run/seed/user-data") == "#cloud-config\n{}\n"
        assert inside(domain, "/bin/hostname").strip() == "seeded"

        mac = "52:54:00:77:77:77"
        nic = (
            f"<interface type='network'><mac address='{mac}'/><source network='{NETWORK}'/>"
            "<model type='virtio'/></interface>"
        )
        domain.attachDeviceFlags(nic, libvirt.VIR_DOMAIN_AFFECT_LIVE)
        domain.setVcpusFlags(2, libvirt.VIR_DOMAIN_AFFECT_LIVE)
        domain.setMemoryFlags(160 * 1024, libvirt.VIR_DOMAIN_AFFECT_LIVE)
        leases = connection.networkLookupByName(NETWORK)
        until(lambda: leases.DHCPLeases(mac), 20, "a lease for the new nic")
        until(lambda: inside(domain, "/bin/nproc").strip() == "2", 20, "the second vCPU")
        until(lambda: domain.memoryStats()["actual"] == 160 * 1024, 20, "the smaller balloon")

        assert agent(domain, "guest-network-get-interfaces")
        domain.shutdownFlags(libvirt.VIR_DOMAIN_SHUTDOWN_GUEST_AGENT)
        wait_until_off(domain)


def test_a_tiny_guest_can_be_deaf(lab_host: Host, connection: libvirt.virConnect, tiny: Artefact) -> None:
    """The words on its command line make it ignore the power button, DHCP and its agent's channel."""
    words = "tiny.nopower tiny.nodhcp tiny.noagent"
    with running(lab_host, domain_xml("tiny-deaf", tiny, words=words, network=NETWORK)):
        domain = connection.lookupByName("tiny-deaf")
        console = lab_host.home / "log/qemu/tiny-deaf-console.log"
        until(lambda: "TINY-READY" in console.read_text(errors="replace"), 60, "TINY-READY")
        domain.shutdownFlags(libvirt.VIR_DOMAIN_SHUTDOWN_ACPI_POWER_BTN)
        time.sleep(1.5)
        assert domain.isActive()
        assert agent(domain, "guest-ping") is None
        assert not domain.interfaceAddresses(libvirt.VIR_DOMAIN_INTERFACE_ADDRESSES_SRC_LEASE)


@pytest.mark.parametrize("medium", ["disk", "cd"])
def test_a_tiny_guest_boots_from_a_medium(lab_host: Host, connection: libvirt.virConnect, medium: str) -> None:
    """A BIOS finds a boot loader on an overlay of the disk, and on the CD."""
    if medium == "disk":
        base = tiny_guest.disk().into(lab_host.folder).qcow2
        top = lab_host.folder / "top.qcow2"
        lab_host.exec(["qemu-img", "create", "-q", "-f", "qcow2", "-F", "qcow2", "-b", base, top])
        drive = (
            f"<disk type='file' device='disk'><driver name='qemu' type='qcow2'/><source file='{top}'/>"
            "<target dev='vda' bus='virtio'/></disk>"
        )
    else:
        cd = tiny_guest.iso().into(lab_host.folder).iso
        drive = f"<disk type='file' device='cdrom'><source file='{cd}'/><target dev='sda' bus='sata'/></disk>"
    name = f"tiny-{medium}"
    boot = "hd" if medium == "disk" else "cdrom"
    with running(lab_host, domain_xml(name, None, boot=boot, disks=drive, network=None)):
        domain = connection.lookupByName(name)
        wait_for_agent(domain, 120)
        # Disks are where they should be, and no kernel came from the host.
        if medium == "disk":
            assert inside(domain, "/bin/cat", "/sys/block/vda/size").strip() == str(64 * 1024 * 2)
        assert "BOOT_IMAGE" in inside(domain, "/bin/cat", "/proc/cmdline")


def test_a_frozen_libvirtd_hangs_its_clients(lab_host: Host) -> None:
    """Nothing answers until it thaws, and then the waiting client gets what it asked for."""
    answers: list[str] = []

    def ask() -> None:
        opened = libvirt.open(lab_host.uri)
        answers.append(opened.getHostname())
        opened.close()

    lab_host.freeze()
    try:
        client = threading.Thread(target=ask, daemon=True)
        client.start()
        client.join(1)
        assert client.is_alive()
    finally:
        lab_host.thaw()
    client.join(10)
    assert answers == [lab_host.name]


@pytest.fixture
def spare_name() -> Iterator[str]:
    """The name of a host that the test makes and ends by itself."""
    name = f"t{uuid.uuid4().hex[:6]}-spare"
    yield name
    Host(name).down()


def test_down_leaves_nothing(lab_ready: None, spare_name: str, tiny: Artefact) -> None:
    """With a guest running, a network up and the daemon frozen, everything goes."""
    host = Host(spare_name).up()
    host.exec(["virsh", "net-define", "/dev/stdin"], input=net.nat())
    host.exec(["virsh", "net-start", "default"])
    host.exec(["virsh", "create", "/dev/stdin"], input=domain_xml("goner", tiny.into(host.folder)))
    assert list(host.guests()) == ["goner"]
    assert len(traces(host)) > 5
    host.freeze()
    host.down()
    assert traces(host) == []
    host.down()


def test_a_killed_session_leaves_nothing(lab_ready: None, spare_name: str) -> None:
    """SIGKILL for the process that owns a host: its watcher takes the host down."""
    script = (
        "import os, sys, time\n"
        "from tests.lab import Host\n"
        "from tests.lab._proc import Process\n"
        "from tests.lab.watch import start_watcher\n"
        "owner = Process.of(os.getpid())\n"
        "start_watcher(owner)\n"
        "Host(sys.argv[1]).up(owner)\n"
        "print('up', flush=True)\n"
        "time.sleep(300)\n"
    )
    with subprocess.Popen(
        [sys.executable, "-c", script, spare_name], cwd=TOP, stdout=subprocess.PIPE, text=True
    ) as session:
        assert session.stdout is not None
        assert session.stdout.readline().strip() == "up"
        session.send_signal(signal.SIGKILL)
    host = Host(spare_name)
    until(lambda: not traces(host), 20, "the end of the host")


def test_a_host_that_cant_be_made_leaves_nothing(lab_ready: None, monkeypatch: pytest.MonkeyPatch) -> None:
    """A folder that QEMU's user can't reach is refused in words, and not kept."""
    # pytest's own folders have paths too long for a socket.
    with tempfile.TemporaryDirectory(dir="/var/tmp") as closed:
        monkeypatch.setenv("VIRTFLEET_LAB_DIR", f"{closed}/lab")
        host = Host("never")
        with pytest.raises(LabError, match=f"can't pass through {closed}"):
            host.up()
        assert traces(host) == []


def test_a_reused_pid_is_not_signalled() -> None:
    """The same pid with another start time is another process."""
    me = Process.of(os.getpid())
    assert me is not None
    assert me.alive()
    stranger = Process(me.pid, me.start + 1)
    assert not stranger.alive()
    assert not stranger.send(signal.SIGKILL)
