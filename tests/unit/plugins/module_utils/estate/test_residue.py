# Copyright: (c) 2026, the virtfleet.core contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What one tree has beyond another, and what of a guest's XML is derived."""

from __future__ import annotations

import pytest

from ansible_collections.virtfleet.core.plugins.module_utils import _xml
from ansible_collections.virtfleet.core.plugins.module_utils._estate.derived import (
    cleaned,
    emulators,
    without_secrets,
)
from ansible_collections.virtfleet.core.plugins.module_utils._residue import missing, surplus
from ansible_collections.virtfleet.core.plugins.module_utils._xml import Element, Overlay

LISTS = {"devices/disk": "target/@dev", "devices/interface": "mac/@address"}


def tree(text: str) -> Element:
    return _xml.parse(f"<domain>{text}</domain>")


DISK = "<disk type='file'><target dev='vda'/>{}</disk>"
# What there is, what is made, and the fragments that are missing.
MISSING: dict[str, tuple[str, str, list[tuple[str, str]]]] = {
    "nothing": ("<memory>1</memory>", "<memory unit='KiB'>1</memory>", []),
    "whole": ("<pm><a/></pm>", "", [(".", "<pm><a /></pm>")]),
    "merged": (
        "<cpu mode='custom'><model>x</model><feature name='a'/></cpu>",
        "<cpu mode='maximum'><feature name='b'/></cpu>",
        [(".", '<cpu mode="custom"><model>x</model><feature name="a" /></cpu>')],
    ),
    "text": ("<vcpu cpuset='0'>2</vcpu>", "<vcpu>1</vcpu>", [(".", '<vcpu cpuset="0">2</vcpu>')]),
    "keyed": (
        "<clock><timer name='rtc' track='guest'/></clock>",
        "<clock><timer name='pit'/><timer name='rtc' tickpolicy='catchup'/></clock>",
        [(".", '<clock><timer name="rtc" track="guest" /></clock>')],
    ),
    "a device": ("<devices><tpm model='x'/></devices>", "", [("devices", '<tpm model="x" />')]),
    "more in a device": (
        "<devices><rng model='virtio'><rate bytes='9'/><backend model='random'>/r</backend></rng></devices>",
        "<devices><rng model='virtio'><backend model='random'>/r</backend></rng></devices>",
        [("devices/rng[@model='virtio'][backend/@model='random'][backend='/r']", '<rate bytes="9" />')],
    ),
    "USB 2": (
        "<devices><controller type='usb' index='0' model='ich9-ehci1'/>"
        "<controller type='usb' index='0' model='ich9-uhci1'><master startport='0'/></controller>"
        "<controller type='usb' index='0' model='ich9-uhci2'><master startport='2'/></controller></devices>",
        "<devices/>",
        [
            ("devices", '<controller type="usb" index="0" model="ich9-ehci1" />'),
            ("devices", '<controller type="usb" index="0" model="ich9-uhci1"><master startport="0" /></controller>'),
            ("devices", '<controller type="usb" index="0" model="ich9-uhci2"><master startport="2" /></controller>'),
        ],
    ),
    "two alike": (
        "<devices><hub type='usb'/><hub type='usb'/></devices>",
        "<devices><hub type='usb'/></devices>",
        [("devices", '<hub type="usb" />')],
    ),
    "in a disk": (
        "<devices>" + DISK.format("<serial>S</serial><driver type='raw' io='native'/>") + "</devices>",
        "<devices>" + DISK.format("<driver type='raw'/>") + "</devices>",
        [
            ("devices/disk[target/@dev='vda']", "<serial>S</serial>"),
            ("devices/disk[target/@dev='vda']", '<driver io="native" />'),
        ],
    ),
    "of a disk": (
        "<devices><disk type='file' model='m'><target dev='vda'/></disk></devices>",
        f"<devices>{DISK.format('')}</devices>",
        [("devices", '<disk model="m"><target dev="vda" /></disk>')],
    ),
    "another disk": (
        f"<devices>{DISK.format('')}</devices>",
        "<devices><disk type='file'><target dev='vdb'/></disk></devices>",
        [("devices", '<disk type="file"><target dev="vda" /></disk>')],
    ),
    "metadata": ("<metadata><a/><b/></metadata>", "<metadata><a/></metadata>", [("metadata", "<b />")]),
    "identity": ("<name>a</name><uuid>b</uuid>", "<name>c</name>", []),
}


