# Copyright: (c) 2026, the virtfleet.core contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Facts out of the XML that libvirt gives. Pure: text in, values out."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from typing import Any
from urllib.parse import urlsplit
from xml.etree import ElementTree

from ._facts import GUEST_TYPES, METADATA_URI, DiskSummary, GuestSummary, InterfaceSummary, PoolFacts, VolumeFacts
from ._words import system_word

_OSINFO, _OWN = "{http://libosinfo.org/xmlns/libvirt/domain/1.0}", f"{{{METADATA_URI}}}"
_LIBOSINFO, _OSINFO_OS = f"{_OSINFO}libosinfo", f"{_OSINFO}os"
_OWN_GUEST, _OWN_ESTATE, _OWN_TAGS = f"{_OWN}guest", f"{_OWN}estate", f"{_OWN}tags/{_OWN}tag"
AGENT_CHANNEL = "org.qemu.guest_agent.0"
_LOCAL_HOSTS = frozenset({"", "localhost", "127.0.0.1", "::1"})
# What is fed to a parser at once where only the beginning matters.
_PIECE = 512

_UNITS = {"b": 1, "bytes": 1, "k": 1024, "m": 1024**2, "g": 1024**3, "t": 1024**4, "p": 1024**5, "e": 1024**6}


def size_of(node: ElementTree.Element | None, default_unit: str = "KiB") -> int:
    """Return the bytes that a node such as ``<memory unit='KiB'>`` says, 0 where it is missing.

    libvirt writes KiB or bytes; the other units stand in XML that a person wrote.
    """
    if node is None or not (node.text or "").strip():
        return 0
    unit = (node.get("unit") or default_unit).lower()
    number = int(str(node.text).strip())
    if unit.endswith("b") and len(unit) == 2:
        return int(number * 1000 ** ("kmgtpe".index(unit[0]) + 1))
    return number * _UNITS[unit if unit in _UNITS else unit[0]]


def is_remote(uri: str) -> bool:
    """Say whether a URI's hypervisor is on another host, out of reach for paths and programs of this one."""
    parts = urlsplit(uri)
    transport = parts.scheme.partition("+")[2]
    if transport in ("unix", "ext"):
        return False
    return (parts.hostname or "") not in _LOCAL_HOSTS


def capabilities(xml: str) -> dict[str, Any]:
    """Return ``uuid``, ``arch``, ``domain_types``, ``guest_types``, ``machines`` and ``xml``, as in HostFacts."""
    root = ElementTree.fromstring(xml)
    domain_types: dict[str, tuple[str, ...]] = {}
    machines: dict[tuple[str, str], tuple[str, ...]] = {}
    guest_types: dict[str, tuple[str, ...]] = {}
    for guest in root.iterfind("guest"):
        kind = GUEST_TYPES.get((guest.findtext("os_type") or "").strip())
        node = guest.find("arch")
        arch = (node.get("name") or "") if node is not None else ""
        if kind is not None and kind not in guest_types.get(arch, ()):
            guest_types[arch] = (*guest_types.get(arch, ()), kind)
    for node in root.iterfind("guest/arch"):
        arch = node.get("name") or ""
        shared = tuple(dict.fromkeys(machine.text or "" for machine in node.iterfind("machine")))
        types = list(domain_types.get(arch, ()))
        for domain in node.iterfind("domain"):
            kind = domain.get("type") or ""
            own = tuple(dict.fromkeys(machine.text or "" for machine in domain.iterfind("machine")))
            # xen lists an arch twice, for HVM and for PV.
            known = machines.get((arch, kind), ())
            machines[arch, kind] = known + tuple(name for name in own or shared if name not in known)
            if kind not in types:
                types.append(kind)
        domain_types[arch] = tuple(types)
    return {
        "uuid": root.findtext("host/uuid") or "",
        "arch": root.findtext("host/cpu/arch") or "",
        "domain_types": domain_types,
        "guest_types": guest_types,
        "machines": machines,
        "xml": xml,
    }


def _begun(xml: str, tag: str | None = None) -> ElementTree.Element | None:
    """Return the root once its first child ``tag`` is read, or its own tag is: not more is parsed than it takes.

    None where there is no such child. What comes behind it may be anything.
    """
    parser: Any = ElementTree.XMLPullParser(("start", "end"))
    root: ElementTree.Element | None = None
    depth = 0
    for begin in range(0, len(xml) + 1, _PIECE):
        parser.feed(xml[begin : begin + _PIECE])
        if begin + _PIECE > len(xml):
            parser.close()  # an expat that waits for more gives what it has
        for event, node in parser.read_events():
            depth += 1 if event == "start" else -1
            root = node if root is None else root
            if tag is None or (event == "end" and depth == 1 and node.tag == tag):
                return root
    return None


