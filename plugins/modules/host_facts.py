# Copyright: (c) 2026, the virtfleet.core contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

DOCUMENTATION = r"""
module: host_facts
short_description: Keep what a virtualization host is as facts
version_added: 0.1.0
description:
  - Reads what M(virtfleet.core.host_info) does, and sets it as the fact C(virtfleet_host) of the host that it runs on, so that
    later plays, and plays on other hosts, choose by it. A fact cache keeps it between runs, as any other fact.
author:
  - virtfleet.core contributors (@virtfleet)
extends_documentation_fragment:
  - virtfleet.core.connection
  - virtfleet.core.attributes
  - virtfleet.core.attributes.info_module
  - virtfleet.core.attributes.actiongroup_virtfleet
  - virtfleet.core.attributes.facts_module
options:
  gather:
    description:
      - What to read beyond the host itself; each costs some calls for each pool or network.
      - V(pools) keeps the storage pools with their free space, V(networks) the networks.
    type: list
    elements: str
    choices: [networks, pools]
    default: []
seealso:
  - module: virtfleet.core.host_info
"""

EXAMPLES = r"""
- name: What every hypervisor has
  hosts: hypervisors
  gather_facts: false
  tasks:
    - name: Keep what it is
      virtfleet.core.host_facts:
        gather: [pools]

- name: A new guest where most memory is left
  hosts: localhost
  gather_facts: false
  tasks:
    - name: Make it there
      virtfleet.core.guest:
        name: web1
        memory: 4GiB
        disks: [{image: debian-12}]
      delegate_to: "{{ roomy }}"
      vars:
        free: ansible_facts.virtfleet_host.memory_available_bytes
        roomy: "{{ (groups.hypervisors | map('extract', hostvars) | sort(attribute=free) | last).inventory_hostname }}"
"""

RETURN = r"""
ansible_facts:
  description: What later tasks and plays find in C(ansible_facts), and of other hosts in C(hostvars).
  returned: success
  type: dict
  contains:
    virtfleet_host:
      description: The host, as M(virtfleet.core.host_info) returns it.
      returned: success
      type: dict
      sample:
        uri: qemu:///system
        driver: qemu
        name: hv1
        memory_available_bytes: 51539607552
"""

from ansible_collections.virtfleet.core.plugins.module_utils._host_module import read_host
from ansible_collections.virtfleet.core.plugins.module_utils._module import main_facts


def main() -> None:
    """Read the host."""
    gather = {"type": "list", "elements": "str", "choices": ["networks", "pools"], "default": []}
    main_facts({"gather": gather}, read_host, {"host": "virtfleet_host"})


if __name__ == "__main__":
    main()
