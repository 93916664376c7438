# Copyright: (c) 2026, the virtfleet.core contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The role xen_host, through the front role host, on a plain Debian that is emulated whole: from nothing to Xen and back."""

from __future__ import annotations

from typing import Any

import pytest

from tests.integration.playing import Controller, Results
from tests.lab.fixtures import VMFactory
from tests.lab.machine import USER
from tests.lab.vm import VM

# Packages are unpacked, and GRUB's menu is made, by an emulated processor on a machine that others use.
PATIENCE = 3600
SEEN = {"name": "seen", "ansible.builtin.debug": {"msg": "{{ host_facts | default({}) }}"}, "tags": ["always"]}
OPTIONS: dict[str, Any] = {
    "hypervisor": "xen",
    "xen_host_dom0_memory": "1536MiB",
    "xen_host_dom0_vcpus": 2,
    "xen_host_console": ["com1"],
    "xen_host_scheduler": "credit",
    "xen_host_users": [USER],
    # Each package costs seconds here, and none of its guests is emulated.
    "xen_host_features": [],
    "xen_host_network": "default",
    "xen_host_reboot_timeout": PATIENCE,
}
IF_NEEDED = {"xen_host_reboot": "if_needed"}

pytestmark = [pytest.mark.slow, pytest.mark.root]


@pytest.fixture(scope="module")
def vm(lab_vm_factory: VMFactory) -> VM:
    """A Debian with GRUB and a kernel of its own. The tests of this file follow each other on it."""
    return lab_vm_factory("xen-host", image="plain")


@pytest.fixture(scope="module")
def play(vm: VM, tmp_path_factory: pytest.TempPathFactory) -> Controller:
    """What plays there, as somebody who becomes root."""
    return Controller([vm], tmp_path_factory.mktemp("xen-host"), user=USER)


def role(play: Controller, *args: str, entry: str = "main", fails: bool = False, **options: Any) -> Results:
    """Run an entry of the front role; its facts are what the task `seen` says."""
    tasks = [
        {"name": "role", "ansible.builtin.import_role": {"name": "virtfleet.core.host", "tasks_from": entry}},
        SEEN,
    ]
    book = {"hosts": "hypervisors", "become": True, "gather_facts": False, "vars": {**OPTIONS, **options}, "tasks": tasks}
    return play([book], *args, fails=fails, timeout=PATIENCE)


def said(vm: VM, *argv: str) -> str:
    return str(vm.exec(list(argv), timeout=600).stdout).strip()


def test_secure_boot_is_refused_before_anything_is_touched(vm: VM, play: Controller) -> None:
    # Its firmware is a BIOS; the byte lies where that of UEFI would.
    firmware = "/sys/firmware/efi/efivars/SecureBoot-8be4df61-93ca-11d2-aa0d-00e098032b8c"
    said(vm, "mount", "-t", "tmpfs", "tmpfs", "/sys/firmware")
    try:
        said(vm, "mkdir", "-p", "/sys/firmware/efi/efivars")
        said(vm, "sh", "-c", f"printf '\\006\\000\\000\\000\\001' >{firmware}")
        results = role(play, fails=True)
    finally:
        said(vm, "umount", "/sys/firmware")
    refused = next(result for result in results if result.outcome == "failed")
    assert "Secure Boot is on" in refused.msg and "Nothing was touched" in refused.msg
    assert results.changed() == []


def test_check_mode_says_what_would_come_and_touches_nothing(vm: VM, play: Controller) -> None:
    before = said(vm, "sh", "-c", "cat /boot/grub/grub.cfg; dpkg-query --list; ls /etc/default/grub.d")
    results = role(play, "--check")
    would = results.named("Say which packages would be installed")
    assert {"xen-system-amd64", "libvirt-daemon-driver-xen", "python3-libvirt"} <= set(would["msg"])
    seen = results.named("seen")["msg"]
    assert (seen["ready"], seen["pending_reboot"], seen["xen_version"]) == (False, True, "(after restart)")
    assert said(vm, "sh", "-c", "cat /boot/grub/grub.cfg; dpkg-query --list; ls /etc/default/grub.d") == before


def test_without_leave_to_restart_all_is_ready_for_it(vm: VM, play: Controller) -> None:
    boot = vm.boot_id()
    results = role(play)
    assert "Install the packages" in results.changed()
    assert vm.boot_id() == boot
    seen = results.named("seen")["msg"]
    assert (seen["ready"], seen["running"], seen["pending_reboot"]) == (False, "linux", True)
    assert seen["pending"] == ["Linux runs without Xen"]
    assert seen["waiting"] == ["pool default", "network default"]
    menu = said(vm, "grep", "set default=", "/boot/grub/grub.cfg")
    assert 'set default="xen-gnulinux-simple-' in menu
    assert "dom0_mem=1536M,max:1536M" in said(vm, "grep", "multiboot2", "/boot/grub/grub.cfg")
    # It would stop the guests that it has started when libvirtd starts.
    assert said(vm, "sh", "-c", "ls /etc/rc*.d | grep S..xendomains || echo none") == "none"
    # Waiting is no change.
    again = role(play)
    assert again.changed() == []
    assert again.named("seen")["msg"]["pending_reboot"] is True


