# Copyright: (c) 2026, the virtfleet.core contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Whether KVM works: the verdict beside a real kernel that boots or does not, and what new guests make of it.

The host sees the machine's own /dev/kvm, or what is put in its place. Where KVM works, where it only says so and where it
is not there, the tests are the same and want the truth; what cannot be tried on a machine is skipped by name.
"""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.integration.playing import Player, Result, task
from tests.lab import Host
from tests.lab import tiny as tiny_guest
from tests.lab.fixtures import HostFactory

KVM, NULL, NO_DRIVER = (10, 232), (1, 3), (0, 0)
HERE = os.path.exists("/dev/kvm")


@pytest.fixture(scope="module")
def host(lab_host_factory: HostFactory) -> Host:
    """Return a lab host to which /dev/kvm is not closed."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("VIRTFLEET_LAB_KVM", "1")
        return lab_host_factory("kvm")


@pytest.fixture
def play(host: Host, tmp_path: Path) -> Player:
    return Player(host, tmp_path)


class Device:
    """What the host has at /dev/kvm: a node of its own over the machine's, in its own mounts only."""

    def __init__(self, host: Host) -> None:
        self.host = host
        self.node = f"{host.home}/inside/kvm"

    def words(self, number: tuple[int, int] | None, mode: str = "0666") -> str:
        """Return what puts a device there instead of the last one, for a shell; with None what takes it away."""
        words = f"umount /dev/kvm 2> /dev/null; rm -f {self.node}"
        if number is not None:
            words += f"; mknod -m {mode} {self.node} c {number[0]} {number[1]} && mount --bind {self.node} /dev/kvm"
        return words

    def tasks(self, number: tuple[int, int] | None, mode: str = "0666") -> list[dict[str, Any]]:
        return [{"ansible.builtin.shell": self.words(number, mode)}]

    def put(self, number: tuple[int, int] | None) -> None:
        self.host.exec(["sh", "-c", self.words(number)])


@pytest.fixture
def device(host: Host) -> Iterator[Device]:
    if not HERE:
        pytest.skip("this machine has no /dev/kvm in whose place another could be put")
    found = Device(host)
    yield found
    found.put(None)


def accelerator(result: Result) -> dict[str, Any]:
    return dict(result["accelerator"])


def test_the_verdict_is_what_a_real_kernel_says(play: Player) -> None:
    results = play(
        [
            task("look", "accelerator_info"),
            task("again", "accelerator_info"),
            task("fresh", "accelerator_info", fresh=True),
            task("query", "accelerator_info", query="verdict"),
        ]
    )
    found = accelerator(results.named("look"))
    boots = HERE and (_boots("host") or _boots("qemu64"))
    assert found["verdict"] == ("kvm" if boots else "tcg"), found
    assert (found["kind"] == "emulation") == (found["verdict"] == "tcg")
    assert found["reason"] and bool(found["advice"]) == (found["verdict"] == "tcg")
    assert found["qemu_version"].count(".") == 2 and found["kept"] and 0 <= found["seconds"] < 60
    # The time is that of the look, so it tells that there was no second one.
    assert accelerator(results.named("again")) == found
    assert accelerator(results.named("fresh"))["verdict"] == found["verdict"]
    assert results.named("query")["result"] == found["verdict"]
    assert not any(result.changed for result in results)


def _boots(cpu: str) -> bool:
    """Boot the tiny guest's kernel by KVM, without a root file system: it panics, which takes a kernel that runs."""
    kernel = tiny_guest.build().bzimage
    words = ["-accel", "kvm", "-cpu", cpu, "-machine", "q35", "-m", "256", "-nodefaults", "-display", "none"]
    words += ["-no-reboot", "-serial", "stdio", "-kernel", str(kernel), "-append", "console=ttyS0 panic=-1"]
    program = f"qemu-system-{os.uname().machine}"
    try:
        done = subprocess.run([program, *words], stdin=subprocess.DEVNULL, capture_output=True, timeout=10, check=False)
    except subprocess.TimeoutExpired:
        return False
    return b"Kernel panic" in done.stdout


