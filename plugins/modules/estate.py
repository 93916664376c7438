# Copyright: (c) 2026, the virtfleet.core contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

DOCUMENTATION = r"""
module: estate
short_description: Keep everything that a virtualization host holds as one document says
version_added: 0.1.0
description:
  - Takes one document with the pools, networks, images, volumes, secrets, network filters and guests of a host, plans all
    of it at once, says what each change costs, and makes it so over one connection. A thousand guests are one task.
  - Everything that can be checked is checked before anything is touched, and all complaints come at once, each with its
    place in the document, such as C(guests[3].disks[0].size).
  - Objects are made in the order in which they stand on each other; what is independent goes side by side. An object that
    fails does not keep others from going on, only those that need it.
  - Whatever the document does not say stays as it is. An object that it does not name is left alone, unless O(prune) is set
    and the estate made it.
  - A run that was interrupted anywhere is finished by the next one. Two runs on one hypervisor wait for each other; over a
    remote O(uri) they can't.
author:
  - virtfleet.core contributors (@virtfleet)
extends_documentation_fragment:
  - virtfleet.core.connection
  - virtfleet.core.attributes
  - virtfleet.core.attributes.converging
  - virtfleet.core.attributes.actiongroup_virtfleet
options:
  document:
    description:
      - What the host holds, as a mapping. C(version) is V(1). C(name) is the estate's name, V(default) without one; it marks
        what the estate makes as its own.
      - C(pools), C(networks), C(images), C(volumes), C(secrets), C(nwfilters) and C(guests) are lists of the options of
        M(virtfleet.core.pool), M(virtfleet.core.network), M(virtfleet.core.image), M(virtfleet.core.volume),
        M(virtfleet.core.secret), M(virtfleet.core.nwfilter) and M(virtfleet.core.guest). An image, a volume or a guest that
        names no pool has the document's first. A disk's C(image) is the name of one of the document's images, wherever that lies.
      - C(guest_defaults) are words for every guest, C(profiles) are words by a name. A guest lists the profiles that it has
        in C(profiles). The later word counts, in the order C(guest_defaults), profiles, the guest's own. Mappings are
        merged key by key, everything else (a list too) is replaced, and null takes away what was there.
      - A pool or a network that the estate made starts with the host unless its C(autostart) is V(false).
      - A guest with C(count) stands for so many, from 1. C({n}) in any text of it but C(cloud_init) and C(xml_overlay)
        becomes the number, C({n:02}) with two digits; a name without it gets the number behind it. A nic's C(address) is
        the first guest's, and the others count upward.
      - A guest's C(wait_for) goes before O(wait_for).
      - C(overcommit) has C(memory) and C(vcpus), how many times the host's the running guests may have together.
    type: raw
    required: true
  mode:
    description:
      - V(plan) only plans, as check mode does, and returns RV(fingerprint), so that the result can be kept and applied later
        as O(saved_plan).
    type: str
    choices: [apply, plan]
    default: apply
  saved_plan:
    description:
      - The result of an earlier run with O(mode=plan) of the same document. It is refused, and nothing touched, where the
        host has moved on and the plan would be another one now.
    type: dict
  prune:
    description:
      - Whether what the estate made and the document does not name any more is removed. What it only found, or what another
        estate or a single module made, is never removed.
      - Disks and images stay unless O(confirm_data_loss) names them.
    type: bool
    default: false
  on_error:
    description: Whether other objects go on when one fails; with V(stop) nothing begins any more.
    type: str
    choices: [continue, stop]
    default: continue
  parallel:
    description: How many objects are worked on at once. A connection to libvirt answers five requests at a time.
    type: int
    default: 5
  restart_policy:
    description:
      - Whether running guests are restarted where a change, now or from an earlier run, is true only after that.
      - V(never) leaves it in RV(pending). V(if_needed) shuts them down, one after another in the document's order, and starts
        each again. A title, a description or a tag never restarts anything.
    type: str
    choices: [never, if_needed]
    default: never
  drift:
    description:
      - What becomes of options of guests that somebody changed by hand since they were applied last. They are listed in
        RV(drift) in any case.
      - V(revert) sets them back, V(report) leaves them as they are, unless the document asks for another value than was
        applied.
    type: str
    choices: [report, revert]
    default: revert
  wait_for:
    description:
      - What to wait for of every guest whose C(state) is V(running). See M(virtfleet.core.guest).
    type: str
    choices: [agent, address, ssh]
  wait_timeout:
    description: How long to wait for all guests together, for example V(90s) or V(5m).
    type: str
    default: 5m
  stop_timeout:
    description: How long a guest may take to power off.
    type: str
    default: 2m
  force_stop:
    description: Whether a guest that does not power off within O(stop_timeout) is switched off.
    type: bool
    default: false
  confirm_data_loss:
    description:
      - What may be lost, by name. V(web1) means all disks that this collection made for the guest web1, or the image web1;
        V(web1/data) means one disk. The name of a pool means the devices that it is built on (C(build)).
    type: list
    elements: str
    default: []
  headers:
    description: HTTP headers to send to the hosts of images' C(source) and of their checksum files.
    type: dict
  url_username:
    description: A user name for HTTP basic authentication. It is not sent to another host that the first one leads to.
    type: str
  url_password:
    description: The password of O(url_username).
    type: str
  validate_certs:
    description: Whether the certificates of https servers must be valid.
    type: bool
    default: true
  mirror:
    description: A folder of the host that is looked in before anything is downloaded. See M(virtfleet.core.image).
    type: path
  cache_size:
    description: How much of what was downloaded is kept on the host for later images. See M(virtfleet.core.image).
    type: str
  cache_age:
    description: How long a download is kept that no image asks for.
    type: str
    default: 30d
  timeout:
    description: Seconds without a byte after which a download has failed.
    type: int
    default: 60
seealso:
  - module: virtfleet.core.guest
  - module: virtfleet.core.image
  - module: virtfleet.core.network
  - module: virtfleet.core.nwfilter
  - module: virtfleet.core.pool
  - module: virtfleet.core.secret
  - module: virtfleet.core.volume
  - plugin: virtfleet.core.plan_markdown
    plugin_type: filter
  - plugin: virtfleet.core.plan_text
    plugin_type: filter
"""

