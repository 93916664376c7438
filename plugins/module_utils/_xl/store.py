# Copyright: (c) 2026, the virtfleet.core contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What Xen's guests say of themselves in xenstore, where a guest agent of Xen (xe-guest-utilities, xen-guest-agent) runs.

A guest writes its addresses below its own ``attr``, in the form of XenServer's tools (xenstore-paths; ``attr/vif/N/ipv4/M``,
``attr/vif/N/ipv6/M``, and in older ones ``attr/ethN/ip`` and ``attr/ethN/ipv6/M/addr``). All of it is the guest's word.
"""

from __future__ import annotations

import ipaddress
import re
from typing import Any

_LINE = re.compile(r'^/local/domain/([0-9]+)/(\S+) = "(.*)"(?: +\(.*\))?$')
_TOLD = re.compile(r"^attr/(?:vif/|eth)([0-9]{1,3})/(?:ip|ipv[46]/[0-9]{1,3}(?:/addr)?)$")
_MAC = re.compile(r"^device/vif/([0-9]{1,3})/mac$")
# A guest may write thousands.
_MOST = 64


def told_addresses(listing: str) -> dict[str, list[dict[str, Any]]]:
    """Return by guest what the output of ``xenstore-ls -f /local/domain`` says: ``[{name, mac, addresses}]``.

    The form is that of Hypervisor.addresses; what is no address is left out.
    """
    names: dict[str, str] = {}
    macs: dict[tuple[str, str], str] = {}
    told: dict[tuple[str, str], list[dict[str, Any]]] = {}
    for line in listing.splitlines():
        match = _LINE.match(line)
        if match is None:
            continue
        domain, key, value = match.groups()
        if key == "name":
            names[domain] = value
            continue
        mac, address = _MAC.match(key), _TOLD.match(key)
        if mac is not None:
            macs[domain, mac[1]] = value.lower()
        elif address is not None:
            found = told.setdefault((domain, address[1]), [])
            entry = _entry(value)
            if entry is not None and entry not in found and len(found) < _MOST:
                found.append(entry)
    nics: dict[str, list[dict[str, Any]]] = {}
    for (domain, number), addresses in told.items():
        if domain in names and addresses:
            nic = {"name": "", "mac": macs.get((domain, number), ""), "addresses": addresses}
            nics.setdefault(names[domain], []).append(nic)
    return nics


def _entry(value: str) -> dict[str, Any] | None:
    try:
        address = ipaddress.ip_address(value.partition("/")[0])
    except ValueError:
        return None
    return {"address": str(address), "prefix": address.max_prefixlen, "family": f"ipv{address.version}"}
