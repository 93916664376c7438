# Copyright: (c) 2026, the virtfleet.core contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What the module console is told to do, one step after the other."""
from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Union

from .._errors import SpecError
from .._units import parse_duration, parse_size
from .keys import KEYS

# How long is listened where no step is given.
DEFAULT_CAPTURE = "2s"
# Terminals take bytes, and a guest's line discipline about 4 KiB of them at once.
_LONGEST = 4000
_KINDS = ("line", "secret", "text", "key", "wait", "capture")

CONSOLE_OPTIONS: dict[str, Any] = {
    "name": {"type": "str", "required": True},
    "device": {"type": "str"},
    "force": {"type": "bool", "default": False},
    "safe": {"type": "bool", "default": False},
    "timeout": {"type": "str", "default": "30s"},
    "limit": {"type": "str", "default": "64KiB"},
    "steps": {
        "type": "list",
        "elements": "dict",
        "default": [],
        "options": {
            "line": {"type": "str"},
            "secret": {"type": "str", "no_log": True},
            "text": {"type": "str"},
            "key": {"type": "str", "choices": list(KEYS), "no_log": False},
            "wait": {"type": "str"},
            "capture": {"type": "str"},
            "timeout": {"type": "str"},
        },
        "mutually_exclusive": [list(_KINDS)],
        "required_one_of": [list(_KINDS)],
    },
}


@dataclass(frozen=True)
class Send:
    """Type these bytes."""

    data: bytes


@dataclass(frozen=True)
class Wait:
    """Wait until what was said since the last wait matches."""

    pattern: re.Pattern[str]
    seconds: float


@dataclass(frozen=True)
class Capture:
    """Listen for so long."""

    seconds: float


Step = Union[Send, Wait, Capture]


@dataclass(frozen=True)
class Script:
    """All that is to be done. ``limit`` is how many characters of what the guest says are kept."""

    steps: tuple[Step, ...]
    limit: int

    @property
    def sends(self) -> bool:
        """Tell whether anything is typed."""
        return any(isinstance(step, Send) for step in self.steps)


def script(options: Mapping[str, Any]) -> Script:
    """Return what the module's options ask for; raise SpecError with every complaint."""
    problems: list[str] = []
    steps: list[Step] = []
    whole = _seconds("timeout", options["timeout"], problems)
    for number, step in enumerate(options["steps"]):
        path = f"steps[{number}]"
        limit = step.get("timeout")
        if limit is not None and step.get("wait") is None:
            problems.append(f"{path}.timeout: only a `wait` has a time limit of its own")
        if step.get("wait") is not None:
            seconds = whole if limit is None else _seconds(f"{path}.timeout", limit, problems)
            try:
                steps.append(Wait(re.compile(step["wait"], re.MULTILINE), seconds))
            except re.error as error:
                problems.append(f"{path}.wait: {step['wait']!r} is not a regular expression: {error}")
        elif step.get("capture") is not None:
            steps.append(Capture(_seconds(f"{path}.capture", step["capture"], problems)))
        elif step.get("key") is not None:
            steps.append(Send(KEYS[step["key"]]))
        else:
            steps.append(_typed(step, path, problems))
    if not options["steps"]:
        steps.append(Capture(parse_duration(DEFAULT_CAPTURE)))
    try:
        size = parse_size(options["limit"])
    except SpecError as error:
        problems.append(f"limit: {error}")
        size = 1
    if not 1 <= size <= 16 * 1024 * 1024:
        problems.append(f"limit: {options['limit']} is not between 1B and 16MiB")
    if problems:
        raise SpecError(problems)
    return Script(tuple(steps), size)


def _typed(step: Mapping[str, Any], path: str, problems: list[str]) -> Send:
    kind = next((kind for kind in ("line", "secret", "text") if step.get(kind) is not None), "line")
    data = str(step.get(kind) or "").encode("utf-8", "surrogateescape")
    if any(byte < 32 and byte != 9 for byte in data):
        problems.append(f"{path}.{kind}: has a control character; send each line, and each key by its name, as a step")
    if len(data) > _LONGEST:
        problems.append(f"{path}.{kind}: has {len(data)} bytes, more than the {_LONGEST} that a terminal takes at once")
    return Send(data if kind == "text" else data + b"\r")


def _seconds(path: str, value: Any, problems: list[str]) -> float:
    try:
        return parse_duration(value)
    except SpecError as error:
        problems.append(f"{path}: {error}")
        return 0.0
