# Copyright: (c) 2026, the virtfleet.core contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""xl's configurations as files: found, told apart from others, linked to start with the host."""

from __future__ import annotations

from pathlib import Path

import pytest

from ansible_collections.virtfleet.core.plugins.module_utils import _xl_files
from ansible_collections.virtfleet.core.plugins.module_utils._errors import HostError
from ansible_collections.virtfleet.core.plugins.module_utils._files import LocalFiles
from ansible_collections.virtfleet.core.plugins.module_utils._programs import Programs


@pytest.fixture
def auto(tmp_path: Path) -> Path:
    return tmp_path / "auto"


def test_configurations_are_found_once_by_their_real_path(tmp_path: Path, auto: Path) -> None:
    auto.mkdir()
    (tmp_path / "a.cfg").write_text("name = 'a'\n")
    (tmp_path / "b.cfg").write_text("name = 'b'\n")
    (tmp_path / "xl.cfg").write_text("# no guest\n")
    (tmp_path / "binary.cfg").write_bytes(b"name\xff\xfe")
    (tmp_path / "folder.cfg").mkdir()
    (auto / "10-a").symlink_to(tmp_path / "a.cfg")
    (auto / "gone").symlink_to(tmp_path / "gone.cfg")
    (auto / "c").write_text("name = 'c'\n")
    found = _xl_files.configs([f"{tmp_path}/*.cfg", f"{auto}/*"], auto)
    assert {Path(path).name: starts for path, (_text, starts) in found.items()} == {"a.cfg": True, "b.cfg": False, "c": True}


def test_a_link_is_made_and_removed_and_a_file_stays(tmp_path: Path, auto: Path) -> None:
    path = tmp_path / "a.cfg"
    path.write_text("name = 'a'\n")
    for _time in ("first", "again"):
        _xl_files.set_autostart(str(path), True, auto)
        assert (auto / "a.cfg").resolve() == path
    (auto / "other").symlink_to(path)
    (auto / "file").write_text("name = 'x'\n")
    for _time in ("first", "again"):
        _xl_files.set_autostart(str(path), False, auto)
        assert [entry.name for entry in auto.iterdir()] == ["file"]


def test_what_stands_in_the_way_is_said(tmp_path: Path) -> None:
    (tmp_path / "auto").write_text("a file")
    with pytest.raises(HostError, match="could not change what starts with the host"):
        _xl_files.set_autostart(str(tmp_path / "a.cfg"), True, tmp_path / "auto" / "deeper")


def test_a_configuration_is_put_in_its_place_and_keeps_its_mode(tmp_path: Path) -> None:
    files = LocalFiles(lambda *_args, **_kwargs: (0, "", ""))
    path = tmp_path / "a.cfg"
    path.write_text("old")
    path.chmod(0o640)
    files.write_xl_config(str(path), "new")
    assert (path.read_text(), path.stat().st_mode & 0o777) == ("new", 0o640)
    files.remove_xl_config(str(path))
    files.remove_xl_config(str(path))
    with pytest.raises(HostError, match="could not write"):
        files.write_xl_config(str(tmp_path / "none" / "a.cfg"), "new")


@pytest.mark.parametrize(("done", "said"), [(0, '[{"domid": 1}]'), (1, "")])
def test_what_xl_lists(done: int, said: str, monkeypatch: pytest.MonkeyPatch) -> None:
    programs = Programs(lambda *_args, **_kwargs: (done, '[{"domid": 1}]', "no"))
    monkeypatch.setattr(programs, "find", lambda name: "/usr/sbin/xl")
    assert _xl_files.listing(programs) == said
    assert _xl_files.xenstore(programs) == said


@pytest.mark.parametrize(
    ("line", "gives"),
    [
        ("xen_commandline        : placeholder dom0_mem=2G,max:2G", False),
        ("xen_commandline        : placeholder", True),
        ("", True),
    ],
)
def test_dom0_gives_of_its_memory_where_nobody_said_how_much_it_has(
    line: str, gives: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    programs = Programs(lambda *_args, **_kwargs: (0, f"host : hv1\n{line}\n", ""))
    monkeypatch.setattr(programs, "find", lambda name: "/usr/sbin/xl")
    assert _xl_files.dom0_gives(programs) is gives


def test_a_host_without_xl_lists_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    programs = Programs(lambda *_args, **_kwargs: pytest.fail("nothing is to be run"))
    monkeypatch.setattr(programs, "find", lambda name: None)
    assert _xl_files.listing(programs) == _xl_files.xenstore(programs) == ""
