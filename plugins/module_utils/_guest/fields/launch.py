# Copyright: (c) 2026, the virtfleet.core contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A guest whose memory its host cannot read (libvirt, formatdomain: launch security)."""

from __future__ import annotations

import re
from typing import Any

from ... import _xml
from ..._errors import SpecError
from ..._table import QEMU, Field, Spec
from ..._types import YES_NO, Type, choice, counted, pattern
from ..._xml import Element
from .groups import NONE, device

_AT = "launchSecurity"
KINDS = ("sev", "s390-pv")


def _parse_policy(value: Any) -> int:
    text = str(value).strip().lower() if isinstance(value, (str, int)) and not isinstance(value, bool) else ""
    if not re.fullmatch(r"0x[0-9a-f]+|[0-9]+", text) or int(text, 0) > 0xFFFFFFFF:
        raise SpecError(f"{value!r} is not a policy of 32 bits such as 0x0003")
    return int(text, 0)


def _read_number(element: Element, attribute: str | None) -> int:
    return int((element.text or "0").strip(), 0)


def _write_policy(element: Element, attribute: str | None, value: int) -> None:
    element.text = f"0x{value:04x}"


POLICY = Type(_parse_policy, _read_number, _write_policy, lambda value: f"0x{value:04x}")
BLOB = pattern(r"[A-Za-z0-9+/=\s]+", "a text in base64")


def _set_type(root: Element, value: str) -> None:
    """Write the kind; what was said of another one is void."""
    if _xml.read(root, f"{_AT}/@type") != value:
        element = _xml.ensure(root, _AT)
        for child in list(element):
            element.remove(child)
        element.attrib.clear()
    _xml.write(root, f"{_AT}/@type", value)


ROWS = (
    device(
        "launch_security",
        _AT,
        (
            Field("type", (f"{_AT}/@type",), choice(*KINDS, NONE), setter=_set_type),
            Field("policy", (f"{_AT}/policy",), POLICY),
            Field("kernel_hashes", (f"{_AT}/@kernelHashes",), YES_NO),
            Field("cbitpos", (f"{_AT}/cbitpos",), counted(0, 63, "the position of a bit")),
            Field("reduced_phys_bits", (f"{_AT}/reducedPhysBits",), counted(0, 63, "a count of bits")),
            Field("session", (f"{_AT}/session",), BLOB),
            Field("dh_cert", (f"{_AT}/dhCert",), BLOB),
        ),
        "sev",
        drivers=QEMU,
    ),
)


def a_kind_has_its_words(spec: Spec) -> list[str]:
    value = spec.get("launch_security") or {}
    kind = value.get("type", "sev" if value else NONE)
    others = [name for name in value if name != "type"]
    if kind == "sev":
        return [] if "policy" in value else ["launch_security: policy is missing; type: sev needs one, such as 0x0003"]
    return [f"launch_security: {name} goes with type: sev only" for name in others]


RULES = (a_kind_has_its_words,)


def offered(capabilities: str) -> frozenset[str]:
    """Return the kinds that a host has, by the features that its domain capabilities list (libvirt, formatdomaincaps)."""
    if not capabilities:
        return frozenset()
    root = _xml.parse(capabilities)
    return frozenset(kind for kind in KINDS if _xml.read(root, f"features/{kind}/@supported") == "yes")
