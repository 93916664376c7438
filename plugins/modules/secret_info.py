# Copyright: (c) 2026, the virtfleet.core contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

DOCUMENTATION = r"""
module: secret_info
short_description: Read the secrets of a virtualization host, without their values
version_added: 0.1.0
description:
  - Returns libvirt's secrets with what they are for, and with the guests and pools that name them. What they hold is never
    read.
author:
  - virtfleet.core contributors (@virtfleet)
extends_documentation_fragment:
  - virtfleet.core.connection
  - virtfleet.core.query
  - virtfleet.core.attributes
  - virtfleet.core.attributes.info_module
  - virtfleet.core.attributes.actiongroup_virtfleet
options:
  usage:
    description:
      - What the secrets to read are for, such as V(ceph); without it all of them.
    type: list
    elements: str
    default: []
  usage_id:
    description:
      - Which of these; without it all of them. One that does not exist is left out.
    type: list
    elements: str
    default: []
seealso:
  - module: virtfleet.core.secret
"""

EXAMPLES = r"""
- name: Secrets that neither a guest nor a pool names
  virtfleet.core.secret_info:
    query: "[?!guests && !pools].usage_id"
  register: unused
"""

RETURN = r"""
secrets:
  description:
    - The secrets, ordered by what they are for. One without a use has the usage V(none) and its UUID in its place.
  returned: success
  type: list
  elements: dict
  sample:
    - uuid: 0e6d4cf1-5d7f-5f0e-8f0f-6a3d6a7a7c0d
      state: present
      usage: ceph
      usage_id: client.libvirt
      description: ""
      ephemeral: false
      private: false
      guests: []
      pools: [rbd]
result:
  description: What O(query) finds in RV(secrets).
  returned: when O(query) is given
  type: raw
  sample: [client.libvirt]
"""

from ansible_collections.virtfleet.core.plugins.module_utils._module import main_info
from ansible_collections.virtfleet.core.plugins.module_utils._secret_module import read_secrets


def main() -> None:
    """Read the secrets."""
    words = {"type": "list", "elements": "str", "default": []}
    main_info({"usage": words, "usage_id": words}, read_secrets, "secrets")


if __name__ == "__main__":
    main()
