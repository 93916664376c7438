# Copyright: (c) 2026, the virtfleet.core contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Between Ansible and the rest: the only file that knows AnsibleModule, and the one place where VirtError is caught."""

from __future__ import annotations

import importlib.util
import os
import platform
import signal
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from ansible.module_utils.basic import AnsibleModule, missing_required_lib
from ansible.module_utils.common.respawn import has_respawned, probe_interpreters_for_module, respawn_module

from ._apply import Ports, apply, unfinished
from ._change import Outcome, Plan
from ._errors import SpecError, VirtError, bounded
from ._facts import Snapshot
from ._files import Fetch, LocalFiles
from ._libvirt import HAS_LIBVIRT, Libvirt
from ._lock import one_at_a_time
from ._ports import Files
from ._programs import Programs
from ._render import Tables, diff, drift_rows, pending_rows, plan_rows, summary, unmanaged_rows
from ._secrets import hide, invocation
from ._units import parse_duration, parse_size

URI = {"uri": {"type": "str", "default": "qemu:///system"}}
QUERY = {"query": {"type": "str"}}

# Where `tail -f` shows what a running module does; a module cannot print.
PROGRESS = Path("/run/virtfleet/progress.log")

_INTERPRETERS = ("/usr/bin/python3", "/usr/libexec/platform-python")


@dataclass(frozen=True)
class Subject:
    """What a module converges: how it looks at the host, how it plans, and what it returns besides the plan.

    ``objects`` is the number of things asked for. ``result`` gets a Snapshot taken after the run (in check mode
    before it). ``after`` runs once all is applied, also when nothing had to change: the place to wait.
    ``dry``: it is only planned, as in check mode. ``gate`` sees the plan and its rows before anything is touched, may
    refuse it, and returns values for the result. ``parallel`` and ``stop`` are apply's. ``show_diff`` makes the diff.
    ``named`` are the keys (kind, name) of what was asked for, where the number alone would not do.
    """

    gather: Callable[[Ports], Snapshot]
    plan: Callable[[Snapshot], Plan]
    result: Callable[[Ports, Snapshot], Mapping[str, Any]]
    tables: Tables = field(default_factory=dict)
    objects: int = 1
    after: Callable[[Ports], None] = lambda ports: None
    dry: bool = False
    gate: Callable[[Snapshot, Sequence[Mapping[str, Any]]], Mapping[str, Any]] = lambda snap, rows: {}
    parallel: int = 1
    stop: bool = False
    show_diff: Callable[[Tables, Plan], list[dict[str, str]]] = diff
    named: Collection[tuple[str, str]] | None = None


def main_converge(
    options: Mapping[str, Any],
    subject: Callable[[Mapping[str, Any]], Subject],
    fetch: bool = False,
    documents: Mapping[str, Mapping[str, Any]] | None = None,
    **extra: Any,
) -> None:
    """Run a module that makes something true. ``options`` is its argument spec without the common part.

    ``documents`` are the argument specs that free documents among the options follow, by the option's name.
    """
    module = AnsibleModule(argument_spec={**URI, **options}, supports_check_mode=True, **extra)
    hide(module, documents)
    hidden = tuple(documents or ())
    with _reported(module, hidden), _ports(module, readonly=False, fetch=fetch) as ports:
        wanted = subject(module.params)
        dry = module.check_mode or wanted.dry
        with _alone(module, dry):
            snap = wanted.gather(ports)
            plan = wanted.plan(snap)
            report = _Report(wanted, plan)
            if module._diff:
                report.diff = wanted.show_diff(wanted.tables, plan)
            more = wanted.gate(snap, report.rows())
            if not dry:
                report.outcomes = apply(plan, ports, _progress(module), wanted.parallel, wanted.stop)
                snap = wanted.gather(ports) if plan.actions else snap
                report.judge(snap)
        for warning in plan.warnings:
            module.warn(warning)
        if report.failures:
            module.fail_json(msg="; ".join(bounded(report.failures)), **report.shown(), **more, **invocation(module, hidden))
        if not dry:
            try:
                wanted.after(ports)
            except VirtError as error:
                module.fail_json(msg=str(error), **report.shown(), **more, **invocation(module, hidden))
        module.exit_json(**report.shown(), **more, **wanted.result(ports, snap), **invocation(module, hidden))


@contextmanager
def _alone(module: AnsibleModule, dry: bool) -> Iterator[None]:
    """Keep other runs away from the hypervisor while something is changed; who only looks waits for nobody."""
    if dry:
        yield
        return
    with one_at_a_time(module.params["uri"], _progress(module)):
        yield


