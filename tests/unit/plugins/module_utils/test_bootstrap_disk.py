# Copyright: (c) 2026, the virtfleet.core contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Disks made by the real programs from a small root: what is on them, and that it is the same each time."""

from __future__ import annotations

import json
import os
import struct
import subprocess
import time
from pathlib import Path
from typing import Any

import pytest

from ansible_collections.virtfleet.core.plugins.module_utils._bootstrap.build import Builder, _runs
from ansible_collections.virtfleet.core.plugins.module_utils._bootstrap.disk import Disk
from ansible_collections.virtfleet.core.plugins.module_utils._errors import HostError, Unsupported
from ansible_collections.virtfleet.core.plugins.module_utils._image.bootstrap import Bootstrap
from ansible_collections.virtfleet.core.plugins.module_utils._image.layout import Layout, lay_out
from ansible_collections.virtfleet.core.plugins.module_utils._programs import Programs
from tests.unit.plugins.module_utils.image_tools import MIB, run_command

SIZE = 256 * MIB
PROGRAMS = Programs(run_command)


@pytest.fixture
def boot(tmp_path: Path) -> Path:
    """Boot loaders' files with content that can be found again."""
    folder = tmp_path / "boot"
    folder.mkdir()
    (folder / "boot.img").write_bytes(b"B" * 512)
    for table in ("gpt", "msdos"):
        (folder / f"core-{table}.img").write_bytes(f"{table:6}".encode() * 300)
    (folder / "loader.efi").write_bytes(b"SHIM" * 1000)
    (folder / "grub.efi").write_bytes(b"GRUB" * 1000)
    return folder


def tree(folder: Path) -> Path:
    (folder / "etc/deep/er").mkdir(parents=True)
    for number in range(200):
        (folder / "etc/deep" / f"file{number}").write_text(str(number) * 50)
    (folder / "etc/link").symlink_to("/usr/lib")
    (folder / "secret").write_text("x")
    (folder / "secret").chmod(0o600)
    for path in (folder, *folder.rglob("*")):
        os.utime(path, (1735689600, 1735689600), follow_symlinks=False)
    return folder


def make(tmp_path: Path, boot: Path, name: str = "disk", **params: Any) -> tuple[Path, Layout]:
    bootstrap = Bootstrap(**{"suite": "bookworm", "architecture": "amd64", **params})
    layout = lay_out(bootstrap, SIZE, 64 * "c")
    work, place = tmp_path / f"{name}.work", tmp_path / f"{name}.raw"
    work.mkdir()
    place.touch()
    Disk(PROGRAMS, layout, place, work).make(bootstrap, tree(work / "root"), boot)
    return place, layout


def said(*argv: str | Path) -> str:
    environment = {**os.environ, "PATH": f"{os.environ.get('PATH', '')}:/usr/sbin:/sbin"}
    return subprocess.run(
        [str(word) for word in argv], check=True, capture_output=True, text=True, env=environment
    ).stdout  # fmt: skip


