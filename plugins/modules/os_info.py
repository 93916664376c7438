# Copyright: (c) 2026, the virtfleet.core contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

DOCUMENTATION = r"""
module: os_info
short_description: List the operating systems that guests can be made for
version_added: 0.1.0
description:
  - Lists what the host's osinfo-db knows of operating systems, which is where the option O(virtfleet.core.guest#module:os)
    of guests takes its values from. The files of the package are read, and those that C(osinfo-db-import) has put into
    C(/etc/osinfo); no program is run.
  - Fails with the name of the package where there is no database, and for a O(name) that is not known.
author:
  - virtfleet.core contributors (@virtfleet)
extends_documentation_fragment:
  - virtfleet.core.query
  - virtfleet.core.attributes
  - virtfleet.core.attributes.info_module
options:
  name:
    description:
      - The systems to tell of, each by its short id (V(ubuntu22.04)), the same with a dash (V(ubuntu-22.04)), or its id (a
        URL). Without it, all.
    type: list
    elements: str
    default: []
  family:
    description: Only the systems of these families, such as V(linux), V(winnt), V(freebsd) or V(openbsd). Without it, all.
    type: list
    elements: str
    default: []
requirements:
  - python >= 3.9
  - osinfo-db
notes:
  - Has no option for the connection, and so is no member of the action group of the other modules. It says what is known on
    the machine on which it runs.
seealso:
  - module: virtfleet.core.guest
"""

EXAMPLES = r"""
- name: Which systems are there for guests?
  virtfleet.core.os_info:
    query: "[?status=='released'].os"
  register: found

- name: Look one up
  virtfleet.core.os_info:
    name: [win11]
  register: windows

- name: The Linuxes that are still cared for
  virtfleet.core.os_info:
    family: [linux]
    query: "[?eol_date > '2026-01-01'].{os: os, name: name, memory: minimum.all.memory}"
"""

RETURN = r"""
systems:
  description: The operating systems, by their ids.
  returned: success
  type: list
  elements: dict
  contains:
    os:
      description: The word for it, as in the option C(os) of guests and in C(virt_os) of the inventory.
      type: str
    id:
      description: Its id of libosinfo, which guests have in their metadata.
      type: str
    short_id:
      description: Its first short id, as C(virt-install --os-variant) takes it.
      type: str
    short_ids:
      description: All of its short ids.
      type: list
      elements: str
    name:
      description: Its full name.
      type: str
    version:
      description: Its version.
      type: str
    vendor:
      description: Who makes it.
      type: str
    family:
      description: The family of its kernel, such as V(linux) or V(winnt).
      type: str
    distro:
      description: The distribution that it is of.
      type: str
    codename:
      description: Its code name; empty where it has none.
      type: str
    status:
      description: V(released), V(prerelease), V(snapshot) or V(rolling).
      type: str
    release_date:
      description: The day of its release, V(null) where nobody says.
      type: str
    eol_date:
      description: The day from which nobody cares for it any more, V(null) where nobody says.
      type: str
    architectures:
      description: The architectures that the database has media, images or needs for.
      type: list
      elements: str
    minimum:
      description: What it needs at least, by architecture (V(all) among them) C(vcpus), C(memory) and C(disk).
      type: dict
    recommended:
      description: What it should have, in the same form.
      type: dict
    firmware:
      description: The kinds of firmware that it is said to start from, by architecture.
      type: dict
    devices:
      description: The ids of the devices that it has drivers for, its ancestors' among them.
      type: list
      elements: str
  sample:
    - os: ubuntu-22.04
      id: http://ubuntu.com/ubuntu/22.04
      short_id: ubuntu22.04
      short_ids: [ubuntu22.04, ubuntujammy]
      name: Ubuntu 22.04 LTS
      version: '22.04'
      vendor: Canonical Ltd
      family: linux
      distro: ubuntu
      codename: Jammy Jellyfish
      status: released
      release_date: '2022-04-21'
      eol_date: null
      architectures: [aarch64, armv7l, ppc64le, s390x, x86_64]
      minimum: {all: {vcpus: 1, memory: 2GiB, disk: 10GiB}}
      recommended: {all: {vcpus: null, memory: 4GiB, disk: 25GiB}}
      firmware: {}
      devices: ['http://pcisig.com/pci/1af4/1041', 'http://pcisig.com/pci/1af4/1042']
result:
  description: What O(query) finds in RV(systems).
  returned: when O(query) is given
  type: raw
  sample: [ubuntu-22.04]
"""

from ansible_collections.virtfleet.core.plugins.module_utils._module import main_files_info
from ansible_collections.virtfleet.core.plugins.module_utils._os_info_module import read_systems


def main() -> None:
    """List the systems."""
    words = {"type": "list", "elements": "str", "default": []}
    main_files_info({"name": words, "family": words}, read_systems, "systems")


if __name__ == "__main__":
    main()
