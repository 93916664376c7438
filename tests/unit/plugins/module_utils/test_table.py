# Copyright: (c) 2026, the virtfleet.core contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The tables' functions, on a small table of their own: every kind of entry, and what each function does with it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ansible_collections.virtfleet.core.plugins.module_utils import _table, _types, _xml
from ansible_collections.virtfleet.core.plugins.module_utils._change import HIDDEN, UNSET, Change, Effect, Step
from ansible_collections.virtfleet.core.plugins.module_utils._table import (
    LIVE,
    QEMU,
    RESTART,
    Arm,
    Context,
    Field,
    Keyed,
    Spec,
    Table,
    Union,
    compare,
    observe,
    patch,
)
from ansible_collections.virtfleet.core.plugins.module_utils._xml import Element, Overlay

RUNNING, STOPPED, SAVED = Context(state="running"), Context(), Context(state="saved")


def _op(context: Context, change: Change, live: Element | None, new: Element | None) -> Step:
    marks = [None if element is None else element.get("nr") for element in (live, new)]
    return Step("set", {"path": change.path, "after": change.after, "elements": marks})


def _plug(context: Context, element: Element, sign: str) -> Step:
    return Step("plug", {"nr": element.get("nr")})


def _unplug(context: Context, element: Element, sign: str) -> Step:
    return Step("unplug", {"nr": element.get("nr"), "slot": element.get("id")})


def _recorded(root: Element) -> dict[str, str]:
    return {mark.get("key", ""): mark.get("name", "") for mark in _xml.find_all(root, "metadata/mark")}


SOURCE = Union(
    "source",
    {
        "file": Arm({"@kind": "file"}, Field("file", ("source/@path",), _types.LINE)),
        "net": Arm({"@kind": "net"}, Field("net", ("source/@host", "source/@port"), _types.LINE)),
        "none": Arm({"@kind": "none"}, Field("none", (), _types.LINE, getter=lambda element: UNSET)),
    },
    drops=("chain",),
)
PART = Table(
    (
        SOURCE,
        Field("slot", ("@id",), _types.LINE),
        Field("speed", ("speed",), _types.COUNT, LIVE, op=_op, drops=("address",), absent=1),
        Field("size", (), _types.SIZE, LIVE, live="skip"),
    )
)
PARTS = Keyed(
    "parts",
    "devices/part",
    PART,
    ident=("name", "slot", "source"),
    mark="slot",
    recorded=_recorded,
    on_add=LIVE,
    on_remove=LIVE,
    op_add=_plug,
    op_remove=_unplug,
    exact="parts_exact",
    moved_by="source",
)
MACHINE = Table(
    (
        Field("title", ("title",), _types.LINE, LIVE, op=_op, absent=""),
        Field("memory", ("memory",), _types.MEMORY),
        Field("board", ("os/type/@board", "os/board"), _types.LINE, drops=("devices/*/address",), drivers=QEMU),
        Field("tty", ("tty",), _types.LINE, live="skip"),
        Field("password", ("graphics/@password",), _types.LINE, secret=True),
        Field("acpi", ("features/acpi",), _types.PRESENCE, absent=False),
        PARTS,
    ),
    (lambda spec: ["memory: too little"] if spec.get("memory", 9 << 20) < 1 << 20 else [],),
    lambda context, root: Step("define", {"xml": _xml.to_text(root)}),
)
XML = """
<machine>
  <metadata><mark key='a' name='root'/><foreign/></metadata>
  <title>old</title>
  <memory unit='KiB'>2048</memory>
  <os><type board='q35'>hvm</type><board>q35</board></os>
  <graphics password='geheim'/>
  <features><acpi/><apic/></features>
  <devices>
    <part nr='1' id='a' kind='file'><source path='/root'/><chain/><address bus='1'/></part>
    <part nr='2' id='b' kind='net'><source host='h' port='p'/><speed>3</speed><foreign x='y'/></part>
    <part nr='3' id='c' kind='none'/>
    <part nr='4' id='d' kind='alien'><source path='/x'/></part>
    <other><address/></other>
  </devices>
</machine>
"""


def machine() -> Element:
    return _xml.parse(XML)


