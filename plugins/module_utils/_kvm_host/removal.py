# Copyright: (c) 2026, the virtfleet.core contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Take away what the role has added, as far as nobody else needs it by now."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

from .seen import Seen
from .settings import HUGEPAGES_FILE, Block, differs


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


def judge(seen: Seen, installed: Mapping[str, Package]) -> Removal:
    """Return what to remove of what the record lists."""
    candidates = {name for name in seen.record.get("packages", []) if name in installed}
    kept = _needed(candidates, installed)
    packages = tuple(sorted(candidates - set(kept)))
    problems = []
    ours = set(seen.record.get("networks", []))
    if seen.guests:
        problems.append(
            f"guests are defined: {', '.join(seen.guests)}; remove them first (virtfleet.core.guest with state: absent), or "
            "move them to another host"
        )
    others = [name for name in seen.networks if name not in ours]
    if others and any(name.startswith("libvirt-daemon") for name in packages):
        problems.append(
            f"networks of libvirt are running that the role did not start: {', '.join(others)}; stop them first "
            "(virtfleet.core.network with state: inactive)"
        )
    return Removal(packages, kept, tuple(problems))


def _needed(candidates: Iterable[str], installed: Mapping[str, Package]) -> dict[str, str]:
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


def shown(removal: Removal, seen: Seen) -> dict[str, Any]:
    """Return it for a result, with the parts of the record that are still there."""
    record = seen.record
    text = seen.files.get(HUGEPAGES_FILE) if HUGEPAGES_FILE in record.get("files", []) else None
    return {
        "recorded": bool(record),
        "packages": list(removal.packages),
        "kept": dict(removal.kept),
        "problems": list(removal.problems),
        "files": list(record.get("files", [])),
        "blocks": [path for path in record.get("blocks", []) if differs(seen, Block(path, ""))],
        "users": [name for name in record.get("users", []) if name in seen.members],
        "pages": re.findall(r"^w (\S+)", text or "", re.MULTILINE),
        # Where libvirt is gone already, what it knew is gone from its sight too.
        "pools": [name for name in record.get("pools", []) if name in (seen.pools or {})] if _libvirt(seen) else [],
        "networks": [name for name in record.get("networks", []) if _libvirt(seen)],
        "sockets": [
            unit for unit in (f"{front}-{way}.socket" for front in ("libvirtd", "virtproxyd") for way in ("tls", "tcp"))
            if unit in seen.units and seen.units[unit].in_use and record.get("remote")
        ],
    }


def _libvirt(seen: Seen) -> bool:
    return bool(seen.programs & {"libvirtd", "virtqemud"})
