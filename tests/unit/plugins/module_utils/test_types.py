# Copyright: (c) 2026, the virtfleet.core contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The types of the tables' values: words in, nodes and back, words out, and equality at libvirt's grain."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ansible_collections.virtfleet.core.plugins.module_utils import _types, _xml
from ansible_collections.virtfleet.core.plugins.module_utils._errors import SpecError
from ansible_collections.virtfleet.core.plugins.module_utils._types import (
    COUNT,
    LINE,
    MEMORY,
    PATH,
    PRESENCE,
    SIZE,
    TEXT,
    Type,
)
from ansible_collections.virtfleet.core.plugins.module_utils._xml import Element

BOOT = _types.words(("disk", "cdrom", "network"), {"disk": "hd"}, "boot", "dev")
TAGS = _types.texts("tag")
SHAPE = _types.counts(("sockets", "cores"))
COLOUR = _types.choice("red", "green")


@pytest.mark.parametrize(
    ("kind", "value", "internal"),
    [
        (COUNT, 3, 3),
        (COUNT, " 3 ", 3),
        (LINE, " a b ", "a b"),
        (LINE, "", ""),
        (TEXT, "a\n\tb\n", "a\n\tb"),
        (PATH, "/a", "/a"),
        (PRESENCE, False, False),
        (COLOUR, "red", "red"),
        (BOOT, ["cdrom", "disk"], ("cdrom", "disk")),
        (BOOT, [], ()),
        (TAGS, ["b", "a", "b", " a"], ("a", "b")),
        (SHAPE, {"cores": 2, "sockets": None}, {"cores": 2}),
        (MEMORY, "1GiB", 1 << 30),
        (SIZE, "1GB", 10**9),
    ],
)
def test_words_in(kind: Type, value: Any, internal: Any) -> None:
    assert kind.parse(value) == internal
    assert kind.parse(kind.show(internal)) == internal


@pytest.mark.parametrize(
    ("kind", "value", "right"),
    [
        (COUNT, 0, "at least 1"),
        (COUNT, -1, "at least 1"),
        (COUNT, True, "whole number"),
        (COUNT, 1.5, "whole number"),
        (COUNT, "x", "whole number"),
        (COUNT, "²", "whole number"),
        (COUNT, None, "whole number"),
        (LINE, "a\nb", "one line"),
        (LINE, "a\x00", "control"),
        (LINE, "a\uffff", "control"),
        (LINE, "a\ud800", "control"),
        (LINE, 3, "one line"),
        (TEXT, "a\x1b[0m", "control"),
        (TEXT, "a\r\nb", "control"),
        (PATH, "a/b", "begin with /"),
        (PATH, "", "begin with /"),
        (PRESENCE, "yes", "true nor false"),
        (PRESENCE, 1, "true nor false"),
        (COLOUR, "blue", "red, green"),
        (COLOUR, ["red"], "red, green"),
        (BOOT, "disk", "list of disk, cdrom, network"),
        (BOOT, ["disk", "usb"], "disk, cdrom, network"),
        (BOOT, ["disk", "disk"], "given twice"),
        (TAGS, "a", "list of words"),
        (TAGS, ["a\nb"], "one line"),
        (SHAPE, 4, "mapping of sockets, cores"),
        (SHAPE, {"threads": 2}, "sockets, cores"),
        (SHAPE, {"cores": 0}, "at least 1"),
        (SHAPE, {}, "at least one of sockets, cores"),
        (SHAPE, {"cores": None}, "at least one of sockets, cores"),
        (MEMORY, 512, "2GiB"),
        (MEMORY, "0GiB", "more than nothing"),
        (SIZE, "0B", "more than nothing"),
    ],
)
def test_what_is_wrong_is_told_what_is_right(kind: Type, value: Any, right: str) -> None:
    with pytest.raises(SpecError) as caught:
        kind.parse(value)
    assert right in str(caught.value)


