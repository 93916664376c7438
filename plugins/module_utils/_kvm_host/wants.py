# Copyright: (c) 2026, the virtfleet.core contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What a user wants of a KVM host, read from the options of the module kvm_host_info."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from .._errors import SpecError
from .._machine.pools import NETWORKS, POOLS, Pool, parse_pools
from .._units import parse_size, show_size
from .packages import ARCHITECTURES, FEATURES, STORAGE

ACCELS = ("auto", "kvm", "tcg")
REMOTES = ("ssh", "tls", "lab-tcp")
DEFAULT_FEATURES = ("uefi", "tpm", "virtiofs", "passt")

OPTIONS: dict[str, Any] = {
    "accel": {"type": "str", "choices": list(ACCELS), "default": "auto"},
    "accelerator": {"type": "dict"},
    "architectures": {"type": "list", "elements": "str", "choices": sorted(ARCHITECTURES), "default": []},
    "features": {"type": "list", "elements": "str", "choices": list(FEATURES), "default": list(DEFAULT_FEATURES)},
    "storage": {"type": "list", "elements": "str", "choices": list(STORAGE), "default": []},
    "extra_packages": {"type": "list", "elements": "str", "default": []},
    "users": {"type": "list", "elements": "str", "default": []},
    "nested": {"type": "bool"},
    "hugepages": {"type": "dict", "default": {}},
    "remote": {"type": "str", "choices": list(REMOTES), "default": "ssh"},
    "tls_allowed": {"type": "list", "elements": "str", "default": []},
    "tls": {
        "type": "dict",
        "default": {},
        "options": {name: {"type": "str", "no_log": False} for name in ("ca", "cert", "key")},
    },
    "network": {"type": "str", "choices": list(NETWORKS), "default": "none"},
    "pools": POOLS,
    "beside_xen": {"type": "bool", "default": False},
    "removal": {"type": "bool", "default": False},
}


@dataclass(frozen=True)
class Wants:
    """What a host should be.

    ``accelerator`` is what the probe found, ``hugepages`` maps KiB a page to a count, ``tls`` maps ca, cert and key to
    the SHA-256 of what they should be.
    """

    accel: str = "auto"
    accelerator: Mapping[str, Any] | None = None
    architectures: tuple[str, ...] = ()
    features: tuple[str, ...] = DEFAULT_FEATURES
    storage: tuple[str, ...] = ()
    extra_packages: tuple[str, ...] = ()
    users: tuple[str, ...] = ()
    nested: bool | None = None
    hugepages: Mapping[int, int] = field(default_factory=dict)
    remote: str = "ssh"
    tls_allowed: tuple[str, ...] = ()
    tls: Mapping[str, str] = field(default_factory=dict)
    network: str = "none"
    pools: tuple[Pool, ...] = ()
    beside_xen: bool = False
    removal: bool = False


def parse(params: Mapping[str, Any]) -> Wants:
    """Return what the options say; raise SpecError with every complaint at once."""
    problems: list[str] = []
    values: dict[str, Any] = {
        name: tuple(params[name]) if isinstance(params[name], list) else params[name]
        for name in OPTIONS if name not in ("hugepages", "pools", "tls")
    }
    values["tls"] = {name: said for name, said in (params["tls"] or {}).items() if said}
    values["hugepages"] = _hugepages(params["hugepages"], problems)
    values["pools"] = parse_pools(params["pools"], problems)
    if params["tls_allowed"] and params["remote"] != "tls":
        problems.append("tls_allowed: it says who may come by TLS, and remote is not tls")
    problems += [f"tls_allowed: {name!r} has a quote in it" for name in params["tls_allowed"] if '"' in name]
    if problems:
        raise SpecError(problems)
    return Wants(**values)


def _hugepages(given: Mapping[str, Any], problems: list[str]) -> dict[int, int]:
    found: dict[int, int] = {}
    for size, count in given.items():
        try:
            size_bytes = parse_size(size)
        except SpecError as error:
            problems.append(f"hugepages: {error}")
            continue
        if size_bytes < 1024 or size_bytes % 1024:
            problems.append(f"hugepages: {show_size(size_bytes)} is the size of no page; write 2MiB or 1GiB")
            continue
        try:
            found[size_bytes // 1024] = int(str(count))
        except ValueError:
            problems.append(f"hugepages.{size}: {count!r} is no number of pages")
            continue
        if found[size_bytes // 1024] < 0:
            problems.append(f"hugepages.{size}: {count} is no number of pages")
    return found
