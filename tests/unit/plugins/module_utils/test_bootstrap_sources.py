# Copyright: (c) 2026, the virtfleet.core contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Which sources an image is made from, and what apt's words become."""

from __future__ import annotations

import os
import time
from pathlib import Path
from typing import Any

import pytest

from ansible_collections.virtfleet.core.plugins.module_utils._bootstrap import sources
from ansible_collections.virtfleet.core.plugins.module_utils._bootstrap.complaints import translate
from ansible_collections.virtfleet.core.plugins.module_utils._bootstrap.root import (
    KEPT_SECONDS,
    TAR,
    Roots,
    root_key,
    wanted_packages,
)
from ansible_collections.virtfleet.core.plugins.module_utils._errors import HostError
from ansible_collections.virtfleet.core.plugins.module_utils._image.bootstrap import Bootstrap, Network
from ansible_collections.virtfleet.core.plugins.module_utils._programs import Programs
from tests.unit.plugins.module_utils.image_tools import run_command

KEYRING = "/usr/share/keyrings/debian-archive-keyring.gpg"
SIGNED = f"deb [signed-by={KEYRING}]"

DEB822 = """\
Types: deb deb-src
# a snapshot
URIs: http://deb.debian.org/debian/
Suites: bookworm bookworm-updates
 bookworm-backports
Components: main
Signed-By: /usr/share/keyrings/debian-archive-keyring.gpg

Types: deb
URIs: http://deb.debian.org/debian-security
Suites: bookworm-security
Components: main contrib

Types: deb
Enabled: no
URIs: http://off.example.com/debian
Suites: bookworm
Components: main

Types: deb-src
URIs: http://src.example.com/debian
Suites: bookworm
Components: main
"""
ONE_LINE = """\
# deb http://gone.example.com/debian bookworm main
deb http://deb.example.com/debian/ bookworm main contrib # ours
deb [arch=amd64 signed-by=/usr/share/keyrings/other.gpg] https://third.example.com/debian bookworm main
deb https://docker.example.com/linux/debian bookworm stable
deb-src http://deb.example.com/debian bookworm main
deb cdrom:[Debian]/ bookworm main
"""


@pytest.fixture(autouse=True)
def keyrings(monkeypatch: pytest.MonkeyPatch) -> set[str]:
    """Let both keyrings be there, whatever this machine has."""
    there = {KEYRING, "/usr/share/keyrings/ubuntu-archive-keyring.gpg"}
    real = Path.is_file
    monkeypatch.setattr(Path, "is_file", lambda path: str(path) in there or real(path))
    return there


def lines(apt: Path, **params: Any) -> tuple[str, ...]:
    return sources.source_lines(Bootstrap(**{"suite": "bookworm", "architecture": "amd64", **params}), apt)


def test_the_hosts_own_sources_of_the_suite(tmp_path: Path) -> None:
    (tmp_path / "sources.list.d").mkdir()
    (tmp_path / "sources.list.d/debian.sources").write_text(DEB822)
    (tmp_path / "sources.list.d/third.sources").write_text(DEB822.replace("deb.debian.org", "third.example.com"))
    assert lines(tmp_path) == (
        f"{SIGNED} http://deb.debian.org/debian bookworm main",
        f"{SIGNED} http://deb.debian.org/debian bookworm-updates main",
        f"{SIGNED} http://deb.debian.org/debian-security bookworm-security main contrib",
    )
    assert lines(tmp_path, components=("main", "non-free"))[0].endswith(" bookworm main non-free")
    assert lines(tmp_path, suite="trixie")[0] == f"{SIGNED} http://deb.debian.org/debian trixie main"


def test_one_line_sources(tmp_path: Path) -> None:
    (tmp_path / "sources.list").write_text(ONE_LINE)
    assert lines(tmp_path) == (f"{SIGNED} http://deb.example.com/debian bookworm main contrib",)


def test_updates_alone_are_no_suite(tmp_path: Path) -> None:
    (tmp_path / "sources.list").write_text("deb http://deb.example.com/debian bookworm-updates main\n")
    assert "deb.debian.org" in lines(tmp_path)[0]


def test_mirrors_that_are_given(tmp_path: Path) -> None:
    (tmp_path / "sources.list").write_text(ONE_LINE)
    given = ("https://mirror.example.com/debian", "deb [trusted=yes] http://own.example.com/ ./ main")
    assert lines(tmp_path, mirror=given) == (f"{SIGNED} https://mirror.example.com/debian bookworm main", given[1])


def test_a_missing_keyring_is_named_with_its_package(tmp_path: Path, keyrings: set[str]) -> None:
    keyrings.clear()
    with pytest.raises(HostError, match="ubuntu-archive-keyring.gpg, by which the packages of noble are verified, is missing"):
        lines(tmp_path, suite="noble")
    with pytest.raises(HostError, match="keyring /no/such.gpg, .* is missing; check the source line"):
        lines(tmp_path, mirror=("deb [arch=amd64 signed-by=/no/such.gpg] http://x bookworm main",))


