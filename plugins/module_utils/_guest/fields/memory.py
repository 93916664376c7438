# Copyright: (c) 2026, the virtfleet.core contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What a guest's memory is made of on the host, and the balloon that gives of it back."""

from __future__ import annotations

from ... import _xml
from ..._change import Change, Step
from ..._table import LIVE, QEMU, Context, Field, Spec
from ..._types import MEMORY, ON_OFF, PRESENCE, choice, counted
from ..._xml import Element
from .groups import group

# memory_backing (libvirt, formatdomain: memory backing)


def _set_hugepages(root: Element, value: bool) -> None:
    if value:
        _xml.ensure(root, "memoryBacking/hugepages")
    else:
        _xml.remove(root, "memoryBacking/hugepages")


def _set_page_size(root: Element, size_bytes: int) -> None:
    """Write the size of all pages; pages of single nodes of the guest give way to it."""
    _xml.remove(root, "memoryBacking/hugepages/page")
    MEMORY.write(_xml.ensure(root, "memoryBacking/hugepages/page"), "size", size_bytes)


# memballoon: libvirt gives one to each guest that has none, so that none is a model too.

MODELS = ("virtio", "virtio-transitional", "virtio-non-transitional", "xen", "none")
_BALLOON = "devices/memballoon"


def _set_model(root: Element, value: str) -> None:
    for path in ("address", "alias"):
        _xml.remove(root, f"{_BALLOON}/{path}")
    if value in ("none", "xen"):
        for path in ("stats", "driver", "@autodeflate", "@freePageReporting"):
            _xml.remove(root, f"{_BALLOON}/{path}")
    _xml.write(root, f"{_BALLOON}/@model", value)


def _set_period(root: Element, seconds: int) -> None:
    if seconds:
        _xml.write(root, f"{_BALLOON}/stats/@period", str(seconds))
    else:
        _xml.remove(root, f"{_BALLOON}/stats")


def _period(context: Context, change: Change, live: Element | None, new: Element | None) -> Step:
    arguments = {"name": context.name, "seconds": change.after["stats_period"]}
    return Step("set_stats_period", arguments, "set how often the balloon of the running guest tells its numbers", True)


ROWS = (
    group(
        "memory_backing",
        (
            Field("hugepages", ("memoryBacking/hugepages",), PRESENCE, absent=False, setter=_set_hugepages),
            Field("hugepage_size", ("memoryBacking/hugepages/page/@size",), MEMORY, setter=_set_page_size),
            Field("source", ("memoryBacking/source/@type",), choice("anonymous", "file", "memfd")),
            Field("access", ("memoryBacking/access/@mode",), choice("private", "shared")),
            Field("allocation", ("memoryBacking/allocation/@mode",), choice("immediate", "ondemand")),
            Field("locked", ("memoryBacking/locked",), PRESENCE, absent=False),
            Field("nosharepages", ("memoryBacking/nosharepages",), PRESENCE, absent=False),
            Field("discard", ("memoryBacking/discard",), PRESENCE, absent=False),
        ),
        drivers=QEMU,
    ),
    group(
        "memballoon",
        (
            Field(
                "model",
                (f"{_BALLOON}/@model", *(f"{_BALLOON}/{part}" for part in ("address", "alias", "driver"))),
                choice(*MODELS),
                setter=_set_model,
            ),
            Field(
                "stats_period",
                (f"{_BALLOON}/stats/@period",),
                counted(0, 2**31 - 1, "a number of seconds"),
                LIVE,
                absent=0,
                setter=_set_period,
                drivers=QEMU,
            ),
            Field("autodeflate", (f"{_BALLOON}/@autodeflate",), ON_OFF, drivers=QEMU),
            Field("free_page_reporting", (f"{_BALLOON}/@freePageReporting",), ON_OFF, drivers=QEMU),
        ),
        _period,
    ),
)


def pages_are_huge(spec: Spec) -> list[str]:
    backing = spec.get("memory_backing") or {}
    if "hugepage_size" in backing and backing.get("hugepages") is False:
        return ["memory_backing: hugepage_size is of no use without hugepages: true"]
    return []


def a_balloon_tells(spec: Spec) -> list[str]:
    balloon = spec.get("memballoon") or {}
    if balloon.get("model") == "none" and balloon.get("stats_period"):
        return ["memballoon: a guest without a balloon tells no numbers; set stats_period to 0"]
    return []


RULES = (pages_are_huge, a_balloon_tells)
