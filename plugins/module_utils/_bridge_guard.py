# Copyright: (c) 2026, the virtfleet.core contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Applies a change of the host's network, and takes it back unless somebody confirms it in time.

The module copies this file to the host's disk and starts it as a process of its own, which needs neither the module, nor
Ansible, nor a connection: so it imports nothing but the standard library, and knows no network manager. What is to be done
stands in ``pending.json`` (see ``_bridge/change.py``) in the folder of one bridge:

=================  ====================================================================================================
``pending.json``   the change: files before and after, commands, addresses and routes as the kernel had them
``state.json``     how far it is: ``armed``, ``applying``, ``applied``, ``undoing``
``confirmed``      written by whoever has seen that the host is well; ends the wait
``refused``        written by whoever has seen that it is not, with the reason; the change is taken back at once
``outcome.json``   how it ended: ``kept`` or ``rolled_back``, why, and whether all is back
``record.json``    what a bridge that is kept was made of, for the next run
=================  ====================================================================================================

``guard.py run FOLDER`` goes on from wherever an earlier one was killed. ``guard.py boot FOLDER...`` is for the host's start,
before its network is up: a change that nobody has confirmed before is taken back, on disk only.
"""

from __future__ import annotations

import base64
import contextlib
import fcntl
import json
import os
import signal
import socket
import sys
import tempfile
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

UNIT = "virtfleet-bridge-rollback.service"
_UNITS = Path("/etc/systemd/system")
# Of whoever started it nothing is taken over.
_PATH = ("/usr/sbin", "/usr/bin", "/sbin", "/bin")
_ENVIRONMENT = {"PATH": ":".join(_PATH), "LC_ALL": "C", "LANGUAGE": "C"}
_POLL_SECONDS = 0.1
# How long a manager may take to bring back what it is told, before its addresses are put back by hand.
_PATIENCE_SECONDS = 10.0


def uptime() -> float:
    """Return the seconds since the host's start, suspended time included: no clock that anybody sets."""
    return time.clock_gettime(time.CLOCK_BOOTTIME)


def boot_id() -> str:
    """Return what differs from one start of the host to the next."""
    return Path("/proc/sys/kernel/random/boot_id").read_text(encoding="ascii").strip()


def write_file(path: Path, content: bytes, mode: int, owner: tuple[int, int] | None = None) -> None:
    """Write a file at once or not at all, and have it on disk when this returns."""
    path.parent.mkdir(parents=True, exist_ok=True)
    # A name with a dot in front is read by no network manager.
    part = path.with_name(f".{path.name}.virtfleet")
    handle = os.open(part, os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_NOFOLLOW, 0o600)
    try:
        os.fchmod(handle, mode)
        if owner is not None:
            os.fchown(handle, *owner)
        os.write(handle, content)
        os.fsync(handle)
    finally:
        os.close(handle)
    part.rename(path)
    _sync(path.parent)


def remove_file(path: Path) -> None:
    """Remove a file, which may be gone already."""
    with contextlib.suppress(FileNotFoundError):
        path.unlink()
        _sync(path.parent)


def write_json(path: Path, value: Any) -> None:
    """Write a value for root's eyes: configuration may hold secrets."""
    write_file(path, json.dumps(value, indent=1, sort_keys=True).encode() + b"\n", 0o600)


def read_json(path: Path) -> Any:
    """Return a file's value; None where there is no such file."""
    try:
        return json.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        return None


def _sync(folder: Path) -> None:
    handle = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)


def put(path: str, state: Mapping[str, Any] | None) -> None:
    """Give a file the state that was recorded: content, mode and owner, or absence."""
    if state is None:
        remove_file(Path(path))
    else:
        owner = (state["uid"], state["gid"])
        write_file(Path(path), base64.b64decode(state["content"]), state["mode"], owner)


