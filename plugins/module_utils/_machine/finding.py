# Copyright: (c) 2026, the virtfleet.core contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What a look at a machine comes to: findings for people, and what is to be written there."""

from __future__ import annotations

import re
from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass


@dataclass(frozen=True)
class File:
    """A whole file of the role's own."""

    path: str
    content: str


@dataclass(frozen=True)
class Block:
    """The role's part of a file that others write to as well; empty to have none."""

    path: str
    text: str


@dataclass(frozen=True)
class Finding:
    """What a check found: ``ok``, ``warn`` or ``fail``, and what to do about it."""

    check: str
    status: str
    found: str
    advice: str = ""


def warnings(findings: Iterable[Finding], mended: Collection[str]) -> list[str]:
    """Return what a person should read even when nothing failed; the role is about to see to what is ``mended``."""
    return [
        f"{finding.check}: {finding.found}" + (f"; {finding.advice}" if finding.advice else "")
        for finding in findings
        if finding.status == "warn" and finding.check not in mended
    ]


def differs(files: Mapping[str, str | None], mark: str, block: Block) -> bool:
    """Tell whether a role's part of a file is another than wanted; ``mark`` is the role's name in the marks around it."""
    found = re.search(f"^# BEGIN {mark}\n(.*?)^# END {mark}$", files.get(block.path) or "", re.DOTALL | re.MULTILINE)
    return (found.group(1) if found else "") != block.text
