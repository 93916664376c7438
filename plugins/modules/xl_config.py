# Copyright: (c) 2026, the virtfleet.core contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

DOCUMENTATION = r"""
module: xl_config
short_description: Write a guest down for Xen's own tool
version_added: 0.1.0
description:
  - Writes the configuration by which C(xl create) makes a guest, from the words of M(virtfleet.core.guest), for Xen hosts
    on which people work with C(xl). libvirt does the conversion, and starts nothing.
  - A guest that libvirt has on this host already is refused, because two tools would start one guest.
  - A running guest is left alone. It has what its configuration says after its next start.
  - To bring guests that C(xl) has under libvirt, see M(virtfleet.core.capture).
author:
  - virtfleet.core contributors (@virtfleet)
extends_documentation_fragment:
  - virtfleet.core.connection
  - virtfleet.core.attributes
  - virtfleet.core.attributes.converging
  - virtfleet.core.attributes.actiongroup_virtfleet
options:
  guest:
    description:
      - The guest, in the words of M(virtfleet.core.guest), as in a document of M(virtfleet.core.estate).
      - Its disks exist already and are given as C(file), C(block), C(volume) or C(cdrom). What keeps a guest has no place
        in a configuration and is refused. That is C(state), C(pool), C(cloud_init), C(unattend), C(disks_exact) and C(nics_exact).
      - C(autostart) links the configuration into C(/etc/xen/auto), from where C(xendomains) starts it with the host.
    type: dict
    required: true
  state:
    description: Whether the configuration shall be there. A guest that runs by it goes on.
    type: str
    choices: [present, absent]
    default: present
  path:
    description: The configuration's path. Without one it is called by the guest in C(/etc/xen).
    type: path
seealso:
  - module: virtfleet.core.guest
  - module: virtfleet.core.capture
  - module: virtfleet.core.image
"""

EXAMPLES = r"""
- name: A disk from a distribution's packages
  virtfleet.core.image:
    name: web1.raw
    pool: images
    format: raw
    size: 4GiB
    bootstrap:
      suite: bookworm
      packages: [openssh-server]

- name: And the guest that xl starts from it
  virtfleet.core.xl_config:
    guest:
      name: web1
      type: pvh
      memory: 512MiB
      disks:
        - volume: images/web1.raw
      nics:
        - bridge: xenbr0
      autostart: true
"""

RETURN = r"""
plan:
  description: What differs, in the shape that M(virtfleet.core.guest) documents; empty when nothing does.
  returned: success
  type: list
  elements: dict
  sample:
    - kind: xl_config
      name: web1
      action: update
      effect: live
      changes:
        - {path: autostart, before: false, after: true, effect: live}
      outcome: done
      error: null
pending:
  description: Always empty; a configuration waits for nothing.
  returned: success
  type: list
  elements: dict
  sample: []
unmanaged:
  description: Always empty; see M(virtfleet.core.guest).
  returned: success
  type: list
  elements: dict
  sample: []
summary:
  description: How many of each.
  returned: success
  type: dict
  sample: {update: 1, unchanged: 0}
xl_config:
  description: The configuration after the run (in check mode as it is). C(config) is null where there is none.
  returned: success
  type: dict
  sample:
    path: /etc/xen/web1.cfg
    config: "name = \"web1\"\n..."
    autostart: true
"""

from ansible_collections.virtfleet.core.plugins.module_utils._module import main_converge
from ansible_collections.virtfleet.core.plugins.module_utils._xl_module import XL_CONFIG_OPTIONS, xl_config_subject


def main() -> None:
    """Converge one configuration."""
    main_converge(XL_CONFIG_OPTIONS, xl_config_subject)


if __name__ == "__main__":
    main()
