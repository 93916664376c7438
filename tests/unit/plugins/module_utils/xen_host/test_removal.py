# Copyright: (c) 2026, the virtfleet.core contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What goes with the role, what stays, and what stands in the way."""

from __future__ import annotations

from ansible_collections.virtfleet.core.plugins.module_utils._machine.removal import Package
from ansible_collections.virtfleet.core.plugins.module_utils._xen_host.removal import judge, shown
from ansible_collections.virtfleet.core.plugins.module_utils._xen_host.seen import Xendomains
from ansible_collections.virtfleet.core.plugins.module_utils._xen_host.settings import MARK, XL_CONF
from tests.unit.plugins.module_utils.xen_host.hosts_xen import bare, host

OURS = {"packages": ["libvirt-daemon", "xen-utils-4.17", "gone"], "networks": ["default"], "services": ["xendomains"]}
INSTALLED = {"libvirt-daemon": Package(), "xen-utils-4.17": Package(), "bash": Package()}


def test_what_was_added_goes() -> None:
    record = {**OURS, "users": ["anna", "bert"], "pools": ["default", "fast"], "files": ["/etc/x"], "blocks": [XL_CONF]}
    block = f"# BEGIN {MARK}\nautoballoon=\"off\"\n# END {MARK}\n"
    seen = bare(
        record=record, members=frozenset({"anna"}), programs=frozenset({"libvirtd"}), pools={"default": "/x"},
        networks=("default",), files={XL_CONF: block},
    )  # fmt: skip
    found = judge(seen, INSTALLED)
    assert (found.packages, found.problems) == (("libvirt-daemon", "xen-utils-4.17"), ())
    assert shown(found, seen) == {
        "recorded": True, "packages": ["libvirt-daemon", "xen-utils-4.17"], "kept": {}, "problems": [], "files": ["/etc/x"],
        "blocks": [XL_CONF], "users": ["anna"], "pools": ["default"], "networks": ["default"], "services": [],
    }  # fmt: skip


def test_what_others_need_stays() -> None:
    needy = {**INSTALLED, "needy": Package((("xen-utils-4.17",),))}
    seen = bare(record=OURS)
    found = judge(seen, needy)
    assert (found.packages, found.kept) == (("libvirt-daemon",), {"xen-utils-4.17": "needy"})
    # Xen was there before the role: then its own service starts guests again.
    assert shown(judge(seen, {}), seen)["services"] == ["xendomains"]


def test_what_stands_in_the_way() -> None:
    assert "xen_host_boot: linux" in judge(host(record=OURS), INSTALLED).problems[0]
    own = bare(record=OURS, guests=("web",), xendomains=Xendomains(auto=("old",)), networks=("lab",))
    problems = judge(own, INSTALLED).problems
    assert len(problems) == 2
    assert "old, web" in problems[0] and "lab" in problems[1]
