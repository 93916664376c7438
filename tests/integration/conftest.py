# Copyright: (c) 2026, the virtfleet.core contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""One lab host with a network and a pool for all integration tests of a session."""

from __future__ import annotations

import itertools
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.integration.images import Web, serving
from tests.integration.networks import Net, unused
from tests.integration.playing import Player
from tests.lab import Host
from tests.lab.net import nat
from tests.lab.tiny import Artefact

pytest_plugins = ["tests.lab.fixtures"]

_numbers = itertools.count(1)


@pytest.fixture(scope="session")
def furnished(lab_host: Host) -> Host:
    """Return the lab host with the active NAT network ``lab`` and the directory pool ``default``."""
    # Addresses from .200 on are for reservations: dnsmasq gives none that somebody else has leased.
    network = nat("lab", "10.77.0.0/24", "vflab0").replace('end="10.77.0.254"', 'end="10.77.0.199"')
    lab_host.exec(["virsh", "net-define", "/dev/stdin"], input=network)
    lab_host.exec(["virsh", "net-start", "lab"])
    pool = lab_host.folder / "pool"
    pool.mkdir(mode=0o755, exist_ok=True)
    lab_host.exec(["virsh", "pool-define-as", "default", "dir", "--target", str(pool)])
    lab_host.exec(["virsh", "pool-start", "default"])
    return lab_host


@pytest.fixture
def play(furnished: Host, tmp_path: Path) -> Player:
    """Return what plays tasks on the furnished lab host."""
    return Player(furnished, tmp_path)


@pytest.fixture
def pool(furnished: Host) -> Path:
    """Return the folder of the pool ``default``."""
    return furnished.folder / "pool"


@pytest.fixture
def name() -> str:
    """Return an image's name that nobody else uses."""
    return f"image{next(_numbers)}"


@pytest.fixture
def web(furnished: Host, tmp_path: Path) -> Iterator[Web]:
    """Return a web server inside the lab host, of files that a test puts up."""
    with serving(furnished, tmp_path) as found:
        yield found


@pytest.fixture
def net(furnished: Host) -> Iterator[Net]:
    """Return a network's name and addresses that nobody else uses; the network is gone afterwards."""
    with unused(furnished, next(_numbers)) as made:
        yield made


@pytest.fixture
def guest_name(furnished: Host) -> Iterator[str]:
    """Return a guest's name that nobody else uses; the guest and its volumes are gone afterwards."""
    name = f"g{next(_numbers)}"
    yield name
    furnished.exec(["virsh", "destroy", name], check=False)
    furnished.exec(["virsh", "undefine", name, "--managed-save", "--snapshots-metadata", "--nvram"], check=False)
    listed = furnished.exec(["virsh", "vol-list", "default"], check=False).stdout or ""
    for line in listed.splitlines():
        volume = line.split()[0] if line.split() else ""
        if volume.startswith(f"{name}-"):
            furnished.exec(["virsh", "vol-delete", volume, "default"], check=False)


@pytest.fixture
def booted(tiny: Artefact) -> dict[str, str]:
    """Return the options that boot the tiny guest directly."""
    return {"kernel": str(tiny.kernel), "initrd": str(tiny.initrd), "cmdline": tiny.cmdline, "memory": "256MiB"}
