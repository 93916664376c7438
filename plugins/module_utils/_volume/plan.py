# Copyright: (c) 2026, the virtfleet.core contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What has to be done for one volume. Pure; check mode and real mode both read this plan.

A volume is a file in the directory of a pool. What it holds is lost by consent only, and never below a guest or
another volume that stands on it.
"""

from __future__ import annotations

import posixpath
from collections.abc import Collection, Iterator
from dataclasses import replace
from typing import Any

from .. import _xml
from .._change import UNKNOWN, Action, Change, Effect, Plan, Step, worst
from .._errors import Conflict, NotFound, SpecError, Unsupported
from .._facts import GuestFacts, ImageFacts, PoolFacts, Snapshot, VolumeFacts
from .._guest.expand import image_names
from .._guest.volumes import delete_step
from .._image.making import OLD_COMPAT, making_rows
from .._image.place import DIRECTORY_POOLS, Users, disk_paths
from .._image.spec import GROWING, SECTOR
from .._storage.volume import VolumeWant, creation_arguments, volume_xml
from .._units import show_size
from .._words import close
from .spec import UPLOADING, VolumeSpec

KIND = "volume"


def plan(spec: VolumeSpec, snap: Snapshot, consent: Collection[str] = ()) -> Plan:
    """Return what makes the volume true. ``consent`` names volumes whose content may be lost.

    ``snap`` has the pool with its volumes; for a ``source`` its path and its image; and where an existing volume
    changes, all guests and volumes, and in ``images`` the overlays and guests that the files know.

    Raises NotFound or Unsupported for the pool, backing or source, SpecError where something is missing, Conflict where
    the change needs a consent that was not given, or would pull the volume from under a guest or another volume.
    """
    if spec.state == "absent" and spec.pool not in snap.pools:
        return Plan()
    if spec.source is not None and spec.state != "absent" and snap.host.remote:
        raise Unsupported(
            f"volume {spec.key}: source: {spec.source} is a file of the hypervisor, which a remote uri does not reach; "
            "run the task on the hypervisor itself (delegate_to)"
        )
    pool = pool_of(spec, snap)
    facts = present(spec, snap, pool)
    if spec.state == "absent":
        return Plan() if facts is None else _removal(spec, snap, facts, consent)
    if facts is None:
        return _creation(spec, snap)
    if half_made(spec, snap):
        return _finish(spec, snap, facts)
    changes = differences(spec, snap)
    if worst(change.effect for change in changes) is Effect.DATA_LOSS:
        return _replacement(spec, snap, facts, changes, consent)
    return _update(spec, snap, facts, changes)


# what there is


def pool_of(spec: VolumeSpec, snap: Snapshot) -> PoolFacts:
    """Return the pool of a volume; raise NotFound, Unsupported or Conflict where it cannot have volumes now."""
    pool = snap.pools.get(spec.pool)
    if pool is None:
        names = snap.pool_names or sorted(snap.pools)
        raise NotFound(
            f"volume {spec.key}: there is no pool {spec.pool!r}{close(spec.pool, names)} (pools here: "
            f"{', '.join(names) or 'none'}); make it by virtfleet.core.pool"
        )
    if pool.type not in DIRECTORY_POOLS or pool.path is None:
        raise Unsupported(
            f"volume {spec.key}: pool {pool.name} is of type {pool.type}; volumes are made in pools that are a directory "
            f"({', '.join(DIRECTORY_POOLS)})"
        )
    if not pool.active:
        raise Conflict(
            f"volume {spec.key}: pool {pool.name} is not active, and its volumes cannot be seen; start it by "
            "virtfleet.core.pool (state: active)"
        )
    return pool


def path_of(spec: VolumeSpec, pool: PoolFacts) -> str:
    """Return the path that the volume has or will have."""
    return posixpath.join(pool.path or "/", spec.name)


def present(spec: VolumeSpec, snap: Snapshot, pool: PoolFacts) -> VolumeFacts | None:
    """Return the volume, also one that libvirt has not seen in its pool yet."""
    facts = snap.volumes.get((spec.pool, spec.name))
    path = path_of(spec, pool)
    image = snap.images.get(path)
    if facts is None and image is not None:
        facts = VolumeFacts(
            spec.pool, spec.name, path, image.format, image.virtual_bytes, image.actual_bytes, image.backing,
            image.backing_format, image.encrypted, image.compat, image.cluster_bytes, bool(image.lazy_refcounts),
        )
    if facts is not None and facts.format == "dir":
        raise Conflict(f"volume {spec.key}: {facts.path} is a directory; take another name")
    return facts


def half_made(spec: VolumeSpec, snap: Snapshot) -> bool:
    """Tell whether the upload to the volume was cut short."""
    return (spec.pool, spec.name + UPLOADING) in snap.volumes


def differences(spec: VolumeSpec, snap: Snapshot) -> tuple[Change, ...]:
    """Return in what a volume that exists differs from what was said of it; nothing that was left out."""
    facts = present(spec, snap, pool_of(spec, snap))
    if facts is None:
        return ()
    changes = []
    if spec.format is not None and spec.format != facts.format:
        why = "the volume is made anew"
        changes.append(Change(("format",), facts.format, spec.format, Effect.DATA_LOSS, why))
    if spec.backing is not None:
        base = _base(spec, snap)
        if base.path != facts.backing:
            why = "the volume is made anew, empty"
            changes.append(Change(("backing",), facts.backing, base.path, Effect.DATA_LOSS, why))
    changes += _made_otherwise(spec, facts)
    wanted, have = spec.size_bytes, facts.capacity_bytes
    if wanted is not None and wanted > have:
        changes.append(Change(("size",), show_size(have), show_size(wanted), Effect.LIVE))
    elif wanted is not None and wanted < have:
        why = "a volume cannot be shrunk; it is made anew"
        changes.append(Change(("size",), show_size(have), show_size(wanted), Effect.DATA_LOSS, why))
    return tuple(changes)


def _made_otherwise(spec: VolumeSpec, facts: VolumeFacts) -> Iterator[Change]:
    """Yield in what the volume was made otherwise. What was preallocated is not compared: guests give room back."""
    making = spec.making
    pairs: list[tuple[str, Any, Any]] = []
    if facts.format == "qcow2":
        pairs += [
            ("compat", facts.compat or OLD_COMPAT, making.compat),
            ("lazy_refcounts", facts.lazy_refcounts, making.lazy_refcounts),
        ]
        if facts.cluster_bytes is not None and making.cluster_bytes is not None:
            pairs.append(("cluster_size", show_size(facts.cluster_bytes), show_size(making.cluster_bytes)))
    if not facts.encrypted:
        pairs.append(("luks_secret", None, making.luks_secret))
    for option, have, wanted in pairs:
        if wanted is not None and wanted != have:
            yield Change((option,), have, wanted, Effect.DATA_LOSS, "the volume is made anew")


def _base(spec: VolumeSpec, snap: Snapshot) -> VolumeFacts | ImageFacts:
    """Return what the volume stands on."""
    backing, folder = spec.backing or "", snap.pools[spec.pool].path or "/"
    paths = [backing] if backing.startswith("/") else [posixpath.join(folder, name) for name in image_names(backing)]
    for path in paths:
        found = snap.volume_at(path) or snap.images.get(path)
        if found is not None:
            if path == posixpath.join(folder, spec.name):
                raise SpecError(f"volume {spec.key}: backing: a volume cannot stand on itself")
            if found.encrypted:
                raise Unsupported(
                    f"volume {spec.key}: backing: {path} is encrypted, and no guest would be told how to open it below an "
                    "overlay; let the overlay be the encrypted one, on an image that is not"
                )
            return found
    names = [name for pool, name in snap.volumes if pool == spec.pool]
    where = "" if backing.startswith("/") else f" in the pool {spec.pool}{close(backing, names)}"
    raise NotFound(
        f"volume {spec.key}: backing: there is no {backing}{where}; make it first, by virtfleet.core.image or "
        "virtfleet.core.volume"
    )


def _size_of(base: VolumeFacts | ImageFacts) -> int:
    return base.virtual_bytes if isinstance(base, ImageFacts) else base.capacity_bytes


# creation


def _creation(spec: VolumeSpec, snap: Snapshot) -> Plan:
    changes, steps = _making(spec, snap)
    changes += [
        Change((option,), None, show_size(value) if option == "cluster_size" else value, Effect.LIVE)
        for option, value in making_rows(spec.making)
    ]
    changes.append(Change(("state",), "absent", "present", Effect.LIVE))
    return _plan(spec, "create", changes, steps)


def _making(spec: VolumeSpec, snap: Snapshot) -> tuple[list[Change], list[Step]]:
    usage = spec.making.luks_secret
    if usage is not None and f"volume/{usage}" not in snap.secrets:
        known = [key.partition("/")[2] for key in snap.secrets if key.startswith("volume/")]
        raise NotFound(
            f"volume {spec.key}: luks_secret: there is no secret {usage!r} of usage volume{close(usage, known)}; make it by "
            "virtfleet.core.secret first"
        )
    if spec.source is not None:
        return _uploading(spec, snap, spec.source)
    if spec.clone is not None:
        return _cloning(spec, snap, spec.clone)
    base = None if spec.backing is None else _base(spec, snap)
    size = spec.size_bytes
    if base is not None:
        size = _size_of(base) if size is None else size
        if size < _size_of(base):
            raise SpecError(
                f"volume {spec.key}: size: {show_size(size)} is less than {base.path} has, on which it stands "
                f"({show_size(_size_of(base))})"
            )
    later = base is not None and not _size_of(base)
    if size is None:
        raise SpecError(
            f"volume {spec.key}: size: is missing; a volume that does not exist needs a size, a backing, a source or a clone"
        )
    made = "qcow2" if base is not None else spec.made_format
    shown = UNKNOWN if later and spec.size_bytes is None else show_size(size)
    changes = [Change(("format",), None, made, Effect.LIVE), Change(("size",), None, shown, Effect.LIVE)]
    if base is not None:
        changes.append(Change(("backing",), None, base.path, Effect.LIVE))
    want = VolumeWant(
        spec.pool, spec.name, "", made, size, base.path if base else None, base.format if base else None, spec.making
    )
    if later and base is not None:
        # The same plan makes what it stands on.
        pool = base.pool if isinstance(base, VolumeFacts) else None
        arguments = {"volume": replace(want, size_bytes=spec.size_bytes), "base_pool": pool}
        return changes, [Step("create_volume_on", arguments, f"make the volume {spec.key}")]
    return changes, [_create(want, size)]


def _uploading(spec: VolumeSpec, snap: Snapshot, source: str) -> tuple[list[Change], list[Step]]:
    """Return how a volume is made of a file's bytes. A second volume says as long as it stands there: not whole yet."""
    image = _source(spec, snap, source)
    whole = image.virtual_bytes if spec.size_bytes is None else spec.size_bytes
    if whole < image.virtual_bytes:
        raise SpecError(
            f"volume {spec.key}: size: {show_size(whole)} is less than the disk in {source} has "
            f"({show_size(image.virtual_bytes)})"
        )
    seen = snap.paths.get(source)
    length = max(SECTOR, seen.size_bytes if seen is not None else 0)
    steps = [
        _create(VolumeWant(spec.pool, spec.name + UPLOADING, "", "raw", SECTOR), SECTOR),
        # Raw whatever comes: libvirt sees what it is when it looks again.
        _create(VolumeWant(spec.pool, spec.name, "", "raw", length), length),
        Step("upload_file", {"pool": spec.pool, "name": spec.name, "path": source}, f"upload {source} to {spec.key}"),
        _refresh(spec),
    ]
    if whole > image.virtual_bytes:
        steps.append(_grow(spec, whole))
    steps.append(delete_step(spec.pool, spec.name + UPLOADING))
    changes = [
        Change(("format",), None, image.format, Effect.LIVE),
        Change(("size",), None, show_size(whole), Effect.LIVE),
        Change(("source",), None, source, Effect.LIVE),
    ]
    return changes, steps


