# Copyright: (c) 2026, the virtfleet.core contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Reading many hypervisors in a process of its own: nothing of it stays, whatever hangs."""

from __future__ import annotations

import multiprocessing
import os
import socket
import threading
import time
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from ansible_collections.virtfleet.core.plugins.plugin_utils._hypervisors import Source, Wish
from ansible_collections.virtfleet.core.plugins.plugin_utils._inventory import sound
from ansible_collections.virtfleet.core.plugins.plugin_utils._inventory_read import read_all

TEST = Source("test:///default", "test")


@pytest.fixture
def hung(tmp_path: Path) -> Iterator[Source]:
    """A hypervisor that takes connections and never says a word."""
    with socket.socket(socket.AF_UNIX) as listener:
        path = tmp_path / "hung.sock"
        listener.bind(str(path))
        listener.listen()
        yield Source(f"qemu+unix:///system?socket={path}", "hung", Wish(("lease", "agent"), 1.0, 1.0))


def test_each_gets_its_answer_and_what_hangs_ends_with_the_process(hung: Source) -> None:
    threads = set(threading.enumerate())
    started = time.monotonic()
    first, second, third = read_all([hung, TEST, Source("nosuch:///", "x")])
    assert time.monotonic() - started < 10
    assert first.guests is None
    assert "no answer within 1 s" in first.error
    assert second.guests is not None
    assert [guest["name"] for guest in second.guests if sound(guest)] == ["test"]
    assert third.guests is None
    assert "could not connect to hypervisor nosuch:///" in third.error
    assert multiprocessing.active_children() == []
    # Those of a test before may have ended meanwhile.
    assert set(threading.enumerate()) <= threads


def test_a_reading_process_that_dies_is_told(hung: Source) -> None:
    def end() -> None:
        deadline = time.monotonic() + 20
        while time.monotonic() < deadline:
            for child in multiprocessing.active_children():
                # Once it leads its own group, it is past its start.
                if child.pid and os.getsid(child.pid) == child.pid:
                    child.kill()
                    return
            time.sleep(0.02)

    thread = threading.Thread(target=end)
    thread.start()
    (answer,) = read_all([replace(hung, wish=Wish((), 30.0, 1.0))])
    thread.join()
    assert answer.guests is None
    assert "the reading process has died" in answer.error
