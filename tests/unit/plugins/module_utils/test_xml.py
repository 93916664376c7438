# Copyright: (c) 2026, the virtfleet.core contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""XML as trees: paths, equality of meaning, overlays."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ansible_collections.virtfleet.core.plugins.module_utils import _xml
from ansible_collections.virtfleet.core.plugins.module_utils._errors import SpecError
from ansible_collections.virtfleet.core.plugins.module_utils._xml import Element, Overlay

DOMAIN = """
<domain type='kvm'>
  <name> web1 </name>
  <metadata>
    <virtfleet:guest xmlns:virtfleet='https://virtfleet.github.io/xml/1'>
      <virtfleet:device kind='disk' key='vda'/>
    </virtfleet:guest>
  </metadata>
  <os><type arch='x86_64'>hvm</type><boot dev='hd'/><boot dev='cdrom'/></os>
  <devices>
    <disk type='file' device='disk'>
      <source file="/a'b"/><target dev='vda' bus='virtio'/><address type='pci' slot='1'/>
    </disk>
    <disk type='file' device='cdrom'><target dev='sda' bus='sata'/><address type='drive'/></disk>
    <channel type='unix'><target type='virtio' name='org.qemu.guest_agent.0'/></channel>
    <graphics type='vnc' port='-1'><listen type='address' address='127.0.0.1'/></graphics>
    <hostdev mode='subsystem' type='pci'><source><address bus='0x01'/></source></hostdev>
    <video><model type='vga' heads='1'/></video>
    <controller type='pci' index='0' model='pcie-root'/>
    <controller type='usb' index='0' model='qemu-xhci'/>
    <input type='tablet' bus='usb'/>
  </devices>
</domain>
"""


def domain() -> Element:
    return _xml.parse(DOMAIN)


@pytest.mark.parametrize(
    ("path", "value"),
    [
        ("name", "web1"),
        (".", ""),
        ("@type", "kvm"),
        ("os/type/@arch", "x86_64"),
        ("os/type", "hvm"),
        ("os/boot/@dev", "hd"),
        ("devices/disk[@device='cdrom']/target/@dev", "sda"),
        ('devices/disk[@device="cdrom"][@type="file"]/target/@dev', "sda"),
        ("devices/disk[target/@dev='sda']/@device", "cdrom"),
        ("devices/disk[source]/target/@dev", "vda"),
        ('devices/disk[source/@file="/a\'b"]/target/@dev', "vda"),
        ("devices/*/address[@type='drive']/@type", "drive"),
        ("metadata/virtfleet:guest/virtfleet:device/@key", "vda"),
        ("metadata/{https://virtfleet.github.io/xml/1}guest/virtfleet:device[@kind='disk']/@key", "vda"),
        ("os/loader", None),
        ("os/type/@machine", None),
        ("devices/disk[target/@dev='vdz']", None),
    ],
)
def test_reading_a_path(path: str, value: str | None) -> None:
    assert _xml.read(domain(), path) == value


def test_a_wildcard_finds_all() -> None:
    assert [e.get("type") for e in _xml.find_all(domain(), "devices/*/address")] == ["pci", "drive"]


@pytest.mark.parametrize(
    "path", ["a b", "a[", "a[x", "a[@x='1'", "a[@x=1]", "a]", "a//b", "", "/a", "a[]", "a['x']", "a/@"]
)
def test_what_is_no_path_is_said_to_be_none(path: str) -> None:
    with pytest.raises(SpecError, match="is not a path") as caught:
        _xml.check_path(path)
    assert repr(path) in str(caught.value)


@pytest.mark.parametrize(
    "path",
    [
        "os/loader/@secure",
        "a/b/c",
        "devices/serial[@type='pty']/target/@port",
        "devices/channel[@type='unix'][target/@type='virtio'][target/@name='x.0']/source/@path",
        "metadata/virtfleet:guest/virtfleet:estate",
        "devices/disk[target/@dev='vda']/boot/@order",
    ],
)
def test_writing_a_path_makes_what_is_missing_and_reads_back(path: str) -> None:
    root = domain()
    _xml.write(root, path, "7")
    assert _xml.read(root, path) == "7"
    once = _xml.to_text(root)
    _xml.write(root, path, "7")
    assert _xml.to_text(root) == once


