# Copyright: (c) 2026, the virtfleet.core contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Hold the options with which every module reaches a hypervisor."""

from __future__ import annotations


class ModuleDocFragment:
    """Document the option O(uri) and what the host needs."""

    DOCUMENTATION = r"""
options:
  uri:
    description:
      - The libvirt connection to work on, as libvirt writes it.
      - V(qemu:///system) is the system's libvirt daemon on the host where the module runs, V(qemu:///session) the
        calling user's own, which needs no root.
      - A daemon on a socket of its own is reached by V(qemu:///system?socket=/path/to/libvirt-sock).
      - Prefer to run the module on the hypervisor, with C(delegate_to) where needed, over a remote URI such as
        V(qemu+ssh://root@hv1/system). What needs the host's own files is refused over a remote URI.
    type: str
    default: qemu:///system
requirements:
  - python >= 3.9
  - libvirt >= 8.0, running on the host
  - the Python binding of libvirt, which is the package python3-libvirt on Debian and Ubuntu
"""
