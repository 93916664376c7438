# Copyright: (c) 2026, the virtfleet.core contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Which libvirt daemons a host runs, and how they are configured."""

from __future__ import annotations

import grp
import os
import re
import shutil
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from ._cache import cache_folder
from ._run import LabError, tool

MACHINE_CONFIG = Path("/etc/libvirt")

# Helpers outlive a restart of the driver daemons: virtlogd holds the guests' console logs, virtlockd their leases.
HELPERS = ("virtlogd", "virtlockd")
MODULAR = (
    "virtsecretd",
    "virtnodedevd",
    "virtnwfilterd",
    "virtinterfaced",
    "virtstoraged",
    "virtnetworkd",
    "virtqemud",
)


@dataclass(frozen=True)
class Daemons:
    """The daemons in the order in which they start; the last one is the one that clients talk to."""

    drivers: tuple[str, ...]
    socket: str

    @property
    def main(self) -> str:
        """The daemon that runs the guests."""
        return self.drivers[-1]


def installed() -> Daemons:
    """Find out whether this machine has the one libvirtd or the modular daemons; raises LabError for neither."""
    if tool("libvirtd"):
        return Daemons(("libvirtd",), "libvirt-sock")
    if tool("virtqemud"):
        return Daemons(tuple(name for name in MODULAR if tool(name)), "virtqemud-sock")
    raise LabError("libvirt is not installed here; run `python3 -m tests.lab install` as root")


def configure(folder: Path, host_uuid: str, daemons: Daemons, *, cgroups: bool) -> None:
    """Fill a host's /etc/libvirt from the distribution's defaults plus what the lab needs.

    Only configuration files are taken from the machine, never its guests, networks, pools or secrets: an autostarted
    guest would run a second time, on the same disks.
    """
    for source in sorted(MACHINE_CONFIG.glob("*.conf")):
        shutil.copy2(source, folder / source.name)
    filters = MACHINE_CONFIG / "nwfilter"
    if filters.is_dir():
        shutil.copytree(filters, folder / "nwfilter", dirs_exist_ok=True)
    for name in ("hooks", "qemu", "secrets", "storage"):
        (folder / name).mkdir(mode=0o700, exist_ok=True)

    for name in HELPERS:
        _set(folder / f"{name}.conf", {"log_outputs": _log(name)})
    for name in daemons.drivers:
        values = {
            "host_uuid": f'"{host_uuid}"',
            "auth_unix_ro": '"none"',
            "auth_unix_rw": '"none"',
            "unix_sock_ro_perms": '"0777"',
            "unix_sock_rw_perms": '"0770"',
            "log_outputs": _log(name),
        }
        if _group_exists("libvirt"):
            values["unix_sock_group"] = '"libvirt"'
        _set(folder / f"{name}.conf", values)

    # A security driver would load profiles into the machine's kernel. Users and file modes stay real.
    values = {"security_driver": '"none"'}
    if not cgroups:
        values["cgroup_controllers"] = "[]"
    _set(folder / "qemu.conf", values)


def warm(cache: Path) -> None:
    """Give a new host what an earlier one learned about the QEMUs here; asking each takes seconds.

    libvirt compares what it finds with the programs' dates and the running kernel, and asks anew if they differ.
    """
    known = cache_folder() / "capabilities"
    if known.is_dir():
        shutil.copytree(known, cache / "qemu/capabilities", dirs_exist_ok=True)


def keep_warm(cache: Path) -> None:
    """Save what this host learned, for the next one."""
    known = cache_folder() / "capabilities"
    known.mkdir(parents=True, exist_ok=True)
    for learned in (cache / "qemu/capabilities").glob("*.xml"):
        saved = known / learned.name
        if not saved.exists() or saved.stat().st_mtime < learned.stat().st_mtime:
            part = known / f"{learned.name}.{os.getpid()}.part"
            shutil.copy2(learned, part)
            part.replace(saved)


def _log(name: str) -> str:
    level = "1" if os.environ.get("VIRTFLEET_LAB_DEBUG") == "1" else "3"
    return f'"{level}:file:/var/log/libvirt/{name}.log"'


def _group_exists(name: str) -> bool:
    try:
        grp.getgrnam(name)
    except KeyError:
        return False
    return True


def _set(path: Path, values: Mapping[str, str]) -> None:
    """Set keys of a libvirt configuration file; libvirt would heed the first of two lines with one key."""
    lines = path.read_text(encoding="utf-8").splitlines() if path.exists() else []
    ours = re.compile(r"\s*(" + "|".join(values) + r")\s*=")
    kept = [line for line in lines if not ours.match(line)]
    kept += [f"{key} = {value}" for key, value in values.items()]
    path.write_text("\n".join(kept) + "\n", encoding="utf-8")
