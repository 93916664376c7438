# Copyright: (c) 2026, the virtfleet.core contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Find Python interpreters that really run, and choose the two pairs of Python and ansible-core from them."""

from __future__ import annotations

import glob
import os
import subprocess
import sys
from dataclasses import dataclass
from functools import cache
from pathlib import Path

from tools.dev import apt
from tools.dev.errors import ToolError

# The newest is taken: ansible-core 2.21 runs on these as a controller.
MAIN_VERSIONS = ("3.14", "3.13", "3.12")
SECOND_VERSIONS = ("3.11",)
# Managed hosts may have these too: the sanity tests compile the modules with each that is found.
HOST_VERSIONS = ("3.9", "3.10", "3.11", "3.12", "3.13", "3.14")

# Places where an interpreter may stand without being on PATH.
PLACES = (
    "/usr/bin/python{v}",
    "/usr/local/bin/python{v}",
    "~/.pyenv/versions/{v}.*/bin/python{v}",
    "~/.local/share/uv/python/cpython-{v}.*/bin/python{v}",
    "/opt/hostedtoolcache/Python/{v}.*/*/bin/python{v}",
)
# `ensurepip` is what Debian leaves out without python3.X-venv; ssl, what a home-made build lacks.
PROBE = "import ensurepip, ssl, sys, venv; print('%d.%d' % sys.version_info[:2], sys.executable)"
PROBE_LIMIT_S = 20


@dataclass(frozen=True)
class Pair:
    """A Python and the ansible-core that is tested with it."""

    name: str
    version: str
    python: Path
    core: str

    def __str__(self) -> str:
        return f"{self.name} (Python {self.version}, {self.core.replace('==', ' ')})"


@cache
def find(version: str) -> Path | None:
    """Return an interpreter of `version` ("3.12") that runs and can make environments, or None."""
    python = _find(version)
    venv = f"python{version}-venv"
    if python is None and os.geteuid() == 0 and Path(f"/usr/bin/python{version}").exists() and apt.known(venv):
        # Debian's interpreter is there, only without its venv module.
        apt.ensure([venv])
        python = _find(version)
    return python


def ends() -> tuple[str, ...]:
    """Return the oldest and the newest of the versions that a managed host may have and that is on this machine."""
    found = [version for version in HOST_VERSIONS if find(version) is not None]
    return tuple(dict.fromkeys((*found[:1], *found[-1:])))


def _find(version: str) -> Path | None:
    """Return the first interpreter of a version that runs."""
    return next(filter(None, (probe(candidate, version) for candidate in _candidates(version))), None)


def _candidates(version: str) -> list[Path]:
    """List where an interpreter of `version` may be: on PATH first, then in the usual places."""
    on_path = [Path(folder) / f"python{version}" for folder in os.get_exec_path()]
    placed = [
        Path(found)
        for place in PLACES
        for found in sorted(glob.glob(str(Path(place.format(v=version)).expanduser())), reverse=True)
    ]
    seen = dict.fromkeys(path for path in [*on_path, *placed] if path.is_file())
    return list(seen)


def probe(python: Path, version: str) -> Path | None:
    """Return the interpreter that really runs behind a name, or None where none of that version does.

    A version manager's shim may fail, or be another version, according to the folder it is called in.
    """
    try:
        done = subprocess.run(
            [str(python), "-I", "-c", PROBE], capture_output=True, text=True, timeout=PROBE_LIMIT_S, check=False
        )
    except (OSError, subprocess.TimeoutExpired):
        return None
    found, _space, executable = done.stdout.strip().partition(" ")
    return Path(executable) if done.returncode == 0 and found == version else None


def pairs(root: Path) -> dict[str, Pair]:
    """Return the pairs to test with, by name: `main`, and `second` where both Pythons are on the machine.

    Where only one of the Pythons is there, it is `main`. Raises ToolError where there is none and none can be
    installed.
    """
    found = _pairs(root)
    if not found:
        for version in (*MAIN_VERSIONS, *SECOND_VERSIONS):
            if apt.known(f"python{version}-venv"):
                apt.ensure([f"python{version}", f"python{version}-venv", f"python{version}-dev"])
                find.cache_clear()
                found = _pairs(root)
                break
    if not found:
        raise ToolError(
            "found no Python to test with: it takes one of "
            f"{', '.join((*MAIN_VERSIONS, *SECOND_VERSIONS))} with its venv module; this is Python "
            f"{sys.version_info[0]}.{sys.version_info[1]}. Install one, and put it on PATH."
        )
    return found


def _pairs(root: Path) -> dict[str, Pair]:
    """Choose the pairs from the interpreters that are there."""
    main = _newest("main", MAIN_VERSIONS, root / "tools/requirements/core-main.txt")
    second = _newest("second", SECOND_VERSIONS, root / "tools/requirements/core-second.txt")
    if main is None and second is not None:
        main, second = Pair("main", second.version, second.python, second.core), None
    return {pair.name: pair for pair in (main, second) if pair is not None}


def _newest(name: str, versions: tuple[str, ...], core: Path) -> Pair | None:
    """Return the pair of the first version that is there."""
    for version in versions:
        python = find(version)
        if python is not None:
            return Pair(name, version, python, pinned(core))
    return None


def pinned(path: Path) -> str:
    """Return the first requirement of a file, such as `ansible-core==2.21.5`."""
    lines = (line.strip() for line in path.read_text().splitlines())
    return next(line for line in lines if line and not line.startswith("#"))
