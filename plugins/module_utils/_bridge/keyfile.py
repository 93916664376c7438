# Copyright: (c) 2026, the virtfleet.core contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A bridge as NetworkManager's keyfiles (nm-settings-keyfile(5)).

The profile of the port stays as it is. A profile of a higher priority makes the link a port of the bridge, and the bridge
has a profile with the addresses.
"""

from __future__ import annotations

import uuid
from collections.abc import Mapping
from typing import Any

from .._errors import Unsupported
from .sections import Section, emit, merged, parse
from .values import MARK, Command, Commands, FileState, Present, Static, Wanted, family_of_network

FOLDER = "/etc/NetworkManager/system-connections"
_PRIORITY = 900
_NAMESPACE = uuid.UUID("0b4d6a52-6a52-5d0e-8d6c-3f1a6f0c5c7a")
_L3 = ("ipv4", "ipv6", "proxy")
# Of a connection, what both halves need.
_CONNECTION = ("autoconnect-retries", "wait-device-timeout")
_BRIDGE_CONNECTION = ("zone", "metered", "mdns", "llmnr", "dns-over-tls", "permissions", "dad-timeout")


def bridge_uuid(wanted: Wanted) -> str:
    return str(uuid.uuid5(_NAMESPACE, f"{wanted.name} {wanted.mac}"))


def port_uuid(wanted: Wanted) -> str:
    return str(uuid.uuid5(_NAMESPACE, f"{wanted.name} {wanted.mac} port"))


def paths(name: str) -> tuple[str, str]:
    """Return the files of a bridge and of its port."""
    return f"{FOLDER}/virtfleet-{name}.nmconnection", f"{FOLDER}/virtfleet-{name}-port.nmconnection"


def render(config: Mapping[str, Any], wanted: Wanted, present: Present) -> dict[str, FileState | None]:
    """Return the two profiles. ``config``: the ``text`` of the port's present profile."""
    sections = parse(config["text"])
    connection = merged(sections, "connection")
    if connection.get("type", "ethernet") not in ("ethernet", "802-3-ethernet"):
        raise Unsupported(
            f"could not make {wanted.name} of {wanted.port}: its profile {connection.get('id')} is of the type "
            f"{connection.get('type')}, and only ethernet can be a port"
        )
    if int(connection.get("autoconnect-priority", "0") or "0") >= _PRIORITY:
        raise Unsupported(
            f"could not make {wanted.name} of {wanted.port}: its profile {connection.get('id')} has autoconnect-priority "
            f"{connection.get('autoconnect-priority')}; set it below {_PRIORITY}, or the bridge would lose the port to it"
        )
    shared = connection.keeping(lambda key, _value: key in _CONNECTION).entries
    moved = connection.keeping(lambda key, _value: key in _BRIDGE_CONNECTION).entries
    bridge = [
        Section("connection", (
            ("id", f"virtfleet-{wanted.name}"), ("uuid", bridge_uuid(wanted)), ("type", "bridge"),
            ("interface-name", wanted.name), ("autoconnect-priority", str(_PRIORITY)), ("autoconnect-slaves", "1"),
            *shared, *moved,
        )),
        # NetworkManager's own default is to run the spanning tree protocol.
        Section("bridge", (("mac-address", wanted.mac.upper()), ("stp", "false"))),
        *(_layer3(sections, name, wanted) for name in _L3),
    ]  # fmt: skip
    port = [
        Section("connection", (
            ("id", f"virtfleet-{wanted.name}-port"), ("uuid", port_uuid(wanted)), ("type", "ethernet"),
            ("interface-name", wanted.port), ("master", bridge_uuid(wanted)), ("slave-type", "bridge"),
            ("autoconnect-priority", str(_PRIORITY)), *shared,
        )),
        *(section for section in sections if section.name not in {"connection", *_L3}),
    ]  # fmt: skip
    first, second = paths(wanted.name)
    comment = f"{MARK}; it stands in for the profile {connection.get('id')}."
    return {first: FileState(emit(bridge, comment), 0o600), second: FileState(emit(port, comment), 0o600)}


def _layer3(sections: tuple[Section, ...], name: str, wanted: Wanted) -> Section:
    section = merged(sections, name)
    if name not in ("ipv4", "ipv6"):
        return section
    family = 4 if name == "ipv4" else 6
    static = wanted.static(family)
    if static is not None:
        section = _replaced(section, static)
    elif family == 6 and wanted.token is not None and section.get("method", "auto") == "auto" and not section.get("token"):
        # NetworkManager mixes the profile and the link's name into the address that it makes: keep the one there is.
        section = section.keeping(lambda key, _value: key != "addr-gen-mode")
        section = Section(name, (*section.entries, ("addr-gen-mode", "eui64"), ("token", wanted.token)))
    if wanted.nameservers is not None:
        servers = [server for server in wanted.nameservers if family_of_network(server) == family]
        section = section.keeping(lambda key, _value: key not in ("dns", "ignore-auto-dns"))
        told = (("dns", "".join(f"{server};" for server in servers)),) if servers else ()
        section = Section(name, (*section.entries, *told, ("ignore-auto-dns", "true")))
    return section


def _replaced(section: Section, static: Static) -> Section:
    def stays(key: str, _value: str) -> bool:
        return not key.startswith(("address", "gateway", "dhcp-")) and key not in ("method", "may-fail")

    entries = [*section.keeping(stays).entries, ("method", "manual")]
    entries += [(f"address{number}", address) for number, address in enumerate(static.addresses, start=1)]
    if static.gateway is not None:
        entries.append(("gateway", static.gateway))
    return Section(section.name, tuple(entries))


def commands(wanted: Wanted, config: Mapping[str, Any], present_is_bridge: bool, absent: bool) -> Commands:
    """Return what has NetworkManager read its profiles and bring the right ones up, both ways."""
    reload = Command(("nmcli", "connection", "reload"), 10)

    def up(*words: str) -> Command:
        return Command(("nmcli", "--wait", "30", *words), 35)

    bridge = (
        up("connection", "up", "uuid", bridge_uuid(wanted)),
        up("connection", "up", "uuid", port_uuid(wanted)),
    )
    # A profile that NetworkManager made by itself, for a link without one, is gone after a restart of the host with the bridge.
    # It makes it again when it starts. To connect the device instead would leave a profile on disk that nobody wrote.
    once = f"nmcli --wait 15 connection up uuid {config['uuid']}"
    again = f"{once} || (systemctl restart NetworkManager; sleep 1; {once})"
    link = (Command(("sh", "-c", again), 35, must=False),)
    old, new = (bridge if present_is_bridge else link), (link if absent else bridge)
    return Commands(after=(reload, *new), undo_after=(reload, *old))
