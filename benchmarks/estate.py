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
from ansible_collections.virtfleet.core.plugins.module_utils._estate_module import ESTATE_OPTIONS, estate_subject
from ansible_collections.virtfleet.core.plugins.module_utils._files import LocalFiles
from ansible_collections.virtfleet.core.plugins.module_utils._libvirt import Libvirt
from ansible_collections.virtfleet.core.plugins.module_utils._module import Subject
from ansible_collections.virtfleet.core.plugins.module_utils._render import pending_rows, plan_rows, summary
from benchmarks.measure import ROOT, Cost, environment, program
from tools.dev.tree import collections_path

RECORD = ROOT / "tests" / "integration" / "callback"

Document = Mapping[str, Any]


def run_command(argv: Sequence[str], **_options: Any) -> tuple[int, str, str]:
    """Run a program as AnsibleModule.run_command does."""
    done = subprocess.run(list(argv), capture_output=True, text=True, check=False)
    return done.returncode, done.stdout, done.stderr


def converge(uri: str, document: Document) -> tuple[bool, int]:
    """Make the document true; return whether anything changed, and the bytes of the result."""
    hypervisor = Libvirt.connect(uri)
    try:
        ports = Ports(hypervisor, LocalFiles(run_command))
        subject = _subject(uri, document)
        plan = subject.plan(subject.gather(ports))
        outcomes = apply(plan, ports, parallel=subject.parallel)
        failed = [outcome.error for outcome in outcomes if outcome.outcome in ("failed", "skipped")]
        if failed:
            raise RuntimeError(str(failed[0]))
        again = subject.plan(subject.gather(ports)) if plan.actions else plan
        if again is not plan and again.actions:
            raise RuntimeError(f"{again.actions[0].key} does not read back as written")
    finally:
        hypervisor.close()
    result = {
        "changed": bool(plan.actions),
        "plan": plan_rows(subject.tables, plan, outcomes),
        "pending": pending_rows(subject.tables, again),
        "summary": summary(subject.tables, plan, subject.objects, subject.named),
    }
    return bool(plan.actions), len(json.dumps(result, default=str))


def _subject(uri: str, document: Document) -> Subject:
    """Return what the module estate converges by its defaults."""
    options = {name: option.get("default") for name, option in ESTATE_OPTIONS.items()}
    return estate_subject({**options, "uri": uri, "document": {"version": 1, **document}})


def definitions(uri: str, document: Document) -> list[str]:
    """Return the XML by which the guests of a document would be defined on a host that has none of them."""
    hypervisor = Libvirt.connect(uri)
    try:
        ports = Ports(hypervisor, LocalFiles(run_command))
        subject = _subject(uri, document)
        plan = subject.plan(subject.gather(ports))
    finally:
        hypervisor.close()
    return [step.args["xml"] for action in plan.actions for step in action.steps if step.op == "define_guest"]


def play(uri: str, document: Document) -> Cost:
    """Make the document true by ansible-playbook."""
    return play_task({"virtfleet.core.estate": {"uri": uri, "document": {"version": 1, **document}}}, _own())


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
