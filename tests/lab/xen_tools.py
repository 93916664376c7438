# Copyright: (c) 2026, the virtfleet.core contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The installed system that xen-create-image unpacks for a guest, in place of debootstrap, which takes over an hour in an
emulated Xen host: `--install-method=tar --install-source=...`. All else that it does, it does there.
"""

from __future__ import annotations

import os
import time
from pathlib import Path

from . import _mmdebstrap
from ._cache import cached, key_of
from ._mirrors import apt_settings, sources
from ._mmdebstrap import UNREAD, install
from ._run import LabError, Say, quiet
from ._vm_root import SUITE

NAME = "base.tar.zst"
# What its hooks would install inside.
PACKAGES = "apt-utils ifupdown initramfs-tools linux-image-amd64 locales netbase openssh-server systemd-sysv udev zstd".split()
# A paravirtual guest has none of these devices, and the disk is written by an emulated processor.
WITHOUT = [
    *(f"/lib/modules/*/kernel/{name}/*" for name in ("sound", "drivers/gpu", "drivers/infiniband", "drivers/media", "drivers/scsi")),
    *(f"/lib/modules/*/kernel/drivers/{name}/*" for name in ("iio", "staging", "usb", "net/ethernet", "net/wireless")),
    *UNREAD,
]


def base(say: Say = quiet) -> Path:
    """Return the archive, from the cache or made in a minute or two."""
    lists = "\n".join(each.text for each in sources(SUITE))

    def make(folder: Path) -> None:
        if os.geteuid() != 0:
            raise LabError("making a system for xen-create-image needs root (its files belong to many users)")
        say(f"xen-tools: installing {SUITE} (a minute or two)")
        began = time.monotonic()
        # xen-create-image writes its own.
        no_sources = '--customize-hook=rm -rf "$1"/etc/apt/sources.list "$1"/etc/apt/sources.list.d/*'
        what = f"install {SUITE} for xen-create-image"
        install(SUITE, folder / NAME, PACKAGES, what=what, options=[no_sources], without=WITHOUT)
        say(f"xen-tools: made in {time.monotonic() - began:.0f} s")

    inputs = {"suite": SUITE, "sources": lists, "settings": "\n".join(apt_settings())}
    return cached("xen-tools", key_of(inputs, [Path(__file__), *_mmdebstrap.SOURCES]), make) / NAME