def test_it_needs_neither_libvirt_nor_qemu_and_looks_in_check_mode(play: Player, host: Host) -> None:
    mark = play.folder / "mark"
    (play.folder / "libvirt.py").write_text(f"open({str(mark)!r}, 'w').close()\nraise ImportError\n")
    environment = {"PATH": "/nowhere", "PYTHONPATH": str(play.folder)}
    look = {**task("look", "accelerator_info", fresh=True), "environment": environment}
    results = Player(host, play.folder, python=sys.executable)(
        # Through a pipe Python does not heed PYTHONPATH.
        [look, task("with QEMU", "accelerator_info")],
        "--check",
        env={"ANSIBLE_PIPELINING": "false"},
    )
    assert mark.exists(), "libvirt was not out of sight"
    without, with_qemu = accelerator(results.named("look")), accelerator(results.named("with QEMU"))
    assert without["qemu_version"] is None and with_qemu["qemu_version"] is not None
    # A yes of KVM alone is not kept; and here both must agree.
    assert without["verdict"] == with_qemu["verdict"]
    assert without["kept"] == (without["verdict"] == "tcg") and with_qemu["kept"]


def test_a_device_that_lies_is_seen_at_once(play: Player, device: Device) -> None:
    results = play(
        [
            task("before", "accelerator_info"),
            *device.tasks(NO_DRIVER, "0600"),
            task("no driver", "accelerator_info"),
            task("no driver, again", "accelerator_info"),
            *device.tasks(NULL),
            task("not KVM", "accelerator_info"),
            *device.tasks(None),
            task("after", "accelerator_info"),
        ]
    )
    before, driverless, other, after = (
        accelerator(results.named(name)) for name in ("before", "no driver", "not KVM", "after")
    )
    assert driverless["reason"].startswith("Behind /dev/kvm is no driver") and driverless["advice"]
    assert accelerator(results.named("no driver, again")) == driverless
    assert other["reason"] == "What stands at /dev/kvm is not KVM: Inappropriate ioctl for device."
    for found in (driverless, other):
        assert (found["verdict"], found["kind"], found["kept"]) == ("tcg", "emulation", True)
    # A verdict of one device is not taken for another's.
    assert (after["verdict"], after["reason"].split(":")[0]) == (before["verdict"], before["reason"].split(":")[0])


def test_a_new_guest_follows_the_verdict(play: Player, device: Device) -> None:
    device.put(KVM)
    if play.host.exec(["virsh", "domcapabilities", "--virttype", "kvm"], check=False).returncode != 0:
        pytest.skip("libvirt offers no KVM here, so nobody has to decide")
    guest = {"name": "judged", "memory": "64MiB"}
    told = {**task("told", "guest", accel="kvm", **guest), "environment": {"VIRTFLEET_ACCELERATOR": "kvm"}}
    results = play(
        [
            task("look", "accelerator_info"),
            task("plan", "guest", **guest, check=True),
            task("make", "guest", **guest),
            task("again", "guest", **guest),
            task("remove", "guest", name="judged", state="absent"),
            {**task("by name", "guest", accel="kvm", **guest), "ignore_errors": True},
            task("remove again", "guest", name="judged", state="absent"),
            told,
            task("told again", "guest", accel="kvm", **guest),
            task("remove at last", "guest", name="judged", state="absent"),
        ],
        fails=True,
    )
    verdict = accelerator(results.named("look"))
    made, by_name = results.named("make"), results.named("by name")
    assert made["guest"]["accel"] == verdict["verdict"]
    for name in ("plan", "make"):
        said = " ".join(results.named(name).values.get("warnings") or ())
        assert ("New guests are emulated" in said and verdict["reason"] in said) == (verdict["verdict"] == "tcg")
    # Nothing is said of a guest that is there, nor changed.
    assert not results.named("again").changed and not results.named("again").values.get("warnings")
    if verdict["verdict"] == "tcg":
        assert by_name.outcome == "failed" and "accel: guests would not run by kvm" in by_name.msg
        assert verdict["reason"] in by_name.msg and not results.named("remove again").changed
    else:
        assert by_name["guest"]["accel"] == "kvm"
    assert results.named("told")["guest"]["accel"] == "kvm" and not results.named("told again").changed
    assert results[-1].task == "remove at last" and results[-1].changed
