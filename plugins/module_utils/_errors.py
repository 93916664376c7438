# Copyright: (c) 2026, the virtfleet.core contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The errors of the collection, in one tree.

VirtError
├── SpecError     what the user wrote cannot be right; nothing was touched
├── NotFound      something that was named does not exist
├── Conflict      it exists, and in a way that forbids the change
├── Unsupported   this host, hypervisor or place cannot do it
├── Timeout       it did not come true within its time limit
└── HostError     libvirt, QEMU or a program on the host refused

Each message is a sentence that says what was attempted, on which object, what was said, and what to do.
Only ``_module`` turns them into a module's failure.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence

# More complaints than this tell nothing new.
_MOST = 25


class VirtError(Exception):
    """Base of all errors that are meant for the user's eyes."""


class SpecError(VirtError):
    """What the user wrote cannot be right; nothing was touched.

    ``problems`` holds every complaint found in one reading, each with the path of its option in front.
    """

    def __init__(self, problems: str | Iterable[str]) -> None:
        self.problems: tuple[str, ...] = (problems,) if isinstance(problems, str) else tuple(problems)
        super().__init__("; ".join(self.problems))


class NotFound(VirtError):
    """Something that was named does not exist."""


class Conflict(VirtError):
    """It exists, and in a way that forbids the change."""


class Unsupported(VirtError):
    """This host, hypervisor or place cannot do what was asked."""


class Timeout(VirtError):
    """It did not come true within its time limit."""


class HostError(VirtError):
    """Libvirt, QEMU or a program on the host refused."""


def bounded(problems: Sequence[str]) -> list[str]:
    """Return the first complaints, each once, and how many more there are."""
    every = list(dict.fromkeys(problems))
    return every if len(every) <= _MOST else [*every[:_MOST], f"and {len(every) - _MOST} more"]
