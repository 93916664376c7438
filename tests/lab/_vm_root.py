# Copyright: (c) 2026, the virtfleet.core contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The disks of virtual machines: a Debian of packages with a kernel and GRUB, written without mounts or loop devices."""

from __future__ import annotations

import hashlib
import os
import re
import shutil
import tempfile
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from . import _mmdebstrap, _outfit, tiny_xen
from ._cache import cached, key_of
from ._media import GRUB, to_qcow2, write_disk
from ._mirrors import APT_SOURCES, apt_settings, sources
from ._mmdebstrap import install, small_initramfs
from ._roots import UNWANTED_TIMERS, USER
from ._run import LabError, Say, need, quiet, run

SUITE = "bookworm"
# Under which name a machine is built; each gets its own when it is brought up.
BUILD_NAME = "lab"
TINY = Path("/var/lib/virtfleet-lab/tiny")

PLAIN = (
    "systemd-sysv udev dbus openssh-server sudo python3 python3-apt python3-debian apt-utils gpgv "
    "linux-image-amd64 initramfs-tools lz4 grub-pc iproute2 iputils-ping ifupdown isc-dhcp-client netbase "
    "ca-certificates procps kmod less fdisk util-linux-extra"
).split()
DOM0 = (
    "xen-system-amd64 xen-utils-common bridge-utils libvirt-daemon-system libvirt-daemon-driver-xen libvirt-clients "
    "python3-libvirt python3-lxml python3-jmespath dnsmasq-base iptables qemu-utils qemu-system-xen grub-xen-host busybox-static "
    "e2fsprogs mmdebstrap debootstrap xen-tools debian-archive-keyring zstd cpio"
).split()


# What a role for Xen will fetch: it lies where apt looks before it fetches, which takes minutes under emulation.
SOON = (
    "xen-system-amd64 bridge-utils libvirt-daemon-system libvirt-daemon-driver-xen libvirt-clients python3-libvirt "
    "python3-lxml dnsmasq-base iptables qemu-utils qemu-system-xen grub-xen-host"
).split()


@dataclass(frozen=True)
class Recipe:
    """What goes on a disk: packages, packages to have at hand, its size, and whether they make it a Xen host."""

    packages: Sequence[str]
    size_mib: int
    soon: Sequence[str] = ()
    xen: bool = False


RECIPES = {
    "plain": Recipe(PLAIN, 8 * 1024, soon=SOON),
    "dom0": Recipe([*PLAIN, *DOM0], 16 * 1024, xen=True),
}

# Only the drivers of QEMU's disk.
DRIVERS = "virtio_blk virtio_pci virtio_net ext4 crc32c_generic".split()
# Of Debian's own file only what an administrator of this machine would set. The words for Xen are for the emulated
# CPU alone: without its cures for real CPUs' flaws it is much quicker.
GRUB_DEFAULTS = {
    "GRUB_TIMEOUT": "0",
    "GRUB_CMDLINE_LINUX": '"net.ifnames=0 mitigations=off"',
    "GRUB_CMDLINE_LINUX_DEFAULT": '"quiet console=ttyS0"',
    "GRUB_CMDLINE_XEN": '"com1=115200,8n1 console=com1 spec-ctrl=no-xen xpti=no"',
    "GRUB_TERMINAL": "serial",
    "GRUB_SERIAL_COMMAND": '"serial --unit=0 --speed=115200"',
}
# What a person's dom0 would have too: a fixed share, so that guests find memory without ballooning.
GRUB_DOM0 = {
    "GRUB_CMDLINE_XEN_DEFAULT": '"dom0_mem=1536M,max:1536M"',
    "GRUB_CMDLINE_LINUX_XEN_REPLACE_DEFAULT": '"quiet console=hvc0"',
}
FIRST_BOOT = """\
linux /vmlinuz root=/dev/vda1 ro net.ifnames=0 mitigations=off console=ttyS0
initrd /initrd.img
boot
"""
# GRUB's core holds no menu: it goes on with the files of the machine's own GRUB, as grub-install arranges it. A core
# that knows from its first moment where they are loads gzio by itself; Xen's multiboot image is compressed.
GRUB_START = "set root=(hd0,msdos1)\nset prefix=(hd0,msdos1)/boot/grub\ninsmod gzio\ninsmod normal\nnormal\n"

NO_DISK = (
    "printf 'grub-pc grub-pc/install_devices_empty boolean true\\n"
    "grub-pc grub-pc/install_devices multiselect\\n' | chroot \"$1\" debconf-set-selections\n"
)
FETCH = 'chroot "$1" apt-get -q -y --download-only --no-install-recommends install'

