# Copyright: (c) 2026, the virtfleet.core contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A host's network as it is: the kernel's side, who manages it, its files, and the process that guards a change."""
from __future__ import annotations

import contextlib
import json
import os
import pkgutil
import re
import socket
import struct
import sys
import tempfile
import time
import uuid
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from ._bridge import ifupdown, netplan
from ._bridge.change import NetworkChange, Record, read_record
from ._bridge.values import TENTATIVE, Address, FileState, Kernel, Link, Native, Present, Route
from ._bridge_guard import alone, arm, boot_id, read_json, take_back, write_file, write_json
from ._errors import Conflict, HostError, Unsupported
from ._programs import Programs

STATE = Path("/var/lib/virtfleet/bridge")
_NET = Path("/sys/class/net")
_NETWORKD = Path("/run/systemd/netif")
_NETPLAN_FOLDERS = ("/lib/netplan", "/etc/netplan", "/run/netplan")
_ASK_SECONDS = 1.0
_ASK_TIMES = 3


class LocalNetwork:
    """The network of the host on which this runs. Needs root."""

    def __init__(self, programs: Programs) -> None:
        self._programs = programs

    # What is

    def kernel(self) -> Kernel:
        links = {link.name: link for link in map(_link, self._ip("-d", "link", "show"))}
        addresses: dict[str, tuple[Address, ...]] = {}
        for row in self._ip("addr", "show"):
            found = tuple(_address(info) for info in row.get("addr_info", []) if info.get("scope") == "global")
            if found:
                addresses[row["ifname"]] = found
        routes = [
            _route({**row, **way}, family)
            for family in (4, 6)
            for row in self._ip(f"-{family}", "route", "show")
            for way in row.get("nexthops", [row])
            if way.get("dev") and row.get("type", "unicast") == "unicast"
        ]
        return Kernel(links, addresses, tuple(routes), self._bridged_drop())

    def _ip(self, *words: str) -> list[dict[str, Any]]:
        text = self._programs.run("read the host's network", ["ip", "-j", *words])
        return [row for row in json.loads(text or "[]") if row]

    def _bridged_drop(self) -> bool:
        try:
            if Path("/proc/sys/net/bridge/bridge-nf-call-iptables").read_text(encoding="ascii").strip() != "1":
                return False
        except OSError:
            return False
        if self._programs.find("iptables") is None:
            return False
        code, rules, _complaint = self._programs.attempt("read the firewall", ["iptables", "-S", "FORWARD"])
        return code == 0 and "-P FORWARD DROP" in rules

    def record(self, name: str) -> Record | None:
        found = read_json(STATE / name / "record.json")
        return read_record(found) if found is not None else None

    def file(self, path: str) -> FileState | None:
        place = Path(path)
        try:
            status = place.stat()
            # Whatever the encoding, it must come back as it was.
            text = place.read_bytes().decode("utf-8", "surrogateescape")
        except FileNotFoundError:
            return None
        return FileState(text, status.st_mode & 0o7777, status.st_uid, status.st_gid)

    # Who manages it

    def managed(self, link: str) -> Native:
        found = [native for native in (self._by_networkd(link), self._by_nm(link), self._by_ifupdown(link)) if native]
        if not found:
            raise Unsupported(
                f"could not learn who manages {link}: it is set up by hand, or by a program that this module does not know (it "
                "knows netplan, systemd-networkd, NetworkManager and ifupdown); have one of these bring it up, or make the bridge "
                "by hand"
            )
        if len(found) > 1:
            claims = " and ".join(f"{native.manager} ({native.source})" for native in found)
            raise Conflict(f"could not tell who manages {link}: {claims} both do; take it from one of them first")
        return found[0]

    def _by_networkd(self, link: str) -> Native | None:
        state = _variables(_NETWORKD / "links" / _index(link))
        file = state.get("NETWORK_FILE", "")
        if state.get("ADMIN_STATE") in (None, "unmanaged", "linger") or not file or not self._runs("systemd-networkd"):
            return None
        generated = re.match(r"^/run/systemd/network/10-netplan-(.+)\.network$", file)
        if generated:
            return self._by_netplan(generated.group(1), link, "systemd-networkd")
        places = [file, *_dropins(file)]
        text = "\n".join(Path(place).read_text(encoding="utf-8", errors="surrogateescape") for place in places)
        return Native("networkd", file, {"file": file, "text": text})

    def _by_nm(self, link: str) -> Native | None:
        if self._programs.find("nmcli") is None or not self._runs("NetworkManager"):
            return None
        words = ["nmcli", "-g", "GENERAL.STATE,GENERAL.CON-UUID", "device", "show", link]
        code, text, _complaint = self._programs.attempt(f"ask NetworkManager about {link}", words)
        state, _newline, profile = text.strip().partition("\n")
        if code != 0 or not state.startswith("100") or "external" in state or not profile:
            return None
        listed = self._programs.run("list NetworkManager's profiles", ["nmcli", "-t", "-f", "UUID,FILENAME", "connection"])
        files = dict(line.replace("\\:", ":").partition(":")[::2] for line in listed.splitlines())
        file = files.get(profile, "")
        generated = re.match(r"^/run/NetworkManager/system-connections/netplan-(.+?)(?:\.nmconnection)?$", file)
        if generated:
            return self._by_netplan(generated.group(1), link, "NetworkManager")
        if not file or not Path(file).is_file():
            raise Unsupported(
                f"could not read the profile by which NetworkManager has {link} up: it is in no file; save it with `nmcli connection "
                f"modify uuid {profile} connection.autoconnect yes`"
            )
        text = Path(file).read_text(encoding="utf-8", errors="surrogateescape")
        return Native("networkmanager", file, {"file": file, "text": text, "uuid": profile})

    def _by_netplan(self, key: str, link: str, service: str) -> Native:
        trees = self._netplan().trees
        facts = next(found for found in map(_link, self._ip("-d", "link", "show")) if found.name == link)
        # A bridge has a definition too, which nobody needs to read.
        config = netplan.config_of(key, facts, trees)
        source = next(
            (path for path, tree in trees.items() if any(name == key for name, _rest in netplan.definitions(tree))),
            "/etc/netplan",
        )
        return Native("netplan", source, {**config, "service": service})

    def _by_ifupdown(self, link: str) -> Native | None:
        if self._programs.find("ifquery") is None:
            return None
        code, text, _complaint = self._programs.attempt("ask ifupdown", ["ifquery", "--state", link])
        if code != 0 or f"{link}=" not in text:
            return None
        version = self._programs.attempt("ask ifupdown for its version", ["ifup", "--version"])[1]
        if not re.search(r"^ifup(down)? version 0\.", version):
            raise Unsupported(
                f"could not read the configuration of {link}: this host has another ifupdown than Debian's own (it says "
                f"{version.splitlines()[0] if version else 'nothing'!r}); make the bridge by its own means"
            )
        config = ifupdown.config_of(link, {path: file.text for path, file in self._interfaces().items()})
        return Native("ifupdown", config["file"], config) if config is not None else None

    def _runs(self, service: str) -> bool:
        words = ["systemctl", "is-active", "--quiet", f"{service}.service"]
        if self._programs.find("systemctl") is None:
            return False
        return self._programs.attempt(f"ask for {service}", words)[0] == 0

    # Its files

    def present(self, native: Native) -> Present:
        if native.manager == "netplan":
            return self._netplan()
        if native.manager == "ifupdown":
            return Present(self._interfaces())
        return Present()

    def _netplan(self) -> Present:
        import yaml

        # As netplan does it: a file of a later folder stands in for one of the same name.
        names = {path.name: path for folder in _NETPLAN_FOLDERS for path in sorted(Path(folder).glob("*.yaml"))}
        files = {str(path): file for path in names.values() for file in [self.file(str(path))] if file is not None}
        # Every scalar stays the text that it is: netplan's own reader knows no numbers either, and to YAML 1.1 some MACs are.
        trees = {path: yaml.BaseLoader(file.text).get_single_data() or {} for path, file in files.items()}
        return Present(files, trees)

    def _interfaces(self) -> dict[str, FileState]:
        found: dict[str, FileState] = {}
        self._read_interfaces(Path(ifupdown.MAIN), found)
        return found

    def _read_interfaces(self, path: Path, found: dict[str, FileState]) -> None:
        file = self.file(str(path)) if path.is_file() else None
        if file is None or str(path) in found:
            return
        found[str(path)] = file
        for block in ifupdown.blocks(file.text):
            if block.words[:1] == ("source",):
                for pattern in block.words[1:]:
                    for place in sorted(path.parent.glob(pattern) if not pattern.startswith("/") else _glob(pattern)):
                        self._read_interfaces(place, found)
            elif block.words[:1] == ("source-directory",):
                for pattern in block.words[1:]:
                    folder = path.parent / pattern
                    for place in sorted(folder.glob("*")):
                        if re.match(r"^[A-Za-z0-9_-]+$", place.name):
                            self._read_interfaces(place, found)

    def nameservers(self, native: Native, link: str) -> tuple[str, ...]:
        if native.manager in ("networkd", "netplan"):
            state = _variables(_NETWORKD / "links" / _index(link))
            lease = _variables(_NETWORKD / "leases" / _index(link))
            found = state.get("DNS", "").split() or lease.get("DNS", "").split()
            if found:
                return tuple(found)
        words = ["nmcli", "-g", "IP4.DNS", "device", "show", link]
        if native.manager == "networkmanager":
            return tuple(self._programs.run(f"ask NetworkManager about {link}", words).replace("|", " ").split())
        file = self.file("/etc/resolv.conf")
        return tuple(re.findall(r"(?m)^\s*nameserver\s+([0-9A-Fa-f.:]+)\s*$", file.text)) if file else ()

    def identity(self, native: Native, link: str) -> int | None:
        if native.manager not in ("networkd", "netplan"):
            return None
        # RFC 4361: the type 255, then the four bytes that networkd makes of the link's name where udev knows one.
        client = _variables(_NETWORKD / "leases" / _index(link)).get("CLIENTID", "")
        return int(client[2:10], 16) if re.match(r"^ff[0-9a-f]{8}", client) else None

    def ipv6(self, link: str) -> Mapping[str, str]:
        found = {}
        for name in ("accept_ra", "disable_ipv6"):
            with contextlib.suppress(OSError):
                found[name] = Path(f"/proc/sys/net/ipv6/conf/{link}/{name}").read_text(encoding="ascii").strip()
        return found

    def resolver_is_a_file(self) -> bool:
        place = Path("/etc/resolv.conf")
        kept = self._programs.find("resolvconf") is not None or Path("/etc/network/if-up.d/resolved").exists()
        return place.is_file() and not place.is_symlink() and not kept

    def check(self, native: Native, files: Mapping[str, FileState | None]) -> None:
        with tempfile.TemporaryDirectory(prefix="virtfleet-") as scratch:
            if native.manager == "netplan":
                self._check_netplan(Path(scratch), files)
            elif native.manager == "ifupdown":
                self._check_ifupdown(Path(scratch), files)

    def _check_netplan(self, scratch: Path, files: Mapping[str, FileState | None]) -> None:
        now: Mapping[str, FileState | None] = {**self._netplan().files}
        for path, file in {**now, **files}.items():
            if file is not None and "/netplan/" in path:
                _copy(scratch, path, file)
        self._programs.run("check the new netplan files (nothing was touched)", ["netplan", "generate", "--root-dir", str(scratch)])

    def _check_ifupdown(self, scratch: Path, files: Mapping[str, FileState | None]) -> None:
        together = scratch / "interfaces"
        texts = {**self._interfaces(), **files}
        lines = [line for path, file in texts.items() if file is not None and "/network/" in path
                 for line in file.text.splitlines() if not line.startswith("source")]  # fmt: skip
        together.write_text("\n".join(lines) + "\n", encoding="utf-8", errors="surrogateescape")
        words = ["ifup", "--no-act", "--force", "--interfaces", str(together), "--all"]
        self._programs.run("check the new files of ifupdown (nothing was touched)", words)

    # The gateway

    def answers(self, family: int, gateway: str, dev: str) -> bool:
        ask = self._arp if family == 4 else self._neighbour
        return any(ask(gateway, dev) for _try in range(_ASK_TIMES))

    def _arp(self, gateway: str, dev: str) -> bool:
        """Ask on the wire, past routes and firewalls (RFC 826)."""
        rows = self._ip("addr", "show", "dev", dev)
        mac = bytes.fromhex(rows[0]["address"].replace(":", ""))
        infos = [info for info in rows[0].get("addr_info", []) if info["family"] == "inet"]
        if not infos:
            return False
        asked = socket.inet_aton(gateway)
        mine = socket.inet_aton(_nearest(asked, infos))
        frame = b"\xff" * 6 + mac + struct.pack("!HHHBBH", 0x0806, 1, 0x0800, 6, 4, 1) + mac + mine + bytes(6) + asked
        with socket.socket(socket.AF_PACKET, socket.SOCK_RAW, socket.htons(0x0806)) as wire:
            wire.bind((dev, 0x0806))
            wire.send(frame)
            until = time.monotonic() + _ASK_SECONDS
            while (left := until - time.monotonic()) > 0:
                wire.settimeout(left)
                try:
                    heard = wire.recv(1500)
                except (TimeoutError, socket.timeout):
                    return False
                if heard[20:22] == b"\x00\x02" and heard[28:32] == asked:
                    return True
        return False

    def _neighbour(self, gateway: str, dev: str) -> bool:
        """Have the kernel look for a neighbour, and see whether it found one (RFC 4861)."""
        self._programs.attempt("forget a neighbour", ["ip", "-6", "neigh", "del", gateway, "dev", dev])
        with socket.socket(socket.AF_INET6, socket.SOCK_DGRAM) as wire:
            try:
                wire.sendto(b"", (gateway, 9, 0, socket.if_nametoindex(dev)))
            except OSError:
                return False
        until = time.monotonic() + _ASK_SECONDS
        while time.monotonic() < until:
            if any(row.get("lladdr") for row in self._ip("-6", "neigh", "show", gateway, "dev", dev)):
                return True
            time.sleep(0.1)
        return False

    # The guard

    def unfinished(self) -> str | None:
        """Return the bridge whose change was left behind; raise Conflict where one is under way."""
        for pending in sorted(STATE.glob("*/pending.json")):
            with alone(pending.parent) as mine:
                left = mine
            if not left:
                raise Conflict(
                    f"could not begin: a change of {pending.parent.name} is under way on this host and waits to be confirmed; wait "
                    f"until {pending} is gone, which is soon, and run again"
                )
            if pending.exists():
                return pending.parent.name
        return None

    def finish(self, name: str) -> Mapping[str, Any]:
        take_back(STATE / name, "it was left unfinished, and another run found it")
        outcome: Mapping[str, Any] = read_json(STATE / name / "outcome.json")
        return outcome

    def start(self, change: NetworkChange, kernel: Kernel, timeout_s: float) -> str:
        folder = STATE / change.name
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        source = pkgutil.get_data(__package__ or "", "_bridge_guard.py")
        if source is None:
            raise HostError("could not copy the program that guards the change: this Ansible does not show a module's own files")
        guard = STATE / "guard.py"
        write_file(guard, source, 0o600)
        python = "/usr/bin/python3" if Path("/usr/bin/python3").exists() else sys.executable
        token = uuid.uuid4().hex
        systemd = Path("/run/systemd/system").is_dir() and self._programs.find("systemd-run") is not None
        if systemd:
            arm(STATE, python)
        write_json(folder / "pending.json", change.pending(kernel, self.ipv6(change.port), timeout_s, token, boot_id()))
        argv = [python, str(guard), "run", str(folder)]
        if systemd:
            # A unit of its own outlives the session. What it starts, such as a DHCP client, outlives it in turn.
            unit = [f"--unit=virtfleet-bridge-{change.name}-{token[:8]}", "--collect", "--quiet", "--no-block"]
            kept = ["--property=Restart=on-failure", "--property=RestartSec=1", "--property=KillMode=process"]
            self._programs.run("start the process that guards the change", ["systemd-run", *unit, *kept, *argv])
        else:
            _detached(argv)
        return token

    def told(self, name: str, token: str, word: str, why: str) -> None:
        """Say a word to the guard: ``confirmed`` or ``refused``."""
        write_json(STATE / name / word, {"token": token, "why": why})

    def progress(self, name: str, token: str) -> Mapping[str, Any]:
        """Return how far a change is: its phase, what is expected of it, and in the end its outcome."""
        folder = STATE / name
        pending = read_json(folder / "pending.json")
        outcome = read_json(folder / "outcome.json")
        if outcome is not None and outcome["token"] == token:
            return {"outcome": outcome}
        if pending is None:
            # It is kept, and the outcome is being written.
            return {"phase": "ending"}
        if pending["token"] != token:
            raise HostError(f"could not follow the change of {name}: another one has begun since; look at {folder} on the host")
        state = read_json(folder / "state.json") or {}
        return {"phase": state.get("phase") if state.get("token") == token else "armed", "expected": pending["expected"]}


