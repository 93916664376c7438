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

from . import _apt
from ._cache import cached, key_of, place
from ._media import to_qcow2, write_disk
from ._run import LabError, Say, need, quiet, run

HERE = Path(__file__).parent
OWN_DEV = HERE / "inside" / "own-dev.sh"
SIZE_MIB = 2048
PACKAGES = (
    "systemd-sysv udev dbus kmod procps iproute2 netbase ca-certificates openssh-server sudo "
    "cloud-init cloud-guest-utils fdisk netplan.io qemu-guest-agent python3-apt "
    # The kernel with all drivers: the one for clouds has no SATA, and a seed may lie in a SATA drive.
    "linux-image-amd64 initramfs-tools zstd"
).split()
OTHER_SUITE = "bookworm"

# Only the drivers that a root disk can need here: an initramfs with most modules takes long to read under emulation.
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
UNWANTED_TIMERS = ("apt-daily.timer", "apt-daily-upgrade.timer", "e2scrub_all.timer", "fstrim.timer", "man-db.timer")


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

    folder = cached("full", key_of({"suite": name}, [HERE / "full.py", HERE / "_media.py", OWN_DEV]), make)
    say(f"full guest: {folder}")
    return Full(folder)


def _make(folder: Path, name: str, say: Say) -> None:
    # Beside the result and not in /tmp, which may be memory.
    with tempfile.TemporaryDirectory(prefix="full-", dir=folder) as scratch:
        root = Path(scratch) / "root"
        say(f"full guest: installing Debian {name} (some minutes)")
        argv = [
            need("unshare"),
            "--mount",
            "--propagation=private",
            "sh",
            str(OWN_DEV),
            need("mmdebstrap"),
            "--variant=minbase",
            "--mode=root",
            "--quiet",
            '--aptopt=APT::Install-Recommends "false"',
            '--aptopt=Acquire::Languages "none"',
            "--dpkgopt=force-unsafe-io",
            "--dpkgopt=path-exclude=/usr/share/man/*",
            "--dpkgopt=path-exclude=/usr/share/doc/*",
            "--dpkgopt=path-exclude=/usr/share/locale/*",
            f"--include={','.join(PACKAGES)}",
            # Before the kernel comes, so that its initramfs is made once and small.
            f"--essential-hook={_initramfs_hook(Path(scratch))}",
            name,
            str(root),
            *_sources(name),
        ]
        run(argv, what=f"install Debian {name} for the full guest", timeout=3600)
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


def _initramfs_hook(scratch: Path) -> Path:
    hook = scratch / "initramfs-hook"
    hook.write_text(
        "#!/bin/sh\nset -e\n"
        'mkdir -p "$1/etc/initramfs-tools/conf.d"\n'
        f"printf '%s\\n' {' '.join(DRIVERS)} >> \"$1/etc/initramfs-tools/modules\"\n"
        "printf 'MODULES=list\\nCOMPRESS=zstd\\n' > \"$1/etc/initramfs-tools/conf.d/lab\"\n"
    )
    hook.chmod(0o755)
    return hook


def _sources(name: str) -> list[str]:
    """Use this machine's own mirror where it is of the wanted release: it may be the only one in reach."""
    if _apt.os_release().get("VERSION_CODENAME") == name:
        for path in ("/etc/apt/sources.list.d/debian.sources", "/etc/apt/sources.list"):
            if Path(path).is_file() and Path(path).stat().st_size:
                return [path]
    keyring = "/usr/share/keyrings/debian-archive-keyring.gpg"
    return [f"deb [signed-by={keyring}] http://deb.debian.org/debian {name} main"]
