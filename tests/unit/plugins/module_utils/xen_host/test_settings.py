# Copyright: (c) 2026, the virtfleet.core contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What each option would write on a machine, what GRUB's menu must say afterwards, and when a restart is needed."""

from __future__ import annotations

import subprocess
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from ansible_collections.virtfleet.core.plugins.module_utils._errors import SpecError
from ansible_collections.virtfleet.core.plugins.module_utils._machine.finding import Block
from ansible_collections.virtfleet.core.plugins.module_utils._machine.seen import Unit
from ansible_collections.virtfleet.core.plugins.module_utils._xen_host import settings
from ansible_collections.virtfleet.core.plugins.module_utils._xen_host.menu import parse
from ansible_collections.virtfleet.core.plugins.module_utils._xen_host.seen import Seen, Xendomains
from ansible_collections.virtfleet.core.plugins.module_utils._xen_host.settings import (
    AFTER,
    BEFORE,
    LIBXL_CONF,
    XL_CONF,
    Todo,
)
from tests.unit.plugins.module_utils.xen_host.hosts_xen import (
    LINUX,
    XEN,
    bare,
    cfg,
    files,
    finding,
    host,
    judged,
    linux,
    menu,
    options,
    xen,
)  # fmt: skip


def after(seen: Seen, **said: Any) -> str:
    """Return what the second file of GRUB's settings would say, without its head."""
    found = {file.path: file.content for file in judged(seen, **said).todo.grub}
    return found[AFTER].partition("\n")[2]


def settled(**said: Any) -> Seen:
    """Return a host that has all that these options want, and runs so."""
    wanted = options(**said)
    words, kernel = " ".join(settings.hypervisor_words(wanted)), " ".join(settings.dom0_words(wanted))
    info = {**host().info, "xen_commandline": f"placeholder {words}"}
    return host(
        files=files(**said), menu=menu(hypervisor=words, kernel=f"quiet {kernel}"), info=info,
        cmdline=(*host().cmdline, *kernel.split()),
    )  # fmt: skip


def test_a_host_that_is_as_asked_for_has_nothing_to_do() -> None:
    found = judged(settled())
    assert found.todo == Todo()
    assert (found.boot.unread, found.boot.pending, found.waiting) == ((), (), ())


# GRUB


@pytest.mark.parametrize(
    ("said", "hypervisor", "kernel"),
    [
        ({"dom0_memory": "2GiB"}, "dom0_mem=2048M,max:2048M", ""),
        ({"dom0_vcpus": 2}, "dom0_max_vcpus=2", ""),
        ({"dom0_vcpus": 1, "dom0_pin": True}, "dom0_max_vcpus=1 dom0_vcpus_pin", ""),
        ({"scheduler": "credit"}, "sched=credit", ""),
        ({"console": ["com1"]}, "com1=115200,8n1 console=com1", "console=hvc0"),
        ({"console": ["vga", "com2"], "console_speed": 9600}, "com2=9600,8n1 console=vga,com2", "console=tty0 console=hvc0"),
        ({"console": ["vga"]}, "console=vga", ""),
        ({"hypervisor_options": ["ucode=scan", "iommu=1,verbose"]}, "ucode=scan iommu=1,verbose", ""),
        ({"dom0_options": ["loglevel=7"]}, "", "loglevel=7"),
        ({"dom0_memory": "1GiB", "hypervisor_options": ["noreboot"]}, "dom0_mem=1024M,max:1024M noreboot", ""),
    ],
)
def test_options_become_words_of_xen_and_of_its_kernel(said: dict[str, Any], hypervisor: str, kernel: str) -> None:
    text = after(host(), **said)
    assert f'GRUB_DEFAULT="{XEN}"\n' in text
    assert (f'GRUB_CMDLINE_XEN_DEFAULT="${{GRUB_CMDLINE_XEN_DEFAULT}} {hypervisor}"\n' in text) == bool(hypervisor)
    assert (f' {kernel}"\n' in text.partition("GRUB_CMDLINE_LINUX_XEN")[2]) == bool(kernel)
    # Written and read back, there is nothing left; with what was there before, GRUB has to be told.
    assert judged(settled(**said), **said).todo == Todo()
    old = replace(settled(**said), menu=menu())
    assert judged(old, **said).todo == Todo(menu=True)
    for word in (*hypervisor.split(), *kernel.split()):
        assert any(word in one for one in judged(old, **said).boot.unread), word
    # Until the restart, it runs as it did; what an option no longer says makes a difference too.
    assert judged(replace(settled(**said), info=host().info, cmdline=host().cmdline), **said).boot.pending != ()
    less = replace(settled(), info=settled(**said).info)
    assert (judged(less).boot.pending != ()) == bool(hypervisor)