class Guard:
    """One change in the folder of one bridge."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.change: dict[str, Any] = read_json(folder / "pending.json")
        self.log: list[str] = []

    def go(self) -> None:
        """Apply the change and wait for the word; or go on where an earlier process was killed."""
        state = read_json(self.folder / "state.json") or {}
        if state.get("token") != self.change["token"]:
            state = {}
        self.log = list(state.get("log", []))
        phase = state.get("phase", "armed")
        if self.change["boot_id"] != boot_id():
            self.undo("the host was restarted before the change was confirmed")
        elif phase == "armed":
            self.apply()
        elif phase == "applied":
            self.await_word(state["deadline"])
        else:
            self.undo(state.get("why") or "the process that made the change was killed before it was done")

    def apply(self) -> None:
        """Write the files and have the manager read them."""
        # The module's answer is on its way to the controller, over the connection that is about to break.
        time.sleep(self.change["grace"])
        deadline = uptime() + self.change["timeout"]
        self.enter("applying", deadline)
        try:
            self.run_all(self.change["before"], deadline)
            for file in self.change["files"]:
                put(file["path"], file["after"])
            self.run_all(self.change["after"], deadline)
            self.remove_links(self.change["removes"])
            self.set_ipv6(self.change["ipv6"]["after"])
        except (OSError, Failed) as error:
            self.undo(f"it could not be applied: {error}")
            return
        self.enter("applied", deadline)
        self.await_word(deadline)

    def await_word(self, deadline: float) -> None:
        """Wait until somebody confirms or refuses; silence is a refusal."""
        tidied = 0.0
        while uptime() < deadline:
            if uptime() > tidied + 0.5:
                self.tidy()
                tidied = uptime()
            if self.word("confirmed") is not None:
                self.keep()
                return
            reason = self.word("refused")
            if reason is not None:
                self.undo(reason)
                return
            time.sleep(_POLL_SECONDS)
        self.undo(f"nobody confirmed it within {self.change['timeout']:.0f} s")

    def word(self, name: str) -> str | None:
        """Return what was said about this very change."""
        said = read_json(self.folder / name)
        return str(said["why"]) if said is not None and said["token"] == self.change["token"] else None

    def keep(self) -> None:
        """End well: the change stays, also after the next start of the host."""
        if self.change["record"] is None:
            remove_file(self.folder / "record.json")
        else:
            write_json(self.folder / "record.json", self.change["record"])
        # From here on it is kept, even if the power fails before the outcome is written.
        remove_file(self.folder / "pending.json")
        self.end({"outcome": "kept", "why": "", "restored": True, "missing": []})

    def undo(self, why: str) -> None:
        """Take everything back, and see whether it is."""
        self.enter("undoing", uptime(), why)
        self.run_all(self.change["undo_before"], None)
        self.restore_files()
        self.remove_links(self.change["links"])
        self.run_all(self.change["undo_after"], None)
        self.set_ipv6(self.change["ipv6"]["undo"])
        missing = self.restore_kernel()
        self.end({"outcome": "rolled_back", "why": why, "restored": not missing, "missing": missing})

    def remove_links(self, links: Sequence[str]) -> None:
        """Remove links that nobody's configuration has any more: networkd and netplan leave them behind."""
        for link in links:
            if Path(f"/sys/class/net/{link}").exists():
                self.run({"argv": ["ip", "link", "delete", "dev", link], "limit": 5}, None)

    def set_ipv6(self, switches: Mapping[str, str]) -> None:
        """Set the kernel's switches of the port's IPv6 as they were: NetworkManager turns them, and not back."""
        port, turned = self.change["port"], False
        for name, value in switches.items():
            switch = Path(f"/proc/sys/net/ipv6/conf/{port}/{name}")
            try:
                if switch.read_text(encoding="ascii").strip() != value:
                    switch.write_text(value, encoding="ascii")
                    turned = True
            except OSError as error:
                self.log.append(f"could not set {switch}: {error.strerror}")
        if turned:
            solicit(port)

    def tidy(self) -> None:
        """Remove the routes that a manager leaves at a port of the bridge: they would swallow what they match."""
        port = self.change["port"]
        if Path(f"/sys/class/net/{port}/brport").exists():
            for family in ("-4", "-6"):
                if any(row.get("protocol") != "none" for row in _ip(family, "route", "show", "dev", port)):
                    self.run({"argv": ["ip", family, "route", "flush", "dev", port], "limit": 5}, None)

    def restore_files(self) -> None:
        """Give every file back its content, mode and owner."""
        for file in self.change["files"]:
            try:
                put(file["path"], file["before"])
            except OSError as error:
                self.log.append(f"could not restore {file['path']}: {error}")

    def restore_kernel(self) -> list[str]:
        """Wait for the addresses and routes that were there; put back by hand what does not come. Return what lacks."""
        waiting = uptime() + _PATIENCE_SECONDS
        while self.lacking() and uptime() < waiting:
            time.sleep(_POLL_SECONDS)
        lacking = self.lacking()
        # A route needs its address first.
        for _kind, wanted in sorted(lacking, key=lambda pair: pair[0]):
            self.log.append(f"put back by hand: {' '.join(wanted['argv'])}")
            self.run({"argv": wanted["argv"], "limit": 5}, None)
        return [wanted["says"] for _kind, wanted in self.lacking()]

    def lacking(self) -> list[tuple[str, dict[str, Any]]]:
        """Return which of the recorded addresses and routes the kernel does not have."""
        found = []
        for wanted in self.change["kernel"]["addresses"]:
            rows = _ip("addr", "show", "dev", wanted["dev"])
            have = {(info["local"], info["prefixlen"]) for row in rows for info in row.get("addr_info", [])}
            if (wanted["local"], wanted["prefixlen"]) not in have:
                found.append(("address", wanted))
        for wanted in self.change["kernel"]["routes"]:
            # Not asked by device: ip does not find a route of several ways by one of them.
            rows = _ip(f"-{wanted['family']}", "route", "show", wanted["to"])
            ways = [(way.get("dev"), way.get("gateway")) for row in rows for way in row.get("nexthops", [row])]
            if (wanted["dev"], wanted["via"]) not in ways:
                found.append(("route", wanted))
        return found

    def run_all(self, commands: Sequence[Mapping[str, Any]], deadline: float | None) -> None:
        """Run commands in order."""
        for command in commands:
            self.run(command, deadline)

    def run(self, command: Mapping[str, Any], deadline: float | None) -> None:
        """Run a command with a time limit, and write down what it said; raise Failed for one that must not fail."""
        limit = command["limit"] if deadline is None else min(command["limit"], max(deadline - uptime(), 0.1))
        words = " ".join(command["argv"])
        code, said = _call(command["argv"], limit)
        self.log.append(f"{words}: {code if code is not None else f'no end within {limit:.0f} s'} {said}".strip())
        if code != 0 and deadline is not None and command.get("must"):
            ending = f"ended with {code}" if code is not None else f"gave no end within {limit:.0f} s"
            raise Failed(f"{words} {ending}" + (f": {said}" if said else ""))

    def enter(self, phase: str, deadline: float, why: str = "") -> None:
        """Write down how far it is, before the step itself."""
        state = {"token": self.change["token"], "phase": phase, "deadline": deadline}
        write_json(self.folder / "state.json", {**state, "why": why, "log": self.log})

    def end(self, outcome: Mapping[str, Any]) -> None:
        """Write the outcome and leave nothing that is still to be done."""
        write_json(self.folder / "outcome.json", {"token": self.change["token"], "log": self.log, **outcome})
        for name in ("pending.json", "state.json", "confirmed", "refused"):
            remove_file(self.folder / name)
        disarm(self.folder.parent)