@dataclass
class _Report:
    """What a run returns, whether it went well or not."""

    subject: Subject
    plan: Plan
    outcomes: list[Outcome] | None = None
    pending: Plan | None = None
    failures: list[str] = field(default_factory=list)
    diff: list[dict[str, str]] | None = None

    def rows(self) -> list[dict[str, Any]]:
        return plan_rows(self.subject.tables, self.plan, self.outcomes)

    def shown(self) -> dict[str, Any]:
        tables = self.subject.tables
        found: dict[str, Any] = {
            "changed": bool(self.plan.actions),
            "plan": self.rows(),
            "pending": pending_rows(tables, self.pending or self.plan),
            "unmanaged": unmanaged_rows(self.plan),
            "summary": summary(tables, self.plan, self.subject.objects, self.subject.named),
        }
        if "guest" in tables:
            # Only guests keep what was applied last.
            found["drift"] = drift_rows(self.plan)
        if self.diff is not None:
            found["diff"] = self.diff
        return found

    def judge(self, snap: Snapshot) -> None:
        """Look again: what was written must read back, or it would be a change for ever."""
        outcomes = self.outcomes or []
        self.failures = [outcome.error or "" for outcome in outcomes if outcome.outcome in ("failed", "skipped")]
        if self.plan.actions and not self.failures:
            again = self.subject.plan(snap)
            waits = {outcome.action.key for outcome in outcomes if outcome.error is not None}
            self.failures = unfinished(again, waits)
            self.pending = again


@dataclass(frozen=True)
class BareSubject:
    """What a module makes true on a host that may have no libvirt.

    ``prepare`` ends what an earlier run left behind, ``plan`` looks and plans, ``apply`` does it and returns values beside
    the plan; in check mode only ``plan`` is called. ``result`` returns what there is afterwards, ``diff`` one entry for each
    file or object that changes.
    """

    prepare: Callable[[], None]
    plan: Callable[[], Plan]
    apply: Callable[[], Mapping[str, Any]]
    result: Callable[[], Mapping[str, Any]]
    diff: Callable[[], list[dict[str, str]]]


def main_bare(
    options: Mapping[str, Any],
    subject: Callable[[Mapping[str, Any], Programs], BareSubject],
    library: Callable[[Programs], str | None],
    **extra: Any,
) -> None:
    """Run a module that needs no libvirt. ``library`` names a Python library that this very host makes necessary."""
    module = AnsibleModule(argument_spec=dict(options), supports_check_mode=True, **extra)
    programs = Programs(module.run_command)
    needed = library(programs)
    if needed is not None and importlib.util.find_spec(needed) is None:
        _respawn(module, needed)
        module.fail_json(msg=missing_required_lib(needed, reason="on this host, under a Python that Ansible may use"))
    with _reported(module):
        wanted = subject(module.params, programs)
        if not module.check_mode:
            wanted.prepare()
        plan = wanted.plan()
        found: dict[str, Any] = {
            "changed": bool(plan.actions),
            "plan": plan_rows({}, plan, None),
            "summary": summary({}, plan, 1),
        }
        if module._diff:
            found["diff"] = wanted.diff()
        for warning in plan.warnings:
            module.warn(warning)
        if not module.check_mode:
            found.update(wanted.apply())
        module.exit_json(**found, **wanted.result(), **invocation(module))


@dataclass(frozen=True)
class Deed:
    """What a module does, which is no state of an object. ``predicted`` is what check mode returns when it changes something.

    What changes nothing is done in check mode too.
    """

    changed: bool
    predicted: Mapping[str, Any]
    do: Callable[[], Mapping[str, Any]]


def main_deed(options: Mapping[str, Any], deed: Callable[[Mapping[str, Any], Ports], Deed], **extra: Any) -> None:
    """Run a module that does something. Ended by a signal it gives back what it holds, a guest's console for one."""
    module = AnsibleModule(argument_spec={**URI, **options}, supports_check_mode=True, **extra)
    with _reported(module), _ports(module, readonly=False, fetch=False) as ports, _unwinding():
        wanted = deed(module.params, ports)
        found = wanted.predicted if module.check_mode and wanted.changed else wanted.do()
        module.exit_json(changed=wanted.changed, **found)


@contextmanager
def _unwinding() -> Iterator[None]:
    """Have signals that end a process run what stands in ``finally``."""

    def unwind(number: int, _frame: Any) -> None:
        raise SystemExit(128 + number)

    before = {number: signal.signal(number, unwind) for number in (signal.SIGTERM, signal.SIGHUP)}
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


def main_info(
    options: Mapping[str, Any], read: Callable[[Mapping[str, Any], Ports], Mapping[str, Any]], name: str, **extra: Any
) -> None:
    """Run a module that only looks. ``read`` returns the module's values; ``query`` goes to the one called ``name``."""
    module = AnsibleModule(argument_spec={**URI, **QUERY, **options}, supports_check_mode=True, **extra)
    with _reported(module), _ports(module, readonly=True, fetch=False) as ports:
        _exit_found(module, read(module.params, ports), name)


