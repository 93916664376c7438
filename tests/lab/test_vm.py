# Copyright: (c) 2026, the virtfleet.core contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Virtual machines: a real Xen that is there in seconds, guests that boot on it, and nothing left when it is gone."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
import time
import uuid
from collections.abc import Iterator
from pathlib import Path

import libvirt
import pytest

from tests.lab import VM, LabError, _vm_image, vm, xen
from tests.lab.fixtures import VMFactory
from tests.lab.guests import until
from tests.lab.registry import named, places
from tests.lab.traces import kill_a_session_with, traces


def over_ssh(vm: VM, *command: str, user: str = "root") -> str:
    """Run a command as somebody would from here; return what it said."""
    done = subprocess.run(vm.ssh(*command, user=user), capture_output=True, text=True, timeout=120, check=False)
    assert done.returncode == 0, done.stderr
    return done.stdout.strip()


def virsh(vm: VM, *words: str, input: str = "") -> str:
    """Ask the libvirt of a dom0."""
    return vm.exec(["virsh", "-c", "xen:///system", *words], input=input, timeout=300).stdout.strip()


def test_a_dom0_runs_xen_and_libvirt_sees_it(lab_dom0: VM) -> None:
    """A hypervisor and domain 0 on it, by each of the two toolstacks; the clock is right, the name its own."""
    known = lab_dom0.exec(["xl", "info"]).stdout
    assert re.search(r"^xen_major +: 4$", known, re.MULTILINE)
    assert "free_memory" in known
    assert lab_dom0.exec(["cat", "/sys/hypervisor/type"]).stdout == "xen\n"
    assert virsh(lab_dom0, "list", "--name").splitlines()[0] == "Domain-0"
    assert "default" in virsh(lab_dom0, "net-list", "--name")
    assert abs(int(over_ssh(lab_dom0, "date", "+%s")) - time.time()) < 30
    assert over_ssh(lab_dom0, "hostname") == lab_dom0.name


def test_two_ways_in(lab_dom0: VM) -> None:
    """Root by ssh, somebody who becomes root, libvirt's own way, and words that a shell would have taken apart."""
    assert over_ssh(lab_dom0, "sudo -n id -un", user=vm.USER) == "root"
    with libvirt.open(lab_dom0.uri) as connection:
        assert connection.getType() == "Xen"
        assert connection.lookupByID(0).name() == "Domain-0"
    words = ["two  words", "it's", "$HOME", "a\nb", ""]
    assert lab_dom0.exec(["printf", "%s|", *words]).stdout == "two  words|it's|$HOME|a\nb||"
    assert lab_dom0.exec(["pwd"], cwd=Path("/etc")).stdout == "/etc\n"