def test_observe_reads_every_kind_of_entry() -> None:
    assert observe(MACHINE, machine()) == {
        "title": "old",
        "memory": 2 << 20,
        "board": "q35",
        "password": "geheim",
        "acpi": True,
        "parts": [
            {"source": {"file": "/root"}, "slot": "a", "speed": 1, "name": "root", "ours": True},
            {"source": {"net": "h"}, "slot": "b", "speed": 3},
            {"source": {"none": None}, "slot": "c", "speed": 1},
            {"slot": "d", "speed": 1},
        ],
    }


def test_observe_says_what_is_missing_only_where_missing_means_something() -> None:
    assert observe(MACHINE, Element("machine")) == {"title": "", "acpi": False, "parts": []}


def test_a_live_reading_leaves_out_what_says_nothing() -> None:
    root = machine()
    _xml.write(root, "tty", "/dev/pts/1")
    assert observe(MACHINE, root)["tty"] == "/dev/pts/1"
    assert "tty" not in observe(MACHINE, root, live=True)


def test_compare_walks_the_wanted_only() -> None:
    have = observe(MACHINE, machine())
    assert compare(MACHINE, {}, have, STOPPED) == []
    assert compare(MACHINE, have | {"memory": 2 << 20}, have, STOPPED) == []
    (change,) = compare(MACHINE, {"memory": 3 << 20}, have, STOPPED)
    assert (change.path, change.before, change.after) == (("memory",), 2 << 20, 3 << 20)
    (change,) = compare(MACHINE, {"tty": "x"}, have, STOPPED)
    assert change.before is None


@pytest.mark.parametrize(
    ("want", "context", "effect"),
    [
        ({"memory": 3 << 20}, RUNNING, Effect.RESTART),
        ({"memory": 3 << 20}, replace(STOPPED, state="paused"), Effect.RESTART),
        ({"memory": 3 << 20}, STOPPED, Effect.LIVE),
        ({"memory": 3 << 20}, replace(STOPPED, state="absent"), Effect.LIVE),
        ({"memory": 3 << 20}, replace(STOPPED, state="crashed"), Effect.LIVE),
        # A saved guest wakes up as it was.
        ({"memory": 3 << 20}, SAVED, Effect.RESTART),
        ({"title": "new"}, SAVED, Effect.RESTART),
        ({"parts": [{"name": "root"}, {"name": "new"}]}, SAVED, Effect.RESTART),
        ({"title": "new"}, RUNNING, Effect.LIVE),
        ({"parts": [{"name": "root", "speed": 2}]}, RUNNING, Effect.LIVE),
        ({"parts": [{"name": "root", "source": {"file": "/new"}}]}, RUNNING, Effect.RESTART),
    ],
)
def test_an_effect_follows_from_the_state(want: Spec, context: Context, effect: Effect) -> None:
    (change,) = compare(MACHINE, want, observe(MACHINE, machine()), context)
    assert change.effect is effect


def test_secrets_are_marked() -> None:
    (change,) = compare(MACHINE, {"password": "neu"}, observe(MACHINE, machine()), STOPPED)
    assert change.secret
    assert _table.show(MACHINE, change) == (HIDDEN, HIDDEN)
    assert _table.show(MACHINE, replace(change, before=None)) == (None, HIDDEN)
    assert _table.show_spec(MACHINE, {"password": "neu"}) == {"password": HIDDEN}


# lists


def matched(want: Sequence[Spec], have: Sequence[Spec]) -> tuple[list[Any], list[Any]]:
    pairs, rest = PARTS.match(want, have)
    return [None if other is None else other["id"] for _entry, other in pairs], [other["id"] for other in rest]


PRESENT = [
    {"id": 1, "name": "root", "slot": "a", "source": {"file": "/root"}},
    {"id": 2, "slot": "b", "source": {"file": "/b"}},
    {"id": 3, "slot": "c", "source": {"none": None}},
    {"id": 4, "slot": "d", "source": {"none": None}},
]


