# Copyright: (c) 2026, the virtfleet.core contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Two runs on one hypervisor wait for each other; a killed one holds nobody up."""

from __future__ import annotations

import os
import subprocess
import sys
import threading
import time
from pathlib import Path

import pytest

from ansible_collections.virtfleet.core.plugins.module_utils import _lock
from ansible_collections.virtfleet.core.plugins.module_utils._errors import Timeout
from ansible_collections.virtfleet.core.plugins.module_utils._lock import one_at_a_time

URI = "qemu:///system"
HOLDER = """
import sys, time
from pathlib import Path
from ansible_collections.virtfleet.core.plugins.module_utils import _lock
_lock.PLACE = Path(sys.argv[1])
with _lock.one_at_a_time(sys.argv[2]):
    print("held", flush=True)
    time.sleep(60)
"""


@pytest.fixture(autouse=True)
def place(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setattr(_lock, "PLACE", tmp_path / "locks")
    return tmp_path / "locks"


def holder(place: Path, uri: str = URI) -> subprocess.Popen[str]:
    """Start a process that holds the lock."""
    process = subprocess.Popen([sys.executable, "-c", HOLDER, str(place), uri], stdout=subprocess.PIPE, text=True)
    assert process.stdout is not None
    assert process.stdout.readline() == "held\n"
    return process


def test_a_second_run_waits_and_says_for_whom(place: Path) -> None:
    said: list[str] = []
    process = holder(place)
    try:
        told = rf"process {process.pid}\) and did not end within 0.3 s; nothing was touched"
        with pytest.raises(Timeout, match=told), one_at_a_time(URI, said.append, 0.3):
            pass
        assert said == [f"waits for another run on {URI} (process {process.pid})"]
        with one_at_a_time("qemu:///system?socket=/other", said.append, 0.3):
            pass
    finally:
        process.kill()
        process.wait()


def test_it_goes_on_as_soon_as_the_other_is_through(place: Path) -> None:
    process = holder(place)
    threading.Timer(0.5, process.kill).start()
    began = time.monotonic()
    with one_at_a_time(URI, patience_s=30):
        assert time.monotonic() - began < 10
    process.wait()


def test_a_remote_hypervisor_has_none(place: Path) -> None:
    with one_at_a_time("qemu+ssh://root@hv1.example/system"):
        assert not place.exists()


def test_whoever_may_use_libvirt_may_use_it(place: Path) -> None:
    with one_at_a_time(URI):
        (file,) = place.iterdir()
        assert place.stat().st_mode & 0o7777 == 0o1777
        assert file.stat().st_mode & 0o777 == 0o666
        assert file.read_text() == f"{os.getpid()}\n"
    with one_at_a_time(URI):
        assert list(place.iterdir()) == [file]


def test_a_session_has_its_own_place(place: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("XDG_RUNTIME_DIR", str(tmp_path / "run"))
    with one_at_a_time("qemu:///session"):
        assert len(list((tmp_path / "run" / "virtfleet").iterdir())) == 1
    assert not place.exists()


def test_only_root_makes_the_place_that_all_share(
    place: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("XDG_RUNTIME_DIR", str(tmp_path / "run"))
    monkeypatch.setattr(os, "geteuid", lambda: 12345)
    with one_at_a_time(URI):
        assert not place.exists()


def test_where_there_can_be_none_the_run_goes_on(place: Path) -> None:
    place.parent.joinpath("locks").write_text("a file where the folder should be")
    with one_at_a_time(URI):
        pass
