# Copyright: (c) 2026, the virtfleet.core contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The lab's Xen host with a network and a pool, for the tests of a module."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.integration.xen.playing import URI, XenPlayer
from tests.lab.vm import VM

_FURNISH = (
    f"virsh -c {URI} net-info default >/dev/null 2>&1 || "
    f"virsh -c {URI} net-define /usr/share/libvirt/networks/default.xml; "
    f"virsh -c {URI} net-start default 2>/dev/null; "
    "mkdir -p /var/lib/virtfleet/images; "
    f"virsh -c {URI} pool-define-as default dir --target /var/lib/virtfleet/images; "
    f"virsh -c {URI} pool-start default"
)


@pytest.fixture(scope="module")
def furnished(lab_dom0: VM) -> VM:
    """Return the Xen host with its default network and a directory pool ``default``."""
    lab_dom0.exec(["sh", "-c", _FURNISH], check=False, timeout=300)
    return lab_dom0


@pytest.fixture
def play(furnished: VM, tmp_path: Path) -> XenPlayer:
    """Return what plays tasks on it."""
    return XenPlayer(furnished, tmp_path)
