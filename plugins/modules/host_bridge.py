# Copyright: (c) 2026, the virtfleet.core contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

DOCUMENTATION = r"""
module: host_bridge
short_description: Put a network card of the host into a bridge, and take it back when the host is not well
version_added: 0.1.0
description:
  - Makes a Linux bridge over a network card of the host, by default the one that the host is reached by, so that guests
    can be in the host's own network. The bridge gets the card's addresses, gateway, routes, name servers and MAC.
  - It is written where the card is configured now, for netplan, systemd-networkd, NetworkManager or ifupdown. Which of them
    that is, is asked from the host.
  - A process on the host guards the change. It waits until this task has reached the host again over the bridge, and
    has seen from the inside that the addresses are there and that the gateway answers. Otherwise, or when nobody comes
    within O(rollback_timeout), it gives back every file, address and route as they were, and the task fails and says why.
  - That process needs neither the connection nor the controller. Under systemd it is started again when it is killed,
    and a host that is restarted in the middle comes up with the old configuration.
  - The network is interrupted for about a second, under ifupdown for some seconds while it asks for a lease.
author:
  - virtfleet.core contributors (@virtfleet)
extends_documentation_fragment:
  - virtfleet.core.attributes
attributes:
  action:
    description: Has a corresponding action plugin, so that some parts run on the controller.
    support: full
  async:
    description: Supports being used with the C(async) keyword.
    support: none
  check_mode:
    support: full
  diff_mode:
    support: full
    details:
      - Shows the files that change, with passwords hidden.
  idempotent:
    support: full
  platform:
    description: Systems on which the module works.
    platforms: Debian, Ubuntu
    support: full
requirements:
  - python >= 3.9
  - iproute2, which every Debian and Ubuntu has
  - the Python library yaml on hosts with netplan, which depends on it (python3-yaml)
options:
  name:
    description: The bridge's name, at most 15 characters.
    type: str
    required: true
  state:
    description:
      - V(present) makes the bridge and changes it.
      - V(absent) removes it, and gives the card back the configuration that it had before. Guests that are plugged into the
        bridge forbid that. So does a file that somebody else has changed since.
    type: str
    choices: [present, absent]
    default: present
  interface:
    description:
      - The card that is put into the bridge. Without it, it is the one of the default route.
      - Wireless cards, bonds, VLANs and cards that are in a bridge or a bond already are refused.
    type: str
  addresses:
    description:
      - The bridge's addresses, with their prefixes. Without them, it has what the card has, by DHCP, router advertisements
        or configuration.
      - They replace those of their own family, IPv4 or IPv6, and turn its DHCP off. The other family is left as it is.
      - To move a host to another address, list the old one too, since the task has to reach the host; run it again without
        it once the inventory knows the new one.
    type: list
    elements: str
  gateway:
    description: The IPv4 gateway. Without it, the present one stays.
    type: str
  gateway6:
    description: The IPv6 gateway. Without it, the present one stays.
    type: str
  nameservers:
    description:
      - The name servers' addresses. Without them, the present ones stay.
      - Where no program keeps C(/etc/resolv.conf), they are written to it.
    type: list
    elements: str
  rollback_timeout:
    description:
      - How long the host may be in doubt, from V(10s) to V(10m). When nobody has confirmed the change by then, it is taken
        back, which takes some seconds more.
    type: str
    default: 45s
  confirm:
    description:
      - Looks after a change that waits to be confirmed, keeps it if the host is well, and has it taken back otherwise. The
        value is the change's C(token) in C(/var/lib/virtfleet/bridge/NAME/pending.json) on the host.
      - A task confirms its own change. This is for one whose playbook was killed, while there is time.
    type: str
notes:
  - Needs root.
  - Without systemd nobody starts the guarding process again when it is killed or the host is restarted; the next run of this
    module on the host finds what was left unfinished, and takes it back first.
  - Each step is told in C(/var/lib/virtfleet/bridge/NAME/outcome.json) on the host, also where the task could not learn it.
seealso:
  - module: virtfleet.core.network
  - module: virtfleet.core.guest
"""

EXAMPLES = r"""
- name: Put the host's network card into a bridge, with all that it has
  virtfleet.core.host_bridge:
    name: br0

- name: The same, and the host has a fixed address from now on
  virtfleet.core.host_bridge:
    name: br0
    interface: enp1s0
    addresses: [192.0.2.10/24]
    gateway: 192.0.2.1
    nameservers: [192.0.2.1]

- name: Give the card back what it had
  virtfleet.core.host_bridge:
    name: br0
    state: absent
"""

RETURN = r"""
plan:
  description: What was done, or in check mode would be done; empty where nothing had to be.
  returned: always
  type: list
  elements: dict
  contains:
    kind:
      description: Always V(host_bridge).
      type: str
    name:
      description: The bridge's name.
      type: str
    action:
      description: V(create), V(update) or V(delete).
      type: str
    effect:
      description: Always V(live); the network is interrupted for a moment.
      type: str
    changes:
      description: What changes, with the values before and after, and the files.
      type: list
      elements: dict
    outcome:
      description: V(done) or V(failed); V(planned) in check mode.
      type: str
    error:
      description: Why it was taken back.
      type: str
  sample:
    - kind: host_bridge
      name: br0
      action: create
      effect: live
      changes:
        - {path: interface, before: null, after: enp1s0, effect: live, why: by netplan}
        - {path: addresses, before: null, after: [192.0.2.10/24], effect: live, why: moved from enp1s0}
        - {path: gateway, before: null, after: 192.0.2.1, effect: live}
        - path: files
          before: null
          after: [/etc/netplan/50-cloud-init.yaml, /etc/netplan/90-virtfleet-br0.yaml]
          effect: live
      outcome: done
      error: null
summary:
  description: How many bridges were made, changed, removed, and left as they are.
  returned: always
  type: dict
  sample: {create: 1, unchanged: 0}
bridge:
  description: The bridge after the run, in check mode as it is.
  returned: success
  type: dict
  sample:
    name: br0
    state: present
    manager: netplan
    ports: [enp1s0]
    mac: "52:54:00:12:34:56"
    mtu: 1500
    addresses: [192.0.2.10/24]
    gateway: 192.0.2.1
    gateway6: null
rollback:
  description: How the change ended.
  returned: when something was done
  type: dict
  contains:
    outcome:
      description: V(kept) or V(rolled_back).
      type: str
    why:
      description: Why it was taken back.
      type: str
    restored:
      description: Whether every address and route is there again.
      type: bool
    missing:
      description: What is not.
      type: list
      elements: str
    log:
      description: The commands that were run, with what they said.
      type: list
      elements: str
  sample: {outcome: kept, why: "", restored: true, missing: [], log: ["networkctl reload: 0"]}
"""

from ansible_collections.virtfleet.core.plugins.module_utils._bridge.options import BRIDGE_OPTIONS
from ansible_collections.virtfleet.core.plugins.module_utils._bridge_module import bridge_subject, library
from ansible_collections.virtfleet.core.plugins.module_utils._module import main_bare


def main() -> None:
    """Converge one bridge of the host."""
    main_bare(BRIDGE_OPTIONS, bridge_subject, library)


if __name__ == "__main__":
    main()
