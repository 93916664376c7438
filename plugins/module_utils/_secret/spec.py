# Copyright: (c) 2026, the virtfleet.core contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The user's words about one secret, checked as far as they can be without a host. No complaint holds a value."""

from __future__ import annotations

import base64
import binascii
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from .._change import HIDDEN
from .._errors import SpecError
from .._network.spec import choose, take
from .._table import Spec
from .._types import LINE, TEXT
from .table import USAGES

STATES = ("present", "absent")
POLICIES = ("always", "on_create")
DEFAULT_USAGE = "volume"


class Hidden(bytes):
    """Bytes that nobody sees by accident: their ``repr`` says nothing."""

    def __repr__(self) -> str:
        return HIDDEN

    __str__ = __repr__


@dataclass(frozen=True)
class SecretSpec:
    """One secret as wanted. ``values`` has the table's options; what was left out is not in it.

    libvirt knows it by what it is for, ``usage`` and ``usage_id``; the name is the user's word for it. ``estate`` is the
    document that owns it, from which its UUID is derived, as from the name.
    """

    name: str
    state: str = "present"
    usage: str = DEFAULT_USAGE
    usage_id: str = ""
    values: Spec = field(default_factory=dict)
    value: Hidden | None = None
    value_policy: str | None = None
    estate: str | None = None

    @property
    def key(self) -> str:
        """Return the key under which a Snapshot has it."""
        return f"{self.usage}/{self.usage_id}"


def parse(options: Mapping[str, Any]) -> SecretSpec:
    """Return the spec of a module's options; those that are None are left out. Raise SpecError with all complaints."""
    given = {option: value for option, value in options.items() if value is not None}
    problems: list[str] = []
    name = take(problems, "name", given.get("name"), _name)
    state = take(problems, "state", given.get("state", "present"), lambda value: choose(value, STATES))
    usage = take(problems, "usage", given.get("usage", DEFAULT_USAGE), lambda value: choose(value, tuple(USAGES)))
    usage_id = take(problems, "usage_id", given["usage_id"], _name) if "usage_id" in given else name
    values: Spec = {}
    if "description" in given:
        values["description"] = take(problems, "description", given["description"], TEXT.parse)
    values.update({flag: bool(given[flag]) for flag in ("ephemeral", "private") if flag in given})
    value = _value(problems, given)
    policy = given.get("value_policy")
    if policy is not None:
        take(problems, "value_policy", policy, lambda word: choose(word, POLICIES))
        if value is None and not any(option in given for option in ("value", "value_base64")):
            problems.append("value_policy: there is no value; give value or value_base64")
    if problems:
        raise SpecError(problems)
    return SecretSpec(name, state, usage, usage_id, values, value, policy)


def _name(value: Any) -> str:
    text = str(LINE.parse(value))
    if not text or len(text.encode()) > 200:
        raise SpecError(f"{text[:40]!r} cannot be a name: it has 1 to 200 bytes")
    return text


def _value(problems: list[str], given: Mapping[str, Any]) -> Hidden | None:
    if "value" in given and "value_base64" in given:
        problems.append("value_base64: is given beside value; leave one out")
    found = b""
    if "value" in given:
        try:
            found = str(given["value"]).encode()
        except UnicodeEncodeError:
            problems.append("value: holds what is no text; give it as value_base64")
            return None
    elif "value_base64" in given:
        try:
            found = base64.b64decode("".join(str(given["value_base64"]).split()), validate=True)
        except (binascii.Error, ValueError):
            problems.append("value_base64: is not base64")
            return None
    else:
        return None
    if not found:
        problems.append(f"{'value' if 'value' in given else 'value_base64'}: is empty, which libvirt does not take")
    return Hidden(found)
