# Copyright: (c) 2026, the virtfleet.core contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What killed runs have left is removed by the next, at whatever moment they were killed."""

from __future__ import annotations

import fcntl
import os
import shutil
from pathlib import Path
from typing import Any

import pytest

from ansible_collections.virtfleet.core.plugins.module_utils._bootstrap import build


def folder(base: Path) -> Path:
    """Return a folder as work leaves it that was cut short."""
    work = base / "image-1"
    (work / "root/etc").mkdir(parents=True)
    for name in ("lock", "layer.tar", "root/etc/fstab"):
        (work / name).touch()
    return work


def test_what_nobody_holds_goes(tmp_path: Path) -> None:
    work = folder(tmp_path)
    handle = os.open(work / "lock", os.O_WRONLY)
    fcntl.flock(handle, fcntl.LOCK_EX)
    build._sweep(tmp_path)
    assert (work / "root/etc/fstab").exists()
    os.close(handle)
    build._sweep(tmp_path)
    assert not work.exists()


def test_a_removal_that_is_cut_short_is_finished_by_the_next_run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    work = folder(tmp_path)

    class Killed(BaseException):
        pass

    def killed(*_args: Any, **_words: Any) -> None:
        raise Killed

    with monkeypatch.context() as patched:
        patched.setattr(shutil, "rmtree", killed)
        with pytest.raises(Killed):
            build._remove(work)
    # By its lock the next run sees at once that nobody works there.
    assert (work / "lock").exists()
    build._sweep(tmp_path)
    assert not work.exists()
