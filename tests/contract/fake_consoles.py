# Copyright: (c) 2026, the virtfleet.core contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The fake's consoles and screens: what a guest says is put in before, what is typed is kept."""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import contextmanager

from ansible_collections.virtfleet.core.plugins.module_utils._errors import Conflict, Unsupported

from .fake_base import FakeBase, Guest, not_found

# Two points, a red one and a green one.
PICTURE = b"P6\n2 1\n255\n\xff\0\0\0\xff\0"


class FakeConsole:
    """A console on which the guest says what it was told to, and then shows what is typed."""

    def __init__(self, guest: str, says: bytes, device: str | None, safe: bool) -> None:
        self.guest = guest
        self.device = device
        self.safe = safe
        self.typed: list[bytes] = []
        self.taken = False
        self._says = says

    def read(self, timeout: float) -> bytes:
        said, self._says = self._says, b""
        if not said and self.taken:
            raise Conflict("the console was closed (hung up): somebody else took it by force")
        if not said:
            # A real one would take as long.
            time.sleep(min(timeout, 0.05))
        return said

    def write(self, data: bytes) -> None:
        self.typed.append(data)
        self._says += data


class FakeConsoles(FakeBase):
    """The part of the Hypervisor that opens consoles and takes pictures."""

    def __init__(self, guests_boot: bool, seed: int) -> None:
        super().__init__(guests_boot, seed)
        self.console_says: dict[str, bytes] = {}
        # Guests whose console somebody has.
        self.consoles_taken: set[str] = set()
        self.consoles: list[FakeConsole] = []
        # The screens of each guest; those that are not named have one.
        self.screens: dict[str, list[bytes]] = {}

    @contextmanager
    def console(
        self, name: str, device: str | None = None, force: bool = False, safe: bool = False
    ) -> Iterator[FakeConsole]:
        self._running_guest(name)
        if name in self.consoles_taken and not force:
            raise Conflict(f"could not open the console of guest {name}: it is in use; take it with `force: true`")
        for other in self.consoles:
            other.taken = other.taken or other.guest == name
        self.consoles_taken.add(name)
        console = FakeConsole(name, self.console_says.get(name, b""), device, safe)
        self.consoles.append(console)
        try:
            yield console
        finally:
            self.consoles_taken.discard(name)

    def screenshot(self, name: str, screen: int = 0) -> tuple[str, bytes]:
        self._running_guest(name)
        screens = self.screens.get(name, [PICTURE])
        if screen >= len(screens):
            raise Unsupported(f"could not take a picture of guest {name}: it has no screen number {screen}")
        return "image/x-portable-pixmap", screens[screen]

    def _running_guest(self, name: str) -> Guest:
        guest = self.guest_records.get(name)
        if guest is None:
            raise not_found("guest", name)
        if guest.live is None:
            raise Conflict(f"could not reach guest {name}: it does not run; start the guest first")
        return guest