def test_writing_makes_no_second_element_where_one_fits() -> None:
    root = domain()
    _xml.write(root, "devices/channel[target/@name='org.qemu.guest_agent.0']/source/@mode", "bind")
    assert len(_xml.find_all(root, "devices/channel")) == 1


def test_a_wildcard_is_not_made() -> None:
    with pytest.raises(SpecError, match="name the element"):
        _xml.ensure(domain(), "devices/nothing/*/x")


def test_removing_takes_emptied_parents_along_and_no_others() -> None:
    root = _xml.parse("<d><a><b><c/></b></a><e k='v'><f/></e><g><h/><i/></g><j>text<k/></j></d>")
    for path in ("a/b/c", "e/f", "g/h", "j/k", "nothing/here"):
        _xml.remove(root, path)
    assert _xml.to_text(root) == '<d><e k="v" /><g><i /></g><j>text</j></d>'


def test_removing_an_attribute_leaves_its_element() -> None:
    root = domain()
    _xml.remove(root, "os/type/@arch")
    assert _xml.read(root, "os/type") == "hvm"
    assert _xml.read(root, "os/type/@arch") is None


def test_removing_takes_every_match() -> None:
    root = domain()
    _xml.remove(root, "devices/*/address[@type='pci']")
    assert [e.get("type") for e in _xml.find_all(root, "devices/*/address")] == ["drive"]
    assert _xml.find(root, "devices/hostdev/source/address") is not None


def test_bad_xml_is_told_where() -> None:
    with pytest.raises(SpecError, match=r"the fragment is not well-formed XML: mismatched tag \(line 2, column 5\)"):
        _xml.parse("<a>\n  </b>", "the fragment")


# equality and subset


def test_same_is_about_meaning() -> None:
    left = _xml.parse("<a x='1' y='2'>\n  <b/>\n</a>")
    assert _xml.same(left, _xml.parse('<a y="2" x="1"><b></b></a>'))
    for other in ("<a x='1'><b/></a>", "<a x='1' y='3'><b/></a>", "<a x='1' y='2'/>", "<a x='1' y='2'><b>t</b></a>"):
        assert not _xml.same(left, _xml.parse(other))
    assert not _xml.same(_xml.parse("<a><b/><c/></a>"), _xml.parse("<a><c/><b/></a>"))


@pytest.mark.parametrize(
    ("fragment", "holds"),
    [
        ("<graphics/>", True),
        ("<graphics type='vnc'/>", True),
        ("<graphics type='spice'/>", False),
        ("<graphics><listen address='127.0.0.1'/></graphics>", True),
        ("<graphics><listen/><listen/></graphics>", False),
        ("<graphics>text</graphics>", False),
        ("<video/>", False),
    ],
)
def test_a_subset(fragment: str, holds: bool) -> None:
    graphics = _xml.find(domain(), "devices/graphics")
    assert graphics is not None
    assert _xml.contains(graphics, _xml.parse(fragment)) is holds


# overlays


def laid(*overlays: Overlay) -> Element:
    root = domain()
    for overlay in overlays:
        _xml.lay(root, overlay)
    return root