def name_in(xml: str) -> str:
    """Return the name of the object that the XML describes, a question mark where it has none."""
    try:
        root = _begun(xml, "name")
    except ElementTree.ParseError:
        return "?"
    return ((root.findtext("name") if root is not None else "") or "").strip() or "?"


def filter_in(xml: str) -> str:
    """Return the name of the network filter that the XML describes, a question mark where it has none."""
    try:
        return ElementTree.fromstring(xml).get("name") or "?"
    except ElementTree.ParseError:
        return "?"


def secret_in(xml: str) -> str:
    """Return what the secret that the XML describes is for, else its UUID, a question mark where it has neither."""
    try:
        root = ElementTree.fromstring(xml)
    except ElementTree.ParseError:
        return "?"
    usage = root.find("usage")
    named = next((node.text or "" for node in usage), "") if usage is not None else ""
    return (named or root.findtext("uuid") or "?").strip()


def agent_connected(xml: str) -> bool:
    """Say whether the live XML of a guest shows the guest agent at its channel."""
    return _agent(ElementTree.fromstring(xml))


def _agent(root: ElementTree.Element) -> bool:
    return any(map(_is_agent, root.iterfind("devices/channel")))


def _is_agent(channel: ElementTree.Element) -> bool:
    target = channel.find("target")
    return target is not None and target.get("name") == AGENT_CHANNEL and target.get("state") == "connected"


def is_live(xml: str) -> bool:
    """Say whether a domain's XML is that of a running guest: it has an id then."""
    root = _begun(xml)
    return root is not None and root.get("id") is not None


def guest_summary(xml: str, state: str, with_xml: bool = False) -> GuestSummary:
    """Return the summary of a guest from its XML."""
    root = ElementTree.fromstring(xml)
    # Each child is looked at once: looking for a dozen of them by their paths takes longer than parsing does.
    top = {node.tag: node for node in reversed(root)}
    vcpu, kind, own, system = top.get("vcpu"), None, None, None
    count = int((vcpu.get("current") or vcpu.text or "1").strip()) if vcpu is not None else 1
    if "os" in top:
        kind = top["os"].find("type")
    for node in top.get("metadata", ()):
        if node.tag == _OWN_GUEST:
            own = node
        elif node.tag == _LIBOSINFO:
            system = node.find(_OSINFO_OS)
    interfaces: list[InterfaceSummary] = []
    disks: list[DiskSummary] = []
    agent = False
    for node in top.get("devices", ()):
        if node.tag == "interface":
            interfaces.append(_nic(node))
        elif node.tag == "disk":
            disks.append(_disk(node))
        elif node.tag == "channel":
            agent = agent or _is_agent(node)
    return GuestSummary(
        name=_text_of(top.get("name")),
        uuid=_text_of(top.get("uuid")),
        state=state,
        vcpus=count,
        memory_bytes=size_of(top.get("currentMemory")) or size_of(top.get("memory")),
        arch=(kind.get("arch") or "") if kind is not None else "",
        title=_text_of(top.get("title")),
        description=_text_of(top.get("description")),
        estate=(own.findtext(_OWN_ESTATE) or "") if own is not None else "",
        tags=tuple(tag.text or "" for tag in own.iterfind(_OWN_TAGS)) if own is not None else (),
        interfaces=tuple(interfaces),
        agent=agent,
        kind=root.get("type") or "",
        # As in http://debian.org/debian/12.
        os=system_word(system.get("id") or "") if system is not None else "",
        disks=tuple(disks),
        xml=xml if with_xml else "",
    )


def _text_of(node: ElementTree.Element | None) -> str:
    return (node.text or "") if node is not None else ""


def _nic(node: ElementTree.Element) -> InterfaceSummary:
    mac, source = node.find("mac"), node.find("source")
    connected = ""
    if source is not None:
        connected = source.get("network") or source.get("bridge") or source.get("dev") or ""
    return InterfaceSummary(
        mac=(mac.get("address") or "") if mac is not None else "",
        type=node.get("type") or "",
        network=source.get("network") if source is not None else None,
        addresses=tuple(ip.get("address") or "" for ip in node.iterfind("ip")),
        source=connected,
    )


