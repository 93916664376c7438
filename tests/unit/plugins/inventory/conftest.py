# Copyright: (c) 2026, the virtfleet.core contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Fixtures of the inventory's tests."""

from __future__ import annotations

import socket
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.unit.plugins.inventory.listing import Place, guest_xml, over


@pytest.fixture
def place(tmp_path: Path) -> Place:
    """A folder with inventories."""
    return Place(tmp_path)


@pytest.fixture
def uri(place: Place) -> str:
    """A hypervisor with a guest in each state."""
    return place.node(
        "hv1",
        guest_xml(
            "web1",
            1,
            title="A title",
            description="A description",
            tags=["prod", "front end"],
            system="http://debian.org/debian/12",
            devices="<disk type='file'><source file='/srv/web1.qcow2'/><target dev='vda' bus='virtio'/></disk>"
            "<disk type='file' device='cdrom'><target dev='sda' bus='sata'/></disk>"
            "<interface type='bridge'><mac address='52:54:00:00:00:01'/><source bridge='br0'/></interface>",
        ),
        guest_xml("web2", 2, "paused"),
        guest_xml("web3", 3, "stopped"),
        guest_xml("web4", 4, "crashed"),
    )


@pytest.fixture
def hung(tmp_path: Path) -> Iterator[str]:
    """A hypervisor that takes connections and never says a word."""
    with socket.socket(socket.AF_UNIX) as listener:
        path = tmp_path / "hung.sock"
        listener.bind(str(path))
        listener.listen()
        yield over(path)
