# Copyright: (c) 2026, the virtfleet.core contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Guests that other tools made, captured: nothing to change here, nothing dropped, and nothing in it that is derived."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from ansible_collections.virtfleet.core.plugins.module_utils import _xml
from ansible_collections.virtfleet.core.plugins.module_utils._estate.derived import cleaned, emulators, without_secrets
from ansible_collections.virtfleet.core.plugins.module_utils._estate.guest_words import NOT_LAID_WHY, say_guest
from ansible_collections.virtfleet.core.plugins.module_utils._facts import GuestFacts, Snapshot
from ansible_collections.virtfleet.core.plugins.module_utils._guest.fields.about import SYSTEM
from ansible_collections.virtfleet.core.plugins.module_utils._guest.table import GUEST
from ansible_collections.virtfleet.core.plugins.module_utils._osinfo import Database, look_up
from ansible_collections.virtfleet.core.plugins.module_utils._residue import missing
from ansible_collections.virtfleet.core.plugins.module_utils._table import located
from ansible_collections.virtfleet.core.plugins.module_utils._words import system_word
from ansible_collections.virtfleet.core.plugins.module_utils._xml import Element, Overlay
from tests.contract.fake import FakeHypervisor
from tests.unit.plugins.module_utils.guest.house import SYSTEMS
from tests.unit.plugins.module_utils.guest.test_virtinst import SEEN, definition
from tests.unit.plugins.module_utils.guest.world import (
    FOLDER,
    HOST,
    RECORDED,
    XEN,
    defined,
    facts,
    network,
    planned,
    snapshot,
)

# A host that can run them all.
ANY = replace(
    HOST,
    domain_types={**HOST.domain_types, "s390x": ("qemu",)},
    machines={**HOST.machines, ("s390x", "qemu"): ("s390-ccw-virtio", "s390-ccw-virtio-7.2")},
)
GUESTS = [name for name in SEEN if name not in ("lxc", "test-driver")]
PAIRS = sorted(path.name.removesuffix(".out.xml")[6:] for path in RECORDED.glob("guest-*.out.xml"))


CAPABILITIES = "<capabilities><guest><arch><emulator>/usr/lib/xen-4.17/bin/qemu-system-i386</emulator></arch></guest></capabilities>"


def house(guest: GuestFacts, root: Element) -> Snapshot:
    """Return a host with the guest, and with every network and file that it names."""
    host = XEN if root.get("type") == "xen" else ANY
    snap = snapshot(guest, host=host)
    names = {node.get("network", "") for node in _xml.find_all(root, "devices/interface/source")} - {""}
    more = {name: network(name, 60 + number) for number, name in enumerate(sorted(names - set(snap.networks)))}
    return replace(snap, networks={**snap.networks, **more})


def known(name: str) -> tuple[Element, Snapshot]:
    """Return a definition as libvirt gives it, and its host."""
    path = RECORDED / f"guest-{name}.out.xml"
    text = path.read_text().replace("@FOLDER@", FOLDER) if name in PAIRS else _filled(definition(name))
    root = _xml.parse(text)
    return root, house(facts(text), root)


def _filled(root: Element) -> str:
    if _xml.read(root, "maxMemory") and _xml.find(root, "cpu/numa") is None:
        # libvirt takes slots for memory of guests with nodes only, which virt-install leaves to its user.
        _xml.write(root, "cpu/numa/cell/@id", "0")
        _xml.write(root, "cpu/numa/cell/@memory", _xml.read(root, "memory") or "")
    if root.get("type") != "qemu" or _xml.read(root, "os/type/@arch") != "x86_64":
        return _xml.to_text(root)
    fake = FakeHypervisor()
    fake.define_guest(_xml.to_text(root))
    (guest,) = fake.guests().values()
    return guest.xml


def lost(root: Element, entry: dict[str, Any], snap: Snapshot) -> list[str]:
    """Return what of a guest one made anew from its entry would lack, whatever libvirt makes itself aside."""
    bare = replace(snap, guests={})
    made = _xml.parse(_filled(defined(planned(entry, bare))))
    plain, _secrets = without_secrets(root)
    return [piece.xml for piece in missing(cleaned(plain), cleaned(made, numbered=True), located(GUEST))]


@pytest.mark.parametrize("name", [*GUESTS, *PAIRS])
def test_a_captured_guest_has_nothing_to_change_and_lacks_nothing(name: str) -> None:
    root, snap = known(name)
    (guest,) = snap.guests.values()
    said = say_guest(guest, snap)
    assert said.entry is not None, said.left
    assert planned(said.entry, snap).actions == ()
    # Each overlay stands in the guest as it is.
    for item in said.entry.get("xml_overlay", ()):
        overlay = Overlay(item.get("remove") or item["at"], item.get("xml"))
        assert _xml.satisfied(root, overlay), item
    # Guests of Xen are read, and not made yet.
    if root.get("type") != "xen":
        unlaid = [left.xml for left in said.left if left.why == NOT_LAID_WHY]
        assert lost(root, said.entry, snap) == unlaid


