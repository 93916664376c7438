# Copyright: (c) 2026, the virtfleet.core contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The inventory of running guests beside community.libvirt's, and beside what Ansible needs for as many hosts of a file.

The hypervisors are libvirt daemons with sockets of their own in front of libvirt's test driver: what is asked over them is
real, and their answers cost both the same.
"""

from __future__ import annotations

import json
import sys
import tempfile
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from benchmarks import peers
from benchmarks.measure import ROOT, Cost, environment, program
from benchmarks.table import Table, number, size
from tests.integration.fleet import Fleet
from tests.unit.plugins.inventory.listing import guest_xml
from tools.dev.tree import collections_path

NUMBERS = (1, 100, 1000, 5000)
# Above this, requests are not counted: they are as many a guest as below.
COUNT_LIMIT = 1000
HYPERVISORS, GUESTS = 40, 250
RUNS = 3

HEAD = ("what", "how", "guests", "s", "times an empty one", "CPU s", "CPU ms a guest", "requests a guest", "peak")
OWN, PEER = "virtfleet.core.guests", "community.libvirt.libvirt"
FILE, BARE = "names in a file", "connection opened by a bare script"
# A prefix, and the key for either plugin.
KEYED = (("state", "virt_state", "info.state"), ("vcpus", "virt_vcpus", "info.nrVirtCpu | string"))
HOST = "g00000"
# `--host` is what a play pays: nothing is printed of the others.
ONE = {"hosts": "one host of them", "with groups": "one host of them, with groups"}
LOOK = "import libvirt, sys; print(len(libvirt.openReadOnly(sys.argv[1]).listAllDomains()))"


@dataclass(frozen=True)
class Reader:
    """One environment with Ansible, and the plugins that are measured in it."""

    python: Path
    env: Mapping[str, str]

    @classmethod
    def of(cls, python: Path, env: Mapping[str, str], plugin: str, folder: Path) -> Reader:
        return cls(
            python,
            {
                **env,
                "ANSIBLE_CONFIG": str(ROOT / "tools" / "ansible.cfg"),
                "ANSIBLE_HOME": str(folder / "home"),
                "ANSIBLE_INVENTORY_ENABLED": f"{plugin},ini",
                "ANSIBLE_INVENTORY_ANY_UNPARSED_IS_FAILED": "true",
                "ANSIBLE_LOCALHOST_WARNING": "0",
            },
        )

    def list(self, path: Path, runs: int = RUNS, host: str = "", expect: str = "", **env: str) -> Cost:
        """List an inventory, or one host of it, several times; return the least seconds and the least CPU.

        The least, since others use the machine too.
        """
        words = ["--host", host] if host else ["--list"]
        with tempfile.NamedTemporaryFile() as listing:
            argv = [str(self.python.parent / "ansible-inventory"), "-i", str(path), *words, "--output", listing.name]
            cost = _least([program(argv, {**self.env, **env}) for _each in range(runs)])
            if expect not in Path(listing.name).read_text(encoding="utf-8"):
                raise RuntimeError(f"{expect} is not in the listing of {path}")
        return cost

    def requests(self, path: Path) -> int:
        """Return how many requests go to libvirt's daemons, by libvirt's own log of its client."""
        with tempfile.NamedTemporaryFile() as log:
            log_all = {"LIBVIRT_LOG_FILTERS": "1:rpc.netclient", "LIBVIRT_LOG_OUTPUTS": f"1:file:{log.name}"}
            self.list(path, 1, **log_all)
            with open(log.name, "rb") as lines:
                return sum(b"RPC_CLIENT_MSG_TX_QUEUE" in line for line in lines)


@dataclass(frozen=True)
class Bench:
    """The table and what is measured for it. ``peer`` is a sentence where there is none."""

    table: Table
    folder: Path
    own: Reader
    peer: Reader | str

    def run(self, numbers: Sequence[int]) -> None:
        for count in numbers:
            print(f"{count} guests ...", flush=True)
            with Fleet({"hv1": [guest_xml(f"g{at:05}", at, tags=["bench"]) for at in range(count)]}) as fleet:
                self._count(count, fleet.daemons["hv1"].uri)

    def _count(self, count: int, uri: str) -> None:
        empty = self._write("empty.ini", "")
        start = self.own.list(empty)
        self._row("no host", "an empty file", 0, start, start)
        names = self._write("names.ini", "".join(f"g{at:05}\n" for at in range(count)))
        self._row("hosts", FILE, count, self.own.list(names), start)
        self._row(ONE["hosts"], FILE, count, self.own.list(names, host=HOST), start)
        look = _least([program([sys.executable, "-c", LOOK, uri], self.own.env) for _each in range(RUNS)])
        self._row("hosts", BARE, count, look, start)
        cache = {
            "cache": True,
            "cache_plugin": "ansible.builtin.jsonfile",
            "cache_connection": str(self.folder / "cache"),
        }
        keyed = [{"prefix": prefix, "key": key} for prefix, key, _key in KEYED]
        last = f"g{count - 1:05}"
        found: dict[str, Cost] = {}
        one: dict[str, Cost] = {}
        for what, options in (
            ("hosts", {"group_by": []}),
            ("with groups", {"group_by": ["host", "state", "tag"]}),
            ("with keyed_groups", {"group_by": [], "keyed_groups": keyed}),
            ("with groups, cached", {"group_by": ["host", "state", "tag"], **cache}),
        ):
            content = {"plugin": OWN, "hypervisors": [uri], "timeout": "5m", **options}
            path = self._write(f"{what.replace(' ', '-')}-{count}.virtfleet.yml", json.dumps(content))
            if "cached" in what:
                self.own.list(path, 1)
            found[what] = self.own.list(path, expect=last)
            asked = self.own.requests(path) if count <= COUNT_LIMIT else None
            self._row(what, OWN, count, found[what], start, asked)
            if what in ONE:
                one[what] = self.own.list(path, host=HOST)
                self._row(ONE[what], OWN, count, one[what], start)
        if isinstance(self.peer, str):
            self.table.note(f"{PEER}: skipped: {self.peer}")
            return
        peer_start = self.peer.list(empty)
        peer_keyed = [{"prefix": prefix, "key": key} for prefix, _key, key in KEYED]
        for what, more in (("hosts", {}), ("with keyed_groups", {"keyed_groups": peer_keyed})):
            content = {"plugin": PEER, "uri": uri, "alternate_id_groups": False, **more}
            path = self._write(f"{what.replace(' ', '-')}.yml", json.dumps(content))
            cost = self.peer.list(path, expect=last)
            asked = self.peer.requests(path) if count <= COUNT_LIMIT else None
            self._row(what, PEER, count, cost, peer_start, asked)
            alone = self.peer.list(path, host=HOST)
            self._row(ONE["with groups" if more else "hosts"], PEER, count, alone, peer_start)
            same = "with groups" if more else "hosts"
            for words, theirs, mine in ((what, cost, found[same]), (f"{what}, one host", alone, one[same])):
                self.table.note(
                    f"{count} guests, {words}: {PEER} takes {number(theirs.seconds / mine.seconds)} times as long and "
                    f"{number(theirs.cpu_seconds / mine.cpu_seconds)} times the CPU; without Ansible's own start "
                    f"{number(_beyond(theirs, peer_start) / _beyond(mine, start))} times the CPU."
                )

    def fleet(self) -> None:
        print(f"{HYPERVISORS} hypervisors with {GUESTS} guests ...", flush=True)
        nodes = {
            f"hv{host:02}": [guest_xml(f"g{host:02}-{at:03}", host * 1000 + at, tags=["bench"]) for at in range(GUESTS)]
            for host in range(HYPERVISORS)
        }
        with Fleet(nodes) as fleet:
            uris = [{"uri": daemon.uri, "name": name} for name, daemon in fleet.daemons.items()]
            content = {"plugin": OWN, "hypervisors": uris, "timeout": "5m"}
            path = self._write("fleet.virtfleet.yml", json.dumps(content))
            cost = self.own.list(path, 1, expect=f"g{HYPERVISORS - 1:02}-{GUESTS - 1:03}")
        start = self.own.list(self._write("empty.ini", ""), 1)
        self._row(f"with groups, {HYPERVISORS} hypervisors", OWN, HYPERVISORS * GUESTS, cost, start)

    def _write(self, name: str, content: str) -> Path:
        path = self.folder / name
        path.write_text(content, encoding="utf-8")
        return path

    def _row(self, what: str, how: str, count: int, cost: Cost, start: Cost, asked: int | None = None) -> None:
        self.table.add(
            what,
            how,
            str(count),
            number(cost.seconds),
            number(cost.seconds / start.seconds),
            number(cost.cpu_seconds),
            number(_beyond(cost, start) / count * 1000) if count > 1 and how != BARE else "",
            "" if asked is None else number(asked / max(count, 1)),
            size(cost.peak_bytes),
        )


def _least(costs: Sequence[Cost]) -> Cost:
    return Cost(
        min(cost.seconds for cost in costs),
        min(cost.cpu_seconds for cost in costs),
        max(cost.peak_bytes for cost in costs),
    )


def _beyond(cost: Cost, start: Cost) -> float:
    """Return the CPU that is not Ansible's own start; never nothing, since others divide by it."""
    return max(cost.cpu_seconds - start.cpu_seconds, 0.001)


def measure(numbers: Sequence[int] = NUMBERS) -> Table:
    """Return the table."""
    table = Table("The inventory of running guests", HEAD)
    with tempfile.TemporaryDirectory(prefix="virtfleet-bench-") as scratch:
        folder = Path(scratch)
        own = Reader.of(
            Path(sys.executable), environment(ANSIBLE_COLLECTIONS_PATH=str(collections_path(ROOT))), OWN, folder
        )
        found = peers.python()
        peer: Reader | str
        if isinstance(found, str):
            peer = found
        else:
            env = {"PATH": f"{found.parent}:/usr/bin:/bin", "HOME": str(Path.home())}
            peer = Reader.of(found, env, PEER, folder)
        bench = Bench(table, folder, own, peer)
        bench.run(numbers)
        bench.fleet()
    return table
