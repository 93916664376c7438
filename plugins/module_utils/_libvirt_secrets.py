# Copyright: (c) 2026, the virtfleet.core contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Secrets over libvirt. Their values are in no trace and in no message: only names and UUIDs are."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from . import _libvirt_errors as errors
from . import _libvirt_read as read
from ._facts import SecretFacts
from ._libvirt_base import Base
from ._libvirt_calls import code_of, gone

# virSecretUsageType
_USAGES = ("none", "volume", "ceph", "iscsi", "tls", "vtpm")


class Secrets(Base):
    """The part of the Hypervisor that is about secrets."""

    def secrets(self) -> Mapping[str, SecretFacts]:
        result = {}
        for secret in self._list("secret", 0):
            uuid, number = secret.UUIDString(), secret.usageType()
            usage = _USAGES[number] if number < len(_USAGES) else f"type-{number}"
            usage_id = secret.usageID() or uuid
            xml = self._xml(secret, "secret", uuid, 0)
            if xml is not None:
                result[f"{usage}/{usage_id}"] = SecretFacts(uuid, usage, usage_id, xml)
        return result

    def secret_value(self, uuid: str) -> bytes | None:
        def already(error: Any) -> bool:
            return gone(error) or code_of(error) in errors.NO_VALUE

        secret = self._secret(uuid, missing_is_fine=True)
        if secret is None:
            return None
        found: bytes | None = self._call("read", "secret", uuid, secret.value, 0, already=already)
        return found

    def define_secret(self, xml: str) -> None:
        self._call("define", "secret", read.secret_in(xml), self._connection.secretDefineXML, xml, 0)

    def set_secret_value(self, uuid: str, value: bytes) -> None:
        self._call("set the value of", "secret", uuid, self._secret(uuid).setValue, bytes(value), 0)

    def undefine_secret(self, uuid: str) -> None:
        secret = self._secret(uuid, missing_is_fine=True)
        if secret is not None:
            self._call("undefine", "secret", uuid, secret.undefine, already=gone)

    def _secret(self, uuid: str, missing_is_fine: bool = False) -> Any:
        return self._find("secret", uuid, self._connection.secretLookupByUUIDString, missing_is_fine)
