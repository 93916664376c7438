# Copyright: (c) 2026, the virtfleet.core contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The full guest: a Debian with systemd, cloud-init, OpenSSH and the guest agent, as a cloud would offer it.

Made from packages by mmdebstrap, which takes minutes once. It has no password, no key and no host name: those come
from a cloud-init seed. Its root file system grows to the size of its disk at the first boot.
"""

from __future__ import annotations

import os
import tempfile
from dataclasses import dataclass
from pathlib import Path

from . import _apt, _media, _mmdebstrap
from ._cache import cached, key_of, place
from ._media import to_qcow2, write_disk
from ._mmdebstrap import install, small_initramfs
from ._roots import UNWANTED_TIMERS
from ._run import LabError, Say, quiet

SIZE_MIB = 2048
PACKAGES = (
    "systemd-sysv udev dbus kmod procps iproute2 netbase ca-certificates openssh-server sudo "
    "cloud-init cloud-guest-utils fdisk netplan.io qemu-guest-agent python3-apt "
    # The kernel with all drivers: the one for clouds has no SATA, and a seed may lie in a SATA drive.
    "linux-image-amd64 initramfs-tools zstd"
).split()
OTHER_SUITE = "bookworm"

# Only the drivers that a root disk can need here.
DRIVERS = "virtio_blk virtio_pci virtio_scsi ahci ata_piix sd_mod nvme ext4 crc32c_generic".split()
CMDLINE = "root=LABEL=root ro console=tty0 console=ttyS0 net.ifnames=0 mitigations=off quiet"
FILES = {
    "etc/fstab": "LABEL=root / ext4 errors=remount-ro,noatime 0 1\n",
    # No other source answers in the lab, and asking each for its metadata takes a minute.
    # No locales and no packaged GRUB are there to be set up, and one host key is enough under emulation.
    "etc/cloud/cloud.cfg.d/90-lab.cfg": (
        "datasource_list: [NoCloud, None]\nlocale: false\ngrub_dpkg: {enabled: false}\nssh_genkeytypes: [ed25519]\n"
    ),
    # cloud-init names the guest; systemd fills an empty machine-id at the first boot.
    "etc/machine-id": "",
}


@dataclass(frozen=True)
class Full:
    """The full guest's disk."""

    folder: Path

    @property
    def qcow2(self) -> Path:
        """A disk of 2 GiB that a BIOS boots; put an overlay on a copy of it."""
        return self.folder / "disk.qcow2"

    def into(self, folder: Path) -> Full:
        """Copy the disk below `folder`, where a host's QEMU may read it, and return the copy."""
        return Full(place(self.folder, folder))


def suite() -> str:
    """Return the Debian release that the guest will be: this machine's, or bookworm where it isn't Debian."""
    release = _apt.os_release()
    return release.get("VERSION_CODENAME", OTHER_SUITE) if release.get("ID") == "debian" else OTHER_SUITE


def build(say: Say = quiet) -> Full:
    """Return the full guest's disk from the cache, making it first if it isn't there; needs root then.

    It stays as it was made while our sources stay: remove ~/.cache/virtfleet/full-* to take in newer packages.
    """
    name = suite()

    def make(folder: Path) -> None:
        if os.geteuid() != 0:
            raise LabError("making the full guest needs root (its files belong to many users); run this with sudo")
        _make(folder, name, say)

    folder = cached("full", key_of({"suite": name}, [Path(__file__), Path(_media.__file__), *_mmdebstrap.SOURCES]), make)
    say(f"full guest: {folder}")
    return Full(folder)


def _make(folder: Path, name: str, say: Say) -> None:
    # Beside the result and not in /tmp, which may be memory.
    with tempfile.TemporaryDirectory(prefix="full-", dir=folder) as scratch:
        root = Path(scratch) / "root"
        say(f"full guest: installing Debian {name} (some minutes)")
        small = small_initramfs(root.parent, DRIVERS, "zstd")
        install(name, root, PACKAGES, what=f"install Debian {name} for the full guest", options=[small])
        (root / _mmdebstrap.APT_CONF).unlink()
        for path, text in FILES.items():
            (root / path).parent.mkdir(parents=True, exist_ok=True)
            (root / path).write_text(text)
        for timer in UNWANTED_TIMERS:
            (root / "etc/systemd/system" / timer).symlink_to("/dev/null")
        for key in (root / "etc/ssh").glob("ssh_host_*"):
            key.unlink()
        (root / "etc/hostname").unlink(missing_ok=True)

        say("full guest: writing its disk")
        boot = f"linux /vmlinuz {CMDLINE}\ninitrd /initrd.img\nboot\n"
        disk = Path(scratch) / "disk.raw"
        write_disk(root, disk, SIZE_MIB, boot, label="root")
        to_qcow2(disk, folder / "disk.qcow2")
