# Copyright: (c) 2026, the virtfleet.core contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Networks over libvirt."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from typing import Any

from . import _libvirt_read as read
from ._errors import SpecError
from ._facts import Lease, NetworkFacts
from ._libvirt_base import Base
from ._libvirt_calls import gone, unavailable

# virNetworkUpdateSection and virNetworkUpdateCommand
_SECTIONS = {
    "bridge": 1,
    "domain": 2,
    "ip": 3,
    "ip-dhcp-host": 4,
    "ip-dhcp-range": 5,
    "forward": 6,
    "forward-interface": 7,
    "forward-pf": 8,
    "portgroup": 9,
    "dns-host": 10,
    "dns-txt": 11,
    "dns-srv": 12,
}
_COMMANDS = {"modify": 1, "delete": 2, "add-last": 3, "add-first": 4}


class Networks(Base):
    """The part of the Hypervisor that is about networks."""

    def networks(self, names: Collection[str] | None = None) -> Mapping[str, NetworkFacts]:
        if names is not None and not names:
            return {}
        active, autostart, persistent = (
            {network.UUIDString() for network in self._list("network", flag)}
            for flag in (
                self._lib.VIR_CONNECT_LIST_NETWORKS_ACTIVE,
                self._lib.VIR_CONNECT_LIST_NETWORKS_AUTOSTART,
                self._lib.VIR_CONNECT_LIST_NETWORKS_PERSISTENT,
            )
        )
        result = {}
        for network in self._list("network", 0):
            name, uuid = network.name(), network.UUIDString()
            if names is not None and name not in names:
                continue
            live = self._xml(network, "network", name, 0) if uuid in active else None
            xml = live
            if uuid in persistent:
                xml = self._xml(network, "network", name, self._lib.VIR_NETWORK_XML_INACTIVE)
            if xml is not None:
                result[name] = NetworkFacts(name, uuid, xml, live, uuid in autostart, uuid in persistent)
        return result

    def network_names(self) -> Sequence[str]:
        return [network.name() for network in self._list("network", 0)]

    def leases(self, networks: Collection[str] | None = None) -> Sequence[Lease]:
        result: list[Lease] = []
        for network in self._list("network", self._lib.VIR_CONNECT_LIST_NETWORKS_ACTIVE):
            name = network.name()
            if networks is not None and name not in networks:
                continue
            found = self._call("read the leases of", "network", name, network.DHCPLeases, already=unavailable)
            result.extend(
                Lease(
                    network=name,
                    mac=(lease.get("mac") or "").lower(),
                    address=lease["ipaddr"],
                    hostname=lease.get("hostname") or None,
                    expires=lease.get("expirytime") or 0,
                )
                for lease in found or ()
            )
        return result

    def define_network(self, xml: str) -> None:
        self._call("define", "network", read.name_in(xml), self._connection.networkDefineXML, xml)

    def start_network(self, name: str) -> None:
        network = self._network(name)
        self._call("start", "network", name, network.create, already=lambda error: self._active(network))

    def stop_network(self, name: str) -> None:
        network = self._network(name)
        self._call("stop", "network", name, network.destroy, already=lambda error: not self._active(network))

    def undefine_network(self, name: str) -> None:
        network = self._network(name, missing_is_fine=True)
        if network is not None:
            self._call("undefine", "network", name, network.undefine, already=gone)

    def set_network_autostart(self, name: str, autostart: bool) -> None:
        self._call("set the autostart of", "network", name, self._network(name).setAutostart, int(autostart))

    def update_network(self, name: str, command: str, section: str, xml: str, parent: int = -1) -> None:
        network = self._network(name)
        try:
            numbers = _COMMANDS[command], _SECTIONS[section]
        except KeyError as error:
            raise SpecError(f"could not update network {name}: {error} is no command or section of a network") from None
        flags = self._lib.VIR_NETWORK_UPDATE_AFFECT_LIVE

        def already(error: Any) -> bool:
            return command == "delete" and "locate a matching" in str(error)

        doing = f"update {section} in"
        self._call(doing, "network", name, network.update, *numbers, parent, xml, flags, already=already)
