# Copyright: (c) 2026, the virtfleet.core contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""A hypervisor in memory, for tests that run by the thousand.

    fake = FakeHypervisor()                     # booted guests: agents answer, leases are given
    fake.put_file("/srv/base.qcow2", "qcow2", 10 << 30)
    fake.fail_at(3)                             # the third change from now on raises HostError
    fake.calls                                  # what was asked for
    fake.stubborn.add("web1")                   # never powers off, never lets go of a device
    fake.silent.add("web1")                     # its agent does not answer
    fake.guest_records["web1"].snapshots = True

It fills in what libvirt fills in (test_pairs.py holds it to what a real one did) and passes the contract that the real
ones pass (test_hypervisor.py).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from ansible_collections.virtfleet.core.plugins.module_utils import _libvirt_read as read
from ansible_collections.virtfleet.core.plugins.module_utils._facts import HostFacts

from .fake_consoles import FakeConsoles
from .fake_fill import MACHINES
from .fake_guests import FakeGuests
from .fake_networks import FakeNetworks
from .fake_nwfilters import FakeNwfilters
from .fake_secrets import FakeSecrets
from .fake_storage import FakeStorage

_VERSION = 9_000_000


class FakeHypervisor(FakeGuests, FakeConsoles, FakeNetworks, FakeStorage, FakeNwfilters, FakeSecrets):
    """See ``_ports.Hypervisor``. ``guests_boot`` is false for guests without an operating system.

    With ``xen`` it says that it is Xen; of what libxl fills in it knows only what all drivers share.
    """

    def __init__(
        self,
        guests_boot: bool = True,
        seed: int = 0,
        domain_types: Sequence[str] = ("qemu", "kvm"),
        memory_bytes: int = 64 << 30,
        cpus: int = 16,
        remote: bool = False,
        xen: Sequence[str] = (),
    ) -> None:
        super().__init__(guests_boot, seed)
        self._gives_what_it_has = bool(xen)
        if xen:
            domain_types = ("xen",)
        self.host_facts = HostFacts(
            uri="fake:///system",
            driver="xen" if xen else "qemu",
            name="fake",
            uuid="6fbcb1c4-0000-4000-8000-000000000001",
            arch="x86_64",
            libvirt_version=_VERSION,
            hypervisor_version=7_002_000,
            memory_bytes=memory_bytes,
            cpus=cpus,
            domain_types={"x86_64": tuple(domain_types), "i686": tuple(domain_types)},
            machines={
                (arch, kind): (*MACHINES.values(), *MACHINES) for arch in ("x86_64", "i686") for kind in domain_types
            },
            remote=remote,
            capabilities_xml=_capabilities(domain_types),
            guest_types={"x86_64": tuple(xen) or ("hvm",), "i686": tuple(xen) or ("hvm",)},
        )

    def host(self) -> HostFacts:
        return replace(self.host_facts, free_bytes=self.memory()[1]) if self._gives_what_it_has else self.host_facts

    def memory(self) -> tuple[int, int]:
        total = self.host_facts.memory_bytes
        running = [guest.live_xml for guest in self.guests().values() if guest.live_xml]
        return total, max(0, total - sum(read.guest_summary(xml, "").memory_bytes for xml in running))

    def domain_capabilities(self, arch: str, machine: str | None, kind: str) -> str:
        if (arch, kind) not in self.host_facts.machines:
            return ""
        name = MACHINES.get(machine or "pc", machine or "pc")
        inner = f"<domain>{kind}</domain><machine>{name}</machine><arch>{arch}</arch>"
        backends = "<enum name='backendType'><value>default</value><value>passt</value></enum>"
        inner += f"<devices><interface supported='yes'>{backends}</interface></devices>"
        if kind == "kvm":
            inner += "<features><sev supported='yes'/></features>"
        return f"<domainCapabilities>{inner}</domainCapabilities>"

    def close(self) -> None:
        """Close nothing: the fake has no connection."""


def _capabilities(domain_types: Sequence[str]) -> str:
    machines = "".join(
        f"<machine>{full}</machine><machine canonical='{full}'>{name}</machine>" for name, full in MACHINES.items()
    )
    domains = "".join(f"<domain type='{kind}'/>" for kind in domain_types)
    guest = f"<guest><os_type>hvm</os_type><arch name='x86_64'>{machines}{domains}</arch></guest>"
    return f"<capabilities><host><cpu><arch>x86_64</arch></cpu></host>{guest}</capabilities>"
