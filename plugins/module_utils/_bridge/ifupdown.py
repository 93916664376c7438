# Copyright: (c) 2026, the virtfleet.core contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A bridge in ifupdown's files (interfaces(5)).

The stanzas of the port become stanzas of the bridge, in a file of our own. The bridge is made by iproute2, which every
host has, and not by the package bridge-utils, which a host may lack.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from .._errors import Unsupported
from .values import FAMILIES, MARK, Command, Commands, FileState, Present, Wanted

MAIN = "/etc/network/interfaces"
FOLDER = "/etc/network/interfaces.d"

_HEADS = ("iface", "auto", "mapping", "source", "source-directory", "no-auto-down", "no-scripts", "rename")
# What belongs to the wire.
_PORT_OPTIONS = re.compile(r"^(hwaddress|(ethernet|link|offload|hardware|driver|dma)-.*)$")
_REFUSED = re.compile(r"^(wpa|wireless|bond|bridge)[-_]")
_COMMANDS = ("pre-up", "up", "post-up", "down", "pre-down", "post-down")
_ADDRESSING = ("address", "netmask", "gateway", "broadcast", "network", "pointopoint", "hostname", "client", "leasehours",
               "leasetime", "vendor", "metric", "accept_ra", "autoconf", "privext", "request_prefix", "ll-attempts",
               "ll-interval", "dhcp")  # fmt: skip


@dataclass(frozen=True)
class Block:
    """A stanza, a line of its own, or what is between them: the lines as they stand in the file."""

    lines: tuple[str, ...]

    @property
    def words(self) -> tuple[str, ...]:
        """Return the words of its first line that is no comment."""
        return tuple(self._told()[0].split()) if self._told() else ()

    @property
    def options(self) -> tuple[tuple[str, str], ...]:
        """Return the options of an iface stanza."""
        pairs = (line.partition(" ") for line in self._told()[1:])
        return tuple((key, value.strip()) for key, _space, value in pairs)

    def _told(self) -> list[str]:
        """Return its lines, continued ones joined, without comments."""
        lines = "".join(self.lines).replace("\\\n", " ").replace("\t", " ").splitlines()
        return [line.strip() for line in lines if line.strip() and not line.lstrip().startswith("#")]


def blocks(text: str) -> list[Block]:
    """Return a file as blocks, whose lines together are the file again.

    A comment right above a stanza is a part of it.
    """
    found: list[list[str]] = []
    comments: list[str] = []
    continued = False
    for line in text.splitlines(keepends=True):
        words = line.split()
        head = bool(words) and not continued and (words[0] in _HEADS or words[0].startswith("allow-"))
        comment = line.lstrip().startswith("#") and not continued
        if head:
            found.append([*comments, line])
            comments = []
        elif comment:
            comments.append(line)
        elif not words and not continued:
            # An empty line ends a stanza as far as comments are concerned.
            found.append([*comments, line])
            comments = []
        else:
            found = found or [[]]
            found[-1] += [*comments, line]
            comments = []
        continued = line.rstrip("\n").endswith("\\")
    if comments:
        found.append(comments)
    return [Block(tuple(lines)) for lines in found]


def config_of(port: str, texts: Mapping[str, str]) -> dict[str, Any] | None:
    """Return the stanzas of a link, with its aliases; None where the files have none."""
    stanzas, source = [], ""
    for path, text in texts.items():
        for block in blocks(text):
            if block.words[:1] == ("iface",) and _is(block.words[1], port):
                source = source or path
                name, family, method = (*block.words[1:], "inet", "manual")[:3]
                inherits = block.words[5] if block.words[4:5] == ("inherits",) else None
                stanzas.append({
                    "name": name, "family": family, "method": method, "inherits": inherits,
                    "options": [list(option) for option in block.options],
                })  # fmt: skip
    return {"file": source, "stanzas": stanzas} if stanzas else None


def _is(name: str, port: str) -> bool:
    return name == port or name.startswith(f"{port}:")


def render(config: Mapping[str, Any], wanted: Wanted, present: Present) -> dict[str, FileState | None]:
    """Return the bridge's own file, and each file that had stanzas of the port, without them."""
    for stanza in config["stanzas"]:
        for key, _value in stanza["options"]:
            if _REFUSED.match(key):
                raise Unsupported(
                    f"could not make {wanted.name} of {wanted.port}: {config['file']} has {key} for it, which a port of a "
                    "bridge cannot have"
                )
    own = f"{FOLDER}/virtfleet-{wanted.name}"
    found: dict[str, FileState | None] = {}
    for path, file in present.files.items():
        if path == own:
            continue
        text = _without(file.text, wanted.port)
        if path == MAIN and not _sources(text):
            text = text.rstrip("\n") + f"\n\n# {MARK}.\nsource {own}\n"
        if text != file.text:
            found[path] = FileState(text, file.mode, file.uid, file.gid)
    found[own] = FileState("".join(f"{line}\n" for line in _own(config, wanted)))
    return found


def _sources(text: str) -> bool:
    """Tell whether a file reads every file of the folder."""
    every = {
        *(("source", f"{FOLDER}/*"), ("source", "interfaces.d/*")),
        *(("source-directory", FOLDER), ("source-directory", "interfaces.d")),
    }
    return any(tuple(block.words[:2]) in every for block in blocks(text)) or f"\nsource {FOLDER}/virtfleet-" in text


