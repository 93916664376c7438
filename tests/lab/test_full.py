# Copyright: (c) 2026, the virtfleet.core contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The full guest is what a cloud's image is: cloud-init makes it somebody's."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    import libvirt
else:
    libvirt = pytest.importorskip("libvirt")

from tests.lab import Host, full, net
from tests.lab.guests import address, domain_xml, inside, running, until, wait_for_agent
from tests.lab.tiny import Artefact

NETWORK = "full-test"
USER_DATA = """#cloud-config
hostname: seeded
ssh_authorized_keys: [{key}]
write_files:
  - {{path: /etc/written, content: by cloud-init}}
"""


@pytest.fixture
def network(lab_host: Host) -> Iterator[str]:
    """A quick network of this test's own."""
    lab_host.exec(["virsh", "net-define", "/dev/stdin"], input=net.nat(NETWORK, "192.168.78.0/24", "labfull0"))
    lab_host.exec(["virsh", "net-start", NETWORK])
    yield NETWORK
    lab_host.exec(["virsh", "net-destroy", NETWORK])
    lab_host.exec(["virsh", "net-undefine", NETWORK])


@pytest.mark.slow
def test_a_full_guest_obeys_its_seed(lab_host: Host, network: str, tiny: Artefact) -> None:
    """Name, key, file and the size of the root file system are as the seed and the disk say."""
    top = lab_host.folder / "full.qcow2"
    base = full.build().into(lab_host.folder).qcow2
    lab_host.exec(["qemu-img", "create", "-q", "-f", "qcow2", "-F", "qcow2", "-b", base, top, "4G"])
    seed, sources = lab_host.folder / "full-seed.iso", lab_host.folder / "full-seed"
    sources.mkdir()
    (sources / "meta-data").write_text(json.dumps({"instance-id": "one"}))
    (sources / "user-data").write_text(USER_DATA.format(key=tiny.ssh_public_key))
    lab_host.exec(["xorrisofs", "-quiet", "-J", "-r", "-V", "cidata", "-o", seed, sources])
    disks = (
        f"<disk type='file' device='disk'><driver name='qemu' type='qcow2'/><source file='{top}'/>"
        "<target dev='vda' bus='virtio'/></disk>"
        f"<disk type='file' device='cdrom'><source file='{seed}'/><target dev='sda' bus='sata'/></disk>"
    )
    with running(lab_host, domain_xml("full", None, memory_mib=768, network=network, disks=disks)):
        opened = libvirt.open(lab_host.uri)
        domain = opened.lookupByName("full")
        wait_for_agent(domain, 400)
        inside(domain, "/usr/bin/cloud-init", "status", "--wait", seconds=400)
        assert inside(domain, "/bin/hostname").strip() == "seeded"
        assert inside(domain, "/bin/cat", "/etc/written") == "by cloud-init"
        kilobytes = inside(domain, "/bin/df", "--output=size", "/").split()[-1]
        assert int(kilobytes) > 3 * 1024 * 1024
        ssh = tiny.ssh(address(domain), "id -un", user="debian")
        until(lambda: lab_host.exec(ssh, check=False).stdout.strip() == "debian", 60, "an answer by ssh", every=1)
        opened.close()