def shell(folder: Path, variables: str, show: str, **said: Any) -> str:
    """Return a variable after a shell has read the settings in the order in which update-grub does."""
    made = {path: text for path, text in files(**said).items() if path.startswith("/etc/default/grub.d/") and text}
    for path, text in {**made, "/etc/default/grub.d/xen.cfg": XEN_CFG}.items():
        (folder / path.rpartition("/")[2]).write_text(text)
    script = f'set -e; {variables}; for x in "{folder}"/*.cfg; do . "$x"; done; printf %s "${show}"'
    return subprocess.run(["sh", "-c", script], capture_output=True, text=True, check=True, env={"LC_ALL": "C"}).stdout


# What the one of Xen's package comes to: without a word of the administrator's, Xen is the default, by its title.
XEN_CFG = """\
if [ "$XEN_OVERRIDE_GRUB_DEFAULT" = "" ]; then XEN_OVERRIDE_GRUB_DEFAULT=1; fi
if [ "$XEN_OVERRIDE_GRUB_DEFAULT" = "1" ]; then GRUB_DEFAULT="title"; fi
"""


@pytest.mark.parametrize("boot", ["xen", "linux"])
def test_the_files_are_read_in_an_order_in_which_they_count(tmp_path: Path, boot: str) -> None:
    assert shell(tmp_path, "GRUB_DEFAULT=0", "GRUB_DEFAULT", boot=boot) == {"xen": XEN, "linux": LINUX}[boot]


def test_words_come_after_those_of_the_administrator(tmp_path: Path) -> None:
    said = {"scheduler": "credit", "console": ["com1"]}
    words = shell(tmp_path, "GRUB_CMDLINE_XEN_DEFAULT=loglvl=all", "GRUB_CMDLINE_XEN_DEFAULT", **said)
    assert words == "loglvl=all sched=credit com1=115200,8n1 console=com1"
    show = "GRUB_CMDLINE_LINUX_XEN_REPLACE_DEFAULT"
    assert shell(tmp_path, "GRUB_CMDLINE_LINUX_DEFAULT=quiet", show, **said) == "quiet console=hvc0"
    assert shell(tmp_path, f"GRUB_CMDLINE_LINUX_DEFAULT=quiet; {show}=splash", show, **said) == "splash console=hvc0"


def test_before_xen_is_there_no_entry_can_be_the_default() -> None:
    found = judged(bare())
    assert [file.path for file in found.todo.grub] == [BEFORE, AFTER]
    assert "GRUB_DEFAULT=" not in found.todo.grub[1].content
    assert "XEN_OVERRIDE_GRUB_DEFAULT=0" in found.todo.grub[0].content
    assert (found.boot.target, found.boot.running, found.todo.menu) == (None, "linux", False)


def test_an_entry_that_is_missing_is_had() -> None:
    lost = bare(packages=host().packages, menu=parse(cfg("0", linux())), files=files(), loop=True)
    found = judged(lost)
    assert found.todo.menu
    assert found.boot.unread == ("there is no entry for Xen",)
    # Before Xen is installed there is nothing to miss.
    assert judged(bare()).boot.unread == ()


def test_the_way_back() -> None:
    found = judged(host(files=files()), boot="linux")
    assert [file.path for file in found.todo.grub] == [AFTER]
    assert f'GRUB_DEFAULT="{LINUX}"' in found.todo.grub[0].content
    assert found.boot.pending == ("Xen is running, and Linux alone is to be",)
    # Its options are kept for the day when Xen is wanted again.
    assert "sched=credit" in after(host(), boot="linux", scheduler="credit")
    back = judged(bare(files=files(boot="linux"), menu=menu(LINUX), packages=host().packages, loop=True), boot="linux")
    assert (back.todo.grub, back.todo.menu, back.boot.pending) == ((), False, ())


def test_a_default_that_somebody_else_has_set_is_seen() -> None:
    other = host(files=files(), menu=parse(cfg("Debian GNU/Linux, with Xen hypervisor", linux(), xen())))
    assert judged(other).todo == Todo(menu=True)
    assert judged(other).boot.unread == (f"the default entry is Debian GNU/Linux, with Xen hypervisor instead of {XEN}",)


# restarts


def test_a_newer_xen_wants_a_restart() -> None:
    newer = host(menu=parse(cfg(XEN, linux(), xen(file="/boot/xen-4.20-amd64.gz"))))
    assert judged(newer).boot.pending == ("Xen 4.17 is running, and the next start has xen-4.20-amd64.gz",)
    # As `xl info` of some releases has it.
    odd = {**host().info, "xen_minor": ".17"}
    assert judged(host(info=odd)).boot.pending == ()


def test_what_grub_adds_by_itself_wants_none() -> None:
    info = {**host().info, "xen_commandline": "placeholder no-real-mode edd=off"}
    assert judged(host(info=info)).boot.pending == ()
    # Without root nothing is known, and nothing is said.
    assert judged(host(info={})).boot.pending == ()


