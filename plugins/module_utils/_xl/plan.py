# Copyright: (c) 2026, the virtfleet.core contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What has to be done for one configuration of xl: a file, and whether its guest starts with the host."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from .._change import Action, Change, Effect, Plan, Step
from .._errors import Conflict, SpecError
from .._facts import Snapshot
from .._guest.plan import Options
from .._guest.plan import plan as plan_guest
from .._guest.spec import GuestSpec
from .._table import Field, Table
from .._types import PRESENCE, TEXT

KIND = "xl_config"
TABLE = Table((Field("config", (), TEXT), Field("autostart", (), PRESENCE)))


@dataclass(frozen=True)
class Present:
    """What is there: the text at the path, None where there is none, and whether its guest starts with the host."""

    text: str | None
    autostart: bool = False


def check(spec: GuestSpec, others: Sequence[str]) -> None:
    """Raise SpecError for what a configuration alone cannot do; ``others`` are words of guests that are kept."""
    found = [
        f"guest.{word}: a configuration has none; it is for virtfleet.core.guest, which keeps a guest" for word in others
    ]
    found += [
        f"guest.disks[{position}].{'image' if 'base' in disk else 'size'}: xl_config writes a configuration and makes no disk; "
        "make it with virtfleet.core.image, and give its path as file"
        for position, disk in enumerate(spec.disks or ())
        if disk.get("blank") or "base" in disk
    ]
    if found:
        raise SpecError(found)


def definition(spec: GuestSpec, snap: Snapshot) -> str:
    """Return the definition that libvirt would get; raise SpecError with all that is wrong with it on this host."""
    if spec.name in snap.guests:
        raise Conflict(
            f"could not write a configuration for guest {spec.name}: libvirt has a guest of this name, and two tools "
            "would start one guest; keep it by virtfleet.core.guest, or remove it there first (its disks stay)"
        )
    made = plan_guest(spec, snap, Options())
    return str(next(step.args["xml"] for action in made.actions for step in action.steps if step.op == "define_guest"))


def plan(name: str, path: str, wanted: str | None, autostart: bool | None, present: Present) -> Plan:
    """Return what makes the file at ``path`` hold ``wanted``; with None it goes."""
    changes, steps = [], []
    if wanted is None:
        if present.text is None and not present.autostart:
            return Plan()
        changes.append(Change(("state",), "present", "absent", Effect.RECREATE))
        steps = [_start_with_host(path, False), Step("files.remove_xl_config", {"path": path}, f"remove {path}")]
        return Plan((Action(KIND, name, "delete", Effect.RECREATE, tuple(changes), tuple(steps)),))
    if present.text != wanted:
        changes.append(Change(("config",), present.text, wanted, Effect.LIVE))
        steps.append(Step("files.write_xl_config", {"path": path, "text": wanted}, f"write {path}"))
    if autostart is not None and autostart != present.autostart:
        changes.append(Change(("autostart",), present.autostart, autostart, Effect.LIVE))
        steps.append(_start_with_host(path, autostart))
    if not changes:
        return Plan()
    verb = "create" if present.text is None else "update"
    return Plan((Action(KIND, name, verb, Effect.LIVE, tuple(changes), tuple(steps)),))


def _start_with_host(path: str, autostart: bool) -> Step:
    says = "start the guest with the host" if autostart else "no longer start the guest with the host"
    return Step("files.set_xl_autostart", {"path": path, "autostart": autostart}, says)
