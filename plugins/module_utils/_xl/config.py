# Copyright: (c) 2026, the virtfleet.core contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The configurations of xl, Xen's own tool: which guest one is of, and what one would be of a guest that runs.

The grammar is that of xl.cfg, xl-disk-configuration and xl-network-configuration; what ``xl list -l`` prints are libxl's
structures as JSON (libxl_types.idl).
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

_NAME = re.compile(r"^\s*name\s*=\s*(['\"])(.*?)\1", re.MULTILINE)
_UUID = re.compile(r"^\s*uuid\s*=\s*['\"]", re.MULTILINE)
_VIFS = re.compile(r"^\s*vif\s*=\s*\[[^\]]*\]", re.MULTILINE)
_IP = re.compile(r"\bip\s*=([^,'\"]*)")
_MIB = 1024  # KiB, which libxl counts in
_EVENTS = ("on_poweroff", "on_reboot", "on_crash")


def name_of(config: str) -> str | None:
    """Return the name of a configuration's guest, None where it gives none."""
    match = _NAME.search(config)
    return match[2] if match and match[2] else None


def has_uuid(config: str) -> bool:
    """Say whether a configuration gives its guest a UUID; without one each start has another."""
    return _UUID.search(config) is not None


def readable(config: str) -> str:
    """Return a configuration as libvirt can read it: one blank between the addresses of a vif, and none around them.

    xen-create-image writes one behind each address (``$ips`` of its xm.tmpl), which xl takes; libvirt splits at each blank
    (xenParseVif), and refuses the empty address that is behind the last one.
    """
    return _VIFS.sub(lambda vifs: _IP.sub(lambda ip: f"ip={' '.join(ip[1].split())}", vifs[0]), config)


def running(listing: str) -> dict[str, Mapping[str, Any]]:
    """Return the configurations of the guests that ``xl list -l`` printed, by name, without dom0."""
    try:
        found = json.loads(listing or "[]")
    except ValueError:
        return {}
    domains: dict[str, Mapping[str, Any]] = {}
    for domain in found if isinstance(found, list) else ():
        config = domain.get("config") if isinstance(domain, dict) else None
        name = ((config or {}).get("c_info") or {}).get("name")
        if isinstance(config, dict) and isinstance(name, str) and name and domain.get("domid") != 0:
            domains[name] = config
    return domains


def written(config: Mapping[str, Any]) -> str:
    """Return libxl's structure of a guest as the configuration by which ``xl create`` would make it."""
    return "".join(f"{name} = {value}\n" for name, value in _lines(config))


def _lines(config: Mapping[str, Any]) -> Iterator[tuple[str, str]]:
    who, build = _map(config, "c_info"), _map(config, "b_info")
    yield from _texts(who, {"name": "name", "uuid": "uuid", "type": "type"})
    target, ceiling = build.get("target_memkb"), build.get("max_memkb")
    for name, kib in (("memory", target or ceiling), ("maxmem", ceiling or target)):
        if isinstance(kib, int):
            yield name, str(kib // _MIB)
    most = build.get("max_vcpus")
    plugged = build.get("avail_vcpus")
    if isinstance(most, int):
        yield "vcpus", str(len(plugged) if isinstance(plugged, list) and plugged else most)
        yield "maxvcpus", str(most)
    # Up to Xen 4.9 some of it stands with the type that it is of.
    of_type = {**_map(build, f"type.{who.get('type')}"), **build}
    yield from _texts(of_type, {"kernel": "kernel", "ramdisk": "ramdisk", "cmdline": "cmdline", "bootloader": "bootloader"})
    arguments = of_type.get("bootloader_args")
    if isinstance(arguments, list) and arguments:
        yield "bootloader_args", json.dumps([str(argument) for argument in arguments])
    yield from _texts(config, {event: event for event in _EVENTS})
    for name, devices in (("disk", map(_disk, _list(config, "disks"))), ("vif", map(_nic, _list(config, "nics")))):
        found = list(devices)
        if found:
            yield name, json.dumps(found)


def _disk(disk: Mapping[str, Any]) -> str:
    words = {
        "format": disk.get("format"),
        "vdev": disk.get("vdev"),
        "access": "rw" if disk.get("readwrite") else "ro",
        "backendtype": disk.get("backend"),
        "script": disk.get("script"),
        "backend": disk.get("backend_domname"),
    }
    drive = ["devtype=cdrom"] if disk.get("is_cdrom") else []
    # Behind all others: its value may hold anything.
    return ",".join([*_given(words), *drive, f"target={disk.get('pdev_path') or ''}"])


def _nic(nic: Mapping[str, Any]) -> str:
    rate = nic.get("rate_bytes_per_interval")
    words = {
        "mac": nic.get("mac"),
        "bridge": nic.get("bridge"),
        "model": nic.get("model"),
        "script": nic.get("script"),
        "ip": nic.get("ip"),
        "backend": nic.get("backend_domname"),
        "rate": f"{int(rate * 1_000_000 / (nic.get('rate_interval_usecs') or 50_000))}B/s" if rate else None,
    }
    return ",".join(_given(words))


def _given(words: Mapping[str, Any]) -> Iterator[str]:
    return (f"{name}={value}" for name, value in words.items() if value not in (None, "", "unknown"))


def _texts(values: Mapping[str, Any], names: Mapping[str, str]) -> Iterator[tuple[str, str]]:
    for theirs, ours in names.items():
        value = values.get(theirs)
        if isinstance(value, str) and value:
            yield ours, json.dumps(value)


def _map(values: Mapping[str, Any], name: str) -> Mapping[str, Any]:
    found = values.get(name)
    return found if isinstance(found, dict) else {}


def _list(values: Mapping[str, Any], name: str) -> Sequence[Mapping[str, Any]]:
    found = values.get(name)
    return [item for item in found if isinstance(item, dict)] if isinstance(found, list) else []
