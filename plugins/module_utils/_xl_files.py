# Copyright: (c) 2026, the virtfleet.core contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The configurations and guests of xl on this host."""

from __future__ import annotations

import glob
from collections.abc import Collection, Mapping
from pathlib import Path

from ._programs import Programs

AUTO = Path("/etc/xen/auto")
# More than any configuration has; a pattern may find other files.
_MOST = 1 << 20


def configs(patterns: Collection[str], auto: Path = AUTO) -> Mapping[str, tuple[str, bool]]:
    """Return the configurations by their real path, and whether each starts with the host: ``auto`` has or links it."""
    starting = {path.resolve() for path in auto.glob("*")} if auto.is_dir() else set()
    found: dict[str, tuple[str, bool]] = {}
    for pattern in patterns:
        for place in glob.glob(pattern):
            path = Path(place).resolve()
            try:
                if not path.is_file() or path.stat().st_size > _MOST:
                    continue
                text = path.read_text(encoding="utf-8")
            except (OSError, UnicodeDecodeError):
                continue
            # A folder of configurations holds xl.conf and the like too, which are of no guest.
            if "name" in text:
                found[str(path)] = (text, path in starting)
    return found


def listing(programs: Programs) -> str:
    """Return what ``xl list -l`` prints, nothing where there is no xl or it does not answer."""
    if programs.find("xl") is None:
        return ""
    done, output, _complaint = programs.attempt("list the guests of xl", ["xl", "list", "-l"])
    return output if done == 0 else ""
