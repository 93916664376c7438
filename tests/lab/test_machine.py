# Copyright: (c) 2026, the virtfleet.core contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Bare machines: a fresh release each, real enough for apt, systemd, sudo and a reboot, and gone without a trace."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import tempfile
import time
import uuid
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.lab import LabError, Machine, _mirrors, _outfit, _roots
from tests.lab.fixtures import MachineFactory
from tests.lab.guests import until
from tests.lab.machine import USER
from tests.lab.traces import kill_a_session_with, traces

TOP = Path(__file__).parents[2]


def over_ssh(machine: Machine, *command: str, user: str = "root") -> str:
    """Run a command as somebody would from here; return what it said."""
    done = subprocess.run(machine.ssh(*command, user=user), capture_output=True, text=True, timeout=60, check=False)
    assert done.returncode == 0, done.stderr
    return done.stdout.strip()


def test_it_is_the_release_that_was_asked_for_and_bare(lab_machine: Machine) -> None:
    """Its name, its identity and its systemd are its own; nothing of QEMU or libvirt is there, and no KVM."""
    assert f"VERSION_CODENAME={lab_machine.suite}" in lab_machine.exec(["cat", "/etc/os-release"]).stdout
    assert lab_machine.exec(["hostname"]).stdout.strip() == lab_machine.name
    assert lab_machine.exec(["cat", "/etc/machine-id"]).stdout.strip() == lab_machine.uuid.replace("-", "")
    until(lambda: "running" in lab_machine.exec(["systemctl", "is-system-running"], check=False).stdout, 60, "all units")
    packages = lab_machine.exec(["dpkg-query", "-W", "-f", "${Package}\n"]).stdout.split()
    assert not [name for name in packages if "virt" in name or "qemu" in name]
    assert not (lab_machine.root / "dev/kvm").exists()


def test_the_real_machine_is_out_of_reach(lab_machine: Machine) -> None:
    """Device nodes are the machine's own, and settings of the kernel that all share can't be written."""
    before = os.stat("/dev/net/tun").st_mode
    lab_machine.exec(["chmod", "0640", "/dev/net/tun"])
    assert os.stat("/dev/net/tun").st_mode == before
    lab_machine.exec(["chmod", "0666", "/dev/net/tun"])
    with pytest.raises(LabError, match=r"[Rr]ead-only"):
        lab_machine.exec(["sh", "-c", "echo 60 >/proc/sys/vm/swappiness"])
    assert lab_machine.exec(["cat", "/proc/sys/net/ipv6/conf/all/disable_ipv6"]).stdout.strip() == "0"
    links = json.loads(lab_machine.exec(["ip", "-json", "link"]).stdout)
    assert sorted(link["ifname"] for link in links) == ["lo", "tap0"]


def test_two_ways_in_by_ssh(lab_machine: Machine) -> None:
    """Root comes in, and somebody who becomes root without a password."""
    assert over_ssh(lab_machine, "id", "-un") == "root"
    assert over_ssh(lab_machine, "id", "-un", user=USER) == USER
    assert over_ssh(lab_machine, "sudo", "-n", "id", "-un", user=USER) == "root"


@pytest.mark.parametrize("user", ["root", USER])
def test_ansible_comes_in_over_a_kept_connection(lab_machine: Machine, user: str, tmp_path: Path) -> None:
    """By the variables alone, twice over one connection of ssh, and as root where that is asked for."""
    inventory = tmp_path / "inventory.yml"
    inventory.write_text(json.dumps({"all": {"hosts": {lab_machine.name: lab_machine.inventory(user)}}}))
    program = str(Path(sys.executable).parent / "ansible")
    argv = [program, "-i", str(inventory), "all", "-b", "-m", "ansible.builtin.command", "-a", "id -u"]
    sockets = lab_machine.home / "cp"
    env = {**os.environ, "ANSIBLE_SSH_CONTROL_PATH_DIR": str(sockets), "ANSIBLE_HOME": str(tmp_path)}
    for _time in range(2):
        done = subprocess.run(argv, capture_output=True, text=True, timeout=120, check=False, env=env)
        assert done.returncode == 0, done.stdout + done.stderr
        assert done.stdout.splitlines()[-1].strip() == "0"
    assert list(sockets.iterdir())


