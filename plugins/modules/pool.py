# Copyright: (c) 2026, the virtfleet.core contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

DOCUMENTATION = r"""
module: pool
short_description: Keep one storage pool as it is written down
version_added: 0.1.0
description:
  - Makes, changes, starts, stops and removes one storage pool of libvirt that is a directory.
  - Only options that are given are compared; everything else about a pool stays as it is.
  - No file in a pool is ever deleted by this module.
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
      - The kind of pool; only directories are made. If given, a pool of another kind with this name is refused.
    type: str
    choices: [dir]
  path:
    description:
      - The directory, made with those above it where it is missing. A new pool needs it.
      - A pool that is somewhere else already is refused, since its volumes would be left behind.
    type: str
  mode:
    description:
      - The directory's permissions as three octal digits in quotes, such as V('0711').
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
      - With O(state=absent) also removes the directory, which must be empty.
    type: bool
    default: false
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

- name: Remove it and its directory, which must be empty
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
      description: The dearest effect of the changes, V(live) or V(recreate).
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
from ansible_collections.virtfleet.core.plugins.module_utils._storage.options import POOL_OPTIONS


def main() -> None:
    """Converge one pool."""
    main_converge(POOL_OPTIONS, pool_subject)


if __name__ == "__main__":
    main()
