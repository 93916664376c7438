# Copyright: (c) 2026, the virtfleet.core contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Which of libvirt's daemons this host runs, and how: decided by what is there, not by the name of a release.

Either one libvirtd does everything (monolithic), or each driver has a daemon of its own (modular); with systemd, either
kind is started by its sockets. https://libvirt.org/daemons.html
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from .seen import Machine

HELPERS = ("virtlogd", "virtlockd")
# Without systemd in this order: virtqemud asks the others, and virtproxyd lets remote and old clients in to all.
MODULAR = (
    "virtnetworkd", "virtstoraged", "virtnodedevd", "virtsecretd", "virtnwfilterd", "virtinterfaced", "virtqemud",
    "virtproxyd",
)  # fmt: skip
DAEMONS = (*HELPERS, "libvirtd", *MODULAR)
PORTS = {"tls": 16514, "lab-tcp": 16509}
_SUFFIX = {"tls": "-tls.socket", "lab-tcp": "-tcp.socket"}
# All that systemd is asked about in one call.
UNITS = (
    *(f"{name}{kind}.socket" for name in DAEMONS for kind in ("", "-ro")),
    *(f"{name}.service" for name in DAEMONS),
    *(f"{name}{suffix}" for name in ("libvirtd", "virtproxyd") for suffix in _SUFFIX.values()),
    "firewalld.service",
    "docker.service",
)


@dataclass(frozen=True)
class Daemons:
    """The kind, and what is to be done. ``kind`` is None where no libvirt is installed.

    ``problem`` says why a host can't be worked with. ``units`` are to be enabled and started; ``start`` are the daemons
    to be started by hand, in that order; ``all`` are those of the kind that are installed.
    """

    kind: str | None
    all: tuple[str, ...] = ()
    units: tuple[str, ...] = ()
    start: tuple[str, ...] = ()
    problem: str | None = None

    @property
    def front(self) -> str:
        """The daemon that lets remote clients in."""
        return "virtproxyd" if self.kind == "modular" else "libvirtd"

    @property
    def services(self) -> tuple[str, ...]:
        """Those that read drivers and settings when they start."""
        return tuple(name for name in self.all if name not in HELPERS)


def judge(seen: Machine) -> Daemons:
    """Return which kind of daemons the host has, and those that are not listening yet."""
    monolithic = bool(_there(seen, ("libvirtd",)))
    modular = bool(_there(seen, ("virtqemud",)))
    if not monolithic and not modular:
        return Daemons(None)
    if monolithic and modular:
        in_use = [name for name in ("libvirtd", "virtqemud") if _in_use(seen, name)]
        if len(in_use) > 1:
            return Daemons(None, problem=(
                "libvirtd and virtqemud are both in use, which is a switch that stopped halfway: guests and networks "
                "would be seen by the one and not by the other. Decide for one: to go on with the one daemon, "
                "`systemctl disable --now virtqemud.socket virtqemud.service` and the same for the other virt*d of "
                f"{', '.join(name for name in MODULAR if name != 'virtqemud')}; to go on with the many, `systemctl "
                "disable --now libvirtd.socket libvirtd-ro.socket libvirtd-admin.socket libvirtd.service`"
            ))  # fmt: skip
        # Both are shipped and neither is asked for: the many are what libvirt itself starts with.
        monolithic = in_use == ["libvirtd"]
    kind = "monolithic" if monolithic else "modular"
    everyone = _there(seen, (*HELPERS, *(("libvirtd",) if monolithic else MODULAR)))
    if seen.systemd:
        masked = [name for name in everyone if _masked(seen, f"{name}.socket")]
        if masked:
            sockets = " ".join(f"{name}.socket" for name in masked)
            return Daemons(kind, everyone, problem=f"{sockets} is masked: `systemctl unmask {sockets}`")
        # Starting the one does not start that for readers; both are there when the daemon runs.
        sockets_ = [f"{name}{kind}.socket" for name in everyone for kind in ("", "-ro")]
        sockets_ = [name for name in sockets_ if name in seen.units]
        return Daemons(kind, everyone, units=tuple(name for name in sockets_ if not _ready(seen, name)))
    return Daemons(kind, everyone, start=tuple(name for name in everyone if name not in seen.answering))


def remote_units(daemons: Daemons, remote: str) -> tuple[str, ...]:
    """Return the sockets on which clients of this way come in, under systemd."""
    return (daemons.front + _SUFFIX[remote],) if remote in _SUFFIX else ()


def _there(seen: Machine, names: Iterable[str]) -> tuple[str, ...]:
    """Return those that are installed: with systemd its units count, without it the programs."""
    if seen.systemd:
        return tuple(name for name in names if f"{name}.socket" in seen.units)
    return tuple(name for name in names if name in seen.programs)


def _in_use(seen: Machine, name: str) -> bool:
    if not seen.systemd:
        return name in seen.answering
    return any(seen.units[unit].in_use for unit in (f"{name}.socket", f"{name}.service") if unit in seen.units)


def _masked(seen: Machine, unit: str) -> bool:
    return seen.units[unit].enabled.startswith("masked")


def _ready(seen: Machine, unit: str) -> bool:
    """Tell whether a socket listens now and after the next start."""
    return seen.units[unit].enabled in ("enabled", "static", "alias", "generated") and seen.units[unit].active == "active"
