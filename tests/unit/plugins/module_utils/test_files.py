# Copyright: (c) 2026, the virtfleet.core contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""LocalFiles on real files with the real qemu-img."""

from __future__ import annotations

import hashlib
import json
import os
import re
import stat
import subprocess
import threading
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from ansible_collections.virtfleet.core.plugins.module_utils import _image_record, _long_work
from ansible_collections.virtfleet.core.plugins.module_utils._errors import (
    Conflict,
    HostError,
    NotFound,
    SpecError,
    Timeout,
    Unsupported,
    VirtError,
)
from ansible_collections.virtfleet.core.plugins.module_utils._files import LocalFiles
from ansible_collections.virtfleet.core.plugins.module_utils._image.making import Making, making_record
from tests.unit.plugins.module_utils.image_tools import MIB, qemu_img, run_command, written


@pytest.fixture
def files() -> LocalFiles:
    return LocalFiles(run_command, lock_timeout=5)


def sha(path: Path, algorithm: str = "sha256") -> str:
    return f"{algorithm}:{hashlib.new(algorithm, path.read_bytes()).hexdigest()}"


def names(folder: Path) -> set[str]:
    return {entry.name for entry in folder.iterdir()}


def test_there_is_no_image_where_there_is_no_file(files: LocalFiles, tmp_path: Path) -> None:
    assert files.image_facts(str(tmp_path / "none.qcow2")) is None


def test_a_folder_is_no_image(files: LocalFiles, tmp_path: Path) -> None:
    with pytest.raises(HostError, match="it is a directory"):
        files.image_facts(str(tmp_path))


@pytest.mark.parametrize("format", ["qcow2", "raw"])
def test_create(files: LocalFiles, tmp_path: Path, format: str) -> None:
    path = tmp_path / "blank"
    files.create_image(str(path), format, 5 * MIB)
    facts = files.image_facts(str(path))
    assert facts is not None
    assert (facts.format, facts.virtual_bytes, facts.backing) == (format, 5 * MIB, None)
    assert facts.actual_bytes < MIB
    assert path.stat().st_mode & 0o777 == 0o600
    assert names(tmp_path) == {"blank"}


@pytest.mark.parametrize("name", ["$HOME ~ x", "a:b.qcow2", "json:{}", "Ünï,=cöde", "-f"])
def test_names_are_only_names(files: LocalFiles, tmp_path: Path, name: str) -> None:
    path = str(tmp_path / name)
    files.create_image(path, "qcow2", MIB)
    files.create_overlay(path + ".over", path, "qcow2", None)
    files.grow_image(path, "qcow2", 2 * MIB)
    facts = files.image_facts(path + ".over")
    assert facts is not None
    assert facts.backing == path


def test_create_leaves_a_file_that_is_there(files: LocalFiles, tmp_path: Path) -> None:
    path = written(tmp_path / "mine", (0, b"precious"))
    with pytest.raises(Conflict, match="appeared in the meantime"):
        files.create_image(str(path), "raw", MIB)
    assert path.read_bytes() == b"precious"
    assert names(tmp_path) == {"mine"}


def test_replacing_keeps_owner_and_mode(files: LocalFiles, tmp_path: Path) -> None:
    path = written(tmp_path / "mine", (0, b"old"))
    path.chmod(0o640)
    if os.geteuid() == 0:
        os.chown(path, 12345, 54321)
    before = path.stat()
    files.create_image(str(path), "qcow2", MIB, replace=True)
    after = path.stat()
    assert (after.st_mode, after.st_uid, after.st_gid) == (before.st_mode, before.st_uid, before.st_gid)
    facts = files.image_facts(str(path))
    assert facts is not None
    assert facts.format == "qcow2"


def test_create_needs_the_folder(files: LocalFiles, tmp_path: Path) -> None:
    with pytest.raises(NotFound, match=r"directory .*none does not exist; make the pool first"):
        files.create_image(str(tmp_path / "none" / "x"), "raw", MIB)


