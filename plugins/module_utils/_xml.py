# Copyright: (c) 2026, the virtfleet.core contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""XML as trees: parse, paths, equality of meaning, subset and overlay. Never text handling.

A *path* is a short form of XPath, relative to an element: steps joined by ``/``, each a tag with any number of
predicates, at the end an optional ``@attribute``::

    os/type/@machine
    devices/channel[@type='unix'][target/@name='org.qemu.guest_agent.0']
    devices/*/address[@type='pci']

A predicate ``[path='text']`` holds when the attribute or the text at ``path`` equals it, ``[path]`` when it exists.
A path written to is made where it is missing, so that its predicates hold.
"""

from __future__ import annotations

import copy
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import cache
from xml.etree import ElementTree as ET
from xml.parsers.expat import ErrorString

from ._errors import SpecError

Element = ET.Element
SubElement = ET.SubElement

NAMESPACES = {
    "virtfleet": "https://virtfleet.github.io/xml/1",
    "qemu": "http://libvirt.org/schemas/domain/qemu/1.0",
    "xen": "http://libvirt.org/schemas/domain/xen/1.0",
    "dnsmasq": "http://libvirt.org/schemas/network/dnsmasq/1.0",
    "libosinfo": "http://libosinfo.org/xmlns/libvirt/domain/1.0",
}
for _prefix, _uri in NAMESPACES.items():
    ET.register_namespace(_prefix, _uri)

# Attributes that tell siblings of one tag apart.
_KEYS = ("name", "id", "index", "vcpu", "iothread", "cpu", "dev", "key", "mac", "type")
# What stands once below its parent, whatever its attributes say.
_ONCE = frozenset(("address", "alias", "backend", "driver", "loader", "mac", "model", "nvram", "source", "target"))
# Devices of one type are many: these paths tell them apart. Some kinds stand once, or once of each type.
_DEVICE_KEYS = ("alias/@name", "target/@dev", "target/@dir", "target/@name", "target/@port", "mac/@address", "@id")
_ONE_DEVICE = {"graphics": "type", "memballoon": None, "tpm": None, "video": None, "vsock": None, "iommu": None}


def parse(text: str, what: str = "XML") -> Element:
    """Return the root of ``text``; raise SpecError with line and column when it is not well formed."""
    try:
        return ET.fromstring(text)
    except ET.ParseError as error:
        line, column = error.position
        reason = ErrorString(error.code)
        raise SpecError(f"{what} is not well-formed XML: {reason} (line {line}, column {column + 1})") from error


def to_text(root: Element) -> str:
    """Return the tree as text."""
    return ET.tostring(root, encoding="unicode")


def clone(root: Element) -> Element:
    """Return a deep copy."""
    return copy.deepcopy(root)


def _text(element: Element) -> str:
    return (element.text or "").strip()


def same(left: Element, right: Element) -> bool:
    """Tell whether two trees mean the same: white space around text and the order of attributes aside."""
    return (
        left.tag == right.tag
        and left.attrib == right.attrib
        and _text(left) == _text(right)
        and len(left) == len(right)
        and all(same(a, b) for a, b in zip(left, right))
    )


def contains(element: Element, fragment: Element) -> bool:
    """Tell whether ``fragment`` is a subset of ``element``: its tag, attributes, text, and children one for one."""
    if element.tag != fragment.tag:
        return False
    if any(element.get(name) != value for name, value in fragment.attrib.items()):
        return False
    if _text(fragment) and _text(fragment) != _text(element):
        return False
    free = list(element)
    for wanted in fragment:
        match = next((child for child in free if contains(child, wanted)), None)
        if match is None:
            return False
        free.remove(match)
    return True


# paths


@dataclass(frozen=True)
class _Predicate:
    path: str
    value: str | None


@dataclass(frozen=True)
class _Step:
    """``plain``: the tag is one that ElementTree finds among children without reading it as a path, which it does in C."""

    tag: str
    predicates: tuple[_Predicate, ...]
    plain: bool


@dataclass(frozen=True)
class _Path:
    """``tags``: the steps, where they are plain and have no predicates."""

    steps: tuple[_Step, ...]
    attribute: str | None
    tags: tuple[str, ...] | None


_PREDICATE = re.compile(r"\[([^\]='\"]+)(?:=(?:'([^']*)'|\"([^\"]*)\"))?\]")
_ATTRIBUTE = re.compile(r"^(\{[^}]*\})?[\w.:-]+$")
_PLAIN = re.compile(r"^(\{[^}*]+\})?[\w:-]+$")
_STEP = re.compile(r"((?:\{[^}]*\})?[\w.:*-]+|\.)((?:\[(?:'[^']*'|\"[^\"]*\"|[^\]])*\])*)$")


def _split(path: str) -> list[str]:
    """Split at slashes outside of brackets, braces and quotes."""
    parts, depth, quote, start = [], 0, "", 0
    for position, letter in enumerate(path):
        if quote:
            quote = "" if letter == quote else quote
        elif letter in "'\"":
            quote = letter
        elif letter in "[{":
            depth += 1
        elif letter in "]}":
            depth -= 1
        elif letter == "/" and depth == 0:
            parts.append(path[start:position])
            start = position + 1
    return [*parts, path[start:]]


@cache
def _compile(path: str) -> _Path:
    parts = _split(path)
    attribute = parts.pop()[1:] if parts[-1].startswith("@") else None
    if attribute is not None and not _ATTRIBUTE.match(attribute):
        raise SpecError(f"{path!r} is not a path: {attribute!r} is not the name of an attribute")
    steps = []
    for part in parts:
        match = _STEP.match(part)
        if match is None:
            raise SpecError(f"{path!r} is not a path: {part!r} is neither a tag with [predicates] nor @attribute")
        tag, brackets = match.group(1), match.group(2)
        found = list(_PREDICATE.finditer(brackets))
        if sum(len(item.group(0)) for item in found) != len(brackets):
            raise SpecError(f"{path!r} is not a path: cannot read {brackets!r}, write [child/@name='value']")
        if tag == ".":
            continue
        prefix, colon, local = tag.partition(":")
        if colon and prefix in NAMESPACES:
            tag = f"{{{NAMESPACES[prefix]}}}{local}"
        predicates = tuple(
            _Predicate(item.group(1), item.group(2) if item.group(2) is not None else item.group(3)) for item in found
        )
        steps.append(_Step(tag, predicates, _PLAIN.match(tag) is not None))
    plain = all(step.plain and not step.predicates for step in steps)
    return _Path(tuple(steps), attribute, tuple(step.tag for step in steps) if plain else None)


def check_path(path: str) -> None:
    """Raise SpecError when ``path`` cannot be read."""
    _compile(path)


def _holds(element: Element, predicate: _Predicate) -> bool:
    value = read(element, predicate.path)
    return value is not None if predicate.value is None else value == predicate.value


def _children(element: Element, step: _Step) -> Iterator[Element]:
    for child in element.findall(step.tag) if step.plain else element:
        if step.tag in ("*", child.tag) and all(_holds(child, predicate) for predicate in step.predicates):
            yield child


def _walk(root: Element, path: _Path) -> list[Element]:
    found = [root]
    if path.tags is None:
        for step in path.steps:
            found = [child for element in found for child in _children(element, step)]
        return found
    for tag in path.tags:
        found = found[0].findall(tag) if len(found) == 1 else [c for element in found for c in element.findall(tag)]
    return found


def find_all(root: Element, path: str) -> list[Element]:
    """Return the elements at ``path`` in document order; an ``@attribute`` at its end is not looked at."""
    return _walk(root, _compile(path))


def nodes(root: Element, path: str) -> tuple[list[Element], str | None]:
    """Return the elements at ``path`` and the attribute that it ends in, or None."""
    compiled = _compile(path)
    return _walk(root, compiled), compiled.attribute


def find(root: Element, path: str) -> Element | None:
    """Return the first element at ``path`` or None."""
    found = find_all(root, path)
    return found[0] if found else None


def attribute_of(path: str) -> str | None:
    """Return the attribute that ``path`` ends in, or None."""
    return _compile(path).attribute


def read(root: Element, path: str) -> str | None:
    """Return the attribute or the stripped text at ``path``; None where the first element or attribute is missing."""
    elements, attribute = nodes(root, path)
    for element in elements:
        if attribute is None:
            return _text(element)
        if attribute in element.attrib:
            return element.attrib[attribute]
    return None


def ensure(root: Element, path: str) -> Element:
    """Return the element at ``path``, made with its parents and predicates where it is missing."""
    element = root
    for step in _compile(path).steps:
        found = next(_children(element, step), None)
        if found is None and step.tag == "*":
            raise SpecError(f"{path!r} is not there, and what to make for its * cannot be told; name the element")
        if found is None:
            found = ET.SubElement(element, step.tag)
            for predicate in step.predicates:
                if predicate.value is not None:
                    write(found, predicate.path, predicate.value)
                else:
                    ensure(found, predicate.path)
        element = found
    return element


def write(root: Element, path: str, value: str) -> None:
    """Set the attribute or the text at ``path``, making what is missing."""
    element, attribute = ensure(root, path), attribute_of(path)
    if attribute is None:
        element.text = value
    else:
        element.set(attribute, value)


def remove(root: Element, path: str) -> None:
    """Remove every element or attribute at ``path``, then parents on the way that are left with nothing at all."""
    attribute = attribute_of(path)
    doomed = {id(element) for element in find_all(root, path)}
    if not doomed:
        return
    if attribute is not None:
        for element in find_all(root, path):
            element.attrib.pop(attribute, None)
        return
    _remove(root, doomed, len(_compile(path).steps))


def _remove(element: Element, doomed: set[int], depth: int) -> None:
    for child in list(element):
        if id(child) in doomed:
            element.remove(child)
        elif depth > 1:
            before = len(child)
            _remove(child, doomed, depth - 1)
            if before and not len(child) and not child.attrib and not _text(child):
                element.remove(child)


# overlays


@dataclass(frozen=True)
class Overlay:
    """One entry of ``xml_overlay``: a fragment that must stand below ``at``, or a path that must not exist."""

    at: str
    fragment: str | None

    def show(self) -> dict[str, str]:
        return {"remove": self.at} if self.fragment is None else {"at": self.at, "xml": self.fragment}


def satisfied(root: Element, overlay: Overlay) -> bool:
    """Tell whether the overlay already holds."""
    if overlay.fragment is None:
        attribute = attribute_of(overlay.at)
        found = find_all(root, overlay.at)
        return not any(attribute in item.attrib for item in found) if attribute else not found
    fragment = parse(overlay.fragment, "xml_overlay")
    return any(contains(child, fragment) for parent in find_all(root, overlay.at) for child in parent)


def lay(root: Element, overlay: Overlay) -> None:
    """Make the overlay hold in ``root``: merge into the sibling with the same key attributes, else append."""
    if satisfied(root, overlay):
        return
    if overlay.fragment is None:
        remove(root, overlay.at)
        return
    _merge_child(ensure(root, overlay.at), parse(overlay.fragment, "xml_overlay"))


def _merge_child(parent: Element, fragment: Element) -> None:
    place = sibling(parent, fragment)
    if place is None:
        parent.append(clone(fragment))
        return
    place.attrib.update(fragment.attrib)
    if _text(fragment):
        place.text = fragment.text
    for child in fragment:
        if not any(contains(other, child) for other in place):
            _merge_child(place, child)


def keys_of(fragment: Element) -> list[str]:
    """Return the attributes by which an element that is no device is told from its siblings of the same tag."""
    return [key for key in _KEYS if key in fragment.attrib] if fragment.tag not in _ONCE else []


def sibling(parent: Element, fragment: Element) -> Element | None:
    """Return the child of ``parent`` that a fragment is merged into; None where it is appended."""
    same_tag = [child for child in parent if child.tag == fragment.tag]
    if parent.tag == "devices":
        return _device(same_tag, fragment)
    keys = keys_of(fragment)
    if keys:
        return next((c for c in same_tag if all(c.get(key) == fragment.get(key) for key in keys)), None)
    return same_tag[0] if len(same_tag) == 1 else None


def _device(same_tag: Sequence[Element], fragment: Element) -> Element | None:
    """Return the device that a fragment means; None when it is one more."""
    keys = [path for path in _DEVICE_KEYS if read(fragment, path) is not None]
    if fragment.tag == "controller" and "index" in fragment.attrib:
        keys += ["@type", "@index"]
        # A USB 2 controller and its companions for slower devices are one by number, and each of its own model.
        companion = read(fragment, "master/@startport") is not None
        keys += ["@model"] if companion else []
        same_tag = [c for c in same_tag if (read(c, "master/@startport") is not None) == companion]
    if fragment.tag in _ONE_DEVICE:
        only = _ONE_DEVICE[fragment.tag]
        return next((c for c in same_tag if only is None or c.get(only) == fragment.get(only)), None)
    if not keys:
        return None
    return next((c for c in same_tag if all(read(c, key) == read(fragment, key) for key in keys)), None)
