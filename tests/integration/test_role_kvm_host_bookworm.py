# Copyright: (c) 2026, the virtfleet.core contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The role kvm_host on a bare machine of bookworm."""

from __future__ import annotations

import pytest

from tests.integration.role_on_machine import RoleOnABareMachine

# In `make test` the role is played by test_site_bookworm.py.
pytestmark = [pytest.mark.slow, pytest.mark.root]


class TestBookworm(RoleOnABareMachine):
    suite = "bookworm"
