# Copyright: (c) 2026, the virtfleet.core contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The fake's secrets."""

from __future__ import annotations

import uuid
from collections.abc import Mapping
from xml.etree.ElementTree import Element

from ansible_collections.virtfleet.core.plugins.module_utils import _libvirt_read as read
from ansible_collections.virtfleet.core.plugins.module_utils._facts import SecretFacts

from .fake_base import Definition, FakeBase, Secret, mutating, parse, refuser


class FakeSecrets(FakeBase):
    """The part of the Hypervisor that is about secrets."""

    def secrets(self) -> Mapping[str, SecretFacts]:
        found = {}
        for secret in self.secret_records.values():
            usage_id = secret.usage_id or secret.uuid
            found[f"{secret.usage}/{usage_id}"] = SecretFacts(
                secret.uuid, secret.usage, usage_id, secret.definition.text
            )
        return found

    def secret_value(self, uuid: str) -> bytes | None:
        secret = self.secret_records.get(uuid)
        if secret is None or secret.definition.read().get("private") == "yes":
            return None
        return secret.value

    @mutating
    def define_secret(self, xml: str) -> None:
        refuse = refuser("define", "secret", read.secret_in(xml))
        root = parse(xml, "define", "secret")
        for name in ("ephemeral", "private"):
            root.set(name, root.get(name, "no"))
        if root.find("uuid") is None:
            root.insert(0, Element("uuid"))
            root[0].text = str(uuid.UUID(int=self.rng.getrandbits(128), version=4))
        own, node = root.findtext("uuid") or "", root.find("usage")
        usage = node.get("type", "none") if node is not None else "none"
        usage_id = (node[0].text or "") if node is not None and len(node) else ""
        if usage != "none" and not usage_id:
            raise refuse(1, f"internal error: {usage} usage specified, but {usage} path is missing")
        for other in self.secret_records.values():
            same = (other.usage, other.usage_id) == (usage, usage_id)
            if other.uuid != own and same and usage != "none":
                raise refuse(
                    1, f"internal error: a secret with UUID {other.uuid} already defined for use with {usage_id}"
                )
            if other.uuid == own and not same:
                raise refuse(
                    1, f"internal error: a secret with UUID {own} is already defined for use with {other.usage_id}"
                )
        known = self.secret_records.get(own)
        if known is not None and known.definition.read().get("private") == "yes" and root.get("private") == "no":
            raise refuse(1, "internal error: cannot change private flag on existing secret")
        value = known.value if known is not None else None
        self.secret_records[own] = Secret(own, usage, usage_id, Definition(root), value)

    @mutating
    def set_secret_value(self, uuid: str, value: bytes) -> None:
        self._secret(uuid).value = bytes(value)

    @mutating
    def undefine_secret(self, uuid: str) -> None:
        self.secret_records.pop(uuid, None)

    def restart(self) -> None:
        """Forget what a daemon forgets when it ends: ephemeral secrets."""
        for secret in list(self.secret_records.values()):
            if secret.definition.read().get("ephemeral") == "yes":
                del self.secret_records[secret.uuid]

    def _secret(self, uuid: str) -> Secret:
        secret = self.secret_records.get(uuid)
        if secret is None:
            message = f"Secret not found: no secret with matching uuid '{uuid}'"
            raise refuser("find", "secret", uuid)(66, message)
        return secret
