# Copyright: (c) 2026, the virtfleet.core contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""playbooks/site.yml on a bare machine of bookworm."""

from __future__ import annotations

import pytest

from tests.integration.site_on_machine import SiteOnABareMachine

pytestmark = pytest.mark.root


class TestBookworm(SiteOnABareMachine):
    suite = "bookworm"