def test_overlay(files: LocalFiles, tmp_path: Path) -> None:
    base, overlay = str(tmp_path / "base"), str(tmp_path / "overlay")
    files.create_image(base, "raw", 4 * MIB)
    files.create_overlay(overlay, base, "raw", 6 * MIB)
    facts = files.image_facts(overlay)
    assert facts is not None
    assert (facts.format, facts.virtual_bytes, facts.backing, facts.backing_format) == ("qcow2", 6 * MIB, base, "raw")
    assert set(facts.others) == {base}
    with pytest.raises(Conflict, match=r"3MiB large: it holds a disk of 4MiB"):
        files.create_overlay(str(tmp_path / "small"), base, "raw", 3 * MIB)
    with pytest.raises(NotFound, match="backing image .* does not exist"):
        files.create_overlay(str(tmp_path / "x"), str(tmp_path / "none"), "raw", None)
    with pytest.raises(SpecError, match="no absolute path"):
        files.create_overlay(str(tmp_path / "x"), "base", "raw", None)
    with pytest.raises(SpecError, match="cannot stand on itself"):
        files.create_overlay(base, base, "raw", None, replace=True)
    assert names(tmp_path) == {"base", "overlay"}


@pytest.mark.parametrize("format", ["qcow2", "raw"])
def test_grow(files: LocalFiles, tmp_path: Path, format: str) -> None:
    path = str(tmp_path / "image")
    files.create_image(path, format, 2 * MIB)
    files.grow_image(path, format, 3 * MIB)
    files.grow_image(path, format, 3 * MIB)
    with pytest.raises(Conflict, match="never shrunk"):
        files.grow_image(path, format, MIB)
    facts = files.image_facts(path)
    assert facts is not None
    assert facts.virtual_bytes == 3 * MIB
    with pytest.raises(NotFound):
        files.grow_image(str(tmp_path / "none"), format, MIB)


def test_grow_an_image_that_is_held(files: LocalFiles, tmp_path: Path) -> None:
    path = str(tmp_path / "image")
    files.create_image(path, "qcow2", 2 * MIB)
    with subprocess.Popen(["qemu-io", "-f", "qcow2", path], stdin=subprocess.PIPE, stdout=subprocess.PIPE) as holder:
        assert holder.stdin is not None
        assert holder.stdout is not None
        holder.stdin.write(b"write 0 512\n")
        holder.stdin.flush()
        holder.stdout.read(8)
        facts = files.image_facts(path)
        assert facts is not None, "an image that a guest holds can still be looked at"
        with pytest.raises(Conflict, match="a running guest or another program holds the image"):
            files.grow_image(path, "qcow2", 3 * MIB)
        holder.stdin.write(b"quit\n")
        holder.stdin.close()
        holder.stdout.read()


def test_import_from_a_path(files: LocalFiles, tmp_path: Path) -> None:
    source = written(tmp_path / "source.raw", (0, b"begin"), (7 * MIB, b"middle"), (9 * MIB - 3, b"end"))
    path = tmp_path / "target.raw"
    files.import_image(str(path), str(source), "raw", sha(source, "sha512"), None, {})
    assert path.read_bytes() == source.read_bytes()
    assert path.stat().st_blocks * 512 < 2 * MIB, "zeros are left as holes"
    facts = files.image_facts(str(path))
    assert facts is not None
    assert facts.record == {
        "source": str(source),
        "sha256": sha(source).partition(":")[2],
        "sha512": sha(source, "sha512").partition(":")[2],
    }
    assert names(tmp_path) == {"source.raw", "target.raw"}


