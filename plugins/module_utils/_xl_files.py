# Copyright: (c) 2026, the virtfleet.core contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The configurations and guests of xl on this host."""

from __future__ import annotations

import glob
from collections.abc import Collection, Mapping
from pathlib import Path

from ._errors import HostError
from ._programs import Programs

AUTO = Path("/etc/xen/auto")
# More than any configuration has; a pattern may find other files.
_MOST = 1 << 20


def configs(patterns: Collection[str], auto: Path = AUTO) -> Mapping[str, tuple[str, bool]]:
    """Return the configurations by their real path, and whether each starts with the host: ``auto`` has or links it."""
    starting = {path.resolve() for path in auto.glob("*")} if auto.is_dir() else set()
    found: dict[str, tuple[str, bool]] = {}
    for pattern in patterns:
        for place in glob.glob(pattern):
            path = Path(place).resolve()
            try:
                if not path.is_file() or path.stat().st_size > _MOST:
                    continue
                text = path.read_text(encoding="utf-8")
            except (OSError, UnicodeDecodeError):
                continue
            # A folder of configurations holds xl.conf and the like too, which are of no guest.
            if "name" in text:
                found[str(path)] = (text, path in starting)
    return found


def listing(programs: Programs) -> str:
    """Return what ``xl list -l`` prints, nothing where there is no xl or it does not answer."""
    if programs.find("xl") is None:
        return ""
    done, output, _complaint = programs.attempt("list the guests of xl", ["xl", "list", "-l"])
    return output if done == 0 else ""


def xenstore(programs: Programs) -> str:
    """Return what ``xenstore-ls`` prints of the guests, nothing where there is none or it does not answer."""
    if programs.find("xenstore-ls") is None:
        return ""
    done, output, _complaint = programs.attempt("read xenstore", ["xenstore-ls", "-f", "/local/domain"])
    return output if done == 0 else ""


def dom0_gives(programs: Programs) -> bool:
    """Say whether dom0 gives of its memory to guests that start.

    Both xl and libvirt do so by default where Xen's command line has no ``dom0_mem`` (xl.conf, libxl.conf: autoballoon).
    Where nobody says what that line is, it may.
    """
    if programs.find("xl") is None:
        return True
    done, output, _complaint = programs.attempt("ask Xen for its command line", ["xl", "info"])
    line = next((text for text in output.splitlines() if text.startswith("xen_commandline")), "")
    return done != 0 or "dom0_mem=" not in line


def set_autostart(path: str, autostart: bool, auto: Path = AUTO) -> None:
    """Link a configuration into the folder of those that start with the host, or remove its links; a file there stays."""
    try:
        links = [link for link in auto.glob("*") if link.is_symlink() and str(link.resolve()) == str(Path(path).resolve())]
        if not autostart:
            for link in links:
                link.unlink()
        elif not links:
            auto.mkdir(mode=0o755, parents=True, exist_ok=True)
            (auto / Path(path).name).symlink_to(path)
    except OSError as error:
        raise HostError(f"could not change what starts with the host in {auto}: {error.strerror or error}") from error