# the rest


def test_dom0_keeps_its_memory() -> None:
    blocks = judged(host(files={**files(), XL_CONF: "x\n"}), dom0_memory="2GiB").todo.conf
    assert blocks == (Block(XL_CONF, 'autoballoon="off"\n'), Block(LIBXL_CONF, "autoballoon = 0\n"))
    assert judged(settled(dom0_memory="2GiB"), dom0_memory="2GiB").todo.conf == ()
    assert judged(settled(dom0_memory="2GiB")).todo.conf == (Block(XL_CONF, ""), Block(LIBXL_CONF, ""))
    # Files that come with the packages are not made here.
    assert judged(bare(), dom0_memory="2GiB").todo.conf == ()


def test_loop_devices() -> None:
    found = judged(bare()).todo
    assert found.loop and [file.content.splitlines()[-1] for file in found.modules] == ["loop"]


def test_users() -> None:
    seen = host(users=frozenset({"anna", "bert"}), members=frozenset({"bert"}))
    assert judged(seen, users=["anna", "bert"]).todo.users == ("anna",)
    assert "no user carl" in finding(seen, "users", users=["carl"]).found


@pytest.mark.parametrize(
    ("own", "keep", "off"),
    [
        (Xendomains(), "refuse", False),
        (Xendomains(enabled=True), "refuse", True),
        (Xendomains(active=True), "refuse", True),
        (Xendomains(enabled=True, active=True), "keep", False),
        (Xendomains(enabled=True, active=True, auto=("web",)), "carry_over", True),
    ],
)
def test_xens_own_service_is_out_of_the_way_of_libvirt(own: Xendomains, keep: str, off: bool) -> None:
    found = judged(host(xendomains=own), xendomains=keep)
    assert (found.todo.xendomains, found.refusals) == (off, ())
    assert ("libvirt-daemon-driver-xen" in judged(bare(xendomains=own), xendomains=keep).missing) == (keep != "keep")


def test_guests_that_xens_own_service_starts_are_named_and_refused() -> None:
    own = Xendomains(enabled=True, auto=("web",), saved=("db",))
    found = judged(host(xendomains=own)).refusals
    assert len(found) == 1 and "db, web" in found[0] and "xen_host_xendomains: keep" in found[0]
    assert judged(host(xendomains=own), xendomains="keep").refusals == ()
    # It has nothing to start them by.
    assert judged(host(xendomains=replace(own, enabled=False))).refusals == ()
    both = {"libvirtd.service": Unit("enabled", "active")}
    said = [one for one in judged(host(xendomains=own, units=both), xendomains="keep").findings if one.status == "warn"]
    assert len(said) == 1 and "disable it" in said[0].advice


def test_guests_of_xl_that_libvirt_is_to_get() -> None:
    own = Xendomains(enabled=True, auto=("db", "web"))
    seen = host(xendomains=own, running=("by-libvirt", "standing", "web"), by_libvirt=("by-libvirt",), guests=("by-libvirt", "db"))
    assert judged(seen).carry_over == ()
    found = judged(seen, xendomains="carry_over")
    assert (found.carry_over, found.refusals) == (("standing", "web"), ())
    assert any("libvirt gets the guests of xl: standing, web" in one.found for one in found.findings)
    # What xl has saved, libvirt can't take up.
    (refusal,) = judged(replace(seen, xendomains=replace(own, saved=("db",))), xendomains="carry_over").refusals
    assert "saved the memory of guests: db" in refusal and "xl restore" in refusal


@pytest.mark.parametrize(
    ("said", "problem"),
    [
        ({"dom0_memory": "2"}, "not a size"),
        ({"dom0_memory": "100MiB"}, "256MiB or more"),
        ({"dom0_memory": "2000000KB"}, "whole MiB"),
        ({"dom0_vcpus": 0}, "no number of processors"),
        ({"console_speed": 0}, "no speed"),
        ({"hypervisor_options": ["dom0_mem=1G"]}, "said by the option dom0_memory"),
        ({"hypervisor_options": ["a b"]}, "one word"),
        ({"hypervisor_options": ['x"; rm -rf /']}, "one word"),
        ({"dom0_options": ["$(reboot)"]}, "one word"),
        ({"pools": [{"name": "x", "path": "relative"}]}, "absolute path"),
        ({"pools": [{"name": "x"}, {"name": "x"}]}, "twice"),
    ],
)
def test_what_cannot_be_right(said: dict[str, Any], problem: str) -> None:
    with pytest.raises(SpecError, match=problem):
        options(**said)


def test_all_complaints_come_at_once() -> None:
    with pytest.raises(SpecError) as seen:
        options(dom0_memory="2", dom0_vcpus=0, dom0_options=["'"])
    assert len(seen.value.problems) == 3
