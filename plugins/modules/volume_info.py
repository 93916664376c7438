# Copyright: (c) 2026, the virtfleet.core contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

DOCUMENTATION = r"""
module: volume_info
short_description: Read the volumes of a virtualization host's pools
version_added: 0.1.0
description:
  - Returns the volumes of active storage pools with their sizes, and with the guests and other images that use them.
  - Volumes are listed as libvirt knew them when it last looked into a pool.
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
      - Names of the volumes to read; without it all of them. A name that does not exist is left out.
    type: list
    elements: str
    default: []
  pool:
    description:
      - Names of the pools to look into; without it all that are active.
    type: list
    elements: str
    default: []
seealso:
  - module: virtfleet.core.volume
  - module: virtfleet.core.pool_info
  - module: virtfleet.core.image_info
"""

EXAMPLES = r"""
- name: All volumes of one pool
  virtfleet.core.volume_info:
    pool: [default]
  register: volumes

- name: Volumes that no guest uses and on which nothing stands
  virtfleet.core.volume_info:
    query: "[?!guests && !overlays].path"
  register: unused
"""

RETURN = r"""
volumes:
  description:
    - The volumes, ordered by pool and name. C(overlays) are the paths of the images that stand on one, C(guests) the
      guests that use it or one of those, running or not. Over a remote O(uri) only what libvirt itself knows counts.
  returned: success
  type: list
  elements: dict
  sample:
    - name: data.qcow2
      pool: default
      state: present
      path: /var/lib/libvirt/images/data.qcow2
      format: qcow2
      size: 100GiB
      capacity_bytes: 107374182400
      allocation_bytes: 200704
      backing: null
      overlays: []
      guests: [db1]
result:
  description: What O(query) finds in RV(volumes).
  returned: when O(query) is given
  type: raw
  sample: [/var/lib/libvirt/images/old.qcow2]
"""

from ansible_collections.virtfleet.core.plugins.module_utils._module import main_info
from ansible_collections.virtfleet.core.plugins.module_utils._volume_module import read_volumes


def main() -> None:
    """Read volumes."""
    main_info(
        {
            "name": {"type": "list", "elements": "str", "default": []},
            "pool": {"type": "list", "elements": "str", "default": []},
        },
        read_volumes,
        "volumes",
    )


if __name__ == "__main__":
    main()
