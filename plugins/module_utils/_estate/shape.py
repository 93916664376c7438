# Copyright: (c) 2026, the virtfleet.core contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Holds a free document against argument specs, as Ansible holds a module's options, and names every mistake by its path.

Ansible checks the options of a module and stops at the first that is wrong. A document of a thousand entries wants all
complaints at once, each as ``guests[3].disks[0].size: ...``. The specs are those of the single modules.
"""

from __future__ import annotations

import difflib
from collections.abc import Callable, Iterable, Mapping
from typing import Any

# What YAML and Ansible call true and false (ansible.module_utils.parsing.convert_bool).
_TRUE = ("true", "yes", "on", "y", "t", "1")
_FALSE = ("false", "no", "off", "n", "f", "0")

Complain = Callable[[str, str], None]


def hint(name: str, known: Iterable[str]) -> str:
    """Return what may have been meant by ``name``, or what there is, as the end of a sentence."""
    names = sorted(known)
    close = difflib.get_close_matches(name, names, 1)
    if close:
        return f"; did you mean {close[0]}?"
    return f"; there are {', '.join(names[:20])}{' and more' if len(names) > 20 else ''}" if names else "; there are none"


def mapping(
    options: Mapping[str, Any], value: Any, path: str, complain: Complain, partial: bool = False
) -> dict[str, Any]:
    """Return ``value`` with its parts in the types of ``options``; what is null is left out.

    ``path`` is where it stands, empty for a whole document. Raises nothing: ``complain(path, sentence)`` hears of it.
    ``partial``: it is to be merged with others, so nothing is missing yet, and a null is kept.
    """
    if not isinstance(value, Mapping):
        complain(path, f"must be a mapping, and is {kind_of(value)}")
        return {}
    found: dict[str, Any] = {}
    for name, part in value.items():
        if name not in options:
            complain(below(path, str(name)), f"no such option{hint(str(name), options)}")
        elif part is not None:
            found[name] = _one(options[name], part, below(path, name), complain, partial)
        elif partial:
            found[name] = None
    for name, option in options.items():
        if option.get("required") and not partial and name not in found:
            complain(below(path, name), "is missing")
    return found


def below(path: str, name: str) -> str:
    """Return the path of an option of what stands at ``path``."""
    return f"{path}.{name}" if path else name


def _one(option: Mapping[str, Any], value: Any, path: str, complain: Complain, partial: bool = False) -> Any:
    kind = option.get("type", "str")
    if kind == "list":
        return _entries(option, value, path, complain)
    if kind == "dict":
        if "options" in option:
            return mapping(option["options"], value, path, complain, partial)
        if not isinstance(value, Mapping):
            complain(path, f"must be a mapping, and is {kind_of(value)}")
        return value
    if kind == "raw":
        return value
    found = _SCALARS[kind](value)
    if found is None:
        complain(path, f"{value!r} is not {_NAMES[kind]}" if _is_scalar(value) else f"must be {_NAMES[kind]}, not {kind_of(value)}")
        return value
    choices = option.get("choices")
    if choices is not None and found not in choices:
        complain(path, f"{found!r} is not one of {', '.join(str(choice) for choice in choices)}")
    return found


def _entries(option: Mapping[str, Any], value: Any, path: str, complain: Complain) -> list[Any]:
    if not isinstance(value, (list, tuple)):
        complain(path, f"must be a list, and is {kind_of(value)}")
        return []
    inner = {
        "type": option.get("elements", "raw"),
        **{key: option[key] for key in ("options", "choices") if key in option},
    }
    return [_one(inner, item, f"{path}[{position}]", complain) for position, item in enumerate(value)]


def _text(value: Any) -> Any:
    """A number is taken as its text; true and false are not: YAML has made them of ``yes`` and ``off``."""
    if isinstance(value, str):
        return str(value)
    return str(value) if isinstance(value, (int, float)) and not isinstance(value, bool) else None


def _number(value: Any) -> Any:
    if isinstance(value, bool):
        return None
    if isinstance(value, int):
        return value
    text = str(value).strip() if isinstance(value, str) else ""
    return int(text) if text.lstrip("+-").isdecimal() else None


def _truth(value: Any) -> Any:
    if isinstance(value, bool):
        return value
    word = str(value).strip().lower() if isinstance(value, (str, int)) else ""
    return True if word in _TRUE else False if word in _FALSE else None


_SCALARS: Mapping[str, Callable[[Any], Any]] = {"str": _text, "path": _text, "int": _number, "bool": _truth}
_NAMES = {"str": "a text", "path": "a path", "int": "a whole number", "bool": "true or false"}


def _is_scalar(value: Any) -> bool:
    return isinstance(value, (str, int, float))


def kind_of(value: Any) -> str:
    """Return what a value is, in the words of YAML."""
    if value is None:
        return "empty"
    if isinstance(value, Mapping):
        return "a mapping"
    if isinstance(value, (list, tuple)):
        return "a list"
    return f"the text {str(value)[:40]!r}" if isinstance(value, str) else f"the value {value!r}"