def main_facts(
    options: Mapping[str, Any], read: Callable[[Mapping[str, Any], Ports], Mapping[str, Any]], names: Mapping[str, str]
) -> None:
    """Run a module that only looks, and keeps what it found: ``names`` says as which fact each value of ``read`` is kept."""
    module = AnsibleModule(argument_spec={**URI, **options}, supports_check_mode=True)
    with _reported(module), _ports(module, readonly=True, fetch=False) as ports:
        found = read(module.params, ports)
        module.exit_json(changed=False, ansible_facts={fact: found[name] for name, fact in names.items()})


def main_files_info(
    options: Mapping[str, Any], read: Callable[[Mapping[str, Any], Files], Mapping[str, Any]], name: str
) -> None:
    """Run a module that only looks, and only at the host itself: it has no hypervisor, and needs no libvirt."""
    module = AnsibleModule(argument_spec={**QUERY, **options}, supports_check_mode=True)
    with _reported(module):
        _exit_found(module, read(module.params, _local_files(module)), name)


def _exit_found(module: AnsibleModule, values: Mapping[str, Any], name: str) -> None:
    found = dict(values)
    if module.params.get("query"):
        found["result"] = _search(module, module.params["query"], found[name])
    module.exit_json(changed=False, **found)


def _local_files(module: AnsibleModule) -> Files:
    return LocalFiles(module.run_command)


def _search(module: AnsibleModule, query: str, value: Any) -> Any:
    try:
        import jmespath  # type: ignore[import-untyped]
    except ImportError:
        _respawn(module, "jmespath")
        module.fail_json(msg=missing_required_lib("jmespath", reason="to use query (package python3-jmespath)"))
    try:
        return jmespath.search(query, value)
    except jmespath.exceptions.JMESPathError as error:
        module.fail_json(msg=f"query: {query!r} is not a JMESPath expression: {error}")


@contextmanager
def _reported(module: AnsibleModule, hidden: Sequence[str] = ()) -> Iterator[None]:
    try:
        yield
    except VirtError as error:
        module.fail_json(msg=str(error), **invocation(module, hidden))


@contextmanager
def _ports(module: AnsibleModule, readonly: bool, fetch: bool) -> Iterator[Ports]:
    """Open both sides; under the system's interpreter where the running one lacks libvirt."""
    _need_libvirt(module)
    params = module.params
    files = _local_files(module)
    if fetch:
        files = LocalFiles(
            module.run_command,
            fetch=Fetch(
                headers=params.get("headers") or {},
                url_username=params.get("url_username"),
                url_password=params.get("url_password"),
                validate_certs=params.get("validate_certs", True),
                timeout=params.get("timeout") or 60,
                mirror=params.get("mirror"),
                **_cache(params),
            ),
        )
    hypervisor = Libvirt.connect(params["uri"], readonly=readonly)
    try:
        yield Ports(hypervisor, files)
    finally:
        hypervisor.close()


def _cache(params: Mapping[str, Any]) -> dict[str, Any]:
    """Return what is kept of downloads, by Fetch's words."""
    found: dict[str, Any] = {}
    for option, word, parse in (("cache_size", "cache_bytes", parse_size), ("cache_age", "cache_seconds", parse_duration)):
        if params.get(option) is not None:
            try:
                found[word] = parse(params[option])
            except SpecError as error:
                raise SpecError([f"{option}: {problem}" for problem in error.problems]) from error
    return found


def _need_libvirt(module: AnsibleModule) -> None:
    if not HAS_LIBVIRT:
        _respawn(module, "libvirt")
        module.fail_json(msg=missing_required_lib("libvirt", reason="on the hypervisor (package python3-libvirt)"))


def _respawn(module: AnsibleModule, library: str) -> None:
    """Run the module again under the distribution's Python, which has its packages; return where there is none."""
    if has_respawned():
        return
    interpreter = probe_interpreters_for_module(list(_INTERPRETERS), library)
    if interpreter:
        respawn_module(interpreter)


def _progress(module: AnsibleModule) -> Callable[[str], None]:
    """Return what writes each step to the progress file and, where there is one, to the journal."""

    def say(sentence: str) -> None:
        try:
            PROGRESS.parent.mkdir(mode=0o755, exist_ok=True)
            with PROGRESS.open("a", encoding="utf-8") as log:
                log.write(f"{os.getpid()} {sentence}\n")
        except OSError:
            # Progress is a courtesy: a module without the right to write there still does its work.
            return

    return say


def main_look(
    options: Mapping[str, Any],
    read: Callable[[Mapping[str, Any], Callable[..., Any]], Mapping[str, Any]],
    warnings: Callable[[Mapping[str, Any]], Iterable[str]],
) -> None:
    """Run a module that looks at the machine itself by its files and programs, libvirt or not."""
    module = AnsibleModule(argument_spec=dict(options), supports_check_mode=True)
    with _reported(module):
        found = read(module.params, module.run_command)
        for warning in warnings(found):
            # Ansible shows the same words once, whichever host they are of.
            module.warn(f"{platform.node()}: {warning}")
        module.exit_json(changed=False, **found)
