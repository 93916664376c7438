# Copyright: (c) 2026, the virtfleet.core contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Text of a guest that is a template, a terminal sequence or megabytes does nothing, wherever Ansible shows or uses it.

On core 2.18 text is evaluated unless it is marked unsafe, since 2.19 only if it is marked trusted: run both.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any
from xml.sax.saxutils import quoteattr

import pytest

from tests.unit.plugins.inventory.listing import Place, guest_xml

# Relative to where Ansible runs; libvirt refuses a slash in a name.
EVIL = "{{ lookup('pipe', 'touch pwned') }}"
TITLE = f"{EVIL}\u202e\u009b31mred"
DESCRIPTION = f"[\"{EVIL}\"]\n{{% set x = lookup('pipe', 'touch pwned') %}}\t{{'a': '{EVIL}'}}"
SEEN_TITLE = f"{EVIL}red"
SEEN_DESCRIPTION = DESCRIPTION.replace("\n", " ").replace("\t", " ")
TAGS = [EVIL, "{{ 6 * 7 }}", "a,b:c\u2066", "all", ""]
NAMES = [
    EVIL,
    "all",
    "ungrouped",
    "state_running",
    "by_name",
    "localhost",
    "-oProxyCommand=touch pwned",
    "..",
    "a,b:!c",
    "[1:3]",
]
DEVICES = (
    f"<disk type='file'><source file={quoteattr(EVIL)}/><target dev='vda' bus='virtio'/></disk>"
    f"<interface type='bridge'><source bridge={quoteattr(EVIL)}/></interface>"
)
HOST = "lookup__pipe____touch_pwned_____"

OPTIONS: dict[str, Any] = {
    "details": ["stats", "xml"],
    "group_by": ["host", "kind", "state", "tag", "network", "os", "estate"],
    "filters": [{"exclude": "virt_title == 'x' or virt_disks[0].source == 'x'"}],
    "query": "[?contains(virt_title, 'lookup')]",
    "compose": {
        "c_plain": "virt_title",
        "c_joined": "'<' ~ virt_title ~ '>'",
        "c_format": "'%s %s' | format(virt_title, virt_tags[0])",
        "c_filtered": "virt_title | upper | lower | regex_replace('^x', '')",
        "c_list": "virt_description.split(']')[0] ~ ']'",
        "c_json": "virt_description.split(']')[0] ~ ']' | from_json",
        "c_dict": "{'key': virt_title, 'list': virt_tags}",
        "c_first": "virt_tags | first",
        "c_name": "virt_name",
    },
    "groups": {"g_title": "'pwned' in virt_title", "g_tags": "virt_tags | length > 1"},
    "keyed_groups": [
        {"key": "virt_title"},
        {"key": "virt_tags", "prefix": "t"},
        {"key": "{virt_title: virt_description}", "prefix": "d"},
        {"key": "virt_name", "prefix": "", "separator": "", "parent_group": "by_name"},
        {"key": "virt_host", "prefix": "p", "parent_group": "{{ virt_title }}"},
    ],
}

PLAY = """
- hosts: __HOST__
  gather_facts: false
  connection: local
  tasks:
    - name: "Title {{ virt_title }}"
      ansible.builtin.debug:
        msg: "{{ hostvars[inventory_hostname] }}"
    - ansible.builtin.debug:
        msg: "{{ virt_title }} {{ virt_description }} {{ virt_name }} {{ virt_tags | join(' ') }} {{ virt_arch }}"
    - ansible.builtin.debug:
        msg: ["{{ c_plain }}", "{{ c_joined }}", "{{ c_format }}", "{{ c_filtered }}", "{{ c_list }}", "{{ c_dict }}",
              "{{ c_first }}", "{{ c_name }}", "{{ c_json | default('') }}", "{{ ansible_virtfleet_guest }}"]
    - ansible.builtin.debug:
        var: c_dict
    - ansible.builtin.set_fact:
        copied: "{{ virt_title }}"
        wrapped: {key: "{{ virt_description }}"}
    - ansible.builtin.debug:
        msg: "{{ copied }} {{ wrapped }} {{ lookup('vars', 'copied') }}"
    - ansible.builtin.debug:
        msg: "{{ item }}"
      loop: "{{ virt_tags }}"
    - ansible.builtin.debug:
        msg: "{{ lookup('template', 'all.j2') }}"
    - ansible.builtin.debug:
        msg: "{{ virt_os }} {{ virt_estate }} {{ virt_disks }} {{ virt_nics[0].source }} {{ virt_xml }} {{ virt_stats }}"
    - ansible.builtin.debug:
        msg: a bare variable is evaluated as an expression
      when: virt_title
      ignore_errors: true
    - ansible.builtin.assert:
        that: groups['state_running'] | length == __COUNT__
"""


@pytest.fixture
def hostile(place: Place) -> Place:
    """A place with a play, and a hypervisor full of hostile guests."""
    play = PLAY.replace("__COUNT__", str(len(NAMES))).replace("__HOST__", HOST)
    (place.folder / "play.yml").write_text(play, encoding="utf-8")
    (place.folder / "all.j2").write_text(
        "{{ virt_title }} {{ virt_description }} {% for tag in virt_tags %}{{ tag }}{% endfor %} {{ c_dict }}",
        encoding="utf-8",
    )
    more = {"title": TITLE, "description": DESCRIPTION, "tags": TAGS, "estate": EVIL, "devices": DEVICES}
    more["system"] = f"http://x/{EVIL}/\u202e{EVIL}"
    place.node("hv1", *(guest_xml(name, number, **more) for number, name in enumerate(NAMES)))
    return place


@pytest.fixture
def uri(hostile: Place) -> str:
    """The hypervisor full of hostile guests."""
    return f"test://{hostile.folder / 'hv1.xml'}"


def clean(place: Place, text: str) -> None:
    """Check that nothing was evaluated, and that a terminal can show this."""
    assert not (place.folder / "pwned").exists()
    assert not set(text) & set("\x00\x07\x08\x1b\x7f\x9b\x9d\u202e\u2066")


def test_what_is_evaluated_would_be_seen(hostile: Place) -> None:
    static = {"all": {"hosts": {"web1": {"virt_title": EVIL}}}}
    (hostile.folder / "static.yml").write_text(json.dumps(static), encoding="utf-8")
    hostile.run("ansible", "-i", "static.yml", "all", "-c", "local", "-m", "debug", "-a", "msg={{ virt_title }}")
    assert (hostile.folder / "pwned").exists()


def test_listings(hostile: Place, uri: str) -> None:
    path = hostile.inventory(hypervisors=[uri], **OPTIONS)
    listed = hostile.run("ansible-inventory", "-i", path, "--list")
    clean(hostile, listed.out + listed.err)
    host = listed.hosts[HOST]
    assert (host["virt_title"], host["virt_description"]) == (SEEN_TITLE, SEEN_DESCRIPTION)
    assert host["virt_tags"] == [EVIL, "{{ 6 * 7 }}", "a,b:c", "all", ""]
    assert (host["virt_name"], host["ansible_virtfleet_guest"]) == (EVIL, EVIL)
    assert host["virt_disks"][0]["source"] == host["virt_nics"][0]["source"] == host["virt_estate"] == EVIL
    assert EVIL.replace("'", "&apos;") in host["virt_xml"] or EVIL in host["virt_xml"]
    assert host["c_joined"] == f"<{SEEN_TITLE}>"
    assert sorted(listed.hosts) == sorted(
        [
            HOST,
            "all_on_localhost",
            "ungrouped_on_localhost",
            "state_running_on_localhost",
            "by_name",
            "localhost_on_localhost",
            "oProxyCommand_touch_pwned",
            "guest_on_localhost",
            "a_b__c",
            "1_3_",
        ]
    )
    assert all(name.isidentifier() or name[0].isdigit() for name in listed.groups)
    # Marked for whoever reads this listing as an inventory again.
    assert json.loads(listed.out)["_meta"]["hostvars"][HOST]["virt_title"] == {"__ansible_unsafe": SEEN_TITLE}


