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

from . import _roots
from ._cache import cached, key_of
from ._roots import OWN_DEV
from ._run import LabError, Say, need, quiet, run
from ._vm_root import SUITE

NAME = "base.tar.zst"
# What its hooks would install inside.
PACKAGES = "apt-utils ifupdown initramfs-tools linux-image-amd64 locales netbase openssh-server systemd-sysv udev zstd".split()
# A paravirtual guest has none of these devices, and the disk is written by an emulated processor.
WITHOUT = [
    *(f"/lib/modules/*/kernel/{name}/*" for name in ("sound", "drivers/gpu", "drivers/infiniband", "drivers/media", "drivers/scsi")),
    *(f"/lib/modules/*/kernel/drivers/{name}/*" for name in ("iio", "staging", "usb", "net/ethernet", "net/wireless")),
    *(f"/usr/share/{name}/*" for name in ("doc", "locale", "man")),
]


def base(say: Say = quiet) -> Path:
    """Return the archive, from the cache or made in a minute or two."""
    lists = "\n".join(each.text for each in _roots.sources(SUITE))

    def make(folder: Path) -> None:
        if os.geteuid() != 0:
            raise LabError("making a system for xen-create-image needs root (its files belong to many users)")
        say(f"xen-tools: installing {SUITE} (a minute or two)")
        began = time.monotonic()
        _make(folder)
        say(f"xen-tools: made in {time.monotonic() - began:.0f} s")

    inputs = {"suite": SUITE, "sources": lists, "settings": "\n".join(_roots.apt_settings())}
    return cached("xen-tools", key_of(inputs, [Path(__file__), OWN_DEV]), make) / NAME


def _make(folder: Path) -> None:
    lists = []
    for number, each in enumerate(_roots.sources(SUITE)):
        path = folder / f"{number}-{each.name}"
        path.write_text(each.text, encoding="utf-8")
        lists.append(path)
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
        *(f"--aptopt={line}" for line in _roots.apt_settings()),
        '--aptopt=APT::Install-Recommends "false"',
        '--aptopt=Acquire::Languages "none"',
        "--dpkgopt=force-unsafe-io",
        *(f"--dpkgopt=path-exclude={pattern}" for pattern in WITHOUT),
        f"--include={','.join(PACKAGES)}",
        # xen-create-image writes its own.
        '--customize-hook=rm -rf "$1"/etc/apt/sources.list "$1"/etc/apt/sources.list.d/*',
        SUITE,
        str(folder / NAME),
        *(str(path) for path in lists),
    ]
    run(argv, what=f"install {SUITE} for xen-create-image", timeout=1800)
    for path in lists:
        path.unlink()
