# Copyright: (c) 2026, the virtfleet.core contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""A document written as YAML comes back from Ansible as it was, and nothing in it is a template."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import yaml
from ansible.errors import AnsibleFilterError
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from ansible_collections.virtfleet.core.plugins.filter.document_yaml import FilterModule, document_yaml

TEMPLATES = [
    "{{ lookup('pipe', 'touch pwned') }}",
    "a {% if true %}b{% endif %}",
    "{# gone #}",
    "#jinja2:variable_start_string:'[[',variable_end_string:']]'\n[[ 1 ]]",
    "multi\nline {{ 7 * 7 }}\n  end ",
    "{{ '\u202e' }}",
]
HOSTILE = [
    *TEMPLATES,
    "!unsafe x",
    "- a: b # c",
    "yes",
    "0777",
    "1e3",
    "~",
    "",
    " lead",
    "trail ",
    "a\tb",
    "'\"",
    "\u2028\x85\x07\x1b[31m",
    "\u202eevil\u200b",
    "ä日本😀",
    "x" * 300 + " y" * 100,
    "line\n\n\nline\n",
]
EVIL: dict[str, Any] = {"version": 1, "guests": [{"name": f"g{n}", "title": text} for n, text in enumerate(HOSTILE)]}


class _Loader(yaml.SafeLoader):
    """Reads the tag as a mark on the text."""


class _Marked(str):
    """A text with the tag ``!unsafe``."""


_Loader.add_constructor("!unsafe", lambda loader, node: _Marked(loader.construct_scalar(node)))

TEXTS = st.text(max_size=30) | st.sampled_from(HOSTILE) | st.text(alphabet="{%#} \n'\"\\:-!&*|>\t\u202e", max_size=12)
DOCUMENTS = st.dictionaries(
    st.sampled_from(["name", "title", "list", "more"]),
    st.recursive(
        TEXTS | st.booleans() | st.integers() | st.none(),
        lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text("abc", min_size=1), inner, max_size=3),
        max_leaves=8,
    ),
)


def _texts(value: Any) -> list[str]:
    if isinstance(value, dict):
        return [text for item in value.values() for text in _texts(item)]
    if isinstance(value, list):
        return [text for item in value for text in _texts(item)]
    return [value] if isinstance(value, str) else []


@settings(deadline=None, derandomize=True, suppress_health_check=list(HealthCheck))
@given(DOCUMENTS)
def test_what_is_written_is_what_is_read(document: dict[str, Any]) -> None:
    text = document_yaml(document)
    read = yaml.load(text, _Loader)
    assert read == document
    assert document_yaml(document) == text
    assert text.startswith("---\n") and text.endswith("\n")
    for found in _texts(read):
        assert isinstance(found, _Marked) or not any(mark in found for mark in ("{{", "{%", "{#", "#jinja2:"))
    assert "\u202e" not in text and "\x1b" not in text


def test_templates_are_marked_and_other_text_is_not() -> None:
    assert document_yaml({"a": "{{ x }}", "b": "plain", "c": [True, 1, None]}, "estate") == (
        "---\nestate:\n  a: !unsafe '{{ x }}'\n  b: plain\n  c:\n    - true\n    - 1\n    - null\n"
    )


def test_a_description_of_several_lines_can_be_read() -> None:
    assert document_yaml({"a": "one\ntwo\n"}) == "---\na: |\n  one\n  two\n"


@pytest.mark.parametrize(
    ("value", "variable", "words"),
    [([1], None, "a mapping"), ({}, "not a name", "name of a variable"), ({"a": object()}, None, "cannot be written")],
)
def test_what_cannot_be_written(value: Any, variable: str | None, words: str) -> None:
    with pytest.raises(AnsibleFilterError, match=words):
        document_yaml(value, variable)


def test_the_filter_has_its_name() -> None:
    assert FilterModule().filters() == {"document_yaml": document_yaml}


def test_ansible_reads_it_back_as_it_was(tmp_path: Path) -> None:
    """The whole way: written by a play, loaded as variables of a host by the next."""
    (tmp_path / "evil.json").write_text(json.dumps(EVIL))
    (tmp_path / "inventory").write_text("hv1 ansible_connection=local\n")
    (tmp_path / "host_vars" / "hv1").mkdir(parents=True)
    interpreter = {"ansible_python_interpreter": sys.executable, "here": str(tmp_path)}
    read = "{{ (lookup('file', here ~ '/evil.json') | from_json) | virtfleet.core.document_yaml(variable='estate') }}"
    target = str(tmp_path / "host_vars/hv1/estate.yml")
    _play(tmp_path, interpreter, {"content": read, "dest": target, "mode": "0644"})
    _play(
        tmp_path,
        interpreter,
        {"content": "{{ estate | to_json }}", "dest": str(tmp_path / "back.json"), "mode": "0644"},
    )
    assert json.loads((tmp_path / "back.json").read_text()) == EVIL
    assert not list(tmp_path.rglob("pwned"))


def _play(folder: Path, variables: dict[str, str], copy: dict[str, str]) -> None:
    play = {"hosts": "hv1", "gather_facts": False, "tasks": [{"ansible.builtin.copy": copy}]}
    (folder / "play.yml").write_text(json.dumps([play]))
    done = subprocess.run(
        [
            str(Path(sys.executable).parent / "ansible-playbook"),
            "-i",
            "inventory",
            "-e",
            json.dumps(variables),
            "play.yml",
        ],
        cwd=folder,
        env={**os.environ, "ANSIBLE_HOME": str(folder / "ansible"), "ANSIBLE_NOCOLOR": "1", "LC_ALL": "C.UTF-8"},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr
