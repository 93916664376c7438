# Copyright: (c) 2026, the virtfleet.core contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""List the guests of hypervisors as hosts."""
from __future__ import annotations

DOCUMENTATION = r"""
name: guests
short_description: The guests of libvirt hypervisors as hosts
version_added: 0.1.0
description:
  - Makes a host of each running guest on one or more hypervisors, with its address, groups by hypervisor, state and
    tag, and a way in through the guest agent where no address is known.
  - All hypervisors are asked at once and read in bulk. One that is down or hangs costs its time limit and a warning.
  - The file must end in C(virtfleet.yml) or C(virtfleet.yaml).
author:
  - The virtfleet.core contributors (@virtfleet)
requirements:
  - libvirt-python on the controller, which is python3-libvirt on Debian and Ubuntu, or from PyPI for an Ansible that
    has a Python of its own
  - leave to use the libvirt connection read-only; to ask guest agents, read-write
notes:
  - B(Names.) A host has the guest's name; characters other than letters, digits, C(.), C(_) and C(-) become C(_), and
    it starts with a letter or digit. Where several guests have one name, every one of them is C(NAME_on_HYPERVISOR)
    instead, and so is a guest that is named like a group or like C(localhost). Guests that are off and not listed
    count too, so that a name does not change when another guest starts. Where even that is not enough, the start of
    the UUID follows. While a hypervisor does not answer its guests do not count; O(qualified_names) makes every name
    independent of all others.
  - B(Moved guests.) A guest with the same name and UUID on several hypervisors that runs on one of them is listed
    there only.
  - B(Addresses.) O(address_sources) are asked in their order until one knows an address, IPv4 before IPv6, in the
    order of the guest's nics. Leases are those of libvirt's own networks. Of the agent's addresses only those on the
    guest's own nics count, and none behind a nic of type C(user), which cannot be reached. Addresses that are loopback,
    link-local, multicast or no addresses at all are dropped, whoever tells them.
  - B(Untrusted text.) All that a guest or its definition tells is cleaned of control characters and terminal
    sequences, cut at 4 KiB, and never evaluated as a template. An address or a lease still is what the guest claims,
    so keep SSH's host key checking on. Give O(keyed_groups) a prefix, or a guest can name itself into a group of
    yours.
  - B(Variables.) See the guide for the list of the variables C(virt_*). C(ansible_virtfleet_uri) and
    C(ansible_virtfleet_guest), which P(virtfleet.core.agent#connection) reads, are always set.
  - Ansible goes on without an inventory source that fails. Set C(any_unparsed_is_failed) in the section C([inventory])
    of C(ansible.cfg) to make that an error.
options:
  plugin:
    description: Marks the file as one of this plugin.
    type: str
    required: true
    choices: [virtfleet.core.guests]
  hypervisors:
    description:
      - The hypervisors to ask, each a libvirt URI as the controller uses it, such as V(qemu:///system) or
        V(qemu+ssh://root@hv1.example/system), or a mapping of C(uri) and C(name).
      - C(name) is what C(virt_host) and the group by host show. It is the URI's host name if left out, and
        V(localhost) where there is none, so that C(delegate_to) works with it. A second one of that name gets C(-2).
      - Over SSH, key and known_hosts must work without a question.
    type: list
    elements: raw
    required: true
  states:
    description:
      - List the guests in one of these states.
      - V(saved) is a guest that is off with its memory saved. V(all) is every state.
    type: list
    elements: str
    choices: [running, paused, stopped, saved, crashed, all]
    default: [running]
  address_sources:
    description:
      - Where C(ansible_host) of a running guest comes from, in order of preference. A guest is asked of the next
        source only while it has no address. An empty list asks nobody.
      - V(lease) is the DHCP leases of libvirt's networks, one question a network.
      - V(agent) is the guest agent, one question a guest, where its channel is connected.
      - V(definition) is what the guest's definition says that it has, as the C(ip) of a nic of a Xen guest. It asks nobody.
    type: list
    elements: str
    choices: [lease, agent, definition]
    default: [lease, agent, definition]
  connection:
    description:
      - How Ansible reaches the guests.
      - V(auto) leaves C(ansible_connection) as it is for a guest with an address, which is usually SSH, and sets
        P(virtfleet.core.agent#connection) for one without, if its agent is connected.
      - V(ssh) and V(agent) set it for all guests, and V(none) for no guest.
      - What an inventory sets for a host wins over C(group_vars). Use V(none) where these choose the connection.
    type: str
    choices: [auto, ssh, agent, none]
    default: auto
  timeout:
    description:
      - How long one hypervisor may take for everything, in seconds or with a unit, such as V(1m).
    type: str
    default: 20s
  agent_timeout:
    description:
      - How long one guest agent may take for its answer, in seconds or with a unit. The guest is listed without it
        then. No agent is waited for beyond O(timeout).
    type: str
    default: 5s
  strict_hypervisors:
    description:
      - Fail when a hypervisor cannot be read, instead of a warning. Then no guest is listed at all.
    type: bool
    default: false
  qualified_names:
    description:
      - Name every host C(NAME_on_HYPERVISOR), not only where names clash.
    type: bool
    default: false
  group_by:
    description:
      - Groups to make without a template. Group names get C(_) for each character that Ansible does not allow in them.
      - V(host) makes C(host_NAME) by hypervisor, V(state) makes C(state_running) and so on, V(tag) makes C(tag_TAG)
        for each tag that M(virtfleet.core.guest) has given a guest.
    type: list
    elements: str
    choices: [host, state, tag]
    default: [host, state, tag]
  group_prefix:
    description: What the names of the groups by O(group_by) start with.
    type: str
    default: ''
  cache:
    description:
      - Keep what the hypervisors told, and ask them again when it is older than O(cache_timeout) only. A run from the
        cache makes no connection.
      - It needs a O(cache_plugin) that outlives the run, such as V(ansible.builtin.jsonfile). A hypervisor that did not
        answer is not kept, so the next run asks it again.
extends_documentation_fragment:
  - ansible.builtin.constructed
  - ansible.builtin.inventory_cache
seealso:
  - plugin: virtfleet.core.agent
    plugin_type: connection
    description: Reaches the guests without their network.
  - module: virtfleet.core.guest
  - module: virtfleet.core.guest_info
"""

EXAMPLES = r"""
---
# lab.virtfleet.yml: the shortest
plugin: virtfleet.core.guests
hypervisors: [qemu:///system]

---
# fleet.virtfleet.yml: several hypervisors, from the cache for five minutes
plugin: virtfleet.core.guests
hypervisors:
  - qemu+ssh://root@hv1.example/system
  - uri: qemu+ssh://root@10.0.0.2/system
    name: hv2.example
timeout: 10s
strict_hypervisors: true
cache: true
cache_plugin: ansible.builtin.jsonfile
cache_connection: ~/.cache/ansible/virtfleet
cache_timeout: 300

---
# offline.virtfleet.yml: no network into the guests, also those that are off
plugin: virtfleet.core.guests
hypervisors: [qemu:///system]
states: [all]
address_sources: []
connection: agent

---
# grouped.virtfleet.yml: groups and variables of your own
plugin: virtfleet.core.guests
hypervisors: [qemu:///system]
group_by: [tag]
group_prefix: vm_
compose:
  memory_gib: virt_memory / 1024 ** 3
groups:
  big: virt_memory >= 8 * 1024 ** 3
keyed_groups:
  - key: virt_vcpus
    prefix: vcpus
"""

from collections.abc import Mapping, Sequence
from typing import Any

from ansible.errors import AnsibleParserError
from ansible.plugins.inventory import BaseInventoryPlugin, Cacheable, Constructable
from ansible.plugins.inventory import to_safe_group_name as ansible_group_name

