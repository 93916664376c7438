# Copyright: (c) 2026, the virtfleet.core contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What is to be done about a bridge: from what is wanted and what is there to a change, or to nothing."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from dataclasses import dataclass, replace
from ipaddress import IPv6Address, ip_address, ip_interface
from typing import Any

from .. import _errors as errors
from .._change import Action, Change, Effect, Plan
from . import ifupdown, keyfile, netplan, networkd
from .change import Family, FileChange, NetworkChange, Record
from .check import OPTION, Expected, lasting_problems
from .spec import BridgeSpec
from .values import FAMILIES, Commands, Files, FileState, Kernel, Link, Native, Present, Static, Wanted, within

KIND = "host_bridge"
RESOLV_CONF = "/etc/resolv.conf"
_PLAIN_KINDS = ("", "veth")
_RENDER = {
    "networkd": networkd.render,
    "netplan": netplan.render,
    "ifupdown": ifupdown.render,
    "networkmanager": keyfile.render,
}


@dataclass(frozen=True)
class Decision:
    """The plan for people, and the change for the guard: None where nothing is to be done."""

    plan: Plan
    change: NetworkChange | None = None


def choose_port(spec: BridgeSpec, kernel: Kernel, record: Record | None) -> str:
    """Return the interface that is to be in the bridge; raise SpecError or Conflict."""
    if record is not None:
        if spec.interface not in (None, record.port):
            raise errors.Conflict(
                f"could not put {spec.interface} into {spec.name}: it is made of {record.port}; remove it first with "
                "state: absent"
            )
        return record.port
    if spec.interface is not None:
        return spec.interface
    bridge = kernel.links.get(spec.name)
    if bridge is not None:
        found = [port for port in kernel.ports(spec.name) if not kernel.links[port].tap]
        if len(found) == 1:
            return found[0]
        raise errors.SpecError(
            f"interface: {spec.name} exists with {' and '.join(found) or 'no interface'} in it; name the one that is meant"
        )
    for family in FAMILIES:
        routes = [route for route in kernel.routes if route.to == "default" and route.family == family]
        if routes:
            return min(routes, key=lambda route: route.metric or 0).dev
    raise errors.SpecError("interface: the host has no default route to tell it by; name the interface that is to be in it")


def check_port(name: str, port: str, kernel: Kernel) -> None:
    """Raise NotFound, Conflict or Unsupported for an interface that cannot become the port of a new bridge."""
    link = kernel.links.get(port)
    begin = f"could not make {name} of {port}"
    if link is None:
        there = ", ".join(sorted(name for name, one in kernel.links.items() if one.ether and not one.tap)) or "none"
        raise errors.NotFound(f"{begin}: the host has no such interface; it has {there}")
    if link.master is not None:
        kind = kernel.links[link.master].kind if link.master in kernel.links else "link"
        raise errors.Conflict(f"{begin}: it is in the {kind} {link.master} already; make the bridge of {link.master}, or use it")
    if link.kind == "bridge":
        raise errors.Conflict(f"{begin}: {port} is a bridge itself; guests can be plugged into it as it is")
    if link.wireless:
        raise errors.Unsupported(f"{begin}: a wireless interface cannot be in a bridge; use a NAT network for guests instead")
    if not link.ether or link.kind not in _PLAIN_KINDS or link.tap:
        raise errors.Unsupported(
            f"{begin}: it is a {link.kind or 'link without Ethernet'}, and this module makes bridges of plain network cards; write this "
            "one by hand"
        )
    if not link.carrier:
        raise errors.Conflict(f"{begin}: it has no link (no cable, or it is down); nobody could tell whether the bridge works")


def base_of(kernel: Kernel, dev: str, native: Native) -> dict[int, Family]:
    """Return the addresses of a link as they are: what is carried over.

    An address is fixed when it stands in the configuration. The kernel knows of a lifetime, and there are leases and
    advertisements without one.
    """
    written = _addresses_in(json.dumps(native.config))
    found = {}
    for family in FAMILIES:
        fixed: list[str] = []
        others: list[str] = []
        for address in kernel.of(dev, family):
            is_fixed = not address.dynamic and ip_interface(address.address).ip in written
            (fixed if is_fixed else others).append(address.address)
        route = kernel.default(family, dev)
        gateway = route.via if route else None
        gateway_fixed = gateway is not None and ip_address(gateway) in written
        found[family] = Family(tuple(fixed), bool(others), gateway, gateway_fixed)
    return found


def _addresses_in(text: str) -> set[Any]:
    """Return every IP address in a text."""
    found = set()
    for word in re.findall(r"[0-9A-Fa-f:.]{3,}", text):
        try:
            found.add(ip_address(word))
        except ValueError:
            continue
    return found


