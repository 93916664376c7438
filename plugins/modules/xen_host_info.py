# Copyright: (c) 2026, the virtfleet.core contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

DOCUMENTATION = r"""
module: xen_host_info
short_description: See what a machine is and lacks as a Xen host
version_added: 0.1.0
description:
  - Looks at a Debian or Ubuntu machine in one go and compares it with what a Xen host should be. This is what the role
    P(virtfleet.core.xen_host#role) goes by, and most of its options are the role's.
  - It changes nothing, needs neither Xen nor libvirt nor root, and runs in check mode. Without root it sees less.
  - What a person should know comes as warnings too.
author:
  - virtfleet.core contributors (@virtfleet)
extends_documentation_fragment:
  - virtfleet.core.attributes
  - virtfleet.core.attributes.info_module
options:
  boot:
    description: What the machine should start by default. V(linux) leaves Xen installed and starts Linux without it.
    type: str
    choices: [xen, linux]
    default: xen
  dom0_memory:
    description:
      - The memory that dom0, the machine's own system, should have and keep, such as V(2GiB). Without it dom0 has all, and
        gives of it to guests when they start.
    type: str
  dom0_vcpus:
    description: How many processors dom0 should have at most. Without it, all.
    type: int
  dom0_pin:
    description: Whether each processor of dom0 should stay on one of the machine's.
    type: bool
    default: false
  console:
    description:
      - Where Xen and dom0 should write their messages. V(com1) and V(com2) are serial lines.
      - Without it nothing is said of that.
    type: list
    elements: str
    choices: [vga, com1, com2]
    default: []
  console_speed:
    description: The speed of the serial lines in O(console).
    type: int
    default: 115200
  scheduler:
    description: Which scheduler Xen should use. Without it, the one that it takes by itself.
    type: str
    choices: [credit, credit2, rtds]
  hypervisor_options:
    description: More words for Xen's command line.
    type: list
    elements: str
    default: []
  dom0_options:
    description: More words for the command line of dom0's kernel, which it gets under Xen only.
    type: list
    elements: str
    default: []
  features:
    description:
      - What guests are to have, by which packages are chosen.
      - V(hvm) emulates machines, V(uefi) is firmware for these, V(pvgrub) is a GRUB that runs inside of guests, V(bootstrap)
        makes images from packages.
    type: list
    elements: str
    choices: [hvm, uefi, pvgrub, bootstrap]
    default: [hvm, pvgrub]
  extra_packages:
    description: More packages that should be there.
    type: list
    elements: str
    default: []
  users:
    description: Users who should be in the group C(libvirt).
    type: list
    elements: str
    default: []
  network:
    description: With V(default), libvirt's network of this name should be running and start with the host.
    type: str
    choices: [none, default]
    default: none
  pools:
    description: The storage pools that should be there.
    type: list
    elements: dict
    default: []
    suboptions:
      name:
        description: The pool's name.
        type: str
        required: true
      path:
        description: Its directory. Without it an existing pool is taken where it is.
        type: str
  xendomains:
    description:
      - What becomes of Xen's own service for guests that start with the host, which libvirtd excludes.
      - V(refuse) disables it where it has no guests, and finds a failure where it has some. V(carry_over) disables it, and
        its guests are to be libvirt's. V(keep) leaves it alone, and libvirt away.
    type: str
    choices: [refuse, carry_over, keep]
    default: refuse
  beside_kvm:
    description: Whether the machine may be a KVM host, too.
    type: bool
    default: false
  removal:
    description: Also say what of the role's additions could be removed, and who needs the rest.
    type: bool
    default: false
seealso:
  - module: virtfleet.core.kvm_host_info
  - module: virtfleet.core.host_info
"""

EXAMPLES = r"""
- name: See whether this machine could be a Xen host
  virtfleet.core.xen_host_info:
  register: look

- name: Show what stands in the way
  ansible.builtin.debug:
    msg: "{{ look.refusals }}"

- name: Does it run as it should, or is a restart needed?
  virtfleet.core.xen_host_info:
    dom0_memory: 2GiB
  register: look
  failed_when: look.xen_host.boot.pending != []
"""

RETURN = r"""
xen_host:
  description: The machine, and what differs from what was asked for.
  returned: success
  type: dict
  contains:
    system:
      description: The system by the name of the tables of packages, or null for one that they do not know.
      type: str
    missing:
      description: The packages that are to be installed.
      type: list
      elements: str
    absent:
      description: What was asked for and this system has no package of.
      type: list
      elements: str
    toolstack:
      description: Who manages the guests, V(libvirt) or V(xl).
      type: str
    boot:
      description:
        - V(xen) or V(linux) as C(wanted) and C(running); the entry of GRUB's menu that should be the C(default) one as
          C(target); C(unread) says what the menu does not say although it should, C(pending) why a restart is needed, and
          C(why_not) why a machine that was restarted does not run as it should.
      type: dict
    xen:
      description:
        - What runs below, with C(version), C(scheduler), C(options), C(cpus), C(memory_bytes), C(memory_available_bytes) and
          C(dom0_memory_bytes). Null without Xen, and without root.
      type: dict
    abilities:
      description: The types of guests that can run here, of V(pv), V(pvh) and V(hvm). Null without Xen, and without root.
      type: list
      elements: str
    waiting:
      description: The parts of the role that have to wait until Xen runs.
      type: list
      elements: str
    guests:
      description: The guests that libvirt knows here.
      type: list
      elements: str
    strangers:
      description: The guests that run here and that libvirt has not started.
      type: list
      elements: str
    carry_over:
      description: The guests of xl that libvirt is to get and does not know yet.
      type: list
      elements: str
    todo:
      description: What differs from what was asked for, by part.
      type: dict
    warnings:
      description: What a person should know even where nothing failed.
      type: list
      elements: str
    record:
      description: What the role has noted of what it added.
      type: dict
    removal:
      description:
        - What could be removed (C(packages)), what others need by now (C(kept)), and what stands in the way
          (C(problems)).
      returned: when O(removal) is true
      type: dict
  sample:
    system: Debian 12
    missing: []
    absent: []
    toolstack: libvirt
    boot:
      wanted: xen
      running: linux
      target: xen-gnulinux-simple-5bbe2f3b-3a3c-4c0c-9c55-0a8a7a2f6d11
      default: xen-gnulinux-simple-5bbe2f3b-3a3c-4c0c-9c55-0a8a7a2f6d11
      unread: []
      pending: [Linux runs without Xen]
    xen: null
    waiting: [pool default]
findings:
  description: Each check with what it found.
  returned: success
  type: list
  elements: dict
  contains:
    check:
      description: What was looked at.
      type: str
    status:
      description: V(ok), V(warn) or V(fail).
      type: str
    found:
      description: What was seen.
      type: str
    advice:
      description: What to do about it; empty where there is nothing to do.
      type: str
  sample:
    - {check: ground, status: ok, found: GRUB and the kernel can start Xen, advice: ""}
refusals:
  description: Why the role would refuse this machine, a sentence for each failure.
  returned: success
  type: list
  elements: str
  sample: []
"""

from ansible_collections.virtfleet.core.plugins.module_utils._module import main_look
from ansible_collections.virtfleet.core.plugins.module_utils._xen_host.wants import OPTIONS
from ansible_collections.virtfleet.core.plugins.module_utils._xen_host_module import read_xen_host


def main() -> None:
    """Look at the machine."""
    main_look(OPTIONS, read_xen_host, lambda found: found["xen_host"]["warnings"])


if __name__ == "__main__":
    main()
