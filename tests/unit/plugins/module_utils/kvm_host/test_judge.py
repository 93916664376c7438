# Copyright: (c) 2026, the virtfleet.core contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What is refused, what is warned of, and what the role notes of its additions."""

from __future__ import annotations

import pytest

from ansible_collections.virtfleet.core.plugins.module_utils._kvm_host.seen import Firewall
from ansible_collections.virtfleet.core.plugins.module_utils._machine.seen import System
from ansible_collections.virtfleet.core.plugins.module_utils._machine.systems import D13, SYSTEMS, U26
from tests.unit.plugins.module_utils.kvm_host.hosts import OFF, base, finding, host, judged

NO_KVM = {"verdict": "tcg", "kind": "emulation", "reason": "The test guest hung", "advice": "Ask the provider"}
KVM = {"verdict": "kvm", "kind": "nested", "reason": "", "advice": ""}


@pytest.mark.parametrize("name", SYSTEMS)
def test_a_complete_host_is_ready(name: str) -> None:
    found = judged(host(name))
    assert (found.system, found.refusals, found.missing) == (name, (), ())
    assert {one.status for one in found.findings} == {"ok"}


@pytest.mark.parametrize(
    ("system", "machine"),
    [(System("fedora", "44", "Fedora 44"), "x86_64"), (System("debian", "12", "Debian 12"), "riscv64")],
)
def test_another_system_is_refused_and_nothing_else_is_said(system: System, machine: str) -> None:
    found = judged(host(system=system, machine=machine, packages=None))
    assert len(found.refusals) == 1
    assert f"it runs {system.name} on {machine}" in found.refusals[0]
    assert "Debian 13" in found.refusals[0] and "Python binding" in found.refusals[0]
    assert (found.missing, found.record) == ((), {})


def test_without_root_nothing_can_be_installed() -> None:
    assert judged(host(uid=1000)).refusals == (
        "packages can't be installed without root; connect as root, or set become: true",
    )
    found = judged(host(U26, uid=1000, sudo="sudo-rs"))
    assert "ansible_become_exe: sudo.ws" in found.refusals[0]
    assert finding(host(U26, uid=1000, sudo="sudo-rs"), "sudo").status == "warn"
    assert finding(host(U26, sudo="sudo-rs"), "sudo").status == "ok"


def test_half_a_second_stack_is_refused() -> None:
    found = judged(host(U26, packages=base(U26) | {"qemu-system-x86-hwe"}))
    assert len(found.refusals) == 1 and "ubuntu_virt_helper" in found.refusals[0]
    whole = judged(host(U26, packages=frozenset({"ubuntu-virt-hwe", "qemu-system-x86-hwe"})))
    assert (whole.refusals, whole.stack) == ((), "hwe")
    assert not [name for name in whole.missing if name.startswith(("qemu", "libvirt-"))]


def test_xen_is_refused_unless_it_is_to_be_beside() -> None:
    assert [one for one in judged(host()).findings if one.check == "xen"] == []
    refusals = judged(host(xen="it runs on Xen")).refusals
    assert len(refusals) == 1 and "under Xen, KVM starts no guest" in refusals[0]
    assert judged(host(xen="it runs on Xen"), beside_xen=True).refusals == ()


def test_kvm() -> None:
    assert finding(host(), "accelerator", accelerator=KVM).found == "KVM works here (nested)"
    assert finding(host(), "accelerator", accel="kvm", accelerator=KVM).status == "ok"
    auto = finding(host(), "accelerator", accelerator=NO_KVM)
    assert (auto.status, auto.advice) == ("warn", "Ask the provider")
    assert "many times slower" in auto.found
    refused = judged(host(), accel="kvm", accelerator=NO_KVM).refusals
    assert refused == ("KVM was asked for and does not work here: The test guest hung; Ask the provider",)
    assert finding(host(), "accelerator", accel="tcg").status == "ok"
    # Not probed, nothing said.
    assert not [one for one in judged(host()).findings if one.check == "accelerator"]


def test_a_half_switched_host_is_refused() -> None:
    units = dict(host().units)
    found = judged(host(units={**units, "virtqemud.socket": units["libvirtd.socket"]}))
    assert len(found.refusals) == 1 and "half-switched" in found.refusals[0]


def test_what_is_missing_is_named() -> None:
    found = judged(host(D13, packages=base(D13) - {"swtpm"}), extra_packages=["htop"])
    assert found.missing == ("htop", "swtpm")
    assert finding(host(D13, packages=base(D13) - {"swtpm"}), "packages").status == "warn"
    assert finding(host(units={"libvirtd.socket": OFF}), "daemons").status == "warn"
    assert finding(host(units={}), "daemons").found == "libvirt is not installed"


def test_options_choose_packages() -> None:
    found = judged(host(D13), architectures=["s390x"], storage=["rbd"], features=["osinfo"])
    assert found.missing == ("libosinfo-bin", "libvirt-daemon-driver-storage-rbd", "osinfo-db", "qemu-system-s390x")


@pytest.mark.parametrize(
    ("wall", "check", "word"),
    [
        (Firewall(ufw=True, ufw_forward="DROP"), "ufw", "ufw route allow"),
        (Firewall(firewalld=True), "firewalld", "firewall-cmd"),
        (Firewall(docker=True, docker_forward="DROP"), "docker", "DOCKER-USER"),
        (Firewall(docker=True, docker_forward="DROP", bridged=True), "docker", "bridge-nf-call-iptables=0"),
    ],
)
def test_firewalls_are_named_with_their_cure(wall: Firewall, check: str, word: str) -> None:
    assert word in finding(host(firewall=wall), check).advice


def test_a_firewall_that_lets_pass_is_no_news() -> None:
    quiet = Firewall(ufw=True, ufw_forward="ACCEPT", docker=True, docker_forward="ACCEPT")
    assert {one.status for one in judged(host(firewall=quiet)).findings} == {"ok"}


def test_the_record_says_what_is_going_to_be_added() -> None:
    seen = host(packages=base() - {"swtpm"}, users=frozenset({"anna"}))
    options = {
        "users": ["anna"], "network": "default", "hugepages": {"2MiB": 1}, "pools": [{"name": "default"}],
        "remote": "tls", "tls": {"ca": "a", "cert": "b", "key": "c"},
    }  # fmt: skip
    found = judged(seen, **options).record
    assert found == {
        "version": 1,
        "packages": ["swtpm"],
        "files": [
            "/etc/pki/CA/cacert.pem", "/etc/pki/libvirt/private/serverkey.pem", "/etc/pki/libvirt/servercert.pem",
            "/etc/tmpfiles.d/virtfleet-hugepages.conf",
        ],
        "blocks": [],
        "users": ["anna"],
        "pools": ["default"],
        "networks": ["default"],
        "remote": ["tls"],
    }  # fmt: skip
    # What was there before is not the role's, and what is noted stays noted.
    later = host(pools={"default": "/x"}, networks=("default",), autostart=("default",), record=found)
    assert judged(later, network="default", pools=[{"name": "default"}]).record == found
    assert judged(host(pools={"default": "/x"}), pools=[{"name": "default"}]).record == {}