def test_import_converts_and_grows(files: LocalFiles, tmp_path: Path) -> None:
    raw = written(tmp_path / "source.raw", (MIB, os.urandom(MIB)), (5 * MIB - 1, b"."))
    qemu_img("convert", "-c", "-O", "qcow2", raw, tmp_path / "source.qcow2")
    path = tmp_path / "a file.raw"
    files.import_image(str(path), f"file://{tmp_path}/source%2Eqcow2", "raw", None, 8 * MIB, {"note": "x"})
    assert path.read_bytes()[: 5 * MIB] == raw.read_bytes()
    assert path.stat().st_size == 8 * MIB
    facts = files.image_facts(str(path))
    assert facts is not None
    assert facts.record["note"] == "x"
    assert facts.record["sha256"] == sha(tmp_path / "source.qcow2").partition(":")[2]
    progress = Path(_long_work.run_directory("run") / "a_file.raw.progress").read_text()
    assert "converting from qcow2 to raw" in progress
    assert progress.splitlines()[-1].endswith(f"{path}: done")


@pytest.mark.parametrize("source_format", ["vmdk", "vdi", "vhdx", "vpc"])
def test_import_of_other_formats(files: LocalFiles, tmp_path: Path, source_format: str) -> None:
    source, path = tmp_path / "source", tmp_path / "target"
    # A size that every one of them holds exactly; vpc rounds most up to its cylinders.
    qemu_img("create", "-f", source_format, *(["-o", "force_size"] if source_format == "vpc" else []), source, "8M")
    files.import_image(str(path), str(source), "qcow2", None, None, {})
    facts = files.image_facts(str(path))
    assert facts is not None
    assert (facts.format, facts.virtual_bytes) == ("qcow2", 8 * MIB)


def test_a_wrong_checksum_replaces_nothing(files: LocalFiles, tmp_path: Path) -> None:
    source = written(tmp_path / "source", (0, b"new" * 1000))
    path = written(tmp_path / "target", (0, b"old"))
    with pytest.raises(HostError, match=r"its checksum is sha256:.* was asked for; nothing was replaced"):
        files.import_image(str(path), str(source), "raw", "sha256:" + 64 * "0", None, {}, replace=True)
    assert path.read_bytes() == b"old"
    assert names(tmp_path) == {"source", "target"}
    assert "failed: " in (_long_work.run_directory("run") / "target.progress").read_text()


def test_import_never_shrinks(files: LocalFiles, tmp_path: Path) -> None:
    qemu_img("create", "-f", "qcow2", tmp_path / "source", "8M")
    with pytest.raises(Conflict, match="holds a disk of 8MiB"):
        files.import_image(str(tmp_path / "target"), str(tmp_path / "source"), "qcow2", None, 4 * MIB, {})
    assert names(tmp_path) == {"source"}


def test_import_refuses_what_reads_other_files(files: LocalFiles, tmp_path: Path) -> None:
    secret = written(tmp_path / "secret", (0, 1024 * b"s"))
    qemu_img("create", "-f", "qcow2", "-b", secret, "-F", "raw", tmp_path / "overlay")
    qemu_img("create", "-f", "qcow2", "-o", f"data_file={tmp_path}/data,data_file_raw=on", tmp_path / "split", "1M")
    (tmp_path / "flat.vmdk").write_text(
        '# Disk DescriptorFile\nversion=1\nCID=0000000b\nparentCID=ffffffff\ncreateType="monolithicFlat"\n'
        f'RW 2 FLAT "{secret}" 0\n'
    )
    for source in ("overlay", "split", "flat.vmdk"):
        with pytest.raises(HostError, match=r"only a part of a disk and needs the file"):
            files.import_image(str(tmp_path / "target"), str(tmp_path / source), "qcow2", None, None, {})
    assert not (tmp_path / "target").exists()


@pytest.mark.parametrize(
    ("content", "said"),
    [
        (b"", "it is empty"),
        (b"PK\x03\x04" + 600 * b"x", "packed by zip; unpack it first"),
        (b"\n<!DOCTYPE html><p>Please log in" + 600 * b"x", "it is a web page"),
    ],
)
def test_import_refuses_what_is_no_disk(files: LocalFiles, tmp_path: Path, content: bytes, said: str) -> None:
    source = written(tmp_path / "source", (0, content))
    with pytest.raises(HostError, match=said):
        files.import_image(str(tmp_path / "target"), str(source), "raw", None, None, {})
    assert names(tmp_path) == {"source"}


