# Copyright: (c) 2026, the virtfleet.core contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What was seen on a machine that is, or is to be, a Xen host, beside what every host is looked at for."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from .._machine.seen import Machine
from .menu import Menu


@dataclass(frozen=True)
class Xendomains:
    """Xen's own service for guests that start with the host.

    ``auto`` are the guests that it would start, ``saved`` those that it would take up again.
    """

    enabled: bool = False
    active: bool = False
    auto: tuple[str, ...] = ()
    saved: tuple[str, ...] = ()


@dataclass(frozen=True)
class Seen(Machine):
    """One machine.

    ``xen`` says that the machine runs under Xen, and ``dom0`` that it is the domain which rules the others. ``info`` is
    what `xl info` says, by its own names; empty where it was not to be had. ``running`` are the guests that run, None where
    that is unknown, ``by_libvirt`` those that libvirt has started, and ``dom0_memory`` is dom0's own in MiB.
    ``secure_boot`` is None where there is no such thing. ``menu`` is GRUB's, None where there is none. ``kernels`` maps the
    kernels in /boot to whether they can be dom0. ``candidates`` maps packages that apt could install to their versions.
    ``memory_kib`` is that of the whole machine, or of dom0 under Xen, ``cmdline`` are the words that this kernel was
    started with. ``loop`` says that the kernel has loop devices. ``device_model``: what emulates a machine's devices is
    there. ``kvm`` says what of a KVM host is there, empty for none. ``libvirt_version`` is that of its package.
    """

    xen: bool = False
    dom0: bool = False
    info: Mapping[str, str] = field(default_factory=dict)
    running: tuple[str, ...] | None = None
    by_libvirt: tuple[str, ...] = ()
    dom0_memory: int | None = None
    secure_boot: bool | None = None
    menu: Menu | None = None
    kernels: Mapping[str, bool] = field(default_factory=dict)
    candidates: Mapping[str, str] = field(default_factory=dict)
    memory_kib: int = 0
    cmdline: tuple[str, ...] = ()
    loop: bool = False
    device_model: bool = False
    xendomains: Xendomains = Xendomains()
    kvm: str = ""
    libvirt_version: str = ""

    @property
    def strangers(self) -> tuple[str, ...]:
        """The guests that run and that libvirt has not started, so that it shuts none of them down."""
        return tuple(name for name in self.running or () if name not in self.by_libvirt)
