# Copyright: (c) 2026, the virtfleet.core contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Make the collection importable as ansible_collections.virtfleet.core, for pytest and for what a test runs."""

from __future__ import annotations

import os
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT))

from tools.dev.tree import collections_path

COLLECTIONS = collections_path(ROOT)
sys.path.insert(0, str(COLLECTIONS))

# For the ansible-playbook and ansible-inventory that a test starts, and for Ansible's loader in this process.
os.environ["ANSIBLE_COLLECTIONS_PATH"] = str(COLLECTIONS)
# A child process finds the collection too, for example a lab program run with `python -m`, and compiles no module twice.
os.environ["PYTHONPATH"] = os.pathsep.join(
    [str(ROOT / "tests/lab/inside/bytecode"), str(COLLECTIONS), str(ROOT), *filter(None, [os.environ.get("PYTHONPATH", "")])]
)
os.environ["VIRTFLEET_BYTECODE"] = str(ROOT / "build" / "bytecode")
os.environ.pop("PYTHONDONTWRITEBYTECODE", None)


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Name as skipped what needs root, where there is none."""
    if os.geteuid() == 0:
        return
    for item in items:
        if item.get_closest_marker("root") is not None:
            item.add_marker(pytest.mark.skip(reason="needs root"))
