# Copyright: (c) 2026, the virtfleet.core contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What the tests of networks share: one that nobody else uses."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any
from xml.etree import ElementTree as ET

from tests.lab import Host


class Net:
    """A network's name and addresses that nobody else uses."""

    def __init__(self, host: Host, number: int) -> None:
        self.host = host
        self.name = f"n{number}"
        self.bridge = f"vfn{number}"
        self.stem = f"10.78.{number}"
        self.options: dict[str, Any] = {"name": self.name, "cidr": f"{self.stem}.0/24", "bridge": self.bridge}

    def xml(self, *arguments: str) -> ET.Element:
        return ET.fromstring(self.host.exec(["virsh", "net-dumpxml", self.name, *arguments]).stdout)

    def dnsmasq(self) -> str:
        """Return the id of the network's dnsmasq, to see that it was not started anew."""
        return str(self.host.exec(["cat", f"/run/libvirt/network/{self.name}.pid"], check=False).stdout).strip()

    def bridge_index(self) -> str:
        return str(self.host.exec(["cat", f"/sys/class/net/{self.bridge}/ifindex"]).stdout).strip()


@contextmanager
def unused(host: Host, number: int) -> Iterator[Net]:
    """Give a network's name and addresses away, and remove what was made of them."""
    made = Net(host, number)
    yield made
    host.exec(["virsh", "net-destroy", made.name], check=False)
    host.exec(["virsh", "net-undefine", made.name], check=False)
