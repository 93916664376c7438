# Copyright: (c) 2026, the virtfleet.core contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""From a root to a disk: the partition table, the file systems, the boot loaders. No mounts, no loop devices.

The same root and the same layout give the same bytes: identities come from the layout, and every time is a fixed one.
"""
from __future__ import annotations

import os
import re
import struct
from pathlib import Path

from .._errors import HostError
from .._image.bootstrap import Bootstrap
from .._image.bootstrap_files import EPOCH, esp_configuration
from .._image.layout import MIB, SECTOR, Layout, Part, table_script
from .._image.suites import FIRMWARE
from .._programs import Programs
from .complaints import translate

PROGRAMS = ("sfdisk", "mke2fs", "dumpe2fs", "debugfs", "mkfs.vfat", "mmd", "mcopy", "mkswap")

# The host's own /etc/mke2fs.conf may turn on what GRUB and kernels of older suites cannot read
# (metadata_csum_seed, orphan_file), and differs from host to host.
_MKE2FS = """\
[defaults]
    base_features = sparse_super,large_file,filetype,resize_inode,dir_index,ext_attr
    default_mntopts = acl,user_xattr
    blocksize = 4096
    inode_size = 256
    inode_ratio = 16384
[fs_types]
    ext2 = {
    }
    ext3 = {
        features = has_journal
    }
    ext4 = {
        features = has_journal,extent,huge_file,flex_bg,metadata_csum,64bit,dir_nlink,extra_isize
    }
