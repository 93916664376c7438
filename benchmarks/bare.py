# Copyright: (c) 2026, the virtfleet.core contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The least that libvirt asks for: what a script does that knows its XML already, in one process over one connection."""

from __future__ import annotations

from collections.abc import Sequence
from xml.etree import ElementTree

import libvirt

SECURE = libvirt.VIR_DOMAIN_XML_SECURE
INACTIVE = libvirt.VIR_DOMAIN_XML_INACTIVE | SECURE


def define(uri: str, definitions: Sequence[str]) -> None:
    """Define guests."""
    connection = libvirt.open(uri)
    for xml in definitions:
        connection.defineXML(xml)
    connection.close()


def read(uri: str) -> int:
    """Read each guest's definition, and the live one of those that run; return their bytes."""
    connection = libvirt.open(uri)
    size = 0
    for domain in connection.listAllDomains():
        size += len(domain.XMLDesc(INACTIVE))
        if domain.isActive():
            size += len(domain.XMLDesc(SECURE))
    connection.close()
    return size


def retitle(uri: str, title: str) -> None:
    """Read each guest, change its title, and define it again."""
    connection = libvirt.open(uri)
    for domain in connection.listAllDomains():
        root = ElementTree.fromstring(domain.XMLDesc(INACTIVE))
        node = root.find("title")
        if node is None:
            node = ElementTree.SubElement(root, "title")
        node.text = title
        connection.defineXML(ElementTree.tostring(root, encoding="unicode"))
    connection.close()


def reserve(uri: str, network: str, entries: Sequence[str], live: bool) -> None:
    """Update a network by one reservation after the other, as `virsh net-update` in a loop does."""
    connection = libvirt.open(uri)
    found = connection.networkLookupByName(network)
    flags = libvirt.VIR_NETWORK_UPDATE_AFFECT_CONFIG
    flags |= libvirt.VIR_NETWORK_UPDATE_AFFECT_LIVE if live else 0
    section, command = libvirt.VIR_NETWORK_SECTION_IP_DHCP_HOST, libvirt.VIR_NETWORK_UPDATE_COMMAND_ADD_LAST
    for entry in entries:
        found.update(command, section, -1, entry, flags)
    connection.close()


def wipe(uri: str) -> None:
    """Remove every guest."""
    connection = libvirt.open(uri)
    for domain in connection.listAllDomains():
        lasts = domain.isPersistent()
        if domain.isActive():
            domain.destroy()
        if lasts:
            domain.undefine()
    connection.close()
