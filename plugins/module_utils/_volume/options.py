# Copyright: (c) 2026, the virtfleet.core contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The module options of a volume as an argument spec, and what a volume looks like in results."""

from __future__ import annotations

from typing import Any

from .._facts import VolumeFacts
from .._guest.expand import DEFAULT_POOL
from .._image.making import VOLUME_MAKING_WORDS
from .._image.spec import GROWING
from .._storage.options import shown_volume
from .._units import show_size
from .spec import STATES

VOLUME_OPTIONS: dict[str, Any] = {
    "name": {"type": "str", "required": True},
    "pool": {"type": "str", "default": DEFAULT_POOL},
    "state": {"type": "str", "choices": list(STATES), "default": "present"},
    "format": {"type": "str", "choices": list(GROWING)},
    "size": {"type": "str"},
    "backing": {"type": "str"},
    "source": {"type": "str"},
    "clone": {"type": "str"},
    "wipe": {"type": "bool", "default": False},
    **VOLUME_MAKING_WORDS,
}
# What one run is allowed to do; no word about the volume itself.
RUN_OPTIONS: dict[str, Any] = {"confirm_data_loss": {"type": "list", "elements": "str", "default": []}}


def shown(facts: VolumeFacts) -> dict[str, Any]:
    """Return one volume in the words of the module's options, and its sizes in bytes."""
    return {"pool": facts.pool, "state": "present", "size": show_size(facts.capacity_bytes), **shown_volume(facts)}
