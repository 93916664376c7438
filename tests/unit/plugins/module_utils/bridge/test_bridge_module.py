# Copyright: (c) 2026, the virtfleet.core contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The two halves of host_bridge: which of them runs, and about which change it asks."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import pytest

from ansible_collections.virtfleet.core.plugins.module_utils import _bridge_module
from ansible_collections.virtfleet.core.plugins.module_utils._bridge.options import BRIDGE_OPTIONS
from ansible_collections.virtfleet.core.plugins.module_utils._errors import Unsupported
from ansible_collections.virtfleet.core.plugins.module_utils._programs import Programs

ENDED = {"outcome": "undone", "why": "nobody came", "restored": True}


class _Host:
    """The host of a change that has ended."""

    asked: tuple[str, str] | None = None

    def __init__(self, programs: Programs) -> None:
        _Host.asked = None

    def unfinished(self) -> None:
        return None

    def progress(self, name: str, token: str) -> Mapping[str, Any]:
        _Host.asked = (name, token)
        return {"phase": "ended", "outcome": ENDED}


def subject(monkeypatch: pytest.MonkeyPatch, user: int = 0, **given: Any) -> _bridge_module.BareSubject:
    monkeypatch.setattr(_bridge_module, "LocalNetwork", _Host)
    monkeypatch.setattr(_bridge_module.os, "geteuid", lambda: user)
    params = {name: given.get(name, option.get("default")) for name, option in BRIDGE_OPTIONS.items()}
    return _bridge_module.bridge_subject(params, Programs(lambda argv, **options: (1, "", "")))


def test_the_second_half_asks_how_the_change_ended_that_it_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    second = subject(monkeypatch, name="br0", confirm="a1")
    # It plans nothing: the first half has done that.
    assert second.plan().actions == ()
    assert second.apply() == {"rollback": {"token": "a1", **ENDED}}
    assert _Host.asked == ("br0", "a1")


def test_the_first_half_asks_nobody(monkeypatch: pytest.MonkeyPatch) -> None:
    subject(monkeypatch, name="br0")
    assert _Host.asked is None


def test_without_root_nothing_is_looked_at(monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(Unsupported, match="could not look after br0: this needs root"):
        subject(monkeypatch, user=1000, name="br0")