# They find nothing to do on this machine, and under emulation each costs part of a second.
UNWANTED_UNITS = (
    "getty@tty1.service", "systemd-pstore.service", "systemd-binfmt.service", "e2scrub_reap.service",
    "apt-daily.service", "apt-daily-upgrade.service", "grub-common.service", "keyboard-setup.service",
    "console-setup.service", "systemd-update-utmp.service", "systemd-update-utmp-runlevel.service",
    "systemd-journal-flush.service",
    "ifupdown-pre.service", "ifupdown-wait-online.service", "modprobe@drm.service",
    # A manager of the user's own for each of Ansible's connections.
    "user@.service",
    "dev-hugepages.mount", "sys-kernel-debug.mount", "sys-kernel-tracing.mount",
)  # fmt: skip
# Devices of QEMU's chipset that nothing here is connected to; SATA's ports alone are looked at for seconds.
UNWANTED_DRIVERS = "ahci lpc_ich iTCO_wdt i2c_i801 psmouse pcspkr kvm_amd".split()
# libvirt's guests are libvirt's: the unit of xl's world would stop them.
UNWANTED_DOM0 = ("xendomains.service", "libvirt-guests.service")

# Xen on the emulated CPU doesn't tell libvirt of SEP, which each of libvirt's CPU models wants, so its driver for Xen
# would not start. On a real CPU there is nothing to cure.
CURE = "usr/local/sbin/lab-cpu-cure"
CURE_TEXT = """\
#!/bin/sh
for model in qemu64 kvm64; do
    file=/usr/share/libvirt/cpu_map/x86_$model.xml
    [ ! -e "$file" ] || sed -i "/name='sep'/d" "$file"
done
"""
# Where dom0 keeps what its guests say on their consoles: guest-NAME.log.
CONSOLES = "/var/log/xen/console"
FILES_DOM0 = {"etc/default/xen": (f'XENCONSOLED_ARGS="--log=guest --log-dir={CONSOLES}"\n', 0o644)}
FILES = {
    "etc/fstab": ("/dev/vda1 / ext4 errors=remount-ro,noatime,noinit_itable 0 0\n", 0o644),
    "etc/network/interfaces": ("auto lo\niface lo inet loopback\n\nauto eth0\niface eth0 inet dhcp\n", 0o644),
    "etc/hostname": (f"{BUILD_NAME}\n", 0o644),
    "etc/hosts": (f"127.0.0.1 localhost\n127.0.1.1 {BUILD_NAME}\n::1 localhost ip6-localhost\n", 0o644),
    # An empty one makes the first boot long.
    "etc/machine-id": ("5e1f" * 8 + "\n", 0o444),
    "etc/modprobe.d/lab.conf": ("".join(f"blacklist {name}\n" for name in UNWANTED_DRIVERS), 0o644),
    CURE: (CURE_TEXT, 0o755),
    # Whenever packages have come: also where a role installs libvirt.
    "etc/apt/apt.conf.d/91lab": (f'DPkg::Post-Invoke {{ "/{CURE}"; }};\n', 0o644),
    "boot/grub/grub.cfg": (FIRST_BOOT, 0o644),
}


def disk(image: str, say: Say = quiet) -> Path:
    """Return the folder with the disk of an image (disk.qcow2), never booted, and the keys that let one in.

    It stays as it was made while our sources and this machine's way to the mirrors stay: remove
    ~/.cache/virtfleet/vm-disk-* to take in newer packages.
    """
    guest = tiny_xen.build(say) if RECIPES[image].xen else None

    def make(folder: Path) -> None:
        if os.geteuid() != 0:
            raise LabError("making a virtual machine's disk needs root (its files belong to many users)")
        began = time.monotonic()
        say(f"vm {image}: installing {SUITE} (two to five minutes)")
        # Beside the result and not in /tmp, which may be memory.
        with tempfile.TemporaryDirectory(prefix="root-", dir=folder) as scratch:
            root = Path(scratch) / "root"
            _install(root, image)
            _fit_out(root, image, folder)
            if guest is not None:
                (root / TINY.relative_to("/")).mkdir(parents=True)
                for path in (guest.kernel, guest.initrd, guest.disk):
                    shutil.copyfile(path, root / TINY.relative_to("/") / path.name)
            say(f"vm {image}: writing its disk, after {time.monotonic() - began:.0f} s")
            raw = Path(scratch) / "disk.raw"
            write_disk(root, raw, RECIPES[image].size_mib, GRUB_START, label="root")
            to_qcow2(raw, folder / "disk.qcow2")
        say(f"vm {image}: its disk was made in {time.monotonic() - began:.0f} s")

    key = key_of(_inputs(image, guest), [Path(__file__), *_mmdebstrap.SOURCES])
    return cached(f"vm-disk-{image}", key, make)


