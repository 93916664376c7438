# Copyright: (c) 2026, the virtfleet.core contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Sizes and durations: read once, with a unit, and shown so that they read back."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ansible_collections.virtfleet.core.plugins.module_utils._errors import SpecError
from ansible_collections.virtfleet.core.plugins.module_utils._units import (
    parse_duration,
    parse_size,
    round_up,
    show_size,
)


@pytest.mark.parametrize(
    ("text", "size_bytes"),
    [
        ("1B", 1),
        ("512MiB", 512 * 1024**2),
        ("512MB", 512 * 1000**2),
        ("2GiB", 2 * 1024**3),
        (" 2 GiB ", 2 * 1024**3),
        ("20 GB", 20 * 1000**3),
        ("1.5TiB", 1.5 * 1024**4),
        ("1.5KB", 1500),
        ("1KiB", 1024),
        ("1PiB", 1024**5),
        ("1EB", 1000**6),
        ("0B", 0),
    ],
)
def test_sizes(text: str, size_bytes: int) -> None:
    assert parse_size(text) == size_bytes


@pytest.mark.parametrize(
    "value",
    [2048, 2.5, "2048", "", " ", "GiB", "2G", "2gib", "2 gb", "-1GiB", "1,5GiB", "1e3MiB", "2GiBs", None, True, []],
)
def test_what_is_no_size_is_told_what_is(value: object) -> None:
    with pytest.raises(SpecError) as caught:
        parse_size(value)
    assert repr(value) in str(caught.value)
    assert "2GiB" in str(caught.value)
    assert "1024" in str(caught.value) and "1000" in str(caught.value)


@given(st.integers(0, 2**70))
def test_a_shown_size_reads_back(size_bytes: int) -> None:
    assert parse_size(show_size(size_bytes)) == size_bytes


@pytest.mark.parametrize(
    ("size_bytes", "text"),
    [(0, "0B"), (1, "1B"), (1024, "1KiB"), (1536, "1536B"), (2 * 1024**3, "2GiB"), (2560 * 1024**2, "2560MiB")],
)
def test_a_size_is_shown_in_the_largest_unit_without_a_fraction(size_bytes: int, text: str) -> None:
    assert show_size(size_bytes) == text


@pytest.mark.parametrize(
    ("value", "seconds"),
    [
        (90, 90),
        (0, 0),
        (1.5, 1.5),
        ("90", 90),
        ("90s", 90),
        ("5m", 300),
        (" 5 m ", 300),
        ("1.5h", 5400),
        ("2d", 172800),
        ("0.5", 0.5),
    ],
)
def test_durations(value: object, seconds: float) -> None:
    assert parse_duration(value) == seconds


@pytest.mark.parametrize("value", ["", "m", "5 min", "-5s", -5, True, None, "1h30m", "inf", "nan", float("nan")])
def test_what_is_no_duration_is_told_what_is(value: object) -> None:
    with pytest.raises(SpecError, match="5m") as caught:
        parse_duration(value)
    assert repr(value) in str(caught.value)


@given(st.integers(0, 2**60), st.sampled_from([1, 512, 1024, 1024**2]))
def test_rounding_up_reaches_the_grain_and_no_further(size_bytes: int, grain: int) -> None:
    rounded = round_up(size_bytes, grain)
    assert rounded % grain == 0
    assert size_bytes <= rounded < size_bytes + grain
