# Copyright: (c) 2026, the virtfleet.core contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""A lab machine: a freshly installed Debian that nobody has touched, reached by ssh, thrown away afterwards.

machine = Machine("one", suite="trixie").up()
subprocess.run(machine.ssh("hostname"))       # from outside, as Ansible does
machine.exec(["apt-get", "install", "hello"])  # inside, without ssh
machine.reboot()
machine.down()

It is no virtual machine: its kernel is this machine's. systemd, apt, sshd, users and mounts are its own.
"""

from __future__ import annotations

import json
import os
import select
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any
from uuid import UUID, uuid4

from . import _outfit, _roots, _ssh
from ._place import SYSTEM_PATH, kinds
from ._proc import PROC, Process
from ._reached import Reached, bytecode
from ._run import LabError, Say, need, quiet, run

KEEPER = Path(__file__).parent / "inside" / "machine.py"
INITS = ("systemd", "none")
USER = _roots.USER
# Until sshd answers, on a busy machine.
PATIENCE = 90
ENVIRONMENT = {"HOME": "/root", "PATH": SYSTEM_PATH, "LC_ALL": "C.UTF-8", "TERM": "dumb", "DEBIAN_FRONTEND": "noninteractive"}

# Without the first, /proc/sys/net can't be written and no network can be made; the rest of /proc/sys, which is the real
# machine's, stays closed. Without the second, today's systemd finds no control groups that it knows.
NSPAWN_ENVIRONMENT = {"SYSTEMD_NSPAWN_API_VFS_WRITABLE": "network", "SYSTEMD_NSPAWN_UNIFIED_HIERARCHY": "1"}
# Made by the keeper.
DEVICES = {"/run/tun": "/dev/net/tun", "/run/fuse": "/dev/fuse"}
# What libvirt takes for the identity of a machine. It is the real machine's, and two hosts must not have the same. It can
# be covered only when systemd-nspawn has mounted everything, so the first process does that: FIRST UUID FILE COMMAND...
DMI_UUID = Path("/sys/devices/virtual/dmi/id/product_uuid")
FIRST = """\
if [ -e "$2" ]; then
    echo "$1" >/run/product_uuid
    mount --bind /run/product_uuid "$2"
    rm /run/product_uuid
