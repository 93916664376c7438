# Copyright: (c) 2026, the virtfleet.core contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The ways into a guest: its agent, its console, and the agent through the peer's connection, on one tiny guest."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import libvirt

from benchmarks import peers
from benchmarks.measure import ROOT, environment
from benchmarks.table import Table, number
from tests.lab import Host, tiny
from tests.lab.guests import domain_xml, running, wait_for_agent
from tools.dev.tree import collections_path

MIB = 1 << 20
NAME = "bench-ways"
AGENT_BYTES, CONSOLE_BYTES = 5 * MIB, 64 * 1024
PEER = "community.libvirt.libvirt_qemu"


def measure(host: Host) -> Table:
    """Return the table. The guest is idle; what is measured is the way, not what is run."""
    table = Table("Ways into a guest", ("what", "how", "first command s", "each more s", "file of", "put MB/s", "fetch MB/s"))
    print("ways into a guest ...", flush=True)
    carried = host.folder / "carried"
    agent_files = (("random bytes", _file(carried, os.urandom(AGENT_BYTES))), ("program text", _file(carried, _text())))
    console_files = (("random bytes", _file(carried, os.urandom(CONSOLE_BYTES))),)
    with running(host, domain_xml(NAME, tiny.build().into(host.folder), network=None)):
        connection = libvirt.open(host.uri)
        wait_for_agent(connection.lookupByName(NAME), 240)
        connection.close()
        mine = {"ansible_virtfleet_uri": host.uri}
        own = Path(sys.executable)
        ways: list[tuple[str, str, Path | str, Mapping[str, str], tuple[tuple[str, Path], ...]]] = [
            ("agent", "virtfleet.core.agent", own, mine, agent_files),
            ("agent", PEER, peers.python(), {"ansible_libvirt_uri": host.uri}, agent_files),
            ("console", "virtfleet.core.console", own, mine, console_files),
        ]
        for what, plugin, python, variables, files in ways:
            if isinstance(python, str):
                table.note(f"{plugin}: skipped: {python}")
                continue
            for kind, file in files:
                found = _inside(python, plugin, variables, file)
                if not found["whole"]:
                    table.note(f"{plugin}: the file of {kind} came back changed.")
                rates = (number(file.stat().st_size / 1e6 / found[way]) for way in ("put", "fetch"))
                table.add(what, plugin, number(found["first"]), f"{found['command']:.3f}", kind, *rates)
    table.note(f"Files of {AGENT_BYTES // MIB} MiB by the agent, of {CONSOLE_BYTES // 1024} KiB over the console.")
    return table


def _file(folder: Path, data: bytes) -> Path:
    """Write a file of its own into a folder."""
    folder.mkdir(exist_ok=True)
    path = folder / str(len(list(folder.iterdir())))
    path.write_bytes(data)
    return path


def _text() -> bytes:
    """Return as much text as the agent carries: this repository's own, over and over where it is not enough."""
    own = b"".join(path.read_bytes() for path in sorted((ROOT / "plugins").rglob("*.py")))
    return (own * (AGENT_BYTES // len(own) + 1))[:AGENT_BYTES]


def _inside(python: Path, plugin: str, variables: Mapping[str, str], file: Path) -> dict[str, Any]:
    """Run the measurement under a Python; the peer's finds its own collections beside it."""
    given = {"plugin": plugin, "guest": NAME, "variables": variables, "file": str(file)}
    if python == Path(sys.executable):
        env = environment(ANSIBLE_COLLECTIONS_PATH=str(collections_path(ROOT)))
    else:
        env = {"PATH": os.environ["PATH"], "HOME": str(Path.home())}
    done = subprocess.run(
        [str(python), str(ROOT / "benchmarks" / "inside.py")],
        input=json.dumps(given), capture_output=True, text=True, check=False, env=env,
    )  # fmt: skip
    if done.returncode != 0:
        raise RuntimeError(f"{plugin} ended with {done.returncode}:\n{done.stderr[-3000:]}")
    found: dict[str, Any] = json.loads(done.stdout.splitlines()[-1])
    return found
