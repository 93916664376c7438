# Copyright: (c) 2026, the virtfleet.core contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What the parts of the hypervisor share: a connection, finding things on it, small questions about them."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import AbstractContextManager, nullcontext
from typing import Any

from ._libvirt_calls import Calls, gone, unsupported


class Base:
    """A connection. ``library`` and ``qemu_library`` are libvirt's modules, which only ``_libvirt`` imports."""

    def __init__(
        self, library: Any, qemu_library: Any, connection: Any, uri: str, readonly: bool, calls: Calls
    ) -> None:
        self._lib = library
        self._qemu = qemu_library
        self._connection = connection
        self._uri = uri
        self._readonly = readonly
        self._call = calls
        self._driver = ""

    def _listening(self) -> AbstractContextManager[None]:
        """Return what has events delivered at once while it lasts."""
        return nullcontext()

    def _writing(self) -> AbstractContextManager[Any]:
        """Return a connection that may write, this one if it does: for what libvirt calls writing, though it only reads."""
        return nullcontext(self._connection)

    # finding

    def _guest(self, name: str, missing_is_fine: bool = False) -> Any:
        return self._find("guest", name, self._connection.lookupByName, missing_is_fine)

    def _network(self, name: str, missing_is_fine: bool = False) -> Any:
        return self._find("network", name, self._connection.networkLookupByName, missing_is_fine)

    def _pool(self, name: str, missing_is_fine: bool = False) -> Any:
        return self._find("pool", name, self._connection.storagePoolLookupByName, missing_is_fine)

    def _volume(self, pool: str, name: str, missing_is_fine: bool = False) -> Any:
        handle = self._pool(pool, missing_is_fine)
        if handle is None:
            return None
        already = gone if missing_is_fine else None
        return self._call("find", "volume", f"{pool}/{name}", handle.storageVolLookupByName, name, already=already)

    def _find(self, kind: str, name: str, lookup: Callable[[str], Any], missing_is_fine: bool) -> Any:
        return self._call("find", kind, name, lookup, name, already=gone if missing_is_fine else None)

    def _list(self, kind: str, flags: int) -> list[Any]:
        """List all of a kind; nothing where the driver has none (embed has guests only)."""
        function = {
            "guest": self._connection.listAllDomains,
            "network": self._connection.listAllNetworks,
            "pool": self._connection.listAllStoragePools,
            "nwfilter": self._connection.listAllNWFilters,
            "secret": self._connection.listAllSecrets,
        }[kind]
        found = self._call("list", kind + "s", "of " + self._uri, function, flags, already=unsupported)
        return found or []

    # small questions

    def _type(self) -> str:
        if not self._driver:
            self._driver = self._call("read", "hypervisor", self._uri, self._connection.getType).lower()
        return self._driver

    def _xml(self, handle: Any, kind: str, name: str, flags: int) -> str | None:
        """Return an object's XML, None when it vanished since it was listed."""
        unknown = False

        def already(error: Any) -> bool:
            nonlocal unknown
            unknown = flags != 0 and "unsupported flags" in str(error)
            return unknown or gone(error)

        result: str | None = self._call("read", kind, name, handle.XMLDesc, flags, already=already)
        if unknown:  # the test driver knows one definition of networks and pools only
            result = self._call("read", kind, name, handle.XMLDesc, 0, already=gone)
        return result

    def _live_xml(self, domain: Any, name: str) -> str:
        return self._xml(domain, "guest", name, 0) or "<domain/>"

    def _active(self, handle: Any) -> bool:
        return bool(self._call("look at", "object", handle.name(), handle.isActive, already=gone))

    def _saved(self, domain: Any) -> bool:
        return bool(self._call("look at", "guest", domain.name(), domain.hasManagedSaveImage, 0, already=gone))

    def _state(self, domain: Any) -> int:
        found = self._call("look at", "guest", domain.name(), domain.state, 0, already=gone)
        return int(found[0]) if found else self._lib.VIR_DOMAIN_SHUTOFF

    def _state_word(self, domain: Any) -> str:
        """Return the state as GuestFacts has it. Xen calls an idle guest blocked or gives no state at all."""
        return {
            self._lib.VIR_DOMAIN_PAUSED: "paused",
            self._lib.VIR_DOMAIN_PMSUSPENDED: "paused",
            self._lib.VIR_DOMAIN_SHUTOFF: "stopped",
            self._lib.VIR_DOMAIN_CRASHED: "crashed",
        }.get(self._state(domain), "running")