@pytest.mark.parametrize(
    ("want", "found", "rest"),
    [
        ([], [], [1, 2, 3, 4]),
        ([{"name": "root"}], [1], [2, 3, 4]),
        # A new entry in front moves nothing.
        ([{"name": "new", "source": {"file": "/new"}}, {"name": "root"}], [None, 1], [2, 3, 4]),
        # By slot, whatever it is called from now on.
        ([{"name": "data", "slot": "b"}], [2], [1, 3, 4]),
        # By source, where exactly one has it.
        ([{"name": "data", "source": {"file": "/b"}}], [2], [1, 3, 4]),
        ([{"name": "drive", "source": {"none": None}}], [None], [1, 2, 3, 4]),
        # A source does not take away what carries another name; a name does not care for the source.
        ([{"name": "other", "source": {"file": "/root"}}], [None], [1, 2, 3, 4]),
        ([{"name": "root", "source": {"file": "/b"}}], [1], [2, 3, 4]),
        # The stronger claim comes first, in whatever order they are written.
        ([{"name": "x", "source": {"file": "/b"}}, {"name": "y", "slot": "b"}], [None, 2], [1, 3, 4]),
        # Two without a name, by slot and by source.
        ([{"slot": "d"}, {"source": {"file": "/b"}}], [4, 2], [1, 3]),
        # What was taken is no candidate any more: of two alike the other one is left.
        ([{"name": "one", "slot": "c"}, {"name": "two", "source": {"none": None}}], [3, 4], [1, 2]),
        # Two that want one thing: the first has it, the second is new.
        ([{"name": "p", "slot": "b"}, {"name": "q", "slot": "b"}], [2, None], [1, 3, 4]),
    ],
)
def test_entries_find_what_they_mean(want: list[Spec], found: list[Any], rest: list[Any]) -> None:
    assert matched(want, PRESENT) == (found, rest)


@given(st.permutations(PRESENT), st.permutations(range(4)))
def test_no_order_matters_to_entries_that_are_known(have: list[Spec], order: list[int]) -> None:
    want: list[Spec] = [{"name": "root"}, {"slot": "b"}, {"slot": "c"}, {"slot": "d"}]
    found, rest = matched([want[number] for number in order], have)
    assert (found, rest) == ([number + 1 for number in order], [])


@pytest.mark.parametrize(
    ("want", "changes", "unmanaged"),
    [
        # What is ours and no longer listed goes, what is not ours stays and is named.
        ({"parts": []}, [("parts", "root")], ["parts.b", "parts.c", "parts.d"]),
        ({"parts": [{"name": "root"}]}, [], ["parts.b", "parts.c", "parts.d"]),
        ({"parts": [{"name": "root"}, {"slot": "b"}]}, [], ["parts.c", "parts.d"]),
        (
            {"parts": [{"name": "root"}], "parts_exact": True},
            [("parts", "b"), ("parts", "c"), ("parts", "d")],
            [],
        ),
        (
            {"parts": [{"name": "root"}, {"name": "n", "slot": "z"}]},
            [("parts", "n")],
            ["parts.b", "parts.c", "parts.d"],
        ),
        (
            {"parts": [{"name": "root", "slot": "z", "speed": 2}]},
            [("parts", "root", "slot"), ("parts", "root", "speed")],
            ["parts.b", "parts.c", "parts.d"],
        ),
        ({}, [], []),
    ],
)
def test_lists_converge(want: Spec, changes: list[tuple[str, ...]], unmanaged: list[str]) -> None:
    have = observe(MACHINE, machine())
    assert [change.path for change in compare(MACHINE, want, have, STOPPED)] == changes
    assert _table.unmanaged(MACHINE, want, have) == unmanaged


# patch


def patched(want: Spec, root: Element | None = None) -> Element:
    root = machine() if root is None else root
    return patch(MACHINE, root, compare(MACHINE, want, observe(MACHINE, root), STOPPED))


def test_nothing_to_change_changes_nothing() -> None:
    root = machine()
    assert _xml.same(patch(MACHINE, root, []), root)


def test_the_given_tree_is_not_touched() -> None:
    root = machine()
    before = _xml.to_text(root)
    patched({"memory": 9 << 20, "parts": []}, root)
    assert _xml.to_text(root) == before


