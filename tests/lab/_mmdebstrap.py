# Copyright: (c) 2026, the virtfleet.core contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Systems installed from a release's packages, natively, by mmdebstrap and from this machine's own mirrors."""

from __future__ import annotations

import tempfile
from collections.abc import Sequence
from pathlib import Path

from ._mirrors import apt_settings, sources
from ._run import need, run

_OWN_DEV = Path(__file__).parent / "inside" / "own-dev.sh"
# What belongs in the key of all that is made with this.
SOURCES = (Path(__file__), _OWN_DEV)
# Nobody reads them in the lab.
UNREAD = tuple(f"/usr/share/{name}/*" for name in ("doc", "locale", "man"))
APT_CONF = "etc/apt/apt.conf.d/99mmdebstrap"


def install(
    suite: str, target: Path, packages: Sequence[str], *, what: str, options: Sequence[str] = (), without: Sequence[str] = UNREAD
) -> None:
    """Install a release with `packages`, and what those depend on, into the folder or archive `target`.

    `options` are further ones of mmdebstrap, `without` are patterns of paths that are left out. The sources are left in
    it, and apt's settings as APT_CONF. Needs root. Raises LabError with the end of mmdebstrap's words.
    """
    with tempfile.TemporaryDirectory(prefix="sources-", dir=target.parent) as folder:
        lists = []
        for number, each in enumerate(sources(suite)):
            lists.append(Path(folder) / f"{number}-{each.name}")
            lists[-1].write_text(each.text, encoding="utf-8")
        argv: list[str | Path] = [
            *(need("unshare"), "--mount", "--propagation=private", "sh", str(_OWN_DEV)),
            *(need("mmdebstrap"), "--variant=minbase", "--mode=root", "--quiet"),
            *(f"--aptopt={line}" for line in apt_settings()),
            '--aptopt=Acquire::Languages "none"',
            "--dpkgopt=force-unsafe-io",
            *(f"--dpkgopt=path-exclude={pattern}" for pattern in without),
            f"--include={','.join(packages)}",
            *options,
            suite,
            target,
            *lists,
        ]
        run(argv, what=what, timeout=3600)


def small_initramfs(folder: Path, drivers: Sequence[str], compress: str, more: str = "") -> str:
    """Return the option by which an initramfs is made once, with these drivers only; `more` is for the shell there too.

    One with most modules takes long to read under emulation. The root is "$1", and no kernel has come yet.
    """
    hook = folder / "before-packages"
    hook.write_text(
        "#!/bin/sh\nset -e\n"
        'mkdir -p "$1/etc/initramfs-tools/conf.d"\n'
        f"printf '%s\\n' {' '.join(drivers)} >> \"$1/etc/initramfs-tools/modules\"\n"
        # The last name holds: xen-tools would have all modules there are.
        f"printf 'MODULES=list\\nCOMPRESS={compress}\\n' > \"$1/etc/initramfs-tools/conf.d/zz-lab\"\n{more}",
        encoding="utf-8",
    )
    hook.chmod(0o755)
    return f"--essential-hook={hook}"
