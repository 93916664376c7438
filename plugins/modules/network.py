# Copyright: (c) 2026, the virtfleet.core contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

DOCUMENTATION = r"""
module: network
short_description: Keep one virtual network as it is written down
version_added: 0.1.0
description:
  - Makes, changes, starts, stops and removes one network of libvirt, with its DHCP range, reservations and DNS names.
  - A network that exists is changed in place. Only options that are given are compared; everything else about it stays
    as it is, also what this collection has no option for.
  - Reservations, DHCP ranges, DNS names and records, groups of ports and the devices that guests are plugged into are
    changed while an active network runs. Anything else is written to its definition and true once the network is
    restarted; until then it is listed in RV(pending), and RV(ignore:changed) is false on later runs.
  - A network is never restarted or stopped unless O(restart) or O(state) says so, and not below running guests unless
    O(disconnect_guests) says that too.
author:
  - virtfleet.core contributors (@virtfleet)
extends_documentation_fragment:
  - virtfleet.core.connection
  - virtfleet.core.attributes
  - virtfleet.core.attributes.converging
  - virtfleet.core.attributes.actiongroup_virtfleet
options:
  name:
    description: The network's name on its host, by which guests are plugged into it.
    type: str
    required: true
  state:
    description:
      - V(present) makes and changes the network. One that it makes is started too; one that exists keeps running or
        stopped as it is.
      - V(active) starts it as well, V(inactive) stops it.
      - V(absent) stops it and removes its definition.
      - A network that this collection made, and that neither runs nor starts with the host, counts as one whose making
        was interrupted; V(present) starts it, unless O(autostart) is V(false).
    type: str
    choices: [present, active, inactive, absent]
    default: present
  forward:
    description:
      - V(nat) lets guests reach what the host can reach, behind its address. V(none) isolates the network; its guests
        reach each other and the host.
      - V(route) lets them out under their own addresses, which the routers outside have to know. V(open) is the same
        without a rule of libvirt's in the host's firewall.
      - V(bridge) plugs guests into a bridge that the host has, of Linux or of Open vSwitch, in O(bridge), or by macvtap
        into devices of the host, in O(forward_interfaces). There V(private), V(vepa) and V(passthrough) are other ways in
        which macvtap passes on what goes from guest to guest.
      - V(hostdev) gives each nic a virtual function of a network card (SR-IOV) for itself.
      - The networks of these last five modes have no addresses, DHCP or DNS of their own.
      - Without it a new network is V(nat). A network does not become one of another kind; it is removed and made anew.
      - V(bridge), V(private), V(vepa) and V(passthrough) by macvtap, and V(bridge) on a bridge of Linux, were run. Open
        vSwitch and physical functions were defined by a real libvirt. Addresses of virtual functions were checked against
        its schema only, since it defines none that the host lacks.
    type: str
    choices: [nat, none, route, open, bridge, private, vepa, passthrough, hostdev]
  forward_dev:
    description:
      - The network device of the host by which alone guests get out of a V(nat) or V(route) network. An empty one means any.
    type: str
  forward_interfaces:
    description:
      - The network devices of the host that guests are plugged into by macvtap, with O(forward=bridge), V(private), V(vepa)
        or V(passthrough). Of several each guest gets the one that the fewest have; with V(passthrough) one that nobody
        has. The list is the whole. It changes while the network runs; guests that run keep the device that they have.
    type: list
    elements: str
    version_added: 0.2.0
  forward_pf:
    description:
      - The network device of a physical function, whose virtual functions guests get, with O(forward=hostdev) or
        V(passthrough).
    type: str
    version_added: 0.2.0
  forward_addresses:
    description:
      - The virtual functions that guests get, by their addresses such as V(0000:03:10.1), with O(forward=hostdev), in place
        of O(forward_pf). The list is the whole. libvirt defines none that the host does not have.
    type: list
    elements: str
    version_added: 0.2.0
  forward_driver:
    description: Who gives a function to a guest. Without it, what libvirt takes, which is V(vfio) today.
    type: str
    choices: [vfio, kvm]
    version_added: 0.2.0
  forward_managed:
    description:
      - Whether libvirt takes a function from the host's driver before a guest starts, and gives it back. A new network with
        O(forward=hostdev) does.
    type: bool
    version_added: 0.2.0
  cidr:
    description:
      - The IPv4 network, such as V(10.20.0.0/24). A new V(nat) network needs one.
      - Addresses that another network of the host has are refused.
      - Where it moves, the gateway and the DHCP range move with it unless they still fit.
    type: str
  gateway:
    description: The host's own address in the network. Without it a new one is the first of O(cidr).
    type: str
  dhcp:
    description:
      - V(true) gives out addresses; to a network without a range all of O(cidr) but the gateway's, at most 65535.
      - V(false) gives out none. Reservations that exist forbid that, unless O(reservations_exact) drops them.
      - A mapping with C(start) and C(end), or one of the two, is the range to give out.
      - Without it a new network gives out addresses, and one that exists is left as it is.
    type: raw
  reservations:
    description:
      - Addresses that are always given to the same MAC. Entries are known by their MAC; those that are not listed stay,
        and are named in RV(unmanaged).
      - The option C(address) of a guest's nic makes its reservation by itself.
    type: list
    elements: dict
    suboptions:
      mac:
        description: The MAC address of the nic.
        type: str
        required: true
      address:
        description: The address it gets, inside O(cidr), inside or outside of the DHCP range.
        type: str
        required: true
      name:
        description: The host name that it is given, and that the network's DNS knows it by.
        type: str
  reservations_exact:
    description:
      - Removes the reservations that O(reservations) does not list, also those that were made for guests' nics.
    type: bool
    default: false
  dns_hosts:
    description:
      - Names that the network's DNS server answers for. Entries are known by their address; those that are not listed
        stay, and are named in RV(unmanaged).
    type: list
    elements: dict
    suboptions:
      address:
        description: The address that the names stand for. It need not be inside the network.
        type: str
        required: true
      names:
        description: Its names. The first is what the address is called in return.
        type: list
        elements: str
        required: true
  dns_hosts_exact:
    description: Removes the names that O(dns_hosts) does not list.
    type: bool
    default: false
  dns_forwarders:
    description:
      - Addresses of the DNS servers that are asked for what the network does not know itself. Without them, the host's.
        An empty list means these again. Those that are for a single domain stay as they are.
    type: list
    elements: str
  isolated:
    description: Whether its guests do not reach each other, only the host and what is behind it.
    type: bool
  bridge:
    description:
      - The name of the bridge on the host, at most 15 characters. Without it libvirt finds one, such as C(virbr0).
      - With O(forward=bridge) it is a bridge that is there already, which several networks may have.
    type: str
  stp:
    description:
      - Whether the bridge runs the spanning tree protocol. libvirt's default is V(true); without it a guest's nic works
        a few seconds sooner.
    type: bool
  mtu:
    description: The largest packet of the bridge and of the nics in it, in bytes.
    type: int
  domain:
    description: The DNS domain of the network's guests. An empty one removes it.
    type: str
  domain_local:
    description: Whether names of O(domain) that the network does not know are asked for nowhere else.
    type: bool
  zone:
    description:
      - The zone of firewalld that the bridge is put into; an empty one means libvirt's. The network starts only on a host
        where firewalld runs.
    type: str
  ipv6:
    description:
      - The network's own IPv6 address, which guests learn by router advertisements, and what DHCPv6 gives out. An empty
        mapping takes IPv6 away. What is given is the whole.
    type: dict
    suboptions:
      address:
        description: The host's own address with its prefix, such as V(fd00:20::1/64).
        type: str
      start:
        description: The first address that DHCPv6 gives out. Without it guests make their own addresses (SLAAC).
        type: str
      end:
        description: The last one.
        type: str
  routes:
    description:
      - Networks that the host reaches through guests of this one. The list is the whole; an empty one takes all away.
    type: list
    elements: dict
    suboptions:
      to:
        description: The network that is reached, such as V(10.99.0.0/16).
        type: str
        required: true
      via:
        description: The address of the guest through which it is reached.
        type: str
        required: true
      metric:
        description: The less, the sooner the route is taken.
        type: int
  tftp_root:
    description: A directory of the host whose files guests get by TFTP. An empty one turns that off.
    type: str
  bootp:
    description: What guests boot from the network. An empty mapping is nothing. What is given is the whole.
    type: dict
    suboptions:
      file:
        description: The file that is booted, such as V(pxelinux.0).
        type: str
      server:
        description: The address of the TFTP server. Without it, the network's own.
        type: str
  dns_srv:
    description:
      - Where services are (SRV records). The list is the whole; an empty one takes all away. It changes while the network
        runs, unless libvirt could not tell two records apart on the way.
    type: list
    elements: dict
    suboptions:
      service:
        description: The name of the service, such as V(ldap).
        type: str
        required: true
      protocol:
        description: Its protocol, such as V(tcp).
        type: str
        required: true
      domain:
        description: The domain that it serves. Without it, that of the network.
        type: str
      target:
        description: The name of the machine that has it. Without it, the service is said not to be there.
        type: str
      port:
        description: Its port.
        type: int
      priority:
        description: The least is tried first.
        type: int
      weight:
        description: How often it is taken among those of its priority.
        type: int
  dns_txt:
    description:
      - Texts by names (TXT records). The list is the whole; an empty one takes all away. It changes while the network runs,
        unless two have one name.
    type: list
    elements: dict
    suboptions:
      name:
        description: The name.
        type: str
        required: true
      value:
        description: What it stands for.
        type: str
        required: true
  bandwidth:
    description:
      - What all guests of the network together may send and get in a second. What is given is the whole; an empty mapping
        means no limit.
    type: dict
    suboptions:
      in:
        description: What they get on average, such as V(10MiB).
        type: str
      in_peak:
        description: What they get at most.
        type: str
      in_burst:
        description: How much of it comes at the peak at once.
        type: str
      out:
        description: What they send on average.
        type: str
      out_peak:
        description: What they send at most.
        type: str
      out_burst:
        description: How much of it goes at the peak at once.
        type: str
  portgroups:
    description:
      - Groups that nics of guests can be put in by their option C(portgroup). The list is the whole; an empty one takes all
        away. It changes while the network runs; a guest gets the words of its group when it is plugged in.
    type: list
    elements: dict
    suboptions:
      name:
        description: The name of the group.
        type: str
        required: true
      default:
        description: Whether nics are in it that name none.
        type: bool
      bandwidth:
        description: What each nic of the group may send and get in a second, as O(bandwidth).
        type: dict
        suboptions:
          in:
            description: What it gets on average.
            type: str
          in_peak:
            description: What it gets at most.
            type: str
          in_burst:
            description: How much of it comes at the peak at once.
            type: str
          out:
            description: What it sends on average.
            type: str
          out_peak:
            description: What it sends at most.
            type: str
          out_burst:
            description: How much of it goes at the peak at once.
            type: str
      vlan:
        description:
          - The VLANs that nics of the group are in, as O(vlan), in whose place they come.
        type: dict
        version_added: 0.2.0
        suboptions:
          tags:
            description: Their numbers, from 1 to 4094. It must be given with the others.
            type: list
            elements: int
          trunk:
            description: Whether frames keep their tags on the nic. Several VLANs are always a trunk.
            type: bool
          native:
            description: The one of O(portgroups[].vlan.tags) that frames without a tag belong to.
            type: int
          native_mode:
            description: How frames of O(portgroups[].vlan.native) leave the switch. Without it V(untagged).
            type: str
            choices: [tagged, untagged]
      virtualport:
        description:
          - What the switch is told of the group's ports, as O(virtualport).
        type: dict
        version_added: 0.2.0
        suboptions: &virtualport
          type:
            description: The switch. It must be given with the others.
            type: str
            choices: [openvswitch, midonet]
          interfaceid:
            description: The UUID by which the switch knows a port. Nics of guests have one of their own.
            type: str
          profileid:
            description: The profile that a controller of Open vSwitch gives the ports.
            type: str
      trust_guest_rx_filters:
        description: Whether guests of the group may choose what their macvtap devices receive.
        type: bool
        version_added: 0.2.0
  virtualport:
    description:
      - What a switch that is no bridge of Linux is told of all ports of the network, with O(forward=bridge) and O(bridge).
        What is given is the whole; an empty mapping is nothing.
    type: dict
    version_added: 0.2.0
    suboptions: *virtualport
  vlan:
    description:
      - The VLANs that all nics of the network are in. What is given is the whole; an empty mapping is none.
      - It goes with O(forward=bridge) on a bridge of Open vSwitch, with V(passthrough) and with V(hostdev). libvirt 11 and
        later also have it for bridges of Linux.
    type: dict
    version_added: 0.2.0
    suboptions:
      tags:
        description: Their numbers, from 1 to 4094. It must be given with the others.
        type: list
        elements: int
      trunk:
        description: Whether frames keep their tags on the nic. Several VLANs are always a trunk.
        type: bool
      native:
        description: The one of O(vlan.tags) that frames without a tag belong to.
        type: int
      native_mode:
        description: How frames of O(vlan.native) leave the switch. Without it V(untagged).
        type: str
        choices: [tagged, untagged]
  trust_guest_rx_filters:
    description: Whether guests may choose what their macvtap devices receive.
    type: bool
    version_added: 0.2.0
  dnsmasq_options:
    description:
      - Lines of C(dnsmasq.conf) for what has no option here, such as V(dhcp-option=42,10.20.0.1). The list is the whole.
        libvirt looks at none of them; a wrong one keeps the network from starting.
    type: list
    elements: str
  autostart:
    description:
      - Whether it starts with the host. A new network does, unless it is made with O(state=inactive).
    type: bool
  restart:
    description:
      - Restarts an active network for what cannot be changed while it runs. Nothing is restarted where nothing waits
        for it.
    type: bool
    default: false
  disconnect_guests:
    description:
      - Consents to stop, restart or remove the network below running guests. Without it the module refuses and names
        them.
      - Such guests stay cut off when the network is there again. They are plugged in again when they are started
        cold, or when the libvirt daemon is restarted.
    type: bool
    default: false
seealso:
  - module: virtfleet.core.network_info
  - module: virtfleet.core.guest
"""