def test_import_refuses_a_damaged_image(files: LocalFiles, tmp_path: Path) -> None:
    source = tmp_path / "source"
    qemu_img("create", "-f", "qcow2", source, "8M")
    subprocess.run(["qemu-io", "-f", "qcow2", "-c", "write 0 1M", str(source)], check=True, capture_output=True)
    # Point the refcount table's first entry at nothing: every cluster is then used without being counted.
    with source.open("r+b") as file:
        file.seek(48)
        table = int.from_bytes(file.read(8), "big")
        file.seek(table)
        file.write(bytes(8))
    with pytest.raises(HostError, match="the image is damaged"):
        files.import_image(str(tmp_path / "target"), str(source), "qcow2", None, None, {})
    assert names(tmp_path) == {"source"}


def test_import_of_what_is_not_there(files: LocalFiles, tmp_path: Path) -> None:
    with pytest.raises(NotFound, match="no such file on this host"):
        files.import_image(str(tmp_path / "target"), str(tmp_path / "none"), "raw", None, None, {})
    with pytest.raises(SpecError, match="is a directory"):
        files.import_image(str(tmp_path / "target"), str(tmp_path), "raw", None, None, {})
    with pytest.raises(SpecError, match="names no other host"):
        files.import_image(str(tmp_path / "target"), "file://elsewhere/x", "raw", None, None, {})
    written(tmp_path / "self", (0, b"x"))
    with pytest.raises(SpecError, match="its own source"):
        files.import_image(str(tmp_path / "self"), str(tmp_path / "self"), "raw", None, None, {}, replace=True)
    assert names(tmp_path) == {"self"}