@pytest.mark.parametrize("name", MISSING)
def test_what_is_missing_brings_it_back(name: str) -> None:
    there, made, pieces = MISSING[name]
    root, other = tree(there), tree(made)
    found = missing(root, other, LISTS)
    assert [(piece.at, piece.xml) for piece in found] == pieces
    if name == "two alike":
        return
    for piece in found:
        assert _xml.satisfied(root, piece.overlay)
        _xml.lay(other, piece.overlay)
        assert _xml.satisfied(other, piece.overlay)
    assert missing(root, other, LISTS) == []


SURPLUS: dict[str, tuple[str, str, list[str]]] = {
    "nothing": ("<pm><a/></pm>", "<pm/>", []),
    "whole": ("", "<features><acpi/></features>", ["features"]),
    "a part": ("<features><pae/></features>", "<features><acpi/><pae/></features>", ["features/acpi"]),
    "an attribute": ("<cpu><numa/></cpu>", "<cpu mode='maximum'/>", ["cpu/@mode"]),
    "a device": (
        "<devices/>",
        "<devices><rng model='virtio'><backend model='random'>/dev/urandom</backend></rng></devices>",
        ["devices/rng[@model='virtio'][backend/@model='random'][backend='/dev/urandom']"],
    ),
    "an attribute of a device": (
        "<devices><graphics type='vnc' port='5900'/></devices>",
        "<devices><graphics type='vnc' port='-1' autoport='yes'/></devices>",
        ["devices/graphics[@type='vnc']/@autoport"],
    ),
    "an idle controller": ("<devices/>", "<devices><controller type='scsi' model='virtio-scsi'/></devices>", []),
    "another controller": (
        "<devices><controller type='usb' index='0' model='ich9-ehci1'/></devices>",
        "<devices><controller type='usb' model='qemu-xhci'/></devices>",
        ["devices/controller[@type='usb'][@model='qemu-xhci']"],
    ),
    "the same controller": (
        "<devices><controller type='usb' index='0' model='qemu-xhci'/></devices>",
        "<devices><controller type='usb' model='qemu-xhci' ports='15'/></devices>",
        [],
    ),
}


@pytest.mark.parametrize("name", SURPLUS)
def test_what_is_too_much_is_taken_away(name: str) -> None:
    there, made, paths = SURPLUS[name]
    root, other = tree(there), tree(made)
    assert surplus(root, other) == paths
    for path in paths:
        assert _xml.satisfied(root, Overlay(path, None))
        assert not _xml.satisfied(other, Overlay(path, None))
        _xml.lay(other, Overlay(path, None))
    assert surplus(root, other) == []


