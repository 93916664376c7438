# Copyright: (c) 2026, the virtfleet.core contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The role kvm_host: what it refuses, what it would install where, and the daemons that it starts by hand.

The lab host has the machine's own packages, so that here nothing is installed: `dpkg-query` is a script that says what
the test wants to be there. What really installs is tests/integration/test_role_kvm_host_bare.py.
"""

from __future__ import annotations

from collections.abc import Mapping
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
WOULD = "Say which packages would be installed"
BASE = [
    "dmidecode", "dnsmasq-base", "iproute2", "iptables", "libvirt-clients", "libvirt-daemon-system", "mdevctl", "ovmf",
    "parted", "python3-libvirt", "qemu-block-extra", "qemu-system-x86", "qemu-utils", "swtpm", "swtpm-tools", "xorriso",
]  # fmt: skip
DAEMONS = ("virtlogd", "virtlockd", "libvirtd")


@pytest.fixture(scope="module")
def host(lab_host_factory: HostFactory) -> Host:
    """Return a host of the role's own: its daemons are started by the role in the end."""
    return lab_host_factory("role")


@pytest.fixture
def player(host: Host, tmp_path: Path) -> Player:
    return Player(host, tmp_path)


def run(
    player: Player,
    *args: str,
    facts: Mapping[str, str] | None = None,
    installed: list[str] | None = None,
    options: Mapping[str, Any] | None = None,
    fails: bool = False,
) -> Results:
    """Run the role on the lab host, with made-up facts and a made-up list of packages where they are given."""
    tasks: list[dict[str, Any]] = []
    if facts is not None:
        made_up = {"architecture": "x86_64", "python": {"executable": player.python}, **facts}
        tasks.append({"name": "facts", "ansible.builtin.set_fact": {**made_up, "cacheable": True}, "tags": ["always"]})
    role: dict[str, Any] = {"name": "role", "ansible.builtin.import_role": {"name": ROLE}, "vars": dict(options or {})}
    if installed is not None:
        programs = player.folder / "programs"
        programs.mkdir(exist_ok=True)
        program = programs / "dpkg-query"
        program.write_text("#!/bin/sh\n" + "".join(f"echo installed {name}\n" for name in installed))
        program.chmod(0o755)
        role["environment"] = {"PATH": f"{programs}:/usr/sbin:/usr/bin:/sbin:/bin"}
    message = {"msg": "{{ kvm_host_facts | default({}) }}"}
    say = {"name": "facts seen", "ansible.builtin.debug": message, "tags": ["always"]}
    return player([*tasks, role, say], *args, fails=fails)


def failure(results: Results) -> str:
    return next(result.msg for result in results if result.outcome == "failed")


# what it refuses


@pytest.mark.parametrize(
    ("facts", "said"),
    [
        ({**DEBIAN, "distribution": "Fedora"}, "runs Fedora 12.11"),
        ({**DEBIAN, "distribution_version": "11.9", "distribution_major_version": "11"}, "Debian 11.9"),
        ({**NOBLE, "distribution_version": "25.10"}, "Ubuntu 25.10"),
        ({**DEBIAN, "architecture": "riscv64"}, "on riscv64"),
    ],
)
def test_another_system_is_refused_before_anything_is_touched(
    player: Player, facts: Mapping[str, str], said: str
) -> None:
    results = run(player, facts=facts, fails=True)
    assert said in failure(results)
    assert "Nothing was touched" in failure(results)
    assert not any(result.changed for result in results)


def test_half_an_hwe_stack_is_refused(player: Player) -> None:
    results = run(player, facts=RESOLUTE, installed=["qemu-system-x86-hwe", "libvirt-clients"], fails=True)
    assert "qemu-system-x86-hwe without ubuntu-virt-hwe" in failure(results)
    assert "ubuntu_virt_helper" in failure(results)
    assert not any(result.changed for result in results)


def test_an_option_that_does_not_exist_or_fit_is_refused(player: Player) -> None:
    results = run(player, options={"kvm_host_network": "some"}, fails=True)
    assert "value of kvm_host_network must be one of" in failure(results)


# what it would install