def test_a_patch_writes_every_leaf_and_drops_what_it_makes_void() -> None:
    root = patched({"board": "pc", "memory": 3 << 20, "title": "", "acpi": False})
    assert [_xml.read(root, path) for path in ("os/type/@board", "os/board", "os/type")] == ["pc", "pc", "hvm"]
    assert _xml.read(root, "memory") == "3072"
    assert _xml.find(root, "title") is None
    assert _xml.find(root, "features/acpi") is None
    assert _xml.find(root, "features/apic") is not None
    # The other device lost its address, and so all that it was.
    assert _xml.find_all(root, "devices/*/address") == []


def test_a_union_leaves_nothing_of_the_former_form() -> None:
    root = patched({"parts": [{"name": "root", "source": {"net": "h2"}}]})
    (part,) = _xml.find_all(root, "devices/part[@id='a']")
    source = _xml.find(part, "source")
    assert source is not None
    assert source.attrib == {"host": "h2", "port": "h2"}
    assert part.get("kind") == "net"
    assert _xml.find(part, "chain") is None
    assert _xml.find(part, "address") is not None


def test_a_union_without_a_value_loses_its_leaves() -> None:
    root = patched({"parts": [{"name": "root", "source": {"file": None}}]})
    assert observe(MACHINE, root)["parts"][0]["source"] == {"file": None}
    assert _xml.find(root, "devices/part[@id='a']/source") is not None


def test_an_entry_may_change_what_it_is_known_by() -> None:
    root = patched({"parts": [{"name": "root", "slot": "b", "speed": 2}, {"name": "x", "slot": "b"}]})
    assert [(part.get("nr"), part.get("id")) for part in _xml.find_all(root, "devices/part")] == [
        ("1", "b"),
        ("2", "b"),
        ("3", "c"),
        ("4", "d"),
    ]
    assert _xml.read(root, "devices/part[@nr='1']/speed") == "2"
    assert _xml.read(root, "devices/part[@nr='2']/speed") == "3"


def test_two_entries_may_swap_what_they_are_known_by() -> None:
    text = XML.replace("<foreign/></metadata>", "<mark key='b' name='data'/></metadata>")
    root = patched({"parts": [{"name": "root", "slot": "b"}, {"name": "data", "slot": "a"}]}, _xml.parse(text))
    assert [(part.get("nr"), part.get("id")) for part in _xml.find_all(root, "devices/part")][:2] == [
        ("1", "b"),
        ("2", "a"),
    ]


def test_a_new_element_stands_behind_its_likes() -> None:
    root = patched({"parts": [{"name": "root"}, {"name": "n", "slot": "z", "source": {"file": "/n"}, "speed": 4}]})
    devices = _xml.find(root, "devices")
    assert devices is not None
    assert [child.tag for child in devices] == ["part"] * 5 + ["other"]
    assert _xml.same(devices[4], _xml.parse("<part kind='file' id='z'><source path='/n'/><speed>4</speed></part>"))


def test_a_removed_element_is_gone_and_only_it() -> None:
    root = patched({"parts": []})
    assert [part.get("nr") for part in _xml.find_all(root, "devices/part")] == ["2", "3", "4"]


_VALUES: dict[str, st.SearchStrategy[Any]] = {
    "title": st.sampled_from(["", "a", "b"]),
    "memory": st.integers(1, 5).map(lambda mib: mib << 20),
    "board": st.sampled_from(["q35", "pc"]),
    "tty": st.sampled_from(["x", "y"]),
    "password": st.sampled_from(["p", "q"]),
    "acpi": st.booleans(),
}
_SOURCES = st.one_of(
    st.fixed_dictionaries({"file": st.sampled_from(["/root", "/f", None])}),
    st.fixed_dictionaries({"net": st.sampled_from(["h", "i"])}),
    st.just({"none": None}),
)
_PARTS = st.lists(
    st.fixed_dictionaries(
        {"slot": st.sampled_from("abcdefg")},
        optional={"source": _SOURCES, "speed": st.integers(1, 4), "name": st.just("root")},
    ),
    unique_by=(lambda part: part["slot"], lambda part: part.get("name", part["slot"])),
    max_size=4,
)
SPECS = st.fixed_dictionaries({}, optional={**_VALUES, "parts": _PARTS, "parts_exact": st.booleans()})


