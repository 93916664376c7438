# Copyright: (c) 2026, the virtfleet.core contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

DOCUMENTATION = r"""
module: network_info
short_description: Read the networks of a virtualization host
version_added: 0.1.0
description:
  - Returns libvirt's networks in the words of M(virtfleet.core.network), with the leases that they gave out and what
    waits for a restart.
  - Host names in leases were chosen by guests and are not checked here.
author:
  - virtfleet.core contributors (@virtfleet)
extends_documentation_fragment:
  - virtfleet.core.connection
  - virtfleet.core.query
  - virtfleet.core.attributes
  - virtfleet.core.attributes.info_module
  - virtfleet.core.attributes.actiongroup_virtfleet
options:
  name:
    description:
      - Names of the networks to read; without it all of them. A name that does not exist is left out.
    type: list
    elements: str
    default: []
seealso:
  - module: virtfleet.core.network
"""

EXAMPLES = r"""
- name: All networks
  virtfleet.core.network_info:
  register: networks

- name: The address that a MAC was given
  virtfleet.core.network_info:
    name: [lab]
    query: "[].leases[?mac=='52:54:00:00:00:01'].address | [] | [0]"
  register: address
"""

RETURN = r"""
networks:
  description: The networks, ordered by name.
  returned: success
  type: list
  elements: dict
  sample:
    - name: lab
      uuid: 1d8cbf3c-7d53-5a0c-9a5f-6bfb1c2f8f2e
      state: active
      autostart: true
      persistent: true
      forward: nat
      bridge: virbr1
      stp: true
      domain: ""
      cidr: 10.20.0.0/24
      gateway: 10.20.0.1
      dhcp: {start: 10.20.0.2, end: 10.20.0.254}
      reservations:
        - {mac: "52:54:00:00:00:01", name: web1, address: 10.20.0.11}
      dns_hosts: []
      leases:
        - {mac: "52:54:00:00:00:01", address: 10.20.0.11, hostname: web1, expires: 1767225600}
      pending: []
result:
  description: What O(query) finds in RV(networks).
  returned: when O(query) is given
  type: raw
  sample: 10.20.0.11
"""

from ansible_collections.virtfleet.core.plugins.module_utils._module import main_info
from ansible_collections.virtfleet.core.plugins.module_utils._network_module import read_networks


def main() -> None:
    """Read the networks."""
    main_info({"name": {"type": "list", "elements": "str", "default": []}}, read_networks, "networks")


if __name__ == "__main__":
    main()
