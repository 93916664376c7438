# Copyright: (c) 2026, the virtfleet.core contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Network interfaces."""

from __future__ import annotations

from typing import Any

import pytest

from ansible_collections.virtfleet.core.plugins.module_utils import _xml
from ansible_collections.virtfleet.core.plugins.module_utils._change import Change, Effect
from ansible_collections.virtfleet.core.plugins.module_utils._errors import SpecError
from ansible_collections.virtfleet.core.plugins.module_utils._guest.fields.nics import (
    NIC,
    NICS,
    one_nic_a_mac,
    parse_mac,
)
from ansible_collections.virtfleet.core.plugins.module_utils._guest.table import GUEST
from ansible_collections.virtfleet.core.plugins.module_utils._table import (
    Context,
    build,
    compare,
    observe,
    patch,
    steps,
)
from tests.unit.plugins.module_utils.guest.world import recorded

RUNNING = Context(name="web1", state="running")


@pytest.mark.parametrize(
    ("value", "mac"),
    [
        ("52:54:00:12:34:56", "52:54:00:12:34:56"),
        ("52:54:00:AB:CD:EF", "52:54:00:ab:cd:ef"),
        ("52-54-00-ab-cd-ef", "52:54:00:ab:cd:ef"),
        (" 00:16:3e:00:00:01 ", "00:16:3e:00:00:01"),
    ],
)
def test_macs(value: str, mac: str) -> None:
    assert parse_mac(value) == mac


@pytest.mark.parametrize(
    ("value", "said"),
    [
        ("52:54:00:12:34", "is not a MAC address such as"),
        ("52:54:00:12:34:5g", "is not a MAC address such as"),
        ("5254.0012.3456", "is not a MAC address such as"),
        (None, "is not a MAC address such as"),
        ("53:54:00:12:34:56", "multicast"),
        ("ff:ff:ff:ff:ff:ff", "multicast"),
    ],
)
def test_what_is_no_mac(value: Any, said: str) -> None:
    with pytest.raises(SpecError, match=said) as caught:
        parse_mac(value)
    assert repr(value) in str(caught.value)


@pytest.mark.parametrize(
    ("xml", "source"),
    [
        (
            "<interface type='network'><source network='lab' portid='x' bridge='virbr1'/></interface>",
            {"network": "lab"},
        ),
        ("<interface type='bridge'><source bridge='br0'/></interface>", {"bridge": "br0"}),
        ("<interface type='user'><backend type='passt'/></interface>", {"user": None}),
        ("<interface type='direct'><source dev='eth0' mode='bridge'/></interface>", {"direct": "eth0"}),
        ("<interface type='ethernet'/>", {"ethernet": None}),
        ("<interface type='vhostuser'><source path='/x'/></interface>", None),
        ("<interface type='hostdev'/>", None),
    ],
)
def test_sources(xml: str, source: Any) -> None:
    assert observe(NIC, _xml.parse(xml)).get("source") == source


@pytest.mark.parametrize(
    ("source", "expected"),
    [
        ({"network": "dmz"}, {"@type": "network", "source/@network": "dmz", "source/@bridge": None}),
        ({"bridge": "br1"}, {"@type": "bridge", "source/@bridge": "br1", "source/@network": None}),
        ({"user": None}, {"@type": "user", "source/@bridge": None, "source/@network": None}),
    ],
)
@pytest.mark.parametrize(
    "xml", ["type='network'><source network='lab'/>", "type='bridge'><source bridge='br0'/>", "type='user'>"]
)
def test_a_source_replaces_any_other(xml: str, source: Any, expected: dict[str, str | None]) -> None:
    nic = f"<interface {xml}<mac address='52:54:00:00:00:01'/><mtu size='9000'/></interface>"
    root = _xml.parse(f"<domain><devices>{nic}</devices></domain>")
    change = Change(("nics", "52:54:00:00:00:01", "source"), None, source, Effect.RESTART)
    (after,) = _xml.find_all(patch(GUEST, root, [change]), "devices/interface")
    assert {path: _xml.read(after, path) for path in expected} == expected
    assert _xml.read(after, "mtu/@size") == "9000"
    assert observe(NIC, after)["source"] == source


