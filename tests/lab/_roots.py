# Copyright: (c) 2026, the virtfleet.core contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The root file systems of bare machines: made of a distribution's packages once, of this machine's release or another."""

from __future__ import annotations

import time
from pathlib import Path

from . import _mmdebstrap
from ._cache import cached, key_of
from ._mirrors import APT_SOURCES
from ._run import Say, quiet, run

USER = "debian"

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


def build(suite: str, init: str, say: Say = quiet) -> Path:
    """Return the folder that holds the root of a release in `root`, from the cache or made in a minute or two.

    It stays as it was made while our sources stay: remove ~/.cache/virtfleet/bare-* to take in newer packages.
    """
    inputs = {"suite": suite, "packages": " ".join(PACKAGES[init])}

    def make(folder: Path) -> None:
        say(f"bare root: installing {suite} with {'systemd' if init == 'systemd' else 'no init'} (a minute or two)")
        began = time.monotonic()
        _make(folder, suite, init)
        say(f"bare root: made in {time.monotonic() - began:.0f} s")

    return cached(f"bare-{suite}-{init}", key_of(inputs, [Path(__file__), *_mmdebstrap.SOURCES]), make)


def _make(folder: Path, suite: str, init: str) -> None:
    root = folder / "root"
    _mmdebstrap.install(suite, root, PACKAGES[init], what=f"install {suite} for a bare machine")
    # Each machine gets its own.
    for key in (root / "etc/ssh").glob("ssh_host_*"):
        key.unlink()
    # So are these, with the way to the mirrors.
    for name in ("etc/hostname", "etc/machine-id", "etc/resolv.conf", "etc/apt/sources.list", _mmdebstrap.APT_CONF):
        (root / name).unlink(missing_ok=True)
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
