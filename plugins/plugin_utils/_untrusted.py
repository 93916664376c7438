# Copyright: (c) 2026, the virtfleet.core contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The one gate for text that a guest, or who defined it, can influence.

ansible-core 2.18 evaluates Jinja in the values of inventory variables unless they are marked unsafe; since 2.19 text
is no template unless it carries a tag of trust, so there it is enough that the text is built anew.
"""
from __future__ import annotations

import re
import unicodedata
from collections.abc import Callable, Mapping
from typing import Any

from ansible import template as ansible_template

_marked: Callable[[str], Any]
if hasattr(ansible_template, "trust_as_template"):
    _marked = str
else:
    from ansible.utils.unsafe_proxy import AnsibleUnsafeText

    _marked = AnsibleUnsafeText

LIMIT_BYTES = 4096
LIMIT_ITEMS = 256

# What a terminal obeys, with what belongs to it: CSI ... letter, OSC ... BEL or ST, and the short ones. The first
# character may be ESC and a letter, or one of C1.
_ESCAPES = re.compile(
    "(?:\x1b\\[|\x9b)[0-?]*[ -/]*[@-~]?"
    "|(?:\x1b[\\]PX^_]|[\x9d\x90\x98\x9e\x9f])[^\x07\x1b\x9c]*(?:\x07|\x1b\\\\|\x9c)?"
    "|\x1b[ -/]*[0-~]?"
)
# Joiners, which some scripts and emoji are written with.
_JOINERS = "\u200c\u200d"
_BREAKS = frozenset("\t\n\v\f\r\x85\u2028\u2029")


def marked(text: str) -> Any:
    """Return a text as it is, for an Ansible variable that is never a template."""
    return _marked(text)


def clean_text(text: str, limit: int = LIMIT_BYTES) -> str:
    """Return one line of at most 4 KiB without control characters, terminal sequences and bidi overrides."""
    # Nothing of what is cut off later needs to be looked at: a guest may give megabytes.
    text = text[: 4 * limit]
    if text.isascii() and text.isprintable():
        # As nearly all is.
        return str(text[:limit])
    text = "".join(map(_clean_char, _ESCAPES.sub("", text)))
    return text.encode("utf-8", "replace")[:limit].decode("utf-8", "ignore")


def _clean_char(char: str) -> str:
    if char in _BREAKS:
        return " "
    category = unicodedata.category(char)
    if category == "Cs":  # half a character: it cannot be written as UTF-8
        return "\ufffd"
    # Cf are the invisible ones: bidi overrides and marks, tags, zero widths.
    return "" if category == "Cc" or (category == "Cf" and char not in _JOINERS) else char


def untrusted(value: Any, limit: int = LIMIT_BYTES) -> Any:
    """Return a value for an Ansible variable that is never a template: its text cleaned by ``clean_text`` and marked.

    Lists are cut at 256 entries; numbers, booleans and None stay as they are. ``limit`` is for a text that is no list's.
    """
    if isinstance(value, str):
        return _marked(clean_text(value, limit))
    if isinstance(value, Mapping):
        return {untrusted(key): untrusted(item) for key, item in list(value.items())[:LIMIT_ITEMS]}
    if isinstance(value, (list, tuple)):
        return [untrusted(item) for item in value[:LIMIT_ITEMS]]
    if value is None or isinstance(value, (bool, int, float)):
        return value
    return untrusted(str(value))
