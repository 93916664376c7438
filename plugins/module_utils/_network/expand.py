# Copyright: (c) 2026, the virtfleet.core contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What follows from what the user said: gateway and DHCP range from a cidr, and a new network from its name."""
from __future__ import annotations

import uuid
from typing import Any

from .. import _xml
from .._facts import HostFacts
from .._table import Spec
from .._xml import Element, SubElement
from .addresses import first_address, full_range, inside


def uuid_for(host: HostFacts, kind: str, name: str, estate: str | None = None) -> str:
    """Return the UUID of an object made on this host: the mark by which it is known again as ours, or as the estate's.

    Pools, secrets and network filters never keep metadata, and networks did not always.
    """
    owner = "" if estate is None else f"{estate}/"
    return str(uuid.uuid5(uuid.UUID(host.uuid), f"{owner}{kind}/{name}"))


def made_here(host: HostFacts, kind: str, name: str, found: str, estate: str | None) -> bool:
    """Tell whether the UUID that was found is one that this collection gave, alone or for the estate."""
    return found in (uuid_for(host, kind, name), uuid_for(host, kind, name, estate))


def owned(host: HostFacts, kind: str, name: str, found: str, estate: str | None) -> bool:
    """Tell whether the UUID that was found is one that this estate gave."""
    return estate is not None and found == uuid_for(host, kind, name, estate)


def skeleton(host: HostFacts, name: str, estate: str | None = None) -> Element:
    """Return a network that nobody has said anything about yet."""
    root = Element("network")
    SubElement(root, "name").text = name
    SubElement(root, "uuid").text = uuid_for(host, "network", name, estate)
    _xml.ensure(root, "metadata/virtfleet:network")
    return root


def complete(values: Spec, have: Spec, new: bool) -> Spec:
    """Return the wanted values with what follows from them; what may stay as it is, is not in them.

    A gateway or a range that was not given stays, unless the cidr moves away from below it.
    """
    want = dict(values)
    if new:
        want.setdefault("forward", "nat")
        if want["forward"] == "hostdev":
            # Else somebody has to take each function from the host's driver before a guest starts.
            want.setdefault("forward_managed", True)
    cidr = want.get("cidr", have.get("cidr"))
    dhcp = want.pop("dhcp", None)
    if cidr is None:
        # Nothing can follow; the rules of the table complain where something is missing.
        return want if dhcp is None else {**want, "dhcp": _as_given(dhcp)}
    moved = cidr != have.get("cidr")
    gateway = want.get("gateway", have.get("gateway"))
    if gateway is None or (moved and "gateway" not in want and not inside(cidr, [gateway])):
        gateway = want["gateway"] = first_address(cidr)
    found = _ranges(dhcp, have.get("dhcp"), cidr, gateway, moved)
    return want if found is None else {**want, "dhcp": found}


def _as_given(dhcp: Any) -> Any:
    return ((dhcp.get("start", ""), dhcp.get("end", "")),) if isinstance(dhcp, dict) else dhcp


def _ranges(dhcp: Any, have: Any, cidr: str, gateway: str, moved: bool) -> Any:
    """Return False, the ranges, or None where what is there shall stay. ``have`` is None without any address."""
    if dhcp is False:
        return False
    start, end = full_range(cidr, gateway)
    if isinstance(dhcp, dict):
        return ((dhcp.get("start", start), dhcp.get("end", end)),)
    if dhcp is True:
        stays = bool(have) and all(inside(cidr, pair) for pair in have)
    else:
        stays = not moved or have is False or (have is not None and all(inside(cidr, pair) for pair in have))
    return None if stays else ((start, end),)
