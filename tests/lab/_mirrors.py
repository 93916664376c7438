# Copyright: (c) 2026, the virtfleet.core contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The way to a release's packages: this machine's own apt sources and settings."""

from __future__ import annotations

import os
import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from . import _apt
from ._run import LabError, run

# Debian releases that a machine can be, whatever this one is.
DEBIAN = ("bookworm", "trixie")
APT_LIST = Path("/etc/apt/sources.list")
APT_SOURCES = Path("/etc/apt/sources.list.d")
# Of apt's settings, those that decide whether a mirror is reached and believed.
APT_SETTING = re.compile(
    r"Acquire::(?:(?:https?|ftp)::(?:(?!proxy-auto-?detect)[^ ])*|Check-Valid-Until|Check-Date|Retries|ForceIPv[46]) ",
    re.IGNORECASE,
)


@dataclass(frozen=True)
class Sources:
    """One file of apt sources."""

    name: str
    text: str

    def keyrings(self) -> Iterator[Path]:
        """Yield the files with which the repositories are checked."""
        for found in re.finditer(r"signed-by\s*[:=]\s*([^\]\n]+)", self.text, re.IGNORECASE):
            yield from (Path(word) for word in found[1].replace(",", " ").split() if word.startswith("/"))


def own_suite() -> str:
    """Return the name of this machine's own release."""
    return _apt.os_release().get("VERSION_CODENAME", "")


def suites() -> list[str]:
    """List the releases that a machine can be."""
    return list(dict.fromkeys([*DEBIAN, own_suite()]))


def sources(suite: str) -> list[Sources]:
    """Return the apt sources of a release: this machine's, its own release's name replaced where it is another.

    A mirror that serves one release of Debian serves them all, and may be the only one in reach. Where this machine is
    no Debian, it is Debian's public one. Raises LabError for a release that is neither Debian's nor this machine's.
    """
    own = own_suite()
    if suite not in suites():
        raise LabError(f"a lab machine can't be {suite!r}; it can be {', '.join(suites())}")
    if suite == own or _apt.os_release().get("ID") == "debian":
        found = []
        for path in (APT_LIST, *sorted(APT_SOURCES.glob("*"))):
            listed = path.suffix in (".list", ".sources") and path.is_file()
            text = path.read_text(encoding="utf-8") if listed else ""
            # Not somebody else's packages for this release.
            if all(re.search(rf"\b(?:{words})\b", text) for words in (own, "main", "debian|ubuntu")):
                found.append(Sources(path.name, re.sub(rf"\b{own}\b", suite, text)))
        if found:
            return found
    signed = "[signed-by=/usr/share/keyrings/debian-archive-keyring.gpg]"
    mirror = "http://deb.debian.org"
    lines = [
        f"deb {signed} {mirror}/debian {suite} main",
        f"deb {signed} {mirror}/debian {suite}-updates main",
        f"deb {signed} {mirror}/debian-security {suite}-security main",
    ]
    return [Sources("lab.list", "\n".join(lines) + "\n")]


def apt_settings() -> list[str]:
    """Return this machine's settings of apt that a machine needs to reach the same mirrors, as lines of apt.conf."""
    lines = run(["apt-config", "dump"], what="read apt's settings").splitlines()
    found = [line for line in lines if APT_SETTING.match(line)]
    for scheme in ("http", "https"):
        proxy = os.environ.get(f"{scheme}_proxy", "")
        if proxy:
            found.append(f'Acquire::{scheme}::Proxy "{proxy}";')
    return found