@pytest.mark.parametrize(
    ("at", "fragment", "expected"),
    [
        # Merged: an attribute into what stands once.
        (".", "<os><bios useserial='yes'/></os>", {"os/bios/@useserial": "yes", "os/type": "hvm"}),
        ("os", "<type machine='q35'/>", {"os/type/@machine": "q35", "os/type/@arch": "x86_64", "os/type": "hvm"}),
        ("features/hyperv", "<relaxed state='on'/>", {"features/hyperv/relaxed/@state": "on"}),
        ("cputune", "<vcpupin vcpu='0' cpuset='1'/>", {"cputune/vcpupin[@vcpu='0']/@cpuset": "1"}),
        ("devices/video", "<model type='virtio'/>", {"devices/video/model/@type": "virtio"}),
        ("devices/disk[target/@dev='vda']", "<driver cache='none'/>", {"devices/disk/driver/@cache": "none"}),
        ("devices/disk[target/@dev='vda']", "<target rotation_rate='1'/>", {"devices/disk/target/@dev": "vda"}),
        # Devices are known by what tells them apart.
        (
            "devices",
            "<disk snapshot='no'><target dev='vda'/></disk>",
            {"devices/disk[target/@dev='vda']/@snapshot": "no", "devices/disk/source/@file": "/a'b"},
        ),
        (
            "devices",
            "<graphics type='vnc' passwd='x'/>",
            {"devices/graphics/@passwd": "x", "devices/graphics/@port": "-1"},
        ),
        ("devices", "<video><model type='qxl'/></video>", {"devices/video/model/@type": "qxl"}),
        (
            "devices",
            "<controller type='usb' index='0' ports='15'/>",
            {"devices/controller[@type='usb']/@ports": "15", "devices/controller[@type='pci']/@ports": None},
        ),
        # And are otherwise one more.
        ("devices", "<graphics type='spice'/>", {"devices/graphics[@type='vnc']/@port": "-1"}),
        (
            "devices",
            "<channel type='unix'><target type='virtio' name='org.libguestfs.channel.0'/></channel>",
            {"devices/channel/target/@name": "org.qemu.guest_agent.0"},
        ),
        (
            "devices",
            "<hostdev mode='subsystem' type='pci'><source><address bus='0x02'/></source></hostdev>",
            {"devices/hostdev/source/address/@bus": "0x01"},
        ),
        ("devices", "<input type='tablet' bus='virtio'/>", {"devices/input[@bus='usb']/@type": "tablet"}),
        ("devices", "<rng model='virtio'/>", {"devices/rng/@model": "virtio"}),
    ],
)
def test_an_overlay_holds_once_laid_and_harms_nothing(at: str, fragment: str, expected: dict[str, str | None]) -> None:
    overlay = Overlay(at, fragment)
    before = domain()
    assert not _xml.satisfied(before, overlay)
    root = laid(overlay)
    assert _xml.satisfied(root, overlay)
    assert {path: _xml.read(root, path) for path in expected} == expected
    again = _xml.clone(root)
    _xml.lay(again, overlay)
    assert _xml.same(again, root)


def test_two_overlays_of_one_kind_of_device_stand_side_by_side() -> None:
    both = [
        Overlay("devices", f"<hostdev type='pci'><source><address bus='0x0{bus}'/></source></hostdev>")
        for bus in (2, 3)
    ]
    root = laid(*both)
    assert all(_xml.satisfied(root, overlay) for overlay in both)
    assert len(_xml.find_all(root, "devices/hostdev")) == 3


@pytest.mark.parametrize(
    ("path", "left"),
    [
        ("devices/graphics", "devices/video"),
        ("devices/graphics/@port", "devices/graphics/@type"),
        ("os/boot", "os/type"),
    ],
)
def test_a_removal_holds_once_laid(path: str, left: str) -> None:
    overlay = Overlay(path, None)
    assert not _xml.satisfied(domain(), overlay)
    root = laid(overlay)
    assert _xml.satisfied(root, overlay)
    assert _xml.find(root, path) is None or _xml.read(root, path) is None
    assert _xml.read(root, left) is not None
    assert overlay.show() == {"remove": path}


_NAMES = st.sampled_from(["a", "b", "c", "dev", "name", "type"])
_ATTRIBUTES = st.dictionaries(_NAMES, st.sampled_from("xyz"))
_TREES: st.SearchStrategy[tuple[str, dict[str, str], list[object]]] = st.deferred(
    lambda: st.tuples(_NAMES, _ATTRIBUTES, st.just([]) | st.lists(_TREES, max_size=3))
)


def _made(shape: tuple[str, dict[str, str], list[object]]) -> Element:
    element = Element(shape[0], shape[1])
    for child in shape[2]:
        element.append(_made(child))  # type: ignore[arg-type]
    return element


@given(_TREES)
def test_text_and_back_is_the_same(shape: tuple[str, dict[str, str], list[object]]) -> None:
    tree = _made(shape)
    assert _xml.same(_xml.parse(_xml.to_text(tree)), tree)
    assert _xml.contains(tree, tree)
    assert _xml.same(_xml.clone(tree), tree)


@given(_TREES, _TREES)
def test_an_overlay_below_a_new_parent_always_holds(
    shape: tuple[str, dict[str, str], list[object]], fragment: tuple[str, dict[str, str], list[object]]
) -> None:
    root = _made(shape)
    overlay = Overlay("new", _xml.to_text(_made(fragment)))
    _xml.lay(root, overlay)
    assert _xml.satisfied(root, overlay)