EXAMPLES = r"""
- name: A network whose guests reach the world, with addresses by DHCP
  virtfleet.core.network:
    name: lab
    cidr: 10.20.0.0/24

- name: An isolated network with a short range and fixed addresses
  virtfleet.core.network:
    name: backend
    forward: none
    cidr: 10.21.0.0/24
    gateway: 10.21.0.254
    dhcp: {start: 10.21.0.100, end: 10.21.0.199}
    domain: backend.example
    reservations:
      - {mac: "52:54:00:00:00:01", address: 10.21.0.11, name: db1}
      - {mac: "52:54:00:00:00:02", address: 10.21.0.12, name: db2}
    dns_hosts:
      - {address: 10.21.0.254, names: [registry, mirror]}
    state: active

- name: Another range of addresses, true at once because nobody is plugged in
  virtfleet.core.network:
    name: backend
    cidr: 10.22.0.0/24
    reservations: []
    reservations_exact: true
    restart: true

- name: A bridge of Open vSwitch, with a VLAN for each group of nics
  virtfleet.core.network:
    name: switch
    forward: bridge
    bridge: ovsbr0
    virtualport: {type: openvswitch}
    portgroups:
      - {name: office, default: true, vlan: {tags: [10]}}
      - {name: routers, vlan: {tags: [10, 20], native: 10}}

- name: Nics that are virtual functions of a card
  virtfleet.core.network:
    name: fast
    forward: hostdev
    forward_pf: enp3s0f0

- name: Remove a network that no running guest uses
  virtfleet.core.network:
    name: backend
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
      description: The kind of object, here V(network).
      type: str
    name:
      description: Its name.
      type: str
    action:
      description: V(create), V(update) or V(delete).
      type: str
    effect:
      description: The dearest effect of the changes, V(live), V(restart) or V(recreate).
      type: str
    changes:
      description: Each changed option with its values before and after, its effect, and why it waits if it does.
      type: list
      elements: dict
    outcome:
      description: V(done), V(pending) or V(failed); V(planned) in check mode.
      type: str
    error:
      description: Why it failed.
      type: str
  sample:
    - kind: network
      name: lab
      action: update
      effect: live
      changes:
        - path: reservations.52:54:00:00:00:01
          before: null
          after: {mac: "52:54:00:00:00:01", address: 10.20.0.11, name: web1}
          effect: live
      outcome: done
      error: null
pending:
  description: What is written and waits for the network's next start.
  returned: always
  type: list
  elements: dict
  sample:
    - kind: network
      name: lab
      changes:
        - path: domain
          before: ""
          after: lab.example
          effect: restart
          why: "true once the network is restarted (restart: true)"
unmanaged:
  description: Reservations and DNS names that exist and are not listed.
  returned: always
  type: list
  elements: dict
  sample:
    - {kind: network, name: lab, entries: ["reservations.52:54:00:00:00:09"]}
summary:
  description: How many objects were made, changed, removed, and left as they are.
  returned: always
  type: dict
  sample: {update: 1, unchanged: 0}
network:
  description: The network after the run (in check mode as it is), as M(virtfleet.core.network_info) returns it.
  returned: success
  type: dict
  sample:
    name: lab
    uuid: 1d8cbf3c-7d53-5a0c-9a5f-6bfb1c2f8f2e
    state: active
    autostart: true
    persistent: true
    forward: nat
    bridge: virbr1
    stp: true
    domain: ""
    cidr: 10.20.0.0/24
    gateway: 10.20.0.1
    dhcp: {start: 10.20.0.2, end: 10.20.0.254}
    reservations:
      - {mac: "52:54:00:00:00:01", name: web1, address: 10.20.0.11}
    dns_hosts: []
"""

from ansible_collections.virtfleet.core.plugins.module_utils._module import main_converge
from ansible_collections.virtfleet.core.plugins.module_utils._network.options import NETWORK_OPTIONS
from ansible_collections.virtfleet.core.plugins.module_utils._network_module import network_subject


def main() -> None:
    """Converge one network."""
    main_converge(NETWORK_OPTIONS, network_subject)


if __name__ == "__main__":
    main()
