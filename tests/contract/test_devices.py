# Copyright: (c) 2026, the virtfleet.core contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The contract of changes to running guests, over each place. The guests have no operating system.

What only a guest with one can show is in test_booted.py.
"""

from __future__ import annotations

import pytest

from ansible_collections.virtfleet.core.plugins.module_utils._errors import (
    Conflict,
    HostError,
    Timeout,
    Unsupported,
    VirtError,
)
from ansible_collections.virtfleet.core.plugins.module_utils._ports import Hypervisor
from tests.contract.definitions import cdrom, disk, guest, nic, tree
from tests.contract.places import Place


def _started(place: Place, hypervisor: Hypervisor, devices: str = "", **words: str) -> str:
    name = place.name("run")
    hypervisor.define_guest(guest(name, devices, **words))
    hypervisor.start_guest(name)
    return name


def test_start_fills_in_what_runs(place: Place, hypervisor: Hypervisor) -> None:
    name = _started(place, hypervisor, nic() + "<serial type='pty'/>")
    live = tree(hypervisor.guests()[name].live_xml)
    assert int(live.get("id", "")) > 0
    alias, source = live.find("devices/interface/alias"), live.find("devices/serial/source")
    assert alias is not None
    assert alias.get("name") == "net0"
    assert source is not None
    assert source.get("path", "").startswith("/dev/pts/")


def test_memory(place: Place, hypervisor: Hypervisor) -> None:
    name = _started(place, hypervisor)
    xml = hypervisor.guests()[name].xml
    hypervisor.set_memory(name, 48 << 20)
    with pytest.raises(Conflict, match=rf"{name}.*maximum"):
        hypervisor.set_memory(name, 128 << 20)
    assert hypervisor.guests()[name].xml == xml


def test_vcpus(place: Place, hypervisor: Hypervisor) -> None:
    name = _started(place, hypervisor, vcpu="<vcpu current='1'>4</vcpu>")
    xml = hypervisor.guests()[name].xml
    for count, current in ((3, "3"), (4, None)):
        hypervisor.set_vcpus(name, count)
        vcpu = tree(hypervisor.guests()[name].live_xml).find("vcpu")
        assert vcpu is not None
        assert vcpu.get("current") == current
    with pytest.raises(Conflict, match=rf"{name}.*maximum"):
        hypervisor.set_vcpus(name, 5)
    assert hypervisor.guests()[name].xml == xml


def _pins(live: str | None, tag: str) -> dict[str, str]:
    """Return the CPUs of pins by what is pinned; what no pin names runs anywhere."""
    return {next(iter(pin.attrib.values())): pin.get("cpuset", "") for pin in tree(live).iterfind(f"cputune/{tag}")}


def test_pins(place: Place, hypervisor: Hypervisor) -> None:
    name = _started(place, hypervisor, vcpu="<vcpu>2</vcpu><iothreads>1</iothreads>")
    xml = hypervisor.guests()[name].xml
    hypervisor.pin_vcpus(name, {0: "0", 1: "0"})
    hypervisor.pin_emulator(name, "0")
    hypervisor.add_iothreads(name, [2])
    # Again is no error: a run that was cut short did some of it.
    hypervisor.add_iothreads(name, [2])
    hypervisor.pin_iothreads(name, {2: "0"})
    live = hypervisor.guests()[name].live_xml
    assert _pins(live, "vcpupin") == {"0": "0", "1": "0"}
    assert _pins(live, "iothreadpin") == {"2": "0"}
    emulator = tree(live).find("cputune/emulatorpin")
    assert emulator is not None and emulator.get("cpuset") == "0"
    assert tree(live).findtext("iothreads") == "2"
    assert hypervisor.guests()[name].xml == xml
    with pytest.raises(VirtError, match=name):
        hypervisor.pin_vcpus(name, {7: "0"})
    with pytest.raises(VirtError, match=name):
        hypervisor.pin_iothreads(name, {7: "0"})


@pytest.mark.parametrize(
    ("what", "values", "path", "text"),
    [
        ("scheduler", {"cpu_shares": 512, "vcpu_period": 50000}, "cputune/period", "50000"),
        ("memory", {"hard_limit": 2097152}, "memtune/hard_limit", "2097152"),
        ("blkio", {"weight": 300}, "blkiotune/weight", "300"),
    ],
)
def test_tuning_is_live_only_and_needs_cgroups(
    place: Place, hypervisor: Hypervisor, what: str, values: dict[str, int], path: str, text: str
) -> None:
    name = _started(place, hypervisor)
    xml = hypervisor.guests()[name].xml
    try:
        hypervisor.set_parameters(name, what, values)
    except VirtError as error:
        assert name in str(error) and "cgroup" in str(error)
    else:
        assert tree(hypervisor.guests()[name].live_xml).findtext(path) == text
    assert hypervisor.guests()[name].xml == xml


def test_the_balloons_period(place: Place, hypervisor: Hypervisor) -> None:
    name = _started(place, hypervisor)
    for seconds in (7, 0):
        hypervisor.set_stats_period(name, seconds)
        stats = tree(hypervisor.guests()[name].live_xml).find("devices/memballoon/stats")
        assert (stats.get("period") if stats is not None else "0") == str(seconds)
    bare = _started(place, hypervisor, "<memballoon model='none'/>")
    with pytest.raises(VirtError, match=bare):
        hypervisor.set_stats_period(bare, 5)


def test_attach_is_live_only_and_needs_a_free_slot(place: Place, hypervisor: Hypervisor) -> None:
    name = _started(place, hypervisor)
    xml = hypervisor.guests()[name].xml
    hypervisor.attach_device(name, nic("52:54:00:00:00:07"))
    found = hypervisor.guests()[name]
    assert found.xml == xml
    attached = tree(found.live_xml).find("devices/interface")
    assert attached is not None
    for part in ("mac", "model", "alias", "address"):
        assert attached.find(part) is not None
    with pytest.raises(Conflict, match=name):
        hypervisor.attach_device(name, nic("52:54:00:00:00:08"))


def test_attached_disk(place: Place, hypervisor: Hypervisor) -> None:
    image = place.image(place.name("hot") + ".qcow2", 1 << 20)
    other = place.image(place.name("other") + ".qcow2", 1 << 20)
    name = _started(place, hypervisor)
    hypervisor.attach_device(name, disk(image, "vdc"))
    found = tree(hypervisor.guests()[name].live_xml).find("devices/disk")
    assert found is not None
    alias, source = found.find("alias"), found.find("source")
    assert alias is not None
    assert alias.get("name") == "virtio-disk2"
    assert source is not None
    assert source.get("file") == image
    with pytest.raises(Conflict, match=rf"{name}.*vdc"):
        hypervisor.attach_device(name, disk(image, "vdc"))
    with pytest.raises((HostError, Conflict), match=name):
        hypervisor.attach_device(name, disk(f"{place.folder}/nosuch.qcow2", "vdd"))
    with pytest.raises(Unsupported, match=name):
        hypervisor.attach_device(name, disk(other, "sdb", "sata"))


def test_detach_waits_for_the_guest(place: Place, hypervisor: Hypervisor) -> None:
    name = _started(place, hypervisor, nic())
    place.without_system(name)
    with pytest.raises(Timeout, match=rf"{name}.*net0"):
        hypervisor.detach_device(name, nic(), timeout=1)
    assert tree(hypervisor.guests()[name].live_xml).find("devices/interface") is not None


def test_detach_of_what_is_not_there(place: Place, hypervisor: Hypervisor) -> None:
    name = _started(place, hypervisor, nic())
    hypervisor.detach_device(name, nic("52:54:00:00:00:99"), timeout=1)
    hypervisor.detach_device(name, disk("/x", "vdx"), timeout=1)
    assert tree(hypervisor.guests()[name].live_xml).find("devices/interface") is not None


def test_a_drive_cannot_be_unplugged(place: Place, hypervisor: Hypervisor) -> None:
    name = _started(place, hypervisor, cdrom())
    with pytest.raises(Unsupported, match=name):
        hypervisor.detach_device(name, cdrom(), timeout=1)


def test_media(place: Place, hypervisor: Hypervisor) -> None:
    iso = str(place.folder / (place.name("disc") + ".iso"))
    place.put(iso)
    name = _started(place, hypervisor, cdrom())
    xml = hypervisor.guests()[name].xml

    def medium() -> str | None:
        source = tree(hypervisor.guests()[name].live_xml).find("devices/disk/source")
        return source.get("file") if source is not None else None

    assert medium() is None
    for _again in range(2):
        hypervisor.update_device(name, cdrom(iso))
        assert medium() == iso
    for _again in range(2):
        hypervisor.update_device(name, cdrom())
        assert medium() is None
    assert hypervisor.guests()[name].xml == xml
    with pytest.raises(VirtError, match=name):
        hypervisor.update_device(name, cdrom(iso, "sdq"))


def test_link(place: Place, hypervisor: Hypervisor) -> None:
    name = _started(place, hypervisor, nic())
    for state in ("down", "up"):
        hypervisor.update_device(name, nic(link=state))
        link = tree(hypervisor.guests()[name].live_xml).find("devices/interface/link")
        assert link is not None
        assert link.get("state") == state
    with pytest.raises(Unsupported, match=name):
        hypervisor.update_device(name, nic(model="e1000"))
    with pytest.raises(VirtError, match=name):
        hypervisor.update_device(name, nic("52:54:00:00:00:98"))


def test_limits_of_a_disk(place: Place, hypervisor: Hypervisor) -> None:
    image = place.image(place.name("tuned") + ".qcow2", 1 << 20)
    name = _started(place, hypervisor, disk(image))
    xml = hypervisor.guests()[name].xml

    def limits() -> dict[str, str | None]:
        found = tree(hypervisor.guests()[name].live_xml).find("devices/disk/iotune")
        return {node.tag: node.text for node in found} if found is not None else {}

    for wanted in ({"read_iops_sec": 500, "write_bytes_sec": 1 << 20}, {"read_iops_sec": 900, "write_bytes_sec": 0}):
        hypervisor.set_block_iotune(name, "vda", wanted)
        assert limits() == {limit: str(value) for limit, value in wanted.items() if value}
    hypervisor.set_block_iotune(name, "vda", {"read_iops_sec": 0})
    assert limits() == {}
    assert hypervisor.guests()[name].xml == xml
    with pytest.raises(VirtError, match=name):
        hypervisor.set_block_iotune(name, "vdq", {"read_iops_sec": 500})


def test_resize(place: Place, hypervisor: Hypervisor) -> None:
    image = place.image(place.name("grow") + ".qcow2", 1 << 20)
    name = _started(place, hypervisor, disk(image))
    for _again in range(2):
        hypervisor.resize_disk(name, "vda", 3 << 20)
        assert place.size(image) == 3 << 20
    with pytest.raises(HostError, match=rf"vdq.*{name}"):
        hypervisor.resize_disk(name, "vdq", 3 << 20)


def test_a_disk_that_is_not_there(place: Place, hypervisor: Hypervisor) -> None:
    place.put(f"{place.folder}/present")
    name = place.name("nodisk")
    hypervisor.define_guest(guest(name, disk(f"{place.folder}/absent.qcow2")))
    with pytest.raises(HostError, match=rf"{name}.*absent.qcow2.*(not there|No such file)"):
        hypervisor.start_guest(name)
    assert hypervisor.guests()[name].state == "stopped"
