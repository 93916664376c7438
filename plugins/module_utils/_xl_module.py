# Copyright: (c) 2026, the virtfleet.core contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What the module xl_config does, between Ansible's parameters and the pure parts."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from ._apply import Ports
from ._change import Plan
from ._errors import SpecError, Unsupported
from ._facts import Snapshot
from ._gather import gather_guests
from ._guest.platforms import platform_of
from ._guest.spec import parse
from ._module import Subject
from ._xl.plan import KIND, TABLE, Present, check, definition, plan

TABLES = {KIND: TABLE}
FOLDER = "/etc/xen"
# They are of guests that this collection keeps: its own disks, and what becomes of a guest that is there.
_WITHOUT = ("state", "pool", "cloud_init", "unattend", "disks_exact", "nics_exact")
XL_CONFIG_OPTIONS: dict[str, Any] = {
    "guest": {"type": "dict", "required": True},
    "state": {"type": "str", "choices": ["present", "absent"], "default": "present"},
    "path": {"type": "path"},
}


def xl_config_subject(params: Mapping[str, Any]) -> Subject:
    """Return what the module xl_config converges; raise SpecError for what can be seen to be wrong without a host."""
    given = params["guest"]
    spec = parse(given, "guest.")
    check(spec, [name for name in _WITHOUT if given.get(name) is not None])
    path = params["path"] or f"{FOLDER}/{spec.name}.cfg"
    if not path.startswith("/"):
        raise SpecError(f"path: {path!r} is not an absolute path such as {FOLDER}/{spec.name}.cfg")
    seen: dict[str, Any] = {}

    def gather(ports: Ports) -> Snapshot:
        host = ports.hypervisor.host()
        if not platform_of(host.driver).xl:
            raise Unsupported(f"{host.uri} is no Xen host, and xl is Xen's tool; keep guests by virtfleet.core.guest")
        if host.remote:
            raise Unsupported(
                f"the configurations of xl are files of the host, and {host.uri} is another one; run the task there"
            )
        snap = gather_guests(ports.hypervisor, ports.files, [spec])
        found = ports.files.xl_configs([path])
        text, starts = next(iter(found.values()), (None, False))
        seen["present"] = Present(text, starts)
        seen["wanted"] = None
        if params["state"] == "present":
            seen["wanted"] = ports.hypervisor.guest_to_native(definition(spec, snap))
        return replace(snap, guests={})

    def make(_snap: Snapshot) -> Plan:
        return plan(spec.name, path, seen["wanted"], spec.autostart, seen["present"])

    def result(_ports: Ports, _snap: Snapshot) -> Mapping[str, Any]:
        present: Present = seen["present"]
        return {"xl_config": {"path": path, "config": present.text, "autostart": present.autostart}}

    return Subject(gather, make, result, TABLES)
