# Copyright: (c) 2026, the virtfleet.core contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What everything in the lab must leave behind when it is gone: nothing."""

from __future__ import annotations

import os

from tests.lab._namespaces import cgroup_mounts
from tests.lab._place import Place
from tests.lab._proc import PROC, everyone


def traces(place: Place) -> list[str]:
    """List what is left of a host or machine: processes, mounts, cgroups, files."""
    found = [f"process {process.pid} ({process.name})" for process in place.namespaces.processes()]
    for process in everyone():
        try:
            words = (PROC / str(process.pid) / "cmdline").read_bytes().decode(errors="replace").split("\0")
        except OSError:
            continue
        if any(str(place.home) in word for word in words) and process.pid != os.getpid():
            found.append(f"process {process.pid} ({' '.join(words)})")
    mounts = (PROC / "self/mountinfo").read_text().splitlines()
    found += [f"mount {line}" for line in mounts if str(place.home) in line]
    for mount in cgroup_mounts():
        found += [f"cgroup {path}" for path in mount.point.glob(f"virtfleet-lab-{place.name}*")]
    return found + ([f"folder {place.home}"] if place.home.exists() else [])
