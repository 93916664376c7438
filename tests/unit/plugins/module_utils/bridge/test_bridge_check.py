# Copyright: (c) 2026, the virtfleet.core contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What must hold after a change, and how it is said when it does not."""
from __future__ import annotations

import json
from dataclasses import replace

import pytest

from ansible_collections.virtfleet.core.plugins.module_utils._bridge.check import (
    Expected,
    lasting_problems,
    problems,
    read_expected,
    to_ask,
)
from ansible_collections.virtfleet.core.plugins.module_utils._bridge.values import (
    TENTATIVE,
    Address,
    Kernel,
    Link,
    Route,
)

MAC = "52:54:00:12:34:56"
WANTED = Expected("br0", "enp1s0", MAC, 1500, ("192.0.2.10/24",), (6,), {4: "192.0.2.1", 6: None}, routes=("198.51.100.0/24",))
ROUTES = (
    Route("default", "br0", 4, "192.0.2.1"),
    Route("default", "br0", 6, "fe80::1"),
    Route("198.51.100.0/24", "br0", 4, "192.0.2.2"),
)
WELL = Kernel(
    {"br0": Link("br0", MAC, "bridge"), "enp1s0": Link("enp1s0", MAC, master="br0")},
    {"br0": (Address("192.0.2.10/24"), Address("2001:db8::9/64", True))},
    ROUTES,
)


def linked(**links: Link | None) -> Kernel:
    return replace(WELL, links={name: link for name, link in {**WELL.links, **links}.items() if link is not None})


def addressed(**addresses: tuple[Address, ...]) -> Kernel:
    return replace(WELL, addresses={**WELL.addresses, **addresses})


def test_all_is_well() -> None:
    assert problems(WANTED, WELL) == []
    assert to_ask(WANTED, WELL) == [(4, "192.0.2.1"), (6, "fe80::1")]
    assert read_expected(json.loads(json.dumps(WANTED.shown()))) == WANTED


def test_a_gateway_that_was_silent_before_is_not_asked() -> None:
    assert to_ask(replace(WANTED, silent=(4,)), WELL) == [(6, "fe80::1")]


def test_what_mends_itself_is_no_reason_to_begin_again() -> None:
    late = replace(WELL, addresses={"br0": (Address("192.0.2.10/24", doubtful=TENTATIVE),)}, routes=())
    assert lasting_problems(WANTED, late) == []
    assert problems(WANTED, late)[0] == "the address 192.0.2.10/24 is not yet known to be free"
    taken = replace(WELL, addresses={"br0": (Address("192.0.2.10/24", doubtful="somebody else's too"),)})
    assert lasting_problems(WANTED, taken) == ["the address 192.0.2.10/24 is somebody else's too"]


@pytest.mark.parametrize(
    ("kernel", "sentence"),
    [
        (linked(br0=None), "br0 does not exist"),
        (linked(br0=Link("br0", MAC)), "br0 is no bridge"),
        (linked(br0=Link("br0", MAC, "bridge", up=False)), "br0 is down"),
        (linked(br0=Link("br0", "52:54:00:00:00:01", "bridge")), f"br0 has the MAC 52:54:00:00:00:01, not {MAC}"),
        (linked(br0=Link("br0", MAC, "bridge", mtu=1400)), "br0 has the MTU 1400, not 1500"),
        (linked(enp1s0=None), "enp1s0 is gone"),
        (linked(enp1s0=Link("enp1s0", MAC)), "enp1s0 is not in br0"),
        (linked(enp1s0=Link("enp1s0", MAC, master="br0", up=False)), "enp1s0 is down"),
        (addressed(enp1s0=(Address("192.0.2.10/24"),)), "enp1s0 still has the address 192.0.2.10/24"),
        (addressed(br0=(Address("2001:db8::9/64", True),)), "br0 does not have the address 192.0.2.10/24"),
        (
            addressed(br0=(Address("192.0.2.10/24", doubtful="somebody else's too"), Address("2001:db8::9/64"))),
            "the address 192.0.2.10/24 is somebody else's too",
        ),
        (addressed(br0=(Address("192.0.2.10/24"),)), "br0 got no IPv6 address"),
        (replace(WELL, routes=ROUTES[1:]), "there is no IPv4 default route over br0"),
        (
            replace(WELL, routes=(Route("default", "br0", 4, "192.0.2.9"), *ROUTES[1:])),
            "the IPv4 default route over br0 goes by 192.0.2.9, not by 192.0.2.1",
        ),
        (replace(WELL, routes=ROUTES[:2]), "the route to 198.51.100.0/24 over br0 is gone"),
        (
            replace(WELL, routes=(*ROUTES, Route("192.0.2.0/24", "enp1s0", 4))),
            "the route to 192.0.2.0/24 still goes over enp1s0",
        ),
    ],
)
def test_what_is_wrong_is_said(kernel: Kernel, sentence: str) -> None:
    assert problems(WANTED, kernel) == [sentence]
