# Copyright: (c) 2026, the virtfleet.core contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The schema for editors says of a document what its reader says, as far as a schema can."""

from __future__ import annotations

import copy
import json
import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from ansible.errors import AnsibleError
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from jsonschema import Draft7Validator

from ansible_collections.virtfleet.core.plugins.lookup import estate_schema
from ansible_collections.virtfleet.core.plugins.module_utils._errors import SpecError
from ansible_collections.virtfleet.core.plugins.module_utils._estate import shape
from ansible_collections.virtfleet.core.plugins.module_utils._estate.document import DOCUMENT, parse_document
from ansible_collections.virtfleet.core.plugins.plugin_utils._schema import schema
from tests.unit import examples
from tests.unit.plugins.module_utils.estate.hall import document
from tests.unit.plugins.module_utils.guest import options

MADE = schema()
VALIDATOR = Draft7Validator(MADE)


def complaints(given_document: Any) -> list[str]:
    return [f"{error.json_path}: {error.message[:300]}" for error in VALIDATOR.iter_errors(given_document)]


def test_it_is_written_as_the_documentation_shows(tmp_path: Path) -> None:
    (tmp_path / "play.yml").write_text(estate_schema.EXAMPLES, encoding="utf-8")
    playbook = Path(sys.executable).parent / "ansible-playbook"
    for run in ("changed=1", "changed=0"):
        done = subprocess.run([playbook, "play.yml"], cwd=tmp_path, capture_output=True, text=True, check=True)
        assert run in done.stdout
    written = json.loads((tmp_path / "estate.schema.json").read_text(encoding="utf-8"))
    Draft7Validator.check_schema(written)
    assert written == json.loads(json.dumps(MADE))


def test_it_takes_no_words() -> None:
    with pytest.raises(AnsibleError, match="takes no words"):
        estate_schema.LookupModule().run(["networks"])


def test_every_word_is_described() -> None:
    bare = [name for name, made in MADE["definitions"].items() if "." in name and not made.get("description")]
    assert bare == []
    marked = [text for text in _descriptions(MADE) if re.search(r"\b[OVCMPEI]\(|RV\(", text)]
    assert marked == []


def _descriptions(made: Any) -> Iterator[str]:
    for name, part in made.items() if isinstance(made, dict) else enumerate(made) if isinstance(made, list) else ():
        if name == "description" and isinstance(part, str):
            yield part
        yield from _descriptions(part)


def test_patterns_are_understood_by_editors_too() -> None:
    """What only Python's regular expressions have would be an error in an editor's."""
    for found in re.findall(r'"pattern": "((?:[^"\\]|\\.)*)"', json.dumps(MADE)):
        text = json.loads(f'"{found}"')
        assert not re.search(r"\(\?[^:=!]|\\[AZz]|[*+?}]\+", text), text


EXAMPLES = examples.documents()


@pytest.mark.parametrize("shown", [shown for _place, shown in EXAMPLES], ids=[place for place, _shown in EXAMPLES])
def test_an_example_is_valid(shown: dict[str, Any]) -> None:
    assert complaints(shown) == []
    assert complaints({"estate": shown, "other": 1}) == []


def _guest(**words: Any) -> dict[str, Any]:
    return {"version": 1, "guests": [{"name": "web1", **words}]}


