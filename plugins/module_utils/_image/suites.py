# Copyright: (c) 2026, the virtfleet.core contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What is to be known of the distributions and suites that an image can be made of. Pure; nothing but tables.

Debian's part was tried suite by suite. Ubuntu's names are from its package pages.
"""
from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

# Debian's name of an architecture → the kernel's and libvirt's, and the names of its boot files.
ARCHITECTURES = {"amd64": "x86_64", "arm64": "aarch64"}


@dataclass(frozen=True)
class Firmware:
    """The files by which an architecture's UEFI boots: names on the ESP, signed packages and their files."""

    loader: str
    grub: str
    packages: tuple[str, ...]
    loader_files: tuple[str, ...]
    grub_files: tuple[str, ...]


FIRMWARE = {
    "amd64": Firmware(
        "BOOTX64.EFI",
        "grubx64.efi",
        ("shim-signed", "grub-efi-amd64-signed"),
        # Ubuntu's alternatives link the second name to the first; an unpacked package has no such link.
        ("usr/lib/shim/shimx64.efi.signed.latest", "usr/lib/shim/shimx64.efi.signed"),
        ("usr/lib/grub/x86_64-efi-signed/grubx64.efi.signed",),
    ),
    "arm64": Firmware(
        "BOOTAA64.EFI",
        "grubaa64.efi",
        ("shim-signed", "grub-efi-arm64-signed"),
        ("usr/lib/shim/shimaa64.efi.signed.latest", "usr/lib/shim/shimaa64.efi.signed"),
        ("usr/lib/grub/arm64-efi-signed/grubaa64.efi.signed",),
    ),
}
# Only this one has a BIOS.
BIOS_ARCHITECTURE = "amd64"
BIOS_PACKAGE = "grub-pc-bin"


@dataclass(frozen=True)
class Distribution:
    """One distribution. ``vendor`` is its folder on an ESP, which its signed GRUB has built in.

    ``ports`` is the mirror of the architectures that the main one lacks. ``security`` is the mirror of the pocket
    ``SUITE-security``.
    """

    name: str
    title: str
    vendor: str
    mirror: str
    security: str
    ports: str | None
    components: tuple[str, ...]
    keyring: str
    keyring_package: str
    kernels: Mapping[str, str]


DEBIAN = Distribution(
    name="debian",
    title="Debian GNU/Linux",
    vendor="debian",
    mirror="http://deb.debian.org/debian",
    security="http://deb.debian.org/debian-security",
    ports=None,
    components=("main",),
    keyring="/usr/share/keyrings/debian-archive-keyring.gpg",
    keyring_package="debian-archive-keyring",
    # A quarter of the size of the one with all drivers. It has those for virtio, NVMe and Xen.
    kernels={"amd64": "linux-image-cloud-amd64", "arm64": "linux-image-cloud-arm64"},
)
UBUNTU = Distribution(
    name="ubuntu",
    title="Ubuntu",
    vendor="ubuntu",
    mirror="http://archive.ubuntu.com/ubuntu",
    security="http://security.ubuntu.com/ubuntu",
    ports="http://ports.ubuntu.com/ubuntu-ports",
    components=("main", "universe"),
    keyring="/usr/share/keyrings/ubuntu-archive-keyring.gpg",
    keyring_package="ubuntu-keyring",
    kernels={"amd64": "linux-image-virtual", "arm64": "linux-image-virtual"},
)
DISTRIBUTIONS = {distribution.name: distribution for distribution in (DEBIAN, UBUNTU)}


@dataclass(frozen=True)
class Suite:
    """One suite. ``resolved`` is the package that holds systemd-resolved, None where systemd itself does."""

    name: str
    distribution: Distribution
    resolved: str | None = "systemd-resolved"


SUITES = {
    suite.name: suite
    for suite in (
        Suite("bookworm", DEBIAN),
        Suite("trixie", DEBIAN),
        Suite("jammy", UBUNTU, resolved=None),
        Suite("noble", UBUNTU),
        Suite("resolute", UBUNTU),
    )
}


def public_sources(suite: Suite, architecture: str, components: tuple[str, ...]) -> tuple[str, ...]:
    """Return the source lines of a suite's public mirror, with its updates and its security pocket."""
    distribution = suite.distribution
    mirror, security = distribution.mirror, distribution.security
    if architecture != "amd64" and distribution.ports is not None:
        mirror = security = distribution.ports
    names = (suite.name, f"{suite.name}-updates")
    return tuple(
        source_line(place, name, components, distribution.keyring)
        for place, name in (*((mirror, name) for name in names), (security, f"{suite.name}-security"))
    )


def source_line(url: str, suite: str, components: tuple[str, ...], keyring: str) -> str:
    """Return one line of an apt source, which only the keyring's signatures are good for."""
    return f"deb [signed-by={keyring}] {url} {suite} {' '.join(components)}"
