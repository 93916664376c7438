# Copyright: (c) 2026, the virtfleet.core contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Runs real ansible-playbook, inside a lab host or against lab machines, and reads back what each task returned."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from tests.lab import VM, Host, Machine

HERE = Path(__file__).resolve().parent


@dataclass(frozen=True)
class Result:
    """One task's result: how it went, and the values that the module returned."""

    task: str
    outcome: str
    values: Mapping[str, Any]
    host: str = ""

    @property
    def changed(self) -> bool:
        return bool(self.values.get("changed"))

    @property
    def msg(self) -> str:
        return str(self.values.get("msg", ""))

    def __getitem__(self, key: str) -> Any:
        return self.values[key]

    def changes(self, kind: str, name: str) -> dict[str, dict[str, Any]]:
        """Return the planned changes of one object by path."""
        rows = [row for row in self.values["plan"] if (row["kind"], row["name"]) == (kind, name)]
        return {change["path"]: change for row in rows for change in row["changes"]}


class Results(list[Result]):
    """All results of a play in order, also found by a task's name."""

    def named(self, task: str) -> Result:
        return next(result for result in self if result.task == task)

    def changed(self) -> list[str]:
        """Return the tasks that changed something."""
        return [result.task for result in self if result.changed]

    def on(self, host: str) -> Results:
        """Return the results of one host alone."""
        return Results(result for result in self if result.host == host)


@dataclass(frozen=True)
class Player:
    """Plays tasks on a lab host: Ansible runs inside its namespaces, modules under the system's Python."""

    host: Host
    folder: Path
    python: str = "/usr/bin/python3"

    def __call__(
        self,
        tasks: Sequence[Mapping[str, Any]],
        *args: str,
        fails: bool = False,
        env: Mapping[str, str] | None = None,
        timeout: float = 600,
    ) -> Results:
        """Play the tasks; unless ``fails``, every one of them must succeed. Return their results.

        ``timeout`` is longer than the modules' own limits, so that it is they who say what did not come.
        """
        play = {
            "hosts": "localhost",
            "gather_facts": False,
            "tasks": list(tasks),
            "module_defaults": {"group/virtfleet.core.virtfleet": {"uri": self.host.uri}},
        }
        interpreter = f"ansible_python_interpreter={self.python}"
        # Python reads a program that comes by its standard input byte by byte, which costs more than a copy on this machine.
        env = {"ANSIBLE_PIPELINING": "false", **(env or {})}
        return _play(self.command, [play], self.folder, ["-e", interpreter, *args], fails, env, timeout)

    def command(
        self, argv: Sequence[str], env: Mapping[str, str] | None = None, timeout: float = 300
    ) -> subprocess.CompletedProcess[str]:
        """Run an Ansible command of this interpreter's environment inside the host."""
        return _command(self.host.prefix, argv, self.folder, env, timeout)


@dataclass(frozen=True)
class Controller:
    """Plays whole playbooks on lab machines and vms: Ansible runs on this side and reaches them by ssh, as ``user``.

    The machines are the group ``hypervisors``; ``variables`` go to each of them. ``sources`` are inventories beside
    that one.
    """

    machines: Sequence[Machine | VM]
    folder: Path
    user: str = "root"
    variables: Mapping[str, Any] = field(default_factory=dict)
    sources: Sequence[Path] = ()

    def __call__(
        self,
        plays: Sequence[Mapping[str, Any]] | Path,
        *args: str,
        fails: bool = False,
        env: Mapping[str, str] | None = None,
        timeout: float = 600,
    ) -> Results:
        """Play the plays, or the playbook at a path; unless ``fails``, every task must succeed. Return the results."""
        return _play(self.command, plays, self.folder, args, fails, env, timeout)

    def command(
        self, argv: Sequence[str], env: Mapping[str, str] | None = None, timeout: float = 600
    ) -> subprocess.CompletedProcess[str]:
        """Run an Ansible command of this interpreter's environment with the inventories."""
        hosts = {machine.name: {**machine.inventory(self.user), **self.variables} for machine in self.machines}
        inventory = self.folder / "machines.yml"
        inventory.write_text(json.dumps({"hypervisors": {"hosts": hosts}}), encoding="utf-8")
        sources = [word for path in (inventory, *self.sources) for word in ("-i", str(path))]
        # ssh's sockets have short paths, which a test's own folder may not have.
        more = {"ANSIBLE_SSH_CONTROL_PATH_DIR": f"{self.machines[0].home}/cp", "ANSIBLE_TIMEOUT": "30"}
        # Each byte of a program that comes by standard input is a system call, which is dear where it is emulated.
        more["ANSIBLE_PIPELINING"] = "false" if any(isinstance(machine, VM) for machine in self.machines) else "true"
        more.update(env or {})
        return _command([], [argv[0], *sources, *argv[1:]], self.folder, more, timeout)


