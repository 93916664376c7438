# Copyright: (c) 2026, the virtfleet.core contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The tiny guest for Xen: the same one, with the drivers of Xen's disks and nics laid over it.

    artefact = tiny_xen.build()    # artefact.kernel and artefact.initrd, for PV and PVH guests alike
    <kernel>...</kernel> <initrd>...</initrd> <cmdline>{tiny_xen.CMDLINE}</cmdline>

artefact.disk holds both for pygrub and pvgrub. The lab's dom0 has all three in /var/lib/virtfleet-lab/tiny.
"""

from __future__ import annotations

import shutil
import subprocess
import tempfile
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from . import _apt, tiny
from ._cache import cached, key_of
from ._modules import Modules
from ._run import LabError, Say, need, quiet, run

# Loaded before anything else; virtio's, which are there too, find no device.
BOOT_MODULES = ("xen_netfront", "xen_blkfront", "af_packet")
# A guest of Xen has no power button: when Xen says so, its kernel runs one of these.
POWER = {"poweroff": "-P", "reboot": "-r"}
CMDLINE = "console=hvc0 quiet panic=-1 mitigations=off cryptomgr.notests"

MENU = f"""\
set timeout=0
set default=0
menuentry "tiny" {{
    linux /boot/vmlinuz {CMDLINE}
    initrd /boot/initrd.img
}}
"""


@dataclass(frozen=True)
class Artefact:
    """Files of the tiny guest for Xen."""

    folder: Path

    @property
    def kernel(self) -> Path:
        """The kernel, uncompressed: Xen's builder takes seconds to unpack one under emulation."""
        return self.folder / "vmlinux"

    @property
    def initrd(self) -> Path:
        """The initramfs."""
        return self.folder / "initrd"

    @property
    def disk(self) -> Path:
        """A raw disk without partitions, 48 MiB, with the kernel, the initramfs and a menu of GRUB's, as xen-tools makes."""
        return self.folder / "disk.img"

    @property
    def ssh_key(self) -> Path:
        """The private key that lets root in; it is every tiny guest's."""
        return self.folder / "id_ed25519"


def build(say: Say = quiet) -> Artefact:
    """Return the files from the cache, making them first if the tiny guest's own changed."""
    plain = tiny.build(say)
    inputs = tiny.resolve(tiny.KERNELS)

    def make(folder: Path) -> None:
        say("tiny guest: adding Xen's drivers")
        _make(folder, plain, inputs)

    key = key_of({"tiny": plain.folder.name}, [Path(__file__)])
    return Artefact(cached("tiny-xen", key, make))


def _make(folder: Path, plain: tiny.Artefact, inputs: tiny.Inputs) -> None:
    if plain.kernel == plain.bzimage:
        raise LabError("this distribution's kernel can't be started uncompressed, so it is no kernel for Xen's guests")
    with tempfile.TemporaryDirectory(prefix="virtfleet-tiny-") as temporary:
        scratch = Path(temporary)
        packages = scratch / "packages"
        images = [f"{name}={version}" for name, version in inputs.downloads if name.startswith("linux-")]
        _apt.unpack(images, packages)
        release = next(packages.glob("boot/vmlinuz-*")).name.removeprefix("vmlinuz-")
        root = scratch / "root"
        for name in ("lib/tiny", "sbin"):
            (root / name).mkdir(parents=True)
        modules = Modules(packages, release)
        missing = modules.missing(BOOT_MODULES)
        if missing:
            raise LabError(f"the kernel {release} has no {', '.join(missing)}, which guests of Xen need")
        modules.install(BOOT_MODULES, root)
        # The list of all modules comes with them, and is to name those of the tiny guest too.
        modules.install([*BOOT_MODULES, *tiny.BOOT_MODULES, *tiny.MORE_MODULES], scratch / "all")
        dep = f"lib/modules/{release}/modules.dep"
        shutil.copyfile(scratch / "all" / dep, root / dep)
        (root / "lib/tiny/modules.boot").write_text("\n".join(BOOT_MODULES) + "\n")
        for name, word in POWER.items():
            (root / "sbin" / name).write_text(f"#!/bin/sh\nexec /sbin/shutdown {word} now\n")
            (root / "sbin" / name).chmod(0o755)
        tiny._pack(root, scratch / "over")
        _join([plain.initrd, scratch / "over"], folder / "initrd")
        for path in (plain.kernel, plain.ssh_key):
            shutil.copyfile(path, folder / path.name)
        (folder / "id_ed25519").chmod(0o600)
        _write_disk(scratch / "disk", {"vmlinuz": plain.bzimage, "initrd.img": folder / "initrd"}, folder / "disk.img")


def _join(archives: Sequence[Path], target: Path) -> None:
    """Write several initramfs as one. The kernel unpacks one after the other, and what comes later holds."""
    whole = target.with_name(target.name + ".cpio")
    with open(whole, "wb") as out:
        for path in archives:
            subprocess.run([need("lz4"), "-dcq", path], stdout=out, check=True, timeout=60)
    run([need("lz4"), "-l", "-9", "-q", "-f", whole, target], what="compress the tiny guest's initramfs")
    whole.unlink()


def _write_disk(content: Path, files: Mapping[str, Path], target: Path) -> None:
    (content / "boot/grub").mkdir(parents=True)
    for name, path in files.items():
        shutil.copyfile(path, content / "boot" / name)
    (content / "boot/grub/grub.cfg").write_text(MENU)
    # What pygrub of Xen 4.17 and older can't read is left out.
    features = "^metadata_csum,^metadata_csum_seed,^orphan_file,^64bit"
    argv = ["-q", "-F", "-O", features, "-m", "0", "-E", "root_owner=0:0", "-d", str(content), str(target), "48M"]
    run([need("mkfs.ext4"), *argv], what="write the tiny guest's disk for Xen")
