# Copyright: (c) 2026, the virtfleet.core contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The collections tree of a checkout."""

from __future__ import annotations

import threading
from pathlib import Path

import pytest

from tools.dev import tree


def test_lanes_may_make_the_link_at_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    meet = threading.Barrier(2)
    made: list[Path] = []
    link_to = Path.symlink_to

    def slowly(self: Path, target: Path) -> None:
        meet.wait(10)
        link_to(self, target)
        meet.wait(10)

    monkeypatch.setattr(Path, "symlink_to", slowly)
    lanes = [threading.Thread(target=lambda: made.append(tree.collections_path(tmp_path))) for _lane in range(2)]
    for lane in lanes:
        lane.start()
    for lane in lanes:
        lane.join(20)
    assert len(made) == 2
    folder = made[0] / "ansible_collections" / tree.NAMESPACE
    assert [(entry.name, entry.readlink()) for entry in folder.iterdir()] == [(tree.NAME, tmp_path)]