@pytest.mark.parametrize(
    ("facts", "more"),
    [
        (DEBIAN, []),
        ({**DEBIAN, "distribution_version": "13", "distribution_major_version": "13"},
         ["libvirt-daemon-lock", "passt", "virtiofsd"]),
        ({**NOBLE, "distribution_version": "22.04"}, []),
        (NOBLE, ["passt", "virtiofsd"]),
        (RESOLUTE, ["libvirt-daemon-lock", "passt", "virtiofsd"]),
    ],
)  # fmt: skip
def test_each_system_has_its_packages(player: Player, facts: Mapping[str, str], more: list[str]) -> None:
    results = run(player, "--check", facts=facts, installed=["bash"])
    assert results.named(WOULD).changed
    assert results.named(WOULD)["msg"] == sorted([*BASE, *more])
    seen = results.named("facts seen")["msg"]
    assert (seen["ready"], seen["libvirt_version"], seen["stack"]) == (False, "(after apply)", "base")


def test_an_arm_machine_gets_its_own_emulator(player: Player) -> None:
    wanted = run(player, "--check", facts={**DEBIAN, "architecture": "aarch64"}, installed=["bash"]).named(WOULD)["msg"]
    assert {"qemu-system-arm", "qemu-efi-aarch64"} <= set(wanted)
    assert "qemu-system-x86" not in wanted


def test_names_of_the_base_stack_are_not_put_over_an_hwe_stack(player: Player) -> None:
    there = ["ubuntu-virt-hwe", "qemu-system-x86-hwe", "libvirt-daemon-system-hwe"]
    results = run(player, "--check", facts=RESOLUTE, installed=there)
    wanted = results.named(WOULD)["msg"]
    assert not [name for name in wanted if name.startswith(("qemu", "libvirt", "ovmf"))]
    assert {"python3-libvirt", "swtpm", "xorriso"} <= set(wanted)
    assert results.named("facts seen")["msg"]["stack"] == "hwe"


def test_more_packages_are_installed_by_name(player: Player) -> None:
    options = {"kvm_host_extra_packages": ["libvirt-daemon-driver-storage-rbd", "bash"]}
    results = run(player, "--check", facts=DEBIAN, installed=["bash", *BASE], options=options)
    assert results.named(WOULD)["msg"] == ["libvirt-daemon-driver-storage-rbd"]


def test_nothing_is_said_where_all_is_there(player: Player) -> None:
    results = run(player, "--check", "--tags", "kvm_host_packages", facts=DEBIAN, installed=BASE)
    assert not any(result.changed for result in results)
    assert results.named(WOULD).outcome == "skipped"


# daemons by hand


def test_running_daemons_are_used_as_they_are(host: Host, player: Player) -> None:
    before = host.libvirtd
    results = run(player, installed=BASE)
    assert not any(result.changed for result in results if result.task.startswith("Start"))
    assert host.libvirtd == before
    seen = results.named("facts seen")["msg"]
    assert seen["ready"] is True
    assert seen["uri"] == "qemu:///system"
    assert "tcg" in seen["accelerators"]
    assert [int(part) for part in seen["libvirt_version"].split(".")] >= [8]


def test_a_stopped_libvirtd_is_started_by_hand_and_once(host: Host, player: Player) -> None:
    started = "Start it, libvirtd"
    host.stop_libvirtd()
    # Where the daemon was killed its socket stays: a stale one must not count.
    host.exec(["sh", "-c", "test ! -e /run/virtfleet/libvirtd.pid"])
    check = run(player, "--check", installed=BASE)
    assert check.named("Say that it would be started, libvirtd").changed
    real = run(player, installed=BASE)
    assert real.named(started).changed
    pid = host.exec(["cat", "/run/virtfleet/libvirtd.pid"]).stdout.strip()
    assert Path(f"/proc/{pid}/exe").readlink() == Path("/usr/sbin/libvirtd")
    again = run(player, installed=BASE)
    assert not any(result.changed for result in again)
    assert host.exec(["cat", "/run/virtfleet/libvirtd.pid"]).stdout.strip() == pid


def test_the_default_network_is_started_on_request_only(host: Host, player: Player) -> None:
    host.exec(["virsh", "net-define", "/dev/stdin"], input=nat("default", "10.91.0.0/24", "rolebr0"))
    assert not run(player, "--tags", "kvm_host_network", installed=BASE)[-2].changed
    active = ["virsh", "net-list", "--name", "--autostart"]
    assert host.exec(active).stdout.strip() == ""
    options = {"kvm_host_network": "default"}
    task = 'Have the network "default" running'
    assert run(player, "--check", installed=BASE, options=options).named(task).changed
    assert run(player, installed=BASE, options=options).named(task).changed
    assert host.exec(active).stdout.strip() == "default"
    assert not any(result.changed for result in run(player, installed=BASE, options=options))