def _link(row: Mapping[str, Any]) -> Link:
    name = row["ifname"]
    place = _NET / name
    driver = place / "device/driver"
    return Link(
        name=name,
        mac=row.get("address", ""),
        kind=row.get("linkinfo", {}).get("info_kind", ""),
        master=row.get("master"),
        up="UP" in row.get("flags", []),
        carrier="LOWER_UP" in row.get("flags", []),
        mtu=row["mtu"],
        ether=row.get("link_type") == "ether",
        wireless=(place / "wireless").exists() or (place / "phy80211").exists(),
        tap=row.get("linkinfo", {}).get("info_kind") == "tun",
        driver=driver.resolve().name if driver.exists() else "",
    )


def _address(info: Mapping[str, Any]) -> Address:
    doubtful = "somebody else's too" if info.get("dadfailed") else TENTATIVE if info.get("tentative") else ""
    return Address(
        address=f"{info['local']}/{info['prefixlen']}",
        dynamic=bool(info.get("dynamic")),
        doubtful=doubtful,
        temporary=bool(info.get("temporary")),
    )


def _route(row: Mapping[str, Any], family: int) -> Route:
    return Route(
        to=row["dst"],
        dev=row["dev"],
        family=family,
        via=row.get("gateway"),
        metric=row.get("metric"),
        proto=row.get("protocol", ""),
        onlink="onlink" in row.get("flags", []),
    )


