# Copyright: (c) 2026, the virtfleet.core contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Make media that a BIOS boots, by GRUB, without root, loop devices or mounts."""

from __future__ import annotations

from pathlib import Path

from ._run import LabError, need, run

GRUB = Path("/usr/lib/grub/i386-pc")
SECTOR = 512
FIRST_SECTOR = 2048
MIB = 1024 * 1024


def write_disk(content: Path, target: Path, size_mib: int, commands: str, *, label: str = "tiny") -> None:
    """Write a raw disk: `content` in one ext4 partition, and GRUB, which runs `commands`.

    GRUB's core lies between the partition table and the partition, with everything built in that it needs.
    """
    modules = ["biosdisk", "part_msdos", "ext2", "linux", "minicmd"]
    core = _core(target, "i386-pc", "(hd0,msdos1)/boot", modules, commands)
    if core.stat().st_size > (FIRST_SECTOR - 1) * SECTOR:
        raise LabError(f"GRUB's core is {core.stat().st_size} bytes and doesn't fit before the partition")
    with open(target, "wb") as disk:
        disk.truncate(size_mib * MIB)
    run([need("sfdisk"), "-q", target], what="partition a disk image", stdin=f"{FIRST_SECTOR},,L,*\n")
    run(
        [
            need("mkfs.ext4"),
            "-q",
            "-F",
            # GRUB of Debian 12 and Ubuntu 22.04 can't read what newer e2fsprogs would turn on.
            "-O",
            "^metadata_csum_seed,^orphan_file",
            "-L",
            label,
            "-m",
            "0",
            "-E",
            f"offset={FIRST_SECTOR * SECTOR},root_owner=0:0",
            "-d",
            content,
            target,
            f"{(size_mib * MIB - FIRST_SECTOR * SECTOR) // 1024}k",
        ],
        what="fill a disk image",
        timeout=600,
    )
    with open(target, "r+b") as disk:
        # The first 440 bytes only: the partition table follows.
        disk.write((GRUB / "boot.img").read_bytes()[:440])
        disk.seek(SECTOR)
        disk.write(core.read_bytes())
    core.unlink()


def write_iso(content: Path, target: Path, commands: str) -> None:
    """Write a CD image with `content` and GRUB, which runs `commands`. A file is added to `content`."""
    core = _core(target, "i386-pc-eltorito", "/boot", ["biosdisk", "iso9660", "linux", "minicmd"], commands)
    core.replace(content / "eltorito.img")
    run(
        [
            need("xorrisofs"),
            "-quiet",
            "-r",
            "-V",
            "TINY",
            "-b",
            "eltorito.img",
            "-no-emul-boot",
            "-boot-load-size",
            "4",
            "-boot-info-table",
            "-o",
            target,
            content,
        ],
        what="write a CD image",
        timeout=600,
    )


def to_qcow2(raw: Path, target: Path) -> None:
    """Copy a raw image into a qcow2 one, leaving out what is empty."""
    run([need("qemu-img"), "convert", "-O", "qcow2", raw, target], what=f"write {target.name}", timeout=600)


def _core(target: Path, form: str, prefix: str, modules: list[str], commands: str) -> Path:
    if not GRUB.is_dir():
        raise LabError("GRUB's files for a BIOS are not installed; run `python3 -m tests.lab install` as root")
    script = target.with_name(target.name + ".grub")
    core = target.with_name(target.name + ".core")
    script.write_text(commands)
    run(
        [need("grub-mkimage"), "-O", form, "-p", prefix, "-c", script, "-o", core, *modules],
        what="make GRUB's core image",
    )
    script.unlink()
    return core