BAD: list[tuple[str, Any]] = [
    ("no version", {"guests": []}),
    ("another version", {"version": 2}),
    ("a section misspelt", {"version": 1, "guest": []}),
    ("a section that is no list", {"version": 1, "guests": {"web1": {}}}),
    ("an option misspelt", _guest(memmory="1GiB")),
    ("a guest without a name", {"version": 1, "guests": [{"memory": "1GiB"}]}),
    ("a bare number for a size", _guest(memory=2048)),
    ("a size without its unit", _guest(memory="2048")),
    ("a unit that there is not", _guest(memory="2G")),
    ("a word that there is not", _guest(state="started")),
    ("a list for a number", _guest(vcpus=[2])),
    ("no CPU", _guest(vcpus_max=0)),
    ("a text for a flag", _guest(autostart="always")),
    ("true for a text", _guest(title=True)),
    ("a mapping for a list", _guest(disks={"size": "1GiB"})),
    ("two sources", _guest(disks=[{"image": "a", "file": "/b"}])),
    ("neither source nor size", _guest(disks=[{"bus": "virtio"}])),
    ("a bare size of a disk", _guest(disks=[{"size": 20}])),
    ("a word too much deep inside", _guest(disks=[{"nbd": {"host": "192.0.2.7", "prot": 1}}])),
    ("a wrong type deep inside", _guest(disks=[{"nbd": {"host": "192.0.2.7", "port": {"is": 1}}}])),
    ("a port that cannot be", _guest(disks=[{"nbd": {"host": "192.0.2.7", "port": 70000}}])),
    ("a limit in words", _guest(disks=[{"size": "1GiB", "iotune": {"total_iops": "many"}}])),
    ("two kinds of nic", _guest(nics=[{"network": "lab", "bridge": "br0"}])),
    ("another kind than is said", _guest(nics=[{"type": "user", "network": "lab"}])),
    ("a kind without its word", _guest(nics=[{"type": "bridge"}])),
    ("a rate without a unit", _guest(nics=[{"network": "lab", "rate": 10}])),
    ("a VLAN that cannot be", _guest(nics=[{"network": "lab", "vlan": [5000]}])),
    ("a device of two kinds", _guest(hostdevs=[{"pci": "06:12.5", "usb": "1.4"}])),
    ("a relative path", _guest(disks=[{"file": "old.qcow2"}])),
    ("a policy that there is not", _guest(cpu={"features": {"vmx": "maybe"}})),
    ("a timer's word misspelt", _guest(clock={"timers": {"hpet": {"presnt": False}}})),
    ("a text for a flag in a free mapping", _guest(clock={"timers": {"hpet": {"present": "off"}}})),
    ("a time without a unit", _guest(cputune={"period": 100})),
    ("an enlightenment that there is not", _guest(hyperv=["relax"])),
    ("a node with a bare size", _guest(numa=[{"cpus": "0", "memory": 512}])),
    ("a profile with a name", {"version": 1, "profiles": {"big": {"name": "x"}}}),
    ("a profile that is wrong inside", {**_guest(profiles=["big"]), "profiles": {"big": {"memory": 1}}}),
    ("defaults that are wrong inside", {"version": 1, "guest_defaults": {"vcpus": "two"}}),
    ("a ratio that is none", {"version": 1, "overcommit": {"memory": "much"}}),
    ("a network without a name", {"version": 1, "networks": [{"cidr": "10.0.0.0/24"}]}),
    ("a reservation without an address", {"version": 1, "networks": [{"name": "a", "reservations": [{"mac": "52:54:00:00:00:0a"}]}]}),
    ("an image with a bare size", {"version": 1, "images": [{"name": "a", "size": 10}]}),
    ("no suite", {"version": 1, "images": [{"name": "a", "bootstrap": {"packages": ["vim"]}}]}),
    ("a secret of no kind", {"version": 1, "secrets": [{"name": "a", "usage": "door"}]}),
    ("a rule without a direction", {"version": 1, "nwfilters": [{"name": "a", "rules": [{"action": "drop"}]}]}),
    ("a list of names where a guest should be", {"version": 1, "guests": ["web1"]}),
]


@pytest.mark.parametrize("bad", [bad for _why, bad in BAD], ids=[why for why, _bad in BAD])
def test_what_the_reader_refuses_is_refused(bad: Any) -> None:
    with pytest.raises(SpecError):
        parse_document(bad)
    assert complaints(bad) != []


