# Copyright: (c) 2026, the virtfleet.core contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Inventory files, read by the real ansible-inventory, and hypervisors of libvirt's test driver to read."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from xml.sax.saxutils import escape, quoteattr

METADATA = "https://virtfleet.github.io/xml/1"
STATES = {"running": 1, "paused": 3, "stopped": 5, "crashed": 6}


def guest_xml(
    name: str,
    number: int,
    state: str = "running",
    title: str = "",
    description: str = "",
    tags: Sequence[str] = (),
    *,
    estate: str = "",
    system: str = "",
    devices: str = "",
) -> str:
    """Return a domain of the test driver."""
    marks = "".join(f"<virtfleet:tag>{escape(tag)}</virtfleet:tag>" for tag in tags)
    return f"""
    <domain type='test' xmlns:test='http://libvirt.org/schemas/domain/test/1.0'>
      <test:runstate>{STATES[state]}</test:runstate>
      <name>{escape(name)}</name>
      <uuid>6695eb01-f6a4-8304-79aa-{number:012x}</uuid>
      {f"<title>{escape(title)}</title>" if title else ""}
      <description>{escape(description)}</description>
      <metadata><virtfleet:guest xmlns:virtfleet='{METADATA}'>
        {f"<virtfleet:estate>{escape(estate)}</virtfleet:estate>" if estate else ""}
        <virtfleet:tags>{marks}</virtfleet:tags></virtfleet:guest>
        <libosinfo:libosinfo xmlns:libosinfo='http://libosinfo.org/xmlns/libvirt/domain/1.0'>
          <libosinfo:os id={quoteattr(system)}/></libosinfo:libosinfo></metadata>
      <memory unit='MiB'>256</memory>
      <vcpu>2</vcpu>
      <os><type arch='x86_64'>hvm</type></os>
      <devices>{devices}</devices>
    </domain>"""


def over(path: Path) -> str:
    """Return the URI of a daemon behind a socket."""
    return f"qemu+unix:///system?socket={path}"


@dataclass
class Done:
    """What a program of Ansible said."""

    rc: int
    out: str
    err: str
    seconds: float

    def said(self, text: str) -> int:
        """Return how often it said this on stderr, which is broken into lines, at hyphens too."""
        return "".join(self.err.split()).count("".join(text.split()))

    @property
    def hosts(self) -> dict[str, Any]:
        """The variables by host, of --list, with the marks of unsafe text removed."""
        return _plain(json.loads(self.out)["_meta"]["hostvars"])

    @property
    def groups(self) -> dict[str, list[str]]:
        """The hosts by group, of --list."""
        return {name: group["hosts"] for name, group in json.loads(self.out).items() if "hosts" in group}


def _plain(value: Any) -> Any:
    if isinstance(value, dict):
        if set(value) == {"__ansible_unsafe"}:
            return value["__ansible_unsafe"]
        return {key: _plain(each) for key, each in value.items()}
    return [_plain(each) for each in value] if isinstance(value, list) else value


@dataclass
class Place:
    """A folder with inventories, where Ansible is run."""

    folder: Path
    trace: Path = field(init=False)

    def __post_init__(self) -> None:
        self.trace = self.folder / "trace"

    def node(self, name: str, *guests: str) -> str:
        """Make a hypervisor of the test driver; return its URI."""
        path = self.folder / f"{name}.xml"
        path.write_text(f"<node>{''.join(guests)}</node>", encoding="utf-8")
        return f"test://{path}"

    def inventory(self, name: str = "x.virtfleet.yml", **options: Any) -> str:
        """Write an inventory file; return its path."""
        path = self.folder / name
        # JSON is YAML.
        path.write_text(json.dumps({"plugin": "virtfleet.core.guests", **options}), encoding="utf-8")
        return str(path)

    def run(self, program: str, *arguments: str, **environment: str) -> Done:
        """Run a program of Ansible; calls to libvirt are traced."""
        started = time.monotonic()
        done = subprocess.run(
            [str(Path(sys.executable).parent / program), *arguments],
            cwd=self.folder,
            env={
                **os.environ,
                "VIRTFLEET_DEBUG": str(self.trace),
                "ANSIBLE_NOCOLOR": "1",
                "ANSIBLE_LOCALHOST_WARNING": "0",
                "ANSIBLE_HOME": str(self.folder / "home"),
                **environment,
            },
            capture_output=True,
            check=False,
            text=True,
            timeout=120,
        )
        return Done(done.returncode, done.stdout, done.stderr, time.monotonic() - started)

    def list(self, *arguments: str, environment: dict[str, str] | None = None, **options: Any) -> Done:
        """Write an inventory file and list it."""
        path = self.inventory(**options)
        return self.run("ansible-inventory", "-i", path, "--list", *arguments, **(environment or {}))

    def connections(self) -> list[str]:
        """Return the URIs that were connected to since the last call, from the trace."""
        lines = self.trace.read_text(encoding="utf-8").splitlines() if self.trace.exists() else []
        self.trace.unlink(missing_ok=True)
        return [line.split("'")[1] for line in lines if line.split()[2] in ("open", "openReadOnly")]
