# Copyright: (c) 2026, the virtfleet.core contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What one tree has beyond another: the fragments that bring it back when they are laid over the other one.

The fragments are entries of ``xml_overlay`` (see ``_xml.lay``). A fragment that would land in more than one place, or
beside its like, is given whole; one that has its place is cut down to what is missing there.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass

from . import _xml
from ._xml import Element, Overlay

# What identifies an object is no residue, nor is the element that only holds others.
_IDENTITY = frozenset(("name", "uuid"))
_HOLDERS = frozenset(("devices", "metadata"))


@dataclass(frozen=True)
class Residue:
    """A piece of XML that no row covers, with the path of its parent: an entry of ``xml_overlay``."""

    at: str
    xml: str

    @property
    def overlay(self) -> Overlay:
        return Overlay(self.at, self.xml)


def missing(root: Element, made: Element, located: Mapping[str, str] | None = None) -> list[Residue]:
    """Return what ``root`` has and ``made`` lacks.

    ``located`` maps the path of the elements of a list (``devices/disk``) to the path of what tells them apart: where
    ``made`` has the same entry, what it lacks is put into that one. Every fragment stands in ``root``; the attributes of
    the root element itself have no place in an overlay and are left out.
    """
    lists = {at: path for at, path in (located or {}).items() if at.count("/") == 1 and "[" not in at}
    holders = _HOLDERS | {at.partition("/")[0] for at in lists}
    found: list[Residue] = []
    for child in root:
        if child.tag in holders:
            other = made.find(child.tag)
            other = Element(child.tag) if other is None else other
            lacks = {name: value for name, value in child.attrib.items() if other.get(name) != value}
            if lacks:
                found.append(Residue(".", _text(Element(child.tag, lacks))))
            paths = {at.partition("/")[2]: path for at, path in lists.items() if at.startswith(f"{child.tag}/")}
            found.extend(_held(child.tag, child, other, paths))
    rest = [child for child in root if child.tag not in holders and child.tag not in _IDENTITY]
    return [*_beyond(".", rest, list(made)), *found]


def _held(at: str, holder: Element, other: Element, located: Mapping[str, str]) -> Iterator[Residue]:
    for child in _unmatched(holder, other):
        path = located.get(child.tag)
        twin = None if path is None else _twin(other, child, path)
        mark = "" if path is None else _xml.read(child, path) or ""
        less = _less(other, child) if path is None else None
        if less is not None:
            yield from _beyond(f"{at}/{_selector(less)}", child, list(less))
            continue
        if path is None or twin is None or "'" in mark:
            yield Residue(at, _text(child))
            continue
        lacks = {name: value for name, value in child.attrib.items() if twin.get(name) != value}
        if lacks:
            part = Element(child.tag, lacks)
            _xml.write(part, path, mark)
            yield Residue(at, _text(part))
        yield from _beyond(f"{at}/{child.tag}[{path}='{mark}']", child, list(twin))


def _less(other: Element, child: Element) -> Element | None:
    """Return the one element that ``child`` only adds something to; None where that is not plain."""
    if _xml.sibling(other, child) is not None:
        return None
    found = [item for item in other if _xml.contains(child, item) and item.attrib == child.attrib]
    return found[0] if len(found) == 1 and len(found[0]) and _selector(found[0]) is not None else None


def _unmatched(parent: Element, other: Element) -> list[Element]:
    """Return the children that have no like in ``other``, one for one."""
    free = list(other)
    found = []
    for child in parent:
        like = next((item for item in free if _xml.contains(item, child)), None)
        if like is None:
            found.append(child)
        else:
            free.remove(like)
    return found


def _twin(other: Element, child: Element, path: str) -> Element | None:
    mark = _xml.read(child, path)
    if mark is None:
        return None
    return next((item for item in other if item.tag == child.tag and _xml.read(item, path) == mark), None)


def _beyond(at: str, children: Sequence[Element] | Element, others: Sequence[Element]) -> Iterator[Residue]:
    parent, other = _parent(children), _parent(others)
    for child in _unmatched(parent, other):
        yield Residue(at, _text(_cut(child, other)))


