# Copyright: (c) 2026, the virtfleet.core contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Memory and virtual CPUs: ceilings rise and never fall by themselves."""

from __future__ import annotations

from typing import Any

import pytest

from ansible_collections.virtfleet.core.plugins.module_utils import _xml
from ansible_collections.virtfleet.core.plugins.module_utils._change import Change, Effect
from ansible_collections.virtfleet.core.plugins.module_utils._guest.fields.size import RULES
from ansible_collections.virtfleet.core.plugins.module_utils._guest.table import GUEST
from ansible_collections.virtfleet.core.plugins.module_utils._table import (
    Context,
    contradictions,
    observe,
    patch,
    steps,
)
from ansible_collections.virtfleet.core.plugins.module_utils._xml import Element

MIB = 1 << 20


def domain(*parts: str) -> Element:
    return _xml.parse(f"<domain type='kvm'>{''.join(parts)}<devices/></domain>")


def written(root: Element, **values: Any) -> str:
    """Return the elements of memory and vcpus after values were written, as text."""
    changes = [Change((name,), None, value, Effect.LIVE) for name, value in values.items()]
    tree = patch(GUEST, root, changes)
    return "".join(_xml.to_text(child) for child in tree if child.tag != "devices")


MEMORY = "<memory unit='KiB'>2097152</memory><currentMemory unit='KiB'>1048576</currentMemory>"


@pytest.mark.parametrize(
    ("xml", "values", "memory", "ceiling"),
    [
        # Up to the ceiling only the current memory moves.
        (MEMORY, {"memory": 1536 * MIB}, 1536, 2048),
        (MEMORY, {"memory": 512 * MIB}, 512, 2048),
        (MEMORY, {"memory": 4096 * MIB}, 4096, 4096),
        # A ceiling is no less than what is below it.
        (MEMORY, {"memory_max": 4096 * MIB}, 1024, 4096),
        (MEMORY, {"memory_max": 512 * MIB}, 512, 512),
        (MEMORY, {"memory_max": 1024 * MIB}, 1024, 1024),
        (MEMORY, {"memory_max": 8192 * MIB, "memory": 4096 * MIB}, 4096, 8192),
        ("<memory unit='GiB'>2</memory>", {"memory": 1024 * MIB}, 1024, 2048),
        ("", {"memory": 1024 * MIB}, 1024, 1024),
        ("", {"memory_max": 2048 * MIB, "memory": 1024 * MIB}, 1024, 2048),
        ("", {"memory_max": 2048 * MIB}, 2048, 2048),
    ],
)
def test_memory(xml: str, values: dict[str, int], memory: int, ceiling: int) -> None:
    root = _xml.parse(f"<x>{written(domain(xml), **values)}</x>")
    assert _xml.read(root, "currentMemory") == str(memory * 1024)
    assert (observe(GUEST, root)["memory"], observe(GUEST, root)["memory_max"]) == (memory * MIB, ceiling * MIB)


def test_memory_reads_without_a_current_one() -> None:
    found = observe(GUEST, domain("<memory unit='GB'>2</memory>"))
    assert (found["memory"], found["memory_max"]) == (2 * 10**9, 2 * 10**9)


def test_memory_keeps_its_other_attributes() -> None:
    assert 'dumpCore="off"' in written(domain("<memory dumpCore='off' unit='KiB'>1024</memory>"), memory=2 * MIB)


@pytest.mark.parametrize(
    ("xml", "values", "expected"),
    [
        ("<vcpu placement='static'>4</vcpu>", {"vcpus": 2}, '<vcpu placement="static" current="2">4</vcpu>'),
        ("<vcpu placement='static' current='2'>4</vcpu>", {"vcpus": 4}, '<vcpu placement="static">4</vcpu>'),
        ("<vcpu current='2'>4</vcpu>", {"vcpus": 8}, "<vcpu>8</vcpu>"),
        ("<vcpu current='2'>4</vcpu>", {"vcpus_max": 8}, '<vcpu current="2">8</vcpu>'),
        ("<vcpu>4</vcpu>", {"vcpus_max": 2}, "<vcpu>2</vcpu>"),
        ("<vcpu current='2'>4</vcpu>", {"vcpus_max": 2}, "<vcpu>2</vcpu>"),
        ("", {"vcpus": 2}, "<vcpu>2</vcpu>"),
        ("", {"vcpus_max": 4, "vcpus": 2}, '<vcpu current="2">4</vcpu>'),
        # The states of single vcpus are void.
        ("<vcpu>2</vcpu><vcpus><vcpu id='0' enabled='yes'/></vcpus>", {"vcpus": 1}, '<vcpu current="1">2</vcpu>'),
    ],
)
def test_vcpus(xml: str, values: dict[str, int], expected: str) -> None:
    assert written(domain(xml), **values) == expected


