# Copyright: (c) 2026, the virtfleet.core contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What the modules image and image_info do, between Ansible's parameters and the pure parts."""
from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from datetime import datetime, timezone
from typing import Any

from ._apply import Ports
from ._change import UNKNOWN, Plan
from ._errors import NotFound
from ._facts import ImageFacts, PoolFacts, Snapshot, VolumeFacts
from ._image.gather import all_volumes, find_users, gather, local_files, resolve
from ._image.options import IMAGE_OPTIONS
from ._image.place import DIRECTORY_POOLS, Users, find_place
from ._image.plan import KIND, plan
from ._image.spec import DEFAULT_POOL, FORMATS, image_file_name, read_spec
from ._module import Subject
from ._table import Field, Table
from ._types import SIZE
from ._units import show_size

# Only for showing: bytes are shown with a unit.
_BYTES = replace(SIZE, show=lambda size: size if size is UNKNOWN or size is None else show_size(size))
TABLES = {KIND: Table((Field("size", (), _BYTES), Field("cluster_size", (), _BYTES)))}

FETCH_OPTIONS: dict[str, Any] = {
    "headers": {"type": "dict", "no_log": True},
    "url_username": {"type": "str"},
    "url_password": {"type": "str", "no_log": True},
    "validate_certs": {"type": "bool", "default": True},
    "mirror": {"type": "path"},
    "cache_size": {"type": "str"},
    "cache_age": {"type": "str", "default": "30d"},
    "timeout": {"type": "int", "default": 60},
}

INFO_OPTIONS: dict[str, Any] = {
    "name": {"type": "list", "elements": "str", "default": []},
    "pool": {"type": "str"},
    "path": {"type": "list", "elements": "str", "default": []},
}


def image_subject(params: Mapping[str, Any]) -> Subject:
    """Return what the module image converges; raise SpecError for what can be seen to be wrong without a host."""
    spec = read_spec({name: params[name] for name in IMAGE_OPTIONS})
    # A checksum file is read once, so that plan and read-back hold the same checksum against the image.
    resolved = [spec]

    def look(ports: Ports) -> Snapshot:
        files = local_files(ports.hypervisor, ports.files, f"image {spec.name}")
        if resolved[0] is spec:
            resolved[0] = resolve(files, spec, ports.hypervisor.host().arch)
        return gather(ports.hypervisor, files, resolved[0])

    def make(snap: Snapshot) -> Plan:
        return plan(resolved[0], snap)

    def result(ports: Ports, snap: Snapshot) -> Mapping[str, Any]:
        place = None if spec.pool is not None and spec.pool not in snap.pools else find_place(spec, snap.pools)
        facts = snap.images.get(place.path) if place is not None else None
        if place is None or facts is None:
            return {"image": {"name": spec.name, "state": "absent"}}
        found = image_row(facts, place.pool)
        return {"image": {**found, "name": spec.name, "state": "present"}}

    return Subject(look, make, result, TABLES)


def image_row(facts: ImageFacts, pool: PoolFacts | None) -> dict[str, Any]:
    """Return one image for a result."""
    return {
        "name": facts.path.rpartition("/")[2],
        "path": facts.path,
        "pool": pool.name if pool is not None else None,
        "format": facts.format,
        "size": show_size(facts.virtual_bytes),
        "virtual_bytes": facts.virtual_bytes,
        "actual_bytes": facts.actual_bytes,
        "backing": facts.backing,
        "backing_format": facts.backing_format,
        "encrypted": facts.encrypted,
        "record": dict(facts.record),
    }


def read_images(params: Mapping[str, Any], ports: Ports) -> Mapping[str, Any]:
    """Return the images of a pool, or those at paths, with who stands on them."""
    files = local_files(ports.hypervisor, ports.files, "image_info")
    pools = ports.hypervisor.pools()
    volumes = all_volumes(ports.hypervisor, pools.values())
    paths = params["path"]
    found = [facts for facts in map(files.image_facts, paths) if facts is not None]
    if not paths or params["pool"] is not None:
        wanted = params["pool"] or DEFAULT_POOL
        listed = _of_pool(pools, wanted, volumes, params["name"])
        found += [replace(facts, record=files.image_record(facts.path)) for facts in listed]
    users = find_users(files, (facts.path for facts in found), pools, ports.hypervisor.guests(), volumes)
    by_folder = {pool.path: pool for pool in pools.values() if pool.type in DIRECTORY_POOLS}
    rows = [_info(facts, by_folder.get(facts.path.rpartition("/")[0]), users) for facts in found]
    downloads = [
        {
            "path": kept.path,
            "source": kept.source,
            "actual_bytes": kept.actual_bytes,
            "used": datetime.fromtimestamp(kept.used, timezone.utc).isoformat(timespec="seconds"),
        }
        for kept in files.downloads()
    ]
    return {"images": sorted(rows, key=lambda row: str(row["path"])), "downloads": downloads}


def _of_pool(
    pools: Mapping[str, PoolFacts], name: str, volumes: Mapping[tuple[str, str], VolumeFacts], names: list[str]
) -> list[ImageFacts]:
    """Return the images that libvirt lists in a pool; no program is run for them."""
    if name not in pools:
        raise NotFound(f"there is no pool {name!r} (pools here: {', '.join(sorted(pools)) or 'none'})")
    if not pools[name].active:
        raise NotFound(f"pool {name} is not active, so libvirt lists no images of it; start it by virtfleet.core.pool")
    wanted = {alias for given in names for alias in (given, *(image_file_name(given, form) for form in FORMATS))}
    return [
        ImageFacts(
            volume.path, volume.format, volume.capacity_bytes, volume.allocation_bytes, volume.backing,
            volume.backing_format, encrypted=volume.encrypted,
        )
        for (pool, file), volume in volumes.items()
        # libvirt lists folders as volumes too.
        if pool == name and volume.format != "dir" and (not names or file in wanted)
    ]


def _info(facts: ImageFacts, pool: PoolFacts | None, users: Users) -> dict[str, Any]:
    overlays, guests = users.of(facts.path)
    return {**image_row(facts, pool), "overlays": list(overlays), "guests": list(guests)}