FORMS = [["--list", "--yaml", "--export"], ["--graph", "--vars"], ["--host", HOST]]


@pytest.mark.parametrize("form", FORMS)
def test_other_listings(hostile: Place, uri: str, form: list[str]) -> None:
    done = hostile.run("ansible-inventory", "-i", hostile.inventory(hypervisors=[uri], **OPTIONS), *form)
    assert done.rc == 0
    clean(hostile, done.out + done.err)
    assert "touch pwned" in done.out


def played(place: Place, *inventories: str) -> None:
    done = place.run("ansible-playbook", *(word for path in inventories for word in ("-i", path)), "play.yml")
    clean(place, done.out + done.err)
    assert done.rc == 0, done.out[-2000:] + done.err
    assert f"ok: [{HOST}]" in done.out
    assert SEEN_TITLE in done.out
    assert "{{ 6 * 7 }}" in done.out


def test_a_play(hostile: Place, uri: str) -> None:
    played(hostile, hostile.inventory(hypervisors=[uri], **OPTIONS))


def test_a_play_from_the_cache(hostile: Place, uri: str) -> None:
    cache = {"cache": True, "cache_plugin": "ansible.builtin.jsonfile", "cache_connection": "cache"}
    path = hostile.inventory(hypervisors=[uri], **OPTIONS, **cache)
    first = hostile.run("ansible-inventory", "-i", path, "--list", "--export")
    assert hostile.connections() == [uri]
    cached = hostile.run("ansible-inventory", "-i", path, "--list", "--export")
    assert cached.out == first.out
    assert "__ansible_unsafe" in cached.out
    played(hostile, path)
    assert hostile.connections() == []


def test_a_play_from_a_listing(hostile: Place, uri: str) -> None:
    path = hostile.inventory(hypervisors=[uri], **OPTIONS)
    listing = hostile.folder / "listing.json"
    hostile.run("ansible-inventory", "-i", path, "--list", "--export", "--output", str(listing))
    groups = json.loads(listing.read_text(encoding="utf-8"))
    # What is set for the guest `all` is not set for the group of that name.
    assert not any("vars" in group for name, group in groups.items() if name != "_meta")
    script = hostile.folder / "script"
    script.write_text(f"#!/bin/sh\ncat {listing}\n", encoding="utf-8")
    script.chmod(0o755)
    played(hostile, str(script))


def test_a_connection_to_a_hostile_name(hostile: Place, uri: str) -> None:
    path = hostile.inventory(hypervisors=[uri], connection="agent")
    done = hostile.run("ansible", "-i", path, HOST, "-m", "ansible.builtin.raw", "-a", "id")
    clean(hostile, done.out + done.err)
    assert "UNREACHABLE" in done.out + done.err or "FAILED" in done.out + done.err


def test_megabytes_are_cut(place: Place) -> None:
    big = "x" * 5_000_000
    uri = place.node("hv1", guest_xml("web1", 1, title=big, description=f"{EVIL}{big}", tags=[big, *["t"] * 10_000]))
    done = place.list(hypervisors=[uri], keyed_groups=[{"key": "virt_title"}])
    clean(place, done.out)
    host = done.hosts["web1"]
    assert len(host["virt_title"]) == len(host["virt_description"]) == len(host["virt_tags"][0]) == 4096
    assert len(host["virt_tags"]) == 256
    assert len(done.out) < 64 * 1024
    assert max(map(len, done.groups)) <= 129


def test_nothing_is_read_from_a_path_that_a_name_makes(place: Place, tmp_path: Path) -> None:
    secret = tmp_path / "group_vars"
    secret.mkdir()
    (secret / "secret.yml").write_text("leaked: true\n", encoding="utf-8")
    (tmp_path / "host_vars").mkdir()
    uri = place.node("hv1", guest_xml("..", 1), guest_xml(".", 2))
    done = place.list(hypervisors=[uri])
    assert len(done.hosts) == 2
    assert not any("leaked" in host for host in done.hosts.values())
