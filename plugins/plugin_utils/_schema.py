# Copyright: (c) 2026, the virtfleet.core contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Make the JSON Schema of the estate's document for editors, from what the document's reader reads by.

The shape is that of the argument specs, the words are described as the modules describe them, and what a single word may
look like is asked of the tables' types. Draft 7, which every editor's YAML mode knows.

In variables any value may be a template: wherever something else than a text is wanted, a text with ``{{`` or ``{%`` is
taken too. YAML and Ansible read some words in several ways, as the reader does: a number is taken for a text, the text of
a number for a number, ``yes`` for true.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from importlib import import_module
from pathlib import Path
from typing import Any

from ansible.module_utils.common.yaml import yaml_load

from ansible_collections.virtfleet.core.plugins.module_utils._estate.document import DOCUMENT
from ansible_collections.virtfleet.core.plugins.module_utils._guest.spec import SOURCES
from ansible_collections.virtfleet.core.plugins.module_utils._table import Keyed, Union
from ansible_collections.virtfleet.core.plugins.module_utils._types import SIZE

VARIABLE = "estate"
TEMPLATE = r"\{[{%]"
# As the reader takes them for true and false.
_TRUTH = r"\s*(?:[Tt]rue|TRUE|[Ff]alse|FALSE|[Yy]es|YES|[Nn]o|NO|[Oo]n|ON|[Oo]ff|OFF|[YyTtNnFf01])\s*"
_NUMBER = r"\s*[+-]?[0-9]+\s*"
_MARKUP = re.compile(r"\b(?:[OVCMPEI]|RV)\(((?:[^()\\]|\\.)*)\)")
_SECTIONS = ("pools", "networks", "images", "volumes", "secrets", "nwfilters", "guests")
_SAYS = {
    "version": "The version of the document, 1.",
    "name": "The estate's name, by which it knows again what it has made; default without one.",
    "overcommit": "How many times the host's memory and virtual CPUs the running guests may have together.",
    "guest_defaults": "Words for every guest. A mapping is merged key by key, all else is replaced, null takes away.",
    "profiles": "Words by a name, for the guests that have the name in their profiles.",
}
_OF_GUESTS = {
    "profiles": "The profiles whose words the guest has; later ones go before earlier ones, and its own before all.",
    "count": "How many guests the entry stands for. {n} in a text becomes the number of each, from 1.",
}

Schema = dict[str, Any]
_UTILS = "ansible_collections.virtfleet.core.plugins.module_utils"


def schema() -> Schema:
    """Return the schema: of a document, or of a file of variables that has it as ``estate``."""
    return _Maker().schema()


class _Maker:
    """Makes the parts that several places share once, below ``definitions``."""

    def __init__(self) -> None:
        self.folder = Path(__file__).resolve().parents[1] / "modules"
        self.document: Mapping[str, Any] = DOCUMENT
        self.definitions: Schema = {}

    def schema(self) -> Schema:
        guests = self.words("guests")
        partial = [name for name in self.document["guest_defaults"]["options"] if name in guests]
        some = _object({name: guests[name] for name in partial})
        entry = _object(guests, ("name",))
        parts: Schema = {}
        for name, option in self.document.items():
            if name in ("guest_defaults", "profiles"):
                continue
            if name in _SECTIONS:
                words = entry if name == "guests" else _object(self.words(name), _required(option["options"]))
                self.definitions[name[:-1]] = words
                says = f"The {name}, each with the options of the module {name[:-1]}."
                parts[name] = _nullable({"description": says, **_list({"$ref": f"#/definitions/{name[:-1]}"})})
            else:
                parts[name] = _nullable(self.of(option, None, {}))
        parts["version"] = {"enum": [1, "1"]}
        ratio = {"type": ["number", "string", "null"], "exclusiveMinimum": 0, "pattern": rf"^\s*[0-9.]+\s*$|{TEMPLATE}"}
        parts["overcommit"] = _nullable(_object(dict.fromkeys(self.document["overcommit"]["options"], ratio)))
        self.definitions["guest_words"] = some
        parts["guest_defaults"] = {"$ref": "#/definitions/guest_words"}
        parts["profiles"] = _mapping({"anyOf": [{"$ref": "#/definitions/guest_words"}]})
        parts = {name: parts[name] for name in self.document}
        for name, says in _SAYS.items():
            parts[name] = {"description": says, **parts[name]} if "$ref" not in parts[name] else _with(says, parts[name])
        whole = _object(parts, ("version",))
        # A document is a mapping; a template for the whole of it makes sense in a variable only.
        self.definitions["document"] = whole
        variables = {"properties": {VARIABLE: {"$ref": "#/definitions/document"}}}
        return {
            "$schema": "http://json-schema.org/draft-07/schema#",
            "$comment": "GPL-3.0-or-later. Made by the lookup virtfleet.core.estate_schema.",
            "title": "The document of an estate, for virtfleet.core.estate",
            "type": "object",
            "if": {"required": [VARIABLE]},
            "then": variables,
            "else": {"$ref": "#/definitions/document"},
            "definitions": self.definitions,
        }

    def words(self, section: str) -> Schema:
        """Return the words of an entry of a section, each as a reference to its definition."""
        kind = section[:-1]
        said = _documentation(self.folder / f"{kind}.py")
        types = self.types(section)
        found = {}
        for name, option in self.document[section]["options"].items():
            told = said.get(name, {"description": _OF_GUESTS.get(name, "")})
            made = self.of(option, types.get(name), told)
            if not option.get("required"):
                made = _nullable(made)
            self.definitions[f"{kind}.{name}"] = made
            found[name] = {"$ref": f"#/definitions/{kind}.{name}"}
        return found

    def types(self, section: str) -> dict[str, Any]:
        """Return the types of a section's words, as far as there are rows of them; of a list its table."""
        if section in ("images", "volumes"):
            return {"size": SIZE}
        place = {"pools": "_storage", "networks": "_network", "secrets": "_secret", "nwfilters": "_nwfilter"}
        module = import_module(f"{_UTILS}.{place.get(section, '_guest')}.table")
        rows = getattr(module, section[:-1].upper()).entries
        return {row.name: row if isinstance(row, Keyed) else row.type for row in rows if not isinstance(row, Union)}

    def of(self, option: Mapping[str, Any], type_: Any, said: Mapping[str, Any]) -> Schema:
        """Return the schema of an option of an argument spec, whose type and documentation may be known."""
        made = self.shape(option, type_, said.get("suboptions", {}))
        says = _plain(said.get("description", ""))
        return {"description": says, **made} if says else made

    def shape(self, option: Mapping[str, Any], type_: Any, said: Mapping[str, Any]) -> Schema:
        kind = option.get("type", "str")
        if isinstance(type_, Keyed):
            return _list(self.entry(type_, option, said))
        known = dict(type_.schema) if type_ is not None else {}
        inner = type_.inner if type_ is not None else None
        if kind == "dict":
            if "options" in option:
                return self.mapping(option["options"], inner if isinstance(inner, Mapping) else {}, said)
            return _mapping(None if inner is None or isinstance(inner, Mapping) else self.strict(inner))
        if kind == "list":
            one = {"type": option.get("elements", "raw"), **{key: option[key] for key in ("options", "choices") if key in option}}
            return _list(self.shape(one, inner, said), **known)
        if kind == "raw":
            return {"anyOf": [*known["anyOf"], _TEMPLATED]} if "anyOf" in known else {}
        if "choices" in option:
            return _choice(option["choices"])
        if kind == "bool":
            return {"type": ["boolean", "string", "integer"], "pattern": f"^{_TRUTH}$|{TEMPLATE}", "minimum": 0, "maximum": 1}
        if kind == "int":
            return {"type": ["integer", "string"], "pattern": f"^{_NUMBER}$|{TEMPLATE}", **known}
        return _text(known, ("string", "number"))

    def mapping(self, options: Mapping[str, Any], types: Mapping[str, Any], said: Mapping[str, Any]) -> Schema:
        words = {}
        for name, option in options.items():
            made = self.of(option, types.get(name), said.get(name, {}))
            words[name] = made if option.get("required") else _nullable(made)
        return _object(words, _required(options))

    def entry(self, keyed: Any, option: Mapping[str, Any], said: Mapping[str, Any]) -> Schema:
        """Return the schema of an entry of a list of devices: its words, and one of the forms that it may have."""
        types: dict[str, Any] = {}
        made: list[Schema] = []
        for row in keyed.item.entries:
            if not isinstance(row, Union):
                types[row.name] = row.type
                continue
            arms = {name: arm.row for name, arm in row.arms.items() if arm.row.said}
            types.update({name: arm.type for name, arm in arms.items()})
            forms = [name for name, arm in arms.items() if not arm.bare]
            if keyed.name == "disks":
                forms = [name for name in option["options"] if name in SOURCES]
                made.append({"anyOf": [*map(_given, forms), _given("size")]})
            if keyed.name == "nics":
                made += [_if_type(kind, forms, row.bare) for kind, row in arms.items()]
            made.append(_one_of(forms, at_least=keyed.name not in ("disks", "nics")))
        shape = self.mapping(option["options"], types, said)
        # A template stands for the entry as a whole, and has no words.
        return {**shape, "if": {"type": "object"}, "then": {"allOf": made}} if made else shape

    def strict(self, type_: Any) -> Schema:
        """Return the schema of a value that no argument spec has made something of: it is what it looks like."""
        argument, known, inner = type_.argument, dict(type_.schema), type_.inner
        kind = argument["type"]
        if isinstance(inner, Mapping):
            return _object({name: _nullable(self.strict(part)) for name, part in inner.items()})
        if "choices" in argument:
            return _choice(argument["choices"])
        if kind == "bool":
            return {"anyOf": [{"type": "boolean"}, _TEMPLATED]}
        if kind == "int":
            return {"type": ["integer", "string"], "pattern": f"^{_NUMBER}$|{TEMPLATE}", **known}
        return _text(known, ("string", "integer") if "pattern" in known else ("string",))


# the parts of a schema

_TEMPLATED = {"type": "string", "pattern": TEMPLATE}


def _object(words: Schema, needed: Sequence[str] = ()) -> Schema:
    made: Schema = {"type": ["object", "string"], "pattern": TEMPLATE, "properties": words, "additionalProperties": False}
    return {**made, "required": list(needed)} if needed else made


def _mapping(values: Schema | None) -> Schema:
    made: Schema = {"type": ["object", "string"], "pattern": TEMPLATE}
    return made if values is None else {**made, "additionalProperties": _nullable(values)}


def _list(items: Schema, **more: Any) -> Schema:
    return {"type": ["array", "string"], "pattern": TEMPLATE, "items": items, **more}


def _choice(words: Sequence[Any]) -> Schema:
    """A number is taken for its text."""
    numbers = [int(word) for word in words if str(word).isdigit()]
    fractions = [float(word) for word in words if re.fullmatch(r"[0-9]+\.[0-9]+", str(word))]
    return {"anyOf": [{"enum": [*words, *numbers, *fractions]}, _TEMPLATED]}


def _text(known: Schema, kinds: Sequence[str]) -> Schema:
    if "pattern" not in known:
        return {"type": list(kinds), **known}
    looks = rf"^\s*(?:{known['pattern']})\s*$|{TEMPLATE}"
    return {"type": list(kinds), **known, "pattern": looks}


def _given(name: str) -> Schema:
    return {"required": [name], "properties": {name: {"not": {"type": "null"}}}}


def _one_of(forms: Sequence[str], *, at_least: bool) -> Schema:
    if at_least:
        return {"oneOf": [_given(name) for name in forms]}
    return {"oneOf": [*map(_given, forms), {"not": {"anyOf": [_given(name) for name in forms]}}]}


def _if_type(kind: str, forms: Sequence[str], bare: bool) -> Schema:
    """Return that a nic whose type is said has the words of that type and of no other."""
    others = {"not": {"anyOf": [_given(name) for name in forms if name != kind]}}
    asked = {"required": ["type"], "properties": {"type": {"const": kind}}}
    return {"if": asked, "then": others if bare else {"allOf": [_given(kind), others]}}


def _nullable(made: Schema) -> Schema:
    """Return what null is taken for too: the word is left out, or taken away from what a profile said."""
    if "anyOf" in made:
        first, *others = made["anyOf"]
        if "enum" in first:
            first = {"enum": [*first["enum"], None]}
        else:
            others = [*others, {"type": "null"}]
        return {**made, "anyOf": [first, *others]}
    if "type" not in made:
        return made
    kinds = made["type"] if isinstance(made["type"], list) else [made["type"]]
    return {**made, "type": [*kinds, "null"]}


def _with(says: str, reference: Schema) -> Schema:
    """Return a reference that is described, which draft 7 wants beside it and not in it."""
    return {"description": says, "anyOf": [reference, {"type": "null"}]}


def _required(options: Mapping[str, Any]) -> list[str]:
    return [name for name, option in options.items() if option.get("required")]


# what the modules say


def _documentation(file: Path) -> dict[str, Any]:
    found = re.search(r'^DOCUMENTATION = r"""\n(.*?)^"""', file.read_text(encoding="utf-8"), re.DOTALL | re.MULTILINE)
    if found is None:
        raise ValueError(f"{file} has no documentation")
    options: dict[str, Any] = yaml_load(found.group(1))["options"]
    return options


def _plain(description: str | Sequence[str]) -> str:
    """Return a description without the marks of Ansible's documentation."""
    lines = [description] if isinstance(description, str) else description
    return " ".join(_MARKUP.sub(lambda found: _name(found.group(1)), line) for line in lines).replace("\\", "")


def _name(marked: str) -> str:
    return re.sub(r"^ignore:", "", marked)