def test_two_runs_import_the_same_image(files: LocalFiles, tmp_path: Path) -> None:
    source = written(tmp_path / "source", (0, os.urandom(3 * MIB)))
    failures: list[VirtError] = []

    def run() -> None:
        try:
            files.import_image(str(tmp_path / "target"), str(source), "raw", sha(source), None, {})
        except VirtError as error:
            failures.append(error)

    threads = [threading.Thread(target=run) for _number in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert not failures
    assert names(tmp_path) == {"source", "target"}
    assert (tmp_path / "target").read_bytes() == source.read_bytes()


def test_a_lock_that_is_held(tmp_path: Path) -> None:
    path = str(tmp_path / "image")
    with _long_work.locked(path, 1), pytest.raises(Timeout, match=rf"another run \(process {os.getpid()}\)"):
        LocalFiles(run_command, lock_timeout=0.3).create_image(path, "raw", MIB)


def test_left_overs_are_removed(files: LocalFiles, tmp_path: Path) -> None:
    path = tmp_path / "image"
    for left in (".part", ".converted.part"):
        written(Path(f"{path}{left}"), (0, b"left over"))
    files.create_image(str(path), "raw", MIB)
    assert names(tmp_path) == {"image"}
    written(Path(f"{path}.part"), (0, b"left over"))
    files.remove_image(str(path))
    files.remove_image(str(path))
    assert names(tmp_path) == set()


def test_only_files_are_removed(files: LocalFiles, tmp_path: Path) -> None:
    (tmp_path / "folder").mkdir()
    with pytest.raises(Unsupported, match="only files are"):
        files.remove_image(str(tmp_path / "folder"))


def test_a_full_disk(files: LocalFiles, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    source = written(tmp_path / "source", (0, os.urandom(MIB)))
    # /dev/full takes a file's place: every write to it fails as on a full disk.
    monkeypatch.setattr(
        "ansible_collections.virtfleet.core.plugins.module_utils._files._new_file", lambda _path: Path("/dev/full")
    )
    with pytest.raises(HostError, match=rf"{tmp_path} is full; make room there"):
        files.import_image(str(tmp_path / "target"), str(source), "raw", None, None, {})


def test_a_missing_program(files: LocalFiles, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(files._programs, "find", lambda _name: None)
    with pytest.raises(HostError, match=r"no qemu-img; install the package qemu-utils \(Debian, Ubuntu\)"):
        files.create_image(str(tmp_path / "x"), "raw", MIB)
    with pytest.raises(HostError, match="install the package xorriso"):
        files.build_seed({"user-data": b""})


class TestRecord:
    """The record's two places."""

    @pytest.fixture
    def without_attributes(self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
        def refuse(*_args: object) -> None:
            raise OSError(95, "Operation not supported")

        monkeypatch.setattr(os, "setxattr", refuse)
        monkeypatch.setattr(os, "getxattr", refuse)
        monkeypatch.setattr(_image_record, "state_directory", lambda: tmp_path / "state")
        return tmp_path / "state"

    def test_it_moves_with_the_file(self, files: LocalFiles, tmp_path: Path) -> None:
        source = written(tmp_path / "source", (0, b"x"))
        files.import_image(str(tmp_path / "a"), str(source), "raw", None, None, {})
        (tmp_path / "a").rename(tmp_path / "b")
        assert _image_record.read_record(str(tmp_path / "b"))["source"] == str(source)
        assert names(tmp_path) == {"source", "b"}, "a file beside the image would be a volume to libvirt"

    def test_without_attributes(self, files: LocalFiles, tmp_path: Path, without_attributes: Path) -> None:
        pool = tmp_path / "pool"
        pool.mkdir()
        first, second = (written(tmp_path / name, (0, name.encode())) for name in ("first", "second"))
        path = str(pool / "image")
        files.import_image(path, str(first), "raw", None, None, {})
        assert _image_record.read_record(path)["source"] == str(first)
        files.import_image(path, str(second), "raw", None, None, {}, replace=True)
        assert _image_record.read_record(path)["source"] == str(second)
        assert names(pool) == {"image"}
        files.remove_image(path)
        assert names(without_attributes / "records") == set()

    def test_a_kill_on_either_side_of_the_rename(self, tmp_path: Path, without_attributes: Path) -> None:
        path, part = written(tmp_path / "image", (0, b"old")), written(tmp_path / "image.part", (0, b"new"))
        _image_record.write_record(str(path), str(path), {"source": "old"})
        _image_record.write_record(str(part), str(path), {"source": "new"})
        assert _image_record.read_record(str(path)) == {"source": "old"}
        part.replace(path)
        assert _image_record.read_record(str(path)) == {"source": "new"}

    @pytest.mark.parametrize("text", [b"", b"no json", b"[1]", b'{"source": 7}', b"\xff"])
    def test_what_is_no_record_counts_as_none(self, tmp_path: Path, text: bytes) -> None:
        path = written(tmp_path / "image", (0, b"x"))
        try:
            os.setxattr(path, _image_record.ATTRIBUTE, text)
        except OSError:
            pytest.skip("this file system has no user attributes")
        assert _image_record.read_record(str(path)) == {}


@settings(max_examples=15, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    spans=st.lists(st.tuples(st.integers(0, 3 * MIB), st.binary(min_size=1, max_size=2000)), max_size=5),
    format=st.sampled_from(["raw", "qcow2"]),
)
def test_a_guest_sees_what_was_in_the_source(
    files: LocalFiles, tmp_path: Path, spans: list[tuple[int, bytes]], format: str
) -> None:
    source = tmp_path / "source"
    source.unlink(missing_ok=True)
    # A first byte that no magic number of another format begins with.
    written(source, *spans, (0, b"\x01"))
    size = -(-source.stat().st_size // 512) * 512
    os.truncate(source, size)
    path = tmp_path / "target"
    files.import_image(str(path), str(source), format, sha(source), size + 4096, {}, replace=True)
    qemu_img("convert", "-f", format, "-O", "raw", path, tmp_path / "seen")
    assert (tmp_path / "seen").read_bytes() == source.read_bytes() + bytes(4096)


def test_a_small_file_is_read_and_replaced_in_one_step(files: LocalFiles, tmp_path: Path) -> None:
    path = tmp_path / "x.png"
    assert files.file_content(str(path)) is None
    files.write_file(str(path), b"one")
    path.chmod(0o640)
    files.write_file(str(path), b"two")
    assert files.file_content(str(path)) == b"two"
    assert stat.S_IMODE(path.stat().st_mode) == 0o640
    assert list(tmp_path.iterdir()) == [path]
    with pytest.raises(HostError, match="could not read"):
        files.file_content(str(tmp_path))
    with pytest.raises(HostError, match="could not write .*/none/x.png: No such file"):
        files.write_file(str(tmp_path / "none" / "x.png"), b"")


def random_disk(path: Path) -> Path:
    """Write a disk of 32 MiB: one of zeros that take room, one of a text that packs well, and holes."""
    written(path, (0, bytes(MIB)), (4 * MIB, b"all work and no play " * 50_000))
    os.truncate(path, 32 * MIB)
    return path


@pytest.mark.parametrize("source_format", ["raw", "qcow2"])
@pytest.mark.parametrize("compression", ["zlib", "zstd"])
def test_a_packed_import(files: LocalFiles, tmp_path: Path, compression: str, source_format: str) -> None:
    source, target = random_disk(tmp_path / "source"), tmp_path / "target"
    if source_format == "qcow2":
        qemu_img("convert", "-f", "raw", "-O", "qcow2", source, tmp_path / "made")
        (tmp_path / "made").replace(source)
    making = Making(compression, None, 128 << 10, True)
    files.import_image(str(target), str(source), "qcow2", None, 48 * MIB, making_record(making), making=making)
    facts = files.image_facts(str(target))
    assert facts is not None
    assert (facts.virtual_bytes, facts.cluster_bytes, facts.lazy_refcounts) == (48 * MIB, 128 << 10, True)
    assert facts.record["compression"] == compression and facts.actual_bytes < MIB
    told = json.loads(qemu_img("info", "--output=json", target))["format-specific"]["data"]
    assert told["compression-type"] == compression
    assert qemu_img("convert", "-f", "qcow2", "-O", "raw", target, tmp_path / "again") == ""
    assert (tmp_path / "again").read_bytes()[: 6 * MIB] == random_disk(tmp_path / "plain").read_bytes()[: 6 * MIB]


@pytest.mark.parametrize(
    ("format", "preallocation", "whole"),
    [("qcow2", "off", False), ("qcow2", "metadata", False), ("qcow2", "falloc", True), ("qcow2", "full", True),
     ("raw", "off", False), ("raw", "falloc", True), ("raw", "full", True)],
)  # fmt: skip
def test_preallocation(files: LocalFiles, tmp_path: Path, format: str, preallocation: str, whole: bool) -> None:
    blank, imported = str(tmp_path / "blank"), str(tmp_path / "imported")
    making = Making(preallocation=preallocation)
    files.create_image(blank, format, 16 * MIB, making=making)
    files.grow_image(blank, format, 32 * MIB, making)
    files.import_image(imported, str(random_disk(tmp_path / "source")), format, None, 48 * MIB, {}, making=making)
    for path, size in ((blank, 32 * MIB), (imported, 48 * MIB)):
        facts = files.image_facts(path)
        assert facts is not None and facts.virtual_bytes == size
        assert (facts.actual_bytes >= size) is whole, (path, facts.actual_bytes)


def test_lazy_refcounts_of_an_overlay(files: LocalFiles, tmp_path: Path) -> None:
    base, overlay = str(tmp_path / "base"), str(tmp_path / "overlay")
    files.create_image(base, "qcow2", 4 * MIB)
    files.create_overlay(overlay, base, "qcow2", None, making=Making(cluster_bytes=4096, lazy_refcounts=True))
    facts = files.image_facts(overlay)
    assert facts is not None and (facts.cluster_bytes, facts.lazy_refcounts) == (4096, True)
    files.amend_image(overlay, Making(lazy_refcounts=False))
    facts = files.image_facts(overlay)
    assert facts is not None and facts.lazy_refcounts is False


@pytest.mark.parametrize("format", ["raw", "qcow2", "vmdk", "vdi"])
def test_zeros_are_given_back_where_the_file_is(files: LocalFiles, tmp_path: Path, format: str) -> None:
    image, plain = tmp_path / "image", tmp_path / "plain"
    qemu_img("convert", "-S", "0", "-f", "raw", "-O", format, random_disk(tmp_path / "source"), image)
    if format == "qcow2":
        qemu_img("snapshot", "-c", "before", image)
    whole = image.read_bytes()
    image.write_bytes(whole)
    before = files.image_facts(str(image))
    files.sparsify_image(str(image))
    after = files.image_facts(str(image))
    assert before is not None and after is not None
    assert image.read_bytes() == whole, "not a byte is another"
    assert after.actual_bytes + MIB < before.actual_bytes
    assert after.record == {"sparse": str(after.written_ns)}
    qemu_img("convert", "-f", format, "-O", "raw", image, plain)
    assert plain.read_bytes()[: 6 * MIB] == random_disk(tmp_path / "again").read_bytes()[: 6 * MIB]


def test_what_is_made_has_no_zeros_that_take_room(files: LocalFiles, tmp_path: Path) -> None:
    making = Making(sparsify=True)
    source = written(tmp_path / "source", (4 * MIB, b"x" * 4096))
    # Shorter than what an import leaves out by itself.
    source.write_bytes(b"".join(b"x" * 4096 + bytes(60 * 1024) for _number in range(64)))
    blank, overlay, copy = (str(tmp_path / name) for name in ("blank", "overlay", "copy"))
    files.create_image(blank, "qcow2", 4 * MIB, making=making)
    files.create_overlay(overlay, blank, "qcow2", None, making=making)
    files.import_image(copy, str(source), "raw", None, None, {"estate": "e"}, making=making)
    for path in (blank, overlay, copy):
        facts = files.image_facts(path)
        assert facts is not None and facts.record["sparse"] == str(facts.written_ns), path
    assert facts.record["estate"] == "e" and facts.actual_bytes < MIB
    assert Path(copy).read_bytes() == source.read_bytes()


def test_a_file_system_that_frees_no_parts_of_files_is_named(tmp_path: Path) -> None:
    def run(argv: Sequence[str], **options: Any) -> tuple[int, str, str]:
        if "fallocate" in argv[0]:
            return 1, "", "fallocate: fallocate failed: Operation not supported"
        return run_command(argv, **options)

    files = LocalFiles(run, lock_timeout=5)
    path = str(tmp_path / "image")
    with pytest.raises(HostError, match=f"could not sparsify image {path}: .*not supported; where the file system of {tmp_path}"):
        files.create_image(path, "raw", MIB, making=Making(sparsify=True))
    assert list(tmp_path.iterdir()) == []


def test_an_image_that_is_gone_is_not_sparsified(files: LocalFiles, tmp_path: Path) -> None:
    with pytest.raises(NotFound, match="could not sparsify image .*gone: there is no such file"):
        files.sparsify_image(str(tmp_path / "gone"))


LUKS = Making(passphrase=b"p\xc3\xa4ss, word\n")


def quickly(argv: Sequence[str], **options: Any) -> tuple[int, str, str]:
    """Run qemu-img with a key that is made in less than the usual two seconds of work."""
    quick = [re.sub(r"(encrypt\.)?key-secret=key$", r"\g<0>,\1iter-time=10", word) for word in argv]
    return run_command(quick, **options)


@pytest.mark.parametrize("format", ["qcow2", "raw"])
def test_an_encrypted_image(tmp_path: Path, format: str) -> None:
    files = LocalFiles(quickly, lock_timeout=5)
    source, path = written(tmp_path / "source", (MIB, b"nobody shall see" * 4096)), str(tmp_path / "a,b")
    files.import_image(path, str(source), format, None, 4 * MIB, {}, making=LUKS)
    files.grow_image(path, format, 6 * MIB, LUKS)
    facts = files.image_facts(path)
    assert facts is not None
    assert (facts.format, facts.virtual_bytes, facts.encrypted) == (format, 6 * MIB, True)
    assert b"nobody shall see" not in Path(path).read_bytes()
    key = tmp_path / "key"
    key.write_bytes(LUKS.passphrase or b"")
    opened = f"driver={'luks,key-secret=k' if format == 'raw' else 'qcow2,encrypt.key-secret=k'},file.filename={tmp_path}/a,,b"
    words = ("--object", f"secret,id=k,file={key}", "--image-opts", opened)
    qemu_img("convert", *words, "-O", "raw", tmp_path / "again")
    assert (tmp_path / "again").read_bytes()[: source.stat().st_size] == source.read_bytes()
    with pytest.raises(HostError, match="could not grow image"):
        files.grow_image(path, format, 8 * MIB, Making(passphrase=b"another"))
    copy = str(tmp_path / "copy")
    if format == "qcow2":
        files.amend_image(path, replace(LUKS, lazy_refcounts=True))
        files.import_image(copy, path, format, None, None, {})
        facts = files.image_facts(copy)
        assert facts is not None and facts.encrypted and facts.lazy_refcounts, "it is taken as it is"
        with pytest.raises(HostError, match="it is encrypted, and only taken as it is"):
            files.import_image(copy, path, format, None, None, {}, replace=True, making=Making("zlib"))
        overlay = f"{path}.over"
        files.create_overlay(overlay, str(source), "raw", None, making=LUKS)
        facts = files.image_facts(overlay)
        assert facts is not None and facts.encrypted and facts.backing == str(source)


class Hurried:
    """qemu-img on a host that it cannot measure, so often: a fault of its own, by chance on fast hosts (QEMU 9.2)."""

    def __init__(self, fails: int) -> None:
        self.fails, self.calls = fails, 0
        self.seen: list[str] = []

    def __call__(self, argv: Sequence[str], **options: Any) -> tuple[int, str, str]:
        self.calls += 1
        self.seen.extend([*argv, repr(options)])
        if self.calls <= self.fails:
            return 1, "", f"qemu-img: {argv[-2]}: Unable to get accurate CPU usage\n"
        return quickly(argv, **options)


def test_an_image_is_asked_for_until_qemu_could_measure_and_no_argument_holds_the_passphrase(tmp_path: Path) -> None:
    path, hurried = str(tmp_path / "x"), Hurried(4)
    LocalFiles(hurried, lock_timeout=5).create_image(path, "qcow2", MIB, making=Making(passphrase=b"pass-word-1"))
    facts = LocalFiles(run_command).image_facts(path)
    assert facts is not None and facts.encrypted and facts.virtual_bytes == MIB
    assert hurried.calls == 5 and names(tmp_path) == {"x"}
    assert sum("secret,id=key,file=/dev/fd/" in word for word in hurried.seen) == 5
    assert "pass-word-1" not in " ".join(hurried.seen)


def test_but_not_for_ever(tmp_path: Path) -> None:
    hurried = Hurried(1000)
    with pytest.raises(HostError, match="could not create image .*: Unable to get accurate CPU usage; .* or update QEMU"):
        LocalFiles(hurried, lock_timeout=5).create_image(str(tmp_path / "x"), "qcow2", MIB, making=LUKS)
    assert 1 < hurried.calls < 100 and names(tmp_path) == set()


def test_a_conversion_leaves_holes_for_zeros(files: LocalFiles, tmp_path: Path) -> None:
    # Shorter runs than those that are left out of any copy.
    zeros = written(tmp_path / "zeros", (0, (b"x" * 65536 + bytes(65536)) * 64))
    source = str(tmp_path / "source")
    qemu_img("convert", "-S", "0", "-f", "raw", "-O", "qcow2", zeros, source)
    taken = []
    for making in (Making(), Making("")):
        files.import_image(str(tmp_path / "target"), source, "qcow2", None, None, {}, replace=True, making=making)
        facts = files.image_facts(str(tmp_path / "target"))
        assert facts is not None and facts.virtual_bytes == 8 * MIB
        taken.append(facts.actual_bytes)
    assert taken[0] > 8 * MIB and taken[1] < 5 * MIB
