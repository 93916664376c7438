# Copyright: (c) 2026, the virtfleet.core contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A bridge as netplan's YAML (netplan's reference of its format).

netplan merges its files, and what one file adds to a list another cannot take away. So the addresses of the port are taken
out of the file that has them, and stand in a file of our own, below the bridge.
"""

from __future__ import annotations

import copy
from collections.abc import Iterator, Mapping
from fnmatch import fnmatchcase
from typing import Any

from .._errors import Unsupported
from .values import FAMILIES, MARK, Command, Commands, FileState, Link, Present, Static, Wanted, family_of_network
from .yaml import emit

FOLDER = "/etc/netplan"
CLOUD_INIT = "/etc/netplan/50-cloud-init.yaml"
CLOUD_INIT_OFF = "/etc/cloud/cloud.cfg.d/99-virtfleet-network.cfg"

# What belongs to addresses and routes, and moves to the bridge; everything else stays with the port.
_MOVES = (
    *("dhcp4", "dhcp6", "dhcp4-overrides", "dhcp6-overrides", "dhcp-identifier", "accept-ra", "ra-overrides"),
    *("addresses", "gateway4", "gateway6", "nameservers", "routes", "routing-policy", "link-local", "ipv6-privacy"),
    *("ipv6-address-generation", "ipv6-address-token", "optional-addresses", "critical", "ipv6-mtu"),
)
# What both need.
_SHARED = ("renderer", "optional")
_SECTIONS = ("ethernets",)


def matches(key: str, definition: Mapping[str, Any], link: Link) -> bool:
    """Tell whether a definition is of this link."""
    match = definition.get("match")
    if not match:
        return key == link.name
    if definition.get("set-name") == link.name:
        return True
    names = match.get("name", "*")
    drivers = match.get("driver", "*")
    return (
        any(fnmatchcase(link.name, glob) for glob in ([names] if isinstance(names, str) else names))
        and match.get("macaddress", link.mac).lower() == link.mac
        and any(fnmatchcase(link.driver, glob) for glob in ([drivers] if isinstance(drivers, str) else drivers))
    )


def is_alone(key: str, definition: Mapping[str, Any], link: Link) -> bool:
    """Tell whether a definition is of this link and can be of no other."""
    match = definition.get("match") or {}
    return not match or "macaddress" in match or "set-name" in definition or match.get("name") == link.name


def definitions(tree: Any) -> Iterator[tuple[str, dict[str, Any]]]:
    """Yield the ids and the definitions of a file's ethernet links."""
    network = tree.get("network") if isinstance(tree, Mapping) else None
    for section in _SECTIONS:
        for key, definition in ((network or {}).get(section) or {}).items():
            if isinstance(definition, dict):
                yield key, definition


def config_of(key: str, link: Link, trees: Mapping[str, Any]) -> dict[str, Any]:
    """Return the config of a link that netplan has under an id: what its files say together."""
    together: dict[str, Any] = {}
    # Files of /etc stand in for those of the same name elsewhere, and all are read in the order of their names.
    for path in sorted(trees, key=lambda path: path.rpartition("/")[2]):
        for name, definition in definitions(trees[path]):
            if name == key:
                _merge(together, definition)
    return {"id": key, "definition": together, "alone": is_alone(key, together, link)}


def _merge(into: dict[str, Any], more: Mapping[str, Any]) -> None:
    for key, value in more.items():
        if isinstance(value, Mapping) and isinstance(into.get(key), dict):
            _merge(into[key], value)
        elif isinstance(value, list) and isinstance(into.get(key), list):
            into[key] += [item for item in value if item not in into[key]]
        else:
            into[key] = copy.deepcopy(value)


