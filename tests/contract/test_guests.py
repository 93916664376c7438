# Copyright: (c) 2026, the virtfleet.core contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The contract of guests: their definitions, states and metadata. The same tests over each place."""

from __future__ import annotations

import re
from dataclasses import replace

import pytest

from ansible_collections.virtfleet.core.plugins.module_utils._errors import (
    Conflict,
    NotFound,
    SpecError,
    Timeout,
    Unsupported,
    VirtError,
)
from ansible_collections.virtfleet.core.plugins.module_utils._ports import Hypervisor
from tests.contract.definitions import cdrom, disk, guest, metadata, nic, parts, tags, tree
from tests.contract.places import Place

UUID = re.compile(r"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}")


def test_define_read_back_undefine(place: Place, hypervisor: Hypervisor) -> None:
    name = place.name("web")
    hypervisor.define_guest(guest(name, nic()))
    found = hypervisor.guests()[name]
    assert (found.name, found.state, found.live_xml, found.active) == (name, "stopped", None, False)
    assert (found.autostart, found.managed_save, found.snapshots, found.checkpoints) == (False,) * 4
    assert found.persistent
    assert UUID.fullmatch(found.uuid)
    assert found == hypervisor.guests([name])[name]

    root = tree(found.xml)
    assert root.findtext("uuid") == found.uuid
    assert root.findtext("memory") == "65536"
    kind = root.find("os/type")
    assert kind is not None
    assert re.fullmatch(r"pc-q35-\d.*", kind.get("machine", "")), "the alias is expanded"
    address = root.find("devices/interface/address")
    assert address is not None
    assert address.get("type") == "pci"

    hypervisor.undefine_guest(name)
    assert name not in hypervisor.guests()
    assert hypervisor.guests([name]) == {}
    hypervisor.undefine_guest(name)


def test_several_guests_are_found_by_name(place: Place, hypervisor: Hypervisor) -> None:
    names = [place.name("many") for _number in range(7)]
    for name in names:
        hypervisor.define_guest(guest(name))
    assert set(hypervisor.guests(names[:2])) == set(names[:2])
    assert set(hypervisor.guests([*names[:6], "none"])) == set(names[:6])
    assert set(hypervisor.guests()) >= set(names)
    assert hypervisor.guests([]) == {}


def test_a_definition_read_and_defined_again_stays(place: Place, hypervisor: Hypervisor) -> None:
    name = place.name("same")
    channel = "<channel type='unix'><target type='virtio' name='a'/></channel>"
    hypervisor.define_guest(guest(name, nic() + cdrom() + channel))
    before = hypervisor.guests()[name]
    hypervisor.define_guest(before.xml)
    after = hypervisor.guests()[name]
    # The first time libvirt puts the controllers that it had added into another order.
    assert replace(after, xml="") == replace(before, xml="")
    assert sorted(parts(after.xml)) == sorted(parts(before.xml))
    hypervisor.define_guest(after.xml)
    assert hypervisor.guests()[name] == after


def test_what_is_foreign_and_what_is_secret_survive(place: Place, hypervisor: Hypervisor) -> None:
    name = place.name("foreign")
    head = f"<title>A title</title><metadata>{metadata('a', 'b')}<x:y xmlns:x='urn:x' z='1'/></metadata>"
    uri = "http://libvirt.org/schemas/domain/qemu/1.0"
    qemu = f"<qemu:commandline xmlns:qemu='{uri}'><qemu:arg value='-S'/></qemu:commandline>"
    xml = guest(name, "<graphics type='vnc' passwd='secret'/>", head).replace("</domain>", qemu + "</domain>")
    hypervisor.define_guest(xml)
    root = tree(hypervisor.guests()[name].xml)
    assert root.findtext("title") == "A title"
    assert tags(hypervisor.guests()[name].xml) == ["a", "b"]
    foreign = root.find("metadata/{urn:x}y")
    assert foreign is not None
    assert foreign.get("z") == "1"
    assert root.find(f"{{{uri}}}commandline") is not None
    graphics = root.find("devices/graphics")
    assert graphics is not None
    assert graphics.get("passwd") == "secret"


