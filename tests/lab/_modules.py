# Copyright: (c) 2026, the virtfleet.core contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Kernel modules: what each needs, taken from depmod's own answer."""

from __future__ import annotations

import lzma
import shutil
import struct
import subprocess
from collections.abc import Iterable
from pathlib import Path

from ._run import LabError, need, run

SIGNATURE_MARK = b"~Module signature appended~\n"
SIGNATURE_INFO = 12


class Modules:
    """The modules of one kernel release, unpacked below `tree`."""

    def __init__(self, tree: Path, release: str) -> None:
        self._release = release
        merged = tree / "usr/lib/modules" / release
        self._folder = merged if merged.is_dir() else tree / "lib/modules" / release
        if not self._folder.is_dir():
            raise LabError(f"the kernel packages hold no modules for {release}")
        # depmod looks in BASE/lib/modules alone.
        if merged.is_dir() and not (tree / "lib").exists():
            (tree / "lib").symlink_to("usr/lib")
        run([need("depmod"), "-b", tree, release], what=f"find out the dependencies of {release}'s modules")
        self._depends: dict[str, list[str]] = {}
        for line in (self._folder / "modules.dep").read_text().splitlines():
            name, _colon, rest = line.partition(":")
            self._depends[name] = rest.split()
        self._by_name = {_name(path): path for path in self._depends}
        builtin = (self._folder / "modules.builtin").read_text().split()
        self._builtin = {_name(path) for path in builtin}

    def install(self, names: Iterable[str], root: Path) -> None:
        """Put modules with all they need into `root`, uncompressed, so that a busybox modprobe can load them.

        Names that this kernel has built in, or hasn't at all, are passed over.
        """
        target = root / "lib/modules" / self._release
        (target / "kernel").mkdir(parents=True)
        wanted: dict[str, None] = {}
        for name in names:
            path = self._by_name.get(name.replace("-", "_"))
            if path is not None:
                wanted.update(dict.fromkeys([*self._depends[path], path]))
        lines = []
        for path in wanted:
            self._copy(self._folder / path, target / "kernel" / _file(path))
            needs = " ".join(f"kernel/{_file(other)}" for other in self._depends[path])
            lines.append(f"kernel/{_file(path)}: {needs}".rstrip())
        (target / "modules.dep").write_text("\n".join(lines) + "\n")
        for name in ("modules.alias", "modules.symbols"):
            (target / name).write_text("")
        shutil.copyfile(self._folder / "modules.builtin", target / "modules.builtin")

    def missing(self, names: Iterable[str]) -> list[str]:
        """Return those names that this kernel has neither as a module nor built in."""
        return [name for name in names if name not in self._by_name and name not in self._builtin]

    @staticmethod
    def _copy(source: Path, target: Path) -> None:
        data = source.read_bytes()
        if source.suffix == ".xz":
            data = lzma.decompress(data)
        elif source.suffix == ".zst":
            done = subprocess.run([need("zstd"), "-dcq"], input=data, capture_output=True, check=False)
            if done.returncode:
                raise LabError(f"could not decompress {source}: {done.stderr.decode(errors='replace').strip()}")
            data = done.stdout
        target.write_bytes(lightened(data))


def lightened(module: bytes) -> bytes:
    """Return a module that loads sooner under emulation: no signature to verify, no type data to parse.

    The signature is appended behind a fixed mark, its length in the four bytes before (Linux: scripts/sign-file.c).
    The type data goes unnoticed once its section is named otherwise.
    """
    if module.endswith(SIGNATURE_MARK):
        end = len(module) - len(SIGNATURE_MARK)
        length = struct.unpack_from(">I", module, end - 4)[0]
        module = module[: end - SIGNATURE_INFO - length]
    return module.replace(b"\0.BTF\0", b"\0.XXX\0")


def _name(path: str) -> str:
    return _file(path).removesuffix(".ko").replace("-", "_")


def _file(path: str) -> str:
    name = path.rsplit("/", 1)[-1]
    for end in (".xz", ".zst", ".gz"):
        name = name.removesuffix(end)
    return name
