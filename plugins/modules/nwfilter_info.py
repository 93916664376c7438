# Copyright: (c) 2026, the virtfleet.core contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

DOCUMENTATION = r"""
module: nwfilter_info
short_description: Read the network filters of a virtualization host
version_added: 0.1.0
description:
  - Returns libvirt's network filters with their rules, and with the guests and other filters that use them.
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
      - Names of the filters to read; without it all of them. A name that does not exist is left out.
    type: list
    elements: str
    default: []
seealso:
  - module: virtfleet.core.nwfilter
"""

EXAMPLES = r"""
- name: Names of the filters that a guest uses
  virtfleet.core.nwfilter_info:
    query: "[?guests].name"
  register: used
"""

RETURN = r"""
nwfilters:
  description:
    - The filters, ordered by name. C(included_by) are the filters of which one is a part, C(guests) the guests whose nics
      have it, running or not.
  returned: success
  type: list
  elements: dict
  sample:
    - name: allow-arp
      uuid: 594fafa0-f201-4b99-9ad6-1c483d9d496c
      state: present
      chain: arp
      priority: -500
      filters: []
      rules:
        - {action: accept, direction: inout, priority: 500}
      included_by: []
      guests: []
result:
  description: What O(query) finds in RV(nwfilters).
  returned: when O(query) is given
  type: raw
  sample: [web]
"""

from ansible_collections.virtfleet.core.plugins.module_utils._module import main_info
from ansible_collections.virtfleet.core.plugins.module_utils._nwfilter_module import read_nwfilters


def main() -> None:
    """Read the network filters."""
    main_info({"name": {"type": "list", "elements": "str", "default": []}}, read_nwfilters, "nwfilters")


if __name__ == "__main__":
    main()