class Failed(Exception):
    """A command that must not fail did."""


def _call(argv: Sequence[str], limit: float) -> tuple[int | None, str]:
    """Run a command; return its code, None where it took too long, and its last words in one line."""
    # Not a pipe: a daemon that is left behind, such as a DHCP client, would hold it open.
    with tempfile.TemporaryFile() as said:
        try:
            code = _spawned(argv, limit, said.fileno(), said.fileno())
        except OSError as error:
            return 127, str(error)
        said.seek(0)
        lines = [line.strip() for line in said.read()[-4096:].decode(errors="replace").splitlines() if line.strip()]
    return code, "; ".join(lines[-3:])


def _ip(*words: str) -> list[dict[str, Any]]:
    """Return what ip says as JSON; nothing where it fails, as it does for a link that is not there."""
    with tempfile.TemporaryFile() as said, open(os.devnull, "wb") as nowhere:
        _spawned(["ip", "-j", *words], 5.0, said.fileno(), nowhere.fileno())
        said.seek(0)
        try:
            return [row for row in json.loads(said.read() or b"[]") if row]
        except ValueError:
            return []


def _spawned(argv: Sequence[str], limit: float, output: int, errors: int) -> int | None:
    """Run a command in a session of its own and return its code; kill it when it takes too long, and return None.

    A module's way to run a command is Ansible's, which is not here.
    """
    program = next((f"{folder}/{argv[0]}" for folder in _PATH if os.access(f"{folder}/{argv[0]}", os.X_OK)), argv[0])
    files = [
        (os.POSIX_SPAWN_OPEN, 0, os.devnull, os.O_RDONLY, 0),
        (os.POSIX_SPAWN_DUP2, output, 1),
        (os.POSIX_SPAWN_DUP2, errors, 2),
    ]
    pid = os.posix_spawn(  # pylint: disable=ansible-bad-function
        program, list(argv), _ENVIRONMENT, file_actions=files, setsid=True
    )
    until = time.monotonic() + limit
    while time.monotonic() < until:
        done, status = os.waitpid(pid, os.WNOHANG)
        if done:
            return os.waitstatus_to_exitcode(status)
        time.sleep(0.01)
    os.killpg(pid, signal.SIGKILL)
    os.waitpid(pid, 0)
    return None


