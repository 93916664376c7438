# Copyright: (c) 2026, the virtfleet.core contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What keeping guests costs beside the least that libvirt asks for, as ratios, on a private libvirtd.

For each number of guests: the first definition, a run with nothing to do, and one option changed on each, by the code of
the module ``guest`` in one process; beside it a bare loop over libvirt-python that defines the same XML, or reads it.
Ansible's own start of a task is the same for every module, and is not in it.
"""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT))

from tools.dev.tree import collections_path

sys.path.insert(0, str(collections_path(ROOT)))

import libvirt

from ansible_collections.virtfleet.core.plugins.module_utils._apply import Ports, apply
from ansible_collections.virtfleet.core.plugins.module_utils._files import LocalFiles
from ansible_collections.virtfleet.core.plugins.module_utils._guest.options import GUEST_OPTIONS, RUN_OPTIONS
from ansible_collections.virtfleet.core.plugins.module_utils._guest_module import guest_subject
from ansible_collections.virtfleet.core.plugins.module_utils._libvirt import Libvirt
from benchmarks import images
from tests.lab import Host, packages

NUMBERS = (10, 50, 200)


def run_command(argv: Sequence[str], **_options: Any) -> tuple[int, str, str]:
    """Run a program as AnsibleModule.run_command does."""
    done = subprocess.run(list(argv), capture_output=True, text=True, check=False)
    return done.returncode, done.stdout, done.stderr


def converge(uri: str, names: Sequence[str], **options: Any) -> int:
    """Make each guest true, as one task of the module each; return how many changed."""
    changed = 0
    for name in names:
        hypervisor = Libvirt.connect(uri)
        ports = Ports(hypervisor, LocalFiles(run_command))
        given = {"name": name, "memory": "64MiB", **options}
        known = {**GUEST_OPTIONS, **RUN_OPTIONS}
        subject = guest_subject({option: given.get(option, spec.get("default")) for option, spec in known.items()})
        plan = subject.plan(subject.gather(ports))
        apply(plan, ports)
        changed += bool(plan.actions)
        hypervisor.close()
    return changed


def define_bare(uri: str, definitions: Sequence[str]) -> None:
    connection = libvirt.open(uri)
    for xml in definitions:
        connection.defineXML(xml)
    connection.close()


def read_bare(uri: str) -> list[str]:
    connection = libvirt.open(uri)
    flags = libvirt.VIR_DOMAIN_XML_INACTIVE | libvirt.VIR_DOMAIN_XML_SECURE
    found = [domain.XMLDesc(flags) for domain in connection.listAllDomains()]
    connection.close()
    return found


def remove_all(uri: str) -> None:
    connection = libvirt.open(uri)
    for domain in connection.listAllDomains():
        domain.undefine()
    connection.close()


def timed(work: Callable[[], Any]) -> tuple[float, int]:
    """Return the seconds that ``work`` takes, and the libvirt calls that it makes through the collection."""
    with tempfile.NamedTemporaryFile() as trace:
        os.environ["VIRTFLEET_DEBUG"] = trace.name
        began = time.perf_counter()
        work()
        seconds = time.perf_counter() - began
        del os.environ["VIRTFLEET_DEBUG"]
        return seconds, Path(trace.name).read_bytes().count(b"\n")


def measure(uri: str, number: int) -> list[tuple[str, int, float, float, float]]:
    """Return rows of (what, guests, seconds a guest, calls a guest, times the bare loop)."""
    names = [f"bench{at:04d}" for at in range(number)]
    first, first_calls = timed(lambda: converge(uri, names))
    nothing, nothing_calls = timed(lambda: converge(uri, names))
    one, one_calls = timed(lambda: converge(uri, names, title="changed"))
    reading, _calls = timed(lambda: read_bare(uri))
    definitions = read_bare(uri)
    remove_all(uri)
    defining, _calls = timed(lambda: define_bare(uri, definitions))
    remove_all(uri)
    rows = (
        ("first definition", first, first_calls, defining),
        ("nothing to do", nothing, nothing_calls, reading),
        ("one option changed", one, one_calls, reading + defining),
    )
    return [(what, number, spent / number, calls / number, spent / bare) for what, spent, calls, bare in rows]


def main() -> int:
    """Print the table, and keep it in build/bench.md; with the word ``images``, that of images of packages."""
    if sys.argv[1:] == ["images"]:
        return images.main()
    if os.geteuid() != 0:
        print("the benchmarks need root, for a private libvirtd in namespaces of its own", file=sys.stderr)
        return 2
    packages.ensure(print)
    lines = [
        "| what | guests | ms a guest | libvirt calls a guest | times a bare loop |",
        "|---|---:|---:|---:|---:|",
    ]
    host = Host(f"bench-{os.getpid()}")
    try:
        host.up()
        for number in NUMBERS:
            print(f"{number} guests ...", flush=True)
            for what, guests, seconds, calls, ratio in measure(host.uri, number):
                lines.append(f"| {what} | {guests} | {seconds * 1000:.1f} | {calls:.1f} | {ratio:.1f} |")
    finally:
        host.down()
    table = "\n".join(lines)
    print(table)
    target = ROOT / "build" / "bench.md"
    target.parent.mkdir(exist_ok=True)
    target.write_text(table + "\n", encoding="utf-8")
    return 0


if __name__ == "__main__":
    sys.exit(main())
