# Copyright: (c) 2026, the virtfleet.core contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The actions on the volumes behind a guest's disks: made, grown, made anew, removed."""

from __future__ import annotations

from .._change import UNKNOWN, Action, Change, Effect, Step
from .._storage.volume import VolumeWant, creation_arguments
from .._units import show_size


def create(volume: VolumeWant, size_bytes: int) -> Action:
    """Return the action that makes a volume that does not exist."""
    changes = [Change(("size",), None, show_size(size_bytes), Effect.LIVE)]
    if volume.base is not None:
        changes.append(Change(("image",), None, volume.base, Effect.LIVE))
    return Action("volume", volume.key, "create", Effect.LIVE, tuple(changes), (create_step(volume, size_bytes),))


def create_later(volume: VolumeWant, base_pool: str | None) -> Action:
    """Return the action that makes a volume on a base that is made by the same plan: its size is known then only."""
    size = UNKNOWN if volume.size_bytes is None else show_size(volume.size_bytes)
    changes = (Change(("size",), None, size, Effect.LIVE), Change(("image",), None, volume.base, Effect.LIVE))
    arguments = {"volume": volume, "base_pool": base_pool}
    step = Step("create_volume_on", arguments, f"make the volume {volume.key}")
    return Action("volume", volume.key, "create", Effect.LIVE, changes, (step,))


def grow(volume: VolumeWant, present_bytes: int, size_bytes: int) -> Action:
    """Return the action that grows a volume that is taken into use again."""
    change = Change(("size",), show_size(present_bytes), show_size(size_bytes), Effect.LIVE)
    return Action("volume", volume.key, "update", Effect.LIVE, (change,), (grow_step(volume, size_bytes),))


def create_step(volume: VolumeWant, size_bytes: int) -> Step:
    return Step("create_volume", creation_arguments(volume, size_bytes), f"make the volume {volume.key}")


def replace_steps(volume: VolumeWant, size_bytes: int) -> tuple[Step, ...]:
    """Return the steps that make a volume anew; what it held is lost."""
    return (delete_step(volume.pool, volume.name), create_step(volume, size_bytes))


def delete_step(pool: str, name: str) -> Step:
    return Step("delete_volume", {"pool": pool, "name": name}, f"remove the volume {pool}/{name}")


def grow_step(volume: VolumeWant, size_bytes: int) -> Step:
    arguments = {"pool": volume.pool, "name": volume.name, "size_bytes": size_bytes}
    return Step("resize_volume", arguments, f"grow the volume {volume.key}")
