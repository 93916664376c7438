# Copyright: (c) 2026, the virtfleet.core contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Give the repository the place in a collections tree that Ansible wants: linked for running, copied for sanity."""

from __future__ import annotations

import hashlib
import os
import shutil
import subprocess
import threading
from pathlib import Path

NAMESPACE, NAME = "virtfleet", "core"


def cache_dir() -> Path:
    """Return the folder where everything slow to make is kept; made if absent."""
    base = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache")
    path = base / "virtfleet"
    path.mkdir(parents=True, exist_ok=True)
    return path


def digest(root: Path) -> str:
    """Return a short name for a checkout, by its path."""
    return hashlib.sha256(str(root).encode()).hexdigest()[:12]


def collections_path(root: Path) -> Path:
    """Return a collections path in which virtfleet.core is a link to `root`.

    Each checkout has a tree of its own, named by a hash of its path, so that two checkouts can be tested at once.
    """
    tree = cache_dir() / f"tree-{digest(root)}"
    link = tree / "ansible_collections" / NAMESPACE / NAME
    link.parent.mkdir(parents=True, exist_ok=True)
    if not link.is_symlink() or link.readlink() != root:
        # Made aside and renamed: pytest and ansible-playbook may look at this moment, and the lanes of a run, which are
        # threads of one process, come here together.
        fresh = link.with_name(f".{NAME}.{os.getpid()}.{threading.get_ident()}")
        fresh.symlink_to(root)
        fresh.replace(link)
    return tree


def copy_collection(root: Path, tree: Path, without: tuple[str, ...] = ()) -> Path:
    """Copy what git would keep of `root` to `tree`/ansible_collections/virtfleet/core and return that folder.

    Folders named in `without` are left out.

    ansible-test wants a real folder of this name, not a link. Files are copied only where size or time differ, and
    those that are gone are removed, so that the second run finds its caches good.
    """
    target = tree / "ansible_collections" / NAMESPACE / NAME
    target.mkdir(parents=True, exist_ok=True)
    listed = subprocess.run(
        ["git", "ls-files", "-z", "--cached", "--others", "--exclude-standard"],
        cwd=root, check=True, capture_output=True, text=True,
    ).stdout  # fmt: skip
    wanted = {name for name in listed.split("\0") if name and not name.startswith(without) and (root / name).is_file()}
    for name in sorted(wanted):
        source, copy = root / name, target / name
        if _same(source, copy):
            continue
        copy.parent.mkdir(parents=True, exist_ok=True)
        shutil.copy2(source, copy)
    _remove_others(target, wanted)
    return target


def _same(source: Path, copy: Path) -> bool:
    """Tell whether a copy has the size, time and mode of its source."""
    if not copy.is_file():
        return False
    a, b = source.stat(), copy.stat()
    return (a.st_size, a.st_mtime_ns, a.st_mode) == (b.st_size, b.st_mtime_ns, b.st_mode)


def _remove_others(target: Path, wanted: set[str]) -> None:
    """Remove from a copy the files that the source no longer has, and folders that this leaves empty."""
    for folder, _names, files in os.walk(target, topdown=False):
        here = Path(folder)
        if here.relative_to(target).parts[:2] == ("tests", "output"):
            continue  # ansible-test keeps its environments there
        for file in files:
            path = here / file
            if str(path.relative_to(target)) not in wanted:
                path.unlink()
        if here != target and not any(here.iterdir()):
            here.rmdir()
