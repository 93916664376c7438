# Copyright: (c) 2026, the virtfleet.core contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The contract of networks, over each place that has them."""

from __future__ import annotations

import pytest

from ansible_collections.virtfleet.core.plugins.module_utils._errors import (
    Conflict,
    NotFound,
    SpecError,
    Unsupported,
    VirtError,
)
from ansible_collections.virtfleet.core.plugins.module_utils._ports import Hypervisor
from tests.contract.definitions import guest, network, nic, tree
from tests.contract.places import Place

pytestmark = pytest.mark.usefixtures("networked")

HOST = "<host mac='52:54:00:00:00:{0:02x}' name='h{0}' ip='10.66.{1}.{0}'/>"


def _hosts(xml: str | None) -> list[tuple[str | None, str | None]]:
    return [(host.get("mac"), host.get("ip")) for host in tree(xml).iterfind("ip/dhcp/host")]


def test_define_start_stop_undefine(place: Place, hypervisor: Hypervisor) -> None:
    name = place.name("net")
    hypervisor.define_network(network(name, 1))
    found = hypervisor.networks()[name]
    assert (found.active, found.autostart, found.persistent) == (False, False, True)
    root = tree(found.xml)
    bridge, mac = root.find("bridge"), root.find("mac")
    assert bridge is not None
    assert bridge.get("name")
    assert mac is not None
    assert mac.get("address")
    assert root.findtext("uuid") == found.uuid

    for _again in range(2):
        hypervisor.start_network(name)
        assert hypervisor.networks()[name].active
    for wanted in (True, True, False):
        hypervisor.set_network_autostart(name, wanted)
        assert hypervisor.networks()[name].autostart is wanted
    for _again in range(2):
        hypervisor.stop_network(name)
        assert not hypervisor.networks()[name].active
    for _again in range(2):
        hypervisor.undefine_network(name)
        assert name not in hypervisor.networks()


def test_some_are_read_by_name(place: Place, hypervisor: Hypervisor) -> None:
    names = [place.name("net") for _number in range(3)]
    for number, name in enumerate(names):
        hypervisor.define_network(network(name, 10 + number))
    whole = hypervisor.networks()
    assert set(hypervisor.network_names()) == set(whole) >= set(names)
    assert hypervisor.networks([names[0], "none", names[2]]) == {name: whole[name] for name in (names[0], names[2])}
    assert hypervisor.networks(["none"]) == hypervisor.networks([]) == {}


def test_defined_again_as_read(place: Place, hypervisor: Hypervisor) -> None:
    name = place.name("net")
    hypervisor.define_network(network(name, 2))
    before = hypervisor.networks()[name]
    hypervisor.define_network(before.xml)
    assert hypervisor.networks()[name] == before


def test_a_definition_changes_no_active_network(place: Place, hypervisor: Hypervisor) -> None:
    name = place.name("net")
    hypervisor.define_network(network(name, 3))
    hypervisor.start_network(name)
    before = hypervisor.networks()[name]
    hypervisor.define_network(before.xml.replace("10.66.3.90", "10.66.3.80"))
    after = hypervisor.networks()[name]
    assert after.live_xml == before.live_xml
    assert "10.66.3.80" in after.xml


def test_an_undefined_active_network_is_transient(place: Place, hypervisor: Hypervisor) -> None:
    name = place.name("net")
    hypervisor.define_network(network(name, 4))
    hypervisor.start_network(name)
    hypervisor.undefine_network(name)
    found = hypervisor.networks()[name]
    assert found.active
    assert not found.persistent
    hypervisor.stop_network(name)
    assert name not in hypervisor.networks()


def test_reservations_live(place: Place, hypervisor: Hypervisor) -> None:
    name = place.name("net")
    hypervisor.define_network(network(name, 5))
    hypervisor.start_network(name)
    xml = hypervisor.networks()[name].xml

    def live() -> list[tuple[str | None, str | None]]:
        assert hypervisor.networks()[name].xml == xml
        return _hosts(hypervisor.networks()[name].live_xml)

    first, second = HOST.format(5, 5), HOST.format(6, 5)
    hypervisor.update_network(name, "add-last", "ip-dhcp-host", first)
    hypervisor.update_network(name, "add-last", "ip-dhcp-host", second)
    assert live() == [("52:54:00:00:00:05", "10.66.5.5"), ("52:54:00:00:00:06", "10.66.5.6")]
    with pytest.raises(Conflict, match=name):
        hypervisor.update_network(name, "add-last", "ip-dhcp-host", first)
    hypervisor.update_network(name, "modify", "ip-dhcp-host", first.replace("10.66.5.5", "10.66.5.7"))
    assert ("52:54:00:00:00:05", "10.66.5.7") in live()
    with pytest.raises(Conflict, match=name):
        hypervisor.update_network(name, "modify", "ip-dhcp-host", HOST.format(9, 5))
    for _again in range(2):
        hypervisor.update_network(name, "delete", "ip-dhcp-host", "<host mac='52:54:00:00:00:05'/>")
        assert live() == [("52:54:00:00:00:06", "10.66.5.6")]


