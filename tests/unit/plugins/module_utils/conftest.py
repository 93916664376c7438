# Copyright: (c) 2026, the virtfleet.core contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Properties are tried on the same examples in every run, and a slow machine is no failure."""

from __future__ import annotations

import sys

from hypothesis import settings

# The older pair of Python and ansible-core asks whether the same code runs under it; what it does is tried by the newer.
EXAMPLES = 50 if sys.version_info >= (3, 12) else 20

settings.register_profile("steady", deadline=None, derandomize=True, max_examples=EXAMPLES)
settings.load_profile("steady")
