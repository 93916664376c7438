# Copyright: (c) 2026, the virtfleet.core contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The fake fills in what libvirt fills in: it is held to the pairs that record.py took from a real one."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.contract.definitions import lines, parts
from tests.contract.fake import FakeHypervisor

PAIRS = Path(__file__).parent / "pairs"
NETWORKS = sorted(PAIRS.glob("network-*.in.xml"))
GUESTS = sorted(PAIRS.glob("guest-*.in.xml"))
POOLS = sorted(PAIRS.glob("pool-*.in.xml"))


def _name(path: Path) -> str:
    return path.name.removesuffix(".in.xml")


@pytest.fixture
def fake() -> FakeHypervisor:
    fake = FakeHypervisor(guests_boot=False)
    for path in NETWORKS:
        fake.define_network(path.read_text())
        fake.start_network(_name(path).removeprefix("network-"))
    return fake


@pytest.mark.parametrize("path", GUESTS, ids=_name)
def test_guest(fake: FakeHypervisor, path: Path) -> None:
    name = _name(path)
    guest = name.removeprefix("guest-")
    fake.define_guest(path.read_text())
    defined = fake.guests()[guest].xml
    assert lines(defined, False) == lines((PAIRS / f"{name}.out.xml").read_text(), False)

    fake.start_guest(guest)
    live = fake.guests()[guest].live_xml
    assert live is not None
    assert lines(live, True) == lines((PAIRS / f"{name}.live.xml").read_text(), True)


@pytest.mark.parametrize("path", GUESTS, ids=_name)
def test_guest_defined_again_as_read(fake: FakeHypervisor, path: Path) -> None:
    guest = _name(path).removeprefix("guest-")
    fake.define_guest(path.read_text())
    before = fake.guests()[guest].xml
    fake.define_guest(before)
    after = fake.guests()[guest].xml
    assert sorted(parts(after)) == sorted(parts(before))
    fake.define_guest(after)
    assert fake.guests()[guest].xml == after


@pytest.mark.parametrize("path", NETWORKS, ids=_name)
def test_network(fake: FakeHypervisor, path: Path) -> None:
    name = _name(path)
    network = fake.networks()[name.removeprefix("network-")]
    assert lines(network.xml, False) == lines((PAIRS / f"{name}.out.xml").read_text(), False)
    assert network.live_xml is not None
    assert lines(network.live_xml, False) == lines((PAIRS / f"{name}.live.xml").read_text(), False)


@pytest.mark.parametrize("path", POOLS, ids=_name)
def test_pool(path: Path) -> None:
    name = _name(path)
    fake = FakeHypervisor()
    fake.define_pool(path.read_text())
    pool = fake.pools()[name.removeprefix("pool-")]
    assert lines(pool.xml, False) == lines((PAIRS / f"{name}.out.xml").read_text(), False)
