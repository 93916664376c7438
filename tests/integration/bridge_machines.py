# Copyright: (c) 2026, the virtfleet.core contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A machine with systemd and one network card, and the router that is the only way to it.

Both are network namespaces joined by a veth pair: `eth0` of the machine, booted by systemd-nspawn, and `rt0` of the router,
which gives addresses by DHCP and is the gateway. Ansible runs in the router's namespace and comes in by ssh, over the
very address that a change of the network may take away.
"""

from __future__ import annotations

import contextlib
import itertools
import json
import os
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from tests.integration.playing import HERE, Results, _read
from tests.lab import _mmdebstrap
from tests.lab._cache import cached, key_of
from tests.lab._run import LabError, need, run
from tools.dev import apt

MAC = "52:54:00:aa:00:01"
ROUTER, STATIC = "192.0.2.1", "192.0.2.10"
ROUTER6, STATIC6 = "2001:db8:1::1", "2001:db8:1::10"
NOBODY = "192.0.2.254"
# Programs of the machine on which the tests run.
PACKAGES = ("dnsmasq-base", "iproute2", "mmdebstrap", "openssh-client", "systemd-container")
_DHCP = {"bookworm": "isc-dhcp-client", "trixie": "dhcpcd-base"}
_INSIDE = (
    "ca-certificates dbus ifupdown iproute2 netbase netplan.io network-manager openssh-server python3 systemd-sysv udev"
).split()
_numbers = itertools.count(1)


def root_of(suite: str) -> Path:
    """Return a root of a release of Debian with every network manager in it; made once, in a few minutes."""
    packages = [*_INSIDE, _DHCP[suite]]

    def make(folder: Path) -> None:
        _mmdebstrap.install(suite, folder / "root", packages, what=f"install {suite} with every network manager")

    apt.ensure(PACKAGES)
    key = key_of({"include": ",".join(packages)}, _mmdebstrap.SOURCES)
    return cached(f"bridge-root-{suite}", key, make) / "root"


class Machine:
    """One machine and its router. `settings` are files of the machine: what it is configured by."""

    def __init__(self, folder: Path, suite: str = "bookworm") -> None:
        self.folder = folder
        self.suite = suite
        number = next(_numbers)
        self.inside, self.router = (f"vfb-{os.getpid()}-{number}-{side}" for side in ("m", "r"))
        self.root = folder / "root"
        self.address = STATIC
        self._nspawn: subprocess.Popen[bytes] | None = None
        self._dnsmasq: subprocess.Popen[bytes] | None = None
        # The path of a socket may have 107 bytes, and pytest's folders are long.
        self._sockets = tempfile.TemporaryDirectory(prefix="vfb-")

    def make(self, settings: Mapping[str, str], *, services: Sequence[str] = ()) -> None:
        """Make the files and the router; ``services`` are enabled, beside the ones that always are."""
        for name in ("upper", "work", "root"):
            (self.folder / name).mkdir()
        layers = f"lowerdir={root_of(self.suite)},upperdir={self.folder}/upper,workdir={self.folder}/work"
        run(["mount", "-t", "overlay", "overlay", "-o", layers, self.root], what="lay a root over another")
        key = self.folder / "key"
        run(["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", key], what="make a key")
        (self.root / "etc/resolv.conf").unlink(missing_ok=True)
        files = {
            "/etc/machine-id": "", "/etc/hostname": "machine\n", "/etc/hosts": "127.0.0.1 localhost machine\n",
            "/root/.ssh/authorized_keys": key.with_suffix(".pub").read_text(),
            "/etc/network/interfaces": "auto lo\niface lo inet loopback\n",
            "/etc/ssh/sshd_config.d/test.conf": "UseDNS no\n",
            # There is no udev in a container, and `netplan apply` takes its absence for a failure.
            "/usr/bin/udevadm": "#!/bin/sh\nexit 0\n",
            **settings,
        }  # fmt: skip
        for path, text in files.items():
            place = self.root / path.lstrip("/")
            place.parent.mkdir(parents=True, exist_ok=True)
            place.write_text(text)
            secret = path.endswith((".yaml", ".nmconnection", "authorized_keys"))
            place.chmod(0o755 if "/bin/" in path else 0o600 if secret else 0o644)
        for service in ("NetworkManager", "systemd-networkd", "systemd-networkd-wait-online", "NetworkManager-wait-online"):
            verb = "enable" if service in services else "mask" if service.startswith("NetworkM") else "disable"
            run(["systemctl", f"--root={self.root}", "-q", verb, f"{service}.service"], what=f"{verb} {service}")
        run(["systemctl", f"--root={self.root}", "-q", "mask", "systemd-networkd-wait-online"], what="mask a service")
        run(["ip", "netns", "add", self.router], what="make the router")
        self.in_router("ip", "link", "set", "lo", "up")

    def boot(self) -> None:
        """Start the machine with a network as new: the one of an earlier start is gone, as with a real one."""
        run(["ip", "netns", "add", self.inside], what="make the machine's network")
        cable = ["ip", "-n", self.router, "link", "add", "rt0", "type", "veth", "peer", "name", "eth0", "netns", self.inside]
        run(cable, what="lay a cable")
        run(["ip", "-n", self.inside, "link", "set", "eth0", "address", MAC], what="give the card its MAC")
        self.in_router("ip", "link", "set", "rt0", "up")
        self.in_router("ip", "addr", "add", f"{ROUTER}/24", "dev", "rt0")
        self.in_router("ip", "addr", "add", f"{ROUTER6}/64", "dev", "rt0", "nodad")
        self._serve()
        environment = {"SYSTEMD_NSPAWN_API_VFS_WRITABLE": "network", "SYSTEMD_NSPAWN_UNIFIED_HIERARCHY": "1"}
        words = [
            need("systemd-nspawn"), "--quiet", f"--directory={self.root}", "--boot", "--register=no", "--keep-unit",
            "--capability=all", f"--machine={self.inside}", f"--network-namespace-path=/run/netns/{self.inside}",
            "--resolv-conf=off", "--console=pipe",
        ]  # fmt: skip
        with (self.folder / "console").open("ab") as console:
            self._nspawn = subprocess.Popen(
                words, env={**os.environ, **environment}, stdin=subprocess.DEVNULL, stdout=console, stderr=console,
                start_new_session=True,
            )  # fmt: skip
        self.await_ssh()

    def _serve(self) -> None:
        leases = self.folder / "leases"
        words = [
            "dnsmasq", "--keep-in-foreground", "--conf-file=/dev/null", "--port=0", "--interface=rt0", "--no-ping",
            "--dhcp-authoritative", f"--dhcp-host={MAC},{STATIC}", "--dhcp-range=192.0.2.100,192.0.2.150,1h",
            f"--dhcp-option=option:dns-server,{ROUTER}", "--dhcp-range=2001:db8:1::,ra-only", "--enable-ra", "--log-dhcp",
            "--ra-param=rt0,10,600", f"--dhcp-leasefile={leases}", f"--log-facility={self.folder}/dnsmasq.log",
        ]  # fmt: skip
        self._dnsmasq = subprocess.Popen(self._enter(words), stdin=subprocess.DEVNULL, stderr=subprocess.DEVNULL)

    def await_ssh(self, limit_s: float = 60) -> None:
        """Wait until somebody answers on the machine's address."""
        until = time.monotonic() + limit_s
        while time.monotonic() < until:
            if self.ssh("true", check=False).returncode == 0:
                return
            time.sleep(0.2)
        raise LabError(f"the machine does not answer: {self.console()[-3000:]}")

    def console(self) -> str:
        return (self.folder / "console").read_text(errors="replace")

    def ssh(self, *words: str, check: bool = True) -> subprocess.CompletedProcess[str]:
        """Run a command over the network, as Ansible does."""
        argv = ["ssh", *self._ssh_options(), "-o", "ConnectTimeout=2", "-i", str(self.folder / "key"), f"root@{self.address}"]
        return subprocess.run(
            self._enter([*argv, *words]), text=True, capture_output=True, stdin=subprocess.DEVNULL, timeout=30, check=check
        )

    def _ssh_options(self) -> list[str]:
        options = ["StrictHostKeyChecking=no", "UserKnownHostsFile=/dev/null", "LogLevel=ERROR"]
        return [word for option in options for word in ("-o", option)]

    def _enter(self, words: Sequence[str]) -> list[str]:
        return ["ip", "netns", "exec", self.router, *words]

    def in_router(self, *words: str) -> str:
        """Run a command in the router."""
        return run(self._enter(words), what=f"run {words[0]} in the router")

    @property
    def leader(self) -> int:
        """The first process of the machine."""
        assert self._nspawn is not None
        children = Path(f"/proc/{self._nspawn.pid}/task/{self._nspawn.pid}/children").read_text().split()
        return int(children[0])

    def run(self, *words: str, check: bool = True) -> str:
        """Run a command inside, past its network."""
        enter = ["nsenter", "-t", str(self.leader), "-m", "-u", "-i", "-n", "-p", "-r", "-w", "env", "-i"]
        argv = [*enter, "PATH=/usr/sbin:/usr/bin:/sbin:/bin", "LC_ALL=C", *words]
        done = subprocess.run(argv, text=True, capture_output=True, stdin=subprocess.DEVNULL, timeout=60, check=False)
        assert not check or done.returncode == 0, (words, done.stdout, done.stderr)
        return done.stdout

    def ip(self, *words: str) -> list[dict[str, Any]]:
        """Return what ip says inside."""
        return [row for row in json.loads(self.run("ip", "-j", *words) or "[]") if row]

    def addresses(self, dev: str) -> set[str]:
        """Return the addresses of a link, without link-local ones; the empty set for a link that is not there."""
        rows = [row for row in self.ip("addr", "show") if row["ifname"] == dev]
        return {
            f"{info['local']}/{info['prefixlen']}"
            for row in rows for info in row["addr_info"] if info["scope"] == "global" and "local" in info
        }  # fmt: skip

    def gateway(self, dev: str) -> str | None:
        rows = self.ip("route", "show", "default", "dev", dev)
        return str(rows[0]["gateway"]) if rows else None

    def links(self) -> set[str]:
        return {row["ifname"] for row in self.ip("link", "show")}

    def file(self, path: str) -> Path:
        """Return a file of the machine, as seen from outside."""
        return self.root / path.lstrip("/")

    def tree(self) -> dict[str, tuple[str, int]]:
        """Return the files that configure the network, with their modes."""
        found = {}
        for folder in ("network", "netplan", "systemd/network", "NetworkManager", "cloud", "systemd/system"):
            for place in sorted((self.root / "etc" / folder).rglob("*")):
                if place.is_file() and not place.is_symlink():
                    found[str(place.relative_to(self.root))] = (place.read_text(), place.stat().st_mode & 0o777)
        resolv = self.root / "etc/resolv.conf"
        if resolv.exists():
            found["etc/resolv.conf"] = (resolv.read_text(), 0)
        return found

    def play(
        self, tasks: Sequence[Mapping[str, Any]], *args: str, fails: bool = False, timeout: float = 200
    ) -> Results:
        """Play tasks on the machine over ssh; unless ``fails``, every one of them must succeed."""
        number = len(list(self.folder.glob("play-*.yml")))
        book = self.folder / f"play-{number}.yml"
        book.write_text(json.dumps([{"hosts": "all", "gather_facts": False, "tasks": list(tasks)}]))
        done = self.start_play(book, *args).communicate(timeout=timeout)
        results = Results(_read(book.with_suffix(".jsonl")))
        if not fails:
            bad = [f"{result.task}: {result.msg}" for result in results if result.outcome in ("failed", "unreachable")]
            assert results and not bad, f"{bad}\n{done[0][-4000:]}"
        return results

    def start_play(self, book: Path, *args: str) -> subprocess.Popen[str]:
        """Start ansible-playbook in the router."""
        variables = {
            "ansible_host": self.address, "ansible_user": "root", "ansible_ssh_private_key_file": str(self.folder / "key"),
            "ansible_python_interpreter": "/usr/bin/python3", "ansible_ssh_common_args": " ".join(self._ssh_options()),
            "ansible_control_path_dir": self._sockets.name,
        }  # fmt: skip
        inventory = self.folder / "inventory.json"
        inventory.write_text(json.dumps({"all": {"hosts": {"machine": variables}}}))
        environment = {
            **os.environ, "ANSIBLE_NOCOLOR": "1", "ANSIBLE_PIPELINING": "true", "ANSIBLE_CALLBACK_PLUGINS": str(HERE / "callback"),
            "ANSIBLE_CALLBACKS_ENABLED": "record", "ANSIBLE_HOME": str(self.folder / "ansible"), "LC_ALL": "C.UTF-8",
            "VIRTFLEET_RECORD": str(book.with_suffix(".jsonl")),
        }  # fmt: skip
        program = str(Path(sys.executable).parent / "ansible-playbook")
        return subprocess.Popen(
            self._enter([program, "-i", str(inventory), str(book), *args]), env=environment, text=True,
            stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, start_new_session=True,
        )  # fmt: skip

    def begin_and_leave(self, options: Mapping[str, Any]) -> str:
        """Have a change begun by Ansible, and kill Ansible before it could confirm it.

        Returns the change's token once it is applied.
        """
        book = self.folder / "left.yml"
        book.write_text(json.dumps([{"hosts": "all", "gather_facts": False, "tasks": [{"virtfleet.core.host_bridge": options}]}]))
        process = self.start_play(book)
        self.await_file("pending.json")
        # Ansible's workers and ssh's master process have sessions of their own: whoever lives in the router, but its server.
        for word in self.in_router_pids():
            with contextlib.suppress(ProcessLookupError):
                os.kill(word, signal.SIGKILL)
        process.communicate()
        self.await_file("state.json", '"applied"')
        return str(json.loads(self.file("/var/lib/virtfleet/bridge/br0/pending.json").read_text())["token"])

    def in_router_pids(self) -> list[int]:
        """Return the processes in the router, without its DHCP server."""
        assert self._dnsmasq is not None
        pids = map(int, run(["ip", "netns", "pids", self.router], what="list the router's processes").split())
        return [pid for pid in pids if pid != self._dnsmasq.pid]

    def await_file(self, name: str, text: str = "", limit_s: float = 30) -> None:
        """Wait until a file of the guard says something."""
        place = self.file(f"/var/lib/virtfleet/bridge/br0/{name}")
        until = time.monotonic() + limit_s
        while not (place.exists() and text in place.read_text()):
            assert time.monotonic() < until, (name, text)
            time.sleep(0.05)

    def outcome(self) -> dict[str, Any]:
        """Return how the last change ended."""
        return dict(json.loads(self.file("/var/lib/virtfleet/bridge/br0/outcome.json").read_text()))

    def power_off(self) -> None:
        """Take the power away: nothing inside gets to say a word, and its network is gone."""
        if self._nspawn is not None:
            with contextlib.suppress(OSError, IndexError):
                os.kill(self.leader, signal.SIGKILL)
            try:
                self._nspawn.wait(10)
            except subprocess.TimeoutExpired:
                self._nspawn.kill()
                self._nspawn.wait(10)
            self._nspawn = None
        if self._dnsmasq is not None:
            self._dnsmasq.kill()
            self._dnsmasq.wait(10)
            self._dnsmasq = None
        subprocess.run(["ip", "-n", self.router, "link", "del", "rt0"], capture_output=True, check=False)
        subprocess.run(["ip", "netns", "del", self.inside], capture_output=True, check=False)

    def down(self) -> None:
        """Leave nothing behind."""
        self.power_off()
        subprocess.run(["ip", "netns", "del", self.router], capture_output=True, check=False)
        for _try in range(50):
            if subprocess.run(["umount", self.root], capture_output=True, check=False).returncode == 0:
                break
            time.sleep(0.1)
        for name in ("root", "upper", "work"):
            shutil.rmtree(self.folder / name, ignore_errors=True)
        self._sockets.cleanup()


@contextlib.contextmanager
def interruption(machine: Machine, address: str = STATIC) -> Iterator[list[float]]:
    """Measure the longest time for which the machine does not answer; the list gets it at the end, in seconds."""
    words = machine._enter([sys.executable, "-I", str(Path(__file__).with_name("bridge_pings.py")), address])
    process = subprocess.Popen(words, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
    found: list[float] = []
    try:
        yield found
    finally:
        said, _errors = process.communicate("", timeout=20)
        found.append(float(said))