def test_apt_and_systemctl_work_and_outlive_a_reboot(lab_machine: Machine) -> None:
    """A package comes from a mirror, its unit runs; after a reboot the disk is as it was, and /run is not."""
    lab_machine.exec(["apt-get", "-q", "update"], timeout=300)
    lab_machine.exec(["apt-get", "-q", "-y", "install", "--no-install-recommends", "netcat-openbsd"], timeout=300)
    service = "[Service]\nExecStart=/bin/nc -kl 127.0.0.1 7\n[Install]\nWantedBy=multi-user.target\n"
    lab_machine.exec(["tee", "/etc/systemd/system/echo.service"], input=service)
    lab_machine.exec(["systemctl", "enable", "--now", "echo.service"])
    lab_machine.exec(["ip", "link", "add", "left-over", "type", "bridge"])
    lab_machine.exec(["sh", "-c", "touch /run/left-over; sleep 1000 >/dev/null 2>&1 & echo $! >/root/sleeper"])
    boot = lab_machine.exec(["cat", "/proc/sys/kernel/random/boot_id"]).stdout

    before = lab_machine.leader
    lab_machine.reboot()
    assert lab_machine.leader not in (None, before)
    # What Ansible's module `reboot` looks at.
    assert lab_machine.exec(["cat", "/proc/sys/kernel/random/boot_id"]).stdout != boot
    assert not (lab_machine.root / "run/left-over").exists()
    assert "left-over" not in lab_machine.exec(["ip", "-brief", "link"]).stdout
    assert "sleep" not in lab_machine.exec(["sh", "-c", "cat /proc/$(cat /root/sleeper)/comm 2>&1"], check=False).stdout
    until(lambda: lab_machine.exec(["systemctl", "is-active", "echo"], check=False).stdout == "active\n", 30, "its unit")
    # The way out is there again.
    lab_machine.exec(["apt-get", "-q", "update"], timeout=300)


def test_pulling_the_plug_keeps_the_disk(lab_machine: Machine) -> None:
    """After a reset the machine boots again by itself."""
    lab_machine.exec(["sh", "-c", "echo kept >/root/kept; sync"])
    lab_machine.reset()
    assert over_ssh(lab_machine, "cat", "/root/kept") == "kept"


def test_two_machines_are_two(lab_machine_factory: MachineFactory) -> None:
    """Side by side, each has its own identity, key, network and control groups."""
    one, two = (lab_machine_factory(suite, suite=suite) for suite in _mirrors.DEBIAN)
    for question in ("cat /etc/machine-id", "cat /etc/ssh/ssh_host_ed25519_key.pub", "readlink /proc/1/ns/net"):
        assert one.exec(question.split()).stdout != two.exec(question.split()).stdout
    own = f"own-{uuid.uuid4().hex[:6]}"
    one.exec(["systemd-run", f"--unit={own}", "sleep", "1000"])
    assert two.exec(["systemctl", "is-active", own], check=False).stdout == "inactive\n"
    one.exec(["systemctl", "stop", own])


@pytest.fixture
def spare() -> Iterator[Machine]:
    """A machine that the test makes and ends by itself."""
    machine = Machine(f"t{uuid.uuid4().hex[:6]}-spare", suite="trixie")
    yield machine
    Machine(machine.name).down()


def test_it_is_up_in_seconds_and_down_leaves_nothing(lab_ready: None, spare: Machine) -> None:
    """Up, with something mounted and something deaf running inside, and gone: also what ssh kept open."""
    _roots.build(spare.suite, spare.init)
    began = time.monotonic()
    spare.up()
    # Two seconds, where nothing else runs.
    assert time.monotonic() - began < 20
    control = ["-o", "ControlMaster=auto", "-o", f"ControlPath={spare.home}/mux", "-o", "ControlPersist=600"]
    command = spare.ssh("mount -t tmpfs tmpfs /mnt; (trap '' TERM; exec sleep 1000) </dev/null >/dev/null 2>&1 &")
    subprocess.run([*command[:1], *control, *command[1:]], check=True, timeout=60)
    assert len(traces(spare)) > 5
    spare.down()
    until(lambda: not traces(spare), 5, "the end of all")
    spare.down()


def test_a_machine_that_switches_itself_off_is_down(lab_ready: None, spare: Machine) -> None:
    """Nothing of it runs any more, the lab knows, and `down` tidies up."""
    spare.up()
    spare.exec(["systemctl", "poweroff"], check=False)
    until(lambda: not spare.is_up, 30, "the end of the machine")
    assert not list(spare.namespaces.processes())
    with pytest.raises(LabError, match="is not up"):
        spare.exec(["true"])
    spare.down()
    assert traces(spare) == []


def test_a_killed_session_leaves_no_machine(lab_ready: None, spare: Machine) -> None:
    """SIGKILL for the process that owns a machine: its watcher takes the machine down."""
    kill_a_session_with(spare)
    until(lambda: not traces(spare), 20, "the end of the machine")


