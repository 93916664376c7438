# Copyright: (c) 2026, the virtfleet.core contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""How much is tried under which pair of Python and ansible-core.

The older pair asks whether the same code runs under it; what it does is tried by the newer.
"""

from __future__ import annotations

import sys

WHOLE = sys.version_info >= (3, 12)


def examples(number: int) -> int:
    """Return how many of a number of examples this pair tries: two of five under the older."""
    return number if WHOLE else number * 2 // 5