def _index(link: str) -> str:
    try:
        return (_NET / link / "ifindex").read_text(encoding="ascii").strip()
    except OSError:
        return "none"


def _variables(path: Path) -> dict[str, str]:
    """Return the variables of one of networkd's state files (sd_network_link_get_network_file(3) reads the same)."""
    try:
        lines = path.read_text(encoding="utf-8", errors="replace").splitlines()
    except OSError:
        return {}
    return {key: value.strip('"') for key, equals, value in (line.partition("=") for line in lines) if equals}


def _dropins(file: str) -> list[str]:
    """Return the drop-ins of a unit's file, the later of two folders standing in for the earlier one's names."""
    name = Path(file).name
    found: dict[str, str] = {}
    for folder in ("/usr/lib", "/usr/local/lib", "/run", "/etc"):
        for place in Path(f"{folder}/systemd/network/{name}.d").glob("*.conf"):
            found[place.name] = str(place)
    return [found[key] for key in sorted(found)]


def _glob(pattern: str) -> Iterator[Path]:
    return Path("/").glob(pattern.lstrip("/"))


def _copy(scratch: Path, path: str, file: FileState) -> None:
    place = scratch / path.lstrip("/")
    write_file(place, file.text.encode("utf-8", "surrogateescape"), 0o600)


def _nearest(asked: bytes, infos: list[dict[str, Any]]) -> str:
    """Return the address of the host in whose network an address is, or its first one."""
    number = int.from_bytes(asked, "big")
    for info in infos:
        own = int.from_bytes(socket.inet_aton(info["local"]), "big")
        if own >> (32 - info["prefixlen"]) == number >> (32 - info["prefixlen"]):
            return str(info["local"])
    return str(infos[0]["local"])


def _detached(argv: list[str]) -> None:
    """Start a process that outlives this one, in a session of its own and with no word to anybody.

    Ansible's way to run a command would wait for its end.
    """
    null = [(os.POSIX_SPAWN_OPEN, number, os.devnull, os.O_RDWR, 0) for number in (0, 1, 2)]
    os.posix_spawn(  # pylint: disable=ansible-bad-function
        argv[0], argv, os.environ, file_actions=null, setsid=True
    )