def solicit(link: str) -> None:
    """Ask the routers of a link to say again what they are (RFC 4861), which they do by themselves every few minutes."""
    message = bytes([133, 0, 0, 0, 0, 0, 0, 0])
    with contextlib.suppress(OSError), socket.socket(socket.AF_INET6, socket.SOCK_RAW, socket.IPPROTO_ICMPV6) as wire:
        index = socket.if_nametoindex(link)
        wire.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_MULTICAST_IF, index)
        # A router drops it with any other number: it would come from another network.
        wire.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_MULTICAST_HOPS, 255)
        wire.sendto(message, ("ff02::2", 0, 0, index))


def arm(base: Path, python: str) -> None:
    """Have a change that is pending when the host goes down taken back at its start, where systemd starts it."""
    unit = f"""\
# Made by virtfleet.core.host_bridge while a change of the network waits to be confirmed, and removed with that.
[Unit]
Description=Take back a change of the network that nobody has confirmed
DefaultDependencies=no
RequiresMountsFor={base}
After=local-fs.target
Before=network-pre.target shutdown.target
Wants=network-pre.target
Conflicts=shutdown.target
ConditionPathExistsGlob={base}/*/pending.json

[Service]
Type=oneshot
ExecStart={python} {base}/guard.py boot {base}
"""
    write_file(_UNITS / UNIT, unit.encode(), 0o644)
    link = _UNITS / "sysinit.target.wants" / UNIT
    link.parent.mkdir(exist_ok=True)
    with contextlib.suppress(FileExistsError):
        link.symlink_to(_UNITS / UNIT)
        _sync(link.parent)


def disarm(base: Path) -> None:
    """Remove what `arm` made, once nothing is pending."""
    if not any(base.glob("*/pending.json")):
        remove_file(_UNITS / "sysinit.target.wants" / UNIT)
        remove_file(_UNITS / UNIT)


@contextlib.contextmanager
def alone(folder: Path) -> Any:
    """Hold the lock of a bridge's folder: yields False where another process has it."""
    handle = os.open(folder / "lock", os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    try:
        fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        yield False
    else:
        yield True
    finally:
        os.close(handle)


def run(folder: Path) -> None:
    """See one change to its end, unless another process does."""
    signal.signal(signal.SIGHUP, signal.SIG_IGN)
    with alone(folder) as mine:
        if mine and (folder / "pending.json").exists():
            Guard(folder).go()


def take_back(folder: Path, why: str) -> None:
    """Take back a change that no process sees to any more."""
    with alone(folder) as mine:
        if mine and (folder / "pending.json").exists():
            guard = Guard(folder)
            state = read_json(folder / "state.json") or {}
            if state.get("token") == guard.change["token"]:
                guard.log = list(state["log"])
                guard.undo(why)
            else:
                # It had not begun.
                guard.end({"outcome": "rolled_back", "why": why, "restored": True, "missing": []})


def boot(base: Path) -> None:
    """Before the network is up: give back the files of changes that nobody has confirmed."""
    for pending in sorted(base.glob("*/pending.json")):
        guard = Guard(pending.parent)
        guard.restore_files()
        guard.run_all(guard.change["boot"], None)
        why = "the host was restarted before the change was confirmed"
        guard.end({"outcome": "rolled_back", "why": why, "restored": True, "missing": []})


def main(words: Sequence[str]) -> None:
    """Run as a program: see the head of this file."""
    {"run": run, "boot": boot}[words[0]](Path(words[1]))


if __name__ == "__main__":
    main(sys.argv[1:])
