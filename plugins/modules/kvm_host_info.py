# Copyright: (c) 2026, the virtfleet.core contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

DOCUMENTATION = r"""
module: kvm_host_info
short_description: See what a machine is and lacks as a KVM host
version_added: 0.1.0
description:
  - Looks at a Debian or Ubuntu machine in one go and compares it with what a KVM host should be. This is what the role
    P(virtfleet.core.kvm_host#role) goes by, and most of its options are the role's.
  - It changes nothing, needs neither libvirt nor root, and runs in check mode. Without root it sees less.
  - What a person should know comes as warnings too.
author:
  - virtfleet.core contributors (@virtfleet)
extends_documentation_fragment:
  - virtfleet.core.attributes
  - virtfleet.core.attributes.info_module
options:
  accel:
    description:
      - How guests are to run. With V(kvm) it is a failure that KVM does not work, with V(auto) a warning.
    type: str
    choices: [auto, kvm, tcg]
    default: auto
  accelerator:
    description:
      - What a probe of KVM has found, with C(verdict), C(kind), C(reason) and C(advice). Without it nothing is said of KVM.
    type: dict
  architectures:
    description: The architectures whose guests are to run here, besides the host's own.
    type: list
    elements: str
    choices: [aarch64, armv7l, i686, ppc64, ppc64le, riscv64, s390x, x86_64]
    default: []
  features:
    description: What guests and their images are to have, by which packages are chosen.
    type: list
    elements: str
    choices: [uefi, tpm, virtiofs, passt, guestfs, v2v, bootstrap, osinfo]
    default: [uefi, tpm, virtiofs, passt]
  storage:
    description: The kinds of storage, besides directories, by which packages are chosen.
    type: list
    elements: str
    choices: [disk, iscsi, iscsi-direct, logical, mpath, nfs, rbd, scsi, zfs]
    default: []
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
  nested:
    description: Whether guests may have guests of their own. Without it nothing is said of that.
    type: bool
  hugepages:
    description: How many huge pages there should be of each size, such as C(2MiB).
    type: dict
    default: {}
  remote:
    description: How clients from other hosts should come in.
    type: str
    choices: [ssh, tls, lab-tcp]
    default: ssh
  tls_allowed:
    description: The distinguished names of clients that TLS should let in. Without it, all that have a certificate.
    type: list
    elements: str
    default: []
  tls:
    description: What the certificates should be, by the SHA-256 of each file. One that is left out must be there.
    type: dict
    default: {}
    suboptions:
      ca:
        description: That of the certificate of the authority.
        type: str
      cert:
        description: That of the host's certificate.
        type: str
      key:
        description: That of its key.
        type: str
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
      any_guest:
        description: Whether AppArmor should let every guest into all of it.
        type: bool
        default: false
  beside_xen:
    description: Whether the machine may have Xen, too, under which KVM starts no guest.
    type: bool
    default: false
  removal:
    description: Also say what of the role's additions could be removed, and who needs the rest.
    type: bool
    default: false
seealso:
  - module: virtfleet.core.host_info
  - module: virtfleet.core.xen_host_info
"""

EXAMPLES = r"""
- name: What does this machine lack as a KVM host?
  virtfleet.core.kvm_host_info:
    features: [uefi, tpm]
    users: [anna]
  register: seen

- name: Show what stands in the way
  ansible.builtin.debug:
    msg: "{{ seen.refusals }}"
"""

RETURN = r"""
kvm_host:
  description: The machine. The role reads this; parts that are not listed here may change.
  returned: success
  type: dict
  contains:
    system:
      description: The distribution and its version; V(null) for one that the role does not know.
      type: str
    systemd:
      description: Whether systemd runs.
      type: bool
    stack:
      description: Which of Ubuntu 26.04's two virtualization stacks is installed, V(base) or V(hwe).
      type: str
    missing:
      description: The packages that are not installed.
      type: list
      elements: str
    absent:
      description: What was asked for and this system has no package of.
      type: list
      elements: str
    daemons:
      description:
        - The C(kind) of libvirt's daemons, V(monolithic), V(modular) or V(null), the C(services) that are installed, the
          C(units) that should listen and don't, and the daemons to C(start) by hand where there is no systemd.
      type: dict
    todo:
      description: What differs from what was asked for, by part.
      type: dict
    guests:
      description: The guests that are defined here.
      type: list
      elements: str
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
    system: Debian 13
    systemd: true
    stack: base
    missing: [swtpm, swtpm-tools]
    absent: []
    daemons: {kind: monolithic, services: [libvirtd], units: [], start: [], front: libvirtd}
    guests: [web1]
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
    - {check: daemons, status: ok, found: monolithic, advice: ""}
refusals:
  description: Why the role would refuse this machine, a sentence for each failure.
  returned: success
  type: list
  elements: str
  sample: []
"""

from ansible_collections.virtfleet.core.plugins.module_utils._kvm_host.wants import OPTIONS
from ansible_collections.virtfleet.core.plugins.module_utils._kvm_host_module import read_kvm_host
from ansible_collections.virtfleet.core.plugins.module_utils._module import main_look


def main() -> None:
    """Look at the machine."""
    main_look(OPTIONS, read_kvm_host, lambda found: found["kvm_host"]["warnings"])


if __name__ == "__main__":
    main()
