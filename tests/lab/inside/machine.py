# Copyright: (c) 2026, the virtfleet.core contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Keep a bare machine running: `python3 machine.py HOME`, in a mount namespace and cgroups of its own.

It puts the machine's disk together, boots it with systemd-nspawn, boots it again when it reboots, and ends when it is
switched off. Each boot has a new network namespace, as after a real reboot: bridges and firewall rules are gone.
SIGTERM pulls the plug for good, SIGUSR1 pulls it and boots again.

Whatever is mounted and started here is gone with this process. Its standard output is read until it closes; the last
line says "ready". What happens later is in HOME/console.log.
"""

from __future__ import annotations

import contextlib
import fcntl
import json
import os
import signal
import stat
import subprocess
import sys
import time
from pathlib import Path

# The exit status with which systemd-nspawn asks to be started again, with --keep-unit (its source: nspawn.c).
REBOOT = 133
# As in the kernel's list of devices (Documentation/admin-guide/devices.txt).
DEVICES = {"tun": (10, 200), "fuse": (10, 229)}
SIGNALS = {signal.SIGTERM, signal.SIGUSR1}


class Stopped(Exception):
    """The plug was pulled for good."""


class Reset(Exception):
    """The plug was pulled, to boot again."""


def main(home: Path) -> int:
    """Run the machine whose description is HOME/machine.json until it is switched off."""
    plan = json.loads((home / "machine.json").read_text())
    os.environ.update(plan["environment"])
    signal.signal(signal.SIGTERM, stop)
    signal.signal(signal.SIGUSR1, reset)
    # What is in use must not be removed from the cache. The lock ends with this process.
    lower = os.open(plan["lower"], os.O_RDONLY | os.O_DIRECTORY)
    fcntl.flock(lower, fcntl.LOCK_SH)
    assemble(home, plan["token"], Path(plan["lower"]))
    log = os.open(home / "console.log", os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600)
    (home / "holder.pid").write_text(f"{os.getpid()}\n")
    print("ready", flush=True)
    for number in (1, 2):
        os.dup2(log, number)
    again = True
    while again:
        try:
            again = boot(home, plan, log)
        except Stopped:
            return 0
        except Reset:
            again = True
    return 0


def stop(_number: int, _frame: object) -> None:
    """Leave the boot for good."""
    raise Stopped


def reset(_number: int, _frame: object) -> None:
    """Leave the boot for the next one."""
    raise Reset


def assemble(home: Path, token: str, lower: Path) -> None:
    """Mount the machine's disk: what is common to all of its kind below, what is its own above.

    The source of the mount names the machine: a process whose mountinfo shows it belongs to it.
    """
    if not mount_layers(home, token, lower, home):
        # In a container the folder may be on an overlay itself, and then the upper layer can't be there: it is memory.
        layer = home / "layer"
        layer.mkdir()
        require(["mount", "-t", "tmpfs", token, str(layer)])
        require(["cp", "-a", str(home / "upper"), str(home / "work"), str(layer)])
        if not mount_layers(home, token, lower, layer):
            sys.exit(1)
    # systemd-nspawn leaves locks and folders in /run, and would talk to the machine's own systemd there.
    require(["mount", "-t", "tmpfs", "-o", "mode=0755", token, "/run"])
    # Nodes of its own: whoever changes their mode or owner inside must not change the machine's.
    for name, (major, minor) in DEVICES.items():
        node = Path("/run", name)
        os.mknod(node, stat.S_IFCHR, os.makedev(major, minor))
        node.chmod(0o666)


def mount_layers(home: Path, token: str, lower: Path, upper: Path) -> bool:
    """Mount HOME/root; return whether that could be done."""
    options = f"lowerdir={lower / 'root'},upperdir={upper / 'upper'},workdir={upper / 'work'}"
    done = subprocess.run(["mount", "-t", "overlay", token, str(home / "root"), "-o", options], check=False)
    return done.returncode == 0


def require(words: list[str]) -> None:
    """Run a command, or end: it has said why it failed."""
    if subprocess.run(words, check=False).returncode:
        sys.exit(1)


def boot(home: Path, plan: dict[str, list[str]], log: int) -> bool:
    """Boot once; return whether it wants to boot again."""
    children: list[subprocess.Popen[bytes]] = []
    try:
        # Somebody has to hold the network namespace until systemd-nspawn enters it.
        wires = start(children, ["unshare", "--net", "sh", "-c", "ip link set lo up; echo; exec sleep infinity"], log)
        assert wires.stdout is not None
        wires.stdout.read(1)
        note(home / "net", wires.pid)
        reading, writing = os.pipe()
        start(children, [*plan["slirp"], f"--ready-fd={writing}", str(wires.pid), "tap0"], log, writing)
        os.close(writing)
        os.read(reading, 1)
        os.close(reading)
        network = f"--network-namespace-path=/proc/{wires.pid}/ns/net"
        words = plan["nspawn"]
        nspawn = start(children, [*words[:1], network, *words[1:]], log)
        first = None
        while nspawn.poll() is None and first is None:
            time.sleep(0.02)
            first = leader(nspawn.pid)
        if first is not None:
            note(home / "leader", first)
        return nspawn.wait() == REBOOT
    finally:
        # A second signal waits until everything of this boot is gone.
        signal.pthread_sigmask(signal.SIG_BLOCK, SIGNALS)
        for name in ("leader", "net"):
            (home / name).unlink(missing_ok=True)
        for child in reversed(children):
            # With the first process inside all the others end; systemd-nspawn sees that and ends as well.
            inner = leader(child.pid)
            if inner is not None:
                os.kill(inner, signal.SIGKILL)
                with contextlib.suppress(subprocess.TimeoutExpired):
                    child.wait(5)
            child.kill()
            child.wait()
        signal.pthread_sigmask(signal.SIG_UNBLOCK, SIGNALS)


def start(
    children: list[subprocess.Popen[bytes]], words: list[str], log: int, *passed: int
) -> subprocess.Popen[bytes]:
    """Start a program that is killed if this one dies."""
    child = subprocess.Popen(
        ["setpriv", "--pdeathsig", "KILL", "--", *words],
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE if words[0] == "unshare" else log,
        stderr=log,
        pass_fds=passed,
    )
    children.append(child)
    return child


def leader(parent: int) -> int | None:
    """Find the first process inside among the children of systemd-nspawn."""
    try:
        for pid in Path(f"/proc/{parent}/task/{parent}/children").read_text().split():
            status = Path(f"/proc/{pid}/status").read_text()
            inner = next(line for line in status.splitlines() if line.startswith("NSpid:")).split()
            if len(inner) > 2 and inner[-1] == "1":
                return int(pid)
    except (OSError, StopIteration):
        pass  # it is just being made, or gone
    return None


def note(path: Path, pid: int) -> None:
    """Write down a process: its pid and its start time (field 22 of proc(5) stat)."""
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    part = path.with_name(path.name + ".part")
    part.write_text(f"{pid} {fields[19]}\n")
    part.replace(path)


if __name__ == "__main__":
    sys.exit(main(Path(sys.argv[1])))
