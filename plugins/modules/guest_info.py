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
  - What a guest says about itself (addresses from its agent, its title and description) is not checked here.
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
seealso:
  - module: virtfleet.core.guest
"""

EXAMPLES = r"""
- name: All guests
  virtfleet.core.guest_info:
  register: guests

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
    main_info({"name": {"type": "list", "elements": "str", "default": []}}, read_guests, "guests")


if __name__ == "__main__":
    main()
