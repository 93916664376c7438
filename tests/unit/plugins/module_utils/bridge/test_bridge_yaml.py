# Copyright: (c) 2026, the virtfleet.core contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The YAML that is written is the YAML that is read, every scalar as text."""
from __future__ import annotations

from typing import Any

import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st

from ansible_collections.virtfleet.core.plugins.module_utils._bridge.yaml import emit

TEXTS = st.text(st.characters(exclude_categories=["Cs", "Cc"], exclude_characters="\u2028\u2029\ufeff\x85"), max_size=12)
TREES = st.dictionaries(
    TEXTS.filter(bool),
    st.recursive(
        TEXTS,
        lambda inner: st.lists(inner, max_size=3) | st.dictionaries(TEXTS.filter(bool), inner, max_size=3),
        max_leaves=8,
    ),
    max_size=4,
)


@given(TREES)
def test_what_is_written_is_read(tree: dict[str, Any]) -> None:
    text = emit(tree)
    assert (yaml.load(text, Loader=yaml.BaseLoader) or {}) == tree, text


@pytest.mark.parametrize(
    ("tree", "text"),
    [
        ({"a": {"b": "1", "c": []}}, "a:\n  b: 1\n  c: []\n"),
        ({"a": ["x", {"to": "default", "via": "192.0.2.1"}]}, "a:\n  - x\n  - to: default\n    via: 192.0.2.1\n"),
        # A number of base 60 to YAML 1.1.
        ({"macaddress": "52:54:00:12:34:56"}, 'macaddress: "52:54:00:12:34:56"\n'),
        ({"dhcp4": "true", "x": "", "y": {}}, "dhcp4: true\nx:\ny: {}\n"),
    ],
)
def test_how_it_looks(tree: dict[str, Any], text: str) -> None:
    assert emit(tree) == text


def test_comments_come_first() -> None:
    assert emit({"a": "b"}, "one", "two") == "# one\n# two\na: b\n"
