# Copyright: (c) 2026, the virtfleet.core contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What a short document means: its guests with all that they inherit."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from ansible_collections.virtfleet.core.plugins.module_utils._estate.merge import layered


def unfolded(document: Mapping[str, Any]) -> list[dict[str, Any]]:
    """Return the guests as the estate reads them."""
    found = []
    for guest in document.get("guests", ()):
        own = {name: value for name, value in guest.items() if name != "profiles"}
        profiles = [document["profiles"][name] for name in guest.get("profiles", ())]
        found.append(layered(document.get("guest_defaults", {}), profiles, own))
    return found
