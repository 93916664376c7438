# Copyright: (c) 2026, the virtfleet.core contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What everything that runs in the lab has: a name, a folder, an owner, processes that are known, and a way in."""

from __future__ import annotations

import contextlib
import fcntl
import json
import os
import re
import shlex
import shutil
import subprocess
import time
from abc import ABC, abstractmethod
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, ClassVar, TypeVar

from ._namespaces import Namespaces
from ._proc import PROC, Process
from ._run import LabError, Say, quiet, run, tool

P = TypeVar("P", bound="Place")
NAME = re.compile(r"[a-z0-9][a-z0-9-]{0,30}")
ROOT_FORM = re.compile(r"/[A-Za-z0-9._/-]+")
STATE = "lab.json"
SYSTEM_PATH = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"


def root_folder() -> Path:
    """Return the folder below which each host and machine has its own."""
    folder = os.environ.get("VIRTFLEET_LAB_DIR") or "/var/tmp/virtfleet-lab"
    if not ROOT_FORM.fullmatch(folder):
        raise LabError(f"VIRTFLEET_LAB_DIR is {folder!r}; use an absolute path of letters, digits, '.', '_', '-'")
    return Path(folder)


def kinds() -> dict[str, str]:
    """Return the kind of everything that has a folder, by name: up or not, whole or half made."""
    root = root_folder()
    found = {}
    for entry in sorted(root.iterdir()) if root.is_dir() else ():
        if NAME.fullmatch(entry.name) and entry.is_dir():
            found[entry.name] = str(_state(entry).get("kind", "host"))
    return found


def _state(home: Path) -> dict[str, Any]:
    try:
        return dict(json.loads((home / STATE).read_text()))
    except (OSError, ValueError):
        return {}


