# Copyright: (c) 2026, the virtfleet.core contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""host_bridge under every manager of a network that it knows, with a lease and with fixed addresses, on two Debians."""

from __future__ import annotations

import json
import re
import time
from collections.abc import Iterator

import pytest

from tests.integration.bridge_machines import NOBODY, ROUTER, ROUTER6, STATIC, STATIC6, Machine, interruption
from tests.integration.playing import assert_idiom, idiom, task

pytestmark = [pytest.mark.slow, pytest.mark.root]

HAS = f"{STATIC}/24"
FAR = "198.51.100.0/24"
LO = "auto lo\niface lo inet loopback\n\n"
NETPLAN = "network:\n  version: 2\n  renderer: {}\n  ethernets:\n    eth0:\n{}"
NETPLAN_FIXED = (
    f"      addresses: [{HAS}, '{STATIC6}/64']\n      nameservers: {{addresses: [{ROUTER}]}}\n"
    f"      routes: [{{to: default, via: {ROUTER}}}, {{to: {FAR}, via: {ROUTER}}}]\n"
)
KEYFILE = (
    "[connection]\nid=eth0\nuuid=8e3c9f5e-7d0c-4d0f-9f3a-0f3c1d2e4b5a\ntype=ethernet\ninterface-name=eth0\n\n[ipv4]\nmethod=manual\n"
    f"address1={HAS},{ROUTER}\nroute1={FAR},{ROUTER}\ndns={ROUTER};\n\n[ipv6]\nmethod=manual\naddress1={STATIC6}/64\n"
)
INTERFACES = "/etc/network/interfaces"
# By name: the files, the services, and the manager that must be found.
KINDS: dict[str, tuple[dict[str, str], list[str], str]] = {
    "networkd-lease": (
        {"/etc/systemd/network/10-all.network": "[Match]\nName=e*\n\n[Network]\nDHCP=yes\n"}, ["systemd-networkd"], "networkd",
    ),
    "networkd-fixed": (
        {
            "/etc/systemd/network/10-eth0.network":
            f"[Match]\nName=eth0\n\n[Network]\nAddress={HAS}\nGateway={ROUTER}\nDNS={ROUTER}\nAddress={STATIC6}/64\nGateway={ROUTER6}\n\n"
            f"[Route]\nDestination={FAR}\nGateway={ROUTER}\n",
        }, ["systemd-networkd"], "networkd",
    ),
    "netplan-lease": (
        {
            "/etc/netplan/50-cloud-init.yaml": NETPLAN.format("networkd", "      dhcp4: true\n"),
            "/etc/cloud/cloud.cfg": "",
        }, [], "netplan",
    ),
    "netplan-many": (
        {
            "/etc/netplan/90-default.yaml":
            "network:\n  version: 2\n  ethernets:\n    all-en:\n      match: {name: 'e*'}\n      dhcp4: true\n",
        }, [], "netplan",
    ),
    "netplan-fixed": ({"/etc/netplan/01-net.yaml": NETPLAN.format("networkd", NETPLAN_FIXED)}, [], "netplan"),
    "netplan-nm": (
        {"/etc/netplan/01-net.yaml": NETPLAN.format("NetworkManager", "      dhcp4: true\n")}, ["NetworkManager"], "netplan",
    ),
    "nm-lease": ({}, ["NetworkManager"], "networkmanager"),
    "nm-fixed": (
        {"/etc/NetworkManager/system-connections/eth0.nmconnection": KEYFILE}, ["NetworkManager"], "networkmanager",
    ),
    "ifupdown-lease": (
        {INTERFACES: f"source /etc/network/interfaces.d/*\n{LO}# The card\nauto eth0\niface eth0 inet dhcp\n"}, [], "ifupdown",
    ),
    "ifupdown-fixed": (
        {
            INTERFACES: f"{LO}auto eth0\niface eth0 inet static\n    address {HAS}\n    gateway {ROUTER}\n"
            f"    up ip route add {FAR} via {ROUTER} dev eth0\niface eth0 inet6 static\n    address {STATIC6}/64\n",
        }, [], "ifupdown",
    ),
}  # fmt: skip
CASES = [("bookworm", kind) for kind in KINDS] + [("trixie", kind) for kind in KINDS]


@pytest.fixture(scope="module", params=CASES, ids="-".join)
def case(lab_ready: None, request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Machine, str]]:
    """Return a machine, and the kind of its network."""
    suite, kind = request.param
    files, services, _manager = KINDS[kind]
    one = Machine(tmp_path_factory.mktemp("machine"), suite)
    try:
        one.make(files, services=services)
        one.boot()
        settle(one)
        yield one, kind
    finally:
        one.down()


def settle(machine: Machine) -> None:
    """Wait for what comes from the router's advertisements, which would be a difference between two looks."""
    until = time.monotonic() + 15
    while time.monotonic() < until and not any("ff:fe" in address for address in machine.addresses("eth0")):
        time.sleep(0.5)
    time.sleep(2)


