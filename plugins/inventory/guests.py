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
        V(qemu+ssh://root@hv1.example/system), or a mapping of the words below. A URI may have a range as in Ansible's
        own inventories, V(qemu+ssh://root@hv[01:40].example/system).
      - C(uri) is the URI.
      - C(name) is what C(virt_host) and the group by host show. It is the URI's host name if left out, and
        V(localhost) where there is none, so that C(delegate_to) works with it. A second one of that name gets C(-2).
        Beside a URI with a range it needs a range that means as many.
      - C(group) makes it all hosts of a group that an inventory source before this one has. C(uri) is rendered for each
        with its variables then, and C(name) is the host's name if left out. Without C(uri) it is QEMU's driver over SSH
        by the host's C(ansible_host), C(ansible_port), C(ansible_user) and C(ansible_ssh_private_key_file), and
        V(qemu:///system) for a host whose C(ansible_connection) is V(local).
      - C(username) and C(password) are told to a libvirt daemon that asks for them, by SASL.
      - C(timeout), C(agent_timeout), C(address_sources) and C(connection) stand for the options of these names.
      - Each word may be a template, with lookups; with C(group) it knows the host's variables, those of C(group_vars)
        and C(host_vars) beside the inventory too.
      - SSH checks the hypervisor's host key, unless the URI says otherwise. Key and known_hosts must work without a
        question. A URI's C(keyfile) names another key.
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
  keep_stale:
    description:
      - How long the guests last seen on a hypervisor stay listed when it does not answer, in seconds or with a unit,
        such as V(1d). Their C(virt_stale) is true. V(0) leaves them out at once.
      - They are kept in the cache, so it needs O(cache) too.
    type: str
    default: '0'
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
  details:
    description:
      - What to read beyond the variables that are always set.
      - V(os) asks the guest agents for C(virt_os), one question a guest, where the channel is connected. Without it
        C(virt_os) is what the definition says by libosinfo's metadata.
      - V(stats) sets C(virt_stats), libvirt's counters of CPUs, memory, disks and nics, by one question a hypervisor.
      - V(xml) sets C(virt_xml), the definition without secrets, cut at 256 KiB.
    type: list
    elements: str
    choices: [os, stats, xml]
    default: []
  filters:
    description:
      - Which guests to list, by conditions on the variables C(virt_*). Each entry is a mapping of V(include) or
        V(exclude) to a Jinja condition. The first whose condition is true decides; a guest for which none is true is
        listed.
      - Names do not depend on it, see the notes. O(compose) comes later, so that its variables are not known here.
    type: list
    elements: dict
    default: []
  query:
    description:
      - A JMESPath expression that chooses among the guests that O(states) and O(filters) leave. It is put to the list of
        their variables, and must return entries of that list.
      - It needs the Python library jmespath on the controller.
    type: str
  group_by:
    description:
      - Groups to make without a template. Group names get C(_) for each character that Ansible does not allow in them.
      - V(host) makes C(host_NAME) by hypervisor, V(state) makes C(state_running) and so on, V(tag) makes C(tag_TAG)
        for each tag that M(virtfleet.core.guest) has given a guest.
      - V(kind) makes C(kind_kvm), C(kind_qemu), C(kind_xen) or C(kind_lxc), V(network) makes C(network_NAME) for each
        libvirt network and bridge that the guest is on, V(os) makes C(os_debian_12) of C(virt_os), V(estate) makes
        C(estate_NAME) of the estate that made the guest.
    type: list
    elements: str
    choices: [host, kind, state, tag, network, os, estate]
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
# rows.virtfleet.yml: forty hypervisors, one of them with more time, one behind SASL
plugin: virtfleet.core.guests
hypervisors:
  - qemu+ssh://root@hv[01:40].example/system
  - uri: xen+ssh://root@far.example/
    timeout: 1m
  - uri: qemu+tls://vault.example/system
    username: inventory
    password: "{{ lookup('ansible.builtin.env', 'LIBVIRT_PASSWORD') }}"

---
# zz-guests.virtfleet.yml: the hosts of a group of the inventory files that sort before it
plugin: virtfleet.core.guests
hypervisors:
  - group: kvm_hosts
  - group: xen_hosts
    uri: xen+ssh://{{ ansible_user }}@{{ ansible_host | default(inventory_hostname) }}/
cache: true
cache_plugin: ansible.builtin.jsonfile
cache_connection: ~/.cache/ansible/virtfleet
keep_stale: 1d

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
group_by: [tag, network, kind]
group_prefix: vm_
filters:
  - include: "'keep' in virt_tags"
  - exclude: virt_name is match('tmp-')
query: "[?virt_arch == 'x86_64']"
compose:
  memory_gib: virt_memory / 1024 ** 3
groups:
  big: virt_memory >= 8 * 1024 ** 3
keyed_groups:
  - key: virt_vcpus
    prefix: vcpus
"""

import json
import time
from collections.abc import Mapping, Sequence
from functools import lru_cache
from typing import Any

from ansible.errors import AnsibleError, AnsibleParserError
from ansible.inventory.helpers import get_group_vars
from ansible.plugins.inventory import BaseInventoryPlugin, Cacheable, Constructable, get_cache_plugin
from ansible.plugins.inventory import to_safe_group_name as ansible_group_name
from ansible.utils.vars import combine_vars
from ansible.vars.plugins import get_vars_from_inventory_sources

from ansible_collections.virtfleet.core.plugins.module_utils._errors import SpecError
from ansible_collections.virtfleet.core.plugins.module_utils._units import parse_duration
from ansible_collections.virtfleet.core.plugins.plugin_utils._hypervisors import Source, Wish, sources
from ansible_collections.virtfleet.core.plugins.plugin_utils._inventory import (
    Answer,
    Found,
    group_names,
    host_names,
    merge,
    variables,
)
from ansible_collections.virtfleet.core.plugins.plugin_utils._inventory_cache import Kept

SUFFIXES = ("virtfleet.yml", "virtfleet.yaml")
GROUP_NAME_LIMIT = 128

# A host's name, its variables, and its groups.
Listed = tuple[str, dict[str, Any], Sequence[str]]


@lru_cache(maxsize=4096)
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
            hypervisors = self._hypervisors()
            answers = self._answers(hypervisors, path, cache)
        except SpecError as error:
            raise AnsibleParserError("; ".join(error.problems)) from error
        self._add(merge(answers), [source.name for source in hypervisors])

    def load_cache_plugin(self) -> None:
        """Take the cache plugin of the options, without an end: each hypervisor's answer has an age of its own."""
        words = {"_uri": "cache_connection", "_prefix": "cache_prefix"}
        given = {word: self.get_option(option) for word, option in words.items()}
        given = {word: value for word, value in given.items() if value is not None}
        self._cache = get_cache_plugin(self.get_option("cache_plugin"), _timeout=0, **given)

    # the option hypervisors

    def _hypervisors(self) -> list[Source]:
        connection = self.get_option("connection")
        wish = Wish(
            sources=tuple(dict.fromkeys(self.get_option("address_sources"))),
            timeout=parse_duration(self.get_option("timeout")),
            agent_timeout=parse_duration(self.get_option("agent_timeout")),
            details=tuple(sorted(set(self.get_option("details")))),
        )
        found = sources(self.get_option("hypervisors"), Source("", "", wish, connection), self._render, self._members)
        if not found:
            self.display.warning("no guest is listed: the groups of the option hypervisors have no hosts")
        return found

    def _render(self, value: Any, variables: Mapping[str, Any] | None) -> Any:
        """Return a value of the inventory file with its templates rendered; what is none stays as it is."""
        known = dict(variables or {})
        self.templar.available_variables = combine_vars(known, self._vars) if self.get_option("use_extra_vars") else known
        try:
            return self.templar.template(value)
        except AnsibleError as error:
            raise SpecError(f"{value!r} cannot be rendered: {error}") from error

    def _members(self, name: str) -> list[tuple[str, Mapping[str, Any]]] | None:
        """Return the hosts of a group as the sources that were read before have it, with their variables.

        Ansible itself reads the files of group_vars and host_vars when all sources are read, which is too late here.
        """
        group = self.inventory.groups.get(name)
        if group is None:
            return None
        everyone, read = self.inventory.groups["all"], self.inventory.processed_sources
        result = []
        for host in self.inventory.hosts.values() if group is everyone else group.get_hosts():
            # Not all groups are below `all` yet.
            groups = [everyone, *(each for each in host.get_groups() if each is not everyone)]
            variables: Mapping[str, Any] = get_group_vars(groups)
            for more in (
                get_vars_from_inventory_sources(self.loader, read, groups, "all"),
                host.get_vars(),
                get_vars_from_inventory_sources(self.loader, read, [host], "all"),
                {"group_names": sorted(each.name for each in groups[1:] if each.name != "ungrouped")},
            ):
                variables = combine_vars(variables, more)
            result.append((host.name, variables))
        return result

    # reading

    def _answers(self, hypervisors: Sequence[Source], path: str, cache: bool) -> dict[Source, Answer]:
        """Return what each hypervisor told: now, or earlier where the cache has it and that is allowed."""
        caching, keep = self.get_option("cache"), parse_duration(self.get_option("keep_stale"))
        if keep and not caching:
            raise SpecError("keep_stale: the guests last seen are kept in the cache; set cache: true too, and a cache_plugin")
        if not caching:
            return {source: answer for source, answer in self._read(hypervisors).items() if answer.guests is not None}
        self.load_cache_plugin()
        key, now = self.get_cache_key(path), time.time()
        kept = Kept.of(self._known(key), now)
        fresh = {source: kept.fresh(source, self.get_option("cache_timeout")) for source in hypervisors} if cache else {}
        result = {source: answer for source, answer in fresh.items() if answer is not None}
        missing = [source for source in hypervisors if source not in result]
        if missing:
            for source, answer in self._read(missing, {source: kept.last(source, keep) for source in missing}).items():
                if answer.guests is not None:
                    result[source] = answer
                    if not answer.stale:
                        kept.note(source, answer)
            self._cache[key] = kept.entry(hypervisors)
        return {source: result[source] for source in hypervisors if source in result}

    def _known(self, key: str) -> Any:
        try:
            return self._cache[key]
        except KeyError:
            return None

    def _read(
        self, hypervisors: Sequence[Source], last: Mapping[Source, Answer | None] | None = None
    ) -> dict[Source, Answer]:
        """Ask hypervisors; one that does not answer is what it told ``last``, if that is known."""
        if not hypervisors:
            return {}
        # A run from the cache needs none of this, libvirt neither.
        from ansible_collections.virtfleet.core.plugins.module_utils._libvirt import HAS_LIBVIRT
        from ansible_collections.virtfleet.core.plugins.plugin_utils._inventory_read import read_all

        if not HAS_LIBVIRT:
            raise AnsibleParserError(
                f"could not read the guests of {hypervisors[0].uri}: the Python that runs Ansible has no module "
                "libvirt; install the package python3-libvirt, or where that Python is not the system's libvirt-python "
                "from PyPI"
            )
        result: dict[Source, Answer] = {}
        errors = []
        for source, answer in zip(hypervisors, read_all(hypervisors)):
            for note in answer.notes:
                self.display.warning(note)
            result[source] = answer
            if answer.guests is None:
                old = (last or {}).get(source)
                if old is not None:
                    result[source] = old
                said = "listed as it was seen last" if old is not None else "left out of the inventory"
                errors.append(f"hypervisor {source.name} is {said}: {answer.error}")
        if errors and self.get_option("strict_hypervisors"):
            raise AnsibleParserError("; ".join(errors))
        for error in errors:
            self.display.warning(error)
        return result

    # adding

    def _add(self, guests: Sequence[Found], hypervisors: Sequence[str]) -> None:
        """Add the hosts, then their variables, then groups.

        Ansible looks a host up by name among the groups first, so no host may have the name of a group that exists
        when something is set for the host.
        """
        kinds, prefix = self.get_option("group_by"), self.get_option("group_prefix")
        states = set(self.get_option("states"))
        groups = [[safe_group_name(name) for name in group_names(found, kinds, prefix)] for found in guests]
        reserved = {safe_group_name(str(name)) for name in self.get_option("groups")}
        # A guest named like a hypervisor would have what is set for that host set for itself, and the other way round.
        reserved.update(self.inventory.groups, hypervisors, *groups)
        names = host_names(guests, reserved, self.get_option("qualified_names"))
        listed = self._chosen(
            [
                (name, variables(found), own)
                for name, found, own in zip(names, guests, groups)
                if "all" in states or found.record["state"] in states
            ]
        )
        for name, values, _own in listed:
            self.inventory.add_host(name)
            # Not by set_variable, which walks each value once more to say where it comes from, and looks at each name.
            self.inventory.hosts[name].vars.update(values)
        self._construct([name for name, _values, _own in listed], {name: own for name, _values, own in listed})

    def _chosen(self, listed: Sequence[Listed]) -> Sequence[Listed]:
        """Return the hosts that the filters and the query leave."""
        filters, query = self.get_option("filters"), self.get_option("query")
        if filters:
            conditions = [_condition(number, each) for number, each in enumerate(filters)]
            listed = [each for each in listed if self._passes(conditions, each[1], each[0])]
        if query:
            # Values of JSON's own types: JMESPath's functions want no others.
            values = [json.loads(json.dumps(each)) for _name, each, _own in listed]
            listed = [listed[number] for number in _places(_searched(query, values), values)]
        return listed

    def _passes(self, conditions: Sequence[tuple[str, Any]], variables: Mapping[str, Any], host: str) -> bool:
        for word, condition in conditions:
            if self._holds(condition, variables, host):
                return word == "include"
        return True

    def _holds(self, condition: Any, variables: Mapping[str, Any], host: str) -> bool:
        templar = self.templar
        templar.available_variables = combine_vars(variables, self._vars) if self.get_option("use_extra_vars") else variables
        try:
            if hasattr(templar, "evaluate_conditional"):
                return bool(templar.evaluate_conditional(condition))
            return bool(templar.template(f"{{% if {condition} %}}True{{% endif %}}"))
        except AnsibleError as error:
            raise AnsibleParserError(f"filters: {condition!r} cannot be evaluated for host {host}: {error}") from error

    def _construct(self, names: Sequence[str], groups: Mapping[str, Sequence[str]]) -> None:
        strict = self.get_option("strict")
        compose, conditions, keyed = (self.get_option(key) for key in ("compose", "groups", "keyed_groups"))
        hosts = self.inventory.hosts
        if compose:
            for name in names:
                self._set_composite_vars(compose, hosts[name].get_vars(), name, strict=strict)
        made = {group: self.inventory.add_group(group) for own in groups.values() for group in own}
        for name in names:
            for group in groups[name]:
                self.inventory.groups[made[group]].add_host(hosts[name])
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


def _condition(number: int, entry: Any) -> tuple[str, Any]:
    """Return the word and the condition of one of the filters."""
    if isinstance(entry, Mapping) and len(entry) == 1:
        ((word, condition),) = entry.items()
        if word in ("include", "exclude"):
            return str(word), condition
    raise AnsibleParserError(f"filters[{number}]: {entry!r} is neither `include: CONDITION` nor `exclude: CONDITION`")


def _searched(query: str, values: Sequence[Any]) -> Any:
    try:
        import jmespath  # type: ignore[import-untyped]
    except ImportError as error:
        raise AnsibleParserError(
            "query: the Python that runs Ansible has no module jmespath; install python3-jmespath, or jmespath from PyPI"
        ) from error
    try:
        return jmespath.search(query, values)
    except jmespath.exceptions.JMESPathError as error:
        raise AnsibleParserError(f"query: {query!r} is not a JMESPath expression: {error}") from error


def _places(found: Any, values: Sequence[Any]) -> list[int]:
    """Return which of the values were found; what is none of them is an error."""
    places = {id(value): number for number, value in enumerate(values)}
    if not isinstance(found, list) or not all(id(each) in places for each in found):
        raise AnsibleParserError(
            "query: it must choose among the guests, as \"[?virt_vcpus > `2`]\" does, and make nothing new of them"
        )
    return [places[id(each)] for each in found]


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