def test_other_sections_live(place: Place, hypervisor: Hypervisor) -> None:
    name = place.name("net")
    hypervisor.define_network(network(name, 6))
    hypervisor.start_network(name)
    hypervisor.update_network(name, "add-first", "ip-dhcp-range", "<range start='10.66.6.100' end='10.66.6.120'/>")
    hypervisor.update_network(name, "add-last", "dns-host", "<host ip='10.66.6.5'><hostname>files</hostname></host>")
    live = tree(hypervisor.networks()[name].live_xml)
    assert [each.get("start") for each in live.iterfind("ip/dhcp/range")] == ["10.66.6.100", "10.66.6.10"]
    assert live.findtext("dns/host/hostname") == "files"
    with pytest.raises(Unsupported, match=name):
        hypervisor.update_network(name, "modify", "bridge", "<bridge name='x'/>")
    for command, section in (("add", "dns-host"), ("modify", "dns")):
        with pytest.raises(SpecError, match=name):
            hypervisor.update_network(name, command, section, "<host/>")
    hypervisor.stop_network(name)
    with pytest.raises(Conflict, match=name):
        hypervisor.update_network(name, "add-last", "ip-dhcp-host", HOST.format(5, 6))


def test_two_networks_in_each_others_way(place: Place, hypervisor: Hypervisor) -> None:
    name, other = place.name("net"), place.name("net")
    hypervisor.define_network(network(name, 7, bridge="vfc7"))
    hypervisor.start_network(name)
    hypervisor.define_network(network(other, 7))
    with pytest.raises(Conflict, match=other):
        hypervisor.start_network(other)
    with pytest.raises(Conflict, match="vfc7"):
        hypervisor.define_network(network(place.name("net"), 8, bridge="vfc7"))
    with pytest.raises(Conflict, match=name):
        hypervisor.define_network(network(name, 8))
    assert set(hypervisor.networks()) == {name, other}


def test_refused_definitions(place: Place, hypervisor: Hypervisor) -> None:
    name = place.name("net")
    for xml in ("<network>", network(name, 999)):
        with pytest.raises(SpecError, match="could not define network"):
            hypervisor.define_network(xml)
    assert hypervisor.networks() == {}


MISSING = {
    "start_network": (),
    "stop_network": (),
    "set_network_autostart": (True,),
    "update_network": ("delete", "ip-dhcp-host", "<host mac='52:54:00:00:00:05'/>"),
}


@pytest.mark.parametrize("method", MISSING)
def test_a_network_that_is_not_there(hypervisor: Hypervisor, method: str) -> None:
    with pytest.raises(NotFound, match="nosuchnet"):
        getattr(hypervisor, method)("nosuchnet", *MISSING[method])


def test_a_guest_needs_its_network(place: Place, hypervisor: Hypervisor) -> None:
    name, net = place.name("guest"), place.name("net")
    hypervisor.define_guest(guest(name, nic(network=net)))
    with pytest.raises(NotFound, match=rf"{name}.*{net}"):
        hypervisor.start_guest(name)
    hypervisor.define_network(network(net, 9))
    with pytest.raises(Conflict, match=rf"{name}.*{net}.*not active.*start"):
        hypervisor.start_guest(name)
    hypervisor.start_network(net)
    hypervisor.start_guest(name)
    live = tree(hypervisor.guests()[name].live_xml)
    target = live.find("devices/interface/target")
    assert target is not None
    assert target.get("dev", "").startswith("vnet")
    assert hypervisor.leases([net]) == []
    assert hypervisor.addresses(name, "lease") == []
    with pytest.raises(VirtError, match=name):
        hypervisor.attach_device(name, nic("52:54:00:00:00:44", network="nosuchnet"))