def token_of(kernel: Kernel, dev: str, fixed: tuple[str, ...]) -> str | None:
    """Return the half of its IPv6 address that a host made by itself and not of its MAC; None where there is none."""
    for address in kernel.of(dev, 6):
        number = ip_interface(address.address)
        half = int(number.ip) & ((1 << 64) - 1)
        if not address.temporary and address.address not in fixed and number.network.prefixlen == 64 and (half >> 24) & 0xFFFF != 0xFFFE:
            return str(IPv6Address(half))
    return None


def wanted_of(spec: BridgeSpec, record: Record) -> Wanted:
    """Return the bridge that is wanted: what is left out is as it was told before, or carried over.

    Raises SpecError for options that do not fit that.
    """
    statics = {family: _static(spec, family, record) for family in FAMILIES}
    nameservers = spec.nameservers if spec.nameservers is not None else record.told_nameservers
    if nameservers is None and statics[4] is not None and record.before[4].dynamic:
        # They came with the lease, which is given up.
        nameservers = record.nameservers or None
    return Wanted(spec.name, record.port, record.mac, statics[4], statics[6], nameservers, record.iaid, record.token)


def _static(spec: BridgeSpec, family: int, record: Record) -> Static | None:
    addresses, gateway, option = spec.addresses_of(family), spec.gateway_of(family), OPTION[family]
    before, told = record.before.get(family, Family()), record.told.get(family)
    present = before.gateway if told is None else told.gateway
    if not addresses and gateway is None:
        return told
    if not addresses:
        if told is None and (before.dynamic or not before.addresses):
            how = "gets its address by itself" if before.dynamic else "has no address"
            raise errors.SpecError(f"{option}: in IPv{family} the host {how}; write addresses too, or leave out {option}")
        addresses = told.addresses if told is not None else before.addresses
        if not within(gateway or "", addresses):
            raise errors.SpecError(f"{option}: {gateway} is not in the network of {' or '.join(addresses)}")
    if gateway is None and present is not None and not ip_address(present).is_link_local:
        if not within(present, addresses):
            raise errors.SpecError(
                f"addresses: the present gateway {present} is not in the network of {' or '.join(addresses)}; write "
                f"{option} too"
            )
        gateway = present
    return Static(addresses, gateway)


def render(wanted: Wanted, native: Native, present: Present, resolv: FileState | None) -> dict[str, FileState | None]:
    """Return the files of a bridge; ``resolv`` is /etc/resolv.conf where nobody else writes it."""
    files = dict(_RENDER[native.manager](native.config, wanted, present))
    if wanted.nameservers is not None and resolv is not None and native.manager != "networkmanager":
        kept = [line for line in resolv.text.splitlines() if not re.match(r"^\s*nameserver\b", line)]
        lines = [*kept, *(f"nameserver {server}" for server in wanted.nameservers)]
        files[RESOLV_CONF] = replace(resolv, text="".join(f"{line}\n" for line in lines))
    return files


def commands_of(native: Native, wanted: Wanted, bridge_now: bool, absent: bool = False) -> Commands:
    """Return what makes files true and what undoes it, by the manager."""
    if native.manager == "networkd":
        return networkd.commands(wanted)
    if native.manager == "netplan":
        return netplan.commands(native.config)
    if native.manager == "ifupdown":
        return ifupdown.commands(wanted, bridge_now, absent)
    return keyfile.commands(wanted, native.config, bridge_now, absent)


def decide(
    spec: BridgeSpec, kernel: Kernel, record: Record, current: Files, files: Files, written_before: bool
) -> Decision:
    """Return what makes the bridge true. ``files`` are those that are wanted, ``current`` the same as they are.

    ``written_before``: the record is one of the host's, so the bridge is ours already.
    """
    wanted = wanted_of(spec, record)
    changed = tuple(
        FileChange(path, current.get(path), file) for path, file in sorted(files.items()) if not _same(current.get(path), file)
    )
    expected = expected_of(wanted, record, kernel)
    wrong = lasting_problems(expected, kernel) if written_before else []
    warnings = _warnings(spec.name, kernel)
    if written_before and not changed and not wrong:
        return Decision(Plan(warnings=warnings))
    new = replace(
        record,
        told={family: told for family in FAMILIES for told in [wanted.static(family)] if told is not None},
        told_nameservers=wanted.nameservers,
        originals={**{one.path: one.before for one in changed}, **record.originals},
        written={**record.written, **files},
    )
    bridge_now = spec.name in kernel.links
    change = NetworkChange(
        name=spec.name,
        port=record.port,
        files=changed,
        commands=commands_of(record.native, wanted, bridge_now),
        links=() if bridge_now else (spec.name,),
        removes=(),
        expected=expected,
        record=new,
    )
    action = Action(
        KIND, spec.name, "update" if written_before else "create", Effect.LIVE, tuple(_rows(wanted, record, kernel, changed, wrong))
    )
    return Decision(Plan((action,), warnings=warnings), change)