def render(config: Mapping[str, Any], wanted: Wanted, present: Present) -> dict[str, FileState | None]:
    """Return the bridge's own file, and each file that had the port's addresses, without them.

    ``config`` is what `config_of` returned before there was a bridge. ``present`` has every file of netplan.
    """
    definition = config["definition"]
    if "networkmanager" in definition:
        raise Unsupported(
            f"could not make {wanted.name} of {wanted.port}: NetworkManager wrote its netplan definition {config['id']} by "
            f"itself, with settings in its own words; write a definition of {wanted.port} in {FOLDER} by hand first"
        )
    port = str(config["id"])
    found: dict[str, FileState | None] = {}
    own: dict[str, Any] = {}
    if config["alone"]:
        found.update(_stripped(port, present))
    else:
        # Others live under that definition too. networkd takes the first that matches, by its id.
        port, old = f"0-{wanted.name}-{wanted.port}", port
        if port > old:
            raise Unsupported(
                f"could not make {wanted.name} of {wanted.port}: the netplan definition {old} is of other interfaces too; "
                f"write a definition of {wanted.port} alone in {FOLDER} first"
            )
        kept = {key: copy.deepcopy(value) for key, value in definition.items() if key not in _MOVES}
        own["ethernets"] = {port: {**kept, "match": {"name": wanted.port}, "dhcp4": "false", "dhcp6": "false"}}
    bridge = {key: copy.deepcopy(definition[key]) for key in (*_SHARED, *_MOVES) if key in definition}
    for family in FAMILIES:
        static = wanted.static(family)
        if static is not None:
            _replace(bridge, family, static)
    if wanted.nameservers is not None:
        bridge["nameservers"] = {**bridge.get("nameservers", {}), "addresses": list(wanted.nameservers)}
    if config["service"] == "NetworkManager":
        # Its own default is to run the spanning tree protocol, and so to be deaf for half a minute. For networkd there must
        # be no `parameters` at all: with one of them netplan turns the protocol on.
        bridge["parameters"] = {"stp": "false"}
    own["bridges"] = {wanted.name: {"interfaces": [port], "macaddress": wanted.mac, **bridge}}
    text = emit({"network": {"version": "2", **own}}, f"{MARK}.")
    found[f"{FOLDER}/90-virtfleet-{wanted.name}.yaml"] = FileState(text, 0o600)
    if wanted.iaid is not None and "dhcp-identifier" not in definition:
        dropin = f"/etc/systemd/network/10-netplan-{wanted.name}.network.d/virtfleet.conf"
        found[dropin] = FileState(f"# {MARK}.\n[DHCPv4]\nIAID={wanted.iaid}\n")
    if CLOUD_INIT in found:
        # It would write the file anew, with the addresses at the port.
        found[CLOUD_INIT_OFF] = FileState(f"# {MARK}.\nnetwork: {{config: disabled}}\n")
    return found


def _stripped(key: str, present: Present) -> Iterator[tuple[str, FileState]]:
    """Yield the files in which the definition has something that moves, without it."""
    for path, tree in present.trees.items():
        if any(name == key and set(_MOVES) & set(definition) for name, definition in definitions(tree)):
            if not path.startswith(f"{FOLDER}/"):
                raise Unsupported(f"could not move the addresses out of {path}: only files in {FOLDER} are changed; move it there")
            left = copy.deepcopy(tree)
            for name, definition in definitions(left):
                if name == key:
                    for word in _MOVES:
                        definition.pop(word, None)
            old = present.files[path]
            note = "virtfleet.core.host_bridge has moved the addresses of one interface from here to its bridge."
            yield path, FileState(emit(left, note), old.mode & 0o600, old.uid, old.gid)


def _replace(bridge: dict[str, Any], family: int, static: Static) -> None:
    """Replace the addresses and the gateway of one family, and turn its DHCP off."""
    bridge[f"dhcp{family}"] = "false"
    bridge.pop(f"dhcp{family}-overrides", None)
    bridge.pop(f"gateway{family}", None)
    others = [entry for entry in bridge.get("addresses", []) if _family_of_entry(entry) != family]
    bridge["addresses"] = [*others, *static.addresses]
    routes = [route for route in bridge.get("routes", []) if not _is_default(route, family)]
    if static.gateway is not None:
        routes.append({"to": "default", "via": static.gateway})
    bridge["routes"] = routes
    if not routes:
        del bridge["routes"]


def _family_of_entry(entry: Any) -> int | None:
    """Return the family of an address, which may be a mapping of the address to its options."""
    return family_of_network(next(iter(entry)) if isinstance(entry, Mapping) else str(entry))


def _is_default(route: Mapping[str, Any], family: int) -> bool:
    if route.get("to") not in ("default", "0.0.0.0/0", "::/0", "0/0"):
        return False
    return family_of_network(str(route.get("via", ""))) in (family, None)


def commands(config: Mapping[str, Any]) -> Commands:
    """Return what has netplan write the files of its renderer and the renderer read them, both ways."""
    apply = Command(("netplan", "apply"), 40)
    # netplan stops NetworkManager to start it again, and may fail in between.
    start = Command(("systemctl", "start", config["service"]), 15)
    return Commands(after=(apply,), undo_after=(apply, start), boot=(Command(("netplan", "generate"), 20),))
