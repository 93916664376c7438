# Copyright: (c) 2026, the virtfleet.core contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Guests kept by the document, beside a bare script that defines the same XML, and beside community.libvirt."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from benchmarks import bare, estate, peers
from benchmarks.measure import Cost, calls, piece
from benchmarks.table import Table, number, size

NETWORK = "bench"
# The peer is measured on so many guests, and scaled: it takes half a second for each.
PEER_LIMIT = 50
# Above this, calls are not counted: they are as many a guest as below.
TRACE_LIMIT = 1000

HEAD = (
    "what",
    "how",
    "guests",
    "s",
    "ms a guest",
    "times the bare script",
    "CPU s",
    "libvirt calls a guest",
    "peak",
    "returned",
)
WORK = ("first definition", "nothing to do", "one field changed on each")


def document(count: int, **more: Any) -> dict[str, Any]:
    """Return a document of guests that differ in nothing but their names."""
    guest = {"memory": "64MiB", "vcpus": 1, "tags": ["bench"], "nics": [{"network": NETWORK}], **more}
    return {"guests": [{"name": f"bench{at:05d}", **guest} for at in range(count)]}


@dataclass(frozen=True)
class Bench:
    """What one number of guests is measured with."""

    uri: str
    count: int
    table: Table
    start: Cost

    def run(self, *, with_peer: bool) -> None:
        """Measure each kind of work in turn: every one begins where the one before has ended."""
        bare.wipe(self.uri)
        xml = estate.definitions(self.uri, document(self.count))
        steps = (document(self.count), document(self.count), document(self.count, title="changed"))
        counted = self._calls(steps)
        scripts = [self._bare(work, xml) for work in range(len(WORK))]
        for work, cost in enumerate(scripts):
            self._row(work, "bare script", cost, cost, None)
        bare.wipe(self.uri)
        own = [piece("estate", uri=self.uri, document=given) for given in steps]
        for work, cost in enumerate(own):
            self._expect(work, cost)
            self._row(work, "virtfleet.core, in process", cost, scripts[work], counted[work])
        played = self._played(steps, scripts)
        peer = self._peer(xml, scripts) if with_peer else []
        for work, cost in enumerate(peer):
            mine = played[work].seconds if played else own[work].seconds + self.start.seconds
            how = "as the same by a play" if played else "as the same in process and one start of Ansible together"
            self.table.note(
                f"{self.count} guests, {WORK[work]}: {peers.NAME} takes {number(cost.seconds / mine)} times as long {how}."
            )
        bare.wipe(self.uri)

    def _calls(self, steps: Sequence[Any]) -> Sequence[int | None]:
        if self.count > TRACE_LIMIT:
            return [None] * len(steps)
        return [calls("estate", uri=self.uri, document=given) for given in steps]

    def _bare(self, work: int, xml: Sequence[str]) -> Cost:
        if work == 0:
            bare.wipe(self.uri)
            return piece("bare-define", uri=self.uri, definitions=xml)
        if work == 1:
            return piece("bare-read", uri=self.uri)
        return piece("bare-retitle", uri=self.uri, title="changed")

    def _played(self, steps: Sequence[Any], scripts: Sequence[Cost]) -> list[Cost]:
        bare.wipe(self.uri)
        found: list[Cost] = []
        for work, given in enumerate(steps):
            cost = estate.play(self.uri, given)
            self._expect(work, cost)
            self._row(work, "virtfleet.core, as a play", cost, scripts[work], None, self.start)
            found.append(cost)
        return found

    def _peer(self, xml: Sequence[str], scripts: Sequence[Cost]) -> list[Cost]:
        bare.wipe(self.uri)
        found: list[Cost] = []
        count = min(self.count, PEER_LIMIT)
        titled = [text.replace("<uuid>", "<title>changed</title><uuid>", 1) for text in xml[:count]]
        for work, given in enumerate((xml[:count], xml[:count], titled)):
            cost = peers.define(self.uri, given)
            if isinstance(cost, str):
                self.table.note(f"{peers.NAME}: skipped: {cost}")
                return found
            times = self.count / count
            returned = round(cost.returned_bytes * times)
            scaled = Cost(cost.seconds * times, cost.cpu_seconds * times, cost.peak_bytes, 0, returned)
            how = peers.NAME if times == 1 else f"{peers.NAME}, {count} measured and scaled"
            self._row(work, how, scaled, scripts[work], None, self.start)
            found.append(scaled)
        return found

    def _expect(self, work: int, cost: Cost) -> None:
        if bool(cost.changed) != (work != 1):
            raise RuntimeError(f"{WORK[work]} of {self.count} guests: changed is {bool(cost.changed)}")

    def _row(
        self, work: int, how: str, cost: Cost, script: Cost, counted: int | None, start: Cost | None = None
    ) -> None:
        """Add a row; a play is held against the script and one start of Ansible together."""
        beside = script.seconds + (start.seconds if start is not None else 0)
        self.table.add(
            WORK[work],
            how,
            str(self.count),
            number(cost.seconds),
            number(cost.seconds / self.count * 1000),
            number(cost.seconds / beside),
            number(cost.cpu_seconds),
            "" if counted is None else number(counted / self.count),
            size(cost.peak_bytes),
            size(cost.returned_bytes) if how != "bare script" else "",
        )


def measure(uri: str, numbers: Sequence[int], *, with_peer: bool = True) -> Table:
    """Return the table of some numbers of guests on the hypervisor at ``uri``, which must have no others."""
    table = Table("Many guests", HEAD)
    start = estate.play_nothing()
    table.note(
        f"A play whose one task does nothing takes {number(start.seconds)} s and {number(start.cpu_seconds)} s of CPU here: "
        "Ansible's own start, which is in every row of a play and in no other. Plays are held against the bare script and "
        "one start of Ansible together."
    )
    for count in numbers:
        print(f"{count} guests ...", flush=True)
        Bench(uri, count, table, start).run(with_peer=with_peer)
    return table
