# Copyright: (c) 2026, the virtfleet.core contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Imports go one way: modules, _module, _apply, the Protocols; and all of them may import the pure rooms."""

from __future__ import annotations

import ast
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from tools.dev.rooms import PURE, UTILS

ROOT = Path(__file__).resolve().parents[2]
COLLECTION = "ansible_collections.virtfleet.core"
SOURCES = sorted(path.relative_to(ROOT) for path in (ROOT / "plugins").rglob("*.py"))


def imported(path: Path, source: str) -> Iterator[tuple[int, str]]:
    """Yield the line and the full name of each import of a file, those inside functions and `if`s too.

    A file of the collection is named as `plugins.module_utils._xml`, whichever way the import is written.
    """
    package = path.parent.parts
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.Import):
            for alias in node.names:
                yield node.lineno, alias.name.removeprefix(f"{COLLECTION}.")
        elif isinstance(node, ast.ImportFrom):
            base = ".".join(package[: len(package) - node.level + 1]) if node.level else ""
            module = ".".join(filter(None, [base, node.module])).removeprefix(f"{COLLECTION}.")
            for alias in node.names:
                yield node.lineno, f"{module}.{alias.name}"


def room(name: str) -> str | None:
    """Return the room that an import names, `_guest` for plugins.module_utils._guest.spec; None for another import."""
    parts = name.split(".")
    return parts[2] if parts[:2] == ["plugins", "module_utils"] and len(parts) > 2 else None


def refusal(path: Path, name: str) -> str | None:
    """Return why a file may not import a name, or None where it may."""
    top = name.split(".", maxsplit=1)[0]
    target = room(name)
    here = path.parts[2].removesuffix(".py") if path.is_relative_to(UTILS) else None
    is_module = path.parts[1] == "modules"
    if top == "libvirt" and here != "_libvirt":
        return "only _libvirt.py imports libvirt"
    if name.startswith("ansible.module_utils.basic") and here != "_module":
        return "only _module.py knows ansible.module_utils.basic"
    if here in PURE and target not in PURE and top not in sys.stdlib_module_names:
        return "a pure room imports the standard library and pure rooms only (their list is tools/dev/rooms.py)"
    if here is not None and top in {"ansible", "ansible_collections"} and not name.startswith("ansible.module_utils."):
        return "a managed host has ansible.module_utils and this collection's module_utils, and no more of Ansible"
    if target is None or target in PURE:
        return None
    if is_module and not wires(target):
        return "a module imports _module, its own wiring and pure rooms only"
    if wires(target) and not is_module and not wires(here):
        return "only a module imports _module and what wires a noun to it"
    if applies(here) and not applies(target):
        return "_apply knows the Protocols of _ports only"
    if applies(target) and not applies(here) and not wires(here):
        return "what implements a Protocol does not know who calls it"
    return None


def wires(name: str | None) -> bool:
    """Tell whether a room is _module or wires a noun to it, as _guest_module does."""
    return name is not None and (name == "_module" or name.endswith("_module"))


def applies(name: str | None) -> bool:
    """Tell whether a room is _apply or a part of it."""
    return name is not None and name.startswith("_apply")


def refusals(path: Path, source: str) -> list[str]:
    """Return what is wrong with the imports of a file, a line for each."""
    found = ((line, name, refusal(path, name)) for line, name in imported(path, source))
    return [f"{path}:{line}: imports {name}, but {reason}" for line, name, reason in found if reason is not None]


def test_imports_go_one_way() -> None:
    found = [line for path in SOURCES for line in refusals(path, (ROOT / path).read_text())]
    assert not found, "\n".join(found)


def carried(start: Path) -> set[str]:
    """Return the files that Ansible sends along with one, itself among them: it follows every import, wherever it stands."""
    known = {".".join(path.with_suffix("").parts): path for path in SOURCES}
    seen: set[str] = set()
    todo = [".".join(start.with_suffix("").parts)]
    while todo:
        name = todo.pop()
        if name in seen:
            continue
        seen.add(name)
        found = (full for _line, full in imported(known[name], (ROOT / known[name]).read_text()))
        todo += [each for full in found for each in (full, full.rpartition(".")[0]) if each in known]
    return seen


