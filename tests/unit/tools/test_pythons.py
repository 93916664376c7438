# Copyright: (c) 2026, the virtfleet.core contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""An interpreter is taken only after it was seen to run."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

from tools.dev import pythons

HERE = f"{sys.version_info[0]}.{sys.version_info[1]}"
ROOT = Path(__file__).resolve().parents[3]


def _program(path: Path, text: str) -> Path:
    path.write_text(f"#!/bin/sh\n{text}\n")
    path.chmod(0o755)
    return path


def test_a_shim_that_fails_is_passed_over(tmp_path: Path) -> None:
    shim = _program(tmp_path / f"python{HERE}", "echo 'this version is not installed' >&2; exit 127")
    assert pythons.probe(shim, HERE) is None


def test_a_shim_of_another_version_is_passed_over(tmp_path: Path) -> None:
    shim = _program(tmp_path / "python3.99", f'exec {sys.executable} "$@"')
    assert pythons.probe(shim, "3.99") is None


def test_what_stands_behind_a_good_shim_is_taken(tmp_path: Path) -> None:
    shim = _program(tmp_path / f"python{HERE}", f'exec {sys.executable} "$@"')
    assert pythons.probe(shim, HERE) == Path(sys.executable)


def test_a_python_that_is_not_there_is_none(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(pythons, "PLACES", ())
    assert pythons.find("3.98") is None


@pytest.mark.parametrize(
    ("there", "expected"),
    [({"3.9", "3.11", "3.13"}, ("3.9", "3.13")), ({"3.11"}, ("3.11",)), (set(), ())],
)
def test_ends(there: set[str], expected: tuple[str, ...], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(pythons, "find", lambda version: Path("/usr/bin/python") if version in there else None)
    assert pythons.ends() == expected


@pytest.mark.parametrize(
    ("there", "expected"),
    [
        ({"3.11", "3.12", "3.13"}, {"main": ("3.13", "2.21"), "second": ("3.11", "2.18")}),
        ({"3.12"}, {"main": ("3.12", "2.21")}),
        # Only the old Python: it runs everything, with the core that runs on it.
        ({"3.11"}, {"main": ("3.11", "2.18")}),
    ],
)
def test_pairs(there: set[str], expected: dict[str, tuple[str, str]], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(pythons, "find", lambda version: Path("/usr/bin/python") if version in there else None)
    found = {name: (pair.version, pair.core) for name, pair in pythons.pairs(ROOT).items()}
    assert found.keys() == expected.keys()
    for name, (version, core) in expected.items():
        assert found[name][0] == version
        assert found[name][1].startswith(f"ansible-core=={core}.")
