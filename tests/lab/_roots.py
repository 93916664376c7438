# Copyright: (c) 2026, the virtfleet.core contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The root file systems of bare machines: made of a distribution's packages once, of this machine's release or another."""

from __future__ import annotations

import os
import re
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from . import _apt
from ._cache import cached, key_of
from ._run import LabError, Say, need, quiet, run

HERE = Path(__file__).parent
OWN_DEV = HERE / "inside" / "own-dev.sh"
USER = "debian"

# Debian releases that a machine can be, whatever this one is.
DEBIAN = ("bookworm", "trixie")
# What Ansible needs to get in, and hardly more.
PACKAGES = {
    "systemd": "systemd-sysv dbus udev iproute2 netbase ca-certificates openssh-server sudo python3".split(),
    "none": "netbase ca-certificates openssh-server sudo python3".split(),
}
# They would hold apt's and dpkg's locks at a time of their own choice.
UNWANTED_TIMERS = (
    "apt-daily.timer", "apt-daily-upgrade.timer", "dpkg-db-backup.timer", "e2scrub_all.timer", "fstrim.timer",
    "man-db.timer",
)  # fmt: skip

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


def build(suite: str, init: str, say: Say = quiet) -> Path:
    """Return the folder that holds the root of a release in `root`, from the cache or made in a minute or two.

    It stays as it was made while our sources stay: remove ~/.cache/virtfleet/bare-* to take in newer packages.
    """
    inputs = {"suite": suite, "packages": " ".join(PACKAGES[init])}
    found = sources(suite)

    def make(folder: Path) -> None:
        say(f"bare root: installing {suite} with {'systemd' if init == 'systemd' else 'no init'} (a minute or two)")
        began = time.monotonic()
        _make(folder, suite, init, found)
        say(f"bare root: made in {time.monotonic() - began:.0f} s")

    return cached(f"bare-{suite}-{init}", key_of(inputs, [Path(__file__), OWN_DEV]), make)


def _make(folder: Path, suite: str, init: str, found: list[Sources]) -> None:
    lists = []
    for number, each in enumerate(found):
        path = folder / f"{number}-{each.name}"
        path.write_text(each.text, encoding="utf-8")
        lists.append(path)
    root = folder / "root"
    argv = [
        need("unshare"),
        "--mount",
        "--propagation=private",
        "sh",
        str(OWN_DEV),
        need("mmdebstrap"),
        "--variant=minbase",
        "--mode=root",
        "--quiet",
        *(f"--aptopt={line}" for line in apt_settings()),
        '--aptopt=Acquire::Languages "none"',
        "--dpkgopt=force-unsafe-io",
        "--dpkgopt=path-exclude=/usr/share/man/*",
        "--dpkgopt=path-exclude=/usr/share/doc/*",
        "--dpkgopt=path-exclude=/usr/share/locale/*",
        f"--include={','.join(PACKAGES[init])}",
        suite,
        str(root),
        *(str(path) for path in lists),
    ]
    run(argv, what=f"install {suite} for a bare machine", timeout=1800)
    for path in lists:
        path.unlink()
    # Each machine gets its own.
    for key in (root / "etc/ssh").glob("ssh_host_*"):
        key.unlink()
    # So are these, with the way to the mirrors.
    for name in ("hostname", "machine-id", "resolv.conf", "apt/sources.list", "apt/apt.conf.d/99mmdebstrap"):
        (root / "etc" / name).unlink(missing_ok=True)
    for path in (root / APT_SOURCES.relative_to("/")).iterdir():
        path.unlink()
    if init == "systemd":
        for timer in UNWANTED_TIMERS:
            (root / "etc/systemd/system" / timer).symlink_to("/dev/null")
    run(["chroot", root, "useradd", "--create-home", "--shell", "/bin/bash", USER], what=f"make the user {USER}")
    keys = f"install -d -m 700 /root/.ssh && install -d -m 700 -o {USER} -g {USER} /home/{USER}/.ssh"
    run(["chroot", root, "sh", "-c", keys], what="make the folders of the users' keys")
    sudoers = root / "etc/sudoers.d/lab"
    sudoers.write_text(f"{USER} ALL=(ALL) NOPASSWD: ALL\n")
    sudoers.chmod(0o440)
