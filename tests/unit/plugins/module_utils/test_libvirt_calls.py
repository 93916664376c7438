# Copyright: (c) 2026, the virtfleet.core contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""How libvirt is called: several at a time, in the order in which they were asked for, and the first error counts."""

from __future__ import annotations

import threading

import pytest

from ansible_collections.virtfleet.core.plugins.module_utils._libvirt_calls import LANES, side_by_side


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
