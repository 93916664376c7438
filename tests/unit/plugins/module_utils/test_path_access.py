# Copyright: (c) 2026, the virtfleet.core contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Which directories let QEMU's user through."""

from __future__ import annotations

import os
import shutil
import stat
import struct
import subprocess
import sys
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ansible_collections.virtfleet.core.plugins.module_utils._path_access import (
    Reader,
    may_search,
    path_facts,
    reader_of,
)

USER = Reader("qemu", 500, frozenset({600, 601}))


def status(mode: int, uid: int, gid: int) -> os.stat_result:
    return os.stat_result((stat.S_IFDIR | mode, 0, 0, 1, uid, gid, 0, 0, 0, 0))


def acl(*entries: tuple[int, int, int]) -> bytes:
    return struct.pack("<I", 2) + b"".join(struct.pack("<HHI", *entry) for entry in entries)


@pytest.mark.parametrize(
    ("mode", "uid", "gid", "passes"),
    [
        (0o711, 0, 0, True),
        (0o700, 0, 0, False),
        (0o700, 500, 0, True),
        (0o077, 500, 600, False),  # the owner's bits alone count for the owner
        (0o710, 0, 601, True),
        (0o701, 0, 601, False),  # and the group's for the group
        (0o744, 0, 0, False),  # reading a directory is not passing through it
    ],
)
def test_modes(mode: int, uid: int, gid: int, passes: bool) -> None:
    assert may_search(status(mode, uid, gid), None, USER) is passes


BASE = ((0x01, 7, 0), (0x04, 0, 0), (0x20, 0, 0))


@pytest.mark.parametrize(
    ("entries", "passes"),
    [
        (BASE, False),
        ((*BASE, (0x02, 1, 500), (0x10, 7, 0)), True),
        ((*BASE, (0x02, 1, 501), (0x10, 7, 0)), False),
        ((*BASE, (0x02, 1, 500), (0x10, 6, 0)), False),  # the mask takes it away
        ((*BASE, (0x08, 5, 601), (0x10, 7, 0)), True),
        ((*BASE[:2], (0x20, 1, 0), (0x08, 4, 601), (0x10, 7, 0)), False),  # a group that denies ends it
        ((*BASE[:2], (0x20, 1, 0)), True),
    ],
)
def test_access_lists(entries: tuple[tuple[int, int, int], ...], passes: bool) -> None:
    assert may_search(status(0o710, 0, 0), acl(*entries), USER) is passes


@given(st.binary(max_size=60))
def test_any_bytes_of_an_access_list(text: bytes) -> None:
    assert may_search(status(0o711, 0, 0), text, USER) in (True, False)


def test_kinds(tmp_path: Path) -> None:
    (tmp_path / "file").write_bytes(b"12345")
    os.mkfifo(tmp_path / "pipe")
    assert (path_facts(str(tmp_path / "file")).kind, path_facts(str(tmp_path / "file")).size_bytes) == ("file", 5)
    assert path_facts(str(tmp_path)).kind == "dir"
    assert path_facts(str(tmp_path / "pipe")).kind == "other"
    gone = path_facts(str(tmp_path / "gone"))
    assert (gone.exists, gone.readable) == (False, False)
    assert gone.why == f"{tmp_path}/gone does not exist"
    (tmp_path / "ring").symlink_to(tmp_path / "ring")
    assert not path_facts(str(tmp_path / "ring")).exists


def test_of_an_unknown_user_nothing_is_said(tmp_path: Path) -> None:
    assert reader_of("no-such-user") is None
    assert path_facts(str(tmp_path), "no-such-user").readable


@pytest.mark.root
def test_the_closed_directory_is_named(tmp_path_factory: pytest.TempPathFactory) -> None:
    # Not below tmp_path: pytest closes its own folders to others.
    top = Path("/var/tmp") / f"virtfleet-test-{os.getpid()}"
    try:
        disk = top / "closed" / "pool" / "disk"
        disk.parent.mkdir(parents=True)
        disk.write_bytes(b"")
        disk.chmod(0o600)
        for folder in (top, top / "closed", disk.parent):
            folder.chmod(0o755)
        assert path_facts(str(disk), "nobody").readable, "libvirt gives the file itself to QEMU's user"
        (top / "closed").chmod(0o700)
        facts = path_facts(str(disk), "nobody")
        assert facts.exists
        assert facts.why == f"directory {top}/closed is closed to user nobody (mode 0700, owner root:root)"
        link = top / "link"
        link.symlink_to(disk)
        assert not path_facts(str(link), "nobody").readable, "a link leads through the closed directory"
        assert path_facts(str(disk), "root").readable
        _agrees_with_the_kernel(disk, top / "closed")
    finally:
        shutil.rmtree(top, ignore_errors=True)


def _agrees_with_the_kernel(disk: Path, folder: Path) -> None:
    """Hold the answer against what the kernel lets user nobody do, with and without an access list."""
    disk.chmod(0o644)
    program = f"import os; os.setgroups([]); os.setgid(65534); os.setuid(65534); open({str(disk)!r})"
    look = [sys.executable, "-c", program]
    cases = [0o700, 0o711, 0o755, 0o701, 0o710]
    for mode in cases:
        folder.chmod(mode)
        opened = subprocess.run(look, check=False, capture_output=True).returncode == 0
        assert path_facts(str(disk), "nobody").readable is opened, oct(mode)
    folder.chmod(0o700)
    try:
        os.setxattr(folder, "system.posix_acl_access", acl((1, 7, 0xFFFFFFFF), (2, 1, 65534), (4, 0, 0xFFFFFFFF),
                                                           (0x10, 7, 0xFFFFFFFF), (0x20, 0, 0xFFFFFFFF)))  # fmt: skip
    except OSError:
        return
    assert subprocess.run(look, check=False, capture_output=True).returncode == 0
    assert path_facts(str(disk), "nobody").readable