def _cloning(spec: VolumeSpec, snap: Snapshot, clone: tuple[str, str]) -> tuple[list[Change], list[Step]]:
    """Return how a volume is made a copy of another one. The second volume is there as for an upload."""
    pool, name = clone
    origin = snap.volumes.get(clone)
    if origin is None:
        names = [other for where, other in snap.volumes if where == pool]
        raise NotFound(
            f"volume {spec.key}: clone: there is no volume {name} in the pool {pool}{close(name, names)}; make it first, and "
            "see that the pool is active"
        )
    if (pool, name + UPLOADING) in snap.volumes:
        raise Conflict(f"volume {spec.key}: clone: {pool}/{name} holds a part only, since an upload to it was cut short")
    if origin.encrypted:
        raise Unsupported(
            f"volume {spec.key}: clone: {pool}/{name} is encrypted, and libvirt is not told by what; copy it inside of a guest"
        )
    writers = _writers(snap, origin)
    if writers:
        raise Conflict(
            f"volume {spec.key}: clone: guest {writers[0]} writes to {pool}/{name} at this time, and a copy would be of no "
            "one moment; stop that guest first"
        )
    size = origin.capacity_bytes
    whole = size if spec.size_bytes is None else spec.size_bytes
    if whole < size:
        raise SpecError(
            f"volume {spec.key}: size: {show_size(whole)} is less than {pool}/{name} has ({show_size(size)}), of which it is "
            "a copy"
        )
    if whole > size:
        _need_key(spec, snap, posixpath.join(snap.pools[spec.pool].path or "/", spec.name), spec.making.encrypted)
    want = VolumeWant(spec.pool, spec.name, "", spec.made_format, size, making=spec.making)
    arguments = {"pool": spec.pool, "xml": volume_xml(want, size), "source_pool": pool, "source": name}
    steps = [
        _create(VolumeWant(spec.pool, spec.name + UPLOADING, "", "raw", SECTOR), SECTOR),
        Step("clone_volume", arguments, f"copy volume {pool}/{name} to {spec.key}"),
    ]
    if whole > size:
        steps.append(_grow(spec, whole))
    steps.append(delete_step(spec.pool, spec.name + UPLOADING))
    changes = [
        Change(("format",), None, want.format, Effect.LIVE),
        Change(("size",), None, show_size(whole) if whole else UNKNOWN, Effect.LIVE),
        Change(("clone",), None, f"{pool}/{name}", Effect.LIVE),
    ]
    return changes, steps


