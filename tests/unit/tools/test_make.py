# Copyright: (c) 2026, the virtfleet.core contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What make hands on of what it was told."""

from __future__ import annotations

import shlex
import subprocess
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[3]


@pytest.mark.parametrize("target", ["test", "test-slow"])
@pytest.mark.parametrize("words", ["", "-x", "-k 'one and not two'", """-k "one or it's" -x"""])
def test_further_words_arrive_as_they_were_written(target: str, words: str) -> None:
    argv = ["make", "-n", "--no-print-directory", target, "STAGES=lab", f"ARGS={words}"]
    line = subprocess.run(argv, cwd=ROOT, check=True, capture_output=True, text=True).stdout
    assert shlex.split(line) == ["tools/run", "test", "lab", f"--args={words}"]
