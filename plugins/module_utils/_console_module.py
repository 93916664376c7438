# Copyright: (c) 2026, the virtfleet.core contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Wires the module console: its steps played on a guest's console."""

from __future__ import annotations

import re
import time
from collections.abc import Mapping
from typing import Any

from ._apply import Ports
from ._console.steps import Capture, Script, Send, Wait, script
from ._console.text import Transcript
from ._errors import Conflict, NotFound, Timeout
from ._module import Deed
from ._ports import ConsolePort


def console_deed(params: Mapping[str, Any], ports: Ports) -> Deed:
    """Return what the module does. Looking at a console changes nothing; typing on it does, and so does taking it away."""
    wanted = script(params)
    name = params["name"]
    found = ports.hypervisor.guests([name]).get(name)
    if found is None:
        raise NotFound(f"could not open the console of guest {name}: there is no such guest; check the name")
    if not found.active:
        raise Conflict(f"could not open the console of guest {name}: it does not run; start the guest first")

    def play() -> Mapping[str, Any]:
        with ports.hypervisor.console(name, params["device"], params["force"], params["safe"]) as port:
            return played(wanted, port, name)

    nothing = {"output": "", "output_lines": [], "matches": [], "dropped": 0, "ended": False}
    return Deed(wanted.sends or params["force"], nothing, play)


def played(wanted: Script, port: ConsolePort, name: str) -> Mapping[str, Any]:
    """Play the steps and return what the guest said. Raises Timeout when a pattern does not come."""
    heard = Transcript(wanted.limit)
    matches: list[str] = []
    # Up to here what was said has been waited for already.
    taken = 0
    ended = False
    for step in wanted.steps:
        if isinstance(step, Send):
            port.write(step.data)
        elif isinstance(step, Capture):
            ended = _listen(step.seconds, port, heard)
        else:
            found = _await(step, port, heard, taken)
            if found is None:
                raise Timeout(
                    f"could not see {step.pattern.pattern!r} on the console of guest {name} within {step.seconds:g} s; "
                    f"seen last: {heard.last() or 'nothing'}"
                )
            matches.append(found[0])
            taken = heard.dropped + found.end()
    return {
        "output": heard.text,
        "output_lines": heard.text.splitlines(),
        "matches": matches,
        "dropped": heard.dropped,
        "ended": ended,
    }


def _listen(seconds: float, port: ConsolePort, heard: Transcript) -> bool:
    """Take down all that is said for a while; return whether the console ended, as that of a guest that powers off."""
    deadline = time.monotonic() + seconds
    try:
        while (left := deadline - time.monotonic()) > 0:
            heard.feed(port.read(left))
    except Conflict:
        return True
    return False


def _await(step: Wait, port: ConsolePort, heard: Transcript, taken: int) -> re.Match[str] | None:
    """Return where the pattern is found behind ``taken``, None when it does not come in time."""
    deadline = time.monotonic() + step.seconds
    while True:
        found = step.pattern.search(heard.text, max(0, taken - heard.dropped))
        left = deadline - time.monotonic()
        if found or left <= 0:
            return found
        heard.feed(port.read(left))