def test_no_module_carries_the_nouns_of_others() -> None:
    """Ansible packs, sends and compiles all of it for each task of each module, the smallest too."""
    nouns = {"_guest", "_network", "_estate", "_nwfilter", "_secret", "_volume", "_console", "_bridge", "_xl"}
    base = carried(Path(UTILS, "_module.py"))
    assert len(base) > 40
    assert sorted(name for name in base if room(name) in nouns) == []


def test_the_sources_are_read() -> None:
    assert len(SOURCES) > 2


@pytest.mark.parametrize(
    ("path", "line", "reason"),
    [
        ("_guest/spec.py", "import libvirt", "only _libvirt.py"),
        ("_guest/spec.py", "from ansible.module_utils.urls import open_url", "pure room"),
        ("_guest/spec.py", "from .._files import copy", "pure room"),
        ("_guest/spec.py", "from .. import _libvirt", "pure room"),
        ("_xml.py", "import yaml", "pure room"),
        ("_xml.py", "def late():\n    import libvirt", "only _libvirt.py"),
        ("_apply.py", "from ._libvirt import Connection", "Protocols"),
        ("_apply.py", "from . import _files", "Protocols"),
        ("_files.py", "from ansible.module_utils.basic import AnsibleModule", "only _module.py"),
        ("_files.py", "from ansible.errors import AnsibleError", "managed host"),
        ("_files.py", f"from {COLLECTION}.plugins.module_utils._apply import run", "who calls"),
        ("_libvirt.py", "from ._module import run", "only a module"),
        ("../modules/guest.py", f"from {COLLECTION}.plugins.module_utils._libvirt import Connection", "a module"),
        ("../modules/guest.py", "from ansible.module_utils.basic import AnsibleModule", "only _module.py"),
        ("_guest_module.py", "from ansible.module_utils.basic import AnsibleModule", "only _module.py"),
        ("_files.py", "from ._guest_module import guest_subject", "only a module"),
        ("../inventory/guests.py", f"from {COLLECTION}.plugins.module_utils._module import run", "only a module"),
        ("../modules/guest.py", "try:\n    import libvirt\nexcept ImportError:\n    pass", "only _libvirt.py"),
        ("../inventory/guests.py", "import libvirt", "only _libvirt.py"),
    ],
)
def test_a_bad_import_is_seen(path: str, line: str, reason: str) -> None:
    found = refusals(_place(path), line)
    assert len(found) == 1
    assert reason in found[0]


@pytest.mark.parametrize(
    ("path", "line"),
    [
        ("_libvirt.py", "import libvirt"),
        ("_libvirt.py", "from . import _xml"),
        ("_guest/spec.py", "from .._table import Table"),
        ("_guest/fields/disks.py", "from ..._units import SIZE\nfrom . import nics"),
        ("_guest/spec.py", "import json\nfrom collections.abc import Mapping"),
        ("_apply.py", "from ._ports import Hypervisor"),
        ("_files.py", "from ansible.module_utils.urls import open_url"),
        ("_module.py", "from ansible.module_utils.basic import AnsibleModule\nfrom . import _apply, _libvirt, _files"),
        ("../modules/guest.py", f"from {COLLECTION}.plugins.module_utils._module import run"),
        ("../modules/guest.py", f"from {COLLECTION}.plugins.module_utils._guest_module import guest_subject"),
        ("_guest_module.py", "from ._module import Subject\nfrom ._apply import Ports"),
        ("../inventory/guests.py", f"from {COLLECTION}.plugins.module_utils._libvirt import Connection"),
        ("../inventory/guests.py", "from ansible.plugins.inventory import BaseInventoryPlugin"),
    ],
)
def test_a_good_import_is_let_pass(path: str, line: str) -> None:
    assert refusals(_place(path), line) == []


def _place(path: str) -> Path:
    """Return the path below the root of a file named from module_utils."""
    return Path("plugins", path[3:]) if path.startswith("../") else Path(UTILS, path)
