# Copyright: (c) 2026, the virtfleet.core contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The verdict that was reached last, on a file that does not survive a reboot.

It counts only for what it was reached with: this boot, this QEMU, this /dev/kvm with its mode and owner, these modules,
and the same user in the same groups. So whatever could turn a "no" into a "yes" makes an old verdict void.
"""

from __future__ import annotations

import json
import os
import stat
from collections.abc import Mapping
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

from .._facts import Accelerator
from .machine import Machine

NAME = "accelerator.json"
# Of the way in which is looked: a verdict of an older way is void.
_VERSION = 1
_BOOT = Path("/proc/sys/kernel/random/boot_id")


def key(machine: Machine, emulator: str | None, user: tuple[int, tuple[int, ...]]) -> Mapping[str, Any]:
    """Return what a verdict depends on, as JSON has it. ``user`` is who runs QEMU: its id and those of its groups."""
    device = machine.device
    return {
        "version": _VERSION,
        "boot": _BOOT.read_text(encoding="ascii").strip() if _BOOT.exists() else "",
        "emulator": _identity(emulator),
        "device": None if device is None else [device.mode, device.uid, device.gid, device.number],
        "modules": sorted(machine.modules),
        "user": [user[0], *sorted(user[1])],
    }


def read(directory: Path, wanted: Mapping[str, Any]) -> Accelerator | None:
    """Return the kept verdict, or None where there is none that counts: other circumstances, damaged, or not ours."""
    try:
        handle = os.open(directory / NAME, os.O_RDONLY | os.O_CLOEXEC | os.O_NOFOLLOW | os.O_NONBLOCK)
    except OSError:
        return None
    try:
        status = os.fstat(handle)
        if not stat.S_ISREG(status.st_mode) or status.st_uid != os.geteuid() or status.st_mode & 0o022:
            return None
        found = json.loads(os.read(handle, 65536))
        if found["key"] != wanted or found["verdict"]["verdict"] not in ("kvm", "tcg"):
            return None
        return Accelerator(**found["verdict"])
    except (OSError, ValueError, KeyError, TypeError):
        return None
    finally:
        os.close(handle)


def write(directory: Path, wanted: Mapping[str, Any], verdict: Accelerator) -> Accelerator:
    """Keep a verdict and return it as kept; where the place cannot be written to, return it as it was."""
    kept = replace(verdict, kept=True)
    part = directory / f"{NAME}.{os.getpid()}.part"
    try:
        part.unlink(missing_ok=True)
        handle = os.open(part, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o644)
        with os.fdopen(handle, "w", encoding="utf-8") as file:
            json.dump({"key": wanted, "verdict": asdict(kept)}, file)
        part.replace(directory / NAME)
    except OSError:
        return verdict
    return kept


def forget(directory: Path) -> None:
    """Remove a verdict, so that nobody takes an older one for the present one."""
    (directory / NAME).unlink(missing_ok=True)


def _identity(program: str | None) -> list[Any] | None:
    """Return what tells one build of a program from the next."""
    if program is None:
        return None
    try:
        status = Path(program).stat()
    except OSError:
        return None
    return [program, status.st_dev, status.st_ino, status.st_mtime_ns, status.st_size]
