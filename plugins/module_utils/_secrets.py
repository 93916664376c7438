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
from collections.abc import Iterator, Mapping
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


def hide(module: Any) -> None:
    """Mask the secrets of the module's documents, and no more than these."""
    documents = [(module.params.get(name) or {}).get(inner) for name, inner in _documents(module)]
    found = [pair for document in documents for pair in _texts(document, isinstance(document, str))]
    found += [(text, True) for text in _in_fragments(module)]
    keep = {text for text, secret in found if secret and len(text) >= _SHORTEST}
    module.no_log_values -= {text for text, _secret in found if text not in keep}
    module.no_log_values |= keep


def _in_fragments(module: Any) -> Iterator[str]:
    """Yield the passwords in the XML that the user gave, such as a graphics device's."""
    for name, option in module.argument_spec.items():
        if "xml" in (option.get("options") or {}):
            for item in module.params.get(name) or ():
                for single, double in _IN_XML.findall(item.get("xml") or ""):
                    yield single or double


def invocation(module: Any) -> dict[str, Any]:
    """Return the ``invocation`` of a result, without the documents."""
    arguments = dict(module.params)
    for name, inner in _documents(module):
        if (arguments.get(name) or {}).get(inner) is not None:
            arguments[name] = {**arguments[name], inner: HIDDEN}
    return {"invocation": {"module_args": arguments}}
