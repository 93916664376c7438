# Copyright: (c) 2026, the virtfleet.core contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Run ansible-test's sanity tests on a copy of the collection, without containers and with nothing ignored."""

from __future__ import annotations

import ast
import contextlib
import os
import subprocess
from pathlib import Path

from tools.dev import pythons, tree

# ansible-test downloads a script that installs pip into its environments, and looks for it here first.
# The one that Python itself carries does as well, and needs no network.
GET_PIP = """\
import ensurepip

ensurepip.bootstrap(default_pip=True)
"""
# What users never get, whose reading takes half of pylint's time.
WORKSHOP = (
    ".ci/", "benchmarks/", "docs/", "tests/contract/", "tests/integration/", "tests/lab/", "tests/unit/", "tools/",
)  # fmt: skip
# The names under which ansible-core 2.18 to 2.22 look for that script.
GET_PIP_NAMES = ("get_pip_24_2.py", "get_pip_25_2.py")


def prepare(root: Path, name: str, venv: Path, workshop: bool) -> tuple[Path, dict[str, str]]:
    """Return the folder to run ansible-test in, and its environment variables.

    The copy, ansible-test's own cache and a folder of interpreters stay under ~/.cache/virtfleet, so that a second run
    finds everything made. `name` keeps the copies of two stages apart: they may run at once. `workshop`: with what
    users never get.
    """
    home = _home(venv)
    system = ["/usr/local/sbin", "/usr/local/bin", "/usr/sbin", "/usr/bin", "/sbin", "/bin"]
    path = [venv / "bin", _interpreters(), *system]
    environment = {
        **os.environ,
        "HOME": str(home),
        "PATH": os.pathsep.join(map(str, path)),
        "LC_ALL": "C.UTF-8",
    }
    # The tree must be found by the place of the copy alone.
    for variable in ("ANSIBLE_COLLECTIONS_PATH", "ANSIBLE_CONFIG", "PYTHONPATH"):
        environment.pop(variable, None)
    place = tree.cache_dir() / f"sanity-{name}-{tree.digest(root)}"
    return tree.copy_collection(root, place, () if workshop else WORKSHOP), environment


def _home(venv: Path) -> Path:
    """Return a home folder for ansible-test, with the pip settings of this machine in it.

    ansible-test drops the PIP_ variables on its way, so the settings that hold now are written down for it.
    """
    home = tree.cache_dir() / "ansible-test"
    cache = home / ".ansible" / "test" / "cache"
    cache.mkdir(parents=True, exist_ok=True)
    for name in GET_PIP_NAMES:
        _write(cache / name, GET_PIP)
    (home / ".config" / "pip").mkdir(parents=True, exist_ok=True)
    _write(home / ".config" / "pip" / "pip.conf", _pip_settings(venv))
    return home


def _pip_settings(venv: Path) -> str:
    """Return the text of a pip.conf with the settings that files and variables give pip here."""
    listed = subprocess.run(
        [str(venv / "bin" / "pip"), "config", "list"], capture_output=True, text=True, check=True
    ).stdout
    sections: dict[str, dict[str, str]] = {"global": {}}
    for line in listed.splitlines():
        # As in `global.index-url='https://...'`, and `:env:.index-url='https://...'` for PIP_INDEX_URL, which wins.
        key, _sign, shown = line.partition("=")
        section, _dot, option = key.rpartition(".")
        value = str(ast.literal_eval(shown)).strip().replace("\n", "\n    ")
        if section == ":env:":
            sections["global"][option] = value
        else:
            sections.setdefault(section, {}).setdefault(option, value)
    return "".join(
        f"[{section}]\n" + "".join(f"{option} = {value}\n" for option, value in options.items())
        for section, options in sections.items()
    )


def _interpreters() -> Path:
    """Return a folder with links to the interpreters that run: the sanity tests take each `python3.X` on PATH."""
    folder = tree.cache_dir() / "pythons"
    folder.mkdir(exist_ok=True)
    for version in pythons.HOST_VERSIONS:
        python = pythons.find(version)
        link = folder / f"python{version}"
        if python is None:
            link.unlink(missing_ok=True)
        elif not link.is_symlink() or link.readlink() != python:
            with contextlib.suppress(FileNotFoundError):
                link.unlink()
            link.symlink_to(python)
    return folder


def _write(path: Path, text: str) -> None:
    """Write a file where it differs, aside and renamed, since another run may read it."""
    if path.is_file() and path.read_text() == text:
        return
    part = path.with_name(f"{path.name}.{os.getpid()}.part")
    part.write_text(text)
    part.replace(path)
