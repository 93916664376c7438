# Copyright: (c) 2026, the virtfleet.core contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Files of sections: systemd's units and NetworkManager's keyfiles. Sections and keys may come several times."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass


@dataclass(frozen=True)
class Section:
    """One section with its entries in order."""

    name: str
    entries: tuple[tuple[str, str], ...] = ()

    def keeping(self, wanted: Callable[[str, str], bool]) -> Section:
        return Section(self.name, tuple((key, value) for key, value in self.entries if wanted(key, value)))

    def get(self, key: str, default: str = "") -> str:
        """Return the last value of a key."""
        return next((value for name, value in reversed(self.entries) if name == key), default)


def parse(text: str) -> tuple[Section, ...]:
    """Return the sections of a file, with continued lines joined and comments left out."""
    found: list[Section] = []
    for line in _lines(text):
        if line.startswith("[") and line.endswith("]"):
            found.append(Section(line[1:-1]))
        elif "=" in line and found:
            key, _equals, value = line.partition("=")
            last = found[-1]
            found[-1] = Section(last.name, (*last.entries, (key.strip(), value.strip())))
    return tuple(found)


def _lines(text: str) -> Iterable[str]:
    held = ""
    for raw in text.splitlines():
        line = held + raw.strip()
        held = ""
        if line.startswith(("#", ";")):
            continue
        if line.endswith("\\"):
            held = line[:-1] + " "
            continue
        if line:
            yield line


def emit(sections: Iterable[Section], *comments: str) -> str:
    """Return the text of a file; sections without entries are left out."""
    lines = [f"# {comment}" for comment in comments]
    for section in sections:
        if section.entries:
            lines += ["", f"[{section.name}]", *(f"{key}={value}" for key, value in section.entries)]
    return "\n".join(lines).lstrip("\n") + "\n"


def merged(sections: Iterable[Section], name: str) -> Section:
    """Return all sections of a name as one."""
    entries = tuple(entry for section in sections if section.name == name for entry in section.entries)
    return Section(name, entries)
