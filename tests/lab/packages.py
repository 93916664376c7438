# Copyright: (c) 2026, the virtfleet.core contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The packages that the lab needs, by distribution."""

from __future__ import annotations

from tools.dev import apt
from tools.dev.errors import ToolError

from . import _apt
from ._run import LabError, Say, quiet

COMMON = (
    # the host
    "qemu-system-x86 qemu-system-arm qemu-utils libvirt-daemon-system libvirt-clients python3-libvirt python3-jmespath "
    "dnsmasq-base iproute2 iptables ovmf swtpm swtpm-tools osinfo-db "
    # the machines
    "systemd-container slirp4netns netcat-openbsd "
    # the guests
    "busybox-static dropbear-bin openssh-client cpio lz4 xz-utils zstd kmod "
    "e2fsprogs dosfstools mtools fdisk grub-pc-bin grub-common xorriso mmdebstrap"
).split()
# From libvirt 10.6 in Debian (and what Ubuntu made of it) each driver is a package of its own.
SPLIT = (
    "libvirt-daemon-driver-qemu libvirt-daemon-driver-network libvirt-daemon-driver-nwfilter "
    "libvirt-daemon-driver-nodedev libvirt-daemon-driver-secret libvirt-daemon-driver-storage "
    "libvirt-daemon-driver-interface libvirt-daemon-lock libvirt-daemon-log libvirt-daemon-config-nwfilter virtiofsd"
).split()
OLD = ["libvirt-daemon-driver-qemu", "libvirt-daemon-config-nwfilter"]
TABLE: dict[tuple[str, str], list[str]] = {
    ("debian", "12"): [*COMMON, *OLD],
    ("debian", "13"): [*COMMON, *SPLIT],
    # The full guest is a Debian.
    ("ubuntu", "22.04"): [*COMMON, *OLD, "debian-archive-keyring"],
    ("ubuntu", "24.04"): [*COMMON, *OLD, "virtiofsd", "debian-archive-keyring"],
    ("ubuntu", "26.04"): [*COMMON, *SPLIT, "debian-archive-keyring"],
}


def wanted() -> list[str]:
    """List the packages for this distribution; raises LabError for one that the lab doesn't know."""
    release = _apt.os_release()
    key = (release.get("ID", ""), release.get("VERSION_ID", ""))
    if key not in TABLE:
        known = ", ".join(f"{name} {version}" for name, version in TABLE)
        raise LabError(f"the lab doesn't know {release.get('PRETTY_NAME', key)}; it runs on {known}")
    return TABLE[key]


def missing() -> list[str]:
    """List the wanted packages that are not installed."""
    return apt.missing(wanted())


def ensure(say: Say = quiet) -> list[str]:
    """Install what is missing, without recommended packages, and return the names.

    No daemon is started by that, so no libvirtd and no default network come up beside the lab. Needs root only when
    something is missing. Raises LabError with apt's words when apt fails.
    """
    names = missing()
    if not names:
        say("packages: nothing is missing")
        return []
    say(f"packages: installing {' '.join(names)}")
    try:
        apt.ensure(names)
    except ToolError as error:
        raise LabError(str(error)) from error
    return names
