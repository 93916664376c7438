# Copyright: (c) 2026, the virtfleet.core contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What is refused, what is warned of, what runs there, and what the role notes of its additions."""

from __future__ import annotations

from typing import Any

import pytest

from ansible_collections.virtfleet.core.plugins.module_utils._machine.seen import System
from ansible_collections.virtfleet.core.plugins.module_utils._machine.systems import D12, SYSTEMS, U24, U26
from ansible_collections.virtfleet.core.plugins.module_utils._xen_host import judge, settings
from ansible_collections.virtfleet.core.plugins.module_utils._xen_host.menu import parse
from ansible_collections.virtfleet.core.plugins.module_utils._xen_host.seen import Seen
from tests.unit.plugins.module_utils.xen_host.hosts_xen import (
    CORE,
    LINUX,
    XEN,
    bare,
    cfg,
    complete,
    files,
    finding,
    host,
    judged,
    linux,
    menu,
)  # fmt: skip


@pytest.mark.parametrize("name", SYSTEMS)
def test_a_complete_host_is_ready(name: str) -> None:
    found = judged(host(name, files=files()))
    assert (found.system, found.refusals, found.missing, found.apt) == (name, (), (), False)
    assert {one.status for one in found.findings if one.check != "security"} == {"ok"}
    assert found.abilities == ("pv", "pvh", "hvm")


@pytest.mark.parametrize(
    ("seen", "said"),
    [
        (bare(system=System("fedora", "44", "Fedora 44")), "it runs Fedora 44 on x86_64"),
        (bare(machine="aarch64"), "on aarch64, and the role knows"),
        (bare(systemd=False), "without systemd"),
        (bare(uid=1000), "become: true"),
        (bare(secure_boot=True), "Secure Boot is on"),
        (bare(menu=None), "not started by GRUB"),
        (bare(kernels={"6.1.0-cloud": False}), "no kernel in /boot can be dom0 (it has 6.1.0-cloud)"),
        (bare(kernels={}), "it has none"),
        (bare(xen=True), "itself a guest of Xen"),
        (bare(kvm="it is a KVM host of the role kvm_host"), "it is a KVM host"),
    ],
)
def test_what_can_not_be_a_host_is_refused_with_the_reason(seen: Seen, said: str) -> None:
    found = judged(seen).refusals
    assert len(found) == 1 and said in found[0]


def test_where_xen_runs_already_all_that_was_proved() -> None:
    assert judged(host(secure_boot=True, menu=None, kernels={})).refusals == ()


def test_a_machine_may_be_both_when_it_is_said() -> None:
    assert judged(bare(kvm="it is a KVM host"), beside_kvm=True).refusals == ()
    assert finding(bare(kvm="it is a KVM host"), "kvm", beside_kvm=True).status == "ok"


@pytest.mark.parametrize("name", [U24, U26])
def test_a_release_that_does_not_mend_its_xen_is_warned_of(name: str) -> None:
    assert finding(bare(name), "security").status == "warn"
    assert [one for one in judged(bare(D12)).findings if one.check == "security"] == []


def test_memory_that_leaves_nothing_is_refused() -> None:
    assert "leaves nothing for guests" in judged(bare(), dom0_memory="8GiB").refusals[0]
    assert judged(bare(), dom0_memory="7GiB").refusals == ()
    # Under Xen, what Linux has is dom0's share alone.
    assert judged(host(memory_kib=2 << 20), dom0_memory="4GiB").refusals == ()


# packages


def test_the_hypervisor_is_the_one_that_apt_has() -> None:
    found = judged(bare())
    assert CORE[0] in found.missing and "libvirt-daemon-driver-xen" in found.missing
    older = bare(candidates={"xen-hypervisor-4.9-amd64": "4.9.2", "xen-hypervisor-4.17-amd64": "4.17.3"})
    assert {"xen-hypervisor-4.17-amd64", "xen-utils-4.17"} <= set(judged(older).missing)
    nothing = judged(bare(candidates={}))
    assert (nothing.apt, nothing.refusals) == (True, ())
    assert "universe" in finding(bare(candidates={}), "packages").advice


def test_a_hypervisor_that_is_there_stays() -> None:
    own = complete() - set(CORE) | {"xen-hypervisor-4.16-amd64"}
    assert judged(host(packages=own)).missing == ("xen-utils-4.16",)
    assert judged(host(packages=own | {"xen-utils-4.16"}, candidates={})).missing == ()


