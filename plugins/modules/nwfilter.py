# Copyright: (c) 2026, the virtfleet.core contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

DOCUMENTATION = r"""
module: nwfilter
short_description: Keep one network filter as it is written down
version_added: 0.1.0
description:
  - Makes, changes and removes one network filter of libvirt, the rules by which the host filters what a guest's nic
    sends and gets.
  - Only options that are given are compared. A list that is given is the whole list, in its order; one that is left out
    stays as it is.
  - A change is true at once for the running guests that use the filter. Check mode names them.
  - A nic takes a filter by C(filterref), which M(virtfleet.core.guest) writes by its O(virtfleet.core.guest#module:xml_overlay).
author:
  - virtfleet.core contributors (@virtfleet)
extends_documentation_fragment:
  - virtfleet.core.connection
  - virtfleet.core.attributes
  - virtfleet.core.attributes.converging
  - virtfleet.core.attributes.actiongroup_virtfleet
options:
  name:
    description: The filter's name on its host.
    type: str
    required: true
  state:
    description:
      - V(present) makes and changes the filter.
      - V(absent) removes it. It is refused while a guest, running or not, or another filter uses it.
    type: str
    choices: [present, absent]
    default: present
  chain:
    description:
      - The chain that its rules are in. V(root), which a new filter has, or a name that begins with V(mac), V(vlan),
        V(stp), V(arp), V(rarp), V(ipv4) or V(ipv6), such as V(ipv4-web).
    type: str
  priority:
    description:
      - The chain's priority, from -1000 to 1000; the least comes first. Without it a chain has the one that libvirt
        gives its kind.
    type: int
  filters:
    description:
      - The filters that are part of this one. They must exist.
    type: list
    elements: dict
    suboptions:
      name:
        description: The filter's name, such as V(clean-traffic), which libvirt brings along.
        type: str
        required: true
      parameters:
        description: Values for its variables. Each is a word or a list of words.
        type: dict
  rules:
    description:
      - The rules. Of those with the same priority the first one counts first.
    type: list
    elements: dict
    suboptions:
      action:
        description: What happens to what fits.
        type: str
        choices: [accept, drop, reject, return, continue]
        required: true
      direction:
        description: Whether it goes to the guest (V(in)), comes from it (V(out)), or either.
        type: str
        choices: [in, out, inout]
        required: true
      priority:
        description: From -1000 to 1000; the least comes first. Without it V(500).
        type: int
      statematch:
        description: Whether the state of connections is looked at, so that answers pass. Without it V(true).
        type: bool
      protocol:
        description: The protocol that is looked at. Without it everything fits.
        type: str
        choices:
          - mac
          - vlan
          - stp
          - arp
          - rarp
          - ip
          - ipv6
          - tcp
          - udp
          - sctp
          - icmp
          - tcp-ipv6
          - udp-ipv6
          - sctp-ipv6
          - icmpv6
          - igmp
          - udplite
          - esp
          - ah
          - all
          - udplite-ipv6
          - esp-ipv6
          - ah-ipv6
          - all-ipv6
      attributes:
        description:
          - What of the protocol must be so, in libvirt's words, such as C(dstportstart) with the value V(22). Numbers may be
            written as V(0x16) too, masks as V(24) or V(255.255.255.0). A variable is written as V($IP).
          - A word that the protocol does not have is an error; libvirt would leave it out without saying so.
        type: dict
      negated:
        description:
          - What of the protocol must not be so, in the same words.
          - libvirt negates some attributes only together with another one, such as C(dstportstart) with C(srcportstart).
            Where it would turn a rule into another one, that is an error.
        type: dict
seealso:
  - module: virtfleet.core.nwfilter_info
  - module: virtfleet.core.guest
  - name: Network filters
    description: What the protocols, attributes and variables mean.
    link: https://libvirt.org/formatnwfilter.html
"""

EXAMPLES = r"""
- name: Web servers - own addresses only, SSH and HTTP from outside, and nothing else
  virtfleet.core.nwfilter:
    name: web
    filters:
      - name: clean-traffic
    rules:
      - {action: accept, direction: in, protocol: tcp, attributes: {dstportstart: 22}}
      - {action: accept, direction: in, protocol: tcp, attributes: {dstportstart: 80}}
      - {action: accept, direction: out, protocol: all}
      - {action: drop, direction: in, protocol: all, priority: 1000}

- name: A nic that it is on
  virtfleet.core.guest:
    name: web1
    nics:
      - {name: lan, network: lab}
    xml_overlay:
      - at: devices/interface[source/@network='lab']
        xml: <filterref filter='web'><parameter name='IP' value='10.20.0.11'/></filterref>

- name: Remove it, once no guest has it any more
  virtfleet.core.nwfilter:
    name: web
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
      description: The kind of object, here V(nwfilter).
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
      description: Each changed option with its values before and after, its effect, and the running guests that it reaches.
      type: list
      elements: dict
    outcome:
      description: V(done) or V(failed); V(planned) in check mode.
      type: str
    error:
      description: Why it failed.
      type: str
  sample:
    - kind: nwfilter
      name: web
      action: update
      effect: live
      changes:
        - path: rules
          before: []
          after:
            - {action: accept, direction: in, priority: 500, protocol: tcp, attributes: {dstportstart: 22}}
          effect: live
          why: "true at once for the running guests that use it: web1"
      outcome: done
      error: null
pending:
  description: What is written and waits; always empty for network filters.
  returned: always
  type: list
  elements: dict
  sample: []
unmanaged:
  description: What exists without being listed; always empty for network filters.
  returned: always
  type: list
  elements: dict
  sample: []
summary:
  description: How many objects were made, changed, removed, and left as they are.
  returned: always
  type: dict
  sample: {update: 1, unchanged: 0}
nwfilter:
  description: The filter after the run (in check mode as it is).
  returned: success
  type: dict
  sample:
    name: web
    uuid: 7c1b0f0e-51a6-5a3a-8f52-6f6a5cf5a5d2
    state: present
    chain: root
    priority: 0
    filters:
      - {name: clean-traffic}
    rules:
      - {action: accept, direction: in, priority: 500, protocol: tcp, attributes: {dstportstart: 22}}
"""

from ansible_collections.virtfleet.core.plugins.module_utils._module import main_converge
from ansible_collections.virtfleet.core.plugins.module_utils._nwfilter.options import NWFILTER_OPTIONS
from ansible_collections.virtfleet.core.plugins.module_utils._nwfilter_module import nwfilter_subject


def main() -> None:
    """Converge one network filter."""
    main_converge(NWFILTER_OPTIONS, nwfilter_subject)


if __name__ == "__main__":
    main()
