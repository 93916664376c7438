# Copyright: (c) 2026, the virtfleet.core contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The content of a NoCloud seed: three files for cloud-init (cloudinit.readthedocs.io, datasource NoCloud).

Mappings are written as JSON, which is YAML; the digest over the content decides whether a seed is rebuilt.
"""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from .._errors import SpecError

OPTIONS = ("user_data", "meta_data", "network_config", "policy")
POLICIES = ("ignore", "next_boot", "recreate")


@dataclass(frozen=True)
class CloudInit:
    """What the user wants of cloud-init; ``user_data`` and ``network_config`` are mappings or text."""

    user_data: Any = None
    meta_data: Mapping[str, Any] | None = None
    network_config: Any = None
    policy: str = "next_boot"


# JSON's escape for a character outside of the first plane is a pair of surrogates, which YAML does not put together:
# such characters are written as they are, and those that YAML wants escaped as \\uXXXX.
_ESCAPED = re.compile("[\x7f-\x9f\u2028\u2029\ud800-\udfff\ufeff\ufffe\uffff]")


def _text(value: Any) -> str:
    if isinstance(value, str):
        return value
    text = json.dumps(value, sort_keys=True, indent=1, ensure_ascii=False)
    return _ESCAPED.sub(lambda match: f"\\u{ord(match.group()):04x}", text) + "\n"


def digest(cloud_init: CloudInit, guest: str) -> str:
    """Return the SHA-256 of all that the user said, in hexadecimal."""
    said = [guest, cloud_init.user_data, cloud_init.meta_data, cloud_init.network_config]
    return hashlib.sha256(json.dumps(said, sort_keys=True, default=str).encode()).hexdigest()


def files(cloud_init: CloudInit, guest: str) -> dict[str, bytes]:
    """Return the files of the seed by name.

    The instance-id follows from the content unless it is given: cloud-init runs again at the boot after a change.
    """
    meta = {
        "instance-id": f"{guest}-{digest(cloud_init, guest)[:12]}",
        "local-hostname": guest,
        **(cloud_init.meta_data or {}),
    }
    user = cloud_init.user_data
    user_text = "#cloud-config\n{}\n" if user is None else _text(user)
    if not isinstance(user, str) and user is not None:
        user_text = "#cloud-config\n" + user_text
    made = {"meta-data": _text(meta).encode(), "user-data": user_text.encode()}
    if cloud_init.network_config is not None:
        made["network-config"] = _text(cloud_init.network_config).encode()
    return made


def parse(options: Mapping[str, Any]) -> CloudInit:
    """Return the checked form of the option ``cloud_init``; raise SpecError otherwise."""
    if not isinstance(options, Mapping):
        raise SpecError(f"{options!r} is not a mapping of {', '.join(OPTIONS)}")
    for name in ("user_data", "network_config"):
        if not isinstance(options.get(name), (type(None), str, dict, list)):
            raise SpecError(f"{name}: must be a mapping or text")
    user = options.get("user_data")
    if isinstance(user, str) and not user.startswith(("#", "Content-Type:", "MIME-Version:")):
        raise SpecError(
            "user_data: as text it must begin with a line that cloud-init knows, such as #cloud-config or #!/bin/sh; "
            "or give a mapping"
        )
    meta = options.get("meta_data")
    if not isinstance(meta, (type(None), dict)):
        raise SpecError("meta_data: must be a mapping")
    policy = options.get("policy") or "next_boot"
    if policy not in POLICIES:
        raise SpecError(f"policy: {policy!r} is not one of {', '.join(POLICIES)}")
    return CloudInit(user, meta, options.get("network_config"), policy)
