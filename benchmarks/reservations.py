# Copyright: (c) 2026, the virtfleet.core contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""DHCP reservations for many guests at once, beside a loop of net-update."""

from __future__ import annotations

from ipaddress import IPv4Address

import libvirt

from benchmarks.measure import Cost, calls, piece
from benchmarks.table import Table, number
from tests.lab import net

NETWORK, CIDR, FIRST = "benchdhcp", "10.77.0.0/16", IPv4Address("10.77.8.1")
COUNT = 300
# An update of a running network is measured on so many, and scaled: it takes half a second.
LIVE = 20


def measure(uri: str) -> Table:
    """Return the table; the network is defined and not started, but for the live row."""
    table = Table(f"{COUNT} reservations in one network", ("what", "how", "s", "times", "libvirt calls"))
    print(f"{COUNT} reservations ...", flush=True)
    pairs = [(f"52:54:00:77:{at // 256:02x}:{at % 256:02x}", str(FIRST + at), f"bench{at:04d}") for at in range(COUNT)]
    entries = [f"<host mac='{mac}' name='{name}' ip='{address}'/>" for mac, address, name in pairs]
    words = [{"mac": mac, "address": address, "name": name} for mac, address, name in pairs]
    given = {"networks": [{"name": NETWORK, "cidr": CIDR, "state": "inactive", "reservations": words}]}
    connection = libvirt.open(uri)
    try:
        _anew(connection)
        own = piece("estate", uri=uri, document=given)
        again = piece("estate", uri=uri, document=given)
        _anew(connection)
        counted = calls("estate", uri=uri, document=given)
        _anew(connection)
        loop = piece("bare-reserve", uri=uri, network=NETWORK, entries=entries, live=False)
        _anew(connection).create()
        live = piece("bare-reserve", uri=uri, network=NETWORK, entries=entries[:LIVE], live=True)
        _gone(connection)
    finally:
        connection.close()
    _row(table, "written", "virtfleet.core, in process", own, own, str(counted))
    _row(table, "nothing to do", "virtfleet.core, in process", again, own, "")
    _row(table, "written", "net-update in a loop", loop, own, str(COUNT))
    scaled = Cost(live.seconds * COUNT / LIVE, live.cpu_seconds * COUNT / LIVE, live.peak_bytes)
    _row(table, "written and live", f"net-update in a loop, {LIVE} measured and scaled", scaled, own, str(COUNT))
    return table


def _row(table: Table, what: str, how: str, cost: Cost, own: Cost, counted: str) -> None:
    table.add(what, how, number(cost.seconds), number(cost.seconds / own.seconds), counted)


def _anew(connection: libvirt.virConnect) -> libvirt.virNetwork:
    _gone(connection)
    return connection.networkDefineXML(net.nat(NETWORK, CIDR, "virbr77"))


def _gone(connection: libvirt.virConnect) -> None:
    for network in connection.listAllNetworks():
        if network.name() == NETWORK:
            if network.isActive():
                network.destroy()
            network.undefine()
