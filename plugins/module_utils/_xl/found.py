# Copyright: (c) 2026, the virtfleet.core contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The guests of a Xen host that only xl knows, as if libvirt had them defined."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass

from .. import _xml
from .._errors import VirtError
from .._facts import GuestFacts, HostFacts
from .._guest.skeleton import uuid_for
from .._ports import Files, Hypervisor
from .config import has_uuid, name_of, readable, running, written

RUNS_WHY = (
    "it runs under xl, where libvirt does not see it: shut it down there (xl shutdown), then start it by state: running"
)


@dataclass(frozen=True)
class Found:
    """One guest of xl's, or what could not be read. ``where`` is the configuration's path, or the command that told."""

    name: str
    where: str
    facts: GuestFacts | None
    runs: bool = False
    why: str = ""


def xl_guests(
    hypervisor: Hypervisor, files: Files, host: HostFacts, patterns: Sequence[str], known: Collection[str]
) -> list[Found]:
    """Return the guests of the configurations that the patterns find, and of those that run, but for the ``known``."""
    alive = running(files.xl_running())
    found: dict[str, Found] = {}
    for path, (text, autostart) in sorted(files.xl_configs(patterns).items()):
        name = name_of(text) or path.rpartition("/")[2]
        if name not in known and name not in found:
            found[name] = _read(hypervisor, host, name, path, text, autostart, name in alive)
    for name, config in sorted(alive.items()):
        if name not in known and (name not in found or found[name].facts is None):
            found[name] = _read(hypervisor, host, name, "xl list -l", written(config), False, True)
    return list(found.values())


def _read(
    hypervisor: Hypervisor, host: HostFacts, name: str, where: str, text: str, autostart: bool, runs: bool
) -> Found:
    try:
        root = _xml.parse(hypervisor.guest_from_native(readable(text)))
    except VirtError as error:
        return Found(name, where, None, runs, str(error))
    if not has_uuid(text):
        # The one that libvirt has made up would be another one each time.
        _xml.write(root, "uuid", uuid_for(host, name))
    facts = GuestFacts(name, _xml.read(root, "uuid") or "", "stopped", _xml.to_text(root), autostart=autostart)
    return Found(name, where, facts, runs)