def _disk(node: ElementTree.Element) -> DiskSummary:
    target, source = node.find("target"), node.find("source")
    where = ""
    if source is not None:
        where = source.get("file") or source.get("dev") or source.get("dir") or ""
        if not where:
            parts = (source.get("protocol") or source.get("pool"), source.get("name") or source.get("volume"))
            where = "/".join(part for part in parts if part)
    return DiskSummary(
        target=(target.get("dev") or "") if target is not None else "",
        device=node.get("device") or "disk",
        bus=(target.get("bus") or "") if target is not None else "",
        source=where,
    )


def nested_stats(flat: Mapping[str, Any]) -> dict[str, Any]:
    """Return libvirt's statistics as their names nest: ``block.0.rd.bytes`` becomes ``block[0]["rd"]["bytes"]``.

    Numbered ones become a list, and their ``count`` goes. Where there are others beside them (``vcpu.current`` beside
    ``vcpu.0.state``) the list is called ``each``.
    """
    tree: dict[str, Any] = {}
    for key, value in flat.items():
        at = tree
        *path, last = key.split(".")
        for part in path:
            below = at.get(part)
            if not isinstance(below, dict):
                below = {} if below is None else {"value": below}
                at[part] = below
            at = below
        if isinstance(at.get(last), dict):
            at[last]["value"] = value
        else:
            at[last] = value
    found = _listed(tree)
    return found if isinstance(found, dict) else {}


def _listed(tree: Any) -> Any:
    if not isinstance(tree, dict):
        return tree
    result = {key: _listed(value) for key, value in tree.items()}
    numbers = sorted((key for key in result if key.isdigit()), key=int)
    if not numbers:
        # Of nics that libvirt cannot count for there is only how many they are.
        return [] if set(result) == {"count"} else result
    entries = [result[number] for number in numbers]
    others = {key: value for key, value in result.items() if not key.isdigit() and key != "count"}
    return {**others, "each": entries} if others else entries


def pool_facts(xml: str, live_xml: str | None, autostart: bool) -> PoolFacts:
    """Return the facts of a pool from its persistent XML and, where it is active, its live XML."""
    root = ElementTree.fromstring(xml)
    live = root if live_xml is None else ElementTree.fromstring(live_xml)
    active = live_xml is not None
    return PoolFacts(
        name=root.findtext("name") or "",
        uuid=root.findtext("uuid") or "",
        type=root.get("type") or "",
        path=root.findtext("target/path"),
        xml=xml,
        active=active,
        autostart=autostart,
        capacity_bytes=size_of(live.find("capacity"), "bytes") if active else 0,
        allocation_bytes=size_of(live.find("allocation"), "bytes") if active else 0,
        available_bytes=size_of(live.find("available"), "bytes") if active else 0,
    )


def volume_facts(pool: str, xml: str) -> VolumeFacts:
    """Return the facts of a volume from its XML."""
    root = ElementTree.fromstring(xml)
    format_node, backing_format = root.find("target/format"), root.find("backingStore/format")
    cluster = root.find("target/clusterSize")
    return VolumeFacts(
        pool=pool,
        name=root.findtext("name") or "",
        path=root.findtext("target/path") or "",
        format=(format_node.get("type") or "") if format_node is not None else "",
        capacity_bytes=size_of(root.find("capacity"), "bytes"),
        allocation_bytes=size_of(root.find("allocation"), "bytes"),
        backing=root.findtext("backingStore/path") or None,
        backing_format=backing_format.get("type") if backing_format is not None else None,
        encrypted=root.find("target/encryption") is not None,
        compat=root.findtext("target/compat") or None,
        cluster_bytes=size_of(cluster, "bytes") if cluster is not None else None,
        lazy_refcounts=root.find("target/features/lazy_refcounts") is not None,
    )


def cpu_map(cpus: str) -> tuple[bool, ...]:
    """Return a set of CPUs such as ``0-2,5`` as libvirt's calls take it: one flag a CPU, from the first on."""
    chosen: set[int] = set()
    for piece in cpus.split(","):
        first, _dash, last = piece.partition("-")
        chosen.update(range(int(first), int(last or first) + 1))
    return tuple(number in chosen for number in range(max(chosen) + 1))


def device_alias(live_xml: str, device_xml: str) -> str | None:
    """Return the alias that a running guest gave to the device that ``device_xml`` describes, None if it has none.

    A device is known by what libvirt itself goes by when it detaches: alias, a disk's target, a nic's mac, else the
    address, the source or the target that is given.
    """
    wanted = ElementTree.fromstring(device_xml)
    found = [
        node
        for node in ElementTree.fromstring(live_xml).iterfind(f"devices/{wanted.tag}")
        if all(_agrees(wanted, node, path) for path in ("alias", "target", "mac", "address", "source"))
    ]
    if len(found) != 1:
        return None
    alias = found[0].find("alias")
    return alias.get("name") if alias is not None else None


