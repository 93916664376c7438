# Copyright: (c) 2026, the virtfleet.core contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The table of a network filter. What is written is at once true for the running guests that use it."""

from __future__ import annotations

import re
from typing import Any

from .. import _xml
from .._change import Step
from .._errors import SpecError
from .._table import LIVE, Context, Field, Table
from .._types import Type, read_text, write_text
from .._xml import Element
from .attributes import keeps_set_flags
from .rules import (
    parse_priority,
    read_filters,
    read_rules,
    show_filters,
    show_rules,
    write_filters,
    write_rules,
)

# The chains that a name may begin with, and the priority that libvirt gives each.
CHAINS = {"mac": -800, "vlan": -750, "stp": 0, "arp": -500, "rarp": -400, "ipv4": -700, "ipv6": -600}
# MAX_CHAIN_SUFFIX_SIZE of libvirt
_LONGEST = 12


def read_tree(text: str) -> Element:
    """Return a filter's XML as a tree that says its priority: libvirt leaves out 0, and would read that as the chain's."""
    root = _xml.parse(text, "the filter's XML")
    root.attrib.setdefault("priority", "0")
    return root


def to_text(root: Element) -> str:
    """Return the tree as libvirt reads it back: an ipset loses its name where the flags it has anyway are said."""
    tree = _xml.clone(root)
    for node in tree.findall("rule/*"):
        if not keeps_set_flags(node.tag) and node.get("ipset") is not None and node.get("ipsetflags") == "src":
            del node.attrib["ipsetflags"]
    return _xml.to_text(tree)


def _parse_chain(value: Any) -> str:
    text = str(value)
    if text == "root":
        return text
    if not text.startswith(tuple(CHAINS)) or not re.fullmatch(rf"[A-Za-z0-9_.:-]{{1,{_LONGEST}}}", text):
        raise SpecError(
            f"{value!r} is not a chain: write root, or a name of at most {_LONGEST} letters, digits and _ . : - that "
            f"begins with one of {', '.join(CHAINS)}"
        )
    return text


CHAIN = Type(_parse_chain, read_text, write_text)


def _priority_of(chain: str) -> int:
    return next((priority for name, priority in CHAINS.items() if chain.startswith(name)), 0)


def _set_chain(root: Element, value: str) -> None:
    # The priority that a chain has of itself goes with it.
    if root.get("priority") == str(_priority_of(root.get("chain", "root"))):
        del root.attrib["priority"]
    root.set("chain", value)


def _get_priority(root: Element) -> int:
    return int(root.get("priority") or _priority_of(root.get("chain", "root")))


def _set_priority(root: Element, value: int) -> None:
    root.set("priority", str(value))


def _nothing(*_arguments: Any) -> Any:
    raise AssertionError("the field's own getter and setter do this")


PRIORITY = Type(parse_priority, _nothing, _nothing)
FILTERS = Type(_nothing, _nothing, _nothing, show_filters)
RULES = Type(_nothing, _nothing, _nothing, show_rules)


def _define(context: Context, root: Element) -> Step:
    return Step("define_nwfilter", {"xml": to_text(root)}, f"define nwfilter {context.name}")


NWFILTER = Table(
    (
        Field("chain", ("@chain",), CHAIN, LIVE, absent="root", setter=_set_chain),
        Field("priority", ("@priority",), PRIORITY, LIVE, getter=_get_priority, setter=_set_priority),
        # A rule has no name: each list is compared and written as a whole.
        Field("filters", ("filterref",), FILTERS, LIVE, getter=read_filters, setter=write_filters),
        Field("rules", ("rule",), RULES, LIVE, getter=read_rules, setter=write_rules),
    ),
    (),
    _define,
)