def test_a_guest_of_xen_tools_is_said_without_xml() -> None:
    disks = "".join(
        f'<disk type="file" device="disk"><driver type="raw"/><source file="/srv/domains/tools1/{name}.img"/>'
        f'<target dev="{target}" bus="xen"/></disk>'
        for name, target in (("disk", "xvda2"), ("swap", "xvda1"))
    )
    text = (
        '<domain type="xen"><name>tools1</name><uuid>6f0d4f57-9d4e-4b3a-8a68-000000000099</uuid><memory>262144</memory>'
        "<currentMemory>262144</currentMemory><vcpu>1</vcpu><bootloader>pygrub</bootloader>"
        '<os><type arch="x86_64" machine="xenpv">linux</type><cmdline>root=/dev/xvda2 ro</cmdline></os>'
        '<clock offset="utc" adjustment="reset"/>'
        "<on_poweroff>destroy</on_poweroff><on_reboot>restart</on_reboot><on_crash>restart</on_crash>"
        f'<devices>{disks}<interface type="bridge"><mac address="00:16:3e:50:99:7d"/><source bridge="virbr0"/>'
        '<ip address="192.168.122.78" family="ipv4"/></interface><console type="pty"><target type="xen" port="0"/></console>'
        '<memballoon model="xen"/></devices></domain>'
    )
    snap = house(facts(text), _xml.parse(text))
    (guest,) = snap.guests.values()
    said = say_guest(guest, snap)
    assert said.entry is not None and said.left == ()
    assert [disk["target"] for disk in said.entry["disks"]] == ["xvda2", "xvda1"]
    assert said.entry["nics"] == [{"mac": "00:16:3e:50:99:7d", "bridge": "virbr0", "ip": "192.168.122.78"}]
    assert planned(said.entry, snap).actions == ()
    # xl may have made it: then libvirt has not heard of it yet.
    made = defined(planned(said.entry, replace(snap, guests={})))
    assert [_xml.read(made, path) for path in ("bootloader", "os/cmdline")] == ["pygrub", "root=/dev/xvda2 ro"]


@pytest.mark.parametrize("name", [*GUESTS, *PAIRS])
def test_nothing_derived_is_in_a_document(name: str) -> None:
    _root, snap = known(name)
    (guest,) = snap.guests.values()
    said = say_guest(guest, snap, emulators(CAPABILITIES))
    assert said.entry is not None
    for item in said.entry.get("xml_overlay", ()):
        text = item.get("xml", "")
        assert '<address type="pci"' not in text
        assert "<alias" not in text
        assert 'controller type="pci"' not in text
        assert "<emulator>" not in text
        assert "dynamic" not in text
        assert "geheim" not in text and "secret" not in text.replace("secret type", "")
        assert "\n" not in text


def _of_a_system(name: str) -> bool:
    root, _snap = known(name)
    return _xml.read(root, SYSTEM) in ("http://debian.org/debian/11", "http://microsoft.com/win/10")


@pytest.mark.parametrize("name", [name for name in (*GUESTS, *PAIRS) if _of_a_system(name)])
def test_a_system_that_the_host_knows_is_a_word_and_what_it_wants_is_none(name: str) -> None:
    root, snap = known(name)
    word = system_word(_xml.read(root, SYSTEM) or "")
    snap = replace(snap, systems=look_up(Database([SYSTEMS]), [word]))
    said = say_guest(next(iter(snap.guests.values())), snap)
    assert said.entry is not None and said.entry["os"] == word
    assert planned(said.entry, snap).actions == ()
    assert len(lost(root, said.entry, snap)) <= len(lost(root, known_entry(name), snap))
    made = defined(planned(said.entry, replace(snap, guests={})))
    for path in ("os/type/@machine", "os/@firmware", "clock/@offset", "devices/video/model/@type", "devices/tpm/@model"):
        have, new = _xml.read(root, path), _xml.read(made, path)
        assert have == new or path == "os/type/@machine" or (have, new) == (None, "vga"), path


def known_entry(name: str) -> dict[str, Any]:
    """Return what is said of a guest where nothing is known of its system."""
    _root, snap = known(name)
    entry = say_guest(next(iter(snap.guests.values())), snap).entry
    assert entry is not None and "os" not in entry
    return entry
