# Copyright: (c) 2026, the virtfleet.core contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What a bare machine takes over from the machine that it runs on: the way to the mirrors, and packages fetched before.

Sources, proxies, their passwords and certificates are found when a machine is made, and copied into it alone.
"""

from __future__ import annotations

import os
import shutil
from collections.abc import Mapping
from pathlib import Path

from ._cache import cache_folder
from ._mirrors import APT_SOURCES, apt_settings, sources

BUNDLE = Path("/etc/ssl/certs/ca-certificates.crt")
COPIED = (
    Path("/etc/pip.conf"),
    Path("/etc/apt/auth.conf"),
    Path("/etc/apt/auth.conf.d"),
    Path("/usr/local/share/ca-certificates"),
)
PROXIES = ("http_proxy", "https_proxy", "ftp_proxy", "no_proxy")


def fit_out(upper: Path, lower: Path, suite: str, files: Mapping[str, tuple[str, int]]) -> None:
    """Fill the upper layer of a machine's disk: `files` by path with text and mode, and what its mirrors want.

    A folder of the upper layer hides the mode and owner of the one below, so it gets the same.
    """

    def place(path: str | Path) -> Path:
        target = upper / Path(path).relative_to("/" if str(path).startswith("/") else ".")
        for folder in reversed(target.relative_to(upper).parents[:-1]):
            below, above = lower / folder, upper / folder
            if not above.exists():
                above.mkdir()
                if below.exists():
                    shutil.copystat(below, above)
                    shutil.chown(above, below.stat().st_uid, below.stat().st_gid)
        return target

    def write(path: str | Path, text: str, mode: int = 0o644) -> None:
        target = place(path)
        target.write_text(text, encoding="utf-8")
        target.chmod(mode)
        shutil.chown(target, target.parent.stat().st_uid, target.parent.stat().st_gid)

    for path, (text, mode) in files.items():
        write(path, text, mode)
    for each in sources(suite):
        write(APT_SOURCES / (each.name if each.name != "sources.list" else "lab.list"), each.text)
        for keyring in each.keyrings():
            if keyring.is_file() and not (lower / keyring.relative_to("/")).exists():
                shutil.copyfile(keyring, place(keyring))
    settings = ['Acquire::Languages "none";', 'Binary::apt::APT::Keep-Downloaded-Packages "true";', *apt_settings()]
    write("etc/apt/apt.conf.d/90lab", "".join(f"{line}\n" for line in settings))

    for found in COPIED:
        if found.is_dir():
            shutil.copytree(found, place(found), dirs_exist_ok=True)
        elif found.is_file():
            shutil.copy2(found, place(found))
    certificates = bundle()
    if certificates is not None:
        shutil.copyfile(certificates, place(BUNDLE))
    write("etc/environment", "".join(f"{name}={value}\n" for name, value in proxies().items()))


def bundle() -> Path | None:
    """Return the file of the certificates that this machine believes, if it has one."""
    found = [Path(name) for name in (os.environ.get("SSL_CERT_FILE"), BUNDLE) if name]
    return next((path for path in found if path.is_file()), None)


def proxies() -> dict[str, str]:
    """Return the proxies that this machine goes through, by the variables that say so."""
    return {name: os.environ[name] for name in PROXIES if os.environ.get(name)}


# Packages that were fetched once


def lend_archives(suite: str, folder: Path) -> None:
    """Put the packages that earlier machines of a release have fetched into a machine's own folder of archives.

    Each machine has a folder of its own, since apt locks it; the files are the same ones where that can be.
    """
    folder.mkdir(parents=True, exist_ok=True)
    kept = cache_folder() / f"apt-{suite}"
    for deb in kept.glob("*.deb"):
        _share(deb, folder / deb.name)


def keep_archives(suite: str, folder: Path) -> None:
    """Keep the packages that a machine has fetched for later ones, of each package the newest alone."""
    kept = cache_folder() / f"apt-{suite}"
    kept.mkdir(parents=True, exist_ok=True)
    for deb in sorted(folder.glob("*.deb")):
        target = kept / deb.name
        if target.exists():
            continue
        part = kept / f"{deb.name}.{os.getpid()}.part"
        _share(deb, part)
        part.replace(target)
        name, _version, architecture = deb.stem.rsplit("_", 2)
        for other in kept.glob(f"{name}_*_{architecture}.deb"):
            if other != target:
                other.unlink(missing_ok=True)


def _share(source: Path, target: Path) -> None:
    try:
        os.link(source, target)
    except FileNotFoundError:
        pass  # another machine has brought a newer version meanwhile
    except OSError:
        shutil.copyfile(source, target)
