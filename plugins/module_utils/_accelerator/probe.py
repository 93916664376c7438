# Copyright: (c) 2026, the virtfleet.core contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Find out whether guests really run by KVM here, once, and keep the answer until something has changed.

That /dev/kvm is there, and that QEMU and libvirt find it good, means little on a machine that is itself a guest: there a
guest may start and never get anywhere. So a guest is run. With QEMU it is QEMU that runs it; before it is installed KVM
is asked by itself, and then a "yes" holds only until QEMU can be asked.
"""

from __future__ import annotations

import errno
import os
import tempfile
import time
from collections.abc import Callable
from contextlib import ExitStack
from dataclasses import replace
from pathlib import Path

from .. import _path_access
from .._errors import HostError, SpecError
from .._facts import Accelerator
from .._long_work import locked, run_directory
from . import kept, kvm, machine, qemu, reasons
from .machine import Machine
from .tried import Tried

# Says the verdict without a look, for whoever knows better.
OVERRIDE = "VIRTFLEET_ACCELERATOR"
LIMIT_SECONDS = 10.0
# Longer than one look can take.
_LOCK_SECONDS = 90.0
# The architecture whose test guest runs without QEMU.
_BARE = "x86_64"
# What may be over in a minute is looked at again by the next one who asks.
_PASSING = (errno.EBUSY, errno.EINTR, errno.ENOMEM, errno.EMFILE, errno.ENFILE, errno.EAGAIN)

Find = Callable[[str], "str | None"]


def accelerator(find: Find, fresh: bool = False) -> Accelerator:
    """Return the verdict that is kept, or look; with ``fresh`` always look. ``find`` returns a program's path.

    Raises SpecError for a wrong word in VIRTFLEET_ACCELERATOR, and Timeout when another run looks for ever.
    """
    said = os.environ.get(OVERRIDE, "")
    if said:
        return _told(said)
    here = _Here(find)
    found = None if fresh else here.kept()
    if found is not None:
        return found
    with ExitStack() as stack:
        if here.directory is not None:
            stack.enter_context(locked("accelerator", _LOCK_SECONDS))
            found = None if fresh else here.kept()
        return found or here.look()


def known(find: Find) -> Accelerator | None:
    """Return the verdict that is kept, or None: it costs no look, and no program is run."""
    said = os.environ.get(OVERRIDE, "")
    return _told(said) if said else _Here(find).kept()


def _told(said: str) -> Accelerator:
    if said not in ("kvm", "tcg"):
        raise SpecError(f"{OVERRIDE}: {said!r} is not kvm or tcg")
    nested = machine.look().guest
    kind = "emulation" if said == "tcg" else "nested" if nested else "hardware"
    return Accelerator(said, kind, f"The environment says so ({OVERRIDE}); nothing was tried.")


class _Here:
    """This machine, and what can be found out on it."""

    def __init__(self, find: Find) -> None:
        self.machine: Machine = machine.look()
        self.emulator = find(f"qemu-system-{self.machine.arch}")
        self.user = _path_access.reader_of(None)
        try:
            self.directory: Path | None = run_directory("run")
        except HostError:
            # Without a place of our own the answer is as good, and found out anew by everyone.
            self.directory = None
        groups = tuple(self.user.gids) if self.user is not None else ()
        self.key = kept.key(self.machine, self.emulator, (self.user.uid if self.user is not None else -1, groups))

    def kept(self) -> Accelerator | None:
        return None if self.directory is None else kept.read(self.directory, self.key)

    def look(self) -> Accelerator:
        """Find out, and keep what will still be true for the next one who asks."""
        begun = time.monotonic()
        if self.directory is not None:
            kept.forget(self.directory)
        version = qemu.version(self.emulator, LIMIT_SECONDS) if self.emulator is not None else None
        found, lasting = self._judged()
        found = replace(found, qemu_version=version, seconds=round(time.monotonic() - begun, 2))
        if lasting and self.directory is not None:
            return kept.write(self.directory, self.key, found)
        return found

    def _judged(self) -> tuple[Accelerator, bool]:
        """Return the verdict, and whether it lasts."""
        if self.machine.device is None:
            return _emulation(*reasons.without_device(self.machine)), True
        tried = self._tried()
        if not tried.ok:
            who = _path_access.name_of(os.geteuid())
            return _emulation(*reasons.refused(self.machine, tried, who)), tried.errno not in _PASSING
        # Root could open it, but QEMU does not run as root.
        if os.geteuid() == 0 and self.user is not None and not _path_access.may_use(Path(kvm.DEVICE), self.user):
            return _emulation(*reasons.closed(self.machine, self.user.name)), True
        kind = "nested" if self.machine.guest else "hardware"
        if self.machine.arch not in qemu.TARGETS:
            how = f"KVM answers; no guest was tried, since there is no test guest for {self.machine.arch}."
        elif self.emulator is not None:
            how = f"QEMU ran a test guest by KVM in {tried.seconds:.1f} s."
        elif self.machine.arch == _BARE:
            how = "KVM ran a test guest; QEMU is not installed, so it was not asked."
        else:
            how = "KVM answers; no guest was tried, since QEMU is not installed."
        return Accelerator("kvm", kind, how), self.emulator is not None

    def _tried(self) -> Tried:
        bare = self.emulator is None and self.machine.arch == _BARE
        tried = kvm.tried(bare, LIMIT_SECONDS)
        if not tried.ok or self.emulator is None or self.machine.arch not in qemu.TARGETS:
            return tried
        with tempfile.NamedTemporaryFile(prefix="accelerator-", suffix=".rom", dir=self.directory) as file:
            file.write(qemu.TARGETS[self.machine.arch].image())
            file.flush()
            return qemu.tried(self.emulator, self.machine.arch, Path(file.name), LIMIT_SECONDS)


def _emulation(reason: str, advice: str) -> Accelerator:
    return Accelerator("tcg", "emulation", reason, advice)
