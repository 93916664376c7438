# Copyright: (c) 2026, the virtfleet.core contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Every example that the repository shows of what a host holds, as a document of the estate, with where it stands.

A task of a single module is a document of one entry. The examples of users' guides are taken too, and those of the
modules' own documentation.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import yaml

from ansible_collections.virtfleet.core.plugins.module_utils._estate.document import DOCUMENT

ROOT = Path(__file__).resolve().parents[2]
_BLOCK = re.compile(r"^( *)```ya?ml\n(.*?)^\1```", re.DOTALL | re.MULTILINE)
_EXAMPLES = re.compile(r'^EXAMPLES = r?"""\n(.*?)^"""', re.DOTALL | re.MULTILINE)
_PREFIX = "virtfleet.core."
_OF_ONE = {section[:-1]: section for section, option in DOCUMENT.items() if option["type"] == "list"}
_GUEST = DOCUMENT["guests"]["options"]
# Words by which an entry is known to be a guest's where nothing else says so.
_OF_A_GUEST = set(_GUEST) - {name for section in _OF_ONE.values() if section != "guests" for name in DOCUMENT[section]["options"]}

Example = tuple[str, dict[str, Any]]


def blocks() -> Iterator[tuple[str, str]]:
    """Yield each text of YAML with where it stands."""
    for file in sorted([*ROOT.glob("*.md"), *ROOT.glob("docs/*.md"), *ROOT.glob("roles/*/README.md")]):
        for found in _BLOCK.finditer(file.read_text(encoding="utf-8")):
            line = file.read_text(encoding="utf-8").count("\n", 0, found.start()) + 2
            indent = found.group(1)
            yield f"{file.relative_to(ROOT)}:{line}", re.sub(f"^{indent}", "", found.group(2), flags=re.MULTILINE)
    for file in sorted(ROOT.glob("plugins/modules/*.py")):
        found_examples = _EXAMPLES.search(file.read_text(encoding="utf-8"))
        if found_examples is not None:
            yield str(file.relative_to(ROOT)), found_examples.group(1)
    for folder in ("playbooks", "roles", "tools/demo"):
        for file in sorted([*(ROOT / folder).rglob("*.yml"), *(ROOT / folder).rglob("*.yaml")]):
            yield str(file.relative_to(ROOT)), file.read_text(encoding="utf-8")


def documents() -> list[Example]:
    """Return every document that is shown."""
    found: list[Example] = []
    for place, text in blocks():
        for whole in yaml.safe_load_all(text):
            found += [(place, document) for document in _documents(whole)]
    return found


def _documents(whole: Any) -> Iterator[dict[str, Any]]:
    if isinstance(whole, list):
        for item in whole:
            yield from _documents(item)
    if not isinstance(whole, Mapping):
        return
    if isinstance(whole.get("estate"), Mapping):
        yield {"version": 1, **whole["estate"]}
    elif set(whole) & set(DOCUMENT) - {"name"} and set(whole) <= set(DOCUMENT) and _is_section(whole):
        yield {"version": 1, **whole}
    elif set(whole) <= set(_GUEST) and set(whole) & _OF_A_GUEST:
        yield {"version": 1, "profiles": {name: {} for name in whole.get("profiles", ())}, "guests": [{"name": "some", **whole}]}
    for name, options in whole.items():
        if name == f"{_PREFIX}estate" and isinstance(options.get("document"), Mapping):
            yield options["document"]
        elif str(name).startswith(_PREFIX) and str(name)[len(_PREFIX) :] in _OF_ONE:
            yield _of_one(_OF_ONE[str(name)[len(_PREFIX) :]], options)
        elif name in ("tasks", "block", "rescue", "always", "pre_tasks", "post_tasks"):
            yield from _documents(options)


def _is_section(whole: Mapping[str, Any]) -> bool:
    """A text that only shows two words of an entry is no document."""
    return all(isinstance(part, (list, dict)) for name, part in whole.items() if name not in ("version", "name"))


def _of_one(section: str, options: Mapping[str, Any]) -> dict[str, Any]:
    words = DOCUMENT[section]["options"]
    entry = {name: value for name, value in options.items() if name in words and value != "{{ omit }}"}
    return {"version": 1, section: [entry]}


def is_templated(value: Any) -> bool:
    """Tell whether a value is known only where Ansible has put in its variables."""
    if isinstance(value, Mapping):
        return any(is_templated(part) for part in [*value, *value.values()])
    if isinstance(value, list):
        return any(map(is_templated, value))
    return isinstance(value, str) and ("{{" in value or "{%" in value)
