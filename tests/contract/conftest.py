# Copyright: (c) 2026, the virtfleet.core contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The places over which the contract runs: the fake, QEMU's driver in this process, and a lab host's libvirtd."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterator

import pytest

from tests.contract.places import PLACES, Place

pytest_plugins = ["tests.lab.fixtures"]


@pytest.fixture(scope="session")
def opened() -> Iterator[Callable[[str, pytest.FixtureRequest], Place]]:
    """Return what opens a place by its name, once: a process can have one embedded driver only."""
    places: dict[str, Place] = {}
    with contextlib.ExitStack() as stack:

        def open_place(name: str, request: pytest.FixtureRequest) -> Place:
            if name not in places:
                why_not, make = PLACES[name]
                reason = why_not(request)
                if reason:
                    pytest.skip(reason)
                places[name] = stack.enter_context(make(request))
            return places[name]

        yield open_place


@pytest.fixture(scope="session", params=list(PLACES))
def place(request: pytest.FixtureRequest, opened: Callable[[str, pytest.FixtureRequest], Place]) -> Place:
    """Return a place with a hypervisor; skip what cannot be here."""
    return opened(str(request.param), request)


@pytest.fixture
def hypervisor(place: Place) -> object:
    """Return the place's hypervisor, and remove what the test has made there."""
    place.begin()
    yield place.hypervisor
    place.clear()


@pytest.fixture
def networked(place: Place) -> Place:
    """Return the place; skip where the driver knows neither networks nor pools."""
    if not place.whole:
        pytest.skip("qemu:///embed has neither networks nor pools")
    return place