def test_options_choose_packages() -> None:
    def missing(**said: Any) -> set[str]:
        return set(judged(bare(), **said).missing)

    assert {"qemu-system-xen", "grub-xen-host"} <= missing()
    assert not {"qemu-system-xen", "grub-xen-host"} & missing(features=[])
    assert missing(features=["uefi"]) - missing(features=[]) == {"ovmf"}
    assert "mmdebstrap" in missing(features=["bootstrap"])
    assert "tmux" in missing(extra_packages=["tmux"])
    assert "qemu-system-x86-xen" in judged(bare("Ubuntu 22.04")).missing
    xl = missing(xendomains="keep")
    assert not [name for name in xl if "libvirt" in name] and CORE[0] in xl


# what runs


@pytest.mark.parametrize(
    ("caps", "model", "found"),
    [
        ({"virt_caps": "pv hvm hap"}, True, ("pv", "pvh", "hvm")),
        ({"virt_caps": "pv hvm hap"}, False, ("pv", "pvh")),
        ({"virt_caps": "pv"}, True, ("pv",)),
        ({"virt_caps": "", "xen_caps": "xen-3.0-x86_64 hvm-3.0-x86_32 "}, True, ("pv", "pvh", "hvm")),
        ({}, True, None),
    ],
)
def test_which_guests_can_run(caps: dict[str, str], model: bool, found: tuple[str, ...] | None) -> None:
    assert judged(host(info=caps, device_model=model)).abilities == found


def test_what_has_to_wait_for_xen_is_named() -> None:
    pools: list[dict[str, Any]] = [{"name": "default", "path": None}]
    assert judged(bare(), pools=pools, network="default").waiting == ("pool default", "network default")
    assert judged(host(), pools=pools, network="default").waiting == ()
    # Where xl has the guests, there are none of libvirt's.
    assert judged(host(), pools=pools, xendomains="keep").waiting == ("pool default",)


def test_a_restart_that_is_needed_is_no_failure() -> None:
    found = judged(bare(menu=menu(), packages=complete(), files=files()))
    assert (found.refusals, found.boot.pending) == ((), ("Linux runs without Xen",))
    assert finding(bare(menu=menu()), "boot").status == "warn"


@pytest.mark.parametrize(
    ("seen", "boot", "said"),
    [
        (host(), "xen", ""),
        (bare(menu=menu(LINUX)), "linux", ""),
        (host(), "linux", "Xen was started again"),
        (bare(menu=menu(), secure_boot=True), "xen", "Secure Boot is on"),
        (bare(), "xen", "has no entry for Xen"),
        (bare(menu=menu(LINUX)), "xen", f"default is {LINUX} instead of {XEN}"),
        (bare(menu=menu()), "xen", "somebody chose at the console"),
    ],
)
def test_why_a_machine_did_not_come_up_as_it_should(seen: Seen, boot: str, said: str) -> None:
    found = judge.why_not(seen, judged(seen, boot=boot).boot)
    assert (said in found) if said else found == ""


def test_guests_that_a_restart_would_cut_off() -> None:
    seen = host(running=("by-xl", "known"), guests=("by-xl", "known"), by_libvirt=("known",))
    assert "by-xl" in finding(seen, "guests").found and "known" not in finding(seen, "guests").found.split(":")[1].split(";")[0]


# the record


def test_the_record_says_what_is_going_to_be_added() -> None:
    seen = bare(users=frozenset({"anna"}))
    pools: list[dict[str, Any]] = [{"name": "default", "path": None}]
    found = judged(seen, users=["anna"], network="default", pools=pools, dom0_memory="1GiB").record
    assert found["packages"] == list(judged(seen).missing)
    assert found["files"] == sorted([settings.BEFORE, settings.AFTER, settings.LOOP])
    assert (found["users"], found["pools"], found["networks"]) == (["anna"], ["default"], ["default"])
    # What was noted before stays noted, and a complete host without a record gets none.
    again = judged(host(files=files(), record=found))
    assert again.record == {**found, "version": 1}
    assert judged(host(files=files())).record == {}


def test_a_pool_stays_where_it_is() -> None:
    named: list[dict[str, Any]] = [{"name": "default", "path": None}, {"name": "fast", "path": "/data/fast/"}]
    assert judged(host(), pools=named).pools == (
        {"name": "default", "path": "/var/lib/libvirt/images"}, {"name": "fast", "path": "/data/fast"},
    )  # fmt: skip
    there = host(pools={"images": "/var/lib/libvirt/images"})
    assert [pool["name"] for pool in judged(there, pools=named).pools] == ["fast"]
    assert "no default is made" in finding(there, "pools", pools=named).found


def test_a_menu_without_an_entry_for_xen_is_none_to_wait_for() -> None:
    seen = bare(menu=parse(cfg("0", linux())), packages=complete())
    assert judged(seen).boot.target is None
