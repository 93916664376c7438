# Copyright: (c) 2026, the virtfleet.core contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""A plan that was kept is applied only where it would still be made so."""

from __future__ import annotations

import json
from typing import Any

import pytest

from ansible_collections.virtfleet.core.plugins.module_utils._errors import Conflict, SpecError, VirtError
from ansible_collections.virtfleet.core.plugins.module_utils._estate.saved import check, fingerprint

HOST = "6f0d4f57-9d4e-4b3a-8a68-2f7c0f1e9b11"
DOCUMENT = {"version": 1, "guests": [{"name": "a"}]}


def row(name: str, after: str = "2GiB", **more: Any) -> dict[str, Any]:
    change = {"path": "memory", "before": "1GiB", "after": after, "effect": "restart"}
    return {"kind": "guest", "name": name, "action": "update", "effect": "restart", "changes": [change], **more}


def kept(*rows: dict[str, Any], **other: Any) -> Any:
    """Return the result of an earlier run as it comes back from a file."""
    made = {"plan": list(rows), "fingerprint": {**fingerprint(DOCUMENT, HOST, rows), **other}}
    return json.loads(json.dumps(made))


def test_the_same_plan_goes_through_however_it_went_before() -> None:
    rows = [row("a", outcome="planned", error=None), row("b")]
    check(kept(*rows), fingerprint(DOCUMENT, HOST, [row("a"), row("b", outcome="planned")]), rows)


@pytest.mark.parametrize(
    ("saved", "error", "told"),
    [
        ({}, SpecError, "is not the result of a run with mode: plan"),
        ({"fingerprint": {}, "plan": 1}, SpecError, "is not the result"),
        (kept(row("a"), version=9), SpecError, "is of version 9"),
        (kept(row("a"), host="other"), Conflict, "was made for the host other"),
        (kept(row("a"), document="0"), Conflict, "was made from another document"),
        (kept(), Conflict, "guest a would be changed too"),
        (kept(row("a"), row("b")), Conflict, "guest b would not be changed any more"),
        (kept(row("a", "4GiB")), Conflict, "guest a would be changed otherwise"),
    ],
)
def test_another_one_is_refused_with_what_is_different(saved: Any, error: type[VirtError], told: str) -> None:
    with pytest.raises(error, match=told):
        check(saved, fingerprint(DOCUMENT, HOST, [row("a")]), [row("a")])