@pytest.mark.parametrize(
    ("said", "wanted"),
    [
        (
            "Err:1 http://deb.example.com/debian bookworm InRelease\n  Could not resolve 'deb.example.com'\n"
            "E: Failed to fetch http://deb.example.com/debian/dists/bookworm/InRelease  Could not resolve",
            "the name deb.example.com cannot be resolved from this host",
        ),
        (
            "  Temporary failure resolving 'deb.example.com'\n",
            "the name deb.example.com cannot be resolved from this host",
        ),
        (
            "E: The repository 'http://deb.example.com/debian wheezy Release' does not have a Release file.",
            "the mirror does not have http://deb.example.com/debian wheezy Release; check the suite and the mirror's URL",
        ),
        (
            "W: GPG error: http://x noble InRelease: The following signatures couldn't be verified because the public key "
            "is not available: NO_PUBKEY 871920D1991BC93C\nE: The repository 'http://x noble InRelease' is not signed.",
            "its key 871920D1991BC93C is not in the keyring",
        ),
        (
            "E: The repository 'http://x bookworm InRelease' is not signed.",
            "http://x bookworm InRelease is not signed by a key that this host knows",
        ),
        ("E: Unable to locate package nosuch", "there is no package nosuch in the suite's components"),
        ("E: Version '9.9' for 'less' was not found", "there is no version 9.9 of package less on the mirror"),
        (
            "Get:7 http://x/a.deb\nE: Failed to fetch http://x/pool/b.deb  Connection failed [IP: 127.0.0.1 80]",
            "the mirror failed at http://x/pool/b.deb; run again, or give another mirror",
        ),
        ("dpkg: error: cannot write: No space left on device\nE: Failed to fetch x", "the disk is full"),
        ("E: You don't have enough free space in /var/cache/apt/archives/.", "the disk is full"),
        ("mke2fs: Could not allocate block in ext2 filesystem while populating file system", "give a larger size"),
        ("unshare: unshare failed: Operation not permitted", "a container must be privileged for this"),
        ("chroot: failed to run command: Exec format error", "install the packages qemu-user-static and binfmt-support"),
        ("one\ntwo\n\nthree\nfour", "two; three; four"),
        ("", "it ended"),
    ],
)
def test_what_programs_say(said: str, wanted: str) -> None:
    assert wanted in translate(said, "it ended")


def test_a_long_complaint_is_cut() -> None:
    assert len(translate("x" * 5000, "")) == 600


def test_what_is_installed() -> None:
    spec = Bootstrap("bookworm", "amd64", packages=("less",))
    found = wanted_packages(spec)
    assert {"less", "systemd-sysv", "systemd-resolved", "linux-image-cloud-amd64", "initramfs-tools"} <= set(found)
    assert "systemd-resolved" not in wanted_packages(Bootstrap("jammy", "amd64"))
    assert not {"initramfs-tools", "linux-image-cloud-amd64"} & set(wanted_packages(Bootstrap("bookworm", "amd64", kernel="none")))
    assert {"tzdata", "locales"} <= set(wanted_packages(Bootstrap("trixie", "amd64", timezone="UTC", locale="de_DE.UTF-8")))


def test_one_root_serves_all_names_addresses_and_sizes() -> None:
    def key(**params: Any) -> str:
        spec = Bootstrap(**{"suite": "bookworm", "architecture": "amd64", **params})
        return root_key(spec, ("deb x",), wanted_packages(spec))

    plain = key()
    for params in (
        {"hostname": "a"}, {"network": Network("192.0.2.1/24")}, {"swap_bytes": 1 << 30}, {"root_keys": ("k",)},
        {"partitioning": "mbr"}, {"filesystem": "ext2"}, {"serial_console": False}, {"commands": ("true",)},
        {"root_password_hash": "x"}, {"locale": "C.UTF-8"},
    ):  # fmt: skip
        assert key(**params) == plain, params
    others = [
        key(packages=("less",)), key(kernel="none"), key(documentation=True), key(architecture="arm64"),
        key(suite="trixie"), key(timezone="UTC"),
    ]  # fmt: skip
    assert len({plain, *others}) == 7


def test_roots_go_when_they_are_old_or_too_many(tmp_path: Path) -> None:
    """Those used longest ago go first; one that may be in use stays."""
    now, hour = time.time(), 3600.0
    roots = Roots(Programs(run_command), tmp_path)
    ages = {"wanted": 30 * hour, "old": KEPT_SECONDS + 2 * hour, "just-old": KEPT_SECONDS + 60}
    ages.update({f"root{number}": number * 10 * hour for number in range(1, 7)})
    for name, age in ages.items():
        (roots.folder / name).mkdir(parents=True)
        for file, seconds in ((TAR, age), ("used", 60 if name == "just-old" else age)):
            (roots.folder / name / file).touch()
            os.utime(roots.folder / name / file, (now - seconds, now - seconds))
    roots._sweep(roots.folder / "wanted")
    assert sorted(path.name for path in roots.folder.iterdir()) == ["just-old", "root1", "root2", "root3", "wanted"]
    roots._sweep(roots.folder / "just-old")
    assert "just-old" not in {path.name for path in roots.folder.iterdir()}, "who wants it has it made anew"
