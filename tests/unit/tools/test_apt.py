# Copyright: (c) 2026, the virtfleet.core contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Daemons are kept from starting while packages are installed, and the machine's own policy comes back."""

from __future__ import annotations

from pathlib import Path

import pytest

from tools.dev import apt


@pytest.fixture
def policy(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Return a policy-rc.d in a folder of the test's own."""
    path = tmp_path / "policy-rc.d"
    monkeypatch.setattr(apt, "POLICY", path)
    monkeypatch.setattr(apt, "SAVED_POLICY", tmp_path / "policy-rc.d.saved")
    return path


def test_the_policy_is_put_and_taken_away(policy: Path) -> None:
    with apt._no_daemons():
        assert policy.read_text().endswith("exit 101\n")
        assert policy.stat().st_mode & 0o111
    assert list(policy.parent.iterdir()) == []


def test_the_machines_own_policy_comes_back(policy: Path) -> None:
    policy.write_text("#!/bin/sh\nexit 0\n")
    with pytest.raises(RuntimeError), apt._no_daemons():
        assert "exit 101" in policy.read_text()
        raise RuntimeError
    assert policy.read_text() == "#!/bin/sh\nexit 0\n"
    assert list(policy.parent.iterdir()) == [policy]


def test_what_a_killed_run_left_is_mended(policy: Path) -> None:
    policy.write_text("#!/bin/sh\nexit 0\n")
    apt._no_daemons().__enter__()  # and never left
    with apt._no_daemons():
        pass
    assert policy.read_text() == "#!/bin/sh\nexit 0\n"


def test_an_unknown_system_is_told_what_to_do(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(apt, "system", lambda: ("fedora", "43"))
    with pytest.raises(apt.ToolError, match=r"fedora 43, and only Debian 12 and 13 .* by hand"):
        apt.ensure(["no-package-of-this-name"])


def test_without_root_the_command_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(apt, "system", lambda: ("debian", "12"))
    monkeypatch.setattr("os.geteuid", lambda: 1000)
    with pytest.raises(apt.NeedsRoot, match="as root: apt-get install .*no-package-of-this-name"):
        apt.ensure(["no-package-of-this-name"])