def expected_of(wanted: Wanted, record: Record, kernel: Kernel) -> Expected:
    """Return what must hold for the bridge."""
    static: list[str] = []
    dynamic: list[int] = []
    gateways: dict[int, str | None] = {}
    for family in FAMILIES:
        told, before = wanted.static(family), record.before.get(family, Family())
        if told is not None:
            static += told.addresses
            if told.gateway is not None:
                gateways[family] = told.gateway
            continue
        static += before.addresses
        if before.dynamic:
            dynamic.append(family)
        if before.gateway is not None:
            gateways[family] = before.gateway if before.gateway_fixed else None
    dev = wanted.name if wanted.name in kernel.links else wanted.port
    routes = tuple(
        route.to for route in kernel.routes
        if route.dev == dev and route.to != "default" and route.proto in ("static", "boot") and wanted.static(route.family) is None
    )  # fmt: skip
    port = kernel.links.get(wanted.port)
    return Expected(
        wanted.name, wanted.port, wanted.mac, port.mtu if port else 1500, tuple(static), tuple(dynamic), gateways, routes=routes
    )


def decide_absent(spec: BridgeSpec, kernel: Kernel, record: Record, current: Files) -> Decision:
    """Return what gives the addresses back to the port, from the record."""
    guests = [port for port in kernel.ports(spec.name) if port != record.port]
    if guests:
        raise errors.Conflict(
            f"could not remove {spec.name}: {', '.join(guests)} {'is' if len(guests) == 1 else 'are'} plugged into it; stop the "
            "guests or move them to another network first"
        )
    changed = []
    for path in sorted(record.written):
        now, original = current.get(path), record.originals.get(path)
        if now is None and original is None:
            continue
        if not _same(now, record.written[path]) and not _same(now, original):
            raise errors.Conflict(
                f"could not remove {spec.name}: {path} was changed by somebody else since; give {record.port} its addresses there by "
                f"hand, or undo that change, and run again"
            )
        if not _same(now, original):
            changed.append(FileChange(path, now, original))
    wanted = Wanted(spec.name, record.port, record.mac)
    port = kernel.links.get(record.port)
    before = {family: one for family, one in record.before.items() if one.addresses or one.dynamic or one.gateway}
    expected = Expected(
        record.port, None, record.mac, port.mtu if port else 1500,
        static=tuple(address for one in before.values() for address in one.addresses),
        dynamic=tuple(family for family, one in before.items() if one.dynamic),
        gateways={family: one.gateway if one.gateway_fixed else None for family, one in before.items() if one.gateway},
    )  # fmt: skip
    change = NetworkChange(
        name=spec.name,
        port=record.port,
        files=tuple(changed),
        commands=commands_of(record.native, wanted, bridge_now=True, absent=True),
        links=(),
        removes=(spec.name,),
        expected=expected,
        record=None,
        ipv6=record.ipv6,
    )
    rows = [
        Change(("interface",), record.port, None, Effect.LIVE),
        Change(("addresses",), [one.address for one in kernel.addresses.get(spec.name, ())], None, Effect.LIVE,
               f"{record.port} has back what it had before"),
        Change(("files",), None, [one.path for one in changed], Effect.LIVE),
    ]  # fmt: skip
    return Decision(Plan((Action(KIND, spec.name, "delete", Effect.LIVE, tuple(rows)),)), change)


def by_hand(spec: BridgeSpec, kernel: Kernel, port: str, native: Native | None) -> Plan:
    """Return the plan for a bridge of that name that this module did not make: nothing to do, or Conflict."""
    bridge = kernel.links[spec.name]
    begin = f"{spec.name} exists and was not made by this module"
    if bridge.kind != "bridge":
        raise errors.Conflict(f"could not make {spec.name}: it exists as a {bridge.kind or 'network card'}; choose another name")
    if port not in kernel.ports(spec.name):
        there = ", ".join(kernel.ports(spec.name)) or "nothing"
        raise errors.Conflict(f"{begin}, and has {there} in it, not {port}; choose another name, or change it where it was made")
    if native is None:
        raise errors.Conflict(
            f"{begin}, and no file makes it again at the host's next start; remove it with `ip link delete {spec.name}` from the "
            "host's console, and run again"
        )
    differ = []
    have = {address.address for address in kernel.addresses.get(spec.name, ())}
    differ += [f"it lacks the address {address}" for address in spec.addresses or () if address not in have]
    for family in FAMILIES:
        told, route = spec.gateway_of(family), kernel.default(family, spec.name)
        if told is not None and (route is None or route.via != told):
            differ.append(f"its gateway is {route.via if route else 'nobody'} and not {told}")
    if differ:
        raise errors.Conflict(f"{begin}, and {', and '.join(differ)}; change that in {native.source}")
    return Plan(warnings=_warnings(spec.name, kernel))


