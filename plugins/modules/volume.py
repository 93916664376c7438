# Copyright: (c) 2026, the virtfleet.core contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

DOCUMENTATION = r"""
module: volume
short_description: Keep one volume of a storage pool as it is written down
version_added: 0.1.0
description:
  - Makes, grows and removes one volume of a storage pool through libvirt, so that it works over a remote O(uri) too.
  - Only options that are given are compared. A volume that would have to be made anew (another format or backing, or a
    smaller size) is data loss and needs O(confirm_data_loss).
  - A volume that a guest uses, running or not, or on which another volume stands, is never removed or made anew.
  - A guest makes the volumes of its own disks by itself. This module is for those that live longer than a guest, or
    that several share one after the other.
author:
  - virtfleet.core contributors (@virtfleet)
extends_documentation_fragment:
  - virtfleet.core.connection
  - virtfleet.core.attributes
  - virtfleet.core.attributes.actiongroup_virtfleet
attributes:
  check_mode:
    support: full
  diff_mode:
    support: full
  idempotent:
    support: full
    details:
      - What is in O(source) or O(clone) counts only while the volume is made. What changes there later is no change.
options:
  name:
    description: The volume's name in its pool, as it stands there, such as V(data.qcow2).
    type: str
    required: true
  pool:
    description:
      - The pool that holds it. It must be active, and a directory (type dir, fs or netfs).
    type: str
    default: default
  state:
    description:
      - V(present) makes and grows the volume.
      - V(absent) removes it with all that is in it, which needs O(confirm_data_loss).
    type: str
    choices: [present, absent]
    default: present
  format:
    description:
      - The volume's format. A new one is V(raw) where its name ends in C(.raw), C(.img) or C(.iso), and else V(qcow2).
        With O(source) it is what the file is.
    type: str
    choices: [qcow2, raw]
  size:
    description:
      - The size of the disk in the volume, with its unit, for example V(20GiB). GiB is 2^30 bytes and GB is 10^9.
      - A volume grows to it, unless a running or saved guest uses it. Give the size to that guest's disk by
        M(virtfleet.core.guest) then, which grows it while the guest runs.
      - A new volume needs it, or O(backing), O(source) or O(clone), whose size it has then.
    type: str
  backing:
    description:
      - What the volume stands on as a qcow2 overlay. The name of a volume or an image in the same pool, with or without
        its ending, or an absolute path.
    type: str
  source:
    description:
      - The absolute path of a file on the host, raw or qcow2, whose bytes a new volume begins with. They are taken as
        they are; M(virtfleet.core.image) downloads, verifies and converts.
      - An upload that was cut short is done again by the next run. Until it is whole, an empty volume
        C(NAME.uploading) stands beside it.
      - Refused over a remote O(uri).
    type: str
  clone:
    description:
      - The volume whose disk a new volume begins with, as V(NAME) of the same pool or V(POOL/NAME). The copy stands on its
        own, also where that one stands on another, and has O(format) whatever that one has.
      - Only what is made is copied. That one may change or go later.
      - Refused while a guest that runs or is saved writes to that one. Until the copy is whole, an empty volume
        C(NAME.uploading) stands beside it.
    type: str
  wipe:
    description:
      - Whether zeros are written over what the volume holds before it is removed or made anew.
      - libvirt does this. Of a file with holes it writes nothing and frees the blocks; and what a file system or a disk
        that moves blocks keeps elsewhere, nobody reaches that way.
    type: bool
    default: false
  preallocation:
    description:
      - Which room a new volume takes. V(off), the default, is none but for what is written; V(metadata) the tables of a qcow2
        volume; V(falloc) all of it. It does not go with O(backing), O(source) and O(clone).
      - It is not compared, since a guest gives back what it discards.
    type: str
    choices: ['off', metadata, falloc]
  cluster_size:
    description:
      - The size of the clusters of a qcow2 volume with its unit, a power of two from V(512B) to V(2MiB). QEMU's own default is
        V(64KiB).
      - A volume with others would be made anew, which is data loss.
    type: str
  lazy_refcounts:
    description:
      - Whether a qcow2 volume may put off writing how often each cluster is used. Writes that take new clusters are faster, and
        after a crash of the host the volume is checked when it is opened.
      - A volume that was made otherwise would be made anew, which is data loss.
    type: bool
  compat:
    description:
      - The version of a qcow2 volume, V(0.10) or V(1.1), in quotes. libvirt itself makes V(0.10), or V(1.1) where
        O(lazy_refcounts) needs it.
      - A volume of another version would be made anew, which is data loss.
    type: str
    choices: ['0.10', '1.1']
  luks_secret:
    description:
      - Encrypts a volume by LUKS when it is made, by what the secret of this C(usage_id) holds, of the usage V(volume)
        (M(virtfleet.core.secret)). The secret may be private. The disk of a guest names the same secret as C(luks_secret).
      - A volume that is not encrypted would be made anew, which is data loss. By which secret a volume is encrypted, nobody can
        tell; another one is no change.
      - libvirt grows an encrypted volume only where a secret has its path as C(usage_id), so that is the best one to give.
    type: str
  confirm_data_loss:
    description:
      - Names of volumes, V(name) or V(pool/name), that may lose what they hold.
    type: list
    elements: str
    default: []
seealso:
  - module: virtfleet.core.volume_info
  - module: virtfleet.core.pool
  - module: virtfleet.core.image
  - module: virtfleet.core.guest
"""

