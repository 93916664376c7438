# Copyright: (c) 2026, the virtfleet.core contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Where a running guest has room for one more device.

On a PCI Express board a device is plugged into a port, and ports can't be added while the guest runs (QEMU's
docs/pcie.txt: only devices below root ports are hot-pluggable). A board with plain PCI has a bus of 31 slots.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace

from .. import _xml
from .._change import Change, Effect
from .._table import Field, Keyed
from .._xml import Element
from .table import GUEST

_PORTS = ("pcie-root-port", "pcie-switch-downstream-port")
NO_PORT = "every port of the running guest is taken; it gets one when it is stopped and started again"


def free_ports(live: Element) -> int | None:
    """Return the number of ports that nothing is plugged into, None for a board that has slots instead."""
    controllers = _xml.find_all(live, "devices/controller[@type='pci']")
    models = {int(node.get("index", "0")): node.get("model") for node in controllers}
    if "pcie-root" not in models.values():
        return None
    devices = _xml.find(live, "devices")
    places = [place for device in devices if (place := device.find("address")) is not None] if devices is not None else []
    taken = {int(place.get("bus", "0"), 0) for place in places if place.get("type") == "pci"}
    return sum(1 for index, model in models.items() if model in _PORTS and index not in taken)


def _takes_port(change: Change) -> bool:
    """Tell whether a change plugs something into a port: a new entry of a list, or the device of which there is one."""
    row = GUEST.entry(change.path[0])
    if isinstance(row, Keyed):
        return len(change.path) == 2 and change.before is None and row.in_port(change.after)
    return isinstance(row, Field) and row.in_port(change.before, change.after)


def fit(changes: Iterable[Change], live: Element | None) -> list[Change]:
    """Return the changes; devices for which the running guest has no port left wait for its next start."""
    changes = list(changes)
    left = free_ports(live) if live is not None else None
    if left is None:
        return changes
    found = []
    for change in changes:
        if change.effect is Effect.LIVE and _takes_port(change):
            fits, left = left > 0, left - 1
            found.append(change if fits else replace(change, effect=Effect.RESTART, why=NO_PORT))
        else:
            found.append(change)
    return found
