# Copyright: (c) 2026, the virtfleet.core contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What the connections into a guest share: opening and closing, files, and Ansible's kinds of errors."""
from __future__ import annotations

from abc import abstractmethod
from contextlib import ExitStack
from pathlib import Path
from typing import Any, BinaryIO, Protocol

from ansible.errors import AnsibleConnectionFailure, AnsibleError, AnsibleFileNotFound
from ansible.module_utils.common.text.converters import to_text
from ansible.plugins.connection import ConnectionBase
from ansible.utils.display import Display

from ansible_collections.virtfleet.core.plugins.module_utils._errors import HostError, SpecError, VirtError
from ansible_collections.virtfleet.core.plugins.module_utils._units import parse_duration
from ansible_collections.virtfleet.core.plugins.plugin_utils._agent import CommandTimeout, Done, NoSuchFile

display = Display()


class Inside(Protocol):
    """A way into a guest that is open."""

    def run(self, command: str, stdin: bytes | None, timeout: float) -> Done:
        """Run a command line; 0 is no time limit."""

    def put(self, source: BinaryIO, path: str) -> int:
        """Write a file of the guest and return its size."""

    def fetch(self, path: str, target: BinaryIO) -> int:
        """Copy a file of the guest and return its size."""


class GuestConnection(ConnectionBase):
    """One guest, reached in a way that needs no network. The options ``guest``, ``uri`` and ``command_timeout`` are given."""

    has_pipelining = True
    # The way, in a word.
    way = ""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self._connected = False
        # What is open, to be closed in the reverse order.
        self._open = ExitStack()
        self._inside: Inside | None = None

    @abstractmethod
    def _reach(self, guest: str, uri: str) -> Inside:
        """Open the way into the guest; what has to be closed goes to ``_open``."""

    def _connect(self) -> GuestConnection:
        """Reach the guest, unless that was done."""
        if self._connected:
            return self
        guest, uri = self.get_option("guest"), self.get_option("uri")
        display.vvv(f"reach {guest} by its {self.way} over {uri}", host=guest)
        try:
            self._inside = self._reach(guest, uri)
        except SpecError as error:
            self.close()
            raise AnsibleError(str(error)) from None
        except VirtError as error:
            self.close()
            raise AnsibleConnectionFailure(str(error)) from None
        except BaseException:
            self.close()
            raise
        self._connected = True
        return self

    def exec_command(self, cmd: str, in_data: bytes | None = None, sudoable: bool = True) -> tuple[int, bytes, bytes]:
        """Run a command line in the guest; return its exit code, output and error output."""
        super().exec_command(cmd, in_data=in_data, sudoable=sudoable)
        display.vvv(f"run {cmd}", host=self.get_option("guest"))
        try:
            limit = parse_duration(self.get_option("command_timeout"))
            done = self._reached().run(to_text(cmd, errors="surrogate_or_strict"), in_data, limit)
        except VirtError as error:
            raise _told(error) from None
        return done.rc, done.stdout, done.stderr

    def put_file(self, in_path: str, out_path: str) -> None:
        """Copy a file of the controller into the guest."""
        super().put_file(in_path, out_path)
        display.vvv(f"put {in_path} to {out_path}", host=self.get_option("guest"))
        source = Path(to_text(in_path, errors="surrogate_or_strict"))
        if not source.is_file():
            raise AnsibleFileNotFound(f"could not copy {source} into the guest: there is no such file here")
        try:
            with source.open("rb") as stream:
                self._reached().put(stream, to_text(out_path, errors="surrogate_or_strict"))
        except VirtError as error:
            raise _told(error) from None

    def fetch_file(self, in_path: str, out_path: str) -> None:
        """Copy a file of the guest to the controller."""
        super().fetch_file(in_path, out_path)
        display.vvv(f"fetch {in_path} to {out_path}", host=self.get_option("guest"))
        try:
            with Path(to_text(out_path, errors="surrogate_or_strict")).open("wb") as stream:
                self._reached().fetch(to_text(in_path, errors="surrogate_or_strict"), stream)
        except VirtError as error:
            raise _told(error) from None

    def _reached(self) -> Inside:
        if self._inside is None:
            raise AnsibleConnectionFailure(f"the connection to the guest's {self.way} is closed")
        return self._inside

    def reset(self) -> None:
        """Connect anew, as after a reboot of the guest."""
        self.close()
        self._connect()

    def close(self) -> None:
        """Close the way, and let go of libvirt."""
        self._inside, self._connected = None, False
        stack, self._open = self._open, ExitStack()
        stack.close()


# Ansible prints an error's cause behind it, and a VirtError says all there is: hence `from None` above.
def _told(error: VirtError) -> AnsibleError:
    """Return Ansible's kind of error: a guest that cannot be reached is not a task that failed."""
    if isinstance(error, (CommandTimeout, NoSuchFile, HostError, SpecError)):
        return AnsibleError(str(error))
    return AnsibleConnectionFailure(str(error))