@pytest.mark.parametrize(
    "templated",
    [
        {"version": 1, "guests": "{{ my_guests }}"},
        {"version": 1, "guests": ["{{ web1 }}", {"name": "{{ name }}", "memory": "{{ size }}", "vcpus": "{{ cpus }}"}]},
        _guest(state="{{ 'running' if up else 'stopped' }}", autostart="{{ up }}", disks="{% if a %}[]{% endif %}"),
        _guest(disks=["{{ root_disk }}"], nics=[{"type": "{{ kind }}", "network": "lab"}], cpu="{{ cpu }}", hyperv="{{ windows }}"),
        {"version": 1, "guest_defaults": "{{ defaults }}", "profiles": {"big": "{{ big }}"}, "overcommit": {"memory": "{{ 2 }}"}},
    ],
)
def test_a_template_stands_for_any_value(templated: Any) -> None:
    assert complaints(templated) == []


def test_yaml_reads_some_words_in_several_ways() -> None:
    said = _guest(vcpus="2", autostart="yes", title=7, features={"gic": 2}, tpm={"version": 2.0}, graphics={"port": "5901"})
    parse_document(said)
    assert complaints(said) == []


# what holds for every document

_WRONG = st.sampled_from([True, 7, -1, 1.5, "x y", "2GiB", "", [], ["a"], [{}], {}, {"a": 1}, None, "/srv", "on"])


@st.composite
def _documents(draw: st.DrawFn) -> dict[str, Any]:
    """Draw a document that mostly makes sense: all sections, and guests as the tests of their options have them."""
    found = copy.deepcopy(document())
    found["guests"] += [{**draw(options.guests()), "name": "drawn"}, {"name": "of-profile", "profiles": ["drawn"]}]
    found["profiles"] = {**found.get("profiles", {}), "drawn": draw(options.guests())}
    return found


def _places(value: Any, path: tuple[Any, ...] = ()) -> Iterator[tuple[Any, ...]]:
    for name, part in value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ():
        yield (*path, name)
        yield from _places(part, (*path, name))


@st.composite
def _spoilt(draw: st.DrawFn) -> dict[str, Any]:
    """Draw a document with one value replaced by any other, or one word more that may not be known."""
    found = copy.deepcopy(draw(_documents()))
    path = draw(st.sampled_from(list(_places(found))))
    holder: Any = found
    for name in path[:-1]:
        holder = holder[name]
    if isinstance(holder, dict) and draw(st.booleans()):
        holder[draw(st.sampled_from(["nmae", "size", "type", "memory", "address", "file"]))] = draw(_WRONG)
    else:
        holder[path[-1]] = draw(_WRONG)
    return found


def _refused(given_document: Any) -> list[str]:
    try:
        parse_document(given_document)
    except SpecError as error:
        return list(error.problems)
    return []


def _shape(given_document: Any) -> list[str]:
    """Return what the reader says of a document's shape: names, types and words out of a few."""
    found: list[str] = []

    def complain(path: str, sentence: str) -> None:
        found.append(f"{path}: {sentence}")

    for section, option in DOCUMENT.items():
        value = given_document.get(section)
        if section in ("guests", "guest_defaults", "profiles"):
            words = DOCUMENT["guests"]["options"]
            entries = value if isinstance(value, list) else value.values() if section == "profiles" and isinstance(value, dict) else [value]
            for entry in entries:
                if isinstance(entry, dict):
                    shape.mapping(words, entry, section, complain, partial=True)
        elif value is not None:
            shape.mapping({section: option}, {section: value}, "", complain)
    return found


@settings(suppress_health_check=[HealthCheck.too_slow], deadline=None)
@given(_documents() | _spoilt())
def test_the_schema_and_the_reader_agree(drawn: dict[str, Any]) -> None:
    """What the reader takes is valid, and what is valid has the shape that the reader wants."""
    said = complaints(drawn)
    if not _refused(drawn):
        assert said == []
    if not said and not examples.is_templated(drawn):
        assert _shape(drawn) == []
