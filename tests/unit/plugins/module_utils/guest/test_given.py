# Copyright: (c) 2026, the virtfleet.core contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What a running guest has from its networks waits for nothing. The live forms are recorded from libvirt 9.0."""

from __future__ import annotations

import pytest

from ansible_collections.virtfleet.core.plugins.module_utils import _xml
from ansible_collections.virtfleet.core.plugins.module_utils._guest.given import as_defined
from ansible_collections.virtfleet.core.plugins.module_utils._guest.table import GUEST
from ansible_collections.virtfleet.core.plugins.module_utils._table import Context, pending

MAC = "<mac address='52:54:00:00:00:01'/>"
GUEST_XML = "<domain type='qemu'><name>g</name><devices><interface type='{}'>" + MAC + "{}</interface></devices></domain>"
PLAIN = "<source network='hb' portgroup='a'/>"
OVS = "<virtualport type='openvswitch'><parameters interfaceid='0b7c9a7e-64a5-4f51-8d34-3cf0b5f1a8f0'{}/></virtualport>"
VLAN = "<vlan><tag id='7'/></vlan>"
PORT = "portid='c2354f38-e48d-4d1d-9efa-708510b8bba0'"


@pytest.mark.parametrize(
    ("defined", "kind", "live", "waits"),
    [
        (PLAIN, "bridge", f"<source network='hb' portgroup='a' {PORT} bridge='br0'/><port isolated='yes'/>", []),
        (PLAIN, "direct", f"<source network='hb' portgroup='a' {PORT} dev='eth0' mode='bridge'/>", []),
        (PLAIN, "network", f"<source network='hb' portgroup='a' {PORT}/><bandwidth><inbound average='9'/></bandwidth>", []),
        (PLAIN, "bridge", f"<source network='hb' portgroup='a' {PORT} bridge='o'/>{VLAN}" + OVS.format(""), []),
        (PLAIN + OVS.format(""), "bridge",
         f"<source network='hb' portgroup='a' {PORT} bridge='o'/>" + OVS.format(" profileid='web'"), []),
        # What the definition says itself counts.
        (f"{PLAIN}{VLAN}", "bridge", f"<source network='hb' portgroup='a' {PORT} bridge='o'/><vlan><tag id='8'/></vlan>", ["vlan"]),
        ("<source network='lab'/>", "bridge", f"<source network='hb' {PORT} bridge='br0'/>", ["source"]),
        ("<source network='hb'/><port isolated='yes'/>", "bridge", f"<source network='hb' {PORT} bridge='br0'/>", ["isolated"]),
    ],
)  # fmt: skip
def test_what_a_network_gives_waits_for_nothing(defined: str, kind: str, live: str, waits: list[str]) -> None:
    text = GUEST_XML.format("network", defined)
    tree = as_defined(_xml.parse(GUEST_XML.format(kind, live)), text)
    changes = pending(GUEST, _xml.parse(text), tree, Context(name="g", state="running"))
    assert [change.path[-1] for change in changes] == waits


def test_a_nic_of_its_own_is_left_as_it_is() -> None:
    text = GUEST_XML.format("bridge", f"<source bridge='br0'/>{VLAN}")
    assert _xml.same(as_defined(_xml.parse(text), text), _xml.parse(text))