def test_states(place: Place, hypervisor: Hypervisor) -> None:
    name = place.name("states")

    def state() -> str:
        one, all_of_them = hypervisor.guests([name])[name], hypervisor.guests()[name]
        assert one == all_of_them
        assert one.active == (one.state in ("running", "paused"))
        return str(one.state)

    hypervisor.define_guest(guest(name))
    hypervisor.start_guest(name)
    assert state() == "running"
    hypervisor.start_guest(name)
    assert state() == "running"
    for _again in range(2):
        hypervisor.suspend_guest(name)
        assert state() == "paused"
    for _again in range(2):
        hypervisor.resume_guest(name)
        assert state() == "running"
    for _again in range(2):
        hypervisor.save_guest(name)
        assert state() == "saved"
        assert hypervisor.guests()[name].managed_save
    hypervisor.start_guest(name)
    assert state() == "running"
    assert not hypervisor.guests()[name].managed_save
    for _again in range(2):
        hypervisor.shutdown_guest(name, 0, True)
        assert state() == "stopped"


def test_started_paused(place: Place, hypervisor: Hypervisor) -> None:
    name = place.name("paused")
    hypervisor.define_guest(guest(name))
    hypervisor.start_guest(name, paused=True)
    assert hypervisor.guests()[name].state == "paused"


def test_managed_save_keeps_the_old_values_and_can_be_dropped(place: Place, hypervisor: Hypervisor) -> None:
    name = place.name("saved")
    hypervisor.define_guest(guest(name))
    hypervisor.start_guest(name)
    hypervisor.save_guest(name)
    hypervisor.define_guest(hypervisor.guests()[name].xml.replace(">65536<", ">98304<"))
    for found in (hypervisor.guests()[name], hypervisor.guests([name])[name]):
        assert tree(found.saved_xml).findtext("memory") == "65536"
    hypervisor.start_guest(name)
    assert hypervisor.guests()[name].saved_xml is None
    found = hypervisor.guests()[name]
    assert tree(found.live_xml).findtext("memory") == "65536"
    assert tree(found.xml).findtext("memory") == "98304"
    hypervisor.save_guest(name)
    for _again in range(2):
        hypervisor.drop_managed_save(name)
        assert hypervisor.guests()[name].state == "stopped"
    hypervisor.start_guest(name)
    assert tree(hypervisor.guests()[name].live_xml).findtext("memory") == "98304"


def test_undefine_forgets_a_managed_save(place: Place, hypervisor: Hypervisor) -> None:
    name = place.name("forget")
    hypervisor.define_guest(guest(name))
    hypervisor.start_guest(name)
    hypervisor.save_guest(name)
    hypervisor.undefine_guest(name)
    assert name not in hypervisor.guests()
    hypervisor.define_guest(guest(name))
    assert hypervisor.guests()[name].state == "stopped"


def test_a_guest_that_never_powers_off(place: Place, hypervisor: Hypervisor) -> None:
    name = place.name("stubborn")
    hypervisor.define_guest(guest(name))
    hypervisor.start_guest(name)
    place.without_system(name)
    with pytest.raises(Timeout, match=rf"{name}.*1 s.*running"):
        hypervisor.shutdown_guest(name, 1, False)
    assert hypervisor.guests()[name].state == "running"
    hypervisor.shutdown_guest(name, 0.2, True)
    assert hypervisor.guests()[name].state == "stopped"


def test_autostart(place: Place, hypervisor: Hypervisor) -> None:
    name = place.name("auto")
    hypervisor.define_guest(guest(name))
    for wanted in (True, True, False, False):
        hypervisor.set_autostart(name, wanted)
        assert hypervisor.guests()[name].autostart is wanted
        assert hypervisor.guests([name])[name].autostart is wanted


def test_a_definition_changes_no_running_guest(place: Place, hypervisor: Hypervisor) -> None:
    name = place.name("two")
    hypervisor.define_guest(guest(name))
    hypervisor.start_guest(name)
    before = hypervisor.guests()[name]
    hypervisor.define_guest(before.xml.replace(">65536<", ">98304<"))
    after = hypervisor.guests()[name]
    assert tree(after.xml).findtext("memory") == "98304"
    assert after.live_xml == before.live_xml