# What libvirt gives, and what of it is somebody's word.
CLEANED: dict[str, tuple[str, str]] = {
    "security label": ("<seclabel type='dynamic' model='dac'/><seclabel type='none'/>", "<seclabel type='none'/>"),
    "partition": ("<resource><partition>/machine</partition></resource>", ""),
    "another partition": ("<resource><partition>/prod</partition></resource>",) * 2,
    "events": ("<on_crash>destroy</on_crash><on_reboot>destroy</on_reboot>", "<on_reboot>destroy</on_reboot>"),
    "placement": ("<vcpu placement='static' cpuset='1'>2</vcpu>", "<vcpu cpuset='1'>2</vcpu>"),
    "firmware": (
        "<os firmware='efi'><loader readonly='yes' secure='yes' type='pflash'>/x.fd</loader>"
        "<nvram template='/y'>/var/lib/libvirt/qemu/nvram/_VARS.fd</nvram></os>",
        "<os firmware='efi'><loader secure='yes'/></os>",
    ),
    "firmware by path": ("<os><loader type='pflash'>/x.fd</loader><nvram>/y</nvram></os>",) * 2,
    "cpu": (
        "<cpu mode='host-model' check='partial'><model fallback='allow'/></cpu>",
        "<cpu mode='host-model'></cpu>",
    ),
    "checked cpu": ("<cpu mode='host-model' check='full'/>",) * 2,
    "addresses": (
        "<devices><rng><address type='pci'/><alias name='rng0'/></rng></devices>",
        "<devices><rng/></devices>",
    ),
    "own alias": ("<devices><rng><alias name='ua-mine'/></rng></devices>",) * 2,
    "two alike": (
        "<devices><hub type='usb'><address type='usb' port='1'/></hub><hub type='usb'><address type='usb' port='2'/>"
        "</hub></devices>",
        "<devices><hub type='usb'/><hub type='usb'><address type='usb' port='2'/></hub></devices>",
    ),
    "address of a host's device": (
        "<devices><hostdev><source><address bus='1'/></source><address type='pci'/></hostdev></devices>",
        "<devices><hostdev><source><address bus='1'/></source></hostdev></devices>",
    ),
    "emulator": ("<devices><emulator>/usr/bin/qemu-system-x86_64</emulator></devices>", "<devices/>"),
    "known emulator": ("<devices><emulator>/opt/xen/qemu</emulator></devices>", "<devices/>"),
    "own emulator": ("<devices><emulator>/opt/qemu/bin/qemu</emulator></devices>",) * 2,
    "controllers": (
        "<devices><controller type='pci' index='1' model='pcie-root-port'/><controller type='sata' index='0'/>"
        "<controller type='scsi' index='0' model='lsilogic'/></devices>",
        "<devices><controller type='scsi' index='0' model='lsilogic'/></devices>",
    ),
    "inputs": (
        "<devices><input type='mouse' bus='ps2'/><input type='tablet' bus='usb'/></devices>",
        "<devices><input type='tablet' bus='usb'/></devices>",
    ),
    "audio": (
        "<devices><audio id='1' type='none'/><audio id='2' type='none'/></devices>",
        "<devices><audio id='2' type='none'/></devices>",
    ),
    "watchdog": ("<devices><watchdog model='itco' action='reset'/></devices>", "<devices/>"),
    "cdrom": (
        "<devices><disk type='file' device='cdrom'><readonly/></disk></devices>",
        "<devices><disk type='file' device='cdrom'/></devices>",
    ),
    "console": (
        "<devices><serial type='pty'><target type='isa-serial' port='0'><model name='isa-serial'/></target></serial>"
        "<console type='pty'><target type='serial' port='0'/></console></devices>",
        "<devices><serial type='pty'><target port='0'/></serial></devices>",
    ),
    "listen": (
        "<devices><graphics type='vnc' listen='1.2.3.4'><listen type='address' address='1.2.3.4'/></graphics></devices>",
        "<devices><graphics type='vnc'><listen type='address' address='1.2.3.4'/></graphics></devices>",
    ),
    "video": (
        "<devices><video><model type='qxl' ram='65536' vram='1' vgamem='16384' heads='1' primary='yes'/></video></devices>",
        "<devices><video><model type='qxl' vram='1'/></video></devices>",
    ),
    "vsock": (
        "<devices><vsock><cid auto='yes' address='3'/></vsock></devices>",
        "<devices><vsock><cid auto='yes'/></vsock></devices>",
    ),
}


@pytest.mark.parametrize("name", CLEANED)
def test_what_is_derived_is_left_out_and_nothing_else(name: str) -> None:
    before, after = CLEANED[name]
    root = tree(before)
    assert _xml.same(cleaned(root, emulators("<c><emulator>/opt/xen/qemu</emulator></c>")), tree(after))
    # It is looked at, not changed.
    assert _xml.same(root, tree(before))


def test_no_capabilities_name_no_emulators() -> None:
    assert emulators("") == emulators("<not") == frozenset()


QEMU = "xmlns:qemu='http://libvirt.org/schemas/domain/qemu/1.0'"


@pytest.mark.parametrize(
    ("text", "places"),
    [
        ("<devices><graphics type='vnc' passwd='x' passwdValidTo='2030-01-01T00:00:00'/></devices>",
         ["devices/graphics[@type='vnc']/@passwd"]),
        ("<devices><disk><source><cookies><cookie name='a'>x</cookie></cookies></source></disk></devices>",
         ["devices/disk/source/cookies"]),
        (f"<qemu:commandline {QEMU}><qemu:arg value='-object'/><qemu:arg value='secret,id=x,data=x'/></qemu:commandline>",
         ["qemu:commandline"]),
        ("<sysinfo type='smbios'><oemStrings><entry>io.systemd.credential:a=x</entry></oemStrings></sysinfo>", ["sysinfo"]),
        (f"<qemu:commandline {QEMU}><qemu:arg value='-name'/></qemu:commandline>", []),
    ],
)  # fmt: skip
def test_secrets_are_taken_out(text: str, places: list[str]) -> None:
    plain, found = without_secrets(tree(text))
    assert [secret.at for secret in found] == places
    if places:
        assert "x" not in [value for node in plain.iter() for value in (node.text, *node.attrib.values())]
        assert "2030" not in _xml.to_text(plain) and "data=x" not in _xml.to_text(plain)
    else:
        assert _xml.same(plain, tree(text))
