# Copyright: (c) 2026, the virtfleet.core contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The types of the tables' fields: between the user's words, internal values, and nodes of XML.

A node is an element and, for an attribute, its name. Internal values are bytes, counts, booleans and strings.
"""

from __future__ import annotations

import re
import uuid as uuids
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from ._errors import SpecError
from ._units import KIB, LOOKS_LIKE_SIZE, parse_size, round_up, show_size
from ._words import close
from ._xml import Element, SubElement


def _equal(want: Any, have: Any) -> bool:
    return bool(want == have)


def _asis(value: Any) -> Any:
    return value


def read_text(element: Element, attribute: str | None) -> str:
    """Return a node's text."""
    return (element.text or "").strip() if attribute is None else element.attrib[attribute]


def write_text(element: Element, attribute: str | None, text: str) -> None:
    """Set a node's text."""
    if attribute is None:
        element.text = text
    else:
        element.set(attribute, text)


@dataclass(frozen=True)
class Type:
    """How one kind of value is parsed, read, written, shown, and compared at libvirt's grain.

    ``parse``: the user's word → internal, raising SpecError; ``read`` and ``write``: node ↔ internal;
    ``show``: internal → a word that ``parse`` takes back; ``same(want, have)``: equal as far as libvirt can tell.
    ``argument``: what Ansible is told of the user's word, for the options whose argument spec is made of their rows.
    ``schema``: what an editor is told of it beside that, as keywords of JSON Schema; a ``pattern`` is of the whole text.
    ``inner``: the types of the words of a mapping, or the one type of all its values.
    """

    parse: Callable[[Any], Any]
    read: Callable[[Element, str | None], Any]
    write: Callable[[Element, str | None, Any], None]
    show: Callable[[Any], Any] = _asis
    same: Callable[[Any, Any], bool] = _equal
    argument: Mapping[str, Any] = field(default_factory=lambda: {"type": "str"})
    schema: Mapping[str, Any] = field(default_factory=dict)
    inner: Mapping[str, Type] | Type | None = None


# sizes

_UNITS = {"b": 1, "bytes": 1, "byte": 1, "": KIB}
for _power, _letter in enumerate("KMGTPE", start=1):
    _UNITS[_letter.lower()] = _UNITS[_letter.lower() + "ib"] = 1024**_power
    _UNITS[_letter.lower() + "b"] = 1000**_power


def _read_size(element: Element, attribute: str | None) -> int:
    """Read an element with a ``unit``; without one it is KiB (libvirt, formatdomain: memory allocation)."""
    return int(read_text(element, attribute)) * _UNITS[element.get("unit", "").lower()]


