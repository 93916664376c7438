# Copyright: (c) 2026, the virtfleet.core contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The collection is found where Ansible looks for it."""

from __future__ import annotations

import importlib
import os
import subprocess
from pathlib import Path

from tools.dev.tree import copy_collection


def test_the_collection_imports_by_its_full_name() -> None:
    module = importlib.import_module("ansible_collections.virtfleet.core.plugins.doc_fragments.connection")
    assert "uri" in module.ModuleDocFragment.DOCUMENTATION


def test_a_child_process_finds_the_same_collection() -> None:
    link = Path(os.environ["ANSIBLE_COLLECTIONS_PATH"]) / "ansible_collections" / "virtfleet" / "core"
    assert link.resolve() == Path(__file__).resolve().parents[2]


def test_the_copy_holds_what_git_would_keep(tmp_path: Path) -> None:
    root, tree = tmp_path / "checkout", tmp_path / "tree"
    root.mkdir()
    subprocess.run(["git", "init", "--quiet", str(root)], check=True)
    (root / ".gitignore").write_text("*.pyc\n")
    (root / "kept.py").write_text("1\n")
    (root / "made.pyc").write_text("x\n")
    (root / "folder").mkdir()
    (root / "folder" / "gone.py").write_text("2\n")
    copy = copy_collection(root, tree)
    assert copy == tree / "ansible_collections" / "virtfleet" / "core"
    output = copy / "tests" / "output"
    output.mkdir(parents=True)
    (output / "kept.txt").touch()
    (root / "folder" / "gone.py").unlink()
    (root / "kept.py").write_text("3\n")
    copy_collection(root, tree)
    found = sorted(str(path.relative_to(copy)) for path in copy.rglob("*") if path.is_file())
    assert found == [".gitignore", "kept.py", "tests/output/kept.txt"]
    assert (copy / "kept.py").read_text() == "3\n"


def test_folders_can_be_left_out(tmp_path: Path) -> None:
    root = tmp_path / "checkout"
    (root / "tools").mkdir(parents=True)
    (root / "tools" / "left.py").touch()
    (root / "kept.py").touch()
    subprocess.run(["git", "init", "--quiet", str(root)], check=True)
    copy = copy_collection(root, tmp_path / "tree", without=("tools/",))
    assert [path.name for path in copy.rglob("*")] == ["kept.py"]