def _writers(snap: Snapshot, facts: VolumeFacts) -> list[str]:
    """Return the guests that run, or will go on from where they were saved, with the volume as a disk to write to."""
    found = []
    for guest in snap.guests.values():
        text = guest.live_xml or guest.xml
        if (guest.active or guest.state == "saved") and text is not None and _writes(_xml.parse(text), facts):
            found.append(guest.name)
    return sorted(found)


def _writes(root: _xml.Element, facts: VolumeFacts) -> bool:
    for disk in root.iterfind("devices/disk"):
        source = disk.find("source")
        if source is None or disk.find("readonly") is not None:
            continue
        if facts.path in (source.get("file"), source.get("dev")):
            return True
        if (source.get("pool"), source.get("volume")) == (facts.pool, facts.name):
            return True
    return False


def _source(spec: VolumeSpec, snap: Snapshot, source: str) -> ImageFacts:
    image = snap.images.get(source)
    if image is None:
        raise NotFound(f"volume {spec.key}: source: there is no file {source} on the host")
    if image.others:
        raise Conflict(
            f"volume {spec.key}: source: {source} is only a part of a disk and needs the file {image.others[0]}; join "
            "them by `qemu-img convert` on a host that you trust it on"
        )
    wanted = GROWING if spec.format is None else (spec.format,)
    if image.format not in wanted:
        raise SpecError(
            f"volume {spec.key}: source: {source} is {image.format}, not {' or '.join(wanted)}, and its bytes are taken as "
            "they are; virtfleet.core.image converts"
        )
    return image