def test_there_and_back(case: tuple[Machine, str]) -> None:
    machine, kind = case
    before, had = machine.tree(), machine.addresses("eth0")
    fixed = kind.endswith("-fixed")
    with interruption(machine) as gap:
        results = machine.play(idiom("host_bridge", "bridge", name="br0"), "--diff")
    made = assert_idiom(results, "bridge")
    assert made["bridge"]["manager"] == KINDS[kind][2]
    assert made["rollback"]["outcome"] == "kept"
    assert machine.addresses("br0") >= {HAS}
    if fixed:
        assert machine.addresses("br0") >= had
        assert any(route["dst"] == FAR and route["dev"] == "br0" for route in machine.ip("route", "show"))
    assert machine.addresses("eth0") == set()
    assert machine.gateway("br0") == ROUTER
    assert not machine.ip("-4", "route", "show", "dev", "eth0") + machine.ip("-6", "route", "show", "dev", "eth0")
    stp = machine.run("cat", "/sys/class/net/br0/bridge/stp_state").strip()
    assert stp == "0"
    print(f"INTERRUPTION {kind} {machine.suite} {gap[0]:.2f} s")
    assert gap[0] < 15

    machine.power_off()
    machine.boot()
    assert machine.addresses("br0") >= {HAS}
    again = machine.play([task("again", "host_bridge", name="br0")]).named("again")
    assert not again.changed, again["plan"]

    gone = machine.play([task("gone", "host_bridge", name="br0", state="absent")]).named("gone")
    assert gone.changed
    assert machine.tree() == before
    assert machine.links() == {"lo", "eth0"}
    assert machine.addresses("eth0") >= {HAS}
    assert machine.gateway("eth0") == ROUTER


def test_a_wrong_gateway_is_taken_back(case: tuple[Machine, str]) -> None:
    machine, _kind = case
    before, had = machine.tree(), machine.addresses("eth0")
    begun = time.monotonic()
    wrong = task("wrong", "host_bridge", name="br0", addresses=[HAS], gateway=NOBODY)
    result = machine.play([wrong], fails=True).named("wrong")
    assert time.monotonic() - begun < 75
    assert result.outcome == "failed"
    assert f"the gateway {NOBODY} does not answer over br0" in result.msg
    # Between them may stand that IPv6's router was not heard yet either.
    assert "; the old configuration is back, with every address" in result.msg
    assert machine.tree() == before
    assert machine.links() == {"lo", "eth0"}
    assert machine.addresses("eth0") >= {address for address in had if "." in address}


def test_a_power_cut_in_the_middle(case: tuple[Machine, str]) -> None:
    machine, _kind = case
    before = machine.tree()
    machine.begin_and_leave({"name": "br0"})
    machine.power_off()
    machine.boot()
    assert machine.outcome()["why"] == "the host was restarted before the change was confirmed"
    assert machine.links() == {"lo", "eth0"}
    assert machine.tree() == before


def test_what_was_left_unfinished_is_taken_back_by_the_next_run(case: tuple[Machine, str]) -> None:
    machine, kind = case
    if not kind.endswith("-lease"):
        pytest.skip("a lease is enough")
    before = machine.tree()
    machine.begin_and_leave({"name": "br0"})
    # As where no systemd starts it again: it is gone, and its change stays.
    machine.run("sh", "-c", "systemctl stop 'virtfleet-bridge-*'")
    assert machine.file("/var/lib/virtfleet/bridge/br0/pending.json").exists()
    results = machine.play([
        task("check", "host_bridge", name="br0", check=True), task("make", "host_bridge", name="br0"),
        task("gone", "host_bridge", name="br0", state="absent"),
    ])  # fmt: skip
    assert "an earlier change of br0 was left unfinished" in str(results.named("check")["warnings"])
    assert results.named("make").changed
    assert "an earlier change of br0 was left unfinished" in str(results.named("make")["warnings"])
    assert machine.tree() == before
    assert machine.links() == {"lo", "eth0"}


def test_the_role_makes_it_too(case: tuple[Machine, str]) -> None:
    machine, kind = case
    if (machine.suite, kind) != ("bookworm", "ifupdown-lease"):
        pytest.skip("once is enough")
    role = {"role": "virtfleet.core.kvm_host", "kvm_host_bridge": {"name": "br0", "interface": "eth0"}}
    book = machine.folder / "role.yml"
    for again in (False, True):
        book.write_text(json.dumps([{"hosts": "all", "gather_facts": False, "roles": [role]}]))
        said = machine.start_play(book, "--tags", "kvm_host_bridge").communicate(timeout=200)[0]
        # The first time it is the bridge, and what the role notes of the machine.
        (changed,) = re.findall(r"changed=(\d+).*failed=0", said) or [said]
        assert (changed == "0") is again, said
    assert machine.addresses("br0") >= {HAS}
