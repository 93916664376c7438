# Copyright: (c) 2026, the virtfleet.core contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Tables: one row an option, and the five functions that read them.

===========  =======================================================================================
observe      XML → normal spec (a dict of internal values; an option that XML doesn't have is not in it)
compare      what of the wanted spec differs, with the effect of each change; walks the wanted spec only
patch        a new tree with only the changed leaves, derived siblings dropped where an entry says so
steps        one redefine and the live operations that make the changes true at once
capture      XML → spec, and the residue that has no row
===========  =======================================================================================

All are pure. A row may hold functions of its own; nothing outside of a row asks for an option's name.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any
from typing import Union as AnyOf

from . import _xml
from ._change import HIDDEN, UNSET, Change, Effect, Step
from ._residue import Residue, missing
from ._types import Type
from ._xml import Element

Spec = dict[str, Any]

ALL = frozenset({"qemu", "xen", "test", "lxc"})
QEMU = frozenset({"qemu", "test"})
XEN = frozenset({"xen"})


@dataclass(frozen=True)
class Context:
    """What an effect may depend on: the driver, the object's name and state, and in a list the entry as it is.

    ``state`` is a guest's (see GuestFacts). ``maxima`` are the running object's ceilings by option name.
    ``strict``: foreign XML is involved, so libvirt shall check the definition against its schema.
    """

    driver: str = "qemu"
    name: str = ""
    state: str = "stopped"
    maxima: Mapping[str, int] = field(default_factory=dict)
    entry: Mapping[str, Any] = field(default_factory=dict)
    strict: bool = False

    @property
    def active(self) -> bool:
        return self.state in ("running", "paused")

    @property
    def cold(self) -> bool:
        """Neither running nor saved: whatever is written now is true at the next start."""
        return self.state in ("stopped", "crashed", "absent")


EffectOf = Callable[[Context, Any, Any], Effect]
Op = Callable[[Context, Change, "Element | None", "Element | None"], "Step | None"]


def always(effect: Effect) -> EffectOf:
    """Return an effect that depends on nothing."""
    return lambda context, before, after: effect


LIVE = always(Effect.LIVE)
RESTART = always(Effect.RESTART)
RECREATE = always(Effect.RECREATE)
DATA_LOSS = always(Effect.DATA_LOSS)


@dataclass(frozen=True)
class Field:
    """One option, one or several leaves.

    ``at``: paths below the table's element; the first is read, all are written. Empty for an option without XML
    (the size of a disk): its present value is put into the observed spec by the planner.
    ``absent``: what a missing leaf means; UNSET when nothing can be said. Writing it removes the leaf.
    ``getter``, ``setter``: for values that are spread over leaves in a way that ``type`` alone cannot say.
    ``live``: ``read``, or ``skip`` where the live value says nothing (host-model CPU, ports, generated names), or the
    name of an earlier option: it waits for a restart together with that one only, and else moves in the running guest.
    ``op``: makes the step for the live half; ``drops``: derived siblings void once this changes.
    ``drivers``: the hypervisors that have the option; ``live_drivers``: those that change it while the object runs.
    ``voids``: tells of a change from one value to another which later options of the same table lose what they have.
    ``parts``: the options of a value that is a mapping of several; only those that differ are in a change.
    ``in_port``: tells of a change from one value to another whether it takes a port of a PCI Express board.
    ``said``: a word of the user's; else it is only told apart, or follows from another word. ``follows``: where it is left
    out it is chosen, so that what is there need not have been asked for.
    """

    name: str
    at: tuple[str, ...]
    type: Type
    effect: EffectOf = RESTART
    live: str = "read"
    op: Op | None = None
    drops: tuple[str, ...] = ()
    drivers: frozenset[str] = ALL
    live_drivers: frozenset[str] = ALL
    absent: Any = UNSET
    secret: bool = False
    said: bool = True
    follows: bool = False
    getter: Callable[[Element], Any] | None = None
    setter: Callable[[Element, Any], None] | None = None
    voids: Callable[[Any, Any], Sequence[str]] = lambda before, after: ()
    parts: tuple[Field, ...] = ()
    in_port: Callable[[Any, Any], bool] = lambda before, after: False

    @property
    def nothing(self) -> Spec:
        """What the words of a mapping mean that are not there."""
        return {part.name: part.absent for part in self.parts if part.absent is not UNSET}

    def differing(self, want: Any, have: Any) -> tuple[Any, Any]:
        """Return of two mappings the words of the wanted one that the present one lacks, and what it has for them.

        A word that another one's change makes void (a model how strictly it is checked) is said again with that one.
        """
        if not self.parts or not isinstance(have, dict):
            return want, have
        whole = {**self.nothing, **have}
        given = [part for part in self.parts if part.name in want]
        other = [part for part in given if part.name not in whole or not part.type.same(want[part.name], whole[part.name])]
        void = {path for part in other for path in (*part.at[1:], *part.drops)}
        names = [part.name for part in given if part in other or part.at[0] in void]
        return {name: want[name] for name in names}, {name: have[name] for name in names if name in have}

    @property
    def bare(self) -> bool:
        """Without a node in XML: its value is known by other ways, or there is none."""
        return not self.at and self.setter is None

    def read(self, root: Element) -> Any:
        if self.getter is not None:
            return self.getter(root)
        if not self.at:
            return UNSET
        elements, attribute = _xml.nodes(root, self.at[0])
        for element in elements:
            if attribute is None or attribute in element.attrib:
                return self.type.read(element, attribute)
        return self.absent

    def write(self, root: Element, value: Any) -> None:
        if self.setter is not None:
            self.setter(root, value)
            return
        for path in self.at:
            if self.absent is not UNSET and value == self.absent:
                _clear(root, path)
            else:
                self.type.write(_xml.ensure(root, path), _xml.attribute_of(path), value)


def _clear(root: Element, path: str) -> None:
    """Remove a node; an element that is left with nothing by its last attribute goes with it."""
    _xml.remove(root, path)
    holder = path.rpartition("/@")[0] if _xml.attribute_of(path) else ""
    left = _xml.find_all(root, holder) if holder else []
    if left and not any(len(element) or element.attrib or (element.text or "").strip() for element in left):
        _xml.remove(root, holder)


@dataclass(frozen=True)
class Arm:
    """One form of a union: the attributes that mark it and the row of its value."""

    marks: Mapping[str, str]
    row: Field


@dataclass(frozen=True)
class Union:
    """Exactly one of several forms; its value is ``{arm: value}``."""

    name: str
    arms: Mapping[str, Arm]
    effect: EffectOf = RESTART
    live: str = "read"
    op: Op | None = None
    drops: tuple[str, ...] = ()
    drivers: frozenset[str] = ALL
    secret: bool = False

    def form(self, root: Element) -> str | None:
        """Return the name of the arm that an element has, or None for one that is unknown here."""
        for name, arm in self.arms.items():
            if all(_xml.read(root, path) == value for path, value in arm.marks.items()):
                return name
        return None

    def read(self, root: Element) -> Any:
        name = self.form(root)
        if name is None:
            return UNSET
        value = self.arms[name].row.read(root)
        return {name: None if value is UNSET else value}

    def write(self, root: Element, value: Mapping[str, Any]) -> None:
        chosen = next(iter(value))
        if self.form(root) != chosen:
            # What forms share (the host of a network disk) is another form's too, and is written anew.
            for path in dict.fromkeys(path for name, arm in self.arms.items() if name != chosen for path in arm.row.at):
                _xml.remove(root, path)
        arm = self.arms[chosen]
        for path, mark in arm.marks.items():
            _xml.write(root, path, mark)
        if value[chosen] is None:
            for path in arm.row.at:
                _xml.remove(root, path)
        else:
            arm.row.write(root, value[chosen])

    def same(self, want: Mapping[str, Any], have: Mapping[str, Any]) -> bool:
        (arm,) = want
        if arm not in have:
            return False
        if want[arm] is None or have[arm] is None:
            return want[arm] is have[arm]
        return self.arms[arm].row.type.same(want[arm], have[arm])

    def show(self, value: Mapping[str, Any]) -> Any:
        return {arm: None if part is None else self.arms[arm].row.type.show(part) for arm, part in value.items()}


@dataclass(frozen=True)
class Keyed:
    """A list whose entries are known by what they are, never by position.

    ``at``: path of the elements; ``item``: the table of one. ``ident``: the options by which a wanted entry finds its
    element, strongest first; the last counts only where exactly one element has it. ``mark``: the option whose value
    tells an element apart in XML. ``recorded``: returns {sign: name} of the entries that the collection itself attached
    (see ``sign``), which are on record as devices of this ``kind``. ``exact``: the option that claims the whole list.
    ``holds``: options of the whole table that stay what they are although the list changes, where they are counted together.
    ``moved_by``: the option by which a running element is still found when the definition gives it another mark.
    ``in_port``: tells of an entry whether it takes a port of a PCI Express board. ``fresh``: what an entry that the list
    does not have yet is given beside its words. ``words``: arguments for what is no row. ``called``: the name of an
    entry that was given none.
    """

    name: str
    at: str
    item: Table
    ident: tuple[str, ...]
    mark: str
    recorded: Callable[[Element], Mapping[str, str]]
    kind: str = ""
    on_add: EffectOf = RESTART
    on_remove: EffectOf = RESTART
    op_add: Callable[[Context, Element, str], Step] | None = None
    op_remove: Callable[[Context, Element, str], Step] | None = None
    exact: str = ""
    moved_by: str = ""
    select: Callable[[Element], bool] = lambda element: True
    in_port: Callable[[Spec], bool] = lambda entry: False
    fresh: Callable[[Spec], Spec] = lambda entry: {}
    words: Mapping[str, Mapping[str, Any]] = field(default_factory=dict)
    called: Callable[[Spec], str] = lambda entry: "?"
    holds: tuple[str, ...] = ()
    drivers: frozenset[str] = ALL

    def elements(self, root: Element) -> list[Element]:
        return [element for element in _xml.find_all(root, self.at) if self.select(element)]

    def read(self, root: Element, live: bool = False) -> list[Spec]:
        names = self.recorded(root)
        entries = []
        for element in self.elements(root):
            entry = observe(self.item, element, live)
            name = names.get(self.sign(entry)) if names else None
            if name is not None:
                entry["name"] = name
                entry["ours"] = True
            entries.append(entry)
        return entries

    def plug(self, context: Context, element: Element) -> Step | None:
        """Return the step that puts an element into the running object."""
        sign = self.sign(observe(self.item, element))
        return self.op_add(context, element, sign) if self.op_add is not None else None

    def key(self, entry: Mapping[str, Any]) -> str:
        """Return the name under which an entry appears in a change's path."""
        for option in self.ident:
            if entry.get(option) is not None:
                return _signed(entry[option])
        return "?"

    def sign(self, entry: Mapping[str, Any]) -> str:
        """Return the value that tells an entry apart in XML as a text, as it is kept on record; empty for none."""
        return _signed(entry.get(self.mark, ""))

    @property
    def locate(self) -> str | None:
        """The path of what tells an element apart, where that is a single node."""
        row = self.item.entry(self.mark)
        return row.at[0] if isinstance(row, Field) and row.getter is None and len(row.at) == 1 else None

    def by_key(self, root: Element) -> dict[str, Element]:
        """Return the elements by the key that their entries have in a change's path."""
        found: dict[str, Element] = {}
        for entry, element in zip(self.read(root), self.elements(root)):
            found.setdefault(self.key(entry), element)
        return found

    def element_of(self, root: Element, key: str) -> Element | None:
        return self.by_key(root).get(key)

    def twin(self, root: Element, element: Element) -> Element | None:
        """Return the element of another tree that stands for the same device."""
        others = self.elements(root)
        entries = [observe(self.item, other) for other in others]
        (found,) = self.twins([observe(self.item, element)], entries)
        return next((other for other, entry in zip(others, entries) if entry is found), None)

    def twins(self, entries: Sequence[Spec], others: Sequence[Spec]) -> list[Spec | None]:
        """Return for each entry of one definition the one of another that stands for the same device."""
        near: dict[Any, Spec] = {}
        alike: dict[Any, list[Spec]] = {}
        for other in others:
            near.setdefault(_hashable(other.get(self.mark)), other)
            alike.setdefault(_hashable(other.get(self.moved_by)), []).append(other)
        found = []
        for entry in entries:
            twin, value = near.get(_hashable(entry.get(self.mark))), entry.get(self.moved_by)
            if value is not None and (twin is None or twin.get(self.moved_by) != value):
                fits = alike.get(_hashable(value), ())
                twin = fits[0] if len(fits) == 1 else twin
            found.append(twin)
        return found

    def match(self, want: Sequence[Spec], have: Sequence[Spec]) -> tuple[list[tuple[Spec, Spec | None]], list[Spec]]:
        """Return the wanted entries, each with the present one it means or None, and the present ones left over."""
        found: dict[int, Spec] = {}
        taken: set[int] = set()
        for level, option in enumerate(self.ident):
            last = level == len(self.ident) - 1
            left = [at for at, entry in enumerate(want) if at not in found and entry.get(option) is not None]
            by_value: dict[Any, list[Spec]] = {}
            for other in have if left else ():
                if other.get(option) is not None:
                    by_value.setdefault(_hashable(other[option]), []).append(other)
            for position in left:
                entry = want[position]
                fits = [other for other in by_value.get(_hashable(entry[option]), ()) if id(other) not in taken]
                if last:
                    # A locator must not steal an element that carries another entry's name.
                    fits = [other for other in fits if "name" not in other or other["name"] == entry.get("name")]
                    # Nor is one that many share (nics on one network) a match for another key that was given.
                    keys = () if self.moved_by else self.ident[-2:-1]
                    fits = [other for other in fits if all(entry.get(key) in (None, other.get(key)) for key in keys)]
                    if len(fits) != 1:
                        continue
                if fits:
                    found[position] = fits[0]
                    taken.add(id(fits[0]))
        rest = [other for other in have if id(other) not in taken]
        return [(entry, found.get(position)) for position, entry in enumerate(want)], rest


def _hashable(value: Any) -> Any:
    """Return a value of the normal spec as a key: a mapping is equal whatever the order of its words."""
    if isinstance(value, dict):
        return frozenset((name, _hashable(part)) for name, part in value.items())
    return tuple(map(_hashable, value)) if isinstance(value, (list, tuple)) else value


def _signed(value: Any) -> str:
    """Return a value as a text: a mapping by its values."""
    if isinstance(value, Mapping):
        return "/".join(_signed(part) for part in value.values())
    return ",".join(map(_signed, value)) if isinstance(value, (list, tuple)) else str(value)


Value = AnyOf[Field, Union]
Entry = AnyOf[Field, Union, Keyed]


@dataclass(frozen=True)
class Table:
    """Rows in the order in which they are written, and rules over several of them.

    A rule takes a whole spec and returns sentences, each beginning with the option it complains of.
    ``define`` makes the step that writes the patched tree.
    """

    entries: tuple[Entry, ...]
    rules: tuple[Callable[[Spec], Iterable[str]], ...] = ()
    define: Callable[[Context, Element], Step] | None = None

    def entry(self, name: str) -> Entry:
        for entry in self.entries:
            if entry.name == name:
                return entry
        raise KeyError(name)


# observe


def observe(table: Table, root: Element, live: bool = False) -> Spec:
    """Return the normal spec of ``root``; with ``live`` only what can be compared with a running object."""
    spec: Spec = {}
    for entry in table.entries:
        if isinstance(entry, Keyed):
            spec[entry.name] = entry.read(root, live)
        elif not (live and entry.live == "skip"):
            value = entry.read(root)
            if value is not UNSET:
                spec[entry.name] = value
    return spec


# compare


def compare(table: Table, want: Spec, have: Spec, context: Context) -> list[Change]:
    """Return what differs between the wanted and the present spec, walking the wanted one only."""
    changes: list[Change] = []
    void: set[str] = set()
    for entry in table.entries:
        if entry.name not in want:
            continue
        if isinstance(entry, Keyed):
            changes.extend(_compare_list(entry, want, have, context))
        else:
            present = UNSET if entry.name in void else have.get(entry.name, UNSET)
            change = _compare_value(entry, want[entry.name], present, context)
            if change is not None:
                changes.append(change)
                void.update(entry.voids(change.before, change.after) if isinstance(entry, Field) else ())
    return changes


def _compare_value(entry: Value, want: Any, have: Any, context: Context) -> Change | None:
    if have is not UNSET and (entry.same(want, have) if isinstance(entry, Union) else entry.type.same(want, have)):
        return None
    before = None if have is UNSET else have
    if isinstance(entry, Field):
        want, before = entry.differing(want, before)
    effect = entry.effect(context, before, want)
    if effect is Effect.LIVE and isinstance(entry, Field) and context.driver not in entry.live_drivers:
        effect = Effect.RESTART
    return Change((entry.name,), before, want, _settled(effect, context), secret=entry.secret)


def _settled(effect: Effect, context: Context) -> Effect:
    if effect is Effect.RESTART and context.cold:
        return Effect.LIVE
    # Nothing can be told to a guest that sleeps: it wakes up as it was.
    return Effect.RESTART if effect is Effect.LIVE and context.state == "saved" else effect


def _compare_list(keyed: Keyed, want: Spec, have: Spec, context: Context) -> list[Change]:
    pairs, rest = keyed.match(want[keyed.name], have.get(keyed.name, []))
    changes = []
    for other in rest:
        if other.get("ours") or (keyed.exact and want.get(keyed.exact)):
            inner = replace(context, entry=other)
            effect = _settled(keyed.on_remove(inner, other, None), context)
            changes.append(Change((keyed.name, keyed.key(other)), other, None, effect))
    for entry, present in pairs:
        if present is None:
            inner = replace(context, entry=entry)
            effect = _settled(keyed.on_add(inner, None, entry), context)
            changes.append(Change((keyed.name, keyed.key(entry)), None, entry, effect))
        else:
            inner = replace(context, entry=present)
            prefix = (keyed.name, keyed.key(present))
            changes.extend(replace(c, path=prefix + c.path) for c in compare(keyed.item, entry, present, inner))
    return changes


def unmanaged(table: Table, want: Spec, have: Spec) -> list[str]:
    """Return the paths of entries that exist, are not wanted, and are not ours to remove."""
    names: list[str] = []
    for entry in table.entries:
        if isinstance(entry, Keyed) and entry.name in want and not (entry.exact and want.get(entry.exact)):
            _pairs, rest = entry.match(want[entry.name], have.get(entry.name, []))
            names.extend(f"{entry.name}.{entry.key(other)}" for other in rest if not other.get("ours"))
    return names


def problems(table: Table, spec: Spec, driver: str) -> list[str]:
    """Return what the rules say against a whole spec, and the options that this hypervisor does not have."""
    return [*contradictions(table, spec), *unsupported(table, spec, driver)]


def contradictions(table: Table, spec: Spec) -> list[str]:
    """Return what the rules say against a whole spec."""
    return [sentence for rule in table.rules for sentence in rule(spec)]


def unsupported(table: Table, spec: Spec, driver: str) -> list[str]:
    """Return a complaint for each option of ``spec`` that this hypervisor does not have."""
    found = []
    for entry in table.entries:
        if entry.name not in spec:
            continue
        row = entry.arms[next(iter(spec[entry.name]))].row if isinstance(entry, Union) else entry
        name = next((part.name for part in (entry, row) if driver not in part.drivers), None)
        if name is not None:
            found.append(f"{name}: not supported by the hypervisor driver {driver}")
        elif isinstance(entry, Field):
            lacking = [part.name for part in entry.parts if part.name in spec[entry.name] and driver not in part.drivers]
            found.extend(f"{entry.name}.{part}: not supported by the hypervisor driver {driver}" for part in lacking)
        if isinstance(entry, Keyed):
            for item in spec[entry.name]:
                prefix = f"{entry.name}.{entry.key(item)}."
                found.extend(prefix + sentence for sentence in unsupported(entry.item, item, driver))
    return found


def merged(table: Table, have: Spec, want: Spec) -> Spec:
    """Return what is there with what is wanted over it; of a mapping of several options only those that are wanted."""
    whole = {**have, **want}
    for entry in table.entries:
        if isinstance(entry, Field) and entry.parts and entry.name in want and isinstance(have.get(entry.name), dict):
            whole[entry.name] = {**have[entry.name], **want[entry.name]}
    return whole


# patch


def patch(table: Table, root: Element, changes: Iterable[Change]) -> Element:
    """Return a new tree with the changes written; everything else stands as it was."""
    tree = _xml.clone(root)
    changes = list(changes)
    touched = {change.path[0] for change in changes if not _is_new(change)}
    # All are looked up before anything is written: a change may touch what an entry is known by (a disk's target).
    known = {e.name: e.by_key(tree) for e in table.entries if isinstance(e, Keyed) and e.name in touched}
    for change in changes:
        entry = table.entry(change.path[0])
        if isinstance(entry, Keyed):
            held = [(row, row.read(tree)) for row in map(table.entry, entry.holds) if not isinstance(row, Keyed)]
            _patch_list(entry, tree, change, known.get(entry.name, {}))
            for row, value in held:
                if value is not UNSET:
                    row.write(tree, value)
        else:
            _patch_value(entry, tree, change)
    return tree


def _patch_value(entry: Value, root: Element, change: Change) -> None:
    entry.write(root, change.after)
    for path in entry.drops:
        _xml.remove(root, path)


def _is_new(change: Change) -> bool:
    """Tell whether a change is an entry that a list does not have yet."""
    return len(change.path) == 2 and change.before is None


def _patch_list(keyed: Keyed, root: Element, change: Change, known: Mapping[str, Element]) -> None:
    if _is_new(change):
        _append(root, keyed.at, build(keyed, change.after))
        return
    element = known[change.path[1]]
    if len(change.path) == 2:
        # Another change may have taken it away already: a guest without a console has no serial port at all.
        for parent in [node for node in root.iter() if element in list(node)]:
            parent.remove(element)
        return
    row = keyed.item.entry(change.path[2])
    if not isinstance(row, Keyed):
        _patch_value(row, element, change)


def _append(root: Element, at: str, element: Element) -> None:
    """Put an element after its last sibling of the same tag, where a person would look for it."""
    parent = _xml.ensure(root, at.rpartition("/")[0]) if "/" in at else root
    last = max((i for i, child in enumerate(parent) if child.tag == element.tag), default=len(parent) - 1)
    parent.insert(last + 1, element)


def build(keyed: Keyed, entry: Spec) -> Element:
    """Return a new element for an entry of a list."""
    element = Element(keyed.at.rpartition("/")[2])
    for row in keyed.item.entries:
        if row.name in entry and not isinstance(row, Keyed):
            row.write(element, entry[row.name])
    return element


# steps


def steps(
    table: Table, changes: Sequence[Change], context: Context, root: Element, live: Element | None
) -> tuple[Step, ...]:
    """Return one redefine with ``root`` and the live operations that make the LIVE changes true in ``live``."""
    done: list[Step] = []
    if changes and table.define is not None:
        done.append(table.define(context, root))
    if live is None:
        return tuple(done)
    for change in changes:
        if change.effect is Effect.LIVE:
            step = _live_step(table, change, context, root, live)
            if step is not None and step not in done:
                done.append(step)
    return tuple(done)


def _live_step(table: Table, change: Change, context: Context, root: Element, live: Element) -> Step | None:
    entry = table.entry(change.path[0])
    if not isinstance(entry, Keyed):
        return entry.op(context, change, live, root) if entry.op else None
    if len(change.path) == 2 and change.before is None:
        return entry.plug(context, build(entry, change.after))
    if len(change.path) == 2:
        twin = entry.twin(live, build(entry, change.before))
        if entry.op_remove is None or twin is None:
            return None
        return entry.op_remove(context, twin, entry.sign(observe(entry.item, twin)))
    row = entry.item.entry(change.path[2])
    element = entry.element_of(root, change.path[1])
    if isinstance(row, Keyed) or row.op is None or element is None:
        return None
    return row.op(context, change, entry.twin(live, element), element)


# pending


def pending(table: Table, inactive: Element, live: Element, context: Context) -> list[Change]:
    """Return what the persistent definition says differently from the live one: true after the next cold start."""
    return pending_between(table, observe(table, inactive, live=True), observe(table, live, live=True), context)


def comparable(table: Table, spec: Spec) -> Spec:
    """Return of what was observed of a definition only what can be compared with a running object."""
    found: Spec = {}
    for entry in table.entries:
        if entry.name not in spec:
            continue
        if isinstance(entry, Keyed):
            found[entry.name] = [comparable(entry.item, item) for item in spec[entry.name]]
        elif entry.live != "skip":
            found[entry.name] = spec[entry.name]
    found.update({name: spec[name] for name in ("name", "ours") if name in spec})
    return found


def pending_between(table: Table, want: Spec, have: Spec, context: Context) -> list[Change]:
    """Return what ``pending`` does, of the two definitions as they were observed with ``live``."""
    changes: list[Change] = []
    for entry in table.entries:
        if not isinstance(entry, Keyed):
            alone = entry.live == "read" or any(change.path == (entry.live,) for change in changes)
            if entry.name in want and alone:
                change = _compare_value(entry, want[entry.name], have.get(entry.name, UNSET), context)
                if change is not None:
                    changes.append(replace(change, effect=Effect.RESTART))
            continue
        changes.extend(_pending_list(entry, want[entry.name], have[entry.name], context))
    return changes


def _pending_list(keyed: Keyed, want: Sequence[Spec], have: Sequence[Spec], context: Context) -> list[Change]:
    changes: list[Change] = []
    for entry, twin in zip(want, keyed.twins(want, have)):
        key = keyed.key(entry)
        if twin is None:
            changes.append(Change((keyed.name, key), None, entry, Effect.RESTART))
            continue
        found = compare(keyed.item, entry, twin, replace(context, entry=entry))
        changes.extend(replace(c, path=(keyed.name, key, *c.path), effect=Effect.RESTART) for c in found)
    for entry, twin in zip(have, keyed.twins(have, want)):
        if twin is None:
            changes.append(Change((keyed.name, keyed.key(entry)), entry, None, Effect.RESTART))
    return changes


# show


def show(table: Table, change: Change) -> tuple[Any, Any]:
    """Return a change's values before and after in the user's words; secrets hidden."""
    if change.secret:
        return (None if change.before is None else HIDDEN, None if change.after is None else HIDDEN)
    return _shown(table, change.path, change.before), _shown(table, change.path, change.after)


def _shown(table: Table, path: Sequence[str], value: Any) -> Any:
    try:
        entry = table.entry(path[0])
    except KeyError:
        return value
    if value is None or value is UNSET:
        return None
    if isinstance(entry, Keyed):
        return _shown(entry.item, path[2:], value) if len(path) > 2 else _brief(entry, value)
    if isinstance(entry, Union):
        return entry.show(value)
    return entry.type.show(value)


def show_spec(table: Table, spec: Mapping[str, Any], brief: bool = False) -> Spec:
    """Return a whole spec in the user's words, without what has no row but its name.

    ``brief``: without the words of an entry of a list that say what is so anyway.
    """
    shown: Spec = {"name": spec["name"]} if "name" in spec else {}
    for entry in table.entries:
        if entry.name not in spec:
            continue
        if isinstance(entry, Keyed):
            shown[entry.name] = [_brief(entry, item) if brief else show_spec(entry.item, item) for item in spec[entry.name]]
        elif entry.secret:
            shown[entry.name] = HIDDEN
        else:
            shown[entry.name] = _shown(table, (entry.name,), spec[entry.name])
    return shown


def _brief(keyed: Keyed, item: Mapping[str, Any]) -> Spec:
    rows = [row for row in keyed.item.entries if isinstance(row, Field) and row.said and not row.follows]
    usual = {row.name: row.absent for row in rows}
    return show_spec(keyed.item, {name: value for name, value in item.items() if value != usual.get(name, UNSET)})


# arguments


def lists(table: Table) -> tuple[Keyed, ...]:
    """Return the lists of a table."""
    return tuple(entry for entry in table.entries if isinstance(entry, Keyed))


def arguments(keyed: Keyed) -> dict[str, Any]:
    """Return the argument spec of a list's entries: their name, a word for each row, and one for each form with a value."""
    found: dict[str, Any] = {"name": {"type": "str"}}
    for row in keyed.item.entries:
        if isinstance(row, Field) and row.said:
            found[row.name] = row.type.argument
        elif isinstance(row, Union):
            found.update({name: arm.row.type.argument for name, arm in row.arms.items() if arm.row.said and not arm.row.bare})
    return {**found, **keyed.words}


# capture


def capture(table: Table, root: Element, defaults: Spec) -> tuple[Spec, list[Residue]]:
    """Return the shortest spec of ``root``, leaving out what ``defaults`` says already, and what has no row.

    The residue is exact: every piece stands in ``root``, none of it is what a row would write, and laid over what spec and
    defaults come to it brings back the whole.
    """
    whole = observe(table, root)
    spec = {name: value for name, value in whole.items() if defaults.get(name, UNSET) != value}
    made = Element(root.tag)
    for entry in table.entries:
        if isinstance(entry, Keyed):
            for item in whole[entry.name]:
                _append(made, entry.at, build(entry, item))
        elif entry.name in whole:
            entry.write(made, whole[entry.name])
    return spec, missing(root, made, located(table))


def located(table: Table) -> dict[str, str]:
    """Return the paths of the lists' elements, each with the path of what tells its elements apart, if that is one."""
    found = {entry.at: entry.locate for entry in table.entries if isinstance(entry, Keyed)}
    return {at: path for at, path in found.items() if path is not None}


def cover(table: Table, root: Element, made: Element, options: Iterable[str]) -> None:
    """Write into ``made`` what rows read in ``root``: the values of ``options``, and of the entries that both trees have.

    What a value is spelled like differs from what a row writes; after this only what has no row tells the trees apart.
    """
    for entry in table.entries:
        if isinstance(entry, Keyed):
            others = {entry.sign(observe(entry.item, other)): other for other in reversed(entry.elements(made))}
            for element in entry.elements(root):
                twin = others.get(entry.sign(observe(entry.item, element)))
                if twin is not None:
                    cover(entry.item, element, twin, [row.name for row in entry.item.entries])
        elif entry.name in options:
            value = entry.read(root)
            if value is not UNSET:
                entry.write(made, value)
