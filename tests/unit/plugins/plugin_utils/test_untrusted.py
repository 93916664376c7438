# Copyright: (c) 2026, the virtfleet.core contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Text of guests is cleaned, cut and never a template."""

from __future__ import annotations

import pytest
from ansible.parsing.dataloader import DataLoader
from ansible.template import Templar
from hypothesis import given
from hypothesis import strategies as st

from ansible_collections.virtfleet.core.plugins.plugin_utils._untrusted import clean_text, untrusted

try:
    from ansible.template import trust_as_template
except ImportError:
    # Up to core 2.18 all text is a template that is not marked.
    trust_as_template = str


@pytest.mark.parametrize(
    ("said", "cleaned"),
    [
        ("web1", "web1"),
        ("Büro 東京 👩\u200d💻", "Büro 東京 👩\u200d💻"),
        ("two\r\nlines\tand a tab", "two  lines and a tab"),
        ("nul\0bell\x07del\x7f", "nulbelldel"),
        ("\x1b[31mred\x1b[0m", "red"),
        ("\x1b[2J\x1b[1;1Hgone", "gone"),
        ("\x1b]0;title\x07text", "text"),
        ("\x1b]8;;http://evil\x1b\\link\x1b]8;;\x1b\\", "link"),
        ("\x9b31mred", "red"),
        ("\x9d0;title\x9ctext", "text"),
        ("\x1bcreset", "reset"),
        ("\x1b", ""),
        ("a\x85b\u2028c\u2029d", "a b c d"),
        ("abc\u202edcba\u2066x\u2069", "abcdcbax"),
        ("a\u200bb\ufeffc\u00add", "abcd"),
        ("tag\U000e0041\U000e007f", "tag"),
        ("half \ud800 char", "half \ufffd char"),
    ],
)
def test_what_a_terminal_obeys_is_removed(said: str, cleaned: str) -> None:
    assert clean_text(said) == cleaned


@pytest.mark.parametrize("letter", ["x", "ü", "東", "👩"])
def test_long_text_is_cut_at_a_whole_character(letter: str) -> None:
    cut = clean_text(letter * 10_000_000)
    assert 4096 - 4 < len(cut.encode()) <= 4096
    assert set(cut) == {letter}


@given(st.text(st.characters(codec=None)))
def test_clean_text_is_one_line_that_any_output_takes(text: str) -> None:
    cleaned = clean_text(text)
    assert "\n" not in cleaned
    assert all(char.isprintable() for char in cleaned if char.isascii())
    cleaned.encode("utf-8")
    assert clean_text(cleaned) == cleaned


HOSTILE = "{{ 6 * 7 }}{% if true %}yes{% endif %}{# gone #}"


@pytest.mark.parametrize("value", [HOSTILE, [HOSTILE], {"key": HOSTILE}, {"key": [{"deep": HOSTILE}]}, (HOSTILE,)])
def test_no_template_is_evaluated_wherever_it_stands(value: object) -> None:
    cleaned = untrusted(value)
    templar = Templar(loader=DataLoader(), variables={"said": cleaned})
    assert templar.template(trust_as_template("{{ said }}")) == cleaned
    assert templar.template(trust_as_template("{{ said | string ~ '!' }}")) == f"{cleaned}!"
    assert templar.template(cleaned) == cleaned


def test_a_template_that_was_trusted_is_no_more() -> None:
    trusted = trust_as_template(HOSTILE)
    templar = Templar(loader=DataLoader(), variables={})
    assert templar.template(trusted) == "42yes"
    assert templar.template(untrusted(trusted)) == HOSTILE


@pytest.mark.parametrize("value", [None, True, False, 0, 7, 1.5])
def test_numbers_and_nothing_stay_as_they_are(value: object) -> None:
    assert untrusted(value) is value


def test_long_lists_are_cut() -> None:
    assert len(untrusted(["x"] * 1_000_000)) == 256
    assert len(untrusted({str(number): "x" for number in range(1000)})) == 256
