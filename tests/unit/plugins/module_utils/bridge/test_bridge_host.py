# Copyright: (c) 2026, the virtfleet.core contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What is read of a host, piece by piece; the whole is read by the integration tests."""
from __future__ import annotations

import os
import socket
import sys
import time
from pathlib import Path

from ansible_collections.virtfleet.core.plugins.module_utils import _bridge_host as host
from ansible_collections.virtfleet.core.plugins.module_utils._bridge.values import Address, Link, Route


def test_a_link_as_ip_tells_it() -> None:
    row = {
        "ifname": "vfnone0", "flags": ["BROADCAST", "UP", "LOWER_UP"], "mtu": 9000, "link_type": "ether", "master": "br0",
        "address": "52:54:00:12:34:56", "linkinfo": {"info_kind": "tun"},
    }  # fmt: skip
    assert host._link(row) == Link("vfnone0", "52:54:00:12:34:56", "tun", "br0", mtu=9000, tap=True)
    down = host._link({**row, "flags": [], "linkinfo": {}, "link_type": "none"})
    assert (down.up, down.carrier, down.ether, down.tap) == (False, False, False, False)


def test_an_address_as_ip_tells_it() -> None:
    info = {"local": "192.0.2.10", "prefixlen": 24, "valid_life_time": 100}
    assert host._address({**info, "dynamic": True}) == Address("192.0.2.10/24", dynamic=True)
    assert host._address({**info, "dadfailed": True, "tentative": True}).doubtful == "somebody else's too"
    assert host._address({**info, "tentative": True}).doubtful == "not yet known to be free"


def test_a_route_as_ip_tells_it() -> None:
    row = {"dst": "default", "gateway": "192.0.2.1", "dev": "eth0", "protocol": "dhcp", "metric": 100, "flags": ["onlink"]}
    assert host._route(row, 4) == Route("default", "eth0", 4, "192.0.2.1", 100, "dhcp", True)


def test_networkds_state_file(tmp_path: Path) -> None:
    file = tmp_path / "2"
    file.write_text('# private\nADMIN_STATE=configured\nNETWORK_FILE=/run/x.network\nDNS="192.0.2.1 192.0.2.2"\n')
    assert host._variables(file)["DNS"] == "192.0.2.1 192.0.2.2"
    assert host._variables(tmp_path / "none") == {}


def test_the_question_comes_from_the_address_in_the_same_network() -> None:
    infos = [{"local": "198.51.100.7", "prefixlen": 24}, {"local": "192.0.2.10", "prefixlen": 24}]
    assert host._nearest(socket.inet_aton("192.0.2.1"), infos) == "192.0.2.10"
    assert host._nearest(socket.inet_aton("203.0.113.1"), infos) == "198.51.100.7"


def test_without_systemd_the_guard_has_a_session_of_its_own_and_nothing_of_the_modules(tmp_path: Path) -> None:
    told = tmp_path / "told"
    program = f"import os; open({str(told)!r}, 'w').write(f'{{os.getsid(0)}} {{os.readlink(\"/proc/self/fd/1\")}}')"
    host._detached([sys.executable, "-c", program])
    until = time.monotonic() + 20
    while not (told.exists() and told.read_text()) and time.monotonic() < until:
        time.sleep(0.05)
    session, output = told.read_text().split()
    assert int(session) != os.getsid(0)
    assert output == os.devnull
