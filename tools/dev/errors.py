# Copyright: (c) 2026, the virtfleet.core contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What the tools could not do, said so that a tired person can act on it."""

from __future__ import annotations


class ToolError(Exception):
    """Report what was attempted, what went wrong and what to do."""


class NeedsRoot(ToolError):
    """Report that something is missing that only root may install."""
