# Copyright: (c) 2026, the virtfleet.core contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Folders of the host that a guest mounts, by virtiofs or 9p."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from ... import _xml
from ..._change import Effect
from ..._table import QEMU, Context, Field, Spec, Table
from ..._types import PATH, PRESENCE, choice, pattern, read_text, write_text
from ..._xml import Element
from .plugging import plugged

TAG = pattern(r"[^\x00-\x20\x7f'\"&<>,/][^\x00-\x20\x7f'\"&<>,]{0,34}", "a tag of at most 35 characters, such as data")
DRIVERS = ("virtiofs", "9p")
_DRIVER = choice(*DRIVERS)


def _read_driver(element: Element, attribute: str | None) -> str:
    text = read_text(element, attribute)
    return "9p" if text == "path" else text


def _write_driver(element: Element, attribute: str | None, value: str) -> None:
    write_text(element, attribute, "path" if value == "9p" else value)


DRIVER = replace(_DRIVER, read=_read_driver, write=_write_driver)


def _set_source(element: Element, value: str) -> None:
    element.set("type", "mount")
    _xml.write(element, "source/@dir", value)


MODE = pattern(r"0[0-7]{3}", "a mode of files such as '0644', as a text")

FILESYSTEM = Table(
    (
        Field("source", ("source/@dir",), PATH, setter=_set_source),
        Field("target", ("target/@dir",), TAG),
        # Without the element it is 9p (libvirt, formatdomain: filesystems).
        Field("driver", ("driver/@type",), DRIVER, absent="9p", follows=True),
        Field("accessmode", ("@accessmode",), choice("passthrough", "mapped", "squash"), follows=True),
        Field("readonly", ("readonly",), PRESENCE, absent=False),
        Field("fmode", ("@fmode",), MODE),
        Field("dmode", ("@dmode",), MODE),
    )
)


def _fresh(entry: Spec) -> Spec:
    driver = entry.get("driver", "virtiofs")
    return {"driver": driver, "accessmode": "passthrough" if driver == "virtiofs" else "mapped"}


def _plug_effect(context: Context, before: Any, after: Any) -> Effect:
    """QEMU plugs virtiofs into a running guest, and 9p never."""
    return Effect.LIVE if (after or before).get("driver") == "virtiofs" else Effect.RESTART


FILESYSTEMS = plugged(
    "filesystems",
    "filesystem",
    "devices/filesystem",
    FILESYSTEM,
    ident=("name", "target", "target"),
    mark="target",
    effect=_plug_effect,
    in_port=lambda entry: True,
    fresh=_fresh,
    called=lambda entry: str(entry.get("target", "?")).replace("/", "-"),
    drivers=QEMU,
)


def _shares(root: Element) -> bool:
    cells = _xml.find_all(root, "cpu/numa/cell")
    shared = bool(cells) and all(cell.get("memAccess") == "shared" for cell in cells)
    return shared or _xml.read(root, "memoryBacking/access/@mode") == "shared"


ROWS = (
    # No word: what the rule below has to know, whoever has said it.
    Field("memory_shared", (), PRESENCE, getter=_shares, live="skip", said=False),
)


def virtiofs_shares_memory(spec: Spec) -> list[str]:
    """virtiofsd serves files through the guest's own memory (libvirt, virtiofs: it has to be shared)."""
    found = [entry for entry in spec.get("filesystems", ()) if entry.get("driver") == "virtiofs"]
    if not found or spec.get("memory_shared"):
        return []
    return [
        f"filesystems.{found[0].get('name') or found[0].get('target')}.driver: virtiofs needs a guest whose memory is "
        "shared with the host (memoryBacking with access mode shared); or say driver: 9p"
    ]


def virtiofs_passes_through(spec: Spec) -> list[str]:
    return [
        f"filesystems.{entry.get('name') or entry.get('target')}.{option}: goes with driver: 9p only"
        for entry in spec.get("filesystems", ())
        for option in ("accessmode", "fmode", "dmode")
        if entry.get("driver") == "virtiofs" and entry.get(option) not in (None, "passthrough")
    ]


def one_tag_a_filesystem(spec: Spec) -> list[str]:
    seen: set[str] = set()
    found = []
    for entry in spec.get("filesystems", ()):
        target = entry.get("target", "")
        if target in seen:
            found.append(f"filesystems: two of them have the target {target}")
        seen.add(target)
    return found


RULES = (virtiofs_shares_memory, virtiofs_passes_through, one_tag_a_filesystem)
