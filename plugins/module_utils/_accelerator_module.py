# Copyright: (c) 2026, the virtfleet.core contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What the module accelerator_info reads, between Ansible's parameters and the host."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict
from typing import Any

from ._facts import Accelerator
from ._ports import Files


def read_accelerator(params: Mapping[str, Any], files: Files) -> Mapping[str, Any]:
    """Return the verdict for accelerator_info."""
    return {"accelerator": accelerator_result(files.accelerator(fresh=params["fresh"]))}


def accelerator_result(found: Accelerator) -> dict[str, Any]:
    """Return a verdict for a result."""
    return asdict(found)
