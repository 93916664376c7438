# Copyright: (c) 2026, the virtfleet.core contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What is imported from a ZIP file is compiled once, and is always what the file says."""

from __future__ import annotations

import subprocess
import sys
import zipfile
from pathlib import Path

import pytest

from tests.lab._reached import BYTECODE


class Modules:
    """A ZIP file with one module, as Ansible sends them, and the folder of what was compiled."""

    def __init__(self, folder: Path) -> None:
        self.zip = folder / "modules.zip"
        self.kept = folder / "kept"

    def says(self, source: str) -> str:
        """Return what the module's ``said`` is, imported by a Python of its own."""
        with zipfile.ZipFile(self.zip, "w") as file:
            file.writestr("sample.py", source)
        done = subprocess.run(
            [sys.executable, "-c", "import sample; print(sample.said)"],
            env={"PYTHONPATH": f"{BYTECODE.parent}:{self.zip}", "VIRTFLEET_BYTECODE": str(self.kept)},
            text=True, capture_output=True, check=True,
        )  # fmt: skip
        assert done.stderr == ""
        return done.stdout.strip()


@pytest.fixture
def modules(tmp_path: Path) -> Modules:
    return Modules(tmp_path)


def test_the_same_source_is_compiled_once(modules: Modules) -> None:
    assert modules.says("said = 1") == "1"
    (kept,) = modules.kept.iterdir()
    before = kept.stat()
    assert modules.says("said = 1") == "1"
    assert (kept.stat().st_ino, kept.stat().st_mtime_ns) == (before.st_ino, before.st_mtime_ns)
    # Seen to be used: what is kept there is what runs.
    assert modules.says("said = 2") == "2"
    (other,) = set(modules.kept.iterdir()) - {kept}
    kept.write_bytes(other.read_bytes())
    assert modules.says("said = 1") == "2"


@pytest.mark.parametrize("broken", [b"", b"no code"])
def test_what_is_kept_and_broken_is_made_anew(modules: Modules, broken: bytes) -> None:
    modules.says("said = 1")
    (kept,) = modules.kept.iterdir()
    kept.write_bytes(broken)
    assert modules.says("said = 1") == "1"
    assert len(kept.read_bytes()) > len(broken)


def test_without_a_place_all_is_compiled(modules: Modules) -> None:
    modules.kept.write_text("a file, not a folder")
    assert modules.says("said = 1") == "1"
