# Copyright: (c) 2026, the virtfleet.core contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A machine with nothing installed and without systemd: a fresh root of this distribution in namespaces of its own.

It reaches the package mirrors through slirp4netns, sees the repository and this Python's environment, and is gone with
its first process.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import time
from collections.abc import Mapping
from pathlib import Path

from tests.lab._apt import os_release
from tests.lab._cache import cached, key_of
from tests.lab._run import LabError, run

HERE = Path(__file__).resolve()
ROOT = HERE.parents[2]
SETUP = HERE.with_name("bare_host.sh")


def fresh_root() -> Path:
    """Return a tar of a minimal root of this machine's distribution with Python; made once, in a minute or two."""
    codename = os_release().get("VERSION_CODENAME", "")
    lists = Path("/etc/apt")
    sources = [lists / "sources.list", *sorted((lists / "sources.list.d").glob("*"))]
    sources = [path for path in sources if path.suffix in (".list", ".sources") and _of(path, codename)]

    def make(folder: Path) -> None:
        words = ["mmdebstrap", "--variant=minbase", "--include=ca-certificates,netbase,python3"]
        words += ["--dpkgopt=force-unsafe-io", codename, str(folder / "root.tar"), *map(str, sources)]
        run(words, what=f"make a root of {codename}", timeout=1200)

    return cached("bare-root", key_of({"codename": codename}, [SETUP]), make) / "root.tar"


def _of(path: Path, codename: str) -> bool:
    """Tell whether a list of sources is of the distribution itself, not of somebody else's packages."""
    text = path.read_text() if path.is_file() else ""
    return codename in text and ("debian.org" in text or "ubuntu.com" in text)


class BareHost:
    """A fresh machine whose files lie in `folder`."""

    def __init__(self, folder: Path) -> None:
        self.root = folder / "root"
        self._processes: list[subprocess.Popen[bytes]] = []
        self._first = 0

    def up(self, tar: Path) -> None:
        """Unpack the root, start its first process and connect it."""
        self.root.mkdir()
        run(["tar", "-C", self.root, "-xf", tar], what="unpack a root", timeout=300)
        for name in ("/etc/pip.conf", "/etc/ssl/certs/ca-certificates.crt"):
            if Path(name).is_file():
                shutil.copyfile(name, self.root / name.lstrip("/"))
        (self.root / "etc/bare-host").touch()
        flags = ["--net", "--mount", "--uts", "--ipc", "--pid", "--fork", "--kill-child", "--propagation", "private"]
        binds = {str(ROOT), sys.prefix, sys.base_prefix, os.environ["ANSIBLE_COLLECTIONS_PATH"]} - {"/usr"}
        with (self.root.parent / "log").open("wb") as log:
            self._processes.append(subprocess.Popen(
                ["unshare", *flags, "bash", str(SETUP), str(self.root), *sorted(binds)],
                stdin=subprocess.DEVNULL, stdout=log, stderr=log,
            ))  # fmt: skip
            self._first = self._await_first()
            slirp = ["slirp4netns", "--configure", "--mtu=65520", "--disable-host-loopback", str(self._first), "tap0"]
            self._processes.append(subprocess.Popen(slirp, stdin=subprocess.DEVNULL, stdout=log, stderr=log))
        time.sleep(1)

    def _await_first(self) -> int:
        parent = self._processes[0]
        for _try in range(100):
            time.sleep(0.1)
            children = Path(f"/proc/{parent.pid}/task/{parent.pid}/children").read_text().split()
            # It is ready when it has made the new root its own.
            if children and Path(f"/proc/{children[0]}/root/etc/bare-host").exists():
                return int(children[0])
        raise LabError(f"the bare host did not come up: {(self.root.parent / 'log').read_text()[-500:]}")

    def run(
        self, *argv: str, env: Mapping[str, str] | None = None, timeout: float = 1200
    ) -> subprocess.CompletedProcess[str]:
        """Run a command inside and return what it said, errors with the rest."""
        words = {
            "HOME": "/root", "LC_ALL": "C.UTF-8", "PATH": "/usr/sbin:/usr/bin:/sbin:/bin", "TERM": "dumb",
            "SSL_CERT_FILE": "/etc/ssl/certs/ca-certificates.crt",
            # Where this machine gets Python packages from.
            **{key: value for key, value in os.environ.items() if key.startswith("PIP_")}, **(env or {}),
        }  # fmt: skip
        enter = ["nsenter", "-t", str(self._first), "-m", "-n", "-u", "-i", "-p", "-r", "-w", "env", "-i"]
        return subprocess.run(
            [*enter, *(f"{key}={value}" for key, value in words.items()), *argv],
            text=True, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, stdin=subprocess.DEVNULL, timeout=timeout,
            check=False,
        )  # fmt: skip

    def down(self) -> None:
        """End all that runs inside: it dies with the first process."""
        for process in reversed(self._processes):
            process.kill()
            process.wait(10)
        for _try in range(50):
            try:
                shutil.rmtree(self.root)
            except OSError:
                time.sleep(0.1)
            else:
                return
