# Copyright: (c) 2026, the virtfleet.core contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What every host is checked for alike."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from .daemons import Daemons
from .finding import Finding
from .pools import DEFAULT, IMAGES, Pool, served
from .seen import Machine
from .systems import Wanted


def root(seen: Machine) -> Finding:
    """Say whether packages can be installed."""
    if seen.uid == 0:
        return Finding("root", "ok", "this is root")
    more = f", and {_RS_CURE}" if seen.sudo == "sudo-rs" else ""
    return Finding("root", "fail", "packages can't be installed without root", f"connect as root, or set become: true{more}")


_RS_CURE = (
    "where become asks for a password, set ansible_become_exe: sudo.ws, or make that the host's sudo: "
    "`update-alternatives --set sudo /usr/bin/sudo.ws`"
)


def sudo(seen: Machine) -> list[Finding]:
    """Say what is special about this host's sudo."""
    if seen.sudo != "sudo-rs":
        return []
    # https://github.com/ansible/ansible/issues/87423
    status = "ok" if seen.uid == 0 else "warn"
    return [Finding("sudo", status, "sudo is sudo-rs, whose password prompt Ansible does not recognise", _RS_CURE)]


def less(needs: Wanted) -> str:
    """Return the end of a sentence that says what a host needs and its system does not have, empty for nothing."""
    return f"; this system does not have {', '.join(needs.absent)}" if needs.absent else ""


def software(needs: Wanted, missing: Sequence[str]) -> Finding:
    """Say which packages are missing."""
    if not missing:
        return Finding("packages", "ok", f"all are installed{less(needs)}")
    return Finding("packages", "warn", f"missing: {', '.join(missing)}{less(needs)}", "the role installs them")


def running(demons: Daemons) -> Finding:
    """Say what libvirt's daemons do."""
    if demons.problem:
        kind = demons.kind or "half-switched"
        return Finding("daemons", "fail", f"libvirt's daemons are {kind}", demons.problem)
    if demons.kind is None:
        return Finding("daemons", "warn", "libvirt is not installed", "the role installs it")
    waiting = [*demons.units, *demons.start]
    if waiting:
        return Finding("daemons", "warn", f"{demons.kind}; {', '.join(waiting)} does not listen", "the role starts it")
    return Finding("daemons", "ok", demons.kind)


def users(seen: Machine, wanted: Iterable[str], option: str) -> list[Finding]:
    """Name the users who are not there."""
    unknown = sorted(set(wanted) - seen.users)
    if not unknown:
        return []
    advice = f"make them first, or take them out of {option}"
    return [Finding("users", "fail", f"the host has no user {', '.join(unknown)}", advice)]


def places(seen: Machine, pools: Iterable[Pool]) -> list[Finding]:
    """Say which pools stand in for others, and which can't be made."""
    found = []
    for pool in pools:
        other = served(seen, pool)
        if other:
            found.append(Finding("pools", "ok", f"the pool {other} has {IMAGES}, so that no {pool.name} is made"))
        if pool.path is None and pool.name != DEFAULT and seen.pools is not None and pool.name not in seen.pools:
            found.append(Finding("pools", "fail", f"the pool {pool.name} does not exist", "give it a path"))
    return found