EXAMPLES = r"""
- name: Everything that a host holds, here in the playbook itself
  virtfleet.core.estate:
    wait_for: ssh
    document:
      version: 1
      pools:
        - {name: images, path: /var/lib/virtfleet/images}
      networks:
        - {name: lab, cidr: 10.20.0.0/24, dhcp: {start: 10.20.0.100}}
      images:
        - name: bookworm
          bootstrap: {suite: bookworm, packages: [openssh-server, qemu-guest-agent]}
      guest_defaults:
        memory: 1GiB
        autostart: true
      profiles:
        big: {memory: 4GiB, vcpus: 4}
      guests:
        - name: web
          count: 3
          disks: [{image: bookworm, size: 10GiB}]
          nics: [{network: lab, address: 10.20.0.11}]
          state: running
        - name: db1
          profiles: [big]
          disks: [{image: bookworm, size: 20GiB}, {name: data, size: 100GiB}]
          nics: [{network: lab, address: 10.20.0.20}]
          state: running

- name: What would change, kept for later
  virtfleet.core.estate:
    document: "{{ estate }}"
    prune: true
    mode: plan
  register: planned

- name: That, and nothing else
  virtfleet.core.estate:
    document: "{{ estate }}"
    prune: true
    saved_plan: "{{ planned }}"

- name: A guest that the document does not name any more, with one of its disks
  virtfleet.core.estate:
    document: "{{ estate }}"
    prune: true
    confirm_data_loss: [web3/root]
"""

RETURN = r"""
plan:
  description: What was done, or in check mode would be; only objects that change, in the order in which they begin.
  returned: always
  type: list
  elements: dict
  contains:
    kind:
      description: C(pool), C(network), C(image), C(volume), C(secret), C(nwfilter) or C(guest).
      type: str
    name:
      description: The object's name; a volume's is C(pool/name).
      type: str
    action:
      description: C(create), C(update), C(replace) or C(delete).
      type: str
    effect:
      description: The dearest effect of the changes; C(live), C(restart), C(recreate) or C(data_loss).
      type: str
    changes:
      description: One entry for each option that changes, with C(path), C(before), C(after), C(effect) and perhaps C(why).
      type: list
      elements: dict
    outcome:
      description: C(done), C(pending) (waits for a restart), C(failed), C(skipped), or C(planned) where it is only planned.
      type: str
    error:
      description: Why it failed, or what keeps it waiting.
      type: str
  sample:
    - kind: guest
      name: db1
      action: update
      effect: restart
      changes:
        - {path: memory, before: 2GiB, after: 4GiB, effect: restart}
      outcome: pending
      error: null
pending:
  description: What is written and waits for a cold start, one entry an object.
  returned: always
  type: list
  elements: dict
  sample:
    - kind: guest
      name: db1
      changes:
        - {path: memory, before: 2GiB, after: 4GiB, effect: restart}
drift:
  description: Options of guests that somebody changed by hand since they were applied last.
  returned: always
  type: list
  elements: dict
  sample:
    - {kind: guest, name: web1, path: memory, applied: 2GiB, found: 3GiB, wanted: 2GiB, side: definition}
unmanaged:
  description: Disks, nics and reservations that exist, are not listed, and were not made by this collection.
  returned: always
  type: list
  elements: dict
  sample:
    - {kind: guest, name: web1, entries: [disks.vdb]}
summary:
  description: How many objects were made, changed, removed, and left as they are.
  returned: always
  type: dict
  sample: {create: 3, update: 1, unchanged: 996}
fingerprint:
  description: What tells this plan apart from others, for O(saved_plan).
  returned: with O(mode=plan)
  type: dict
  sample:
    version: 1
    host: 6f0d4f57-9d4e-4b3a-8a68-2f7c0f1e9b11
    document: 0b9c...
    rows: 5d41...
"""

from ansible_collections.virtfleet.core.plugins.module_utils._estate_module import (
    DOCUMENTS,
    ESTATE_OPTIONS,
    estate_subject,
)
from ansible_collections.virtfleet.core.plugins.module_utils._module import main_converge


def main() -> None:
    """Converge everything that a host holds."""
    main_converge(ESTATE_OPTIONS, estate_subject, fetch=True, documents=DOCUMENTS)


if __name__ == "__main__":
    main()
