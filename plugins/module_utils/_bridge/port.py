# Copyright: (c) 2026, the virtfleet.core contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What of a host the module host_bridge needs, whatever manages its network."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Protocol

from .change import NetworkChange, Record
from .values import FileState, Kernel, Native, Present


class NetworkHost(Protocol):
    """A host's network. Each method raises HostError, or what it names."""

    def kernel(self) -> Kernel:
        """Return links, addresses and routes."""

    def record(self, name: str) -> Record | None:
        """Return what a bridge of ours was made of."""

    def managed(self, link: str) -> Native:
        """Return who manages a link, and how; raise Unsupported where nobody does, Conflict where two do."""

    def present(self, native: Native) -> Present:
        """Return the files that a manager has now."""

    def file(self, path: str) -> FileState | None:
        """Return a file."""

    def nameservers(self, native: Native, link: str) -> tuple[str, ...]:
        """Return the name servers that came with a link's lease."""

    def identity(self, native: Native, link: str) -> int | None:
        """Return what networkd tells a DHCP server besides the host's own identity."""

    def ipv6(self, link: str) -> Mapping[str, str]:
        """Return the kernel's switches of a link's IPv6 that managers turn."""

    def resolver_is_a_file(self) -> bool:
        """Tell whether /etc/resolv.conf is a plain file that no program keeps."""

    def check(self, native: Native, files: Mapping[str, FileState | None]) -> None:
        """Have the manager read files that are not in place yet; raise HostError with what it says of them."""

    def answers(self, family: int, gateway: str, dev: str) -> bool:
        """Tell whether a gateway answers on the wire."""

    def unfinished(self) -> str | None:
        """Return the name of a bridge whose change was left behind; raise Conflict where one is under way."""

    def finish(self, name: str) -> Mapping[str, Any]:
        """Take back a change that was left unfinished, and return its outcome."""

    def start(self, change: NetworkChange, kernel: Kernel, timeout_s: float) -> str:
        """Give a change to the guard and return the token by which it is known."""
