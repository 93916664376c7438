# Copyright: (c) 2026, the virtfleet.core contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The namespaces of one lab host or machine: made, entered, searched for processes, and left without a trace.

Its first process holds them. A process is known to belong to it by its network namespace or by its token among the
process's mounts, never by a name.
"""

from __future__ import annotations

import os
import signal
import sys
import time
import zlib
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from ._proc import PROC, Process, end, everyone
from ._run import LabError, need, run

REAPER = Path(__file__).parent / "inside" / "reaper.py"
CGROUPS = Path("/sys/fs/cgroup")
HOST_KINDS = ("net", "mount", "uts", "ipc", "cgroup")

# Limits are raised as far as the machine allows: a container may forbid it, and most guests do without.
_DAEMON_START = """
if [ -e "$1" ]; then while read -r f; do echo $$ > "$f"; done < "$1"; fi
shift
ulimit -n 8192 2> /dev/null
ulimit -l unlimited 2> /dev/null
ulimit -c 0
exec "$@"
"""


@dataclass(frozen=True)
class CgroupMount:
    """One cgroup hierarchy of the machine."""

    point: Path
    type: str
    options: str


def cgroup_mounts() -> list[CgroupMount]:
    """List the cgroup hierarchies that are mounted below /sys/fs/cgroup."""
    found = []
    for line in (PROC / "self/mountinfo").read_text().splitlines():
        before, _dash, after = line.partition(" - ")
        point = Path(before.split()[4])
        kind, _source, options = after.split()[:3]
        if kind in ("cgroup", "cgroup2") and (point == CGROUPS or CGROUPS in point.parents):
            wanted = [word for word in options.split(",") if word not in ("rw", "ro")]
            found.append(CgroupMount(point, kind, ",".join(wanted)))
    return found


class Namespaces:
    """The namespaces of the host or machine whose state lies in `home`; `title` is what messages call it."""

    def __init__(self, title: str, home: Path) -> None:
        self.title = title
        self.home = home
        self.token = f"virtfleet-lab:{home}"
        # Two people may each have a host of this name, in folders of their own.
        self._group = f"virtfleet-lab-{home.name}-{zlib.crc32(str(home).encode()):08x}"

    @property
    def holder(self) -> Process | None:
        """The process that holds them open, if it lives."""
        return Process.load(self.home / "holder")

    def make(self, setup: Sequence[str], kinds: Sequence[str] = HOST_KINDS) -> bool:
        """Make the namespaces of these kinds, with `setup` as their first process; return whether it got cgroups.

        `setup` says "ready" when it is done, closes its output, and stays; it has written its pid to holder.pid.
        """
        groups = self._make_cgroups()
        joins = [str(folder / "cgroup.procs") for folder in groups]
        # The cgroup namespace takes its root from where the process is while it is made, so it joins before.
        join = 'while [ "$1" != -- ]; do echo $$ > "$1"; shift; done; shift; exec "$@"'
        flags = [*(f"--{kind}" for kind in kinds if kind != "cgroup" or groups), "--propagation", "private"]
        outside = [need("setsid"), "--fork", "sh", "-c", f"exec 2>&1; {join}", "sh", *joins, "--"]
        said = run(
            [*outside, need("unshare"), *flags, *setup],
            what=f"make the namespaces of {self.title}",
            timeout=30,
        )
        if said.split()[-1:] != ["ready"]:
            self.remove()
            raise LabError(
                f"could not make the namespaces of {self.title}: {said.strip() or 'no reason given'}; "
                "this needs root with CAP_SYS_ADMIN (in a container: --privileged)"
            )
        holder = Process.from_pid_file(self.home / "holder.pid")
        if holder is None:
            raise LabError(f"the process that holds the namespaces of {self.title} ended at once")
        holder.save(self.home / "holder")
        return bool(groups)

    def prefix(self, *, cwd: Path | None = None, cgroup: bool = False) -> list[str]:
        """Return the words to put before a command so that it runs inside."""
        holder = self.holder
        if holder is None:
            raise LabError(f"{self.title} is not up; run `python3 -m tests.lab up {self.home.name}`")
        words = [need("nsenter"), "-t", str(holder.pid), "-n", "-m", "-u", "-i"]
        if cgroup:
            words.append("-C")
        if cwd is not None:
            words.append(f"--wd={cwd}")
        return [*words, "--"]

    def daemon_prefix(self) -> list[str]:
        """Return the words before a daemon: inside, in the host's cgroups, with limits that suit libvirtd."""
        confined = Path("/sys/kernel/security/apparmor/profiles").exists()
        # The package's AppArmor profile goes by the program's path and knows nothing of the lab's folders.
        free = [need("aa-exec"), "-p", "unconfined", "--"] if confined else []
        joins = self.home / "cgroup.join"
        reaper = [sys.executable, "-I", str(REAPER)]
        return [*self.prefix(cgroup=joins.exists()), "sh", "-c", _DAEMON_START, "sh", str(joins), *free, *reaper]

    def processes(self) -> Iterator[Process]:
        """Yield the processes that live inside, the holder included."""
        holder = self.holder
        net = _namespace(holder.pid, "net") if holder else None
        own = _namespace(os.getpid(), "net")
        for process in everyone():
            if process.pid == os.getpid():
                continue
            inside = net is not None and net != own and _namespace(process.pid, "net") == net
            if inside or self._has_token(process.pid):
                yield process

    def remove(self, *, holder_first: bool = False) -> list[str]:
        """End every process inside and remove the cgroups; return the names of those that had to be killed.

        With `holder_first` the holder is asked to end the others with itself.
        """
        killed: list[str] = []
        holder = self.holder
        if holder_first and holder is not None:
            killed += [process.name for process in end([holder])]
        for _round in range(5):
            holder = self.holder
            found = [process for process in self.processes() if process != holder]
            if not found:
                break
            names = {process: process.name for process in found}
            killed += [names[process] for process in end(found, patience=3)]
        # The holder goes last: while it lives, others are known by its network namespace.
        holder = self.holder
        if holder is not None:
            holder.send(signal.SIGKILL)
            holder.wait(5)
        left = list(self.processes())
        if left:
            words = ", ".join(f"{process.pid} ({process.name})" for process in left)
            raise LabError(f"processes of {self.title} would not end: {words}")
        self._remove_cgroups()
        return killed

    def _has_token(self, pid: int) -> bool:
        try:
            lines = (PROC / str(pid) / "mountinfo").read_text(errors="replace").splitlines()
        except OSError:
            return False
        return any(line.partition(" - ")[2].split()[1:2] == [self.token] for line in lines)

    def _make_cgroups(self) -> list[Path]:
        """Make a cgroup in each hierarchy; return none at all where the machine doesn't allow that."""
        made: list[Path] = []
        mounts = cgroup_mounts()
        try:
            for mount in mounts:
                folder = mount.point / self._group
                folder.mkdir(exist_ok=True)
                made.append(folder)
                if mount.type == "cgroup" and "cpuset" in mount.options.split(","):
                    # A new cpuset is empty, and no process can join an empty one.
                    for key in ("cpuset.cpus", "cpuset.mems"):
                        (folder / key).write_text((mount.point / key).read_text())
        except OSError:
            self._remove_cgroups()
            return []
        lines = "".join(f"{mount.point} {mount.type} {mount.options or '-'}\n" for mount in mounts)
        (self.home / "cgroup.mounts").write_text(lines)
        (self.home / "cgroup.join").unlink(missing_ok=True)
        return made

    def _remove_cgroups(self) -> None:
        (self.home / "cgroup.mounts").unlink(missing_ok=True)
        (self.home / "cgroup.join").unlink(missing_ok=True)
        for mount in cgroup_mounts():
            top = mount.point / self._group
            if not top.is_dir():
                continue
            for folder, _dirs, _files in os.walk(top, topdown=False):
                _remove_cgroup(Path(folder))


def _remove_cgroup(folder: Path) -> None:
    # A cgroup whose last process just ended stays busy for a moment.
    for _try in range(50):
        try:
            folder.rmdir()
        except FileNotFoundError:
            return
        except OSError:
            time.sleep(0.02)
        else:
            return


def _namespace(pid: int, kind: str) -> str | None:
    try:
        return os.readlink(PROC / str(pid) / "ns" / kind)
    except OSError:
        return None