@given(SPECS)
def test_what_was_patched_is_what_was_wanted(want: Spec) -> None:
    tree = patched(want)
    have = observe(MACHINE, tree)
    # The name travels with the record, which a caller writes: here an entry is found by its slot.
    wanted = [{name: value for name, value in part.items() if name != "name"} for part in want.get("parts", [])]
    left = compare(MACHINE, {**want, "parts": wanted} if "parts" in want else want, have, STOPPED)
    assert [change for change in left if change.before is None or len(change.path) != 2] == []


@given(SPECS)
def test_foreign_xml_survives_every_patch(want: Spec) -> None:
    tree = patched(want)
    assert _xml.find(tree, "metadata/foreign") is not None
    assert _xml.find(tree, "features/apic") is not None
    kept = _xml.find(tree, "devices/part[@nr='2']")
    assert kept is None or _xml.read(kept, "foreign/@x") == "y"


# rules and drivers


def test_rules_and_drivers() -> None:
    assert _table.problems(MACHINE, {"memory": 5, "board": "pc"}, "xen") == [
        "memory: too little",
        "board: not supported by the hypervisor driver xen",
    ]
    assert _table.problems(MACHINE, {"board": "pc"}, "test") == []
    narrow = Table((replace(PARTS, item=Table((replace(SOURCE, drivers=QEMU),))),))
    assert _table.unsupported(narrow, {"parts": [{"name": "root", "source": {"file": "/x"}}]}, "xen") == [
        "parts.root.source: not supported by the hypervisor driver xen"
    ]


# steps


# A row of the whole table gets the whole trees, which have no number.
WHOLE = [None, None]


def stepped(want: Spec, context: Context, live: str | None = XML) -> list[tuple[str, dict[str, Any]]]:
    root = machine()
    changes = compare(MACHINE, want, observe(MACHINE, root), context)
    tree = patch(MACHINE, root, changes)
    found = _table.steps(MACHINE, changes, context, tree, _xml.parse(live) if live else None)
    return [(step.op, {k: v for k, v in step.args.items() if k != "xml"}) for step in found]


def test_one_redefine_and_the_live_halves() -> None:
    want = {
        "title": "new",
        "memory": 3 << 20,
        "parts": [{"name": "root", "speed": 2}, {"slot": "b", "speed": 5}, {"name": "n", "slot": "z"}],
    }
    assert stepped(want, RUNNING) == [
        ("define", {}),
        ("set", {"path": ("title",), "after": "new", "elements": WHOLE}),
        ("set", {"path": ("parts", "root", "speed"), "after": 2, "elements": ["1", "1"]}),
        ("set", {"path": ("parts", "b", "speed"), "after": 5, "elements": ["2", "2"]}),
        ("plug", {"nr": None}),
    ]
    assert stepped(want, STOPPED, None) == [("define", {})]
    assert stepped({"memory": 3 << 20}, RUNNING) == [("define", {})]
    assert stepped({}, RUNNING) == []


def test_what_goes_is_unplugged_as_it_runs() -> None:
    assert stepped({"parts": []}, RUNNING, XML.replace("nr='1' id='a'", "nr='8' id='moved'")) == [
        ("define", {}),
        ("unplug", {"nr": "8", "slot": "moved"}),
    ]
    assert stepped({"parts": []}, RUNNING, "<machine><devices/></machine>") == [("define", {})]


# pending


def pending(inactive: str, live: str) -> list[tuple[str, Any, Any, Effect]]:
    found = _table.pending(MACHINE, _xml.parse(inactive), _xml.parse(live), RUNNING)
    return [(".".join(change.path), change.before, change.after, change.effect) for change in found]


def test_nothing_is_pending_between_equals() -> None:
    assert pending(XML, XML) == []
    # What the running one has more, or cannot be compared by, is not waited for.
    assert pending(XML, XML.replace("<features>", "<tty>/dev/pts/7</tty><features>")) == []
    assert pending(XML.replace("<title>old</title>", ""), XML.replace("<title>old</title>", "")) == []


