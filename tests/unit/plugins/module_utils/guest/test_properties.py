# Copyright: (c) 2026, the virtfleet.core contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What holds for every guest that can be written, however it is changed."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, assume, given, settings
from hypothesis import strategies as st

from ansible_collections.virtfleet.core.plugins.module_utils import _xml
from ansible_collections.virtfleet.core.plugins.module_utils._apply import apply
from ansible_collections.virtfleet.core.plugins.module_utils._change import HIDDEN, Effect, Plan
from ansible_collections.virtfleet.core.plugins.module_utils._errors import SpecError
from ansible_collections.virtfleet.core.plugins.module_utils._guest.options import GUEST_OPTIONS, shown
from ansible_collections.virtfleet.core.plugins.module_utils._guest.spec import parse
from ansible_collections.virtfleet.core.plugins.module_utils._guest.table import GUEST, LISTS
from ansible_collections.virtfleet.core.plugins.module_utils._table import (
    Context,
    Field,
    capture,
    compare,
    contradictions,
    observe,
    patch,
    show_spec,
)
from ansible_collections.virtfleet.core.plugins.module_utils._xml import Element
from tests.unit.plugins.module_utils.examples import examples
from tests.unit.plugins.module_utils.guest.house import House, rows, waiting
from tests.unit.plugins.module_utils.guest.leaves import without
from tests.unit.plugins.module_utils.guest.options import FOREIGN, guests
from tests.unit.plugins.module_utils.guest.world import FOLDER, RECORDED

_HERE = Path(__file__).parent
DEFINITIONS = {
    path.stem: path.read_text().replace("@FOLDER@", FOLDER)
    for path in (*RECORDED.glob("guest-*.out.xml"), *_HERE.glob("virtinst/*.xml"))
}
ROOTS = st.sampled_from(sorted(DEFINITIONS)).map(lambda name: _xml.parse(DEFINITIONS[name]))
NAMED = {keyed.name for keyed in LISTS}
# Without a host: all but disks and nics, which need one to be completed.
PLAIN = guests(disks=st.just([]), nics=st.just([])).map(lambda options: parse({"name": "web1", **options}).values)


def patched(root: Element, want: dict[str, Any]) -> tuple[Element, list[Any]]:
    """Return a definition with what is wanted, and the changes; contradictions are left out by hypothesis."""
    changes = compare(GUEST, want, observe(GUEST, root), Context())
    tree = patch(GUEST, root, changes)
    assume(not contradictions(GUEST, {**observe(GUEST, tree), **want}))
    return tree, changes


@given(ROOTS, PLAIN)
def test_what_was_patched_is_what_was_wanted(root: Element, want: dict[str, Any]) -> None:
    tree, changes = patched(root, want)
    assert compare(GUEST, want, observe(GUEST, tree), Context()) == []
    # Through text, as libvirt gets it.
    assert compare(GUEST, want, observe(GUEST, _xml.parse(_xml.to_text(tree))), Context()) == []
    # And nothing else has moved.
    assert _xml.same(without(tree, changes, root), without(root, changes, root))


@given(ROOTS)
def test_nothing_to_change_changes_nothing(root: Element) -> None:
    assert _xml.same(patch(GUEST, root, []), root)
    have = observe(GUEST, root)
    assert compare(GUEST, have, have, Context()) == []


@given(ROOTS, PLAIN, PLAIN)
def test_the_last_word_counts(root: Element, first: dict[str, Any], second: dict[str, Any]) -> None:
    tree, _changes = patched(patched(root, first)[0], second)
    assert compare(GUEST, second, observe(GUEST, tree), Context()) == []


def planted(root: Element, foreign: list[tuple[str, str]]) -> list[tuple[Element, Element]]:
    """Put foreign XML into a definition; return each with its parent."""
    found = []
    for path, text in foreign:
        for parent in _xml.find_all(root, path)[:1]:
            parent.append(_xml.parse(text))
            found.append((parent, parent[-1]))
    return found


@given(ROOTS, PLAIN, st.lists(st.sampled_from(FOREIGN), unique_by=str))
def test_foreign_xml_survives_every_patch(root: Element, want: dict[str, Any], foreign: list[tuple[str, str]]) -> None:
    strangers = planted(root, foreign)
    tree, _changes = patched(root, want)
    for _parent, stranger in strangers:
        assert any(_xml.same(stranger, node) for node in tree.iter(stranger.tag))


@given(PLAIN)
def test_what_is_shown_can_be_said_again(want: dict[str, Any]) -> None:
    words = show_spec(GUEST, want)
    # A secret is not shown.
    words.update({name: want[name] for name, word in words.items() if word == HIDDEN})
    assert parse({"name": "web1", **words}).values == want


@given(ROOTS)
def test_what_is_seen_is_said_in_words_that_parse(root: Element) -> None:
    said = show_spec(GUEST, observe(GUEST, root))
    words = {name: value for name, value in said.items() if name in GUEST_OPTIONS and name not in NAMED and value != HIDDEN}
    if words["accel"] not in ("kvm", "tcg"):
        del words["accel"]
    again = parse({"name": "web1", **words}).values
    assert compare(GUEST, again, observe(GUEST, root), Context()) == []


@given(ROOTS)
def test_what_is_captured_brings_all_back(root: Element) -> None:
    spec, residue = capture(GUEST, root, {})
    made = patch(GUEST, Element("domain"), compare(GUEST, spec, {}, Context()))
    for left in residue:
        overlay = _xml.Overlay(left.at, left.xml)
        assert _xml.satisfied(root, overlay)
        _xml.lay(made, overlay)
        assert _xml.satisfied(made, overlay)
    again = observe(GUEST, made)
    for name, value in spec.items():
        if name not in (*NAMED, "memory_shared"):
            assert again[name] == value, name


