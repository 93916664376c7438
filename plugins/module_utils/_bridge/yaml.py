# Copyright: (c) 2026, the virtfleet.core contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Write YAML that netplan reads. The host may lack PyYAML, and netplan takes every scalar as text.

What goes in is mappings, lists and texts, as a reader that leaves scalars alone returns them.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping
from typing import Any

# What every YAML reader takes as this very text, or as the number or truth that netplan expects in that place.
_PLAIN = re.compile(r"^[A-Za-z0-9_/][A-Za-z0-9_./%+-]*$")


def emit(tree: Mapping[str, Any], *comments: str) -> str:
    """Return a mapping as YAML in block style, under lines of comment."""
    lines = [f"# {comment}" for comment in comments]
    return "\n".join([*lines, *_mapping(tree, "")]) + "\n"


def _mapping(tree: Mapping[str, Any], indent: str) -> Iterator[str]:
    for key, value in tree.items():
        yield from _entry(f"{indent}{_scalar(key)}:", value, indent + "  ")


def _entry(head: str, value: Any, indent: str) -> Iterator[str]:
    if isinstance(value, Mapping) and value:
        yield head
        yield from _mapping(value, indent)
    elif isinstance(value, (list, tuple)) and value:
        yield head
        for item in value:
            yield from _item(item, indent)
    else:
        yield f"{head} {_leaf(value)}".rstrip()


def _item(item: Any, indent: str) -> Iterator[str]:
    if isinstance(item, Mapping) and item:
        lines = list(_mapping(item, indent + "  "))
        yield f"{indent}- {lines[0].strip()}"
        yield from lines[1:]
    elif isinstance(item, (list, tuple)):
        yield f"{indent}- {json.dumps(item, ensure_ascii=False)}"
    else:
        yield f"{indent}- {_leaf(item)}"


def _leaf(value: Any) -> str:
    if isinstance(value, Mapping):
        return "{}"
    if isinstance(value, (list, tuple)):
        return "[]"
    return _scalar(value)


def _scalar(value: Any) -> str:
    if value is None:
        return ""
    if isinstance(value, bool):
        return str(value).lower()
    text = str(value)
    # A JSON string is a YAML string.
    return text if text == "" or _PLAIN.match(text) else json.dumps(text, ensure_ascii=False)
