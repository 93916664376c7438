# Copyright: (c) 2026, the virtfleet.core contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A document as the YAML of a file of variables, in which no text of others becomes a template."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Mapping
from typing import Any

import yaml

# What makes a text a template for Ansible once it is loaded as a variable, from 2.18 on.
_TEMPLATE = re.compile(r"\{\{|\{%|\{#|^\s*#jinja2:")
_WIDTH = 118


class Unsafe(str):
    """A text that is written with the tag ``!unsafe``."""


class _Dumper(yaml.SafeDumper):
    """Lists stand two columns further in than what they belong to, as yamllint has it."""

    def increase_indent(self, flow: bool = False, indentless: bool = False) -> Any:
        return super().increase_indent(flow, False)

    def ignore_aliases(self, data: Any) -> bool:
        return True


def _style(text: str) -> str | None:
    """Return the style of a text: in double quotes, where all can be escaped, if it has what no eye sees."""
    if any(_hidden(char) for char in text):
        return '"'
    return "|" if "\n" in text else None


def _hidden(char: str) -> bool:
    return unicodedata.category(char) in ("Cc", "Cf", "Cs", "Co", "Cn", "Zl", "Zp") and char != "\n"


def _text(dumper: yaml.SafeDumper, text: str) -> yaml.ScalarNode:
    return dumper.represent_scalar("tag:yaml.org,2002:str", str(text), style=_style(text))


def _unsafe(dumper: yaml.SafeDumper, text: Unsafe) -> yaml.ScalarNode:
    return dumper.represent_scalar("!unsafe", str.__str__(text), style=_style(text) or "'")


_Dumper.add_representer(str, _text)
_Dumper.add_representer(Unsafe, _unsafe)


def plain(value: Any) -> Any:
    """Return a value in YAML's own types, whatever Ansible has wrapped it in; what looks like a template is Unsafe."""
    if isinstance(value, str):
        # str() of a subclass may give the subclass again.
        text = str.__str__(value)
        return Unsafe(text) if _TEMPLATE.search(text) else text
    if isinstance(value, Mapping):
        return {str.__str__(str(key)): plain(item) for key, item in value.items()}
    if isinstance(value, (list, tuple)):
        return [plain(item) for item in value]
    if value is None or isinstance(value, bool):
        return value
    if isinstance(value, int):
        return int(value)
    if isinstance(value, float):
        return float(value)
    raise TypeError(f"{value!r} cannot be written as YAML")


def write(value: Any) -> str:
    """Return a document as YAML that Ansible loads as variables with the same values, none of them a template."""
    text = yaml.dump(
        plain(value), Dumper=_Dumper, sort_keys=False, default_flow_style=False, allow_unicode=True, width=_WIDTH
    )
    # They stand in double quotes only; the writer itself escapes some of them and lets others through.
    return "---\n" + "".join(_escaped(char) if _hidden(char) else char for char in text)


def _escaped(char: str) -> str:
    return f"\\U{ord(char):08x}" if ord(char) > 0xFFFF else f"\\u{ord(char):04x}"
