# Copyright: (c) 2026, the virtfleet.core contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What follows when a guest powers off, reboots or crashes (libvirt, formatdomain: events configuration)."""

from __future__ import annotations

from ..._table import Field
from ..._types import choice

ACTIONS = ("destroy", "restart", "preserve", "rename-restart")
ON_CRASH = (*ACTIONS, "coredump-destroy", "coredump-restart")

ROWS = (
    Field("on_poweroff", ("on_poweroff",), choice(*ACTIONS), absent="destroy"),
    Field("on_reboot", ("on_reboot",), choice(*ACTIONS), absent="restart"),
    Field("on_crash", ("on_crash",), choice(*ON_CRASH), absent="destroy"),
)