def _without(text: str, port: str) -> str:
    """Return a file without the stanzas of a link and without its name in lists."""
    lines: list[str] = []
    for block in blocks(text):
        head = block.words[0] if block.words else ""
        if head == "iface" and _is(block.words[1], port):
            continue
        if (head == "auto" or head.startswith(("allow-", "no-"))) and any(_is(word, port) for word in block.words[1:]):
            left = [word for word in block.words if not _is(word, port)]
            if len(left) > 1:
                lines.append(" ".join(left) + "\n")
            continue
        lines += block.lines
    return "".join(lines)


def _own(config: Mapping[str, Any], wanted: Wanted) -> Iterator[str]:
    stanzas = _replaced(config["stanzas"], wanted)
    port_options = [(key, value) for one in config["stanzas"] for key, value in one["options"] if _PORT_OPTIONS.match(key)]
    mtu = next((value for one in config["stanzas"] for key, value in one["options"] if key == "mtu"), None)
    yield f"# {MARK}."
    yield f"iface {wanted.port} inet manual"
    for key, value in dict.fromkeys(port_options):
        yield f"    {key} {value}"
    if mtu is not None:
        yield f"    mtu {mtu}"
    yield ""
    yield f"auto {wanted.name}"
    first = True
    for stanza in stanzas:
        name = wanted.name + stanza["name"][len(wanted.port) :]
        inherits = f" inherits {stanza['inherits']}" if stanza.get("inherits") else ""
        yield f"iface {name} {stanza['family']} {stanza['method']}{inherits}"
        if first:
            yield from (f"    {line}" for line in _making(wanted, mtu))
            first = False
        for key, value in stanza["options"]:
            if not _PORT_OPTIONS.match(key):
                yield f"    {key} {_moved(key, value, wanted)}".rstrip()


def _making(wanted: Wanted, mtu: str | None) -> Iterator[str]:
    """Yield what makes the bridge; each line can be run again."""
    bridge, port = wanted.name, wanted.port
    yield f"pre-up ip link show dev {bridge} >/dev/null 2>&1 || ip link add name {bridge} address {wanted.mac} type bridge"
    yield f"pre-up ip addr flush dev {port}"
    # A port has no addresses of its own; the kernel would give it one for each router that it hears.
    yield f"pre-up echo 1 > /proc/sys/net/ipv6/conf/{port}/disable_ipv6 || true"
    size = f" mtu {mtu}" if mtu is not None else ""
    yield f"pre-up ip link set dev {port}{size} master {bridge} up"
    yield f"post-down ip link delete dev {bridge} || true"
    yield f"post-down echo 0 > /proc/sys/net/ipv6/conf/{port}/disable_ipv6 || true"


def _moved(key: str, value: str, wanted: Wanted) -> str:
    """Return an option's value for the bridge: routes and the like move, what is done to the wire stays with it."""
    if key not in _COMMANDS:
        return value
    routing = re.search(r"\bip\b.*\b(route|rule|addr|address|neigh)\b", value) or value.lstrip().startswith("route ")
    if routing:
        return re.sub(rf"\b{re.escape(wanted.port)}\b", wanted.name, value)
    return re.sub(r"\$\{?IFACE\b\}?", wanted.port, value)


def _replaced(stanzas: list[dict[str, Any]], wanted: Wanted) -> list[dict[str, Any]]:
    """Return the stanzas with the addresses that are wanted, and the name servers in the first one."""
    found = [dict(stanza) for stanza in stanzas]
    for family in FAMILIES:
        static = wanted.static(family)
        if static is None:
            continue
        inet = "inet" if family == 4 else "inet6"
        old = [one for one in found if one["family"] == inet]
        found = [one for one in found if one["family"] != inet]
        kept = [option for one in old for option in one["options"] if option[0] not in _ADDRESSING]
        for number, address in enumerate(static.addresses):
            options = [["address", address]]
            if number == 0:
                options += [["gateway", static.gateway]] if static.gateway is not None else []
                options += kept
            if family == 6:
                # Without waiting, a daemon that starts at once could not use the address.
                options.append(["dad-attempts", "10"])
            found.append({"name": wanted.port, "family": inet, "method": "static", "options": options})
    found.sort(key=lambda one: one["family"])
    if wanted.nameservers is not None and found:
        for one in found:
            one["options"] = [option for option in one["options"] if option[0] not in ("dns-nameservers", "dns-nameserver")]
        found[0]["options"] = [*found[0]["options"], ["dns-nameservers", " ".join(wanted.nameservers)]]
    return found


def commands(wanted: Wanted, present_is_bridge: bool, absent: bool) -> Commands:
    """Return what takes the present links down, and the wanted ones up, both ways."""
    old = wanted.name if present_is_bridge else wanted.port
    new = wanted.port if absent else wanted.name
    # Told to be forgiving: what ifdown cannot take down, ifup makes anew.
    down_old, down_new = Command(("ifdown", "--force", old), 15, must=False), Command(("ifdown", "--force", new), 10)
    return Commands(
        before=(down_old,),
        after=(Command(("ifup", new), 60),),
        undo_before=(down_new,),
        undo_after=(Command(("ifup", old), 30),),
    )