# on a host in memory

_STATES = st.sampled_from(["present", "running", "stopped", "paused"])
NEW = guests(memory=st.sampled_from(["512MiB", "200MB", "2GiB"]), state=_STATES)
LATER = guests(state=st.sampled_from(["present", "running", "stopped", "paused", "saved"]))
steady = settings(max_examples=examples(40), suppress_health_check=list(HealthCheck))


def waits(plan: Plan) -> set[str]:
    """Return the paths that wait; a device that goes is called by its target once its name is forgotten."""
    changes = [change for row in waiting(plan) for change in row["changes"]]
    return {change["path"] if change["after"] is not None else change["path"].partition(".")[0] for change in changes}


def tried(house: House, options: dict[str, Any]) -> bool:
    """Converge, if it is allowed; hold what every run must hold."""
    before, calls = house.picture(), len(house.fake.calls)
    try:
        check = house.plan(**options)
    except SpecError as error:
        assert error.problems
        assert house.picture() == before
        return False
    # Looking changes nothing, and sees what is done then.
    assert (house.picture(), len(house.fake.calls)) == (before, calls)
    plan, outcomes = house.run(**options)
    assert rows(plan) == rows(check)
    assert {outcome.outcome for outcome in outcomes} <= {"done", "pending"}
    again = house.plan(**options)
    assert rows(again) == []
    # What was said to wait is what waits; libvirt may have put another word for its value.
    pending, expected = waits(again), waits(check)
    assert pending == expected, (pending - expected, expected - pending)
    # What is said to be live does not wait.
    live = {".".join(c.path) for a in plan.actions for c in a.changes if a.kind == "guest" and c.effect is Effect.LIVE}
    assert not live & pending, (live, pending)
    return True


@steady
@given(NEW)
def test_a_guest_is_made_as_it_is_written(options: dict[str, Any]) -> None:
    house = House()
    if not tried(house, options):
        return
    facts = house.fake.guests()["web1"]
    assert facts.state == {"present": "stopped"}.get(options["state"], options["state"])
    said = shown(facts)
    values = parse({"name": "web1", **options}).values
    seen = observe(GUEST, _xml.parse(facts.xml))
    mappings = {row.name: row for row in GUEST.entries if isinstance(row, Field) and row.parts}
    for name, value in show_spec(GUEST, values).items():
        if name in mappings:
            assert mappings[name].type.same(values[name], seen[name]), name
            continue
        if name in ("memory", "memory_max", "machine", "topology", "boot"):
            # At libvirt's grain, under its names, with its defaults.
            continue
        assert said[name] == value, name
    assert said["autostart"] == options.get("autostart", False)
    assert len(said["disks"]) == len(options.get("disks", ())) + ("cloud_init" in options)
    assert [nic["source"] for nic in said["nics"]] == [
        {"network": nic["network"]}
        if "network" in nic
        else {"bridge": nic["bridge"]}
        if "bridge" in nic
        else {"user": None}
        for nic in options.get("nics", ())
    ]


def changed(options: dict[str, Any], later: list[dict[str, Any]]) -> None:
    house = House()
    if tried(house, options):
        for change in later:
            tried(house, {**change, "confirm_data_loss": ["web1"]})


@steady
@given(NEW, st.lists(LATER, min_size=1, max_size=2))
def test_however_a_guest_is_changed_the_second_run_has_nothing_to_do(
    options: dict[str, Any], later: list[dict[str, Any]]
) -> None:
    changed(options, later)


@pytest.mark.slow
@settings(max_examples=2000, suppress_health_check=list(HealthCheck))
@given(NEW, st.lists(LATER, min_size=1, max_size=4))
def test_however_often_a_guest_is_changed(options: dict[str, Any], later: list[dict[str, Any]]) -> None:
    changed(options, later)


@steady
@given(NEW, LATER, st.integers(1, 12), st.booleans())
def test_a_run_cut_short_loses_nothing_that_the_next_cannot_finish(
    options: dict[str, Any], later: dict[str, Any], number: int, done: bool
) -> None:
    house = House()
    change = {**later, "confirm_data_loss": ["web1"]}
    if not tried(house, options):
        return
    try:
        plan = house.plan(**change)
    except SpecError:
        return
    house.fake.fail_at(number, done=done)
    apply(plan, house.ports)
    house.fake.fail_at(0)
    house.run(**change)
    assert rows(house.plan(**change)) == []


@steady
@given(NEW, LATER)
def test_what_goes_leaves_nothing_but_disks(options: dict[str, Any], later: dict[str, Any]) -> None:
    house = House()
    _guests, _networks, _pools, files = house.picture()
    if not tried(house, options):
        return
    tried(house, later)
    house.run(state="absent", confirm_data_loss=["web1"])
    after = house.picture()
    assert after[0] == {}
    assert "10.20.0.1" not in "".join(facts.xml.partition("<dhcp>")[2] for facts in after[1].values()).replace(
        "10.20.0.100", ""
    ).replace("10.20.0.199", "")
    # A disk that was unlisted before is nobody's any more, and stays.
    made = {path for path in after[3] if path not in files}
    assert all("web1-" in path for path in made)
    if "disks" not in later and "cloud_init" not in later:
        assert made == set()
    assert {path: after[3][path] for path in files} == files
