# Copyright: (c) 2026, the virtfleet.core contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""One emulated computer: QEMU on a disk in a folder, its monitor, and the way in by ssh through a port of loopback."""

from __future__ import annotations

import contextlib
import json
import os
import re
import socket
import subprocess
import time
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any

from . import _ssh
from ._proc import PROC, Process, end, everyone
from ._run import LabError, need, run

PROGRAM = "qemu-system-x86_64"
MEMORY_MIB = 3072
# What Xen and its dom0 can live with under emulation, SVM for PVH and HVM guests included. With all that QEMU can
# emulate, dom0 ends in an exception; with rdtscp, SVM's guests do.
CPU = "qemu64,+svm,+npt,+popcnt,+ssse3,+sse4.1,+sse4.2,+cx16,+lahf_lm,+pdpe1gb,+fsgsbase"
# A snapshot is taken up by the same words alone.
WORDS = (
    "-nodefaults", "-no-user-config",
    "-machine", "q35",
    "-accel", "tcg,thread=multi,tb-size=512",
    "-cpu", CPU,
    "-smp", "2",
    "-m", str(MEMORY_MIB),
    "-display", "none",
    "-vga", "none",
    # A port of the system's choice.
    "-netdev", "user,id=n0,hostfwd=tcp:127.0.0.1:0-:22",
    "-device", "virtio-net-pci,netdev=n0,romfile=",
    "-device", "virtio-rng-pci",
)  # fmt: skip
SNAPSHOT = "ready"
# A cold boot into Xen on a machine that does other things too.
PATIENCE = 900
NICE = -10
# The longest path of a unix socket, less what ssh adds while it makes one, and less a user's name.
SOCKET_PATH = 108 - 24

# HOST_FORWARD lines of `info usernet`: protocol, descriptor, address, port.
FORWARD = re.compile(r"TCP\[HOST_FORWARD\]\s+\d+\s+127\.0\.0\.1\s+(\d+)\s")


def prefer(process: Process) -> None:
    """Let a QEMU run before others, where the system allows it.

    Its CPUs wait for each other: where one of them has to queue behind other work, the other one spins. Beside three busy
    processes on two CPUs, Xen started a guest in ten times the time, longer than its tools wait, and with this in a fifth more.
    """
    with contextlib.suppress(OSError):
        for thread in (PROC / str(process.pid) / "task").iterdir():
            os.setpriority(os.PRIO_PROCESS, int(thread.name), NICE)
    # Where Linux weighs sessions against each other, a session's word is what counts.
    with contextlib.suppress(OSError):
        (PROC / str(process.pid) / "autogroup").write_text(str(NICE))


def version() -> str:
    """Return QEMU's version; a snapshot is another version's only by luck."""
    return run([need(PROGRAM), "--version"], what="ask for QEMU's version").splitlines()[0]