def test_words_of_a_running_guest(place: Place, hypervisor: Hypervisor) -> None:
    name = place.name("words")
    hypervisor.define_guest(guest(name, head=f"<metadata>{metadata('old')}</metadata>"))
    hypervisor.start_guest(name)
    before = hypervisor.guests()[name]
    hypervisor.set_title(name, "One <title>")
    hypervisor.set_description(name, "Some\nlines")
    hypervisor.set_metadata(name, metadata("new", estate="here"))
    system = "http://libosinfo.org/xmlns/libvirt/domain/1.0"
    for version in (11, 12):
        text = f'<l:libosinfo xmlns:l="{system}"><l:os id="http://debian.org/debian/{version}"/></l:libosinfo>'
        hypervisor.set_metadata(name, text)
    found = hypervisor.guests()[name]
    said = [node.get("id") for node in tree(found.live_xml).iterfind(f"metadata/{{{system}}}libosinfo/{{{system}}}os")]
    assert said == ["http://debian.org/debian/12"]
    live = tree(found.live_xml)
    assert live.findtext("title") == "One <title>"
    assert live.findtext("description") == "Some\nlines"
    assert tags(found.live_xml) == ["new"]
    assert found.xml == before.xml
    [summary] = [each for each in hypervisor.summaries(["running"]) if each.name == name]
    assert (summary.title, summary.tags, summary.estate) == ("One <title>", ("new",), "here")

    for _again in range(2):
        hypervisor.set_title(name, "")
        hypervisor.set_description(name, "")
        hypervisor.set_metadata(name, "")
    live = tree(hypervisor.guests()[name].live_xml)
    assert (live.find("title"), live.find("description")) == (None, None)
    assert tags(hypervisor.guests()[name].live_xml) == []


def test_summaries(place: Place, hypervisor: Hypervisor) -> None:
    running, stopped = place.name("up"), place.name("down")
    for name in (running, stopped):
        hypervisor.define_guest(guest(name, nic(), f"<title>T</title><metadata>{metadata('x')}</metadata>"))
    hypervisor.start_guest(running)
    found = {each.name: each for each in hypervisor.summaries()}
    assert found[running].state == "running"
    assert found[stopped].state == "stopped"
    for each in (found[running], found[stopped]):
        assert (each.vcpus, each.memory_bytes, each.arch, each.title, each.tags) == (1, 64 << 20, "x86_64", "T", ("x",))
        [interface] = each.interfaces
        assert (interface.mac, interface.type, interface.network) == ("52:54:00:00:00:01", "user", None)
        assert not each.agent
    assert [each.name for each in hypervisor.summaries(["running"])] == [running]
    assert [each.name for each in hypervisor.summaries(["stopped", "saved"])] == [stopped]
    assert hypervisor.summaries([]) == []


def test_no_agent_and_no_lease(place: Place, hypervisor: Hypervisor) -> None:
    name = place.name("mute")
    hypervisor.define_guest(guest(name, nic()))
    for _again in range(2):
        assert hypervisor.addresses(name, "lease") == []
        assert hypervisor.addresses(name, "agent") == []
        assert hypervisor.agent_ping(name, 2) is False
        hypervisor.start_guest(name)
    with pytest.raises(SpecError, match="arp"):
        hypervisor.addresses(name, "arp")


MISSING = {
    "start_guest": (),
    "shutdown_guest": (1, True),
    "suspend_guest": (),
    "resume_guest": (),
    "save_guest": (),
    "drop_managed_save": (),
    "set_autostart": (True,),
    "set_memory": (1 << 26,),
    "set_vcpus": (1,),
    "attach_device": (nic(),),
    "detach_device": (nic(),),
    "update_device": (nic(),),
    "resize_disk": ("vda", 1 << 20),
    "set_block_iotune": ("vda", {"total_bytes_sec": 1 << 20}),
    "set_title": ("x",),
    "set_description": ("x",),
    "set_metadata": (metadata("x"),),
    "addresses": ("lease",),
    "agent_ping": (1,),
}


@pytest.mark.parametrize("method", MISSING)
def test_a_guest_that_is_not_there(hypervisor: Hypervisor, method: str) -> None:
    with pytest.raises(NotFound, match="nosuchguest"):
        getattr(hypervisor, method)("nosuchguest", *MISSING[method])


NEEDS_RUNNING = [
    "suspend_guest",
    "resume_guest",
    "save_guest",
    "set_memory",
    "set_vcpus",
    "attach_device",
    "detach_device",
    "update_device",
    "resize_disk",
    "set_block_iotune",
    "set_title",
    "set_description",
    "set_metadata",
]


