# Copyright: (c) 2026, the virtfleet.core contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""One piece of work by its name, in a process of its own: JSON in, what it took and returned as JSON out."""

from __future__ import annotations

import json
import sys
import time
from collections.abc import Callable
from typing import Any


def _estate(uri: str, document: Any) -> Any:
    from benchmarks import estate

    return _timed(lambda: estate.converge(uri, document))


def _bare(name: str) -> Callable[..., Any]:
    def run(**given: Any) -> Any:
        from benchmarks import bare

        return _timed(lambda: (True, getattr(bare, name)(**given) or 0))

    return run


PIECES: dict[str, Callable[..., Any]] = {
    "estate": _estate,
    **{f"bare-{name}": _bare(name) for name in ("define", "read", "retitle", "reserve")},
}


def _timed(work: Callable[[], tuple[bool, int]]) -> Any:
    """Do the work; what it imports was imported before."""
    began = time.perf_counter()
    changed, returned = work()
    seconds = time.perf_counter() - began
    return {"seconds": seconds, "changed": int(changed), "returned_bytes": returned, "peak_bytes": _peak()}


def _peak() -> int:
    """Return the most memory that this process has had: what the kernel counts of a child begins with its parent's."""
    with open("/proc/self/status", encoding="ascii") as lines:
        return next(int(line.split()[1]) * 1024 for line in lines if line.startswith("VmHWM:"))


def main() -> int:
    """Do what the first word says with the arguments on standard input."""
    print(json.dumps(PIECES[sys.argv[1]](**json.load(sys.stdin))))
    return 0


if __name__ == "__main__":
    sys.exit(main())
