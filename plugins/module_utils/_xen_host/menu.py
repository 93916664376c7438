# Copyright: (c) 2026, the virtfleet.core contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Read the menu that update-grub has written: which entries there are, what they start, and which one is the default.

Entries are known by their ids. Their titles differ between releases, and are translated.
https://www.gnu.org/software/grub/manual/grub/grub.html#menuentry
"""

from __future__ import annotations

import re
import shlex
from collections.abc import Iterator
from dataclasses import dataclass

# The names of the commands that load a hypervisor, its first module (dom0's kernel), and Linux by itself.
_HYPERVISOR = ("multiboot2", "multiboot", "xen_hypervisor")
_MODULE = ("module2", "module", "xen_module")
_LINUX = ("linux", "linux16", "linuxefi")
# What is no option: Xen takes the word before the first one for its name, and GRUB replaces variables.
_NO_OPTION = re.compile(r"placeholder|\$.*")
_DEFAULT = re.compile(r'^\s*set default=(?:"([^"]*)"|(\S+))', re.MULTILINE)


@dataclass(frozen=True)
class Entry:
    """One entry. ``path`` has its id and those of the submenus around it, as GRUB_DEFAULT wants them.

    ``xen`` is the hypervisor's file, empty for Linux by itself; ``hypervisor`` and ``kernel`` are the options of either.
    """

    path: str
    xen: str = ""
    hypervisor: tuple[str, ...] = ()
    kernel: tuple[str, ...] = ()
    recovery: bool = False

    @property
    def top(self) -> bool:
        """Whether it is in no submenu."""
        return ">" not in self.path


@dataclass(frozen=True)
class Menu:
    """All entries that have ids, in their order, and the default as it stands there."""

    entries: tuple[Entry, ...] = ()
    default: str = ""

    def find(self, path: str) -> Entry | None:
        """Return the entry of a path."""
        return next((entry for entry in self.entries if entry.path == path), None)

    def choose(self, xen: bool) -> Entry | None:
        """Return the entry that starts Xen, or Linux without it: one at the top, since only its id is the same for ever."""
        systems = [entry for entry in self.entries if any(word.startswith("root=") for word in entry.kernel)]
        fitting = [entry for entry in systems if bool(entry.xen) == xen and not entry.recovery]
        return next((entry for entry in fitting if entry.top), fitting[0] if fitting else None)


def parse(text: str) -> Menu:
    """Return the menu of a grub.cfg."""
    defaults = [quoted or bare for quoted, bare in _DEFAULT.findall(text)]
    # The first one is that of grub-reboot, which is for one start only.
    said = [default for default in defaults if default != "${next_entry}"]
    return Menu(tuple(_entries(text)), said[-1] if said else "")


def _entries(text: str) -> Iterator[Entry]:
    # What is open around a line: the ids of menus, and None for the braces of anything else.
    around: list[str | None] = []
    inside: list[str] | None = None
    for raw in text.splitlines():
        line = raw.strip()
        if line == "}":
            if inside is not None:
                yield _entry([name for name in around if name is not None], inside)
                inside = None
            if around:
                around.pop()
        elif inside is not None:
            inside.append(line)
        elif line.endswith("{"):
            words = _words(line)
            around.append(_id(words) if words[0] in ("menuentry", "submenu") else None)
            inside = [] if words[0] == "menuentry" else None


def _id(words: list[str]) -> str:
    """Return an entry's id; without one GRUB takes its title."""
    for mark in ("$menuentry_id_option", "--id"):
        if mark in words[:-1]:
            return words[words.index(mark) + 1]
    return words[1] if len(words) > 1 else ""


def _entry(path: list[str], lines: list[str]) -> Entry:
    loads = [words for words in map(_words, lines) if words]
    xen = next((words for words in loads if words[0] in _HYPERVISOR), None)
    kernel = next((words for words in loads if words[0] in (_MODULE if xen else _LINUX)), None)
    return Entry(
        path=">".join(path),
        xen=xen[1] if xen and len(xen) > 1 else "",
        hypervisor=_options(xen),
        kernel=_options(kernel),
        recovery="-recovery-" in path[-1],
    )


def _options(words: list[str] | None) -> tuple[str, ...]:
    return tuple(word for word in (words or [])[2:] if not _NO_OPTION.fullmatch(word))


def _words(line: str) -> list[str]:
    try:
        return shlex.split(line)
    except ValueError:
        # Something of somebody's own, in which no entry of ours is.
        return line.split()
