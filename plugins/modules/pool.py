# Copyright: (c) 2026, the virtfleet.core contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

DOCUMENTATION = r"""
module: pool
short_description: Keep one storage pool as it is written down
version_added: 0.1.0
description:
  - Makes, changes, starts, stops and removes one storage pool of libvirt, be it a directory, a mounted file system, or a
    source of block devices.
  - Only options that are given are compared; everything else about a pool stays as it is.
  - No file, volume or device of a pool is written over or deleted by this module, but for devices that a new pool is built on
    with O(build) and O(confirm_data_loss).
  - Pools of the types V(dir), V(fs) and V(mpath) were run. Those of the types V(netfs), V(logical), V(disk), V(iscsi) and
    V(scsi) were defined, and libvirt was asked to start them on a host without their kernel or programs, which it refused.
    The others were held against libvirt's schema.
author:
  - virtfleet.core contributors (@virtfleet)
extends_documentation_fragment:
  - virtfleet.core.connection
  - virtfleet.core.attributes
  - virtfleet.core.attributes.converging
  - virtfleet.core.attributes.actiongroup_virtfleet
options:
  name:
    description: The pool's name on its host.
    type: str
    required: true
  state:
    description:
      - V(present) makes and changes the pool. One that it makes is started too; one that exists keeps running or
        stopped as it is.
      - V(active) starts it as well, V(inactive) stops it. Running guests go on either way.
      - V(absent) stops it and removes its definition; its files stay. It is refused while guests, running or not, have
        disks in it.
      - A pool that this collection made, and that neither runs nor starts with the host, counts as one whose making was
        interrupted; V(present) starts it, unless O(autostart) is V(false).
    type: str
    choices: [present, active, inactive, absent]
    default: present
  type:
    description:
      - The kind of pool; a new one is V(dir) without it. If given, a pool of another kind with this name is refused.
      - V(dir) is a directory, and needs O(path).
      - V(fs) is a block device with a file system that is mounted; needs O(path) and O(source_devices).
      - V(netfs) is a file system of the network that is mounted; needs O(path), O(source_hosts) and O(source_path).
      - V(logical) is a volume group of LVM; O(source_name) is the group, by default called as the pool.
      - V(disk) is a disk whose partitions are the volumes; needs O(path) and O(source_devices).
      - V(iscsi) is a target of iSCSI that the host logs in to; needs O(path), O(source_hosts) and O(source_devices).
        V(iscsi-direct) is one that QEMU reaches by itself, and needs O(source_initiator) in place of O(path).
      - V(scsi) is an adapter of the host; needs O(path) and O(source_adapter). V(mpath) are the multipath devices; needs
        O(path).
      - V(rbd) is a pool of Ceph, V(gluster) a volume of Gluster; both need O(source_name) and O(source_hosts).
      - V(zfs) is a pool of ZFS; needs O(source_name).
      - Where libvirt lacks the driver of a type, the error names the package, for example
        C(libvirt-daemon-driver-storage-rbd).
    type: str
    choices: [dir, fs, netfs, logical, disk, iscsi, iscsi-direct, scsi, mpath, rbd, gluster, zfs]
  path:
    description:
      - The directory of a pool of type V(dir), V(fs) or V(netfs), made with those above it where it is missing; of other
        types where the host has their devices, such as V(/dev/disk/by-path).
      - A pool that is somewhere else already is refused, since its volumes would be left behind.
    type: str
  source_hosts:
    description:
      - The hosts of the source as V(NAME), V(NAME:PORT) or V([IPv6]:PORT). Of type V(rbd) all monitors, of others one.
      - Another source is another pool, so a pool with another one is refused. The same holds for the other options of the
        source.
    type: list
    elements: str
  source_path:
    description: The exported directory of a V(netfs) pool, or a directory in the volume of a V(gluster) pool.
    type: str
  source_devices:
    description:
      - The block device of a V(fs) or V(disk) pool, the devices of a V(logical) or V(zfs) pool, the name of the target of
        an V(iscsi) or V(iscsi-direct) pool.
    type: list
    elements: str
  source_name:
    description: The name of the volume group, of the pool of Ceph or ZFS, or of the volume of Gluster.
    type: str
  source_adapter:
    description: The adapter of a V(scsi) pool, for example V(scsi_host2).
    type: str
  source_format:
    description:
      - The file system of a V(fs) pool (V(ext4), V(xfs), ...) or V(netfs) pool (V(nfs), V(cifs), V(glusterfs)), the
        partition table of a V(disk) pool (V(gpt), V(dos), ...), or V(lvm2). Without it libvirt takes the usual one.
    type: str
  source_version:
    description: The version of NFS of a V(netfs) pool, in quotes, for example V('4.2').
    type: str
  source_initiator:
    description: The name by which the host or QEMU logs in to a target of iSCSI, for example V(iqn.2026-01.com.example:hv1).
    type: str
  auth_username:
    description: The user of a source that asks for one, by CHAP (V(iscsi), V(iscsi-direct)) or of Ceph (V(rbd)).
    type: str
  auth_secret:
    description: The usage or the UUID of the secret of O(auth_username), as M(virtfleet.core.secret) makes it.
    type: str
  mode:
    description:
      - The directory's permissions as three octal digits in quotes, such as V('0711'). It is for pools of type V(dir), as
        are O(owner) and O(group).
      - Without it a directory that is made has V(0711), and one that exists is left as it is.
    type: raw
  owner:
    description:
      - The directory's owner, by name or number. Over a remote O(uri) only by number.
    type: str
  group:
    description:
      - The directory's group, by name or number. Over a remote O(uri) only by number.
    type: str
  autostart:
    description:
      - Whether it starts with the host. A new pool does, unless it is made with O(state=inactive).
    type: bool
  remove_directory:
    description:
      - With O(state=absent) also removes the directory of a V(dir) pool, which must be empty.
    type: bool
    default: false
  build:
    description:
      - Whether what is on the devices of a new pool is made, the file system of V(fs), the volume group of V(logical), the
        partition table of V(disk). Of V(fs) and V(disk) O(source_format) says which, of V(logical) O(source_devices) where.
      - Nothing is written over. Devices that hold it already are taken as they are; those that hold anything else are
        refused, unless O(confirm_data_loss) names the pool.
      - Of a pool that is there already it says nothing.
    type: bool
    default: false
    version_added: 0.2.0
  confirm_data_loss:
    description:
      - Names of pools whose devices may lose what they hold. O(build) then makes a new pool on them whatever that is, also
        where it is what the pool wants.
    type: list
    elements: str
    default: []
    version_added: 0.2.0
seealso:
  - module: virtfleet.core.pool_info
  - module: virtfleet.core.volume
  - module: virtfleet.core.image
"""