def _agrees(wanted: ElementTree.Element, present: ElementTree.Element, path: str) -> bool:
    want, have = wanted.find(path), present.find(path)
    if want is None:
        return True
    if wanted.tag == "disk" and path == "source":  # a disk is known by its target; its source has many spellings
        return True
    if wanted.tag == "interface" and path in ("target", "source"):  # the mac says it; vnetN comes and goes
        return True
    if have is None:
        return False
    keys = ("dev",) if wanted.tag == "disk" and path == "target" else tuple(want.attrib)
    return all((want.get(key) or "").lower() == (have.get(key) or "").lower() for key in keys)


def has_alias(live_xml: str, alias: str) -> bool:
    """Say whether a device with this alias is in the live XML."""
    root = ElementTree.fromstring(live_xml)
    return any(node.get("name") == alias for node in root.iterfind("devices/*/alias"))


def namespace_of(xml: str) -> str:
    """Return the namespace of an element."""
    return ElementTree.fromstring(xml).tag.rpartition("}")[0].lstrip("{")


def plain_metadata(xml: str) -> str:
    """Return a metadata element without its namespace.

    libvirt puts the namespace on every node itself, and refuses an element that declares it already
    ("failed to create a new XML namespace").
    """
    root = ElementTree.fromstring(xml)
    for node in root.iter():
        node.tag = node.tag.rpartition("}")[2]
    return ElementTree.tostring(root, encoding="unicode")


def defined_addresses(xml: str) -> list[dict[str, Any]]:
    """Return the addresses that a guest's definition says it has, in the form of ``lease_addresses``."""
    found = []
    for node in ElementTree.fromstring(xml).iterfind("devices/interface"):
        mac, target = node.find("mac"), node.find("target")
        addresses = [_defined(ip.get("address") or "", ip.get("prefix")) for ip in node.iterfind("ip")]
        if addresses:
            found.append(
                {
                    "name": (target.get("dev") or "") if target is not None else "",
                    "mac": (mac.get("address") or "").lower() if mac is not None else "",
                    "addresses": addresses,
                }
            )
    return found


def _defined(address: str, prefix: str | None) -> dict[str, Any]:
    family, bits = ("ipv6", 128) if ":" in address else ("ipv4", 32)
    return {"address": address, "prefix": int(prefix or bits), "family": family}


def lease_addresses(found: Mapping[str, Any] | None) -> list[dict[str, Any]]:
    """Return what virDomainInterfaceAddresses found as ``[{name, mac, addresses: [{address, prefix, family}]}]``."""
    return [
        {
            "name": name,
            "mac": (entry.get("hwaddr") or "").lower(),
            "addresses": [_told(each["addr"], each) for each in entry.get("addrs") or ()],
        }
        for name, entry in sorted((found or {}).items())
    ]


def leased(mac: str, leases: Sequence[Mapping[str, Any]]) -> dict[str, Any]:
    """Return the leases of one nic (virNetworkGetDHCPLeases) in the form of an entry of ``lease_addresses``."""
    return {
        "name": "",
        "mac": mac.lower(),
        "addresses": [_told(each["ipaddr"], each) for each in leases],
    }


def _told(address: str, entry: Mapping[str, Any]) -> dict[str, Any]:
    """Return an address with the prefix and the type (virIPAddrType: 0 is IPv4, 1 is IPv6) that libvirt tells beside it."""
    return {"address": address, "prefix": int(entry["prefix"]), "family": "ipv6" if entry["type"] == 1 else "ipv4"}


def agent_addresses(answer: str) -> list[dict[str, Any]]:
    """Return the agent's guest-network-get-interfaces in the form of ``lease_addresses``.

    The answer was made inside the guest: what has not the expected shape is left out.
    """
    try:
        entries = json.loads(answer).get("return")
    except (ValueError, AttributeError):
        return []
    result = []
    for entry in entries if isinstance(entries, list) else ():
        if not isinstance(entry, dict):
            continue
        addresses = []
        found = entry.get("ip-addresses")
        for each in found if isinstance(found, list) else ():
            if not isinstance(each, dict) or not isinstance(each.get("ip-address"), str):
                continue
            prefix, family = each.get("prefix"), each.get("ip-address-type")
            if isinstance(prefix, int) and family in ("ipv4", "ipv6"):
                addresses.append({"address": each["ip-address"], "prefix": prefix, "family": family})
        mac = entry.get("hardware-address")
        result.append(
            {
                "name": str(entry.get("name") or ""),
                "mac": mac.lower() if isinstance(mac, str) else "",
                "addresses": addresses,
            }
        )
    return result
