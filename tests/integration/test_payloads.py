# Copyright: (c) 2026, the virtfleet.core contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What Ansible packs for a module is kept from play to play, by the sources that it was packed from."""

from __future__ import annotations

import json
import os
from pathlib import Path

import pytest
from ansible.executor import module_common

from tests.integration.callback import payloads
from tests.integration.playing import _command

PLAY = [{"hosts": "localhost", "gather_facts": False, "tasks": [{"virtfleet.core.accelerator_info": {}}]}]


def test_a_module_is_packed_once(tmp_path: Path) -> None:
    if not hasattr(module_common, "_locking"):
        pytest.skip("this ansible-core locks what it packs within one run only")
    book, kept = tmp_path / "play.yml", tmp_path / "kept"
    book.write_text(json.dumps(PLAY), encoding="utf-8")
    seen = []
    for _number in range(2):
        done = _command([], ["ansible-playbook", str(book)], tmp_path, {"VIRTFLEET_PAYLOADS": str(kept)}, 120)
        assert "ok=1" in done.stdout, done.stderr
        seen.append([(path.name, path.stat().st_ino) for path in kept.rglob("*accelerator_info*") if path.suffix != ".lock"])
    assert len(seen[0]) == 1 and seen[0] == seen[1]


def test_other_sources_have_another_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "plugins/modules").mkdir(parents=True)
    source = tmp_path / "plugins/modules/sample.py"
    source.write_text("said = 1", encoding="utf-8")
    monkeypatch.setattr(payloads, "ROOT", tmp_path)
    before = payloads._key()
    assert payloads._key() == before
    os.utime(source, ns=(1, 1))
    assert payloads._key() != before
