# Copyright: (c) 2026, the virtfleet.core contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What the module capture does, between Ansible's parameters and the pure parts."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from ._apply import Ports
from ._errors import SpecError
from ._estate.capture import Choice, capture, survey

# Where xl's own and xen-create-image's configurations are, and those of the guests that start with the host.
XL_CONFIGS = ("/etc/xen/*.cfg", "/etc/xen/auto/*")
_PATTERNS = {"type": "list", "elements": "str", "default": ["*"]}
CAPTURE_OPTIONS: dict[str, Any] = {
    "guests": _PATTERNS,
    "networks": _PATTERNS,
    "pools": _PATTERNS,
    "profiles": {"type": "bool", "default": True},
    "minimum": {"type": "int", "default": 2},
    "xl_configs": {"type": "list", "elements": "str", "default": list(XL_CONFIGS)},
}


def read_capture(params: Mapping[str, Any], ports: Ports) -> Mapping[str, Any]:
    """Return a host's document and its residue."""
    if params["minimum"] < 2:
        raise SpecError(f"minimum: {params['minimum']} guests share nothing; give 2 or more")
    choice = Choice(
        tuple(params["guests"]),
        tuple(params["networks"]),
        tuple(params["pools"]),
        params["profiles"],
        params["minimum"],
        tuple(params["xl_configs"]),
    )
    snap, of_xl = survey(ports.hypervisor, ports.files, choice)
    document, residue = capture(snap, choice, of_xl)
    return {"document": document, "residue": residue}
