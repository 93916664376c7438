# Copyright: (c) 2026, the virtfleet.core contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Fixtures of the inventory's tests."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.unit.plugins.inventory.listing import Place


@pytest.fixture
def place(tmp_path: Path) -> Place:
    """A folder with inventories."""
    return Place(tmp_path)
