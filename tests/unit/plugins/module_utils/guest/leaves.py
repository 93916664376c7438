# Copyright: (c) 2026, the virtfleet.core contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What a change may touch: the leaves of its row, and those that the row drops."""

from __future__ import annotations

from collections.abc import Iterable

from ansible_collections.virtfleet.core.plugins.module_utils import _xml
from ansible_collections.virtfleet.core.plugins.module_utils._change import Change
from ansible_collections.virtfleet.core.plugins.module_utils._guest.fields.groups import prune
from ansible_collections.virtfleet.core.plugins.module_utils._guest.table import GUEST
from ansible_collections.virtfleet.core.plugins.module_utils._table import Field, Keyed, Union
from ansible_collections.virtfleet.core.plugins.module_utils._xml import Element

# What belongs to a leaf although no row names it: the driver that a format is of, every device that is a console, the
# block that entries stand in.
_ALONG = {
    "boot": ("os/boot",),
    "console": ("devices/serial", "devices/console"),
    "console_log": ("devices/*/log",),
    "format": ("driver/@name",),
    "sysinfo": ("sysinfo",),
}
# What is left with nothing once its leaves are gone means as much as none.
_EMPTY = ("boot", "bootmenu", "cpu", "driver", "features", "mac", "model", "os", "source", "target")


def without(root: Element, changes: Iterable[Change], before: Element) -> Element:
    """Return a tree without all that the changes may touch; ``before`` is the tree that they were found in."""
    tree = _xml.clone(root)
    for change in changes:
        entry = GUEST.entry(change.path[0])
        if not isinstance(entry, Keyed):
            _strip(tree, entry)
        elif len(change.path) == 2:
            _drop(tree, entry, change)
        else:
            keys = [entry.key(present) for present in entry.read(before)]
            element = entry.elements(tree)[keys.index(change.path[1])]
            _strip(element, entry.item.entry(change.path[2]))  # type: ignore[arg-type]
    for parent in list(tree.iter()):
        for child in list(parent):
            if child.tag in _EMPTY and not len(child) and not child.attrib and not (child.text or "").strip():
                parent.remove(child)
    return tree


def _drop(tree: Element, keyed: Keyed, change: Change) -> None:
    """Remove the element that comes or goes."""
    entry = change.before if change.after is None else change.after
    option = keyed.ident[1]
    for element in keyed.elements(tree):
        if _xml.read(element, keyed.locate) == str(entry.get(option)):
            next(node for node in tree.iter() if element in list(node)).remove(element)


def _strip(root: Element, row: Field | Union) -> None:
    paths = list(row.drops)
    if isinstance(row, Field):
        paths += row.at
    else:
        for arm in row.arms.values():
            paths += [*arm.row.at, *arm.marks]
    for path in (*paths, *_ALONG.get(row.name, ())):
        _xml.remove(root, path)
    for path in paths:
        prune(root, path)
