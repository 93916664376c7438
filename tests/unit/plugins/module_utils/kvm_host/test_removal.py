# Copyright: (c) 2026, the virtfleet.core contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What goes when the role is taken back, and what others need by then."""

from __future__ import annotations

import pytest

from ansible_collections.virtfleet.core.plugins.module_utils._kvm_host.removal import judge, shown
from ansible_collections.virtfleet.core.plugins.module_utils._kvm_host.settings import (
    HELPER_LOCAL,
    HUGEPAGES_FILE,
    MARK,
)
from ansible_collections.virtfleet.core.plugins.module_utils._machine.removal import Package, parse_relations
from ansible_collections.virtfleet.core.plugins.module_utils._machine.seen import Unit
from tests.unit.plugins.module_utils.kvm_host.hosts import host

OURS = {"packages": ["libvirt-daemon", "libvirt0", "qemu-utils", "swtpm"]}
INSTALLED = {
    "libvirt-daemon": Package((("libvirt0",), ("logrotate", "cron"))),
    "libvirt0": Package((("libc6",),)),
    "qemu-utils": Package((("libc6",),)),
    "swtpm": Package(provides=("tpm",)),
    "libc6": Package(),
}


@pytest.mark.parametrize(
    ("text", "groups"),
    [
        ("", ()),
        ("libc6 (>= 2.34), a | b (= 1:2~3)", (("libc6",), ("a", "b"))),
        ("python3:any, x86 [amd64],,y", (("python3",), ("x86",), ("y",))),
    ],
)
def test_relations(text: str, groups: tuple[tuple[str, ...], ...]) -> None:
    assert parse_relations(text) == groups


def test_all_goes_that_nobody_needs() -> None:
    found = judge(host(record=OURS), INSTALLED)
    assert (found.packages, found.kept, found.problems) == (tuple(OURS["packages"]), {}, ())


def test_what_others_need_stays_with_what_it_needs() -> None:
    viewer = {**INSTALLED, "virt-viewer": Package((("libvirt-daemon",),))}
    found = judge(host(record=OURS), viewer)
    assert found.packages == ("qemu-utils", "swtpm")
    assert found.kept == {"libvirt-daemon": "virt-viewer", "libvirt0": "libvirt-daemon"}


def test_one_of_several_is_enough() -> None:
    either = {**INSTALLED, "tool": Package((("qemu-utils", "libc6"),)), "other": Package((("tpm",),))}
    found = judge(host(record=OURS), either)
    assert found.kept == {"swtpm": "other"}


def test_what_is_gone_already_is_not_removed_again() -> None:
    assert judge(host(record={"packages": ["gone", "swtpm"]}), INSTALLED).packages == ("swtpm",)


def test_guests_and_networks_of_others_stand_in_the_way() -> None:
    found = judge(host(record=OURS, guests=("web1", "web2")), INSTALLED)
    assert len(found.problems) == 1 and "web1, web2" in found.problems[0]
    found = judge(host(record={**OURS, "networks": ["default"]}, networks=("default", "lab")), INSTALLED)
    assert len(found.problems) == 1 and "did not start: lab" in found.problems[0]
    # Where libvirt stays, so may its networks.
    assert judge(host(record={"packages": ["swtpm"]}, networks=("lab",)), INSTALLED).problems == ()


def test_what_is_shown_is_what_is_still_there() -> None:
    files = {
        HELPER_LOCAL: f"# BEGIN {MARK}\nx\n# END {MARK}\n",
        HUGEPAGES_FILE: "# head\nw /sys/a/nr_hugepages - - - - 3\n",
    }
    record = {
        "files": [HUGEPAGES_FILE], "blocks": [HELPER_LOCAL, "/etc/libvirt/libvirtd.conf"], "users": ["anna", "otto"],
        "pools": ["default", "gone"], "networks": ["default"], "remote": ["tls"],
    }  # fmt: skip
    units = {"libvirtd-tls.socket": Unit("enabled", "active"), "libvirtd-tcp.socket": Unit("disabled", "inactive")}
    seen = host(files=files, record=record, members=frozenset({"anna"}), pools={"default": "/x"}, units=units)
    found = shown(judge(seen, INSTALLED), seen)
    assert found["recorded"] is True
    assert found["blocks"] == [HELPER_LOCAL]
    assert (found["users"], found["pools"], found["networks"]) == (["anna"], ["default"], ["default"])
    assert (found["pages"], found["sockets"]) == (["/sys/a/nr_hugepages"], ["libvirtd-tls.socket"])
    bare = host(record=record, programs=frozenset(), pools={"default": "/x"})
    assert (shown(judge(bare, {}), bare)["pools"], shown(judge(bare, {}), bare)["networks"]) == ([], [])
    assert shown(judge(host(), {}), host())["recorded"] is False
