# Copyright: (c) 2026, the virtfleet.core contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Roots: a suite with its packages installed, as a tar, kept so that the next image of the same packages takes seconds.

A root holds nothing of any one image: no name, no address, no key, no secret. It is kept for a week, since packages get
older; then the next image that needs it has it made anew. Beside the tar lie the boot loaders' files, which are of the
same suite and not part of the image's packages.
"""
from __future__ import annotations

import hashlib
import json
import shutil
import time
from collections.abc import Sequence
from pathlib import Path

from .._errors import HostError
from .._image.bootstrap import NONE, Bootstrap
from .._image.bootstrap_files import EPOCH, Entry, early_entries
from .._image.suites import BIOS_ARCHITECTURE, BIOS_PACKAGE, FIRMWARE
from .._long_work import Progress, locked
from .._programs import Programs
from .inside import run_inside

PROGRAMS = ("mmdebstrap", "apt-get", "dpkg-deb")
TAR = "root.tar"
KEPT_SECONDS = 7 * 24 * 3600.0
KEPT_NUMBER = 5
# A run that found its root young enough, or used it just now, may still be at work with it.
_IN_USE_SECONDS = 3600.0
_LOCK_SECONDS = 7200.0
# The system itself: an init, names and devices, a shell to look around, and what the root needs to grow.
_BASE = ("systemd-sysv", "udev", "dbus", "kmod", "iproute2", "e2fsprogs", "fdisk")
_KERNEL = ("initramfs-tools", "zstd")
_NO_DOCUMENTATION = (
    "path-exclude=/usr/share/man/*",
    "path-exclude=/usr/share/doc/*",
    # Each package's licence stays.
    "path-include=/usr/share/doc/*/copyright",
    "path-exclude=/usr/share/locale/*",
    "path-exclude=/usr/share/info/*",
)

# $1 is the root.
_ESSENTIAL_HOOK = """#!/bin/sh
set -eu
cp -a @WORK@/early/. "$1/"
"""

# What only served the making is taken out; GRUB's tool and files are unpacked, used, and taken out again.
_CUSTOMIZE_HOOK = """#!/bin/sh
set -eu
root=$1 work=@WORK@ tools=$1/.virtfleet-boot
export APT_CONFIG="$MMDEBSTRAP_APT_CONFIG"
fetch() {
    apt-get -q -y -o APT::Sandbox::User=root -o Dir::Cache::Archives="$work/debs" "$@"
}
if [ -n "@EFI@@BIOS@" ]; then
    mkdir -p "$work/debs/partial" "$work/out" "$tools"
    [ -z "@BIOS@" ] || fetch --no-install-recommends --download-only install @BIOS@
    [ -z "@EFI@" ] || (cd "$work/debs" && fetch download @EFI@)
    for deb in "$work"/debs/*.deb; do
        dpkg-deb -x "$deb" "$tools"
    done
fi
first() {
    target=$1
    shift
    for file in "$@"; do
        if [ -f "$tools/$file" ] && [ ! -L "$tools/$file" ]; then
            cp "$tools/$file" "$work/out/$target"
            return
        fi
    done
    echo "the boot loader's packages hold none of $*" >&2
    exit 1
}
if [ -n "@EFI@" ]; then
    first loader.efi @LOADERS@
    first grub.efi @GRUBS@
fi
if [ -n "@BIOS@" ]; then
    first boot.img usr/lib/grub/i386-pc/boot.img
    libraries=$(find "$tools" -name 'lib*.so.*' | sed -e "s|^$root||" -e 's|/[^/]*$||' | sort -u | tr '\\n' ':')
    for table in gpt msdos; do
        chroot "$root" env LD_LIBRARY_PATH="$libraries" /.virtfleet-boot/usr/bin/grub-mkimage \\
            -d /.virtfleet-boot/usr/lib/grub/i386-pc -O i386-pc -p "(,${table}1)/boot/grub" \\
            -o "/.virtfleet-boot/core-$table.img" biosdisk "part_$table" ext2 normal configfile linux gzio \\
            search search_fs_uuid search_label serial terminal test echo sleep minicmd ls cat reboot halt
        cp "$tools/core-$table.img" "$work/out/"
    done
fi
rm -rf "$tools"
mv "$root"/etc/apt/sources.list.d/*sources.list "$root/etc/apt/sources.list"
rm -f "$root/etc/dpkg/dpkg.cfg.d/99mmdebstrap" "$root/etc/apt/apt.conf.d/99mmdebstrap"
"""


class Roots:
    """The roots that are kept below a folder of the host."""

    def __init__(self, programs: Programs, folder: Path) -> None:
        self._programs = programs
        self.folder = folder / "roots"

    def get(self, bootstrap: Bootstrap, sources: Sequence[str], work: Path, progress: Progress) -> Path:
        """Return the folder of the root for a spec, made in ``work`` first where there is none that is new enough."""
        packages = wanted_packages(bootstrap)
        place = self.folder / root_key(bootstrap, sources, packages)
        with locked(f"bootstrap {place}", _LOCK_SECONDS):
            self._sweep(place)
            if not place.is_dir():
                self._make(bootstrap, sources, packages, work, progress)
                (work / "out").rename(place)
            (place / "used").touch()
        return place

    def _sweep(self, wanted: Path) -> None:
        """Remove roots that are too old, and those used longest ago where there are too many."""
        self.folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        now = time.time()
        roots = [root for root in self.folder.iterdir() if root.is_dir()]
        old = [
            root
            for root in roots
            if now - _moment(root / TAR) > KEPT_SECONDS + (0 if root == wanted else _IN_USE_SECONDS)
        ]
        others = sorted((_moment(root / "used"), root) for root in roots if root not in old and root != wanted)
        rest = [root for used, root in others if now - used > _IN_USE_SECONDS]
        for root in (*old, *rest[: max(0, len(others) - (KEPT_NUMBER - 1))]):
            gone = root.with_name(f".{root.name}.gone")
            shutil.rmtree(gone, ignore_errors=True)
            root.rename(gone)
            shutil.rmtree(gone, ignore_errors=True)

    def _make(
        self, bootstrap: Bootstrap, sources: Sequence[str], packages: Sequence[str], work: Path, progress: Progress
    ) -> None:
        began = time.monotonic()
        progress.say(f"installing {bootstrap.suite} with {len(packages)} packages and what they need; this takes a minute or more")
        (work / "out").mkdir(exist_ok=True)
        early = work / "early"
        early.mkdir()
        for entry in early_entries(bootstrap):
            _write(early, entry)
        excluded = () if bootstrap.documentation else _NO_DOCUMENTATION
        if excluded:
            # Kept in the image: else each upgrade of a package would bring its manuals.
            _write(early, Entry("/etc/dpkg/dpkg.cfg.d/virtfleet", "".join(f"{line}\n" for line in excluded).encode()))
        essential = _script(work / "essential-hook", _ESSENTIAL_HOOK, {"WORK": str(work)})
        customize = _script(work / "customize-hook", _CUSTOMIZE_HOOK, {"WORK": str(work), **_boot_words(bootstrap)})
        (work / "sources.list").write_text("".join(f"{line}\n" for line in sources), encoding="utf-8")
        argv = [
            *("mmdebstrap", "--variant=minbase", "--mode=root", "--format=tar"),
            f"--architectures={bootstrap.architecture}",
            '--aptopt=APT::Install-Recommends "false"',
            '--aptopt=Acquire::Languages "none"',
            '--aptopt=Acquire::Retries "3"',
            "--dpkgopt=force-unsafe-io",
            *(f"--dpkgopt={line}" for line in excluded),
            f"--include={','.join(packages)}",
            f"--essential-hook={essential}",
            f"--customize-hook={customize}",
            *(bootstrap.suite, str(work / "out" / TAR), str(work / "sources.list")),
        ]
        environment = {"SOURCE_DATE_EPOCH": str(EPOCH), "TMPDIR": str(work), "DEBIAN_FRONTEND": "noninteractive"}
        run_inside(self._programs, f"install {bootstrap.suite}", argv, progress.place, environment)
        if not (work / "out" / TAR).is_file():
            raise HostError(f"could not install {bootstrap.suite}: mmdebstrap left no root; see {progress.place}")
        progress.say(f"installed {bootstrap.suite} in {time.monotonic() - began:.0f} s")


def wanted_packages(bootstrap: Bootstrap) -> tuple[str, ...]:
    """Return all packages that are asked for, the system's own among them, sorted."""
    found = {*_BASE, *bootstrap.packages}
    if bootstrap.release.resolved is not None:
        found.add(bootstrap.release.resolved)
    kernel = bootstrap.kernel_package
    if kernel is not None:
        found |= {kernel, *_KERNEL}
    if bootstrap.timezone is not None:
        found.add("tzdata")
    if bootstrap.locale is not None and not bootstrap.locale.startswith(("C", "POSIX")):
        found.add("locales")
    return tuple(sorted(found))


def root_key(bootstrap: Bootstrap, sources: Sequence[str], packages: Sequence[str]) -> str:
    """Return the name of the root that serves a spec."""
    # Another way to make it is another root.
    recipe = [_ESSENTIAL_HOOK, _CUSTOMIZE_HOOK, _NO_DOCUMENTATION, [repr(entry) for entry in early_entries(bootstrap)]]
    said = [recipe, bootstrap.suite, bootstrap.architecture, list(sources), list(packages), bootstrap.documentation]
    boot = bootstrap.kernel != NONE
    return hashlib.sha256(json.dumps([*said, boot]).encode()).hexdigest()[:32]


def _boot_words(bootstrap: Bootstrap) -> dict[str, str]:
    """Return what the hook is to fetch for the boot loaders; nothing for an image without a kernel."""
    if bootstrap.kernel == NONE:
        return {"EFI": "", "BIOS": "", "LOADERS": "", "GRUBS": ""}
    firmware = FIRMWARE[bootstrap.architecture or ""]
    return {
        "EFI": " ".join(firmware.packages),
        "BIOS": BIOS_PACKAGE if bootstrap.architecture == BIOS_ARCHITECTURE else "",
        "LOADERS": " ".join(firmware.loader_files),
        "GRUBS": " ".join(firmware.grub_files),
    }


def _script(place: Path, text: str, words: dict[str, str]) -> Path:
    for name, value in words.items():
        text = text.replace(f"@{name}@", value)
    place.write_text(text, encoding="utf-8")
    place.chmod(0o755)
    return place


def _write(folder: Path, entry: Entry) -> None:
    place = folder / entry.path.lstrip("/")
    place.parent.mkdir(mode=0o755, parents=True, exist_ok=True)
    place.write_bytes(entry.content)
    place.chmod(entry.mode)


def _moment(place: Path) -> float:
    try:
        return place.stat().st_mtime
    except OSError:
        return 0.0
