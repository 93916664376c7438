# Copyright: (c) 2026, the virtfleet.core contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Virtual machines that have booted once, as snapshots: each test run goes on from there in seconds."""

from __future__ import annotations

import fcntl
import os
import shutil
import time
from pathlib import Path

from . import _qemu, _vm_root, net
from ._cache import cached, key_of
from ._qemu import Qemu
from ._run import LabError, Say, need, quiet, run

HERE = Path(__file__).parent
# What of an image each machine takes along.
FILES = ("id_ed25519", "id_ed25519.pub", "host_key.pub")
DISK = "disk.qcow2"

XEN_RUNS = "xl info >/dev/null && virsh -c xen:///system list >/dev/null"
# The network that libvirt's packages bring is slow to give leases; guests that are to boot in seconds have another.
NETWORK = """\
set -e
export LIBVIRT_DEFAULT_URI=xen:///system
virsh net-destroy default || :
virsh net-undefine default || :
virsh net-define /dev/stdin
virsh net-autostart default
virsh net-start default
"""
REST = """\
journalctl --rotate --vacuum-size=1M >/dev/null 2>&1
fstrim / || :
sync
"""


def build(image: str, say: Say = quiet) -> Path:
    """Return the folder of an image's snapshot, from the cache or made in some minutes."""
    source = _vm_root.disk(image, say)

    def make(folder: Path) -> None:
        began = time.monotonic()
        for name in FILES:
            shutil.copyfile(source / name, folder / name)
        (folder / "id_ed25519").chmod(0o600)
        copy_disk(source / DISK, folder / DISK)
        machine = Qemu(_vm_root.BUILD_NAME, folder)
        try:
            say(f"vm {image}: booting it for the first time")
            machine.start(tied=True)
            machine.await_boot()
            _settle(machine, image, say)
            machine.save()
        finally:
            machine.end()
        for path in folder.iterdir():
            if path.name not in (*FILES, DISK):
                path.unlink()
        say(f"vm {image}: its snapshot was made in {time.monotonic() - began:.0f} s")

    inputs = {"disk": source.name, "qemu": _qemu.version(), "words": " ".join(_qemu.WORDS)}
    return cached(f"vm-{image}", key_of(inputs, [Path(__file__)]), make)


def _settle(machine: Qemu, image: str, say: Say) -> None:
    """Bring a machine from its first boot to where the snapshot is taken."""
    # GRUB's menu can be made only where GRUB can look at the disk.
    machine.tell("update-grub 2>&1", seconds=300)
    if _vm_root.RECIPES[image].xen:
        say(f"vm {image}: rebooting it into Xen")
        machine.reboot()
        machine.tell(XEN_RUNS, seconds=300)
        run(machine.ssh(NETWORK), what="start the network of dom0", stdin=net.nat(), timeout=300)
    machine.await_units()
    machine.tell(REST, seconds=300)


def copy_disk(source: Path, target: Path) -> None:
    """Copy a disk, its blocks shared with the original where the file system can."""
    run([need("cp"), "--reflink=auto", "--sparse=always", source, target], what=f"copy {source}", timeout=600)


def copy_into(image: str, folder: Path, say: Say = quiet) -> None:
    """Put a copy of an image's snapshot and its keys into a folder."""
    source = build(image, say)
    # Nobody removes it meanwhile.
    handle = os.open(source, os.O_RDONLY | os.O_DIRECTORY)
    try:
        fcntl.flock(handle, fcntl.LOCK_SH)
        if not (source / DISK).exists():
            raise LabError(f"{source} went away while it was looked at; try again")
        for name in FILES:
            shutil.copyfile(source / name, folder / name)
        (folder / "id_ed25519").chmod(0o600)
        copy_disk(source / DISK, folder / DISK)
    finally:
        os.close(handle)
