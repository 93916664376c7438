# Copyright: (c) 2026, the virtfleet.core contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The collection's side: a document of guests made true, in this process or as a play.

The one place that knows how: in process by what the modules themselves call, as a play by the module estate.
"""

from __future__ import annotations

import json
import subprocess
import sys
import tempfile
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from ansible_collections.virtfleet.core.plugins.module_utils._apply import Ports, apply
from ansible_collections.virtfleet.core.plugins.module_utils._change import Plan
from ansible_collections.virtfleet.core.plugins.module_utils._files import LocalFiles
from ansible_collections.virtfleet.core.plugins.module_utils._gather import gather_guests
from ansible_collections.virtfleet.core.plugins.module_utils._guest.plan import Options
from ansible_collections.virtfleet.core.plugins.module_utils._guest.plan import plan as plan_guest
from ansible_collections.virtfleet.core.plugins.module_utils._guest.spec import GuestSpec
from ansible_collections.virtfleet.core.plugins.module_utils._guest.spec import parse as parse_guest
from ansible_collections.virtfleet.core.plugins.module_utils._guest_module import TABLES
from ansible_collections.virtfleet.core.plugins.module_utils._libvirt import Libvirt
from ansible_collections.virtfleet.core.plugins.module_utils._network.plan import plan as plan_network
from ansible_collections.virtfleet.core.plugins.module_utils._network.spec import parse as parse_network
from ansible_collections.virtfleet.core.plugins.module_utils._render import pending_rows, plan_rows, summary
from benchmarks.measure import ROOT, Cost, environment, program
from tools.dev.tree import collections_path

MODULE = ROOT / "plugins" / "modules" / "estate.py"
RECORD = ROOT / "tests" / "integration" / "callback"

Document = Mapping[str, Any]


def run_command(argv: Sequence[str], **_options: Any) -> tuple[int, str, str]:
    """Run a program as AnsibleModule.run_command does."""
    done = subprocess.run(list(argv), capture_output=True, text=True, check=False)
    return done.returncode, done.stdout, done.stderr


def converge(uri: str, document: Document) -> tuple[bool, int]:
    """Make the document's networks and guests true; return whether anything changed, and the bytes of the result."""
    hypervisor = Libvirt.connect(uri)
    try:
        ports = Ports(hypervisor, LocalFiles(run_command))
        specs = [parse_guest(guest) for guest in document.get("guests", ())]
        plan = _plan(ports, document, specs)
        outcomes = apply(plan, ports)
        failed = [outcome.error for outcome in outcomes if outcome.outcome in ("failed", "skipped")]
        if failed:
            raise RuntimeError(str(failed[0]))
        again = _plan(ports, document, specs) if plan.actions else plan
        if again is not plan and again.actions:
            raise RuntimeError(f"{again.actions[0].key} does not read back as written")
    finally:
        hypervisor.close()
    result = {
        "changed": bool(plan.actions),
        "plan": plan_rows(TABLES, plan, outcomes),
        "pending": pending_rows(TABLES, again),
        "summary": summary(TABLES, plan, len(specs)),
    }
    return bool(plan.actions), len(json.dumps(result, default=str))


def _plan(ports: Ports, document: Document, specs: Sequence[GuestSpec]) -> Plan:
    snap = gather_guests(ports.hypervisor, ports.files, specs)
    plans = [plan_guest(spec, snap, Options()) for spec in specs]
    if document.get("networks"):
        networks = ports.hypervisor.networks()
        seen = type(snap)(snap.host, ports.hypervisor.guests(), networks)
        plans = [*(plan_network(parse_network(words), seen) for words in document["networks"]), *plans]
    return Plan(tuple(action for part in plans for action in part.actions))


def definitions(uri: str, document: Document) -> list[str]:
    """Return the XML by which the guests of a document would be defined on a host that has none of them."""
    hypervisor = Libvirt.connect(uri)
    try:
        ports = Ports(hypervisor, LocalFiles(run_command))
        plan = _plan(ports, document, [parse_guest(guest) for guest in document["guests"]])
    finally:
        hypervisor.close()
    return [step.args["xml"] for action in plan.actions for step in action.steps if step.op == "define_guest"]


def play(uri: str, document: Document) -> Cost | None:
    """Make the document true by ansible-playbook; None while there is no module for it."""
    if not MODULE.is_file():
        return None
    return play_task({"virtfleet.core.estate": {"uri": uri, "document": document}}, _own())


def play_nothing() -> Cost:
    """Play a task that does nothing: Ansible's own start."""
    return play_task({"ansible.builtin.ping": {}}, _own())


def _own() -> Mapping[str, str]:
    return environment(ANSIBLE_COLLECTIONS_PATH=str(collections_path(ROOT)))


def play_task(task: Mapping[str, Any], env: Mapping[str, str], python: Path = Path(sys.executable)) -> Cost:
    """Play one task on this machine; what its module returned is measured in bytes of JSON."""
    with tempfile.TemporaryDirectory(prefix="virtfleet-bench-") as scratch:
        folder = Path(scratch)
        book, record = folder / "play.json", folder / "record.jsonl"
        record.touch()
        book.write_text(json.dumps([{"hosts": "localhost", "gather_facts": False, "tasks": [task]}]), encoding="utf-8")
        cost = program(
            [
                *(str(python.parent / "ansible-playbook"), "-c", "local", "-i", "localhost,"),
                *("-e", f"ansible_python_interpreter={python}", str(book)),
            ],
            {
                **env,
                "ANSIBLE_CALLBACK_PLUGINS": str(RECORD),
                "ANSIBLE_CALLBACKS_ENABLED": "record",
                "ANSIBLE_CONFIG": str(ROOT / "tools" / "ansible.cfg"),
                "ANSIBLE_HOME": str(folder / "ansible"),
                "ANSIBLE_PIPELINING": "true",
                "VIRTFLEET_RECORD": str(record),
            },
        )
        results = [json.loads(line)["result"] for line in record.read_text(encoding="utf-8").splitlines()]
    # What was given comes back beside the result.
    returned = sum(
        len(json.dumps({name: result[name] for name in result if name != "invocation"})) for result in results
    )
    changed = sum(bool(result.get("changed")) for result in results)
    return Cost(cost.seconds, cost.cpu_seconds, cost.peak_bytes, changed, returned)