def _finish(spec: VolumeSpec, snap: Snapshot, facts: VolumeFacts) -> Plan:
    if spec.source is None and spec.clone is None:
        raise Conflict(
            f"volume {spec.key}: an upload to it was cut short, and it holds a part only; give its source or clone again, or "
            "remove it (state: absent)"
        )
    _refuse_used(spec, snap, facts, "made anew")
    changes, steps = _making(spec, snap)
    changes.append(Change(("state",), "uploading", "present", Effect.LIVE, "its upload was cut short"))
    return _plan(spec, "create", changes, [delete_step(spec.pool, spec.name), *steps])


# removal, and making anew


def _removal(spec: VolumeSpec, snap: Snapshot, facts: VolumeFacts, consent: Collection[str]) -> Plan:
    _refuse_used(spec, snap, facts, "removed")
    _need_consent(spec, facts, consent, "would be removed with all that is in it")
    steps = [] if (spec.pool, spec.name) in snap.volumes else [_refresh(spec)]
    steps += _delete(spec)
    if half_made(spec, snap):
        steps.append(delete_step(spec.pool, spec.name + UPLOADING))
    return _plan(spec, "delete", [Change(("state",), "present", "absent", Effect.DATA_LOSS)], steps)


def _replacement(
    spec: VolumeSpec, snap: Snapshot, facts: VolumeFacts, changes: tuple[Change, ...], consent: Collection[str]
) -> Plan:
    _refuse_used(spec, snap, facts, "made anew")
    if facts.encrypted and not spec.making.encrypted:
        raise Conflict(
            f"volume {spec.key} is encrypted and cannot be made anew without being encrypted; give luks_secret, or remove it first"
        )
    differing = ", ".join(f"{change.path[0]}: {change.before}, not {change.after}" for change in changes)
    _need_consent(spec, facts, consent, f"would be made anew, and what it holds would be lost ({differing})")
    _changes, steps = _making(spec, snap)
    first = [] if (spec.pool, spec.name) in snap.volumes else [_refresh(spec)]
    return _plan(spec, "replace", list(changes), [*first, *_delete(spec), *steps])


