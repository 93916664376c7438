# Copyright: (c) 2026, the virtfleet.core contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The lab's own tests use its fixtures as every other test does."""

from __future__ import annotations

pytest_plugins = ["tests.lab.fixtures"]
