# Copyright: (c) 2026, the virtfleet.core contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""A Linux for 64-bit Arm: Debian's kernel and busybox, which say a line on the console and answer there.

    artefact = tiny_arm.build().into(host.folder)
    <kernel>{artefact.kernel}</kernel> <initrd>{artefact.initrd}</initrd> <cmdline>{tiny_arm.CMDLINE}</cmdline>

Typing `off` on the console powers it off; anything else is said again.
"""

from __future__ import annotations

import json
import shutil
import tempfile
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from . import _apt, _mirrors
from ._cache import cached, key_of, place, remembered
from ._run import LabError, Say, need, quiet, run

# The one for clouds: QEMU's board needs no more, and it is a third of the size.
KERNEL, SHELL = "linux-image-cloud-arm64", "busybox-static"
CMDLINE = "console=ttyAMA0 quiet panic=-1 mitigations=off cryptomgr.notests"
READY = "TINY-ARM-READY"
INIT = f"""\
#!/bin/busybox sh
busybox mount -t proc proc /proc
busybox mount -t devtmpfs dev /dev
exec < /dev/console > /dev/console 2>&1
echo "{READY} $(busybox uname -m)"
while read -r word; do
    [ "$word" = off ] && busybox poweroff -f
    echo "heard $word"
done
busybox poweroff -f
"""


@dataclass(frozen=True)
class Artefact:
    """Files of the guest. Only copies made by into() can be read by a host's QEMU."""

    folder: Path

    @property
    def kernel(self) -> Path:
        """The kernel, as packaged."""
        return self.folder / "vmlinuz"

    @property
    def initrd(self) -> Path:
        """The initramfs."""
        return self.folder / "initrd"

    def into(self, folder: Path) -> Artefact:
        """Copy the files below `folder` and return the copy."""
        return Artefact(place(self.folder, folder))


def build(say: Say = quiet) -> Artefact:
    """Return the guest's files from the cache, making them first if packages or sources changed."""
    found = remembered("tiny-arm-packages", _apt.state(), lambda: json.dumps(_resolve()))
    packages = [str(name) for name in json.loads(found)]

    def make(folder: Path) -> None:
        say(f"tiny guest for Arm: building from {', '.join(packages)}")
        with tempfile.TemporaryDirectory(prefix="virtfleet-arm-") as scratch:
            _make(folder, Path(scratch), packages)

    folder = cached("tiny-arm", key_of({"packages": " ".join(packages)}, [Path(__file__)]), make)
    say(f"tiny guest for Arm: {folder}")
    return Artefact(folder)


class _Apt:
    """An apt of its own for packages of another architecture: the machine's is left as it is."""

    def __init__(self, folder: Path) -> None:
        suite = _mirrors.own_suite() if _apt.os_release().get("ID") == "debian" else _mirrors.suites()[0]
        parts = folder / "sources.list.d"
        for path in (parts, folder / "lists/partial", folder / "cache/archives/partial"):
            path.mkdir(parents=True, exist_ok=True)
        for number, each in enumerate(_mirrors.sources(suite)):
            (parts / f"{number}-{each.name}").write_text(each.text, encoding="utf-8")
        settings = {
            "APT::Architecture": "arm64",
            "APT::Architectures": "arm64",
            "APT::Sandbox::User": "root",
            "Acquire::Languages": "none",
            "Dir::State::Lists": f"{folder}/lists",
            "Dir::State::status": "/dev/null",
            "Dir::Cache": f"{folder}/cache",
            "Dir::Etc::SourceList": "/dev/null",
            "Dir::Etc::SourceParts": str(parts),
        }
        self._words = [word for key, value in settings.items() for word in ("-o", f"{key}={value}")]

    def run(self, program: str, *words: str, what: str, cwd: Path | None = None) -> str:
        return run([program, *self._words, *words], what=what, cwd=cwd, timeout=900)

    def update(self) -> None:
        self.run("apt-get", "-q", "update", what="fetch the lists of packages for arm64")

    def field(self, package: str, name: str) -> str:
        text = self.run("apt-cache", "show", "--no-all-versions", package, what=f"ask apt about {package} of arm64")
        lines = text.split("\n\n")[0].splitlines()
        return next((line.partition(":")[2].strip() for line in lines if line.startswith(f"{name}:")), "")


def _resolve() -> list[str]:
    """Return the packages with their versions, as apt takes them."""
    with tempfile.TemporaryDirectory(prefix="virtfleet-arm-") as scratch:
        apt = _Apt(Path(scratch))
        apt.update()
        depends = _apt.depends({"Depends": apt.field(KERNEL, "Depends")})
        image = next((name for name in depends if name.startswith("linux-image-")), None)
        if image is None:
            raise LabError(f"apt knows no {KERNEL} for arm64; check whether the mirror has that architecture")
        return [f"{name}={apt.field(name, 'Version')}" for name in (image, SHELL)]


def _make(folder: Path, scratch: Path, packages: Sequence[str]) -> None:
    apt = _Apt(scratch / "apt")
    apt.update()
    apt.run("apt-get", "-q", "download", *packages, what=f"download {', '.join(packages)}", cwd=scratch)
    content = scratch / "content"
    for deb in sorted(scratch.glob("*.deb")):
        run(["dpkg", "-x", deb, content], what=f"unpack {deb.name}", timeout=300)
    image = next(iter(sorted(content.glob("boot/vmlinuz-*"))), None)
    shell = next(iter(sorted(content.glob("**/bin/busybox"))), None)
    if image is None or shell is None:
        raise LabError(f"{' and '.join(packages)} hold no kernel, or no busybox")
    shutil.copyfile(image, folder / "vmlinuz")
    root = scratch / "root"
    for name in ("bin", "proc", "dev"):
        (root / name).mkdir(parents=True)
    shutil.copyfile(shell, root / "bin/busybox")
    (root / "init").write_text(INIT, encoding="ascii")
    for name in ("bin/busybox", "init"):
        (root / name).chmod(0o755)
    names = sorted(str(path.relative_to(root)) for path in root.rglob("*"))
    run(
        [need("cpio"), "-o", "-H", "newc", "-R", "0:0", "--quiet", "-F", folder / "initrd"],
        what="pack the initramfs for Arm",
        cwd=root,
        stdin="\n".join(names) + "\n",
    )
    for path in folder.iterdir():
        path.chmod(0o644)