EXAMPLES = r"""
- name: A volume for data that outlives its guest
  virtfleet.core.volume:
    name: data.qcow2
    size: 100GiB

- name: Grow it
  virtfleet.core.volume:
    name: data.qcow2
    size: 200GiB

- name: A guest takes it as a disk
  virtfleet.core.guest:
    name: db1
    disks:
      - {name: root, image: debian-12, size: 20GiB}
      - {name: data, volume: default/data.qcow2}

- name: An overlay on an image of the same pool
  virtfleet.core.volume:
    name: scratch.qcow2
    pool: fast
    backing: debian-12
    size: 40GiB

- name: A file of the host as a volume
  virtfleet.core.volume:
    name: appliance.qcow2
    source: /srv/appliance.qcow2

- name: A copy of a volume, larger
  virtfleet.core.volume:
    name: data-copy.qcow2
    clone: data.qcow2
    size: 300GiB

- name: A volume whose room is taken at once
  virtfleet.core.volume:
    name: db1-data.qcow2
    size: 100GiB
    preallocation: falloc
    compat: '1.1'

- name: The passphrase of an encrypted volume, from a vault
  virtfleet.core.secret:
    name: sealed
    usage_id: /var/lib/libvirt/images/sealed.qcow2
    private: true
    value: "{{ vault_sealed }}"

- name: An encrypted volume
  virtfleet.core.volume:
    name: sealed.qcow2
    size: 20GiB
    luks_secret: /var/lib/libvirt/images/sealed.qcow2

- name: Remove it, and write zeros over what is in it
  virtfleet.core.volume:
    name: data-copy.qcow2
    state: absent
    wipe: true
    confirm_data_loss: [data-copy.qcow2]

- name: Remove it, with what is in it
  virtfleet.core.volume:
    name: scratch.qcow2
    pool: fast
    state: absent
    confirm_data_loss: [fast/scratch.qcow2]
"""

RETURN = r"""
plan:
  description: What was done, or in check mode would be done, one entry for each object that changes.
  returned: always
  type: list
  elements: dict
  contains:
    kind:
      description: The kind of object, here V(volume).
      type: str
    name:
      description: Its pool and its name.
      type: str
    action:
      description: V(create), V(update), V(replace) or V(delete).
      type: str
    effect:
      description: The dearest effect of the changes, V(live) or V(data_loss).
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
    - kind: volume
      name: default/data.qcow2
      action: create
      effect: live
      changes:
        - {path: format, before: null, after: qcow2, effect: live}
        - {path: size, before: null, after: 100GiB, effect: live}
        - {path: state, before: absent, after: present, effect: live}
      outcome: done
      error: null
pending:
  description: What is written and waits; always empty for volumes.
  returned: always
  type: list
  elements: dict
  sample: []
unmanaged:
  description: What exists without being listed; always empty for volumes.
  returned: always
  type: list
  elements: dict
  sample: []
summary:
  description: How many objects were made, changed, removed, and left as they are.
  returned: always
  type: dict
  sample: {create: 1, unchanged: 0}
volume:
  description: The volume after the run (in check mode as it is).
  returned: success
  type: dict
  sample:
    name: data.qcow2
    pool: default
    state: present
    path: /var/lib/libvirt/images/data.qcow2
    format: qcow2
    size: 100GiB
    capacity_bytes: 107374182400
    allocation_bytes: 200704
    backing: null
"""

from ansible_collections.virtfleet.core.plugins.module_utils._module import main_converge
from ansible_collections.virtfleet.core.plugins.module_utils._volume.options import RUN_OPTIONS, VOLUME_OPTIONS
from ansible_collections.virtfleet.core.plugins.module_utils._volume_module import volume_subject


def main() -> None:
    """Converge one volume."""
    main_converge({**VOLUME_OPTIONS, **RUN_OPTIONS}, volume_subject)


if __name__ == "__main__":
    main()