def test_pending_is_what_the_next_start_brings() -> None:
    text = XML.replace("'KiB'>2048", "'KiB'>4096").replace("id='b'", "id='x'").replace("path='/root'", "path='/new'")
    assert pending(text, XML) == [
        ("memory", 2 << 20, 4 << 20, Effect.RESTART),
        ("parts.root.source", {"file": "/root"}, {"file": "/new"}, Effect.RESTART),
        ("parts.x.slot", "b", "x", Effect.RESTART),
    ]


def test_pending_devices_come_and_go() -> None:
    part = "<part nr='3' id='c' kind='none'/>"
    without = XML.replace(part, "").replace("<part nr='4' id='d' kind='alien'><source path='/x'/></part>", "")
    gone = {"source": {"none": None}, "slot": "c", "speed": 1}
    alien = {"slot": "d", "speed": 1}
    assert pending(XML, without) == [
        ("parts.c", None, gone, Effect.RESTART),
        ("parts.d", None, alien, Effect.RESTART),
    ]
    assert pending(without, XML) == [
        ("parts.c", gone, None, Effect.RESTART),
        ("parts.d", alien, None, Effect.RESTART),
    ]


# show


def test_changes_are_shown_in_the_users_words() -> None:
    have = observe(MACHINE, machine())
    want = {"memory": 3 << 20, "parts": [{"name": "n", "slot": "z", "size": 1 << 30, "source": {"file": "/z"}}]}
    shown = [_table.show(MACHINE, change) for change in compare(MACHINE, want, have, STOPPED)]
    assert shown == [
        ("2MiB", "3MiB"),
        # Without what is so anyway.
        ({"name": "root", "source": {"file": "/root"}, "slot": "a"}, None),
        (None, {"name": "n", "slot": "z", "size": "1GiB", "source": {"file": "/z"}}),
    ]
    assert _table.show(MACHINE, Change(("parts", "root", "size"), 1 << 20, 1 << 30, Effect.LIVE)) == ("1MiB", "1GiB")
    assert _table.show(MACHINE, Change(("parts", "root", "source"), {"file": "/a"}, None, Effect.LIVE)) == (
        {"file": "/a"},
        None,
    )
    assert _table.show(MACHINE, Change(("unheard",), 1, [2], Effect.LIVE)) == (1, [2])


# capture


def test_capture_is_a_spec_and_a_residue_that_give_the_whole_back() -> None:
    root = machine()
    spec, residue = _table.capture(MACHINE, root, {"title": "old", "acpi": False})
    assert "title" not in spec
    assert spec["acpi"] is True
    assert spec["memory"] == 2 << 20
    assert all(_xml.satisfied(root, Overlay(left.at, left.xml)) for left in residue)
    assert ("devices/part[@id='d']", '<source path="/x" />') in [(left.at, left.xml) for left in residue]
    assert ("devices", '<part nr="4" kind="alien" id="d" />') in [(left.at, left.xml) for left in residue]
    # Laid over what the spec alone comes to, they bring back all that has no row.
    made = patch(MACHINE, Element("machine"), compare(MACHINE, {**spec, "title": "old"}, {}, STOPPED))
    for left in residue:
        _xml.lay(made, Overlay(left.at, left.xml))
    again, rest = _table.capture(MACHINE, made, {"title": "old", "acpi": False})
    assert {(left.at, left.xml) for left in rest} == {(left.at, left.xml) for left in residue}
    assert [dict(part, name=None, ours=None) for part in again["parts"]] == [
        dict(part, name=None, ours=None) for part in spec["parts"]
    ]


def test_an_unknown_entry_is_a_mistake_of_ours() -> None:
    with pytest.raises(KeyError):
        MACHINE.entry("nothing")


def test_contexts_know_what_is_cold() -> None:
    states = {
        state: (Context(state=state).active, Context(state=state).cold)
        for state in ("running", "paused", "stopped", "saved", "crashed", "absent")
    }
    assert states == {
        "running": (True, False),
        "paused": (True, False),
        "stopped": (False, True),
        "saved": (False, False),
        "crashed": (False, True),
        "absent": (False, True),
    }


def test_restart_is_the_default_effect() -> None:
    assert Field("x", ("x",), _types.LINE).effect is RESTART
