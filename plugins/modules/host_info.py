# Copyright: (c) 2026, the virtfleet.core contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

DOCUMENTATION = r"""
module: host_info
short_description: Read what a virtualization host is and what it can run
version_added: 0.1.0
description:
  - Returns the hypervisor's versions, processors and memory, the architectures, machines and firmware that guests can
    have on it, and how many guests there are.
  - The first call after an upgrade of QEMU takes some seconds, since libvirt asks every emulator what it can do.
author:
  - virtfleet.core contributors (@virtfleet)
extends_documentation_fragment:
  - virtfleet.core.connection
  - virtfleet.core.query
  - virtfleet.core.attributes
  - virtfleet.core.attributes.info_module
  - virtfleet.core.attributes.actiongroup_virtfleet
options:
  gather:
    description:
      - What to read beyond the host itself; each costs some calls for each pool or network.
      - V(pools) returns the storage pools with their free space, V(networks) the networks.
    type: list
    elements: str
    choices: [networks, pools]
    default: []
seealso:
  - module: virtfleet.core.accelerator_info
  - module: virtfleet.core.guest_info
  - module: virtfleet.core.host_facts
  - module: virtfleet.core.network_info
  - module: virtfleet.core.pool_info
"""

EXAMPLES = r"""
- name: What this host is
  virtfleet.core.host_info:
  register: hypervisor

- name: The pools with their free space
  virtfleet.core.host_info:
    gather: [pools]
  register: hypervisor

- name: How much memory new guests could have
  virtfleet.core.host_info:
    query: memory_available_bytes
  register: memory
"""

RETURN = r"""
host:
  description: The host.
  returned: success
  type: dict
  contains:
    uri:
      description: The connection that was read.
      type: str
    driver:
      description: The hypervisor driver, such as V(qemu), V(xen) or V(test).
      type: str
    name:
      description: The host's name.
      type: str
    uuid:
      description: The host's UUID, as libvirt knows it.
      type: str
    arch:
      description: The host's architecture.
      type: str
    cpus:
      description: The number of the host's CPUs.
      type: int
    memory_bytes:
      description: The host's memory in bytes.
      type: int
    memory_available_bytes:
      description: What of it new guests could have, which is free, buffers and cache.
      type: int
    allocated:
      description: What the guests that run or are paused have, C(vcpus) and C(memory_bytes).
      type: dict
    cpu:
      description:
        - The CPU as libvirt names it, C(model), C(vendor), C(sockets), C(cores) of a socket, C(threads) of a core, and the
          C(features) that the model does not imply.
        - What a driver does not tell is V(null) or empty.
      type: dict
    numa:
      description: The NUMA cells, C(id), C(memory_bytes) and the numbers of their C(cpus).
      type: list
      elements: dict
    security:
      description: What keeps guests apart, such as V(apparmor), V(selinux) and V(dac).
      type: list
      elements: str
    libvirt_version:
      description: The version of the libvirt daemon.
      type: str
    hypervisor_version:
      description: The version of QEMU or Xen; empty where no emulator is installed.
      type: str
    accelerators:
      description:
        - By architecture what can run guests of it, in the words of the module guest's option C(accel) where it has
          one. That V(kvm) is listed says that libvirt found it, not that a guest was seen to boot with it.
      type: dict
    accelerator:
      description:
        - Whether guests were seen to run by KVM, as M(virtfleet.core.accelerator_info) returns it.
        - V(null) where nobody has looked since the host or its QEMU changed, over a remote O(uri), and for drivers other
          than QEMU's. This module does not look by itself.
      type: dict
    types:
      description: By architecture what guests can be booted as, V(pv), V(pvh) and V(hvm), in the words of the option C(type).
      type: dict
    machines:
      description: By architecture the machine types and their aliases.
      type: dict
    firmware:
      description:
        - What guests of the host's architecture can be booted by, V(bios) and V(efi).
        - V(null) where the hypervisor does not say, or the user may only read (libvirt tells it to writers only).
      type: list
      elements: str
    guests:
      description: The number of guests in each state.
      type: dict
    pools:
      description: The storage pools; the space of one that is not active is 0.
      returned: with V(pools) in O(gather)
      type: list
      elements: dict
    networks:
      description: The networks; C(forward) is V(isolated) for one that leads nowhere.
      returned: with V(networks) in O(gather)
      type: list
      elements: dict
  sample:
    uri: qemu:///system
    driver: qemu
    name: hv1
    uuid: 4c4c4544-0042-4b10-8057-c4c04f4d3033
    arch: x86_64
    cpus: 16
    memory_bytes: 67430768640
    memory_available_bytes: 51539607552
    allocated: {vcpus: 24, memory_bytes: 12884901888}
    cpu: {model: EPYC-Milan, vendor: AMD, sockets: 1, cores: 8, threads: 2, features: [topoext, x2apic]}
    numa:
      - {id: 0, memory_bytes: 67430768640, cpus: [0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15]}
    security: [apparmor, dac]
    libvirt_version: 9.0.0
    hypervisor_version: 7.2.22
    accelerators: {x86_64: [tcg, kvm]}
    accelerator:
      verdict: kvm
      kind: hardware
      reason: QEMU ran a test guest by KVM in 0.3 s.
      advice: ''
      qemu_version: 7.2.22
      kept: true
      seconds: 0.7
    types: {x86_64: [hvm]}
    machines: {x86_64: [pc, pc-q35-7.2, q35]}
    firmware: [bios, efi]
    guests: {running: 12, paused: 0, stopped: 3, saved: 0, crashed: 0}
    pools:
      - name: images
        type: dir
        path: /var/lib/virtfleet/images
        active: true
        autostart: true
        capacity_bytes: 536870912000
        available_bytes: 322122547200
    networks:
      - {name: lab, active: true, autostart: true, forward: nat, bridge: virbr1}
result:
  description: What O(query) finds in RV(host).
  returned: when O(query) is given
  type: raw
  sample: 51539607552
"""

from ansible_collections.virtfleet.core.plugins.module_utils._host_module import read_host
from ansible_collections.virtfleet.core.plugins.module_utils._module import main_info


def main() -> None:
    """Read the host."""
    gather = {"type": "list", "elements": "str", "choices": ["networks", "pools"], "default": []}
    main_info({"gather": gather}, read_host, "host")


if __name__ == "__main__":
    main()
