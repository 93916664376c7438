# Copyright: (c) 2026, the virtfleet.core contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Which images stand on which, held against what qemu-img says."""

from __future__ import annotations

import json
import os
from pathlib import Path

from hypothesis import given
from hypothesis import strategies as st

from ansible_collections.virtfleet.core.plugins.module_utils._backing import _file_name, backing_of, chains
from ansible_collections.virtfleet.core.plugins.module_utils._facts import GuestFacts, VolumeFacts
from ansible_collections.virtfleet.core.plugins.module_utils._image.place import Users, disk_paths
from tests.unit.plugins.module_utils.image_tools import qemu_img


def overlay(path: Path, backing: str, unchecked: bool = False) -> Path:
    rebase = ["-u"] if unchecked else []
    qemu_img("create", "-f", "qcow2", *rebase, "-b", backing, "-F", "qcow2", path, "1M")
    return path


def test_chains_through_folders(tmp_path: Path) -> None:
    first, second = tmp_path / "first", tmp_path / "second"
    first.mkdir()
    second.mkdir()
    base = first / "base"
    qemu_img("create", "-f", "qcow2", base, "1M")
    one = overlay(first / "one", str(base))
    two = overlay(second / "two", "../first/one")
    (second / "link").symlink_to(base)
    three = overlay(tmp_path / "three", str(second / "link"))
    qemu_img("create", "-f", "qcow2", second / "free", "1M")
    (second / "text").write_text("QFI")
    os.mkfifo(second / "pipe")
    found = chains([str(first), str(second), str(three), str(tmp_path / "gone")])
    assert found == {
        str(base): (str(base),),
        str(one): (str(one), str(base)),
        str(two): (str(two), str(one), str(base)),
        str(three): (str(three), str(base)),
        str(second / "link"): (str(base),),
        str(second / "free"): (str(second / "free"),),
        str(second / "text"): (str(second / "text"),),
    }
    assert Users(found, {}, {}).of(str(base)) == ((str(one), str(two), str(three)), ())
    assert Users(found, {}, {}).of(str(one)) == ((str(two),), ())
    disks = {"a": frozenset({str(two)}), "b": frozenset({str(second / "free")}), "c": frozenset({str(second / "link")})}
    assert Users(found, disks, {}).of(str(base))[1] == ("a", "c")
    assert Users(found, disks, {}).of(str(one))[1] == ("a",)
    for image in (one, two, three):
        said = json.loads(qemu_img("info", "--output=json", image))["full-backing-filename"]
        assert backing_of(image) == Path(said).resolve()


def test_json_names(tmp_path: Path) -> None:
    base = tmp_path / "base"
    qemu_img("create", "-f", "qcow2", base, "1M")
    nested = json.dumps({"driver": "qcow2", "file": {"driver": "file", "filename": str(base)}})
    flat = json.dumps({"driver": "qcow2", "file.driver": "file", "file.filename": str(base)})
    one = overlay(tmp_path / "one", f"json:{nested}")
    two = overlay(tmp_path / "two", f"json:{flat}")
    remote = overlay(tmp_path / "remote", "nbd://127.0.0.1/x", unchecked=True)
    found = chains([str(tmp_path)])
    assert (found[str(one)][1:], found[str(two)][1:]) == ((str(base),), (str(base),))
    assert backing_of(remote) is None


def test_a_ring_ends(tmp_path: Path) -> None:
    one, two = tmp_path / "one", tmp_path / "two"
    overlay(one, str(two), unchecked=True)
    overlay(two, str(one), unchecked=True)
    found = chains([str(tmp_path)])
    assert found[str(one)][:3] == (str(one), str(two), str(one))
    assert Users(found, {}, {}).of(str(one)) == ((str(one), str(two)), ())


def test_overlays_that_only_libvirt_knows() -> None:
    def volume(path: str, backing: str | None) -> VolumeFacts:
        return VolumeFacts("p", path, path, "vmdk", 0, 0, backing)

    volumes = {("p", path): volume(path, backing) for path, backing in [("/a", None), ("/b", "/a"), ("/c", "/b")]}
    live = "<domain><devices><disk><source file='/d'/><backingStore><source file='/c'/></backingStore></disk></devices>"
    guest = GuestFacts(
        "g",
        "u",
        "running",
        "<domain><devices><disk><source pool='p' volume='/b'/></disk><disk><source dev='/dev/x'/></disk>"
        "<disk device='cdrom'/></devices></domain>",
        live + "</domain>",
    )
    assert disk_paths(guest, volumes) == {"/b", "/dev/x", "/d", "/c"}
    users = Users({}, {"g": disk_paths(guest, volumes)}, volumes)
    assert users.of("/a") == (("/b", "/c"), ("g",))
    assert users.of("/c") == ((), ("g",))
    assert users.of("/e") == ((), ())


@given(st.binary(max_size=200))
def test_any_header(content: bytes) -> None:
    path = Path("/dev/shm") / f"virtfleet-header-{os.getpid()}"
    try:
        path.write_bytes(b"QFI\xfb\x00\x00\x00\x03" + content)
        backing_of(path)
    finally:
        path.unlink()


@given(st.text(max_size=30))
def test_any_name(name: str) -> None:
    assert isinstance(_file_name(name), str)
    assert isinstance(_file_name("json:" + name), str)