def _refuse_used(spec: VolumeSpec, snap: Snapshot, facts: VolumeFacts, verb: str) -> None:
    overlays, guests = users_of(snap, facts.path)
    by = f" (used by guest {', '.join(guests)})" if guests else ""
    if overlays:
        some = ", ".join(overlays[:5]) + (f" and {len(overlays) - 5} more" if len(overlays) > 5 else "")
        raise Conflict(
            f"volume {spec.key} cannot be {verb}: {some} {'stands' if len(overlays) == 1 else 'stand'} on it{by} and would "
            "be destroyed; remove what stands on it first"
        )
    if guests:
        raise Conflict(
            f"volume {spec.key} cannot be {verb}: guest {', '.join(guests)} uses it; take it out of that guest first"
        )


def users_of(snap: Snapshot, path: str) -> tuple[tuple[str, ...], tuple[str, ...]]:
    """Return the images that stand on a volume, and the guests that use it or one of these, both sorted."""
    overlays, guests = Users({}, used_paths(snap), snap.volumes).of(path)
    seen = snap.images.get(path)
    if seen is None:
        return overlays, guests
    return tuple(sorted({*overlays, *seen.overlays})), tuple(sorted({*guests, *seen.guests}))


def used_paths(snap: Snapshot) -> dict[str, frozenset[str]]:
    """Return what each guest uses: its disks, and every other path in its definitions, such as a kernel's."""
    return {name: disk_paths(guest, snap.volumes) | _named_in(guest) for name, guest in snap.guests.items()}