def test_it_becomes_a_host_that_was_seen_to_run_on_xen(vm: VM, play: Controller) -> None:
    boot = vm.boot_id()
    results = role(play, **IF_NEEDED)
    assert "Restart the host" in results.changed()
    assert vm.boot_id() != boot
    assert said(vm, "cat", "/sys/hypervisor/type") == "xen"
    seen = results.named("seen")["msg"]
    assert (seen["ready"], seen["running"], seen["pending_reboot"], seen["waiting"]) == (True, "xen", False, [])
    assert (seen["hypervisor"], seen["uri"], seen["toolstack"]) == ("xen", "xen:///system", "libvirt")
    assert seen["xen_version"].startswith("4.17")
    assert (seen["scheduler"], seen["dom0_memory_bytes"]) == ("credit", 1536 << 20)
    assert {"pv", "pvh"} <= set(seen["abilities"])
    assert {"dom0_mem=1536M,max:1536M", "dom0_max_vcpus=2", "sched=credit"} <= set(seen["options"].split())
    assert "console=hvc0" in said(vm, "cat", "/proc/cmdline").split()
    pools = said(vm, "virsh", "-c", "xen:///system", "pool-list", "--autostart")
    assert "default" in pools and "active" in pools
    assert "default" in said(vm, "virsh", "-c", "xen:///system", "net-list", "--autostart")
    assert 'autoballoon="off"' in said(vm, "cat", "/etc/xen/xl.conf")
    assert said(vm, "losetup", "--find").startswith("/dev/loop")
    assert USER in said(vm, "getent", "group", "libvirt")


def test_there_is_nothing_to_do_again(play: Controller) -> None:
    assert role(play, **IF_NEEDED).changed() == []
    assert role(play, "--check", **IF_NEEDED).changed() == []


def test_it_is_not_removed_while_xen_runs(vm: VM, play: Controller) -> None:
    results = role(play, entry="uninstall", fails=True)
    refused = next(result for result in results if result.outcome == "failed")
    assert "xen_host_boot: linux" in refused.msg and "Nothing was touched" in refused.msg
    assert said(vm, "cat", "/sys/hypervisor/type") == "xen"


def test_guests_that_xl_has_started_are_not_cut_off(vm: VM, play: Controller) -> None:
    """A restart is needed, and a guest runs that nobody would shut down; and xendomains is stopped without its guests."""
    said(vm, "sh", "-c", "printf 'name=\"standing\"\\nkernel=\"/vmlinuz\"\\nmemory=256\\nvcpus=1\\n' >/root/standing.cfg")
    said(vm, "xl", "create", "-p", "/root/standing.cfg")
    said(vm, "systemctl", "stop", "libvirtd.service", "libvirtd.socket", "libvirtd-ro.socket", "libvirtd-admin.socket")
    said(vm, "systemctl", "enable", "xendomains.service")
    said(vm, "systemctl", "start", "xendomains.service")
    results = role(play, fails=True, xen_host_scheduler="credit2", **IF_NEEDED)
    refused = [result for result in results if result.outcome == "failed"]
    assert len(refused) == 1 and "standing" in refused[0].msg
    assert "Stop the service, and have it not start again" in results.changed()
    assert said(vm, "systemctl", "is-active", "libvirtd.socket") == "active"
    assert "standing" in said(vm, "xl", "list")
    # Libvirt learns of it, and it runs on.
    number = said(vm, "xl", "domid", "standing")
    over = {"xen_host_xendomains": "carry_over"}
    assert "Have libvirt define the guests of xl" in role(play, **over).changed()
    assert "standing" in said(vm, "virsh", "-c", "xen:///system", "list", "--all", "--name").split()
    assert said(vm, "xl", "domid", "standing") == number
    assert role(play, **over).changed() == []
    said(vm, "virsh", "-c", "xen:///system", "undefine", "standing")
    said(vm, "xl", "destroy", "standing")
    # What was asked for last is asked for no longer, and nothing has come of it but in GRUB's menu.
    assert role(play).named("seen")["msg"]["pending_reboot"] is False


def test_the_way_back(vm: VM, play: Controller) -> None:
    results = role(play, xen_host_boot="linux", **IF_NEEDED)
    assert "Restart the host" in results.changed()
    assert said(vm, "sh", "-c", "cat /sys/hypervisor/type 2>/dev/null || echo linux") == "linux"
    seen = results.named("seen")["msg"]
    assert (seen["ready"], seen["running"], seen["pending_reboot"]) == (False, "linux", False)
    assert role(play, xen_host_boot="linux", **IF_NEEDED).changed() == []


def test_it_goes_without_a_trace_but_for_what_is_the_users(vm: VM, play: Controller) -> None:
    disk = "/var/lib/libvirt/images/mine.img"
    said(vm, "sh", "-c", f"echo mine >{disk}")
    results = role(play, entry="uninstall")
    assert "Remove the packages" in results.changed()
    listed = said(vm, "sh", "-c", "dpkg-query --show --showformat='${db:Status-Status} ${Package}\\n' 'xen-*'")
    assert [line for line in listed.splitlines() if line.startswith("installed ")] == []
    assert said(vm, "sh", "-c", "ls /etc/default/grub.d /etc/modules-load.d | grep virtfleet || echo none") == "none"
    assert "xen-gnulinux" not in said(vm, "cat", "/boot/grub/grub.cfg")
    assert said(vm, "cat", disk) == "mine"