@pytest.mark.parametrize(
    ("option", "context", "before", "after", "effect"),
    [
        ("memory", Context(state="running", maxima={"memory_max": 2048}), 512, 1024, Effect.LIVE),
        ("memory", Context(state="paused", maxima={"memory_max": 2048}), 512, 2048, Effect.LIVE),
        ("memory", Context(state="running", maxima={"memory_max": 2048}), 1024, 512, Effect.LIVE),
        ("memory", Context(state="running", maxima={"memory_max": 2048}), 512, 2049, Effect.RESTART),
        ("memory", Context(state="running"), 512, 1024, Effect.RESTART),
        ("memory", Context(state="saved", maxima={"memory_max": 2048}), 512, 1024, Effect.RESTART),
        ("memory_max", Context(state="running", maxima={"memory_max": 2048}), 2048, 1024, Effect.RESTART),
        ("vcpus", Context(state="running", maxima={"vcpus_max": 4}), 2, 4, Effect.LIVE),
        ("vcpus", Context(state="running", maxima={"vcpus_max": 4}), 2, 5, Effect.RESTART),
        ("vcpus", Context(state="running", maxima={"vcpus_max": 4}), 2, 1, Effect.RESTART),
        ("vcpus", Context(state="running", maxima={"vcpus_max": 4}), None, 2, Effect.RESTART),
        ("vcpus_max", Context(state="running", maxima={"vcpus_max": 4}), 4, 8, Effect.RESTART),
        ("topology", Context(state="running"), None, {"cores": 2}, Effect.RESTART),
    ],
)
def test_what_a_change_costs(option: str, context: Context, before: Any, after: Any, effect: Effect) -> None:
    row = GUEST.entry(option)
    assert row.effect(context, before, after) is effect  # type: ignore[union-attr]


def test_the_live_half() -> None:
    changes = [Change(("memory",), 1, MIB, Effect.LIVE), Change(("vcpus",), 1, 2, Effect.LIVE)]
    found = steps(GUEST, changes, Context(name="web1", state="running"), domain(), domain())
    assert [(step.op, dict(step.args), step.optional) for step in found[1:]] == [
        ("set_memory", {"name": "web1", "size_bytes": MIB}, True),
        ("set_vcpus", {"name": "web1", "count": 2}, True),
    ]


def test_topology() -> None:
    root = domain("<cpu mode='host-model'><topology sockets='2' cores='1' threads='1'/><feature name='x'/></cpu>")
    assert observe(GUEST, root)["topology"] == {"sockets": 2, "cores": 1, "threads": 1}
    text = written(root, topology={"cores": 2})
    # libvirt refuses a topology without one of these three.
    assert text == '<cpu mode="host-model"><topology sockets="1" cores="2" threads="1" /><feature name="x" /></cpu>'


@pytest.mark.parametrize(
    ("spec", "said"),
    [
        (
            {"memory": 2048 * MIB, "memory_max": 1024 * MIB},
            ["memory: 2GiB is above memory_max (1GiB); raise memory_max"],
        ),
        ({"memory": 1024 * MIB, "memory_max": 1024 * MIB}, []),
        ({"memory": 1024 * MIB}, []),
        # 200 MB, read back from a definition: rounded up to KiB.
        ({"memory": 195313 * 1024, "memory_max": 200 * 10**6}, []),
        ({"vcpus": 4, "vcpus_max": 2}, ["vcpus: 4 is above vcpus_max (2); raise vcpus_max"]),
        ({"topology": {"cores": 2, "threads": 2}, "vcpus": 4}, []),
        ({"topology": {"cores": 2, "threads": 2}, "vcpus": 2, "vcpus_max": 4}, []),
        (
            {"topology": {"cores": 2, "threads": 2}, "vcpus": 2},
            ["topology: 2 cores x 2 threads make 4 CPUs, but the guest has 2; change topology or vcpus"],
        ),
        (
            {"topology": {"cores": 2}, "vcpus": 2, "vcpus_max": 4},
            ["topology: 2 cores make 2 CPUs, but the guest has 4"],
        ),
        ({"topology": {"cores": 2}}, []),
        ({"topology": {}, "vcpus": 3}, []),
    ],
)
def test_what_contradicts_itself(spec: dict[str, Any], said: list[str]) -> None:
    found = [sentence for rule in RULES for sentence in rule(spec)]
    assert len(found) == len(said)
    for sentence, start in zip(found, said):
        assert sentence.startswith(start)
    assert contradictions(GUEST, spec) == found
