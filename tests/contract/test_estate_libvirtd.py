# Copyright: (c) 2026, the virtfleet.core contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What holds for every document on a real libvirtd, which has its own mind about what it was told.

The same is held on a host in memory by tests/unit/plugins/module_utils/estate/test_properties.py, with more of everything.
"""

from __future__ import annotations

import shutil
import subprocess
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, Phase, given, seed, settings
from hypothesis import strategies as st

from ansible_collections.virtfleet.core.plugins.module_utils import _xml
from ansible_collections.virtfleet.core.plugins.module_utils._apply import Ports, apply, unfinished
from ansible_collections.virtfleet.core.plugins.module_utils._change import Plan
from ansible_collections.virtfleet.core.plugins.module_utils._estate_module import (
    ESTATE_OPTIONS,
    TABLES,
    estate_subject,
)
from ansible_collections.virtfleet.core.plugins.module_utils._files import LocalFiles
from ansible_collections.virtfleet.core.plugins.module_utils._module import Subject
from ansible_collections.virtfleet.core.plugins.module_utils._render import plan_rows
from tests.contract.places import Place

NAMES = ["a", "b1", "b2"]
NETS = [("vfdrawn0", 81), ("vfdrawn1", 82)]
FOREIGN = [
    "<watchdog model='i6300esb' action='reset'/>",
    "<channel type='unix'><target type='virtio' name='other'/></channel>",
    "<input type='tablet' bus='usb'/>",
]


@dataclass(frozen=True)
class Real:
    """A real host on which documents are made true, in this process."""

    place: Place

    @property
    def ports(self) -> Ports:
        return Ports(self.place.hypervisor, LocalFiles(_run))

    @property
    def pool(self) -> Path:
        return self.place.folder / "drawn"

    def subject(self, document: Any, **options: Any) -> Subject:
        defaults = {name: option.get("default") for name, option in ESTATE_OPTIONS.items()}
        return estate_subject({"uri": "qemu:///system", **defaults, "document": document, **options})

    def planned(self, document: Any, **options: Any) -> Plan:
        subject = self.subject(document, **options)
        return subject.plan(subject.gather(self.ports))

    def make(self, document: Any, **options: Any) -> Plan:
        """Converge, as the module does: each action must go well, and what was written must read back."""
        subject = self.subject(document, **options)
        plan = subject.plan(subject.gather(self.ports))
        outcomes = apply(plan, self.ports, parallel=3)
        assert [outcome.error for outcome in outcomes if outcome.outcome not in ("done", "pending")] == []
        assert unfinished(subject.plan(subject.gather(self.ports))) == []
        return plan

    def picture(self) -> Any:
        hypervisor = self.place.hypervisor
        return (
            {name: (facts.xml, facts.autostart, facts.state) for name, facts in hypervisor.guests().items()},
            {name: (facts.xml, facts.autostart, facts.active) for name, facts in hypervisor.networks().items()},
            {name: (facts.autostart, facts.active) for name, facts in hypervisor.pools().items()},
            sorted(str(path) for path in self.place.folder.rglob("*")),
        )


def _run(argv: list[str], **_options: Any) -> tuple[int, str, str]:
    done = subprocess.run(argv, text=True, capture_output=True, check=False)
    return done.returncode, done.stdout, done.stderr


@pytest.fixture(scope="module")
def real(request: pytest.FixtureRequest, opened: Callable[[str, pytest.FixtureRequest], Place]) -> Iterator[Real]:
    place = opened("libvirtd", request)
    found = Real(place)
    Path(f"{found.pool}.raw").write_bytes(b"\1" * (1 << 20))
    yield found
    place.clear()


def rows(plan: Plan) -> list[dict[str, Any]]:
    return [{k: v for k, v in row.items() if k not in ("outcome", "error")} for row in plan_rows(TABLES, plan, None)]


@st.composite
def _guest(draw: st.DrawFn, name: str, networks: list[str]) -> dict[str, Any]:
    entry: dict[str, Any] = {"name": name}
    if draw(st.booleans()):
        disks = [
            {"size": "1MiB"}, {"size": "2MiB"}, {"name": "data", "size": "1MiB", "bus": "sata"},
            {"name": "raw", "size": "1MiB", "format": "raw"}, {"image": "blank"}, {"image": "blank", "size": "3MiB"},
        ]  # fmt: skip
        entry["disks"] = draw(
            st.lists(st.sampled_from(disks), max_size=3, unique_by=lambda disk: disk.get("name", "root"))
        )
    kinds = [{"network": network} for network in networks] + [{"name": "out", "type": "user"}]
    if draw(st.booleans()):
        nics = draw(st.lists(st.sampled_from(kinds), max_size=2, unique_by=lambda nic: nic.get("network", "out")))
        entry["nics"] = [dict(nic) for nic in nics]
        for nic in entry["nics"]:
            if "network" in nic and draw(st.booleans()):
                nic["address"] = f"10.{dict(NETS)[nic['network']]}.0.{11 + NAMES.index(name)}"
    for option, values in (
        ("memory", ["48MiB", "64MB", "100000KiB"]),
        ("vcpus", [1, 2, 3]),
        ("autostart", [True, False]),
        ("tags", [[], ["a"], ["b", "a"]]),
        ("title", ["One <&> two", "Ä"]),
        ("profiles", [["two"], ["two", "bare"]]),
        ("boot", [["disk"], ["network", "disk"]]),
        ("machine", ["q35"]),
        ("cloud_init", [{"user_data": {"a": 1}}, {"user_data": {"a": 2}}]),
    ):
        if draw(st.integers(0, 2)) == 0:
            entry[option] = draw(st.sampled_from(values))
    return entry


@st.composite
def documents(draw: st.DrawFn, pool: str) -> dict[str, Any]:
    """Draw a small document; the pool and the image are always in it."""
    networks = draw(st.lists(st.sampled_from(NETS), unique=True))
    names = draw(st.lists(st.sampled_from(NAMES), unique=True))
    return {
        "version": 1,
        "name": "drawn",
        "pools": [{"name": "drawn", "path": pool}],
        "images": [{"name": "blank", "source": f"{pool}.raw", "format": "qcow2"}],
        "networks": [
            {
                "name": name,
                "cidr": f"10.{number}.0.0/24",
                "bridge": f"vfd{number}",
                "state": draw(st.sampled_from(["inactive", "inactive", "active"])),
                **({"autostart": draw(st.booleans())} if draw(st.booleans()) else {}),
                **({"domain": draw(st.sampled_from(["a.test", "b.test"]))} if draw(st.booleans()) else {}),
            }
            for name, number in networks
        ],
        "guest_defaults": {"memory": "32MiB"},
        "profiles": {"two": {"vcpus": 2, "tags": ["two"]}, "bare": {"tags": None, "description": "bare"}},
        "guests": [draw(_guest(name, [network for network, _number in networks])) for name in names],
    }


CONSENT = ["blank", *NAMES]
# To make a document smaller that does not hold takes minutes on a real host.
DRAWN: dict[str, Any] = {
    "deadline": None,
    "suppress_health_check": list(HealthCheck),
    "phases": [Phase.generate],
    "database": None,
}


def _hold(real: Real, first: Any, second: Any, foreign: str) -> None:
    """Make two documents true one after another on a host that has nothing of them, and then nothing again."""
    options: dict[str, Any] = {"prune": True, "confirm_data_loss": CONSENT}
    _unplug(first, second)
    try:
        for wanted in (first, second):
            before = real.picture()
            told = real.planned(wanted, **options)
            assert real.picture() == before
            assert rows(real.make(wanted, **options)) == rows(told)
            assert rows(real.planned(wanted, **options)) == []
            if wanted is first:
                _inject(real, foreign)
        tag = _xml.parse(foreign).tag
        for name in {guest["name"] for guest in first["guests"]} & {guest["name"] for guest in second["guests"]}:
            there = _xml.parse(real.place.hypervisor.guests([name])[name].xml)
            assert [node.attrib for node in _xml.find_all(there, f"devices/{tag}")], (name, tag)
        # A disk that its guest was rid of before stays, and the image below it.
        real.make({"version": 1, "name": "drawn"}, prune=True, confirm_data_loss=NAMES)
        left = {path.name for path in real.pool.glob("*") if not path.name.startswith(".")}
        assert left <= {"blank.qcow2", *_disks(first)} - _disks(second)
        assert not set(NAMES) & set(real.place.hypervisor.guests())
        assert not {name for name, _number in NETS} & set(real.place.hypervisor.networks())
    finally:
        real.place.clear()
        shutil.rmtree(real.pool, ignore_errors=True)


def _unplug(first: Any, second: Any) -> None:
    """Have a guest that stays leave the networks that go: nobody may prune what a guest is plugged into."""
    stay = {network["name"] for network in second["networks"]}
    there = {guest["name"]: {nic.get("network") for nic in guest.get("nics", ())} for guest in first["guests"]}
    for guest in second["guests"]:
        if there.get(guest["name"], set()) - {None} - stay:
            guest.setdefault("nics", [])


def _disks(document: Any) -> set[str]:
    """Return the volumes of the guests' disks."""
    return {
        f"{guest['name']}-{disk.get('name', 'root')}.{disk.get('format', 'qcow2')}"
        for guest in document["guests"]
        for disk in guest.get("disks", ())
    }


def _inject(real: Real, foreign: str) -> None:
    """Give each guest a device that no document speaks of."""
    hypervisor = real.place.hypervisor
    for facts in hypervisor.guests().values():
        root = _xml.parse(facts.xml)
        _xml.ensure(root, "devices").append(_xml.parse(foreign))
        hypervisor.define_guest(_xml.to_text(root))


def _drawn(real: Real) -> st.SearchStrategy[tuple[Any, Any, str]]:
    pool = str(real.pool)
    return st.tuples(documents(pool), documents(pool), st.sampled_from(FOREIGN))


@given(data=st.data())
@settings(max_examples=40, derandomize=True, **DRAWN)
def test_what_holds_for_every_document(real: Real, data: st.DataObject) -> None:
    _hold(real, *data.draw(_drawn(real)))


@pytest.mark.slow
@given(data=st.data())
@seed(1)
@settings(max_examples=600, **DRAWN)
def test_what_holds_for_hundreds_of_documents(real: Real, data: st.DataObject) -> None:
    _hold(real, *data.draw(_drawn(real)))