def test_a_disk_of_gpt(tmp_path: Path, boot: Path) -> None:
    place, layout = make(tmp_path, boot, swap_bytes=8 * MIB)
    table = json.loads(said("sfdisk", "--json", place))["partitiontable"]
    assert (table["label"], table["id"].lower()) == ("gpt", layout.label_id)
    found = {row["name"]: (row["start"] * 512, row["size"] * 512, row["uuid"].lower()) for row in table["partitions"]}
    assert found == {name: (part.offset, part.size, part.uuid) for name, part in layout.parts.items()}
    assert place.stat().st_size == SIZE
    assert place.stat().st_blocks * 512 < 24 * MIB, "what is empty takes no room"
    with place.open("rb") as disk:
        first = disk.read(512)
        bios = layout.parts["bios"].offset
        assert struct.unpack_from("<Q", first, 0x5C) == (bios // 512,)
        assert first[:4] == b"BBBB" and first[510:] == b"\x55\xaa"
        disk.seek(bios)
        core = disk.read(600)
        assert core[:6] == b"gpt   "
        assert struct.unpack_from("<Q", core, 0x1F4) == (bios // 512 + 1,)
        disk.seek(layout.parts["swap"].offset + 4086)
        assert disk.read(10) == b"SWAPSPACE2"
    esp = f"{place}@@{layout.parts['esp'].offset}"
    files = said("mdir", "-/", "-b", "-i", esp).split()
    assert {"::/EFI/BOOT/BOOTX64.EFI", "::/EFI/BOOT/grubx64.efi", "::/EFI/debian/grub.cfg"} <= set(files)
    assert said("mtype", "-i", esp, "::/EFI/BOOT/grubx64.efi").startswith("GRUBGRUB")
    assert layout.root_uuid in said("mtype", "-i", esp, "::/EFI/debian/grub.cfg")
    root = f"{place}?offset={layout.parts['root'].offset}"
    features = said("dumpe2fs", "-h", root)
    assert layout.root_uuid in features
    assert "metadata_csum_seed" not in features and "orphan_file" not in features
    assert said("debugfs", "-R", "cat /etc/deep/file7", root) == 50 * "7"
    assert "Mode:  0600" in said("debugfs", "-R", "stat /secret", root)
    whole = tmp_path / "root.img"
    with place.open("rb") as disk, whole.open("wb") as copy:
        disk.seek(layout.parts["root"].offset)
        copy.write(disk.read(layout.parts["root"].size))
    said("e2fsck", "-f", "-n", whole)


@pytest.mark.parametrize("filesystem", ["ext4", "ext3", "ext2"])
def test_a_disk_with_an_mbr(tmp_path: Path, boot: Path, filesystem: str) -> None:
    place, layout = make(tmp_path, boot, partitioning="mbr", filesystem=filesystem)
    table = json.loads(said("sfdisk", "--json", place))["partitiontable"]
    assert (table["label"], table["id"]) == ("dos", layout.label_id)
    assert [(row["start"], row["type"], row["bootable"]) for row in table["partitions"]] == [(2048, "83", True)]
    with place.open("rb") as disk:
        assert struct.unpack_from("<Q", disk.read(512), 0x5C) == (1,)
        assert disk.read(6) == b"msdos "
    features = said("dumpe2fs", "-h", f"{place}?offset={MIB}")
    assert ("has_journal" in features, "extent" in features) == (filesystem != "ext2", filesystem == "ext4")


def test_a_bare_file_system(tmp_path: Path, boot: Path) -> None:
    place, layout = make(tmp_path, boot, partitioning="none")
    assert layout.root_uuid in said("dumpe2fs", "-h", place)
    with place.open("rb") as disk:
        assert not any(disk.read(1024)), "the file system's own boot block stays empty"
    said("e2fsck", "-f", "-n", place)


def test_the_same_bytes_at_another_time(tmp_path: Path, boot: Path) -> None:
    first, _layout = make(tmp_path, boot, "first", swap_bytes=MIB)
    # FAT's times have a grain of 2 s.
    time.sleep(2.1)
    second, _layout = make(tmp_path, boot, "second", swap_bytes=MIB)
    assert first.read_bytes() == second.read_bytes()


def test_packages_that_do_not_fit(tmp_path: Path, boot: Path) -> None:
    bootstrap = Bootstrap("bookworm", "amd64", partitioning="none")
    place, work = tmp_path / "small.raw", tmp_path / "work"
    place.touch()
    work.mkdir()
    root = tree(work / "root")
    (root / "large").write_bytes(os.urandom(20 * MIB))
    with pytest.raises(HostError, match="could not make a file system of 16 MiB .*: the packages do not fit; give a larger"):
        Disk(PROGRAMS, lay_out(bootstrap, 16 * MIB, ""), place, work).make(bootstrap, root, boot)


def test_missing_programs_are_named_at_once(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    programs = Programs(run_command)
    real = Programs.find
    gone = ("mmdebstrap", "mcopy", "mmd", "debugfs")
    monkeypatch.setattr(Programs, "find", lambda self, name: None if name in gone else real(self, name) or "/bin/true")
    monkeypatch.setattr(os, "geteuid", lambda: 0)
    with pytest.raises(HostError, match="this host has no mmdebstrap, debugfs, mmd, mcopy; install mmdebstrap e2fsprogs mtools "):
        Builder(programs, tmp_path / "cache").check(Bootstrap("bookworm", "amd64"))
    assert not (tmp_path / "cache").exists()


def test_who_can_make_images(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    builder = Builder(PROGRAMS, tmp_path / "cache")
    monkeypatch.setattr(os, "geteuid", lambda: 1000)
    with pytest.raises(Unsupported, match="needs root, since its files belong to many users; use become"):
        builder.check(Bootstrap("bookworm", "amd64"))
    monkeypatch.setattr(os, "geteuid", lambda: 0)
    monkeypatch.setattr(Programs, "find", lambda self, name: "/bin/true")
    other = "amd64" if os.uname().machine == "aarch64" else "arm64"
    monkeypatch.setattr("ansible_collections.virtfleet.core.plugins.module_utils._bootstrap.build._runs", lambda name: False)
    with pytest.raises(Unsupported, match="install the packages qemu-user-static and binfmt-support"):
        builder.check(Bootstrap("bookworm", other))
    monkeypatch.undo()
    assert not _runs("no-such-machine")
