# Copyright: (c) 2026, the virtfleet.core contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

DOCUMENTATION = r"""
module: secret
short_description: Keep one secret of libvirt as it is written down
version_added: 0.1.0
description:
  - Makes, fills, changes and removes one secret of libvirt, such as the passphrase of an encrypted volume or the key of a
    Ceph client.
  - Only options that are given are compared.
  - What a secret holds is in no result, no diff, no log and no message. It is shown as V((hidden)).
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
    support: partial
    details:
      - With O(private=true) and O(value_policy=always) the value is set on every run, since it cannot be compared.
      - An ephemeral secret is gone when the libvirt daemon ends, and is made again by the next run.
options:
  name:
    description:
      - The secret's name in this collection, from which its UUID is derived. libvirt itself knows a secret by what it is
        for, O(usage) and O(usage_id).
    type: str
    required: true
  state:
    description:
      - V(present) makes and changes the secret.
      - V(absent) removes it with what it holds. It is refused while a guest, running or not, or a pool names it. An
        encrypted volume that is a disk of no guest cannot be seen; without its passphrase it is lost.
    type: str
    choices: [present, absent]
    default: present
  usage:
    description:
      - What it is for. An encrypted volume, a client of Ceph, an iSCSI target, a TLS key, or a guest's TPM.
      - What a secret is for cannot be changed.
    type: str
    choices: [volume, ceph, iscsi, tls, vtpm]
    default: volume
  usage_id:
    description:
      - Which of these. The volume's path for V(volume), the target for V(iscsi), else a name, as guests and pools have it
        in their C(usage). Without it O(name).
    type: str
  description:
    description: A text for people.
    type: str
  ephemeral:
    description: Whether it is kept in memory only, so that it is gone when the libvirt daemon ends.
    type: bool
  private:
    description:
      - Whether libvirt never gives the value to a client, which includes this module. It cannot be taken back.
    type: bool
  value:
    description:
      - What it holds, as text.
      - The value of a secret that is not private is compared, and set where it differs. That of a private one can't be
        read; it is set while the secret is made, and see O(value_policy).
    type: str
  value_base64:
    description: What it holds, as base64, in place of O(value).
    type: str
  value_policy:
    description:
      - V(on_create) sets the value only where the secret holds nothing yet.
      - V(always) sets that of a private secret on every run, which counts as a change.
      - Without it a private secret is treated as by V(on_create), and any other is compared.
    type: str
    choices: [always, on_create]
seealso:
  - module: virtfleet.core.secret_info
  - module: virtfleet.core.guest
  - name: Secrets
    description: What the usages mean.
    link: https://libvirt.org/formatsecret.html
"""

EXAMPLES = r"""
- name: The passphrase of an encrypted volume, from a vault
  virtfleet.core.secret:
    name: data-key
    usage_id: /var/lib/libvirt/images/data.luks
    private: true
    value: "{{ vault_data_key }}"

- name: The key of a Ceph client
  virtfleet.core.secret:
    name: client.libvirt
    usage: ceph
    value_base64: "{{ vault_ceph_key }}"

- name: Another passphrase for a private secret, once
  virtfleet.core.secret:
    name: data-key
    usage_id: /var/lib/libvirt/images/data.luks
    value: "{{ vault_new_data_key }}"
    value_policy: always

- name: Remove it, once nobody names it any more
  virtfleet.core.secret:
    name: client.libvirt
    usage: ceph
    state: absent
"""

RETURN = r"""
plan:
  description: What was done, or in check mode would be done, one entry for each object that changes.
  returned: always
  type: list
  elements: dict
  contains:
    kind:
      description: The kind of object, here V(secret).
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
      description: Each changed option with its values before and after, and its effect. What it holds is V((hidden)).
      type: list
      elements: dict
    outcome:
      description: V(done) or V(failed); V(planned) in check mode.
      type: str
    error:
      description: Why it failed.
      type: str
  sample:
    - kind: secret
      name: client.libvirt
      action: create
      effect: live
      changes:
        - {path: usage, before: null, after: ceph, effect: live}
        - {path: usage_id, before: null, after: client.libvirt, effect: live}
        - {path: value, before: null, after: (hidden), effect: live}
        - {path: state, before: absent, after: present, effect: live}
      outcome: done
      error: null
pending:
  description: What is written and waits; always empty for secrets.
  returned: always
  type: list
  elements: dict
  sample: []
unmanaged:
  description: What exists without being listed; always empty for secrets.
  returned: always
  type: list
  elements: dict
  sample: []
summary:
  description: How many objects were made, changed, removed, and left as they are.
  returned: always
  type: dict
  sample: {create: 1, unchanged: 0}
secret:
  description: The secret after the run (in check mode as it is), without what it holds.
  returned: success
  type: dict
  sample:
    name: client.libvirt
    uuid: 0e6d4cf1-5d7f-5f0e-8f0f-6a3d6a7a7c0d
    state: present
    usage: ceph
    usage_id: client.libvirt
    description: ""
    ephemeral: false
    private: false
"""

from ansible_collections.virtfleet.core.plugins.module_utils._module import main_converge
from ansible_collections.virtfleet.core.plugins.module_utils._secret.options import SECRET_OPTIONS
from ansible_collections.virtfleet.core.plugins.module_utils._secret_module import secret_subject


def main() -> None:
    """Converge one secret."""
    main_converge(SECRET_OPTIONS, secret_subject)


if __name__ == "__main__":
    main()