def _parent(children: Sequence[Element] | Element) -> Element:
    """Hold children for a comparison; an element knows no parent, so they may stand in another tree as well."""
    holder = Element("holder")
    holder.extend(list(children))
    return holder


def _cut(child: Element, other: Element) -> Element:
    """Return ``child`` without what its sibling in ``other`` has; whole where there is none to be merged into."""
    sibling = _xml.sibling(other, child)
    if sibling is None:
        return _xml.clone(child)
    keys = _xml.keys_of(child)
    part = Element(
        child.tag, {name: value for name, value in child.attrib.items() if name in keys or sibling.get(name) != value}
    )
    if (child.text or "").strip() and (child.text or "").strip() != (sibling.text or "").strip():
        part.text = child.text
    part.extend(_cut(item, sibling) for item in _unmatched(child, sibling))
    return part


def surplus(root: Element, made: Element, lists: Collection[str] = ()) -> list[str]:
    """Return the paths whose removal from ``made`` takes away what ``root`` lacks; none of them leads anywhere in root.

    What has a sibling in ``root`` that it would be merged with is left alone, as are names, metadata, and the elements
    of ``lists``, by their paths.
    """
    found: list[str] = []
    for child in made:
        if child.tag in _IDENTITY or child.tag == "metadata":
            continue
        if child.tag == "devices":
            devices = root.find("devices")
            found.extend(_too_many("devices", child, Element("devices") if devices is None else devices, lists))
        else:
            found.extend(_beneath(child.tag, child, [item for item in root if item.tag == child.tag]))
    return [path for path in found if not _leads(root, path)]


def _beneath(path: str, child: Element, others: Sequence[Element]) -> Iterator[str]:
    if not others:
        yield path
        return
    if len(others) > 1 or any(_xml.contains(other, child) for other in others):
        return
    (other,) = others
    yield from (f"{path}/@{name}" for name in child.attrib if name not in other.attrib)
    for item in child:
        keys = _xml.keys_of(item)
        same = [each for each in other if each.tag == item.tag and all(each.get(k) == item.get(k) for k in keys)]
        named = _selector(Element(item.tag, {key: item.attrib[key] for key in keys}))
        if named is not None:
            yield from _beneath(f"{path}/{named}", item, same)


def _too_many(path: str, holder: Element, other: Element, lists: Collection[str]) -> Iterator[str]:
    for device in holder:
        if f"{path}/{device.tag}" in lists or any(_alike(item, device) for item in other):
            continue
        kind = device.get("type")
        if device.tag == "controller" and not any(c.tag == "controller" and c.get("type") == kind for c in other):
            # Nothing hangs on it, and nothing takes its number.
            continue
        twin = _xml.sibling(other, device)
        named = _selector(device if twin is None else Element(device.tag, {} if kind is None else {"type": kind}))
        if named is not None and twin is None:
            yield f"{path}/{named}"
        elif named is not None and twin is not None:
            yield from (f"{path}/{named}/@{name}" for name in device.attrib if name not in twin.attrib)


def _alike(item: Element, device: Element) -> bool:
    """Tell whether one of two devices says no more than the other; a number that only one has is no difference."""
    if "index" not in device.attrib and "index" in item.attrib:
        item = _xml.clone(item)
        del item.attrib["index"]
    return _xml.contains(item, device) or _xml.contains(device, item)


def _selector(element: Element) -> str | None:
    """Return a step of a path that only an element like this one answers to; None where a quote is in the way."""
    values = {f"@{name}": value for name, value in element.attrib.items()}
    for child in element:
        values.update({f"{child.tag}/@{name}": value for name, value in child.attrib.items()})
        if (child.text or "").strip():
            values[child.tag] = (child.text or "").strip()
    if any("'" in value or "{" in path for path, value in values.items()):
        return None
    return element.tag + "".join(f"[{path}='{value}']" for path, value in values.items())


def _leads(root: Element, path: str) -> bool:
    return not _xml.satisfied(root, Overlay(path, None))


def _text(element: Element) -> str:
    """Return a fragment on one line, without the white space of the place where it stood."""
    plain = _xml.clone(element)
    for node in plain.iter():
        if not (node.text or "").strip():
            node.text = None
        node.tail = None
    return _xml.to_text(plain)
