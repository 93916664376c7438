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

import os
import signal
import stat
import subprocess
import time
import uuid
from collections.abc import Mapping
from pathlib import Path

from . import _daemons
from ._place import SYSTEM_PATH, Place, kinds
from ._proc import Process, end
from ._run import LabError, need, run

SETUP = Path(__file__).parent / "inside" / "setup.sh"
DAEMON_ENV = {"PATH": SYSTEM_PATH, "HOME": "/root", "LANG": "C.UTF-8"}


def hosts() -> list[Host]:
    """List the private libvirt hosts that have a folder, up or not."""
    return [Host(name) for name, kind in kinds().items() if kind == Host.KIND]


class Host(Place):
    """One private libvirt host. Making the object does nothing; `up()` does."""

    KIND = "host"

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

    def _prepare(self) -> None:
        _daemons.installed()
        for name in ("nsenter", "unshare", "setsid", "mount", "ip", "virsh"):
            need(name)

    def _complete(self) -> None:
        if self.libvirtd is None:
            self._say(f"{self.name}: its libvirtd is stopped; starting it")
            self.start_libvirtd()
        else:
            self._say(f"{self.name}: is up already")

    def _way_in(self) -> str:
        return f"URI {self.uri}"

    def _make(self, owner: Process | None) -> None:
        daemons = _daemons.installed()
        self._say(f"{self.name}: making namespaces and folders in {self.home}")
        self._make_folders()
        host_uuid = str(uuid.uuid4())
        self._write_state(owner, uuid=host_uuid)
        kvm = "keep" if os.environ.get("VIRTFLEET_LAB_KVM") == "1" else "hide"
        setup = ["sh", str(SETUP), str(self.home), self.name, self.namespaces.token, kvm]
        cgroups = self.namespaces.make(setup)
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

    def _end(self) -> list[str]:
        count = len(self.guests())
        self._say(f"{self.name}: ending {count} guest{'' if count == 1 else 's'} and the daemons")
        # libvirtd first: it must not see its guests die and act on that.
        end([process for process in self._daemon_processes() if process], patience=5)
        return self.namespaces.remove()

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
                raise LabError(f"could not start {name} of {self.title}: {said}")
            process.save(self._pid_record(name))
        run(["virsh", "-c", self.uri, "version"], what=f"reach the libvirt of {self.title}", timeout=30)

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
            raise LabError(f"libvirtd of {self.title} is not running")

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

    def _enter(self, cwd: Path | None, env: Mapping[str, str]) -> list[str]:
        words = ["env", *(f"{key}={value}" for key, value in env.items())] if env else []
        return [*self.namespaces.prefix(cwd=cwd), *words]

    def _shell_place(self) -> tuple[Path | None, Mapping[str, str]]:
        path = os.pathsep.join([os.environ.get("PATH", ""), SYSTEM_PATH])
        return Path.cwd(), {"PATH": path, "LIBVIRT_DEFAULT_URI": "qemu:///system", "VIRTFLEET_LAB_HOST": self.name}


def _appears(pid_file: Path, seconds: float) -> Process | None:
    """Wait until a daemon has written its pid file; return the daemon, or None if it doesn't come."""
    deadline = time.monotonic() + seconds
    while True:
        process = Process.from_pid_file(pid_file)
        if process is not None or time.monotonic() > deadline:
            return process
        time.sleep(0.05)
