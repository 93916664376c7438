# Copyright: (c) 2026, the virtfleet.core contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The role kvm_host: what it refuses, what it would install where, and the daemons that it starts by hand.

The lab host has the machine's own packages, so that here nothing is installed: `dpkg-query` is a script that says what
the test wants to be there. What really installs is tests/integration/test_role_kvm_host_bare.py.
"""

from __future__ import annotations

import os
import signal
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import pytest

from tests.integration.playing import Player, Results
from tests.lab import Host
from tests.lab.fixtures import HostFactory
from tests.lab.net import nat

ROLE = "virtfleet.core.kvm_host"
DEBIAN = {"distribution": "Debian", "distribution_version": "12.11", "distribution_major_version": "12"}
NOBLE = {"distribution": "Ubuntu", "distribution_version": "24.04", "distribution_major_version": "24"}
RESOLUTE = {"distribution": "Ubuntu", "distribution_version": "26.04", "distribution_major_version": "26"}
Facts = Mapping[str, str] | None
WOULD = "Say which packages would be installed"
BASE = [
    "dmidecode", "dnsmasq-base", "iproute2", "iptables", "libvirt-clients", "libvirt-daemon-system", "mdevctl", "ovmf",
    "parted", "python3-libvirt", "qemu-block-extra", "qemu-system-x86", "qemu-utils", "swtpm", "swtpm-tools", "xorriso",
]  # fmt: skip


@pytest.fixture(scope="module")
def host(lab_host_factory: HostFactory) -> Host:
    """Return a host of the role's own: its daemons are started by the role in the end."""
    return lab_host_factory("role")


@pytest.fixture
def player(host: Host, tmp_path: Path) -> Player:
    return Player(host, tmp_path)


def play_of(player: Player, options: Mapping[str, Any], facts: Facts, installed: list[str] | None) -> dict[str, Any]:
    """Return a block that runs the role with made-up facts and packages and, if it fails, says why and goes on."""
    tasks: list[dict[str, Any]] = []
    if facts is not None:
        made_up = {"architecture": "x86_64", "python": {"executable": player.python}, **facts}
        tasks.append({"name": "facts", "ansible.builtin.set_fact": {**made_up, "cacheable": True}, "tags": ["always"]})
    role: dict[str, Any] = {"name": "role", "ansible.builtin.import_role": {"name": ROLE}, "vars": dict(options)}
    if installed is not None:
        programs = player.folder / f"programs{len(list(player.folder.iterdir()))}"
        programs.mkdir()
        program = programs / "dpkg-query"
        program.write_text("#!/bin/sh\n" + "".join(f"echo installed {name}\n" for name in installed))
        program.chmod(0o755)
        role["environment"] = {"PATH": f"{programs}:/usr/sbin:/usr/bin:/sbin:/bin"}
    seen = {"name": "seen", "ansible.builtin.debug": {"msg": "{{ kvm_host_facts | default({}) }}"}, "tags": ["always"]}
    refused = {"name": "refused", "ansible.builtin.debug": {"msg": "{{ ansible_failed_result.msg }}"}}
    return {"name": "once", "block": [*tasks, role, seen], "rescue": [refused]}


def run(
    player: Player, *args: str, installed: list[str] | None = None, options: Mapping[str, Any] | None = None
) -> Results:
    """Run the role on the lab host as it is, where it must succeed."""
    results = player([play_of(player, options or {}, None, installed)], *args)
    assert not any(result.task == "refused" for result in results)
    return results


def each(player: Player, cases: Sequence[tuple[Facts, list[str] | None]], options: Mapping[str, Any]) -> list[Results]:
    """Run the role in check mode for each case in one play, and return the results of each: a run costs seconds."""
    results = player([play_of(player, options, *case) for case in cases], "--check", fails=True)
    ends = [number for number, result in enumerate(results) if result.task in ("seen", "refused")]
    assert len(ends) == len(cases)
    return [Results(results[start:end + 1]) for start, end in zip([0, *(end + 1 for end in ends)], ends, strict=False)]


# what it refuses


def test_what_is_refused_is_refused_before_anything_is_touched(player: Player) -> None:
    cases: list[tuple[Facts, list[str] | None, str]] = [
        ({**DEBIAN, "distribution": "Fedora"}, None, "runs Fedora 12.11"),
        ({**DEBIAN, "distribution_version": "11.9", "distribution_major_version": "11"}, None, "Debian 11.9"),
        ({**NOBLE, "distribution_version": "25.10"}, None, "Ubuntu 25.10"),
        ({**DEBIAN, "architecture": "riscv64"}, None, "on riscv64"),
        # A part of Ubuntu's second stack without the whole.
        (RESOLUTE, ["qemu-system-x86-hwe", "libvirt-clients"], "qemu-system-x86-hwe without ubuntu-virt-hwe"),
    ]
    for results, (_facts, _there, said) in zip(each(player, [case[:2] for case in cases], {}), cases, strict=True):
        assert said in results[-1].msg
        assert "Nothing was touched" in results[-1].msg
        assert not any(result.changed for result in results)


