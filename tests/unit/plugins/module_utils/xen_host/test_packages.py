# Copyright: (c) 2026, the virtfleet.core contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The tables of packages: each name of Ubuntu's is known to exist there, and none is virtual."""

from __future__ import annotations

from pathlib import Path

import pytest

from ansible_collections.virtfleet.core.plugins.module_utils._kvm_host import packages as kvm
from ansible_collections.virtfleet.core.plugins.module_utils._machine.systems import (
    D13,
    SYSTEMS,
    U22,
    U24,
    U26,
    hypervisor_version,
    is_hypervisor,
)
from ansible_collections.virtfleet.core.plugins.module_utils._xen_host.packages import FEATURES, every_name, wanted

DATA = Path(__file__).resolve().parents[4] / "data"


def facts(system: str) -> set[str]:
    """Return the packages of which something says that an Ubuntu has them."""
    text = (DATA / f"ubuntu-{system.split()[1]}-packages.txt").read_text(encoding="utf-8")
    return {line.split("\t")[0] for line in text.splitlines() if line and not line.startswith("#")}


@pytest.mark.parametrize("system", [U22, U24, U26])
def test_every_name_of_ubuntu_has_a_fact(system: str) -> None:
    assert sorted(every_name(system) - facts(system)) == [], f"{system}: nothing says that these exist"
    # The hypervisor's own are asked of apt; that there are some is written down all the same.
    core = {name for name in facts(system) if is_hypervisor(name)}
    assert len(core) == 1
    version = ".".join(map(str, hypervisor_version(core.pop())))
    assert {"xen-system-amd64", f"xen-utils-{version}"} <= facts(system)
    unused = facts(system) - every_name(system) - kvm.every_name(system)
    assert sorted(unused) == sorted(["xen-system-amd64", f"xen-hypervisor-{version}-amd64", f"xen-utils-{version}"])


@pytest.mark.parametrize("system", SYSTEMS)
def test_no_name_is_virtual(system: str) -> None:
    assert not every_name(system) & {"xen-system", "xen-hypervisor", "xen-utils", "xen-hypervisor-amd64", "qemu-kvm"}


@pytest.mark.parametrize("feature", sorted(FEATURES))
def test_a_feature_brings_something(feature: str) -> None:
    for system in SYSTEMS:
        assert set(wanted(system, [feature], True).names) > set(wanted(system, [], True).names)


def test_libvirt_is_in_pieces_on_newer_releases() -> None:
    assert "libvirt-daemon-lock" in wanted(D13, [], True).names
    assert "libvirt-daemon-lock" not in wanted(U24, [], True).names


@pytest.mark.parametrize(
    ("name", "version"),
    [
        ("xen-hypervisor-4.17-amd64", (4, 17)),
        ("xen-hypervisor-4.9-amd64", (4, 9)),
        ("xen-hypervisor-5-amd64", (5,)),
        ("xen-hypervisor-4.17-amd64-dbg", ()),
        ("xen-hypervisor-common", ()),
        ("xen-hypervisor-4.17-arm64", ()),
    ],
)
def test_a_hypervisor_is_known_by_its_name(name: str, version: tuple[int, ...]) -> None:
    assert (hypervisor_version(name), is_hypervisor(name)) == (version, bool(version))