EXAMPLES = r"""
- name: A pool for images and disks
  virtfleet.core.pool:
    name: images
    path: /var/lib/virtfleet/images

- name: A pool that a group may look into, running whatever it was before
  virtfleet.core.pool:
    name: scratch
    path: /var/lib/virtfleet/scratch
    mode: "0750"
    group: libvirt
    state: active

- name: An export of an NFS server
  virtfleet.core.pool:
    name: shared
    type: netfs
    path: /srv/virtfleet/shared
    source_hosts: [nas.example.com]
    source_path: /export/vms
    source_version: "4.2"

- name: A volume group that is there
  virtfleet.core.pool:
    name: fast
    type: logical
    source_name: vg0

- name: A file system that is made on an empty disk, and mounted
  virtfleet.core.pool:
    name: fast
    type: fs
    path: /srv/virtfleet/fast
    source_devices: [/dev/vdb]
    source_format: ext4
    build: true

- name: A volume group on a disk, whatever that holds
  virtfleet.core.pool:
    name: vms
    type: logical
    source_name: vms
    source_devices: [/dev/vdc]
    build: true
    confirm_data_loss: [vms]

- name: A pool of Ceph
  virtfleet.core.pool:
    name: ceph
    type: rbd
    source_name: vms
    source_hosts: ["mon1.example.com:6789", "mon2.example.com:6789"]
    auth_username: libvirt
    auth_secret: ceph-libvirt

- name: Remove a pool and its directory, which must be empty
  virtfleet.core.pool:
    name: scratch
    state: absent
    remove_directory: true
"""

RETURN = r"""
plan:
  description: What was done, or in check mode would be done, one entry for each object that changes.
  returned: always
  type: list
  elements: dict
  contains:
    kind:
      description: The kind of object, here V(pool).
      type: str
    name:
      description: Its name.
      type: str
    action:
      description: V(create), V(update) or V(delete).
      type: str
    effect:
      description: The dearest effect of the changes, V(live), V(recreate) or V(data_loss).
      type: str
    changes:
      description: Each changed option with its values before and after, and its effect.
      type: list
      elements: dict
    outcome:
      description: V(done) or V(failed); V(planned) in check mode.
      type: str
    error:
      description: Why it failed.
      type: str
  sample:
    - kind: pool
      name: images
      action: create
      effect: live
      changes:
        - {path: path, before: null, after: /var/lib/virtfleet/images, effect: live}
        - {path: state, before: absent, after: active, effect: live}
        - {path: autostart, before: false, after: true, effect: live}
      outcome: done
      error: null
pending:
  description: What is written and waits; always empty for pools.
  returned: always
  type: list
  elements: dict
  sample: []
unmanaged:
  description: What exists without being listed; always empty for pools.
  returned: always
  type: list
  elements: dict
  sample: []
summary:
  description: How many objects were made, changed, removed, and left as they are.
  returned: always
  type: dict
  sample: {create: 1, unchanged: 0}
pool:
  description: The pool after the run (in check mode as it is), as M(virtfleet.core.pool_info) returns it.
  returned: success
  type: dict
  sample:
    name: images
    uuid: 5ab1d9a5-8f5c-5d4c-8a33-3f9d0c2f6a11
    type: dir
    path: /var/lib/virtfleet/images
    state: active
    autostart: true
    mode: "0711"
    owner: 0
    group: 0
    capacity_bytes: 105089261568
    allocation_bytes: 21474836480
    available_bytes: 83614425088
"""

from ansible_collections.virtfleet.core.plugins.module_utils._module import main_converge
from ansible_collections.virtfleet.core.plugins.module_utils._pool_module import pool_subject
from ansible_collections.virtfleet.core.plugins.module_utils._storage.options import POOL_OPTIONS, RUN_OPTIONS


def main() -> None:
    """Converge one pool."""
    main_converge({**POOL_OPTIONS, **RUN_OPTIONS}, pool_subject)


if __name__ == "__main__":
    main()