"""

# GRUB's boot sector and the first sector of its core (grub-core/boot/i386/pc/boot.S and diskboot.S in GRUB's sources).
_BOOT_CODE = 440
_CORE_SECTOR_AT = 0x5C
_DRIVE_CHECK_AT = 0x66
_REST_SECTOR_AT = 0x1F4

# Programs that make file systems take their time from here.
_TIMES = {"SOURCE_DATE_EPOCH": str(EPOCH), "E2FSPROGS_FAKE_TIME": str(EPOCH), "TZ": "UTC", "MTOOLSRC": "/dev/null"}


class Disk:
    """One raw disk in the making: a sparse file of the layout's size. ``work`` is a folder for what is only needed here."""

    def __init__(self, programs: Programs, layout: Layout, place: Path, work: Path) -> None:
        self._programs = programs
        self._layout = layout
        self._place = place
        self._work = work

    def make(self, bootstrap: Bootstrap, root: Path, boot: Path) -> None:
        """Write everything: the table, the root's file system from the folder ``root``, the boot loaders from ``boot``."""
        with self._place.open("r+b") as disk:
            disk.truncate(self._layout.size)
        if self._layout.table != "none":
            script = self._work / "table"
            script.write_text(table_script(self._layout), encoding="ascii")
            self._run("write the partition table", "sfdisk", "--quiet", "--no-reread", str(self._place), script=script)
        self._write_root(bootstrap, root)
        parts = self._layout.parts
        if "swap" in parts:
            self._write_swap(parts["swap"])
        if "esp" in parts:
            self._write_esp(bootstrap, parts["esp"], boot)
        self._write_bios(parts.get("bios"), boot)

    def _write_root(self, bootstrap: Bootstrap, root: Path) -> None:
        # Apart from the disk: dumpe2fs from e2fsprogs 1.47.1 on takes no place within a file any more.
        part, place = self._layout.parts["root"], self._work / "filesystem"
        configuration = self._work / "mke2fs.conf"
        configuration.write_text(_MKE2FS, encoding="ascii")
        options = (
            f"hash_seed={self._layout.hash_seed}",
            "root_owner=0:0",
            # In a sparse file there is nothing to be cleared later, in the guest.
            "lazy_itable_init=0",
            "lazy_journal_init=0",
        )
        self._run(
            f"make a file system of {part.size // MIB} MiB of the packages",
            *("mke2fs", "-q", "-F", "-t", bootstrap.filesystem, "-L", "root", "-m", "1"),
            *("-U", self._layout.root_uuid, "-E", ",".join(options), "-d", str(root)),
            *(str(place), f"{part.size // 1024}k"),
            environment={"MKE2FS_CONFIG": str(configuration)},
        )
        self._fix_times(place)
        self._insert(place, part)

    def _fix_times(self, place: Path) -> None:
        """Set the times that nobody can give to a file beforehand: when its inode was changed, and when it was read."""
        said = self._run("look at the file system", "dumpe2fs", str(place))
        total = re.search(r"^Inode count:\s+(\d+)", said, re.MULTILINE)
        if total is None:
            raise HostError("could not look at the file system: dumpe2fs named no number of inodes")
        free: set[int] = set()
        for ranges in re.findall(r"^ *Free inodes: (\d[^\n]*)", said, re.MULTILINE):
            for item in ranges.split(","):
                first, _dash, last = item.strip().partition("-")
                free.update(range(int(first), int(last or first) + 1))
        script = self._work / "times"
        with script.open("w", encoding="ascii") as file:
            for inode in (2, *range(11, int(total.group(1)) + 1)):
                if inode not in free:
                    file.write(f"sif <{inode}> ctime @{EPOCH}\nsif <{inode}> atime @{EPOCH}\n")
        self._run("set the times of the files", "debugfs", "-w", "-f", str(script), str(place))

    def _write_swap(self, part: Part) -> None:
        place = self._work / "swap"
        with place.open("wb") as file:
            file.truncate(part.size)
        self._run("make the swap partition", "mkswap", "-q", "-U", self._layout.swap_uuid, "-L", "swap", str(place))
        self._insert(place, part)

    def _write_esp(self, bootstrap: Bootstrap, part: Part, boot: Path) -> None:
        place, names = self._work / "esp", FIRMWARE[bootstrap.architecture or ""]
        vendor = bootstrap.release.distribution.vendor
        configuration = self._work / "grub.cfg"
        configuration.write_text(esp_configuration(self._layout), encoding="ascii")
        with place.open("wb") as file:
            file.truncate(part.size)
        says = "make the EFI system partition"
        self._run(says, *("mkfs.vfat", "-i", self._layout.esp_id, "-n", "EFI", "--invariant", str(place)))
        folders = ("::/EFI", "::/EFI/BOOT", f"::/EFI/{vendor}")
        self._run(says, "mmd", "-i", str(place), *folders)
        for source, target in (
            (boot / "loader.efi", f"::/EFI/BOOT/{names.loader}"),
            (boot / "grub.efi", f"::/EFI/BOOT/{names.grub}"),
            (configuration, "::/EFI/BOOT/grub.cfg"),
            (configuration, f"::/EFI/{vendor}/grub.cfg"),
        ):
            self._run(says, "mcopy", "-i", str(place), str(source), target)
        self._insert(place, part)

    def _write_bios(self, part: Part | None, boot: Path) -> None:
        table = {"gpt": "gpt", "mbr": "msdos"}.get(self._layout.table)
        if table is None or not (boot / "boot.img").is_file():
            return
        sector = boot / "boot.img"
        first = bytearray(sector.read_bytes()[:SECTOR])
        core = bytearray((boot / f"core-{table}.img").read_bytes())
        # With an MBR it lies between the table and the first partition, as it has for forty years.
        begin = part.offset // SECTOR if part is not None else 1
        room = part.size if part is not None else MIB - SECTOR
        if len(core) > room:
            raise HostError(f"could not write GRUB: its core has {len(core)} bytes, and there is room for {room}")
        struct.pack_into("<Q", first, _CORE_SECTOR_AT, begin)
        # As grub-install does: some BIOSes name the wrong drive.
        first[_DRIVE_CHECK_AT : _DRIVE_CHECK_AT + 2] = b"\x90\x90"
        struct.pack_into("<Q", core, _REST_SECTOR_AT, begin + 1)
        with self._place.open("r+b") as disk:
            disk.write(first[:_BOOT_CODE])
            disk.seek(begin * SECTOR)
            disk.write(core)

    def _insert(self, source: Path, part: Part) -> None:
        """Copy a partition's content into its place, and only what is written in it."""
        with source.open("rb") as file, self._place.open("r+b") as disk:
            at = 0
            while True:
                try:
                    at = os.lseek(file.fileno(), at, os.SEEK_DATA)
                except OSError:
                    break
                end = os.lseek(file.fileno(), at, os.SEEK_HOLE)
                file.seek(at)
                disk.seek(part.offset + at)
                while at < end:
                    block = file.read(min(MIB, end - at))
                    disk.write(block)
                    at += len(block)
        source.unlink()

    def _run(self, says: str, *argv: str, environment: dict[str, str] | None = None, script: Path | None = None) -> str:
        words = list(argv)
        if script is not None:
            # A program that reads its orders from standard input; run_command could only give it text in memory.
            words = ["sh", "-c", 'exec "$@" < "$0"', str(script), *argv]
        code, output, complaint = self._programs.attempt(says, words, {**_TIMES, **(environment or {})})
        if code != 0:
            raise HostError(f"could not {says}: {translate(f'{output} {complaint}', complaint)}")
        return output
