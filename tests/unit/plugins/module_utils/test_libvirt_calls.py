# Copyright: (c) 2026, the virtfleet.core contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""How libvirt is called: several at a time, in the order in which they were asked for, and the first error counts."""

from __future__ import annotations

import threading

import pytest

from ansible_collections.virtfleet.core.plugins.module_utils import _libvirt_calls
from ansible_collections.virtfleet.core.plugins.module_utils._errors import HostError, Timeout, VirtError
from ansible_collections.virtfleet.core.plugins.module_utils._libvirt_calls import LANES, Calls, Trace, side_by_side


def test_results_come_in_the_order_of_what_was_asked() -> None:
    assert side_by_side(lambda number: number * 2, range(101)) == [number * 2 for number in range(101)]
    assert side_by_side(str, []) == []


def test_as_many_run_at_once_as_there_are_lanes() -> None:
    together = threading.Barrier(LANES, timeout=20)
    assert len(side_by_side(lambda _item: together.wait(), range(LANES * 2))) == LANES * 2


def test_few_need_no_threads() -> None:
    assert set(side_by_side(lambda _item: threading.current_thread(), range(LANES))) == {threading.current_thread()}


def test_an_error_ends_all_lanes_and_is_raised() -> None:
    done: list[int] = []

    def work(number: int) -> None:
        if number == 0:
            raise ValueError("the first")
        done.append(number)

    with pytest.raises(ValueError, match="the first"):
        side_by_side(work, range(100_000))
    assert len(done) < 100_000 - 1, "the others stop where they are"


class LibraryError(Exception):
    def get_error_code(self) -> int:
        return 1


class Maker:
    """What makes a volume: it fails so often with these words."""

    def __init__(self, fails: int, words: str) -> None:
        self.fails, self.words, self.calls = fails, words, 0

    def __call__(self, xml: str) -> str:
        self.calls += 1
        if self.calls <= self.fails:
            raise LibraryError(f"internal error: {self.words}")
        return f"made {xml}"


UNMEASURED = "Child process (qemu-img create) unexpected exit status 1: qemu-img: /x: Unable to get accurate CPU usage"
BUSY = "pool 'p' has asynchronous jobs running."


@pytest.mark.parametrize("words", [UNMEASURED, BUSY])
def test_what_passes_by_itself_is_asked_again(monkeypatch: pytest.MonkeyPatch, words: str) -> None:
    monkeypatch.setattr(_libvirt_calls, "_PAUSE", 0.01)
    make = Maker(3, words)
    assert Calls(LibraryError, Trace(None))("create", "volume", "p/x", make, "x") == "made x"
    assert make.calls == 4


@pytest.mark.parametrize(("words", "error"), [(UNMEASURED, HostError), (BUSY, Timeout)])
def test_but_not_for_ever(monkeypatch: pytest.MonkeyPatch, words: str, error: type[VirtError]) -> None:
    monkeypatch.setattr(_libvirt_calls, "_PAUSE", 0.01)
    monkeypatch.setattr(_libvirt_calls, "PATIENCE", 0.1)
    make = Maker(1000, words)
    with pytest.raises(error, match="could not create volume p/x"):
        Calls(LibraryError, Trace(None))("create", "volume", "p/x", make, "x")
    assert 1 < make.calls < 1000


def test_another_failure_is_told_at_once() -> None:
    make = Maker(1, "No space left on device")
    with pytest.raises(HostError, match="No space left"):
        Calls(LibraryError, Trace(None))("create", "volume", "p/x", make, "x")
    assert make.calls == 1
