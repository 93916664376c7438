# Copyright: (c) 2026, the virtfleet.core contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Secrets inside of free documents, such as a cloud-config: out of results and logs, without masking every ``1``.

Ansible masks each value of an option with ``no_log`` wherever it stands in a result. For a document that is too much:
``true`` and ``1`` are values too. So all of it is ``no_log`` while the arguments are checked; then only what looks
like a secret stays masked, and the document itself is left out of the invocation.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping
from typing import Any

from ._change import HIDDEN

_SECRET = re.compile(r"pass|secret|token|private|credential|hash|plain_text", re.IGNORECASE)
_SHORTEST = 4
_IN_XML = re.compile(r"""\w*passw(?:or)?d\w*\s*=\s*(?:'([^']*)'|"([^"]*)")""", re.IGNORECASE)


def _documents(module: Any) -> Iterator[tuple[str, str]]:
    """Yield the options and suboptions that are free documents with ``no_log``."""
    for name, option in module.argument_spec.items():
        for inner, suboption in (option.get("options") or {}).items():
            if suboption.get("no_log") and suboption.get("type") in ("raw", "dict"):
                yield name, inner


def _texts(value: Any, secret: bool) -> Iterator[tuple[str, bool]]:
    """Yield each text of a document and whether a key above it names a secret."""
    if isinstance(value, Mapping):
        for key, inner in value.items():
            yield from _texts(inner, secret or bool(_SECRET.search(str(key))))
    elif isinstance(value, (list, tuple)):
        for inner in value:
            yield from _texts(inner, secret)
    elif value is not None:
        yield str(value), secret


def hide(module: Any, shapes: Mapping[str, Mapping[str, Any]] | None = None) -> None:
    """Mask the secrets of the module's documents, and no more than these.

    ``shapes`` are the argument specs that documents among the options follow, by the option's name.
    """
    documents = [(module.params.get(name) or {}).get(inner) for name, inner in _documents(module)]
    found = [pair for document in documents for pair in _texts(document, isinstance(document, str))]
    found += [(text, True) for text in _in_fragments(module)]
    for name, shape in (shapes or {}).items():
        found += _shaped({"type": "dict", "options": shape}, module.params.get(name), False)
    keep = {text for text, secret in found if secret and len(text) >= _SHORTEST}
    own = {str(module.params[name]) for name, option in module.argument_spec.items() if _is_password(module, name, option)}
    module.no_log_values -= {text for text, _secret in found if text not in keep | own}
    module.no_log_values |= keep


def _is_password(module: Any, name: str, option: Mapping[str, Any]) -> bool:
    return bool(option.get("no_log")) and option.get("type", "str") == "str" and module.params.get(name) is not None


def _shaped(option: Mapping[str, Any], value: Any, secret: bool) -> Iterator[tuple[str, bool]]:
    """Yield each text of a value that follows an option, and whether it is a secret."""
    inner = option.get("options")
    if isinstance(value, Mapping) and "values" in option:
        for part in value.values():
            yield from _shaped({"type": "dict", "options": option["values"]}, part, secret)
    elif isinstance(value, Mapping) and inner is not None:
        for name, part in value.items():
            below = inner.get(name, {"type": "raw"})
            if name == "xml" and isinstance(part, str):
                yield from ((single or double, True) for single, double in _IN_XML.findall(part))
            yield from _shaped(below, part, secret or bool(below.get("no_log") and below.get("type") not in ("raw", "dict")))
    elif isinstance(value, (list, tuple)) and inner is not None:
        for part in value:
            yield from _shaped({"type": "dict", "options": inner}, part, secret)
    else:
        # A free document: its keys tell, or it is one text of which nobody can tell.
        yield from _texts(value, secret or bool(option.get("no_log") and isinstance(value, str)))


def _in_fragments(module: Any) -> Iterator[str]:
    """Yield the passwords in the XML that the user gave, such as a graphics device's."""
    for name, option in module.argument_spec.items():
        if "xml" in (option.get("options") or {}):
            for item in module.params.get(name) or ():
                for single, double in _IN_XML.findall(item.get("xml") or ""):
                    yield single or double


def invocation(module: Any, hidden: Iterable[str] = ()) -> dict[str, Any]:
    """Return the ``invocation`` of a result, without the documents; ``hidden`` are options that are documents."""
    arguments = dict(module.params)
    for name, inner in _documents(module):
        if (arguments.get(name) or {}).get(inner) is not None:
            arguments[name] = {**arguments[name], inner: HIDDEN}
    for name in hidden:
        if arguments.get(name) is not None:
            arguments[name] = HIDDEN
    return {"invocation": {"module_args": arguments}}