def _rows(
    wanted: Wanted, record: Record, kernel: Kernel, files: tuple[FileChange, ...], wrong: list[str]
) -> list[Change]:
    """Return what changes in the user's words."""
    rows: list[Change] = []
    new = wanted.name not in kernel.links
    dev = record.port if new else wanted.name
    if new:
        rows.append(Change(("interface",), None, wanted.port, Effect.LIVE, f"by {record.native.manager}"))
    # Addresses and gateways of IPv6 that nobody wrote come and go with a router's advertisements: no two looks are alike.
    kept = {family: record.before.get(family, Family()) for family in FAMILIES}
    before = [one.address for one in kernel.addresses.get(dev, ()) if one.family == 4 or _is_told(one.address, wanted, kept)]
    after: list[str] = []
    for family in FAMILIES:
        told = wanted.static(family)
        present = [one.address for one in kernel.of(dev, 4)] if family == 4 else kept[6].addresses
        after += told.addresses if told is not None else present
    if new or set(after) != set(before):
        rows.append(Change(("addresses",), None if new else before, after, Effect.LIVE, f"moved from {wanted.port}" if new else ""))
    for family in FAMILIES:
        told, route = wanted.static(family), kernel.default(family, dev)
        old = route.via if route is not None and (family == 4 or kept[6].gateway_fixed or told is not None) else None
        via = told.gateway if told is not None else old
        if via != old or (new and via is not None):
            rows.append(Change((OPTION[family],), None if new else old, via, Effect.LIVE))
    if wanted.nameservers is not None and (new or files):
        rows.append(Change(("nameservers",), None, list(wanted.nameservers), Effect.LIVE))
    if wrong:
        rows.append(Change(("running",), wrong, [], Effect.LIVE, "what the files say is not what runs"))
    if files:
        rows.append(Change(("files",), None, [one.path for one in files], Effect.LIVE))
    return rows


def _is_told(address: str, wanted: Wanted, before: Mapping[int, Family]) -> bool:
    """Tell whether an IPv6 address stands in the configuration, before or after."""
    told = wanted.static(6)
    return address in before[6].addresses or (told is not None and address in told.addresses)


def _same(one: FileState | None, other: FileState | None) -> bool:
    if one is None or other is None:
        return one is other
    return (one.text, one.mode) == (other.text, other.mode)


def _warnings(name: str, kernel: Kernel) -> tuple[str, ...]:
    if not kernel.bridged_drop:
        return ()
    return (
        f"guests in {name} will reach nobody: the host's firewall sees bridged frames (br_netfilter, which Docker loads) and drops "
        "what is forwarded; allow it (for Docker: iptables -I DOCKER-USER -i "
        f"{name} -o {name} -j ACCEPT), or set net.bridge.bridge-nf-call-iptables=0",
    )


_SECRET = re.compile(r"(?im)^(\s*[\w.-]*(?:password|psk|secret|passphrase)[\w.-]*\s*[:=]).*$")


def diff(change: NetworkChange) -> list[dict[str, str]]:
    """Return one entry a file for ``--diff``, with passwords hidden."""

    def shown(file: FileState | None) -> str:
        return _SECRET.sub(r"\1 (hidden)", file.text) if file is not None else ""

    return [
        {"before_header": one.path, "after_header": one.path, "before": shown(one.before), "after": shown(one.after)}
        for one in change.files
    ]


def shown(name: str, kernel: Kernel, record: Record | None, native: Native | None) -> dict[str, Any]:
    """Return a bridge in the user's words."""
    link: Link | None = kernel.links.get(name)
    if link is None:
        return {"name": name, "state": "absent"}
    gateways = {family: kernel.default(family, name) for family in FAMILIES}
    manager = record.native.manager if record is not None else native.manager if native is not None else None
    return {
        "name": name,
        "state": "present",
        "manager": manager,
        "ports": list(kernel.ports(name)),
        "mac": link.mac,
        "mtu": link.mtu,
        "addresses": [address.address for address in kernel.addresses.get(name, ())],
        "gateway": gateways[4].via if gateways[4] else None,
        "gateway6": gateways[6].via if gateways[6] else None,
    }
