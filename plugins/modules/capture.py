# Copyright: (c) 2026, the virtfleet.core contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

DOCUMENTATION = r"""
module: capture
short_description: Write down what a virtualization host holds
version_added: 0.1.0
description:
  - Reads a hypervisor, whoever made what is on it, and returns the shortest document that says it. Its plan on this host
    is empty, which is tried before it is returned. On an empty host it makes the same guests, as far as words and
    O(ignore:xml_overlay) reach; the content of disks is not part of a document.
  - What follows by itself, from a default or because libvirt makes it so, is left out. What has no option goes into the
    guest's C(xml_overlay).
  - RV(residue) lists everything that is not said in options, with the reason, also what is kept by C(xml_overlay) and
    what is left out whole, such as a network of a mode that M(virtfleet.core.network) does not have.
  - Secrets are captured without their values, network filters without those that libvirt ships.
  - Passwords are not read. A password of a screen has to be put back by hand, from a vault.
  - Titles, descriptions and XML come from whoever defined a guest. Ansible marks them as unsafe, so that they are no
    templates. To write them to a file use P(virtfleet.core.document_yaml#filter), which keeps that mark; the playbook
    C(virtfleet.core.capture) does.
  - The definitions that a guest is started from are read, not what it runs with at the moment.
author:
  - virtfleet.core contributors (@virtfleet)
extends_documentation_fragment:
  - virtfleet.core.connection
  - virtfleet.core.query
  - virtfleet.core.attributes
  - virtfleet.core.attributes.actiongroup_virtfleet
  - virtfleet.core.attributes.info_module
options:
  guests:
    description:
      - Patterns, as of a shell, of the names of the guests to capture. V([]) is none.
    type: list
    elements: str
    default: ["*"]
  networks:
    description:
      - Patterns of the names of the networks to capture.
    type: list
    elements: str
    default: ["*"]
  pools:
    description:
      - Patterns of the names of the storage pools to capture. Images are captured with the pool that they are in.
    type: list
    elements: str
    default: ["*"]
  profiles:
    description:
      - Whether to propose C(guest_defaults) of what all guests share, and C(profiles) of what some do.
    type: bool
    default: true
  minimum:
    description:
      - From how many guests on something is shared.
    type: int
    default: 2
  xl_configs:
    description:
      - On a Xen host, patterns of the paths of configurations for C(xl). Their guests, and those that run under C(xl), are
        captured beside those that libvirt knows, as if they were off. An estate with the document defines them.
      - A guest that still runs under C(xl) is in RV(residue) too. libvirt can start it once it was shut down there.
      - V([]) captures only what libvirt knows.
    type: list
    elements: str
    default: ["/etc/xen/*.cfg", "/etc/xen/auto/*"]
seealso:
  - module: virtfleet.core.estate
  - module: virtfleet.core.guest
  - module: virtfleet.core.network
  - module: virtfleet.core.pool
  - plugin: virtfleet.core.document_yaml
    plugin_type: filter
"""

EXAMPLES = r"""
- name: Write down the whole host
  virtfleet.core.capture:
  register: captured

- name: Keep it beside the inventory
  ansible.builtin.copy:
    content: "{{ captured.document | virtfleet.core.document_yaml(variable='estate') }}"
    dest: "{{ inventory_dir }}/host_vars/{{ inventory_hostname }}/estate.yml"
    mode: "0644"
  delegate_to: localhost

- name: See what one guest would be in words, without what it shares with others
  virtfleet.core.capture:
    guests: [web1]
    networks: []
    pools: []
    profiles: false
    query: "guests[0]"
  register: web1

- name: Guests and networks that the document leaves out
  ansible.builtin.debug:
    msg: "{{ captured.residue | selectattr('at', 'eq', '') | map(attribute='why') }}"
"""

RETURN = r"""
document:
  description:
    - The document. Each entry has the options of its module. C(profiles) and C(guest_defaults) are there where they make
      it shorter.
  returned: success
  type: dict
  sample:
    version: 1
    pools:
      - {name: images, path: /var/lib/virtfleet/images}
    networks:
      - {name: lab, cidr: 10.20.0.0/24}
    guest_defaults: {memory: 2GiB, pool: images}
    guests:
      - name: web1
        state: running
        disks: [{image: debian-12, size: 20GiB}]
        nics: [{network: lab, address: 10.20.0.11}]
      - name: web2
        state: running
        disks: [{image: debian-12, size: 20GiB}]
        nics: [{network: lab, address: 10.20.0.12}]
residue:
  description:
    - What no option says. C(at) is the place of its parent as in C(xml_overlay), C(xml) the XML, empty for what is
      absent or secret, and C(why) a sentence. Where C(at) is empty, C(xml) is a whole object that the document leaves out.
  returned: success
  type: list
  elements: dict
  sample:
    - kind: guest
      name: web1
      at: devices
      xml: <sound model="ich9" />
      why: no option says it; xml_overlay keeps it
result:
  description: What O(query) finds in RV(document).
  returned: when O(query) is given
  type: raw
  sample: {name: web1, memory: 2GiB}
"""

from ansible_collections.virtfleet.core.plugins.module_utils._capture_module import CAPTURE_OPTIONS, read_capture
from ansible_collections.virtfleet.core.plugins.module_utils._module import main_info


def main() -> None:
    """Read the host."""
    main_info(CAPTURE_OPTIONS, read_capture, "document")


if __name__ == "__main__":
    main()
