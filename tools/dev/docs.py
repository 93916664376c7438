# Copyright: (c) 2026, the virtfleet.core contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Make the site of the guides and the reference, from docs/ and the modules' own documentation."""

from __future__ import annotations

import shutil
import subprocess
from collections.abc import Mapping, Sequence

from tools.dev import hypervisors, object_options, tree, venvs
from tools.dev.errors import ToolError
from tools.dev.stages import Workshop

# The guides are Markdown, so that they can be read in the repository too.
INDEX = """\
virtfleet.core
==============

.. toctree::
   :maxdepth: 1
   :caption: Guides
   :glob:

   *

.. toctree::
   :maxdepth: 2
   :caption: Reference

   reference/index
"""


def make(shop: Workshop) -> None:
    """Build the site into build/docs/html and say where it is."""
    venv = venvs.ensure(shop.root, shop.pair("main"), "docs")
    env = shop.environment(venv)
    output = shop.root / "build" / "docs"
    source, html = output / "source", output / "html"
    for folder in (source, html):
        shutil.rmtree(folder, ignore_errors=True)
    reference = source / "reference"
    reference.mkdir(parents=True)
    shutil.copy(shop.root / "docs" / "conf.py", source)
    for file in (shop.root / "docs").glob("*.md"):
        text = hypervisors.filled(file.read_text(encoding="utf-8"), shop.root)
        (source / file.name).write_text(object_options.filled(text, shop.root), encoding="utf-8")
    (source / "index.rst").write_text(INDEX)
    _run(
        [
            str(venv / "bin" / "antsibull-docs"), "collection", "--use-current", "--squash-hierarchy",
            "--fail-on-error", "--dest-dir", str(reference), f"{tree.NAMESPACE}.{tree.NAME}",
        ],
        env, shop,
    )  # fmt: skip
    _run([str(venv / "bin" / "sphinx-build"), "-q", "-b", "html", str(source), str(html)], env, shop)
    print(f"the site is {html}/index.html")


def _run(command: Sequence[str], env: Mapping[str, str], shop: Workshop) -> None:
    """Run a step in the open."""
    done = subprocess.run(command, cwd=shop.root, env=dict(env), check=False)
    if done.returncode != 0:
        raise ToolError(f"could not make the site: {command[0]} ended with {done.returncode}, see above")
