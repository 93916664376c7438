# Copyright: (c) 2026, the virtfleet.core contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Install packages with apt on the systems that the project knows, without starting a daemon."""

from __future__ import annotations

import contextlib
import fcntl
import os
import shlex
import subprocess
from collections.abc import Iterable, Iterator
from pathlib import Path

from tools.dev.errors import NeedsRoot, ToolError

KNOWN_SYSTEMS = {
    ("debian", "12"), ("debian", "13"),
    ("ubuntu", "22.04"), ("ubuntu", "24.04"), ("ubuntu", "26.04"),
}  # fmt: skip
LOCK = Path("/run/lock/virtfleet-apt.lock")
POLICY = Path("/usr/sbin/policy-rc.d")
SAVED_POLICY = Path("/usr/sbin/policy-rc.d.virtfleet-saved")
LISTS = Path("/var/lib/apt/lists")
MARK = "# virtfleet: no daemon is started while packages are installed"
# Another apt (unattended-upgrades, a second checkout) may hold the lock for minutes.
APT = ["apt-get", "-q", "-y", "-o", "DPkg::Lock::Timeout=600", "-o", "Dpkg::Use-Pty=0", "--no-install-recommends"]


def system() -> tuple[str, str]:
    """Return the identity and version of this system, as ("debian", "12")."""
    try:
        text = Path("/etc/os-release").read_text()
    except OSError:
        return "unknown", ""
    facts = dict(line.split("=", 1) for line in shlex.split(text, comments=True) if "=" in line)
    return facts.get("ID", "unknown"), facts.get("VERSION_ID", "")


def missing(packages: Iterable[str]) -> list[str]:
    """Return those of `packages` that are not installed, sorted."""
    wanted = sorted(set(packages))
    if not wanted:
        return []
    try:
        done = subprocess.run(
            ["dpkg-query", "-W", "-f", "${db:Status-Status} ${Package}\n", *wanted],
            capture_output=True, text=True, check=False,
        )  # fmt: skip
    except FileNotFoundError:
        return wanted
    present = {line.split()[1] for line in done.stdout.splitlines() if line.startswith("installed ")}
    return [package for package in wanted if package not in present]


def known(package: str) -> bool:
    """Tell whether apt knows a package and has a version of it to install.

    On a new system apt knows nothing before its first update, which is made here.
    """
    if _has_candidate(package):
        return True
    if os.geteuid() != 0 or system() not in KNOWN_SYSTEMS or any(LISTS.glob("*_Packages*")):
        return False
    _apt("update")
    return _has_candidate(package)


def _has_candidate(package: str) -> bool:
    """Ask apt for the version of a package that it would install."""
    try:
        done = subprocess.run(["apt-cache", "policy", package], capture_output=True, text=True, check=False)
    except FileNotFoundError:
        return False
    return "Candidate:" in done.stdout and "Candidate: (none)" not in done.stdout


def ensure(packages: Iterable[str]) -> None:
    """Install those of `packages` that are missing; says what it does, and does nothing where none is.

    Raises NeedsRoot where something is missing and this is not root, ToolError where the system is not known or apt
    fails.
    """
    absent = missing(packages)
    if not absent:
        return
    names = " ".join(absent)
    if system() not in KNOWN_SYSTEMS:
        raise ToolError(
            f"cannot install {names}: this system is {' '.join(system())}, and only Debian 12 and 13 and Ubuntu 22.04, "
            "24.04 and 26.04 are known here; install what these packages hold by hand"
        )
    if os.geteuid() != 0:
        raise NeedsRoot(f"{names} must be installed first; as root: apt-get install --no-install-recommends {names}")
    with _locked():
        absent = missing(absent)
        if not absent:
            return
        print(f"installing with apt: {' '.join(absent)}", flush=True)
        with _no_daemons():
            # The lists may be old or absent: the first failure is answered with an update.
            if _apt("install", *absent).returncode != 0:
                _apt("update")
                done = _apt("install", *absent)
                if done.returncode != 0:
                    raise ToolError(f"could not install {' '.join(absent)}: apt said\n{done.stdout[-3000:]}")


def _apt(verb: str, *packages: str) -> subprocess.CompletedProcess[str]:
    """Run apt-get without questions and return what it said."""
    environment = {**os.environ, "DEBIAN_FRONTEND": "noninteractive", "NEEDRESTART_MODE": "l", "LC_ALL": "C.UTF-8"}
    return subprocess.run(
        [*APT, verb, *packages],
        env=environment, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
        text=True, check=False,
    )  # fmt: skip


@contextlib.contextmanager
def _locked() -> Iterator[None]:
    """Hold the lock of this project's installations; it dies with its holder."""
    LOCK.parent.mkdir(parents=True, exist_ok=True)
    with LOCK.open("w") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        yield


@contextlib.contextmanager
def _no_daemons() -> Iterator[None]:
    """Keep packages from starting daemons while they are installed.

    The tests start private daemons of their own; the machine's libvirtd would make a bridge and firewall rules in the
    machine's network, and without systemd a daemon could not be supervised at all. policy-rc.d is what Debian's
    invoke-rc.d and deb-systemd-invoke ask (/usr/share/doc/init-system-helpers/README.policy-rc.d.gz).
    """
    _restore_policy()
    if POLICY.exists() or POLICY.is_symlink():
        POLICY.rename(SAVED_POLICY)
    try:
        POLICY.write_text(f"#!/bin/sh\n{MARK}\nexit 101\n")
        POLICY.chmod(0o755)
        yield
    finally:
        _restore_policy()


def _restore_policy() -> None:
    """Remove our policy and put back the one that was there; also after a run that was killed."""
    if POLICY.is_file() and MARK in POLICY.read_text(errors="replace"):
        POLICY.unlink()
    if SAVED_POLICY.exists() or SAVED_POLICY.is_symlink():
        SAVED_POLICY.rename(POLICY)