Command = Callable[[Sequence[str], Mapping[str, str], float], "subprocess.CompletedProcess[str]"]


def _play(
    command: Command,
    plays: Sequence[Mapping[str, Any]] | Path,
    folder: Path,
    args: Sequence[str],
    fails: bool,
    env: Mapping[str, str] | None,
    timeout: float,
) -> Results:
    """Play plays or a playbook and return the results, which are recorded in the folder."""
    number = len(list(folder.glob("play-*.jsonl")))
    record = folder / f"play-{number}.jsonl"
    record.touch()
    book = plays if isinstance(plays, Path) else folder / f"play-{number}.yml"
    if not isinstance(plays, Path):
        book.write_text(json.dumps(plays), encoding="utf-8")
    done = command(["ansible-playbook", *args, str(book)], {"VIRTFLEET_RECORD": str(record), **(env or {})}, timeout)
    results = Results(_read(record))
    if not fails:
        bad = [f"{result.task}: {result.msg}" for result in results if result.outcome in ("failed", "unreachable")]
        assert done.returncode == 0 and not bad, f"{bad}\n{done.stdout[-4000:]}\n{done.stderr[-4000:]}"
    return results


def _command(
    prefix: Sequence[str], argv: Sequence[str], folder: Path, env: Mapping[str, str] | None, timeout: float
) -> subprocess.CompletedProcess[str]:
    """Run an Ansible command of this interpreter's environment, with nobody's own settings."""
    environment = {
        **os.environ,
        "ANSIBLE_LOCALHOST_WARNING": "false",
        "ANSIBLE_INVENTORY_UNPARSED_WARNING": "false",
        "ANSIBLE_NOCOLOR": "1",
        "ANSIBLE_PIPELINING": "true",
        "ANSIBLE_CALLBACK_PLUGINS": str(HERE / "callback"),
        "ANSIBLE_CALLBACKS_ENABLED": "record,payloads",
        "VIRTFLEET_PAYLOADS": str(HERE.parents[1] / "build" / "payloads"),
        "ANSIBLE_HOME": str(folder / "ansible"),
        "LC_ALL": "C.UTF-8",
        **(env or {}),
    }
    return subprocess.run(
        [*prefix, str(Path(sys.executable).parent / argv[0]), *argv[1:]],
        env=environment,
        text=True,
        capture_output=True,
        stdin=subprocess.DEVNULL,
        timeout=timeout,
        check=False,
    )


def _read(record: Path) -> Iterator[Result]:
    if record.exists():
        for line in record.read_text(encoding="utf-8").splitlines():
            values = json.loads(line)
            yield Result(values["task"], values["outcome"], values["result"], values["host"])


def task(title: str, module: str, /, *, check: bool | None = None, **options: Any) -> dict[str, Any]:
    """Return one task of a virtfleet.core module."""
    made: dict[str, Any] = {"name": title, f"virtfleet.core.{module}": options}
    if check is not None:
        made["check_mode"] = check
    return made


def idiom(module: str, title: str, /, **options: Any) -> list[dict[str, Any]]:
    """Return the three tasks ``title (check)``, ``title`` and ``title (again)``."""
    return [
        task(f"{title} (check)", module, check=True, **options),
        task(title, module, **options),
        task(f"{title} (again)", module, **options),
    ]


def assert_idiom(results: Results, name: str) -> Result:
    """Check mode must say what the real run did, and the run after it nothing. Return the real run's result."""
    check, real, again = (results.named(f"{name}{suffix}") for suffix in (" (check)", "", " (again)"))
    assert check.changed and real.changed, name
    planned = [{key: row[key] for key in ("kind", "name", "action", "effect", "changes")} for row in check["plan"]]
    done = [{key: row[key] for key in ("kind", "name", "action", "effect", "changes")} for row in real["plan"]]
    assert planned == done, name
    assert not again.changed and again["plan"] == [], (name, again["plan"])
    return real
