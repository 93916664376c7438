# Copyright: (c) 2026, the virtfleet.core contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What the module host_info reads, between Ansible's parameters and the hypervisor."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from . import _xml
from ._accelerator_module import accelerator_result
from ._apply import Ports
from ._facts import HostFacts
from ._libvirt_read import size_of
from ._ports import Hypervisor

# Domain types in the words of the modules' option accel; others are a hypervisor's own.
_ACCELERATORS = {"qemu": "tcg"}
_STATES = ("running", "paused", "stopped", "saved", "crashed")


def read_host(params: Mapping[str, Any], ports: Ports) -> Mapping[str, Any]:
    """Return the host for host_info."""
    hypervisor = ports.hypervisor
    facts = hypervisor.host()
    total, available = hypervisor.memory()
    # Whoever only reads does not start a guest to find out.
    kept = ports.files.kept_accelerator() if facts.driver == "qemu" and not facts.remote else None
    guests = hypervisor.summaries()
    states = [guest.state for guest in guests]
    active = [guest for guest in guests if guest.state in ("running", "paused")]
    capabilities = _xml.parse(facts.capabilities_xml)
    return {
        "host": {
            "uri": facts.uri,
            "driver": facts.driver,
            "name": facts.name,
            "uuid": facts.uuid,
            "arch": facts.arch,
            "cpus": facts.cpus,
            "memory_bytes": total,
            "memory_available_bytes": available,
            "allocated": {
                "vcpus": sum(guest.vcpus for guest in active),
                "memory_bytes": sum(guest.memory_bytes for guest in active),
            },
            "cpu": cpu(capabilities),
            "numa": numa(capabilities),
            "security": [node.text or "" for node in _xml.find_all(capabilities, "host/secmodel/model")],
            "libvirt_version": version(facts.libvirt_version),
            "hypervisor_version": version(facts.hypervisor_version),
            "accelerators": {
                arch: [_ACCELERATORS.get(kind, kind) for kind in kinds]
                for arch, kinds in sorted(facts.domain_types.items())
            },
            "types": {arch: list(types) for arch, types in sorted(facts.guest_types.items())},
            "machines": _machines(facts),
            "firmware": _firmware(hypervisor, facts),
            "accelerator": accelerator_result(kept) if kept is not None else None,
            "guests": {state: states.count(state) for state in _STATES},
            **{name: _GATHERED[name](hypervisor) for name in params["gather"]},
        }
    }


def cpu(capabilities: _xml.Element) -> dict[str, Any]:
    """Return what the capabilities say of the host's CPU; what a driver does not tell is None or empty."""
    first = next(iter(_xml.find_all(capabilities, "host/cpu")), None)
    if first is None:
        return {"model": None, "vendor": None, "sockets": None, "cores": None, "threads": None, "features": []}
    topology = first.find("topology")
    shape = {
        key: int(topology.get(key) or 0) if topology is not None else None for key in ("sockets", "cores", "threads")
    }
    return {
        "model": first.findtext("model"),
        "vendor": first.findtext("vendor"),
        **shape,
        "features": sorted(node.get("name") or "" for node in first.iterfind("feature")),
    }


def numa(capabilities: _xml.Element) -> list[dict[str, Any]]:
    """Return the NUMA cells: their memory and the numbers of their CPUs."""
    return [
        {
            "id": int(cell.get("id") or 0),
            "memory_bytes": size_of(cell.find("memory")),
            "cpus": [int(node.get("id") or 0) for node in cell.iterfind("cpus/cpu")],
        }
        for cell in _xml.find_all(capabilities, "host/topology/cells/cell")
    ]


def _pools(hypervisor: Hypervisor) -> list[dict[str, Any]]:
    return [
        {
            "name": pool.name,
            "type": pool.type,
            "path": pool.path,
            "active": pool.active,
            "autostart": pool.autostart,
            "capacity_bytes": pool.capacity_bytes,
            "available_bytes": pool.available_bytes,
        }
        for _name, pool in sorted(hypervisor.pools().items())
    ]


def _networks(hypervisor: Hypervisor) -> list[dict[str, Any]]:
    found = []
    for name, network in sorted(hypervisor.networks().items()):
        root = _xml.parse(network.live_xml or network.xml)
        forward, bridge = root.find("forward"), root.find("bridge")
        found.append(
            {
                "name": name,
                "active": network.active,
                "autostart": network.autostart,
                # As the option forward of the module network has it.
                "forward": (forward.get("mode") or "nat") if forward is not None else "isolated",
                "bridge": bridge.get("name") if bridge is not None else None,
            }
        )
    return found


_GATHERED: Mapping[str, Callable[[Hypervisor], Any]] = {"pools": _pools, "networks": _networks}


def version(number: int) -> str:
    """Return libvirt's way of counting versions (1000000 a major, 1000 a minor) as text; empty for none."""
    return f"{number // 1000000}.{number // 1000 % 1000}.{number % 1000}" if number else ""


def _machines(facts: HostFacts) -> dict[str, list[str]]:
    """Return the machine types and aliases of each architecture, whatever runs them."""
    found: dict[str, set[str]] = {}
    for (arch, _kind), names in facts.machines.items():
        found.setdefault(arch, set()).update(names)
    return {arch: sorted(names) for arch, names in sorted(found.items())}


def _firmware(hypervisor: Hypervisor, facts: HostFacts) -> list[str] | None:
    """Return what a guest of the host's own architecture can be booted by, in the words of the option firmware."""
    kinds = facts.domain_types.get(facts.arch, ())
    # The board that new guests get here; the one that libvirt would take may know less.
    names = {name for (arch, _kind), names in facts.machines.items() if arch == facts.arch for name in names}
    machine = next((name for name in ("q35", "virt") if name in names), None)
    text = hypervisor.domain_capabilities(facts.arch, machine, kinds[0]) if kinds else ""
    if not text:
        return None
    known = [value.text or "" for value in _xml.find_all(_xml.parse(text), "os/enum[@name='firmware']/value")]
    return sorted({"bios", *known}) if facts.arch in ("x86_64", "i686") else sorted(known)
