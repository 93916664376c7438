# Copyright: (c) 2026, the virtfleet.core contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""netplan: the addresses leave the files that have them, and stand below the bridge."""
from __future__ import annotations

from typing import Any

import pytest
import yaml

from ansible_collections.virtfleet.core.plugins.module_utils._bridge.netplan import (
    CLOUD_INIT_OFF,
    commands,
    config_of,
    render,
)
from ansible_collections.virtfleet.core.plugins.module_utils._bridge.values import (
    FileState,
    Link,
    Present,
    Static,
    Wanted,
)
from ansible_collections.virtfleet.core.plugins.module_utils._errors import Unsupported

MAC = "52:54:00:12:34:56"
LINK = Link("enp1s0", MAC, driver="virtio_net")
OWN = "/etc/netplan/90-virtfleet-br0.yaml"
CLOUD = "/etc/netplan/50-cloud-init.yaml"


def present(**files: str) -> Present:
    """Return netplan's files; a name stands for one in /etc/netplan."""
    texts = {f"/etc/netplan/{name.replace('_', '-')}.yaml" if "/" not in name else name: text for name, text in files.items()}
    trees = {path: yaml.load(text, Loader=yaml.BaseLoader) for path, text in texts.items()}
    return Present({path: FileState(text, 0o644) for path, text in texts.items()}, trees)


def rendered(
    there: Present, wanted: Wanted | None = None, key: str = "enp1s0", service: str = "systemd-networkd"
) -> tuple[dict[str, Any], dict[str, FileState]]:
    """Return what is written, as trees and as files."""
    config = {**config_of(key, LINK, there.trees), "service": service}
    files = render(config, wanted or Wanted("br0", "enp1s0", MAC), there)
    kept = {path: file for path, file in files.items() if file is not None}
    written = {path: file.text for path, file in kept.items() if not path.endswith(".conf")}
    return {path: yaml.load(text, Loader=yaml.BaseLoader) for path, text in written.items()}, kept


def test_dhcp_comes_over_and_the_rest_of_the_file_stays() -> None:
    text = "network:\n  version: 2\n  ethernets:\n    enp1s0: {dhcp4: true, wakeonlan: true}\n    enp2s0: {dhcp4: yes}\n"
    trees, files = rendered(present(a=text))
    assert trees == {
        "/etc/netplan/a.yaml": {
            "network": {"version": "2", "ethernets": {"enp1s0": {"wakeonlan": "true"}, "enp2s0": {"dhcp4": "yes"}}}
        },
        OWN: {"network": {"version": "2", "bridges": {"br0": {
            "interfaces": ["enp1s0"], "macaddress": MAC, "dhcp4": "true",
        }}}},
    }  # fmt: skip
    assert {file.mode for file in files.values()} == {0o600}


def test_what_several_files_say_together() -> None:
    first = "network:\n  ethernets:\n    enp1s0: {addresses: [192.0.2.10/24], dhcp4: true}\n"
    second = "network:\n  ethernets:\n    enp1s0: {addresses: [192.0.2.11/24], dhcp4: false, mtu: 9000}\n"
    trees, _files = rendered(present(b=second, a=first))
    bridge = trees[OWN]["network"]["bridges"]["br0"]
    assert (bridge["addresses"], bridge["dhcp4"]) == (["192.0.2.10/24", "192.0.2.11/24"], "false")
    assert trees["/etc/netplan/a.yaml"]["network"]["ethernets"]["enp1s0"] == {}
    assert trees["/etc/netplan/b.yaml"]["network"]["ethernets"]["enp1s0"] == {"mtu": "9000"}


def test_a_second_look_finds_nothing_to_take_out() -> None:
    there = present(a="network:\n  ethernets:\n    enp1s0: {dhcp4: true}\n")
    config = {**config_of("enp1s0", LINK, there.trees), "service": "systemd-networkd"}
    stripped = present(a="network:\n  ethernets:\n    enp1s0: {}\n")
    assert list(render(config, Wanted("br0", "enp1s0", MAC), stripped)) == [OWN]


def test_cloud_init_is_told_to_leave_its_file_alone() -> None:
    text = f"network:\n  ethernets:\n    x0:\n      match: {{macaddress: '{MAC}'}}\n      set-name: enp1s0\n      dhcp4: true\n"
    trees, _files = rendered(present(**{CLOUD: text}), key="x0")
    assert trees[CLOUD_INIT_OFF] == {"network": {"config": "disabled"}}
    assert trees[CLOUD]["network"]["ethernets"]["x0"] == {"match": {"macaddress": MAC}, "set-name": "enp1s0"}
    assert trees[OWN]["network"]["bridges"]["br0"]["interfaces"] == ["x0"]


