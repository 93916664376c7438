# Copyright: (c) 2026, the virtfleet.core contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Look at a machine that is, or is to be, a host, whatever runs its guests: read files, ask programs, change nothing.

Everything works without root, and sees less then.
"""
from __future__ import annotations

import grp
import json
import os
import platform
import pwd
import shlex
import socket
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

from . import _xml
from ._errors import HostError
from ._machine.daemons import DAEMONS
from ._machine.removal import Package, parse_relations
from ._machine.seen import System, Unit
from ._programs import Programs, RunCommand

# Below which everything is looked at; another one only for tests.
ROOT = Path("/")
RUNS = "/run/libvirt"
ETC = "/etc/libvirt"
# libvirt's polkit rule lets this group in.
GROUP = "libvirt"
SECONDS = 5.0


def look_at_machine(
    programs: Programs, record: str, asked: Sequence[str], files: Iterable[str], users: Iterable[str]
) -> dict[str, Any]:
    """Return the values of a Machine: the role's record, the units to ask about, its files, and the users that it needs."""
    # The way of sd_booted(3).
    systemd = at("/run/systemd/system").is_dir()
    there = frozenset(name for name in DAEMONS if at(f"/usr/sbin/{name}").exists())
    return {
        "system": _system(),
        "machine": platform.machine(),
        "uid": os.geteuid(),
        "systemd": systemd,
        "packages": _packages(programs),
        "units": _units(programs, asked) if systemd else {},
        "programs": there,
        "answering": frozenset() if systemd else frozenset(name for name in there if _answers(name)),
        "users": frozenset(name for name in users if _is_user(name)),
        "members": _members(),
        "files": {path: text(path) for path in files},
        "sudo": _sudo(),
        "pools": _pools(),
        "guests": names(f"{ETC}/qemu", f"{RUNS}/qemu", f"{ETC}/libxl", f"{RUNS}/libxl", f"{ETC}/lxc"),
        "networks": names(f"{RUNS}/network"),
        "autostart": names(f"{ETC}/qemu/networks/autostart"),
        "record": _record(record),
    }


def is_dom0() -> bool:
    """Tell whether this is the domain of Xen that rules the others: they have UUIDs, it has none."""
    if (text("/sys/hypervisor/type") or "").strip() != "xen":
        return False
    return not (text("/sys/hypervisor/uuid") or "").strip().strip("0-")


def installed(run_command: RunCommand) -> dict[str, Package]:
    """Return every installed package with what it needs."""
    form = "${db:Status-Status}\\t${Package}\\t${Pre-Depends}\\t${Depends}\\t${Provides}\\n"
    said = Programs(run_command).run("list the installed packages", ["dpkg-query", "--show", f"--showformat={form}"])
    found = {}
    for line in said.splitlines():
        status, name, early, needs, provides = (line + "\t" * 4).split("\t")[:5]
        if status == "installed":
            virtual = tuple(name for group in parse_relations(provides) for name in group)
            found[name] = Package(parse_relations(f"{early},{needs}"), virtual)
    return found


def _system() -> System:
    """Return the distribution, as /etc/os-release has it."""
    facts = dict(line.split("=", 1) for line in shlex.split(text("/etc/os-release") or "", comments=True) if "=" in line)
    return System(facts.get("ID", ""), facts.get("VERSION_ID", ""), facts.get("PRETTY_NAME", "an unknown system"))


def _packages(programs: Programs) -> frozenset[str] | None:
    """Return the installed packages; None where that could not be asked."""
    argv = ["dpkg-query", "--show", "--showformat=${db:Status-Status} ${Package}\\n"]
    try:
        said = programs.run("list the installed packages", argv)
    except HostError:
        return None
    return frozenset(line[len("installed "):] for line in said.splitlines() if line.startswith("installed "))


def _units(programs: Programs, wanted: Sequence[str]) -> dict[str, Unit]:
    """Return those of the units that systemd knows."""
    argv = ["systemctl", "show", "--property=Id,LoadState,UnitFileState,ActiveState", *wanted]
    found = {}
    for part in programs.run("ask systemd about libvirt's units", argv).split("\n\n"):
        values = dict(line.split("=", 1) for line in part.splitlines() if "=" in line)
        if values.get("LoadState", "not-found") != "not-found":
            found[values["Id"]] = Unit(values.get("UnitFileState", ""), values.get("ActiveState", ""))
    return found


def _answers(daemon: str) -> bool:
    """Tell whether a daemon listens: a pid file says who started it and can be stale."""
    # libvirtd's socket is older than the rule.
    name = "libvirt-sock" if daemon == "libvirtd" else f"{daemon}-sock"
    try:
        with socket.socket(socket.AF_UNIX) as one:
            one.settimeout(SECONDS)
            one.connect(str(at(f"{RUNS}/{name}")))
    except OSError:
        return False
    return True


def _is_user(name: str) -> bool:
    """Tell whether the host has this user."""
    try:
        pwd.getpwnam(name)
    except KeyError:
        return False
    return True


def _members() -> frozenset[str]:
    """Return who is in the group libvirt."""
    try:
        return frozenset(grp.getgrnam(GROUP).gr_mem)
    except KeyError:
        return frozenset()


def shell_settings(path: str) -> dict[str, str]:
    """Return the settings of a file of shell assignments."""
    lines = [line.strip() for line in (text(path) or "").splitlines()]
    pairs = [line.split("=", 1) for line in lines if "=" in line and not line.startswith("#")]
    return {name.strip(): value.strip().strip("\"'") for name, value in pairs}


def _sudo() -> str:
    """Return whose sudo this is; empty for none."""
    path = at("/usr/bin/sudo")
    if not path.exists():
        return ""
    real = path.resolve()
    return "sudo-rs" if real.name == "sudo-rs" or "cargo" in real.parts else "sudo"


def _pools() -> dict[str, str] | None:
    """Return the defined pools; None where the folder may not be read."""
    folder = at(f"{ETC}/storage")
    try:
        places = sorted(folder.glob("*.xml")) if folder.is_dir() else []
        return {place.stem: _target(place) for place in places}
    except OSError:
        return None


def _target(place: Path) -> str:
    node = _xml.find(_xml.parse(place.read_text(encoding="utf-8")), "target/path")
    return (node.text or "") if node is not None else ""


def names(*folders: str) -> tuple[str, ...]:
    """Return what is defined, or runs, by the files that libvirt keeps of it."""
    return tuple(sorted({name[: -len(".xml")] for folder in folders for name in listing(folder) if name.endswith(".xml")}))


def _record(path: str) -> dict[str, Any]:
    """Return what a role has noted of what it added."""
    said = text(path)
    if not said:
        return {}
    try:
        found = json.loads(said)
    except ValueError as error:
        raise HostError(f"could not read {path}, the role's record of what it added: {error}; repair it") from error
    return found if isinstance(found, dict) else {}


def at(path: str) -> Path:
    """Return where a path of the machine is."""
    return ROOT / path.lstrip("/")


def text(path: str) -> str | None:
    """Return a file's text; None where it isn't there, and nothing of one that may not be read."""
    try:
        return at(path).read_text(encoding="utf-8", errors="replace")
    except PermissionError:
        return ""
    except OSError:
        return None


def listing(folder: str) -> list[str]:
    """Return the names in a folder; none where it isn't there or may not be read."""
    try:
        return sorted(os.listdir(at(folder)))
    except OSError:
        return []
