# Copyright: (c) 2026, the virtfleet.core contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Properties are tried on the same examples in every run, and a slow machine is no failure."""

from __future__ import annotations

from hypothesis import settings

from tests.unit.plugins.module_utils.examples import examples

settings.register_profile("steady", deadline=None, derandomize=True, max_examples=examples(50))
settings.load_profile("steady")
