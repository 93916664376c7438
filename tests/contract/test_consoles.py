# Copyright: (c) 2026, the virtfleet.core contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Consoles and screens: who may have them, and that they are given back."""

from __future__ import annotations

import time
from typing import Any

import pytest

from ansible_collections.virtfleet.core.plugins.module_utils._errors import Conflict, NotFound, Unsupported
from ansible_collections.virtfleet.core.plugins.module_utils._png import to_png
from tests.contract.definitions import guest
from tests.contract.places import Place

# The firmware says what it does on the first serial port, and starts again and again as it finds nothing to boot.
DEVICES = "<serial type='pty'/><graphics type='vnc' autoport='yes'/><video><model type='vga'/></video>"


def speaking(place: Place) -> str:
    """Return a running guest that has a console, on which its firmware speaks, and a screen."""
    name = place.name("con")
    text = guest(name, DEVICES).replace("</type></os>", "</type><bios useserial='yes' rebootTimeout='1000'/></os>")
    place.hypervisor.define_guest(text)
    place.speaks(name)
    place.hypervisor.start_guest(name)
    return name


def heard(console: Any, word: bytes, seconds: float = 60) -> bytes:
    deadline = time.monotonic() + seconds
    said = b""
    while word not in said and time.monotonic() < deadline:
        said += console.read(0.5)
    return said


def test_what_a_guest_says_is_heard(hypervisor: Any, place: Place) -> None:
    name = speaking(place)
    with hypervisor.console(name) as console:
        assert b"SeaBIOS" in heard(console, b"SeaBIOS")
        console.write(b"x")


def test_a_console_has_one_user_and_is_given_back(hypervisor: Any, place: Place) -> None:
    name = speaking(place)
    with pytest.raises(ZeroDivisionError), hypervisor.console(name):
        with pytest.raises(Conflict, match="force"), hypervisor.console(name):
            pass
        raise ZeroDivisionError
    with hypervisor.console(name) as console:
        assert b"SeaBIOS" in heard(console, b"SeaBIOS")


def test_a_console_that_is_taken_by_force_says_so_to_whoever_had_it(hypervisor: Any, place: Place) -> None:
    name = speaking(place)
    with hypervisor.console(name) as first, hypervisor.console(name, force=True) as second:
        assert b"SeaBIOS" in heard(second, b"SeaBIOS")
        with pytest.raises(Conflict, match="by force"):
            heard(first, b"this is never said", 20)


def test_the_end_of_a_guest_is_the_end_of_its_console(hypervisor: Any, place: Place) -> None:
    if not place.ends_consoles:
        pytest.skip("the fake's guests say nothing when they end")
    name = speaking(place)
    with hypervisor.console(name) as console:
        hypervisor.shutdown_guest(name, 0, True)
        with pytest.raises(Conflict, match="stopped"):
            heard(console, b"this is never said", 20)


def test_no_console_where_nothing_runs(hypervisor: Any, place: Place) -> None:
    name = place.name("con")
    hypervisor.define_guest(guest(name, DEVICES))
    with pytest.raises(Conflict, match="start the guest first"), hypervisor.console(name):
        pass
    with pytest.raises(Conflict, match="start the guest first"):
        hypervisor.screenshot(name)
    with pytest.raises(NotFound), hypervisor.console("nobody"):
        pass
    with pytest.raises(NotFound):
        hypervisor.screenshot("nobody")


def test_a_picture_of_a_screen(hypervisor: Any, place: Place) -> None:
    name = speaking(place)
    kind, picture = hypervisor.screenshot(name)
    image, width, height = to_png(picture, kind)
    assert image.startswith(b"\x89PNG")
    assert width > 0 and height > 0
    with pytest.raises(Unsupported, match="no screen number 7"):
        hypervisor.screenshot(name, 7)
