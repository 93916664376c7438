# Copyright: (c) 2026, the virtfleet.core contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Pools in the words of the module pool, and the images below captured disks in those of the module image."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from typing import Any
from urllib.parse import urlsplit

from .. import _xml
from .._errors import VirtError
from .._facts import ImageFacts, PoolFacts, Snapshot, VolumeFacts
from .._image.plan import plan as plan_image
from .._image.spec import DEFAULT_FORMAT, image_file_name, read_spec
from .._storage.kinds import KINDS, missing
from .._storage.options import POOL_OPTIONS
from .._storage.plan import plan
from .._storage.spec import parse
from .._storage.table import POOL
from .._table import capture, observe, show_spec
from .words import HIDDEN_WHY, Left, Said, ordered, sentence, unsettled

_KIND = "pool"
_ALONE_WHY = "no option says it; it stays as it is here, and a pool made anew would lack it"
_MEASURED = ("capacity", "allocation", "available")


def say_pool(facts: PoolFacts, snap: Snapshot) -> Said:
    """Return the pool's entry, whose plan on this host is empty, and what it leaves."""
    root = _xml.parse(facts.xml)
    whole = Left(_KIND, facts.name, "", _xml.to_text(root), "")
    if facts.type not in KINDS:
        why = f"the module pool makes no pools of type {facts.type}; left alone"
        return Said(None, (_because(whole, why),))
    kind = KINDS[facts.type]
    shown = show_spec(POOL, observe(POOL, root))
    entry: dict[str, Any] = {"name": facts.name, **({} if facts.type == "dir" else {"type": facts.type})}
    entry.update({option: shown[option] for option in (*kind.needs, *kind.takes) if option in shown})
    lost = missing(facts.type, entry)
    if lost:
        why = f"no option says its {', '.join(lost)}, without which one of type {facts.type} cannot be made anew; left alone"
        return Said(None, (_because(whole, why),))
    if not facts.active:
        entry["state"] = "inactive"
    # One that is made active starts with its host unless it is said.
    if facts.autostart != facts.active:
        entry["autostart"] = facts.autostart
    try:
        reason = unsettled(plan(parse(entry), snap))
    except VirtError as error:
        reason = sentence(error, _KIND, facts.name)
    if reason is not None:
        return Said(None, (_because(whole, reason),))
    for tag in _MEASURED:
        _xml.remove(root, tag)
    for empty in (root.find("source"), root.find("target")):
        if empty is not None and not len(empty):
            root.remove(empty)
    left = [Left(_KIND, facts.name, piece.at, piece.xml, _ALONE_WHY) for piece in capture(POOL, root, {})[1]]
    return Said(ordered(entry, list(POOL_OPTIONS)), tuple(left))


def _because(left: Left, why: str) -> Left:
    return Left(left.kind, left.name, left.at, left.xml, why)


def say_images(bases: Collection[str], snap: Snapshot, pools: Collection[str]) -> list[Said]:
    """Return an entry for each base whose record tells what it was made from; ``pools`` are those of the document."""
    found = []
    for path in sorted(bases):
        volume, image = snap.volume_at(path), snap.images.get(path)
        if volume is not None and image is not None and volume.pool in pools:
            said = _say_image(volume, image, snap)
            if said is not None:
                found.append(said)
    return found


def _say_image(volume: VolumeFacts, image: ImageFacts, snap: Snapshot) -> Said | None:
    source = image.record.get("source")
    if not source:
        return None
    name = _short(volume.name)
    parts = urlsplit(source)
    if parts.username or parts.password or parts.query:
        return Said(None, (Left("image", name, "source", "", HIDDEN_WHY),))
    entry: dict[str, Any] = {"name": name, "pool": volume.pool, "source": source, **_checksum(image.record)}
    if volume.format != DEFAULT_FORMAT and image_file_name(name) != volume.name:
        entry["format"] = volume.format
    try:
        spec = read_spec(entry)
        settled = image_file_name(name, spec.format) == volume.name and not plan_image(spec, snap).actions
    except VirtError:
        return None
    return Said(entry) if settled else None


def _short(file_name: str) -> str:
    stem, dot, ending = file_name.rpartition(".")
    return stem if dot and ending == DEFAULT_FORMAT else file_name


def _checksum(record: Mapping[str, str]) -> dict[str, str]:
    for algorithm in ("sha512", "sha256"):
        if record.get(algorithm):
            return {"checksum": f"{algorithm}:{record[algorithm]}"}
    return {}