@pytest.mark.parametrize(
    ("xml", "size_bytes"),
    [
        ("<memory>1024</memory>", 1 << 20),
        ("<memory unit='KiB'>1024</memory>", 1 << 20),
        ("<memory unit='k'>1024</memory>", 1 << 20),
        ("<memory unit='b'>1024</memory>", 1024),
        ("<memory unit='bytes'>1024</memory>", 1024),
        ("<memory unit='KB'>1</memory>", 1000),
        ("<memory unit='MiB'>2</memory>", 2 << 20),
        ("<memory unit='M'>2</memory>", 2 << 20),
        ("<memory unit='GB'>2</memory>", 2 * 10**9),
        ("<memory unit='TiB'> 1 </memory>", 1 << 40),
    ],
)
def test_memory_is_read_in_every_unit_of_libvirt(xml: str, size_bytes: int) -> None:
    assert MEMORY.read(_xml.parse(xml), None) == size_bytes


def test_memory_is_written_in_kib_without_losing_any() -> None:
    element = _xml.parse("<memory unit='GiB' slots='4'>2</memory>")
    MEMORY.write(element, None, 200 * 10**6)
    assert (element.text, element.attrib) == ("195313", {"unit": "KiB", "slots": "4"})


@pytest.mark.parametrize(
    ("want", "have_kib", "same"),
    [
        # 200 MB are 195312.5 KiB: rounded up in the definition, and up to MiB once QEMU runs.
        (200 * 10**6, 195313, True),
        (200 * 10**6, 195584, True),
        (200 * 10**6, 195312, False),
        (200 * 10**6, 196608, False),
        (1 << 30, 1 << 20, True),
        (1 << 30, (1 << 20) + 1, False),
    ],
)
def test_memory_is_the_same_at_the_grain_of_libvirt(want: int, have_kib: int, same: bool) -> None:
    assert MEMORY.same(want, have_kib * 1024) is same


@given(st.integers(1, 2**60))
def test_memory_written_is_memory_read(size_bytes: int) -> None:
    element = Element("memory")
    MEMORY.write(element, None, size_bytes)
    assert MEMORY.same(size_bytes, MEMORY.read(element, None))


@given(st.permutations(["disk", "cdrom", "network"]), st.integers(0, 3))
def test_boot_words_keep_their_order(order: list[str], count: int) -> None:
    os = _xml.parse("<os><type>hvm</type><boot dev='fd'/><bootmenu enable='yes'/></os>")
    BOOT.write(os, None, BOOT.parse(order[:count]))
    assert BOOT.read(os, None) == tuple(order[:count])
    assert [child.tag for child in os if child.tag != "boot"] == ["type", "bootmenu"]


def test_a_boot_word_of_libvirt_without_a_name_here_is_kept_as_it_is() -> None:
    assert BOOT.read(_xml.parse("<os><boot dev='hd'/><boot dev='other'/></os>"), None) == ("disk", "other")


@given(st.lists(st.text(st.characters(exclude_categories=["Cc", "Cs"], exclude_characters="\ufffe\uffff"))))
def test_tags_are_a_set_that_survives_xml(tags: list[str]) -> None:
    element = _xml.parse("<tags><tag>old</tag><foreign/></tags>")
    TAGS.write(element, None, TAGS.parse(tags))
    back = _xml.parse(_xml.to_text(element))
    assert TAGS.read(back, None) == TAGS.parse(tags)
    assert _xml.find(back, "foreign") is not None


@pytest.mark.parametrize(
    ("want", "have", "same"),
    [
        ({"cores": 2}, {"sockets": 1, "cores": 2}, True),
        ({"cores": 2}, {"sockets": 2, "cores": 2}, False),
        ({"cores": 2, "sockets": 1}, {"cores": 2}, True),
        ({}, {"sockets": 1, "cores": 1}, True),
        ({"cores": 2}, {}, False),
    ],
)
def test_a_count_left_out_of_a_mapping_is_one(want: dict[str, int], have: dict[str, int], same: bool) -> None:
    assert SHAPE.same(want, have) is same


def test_counts_replace_each_other_and_leave_the_rest() -> None:
    element = _xml.parse("<topology sockets='2' cores='4' clusters='1'/>")
    SHAPE.write(element, None, {"cores": 2})
    assert element.attrib == {"cores": "2", "clusters": "1"}
    assert SHAPE.read(element, None) == {"cores": 2}


def test_a_type_without_a_node_says_so() -> None:
    with pytest.raises(AssertionError):
        SIZE.read(Element("x"), None)
    with pytest.raises(AssertionError):
        SIZE.write(Element("x"), None, 1)
