# Copyright: (c) 2026, the virtfleet.core contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Run the host's programs: found on PATH and in the sbin directories, in the C locale, never through a shell."""
from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

from ansible.module_utils.common.process import get_bin_path

from ._errors import HostError

RunCommand = Callable[..., "tuple[int, str, str]"]

# Program → the package of Debian and Ubuntu that holds it.
_PACKAGES = {
    "qemu-img": "qemu-utils",
    "sfdisk": "fdisk",
    **dict.fromkeys(("mke2fs", "dumpe2fs", "debugfs"), "e2fsprogs"),
    "mkfs.vfat": "dosfstools",
    **dict.fromkeys(("mmd", "mcopy"), "mtools"),
    **dict.fromkeys(("unshare", "setpriv", "mkswap", "fallocate"), "util-linux"),
    "gpgv": "gpgv",
    "apt-get": "apt",
    "dpkg-deb": "dpkg",
}


class Programs:
    """The programs of this host. ``run_command`` is AnsibleModule's, or a function that takes the same arguments."""

    def __init__(self, run_command: RunCommand) -> None:
        self._run_command = run_command
        self._paths: dict[str, str | None] = {}

    def find(self, name: str) -> str | None:
        """Return a program's absolute path, or None where the host does not have it."""
        if name not in self._paths:
            try:
                self._paths[name] = get_bin_path(name, opt_dirs=["/usr/sbin", "/sbin", "/usr/local/sbin"])
            except ValueError:
                self._paths[name] = None
        return self._paths[name]

    def need(self, says: str, names: Sequence[str]) -> None:
        """Raise HostError that names all packages of which a program is missing, before the first one is run."""
        lost = [name for name in names if self.find(name) is None]
        if lost:
            packages = " ".join(dict.fromkeys(_PACKAGES.get(name, name) for name in lost))
            raise HostError(
                f"could not {says}: this host has no {', '.join(lost)}; install {packages} (packages of Debian and Ubuntu)"
            )

    def run(self, says: str, argv: Sequence[str], environment: Mapping[str, str] | None = None) -> str:
        """Run a program and return what it printed; raise HostError "could not <says>: ..." when it fails."""
        done, output, complaint = self.attempt(says, argv, environment)
        if done != 0:
            raise HostError(f"could not {says}: {complaint}")
        return output

    def attempt(
        self,
        says: str,
        argv: Sequence[str],
        environment: Mapping[str, str] | None = None,
        handles: Sequence[int] = (),
    ) -> tuple[int, str, str]:
        """Run a program; return its code, what it printed, and its complaint in one line.

        ``handles`` are open files that it has as ``/dev/fd/N`` too.
        """
        program = self.find(argv[0])
        if program is None:
            package = _PACKAGES.get(argv[0], argv[0])
            raise HostError(
                f"could not {says}: this host has no {argv[0]}; install the package {package} (Debian, Ubuntu)"
            )
        options: dict[str, Any] = {
            "environ_update": {"LC_ALL": "C", "LANGUAGE": "C", **(environment or {})},
            # Left on, a `$` or `~` in a file's name would be expanded.
            "expand_user_and_vars": False,
        }
        if handles:
            options["pass_fds"] = tuple(handles)
        code, output, errors = self._run_command([program, *argv[1:]], **options)
        lines = [line.strip() for line in (errors or output).splitlines() if line.strip()]
        complaint = "; ".join(line.removeprefix(f"{argv[0]}: ") for line in lines[-3:])
        return code, output, complaint or f"{argv[0]} ended with code {code}"
