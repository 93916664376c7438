# Copyright: (c) 2026, the virtfleet.core contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Images of each format into each other, packed sources and appliances: the guest's bytes stay what they are."""

from __future__ import annotations

import bz2
import gzip
import io
import lzma
import os
import subprocess
import tarfile
from collections.abc import Callable
from pathlib import Path

import pytest

from ansible_collections.virtfleet.core.plugins.module_utils import _programs
from ansible_collections.virtfleet.core.plugins.module_utils._errors import HostError
from ansible_collections.virtfleet.core.plugins.module_utils._files import LocalFiles
from ansible_collections.virtfleet.core.plugins.module_utils._image.spec import FORMATS
from tests.unit.plugins.module_utils.image_tools import MIB, qemu_img, run_command, written

# No number of whole cylinders, which a VHD would round up to.
SIZE = 5 * MIB + 512
DISKS = {
    "qcow2": ("qcow2", ""),
    "raw": ("raw", ""),
    "vmdk": ("vmdk", ""),
    "vmdk of an OVA": ("vmdk", "subformat=streamOptimized"),
    "vdi": ("vdi", ""),
    "vdi, static": ("vdi", "static=on"),
    "vpc": ("vpc", "force_size=on"),
    "vpc, fixed": ("vpc", "subformat=fixed,force_size=on"),
    "vhdx": ("vhdx", ""),
    "parallels": ("parallels", ""),
}


@pytest.fixture
def files() -> LocalFiles:
    return LocalFiles(run_command, lock_timeout=5)