def test_root_comes_in_by_one_connection(lab_dom0: VM) -> None:
    """Of any command and program: a handshake takes seconds there."""
    known = over_ssh(lab_dom0, "echo $SSH_CONNECTION")
    way = subprocess.run(
        [lab_dom0.home / "ssh", lab_dom0.name, "echo $SSH_CONNECTION"], capture_output=True, text=True, timeout=120, check=True
    )
    assert way.stdout.strip() == known
    # Who is at work in it stays when somebody else calls for the same vm.
    with subprocess.Popen(lab_dom0.ssh("read word; echo $word"), stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as session:
        lab_dom0._qemu.await_boot()
        assert session.communicate("still here\n", timeout=120)[0] == "still here\n"
    assert over_ssh(lab_dom0, "echo $SSH_CONNECTION") == known


def test_it_runs_before_others_where_that_is_allowed(lab_dom0: VM) -> None:
    """Its CPUs wait for each other, and Xen's tools for a time of their own."""
    assert lab_dom0.process is not None
    allowed = subprocess.run(["nice", "-n", "-10", "nice"], capture_output=True, text=True, check=True).stdout
    assert os.getpriority(os.PRIO_PROCESS, lab_dom0.process.pid) == int(allowed)


# Of the guests and of Ansible the tests of modules make more, and of a killed session those of machines.


@pytest.mark.slow
def test_ansible_comes_in(lab_dom0: VM, tmp_path: Path) -> None:
    """By the variables alone, as a user who becomes root."""
    inventory = tmp_path / "inventory.yml"
    inventory.write_text(json.dumps({"all": {"hosts": {lab_dom0.name: lab_dom0.inventory(vm.USER)}}}))
    program = str(Path(sys.executable).parent / "ansible")
    argv = [program, "-i", str(inventory), "all", "-b", "-m", "ansible.builtin.command", "-a", "id -u"]
    env = {**os.environ, "ANSIBLE_SSH_CONTROL_PATH_DIR": str(lab_dom0.home / "cp"), "ANSIBLE_HOME": str(tmp_path)}
    done = subprocess.run(argv, capture_output=True, text=True, timeout=180, check=False, env=env)
    assert done.returncode == 0, done.stdout + done.stderr
    assert done.stdout.splitlines()[-1].strip() == "0"


@pytest.mark.slow
@pytest.mark.parametrize("type", ["pv", "pvh"])
def test_a_tiny_guest_boots_and_shuts_down(lab_dom0: VM, type: str) -> None:
    """By libvirt: it says on its console that it is up, has a lease of the network, and ends when it is asked to."""
    name = f"tiny-{type}-{uuid.uuid4().hex[:6]}"
    definition = xen.domain_xml(name, type=type, words=f"tiny.hostname={name}")
    virsh(lab_dom0, "define", "/dev/stdin", input=definition)
    try:
        virsh(lab_dom0, "start", name)
        assert name in lab_dom0.guests()
        assert xen.wait_for(lab_dom0, name, "TINY-READY")
        # TINY-LEASE nic address uptime
        address = xen.wait_for(lab_dom0, name, "TINY-LEASE").split()[2]
        assert address in virsh(lab_dom0, "domifaddr", name, "--source", "lease")
        virsh(lab_dom0, "shutdown", name)
        until(lambda: virsh(lab_dom0, "domstate", name) == "shut off", 120, "its end", every=1)
        assert xen.wait_for(lab_dom0, name, "TINY-SHUTDOWN")
    finally:
        lab_dom0.exec(["virsh", "-c", "xen:///system", "destroy", name], check=False)
        virsh(lab_dom0, "undefine", name)
    assert name not in lab_dom0.guests()


@pytest.fixture
def spare(lab_ready: None) -> Iterator[VM]:
    """A vm that the test makes and ends by itself."""
    reason = vm.why_not()
    if reason is not None:
        pytest.skip(reason)
    made = VM(f"t{uuid.uuid4().hex[:6]}-spare")
    yield made
    VM(made.name).down()


@pytest.mark.slow
def test_a_second_one_is_up_in_seconds_and_down_leaves_nothing(lab_dom0: VM, spare: VM) -> None:
    """Beside another, at a port of its own; the lab knows it while it is there, and nothing of it when it is gone."""
    _vm_image.build(spare.image)
    began = time.monotonic()
    spare.up()
    # Some five seconds, where nothing else runs.
    assert time.monotonic() - began < 120
    assert over_ssh(spare, "hostname") == spare.name
    assert over_ssh(lab_dom0, "hostname") == lab_dom0.name
    assert "Port" in spare.ssh_config.read_text()
    assert spare.ssh_config.read_text().split("Port")[1].split()[0] not in lab_dom0.ssh_config.read_text()
    assert spare.name in [place.name for place in places()]
    again = named(spare.name)
    assert isinstance(again, VM) and again.image == "plain" and again.is_up
    assert spare.guests() == {}
    assert traces(spare)
    spare.down()
    assert traces(spare) == []
    with pytest.raises(LabError, match="is not up"):
        spare.exec(["true"])


@pytest.mark.slow
def test_a_killed_session_leaves_no_vm(spare: VM) -> None:
    """SIGKILL for the process that owns a vm: its watcher takes the vm down."""
    kill_a_session_with(spare)
    until(lambda: not traces(spare), 60, "the end of the vm", every=0.5)


def test_an_image_that_nobody_knows_is_refused() -> None:
    """In words, and before anything is made."""
    with pytest.raises(LabError, match="can't be 'esxi'; it can be plain or dom0"):
        VM("never", image="esxi")


def test_a_machine_that_cant_emulate_says_why(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """The reasons with which tests are skipped name what is missing."""
    meminfo = tmp_path / "meminfo"
    meminfo.write_text("MemTotal: 8000000 kB\nMemAvailable:    1024000 kB\n")
    monkeypatch.setattr(vm, "MEMINFO", meminfo)
    assert vm.why_not() == "a lab vm wants 6144 MiB of free memory, and this machine has 1000"
    monkeypatch.setattr("tests.lab._qemu.PROGRAM", "qemu-system-nothing")
    assert "needs qemu-system-nothing" in str(vm.why_not())


@pytest.mark.slow
def test_a_plain_vm_takes_packages_and_reboots(spare: VM) -> None:
    """apt works inside, by this machine's mirrors; what it brought is there after a reboot and after a reset."""
    spare.up()
    assert spare.exec(["systemctl", "is-system-running"], check=False).stdout.strip() in ("running", "degraded")
    assert spare.exec(["test", "-e", "/sys/hypervisor/type"], check=False).returncode == 1
    spare.exec(["apt-get", "-q", "update"], timeout=600)
    spare.exec(["apt-get", "-q", "-y", "install", "hello"], timeout=600)
    before = spare.boot_id()
    spare.reboot()
    between = spare.boot_id()
    assert between not in (None, before)
    assert spare.exec(["hello"]).stdout == "Hello, world!\n"
    assert spare.exec(["hostname"]).stdout.strip() == spare.name
    assert abs(int(over_ssh(spare, "date", "+%s")) - time.time()) < 30
    spare.exec(["sync"])
    spare.reset()
    assert spare.boot_id() not in (None, before, between)
    assert spare.exec(["hello"]).stdout == "Hello, world!\n"


@pytest.mark.slow
def test_a_dom0_comes_back_as_a_dom0(lab_vm_factory: VMFactory) -> None:
    """GRUB's own choice after a reboot is Xen, and libvirt and its network are up again without help."""
    dom0 = lab_vm_factory("reboots", image="dom0")
    dom0.reboot()
    assert dom0.exec(["xl", "list"]).returncode == 0
    until(lambda: "Domain-0" in virsh(dom0, "list", "--name"), 120, "libvirt", every=2)
    until(lambda: "default" in virsh(dom0, "net-list", "--name"), 120, "the network", every=2)
    dom0.down()
    assert traces(dom0) == []
