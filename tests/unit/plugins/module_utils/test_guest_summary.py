# Copyright: (c) 2026, the virtfleet.core contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What an inventory reads of a definition, of drivers that are not on every machine too; and libvirt's statistics."""

from __future__ import annotations

from ansible_collections.virtfleet.core.plugins.module_utils._facts import DiskSummary, InterfaceSummary
from ansible_collections.virtfleet.core.plugins.module_utils._libvirt_read import guest_summary, nested_stats

UUID = "6695eb01-f6a4-8304-79aa-000000000001"


def test_a_container_of_lxc() -> None:
    summary = guest_summary(
        f"""
        <domain type='lxc' id='4242'>
          <name>box</name><uuid>{UUID}</uuid><memory unit='KiB'>524288</memory><vcpu>1</vcpu>
          <os><type arch='x86_64'>exe</type><init>/sbin/init</init></os>
          <devices>
            <emulator>/usr/lib/libvirt/libvirt_lxc</emulator>
            <filesystem type='mount'><source dir='/srv/box'/><target dir='/'/></filesystem>
            <interface type='network'><mac address='52:54:00:00:00:01'/><source network='default'/></interface>
            <console type='pty'><target type='lxc' port='0'/></console>
          </devices>
        </domain>""",
        "running",
    )
    assert (summary.kind, summary.arch, summary.vcpus, summary.memory_bytes) == ("lxc", "x86_64", 1, 2**29)
    assert summary.interfaces == (InterfaceSummary("52:54:00:00:00:01", "network", "default", source="default"),)
    assert (summary.disks, summary.agent, summary.os, summary.xml) == ((), False, "", "")


def test_a_guest_of_xen() -> None:
    xml = f"""
        <domain type='xen'>
          <name>pv</name><uuid>{UUID}</uuid>
          <metadata><libosinfo:libosinfo xmlns:libosinfo="http://libosinfo.org/xmlns/libvirt/domain/1.0">
            <libosinfo:os id="http://debian.org/debian/12"/></libosinfo:libosinfo></metadata>
          <memory unit='MiB'>256</memory><vcpu current='1'>4</vcpu>
          <os><type arch='x86_64' machine='xenpv'>linux</type></os>
          <devices>
            <disk type='block' device='disk'><source dev='/dev/vg/pv'/><target dev='xvda' bus='xen'/></disk>
            <interface type='bridge'><mac address='00:16:3e:00:00:01'/><source bridge='xenbr0'/>
              <ip address='10.0.0.9'/></interface>
          </devices>
        </domain>"""
    summary = guest_summary(xml, "stopped", with_xml=True)
    assert (summary.kind, summary.os, summary.vcpus, summary.xml) == ("xen", "debian-12", 1, xml)
    assert summary.disks == (DiskSummary("xvda", "disk", "xen", "/dev/vg/pv"),)
    assert summary.interfaces == (InterfaceSummary("00:16:3e:00:00:01", "bridge", None, ("10.0.0.9",), "xenbr0"),)


def test_where_disks_are() -> None:
    sources = {
        "<source file='/a.qcow2'/>": "/a.qcow2",
        "<source dir='/floppy'/>": "/floppy",
        "<source pool='images' volume='a'/>": "images/a",
        "<source protocol='rbd' name='pool/a'><host name='mon'/></source>": "rbd/pool/a",
        "<source type='pci'/>": "",
        "": "",
    }
    disks = "".join(f"<disk type='x'>{source}</disk>" for source in sources)
    found = guest_summary(f"<domain type='kvm'><name>a</name><devices>{disks}</devices></domain>", "stopped").disks
    assert [disk.source for disk in found] == list(sources.values())


def test_statistics_nest_as_their_names() -> None:
    flat = {
        "state.state": 1,
        "cpu.time": 5,
        "cpu.cache.monitor.count": 0,
        "vcpu.current": 2,
        "vcpu.maximum": 4,
        "vcpu.0.time": 1,
        "vcpu.10.time": 3,
        "vcpu.2.time": 2,
        "block.count": 2,
        "block.0.name": "vda",
        "block.0.rd.bytes": 7,
        "block.1.name": "vdb",
        "a": 1,
        "a.b": 2,
    }
    assert nested_stats(flat) == {
        "state": {"state": 1},
        "cpu": {"time": 5, "cache": {"monitor": []}},
        "vcpu": {"current": 2, "maximum": 4, "each": [{"time": 1}, {"time": 2}, {"time": 3}]},
        "block": [{"name": "vda", "rd": {"bytes": 7}}, {"name": "vdb"}],
        "a": {"value": 1, "b": 2},
    }
    assert nested_stats(dict(reversed(flat.items()))) == {**nested_stats(flat)}
    assert nested_stats({}) == {}