from ansible_collections.virtfleet.core.plugins.module_utils._errors import SpecError
from ansible_collections.virtfleet.core.plugins.module_utils._libvirt import HAS_LIBVIRT
from ansible_collections.virtfleet.core.plugins.module_utils._units import parse_duration
from ansible_collections.virtfleet.core.plugins.plugin_utils._inventory import (
    RECORD_VERSION,
    Found,
    Source,
    group_names,
    host_names,
    merge,
    sources,
    variables,
)
from ansible_collections.virtfleet.core.plugins.plugin_utils._inventory_read import Wish, read_all

SUFFIXES = ("virtfleet.yml", "virtfleet.yaml")
GROUP_NAME_LIMIT = 128


def safe_group_name(name: str) -> str:
    """Return a name that Ansible takes for a group, not too long, and none of those that mean all hosts."""
    safe = str(ansible_group_name(name[:GROUP_NAME_LIMIT]))
    return f"{safe}_" if safe in ("all", "ungrouped") else safe


class InventoryModule(BaseInventoryPlugin, Constructable, Cacheable):
    """The guests of libvirt hypervisors."""

    NAME = "virtfleet.core.guests"
    _sanitize_group_name = staticmethod(safe_group_name)
    _for_group_names = False

    def verify_file(self, path: str) -> bool:
        """Tell whether the file is one of this plugin by its name."""
        return bool(super().verify_file(path)) and path.endswith(SUFFIXES)

    def parse(self, inventory: Any, loader: Any, path: str, cache: bool = True) -> None:
        """Read the guests, or take them from the cache, and add them to the inventory."""
        super().parse(inventory, loader, path, cache)
        self._read_config_data(path)
        try:
            hypervisors = sources(self.get_option("hypervisors"))
            answers = self._answers(hypervisors, path, cache)
        except SpecError as error:
            raise AnsibleParserError("; ".join(error.problems)) from error
        self._add(merge(answers))

    # reading

    def _answers(self, hypervisors: Sequence[Source], path: str, cache: bool) -> dict[Source, Sequence[Any]]:
        """Return the records of each hypervisor that answered, from the cache where that is allowed and has them."""
        wish = Wish(
            sources=tuple(dict.fromkeys(self.get_option("address_sources"))),
            timeout=parse_duration(self.get_option("timeout")),
            agent_timeout=parse_duration(self.get_option("agent_timeout")),
        )
        caching = self.get_option("cache")
        key = self.get_cache_key(path)
        # What was read with other options, or by another version, is of no use.
        made_for = [RECORD_VERSION, *wish.sources]
        kept: dict[str, Any] = self._kept(key, made_for) if caching and cache else {}
        missing = [source for source in hypervisors if source.uri not in kept]
        if missing:
            fresh = self._read(missing, wish)
            kept = {source.uri: kept[source.uri] for source in hypervisors if source.uri in kept}
            kept.update({source.uri: records for source, records in fresh.items()})
            if caching:
                self._cache[key] = {"made_for": made_for, "hypervisors": kept}
        return {source: kept[source.uri] for source in hypervisors if source.uri in kept}

    def _kept(self, key: str, made_for: list[Any]) -> dict[str, Any]:
        try:
            entry = self._cache[key]
        except KeyError:
            return {}
        if not isinstance(entry, Mapping) or entry.get("made_for") != made_for:
            return {}
        hypervisors = entry.get("hypervisors")
        if not isinstance(hypervisors, Mapping):
            return {}
        return {uri: records for uri, records in hypervisors.items() if isinstance(records, list)}

    def _read(self, hypervisors: Sequence[Source], wish: Wish) -> dict[Source, Sequence[Any]]:
        if not HAS_LIBVIRT:
            raise AnsibleParserError(
                f"could not read the guests of {hypervisors[0].uri}: the Python that runs Ansible has no module "
                "libvirt; install the package python3-libvirt, or where that Python is not the system's libvirt-python "
                "from PyPI"
            )
        result: dict[Source, Sequence[Any]] = {}
        errors = []
        for source, answer in zip(hypervisors, read_all(hypervisors, wish)):
            for note in answer.notes:
                self.display.warning(note)
            if answer.guests is None:
                errors.append(f"hypervisor {source.name} is left out of the inventory: {answer.error}")
            else:
                result[source] = answer.guests
        if errors and self.get_option("strict_hypervisors"):
            raise AnsibleParserError("; ".join(errors))
        for error in errors:
            self.display.warning(error)
        return result

    # adding

    def _add(self, guests: Sequence[Found]) -> None:
        """Add the hosts, then their variables, then groups.

        Ansible looks a host up by name among the groups first, so no host may have the name of a group that exists
        when something is set for the host.
        """
        kinds, prefix = self.get_option("group_by"), self.get_option("group_prefix")
        states = set(self.get_option("states"))
        groups = [[safe_group_name(name) for name in group_names(found, kinds, prefix)] for found in guests]
        reserved = {safe_group_name(str(name)) for name in self.get_option("groups")}
        reserved.update(self.inventory.groups, *groups)
        names = host_names(guests, reserved, self.get_option("qualified_names"))
        listed = [
            (name, found, own)
            for name, found, own in zip(names, guests, groups)
            if "all" in states or found.record["state"] in states
        ]
        connection = self.get_option("connection")
        for name, found, _own in listed:
            self.inventory.add_host(name)
            # Not by the inventory's set_variable, which walks each value once more to say where it comes from.
            host = self.inventory.hosts[name]
            for key, value in variables(found, connection).items():
                host.set_variable(key, value)
        self._construct([name for name, _found, _own in listed], {name: own for name, _found, own in listed})

    def _construct(self, names: Sequence[str], groups: Mapping[str, Sequence[str]]) -> None:
        strict = self.get_option("strict")
        compose, conditions, keyed = (self.get_option(key) for key in ("compose", "groups", "keyed_groups"))
        hosts = self.inventory.hosts
        if compose:
            for name in names:
                self._set_composite_vars(compose, hosts[name].get_vars(), name, strict=strict)
        for name in names:
            for group in groups[name]:
                self.inventory.add_host(name, group=self.inventory.add_group(group))
        if conditions:
            for name in names:
                self._add_host_to_composed_groups(conditions, hosts[name].get_vars(), name, strict=strict)
        if keyed:
            for name in names:
                self._add_host_to_keyed_groups(keyed, hosts[name].get_vars(), name, strict=strict)

    def _add_host_to_keyed_groups(
        self, keys: Any, variables: Any, host: str, strict: bool = False, fetch_hostvars: bool = True
    ) -> None:
        self._for_group_names = True
        try:
            for key in keys:
                super()._add_host_to_keyed_groups([key], variables, host, strict, fetch_hostvars)
        except AnsibleParserError:
            raise
        except Exception as error:
            # A value, which may be a guest's own text, made a group its own ancestor; Ansible has no class for that.
            if strict:
                raise AnsibleParserError(f"could not group host {host} by key {key}: {error}") from error
            self.display.warning(f"host {host} is not grouped by every key of keyed_groups: {error}; give it a prefix")
        finally:
            self._for_group_names = False

    def _compose(self, *args: Any, **kwargs: Any) -> Any:
        """Evaluate an expression; as the key of groups its value may be a number or None, which Ansible refuses."""
        value = super()._compose(*args, **kwargs)
        return _key(value) if self._for_group_names else value


def _key(value: Any) -> Any:
    """Return a value as the key of groups: text, or a list or mapping of texts."""
    if value is None:
        return ""
    if isinstance(value, str):
        return value
    if isinstance(value, Mapping):
        return {_text(key): _text(item) for key, item in value.items()}
    if isinstance(value, (list, tuple, set, frozenset)):
        return [_text(item) for item in value]
    return _text(value)


def _text(value: Any) -> str:
    return "" if value is None else str(value)