def test_a_machine_whose_keeper_was_killed_is_found_and_removed(lab_ready: None, spare: Machine) -> None:
    """Its processes may go on without the one that started them all; they are known by what they have mounted."""
    spare.up()
    holder = spare.namespaces.holder
    assert holder is not None
    holder.send(signal.SIGKILL)
    until(lambda: not spare.is_up, 10, "the end of its keeper")
    spare.down()
    assert traces(spare) == []


def test_a_machine_that_cant_boot_leaves_nothing(
    lab_ready: None, spare: Machine, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The error says what the console said, and nothing stays."""
    monkeypatch.setattr("tests.lab.machine.FIRST", "echo I will not; exit 3")
    with pytest.raises(LabError, match="was switched off before.*I will not"):
        spare.up()
    assert traces(spare) == []


def test_a_folder_on_an_overlay_will_do(lab_machine: Machine) -> None:
    """In a container everything may be an overlay, which can't hold the upper layer of another one."""
    script = (
        "from tests.lab import Machine\n"
        f"machine = Machine('nested', suite={lab_machine.suite!r}).up()\n"
        "print(machine.exec(['sh', '-c', 'echo kept >/root/kept; cat /root/kept']).stdout)\n"
        "machine.down()\n"
    )
    with tempfile.TemporaryDirectory(prefix="lab-", dir="/var/tmp") as folder:
        for name in ("lower", "upper", "work", "top"):
            (Path(folder) / name).mkdir()
        layers = f"lowerdir={folder}/lower,upperdir={folder}/upper,workdir={folder}/work"
        words = f'mount -t overlay overlay -o {layers} {folder}/top && exec "$@"'
        done = subprocess.run(
            ["unshare", "--mount", "--propagation=private", "sh", "-c", words, "sh", sys.executable, "-c", script],
            cwd=TOP,
            env={**os.environ, "VIRTFLEET_LAB_DIR": f"{folder}/top/lab"},
            capture_output=True,
            text=True,
            timeout=120,
            check=False,
        )
    assert done.stdout.strip() == "kept", done.stderr


def test_a_release_that_nobody_knows_is_refused(lab_ready: None) -> None:
    """In words, and before anything is made."""
    with pytest.raises(LabError, match=r"can't be 'sid'; it can be bookworm, trixie"):
        Machine("never", suite="sid").up()
    with pytest.raises(LabError, match="init is 'runit'"):
        Machine("never", init="runit")


def test_packages_are_kept_for_the_next_machine(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """What one has fetched lies in the next one's folder, of each package the newest alone."""
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    for number, version in enumerate(["1.0", "1.1"]):
        own = tmp_path / f"machine{number}"
        _outfit.lend_archives("trixie", own)
        (own / f"hello_{version}_amd64.deb").write_text(version)
        (own / "hello-more_1_all.deb").write_text("1")
        _outfit.keep_archives("trixie", own)
    third = tmp_path / "third"
    _outfit.lend_archives("trixie", third)
    assert sorted(path.name for path in third.iterdir()) == ["hello-more_1_all.deb", "hello_1.1_amd64.deb"]
    _outfit.lend_archives("bookworm", tmp_path / "other")
    assert not list((tmp_path / "other").iterdir())


def test_another_release_comes_from_the_same_mirror(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """The machine's own sources with another name; a stranger's are left out; Debian's own where there are none."""
    folder = tmp_path / "sources.list.d"
    folder.mkdir()
    mirror = "Types: deb\nURIs: http://mirror.example/debian\nSuites: bookworm bookworm-updates\nComponents: main\n"
    (folder / "debian.sources").write_text(mirror + "Signed-By: /etc/apt/keyrings/mirror.gpg\n")
    (folder / "other.list").write_text("deb https://packages.example/debian bookworm stable\n")
    monkeypatch.setattr(_mirrors, "APT_SOURCES", folder)
    monkeypatch.setattr(_mirrors, "APT_LIST", tmp_path / "sources.list")
    monkeypatch.setattr("tests.lab._apt.os_release", lambda: {"ID": "debian", "VERSION_CODENAME": "bookworm"})
    (found,) = _mirrors.sources("trixie")
    assert found.text.splitlines()[1:3] == ["URIs: http://mirror.example/debian", "Suites: trixie trixie-updates"]
    assert list(found.keyrings()) == [Path("/etc/apt/keyrings/mirror.gpg")]
    assert _mirrors.sources("bookworm")[0].text == (folder / "debian.sources").read_text()
    (folder / "debian.sources").unlink()
    assert "http://deb.debian.org/debian trixie main" in _mirrors.sources("trixie")[0].text