@pytest.mark.parametrize("method", NEEDS_RUNNING)
def test_a_guest_that_does_not_run(place: Place, hypervisor: Hypervisor, method: str) -> None:
    name = place.name("off")
    hypervisor.define_guest(guest(name, nic()))
    with pytest.raises(Conflict, match=rf"{name}.*not running"):
        getattr(hypervisor, method)(name, *MISSING[method])


def _refused() -> dict[str, tuple[type[VirtError], str]]:
    old_bus = disk("/x").replace("</disk>", "<address type='pci' domain='0' bus='0' slot='9' function='0'/></disk>")
    return {
        "no XML": (SpecError, "<domain type='qemu'><name>n</name>"),
        "no type of os": (SpecError, "<domain type='qemu'><name>@</name><memory>65536</memory></domain>"),
        "a slash": (SpecError, guest("@/a")),
        "no memory": (SpecError, guest("@").replace(">64<", ">0<")),
        "a domain type": (Unsupported, guest("@", kind="vbox9")),
        "a machine": (Unsupported, guest("@", machine="pc-q35-77.0")),
        "more vcpus than the most": (Unsupported, guest("@", vcpu="<vcpu current='3'>2</vcpu>")),
        "topology": (
            Unsupported,
            guest("@", vcpu="<vcpu>2</vcpu><cpu><topology sockets='1' cores='3' threads='1'/></cpu>"),
        ),
        "two disks at one target": (Conflict, guest("@", disk("/x") + disk("/y"))),
        "two at one boot order": (
            Unsupported,
            guest("@", (disk("/x") + disk("/y", "vdb")).replace("</disk>", "<boot order='1'/></disk>")),
        ),
        "the old address of another bus": (Unsupported, guest("@", old_bus.replace("virtio", "sata"))),
        "a mac that is none": (SpecError, guest("@", nic("zz"))),
        "a multicast mac": (SpecError, guest("@", nic("01:00:00:00:00:01"))),
        "one PCI address twice": (Conflict, guest("@", old_bus + old_bus.replace("vda", "vdb"))),
    }


@pytest.mark.parametrize("what", _refused())
def test_refused_definitions(place: Place, hypervisor: Hypervisor, what: str) -> None:
    error, xml = _refused()[what]
    name = place.name("bad")
    with pytest.raises(error) as raised:
        hypervisor.define_guest(xml.replace("@", name))
    assert "could not define guest" in str(raised.value)
    if "@" in xml:
        assert name in str(raised.value)
    assert name not in hypervisor.guests()


def test_another_board_with_the_old_controllers(place: Place, hypervisor: Hypervisor) -> None:
    name = place.name("board")
    hypervisor.define_guest(guest(name))
    xml = hypervisor.guests()[name].xml
    with pytest.raises(SpecError, match=name):
        hypervisor.define_guest(re.sub(r"pc-q35-[^']*?([\"'])", r"pc\1", xml))
    assert hypervisor.guests()[name].xml == xml


def test_one_name_and_one_uuid_are_one_guest(place: Place, hypervisor: Hypervisor) -> None:
    name, other = place.name("first"), place.name("second")
    hypervisor.define_guest(guest(name))
    with pytest.raises(Conflict, match=name):
        hypervisor.define_guest(guest(name))
    xml = hypervisor.guests()[name].xml
    with pytest.raises(Conflict, match=other):
        hypervisor.define_guest(xml.replace(f"<name>{name}<", f"<name>{other}<"))
    assert set(hypervisor.guests()) == {name}


def test_host(hypervisor: Hypervisor) -> None:
    host = hypervisor.host()
    assert host.driver == "qemu"
    assert host.arch == "x86_64"
    assert "qemu" in host.domain_types["x86_64"]
    assert {"q35", "pc"} <= set(host.machines["x86_64", "qemu"])
    assert host.memory_bytes > 1 << 28
    assert host.cpus >= 1
    assert host.libvirt_version >= 8_000_000
    assert not host.remote
    total, available = hypervisor.memory()
    assert total >= available > 0
    assert "<domain>qemu</domain>" in hypervisor.domain_capabilities("x86_64", "q35", "qemu")
    assert hypervisor.domain_capabilities("nosuch", None, "qemu") == ""
