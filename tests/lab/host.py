# Copyright: (c) 2026, the virtfleet.core contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""A lab host: a libvirtd of its own in namespaces of its own, on a machine whose libvirt is left alone.

host = Host("one")
host.up()
libvirt.open(host.uri)                  # from outside
host.exec(["virsh", "list", "--all"])   # inside
host.down()
"""

from __future__ import annotations

import contextlib
import fcntl
import json
import os
import re
import shlex
import shutil
import signal
import stat
import subprocess
import time
import uuid
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

from . import _daemons
from ._namespaces import Namespaces
from ._proc import PROC, Process, end
from ._run import LabError, Say, need, quiet, run, tool

NAME = re.compile(r"[a-z0-9][a-z0-9-]{0,30}")
ROOT_FORM = re.compile(r"/[A-Za-z0-9._/-]+")
STATE = "lab.json"
SYSTEM_PATH = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"
DAEMON_ENV = {"PATH": SYSTEM_PATH, "HOME": "/root", "LANG": "C.UTF-8"}


def root_folder() -> Path:
    """Return the folder below which each host has its own."""
    folder = os.environ.get("VIRTFLEET_LAB_DIR") or "/var/tmp/virtfleet-lab"
    if not ROOT_FORM.fullmatch(folder):
        raise LabError(f"VIRTFLEET_LAB_DIR is {folder!r}; use an absolute path of letters, digits, '.', '_', '-'")
    return Path(folder)


def hosts() -> list[Host]:
    """List the hosts that have a state folder, up or not."""
    root = root_folder()
    if not root.is_dir():
        return []
    return [Host(entry.name) for entry in sorted(root.iterdir()) if NAME.fullmatch(entry.name) and entry.is_dir()]


class Host:
    """One private libvirt host. Making the object does nothing; `up()` does."""

    def __init__(self, name: str, say: Say = quiet) -> None:
        if not NAME.fullmatch(name):
            raise LabError(f"{name!r} can't name a lab host: use up to 31 lower-case letters, digits and hyphens")
        self.name = name
        self.home = root_folder() / name
        self.namespaces = Namespaces(name, self.home)
        self._say = say

    # What others need to know

    @property
    def folder(self) -> Path:
        """A working folder for pools and images: the same path inside and outside, open to QEMU's user."""
        return self.home / "work"

    @property
    def uri(self) -> str:
        """The libvirt URI, for clients inside and outside the namespaces."""
        return f"qemu:///system?socket={self._run}/libvirt/{_daemons.installed().socket}"

    @property
    def prefix(self) -> list[str]:
        """The words to put before a command so that it runs on the host (its working folder becomes /)."""
        return self.namespaces.prefix()

    @property
    def host_uuid(self) -> str:
        """The UUID that this host's libvirt reports."""
        return str(self.state().get("uuid", ""))

    @property
    def libvirtd(self) -> Process | None:
        """The daemon that runs the guests, if it lives."""
        return self._daemon(_daemons.installed().main)

    @property
    def is_up(self) -> bool:
        """Whether the namespaces are there (libvirtd may be stopped on purpose)."""
        return self.namespaces.holder is not None

    def state(self) -> dict[str, Any]:
        """Return what was written down when the host was made: uuid, boot, owner."""
        try:
            return dict(json.loads((self.home / STATE).read_text()))
        except (OSError, ValueError):
            return {}

    @property
    def owner(self) -> Process | None:
        """The process (a test session) that it was made for, alive or not; None for one made by hand."""
        words = self.state().get("owner")
        return Process(int(words[0]), int(words[1])) if words else None

    @property
    def orphaned(self) -> bool:
        """Whether the process that it was made for is gone."""
        return self.owner is not None and not self.owner.alive()

    def guests(self) -> dict[str, Process]:
        """Return the QEMU process of each running guest, by guest name, from libvirt's pid files."""
        found = {}
        for path in sorted((self._run / "libvirt/qemu").glob("*.pid")):
            process = Process.from_pid_file(path)
            # swtpm and others keep their pid files here as well.
            if process is not None and process.name.startswith("qemu-system"):
                found[path.stem] = process
        return found

    # Up and down

    def up(self, owner: Process | None = None) -> Host:
        """Make the host, or complete one that is half up. Give `owner` to tie its life to that process.

        Raises LabError, and leaves nothing behind, when it can't be made.
        """
        if os.geteuid() != 0:
            raise LabError("a lab host needs root (namespaces, mounts, bridges); run this with sudo")
        daemons = _daemons.installed()
        for name in ("nsenter", "unshare", "setsid", "mount", "ip", "virsh"):
            need(name)
        with self._lock():
            if self.is_up:
                if self.libvirtd is None:
                    self._say(f"{self.name}: its libvirtd is stopped; starting it")
                    self.start_libvirtd()
                else:
                    self._say(f"{self.name}: is up already")
                return self
            if self.home.exists():
                self._say(f"{self.name}: removing what an earlier, unfinished life left in {self.home}")
                self._remove()
            began = time.monotonic()
            try:
                self._make(daemons, owner)
            except BaseException:
                with contextlib.suppress(LabError):
                    self._remove()
                raise
            self._say(f"{self.name}: up in {time.monotonic() - began:.1f} s; URI {self.uri}")
        return self

    def down(self) -> None:
        """End every process of the host, guests included, and remove its folder. A host that isn't there is fine."""
        with self._lock():
            self._remove()

    def _make(self, daemons: _daemons.Daemons, owner: Process | None) -> None:
        self._say(f"{self.name}: making namespaces and folders in {self.home}")
        self._make_folders()
        host_uuid = str(uuid.uuid4())
        state = {
            "version": 1,
            "uuid": host_uuid,
            "boot": _boot_id(),
            "owner": [owner.pid, owner.start] if owner else None,
        }
        (self.home / STATE).write_text(json.dumps(state) + "\n")
        hide_kvm = os.environ.get("VIRTFLEET_LAB_KVM") != "1"
        cgroups = self.namespaces.make(hide_kvm=hide_kvm)
        _daemons.configure(self.home / "etc", host_uuid, daemons, cgroups=cgroups)
        _daemons.warm(self.home / "cache")
        self._say(f"{self.name}: starting {', '.join((*_daemons.HELPERS, *daemons.drivers))}")
        self.start_libvirtd()
        _daemons.keep_warm(self.home / "cache")

    def _make_folders(self) -> None:
        longest = f"{self._run}/libvirt/libvirt-admin-sock"
        if len(longest) > 107:
            raise LabError(f"{longest} is too long for a socket; set VIRTFLEET_LAB_DIR to a shorter path")
        self.home.mkdir(parents=True, mode=0o755)
        for folder in (self.home, *self.home.parents):
            if not folder.stat().st_mode & stat.S_IXOTH:
                raise LabError(
                    f"QEMU's user can't pass through {folder} (mode {folder.stat().st_mode & 0o7777:04o}); "
                    "set VIRTFLEET_LAB_DIR to a folder that others may enter"
                )
        modes = {
            "etc": 0o755,
            "lib": 0o755,
            "lib/images": 0o711,
            "lib/boot": 0o711,
            "log": 0o755,
            "log/qemu": 0o750,
            "cache": 0o755,
            "run": 0o755,
            "run/lock": 0o1777,
            "run/libvirt": 0o755,
            "run/virtfleet": 0o755,
            "swtpm-localca": 0o755,
            "inside": 0o755,
            "work": 0o755,
        }
        for name, mode in modes.items():
            folder = self.home / name
            folder.mkdir()
            # mkdir's own mode is cut by the umask.
            folder.chmod(mode)
        localca = Path("/var/lib/swtpm-localca")
        if localca.is_dir():
            os.chown(self.home / "swtpm-localca", localca.stat().st_uid, localca.stat().st_gid)

    def _remove(self) -> None:
        if not self.home.exists() and not self.is_up:
            self._say(f"{self.name}: is not there")
            return
        count = len(self.guests())
        self._say(f"{self.name}: ending {count} guest{'' if count == 1 else 's'} and the daemons")
        # libvirtd first: it must not see its guests die and act on that.
        end([process for process in self._daemon_processes() if process], patience=5)
        killed = self.namespaces.remove()
        if killed:
            self._say(f"{self.name}: had to kill {', '.join(killed)}")
        self._unmount_leftovers()
        shutil.rmtree(self.home)
        self._say(f"{self.name}: gone")

    def _unmount_leftovers(self) -> None:
        """Undo mounts below the host's folder that someone made outside its namespaces: rmtree must not enter them."""
        for line in reversed((PROC / "self/mountinfo").read_text().splitlines()):
            point = Path(line.split()[4].replace("\\040", " "))
            if point == self.home or self.home in point.parents:
                run(["umount", point], what=f"unmount {point}")

    # The daemons

    def start_libvirtd(self) -> None:
        """Start the daemons that are not running, and wait until libvirt answers."""
        daemons = _daemons.installed()
        for name in (*_daemons.HELPERS, *daemons.drivers):
            if self._daemon(name) is not None:
                continue
            pid_file = self._run / "libvirt" / f"{name}.pid"
            pid_file.unlink(missing_ok=True)
            # The daemon's fork returns once its sockets listen. Its log has the reason if it doesn't get there.
            argv = [*self.namespaces.daemon_prefix(), need(name), "--daemon", "--pid-file", f"/run/libvirt/{name}.pid"]
            done = subprocess.run(
                argv,
                check=False,
                env=DAEMON_ENV,
                stdin=subprocess.DEVNULL,
                stdout=subprocess.PIPE,
                stderr=subprocess.STDOUT,
                text=True,
                timeout=60,
            )
            process = _appears(pid_file, 5)
            if done.returncode or process is None:
                said = f"{done.stdout.strip()} {self._log(name)}"
                raise LabError(f"could not start {name} of lab host {self.name}: {said}")
            process.save(self._pid_record(name))
        run(["virsh", "-c", self.uri, "version"], what=f"reach the libvirt of lab host {self.name}", timeout=30)

    def stop_libvirtd(self) -> None:
        """Stop the driver daemons; guests, virtlogd, virtlockd and dnsmasq go on."""
        drivers = [self._daemon(name) for name in reversed(_daemons.installed().drivers)]
        killed = end([process for process in drivers if process], patience=20)
        if killed:
            self._say(f"{self.name}: libvirtd did not stop within 20 s and was killed")

    def restart_libvirtd(self) -> None:
        """Stop and start the driver daemons while the guests run on."""
        self.stop_libvirtd()
        self.start_libvirtd()

    def freeze(self) -> None:
        """Stop libvirtd in its tracks (SIGSTOP): connections hang, as with a stuck daemon."""
        self._signal_libvirtd(signal.SIGSTOP)

    def thaw(self) -> None:
        """Let a frozen libvirtd go on."""
        self._signal_libvirtd(signal.SIGCONT)

    def _signal_libvirtd(self, number: signal.Signals) -> None:
        process = self.libvirtd
        if process is None or not process.send(number):
            raise LabError(f"libvirtd of lab host {self.name} is not running")

    def _daemon(self, name: str) -> Process | None:
        return Process.load(self._pid_record(name))

    def _daemon_processes(self) -> list[Process | None]:
        daemons = _daemons.installed()
        return [self._daemon(name) for name in (*reversed(daemons.drivers), *_daemons.HELPERS)]

    def _pid_record(self, name: str) -> Path:
        return self.home / "pids" / name

    def _log(self, name: str) -> str:
        path = self.home / "log" / f"{name}.log"
        try:
            return f"{path} ends with: " + " | ".join(path.read_text(errors="replace").splitlines()[-5:])
        except OSError:
            return f"({path} is empty)"

    @property
    def _run(self) -> Path:
        return self.home / "run"

    # Commands

    def exec(
        self, argv: Sequence[str | Path], *, cwd: Path | None = None, **options: Any
    ) -> subprocess.CompletedProcess[str]:
        """Run a command on the host and return it as subprocess.run() does.

        Output is captured as text and the limit is 120 s unless `options` say otherwise. A command that fails raises
        LabError with its last words, unless check=False.
        """
        words = [*self.namespaces.prefix(cwd=cwd), *(str(word) for word in argv)]
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
            raise LabError(f"`{command}` on lab host {self.name} ended with {done.returncode}: {said}")
        return done

    def shell(self, argv: Sequence[str] = ()) -> int:
        """Give the terminal to a shell, or to a command, on the host; return its exit status."""
        words = list(argv) or [tool("bash") or "sh", "-i"]
        env = {**os.environ, "LIBVIRT_DEFAULT_URI": "qemu:///system", "VIRTFLEET_LAB_HOST": self.name}
        env["PATH"] = os.pathsep.join([env.get("PATH", ""), SYSTEM_PATH])
        return subprocess.run([*self.namespaces.prefix(cwd=Path.cwd()), *words], check=False, env=env).returncode

    @contextlib.contextmanager
    def _lock(self) -> Iterator[None]:
        root = self.home.parent
        root.mkdir(parents=True, exist_ok=True, mode=0o755)
        with open(root / ".lock", "w", encoding="ascii") as handle:
            fcntl.flock(handle, fcntl.LOCK_EX)
            yield


def _boot_id() -> str:
    return (PROC / "sys/kernel/random/boot_id").read_text().strip()


def _appears(pid_file: Path, seconds: float) -> Process | None:
    """Wait until a daemon has written its pid file; return the daemon, or None if it doesn't come."""
    deadline = time.monotonic() + seconds
    while True:
        process = Process.from_pid_file(pid_file)
        if process is not None or time.monotonic() > deadline:
            return process
        time.sleep(0.05)
