# Copyright: (c) 2026, the virtfleet.core contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What is reached by ssh, as other people's machines are: the way in, and what Ansible is told of it."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from . import _ssh
from ._place import Place

BYTECODE = Path(__file__).with_name("inside") / "bytecode/sitecustomize.py"
PACKAGES = "usr/lib/python3/dist-packages"


def bytecode() -> Mapping[str, str]:
    """Return the files, by path, with which the system's Python keeps the compiled form of Ansible's modules."""
    return {
        f"{PACKAGES}/virtfleet_lab_bytecode.py": BYTECODE.read_text(),
        f"{PACKAGES}/virtfleet-lab.pth": "import virtfleet_lab_bytecode\n",
    }


class Reached(Place):
    """A place with an sshd, whose own files of ssh are in its folder."""

    @property
    def ssh_config(self) -> Path:
        """A configuration for ssh in which its name leads to it as root, without a question."""
        return self.home / _ssh.CONFIG

    @property
    def ssh_key(self) -> Path:
        """The private key that lets root and the user `debian` in."""
        return self.home / _ssh.KEY

    def ssh(self, *command: str, user: str = "root") -> list[str]:
        """Return the words of an ssh command to it, from this side."""
        return _ssh.words(self.home, self.name, *command, user=user)

    def inventory(self, user: str = "root") -> dict[str, Any]:
        """Return the variables with which Ansible on this side reaches it; `debian` must become root."""
        return {
            "ansible_host": self.name,
            "ansible_connection": "ssh",
            "ansible_user": user,
            "ansible_ssh_common_args": f"-F {self.ssh_config}",
            "ansible_python_interpreter": "/usr/bin/python3",
        }

    @property
    def prefix(self) -> list[str]:
        """The words to put before a command so that it runs inside, as root, with a fresh environment."""
        return self._enter(None, {})
