# Copyright: (c) 2026, the virtfleet.core contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Take packages away again, as far as nobody else needs them by now."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any


@dataclass(frozen=True)
class Package:
    """An installed package: the groups of names of which it needs one each, and the virtual names that it stands for."""

    needs: tuple[tuple[str, ...], ...] = ()
    provides: tuple[str, ...] = ()


@dataclass(frozen=True)
class Removal:
    """What goes, what stays and for whom, and why it can't be done now."""

    packages: tuple[str, ...] = ()
    kept: Mapping[str, str] = field(default_factory=dict)
    problems: tuple[str, ...] = ()


def parse_relations(text: str) -> tuple[tuple[str, ...], ...]:
    """Return the groups of a Depends field, ``a | b (>= 1), c:any``, as names."""
    groups = []
    for group in text.split(","):
        names = tuple(re.split(r"[\s(:\[]", name.strip(), maxsplit=1)[0] for name in group.split("|") if name.strip())
        if names:
            groups.append(names)
    return tuple(groups)


def needed(candidates: Iterable[str], installed: Mapping[str, Package]) -> dict[str, str]:
    """Return those of the candidates that others need, each with who needs it; what those need is kept as well."""
    going = set(candidates)
    providers: dict[str, set[str]] = {}
    for name, package in installed.items():
        for virtual in (name, *package.provides):
            providers.setdefault(virtual, set()).add(name)
    kept: dict[str, str] = {}
    waiting = [name for name in installed if name not in going]
    while waiting:
        name = waiting.pop()
        for group in installed[name].needs:
            fitting = {there for wanted in group for there in providers.get(wanted, ())}
            if fitting and not fitting - going:
                # One would do; which of them the user would keep can't be known.
                for needed in sorted(fitting):
                    going.discard(needed)
                    kept[needed] = name
                    waiting.append(needed)
    return dict(sorted(kept.items()))


def judged(
    record: Mapping[str, Any], installed: Mapping[str, Package], networks: Iterable[str], problems: Sequence[str]
) -> Removal:
    """Return what to remove of what a role's record lists.

    ``networks`` are those of libvirt that run; the role's own ``problems`` come before what is found here.
    """
    candidates = {name for name in record.get("packages", []) if name in installed}
    kept = needed(candidates, installed)
    packages = tuple(sorted(candidates - set(kept)))
    found = list(problems)
    others = [name for name in networks if name not in record.get("networks", [])]
    if others and any(name.startswith("libvirt-daemon") for name in packages):
        found.append(
            f"networks of libvirt are running that the role did not start: {', '.join(others)}; stop them first "
            "(virtfleet.core.network with state: inactive)"
        )
    return Removal(packages, kept, tuple(found))
