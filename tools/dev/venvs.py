# Copyright: (c) 2026, the virtfleet.core contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Make the Python environments of the pairs, once, and keep them under ~/.cache/virtfleet."""

from __future__ import annotations

import fcntl
import hashlib
import os
import shutil
import subprocess
import sysconfig
from pathlib import Path

from tools.dev import apt
from tools.dev.errors import NeedsRoot, ToolError
from tools.dev.pythons import Pair
from tools.dev.tree import cache_dir

# What each kind of environment holds beside its ansible-core; files in tools/requirements.
KINDS = {"test": ("test",), "lint": ("lint",), "docs": ("docs",), "peers": ("peers",), "eda": ("eda",)}
# They build libvirt-python.
_BUILT = ("test", "peers", "eda")


def ensure(root: Path, pair: Pair, kind: str = "test") -> Path:
    """Return the environment of a pair and a kind, made if it is not there.

    The name holds the Python and a hash of the requirements, so a changed pin makes a new one. It is made under a
    `.part` name and renamed when it is whole: a run that is killed leaves nothing that looks ready.
    """
    wanted = [pair.core, *_requirements(root, kind)]
    digest = hashlib.sha256("\n".join([str(pair.python), *wanted]).encode()).hexdigest()[:12]
    venv = cache_dir() / f"venv-{kind}-py{pair.version}-{digest}"
    with (cache_dir() / f"{venv.name}.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if not (venv / "bin" / "python").exists():
            _make(venv, pair, kind, wanted)
    return venv


def _requirements(root: Path, kind: str) -> list[str]:
    """Return the pinned requirements of a kind, without comments."""
    lines: list[str] = []
    for name in KINDS[kind]:
        text = (root / "tools" / "requirements" / f"{name}.txt").read_text()
        lines += [line.strip() for line in text.splitlines() if line.strip() and not line.startswith("#")]
    return lines


def system_packages(pair: Pair) -> list[str]:
    """Return the packages with which libvirt-python is built for a pair, as far as the Python needs them."""
    packages = ["gcc", "libc6-dev", "libvirt-dev", "pkg-config"]
    if not _headers(pair.python).is_file():
        packages.append(f"python{pair.version}-dev")
    return packages


def _headers(python: Path) -> Path:
    """Return where the headers of an interpreter should be."""
    command = [str(python), "-I", "-c", "import sysconfig; print(sysconfig.get_path('include'))"]
    try:
        include = subprocess.run(command, capture_output=True, text=True, check=True, timeout=20).stdout.strip()
    except (OSError, subprocess.SubprocessError):
        include = sysconfig.get_path("include")
    return Path(include) / "Python.h"


def _make(venv: Path, pair: Pair, kind: str, requirements: list[str]) -> None:
    """Make an environment aside and rename it into place."""
    if kind in _BUILT:
        try:
            apt.ensure(system_packages(pair))
        except NeedsRoot as error:
            raise NeedsRoot(f"the environment of {pair} cannot be made yet: {error}") from error
    print(f"making the {kind} environment of {pair}: {venv}", flush=True)
    part = venv.with_name(venv.name + ".part")
    for old in (part, venv):
        shutil.rmtree(old, ignore_errors=True)
    log = venv.with_name(venv.name + ".log")
    with log.open("w") as out:
        _run([str(pair.python), "-m", "venv", str(part)], out.fileno(), log)
        _run([str(part / "bin" / "python"), "-m", "pip", "install", "--no-input", *requirements], out.fileno(), log)
    for program in (part / "bin").iterdir():
        _repoint(program, part, venv)
    part.rename(venv)


def _run(command: list[str], out: int, log: Path) -> None:
    """Run a step of making an environment; its words go to the log."""
    environment = {**os.environ, "PIP_DISABLE_PIP_VERSION_CHECK": "1"}
    for name in ("PYTHONPATH", "PYTHONHOME", "VIRTUAL_ENV"):
        environment.pop(name, None)
    done = subprocess.run(
        command, stdin=subprocess.DEVNULL, stdout=out, stderr=subprocess.STDOUT, env=environment, check=False
    )
    if done.returncode != 0:
        tail = "\n".join(log.read_text(errors="replace").splitlines()[-25:])
        raise ToolError(f"could not run {' '.join(command[:5])} ...; the end of {log}:\n{tail}")


def _repoint(program: Path, part: Path, venv: Path) -> None:
    """Make a program of an environment name its interpreter by the final path instead of the one it was made under."""
    if program.is_symlink() or not program.is_file():
        return
    text = program.read_bytes()
    if os.fsencode(part) in text:
        program.write_bytes(text.replace(os.fsencode(part), os.fsencode(venv)))
