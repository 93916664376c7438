# Copyright: (c) 2026, the virtfleet.core contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The user's words about one volume, checked as far as they can be without a host."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

from .._errors import SpecError
from .._guest.expand import DEFAULT_POOL
from .._image.making import PLAIN, VOLUME_MAKING_WORDS, VOLUME_PREALLOCATIONS, Making, read_making
from .._image.spec import DEFAULT_FORMAT, GROWING, SECTOR
from .._network.spec import check_name, choose, take
from .._types import PATH, SIZE
from .._units import round_up

STATES = ("present", "absent")
# Stands beside a volume as long as its content is on the way.
UPLOADING = ".uploading"
_KEPT = (".part", UPLOADING)


@dataclass(frozen=True)
class VolumeSpec:
    """One volume as wanted; None is what was left out.

    ``backing`` is an absolute path, or the name of a volume of the pool with or without its ending. ``source`` is a
    file of the host whose bytes a new volume begins with, ``clone`` the pool and the name of a volume whose disk it
    begins with. ``wipe``: what it holds is written over before it is removed or made anew.
    """

    name: str
    pool: str = DEFAULT_POOL
    state: str = "present"
    format: str | None = None
    size_bytes: int | None = None
    backing: str | None = None
    source: str | None = None
    clone: tuple[str, str] | None = None
    wipe: bool = False
    making: Making = PLAIN

    @property
    def key(self) -> str:
        return f"{self.pool}/{self.name}"

    @property
    def made_format(self) -> str:
        """Return the format of a volume that is made without content."""
        return self.format or ("raw" if self.name.endswith((".raw", ".img", ".iso")) else DEFAULT_FORMAT)


def parse(options: Mapping[str, Any]) -> VolumeSpec:
    """Return the spec of a module's options; those that are None are left out. Raise SpecError with all complaints."""
    given = {option: value for option, value in options.items() if value is not None}
    problems: list[str] = []

    def taken(option: str, check: Any) -> Any:
        return take(problems, option, given[option], check) if option in given else None

    name = take(problems, "name", given.get("name"), _volume_name)
    pool = taken("pool", check_name) or DEFAULT_POOL
    spec = VolumeSpec(
        name,
        pool,
        taken("state", lambda value: choose(value, STATES)) or "present",
        taken("format", lambda value: choose(value, GROWING)),
        taken("size", _size),
        taken("backing", _backing),
        taken("source", PATH.parse),
        _clone(taken("clone", _clone_name), pool),
        bool(given.get("wipe")),
    )
    if spec.clone is not None:
        problems += [
            f"clone: a volume either begins as a copy of another one or has a {other}, not both"
            for other in ("backing", "source")
            if other in given
        ]
        if spec.clone == (spec.pool, spec.name):
            problems.append("clone: a volume cannot be a copy of itself")
    if spec.backing is not None:
        if spec.source is not None:
            problems.append("backing: a volume either stands on another one or begins with a source, not both")
        if spec.format == "raw":
            problems.append("backing: a raw volume cannot stand on another one; leave format out or say qcow2")
    made = {option: given[option] for option in VOLUME_MAKING_WORDS if option in given}
    if made.get("preallocation") == "full":
        problems.append(f"preallocation: libvirt makes no volume so; say one of {', '.join(VOLUME_PREALLOCATIONS)}")
    if made and spec.source is not None:
        problems.append(f"{min(made)}: does not go with source, whose bytes are taken as they are; virtfleet.core.image converts")
    if spec.clone is not None and made.get("preallocation", "off") != "off":
        problems.append("preallocation: does not go with clone; a copy takes the room of what is copied")
    if spec.name is not None:
        form = "qcow2" if spec.backing is not None else spec.made_format
        spec = replace(spec, making=read_making(made, form, False, spec.backing is not None, problems))
    if problems:
        raise SpecError(problems)
    return spec


def _volume_name(value: Any) -> str:
    name = check_name(value)
    kept = next((ending for ending in _KEPT if name.endswith(ending)), None)
    if kept is not None:
        raise SpecError(f"{name!r} ends in {kept}, which is kept for what is being made")
    return name


def _clone_name(value: Any) -> tuple[str | None, str]:
    pool, _slash, name = str(value).rpartition("/")
    return (check_name(pool) if pool else None), check_name(name)


def _clone(found: tuple[str | None, str] | None, pool: str) -> tuple[str, str] | None:
    return None if found is None else (found[0] or pool, found[1])


def _size(value: Any) -> int:
    # Images hold whole sectors.
    return round_up(int(SIZE.parse(value)), SECTOR)


def _backing(value: Any) -> str:
    return str(PATH.parse(value)) if str(value).startswith("/") else check_name(value)
