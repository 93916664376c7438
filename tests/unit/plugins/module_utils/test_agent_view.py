# Copyright: (c) 2026, the virtfleet.core contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What agents tell of their guests, and what hostile ones would like to."""

from __future__ import annotations

import json

import pytest

from ansible_collections.virtfleet.core.plugins.module_utils._agent_view import view

NOTHING = {
    "hostname": None,
    "os": dict.fromkeys(("id", "name", "version", "kernel", "machine")),
    "users": [],
    "filesystems": [],
    "interfaces": [],
}


def test_what_an_agent_tells() -> None:
    found = view(
        {
            "guest-get-host-name": {"host-name": "web1"},
            "guest-get-osinfo": {
                "id": "debian",
                "name": "Debian GNU/Linux",
                "pretty-name": "Debian GNU/Linux 12 (bookworm)",
                "version-id": "12",
                "kernel-release": "6.1.0",
                "machine": "x86_64",
            },
            "guest-get-users": [{"user": "root", "login-time": 1764147600.5}],
            "guest-get-fsinfo": [
                {"mountpoint": "/", "name": "vda1", "type": "ext4", "total-bytes": 100, "used-bytes": 7, "disk": []}
            ],
            "guest-network-get-interfaces": [
                {
                    "name": "eth0",
                    "hardware-address": "52:54:00:00:00:0A",
                    "ip-addresses": [{"ip-address": "10.0.0.1", "ip-address-type": "ipv4", "prefix": 24}],
                }
            ],
        }
    )
    assert found == {
        "hostname": "web1",
        "os": {
            "id": "debian",
            "name": "Debian GNU/Linux 12 (bookworm)",
            "version": "12",
            "kernel": "6.1.0",
            "machine": "x86_64",
        },
        "users": [{"name": "root", "domain": None, "since": 1764147600}],
        "filesystems": [{"mountpoint": "/", "device": "vda1", "type": "ext4", "total_bytes": 100, "used_bytes": 7}],
        "interfaces": [
            {
                "name": "eth0",
                "mac": "52:54:00:00:00:0a",
                "addresses": [{"address": "10.0.0.1", "prefix": 24, "family": "ipv4"}],
            }
        ],
    }


@pytest.mark.parametrize("wrong", [None, 7, "x", [], {}, [None, 7, []], {"return": {}}, {"host-name": 7, "id": ["x"]}])
def test_what_has_no_shape_is_left_out(wrong: object) -> None:
    assert view({}) == NOTHING
    told = ("guest-get-host-name", "guest-get-osinfo", "guest-get-users", "guest-get-fsinfo", "guest-network-get-interfaces")
    assert view(dict.fromkeys(told, wrong)) == NOTHING


def test_there_is_an_end_to_everything() -> None:
    found = view(
        {
            "guest-get-host-name": {"host-name": "x" * 10_000_000},
            "guest-get-users": [{"user": "u" * 5000, "login-time": float("inf")}] * 100_000,
            "guest-get-fsinfo": [{"total-bytes": 2**70, "used-bytes": True}] * 1000,
            "guest-network-get-interfaces": [{"name": "n" * 5000}] * 1000,
        }
    )
    assert found["users"][0]["since"] is found["filesystems"][0]["total_bytes"] is None
    assert len(json.dumps(found)) < 1_000_000