class Place(ABC):
    """One of them. Making the object does nothing; `up()` does."""

    KIND: ClassVar[str]

    def __init__(self, name: str, say: Say = quiet) -> None:
        if not NAME.fullmatch(name):
            raise LabError(f"{name!r} can't name a lab {self.KIND}: use up to 31 lower-case letters, digits and hyphens")
        self.name = name
        self.home = root_folder() / name
        self.title = f"lab {self.KIND} {name}"
        self.namespaces = Namespaces(self.title, self.home)
        self._say = say

    @property
    @abstractmethod
    def prefix(self) -> list[str]:
        """The words to put before a command so that it runs inside."""

    @property
    def is_up(self) -> bool:
        """Whether its first process is there."""
        return self.namespaces.holder is not None

    def state(self) -> dict[str, Any]:
        """Return what was written down when it was made: uuid, boot, owner."""
        return _state(self.home)

    @property
    def owner(self) -> Process | None:
        """The process (a test session) that it was made for, alive or not; None for one made by hand."""
        words = self.state().get("owner")
        return Process(int(words[0]), int(words[1])) if words else None

    @property
    def orphaned(self) -> bool:
        """Whether the process that it was made for is gone."""
        return self.owner is not None and not self.owner.alive()

    @abstractmethod
    def guests(self) -> dict[str, Process]:
        """Return the QEMU process of each running guest, by guest name, from libvirt's pid files."""

    # Up and down

    def up(self: P, owner: Process | None = None) -> P:
        """Make it, or complete one that is half up. Give `owner` to tie its life to that process.

        Raises LabError, and leaves nothing behind, when it can't be made.
        """
        if os.geteuid() != 0:
            raise LabError(f"a lab {self.KIND} needs root (namespaces, mounts, bridges); run this with sudo")
        self._prepare()
        with self._lock():
            if self.is_up:
                self._complete()
                return self
            if self.home.exists():
                self._say(f"{self.name}: removing what an earlier, unfinished life left in {self.home}")
                self._remove()
            began = time.monotonic()
            try:
                self._make(owner)
            except BaseException:
                with contextlib.suppress(LabError):
                    self._remove()
                raise
            self._say(f"{self.name}: up in {time.monotonic() - began:.1f} s; {self._way_in()}")
        return self

    def down(self) -> None:
        """End every process of it, guests included, and remove its folder. One that isn't there is fine."""
        with self._lock():
            self._remove()

    @abstractmethod
    def _prepare(self) -> None:
        """Look for what is needed, before the lock that all share."""

    @abstractmethod
    def _make(self, owner: Process | None) -> None:
        """Make it from nothing."""

    @abstractmethod
    def _complete(self) -> None:
        """Start what is missing of one that is up."""

    @abstractmethod
    def _way_in(self) -> str:
        """Say how it is reached."""

    @abstractmethod
    def _end(self) -> list[str]:
        """End all processes; return the names of those that had to be killed."""

    def _write_state(self, owner: Process | None, **more: object) -> None:
        state = {
            "version": 1,
            "kind": self.KIND,
            "boot": (PROC / "sys/kernel/random/boot_id").read_text().strip(),
            "owner": [owner.pid, owner.start] if owner else None,
            **more,
        }
        (self.home / STATE).write_text(json.dumps(state) + "\n")

    def _remove(self) -> None:
        if not self.home.exists() and not self.is_up:
            self._say(f"{self.name}: is not there")
            return
        killed = self._end()
        if killed:
            self._say(f"{self.name}: had to kill {', '.join(killed)}")
        self._unmount_leftovers()
        shutil.rmtree(self.home)
        self._say(f"{self.name}: gone")

    def _unmount_leftovers(self) -> None:
        """Undo mounts below the folder that someone made outside the namespaces: rmtree must not enter them."""
        for line in reversed((PROC / "self/mountinfo").read_text().splitlines()):
            point = Path(line.split()[4].replace("\\040", " "))
            if point == self.home or self.home in point.parents:
                run(["umount", point], what=f"unmount {point}")

    # Commands

    def exec(
        self,
        argv: Sequence[str | Path],
        *,
        cwd: Path | None = None,
        env: Mapping[str, str] | None = None,
        **options: Any,
    ) -> subprocess.CompletedProcess[str]:
        """Run a command inside and return it as subprocess.run() does.

        Output is captured as text and the limit is 120 s unless `options` say otherwise. `env` is added to what the
        command finds there. A command that fails raises LabError with its last words, unless check=False.
        """
        words = [*self._enter(cwd, env or {}), *(str(word) for word in argv)]
        check = options.pop("check", True)
        options.setdefault("timeout", 120)
        if not {"capture_output", "stdout", "stderr"} & options.keys():
            options["capture_output"] = True
        if "input" not in options:
            options.setdefault("stdin", subprocess.DEVNULL)
        options.setdefault("text", True)
        done = subprocess.run(words, check=False, **options)
        if check and done.returncode:
            said = "\n".join(str(done.stderr or done.stdout or "").strip().splitlines()[-15:])
            command = shlex.join(str(word) for word in argv)
            raise LabError(f"`{command}` on {self.title} ended with {done.returncode}: {said}")
        return done

    @abstractmethod
    def _enter(self, cwd: Path | None, env: Mapping[str, str]) -> list[str]:
        """Return the words before a command that runs in a folder with more variables."""

    def shell(self, argv: Sequence[str] = ()) -> int:
        """Give the terminal to a shell, or to a command, inside; return its exit status."""
        words = list(argv) or [tool("bash") or "sh", "-i"]
        return subprocess.run([*self._enter(*self._shell_place()), *words], check=False).returncode

    @abstractmethod
    def _shell_place(self) -> tuple[Path | None, Mapping[str, str]]:
        """Return the folder and the variables of a shell."""

    @contextlib.contextmanager
    def _lock(self) -> Iterator[None]:
        root = self.home.parent
        root.mkdir(parents=True, exist_ok=True, mode=0o755)
        with open(root / ".lock", "w", encoding="ascii") as handle:
            fcntl.flock(handle, fcntl.LOCK_EX)
            yield
