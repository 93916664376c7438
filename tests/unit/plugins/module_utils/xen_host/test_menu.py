# Copyright: (c) 2026, the virtfleet.core contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""GRUB's menu is read by ids and not by titles, whichever release or language wrote it."""

from __future__ import annotations

import pytest

from ansible_collections.virtfleet.core.plugins.module_utils._xen_host.menu import Menu, parse
from tests.unit.plugins.module_utils.xen_host.hosts_xen import LINUX, UUID, XEN, cfg, linux, submenu, xen

ADVANCED = f"gnulinux-advanced-{UUID}"
HYPERVISOR = f"xen-hypervisor-4.17-amd64-{UUID}"


def nested() -> str:
    """Return the menu of a machine with two kernels, as the releases have it: Linux first, then Xen."""
    inner = [xen(f"xen-gnulinux-6.1.0-{number}-amd64-{kind}-{UUID}") for number in (9, 8) for kind in ("advanced", "recovery")]
    return cfg(
        XEN,
        linux(),
        submenu("Advanced options for Debian", ADVANCED, linux(f"gnulinux-6.1.0-9-amd64-advanced-{UUID}")),
        xen(hypervisor="dom0_mem=2048M,max:2048M com1=115200,8n1", kernel="quiet console=hvc0"),
        submenu("Advanced options (with Xen hypervisor)", ADVANCED, submenu("Xen hypervisor, version 4.17", HYPERVISOR, *inner)),
    )


def test_a_menu_of_both() -> None:
    found = parse(nested())
    assert found.default == XEN
    assert [entry.path for entry in found.entries][:3] == [
        LINUX, f"{ADVANCED}>gnulinux-6.1.0-9-amd64-advanced-{UUID}", XEN,
    ]  # fmt: skip
    assert found.entries[3].path == f"{ADVANCED}>{HYPERVISOR}>xen-gnulinux-6.1.0-9-amd64-advanced-{UUID}"
    assert [entry.recovery for entry in found.entries[3:]] == [False, True, False, True]
    top = found.find(XEN)
    assert top is not None
    assert (top.xen, top.top) == ("/boot/xen-4.17-amd64.gz", True)
    assert top.hypervisor == ("dom0_mem=2048M,max:2048M", "com1=115200,8n1")
    assert top.kernel == (f"root=UUID={UUID}", "ro", "quiet", "console=hvc0")


@pytest.mark.parametrize(
    "title",
    [
        "Debian GNU/Linux, with Xen hypervisor",
        "Debian GNU/Linux GNU/Linux, with Xen hypervisor",
        "Ubuntu GNU/Linux, with Xen hypervisor",
        "Debian GNU/Linux, mit Xen-Hypervisor",
        "L'hyperviseur d'Anna {",
    ],
)
def test_titles_do_not_count(title: str) -> None:
    found = parse(cfg("0", linux(title="Ubuntu"), xen(title=title)))
    chosen, other = found.choose(True), found.choose(False)
    assert chosen is not None and chosen.path == XEN
    assert other is not None and other.path == LINUX


def test_what_is_chosen_without_submenus() -> None:
    # GRUB_DISABLE_SUBMENU: there is no entry whose id is the same for each kernel.
    ids = [f"xen-gnulinux-6.1.0-9-amd64-{kind}-{UUID}" for kind in ("recovery", "advanced")]
    chosen = parse(cfg("0", linux(f"gnulinux-6.1.0-9-amd64-advanced-{UUID}"), *map(xen, ids))).choose(True)
    assert chosen is not None and chosen.path == ids[1]


def test_what_is_chosen_when_all_is_in_submenus() -> None:
    chosen = parse(cfg("0", submenu("more", ADVANCED, linux(), xen()))).choose(True)
    assert chosen is not None and chosen.path == f"{ADVANCED}>{XEN}"


def test_a_menu_without_xen() -> None:
    found = parse(cfg("0", linux()))
    assert found.choose(True) is None
    assert found.default == "0"
    assert Menu().choose(False) is None


@pytest.mark.parametrize(
    ("said", "default"),
    [
        ('set default="a>b"\n', "a>b"),
        ("set default=2\n", "2"),
        ('set default="${saved_entry}"\n', "${saved_entry}"),
        ('set default="0"\n', "0"),
        # What is asked for once is not the default, and what is set last is.
        ('if x; then\n set default="${next_entry}"\nelse\n set default="0"\nfi\nset default="later"\n', "later"),
        ("", ""),
    ],
)
def test_the_default(said: str, default: str) -> None:
    assert parse(said).default == default


def test_entries_of_other_kinds_do_not_disturb() -> None:
    odd = "menuentry 'UEFI Firmware Settings' $menuentry_id_option 'uefi-firmware' {\n\tfwsetup\n}\n"
    own = "menuentry \"Memory test (it's old)\" {\n\tlinux16 /memtest.bin console=ttyS0\n}\nmenuentry 'broken {\n\tlinux /x\n}\n"
    found = parse(cfg("0", odd, own, linux(), xen()))
    assert [entry.path for entry in found.entries][-2:] == [LINUX, XEN]
    # An entry without an id is known by its title. It starts nothing that could be Linux, having no root.
    assert found.entries[1].path == "Memory test (it's old)"
    chosen = found.choose(False)
    assert chosen is not None and chosen.path == LINUX


def test_old_words_for_loading() -> None:
    text = xen().replace("multiboot2", "multiboot").replace("module2", "module")
    chosen = parse(cfg("0", text)).choose(True)
    assert chosen is not None and chosen.kernel[-1] == "quiet"
