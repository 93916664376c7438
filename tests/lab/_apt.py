# Copyright: (c) 2026, the virtfleet.core contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What the lab asks of apt: which version would come, and its files, without installing anything."""

from __future__ import annotations

import json
import os
import re
from collections.abc import Iterable
from pathlib import Path

from ._run import LabError, run

OS_RELEASE = Path("/etc/os-release")


def os_release() -> dict[str, str]:
    """Return the keys of /etc/os-release."""
    found = {}
    for line in OS_RELEASE.read_text(encoding="utf-8").splitlines():
        key, equals, value = line.partition("=")
        if equals:
            found[key] = value.strip().strip('"')
    return found


def state() -> str:
    """Return a text that changes whenever apt's lists, its sources or the installed packages do."""
    places = ("/var/lib/apt/lists", "/var/lib/dpkg/status", "/etc/apt/sources.list", "/etc/apt/sources.list.d")
    found = []
    for place in places:
        try:
            found.append(os.stat(place).st_mtime_ns)
        except OSError:
            found.append(0)
    return json.dumps(found)


def candidate(package: str) -> dict[str, str]:
    """Return the control fields of the version that apt would install; empty when apt doesn't know the package."""
    try:
        text = run(["apt-cache", "show", "--no-all-versions", package], what=f"ask apt about {package}")
    except LabError:
        return {}
    fields: dict[str, str] = {}
    for line in text.split("\n\n")[0].splitlines():
        key, colon, value = line.partition(":")
        if colon and not line.startswith(" "):
            fields[key] = value.strip()
    return fields


def depends(fields: dict[str, str]) -> list[str]:
    """List the names that a package depends on, without versions and alternatives."""
    words = re.split(r"[,|]", fields.get("Depends", "") + "," + fields.get("Pre-Depends", ""))
    return [word.split("(")[0].split(":")[0].strip() for word in words if word.strip()]


def installed_version(package: str) -> str:
    """Return the version of an installed package, or an empty text."""
    try:
        text = run(["dpkg-query", "-W", "-f", "${db:Status-Status} ${Version}", package], what=f"look for {package}")
    except LabError:
        return ""
    status, _space, version = text.partition(" ")
    return version if status == "installed" else ""


def refresh() -> None:
    """Fetch apt's lists."""
    run(["apt-get", "-q", "update"], what="fetch apt's package lists", timeout=600)


def unpack(packages: Iterable[str], folder: Path) -> None:
    """Download packages and unpack their files into `folder`, installing nothing."""
    debs = folder.with_name(folder.name + ".debs")
    debs.mkdir(parents=True)
    names = list(packages)
    # apt's own user can't enter a private cache folder, and there is nothing to protect from it here.
    argv = ["apt-get", "-q", "-o", "APT::Sandbox::User=root", "download", *names]
    run(argv, what=f"download {', '.join(names)}", cwd=debs, timeout=900)
    folder.mkdir(parents=True, exist_ok=True)
    for deb in sorted(debs.glob("*.deb")):
        run(["dpkg", "-x", deb, folder], what=f"unpack {deb.name}", timeout=300)
