# Copyright: (c) 2026, the virtfleet.core contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

DOCUMENTATION = r"""
module: pool_info
short_description: Read the storage pools of a virtualization host
version_added: 0.1.0
description:
  - Returns libvirt's storage pools of every type with their sizes, and their volumes where these are asked for.
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
      - Names of the pools to read; without it all of them. A name that does not exist is left out.
    type: list
    elements: str
    default: []
  volumes:
    description:
      - Whether to return the volumes of active pools too, as libvirt knew them when it last looked into the pool.
    type: bool
    default: false
seealso:
  - module: virtfleet.core.pool
"""

EXAMPLES = r"""
- name: All pools
  virtfleet.core.pool_info:
  register: pools

- name: Names of the pools with less than 10 GiB left
  virtfleet.core.pool_info:
    query: "[?state=='active' && available_bytes < `10737418240`].name"
  register: full

- name: The volumes of one pool
  virtfleet.core.pool_info:
    name: [default]
    volumes: true
  register: volumes
"""

RETURN = r"""
pools:
  description:
    - The pools, ordered by name. Sizes are bytes, 0 while a pool is inactive. C(volumes) is there if O(volumes) is
      V(true).
  returned: success
  type: list
  elements: dict
  sample:
    - name: images
      uuid: 5ab1d9a5-8f5c-5d4c-8a33-3f9d0c2f6a11
      type: dir
      path: /var/lib/virtfleet/images
      state: active
      autostart: true
      mode: "0711"
      owner: 0
      group: 0
      capacity_bytes: 105089261568
      allocation_bytes: 21474836480
      available_bytes: 83614425088
      volumes:
        - name: debian-12.qcow2
          path: /var/lib/virtfleet/images/debian-12.qcow2
          format: qcow2
          capacity_bytes: 3221225472
          allocation_bytes: 429916160
          backing: null
result:
  description: What O(query) finds in RV(pools).
  returned: when O(query) is given
  type: raw
  sample: [images]
"""

from ansible_collections.virtfleet.core.plugins.module_utils._module import main_info
from ansible_collections.virtfleet.core.plugins.module_utils._pool_module import read_pools


def main() -> None:
    """Read the pools."""
    options = {
        "name": {"type": "list", "elements": "str", "default": []},
        "volumes": {"type": "bool", "default": False},
    }
    main_info(options, read_pools, "pools")


if __name__ == "__main__":
    main()
