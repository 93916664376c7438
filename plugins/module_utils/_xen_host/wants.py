# Copyright: (c) 2026, the virtfleet.core contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What a user wants of a Xen host, read from the options of the module xen_host_info."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from .._errors import SpecError
from .._machine.pools import NETWORKS, POOLS, Pool, parse_pools
from .._units import parse_size, show_size
from .packages import FEATURES

BOOTS = ("xen", "linux")
CONSOLES = ("vga", "com1", "com2")
SCHEDULERS = ("credit", "credit2", "rtds")
XENDOMAINS = ("refuse", "carry_over", "keep")
DEFAULT_FEATURES = ("hvm", "pvgrub")
MIB = 1024 * 1024
# Below which Debian's dom0 hardly starts.
LEAST = 256 * MIB

OPTIONS: dict[str, Any] = {
    "boot": {"type": "str", "choices": list(BOOTS), "default": "xen"},
    "dom0_memory": {"type": "str"},
    "dom0_vcpus": {"type": "int"},
    "dom0_pin": {"type": "bool", "default": False},
    "console": {"type": "list", "elements": "str", "choices": list(CONSOLES), "default": []},
    "console_speed": {"type": "int", "default": 115200},
    "scheduler": {"type": "str", "choices": list(SCHEDULERS)},
    "hypervisor_options": {"type": "list", "elements": "str", "default": []},
    "dom0_options": {"type": "list", "elements": "str", "default": []},
    "features": {"type": "list", "elements": "str", "choices": list(FEATURES), "default": list(DEFAULT_FEATURES)},
    "extra_packages": {"type": "list", "elements": "str", "default": []},
    "users": {"type": "list", "elements": "str", "default": []},
    "network": {"type": "str", "choices": list(NETWORKS), "default": "none"},
    # Nothing of Xen is confined by AppArmor, so that nobody has to be let into a pool.
    "pools": {**POOLS, "options": {name: said for name, said in POOLS["options"].items() if name != "any_guest"}},
    "xendomains": {"type": "str", "choices": list(XENDOMAINS), "default": "refuse"},
    "beside_kvm": {"type": "bool", "default": False},
    "removal": {"type": "bool", "default": False},
}

# What a shell and GRUB's own language leave as it is.
_PLAIN_WORD = re.compile(r"[A-Za-z0-9_.,:=+/@%^\[\]-]+")
# Words that options of their own stand for.
_OWNED = {
    "dom0_mem": "dom0_memory", "dom0_max_vcpus": "dom0_vcpus", "dom0_vcpus_pin": "dom0_pin", "sched": "scheduler",
    "com1": "console", "com2": "console", "console": "console",
}  # fmt: skip


@dataclass(frozen=True)
class Wants:
    """What a host should be. ``dom0_memory`` is in bytes."""

    boot: str = "xen"
    dom0_memory: int | None = None
    dom0_vcpus: int | None = None
    dom0_pin: bool = False
    console: tuple[str, ...] = ()
    console_speed: int = 115200
    scheduler: str | None = None
    hypervisor_options: tuple[str, ...] = ()
    dom0_options: tuple[str, ...] = ()
    features: tuple[str, ...] = DEFAULT_FEATURES
    extra_packages: tuple[str, ...] = ()
    users: tuple[str, ...] = ()
    network: str = "none"
    pools: tuple[Pool, ...] = ()
    xendomains: str = "refuse"
    beside_kvm: bool = False
    removal: bool = False

    @property
    def libvirt(self) -> bool:
        """Whether libvirt manages the guests: where xendomains is kept, it can't."""
        return self.xendomains != "keep"


def parse(params: Mapping[str, Any]) -> Wants:
    """Return what the options say; raise SpecError with every complaint at once."""
    problems: list[str] = []
    values: dict[str, Any] = {
        name: tuple(params[name]) if isinstance(params[name], list) else params[name]
        for name in OPTIONS if name not in ("dom0_memory", "pools")
    }
    values["dom0_memory"] = _memory(params["dom0_memory"], problems)
    values["pools"] = parse_pools(params["pools"], problems)
    if params["dom0_vcpus"] is not None and params["dom0_vcpus"] < 1:
        problems.append(f"dom0_vcpus: {params['dom0_vcpus']} is no number of processors")
    if params["console_speed"] < 1:
        problems.append(f"console_speed: {params['console_speed']} is no speed")
    for option in ("hypervisor_options", "dom0_options"):
        problems += [
            f"{option}: {word!r} must be one word of letters, digits and _.,:=+/@%^[]-"
            for word in params[option] if not _PLAIN_WORD.fullmatch(word)
        ]
    for word in params["hypervisor_options"]:
        owner = _OWNED.get(word.partition("=")[0])
        if owner:
            problems.append(f"hypervisor_options: {word!r} is said by the option {owner}")
    if problems:
        raise SpecError(problems)
    return Wants(**values)


def hypervisor_words(wants: Wants) -> tuple[str, ...]:
    """Return the options of the hypervisor. https://xenbits.xen.org/docs/unstable/misc/xen-command-line.html"""
    words = []
    if wants.dom0_memory is not None:
        mib = wants.dom0_memory // MIB
        # With a maximum, dom0's kernel sets nothing aside for memory that it will never have.
        words.append(f"dom0_mem={mib}M,max:{mib}M")
    if wants.dom0_vcpus is not None:
        words.append(f"dom0_max_vcpus={wants.dom0_vcpus}")
    if wants.dom0_pin:
        words.append("dom0_vcpus_pin")
    if wants.scheduler is not None:
        words.append(f"sched={wants.scheduler}")
    words += [f"{port}={wants.console_speed},8n1" for port in _serial(wants)]
    if wants.console:
        words.append(f"console={','.join(wants.console)}")
    return (*words, *wants.hypervisor_options)


def dom0_words(wants: Wants) -> tuple[str, ...]:
    """Return the options of dom0's kernel: Xen has the serial line, and passes on what the kernel writes to hvc0."""
    words = []
    if _serial(wants):
        words += [*(["console=tty0"] if "vga" in wants.console else []), "console=hvc0"]
    return (*words, *wants.dom0_options)


def _serial(wants: Wants) -> list[str]:
    return [port for port in wants.console if port.startswith("com")]


def _memory(said: str | None, problems: list[str]) -> int | None:
    if said is None:
        return None
    try:
        found = parse_size(said)
    except SpecError as error:
        problems.append(f"dom0_memory: {error}")
        return None
    if found % MIB or found < LEAST:
        problems.append(f"dom0_memory: {show_size(found)} must be whole MiB, and {show_size(LEAST)} or more")
        return None
    return found