def test_a_definition_of_several_cards_stays_and_one_of_our_own_wins() -> None:
    text = "network:\n  ethernets:\n    all-en: {match: {name: 'en*'}, dhcp4: true, dhcp4-overrides: {use-mtu: false}}\n"
    trees, _files = rendered(present(a=text), key="all-en")
    assert list(trees) == [OWN]
    network = trees[OWN]["network"]
    assert network["ethernets"] == {"0-br0-enp1s0": {"match": {"name": "enp1s0"}, "dhcp4": "false", "dhcp6": "false"}}
    assert network["bridges"]["br0"]["interfaces"] == ["0-br0-enp1s0"]
    assert network["bridges"]["br0"]["dhcp4-overrides"] == {"use-mtu": "false"}
    # networkd takes the first by the name of the file.
    assert min("all-en", *network["ethernets"]) != "all-en"


def test_addresses_replace_their_own_family_only() -> None:
    text = (
        "network:\n  ethernets:\n    enp1s0:\n      dhcp4: true\n      dhcp6: true\n      gateway4: 192.0.2.1\n"
        "      addresses: ['2001:db8::10/64', {192.0.2.9/24: {label: x}}]\n"
        "      routes: [{to: default, via: 192.0.2.1}, {to: default, via: 'fe80::1'}, {to: 198.51.100.0/24, via: 192.0.2.2}]\n"
        "      nameservers: {search: [example], addresses: [192.0.2.53]}\n"
    )
    wanted = Wanted("br0", "enp1s0", MAC, Static(("192.0.2.20/24",), "192.0.2.254"), nameservers=("192.0.2.54",))
    bridge = rendered(present(a=text), wanted)[0][OWN]["network"]["bridges"]["br0"]
    assert bridge == {
        "interfaces": ["enp1s0"], "macaddress": MAC, "dhcp4": "false", "dhcp6": "true",
        "addresses": ["2001:db8::10/64", "192.0.2.20/24"],
        "nameservers": {"search": ["example"], "addresses": ["192.0.2.54"]},
        "routes": [
            {"to": "default", "via": "fe80::1"}, {"to": "198.51.100.0/24", "via": "192.0.2.2"},
            {"to": "default", "via": "192.0.2.254"},
        ],
    }  # fmt: skip


def test_the_spanning_tree_protocol_is_off_under_both_renderers() -> None:
    there = present(a="network:\n  ethernets:\n    enp1s0: {dhcp4: true}\n")
    by_networkd, _files = rendered(there)
    by_nm, _files = rendered(there, service="NetworkManager")
    # networkd's default is off, and any parameter at all would turn it on; NetworkManager's default is on.
    assert "parameters" not in by_networkd[OWN]["network"]["bridges"]["br0"]
    assert by_nm[OWN]["network"]["bridges"]["br0"]["parameters"] == {"stp": "false"}


def test_the_server_knows_the_bridge_by_what_it_knew_the_card() -> None:
    there = present(a="network:\n  ethernets:\n    enp1s0: {dhcp4: true}\n")
    _trees, files = rendered(there, Wanted("br0", "enp1s0", MAC, iaid=77))
    assert files["/etc/systemd/network/10-netplan-br0.network.d/virtfleet.conf"].text.endswith("[DHCPv4]\nIAID=77\n")


@pytest.mark.parametrize(
    ("file", "text", "sentence"),
    [
        ("/run/netplan/a.yaml", "network: {ethernets: {enp1s0: {dhcp4: true}}}", "only files in /etc/netplan are changed"),
        ("a", "network: {ethernets: {enp1s0: {networkmanager: {uuid: x}}}}", "NetworkManager wrote its netplan definition"),
        ("a", "network: {ethernets: {'!': {match: {name: 'en*'}}}}", "the netplan definition ! is of other interfaces too"),
    ],
)
def test_what_it_leaves_to_people(file: str, text: str, sentence: str) -> None:
    there = present(**{file: text})
    key = next(iter(yaml.safe_load(text)["network"]["ethernets"]))
    with pytest.raises(Unsupported, match=sentence):
        rendered(there, key=key)


def test_what_is_run() -> None:
    both = commands({"service": "NetworkManager"})
    assert [one.argv for one in both.after] == [("netplan", "apply")]
    assert both.undo_after[-1].argv == ("systemctl", "start", "NetworkManager")
    assert [one.argv for one in both.boot] == [("netplan", "generate")]
