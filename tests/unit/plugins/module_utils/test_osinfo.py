# Copyright: (c) 2026, the virtfleet.core contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Operating systems are read from osinfo-db's files: by any of their names, with what they have of their ancestors."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from ansible_collections.virtfleet.core.plugins.module_utils._errors import Unsupported
from ansible_collections.virtfleet.core.plugins.module_utils._facts import Resources, SystemFacts
from ansible_collections.virtfleet.core.plugins.module_utils._osinfo import Database, look_up
from tests.unit.plugins.module_utils.guest.house import SYSTEMS

GIB = 1 << 30
PACKAGED = Path("/usr/share/osinfo")


def found(word: str) -> SystemFacts:
    system = Database([SYSTEMS]).find(word)
    assert system is not None
    return system


@pytest.mark.parametrize(
    "word", ["debian11", "debian-11", "Debian-11", "http://debian.org/debian/11", "debianbullseye", "debian-bullseye"]
)
def test_a_system_has_many_names(word: str) -> None:
    assert found(word).id == "http://debian.org/debian/11"


def test_only_the_files_named_after_a_system_are_read() -> None:
    database = Database([SYSTEMS])
    system = database.find("win-11")
    assert system is not None and {path.stem for path in database._read} == {"win-11", "win-10"}


def test_a_system_is_told_whole() -> None:
    system = found("debian11")
    assert (system.name, system.version, system.vendor, system.family) == ("Debian 11", "11", "Debian", "linux")
    assert (system.distro, system.codename, system.status) == ("debian", "bullseye", "released")
    assert (system.released, system.eol, found("debian3").eol) == ("2021-08-14", "", "2006-06-30")
    assert system.architectures == ("aarch64", "x86_64")
    assert system.recommended == {"all": Resources(None, GIB, None)}


def test_a_system_has_what_its_ancestors_have_less_what_it_gave_up() -> None:
    older, newer = found("debian11"), found("debian12")
    assert older.devices - newer.devices == {"http://pcisig.com/pci/1af4/1050"}
    assert newer.needs("x86_64") == Resources(1, GIB // 2, 2 * GIB)
    assert newer.status == "prerelease"
    assert found("win10").firmware == {"x86_64": ("bios", "efi")}
    assert (found("win11").firmware, found("win11").unsupported) == ({"x86_64": ("efi",)}, {"x86_64": ("bios",)})
    assert found("win11").needs("aarch64") == Resources()


def test_circles_and_gaps_among_ancestors_end() -> None:
    assert found("old1").devices == found("old2").devices != frozenset()


def test_what_is_unknown_is_said_with_what_may_have_been_meant(tmp_path: Path) -> None:
    answers = look_up(Database([SYSTEMS]), ["debian-13", "zzzz", "win10"])
    assert isinstance(answers["win10"], SystemFacts)
    assert "did you mean debian3 or debian1" in str(answers["debian-13"]) and "(20260101)" in str(answers["debian-13"])
    assert "os_info lists" in str(answers["zzzz"])
    nothing = Database([tmp_path])
    assert "install the package osinfo-db" in str(look_up(nothing, ["win10"])["win10"])
    with pytest.raises(Unsupported, match="install the package osinfo-db"):
        nothing.systems()


def test_what_is_local_stands_before_the_package(tmp_path: Path) -> None:
    place = tmp_path / "os" / "debian.org"
    place.mkdir(parents=True)
    shutil.copy(SYSTEMS / "os/debian.org/debian.xml", place)
    text = (place / "debian.xml").read_text().replace("<name>Debian 11</name>", "<name>Ours</name>")
    (place / "debian.xml").write_text(text)
    database = Database([tmp_path, SYSTEMS])
    assert [system.name for system in database.systems() if system.id.endswith("debian/11")] == ["Ours"]
    assert database.find("win10") is not None


def test_a_spoiled_file_is_one_system_less() -> None:
    assert len(Database([SYSTEMS]).systems()) == 7


@pytest.mark.skipif(not PACKAGED.is_dir(), reason="the package osinfo-db is not here")
def test_the_packaged_database_is_read_and_every_word_of_a_system_finds_it() -> None:
    database = Database([PACKAGED])
    systems = database.systems()
    assert len(systems) > 500
    known = {system.id: system for system in systems}
    assert known["http://microsoft.com/win/11"].unsupported["x86_64"] == ("bios",)
    for system in systems[::40]:
        for word in (system.id, *system.short_ids[:1]):
            again = Database([PACKAGED]).find(word)
            assert again is not None and again.id == system.id
