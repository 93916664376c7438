# Copyright: (c) 2026, the virtfleet.core contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Artefacts that are slow to make are made once, complete or not at all."""

from __future__ import annotations

import fcntl
import hashlib
import json
import os
import shutil
from collections.abc import Callable, Iterable, Mapping
from pathlib import Path


def cache_folder() -> Path:
    """Return the folder that holds all artefacts of this user."""
    base = os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache"
    return Path(base) / "virtfleet"


def key_of(inputs: Mapping[str, str], sources: Iterable[Path]) -> str:
    """Return a short key over the inputs by name and the contents of our own source files."""
    digest = hashlib.sha256(json.dumps(dict(inputs), sort_keys=True).encode())
    for path in sorted(sources):
        digest.update(path.name.encode() + b"\0" + path.read_bytes())
    return digest.hexdigest()[:16]


def remembered(name: str, key: str, find: Callable[[], str]) -> str:
    """Return what `find` found the last time `key` was the same; asking apt takes a second or more."""
    note = cache_folder() / f"{name}.json"
    try:
        known = json.loads(note.read_text(encoding="utf-8"))
        if known["key"] == key:
            return str(known["found"])
    except (OSError, ValueError, KeyError, TypeError):
        pass  # never asked, or the note was cut short: ask
    found = find()
    note.parent.mkdir(parents=True, exist_ok=True)
    part = note.with_name(f"{note.name}.{os.getpid()}.part")
    part.write_text(json.dumps({"key": key, "found": found}), encoding="utf-8")
    part.replace(note)
    return found


def cached(kind: str, key: str, make: Callable[[Path], None]) -> Path:
    """Return the folder of an artefact; `make` fills an empty one if it isn't there yet.

    It is built beside its place and renamed when complete, so that a killed build leaves nothing that looks done.
    Older artefacts of the same kind, and what a killed build left, are removed, unless they are in use.
    """
    base = cache_folder()
    base.mkdir(parents=True, exist_ok=True)
    final = base / f"{kind}-{key}"
    if final.is_dir():
        return final
    with open(base / f".{kind}.lock", "w", encoding="ascii") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if final.is_dir():
            return final
        for rest in base.glob(f"{kind}-*"):
            if rest.name.removeprefix(f"{kind}-").removesuffix(".part").isalnum() and not _in_use(rest):
                shutil.rmtree(rest)
        part = base / f"{final.name}.part"
        part.mkdir()
        try:
            make(part)
        except BaseException:
            shutil.rmtree(part, ignore_errors=True)
            raise
        part.rename(final)
    return final


def _in_use(artefact: Path) -> bool:
    """Tell whether somebody holds a lock on the folder: a machine runs on what is in it."""
    handle = os.open(artefact, os.O_RDONLY | os.O_DIRECTORY)
    try:
        fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return True
    finally:
        os.close(handle)
    return False


def place(artefact: Path, folder: Path) -> Path:
    """Copy an artefact's folder into `folder`, unless it is there already, and return the copy.

    The cache is private to its user, so QEMU's user can't reach it.
    """
    target = folder / artefact.name
    if target.is_dir():
        return target
    part = folder / f"{artefact.name}.{os.getpid()}.part"
    shutil.rmtree(part, ignore_errors=True)
    shutil.copytree(artefact, part)
    part.chmod(0o755)
    part.rename(target)
    return target