def _write_size(element: Element, attribute: str | None, size_bytes: int) -> None:
    element.set("unit", "KiB")
    write_text(element, attribute, str(round_up(size_bytes, KIB) // KIB))


def _same_memory(want: int, have: int) -> bool:
    """QEMU rounds memory up to MiB when it starts, and libvirt to KiB when it stores."""
    return round_up(want, KIB) == have or round_up(want, KIB * KIB) == have


def _parse_some(value: Any) -> int:
    size_bytes = parse_size(value)
    if size_bytes < 1:
        raise SpecError(f"{value!r} is of no use: write a size of more than nothing")
    return size_bytes


# A bare number is no size, though Ansible would make a text of it.
SIZE_WORD = {"type": "string", "pattern": LOOKS_LIKE_SIZE}

MEMORY = Type(_parse_some, _read_size, _write_size, show_size, _same_memory, schema=SIZE_WORD)


def _unreadable(element: Element, attribute: str | None) -> Any:
    raise AssertionError("this type has no node in XML")


def _unwritable(element: Element, attribute: str | None, value: Any) -> None:
    raise AssertionError("this type has no node in XML")


SIZE = Type(_parse_some, _unreadable, _unwritable, show_size, schema=SIZE_WORD)


# counts, texts, choices


def _parse_count(value: Any) -> int:
    if isinstance(value, int) and not isinstance(value, bool) and value > 0:
        return value
    if isinstance(value, str) and re.match(r"^\s*[0-9]+\s*$", value) and int(value) > 0:
        return int(value)
    raise SpecError(f"{value!r} is not a count: write a whole number of at least 1")


def _read_count(element: Element, attribute: str | None) -> int:
    return int(read_text(element, attribute))


def _write_count(element: Element, attribute: str | None, value: int) -> None:
    write_text(element, attribute, str(value))


COUNT = Type(_parse_count, _read_count, _write_count, argument={"type": "int"}, schema={"minimum": 1})


_CONTROL = re.compile("[\x00-\x1f\x7f\ud800-\udfff\ufffe\uffff]")


def no_control(text: str) -> bool:
    """Tell whether a text is free of control characters and of all else that XML 1.0 cannot carry."""
    return _CONTROL.search(text) is None


def _parse_line(value: Any) -> str:
    if not isinstance(value, str) or not no_control(value):
        raise SpecError(f"{value!r} is not one line of text without control characters")
    return value.strip()


def _parse_text(value: Any) -> str:
    if not isinstance(value, str) or not all(no_control(line) for line in value.replace("\t", " ").split("\n")):
        raise SpecError(f"{value!r} is not text without control characters")
    return value.strip()


LINE = Type(_parse_line, read_text, write_text)
TEXT = Type(_parse_text, read_text, write_text)


def _parse_absolute(value: Any) -> str:
    text = _parse_line(value)
    if not text.startswith("/"):
        raise SpecError(f"{value!r} is not an absolute path: it must begin with /")
    return text


PATH = Type(_parse_absolute, read_text, write_text, schema={"type": "string", "pattern": "/.*"})


def _parse_flag(value: Any) -> bool:
    if isinstance(value, bool):
        return value
    raise SpecError(f"{value!r} is neither true nor false")


def _read_presence(element: Element, attribute: str | None) -> bool:
    return True


def _write_presence(element: Element, attribute: str | None, value: bool) -> None:
    """Nothing to write: that the element stands there is the value."""


PRESENCE = Type(_parse_flag, _read_presence, _write_presence, argument={"type": "bool"})


def flag(yes: str, no: str) -> Type:
    """Return the type of a flag that XML spells in two words."""

    def read(element: Element, attribute: str | None) -> bool:
        return read_text(element, attribute) == yes

    def write(element: Element, attribute: str | None, value: bool) -> None:
        write_text(element, attribute, yes if value else no)

    return Type(_parse_flag, read, write, argument={"type": "bool"})


ON_OFF = flag("on", "off")
YES_NO = flag("yes", "no")


def pattern(expression: str, what: str, same: Callable[[Any, Any], bool] = _equal) -> Type:
    """Return the type of a text that a regular expression describes as a whole; ``what`` says in words what it is."""
    compiled = re.compile(expression)

    def parse(value: Any) -> str:
        text = str(value).strip() if isinstance(value, (str, int)) and not isinstance(value, bool) else ""
        if not compiled.fullmatch(text):
            raise SpecError(f"{value!r} is not {what}")
        return text

    return Type(parse, read_text, write_text, same=same, schema={"pattern": expression})


def check_uuid(value: Any) -> str:
    """Return a UUID as libvirt writes it."""
    try:
        return str(uuids.UUID(str(value)))
    except ValueError:
        raise SpecError(f"{value!r} is not a UUID such as 6f0d4f57-9d4e-4b3a-8a68-2f7c0f1e9b11") from None


UUID = Type(check_uuid, read_text, write_text, same=lambda want, have: want == have.lower())


def counted(least: int, most: int, what: str) -> Type:
    """Return the type of a whole number within limits."""

    def parse(value: Any) -> int:
        text = str(value) if isinstance(value, (int, str)) and not isinstance(value, bool) else ""
        if not re.match(r"^\s*-?[0-9]+\s*$", text) or not least <= int(text) <= most:
            raise SpecError(f"{value!r} is not {what}: write a whole number from {least} to {most}")
        return int(text)

    limits = {"minimum": least, "maximum": most}
    return Type(parse, _read_count, _write_count, argument={"type": "int"}, schema=limits)


PORT = counted(1, 65535, "a port")


def rate(grain: int) -> Type:
    """Return the type of bytes a second, of which XML counts so many as one; ``0B`` is no limit."""

    def read(element: Element, attribute: str | None) -> int:
        return int(read_text(element, attribute)) * grain

    def write(element: Element, attribute: str | None, size_bytes: int) -> None:
        write_text(element, attribute, str(round_up(size_bytes, grain) // grain))

    return Type(
        parse_size, read, write, show_size, lambda want, have: bool(round_up(want, grain) == have), schema=SIZE_WORD
    )


BYTES = rate(1)
KIBS = rate(KIB)


def choice(*values: str, same: Callable[[Any, Any], bool] = _equal) -> Type:
    """Return the type of one word out of ``values``."""

    def parse(value: Any) -> str:
        if value in values:
            return str(value)
        raise SpecError(f"{value!r} is not one of {', '.join(values)}")

    return Type(parse, read_text, write_text, same=same, argument={"type": "str", "choices": list(values)})


# several leaves in one value


def words(values: Sequence[str], names: dict[str, str], tag: str, attribute: str) -> Type:
    """Return the type of an ordered list of words, kept as siblings ``<tag attribute='name'/>`` below a node.

    ``names`` maps a user's word to libvirt's.
    """
    back = {xml: word for word, xml in names.items()}

    def parse(value: Any) -> tuple[str, ...]:
        if not isinstance(value, (list, tuple)):
            raise SpecError(f"{value!r} is not a list of {', '.join(values)}")
        wrong = [word for word in value if word not in values]
        if wrong:
            raise SpecError(f"{wrong[0]!r} is not one of {', '.join(values)}")
        twice = [word for position, word in enumerate(value) if word in value[:position]]
        if twice:
            raise SpecError(f"{twice[0]!r} is given twice")
        return tuple(value)

    def read(element: Element, _attribute: str | None) -> tuple[str, ...]:
        found = (child.get(attribute, "") for child in element if child.tag == tag)
        return tuple(back.get(text, text) for text in found)

    def write(element: Element, _attribute: str | None, value: Sequence[str]) -> None:
        for child in [child for child in element if child.tag == tag]:
            element.remove(child)
        for word in value:
            SubElement(element, tag, {attribute: names.get(word, word)})

    return Type(parse, read, write, show=list, schema={"uniqueItems": True})


def texts(tag: str) -> Type:
    """Return the type of a list of lines without order, kept as children ``<tag>`` with text."""

    def parse(value: Any) -> tuple[str, ...]:
        if not isinstance(value, (list, tuple)):
            raise SpecError(f"{value!r} is not a list of words")
        return tuple(sorted({_parse_line(word) for word in value}))

    def read(element: Element, _attribute: str | None) -> tuple[str, ...]:
        return tuple(sorted(read_text(child, None) for child in element if child.tag == tag))

    def write(element: Element, _attribute: str | None, value: Sequence[str]) -> None:
        for child in [child for child in element if child.tag == tag]:
            element.remove(child)
        for word in value:
            SubElement(element, tag).text = word

    return Type(parse, read, write, show=list)


def counts(names: Sequence[str], needed: Sequence[str] = ()) -> Type:
    """Return the type of a mapping of counts, kept as attributes; one that is left out is 1.

    ``needed`` are those that libvirt refuses to miss.
    """

    def parse(value: Any) -> dict[str, int]:
        if not isinstance(value, dict):
            raise SpecError(f"{value!r} is not a mapping of {', '.join(names)}")
        wrong = [name for name in value if name not in names]
        if wrong:
            raise SpecError(f"{wrong[0]!r} is not one of {', '.join(names)}")
        found = {name: _parse_count(value[name]) for name in names if value.get(name) is not None}
        if not found:
            raise SpecError(f"{value!r} says nothing: give at least one of {', '.join(names)}")
        return found

    def read(element: Element, _attribute: str | None) -> dict[str, int]:
        return {name: int(element.attrib[name]) for name in names if name in element.attrib}

    def write(element: Element, _attribute: str | None, value: dict[str, int]) -> None:
        for name in names:
            element.attrib.pop(name, None)
        for name in names:
            if name in value or name in needed:
                element.set(name, str(value.get(name, 1)))

    def same(want: dict[str, int], have: dict[str, int]) -> bool:
        return all(have.get(name, 1) == want.get(name, 1) for name in {*want, *have})

    return Type(parse, read, write, show=dict, same=same, inner=dict.fromkeys(names, COUNT))


def record(types: Mapping[str, Type], absent: Mapping[str, Any] | None = None) -> Type:
    """Return the type of a mapping of several options, each of its own type. Each leaf is read and written by its row.

    ``absent`` are the values that a word means which is not there.
    """
    without = absent or {}

    def parse(value: Any) -> dict[str, Any]:
        if not isinstance(value, Mapping):
            raise SpecError(f"{value!r} is not a mapping of {', '.join(types)}")
        given = {str(name): part for name, part in value.items() if part is not None}
        problems = [f"{name}: no such option{close(name, types)}" for name in given if name not in types]
        found: dict[str, Any] = {}
        for name in types:
            if name in given:
                try:
                    found[name] = types[name].parse(given[name])
                except SpecError as error:
                    problems.extend(f"{name}: {problem}" for problem in error.problems)
        if problems:
            raise SpecError(problems)
        if not found:
            raise SpecError(f"{dict(value)!r} says nothing: give at least one of {', '.join(types)}")
        return found

    def show(value: Mapping[str, Any]) -> dict[str, Any]:
        return {name: types[name].show(part) for name, part in value.items()}

    def same(want: Mapping[str, Any], have: Mapping[str, Any]) -> bool:
        whole = {**without, **have}
        return all(name in whole and types[name].same(part, whole[name]) for name, part in want.items())

    return Type(parse, _unreadable, _unwritable, show, same, {"type": "dict"}, inner=types)


def records(
    item: Type, what: str, called: str, wrong: Callable[[Mapping[str, Any]], Sequence[str]]
) -> tuple[Callable[[Any], list[dict[str, Any]]], Callable[[Sequence[Any]], list[Any]]]:
    """Return what parses and what shows a list of mappings of one type, ``what`` it is, each ``called`` by its number.

    ``called`` has braces where the number stands. ``wrong`` complains of one that has been read.
    """

    def parse(value: Any) -> list[dict[str, Any]]:
        if not isinstance(value, (list, tuple)):
            raise SpecError(f"{value!r} is not a list of {what}")
        found: list[dict[str, Any]] = []
        problems: list[str] = []
        for number, entry in enumerate(value):
            try:
                found.append(item.parse(entry))
            except SpecError as error:
                problems.extend(f"{called.format(number)}: {problem}" for problem in error.problems)
                continue
            problems.extend(f"{called.format(number)}: {problem}" for problem in wrong(found[-1]))
        if problems:
            raise SpecError(problems)
        return found

    return parse, lambda value: [item.show(entry) for entry in value]


def unused(*_arguments: Any) -> Any:
    """Stand for the reading and the writing of a type whose row does both."""
    raise AssertionError("read and written by its row")


def mapping(key: Callable[[Any], Sequence[str]], item: Type) -> Type:
    """Return the type of a mapping whose keys are free; given, it is the whole. ``key`` returns what a user's key means."""

    def parse(value: Any) -> dict[str, Any]:
        if not isinstance(value, Mapping):
            raise SpecError(f"{value!r} is not a mapping")
        problems: list[str] = []
        found: dict[str, Any] = {}
        for word, part in value.items():
            try:
                names, read = key(word), item.parse(part)
            except SpecError as error:
                problems.extend(f"{word}: {problem}" for problem in error.problems)
                continue
            problems.extend(f"{word}: {name} is given twice" for name in names if name in found)
            found.update(dict.fromkeys(names, read))
        if problems:
            raise SpecError(problems)
        return found

    def show(value: Mapping[str, Any]) -> dict[str, Any]:
        return {name: item.show(part) for name, part in value.items()}

    def same(want: Mapping[str, Any], have: Mapping[str, Any]) -> bool:
        return set(want) == set(have) and all(item.same(part, have[name]) for name, part in want.items())

    return Type(parse, _unreadable, _unwritable, show, same, {"type": "dict"}, inner=item)
