# Copyright: (c) 2026, the virtfleet.core contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The virtual processor: its model and features, and how processors and memory are laid out in nodes."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from ... import _xml
from ..._change import UNSET
from ..._table import QEMU, Field, Spec
from ..._types import MEMORY, ON_OFF, Type, choice, mapping, pattern, record, records, unused
from ..._xml import Element, SubElement
from .groups import group
from .size import CPUSET

# model: three words say how the model is found, any other one names it (libvirt, formatdomain: CPU model and topology).

MODES = ("host-passthrough", "host-model", "maximum")
POLICIES = ("require", "disable", "force", "optional", "forbid")
MODEL = pattern(r"[A-Za-z0-9_.+-]+", "the name of a CPU model, host-passthrough, host-model or maximum")


def _get_model(root: Element) -> Any:
    mode = _xml.read(root, "cpu/@mode")
    if mode in MODES:
        return mode
    return _xml.read(root, "cpu/model") or UNSET


def _set_model(root: Element, value: str) -> None:
    """Write the model; how strictly it is checked and whether it migrates were said of the old one."""
    for path in ("cpu/model", "cpu/vendor", "cpu/@match", "cpu/@check", "cpu/@migratable"):
        _xml.remove(root, path)
    if value in MODES:
        _xml.write(root, "cpu/@mode", value)
        return
    _xml.write(root, "cpu/@mode", "custom")
    _xml.write(root, "cpu/@match", "exact")
    _xml.write(root, "cpu/model", value)


def _feature(name: Any) -> list[str]:
    return [str(pattern(r"[A-Za-z0-9_.-]+", "the name of a CPU feature").parse(name))]


FEATURES = mapping(_feature, choice(*POLICIES))


def _get_features(root: Element) -> Any:
    found = _xml.find_all(root, "cpu/feature")
    return {feature.get("name", ""): feature.get("policy", "require") for feature in found}


def _set_features(root: Element, value: dict[str, str]) -> None:
    _xml.remove(root, "cpu/feature")
    if value:
        cpu = _xml.ensure(root, "cpu")
        for name, policy in value.items():
            SubElement(cpu, "feature", {"policy": policy, "name": name})


def _set_cache(root: Element, value: str) -> None:
    """Write what is seen of the cache; an emulated one is of the third level (libvirt refuses any other)."""
    _xml.remove(root, "cpu/cache/@level")
    _xml.write(root, "cpu/cache/@mode", value)
    if value == "emulate":
        _xml.write(root, "cpu/cache/@level", "3")


# numa: the guest's own nodes. A node that stays keeps what has no word here, such as its distances.

_CELL = record({"cpus": CPUSET, "memory": MEMORY})


def _wrong_cell(cell: Mapping[str, Any]) -> list[str]:
    return [] if "memory" in cell else ["needs memory, for example 1GiB"]


_parse_cells, _show_cells = records(_CELL, "nodes, each with cpus and memory", "node {}", _wrong_cell)


def _same_cells(want: Sequence[Spec], have: Sequence[Spec]) -> bool:
    return len(want) == len(have) and all(_CELL.same(cell, other) for cell, other in zip(want, have))


CELLS = Type(lambda value: tuple(_parse_cells(value)), unused, unused, _show_cells, _same_cells, inner=_CELL)


def _get_cells(root: Element) -> Any:
    found = []
    for cell in _xml.find_all(root, "cpu/numa/cell"):
        read: Spec = {"cpus": cell.attrib["cpus"]} if "cpus" in cell.attrib else {}
        if "memory" in cell.attrib:
            read["memory"] = MEMORY.read(cell, "memory")
        found.append(read)
    return tuple(found)


def _set_cells(root: Element, cells: Sequence[Spec]) -> None:
    if not cells:
        _xml.remove(root, "cpu/numa")
        return
    numa = _xml.ensure(root, "cpu/numa")
    present = numa.findall("cell")
    if len(present) != len(cells):
        # The distances name nodes that are no longer the same.
        for cell in present:
            numa.remove(cell)
        present = [SubElement(numa, "cell", {"id": str(number)}) for number in range(len(cells))]
    for cell, wanted in zip(present, cells):
        MEMORY.write(cell, "memory", wanted["memory"])
        if wanted.get("cpus"):
            cell.set("cpus", wanted["cpus"])
        else:
            cell.attrib.pop("cpus", None)


ROWS = (
    # What the host has decides what a running guest's model and features are; they say nothing about the definition.
    group(
        "cpu",
        (
            Field(
                "model",
                ("cpu/@mode", "cpu/@match", "cpu/@check", "cpu/@migratable", "cpu/model", "cpu/vendor"),
                MODEL,
                getter=_get_model,
                setter=_set_model,
            ),
            Field("features", ("cpu/feature",), FEATURES, getter=_get_features, setter=_set_features),
            Field("check", ("cpu/@check",), choice("none", "partial", "full"), drivers=QEMU),
            Field("migratable", ("cpu/@migratable",), ON_OFF, drivers=QEMU),
            Field(
                "cache",
                ("cpu/cache/@mode", "cpu/cache/@level"),
                choice("passthrough", "emulate", "disable"),
                setter=_set_cache,
                drivers=QEMU,
            ),
        ),
        live="skip",
    ),
    Field("numa", ("cpu/numa",), CELLS, getter=_get_cells, setter=_set_cells, absent=(), drivers=QEMU),
)


def features_have_a_model(spec: Spec) -> list[str]:
    cpu = spec.get("cpu") or {}
    if cpu.get("features") and not cpu.get("model"):
        return ["cpu: features are those of a model; say it too, for example model: host-model"]
    return []


def migratable_models(spec: Spec) -> list[str]:
    """Only a model that is the host's own can hold what does not migrate (libvirt refuses the word with others)."""
    cpu = spec.get("cpu") or {}
    if "migratable" in cpu and cpu.get("model") not in ("host-passthrough", "maximum"):
        return ["cpu: migratable goes with the models host-passthrough and maximum only"]
    return []


def nodes_hold_all(spec: Spec) -> list[str]:
    """libvirt takes the sum of the nodes, and of what is plugged in, for the guest's memory."""
    cells = spec.get("numa")
    if not cells:
        return []
    total, memory = sum(cell.get("memory", 0) for cell in cells), spec.get("memory_max", spec.get("memory", 0))
    if memory and not MEMORY.same(memory, total):
        return [
            f"numa: its nodes have {MEMORY.show(total)} together, but the guest has {MEMORY.show(memory)} at most; "
            "change memory of the nodes, or memory_max"
        ]
    return []


RULES = (features_have_a_model, migratable_models, nodes_hold_all)
