# Copyright: (c) 2026, the virtfleet.core contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The module options of an image as an argument spec."""

from __future__ import annotations

from typing import Any

from .bootstrap import BOOTSTRAP_OPTIONS
from .making import MAKING_WORDS
from .spec import FORMATS, STATES

# What an image is; a document says these of each.
IMAGE_WORDS: dict[str, Any] = {
    "name": {"type": "str"},
    "pool": {"type": "str"},
    "path": {"type": "str"},
    "state": {"type": "str", "choices": list(STATES), "default": "present"},
    "format": {"type": "str", "choices": list(FORMATS)},
    "size": {"type": "str"},
    "source": {"type": "str"},
    "checksum": {"type": "str"},
    "checksum_signature": {"type": "str"},
    # Public keys, of which nothing is secret.
    "checksum_keys": {"type": "str", "no_log": False},
    "backing": {"type": "str"},
    "bootstrap": {"type": "dict", "options": BOOTSTRAP_OPTIONS},
    **MAKING_WORDS,
}
IMAGE_OPTIONS: dict[str, Any] = {
    **IMAGE_WORDS,
    "confirm_data_loss": {"type": "list", "elements": "str", "default": []},
}