def test_an_option_that_does_not_fit_is_refused(player: Player) -> None:
    results = each(player, [(DEBIAN, None)], {"kvm_host_network": "some"})[0]
    assert results[-1].task == "refused"
    said = [error for result in results for error in result.values.get("argument_errors", ())]
    assert any("kvm_host_network must be one of" in error for error in said)


# what it would install


def test_each_system_has_its_packages(player: Player) -> None:
    thirteen = {**DEBIAN, "distribution_version": "13.2", "distribution_major_version": "13"}
    cases = [
        (DEBIAN, []),
        (thirteen, ["libvirt-daemon-lock", "passt", "virtiofsd"]),
        ({**NOBLE, "distribution_version": "22.04"}, []),
        (NOBLE, ["passt", "virtiofsd"]),
        (RESOLUTE, ["libvirt-daemon-lock", "passt", "virtiofsd"]),
    ]
    for results, case in zip(each(player, [(facts, ["bash"]) for facts, _more in cases], {}), cases, strict=True):
        assert results.named(WOULD).changed
        assert results.named(WOULD)["msg"] == sorted([*BASE, *case[1]])
        seen = results.named("seen")["msg"]
        assert (seen["ready"], seen["libvirt_version"], seen["stack"]) == (False, "(after apply)", "base")


def test_what_is_there_decides_what_comes(player: Player) -> None:
    hwe = ["ubuntu-virt-hwe", "qemu-system-x86-hwe", "libvirt-daemon-system-hwe"]
    rbd = "libvirt-daemon-driver-storage-rbd"
    arm, stacked, more = each(
        player,
        [({**DEBIAN, "architecture": "aarch64"}, ["bash"]), (RESOLUTE, hwe), (DEBIAN, [*BASE, "bash"])],
        {"kvm_host_extra_packages": [rbd, "bash"]},
    )
    # An ARM machine has its own emulator.
    assert {"qemu-system-arm", "qemu-efi-aarch64"} <= set(arm.named(WOULD)["msg"])
    assert "qemu-system-x86" not in arm.named(WOULD)["msg"]
    # Names of the base stack are not put over an hwe stack.
    wanted = set(stacked.named(WOULD)["msg"]) - {rbd}
    assert not [name for name in wanted if name.startswith(("qemu", "libvirt", "ovmf"))]
    assert {"python3-libvirt", "swtpm", "xorriso"} <= wanted
    assert stacked.named("seen")["msg"]["stack"] == "hwe"
    # What the user wants more comes, unless it is there.
    assert more.named(WOULD)["msg"] == [rbd]


# daemons by hand


def test_running_daemons_are_used_as_they_are(host: Host, player: Player) -> None:
    before = host.libvirtd
    results = run(player, installed=BASE)
    assert not any(result.changed for result in results)
    assert host.libvirtd == before
    seen = results.named("seen")["msg"]
    assert seen["ready"] is True
    assert seen["uri"] == "qemu:///system"
    assert "tcg" in seen["accelerators"]
    assert [int(part) for part in seen["libvirt_version"].split(".")] >= [8]


def test_a_stopped_libvirtd_is_started_by_hand_and_once(host: Host, player: Player) -> None:
    tags = ("--tags", "kvm_host_daemons")
    host.stop_libvirtd()
    assert run(player, "--check", *tags, installed=BASE).named("Say that it would be started, libvirtd").changed
    assert run(player, *tags, installed=BASE).named("Start it, libvirtd").changed
    pid = host.exec(["cat", "/run/virtfleet/libvirtd.pid"]).stdout.strip()
    assert Path(f"/proc/{pid}/exe").readlink() == Path("/usr/sbin/libvirtd")
    assert not any(result.changed for result in run(player, *tags, installed=BASE))
    # A killed daemon leaves its socket and its pid file behind.
    os.kill(int(pid), signal.SIGKILL)
    assert run(player, *tags, installed=BASE).named("Start it, libvirtd").changed
    assert host.exec(["cat", "/run/virtfleet/libvirtd.pid"]).stdout.strip() != pid


def test_the_default_network_is_started_on_request_only(host: Host, player: Player) -> None:
    tags = ("--tags", "kvm_host_network")
    task = 'Have the network "default" running'
    started = ["virsh", "net-list", "--name", "--autostart"]
    host.exec(["virsh", "net-define", "/dev/stdin"], input=nat("default", "10.91.0.0/24", "rolebr0"))
    assert run(player, "--check", *tags, installed=BASE).named(task).outcome == "skipped"
    assert host.exec(started).stdout.strip() == ""
    wanted = {"kvm_host_network": "default"}
    assert run(player, *tags, installed=BASE, options=wanted).named(task).changed
    assert host.exec(started).stdout.strip() == "default"
    assert not run(player, *tags, installed=BASE, options=wanted).named(task).changed
