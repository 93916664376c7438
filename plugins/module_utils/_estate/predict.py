# Copyright: (c) 2026, the virtfleet.core contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What will be there once a plan is carried out: facts for whoever is planned after it.

So a document is planned whole before anything is touched, and a guest may stand on an image, in a pool, on a network that
the same document makes. A size of 0 stands for one that nobody knows before the image is there.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from pathlib import PurePosixPath
from typing import TYPE_CHECKING

from .. import _xml
from .._change import Action, Effect, Plan
from .._facts import GuestFacts, ImageFacts, NetworkFacts, NwfilterFacts, PoolFacts, VolumeFacts
from .._image.spec import BOOTSTRAP_BYTES

if TYPE_CHECKING:
    from .._image.place import Place
    from .._image.spec import ImageSpec
    from .._volume.spec import VolumeSpec


def ops(plan: Plan) -> list[str]:
    """Return the operations of a plan in order."""
    return [step.op for action in plan.actions for step in action.steps]


def defined(plan: Plan, op: str) -> str | None:
    """Return the last XML that a plan defines by ``op``."""
    found = [step.args["xml"] for action in plan.actions for step in action.steps if step.op == op]
    return found[-1] if found else None


def pool_after(plan: Plan, facts: PoolFacts | None) -> PoolFacts | None:
    """Return a pool as it will be; None where there is none now and none will be."""
    xml = defined(plan, "define_pool")
    if xml is None and facts is None:
        return None
    steps = ops(plan)
    active = "start_pool" in steps or (facts is not None and facts.active and "stop_pool" not in steps)
    if xml is None and facts is not None:
        return replace(facts, active=active)
    root = _xml.parse(xml or "")
    found = PoolFacts(
        _xml.read(root, "name") or "",
        _xml.read(root, "uuid") or "",
        root.get("type") or "",
        _xml.read(root, "target/path"),
        xml or "",
        active,
        False,
    )
    return found if facts is None else replace(facts, xml=xml or "", active=active)


def network_after(plan: Plan, facts: NetworkFacts | None) -> NetworkFacts | None:
    """Return a network as it will be; one that is started runs as it is defined."""
    xml = defined(plan, "define_network") or (facts.xml if facts is not None else None)
    if xml is None:
        return None
    steps = ops(plan)
    live = facts.live_xml if facts is not None else None
    if "start_network" in steps:
        live = xml
    elif "stop_network" in steps:
        live = None
    if facts is not None:
        return replace(facts, xml=xml, live_xml=live, persistent=True)
    root = _xml.parse(xml)
    return NetworkFacts(_xml.read(root, "name") or "", _xml.read(root, "uuid") or "", xml, live)


def guest_after(action: Action, facts: GuestFacts) -> GuestFacts:
    """Return a guest that stays as it will be defined, and without the nics that are pulled while it runs."""
    xml = next((step.args["xml"] for step in action.steps if step.op == "define_guest"), None)
    if xml is None:
        return facts
    pulled = {
        change.before["mac"]
        for change in action.changes
        if change.path[0] == "nics" and len(change.path) == 2 and change.after is None and change.effect is Effect.LIVE
    }
    live = facts.live_xml
    if live is not None and pulled:
        root = _xml.parse(live)
        for mac in pulled:
            _xml.remove(root, f"devices/interface[mac/@address='{mac}']")
        live = _xml.to_text(root)
    return replace(facts, xml=xml, live_xml=live)


def image_after(spec: ImageSpec, place: Place, plan: Plan, images: Mapping[str, ImageFacts]) -> ImageFacts:
    """Return an image as it will be."""
    facts = images.get(place.path)
    verbs = {action.action for action in plan.actions}
    if facts is not None and "replace" not in verbs:
        return facts if spec.size_bytes is None else replace(facts, virtual_bytes=spec.size_bytes)
    size = spec.size_bytes
    if size is None and spec.bootstrap is not None:
        size = BOOTSTRAP_BYTES
    if size is None and place.backing is not None and place.backing in images:
        size = images[place.backing].virtual_bytes
    return ImageFacts(place.path, spec.made_format, size or 0, 0, place.backing, encrypted=spec.making.encrypted)


def nwfilter_after(plan: Plan, facts: NwfilterFacts | None) -> NwfilterFacts | None:
    """Return a network filter as it will be."""
    xml = defined(plan, "define_nwfilter")
    if xml is None:
        return facts
    root = _xml.parse(xml)
    return NwfilterFacts(root.get("name") or "", _xml.read(root, "uuid") or "", xml)


def volume_after(spec: VolumeSpec, pool: PoolFacts, plan: Plan, facts: VolumeFacts | None) -> VolumeFacts | None:
    """Return a volume as it will be; what it is made of says its size, where the user did not."""
    if spec.state == "absent":
        return None
    from .._volume.plan import path_of

    path = facts.path if facts is not None else path_of(spec, pool)
    if facts is not None and not plan.actions:
        return facts
    size = spec.size_bytes or (facts.capacity_bytes if facts is not None else 0)
    form = facts.format if facts is not None and spec.format is None else spec.made_format
    encrypted = spec.making.encrypted or (facts is not None and facts.encrypted)
    return VolumeFacts(pool.name, spec.name, path, "qcow2" if spec.backing else form, size, 0, encrypted=encrypted)


def volume_of(image: ImageFacts, pool: PoolFacts) -> VolumeFacts:
    """Return the volume that libvirt will list for an image in a pool."""
    return VolumeFacts(
        pool.name,
        PurePosixPath(image.path).name,
        image.path,
        image.format,
        image.virtual_bytes,
        image.actual_bytes,
        image.backing,
        image.backing_format,
        image.encrypted,
    )
