# Copyright: (c) 2026, the virtfleet.core contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A change of the host's network as the guard takes it: everything that it does and undoes, as JSON."""

from __future__ import annotations

import base64
from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass, field
from typing import Any

from .check import Expected
from .values import Address, Commands, Files, FileState, Kernel, Native, Route, Static

# Seconds between the module's answer and the first word of a change: the answer has to leave the host.
GRACE_S = 1.5


@dataclass(frozen=True)
class Family:
    """The addresses of a link before there was a bridge, of one family."""

    addresses: tuple[str, ...] = ()
    dynamic: bool = False
    gateway: str | None = None
    # The gateway stands in the configuration; else it came with a lease or a router's advertisement, and may be another.
    gateway_fixed: bool = False


@dataclass(frozen=True)
class Record:
    """What a bridge was made of. It is kept on the host as long as the bridge is."""

    name: str
    port: str
    mac: str
    native: Native
    before: Mapping[int, Family]
    nameservers: tuple[str, ...] = ()
    iaid: int | None = None
    token: str | None = None
    # The kernel's switches of the port's IPv6.
    ipv6: Mapping[str, str] = field(default_factory=dict)
    # What the user said of addresses; of what was left out nothing is here.
    told: Mapping[int, Static] = field(default_factory=dict)
    told_nameservers: tuple[str, ...] | None = None
    # The files of others as they were, and all files as they were written.
    originals: Files = field(default_factory=dict)
    written: Files = field(default_factory=dict)

    def shown(self) -> dict[str, Any]:
        return {
            "version": 1,
            "name": self.name,
            "port": self.port,
            "mac": self.mac,
            "native": asdict(self.native),
            "before": {str(family): asdict(before) for family, before in self.before.items()},
            "nameservers": list(self.nameservers),
            "iaid": self.iaid,
            "token": self.token,
            "ipv6": dict(self.ipv6),
            "told": {str(family): asdict(one) for family, one in self.told.items()},
            "told_nameservers": None if self.told_nameservers is None else list(self.told_nameservers),
            "originals": {path: file_shown(file) for path, file in self.originals.items()},
            "written": {path: file_shown(file) for path, file in self.written.items()},
        }


def read_record(shown: Mapping[str, Any]) -> Record:
    """Return a record from its JSON."""
    before = {
        int(family): Family(tuple(one["addresses"]), one["dynamic"], one["gateway"], one["gateway_fixed"])
        for family, one in shown["before"].items()
    }
    return Record(
        name=shown["name"],
        port=shown["port"],
        mac=shown["mac"],
        native=Native(**shown["native"]),
        before=before,
        nameservers=tuple(shown["nameservers"]),
        iaid=shown["iaid"],
        token=shown["token"],
        ipv6=shown["ipv6"],
        told={int(family): Static(tuple(one["addresses"]), one["gateway"]) for family, one in shown["told"].items()},
        told_nameservers=None if shown["told_nameservers"] is None else tuple(shown["told_nameservers"]),
        originals={path: read_file(file) for path, file in shown["originals"].items()},
        written={path: read_file(file) for path, file in shown["written"].items()},
    )


def file_shown(file: FileState | None) -> dict[str, Any] | None:
    """Return a file as JSON; its text may be in any encoding."""
    if file is None:
        return None
    content = base64.b64encode(file.text.encode("utf-8", "surrogateescape")).decode()
    return {"content": content, "mode": file.mode, "uid": file.uid, "gid": file.gid}


def read_file(shown: Mapping[str, Any] | None) -> FileState | None:
    """Return a file from its JSON."""
    if shown is None:
        return None
    text = base64.b64decode(shown["content"]).decode("utf-8", "surrogateescape")
    return FileState(text, shown["mode"], shown["uid"], shown["gid"])


@dataclass(frozen=True)
class FileChange:
    """One file before and after."""

    path: str
    before: FileState | None
    after: FileState | None


@dataclass(frozen=True)
class NetworkChange:
    """All that happens to a host's network at once."""

    name: str
    port: str
    files: tuple[FileChange, ...]
    commands: Commands
    # Links that are there after it and not before, and the other way round.
    links: tuple[str, ...]
    removes: tuple[str, ...]
    expected: Expected
    record: Record | None
    # The kernel's switches of the port's IPv6 afterwards.
    ipv6: Mapping[str, str] = field(default_factory=dict)

    def pending(
        self, kernel: Kernel, ipv6: Mapping[str, str], timeout_s: float, token: str, boot_id: str
    ) -> dict[str, Any]:
        """Return what the guard reads.

        ``kernel`` and ``ipv6`` are how the network and the switches of the port are now, ``timeout_s`` is how long the host
        may be in doubt.
        """
        commands = {
            name: [command.shown() for command in getattr(self.commands, name)]
            for name in ("before", "after", "undo_before", "undo_after", "boot")
        }
        return {
            "version": 1,
            "token": token,
            "boot_id": boot_id,
            "name": self.name,
            "port": self.port,
            "timeout": timeout_s,
            "grace": GRACE_S,
            "files": [
                {"path": one.path, "before": file_shown(one.before), "after": file_shown(one.after)} for one in self.files
            ],
            **commands,
            "links": list(self.links),
            "removes": list(self.removes),
            "kernel": {
                "addresses": [_address(dev, one) for dev in (self.name, self.port) for one in _kept(kernel, dev)],
                "routes": _told_routes(kernel, (self.name, self.port)),
            },
            "ipv6": {"after": dict(self.ipv6), "undo": dict(ipv6)},
            "expected": self.expected.shown(),
            "record": self.record.shown() if self.record is not None else None,
        }


def _kept(kernel: Kernel, dev: str) -> Iterable[Address]:
    # The kernel makes temporary addresses itself, from the others.
    return (address for address in kernel.addresses.get(dev, ()) if not address.temporary)


def _address(dev: str, address: Address) -> dict[str, Any]:
    # Without a lifetime: it is put back by hand where nobody else does it, so nobody would renew it either.
    local, _slash, prefix = address.address.partition("/")
    return {
        "dev": dev,
        "local": local,
        "prefixlen": int(prefix),
        "says": f"address {address.address} of {dev}",
        "argv": ["ip", f"-{address.family}", "addr", "replace", address.address, "dev", dev],
    }


def _told_routes(kernel: Kernel, devs: tuple[str, ...]) -> list[dict[str, Any]]:
    # Those of the kernel itself come with the addresses, and a router tells its own again.
    routes = [route for route in kernel.routes if route.dev in devs and route.proto not in ("kernel", "ra")]
    found: list[dict[str, Any]] = []
    for route in routes:
        # One of several ways to the same place must not replace the one before it.
        verb = "append" if any((one["to"], one["family"]) == (route.to, route.family) for one in found) else "replace"
        found.append(_route(route, verb))
    return found


def _route(route: Route, verb: str) -> dict[str, Any]:
    via = ["via", route.via] if route.via is not None else []
    metric = ["metric", str(route.metric)] if route.metric is not None else []
    onlink = ["onlink"] if route.onlink else []
    return {
        "dev": route.dev,
        "family": route.family,
        "to": route.to,
        "via": route.via,
        "says": f"route to {route.to} over {route.dev}",
        "argv": ["ip", f"-{route.family}", "route", verb, route.to, *via, "dev", route.dev, *metric, *onlink],
    }