def _inputs(image: str, guest: tiny_xen.Artefact | None) -> Mapping[str, str]:
    """Return what the disk is made of, by name: also the way to the mirrors, which lies on it."""
    bundle = _outfit.bundle()
    return {
        "image": image,
        "sources": "\n".join(each.text for each in sources(SUITE)),
        "settings": "\n".join([*apt_settings(), *(f"{key}={value}" for key, value in _outfit.proxies().items())]),
        "certificates": hashlib.sha256(bundle.read_bytes()).hexdigest() if bundle else "",
        "guest": guest.folder.name if guest else "",
    }


def _install(root: Path, image: str) -> None:
    soon = RECIPES[image].soon
    options = [
        # GRUB asks for a disk when it comes.
        small_initramfs(root.parent, DRIVERS, "lz4", NO_DISK),
        # apt's lists stay; to read them anew is half a minute's work under emulation.
        "--skip=cleanup/apt/lists",
        "--skip=cleanup/apt/cache",
        '--customize-hook=chroot "$1" apt-get -q clean',
        *([f"--customize-hook={FETCH} {' '.join(soon)}"] if soon else []),
    ]
    install(SUITE, root, RECIPES[image].packages, what=f"install {SUITE} for a virtual machine", options=options)


def _fit_out(root: Path, image: str, folder: Path) -> None:
    """Make an installed root one that boots, that lets us in, and that reaches this machine's mirrors."""
    xen = RECIPES[image].xen
    for name in ("etc/hostname", "etc/resolv.conf", "etc/apt/sources.list", _mmdebstrap.APT_CONF):
        (root / name).unlink(missing_ok=True)
    for path in (root / APT_SOURCES.relative_to("/")).iterdir():
        path.unlink()
    for key in (root / "etc/ssh").glob("ssh_host_*"):
        key.unlink()
    for name in ("id_ed25519", "host_key"):
        argv = [need("ssh-keygen"), "-q", "-t", "ed25519", "-N", "", "-C", "virtfleet-lab", "-f", str(folder / name)]
        run(argv, what="make a key for a virtual machine")
    public = (folder / "id_ed25519.pub").read_text()

    run(["chroot", root, "useradd", "--create-home", "--shell", "/bin/bash", USER], what=f"make the user {USER}")
    keys = f"install -d -m 700 /root/.ssh && install -d -m 700 -o {USER} -g {USER} /home/{USER}/.ssh"
    run(["chroot", root, "sh", "-c", keys], what="make the folders of the users' keys")
    more = {
        f"etc/sudoers.d/{USER}": (f"{USER} ALL=(ALL) NOPASSWD: ALL\n", 0o440),
        "etc/ssh/ssh_host_ed25519_key": ((folder / "host_key").read_text(), 0o600),
        "etc/ssh/ssh_host_ed25519_key.pub": ((folder / "host_key.pub").read_text(), 0o644),
        "root/.ssh/authorized_keys": (public, 0o600),
        f"home/{USER}/.ssh/authorized_keys": (public, 0o600),
    }
    _outfit.fit_out(root, root, SUITE, {**FILES, **(FILES_DOM0 if xen else {}), **more})
    for unit in (*UNWANTED_TIMERS, *UNWANTED_UNITS, *(UNWANTED_DOM0 if xen else ())):
        path = root / "etc/systemd/system" / unit
        path.unlink(missing_ok=True)
        path.symlink_to("/dev/null")
    run(["chroot", root, f"/{CURE}"], what="cure libvirt's CPU models")
    if xen:
        (root / CONSOLES.lstrip("/")).mkdir(parents=True, exist_ok=True)
    _set(root / "etc/default/grub", {**GRUB_DEFAULTS, **(GRUB_DOM0 if xen else {})})
    target = root / "boot/grub/i386-pc"
    target.mkdir(parents=True, exist_ok=True)
    for pattern in ("*.mod", "*.lst"):
        for path in GRUB.glob(pattern):
            shutil.copyfile(path, target / path.name)


def _set(path: Path, values: Mapping[str, str]) -> None:
    """Set variables in a file of shell assignments, in place where they are there, else at its end."""
    text = path.read_text(encoding="utf-8")
    for name, value in values.items():
        line = f"{name}={value}"
        text, count = re.subn(rf"^{name}=.*$", line, text, flags=re.MULTILINE)
        if not count:
            text += line + "\n"
    path.write_text(text, encoding="utf-8")
