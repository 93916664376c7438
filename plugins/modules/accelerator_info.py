# Copyright: (c) 2026, the virtfleet.core contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

DOCUMENTATION = r"""
module: accelerator_info
short_description: Find out whether guests really run by KVM on a host
version_added: 0.1.0
description:
  - Runs a test guest of a few hundred instructions, which does what a kernel does, by KVM, and says whether it came
    through. On a machine that is itself a guest, KVM may be there and libvirt and QEMU content, and yet no guest boots.
  - A guest that comes through more than five times later than by emulation has failed, and so has one that has not come
    through after ten seconds.
  - Needs neither libvirt nor QEMU, and does not fail where they, or KVM, are absent. Without QEMU the kernel's KVM is
    asked directly; if the test guest runs, that holds until QEMU is installed, and is not kept.
  - The verdict is kept in C(/run/virtfleet) (without root in the user's own run directory) until the host boots, QEMU or
    the user that it runs as changes, or C(/dev/kvm) or the modules of KVM do. So looking costs seconds once.
  - The test guest of x86_64 was seen to pass and to fail where it should. On aarch64 it is a loop of which only the
    emulated run was tried. On other architectures KVM is only asked whether it gives a virtual machine.
author:
  - virtfleet.core contributors (@virtfleet)
extends_documentation_fragment:
  - virtfleet.core.query
  - virtfleet.core.attributes
  - virtfleet.core.attributes.info_module
options:
  fresh:
    description:
      - Look even where there is a verdict, for example after something was changed that this machine does not show, such
        as the hypervisor outside.
    type: bool
    default: false
requirements:
  - python >= 3.9
notes:
  - The environment variable E(VIRTFLEET_ACCELERATOR), set to V(kvm) or V(tcg), is the verdict then; nothing is tried.
  - It looks in check mode too, since it changes nothing.
  - Has no option for the connection, and so is no member of the action group of the other modules. It says what is true
    of the machine on which it runs.
seealso:
  - module: virtfleet.core.guest
  - module: virtfleet.core.host_info
"""

EXAMPLES = r"""
- name: Do guests run by KVM here?
  virtfleet.core.accelerator_info:
  register: found

- name: Stop where guests could only be emulated
  ansible.builtin.assert:
    that: found.accelerator.verdict == 'kvm'
    fail_msg: "{{ found.accelerator.reason }} {{ found.accelerator.advice }}"

- name: Look again, now that the provider has turned on nested virtualization
  virtfleet.core.accelerator_info:
    fresh: true
"""

RETURN = r"""
accelerator:
  description: How guests of the host's own architecture run best.
  returned: success
  type: dict
  contains:
    verdict:
      description: V(kvm), or V(tcg) where guests have to be emulated; the words of the module guest's option C(accel).
      type: str
    kind:
      description:
        - V(hardware) is KVM on a machine of its own, V(nested) KVM on a machine that is itself a guest, V(emulation) no
          KVM.
      type: str
    reason:
      description: What was seen, in a sentence or two.
      type: str
    advice:
      description: What to do for KVM to work, in which layer; empty where it works.
      type: str
    qemu_version:
      description: The version of QEMU, or V(null) where it is not installed.
      type: str
    kept:
      description: Whether the verdict is kept, so that nobody looks again before something has changed.
      type: bool
    seconds:
      description: How long the look took, when it was taken.
      type: float
  sample:
    verdict: tcg
    kind: emulation
    reason: 'There is no /dev/kvm: this machine is itself a guest, and its hypervisor shows it no virtualization.'
    advice: In VMware expose hardware assisted virtualization to this machine (vhv.enable = TRUE).
    qemu_version: 7.2.22
    kept: true
    seconds: 0.1
result:
  description: What O(query) finds in RV(accelerator).
  returned: when O(query) is given
  type: raw
  sample: tcg
"""

from ansible_collections.virtfleet.core.plugins.module_utils._accelerator_module import read_accelerator
from ansible_collections.virtfleet.core.plugins.module_utils._module import main_files_info


def main() -> None:
    """Look at the host."""
    main_files_info({"fresh": {"type": "bool", "default": False}}, read_accelerator, "accelerator")


if __name__ == "__main__":
    main()
