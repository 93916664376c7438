# Copyright: (c) 2026, the virtfleet.core contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

DOCUMENTATION = r"""
module: guest_info
short_description: Read the guests of a virtualization host
version_added: 0.1.0
description:
  - Returns the guests of a hypervisor in the words of M(virtfleet.core.guest), with their state, addresses and what
    waits for a restart.
  - Addresses are from leases, else from the guest's agent, else on a Xen host what the guest wrote to xenstore, else what
    the definition says.
  - What a guest says about itself (addresses from its agent and from xenstore, its title and description) is not checked here.
author:
  - virtfleet.core contributors (@virtfleet)
extends_documentation_fragment:
  - virtfleet.core.connection
  - virtfleet.core.query
  - virtfleet.core.attributes
  - virtfleet.core.attributes.actiongroup_virtfleet
  - virtfleet.core.attributes.info_module
options:
  name:
    description:
      - Names of the guests to read; without it all of them. A name that does not exist is left out.
    type: list
    elements: str
    default: []
  gather:
    description:
      - What to read beyond the guests themselves.
      - V(stats) returns libvirt's counters of CPUs, memory, disks and nics, by one call for all guests.
      - V(agent) asks the agents of running guests for host name, system, users, filesystems and interfaces, guests side by
        side. An agent that is silent for five seconds is left out. It needs leave to write on the libvirt connection.
    type: list
    elements: str
    choices: [agent, stats]
    default: []
seealso:
  - module: virtfleet.core.guest
"""

EXAMPLES = r"""
- name: All guests
  virtfleet.core.guest_info:
  register: guests

- name: Filesystems that are nearly full, as the guests tell it
  virtfleet.core.guest_info:
    gather: [agent]
    query: "[?agent_view].{name: name, full: agent_view.filesystems[?used_bytes > `10737418240`].mountpoint}"
  register: full

- name: What the disks of a guest have read and written
  virtfleet.core.guest_info:
    name: [web1]
    gather: [stats]
    query: "[0].stats.block[].{disk: name, read: rd.bytes, written: wr.bytes}"
  register: written

- name: Names of the guests that wait for a restart
  virtfleet.core.guest_info:
    query: "[?pending].name"
  register: waiting
"""

RETURN = r"""
guests:
  description: The guests, ordered by name.
  returned: success
  type: list
  elements: dict
  sample:
    - name: web1
      uuid: 6f0d4f57-9d4e-4b3a-8a68-2f7c0f1e9b11
      state: running
      autostart: true
      persistent: true
      managed_save: false
      memory: 2GiB
      memory_max: 2GiB
      vcpus: 2
      vcpus_max: 2
      accel: kvm
      arch: x86_64
      machine: pc-q35-7.2
      firmware: bios
      tags: [prod, web]
      disks:
        - {name: root, device: disk, source: {file: /var/lib/libvirt/images/web1-root.qcow2}, target: vda, bus: virtio}
      nics:
        - {name: lab, source: {network: lab}, mac: "52:54:ab:cd:ef:01", model: virtio}
      addresses:
        - {mac: "52:54:ab:cd:ef:01", address: 10.20.0.11, prefix: 24, family: ipv4}
      pending: []
      stats:
        cpu: {time: 81210000000, user: 11230000000, system: 4100000000}
        balloon: {current: 2097152, maximum: 2097152, unused: 1512344}
        block: [{name: vda, rd: {reqs: 9153, bytes: 274877906}, wr: {reqs: 812, bytes: 33554432}}]
        net: [{name: vnet0, rx: {bytes: 402653184}, tx: {bytes: 20971520}}]
      agent_view:
        hostname: web1
        os: {id: debian, name: Debian GNU/Linux 12 (bookworm), version: "12", kernel: 6.1.0-18-amd64, machine: x86_64}
        users: [{name: root, domain: null, since: 1764147600}]
        filesystems: [{mountpoint: /, device: vda1, type: ext4, total_bytes: 20961034240, used_bytes: 1825361100}]
        interfaces:
          - {name: eth0, mac: "52:54:ab:cd:ef:01", addresses: [{address: 10.20.0.11, prefix: 24, family: ipv4}]}
result:
  description: What O(query) finds in RV(guests).
  returned: when O(query) is given
  type: raw
  sample: [web1]
"""

from ansible_collections.virtfleet.core.plugins.module_utils._guest_module import read_guests
from ansible_collections.virtfleet.core.plugins.module_utils._module import main_info


def main() -> None:
    """Read the guests."""
    gather = {"type": "list", "elements": "str", "choices": ["agent", "stats"], "default": []}
    main_info({"name": {"type": "list", "elements": "str", "default": []}, "gather": gather}, read_guests, "guests")


if __name__ == "__main__":
    main()