def _named_in(guest: GuestFacts) -> frozenset[str]:
    return frozenset(path for text in (guest.xml, guest.live_xml) if text is not None for path in _paths_in(text))


def _paths_in(text: str) -> Iterator[str]:
    root = _xml.parse(text)
    for child in root:
        if child.tag == "metadata":
            continue
        for node in child.iter():
            yield from (value for value in (node.text or "", *node.attrib.values()) if value.startswith("/"))


def _need_consent(spec: VolumeSpec, facts: VolumeFacts, consent: Collection[str], what: str) -> None:
    if spec.name not in consent and spec.key not in consent:
        raise Conflict(
            f"volume {spec.key} ({facts.path}) {what}; if that is what you want, add {spec.name!r} to confirm_data_loss"
        )


# growth


def _update(spec: VolumeSpec, snap: Snapshot, facts: VolumeFacts, changes: tuple[Change, ...]) -> Plan:
    found, steps = list(changes), []
    if (spec.pool, spec.name) not in snap.volumes:
        found.append(Change(("pool",), None, spec.pool, Effect.LIVE, "libvirt does not list it yet"))
        steps.append(_refresh(spec))
    if changes:
        _refuse_held(spec, snap, facts)
        _need_key(spec, snap, facts.path, facts.encrypted)
        steps.append(_grow(spec, spec.size_bytes or 0))
    return _plan(spec, "update", found, steps) if found else Plan()


def _need_key(spec: VolumeSpec, snap: Snapshot, path: str, encrypted: bool) -> None:
    """libvirt grows an encrypted volume by the secret that is for its path, whatever its own was (storage_util.c)."""
    if encrypted and f"volume/{path}" not in snap.secrets:
        raise Conflict(
            f"volume {spec.key}: size: it is encrypted, and libvirt grows it only where a secret of usage volume has the usage_id "
            f"{path}; make one with the same passphrase by virtfleet.core.secret, or give the size to the disk of a running guest"
        )


def _refuse_held(spec: VolumeSpec, snap: Snapshot, facts: VolumeFacts) -> None:
    _overlays, guests = users_of(snap, facts.path)
    for guest in (snap.guests[name] for name in guests if name in snap.guests):
        if guest.active or guest.state == "saved":
            raise Conflict(
                f"volume {spec.key} cannot be grown to {show_size(spec.size_bytes or 0)} behind the back of guest "
                f"{guest.name}, which is {guest.state}: give the size to that guest's disk by virtfleet.core.guest, which "
                "grows it while the guest runs, or stop the guest"
            )


# steps


def _plan(spec: VolumeSpec, verb: str, changes: list[Change], steps: list[Step]) -> Plan:
    effect = worst(change.effect for change in changes)
    return Plan((Action(KIND, spec.key, verb, effect, tuple(changes), tuple(steps)),))


def _create(want: VolumeWant, size_bytes: int) -> Step:
    return Step("create_volume", creation_arguments(want, size_bytes), f"make volume {want.key}")


def _grow(spec: VolumeSpec, size_bytes: int) -> Step:
    arguments = {"pool": spec.pool, "name": spec.name, "size_bytes": size_bytes}
    return Step("resize_volume", arguments, f"grow volume {spec.key}")


def _delete(spec: VolumeSpec) -> list[Step]:
    wipe = Step("wipe_volume", {"pool": spec.pool, "name": spec.name}, f"write zeros over volume {spec.key}")
    return [*([wipe] if spec.wipe else []), delete_step(spec.pool, spec.name)]


def _refresh(spec: VolumeSpec) -> Step:
    return Step("refresh_pool", {"name": spec.pool}, f"have libvirt look at pool {spec.pool}")
