# Copyright: (c) 2026, the virtfleet.core contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""ifupdown: the card's stanzas become the bridge's, every other line stays as it is."""
from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ansible_collections.virtfleet.core.plugins.module_utils._bridge.ifupdown import (
    MAIN,
    blocks,
    commands,
    config_of,
    render,
)
from ansible_collections.virtfleet.core.plugins.module_utils._bridge.values import FileState, Present, Static, Wanted
from ansible_collections.virtfleet.core.plugins.module_utils._errors import Unsupported

MAC = "52:54:00:12:34:56"
OWN = "/etc/network/interfaces.d/virtfleet-br0"
DEBIAN = """# This file describes the network interfaces available on your system
source /etc/network/interfaces.d/*

# The loopback network interface
auto lo
iface lo inet loopback

# The primary network interface
allow-hotplug enp1s0
iface enp1s0 inet dhcp
"""
MAKING = [
    f"    pre-up ip link show dev br0 >/dev/null 2>&1 || ip link add name br0 address {MAC} type bridge",
    "    pre-up ip addr flush dev enp1s0",
    "    pre-up echo 1 > /proc/sys/net/ipv6/conf/enp1s0/disable_ipv6 || true",
    "    pre-up ip link set dev enp1s0 master br0 up",
    "    post-down ip link delete dev br0 || true",
    "    post-down echo 0 > /proc/sys/net/ipv6/conf/enp1s0/disable_ipv6 || true",
]


def rendered(texts: dict[str, str], **more: Any) -> dict[str, str]:
    config = config_of("enp1s0", texts)
    assert config is not None
    there = Present({path: FileState(text) for path, text in texts.items()})
    found = render(config, Wanted("br0", "enp1s0", MAC, **more), there)
    return {path: file.text for path, file in found.items() if file is not None}


def test_debians_own_file() -> None:
    found = rendered({MAIN: DEBIAN})
    assert found[MAIN] == DEBIAN.partition("# The primary")[0]
    assert found[OWN].splitlines()[1:] == [
        "iface enp1s0 inet manual", "", "auto br0", "iface br0 inet dhcp", *MAKING
    ]  # fmt: skip


def test_a_second_look_finds_nothing_to_take_out() -> None:
    texts = {MAIN: DEBIAN}
    config = config_of("enp1s0", texts)
    first = rendered(texts)
    assert config is not None
    there = Present({path: FileState(text) for path, text in first.items()})
    again = render(config, Wanted("br0", "enp1s0", MAC), there)
    assert {path: file.text for path, file in again.items() if file} == {OWN: first[OWN]}


def test_what_is_of_the_wire_stays_and_the_rest_moves() -> None:
    text = """auto lo enp1s0 enp2s0
iface lo inet loopback
iface enp2s0 inet manual
iface enp1s0 inet static
    address 192.0.2.10/24
    gateway 192.0.2.1
    mtu 9000
    hwaddress ether 52:54:00:12:34:56
    up ip route add 198.51.100.0/24 via 192.0.2.2 dev enp1s0
    up ethtool -K $IFACE tso off
iface enp1s0:1 inet static
    address 192.0.2.11/24
"""
    found = rendered({MAIN: text})
    assert found[MAIN].startswith("auto lo enp2s0\niface lo inet loopback\niface enp2s0 inet manual\n")
    assert found[MAIN].endswith(f"source {OWN}\n")
    own = found[OWN]
    assert "iface enp1s0 inet manual\n    hwaddress ether 52:54:00:12:34:56\n    mtu 9000\n" in own
    assert "    pre-up ip link set dev enp1s0 mtu 9000 master br0 up\n" in own
    assert "    up ip route add 198.51.100.0/24 via 192.0.2.2 dev br0\n" in own
    assert "    up ethtool -K enp1s0 tso off\n" in own
    assert own.endswith("iface br0:1 inet static\n    address 192.0.2.11/24\n")
    assert own.count("pre-up ip link show") == 1


def test_addresses_replace_their_own_family_only() -> None:
    text = "auto enp1s0\niface enp1s0 inet dhcp\n    metric 5\n    up logger up\niface enp1s0 inet6 auto\n    dns-nameservers 192.0.2.53\n"
    static = Static(("192.0.2.20/24", "192.0.2.21/24"), "192.0.2.254")
    own = rendered({MAIN: text}, v4=static, nameservers=("192.0.2.54",))[OWN].splitlines()
    assert own[own.index("auto br0") + 1 :] == [
        "iface br0 inet static", *MAKING, "    address 192.0.2.20/24", "    gateway 192.0.2.254", "    up logger up",
        "    dns-nameservers 192.0.2.54", "iface br0 inet static", "    address 192.0.2.21/24", "iface br0 inet6 auto",
    ]  # fmt: skip


@pytest.mark.parametrize("line", ["source interfaces.d/*", "source-directory interfaces.d", "source /etc/network/interfaces.d/*"])
def test_a_folder_that_is_read_needs_no_line_of_its_own(line: str) -> None:
    assert f"source {OWN}" not in rendered({MAIN: f"{line}\niface enp1s0 inet dhcp\n"})[MAIN]


@pytest.mark.parametrize("option", ["wpa-ssid home", "bond-master bond0", "bridge_ports x"])
def test_what_a_port_cannot_have(option: str) -> None:
    with pytest.raises(Unsupported, match=option.split(maxsplit=1)[0]):
        rendered({MAIN: f"iface enp1s0 inet dhcp\n    {option}\n"})


def test_a_card_without_a_stanza() -> None:
    assert config_of("enp9s0", {MAIN: DEBIAN}) is None


def test_continued_lines_are_one() -> None:
    text = "iface enp1s0 inet static\n    address \\\n        192.0.2.10/24\n    up a \\\n      b\n"
    config = config_of("enp1s0", {MAIN: text})
    assert config is not None
    options = [[key, " ".join(value.split())] for key, value in config["stanzas"][0]["options"]]
    assert options == [["address", "192.0.2.10/24"], ["up", "a b"]]


LINES = st.lists(st.sampled_from(["auto a b", "iface a inet dhcp", "  up x", "# c", "", "source x/*", "  up y \\"]), max_size=9)


@given(LINES)
def test_blocks_are_the_file_again(lines: list[str]) -> None:
    text = "".join(f"{line}\n" for line in lines)
    assert "".join(line for block in blocks(text) for line in block.lines) == text


@pytest.mark.parametrize(
    ("bridge_now", "absent", "argv"),
    [(False, False, ("enp1s0", "br0")), (True, False, ("br0", "br0")), (True, True, ("br0", "enp1s0"))],
)
def test_what_is_run(bridge_now: bool, absent: bool, argv: tuple[str, str]) -> None:
    both = commands(Wanted("br0", "enp1s0", MAC), bridge_now, absent)
    old, new = argv
    assert [one.argv[-1] for one in (*both.before, *both.after)] == [old, new]
    assert [one.argv[-1] for one in (*both.undo_before, *both.undo_after)] == [new, old]