@pytest.fixture(scope="module")
def content(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A raw disk with something at its beginning, in its middle and at its very end."""
    path = written(tmp_path_factory.mktemp("content") / "disk", (0, b"first"), (3 * MIB, os.urandom(70_000)), (SIZE - 4, b"last"))
    assert path.stat().st_size == SIZE
    return path


def made(content: Path, path: Path, format: str, options: str = "") -> Path:
    more = ["-o", options] if options else []
    qemu_img("convert", "-f", "raw", "-O", format, *more, content, path)
    return path


def names(folder: Path) -> set[str]:
    return {entry.name for entry in folder.iterdir()}


@pytest.mark.parametrize("kind", DISKS)
def test_each_format_comes_in_and_goes_out(files: LocalFiles, tmp_path: Path, content: Path, kind: str) -> None:
    source = made(content, tmp_path / "source", *DISKS[kind])
    own = FORMATS.index(DISKS[kind][0])
    # Raw, its own, and the next one; the other pairs have one of these in the middle.
    for format in sorted({"raw", FORMATS[own], FORMATS[(own + 1) % len(FORMATS)]}):
        target = tmp_path / f"target.{format}"
        files.import_image(str(target), str(source), format, None, None, {})
        facts = files.image_facts(str(target))
        assert facts is not None
        assert (facts.format, facts.virtual_bytes, facts.backing, facts.others) == (format, SIZE, None, ())
        assert "identical" in qemu_img("compare", "-f", "raw", "-F", format, content, target)
        assert target.stat().st_mode & 0o777 == 0o600


@pytest.mark.parametrize("format", FORMATS)
def test_each_format_can_be_larger_than_its_source(files: LocalFiles, tmp_path: Path, content: Path, format: str) -> None:
    for name, source in (("a", content), ("b", made(content, tmp_path / "source", format))):
        target = tmp_path / name
        files.import_image(str(target), str(source), format, None, 9 * MIB, {})
        facts = files.image_facts(str(target))
        assert facts is not None
        assert (facts.format, facts.virtual_bytes) == (format, 9 * MIB)
        # The rest is zeros, which qemu-img passes over.
        assert "identical" in qemu_img("compare", "-f", "raw", "-F", format, content, target)


@pytest.mark.parametrize("format", FORMATS)
def test_each_format_is_made_blank_of_the_exact_size(files: LocalFiles, tmp_path: Path, format: str) -> None:
    files.create_image(str(tmp_path / "blank"), format, SIZE)
    facts = files.image_facts(str(tmp_path / "blank"))
    assert facts is not None
    assert (facts.format, facts.virtual_bytes) == (format, SIZE)


def test_a_differencing_disk_is_refused(files: LocalFiles, tmp_path: Path, content: Path) -> None:
    source = made(content, tmp_path / "source", "vpc")
    for at in (0, source.stat().st_size - 512):
        written(source, (at + 60, (4).to_bytes(4, "big")))
    with pytest.raises(HostError, match="holds only what differs from its parent"):
        files.import_image(str(tmp_path / "target"), str(source), "qcow2", None, None, {})
    assert names(tmp_path) == {"source"}


def test_no_extent_of_a_descriptor_is_ever_opened(files: LocalFiles, tmp_path: Path) -> None:
    # Whoever opens a pipe without a writer waits for ever.
    os.mkfifo(tmp_path / "pipe")
    (tmp_path / "flat.vmdk").write_text(
        f'# Disk DescriptorFile\n\nversion=1\nCID=0000000b\nRW 2 FLAT "{tmp_path}/pipe" 0\n'
    )
    with pytest.raises(HostError, match=f"needs the file {tmp_path}/pipe"):
        files.import_image(str(tmp_path / "target"), str(tmp_path / "flat.vmdk"), "qcow2", None, None, {})


def _zstd(data: bytes) -> bytes:
    return subprocess.run(["zstd", "-q"], input=data, check=True, capture_output=True).stdout


PACKERS: dict[str, Callable[[bytes], bytes]] = {
    "gzip": gzip.compress,
    "xz": lzma.compress,
    "bzip2": bz2.compress,
    "zstd": _zstd,
}


@pytest.mark.parametrize("program", PACKERS)
def test_what_is_packed_is_unpacked(files: LocalFiles, tmp_path: Path, content: Path, program: str) -> None:
    disk = made(content, tmp_path / "disk", "qcow2").read_bytes()
    # In two members, as parallel packers write, under a name that tells nothing.
    half = len(disk) // 2
    source = written(tmp_path / "source", (0, PACKERS[program](disk[:half]) + PACKERS[program](disk[half:])))
    target = tmp_path / "target"
    checksum = files.file_checksum(str(source), "sha256")
    files.import_image(str(target), str(source), "raw", checksum, None, {})
    assert target.read_bytes() == content.read_bytes()
    assert files.image_record(str(target))["sha256"] == checksum.partition(":")[2], "that of the file as published"
    assert names(tmp_path) == {"disk", "source", "target"}


@pytest.mark.parametrize("program", PACKERS)
@pytest.mark.parametrize("harm", ["cut", "flipped"])
def test_a_damaged_archive_leaves_the_image(
    files: LocalFiles, tmp_path: Path, content: Path, program: str, harm: str
) -> None:
    packed = PACKERS[program](content.read_bytes())
    middle = len(packed) // 2
    harmed = packed[:-30] if harm == "cut" else packed[:middle] + bytes([packed[middle] ^ 0xFF]) + packed[middle + 1 :]
    source, target = written(tmp_path / "source", (0, harmed)), written(tmp_path / "target", (0, b"old"))
    with pytest.raises(HostError, match=f"packed by {program}, and is damaged .*; nothing was replaced"):
        files.import_image(str(target), str(source), "raw", None, None, {}, replace=True)
    assert target.read_bytes() == b"old"
    assert names(tmp_path) == {"source", "target"}


def test_a_host_without_zstd_is_told_what_to_install(
    files: LocalFiles, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    found = _programs.get_bin_path

    def without(name: str, **options: object) -> str:
        if name == "zstd":
            raise ValueError
        return str(found(name, **options))

    monkeypatch.setattr(_programs, "get_bin_path", without)
    source = written(tmp_path / "source", (0, _zstd(bytes(MIB))))
    with pytest.raises(HostError, match="this host has no zstd; install the package zstd"):
        files.import_image(str(tmp_path / "target"), str(source), "raw", None, None, {})
    assert names(tmp_path) == {"source"}


def archive(path: Path, **members: bytes) -> Path:
    with tarfile.open(path, "w") as tar:
        for name, data in members.items():
            entry = tarfile.TarInfo(name.replace("_", "."))
            entry.size = len(data)
            tar.addfile(entry, io.BytesIO(data))
    return path


def test_the_disk_of_an_appliance_is_taken_out(files: LocalFiles, tmp_path: Path, content: Path) -> None:
    disk = made(content, tmp_path / "disk", "vmdk", "subformat=streamOptimized").read_bytes()
    appliance = archive(tmp_path / "vm.ova", vm_ovf=b"<Envelope/>", vm_mf=b"SHA256", disk1_vmdk=disk)
    box = written(tmp_path / "vm.box", (0, gzip.compress(archive(tmp_path / "tar", box_img=content.read_bytes()).read_bytes())))
    for source in (appliance, box):
        target = tmp_path / f"{source.name}.raw"
        files.import_image(str(target), str(source), "raw", None, None, {})
        assert target.read_bytes() == content.read_bytes()


def test_an_appliance_with_no_single_disk_is_refused(files: LocalFiles, tmp_path: Path) -> None:
    target = str(tmp_path / "target")
    two = archive(tmp_path / "two.ova", a_vmdk=b"a", vm_ovf=b"", b_vmdk=b"b")
    with pytest.raises(HostError, match=r"these are: 'a.vmdk', 'b.vmdk'; take the disk out by"):
        files.import_image(target, str(two), "raw", None, None, {})
    with pytest.raises(HostError, match="these are: none"):
        files.import_image(target, str(archive(tmp_path / "none.ova", vm_ovf=b"x")), "raw", None, None, {})
    cut = archive(tmp_path / "cut.ova", a_vmdk=bytes(MIB)).read_bytes()[: MIB // 2]
    with pytest.raises(HostError, match=r"archive (is damaged|ends in the middle)"):
        files.import_image(target, str(written(tmp_path / "cut", (0, cut))), "raw", None, None, {})
    nested = MIB * b"\0"
    for _layer in range(4):
        nested = gzip.compress(nested)
    with pytest.raises(HostError, match="packed more than 3 times over"):
        files.import_image(target, str(written(tmp_path / "nested", (0, nested))), "raw", None, None, {})
    assert not Path(target).exists()