fi
shift 2
exec "$@"
"""
# slirp4netns answers names there.
RESOLVER = "10.0.2.3"

CONNECT = """\
#!/bin/sh
# The way to the machine's sshd: from its present network namespace, which changes with each boot. The connection is
# handed to ssh, which then notices at once when the machine is gone.
read -r pid start < {net} || exit 1
# A pid may be another process's by now; its start time tells.
stat=$(sed 's/.*) //' "/proc/$pid/stat") || exit 1
set -- $stat
shift 19
[ "$1" = "$start" ] || exit 1
exec {nsenter} -t "$pid" -n -- {nc} -F 127.0.0.1 22
"""


def machines() -> list[Machine]:
    """List the machines that have a folder, up or not."""
    return [Machine(name) for name, kind in kinds().items() if kind == Machine.KIND]


class Machine(Reached):
    """One bare machine. Making the object does nothing; `up()` does.

    `suite` is its release and `init` its first process: "systemd", or "none" for a machine where nothing starts or
    watches daemons. `shown` are folders of this machine that it sees at the same path, read-only. Of a machine that is
    there already, its own words hold.
    """

    KIND = "machine"

    def __init__(
        self,
        name: str,
        say: Say = quiet,
        *,
        suite: str = "trixie",
        init: str = "systemd",
        shown: Sequence[Path] = (),
    ) -> None:
        super().__init__(name, say)
        if init not in INITS:
            raise LabError(f"init is {init!r}; use {' or '.join(INITS)}")
        state = self.state()
        self.suite = str(state.get("suite", suite))
        self.init = str(state.get("init", init))
        self._shown = tuple(shown)
        self._lower = Path()

    # What others need to know

    @property
    def uuid(self) -> str:
        """The machine's identity: /etc/machine-id with hyphens."""
        return str(self.state().get("uuid", ""))

    @property
    def uri(self) -> str:
        """The URI of its libvirt, once it has one, for clients on this side."""
        return f"qemu+ssh://root@{self.name}/system?command={self.home}/ssh"

    @property
    def leader(self) -> Process | None:
        """Its process 1, as this side sees it, if it is booted."""
        return Process.load(self.home / "leader")

    @property
    def root(self) -> Path:
        """Its root folder as this side sees it; only while it is booted."""
        return PROC / str(self._booted().pid) / "root"

    def guests(self) -> dict[str, Process]:
        """Return the QEMU process of each running guest, by guest name."""
        found = {}
        for process in self.namespaces.processes():
            if not process.name.startswith("qemu-system"):
                continue
            try:
                words = (PROC / str(process.pid) / "cmdline").read_text(errors="replace").split("\0")
            except OSError:
                continue
            names = [word for word in words if word.startswith("guest=")]
            if names:
                found[names[0].removeprefix("guest=").split(",")[0]] = process
        return found

    # Boots

    def reboot(self) -> None:
        """Reboot it as its administrator would, and wait until it is back. Without systemd, the plug is pulled."""
        if self.init != "systemd":
            self.reset()
            return
        before = self._booted()
        self.exec(["systemctl", "reboot"], check=False)
        self._await_boot(before)

    def reset(self) -> None:
        """Pull the plug, and wait until it has booted again. What was on its disk is there; /run and processes aren't."""
        before = self._booted()
        holder = self.namespaces.holder
        if holder is None or not holder.send(signal.SIGUSR1):
            raise LabError(f"{self.title} is not up")
        self._await_boot(before)

    def _booted(self) -> Process:
        leader = self.leader
        if leader is None:
            raise LabError(f"{self.title} is not up; run `python3 -m tests.lab up {self.name}`. {self._console()}")
        return leader

    def _await_boot(self, before: Process | None = None) -> None:
        """Wait until a boot other than the one of `before` lets users in by ssh."""
        self._until(lambda: self.leader not in (None, before), "start")
        self._until(self._answers, "answer by ssh")
        # Until then PAM lets nobody but root in.
        self._until(lambda: not (self.root / "run/nologin").exists(), "let users in")

    def _until(self, there: Callable[[], bool], what: str) -> None:
        deadline = time.monotonic() + PATIENCE
        while not there():
            if not self.is_up:
                raise LabError(f"{self.title} was switched off before it did {what}. {self._console()}")
            if time.monotonic() > deadline:
                raise LabError(f"{self.title} did not {what} within {PATIENCE} s. {self._console()}")
            time.sleep(0.1)

    def _answers(self) -> bool:
        """Tell whether sshd says its name."""
        net = Process.load(self.home / "net")
        if net is None:
            return False
        words = [need("nsenter"), "-t", str(net.pid), "-n", "--", need("nc"), "127.0.0.1", "22"]
        with subprocess.Popen(
            words, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL
        ) as way:
            assert way.stdout is not None
            ready, _writable, _failed = select.select([way.stdout], [], [], 5)
            said = os.read(way.stdout.fileno(), 4) if ready else b""
            way.kill()
        return said == b"SSH-"

    def _console(self) -> str:
        path = self.home / "console.log"
        try:
            return f"{path} ends with: " + " | ".join(path.read_text(errors="replace").splitlines()[-8:])
        except OSError:
            return "It has said nothing yet."

    # Up and down

    def _prepare(self) -> None:
        for name in ("systemd-nspawn", "slirp4netns", "nsenter", "unshare", "setsid", "mount", "ip", "nc", "ssh-keygen"):
            need(name)
        self._lower = _roots.build(self.suite, self.init, self._say)

    def _complete(self) -> None:
        self._await_boot()
        self._say(f"{self.name}: is up already")

    def _way_in(self) -> str:
        return f"{self.suite}, `ssh -F {self.ssh_config} {self.name}`"

    def _make(self, owner: Process | None) -> None:
        self._say(f"{self.name}: making a machine of {self.suite} in {self.home}")
        # The files of its users lie here with the modes that they have inside, set-user-id among them.
        self.home.mkdir(parents=True, mode=0o700)
        for name in ("upper", "work", "root", "archives"):
            (self.home / name).mkdir()
            (self.home / name).chmod(0o755)
        identity = uuid4()
        self._write_state(owner, uuid=str(identity), suite=self.suite, init=self.init)
        self._write_ways()
        _outfit.fit_out(self.home / "upper", self._lower / "root", self.suite, self._files(identity.hex))
        _outfit.lend_archives(self.suite, self.home / "archives")
        (self.home / "machine.json").write_text(json.dumps(self._plan(identity)) + "\n")
        self.namespaces.make([sys.executable, "-I", str(KEEPER), str(self.home)], ["mount"])
        self._await_boot()

    def _plan(self, identity: UUID) -> dict[str, Any]:
        """Return what the keeper needs to know."""
        binds = [f"--bind={node}:{device}" for node, device in DEVICES.items()]
        binds.append(f"--bind={self.home}/archives:/var/cache/apt/archives")
        binds += [f"--bind-ro={folder}" for folder in self._shown]
        first = ["/bin/sh", "-c", FIRST, "sh", str(identity), str(DMI_UUID)]
        systemd = ["--", *first, "/sbin/init"]
        none = ["--as-pid2", "--", *first, "/bin/sh", "-c", "mkdir -p /run/sshd; exec /usr/sbin/sshd -D"]
        return {
            "token": self.namespaces.token,
            "lower": str(self._lower),
            "environment": NSPAWN_ENVIRONMENT,
            "slirp": [need("slirp4netns"), "--configure", "--mtu=65520", "--disable-host-loopback"],
            "nspawn": [
                need("systemd-nspawn"),
                "--quiet",
                f"--directory={self.home}/root",
                f"--machine={self.name}",
                f"--hostname={self.name}",
                f"--uuid={identity}",
                # The machine's own systemd, where there is one, is not to know of it.
                "--register=no",
                "--keep-unit",
                "--capability=all",
                "--resolv-conf=off",
                "--timezone=off",
                "--link-journal=no",
                "--console=pipe",
                *binds,
                *(systemd if self.init == "systemd" else none),
            ],
        }

    def _write_ways(self) -> None:
        """Write the keys, and the files with which ssh and Ansible find in."""
        for name in (_ssh.KEY, _ssh.HOST_KEY):
            argv = [need("ssh-keygen"), "-q", "-t", "ed25519", "-N", "", "-C", self.name, "-f", f"{self.home}/{name}"]
            run(argv, what=f"make a key for {self.title}")
        how = {"ProxyCommand": f"{self.home}/connect", "ProxyUseFdpass": "yes", "ConnectTimeout": "10"}
        _ssh.write_way_in(self.home, self.name, how)
        words = {"net": self.home / "net", "nsenter": need("nsenter"), "nc": need("nc")}
        _ssh.write_script(self.home / "connect", CONNECT.format(**words))
        inventory = {"hypervisors": {"hosts": {self.name: self.inventory()}}}
        (self.home / "inventory.yml").write_text(json.dumps(inventory, indent=2) + "\n")

    def _files(self, identity: str) -> Mapping[str, tuple[str, int]]:
        """Return the files that make it this machine and no other, by path, with their modes."""
        key = (self.home / "id_ed25519.pub").read_text()
        return {
            "etc/hostname": (f"{self.name}\n", 0o644),
            "etc/hosts": (f"127.0.0.1 localhost\n127.0.1.1 {self.name}\n::1 localhost ip6-localhost\n", 0o644),
            "etc/machine-id": (f"{identity}\n", 0o444),
            "etc/resolv.conf": (f"nameserver {RESOLVER}\n", 0o644),
            "etc/ssh/ssh_host_ed25519_key": ((self.home / "host_key").read_text(), 0o600),
            "etc/ssh/ssh_host_ed25519_key.pub": ((self.home / "host_key.pub").read_text(), 0o644),
            "root/.ssh/authorized_keys": (key, 0o600),
            f"home/{USER}/.ssh/authorized_keys": (key, 0o600),
            **{path: (text, 0o644) for path, text in bytecode().items()},
        }

    def _end(self) -> list[str]:
        killed = self.namespaces.remove(holder_first=True)
        try:
            _outfit.keep_archives(self.suite, self.home / "archives")
        except OSError as error:
            self._say(f"{self.name}: its packages are not kept: {error}")
        return killed

    # Commands

    def _enter(self, cwd: Path | None, env: Mapping[str, str]) -> list[str]:
        words = [need("nsenter"), "-t", str(self._booted().pid), "-a"]
        if cwd is not None:
            words.append(f"--wd={cwd}")
        return [*words, "--", "env", "-i", *(f"{key}={value}" for key, value in {**ENVIRONMENT, **env}.items())]

    def _shell_place(self) -> tuple[Path | None, Mapping[str, str]]:
        return None, {"TERM": "xterm", "DEBIAN_FRONTEND": "dialog", "VIRTFLEET_LAB_HOST": self.name}
