# Copyright: (c) 2026, the virtfleet.core contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Guests that only xl knows come into the document, and from there to libvirt."""

from __future__ import annotations

import json
from typing import Any

import pytest

from ansible_collections.virtfleet.core.plugins.module_utils._errors import VirtError
from ansible_collections.virtfleet.core.plugins.module_utils._estate.capture import Choice, capture, survey
from ansible_collections.virtfleet.core.plugins.module_utils._xl.config import running, written
from tests.unit.plugins.module_utils.guest.house import House

CONFIG = "name = 'old1'\nmemory = 256\nbootloader = 'pygrub'\n"
PATTERNS = ("/etc/xen/*.cfg", "/etc/xen/auto/*")


def definition(name: str, uuid: str = "11111111-2222-4333-8444-555555555555") -> str:
    """Return what libvirt makes of a configuration, in its short form."""
    return (
        f"<domain type='xen'><name>{name}</name><uuid>{uuid}</uuid><memory unit='KiB'>262144</memory>"
        "<currentMemory unit='KiB'>262144</currentMemory><vcpu placement='static'>1</vcpu>"
        "<bootloader>pygrub</bootloader><os><type arch='x86_64' machine='xenpv'>linux</type></os>"
        "<clock offset='utc' adjustment='reset'/><on_poweroff>destroy</on_poweroff><on_reboot>restart</on_reboot>"
        "<on_crash>restart</on_crash><devices><disk type='file' device='disk'><driver name='qemu' type='raw'/>"
        "<source file='/srv/old.raw'/><target dev='xvda' bus='xen'/></disk>"
        "<interface type='bridge'><mac address='00:16:3e:00:00:01'/><source bridge='xenbr0'/>"
        "<ip address='192.0.2.7' family='ipv4'/><script path='vif-route'/></interface>"
        "<controller type='xenbus' index='0'/><console type='pty'><target type='xen' port='0'/></console>"
        "<input type='mouse' bus='xen'/><input type='keyboard' bus='xen'/><memballoon model='xen'/></devices></domain>"
    )


@pytest.fixture
def house() -> House:
    house = House(xen=("pv", "hvm", "pvh"))
    house.fake.put_file("/srv/old.raw", "raw", 1 << 30)
    house.fake.native_configs[CONFIG] = definition("old1")
    house.files.configs["/etc/xen/old1.cfg"] = (CONFIG, True)
    return house


def captured(house: House, **how: Any) -> tuple[dict[str, Any], list[dict[str, str]]]:
    choice = Choice(xl_configs=PATTERNS, **{"profiles": False, **how})
    snap, of_xl = survey(house.fake, house.files, choice)  # type: ignore[arg-type]
    return capture(snap, choice, of_xl)


def guests(document: dict[str, Any]) -> dict[str, dict[str, Any]]:
    return {entry["name"]: entry for entry in document.get("guests", ())}


def test_a_configuration_becomes_a_guest_that_the_second_run_leaves_alone(house: House) -> None:
    document, residue = captured(house)
    entry = guests(document)["old1"]
    # No UUID was given, so the derived one stands for it.
    assert {"type": "pv", "autostart": True, "memory": "256MiB", "on_crash": "restart"}.items() <= entry.items()
    assert entry["disks"][0]["file"] == "/srv/old.raw" and entry["nics"] == [
        {"bridge": "xenbr0", "mac": "00:16:3e:00:00:01", "ip": "192.0.2.7", "script": "vif-route"}
    ]
    assert "uuid" not in entry and "state" not in entry
    assert residue == [] and "xml_overlay" not in entry
    house.run(**entry)
    assert house.plan(**entry).actions == ()
    # From now on libvirt's word counts.
    again, _residue = captured(house)
    assert guests(again)["old1"].items() >= {"name": "old1", "memory": "256MiB"}.items()


def test_one_that_runs_under_xl_is_told_of(house: House) -> None:
    config = {"c_info": {"type": "pv", "name": "old2"}, "b_info": {"max_memkb": 262144, "bootloader": "pygrub"}}
    house.files.listing = json.dumps([{"domid": 4, "config": config}])
    text = written(running(house.files.listing)["old2"])
    house.fake.native_configs[text] = definition("old2")
    document, residue = captured(house)
    assert set(guests(document)) == {"old1", "old2"}
    (row,) = [row for row in residue if row["at"] == "state"]
    assert row["name"] == "old2" and "xl list -l: it runs under xl" in row["why"]


def test_what_libvirt_cannot_read_is_named_and_the_rest_is_captured(house: House) -> None:
    house.files.configs["/etc/xen/odd.cfg"] = ("name = 'odd'\n", False)
    document, residue = captured(house)
    assert set(guests(document)) == {"old1"}
    (row,) = [row for row in residue if row["name"] == "odd"]
    assert row["at"] == "" and row["why"].startswith("/etc/xen/odd.cfg: ")


def test_what_libvirt_knows_already_is_not_read_again(house: House) -> None:
    house.fake.define_guest(definition("old1").replace("262144", "524288"))
    document, _residue = captured(house)
    assert guests(document)["old1"]["memory"] == "512MiB"


@pytest.mark.parametrize("how", [{"guests": ("web*",)}, {"xl_configs": ()}])
def test_only_what_was_asked_for(house: House, how: dict[str, Any]) -> None:
    choice = Choice(**{"xl_configs": PATTERNS, **how})
    snap, of_xl = survey(house.fake, house.files, choice)  # type: ignore[arg-type]
    document, residue = capture(snap, choice, of_xl)
    assert "guests" not in document and not [row for row in residue if row["kind"] == "guest"]


def test_a_host_without_xl_has_no_format_of_its_own() -> None:
    with pytest.raises(VirtError, match="could not read a configuration"):
        House().fake.guest_from_native(CONFIG)
