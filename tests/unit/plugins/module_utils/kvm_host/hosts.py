# Copyright: (c) 2026, the virtfleet.core contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Hosts as they could be seen, for judging them."""

from __future__ import annotations

from typing import Any

from ansible_collections.virtfleet.core.plugins.module_utils._kvm_host import judge as judging
from ansible_collections.virtfleet.core.plugins.module_utils._kvm_host import packages, wants
from ansible_collections.virtfleet.core.plugins.module_utils._kvm_host.seen import Seen
from ansible_collections.virtfleet.core.plugins.module_utils._machine.finding import Finding
from ansible_collections.virtfleet.core.plugins.module_utils._machine.seen import System, Unit
from ansible_collections.virtfleet.core.plugins.module_utils._machine.systems import D12

READY = Unit("enabled", "active")
OFF = Unit("disabled", "inactive")
MONOLITHIC = {f"{name}.socket": READY for name in ("virtlogd", "virtlockd", "libvirtd")}
MODULAR = {
    f"virt{name}.socket": READY
    for name in ("logd", "lockd", "networkd", "storaged", "nodedevd", "secretd", "nwfilterd", "interfaced", "qemud", "proxyd")
}


def system(name: str) -> System:
    """Return the system that the tables call so, as /etc/os-release has it."""
    distribution, version = name.split()
    return System(distribution.lower(), version, f"{name} of this test")


def base(name: str = D12) -> frozenset[str]:
    """Return the packages of a host that is complete with the defaults."""
    return frozenset(packages.wanted(name, "x86_64", wants.DEFAULT_FEATURES).names)


def host(name: str = D12, **more: Any) -> Seen:
    """Return a complete host under systemd, but for what is said."""
    values: dict[str, Any] = {
        "system": system(name), "machine": "x86_64", "uid": 0, "systemd": True, "packages": base(name),
        "units": MONOLITHIC, "programs": frozenset({"virtlogd", "virtlockd", "libvirtd"}),
        "hugepages": {2048: 0, 1048576: 0}, "pools": {},
    }  # fmt: skip
    return Seen(**{**values, **more})


def options(**said: Any) -> wants.Wants:
    """Return what the module's options say."""
    return wants.parse({**{name: option.get("default") for name, option in wants.OPTIONS.items()}, **said})


def judged(seen: Seen, **said: Any) -> judging.Judgement:
    """Return the judgement of a host with these options."""
    return judging.judge(seen, options(**said))


def finding(seen: Seen, check: str, **said: Any) -> Finding:
    """Return the one finding of a check."""
    found = [one for one in judged(seen, **said).findings if one.check == check]
    assert len(found) == 1, found
    return found[0]