def test_another_model_drops_the_address() -> None:
    root = _xml.parse(recorded("typical"))
    change = Change(("nics", "52:54:00:aa:00:01", "model"), "virtio", "e1000e", Effect.RESTART)
    before, after = (_xml.find_all(tree, "devices/interface")[0] for tree in (root, patch(GUEST, root, [change])))
    _xml.remove(before, "address")
    _xml.write(before, "model/@type", "e1000e")
    assert _xml.same(after, before)


def test_a_new_nic() -> None:
    entry = {
        "name": "lan",
        "source": {"network": "lab"},
        "mac": "52:54:00:00:00:01",
        "model": "virtio",
        "address": "10.0.0.1",
    }
    expected = (
        "<interface type='network'><source network='lab'/><mac address='52:54:00:00:00:01'/>"
        "<model type='virtio'/></interface>"
    )
    assert _xml.same(build(NICS, entry), _xml.parse(expected))


@pytest.mark.parametrize(
    ("state", "leased", "effect"),
    [
        ("running", None, Effect.LIVE),
        ("running", "10.20.0.11", Effect.LIVE),
        # It has another address until it asks again.
        ("running", "10.20.0.100", Effect.RESTART),
        ("stopped", "10.20.0.100", Effect.LIVE),
    ],
)
def test_what_a_reservation_costs(state: str, leased: str | None, effect: Effect) -> None:
    context = Context(state=state, entry={"leased": leased} if leased else {})
    assert NIC.entry("address").effect(context, None, "10.20.0.11") is effect  # type: ignore[union-attr]


@pytest.mark.parametrize("option", ["source", "mac", "model", "boot_order"])
def test_what_waits_for_a_restart(option: str) -> None:
    assert NIC.entry(option).effect(RUNNING, 1, 2) is Effect.RESTART  # type: ignore[union-attr]


def test_nics_are_plugged_and_unplugged() -> None:
    root, live = _xml.parse(recorded("typical")), _xml.parse(recorded("typical", "live"))
    want = {
        "nics": [{"name": "dmz", "source": {"network": "dmz"}, "mac": "52:54:00:00:00:09", "model": "virtio"}],
        "nics_exact": True,
    }
    changes = compare(GUEST, want, observe(GUEST, root), RUNNING)
    assert [change.effect for change in changes] == [Effect.LIVE, Effect.LIVE]
    _define, detach, attach = steps(GUEST, changes, RUNNING, patch(GUEST, root, changes), live)
    assert (detach.op, attach.op) == ("detach_device", "attach_device")
    assert _xml.read(_xml.parse(detach.args["xml"]), "alias/@name") == "net0"
    assert _xml.read(_xml.parse(attach.args["xml"]), "source/@network") == "dmz"


@pytest.mark.parametrize(
    ("want", "found"),
    [
        ({"source": {"network": "lab"}}, True),
        ({"source": {"network": "lab"}, "mac": "52:54:00:00:00:01"}, True),
        # A second nic on the same network, not another address for the one that is there.
        ({"source": {"network": "lab"}, "mac": "52:54:00:00:00:02"}, False),
        ({"source": {"network": "dmz"}, "mac": "52:54:00:00:00:01"}, True),
        ({"source": {"network": "dmz"}}, False),
    ],
)
def test_a_nic_of_another_hand_is_known_by_its_mac_and_else_by_its_network(want: dict[str, Any], found: bool) -> None:
    have = [{"mac": "52:54:00:00:00:01", "source": {"network": "lab"}}]
    ((_entry, other),), rest = NICS.match([{"name": "second", **want}], have)
    assert (other is not None, len(rest)) == (found, 0 if found else 1)


def test_a_mac_is_the_same_in_either_case() -> None:
    row = NIC.entry("mac")
    assert row.type.same("52:54:00:ab:cd:ef", "52:54:00:AB:CD:EF")  # type: ignore[union-attr]


def test_one_nic_a_mac_and_an_address() -> None:
    rule = one_nic_a_mac
    same = [{"name": "a", "mac": "m", "address": "1"}, {"name": "b", "mac": "m", "address": "1"}]
    assert rule({"nics": same}) == [
        "nics: a and b both have the mac m",
        "nics: a and b both have the address 1",
    ]
    assert rule({"nics": [{"name": "a", "mac": "m"}, {"name": "b"}]}) == []