class Qemu:
    """The computer whose disk.qcow2 and keys lie in a folder. `name` is what ssh calls it."""

    def __init__(self, name: str, folder: Path) -> None:
        self.name = name
        self.folder = folder
        self._pid_file = folder / "qemu.pid"
        self._tied: subprocess.Popen[bytes] | None = None

    # The process

    @property
    def process(self) -> Process | None:
        """QEMU, if it runs: the process of the pid file that has been told to write it."""
        found = Process.from_pid_file(self._pid_file)
        return found if found is not None and self._is_ours(found) else None

    def processes(self) -> list[Process]:
        """Return QEMU also where it has not yet written its pid, or its folder's file is gone."""
        return [each for each in everyone() if each.pid != os.getpid() and self._is_ours(each)]

    def _is_ours(self, process: Process) -> bool:
        try:
            words = (PROC / str(process.pid) / "cmdline").read_bytes().split(b"\0")
        except OSError:
            return False
        return b"-pidfile" in words and str(self._pid_file).encode() in words

    def start(self, *, snapshot: str | None = None, tied: bool = False) -> None:
        """Start it from its disk, or go on where a snapshot was taken. Where `tied`, it dies with this process."""
        argv = self._argv() + (["-loadvm", snapshot] if snapshot else [])
        if tied:
            # Nobody else knows of it.
            words = [need("setpriv"), "--pdeathsig", "KILL", *argv]
            with open(self.folder / "qemu.log", "wb") as log:
                none = subprocess.DEVNULL
                self._tied = subprocess.Popen(words, stdin=none, stdout=log, stderr=log, start_new_session=True)
        else:
            run([*argv, "-daemonize"], what=f"start QEMU for {self.name}", timeout=120)
        for process in self.processes():
            prefer(process)
        self.write_ways(self._find_port())

    def _argv(self) -> list[str]:
        return [
            need(PROGRAM),
            "-name", f"lab-{self.name}",
            "-serial", f"file:{self.folder}/console.log",
            "-qmp", f"unix:{self.folder}/qmp,server=on,wait=off",
            "-pidfile", str(self._pid_file),
            # What is lost with this machine is lost anyhow.
            "-drive", f"file={self.folder}/disk.qcow2,format=qcow2,if=virtio,cache=unsafe,discard=unmap",
            *WORDS,
        ]  # fmt: skip

    def end(self) -> list[str]:
        """End it; return the names of processes that had to be killed."""
        self._unshare()
        killed = [process.name for process in end(self.processes(), patience=10)]
        if self._tied is not None:
            self._tied.wait()
            self._tied = None
        return killed

    # The monitor

    def monitor(self, line: str, seconds: float = 120) -> str:
        """Give a line to the human monitor and return what it says."""
        deadline = time.monotonic() + 30
        with socket.socket(socket.AF_UNIX) as way:
            way.settimeout(seconds)
            while True:
                try:
                    way.connect(str(self.folder / "qmp"))
                    break
                except OSError as error:
                    if not self.processes() or time.monotonic() > deadline:
                        raise LabError(f"{self.name}: QEMU's monitor doesn't answer: {error}. {self._said()}") from error
                    time.sleep(0.1)
            with way.makefile("rw", encoding="utf-8") as stream:
                stream.readline()
                self._ask(stream, "qmp_capabilities")
                return str(self._ask(stream, "human-monitor-command", **{"command-line": line}))

    def _ask(self, stream: Any, command: str, **arguments: str) -> Any:
        stream.write(json.dumps({"execute": command, "arguments": arguments}) + "\n")
        stream.flush()
        for line in stream:
            answer = json.loads(line)
            if "error" in answer:
                raise LabError(f"{self.name}: QEMU refused {command}: {answer['error'].get('desc')}")
            if "return" in answer:
                return answer["return"]
        raise LabError(f"{self.name}: QEMU ended while it was asked for {command}. {self._said()}")

    def save(self) -> None:
        """Take the snapshot that later ones of this computer go on from."""
        said = self.monitor(f"savevm {SNAPSHOT}", seconds=300).strip()
        if said:
            raise LabError(f"{self.name}: no snapshot could be taken: {said}")

    def _find_port(self) -> int:
        found = FORWARD.search(self.monitor("info usernet"))
        if found is None:
            raise LabError(f"{self.name}: QEMU forwards no port")
        return int(found[1])

    # The way in

    @property
    def ssh_config(self) -> Path:
        """A configuration for ssh in which the name leads to it as root, without a question."""
        return self.folder / _ssh.CONFIG

    def ssh(self, *command: str, user: str = "root") -> list[str]:
        """Return the words of an ssh command to it."""
        return _ssh.words(self.folder, self.name, *command, user=user)

    def write_ways(self, port: int) -> None:
        """Write the files with which ssh, Ansible and libvirt find in."""
        shared = f"{self.folder}/mux-%r"
        where = {"HostName": "127.0.0.1", "Port": str(port)}
        # Under emulation, beside other work, a handshake takes its time.
        patience = {"ConnectTimeout": "30", "ControlPath": shared if len(shared) < SOCKET_PATH else "none"}
        _ssh.write_way_in(self.folder, self.name, where | patience)
        # ssh hands one line to a shell: each word is quoted, so that it arrives as it is.
        _ssh.write_script(self.folder / "enter", f'#!/bin/bash\nexec ssh -F {self.ssh_config} {self.name} "${{*@Q}}"\n')

    def _share(self) -> None:
        """Open a connection that root's later ones go through, libvirt's too: one of its own takes seconds where it is emulated.

        Without it, each is made by itself. One that is there stays: somebody may be at work in it.
        """
        if self._control("-O", "check"):
            return
        # Silence for long is no news of an emulated machine; after a reset its answer to the first word ends it.
        alive = ["-o", "ServerAliveInterval=20", "-o", "ServerAliveCountMax=9"]
        self._control("-o", "ControlMaster=auto", *alive, "-f", "-N")

    def _unshare(self) -> None:
        self._control("-O", "exit")

    def _control(self, *words: str) -> bool:
        argv = ["ssh", "-F", str(self.ssh_config), *words, self.name]
        none = subprocess.DEVNULL
        try:
            return subprocess.run(argv, stdin=none, stdout=none, stderr=none, timeout=60, check=False).returncode == 0
        except subprocess.TimeoutExpired:
            return False

    def tell(self, script: str, *, seconds: float = 120) -> str:
        """Run a shell script on it as root and return what it says."""
        return run(self.ssh(script), what=f"do something on {self.name}", timeout=seconds)

    def boot_id(self) -> str | None:
        """Return the id of its present boot, or None where it doesn't answer by ssh."""
        words = self.ssh("cat /proc/sys/kernel/random/boot_id")
        # As somebody new: a connection from before says nothing of it.
        words[1:1] = ["-o", "ConnectTimeout=10", "-o", "ControlPath=none"]
        try:
            done = subprocess.run(
                words, stdin=subprocess.DEVNULL, capture_output=True, text=True, timeout=40, check=False
            )
        except subprocess.TimeoutExpired:
            return None
        return done.stdout.strip() if done.returncode == 0 else None

    def await_boot(self, before: str | None = None, patience: float = PATIENCE) -> None:
        """Wait until a boot other than `before` lets users in by ssh."""
        self._until(lambda: self.boot_id() not in (None, before), "answer by ssh", patience)
        if before is not None:
            self._unshare()
        self._share()
        # Until then PAM lets nobody but root in.
        self.tell("while [ -e /run/nologin ]; do sleep 0.2; done", seconds=patience)

    def await_units(self, seconds: float = PATIENCE) -> None:
        """Wait until systemd has started what it wants to start."""
        run(self.ssh("systemctl is-system-running --wait || :"), what=f"wait for {self.name}", timeout=seconds)

    def reboot(self) -> None:
        """Reboot it as its administrator would, and wait until it is back."""
        before = self.boot_id()
        subprocess.run(self.ssh("systemctl reboot"), capture_output=True, timeout=60, check=False)
        self.await_boot(before)

    def _until(self, there: Callable[[], bool], what: str, patience: float) -> None:
        deadline = time.monotonic() + patience
        while not there():
            if not self.processes():
                raise LabError(f"{self.name} was switched off before it did {what}. {self._said()}")
            if time.monotonic() > deadline:
                raise LabError(f"{self.name} did not {what} within {patience:.0f} s. {self._said()}")
            time.sleep(0.3)

    def _said(self) -> str:
        return " ".join(_ending(self.folder / name) for name in ("console.log", "qemu.log")).strip()


def _ending(path: Path) -> str:
    try:
        lines: Iterable[str] = path.read_text(errors="replace").splitlines()[-8:]
    except OSError:
        return ""
    return f"{path} ends with: " + " | ".join(lines)
